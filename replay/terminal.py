"""What people see: reports as text on stdout, progress on stderr.

Owns all wording for terminals. Tables and progress bars need rich, which is imported only where they are drawn, so that
``verify`` prints its verdict on an interpreter that has nothing but msgspec.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from exchange.core.state_types import Order
from replay.at import AccountView, BookView, StateView, iso
from replay.checker import Report as Check
from replay.frames import Progress
from replay.limits import LimitsView
from replay.margins import GreeksView, MarginView, PortfolioView
from replay.reconcile import Report as Reconciliation
from replay.reconcile import Verdict
from replay.verify import Report as Verification

if TYPE_CHECKING:
    from replay.calls import Call
    from replay.receipts import Report as ReceiptsReport

SHOWN_MAX: Final = 50
WIDTH_PIPED: Final = 160
ACCOUNT_HEADS: Final = ("account", "cash", "held", "initial", "maintenance", "open orders")
BOOK_HEADS: Final = ("series", "phase", "bids", "asks", "mark", "open interest", "volume")
SCENARIO_HEADS: Final = ("forward x", "vol", "weight", "loss", "")
KEY_HEADS: Final = ("key", "may", "until (s)", "notional", "spend")
GROUP_HEADS: Final = ("group", "filled", "delta", "fills", "frozen until")
ORDER_HEADS: Final = ("order", "account", "series", "side", "price", "filled", "of")


def verification(report: Verification) -> list[str]:
    """The lines of a verdict."""
    since = f"from seq {report.since_seq + 1:,}, verified before, " if report.since_seq else ""
    lines = [
        f"journal    {report.journal}",
        f"records    {report.records:,} in {report.frames:,} frames, {report.events:,} events",
        f"executed   {since}up to seq {report.executed_seq:,}, {report.digests_checked:,} digests equal",
        f"anchor     {'compared' if report.anchored else 'none'}",
    ]
    if report.orders_checked or report.rounds_checked:
        signers = len(report.oracle_signers)
        lines.append(
            f"signed     {report.orders_checked:,} orders, {report.rounds_checked:,} rounds by {signers} signers"
        )
    if report.final_digest:
        lines.append(f"digest     {report.final_digest}")
    lines.append(f"speed      {report.events_per_second:,} events/s, {report.seconds:.2f} s")
    for finding in report.findings[:SHOWN_MAX]:
        note = " (repaired by the next start)" if finding.recoverable else ""
        lines.append(f"seq {finding.seq:<10,} {finding.kind}: {finding.sentence}{note}")
        lines += _both(finding.expected, finding.actual)
    lines += _more(len(report.findings), report.findings_omitted)
    lines.append("verdict    " + ("the journal is what the machine did" if report.ok else "the journal is not sound"))
    return lines


def receipts(report: "ReceiptsReport", calls: "Sequence[Call]") -> list[str]:
    """The lines of a comparison of receipts with a journal."""
    lines = [
        f"journal    {report.journal}",
        f"records    {report.records:,}",
        f"signed     {report.receipts:,} receipts, {report.batches:,} batch headers",
    ]
    for finding in report.findings[:SHOWN_MAX]:
        lines.append(f"seq {finding.seq:<10,} {finding.kind}: {finding.sentence}")
        if finding.expected or finding.actual:
            lines += [f"    signed   {finding.expected}", f"    journal  {finding.actual}"]
    if len(report.findings) > SHOWN_MAX:
        lines.append(f"and {len(report.findings) - SHOWN_MAX:,} more findings")
    for call in calls[:1]:  # a bond is paid once
        lines += [f"proof      {call.function}", f"    commit   {call.commit}", f"    reveal   {call.reveal}"]
    verdict = "the operator kept its word" if report.ok else "the operator's word and the journal differ"
    return [*lines, f"verdict    {verdict}" + (f", {len(calls)} proofs" if calls else "")]


def checking(report: Check) -> list[str]:
    """The lines of the checker's verdict."""
    entered = f"{_qty(report.entered)} entered, {_qty(report.amended)} by amendment"
    left = f"{_qty(report.filled)} filled, {_qty(report.cancelled)} cancelled, {_qty(report.still_open)} open"
    lines = [
        f"journal    {report.journal}",
        f"records    {report.records:,}, {report.events:,} events, {report.trades:,} trades",
        f"contracts  {entered}; {left} (a trade fills both its sides)",
        f"open       {report.open_orders:,} orders",
    ]
    taken = ", ".join(f"{what} {count:,}" for what, count in report.taken.items())
    lines.append(f"trusted    {taken or 'nothing'} (as journaled; verify executes them again)")
    lines.append(f"speed      {report.records_per_second:,} records/s, {report.seconds:.2f} s")
    for each in report.violations[:SHOWN_MAX]:
        lines.append(f"seq {each.seq:<10,} {each.rule}: {each.sentence}")
        lines += _both(each.expected, each.actual)
    lines += _more(len(report.violations), report.violations_omitted)
    lines.append("verdict    " + ("every outcome follows from the rules" if report.ok else "outcomes break the rules"))
    return lines


def _both(expected: str, actual: str) -> list[str]:
    return [f"    expected {expected}", f"    actual   {actual}"] if expected or actual else []


def _more(kept: int, omitted: int) -> list[str]:
    more = max(kept - SHOWN_MAX, 0) + omitted
    return [f"and {more:,} more findings"] if more else []


def print_state(view: StateView, *, narrow: bool) -> None:
    """The tables of a state; ``narrow`` when one account or series was asked for, whose orders are listed too."""
    console = _console()
    phase = "open" if view.is_open else "halted"
    console.print(f"seq {view.seq:,} at {view.time}, {phase}, round {view.round_id}", highlight=False)
    seen = "none" if view.block is None else f"{view.block:,}"
    console.print(f"digest {view.digest}, block {seen}", highlight=False)
    accounts = [_account_row(each) for each in view.accounts]
    console.print(_table("Accounts (USDC)", ACCOUNT_HEADS, accounts))
    held = [(each.account, name, _qty(qty)) for each in view.accounts for name, qty in each.positions.items()]
    console.print(_table("Positions", ("account", "series", "contracts"), held))
    console.print(_table("Books", BOOK_HEADS, [_book_row(each) for each in view.books]))
    for told in (each.margin for each in view.accounts):
        if told is not None:
            _print_margin(console, told)
    for bounds in (each.limits for each in view.accounts):
        if bounds is not None:
            _print_limits(console, bounds)
    if narrow:
        names = {each.series: each.name for each in view.books}
        console.print(_table("Open orders", ORDER_HEADS, [_order_row(each, names) for each in view.orders]))
    batches = [(b.id, b.last_trade - b.first_trade + 1, b.round_id, b.sealed_seq) for b in view.batches]
    console.print(_table("Batches not final on chain", ("batch", "trades", "round", "sealed at seq"), batches))
    _print_register(console, view)
    mirror = view.mirror
    reached = f"mirror: action {mirror.action_id}, batch {mirror.batch_id}, vault {_cash(mirror.vault)} USDC"
    console.print(
        f"{reached}; {len(view.orders):,} open orders, {len(view.unsettled):,} unsettled trades", highlight=False
    )


def _print_register(console: Any, view: StateView) -> None:
    """Reference data as they were told, corrections beside what they correct; what is known of the clock."""
    told = [(e.seq, e.scope, e.subject, e.field, e.value, e.corrects or "", e.cause) for e in view.references]
    if told:
        heads = ("seq", "scope", "of", "field", "told", "corrects", "because")
        console.print(_table("Reference data", heads, told))
    if view.clock is not None:
        reading = view.clock.told
        said = f"{reading.offset_ns:,} ns off, stratum {reading.stratum}" if reading.source else "unknown"
        console.print(f"clock: {said} ({reading.leap}), told at seq {view.clock.seq:,}", highlight=False)


def _print_margin(console: Any, told: MarginView) -> None:
    """One account's margin: its figures, Greeks by expiry and, for each underlying, every scenario."""
    needed = f"initial {_cash(told.initial_margin)}, maintenance {_cash(told.maintenance_margin)}"
    console.print(
        f"margin: equity {_cash(told.equity)}, {needed}, open orders {_cash(told.open_orders)}", highlight=False
    )
    if told.deposit:
        ways = [f"deposit {_cash(told.deposit)}", *(f"close {_qty(qty)} {name}" for name, qty in told.close.items())]
        console.print("cures: " + ", or ".join(ways), highlight=False)
    greeks = [(each.expiry_s, *(_scaled(value, 18) for value in _greeks(each))) for each in told.greeks]
    console.print(_table("Greeks by expiry", ("expiry", "delta", "gamma", "vega", "theta"), greeks))
    for each in told.underlyings:
        ends = f"margin is missing below {_cash(each.missing_below)} and above {_cash(each.missing_above)}"
        console.print(f"{each.name}: {ends}", highlight=False)
        if each.portfolio is None:
            continue
        both = f"initial {_cash(each.portfolio.initial_margin)}, maintenance {_cash(each.portfolio.maintenance_margin)}"
        console.print(f"PORTFOLIO would need {both}", highlight=False)
        console.print(_table(f"Scenarios of {each.name}", SCENARIO_HEADS, _scenario_rows(each.portfolio)))


def _print_limits(console: Any, told: LimitsView) -> None:
    """What bounds one account: a line for each switch and timer, a table for its keys and one for its groups."""
    for kill in told.kills:
        who = "the operator" if kill.by_operator else "its owner"
        console.print(f"kill switch of the {kill.reaches} pulled by {who}: {kill.cause}", highlight=False)
    if told.timer_ns is not None:
        console.print(f"timer: all orders leave at {iso(told.timer_ns)} unless it is set again", highlight=False)
    if told.blocks_awaited:
        console.print(f"no orders: {told.blocks_awaited} block(s) queued on the contracts", highlight=False)
    keys = [
        (
            each.key[:12],
            " ".join(each.scopes),
            each.expiry_s,
            f"{_cash(each.notional_used)} of {_bound(_cash, each.notional)}",
            f"{_cash(each.spend_used)} of {_bound(_cash, each.spend)}",
        )
        for each in told.keys
    ]
    console.print(_table("Session keys", KEY_HEADS, keys))
    groups = [
        (
            each.name,
            f"{_qty(each.filled_qty)} of {_bound(_qty, each.qty)}",
            f"{_qty(each.filled_delta)} of {_bound(_qty, each.delta)}",
            f"{each.filled_count} of {_bound(str, each.count)}",
            iso(each.frozen_until_ns) if each.is_frozen else "",
        )
        for each in told.groups
    ]
    console.print(_table("Protection", GROUP_HEADS, groups))


def _bound(told: Callable[[int], str], value: int) -> str:
    return told(value) if value else "any"


def _greeks(each: GreeksView) -> tuple[int, ...]:
    return (each.delta, each.gamma, each.vega, each.theta)


def _scenario_rows(each: PortfolioView) -> list[tuple[Any, ...]]:
    return [
        (_scaled(row.spot, 18), row.vol, _scaled(row.weight, 18), _cash(row.loss), "worst" if at == each.worst else "")
        for at, row in enumerate(each.scenarios)
    ]


def _account_row(each: AccountView) -> tuple[Any, ...]:
    margins = (_cash(each.initial_margin), _cash(each.maintenance_margin))
    return (each.account, _cash(each.cash), _cash(each.held), *margins, len(each.open_orders))


def _book_row(each: BookView) -> tuple[Any, ...]:
    depths = (_depth(each.bids), _depth(each.asks))
    return (each.name, each.phase, *depths, _cash(each.mark), _qty(each.open_interest), _qty(each.volume))


def _order_row(each: Order, names: dict[int, str]) -> tuple[Any, ...]:
    side = "buy" if each.is_buy else "sell"
    series = names.get(each.series, str(each.series))
    return (each.id, each.account, series, side, _cash(each.price), _qty(each.filled), _qty(each.qty))


def print_reconciliation(report: Reconciliation) -> None:
    """The items that differ, and how many do not."""
    console = _console()
    differing = [
        (
            each.what,
            each.key,
            "" if each.series < 0 else each.series,
            each.journal,
            each.chain,
            each.verdict,
            each.sentence,
        )
        for each in report.items
        if each.verdict is not Verdict.MATCHED
    ]
    if differing:
        heads = ("what", "of", "series", "journal", "chain", "verdict", "because")
        console.print(_table(f"Differences at block {report.block}", heads, differing))
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict if report.count(verdict))
    console.print(f"seq {report.seq:,} against block {report.block:,}: {counts}", highlight=False)
    console.print("verdict: " + ("both layers agree" if report.ok else "the layers disagree"), highlight=False)


@contextmanager
def progress(total: int, shown: bool) -> Iterator[Progress | None]:
    """A progress bar over ``total`` records on stderr, where one can be seen and drawn."""
    bar = _bar() if shown and total > 0 and sys.stderr.isatty() else None
    if bar is None:
        yield None
        return
    with bar:
        task = bar.add_task("replaying", total=total)
        yield lambda seq: bar.update(task, completed=seq)


def _console() -> Any:
    """Standard output; wide where nobody looks, so that nothing is cut off in a pipe."""
    from rich.console import Console  # noqa: PLC0415 - verify must run without rich

    return Console(width=None if sys.stdout.isatty() else WIDTH_PIPED)


def _bar() -> Any:
    try:
        from rich.console import Console  # noqa: PLC0415 - as above
        from rich.progress import Progress as Bar  # noqa: PLC0415 - as above
    except ImportError:
        return None
    return Bar(console=Console(stderr=True), transient=True)


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Any:
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(title=title, title_justify="left")
    for head in heads:
        table.add_column(head)
    for row in rows:
        table.add_row(*["" if cell is None else str(cell) for cell in row])
    return table


def _scaled(value: int, digits: int) -> str:
    """An integer of 10**-digits as decimal text, without a float on the way."""
    whole, fraction = divmod(abs(value), 10**digits)
    text = f"{whole:,}.{fraction:0{digits}d}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


def _cash(value: int | None) -> str:
    return "" if value is None else _scaled(value, 6)


def _qty(value: int) -> str:
    return _scaled(value, 4)


def _depth(levels: list[tuple[int, int]]) -> str:
    return "\n".join(f"{_cash(price)} x {_qty(qty)}" for price, qty in levels)
