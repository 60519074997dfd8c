"""``diff``: every field in which two states differ, by name.

Two moments of one journal, or two journals. Imports core and ``replay.tree``.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec

from exchange.core.images import digest, image
from exchange.core.state import State
from exchange.core.units import Nanos
from replay.at import iso
from replay.tree import Difference, differences, named

DIFFERENCES_MAX = 1_000
"""Differences told; beyond that they are only counted."""


class Side(msgspec.Struct, frozen=True):
    """A state that is compared: of which journal, as of which record, with which digest."""

    journal: str
    seq: int
    time_ns: Nanos
    time: str
    digest: str


class Report(msgspec.Struct, kw_only=True):
    """Both sides and what differs between them; ``under`` is the part of the state that was looked at."""

    a: Side
    b: Side
    under: str
    differences: list[Difference]
    omitted: int = 0

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def side_of(journal: str, state: State) -> Side:
    """What is said of a state that is compared."""
    return Side(journal, state.seq, state.time_ns, iso(state.time_ns), digest(state).hex())


def of_states(a: State, b: State) -> Iterator[Difference]:
    """Every field in which two states differ."""
    return differences(named(image(a)), named(image(b)))


def report_of(a: tuple[str, State], b: tuple[str, State], under: str = "") -> Report:
    """Compare two states, each with the name of its journal; ``under`` narrows it: ``accounts.3``."""
    found = within(of_states(a[1], b[1]), under)
    told = list(islice(found, DIFFERENCES_MAX))
    return Report(a=side_of(*a), b=side_of(*b), under=under, differences=told, omitted=sum(1 for _ in found))


def within(found: Iterable[Difference], under: str) -> Iterator[Difference]:
    """Those at a path, or below it."""
    return (each for each in found if not under or each.path == under or each.path.startswith(f"{under}."))


def lines(report: Report) -> list[str]:
    """The table for people."""
    shown = [_side("a", report.a), _side("b", report.b)]
    shown += difference_lines(report.differences)
    if report.omitted:
        shown.append(f"and {report.omitted:,} more")
    count = len(report.differences) + report.omitted
    where = f" under {report.under}" if report.under else ""
    return [*shown, f"verdict    {'no field differs' if report.equal else f'{count:,} field(s) differ'}{where}"]


def difference_lines(found: Sequence[Difference]) -> list[str]:
    """One line each: the field, then its value on either side."""
    width = max((len(each.path) for each in found), default=0)
    return [f"{each.path:<{width}}  {_value(each.a)} -> {_value(each.b)}" for each in found]


def _side(name: str, side: Side) -> str:
    return f"{name}          {side.journal} after seq {side.seq:,}, {side.time}, digest {side.digest[:16]}"


def _value(value: object) -> str:
    text = "(absent)" if value is None else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
