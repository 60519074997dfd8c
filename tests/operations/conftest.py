"""What operators see of a venue. The venue moved by hand, and the one in a process, live beside the tests they are from."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "shell"), str(TESTS / "e2e")]
