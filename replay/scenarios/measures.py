"""What a play gives back. Imports nothing of the venue."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Ask(NamedTuple):
    """What ``explain`` is to be asked about a journal."""

    journal: str
    what: str
    number: int


class Played(NamedTuple):
    """Figures under both rules, in integers of the figure's unit; the journals by side; and what to explain in them."""

    then: Mapping[str, int]
    here: Mapping[str, int]
    journals: Mapping[str, Path]
    told: tuple[Ask, ...] = ()


def percent(part: int, whole: int) -> int:
    """A share in hundredths of a percent, rounded down; of nothing it is nothing."""
    return part * 10_000 // whole if whole else 0
