"""One walk through a journal with all detectors looking; the report of it. Imports the detectors."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange.core.state import State
from replay.engine import Step, steps
from replay.export.texts import moment
from replay.frames import Progress
from replay.surveil.cases import Bounds, Case
from replay.surveil.colluding import Matched, Wash
from replay.surveil.misleading import Fleeting, Layering, Ping, Stuffing
from replay.surveil.pressing import Concentration, ExpiryWindow, Hunting, Ignition
from replay.surveil.ratio import Count, Ratio
from replay.surveil.sights import Detector, People, Sight, pairs, sights
from replay.surveil.stor import Trade, draft
from replay.words import scaled, title

KINDS: Final[tuple[type, ...]] = (
    Wash,
    Matched,
    Layering,
    Fleeting,
    Stuffing,
    Ping,
    Ignition,
    Hunting,
    ExpiryWindow,
    Concentration,
)


class Report(msgspec.Struct, frozen=True):
    """What was found: cases, worst first, and the ratios of every participant. ``drafts`` are beside the cases."""

    records: int
    bounds: Bounds
    linked: tuple[tuple[str, ...], ...]
    cases: tuple[Case, ...]
    ratios: tuple[dict[str, Any], ...]
    drafts: tuple[dict[str, Any], ...]


def surveil(
    path: Path, bounds: Bounds, linked: Sequence[Sequence[str]] = (), progress: Progress | None = None
) -> Report:
    """All of a journal. Raises Diverged at the first damage, CannotRun when there is no journal."""
    return look(_counted(steps(path), progress), bounds, linked)


def _counted(walk: Iterable[tuple[Step, State]], progress: Progress | None) -> Iterator[tuple[Step, State]]:
    for step, state in walk:
        if progress is not None:
            progress(step.seq)
        yield step, state


class Watch:
    """All detectors at once. ``ratio`` counts, ``cases`` are there to look at once the journal is through."""

    def __init__(self, bounds: Bounds) -> None:
        self.ratio = Ratio(bounds)
        self._detectors: list[Detector] = [self.ratio, *(kind(bounds) for kind in KINDS)]

    def see(self, sight: Sight) -> None:
        """One record more."""
        for detector in self._detectors:
            detector.see(sight)

    def cases(self, people: People) -> list[Case]:
        """Worst first, with every wallet of those they are about."""
        found = (each for detector in self._detectors for each in detector.cases())
        return sorted((_with_wallets(each, people) for each in found), key=_rank)


def look(walk: Iterable[tuple[Step, State]], bounds: Bounds, linked: Sequence[Sequence[str]] = ()) -> Report:
    """The same of records at hand."""
    watch = Watch(bounds)
    trades: dict[int, Trade] = {}
    state, people, last = State(), People(linked), 0
    for sight in sights(walk, linked):
        watch.see(sight)
        trades |= dict(_trades(sight))
        state, people, last = sight.state, sight.people, sight.step.seq
    cases = watch.cases(people)
    drafts = [draft(each, [trades[trade] for trade in each.trades], state, people) for each in cases]
    groups = tuple(tuple(group) for group in linked)
    ratios = tuple(_row(each, state) for each in watch.ratio.rows())
    return Report(last, bounds, groups, tuple(cases), ratios, tuple(drafts))


def _with_wallets(case: Case, people: People) -> Case:
    """With every wallet that belongs to those the case is about."""
    owners = dict.fromkeys(owner for address in case.owners for owner in people.owners(address))
    return msgspec.structs.replace(case, owners=tuple(sorted(owners)))


def _rank(case: Case) -> tuple[int, str, int]:
    return -case.score, case.practice, case.from_ns


def _trades(sight: Sight) -> Iterator[tuple[int, Trade]]:
    for pair in pairs(sight):
        fill = pair.maker.fill
        assert fill is not None
        name, when = title(sight.state, fill.series), moment(pair.maker.time_ns)
        yield pair.trade, Trade(pair.trade, name, scaled(fill.price, 6), scaled(fill.qty, 4), when)


def _row(count: Count, state: State) -> dict[str, Any]:
    """One participant in one series on one day."""
    return {
        "day": moment(count.day * 86_400 * 10**9)[:10],
        "owner": count.owner,
        "series": title(state, count.series),
        "orders": count.orders,
        "ordered": scaled(count.ordered, 4),
        "transactions": count.trades,
        "transacted": scaled(count.traded, 4),
        "ratio_number": None if count.number_ratio is None else scaled(count.number_ratio, 3),
        "ratio_volume": None if count.volume_ratio is None else scaled(count.volume_ratio, 3),
    }


def write_drafts(report: Report, folder: Path) -> list[Path]:
    """Each draft as a file of its own, in a folder that is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, (case, text) in enumerate(zip(report.cases, report.drafts, strict=True), 1):
        path = folder / f"{number:03d}_{case.practice}.json"
        path.write_text(json.dumps(msgspec.to_builtins(text), indent=1, ensure_ascii=False) + "\n")
        written.append(path)
    return written
