"""Playing a scenario: both rules, every figure measured anew and compared with the file, every journal audited.

Owns the verdict: a figure that differs, one that is missing, a journal that does not verify. Imports the plays.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from replay.checker import check
from replay.engine import MACHINE_FAULTS
from replay.explain import explain
from replay.findings import CannotRun
from replay.scenarios.measures import Played
from replay.scenarios.plays import (
    double_exercise,
    index_outlier,
    migration,
    mixed_deploy,
    pumping,
    reinvested,
    zero_bid,
)
from replay.scenarios.schema import DIGITS, Figure, Scenario
from replay.scenarios.stage import Refused
from replay.verify import verify

PLAYS: Final[Mapping[str, Callable[[Scenario, Path], Played]]] = {
    "S1": index_outlier.play,
    "S2": pumping.play_profit,
    "S3": reinvested.play,
    "S5": pumping.play_backstop,
    "S6": zero_bid.play,
    "S8": migration.play,
    "S9": double_exercise.play,
    "S10": mixed_deploy.play,
}
_SIDES: Final = ("then", "here")


class Finding(msgspec.Struct, kw_only=True):
    """What is not as the file says."""

    kind: str
    sentence: str
    expected: str = ""
    actual: str = ""


class Row(msgspec.Struct, kw_only=True):
    """A figure under both rules, as decimal text; None where it has no meaning there."""

    name: str
    says: str
    unit: str
    then: str | None
    here: str | None


class Told(msgspec.Struct, kw_only=True):
    """A part of a journal that ``explain`` was asked about."""

    journal: str
    what: str
    number: int
    answer: str


class Report(msgspec.Struct, kw_only=True):
    """One scenario as it was played."""

    id: str
    name: str
    title: str
    finding: str
    left: str
    scale: str
    rows: list[Row] = []
    journals: dict[str, str] = {}
    records: dict[str, int] = {}
    told: list[Told] = []
    findings: list[Finding] = []

    @property
    def ok(self) -> bool:
        """Whether everything is as the file says."""
        return not self.findings


class _Expected(NamedTuple):
    side: str
    figure: Figure
    value: Decimal | None


def run(scenario: Scenario, folder: Path) -> Report:
    """Play a scenario in a folder that is made if need be. Raises CannotRun when it cannot be played."""
    play = PLAYS.get(scenario.id)
    if play is None:
        raise CannotRun(f"{scenario.name}: no play is known by the id {scenario.id}: there are {', '.join(PLAYS)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CannotRun(f"{folder} is not empty: name a folder that is, or a new one")
    except OSError as error:
        raise CannotRun(f"{folder} cannot be used: {error}") from error
    names = ("id", "name", "title", "finding", "left", "scale")
    report = Report(**{name: getattr(scenario, name) for name in names})
    try:
        played = play(scenario, folder)
    except (Refused, *MACHINE_FAULTS) as error:  # a rule that has changed may stop a play that knew the old one
        sentence = f"the play does not come to its end: {type(error).__name__}: {error}"
        report.findings.append(Finding(kind="play_stopped", sentence=sentence))
        return report
    _judge(report, scenario, played)
    return report


def _judge(report: Report, scenario: Scenario, played: Played) -> None:
    measured = {"then": played.then, "here": played.here}
    report.findings += _compared(scenario, measured)
    report.rows = [_row(figure, measured) for figure in scenario.figures]
    for name, path in played.journals.items():
        report.journals[name] = str(path)
        _audit(report, name, path)
    for each in played.told:
        answer = explain(played.journals[each.journal], each.what, each.number).answer
        report.told.append(Told(journal=each.journal, what=each.what, number=each.number, answer=answer))


def _text(value: int, figure: Figure) -> str:
    return f"{Decimal(value).scaleb(-DIGITS[figure.unit]):f}"


def _row(figure: Figure, measured: Mapping[str, Mapping[str, int]]) -> Row:
    sides = {
        side: _text(values[figure.name], figure) if figure.name in values else None for side, values in measured.items()
    }
    return Row(name=figure.name, says=figure.says, unit=figure.unit.value, **sides)


def _compared(scenario: Scenario, measured: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    """Every figure of the file and every one of the play, on both sides."""
    for side in _SIDES:
        expected = {each.name: each for each in scenario.figures if getattr(each, side) is not None}
        yield from _missing(side, list(expected), measured[side])
        for name, value in measured[side].items():
            figure = expected.get(name)
            if figure is None:
                yield Finding(kind="figure_unknown", sentence=f"{name} ({side}) is measured, and not in the file")
                continue
            due, actual = getattr(figure, side), Decimal(value).scaleb(-DIGITS[figure.unit])
            if due != actual:
                sentence = f"{name} ({side}): {figure.says}"
                yield Finding(kind="figure_differs", sentence=sentence, expected=f"{due:f}", actual=f"{actual:f}")


def _missing(side: str, expected: Sequence[str], measured: Mapping[str, int]) -> Iterator[Finding]:
    for name in expected:
        if name not in measured:
            yield Finding(kind="figure_missing", sentence=f"{name} ({side}) is in the file, and not measured")


def _audit(report: Report, name: str, path: Path) -> None:
    """The journal of a side stands up to both audits."""
    verified, checked = verify(path), check(path)
    report.records[name] = verified.records
    for found in verified.findings:
        report.findings.append(Finding(kind="journal_not_sound", sentence=f"{name}: verify: {found.sentence}"))
    for violation in checked.violations:
        report.findings.append(Finding(kind="journal_not_sound", sentence=f"{name}: check: {violation.sentence}"))
