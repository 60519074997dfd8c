"""Tests of the venue as a whole, from outside. Their helpers live in modules of their own."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "shell")]
