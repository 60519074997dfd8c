"""The page: everything gathered, audited, explained and proved, in one file that asks nothing of any network.

Owns what is cited and how it is laid out; the template escapes every text by itself, and charts escape their own.
Imports gather, explain, verify, the checker, leaves, charts, jinja2.
"""

import base64
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from exchange.charts import Chart, Line, Thinned, decimal, legend, svg
from replay import leaves
from replay.checker import check
from replay.explain import Explanation, explain
from replay.findings import CannotRun, Diverged
from replay.frames import Progress, whole_frames
from replay.report.gather import SERIES_MAX, Gathered, Gatherer, Span, chosen_accounts
from replay.verify import verify

CITED_MAX: Final = 64
FINDINGS_MAX: Final = 50


class Asked(NamedTuple):
    """What the report is to be about; without accounts and orders it chooses by itself."""

    span: Span
    accounts: list[int]
    orders: list[int]


class Verdict(msgspec.Struct, kw_only=True):
    """What one audit says."""

    name: str
    ok: bool
    sentence: str
    findings: list[str] = []


class Cited(msgspec.Struct, kw_only=True):
    """A record that the page rests on, with the hashes that lead from it to the root."""

    seq: int
    record: str
    proof: list[str]


class Drawn(NamedTuple):
    """A chart as it is laid out."""

    title: str
    svg: Markup
    legend: list[tuple[str, str, str]]


class Report(NamedTuple):
    """The page, and whether both audits are clean."""

    html: str
    ok: bool
    verdicts: list[Verdict]


def report(path: Path, asked: Asked, progress: Progress | None = None) -> Report:
    """The page about a journal. Raises CannotRun when there is none, or what is asked about is not in it."""
    found = Gatherer(asked.span, chosen_accounts(path, asked.accounts)).walk(path, progress)
    if not found.records:
        raise CannotRun("no record lies in the time asked for")
    unknown = [account for account in asked.accounts if account not in {total.account for total in found.totals}]
    if unknown and not found.broken:
        raise CannotRun(f"there is no account {unknown[0]} in the records asked for")
    verdicts = [_verified(path), _checked(path)]
    chains = list(_chains(path, asked, found))
    head, cited = _proofs(path, found, chains)
    html = _template().render(
        found=found,
        verdicts=verdicts,
        chains=chains,
        charts=list(_charts(found)),
        head=head,
        cited=cited,
        usdc=lambda value: decimal(value, 6),
        contracts=lambda value: decimal(value, 4),
    )
    return Report(html, all(each.ok for each in verdicts), verdicts)


@cache
def _template() -> Template:
    text = (files("replay.report") / "page.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(text)


# -- audits ------------------------------------------------------------------------------------------------------------


def _verified(path: Path) -> Verdict:
    told = verify(path)
    done = (
        f"{told.executed_seq:,} of {told.records:,} records executed again, {told.digests_checked:,} digests compared"
    )
    findings = [f"seq {each.seq:,}: {each.kind.value}: {each.sentence}" for each in told.findings]
    return Verdict(name="Replay", ok=told.ok, sentence=done, findings=findings[:FINDINGS_MAX])


def _checked(path: Path) -> Verdict:
    try:
        told = check(path)
    except Diverged as error:
        return Verdict(name="Independent check", ok=False, sentence="could not finish", findings=[str(error)])
    done = f"{told.records:,} records and {told.trades:,} trades held to spread, price-time priority and conservation"
    findings = [f"seq {each.seq:,}: {each.rule.value}: {each.sentence}" for each in told.violations]
    return Verdict(name="Independent check", ok=told.ok, sentence=done, findings=findings[:FINDINGS_MAX])


# -- chains and proofs -------------------------------------------------------------------------------------------------


def _chains(path: Path, asked: Asked, found: Gathered) -> Iterator[Explanation]:
    """Of the orders asked about, of liquidations; without either of the largest trade and of the last refusal."""
    wanted = [("order", order) for order in asked.orders]
    wanted += [("liquidation", seq) for seq in found.cases]
    if not wanted:
        wanted = [("fill", found.largest)] * bool(found.largest) + [("reject", found.refused)] * bool(found.refused)
    for what, number in wanted:
        try:
            yield explain(path, what, number)
        except Diverged as error:
            sentence = f"the journal is damaged before this could be told: {error}"
            yield Explanation(what=what, number=number, answer=sentence, links=[])


def _proofs(path: Path, found: Gathered, chains: Sequence[Explanation]) -> tuple[leaves.Head, list[Cited]]:
    """The root over the journal, or over what of it is sound, and proofs of the records that chains rest on."""
    seqs = {link.seq for chain in chains for link in chain.links}
    seqs |= {seq for chain in chains for link in chain.links for seq in link.because}
    try:
        head = leaves.head_of(path)
    except Diverged:
        head = leaves.head_of(path, found.last)
    wanted = sorted(seq for seq in {found.first, found.last, *seqs} if 0 < seq <= head.size)[:CITED_MAX]
    proofs = leaves.inclusion_proofs(path, [seq - 1 for seq in wanted], head.size)
    records = dict(_records(path, wanted))
    return head, [
        Cited(seq=seq, record=base64.b64encode(records[seq]).decode(), proof=[node.hex() for node in proof])
        for seq, proof in zip(wanted, proofs, strict=True)
    ]


def _records(path: Path, seqs: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """The bytes of some records, as they were hashed."""
    last = seqs[-1]
    for frame in whole_frames(path):
        for seq, record in enumerate(frame.raw_records(), frame.first_seq):
            if seq in seqs:
                yield seq, record
        if frame.last_seq >= last:
            return


# -- charts ------------------------------------------------------------------------------------------------------------


def _charts(found: Gathered) -> Iterator[Drawn]:
    for name, spots in found.spots.items():
        yield _drawn(found, f"Index of {name}", [("index", spots)])
    busiest = sorted(found.markets.values(), key=lambda market: (-market.traded, market.name))
    for market in busiest[:SERIES_MAX]:
        lines = [("mark", market.mark), ("best bid", market.bid), ("best ask", market.ask), ("last trade", market.last)]
        yield _drawn(found, market.name, lines)
    for account, margin in found.margins.items():
        lines = [
            ("cash that counts as margin", margin.equity),
            ("initial margin", margin.initial),
            ("maintenance margin", margin.maintenance),
        ]
        yield _drawn(found, f"Margin of account {account}", lines)


def _drawn(found: Gathered, title: str, lines: Sequence[tuple[str, Thinned]]) -> Drawn:
    chart = Chart(title, "USDC", 6, [Line(name, line.points()) for name, line in lines], found.marks)
    return Drawn(title, Markup(svg(chart)), legend(chart))  # noqa: S704 - charts escape what they are given
