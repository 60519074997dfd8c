"""The shell's tests; the venue they move by hand lives in a module of its own, because tests/e2e moves it too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
