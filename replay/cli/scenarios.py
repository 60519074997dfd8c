"""``scenario``: incidents of the past under the rule as it was and as it is here. Imports replay.scenarios."""

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import msgspec

from replay.cli.common import CLEAN, FOUND, add_bare, emit
from replay.findings import CannotRun

if TYPE_CHECKING:
    from replay.scenarios.run import Report
    from replay.scenarios.schema import Scenario

WIDTH: Final = 110


def add_to(commands: Any) -> None:
    """The command of this module and its arguments."""
    text = "Play incidents of the past under the rule as it was and as it is here; the difference is the finding."
    command = add_bare(commands, "scenario", _run, text)
    command.add_argument("name", nargs="?", help="an id such as S1, a name, a file, or all; without it, what there is")
    command.add_argument("--keep", type=Path, metavar="DIR", help="keep the journals here, a folder for each scenario")


def _run(options: argparse.Namespace) -> int:
    from replay.scenarios.run import run  # noqa: PLC0415 - plays venues, which needs more than an audit does
    from replay.scenarios.schema import find, shipped  # noqa: PLC0415

    if options.name is None:
        known = shipped()
        emit(options, [_brief(each) for each in known], lambda: [_listed(each) for each in known])
        return CLEAN
    chosen = find(options.name)
    with _folder(options.keep) as folder:
        reports = [run(each, folder / each.name) for each in chosen]
    shown = [msgspec.structs.replace(each, journals={}) for each in reports] if options.keep is None else reports
    ok = all(report.ok for report in reports)
    document = {"ok": ok, "scenarios": [{"ok": report.ok, **msgspec.structs.asdict(report)} for report in shown]}
    emit(options, document, lambda: _lines(chosen, shown))
    return CLEAN if ok else FOUND


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the journals go: the folder to keep, or one that is gone afterwards."""
    if keep is not None:
        if keep.exists() and not keep.is_dir():
            raise CannotRun(f"{keep} is not a folder")
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="verbatim-scenario-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _brief(scenario: "Scenario") -> dict[str, str]:
    return {name: getattr(scenario, name) for name in ("id", "name", "date", "title")}


def _listed(scenario: "Scenario") -> str:
    return f"{scenario.id:<4} {scenario.date}  {scenario.name:<48} {scenario.title}"


def _lines(scenarios: "list[Scenario]", reports: "list[Report]") -> list[str]:
    shown: list[str] = []
    for scenario, report in zip(scenarios, reports, strict=True):
        shown += [*_told(scenario, report), ""]
    bad = [report.id for report in reports if not report.ok]
    verdict = f"not as written: {', '.join(bad)}" if bad else "every figure is as written, every journal verifies"
    return [*shown, f"verdict     {verdict}"]


def _told(scenario: "Scenario", report: "Report") -> Iterator[str]:
    yield f"{scenario.id}  {scenario.title} ({scenario.date})"
    for head, text in (
        ("happened", scenario.happened),
        ("rule then", scenario.rule_then),
        ("rule here", scenario.rule_here),
        ("scale", scenario.scale),
    ):
        yield from _block(head, text)
    width = max(len(row.name) for row in report.rows) if report.rows else 0
    yield f"{'figures':<11} {'':<{width}} {'then':>20} {'here':>20}"
    for row in report.rows:
        then, here = (_figure(value, row.unit) for value in (row.then, row.here))
        yield f"{'':<11} {row.name:<{width}} {then:>20} {here:>20}  {row.says}"
    yield from _block("finding", scenario.finding)
    yield from _block("left", scenario.left)
    for text in scenario.assumed:
        yield from _block("assumed", text)
    for source in scenario.sources:
        yield f"{'source':<11} {source.url}"
        yield from _block("", source.carries)
    yield from _evidence(report)


def _evidence(report: "Report") -> Iterator[str]:
    for name, records in report.records.items():
        where = f" at {report.journals[name]}" if name in report.journals else ""
        yield f"{'journal':<11} {name}: {records:,} records{where}"
    for told in report.told:
        yield from _block("explained", f"{told.journal}, {told.what} {told.number}: {told.answer}")
    for found in report.findings:
        values = f" (expected {found.expected}, actual {found.actual})" if found.expected or found.actual else ""
        yield f"{'NOT SO':<11} {found.kind}: {found.sentence}{values}"


def _figure(value: str | None, unit: str) -> str:
    if value is None:
        return "-"
    sign = {"percent": " %", "seconds": " s", "usdc": " USDC"}.get(unit, "")
    whole, _, fraction = value.partition(".")
    fraction = fraction.rstrip("0")
    minus = "-" if whole.startswith("-") else ""
    return f"{minus}{abs(int(whole)):,}{'.' + fraction if fraction else ''}{sign}"


def _block(head: str, text: str) -> Iterator[str]:
    for number, line in enumerate(wrap(text, WIDTH)):
        yield f"{head if not number else '':<11} {line}"
