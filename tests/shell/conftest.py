"""The shell's tests; the venue they move by hand lives in a module of its own, because tests/e2e moves it too."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "core")]
