"""``whatif``: the same journal with something changed, and what that does to outcomes and to money.

The changed commands run in a process of their own, under this version of the code or another, and nothing outside the
machine answers to them: what people, the oracle and the chain did next is what they did. The report counts that and
says so. Imports the engines and the codec.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import purging
from exchange.core.images import image
from exchange.core.units import QTY_ONE, Cash
from replay import words
from replay.changes import Changed, Changes, Numbers, changed
from replay.engine import END, replay
from replay.engines import Code, Engine, raw
from replay.findings import CannotRun
from replay.frames import Progress, read_frame, whole_frames
from replay.tree import Difference, differences, named

STRETCH: Final = 4_096
TOLD_MAX: Final = 200
_COUNTED: Final = {"trade_id": 0, "group": 0, "first_trade": 0, "last_trade": 0, "batch_id": 0, "mandate_id": 0}
"""Running numbers: one fill more shifts all later ones, which changes nothing for anybody."""
_REFUSED: Final = {
    e.Reject.ORDER_MUST_BE_OPEN: "order",
    e.Reject.QUOTE_MUST_BE_QUOTED_ANEW: "order",
    e.Reject.TRIGGER_MUST_BE_DUE: "order",
    e.Reject.RFQ_MUST_BE_OPEN: "seq",
    e.Reject.SESSION_MUST_BE_OPEN: "seq",
    e.Reject.REFERENCE_MUST_CORRECT_THE_LAST: "seq",
}
"""Refusals whose values are numbers of orders or records."""
_NUMBERED: Final = {
    "order_id": "order",
    "maker_order": "order",
    "taker_order": "order",
    "rfq": "seq",
    "fact": "seq",
}
_FROM_CHAIN: Final = (*get_args(c.Observation), c.ObserveBlock)


class Outcome(msgspec.Struct, kw_only=True):
    """A record with another outcome: its seq in the journal (0: put in) and here, its command, and what differs."""

    seq: int
    here: int
    command: str
    change: str
    differences: list[Difference]


class Money(msgspec.Struct, kw_only=True):
    """An account at the end, as it was and as changed. Equity is cash and positions at their marks."""

    account: int
    cash_was: Cash
    cash: Cash
    equity_was: Cash
    equity: Cash

    @property
    def difference(self) -> Cash:
        """What it gains by the change."""
        return self.equity - self.equity_was


class Report(msgspec.Struct, kw_only=True):
    """What came of the changes. ``counts`` are of outcomes by kind; ``assumed`` says what was not decided again."""

    journal: str
    code: str
    records: int = 0
    changed_records: int = 0
    counts: dict[str, int] = {}
    outcomes: list[Outcome] = []
    omitted: int = 0
    money: list[Money] = []
    stopped: str = ""
    assumed: list[str] = []

    @property
    def same(self) -> bool:
        """Whether everything came out as it was."""
        return not (self.counts or self.money or self.stopped)


def whatif(path: Path, changes: Changes, code: Code, progress: Progress | None = None) -> Report:
    """Execute a journal with changes. Raises Diverged when it is damaged, CannotRun when a change cannot be made."""
    report = Report(journal=str(path), code=code.label, changed_records=changes.count)
    with Engine(code, 0) as engine:
        engine.call("agree", fields=engine.fields, plain=False, in_turn=True)
        run = _Run(report, engine, changes)
        records = (record for frame in whole_frames(path) for record in read_frame(frame))
        after = run.through(changed(records, changes), progress)
    was = named(image(replay(path, END)))
    report.money = [each for each in _money(was, after) if each.difference or each.cash != each.cash_was]
    report.assumed = run.assumed()
    return report


class _Run:
    """One execution under way."""

    def __init__(self, report: Report, engine: Engine, changes: Changes) -> None:
        self._report, self._engine = report, engine
        self._numbers = Numbers(changes)
        self._people = self._facts = self._facts_refused = self._rounds = self._rounds_refused = 0

    def through(self, records: Iterator[Changed], progress: Progress | None) -> Any:
        """All records; the state at the end, or where the machine stopped, by name."""
        while stretch := list(islice(records, STRETCH)):
            told = self._engine.call("take", records=raw([each.record for each in stretch]))
            events = self._engine.call("outcomes")["events"]
            for each, caused in zip(stretch, events, strict=False):
                self._compare(each, caused)
            if told["stopped"]:
                place = len(events)
                self._report.stopped = f"at seq {stretch[place].record.seq} the machine stops: {told['stopped']}"
                return self._engine.call("show", place=place)["before"]
            if progress is not None:
                progress(stretch[-1].record.seq)
        return self._engine.call("end")["after"]

    def _compare(self, each: Changed, caused: bytes) -> None:
        self._report.records += 1
        command = codec.decode_command(each.record.command)
        try:
            events = codec.decode_events(caused)
        except codec.CodecError as error:
            raise CannotRun(f"the code writes events that this version cannot read: {error}") from error
        refused = any(isinstance(event, e.Rejected) for event in events)
        self._count(command, refused=refused)
        before = () if each.was is None else codec.decode_events(each.was.events)
        was, now = (self._plain(told, renumber=told is before) for told in (before, events))
        if was == now and each.was is not None:
            return
        change = _change(before, events, is_new=each.was is None)
        self._report.counts[change] = self._report.counts.get(change, 0) + 1
        if len(self._report.outcomes) >= TOLD_MAX:
            self._report.omitted += 1
            return
        seq = 0 if each.was is None else each.was.seq
        found = list(differences({"events": was}, {"events": now}))
        kind = type(command).__name__
        self._report.outcomes.append(
            Outcome(seq=seq, here=each.record.seq, command=kind, change=change, differences=found)
        )

    def _plain(self, events: tuple[e.AnyEvent, ...], *, renumber: bool) -> list[Any]:
        """Events by name, without running numbers and digests; those of the journal with orders numbered as here."""
        told = []
        for event in events:
            if isinstance(event, e.Digested):
                continue
            fields = {name: value for name, value in named(event).items() if name not in _COUNTED}
            if renumber:
                for name, kind in _numbered(event).items():
                    fields[name] = getattr(self._numbers, kind)(fields[name])
            told.append(fields)
        return told

    def _count(self, command: c.AnyCommand, *, refused: bool) -> None:
        if isinstance(command, _FROM_CHAIN):
            self._facts += 1
            self._facts_refused += refused
        elif isinstance(command, c.PostRound):
            self._rounds += 1
            self._rounds_refused += refused
        elif isinstance(command, c.Place | c.Amend | c.Cancel | c.CancelAll | c.MassQuote | c.Rfqs | c.ExecuteBlock):
            self._people += 1

    def assumed(self) -> list[str]:
        """What was taken as it was, though in another world it might have been otherwise."""
        people = (
            f"people: {self._people:,} orders, quotes and cancels were sent as they were, whatever their senders would "
            "have done on other prices and fills"
        )
        oracle = (
            f"the oracle: {self._rounds:,} rounds were posted as they were; {self._rounds_refused:,} are refused here"
        )
        chain = (
            f"the chain: {self._facts:,} facts are as they were reported, but batches settle in their turn; "
            f"{self._facts_refused:,} are refused here, and what the contracts would hold is not known"
        )
        time = "time: every record has the time it had; one put in has that of the record before it"
        signatures = "signatures: changed commands are not signed, and the machine does not ask"
        return [people, oracle, chain, time, signatures]


def _numbered(event: e.Event) -> dict[str, str]:
    """Fields of an event that name orders, or records."""
    if isinstance(event, e.Rejected) and event.reason in _REFUSED:
        return dict.fromkeys(("value", "limit"), _REFUSED[event.reason])
    if isinstance(event, e.Purged) and event.kind == purging.OF_SESSION:
        return {"number": "seq"}
    return {name: _NUMBERED[name] for name in event.__struct_fields__ if name in _NUMBERED}


def _change(before: tuple[e.Event, ...], now: tuple[e.Event, ...], *, is_new: bool) -> str:
    """In one word, what became of a record."""
    was_refused, refused = (any(isinstance(event, e.Rejected) for event in told) for told in (before, now))
    if is_new:
        return "put_in_refused" if refused else "put_in"
    if refused != was_refused:
        return "now_refused" if refused else "now_taken"
    fills = [[event for event in told if isinstance(event, e.Traded | e.BlockTraded)] for told in (before, now)]
    if len(fills[0]) != len(fills[1]):
        return "more_fills" if len(fills[1]) > len(fills[0]) else "fewer_fills"
    if fills[0] or fills[1]:
        return "other_fills"
    return "other_refusal" if refused else "other_events"


# -- money -------------------------------------------------------------------------------------------------------------


def _money(was: Any, now: Any) -> Iterator[Money]:
    """Every account of either state, by number."""
    sides = [_balances(tree) for tree in (was, now)]
    for account in sorted(dict.fromkeys((*sides[0], *sides[1]))):
        (cash_was, equity_was), (cash, equity) = (side.get(account, (0, 0)) for side in sides)
        yield Money(account=account, cash_was=cash_was, cash=cash, equity_was=equity_was, equity=equity)


def _balances(tree: Any) -> dict[int, tuple[Cash, Cash]]:
    """Cash and equity by account; equity rounded down, and without marks it is cash."""
    marks = _marks(tree)
    found = {}
    for key, account in _items(tree["accounts"]):
        held = sum(marks.get(series, 0) * qty for series, qty in _items(account["positions"]))
        found[int(key)] = (account["cash"], account["cash"] + held // QTY_ONE)
    return found


def _marks(tree: Any) -> dict[str, int]:
    """Marks of the last round by series, as the state has them."""
    if tree["round"] is None:
        return {}
    sheets = dict(_items(tree["round"]["sheets"]))
    found = {}
    for key, expiry in _items(tree["expiries"]):
        for place, series in enumerate(expiry["series"] if key in sheets else ()):
            if place < len(sheets[key]["marks"]):
                found[str(series)] = sheets[key]["marks"][place]
    return found


def _items(tree: Any) -> Iterator[tuple[str, Any]]:
    """What a named collection holds; an empty one has no keys to be a dict by."""
    yield from tree.items() if isinstance(tree, dict) else ()


# -- words -------------------------------------------------------------------------------------------------------------


def lines(report: Report) -> list[str]:
    """The report for people."""
    shown = [
        f"journal    {report.journal}",
        f"code       {report.code}",
        f"executed   {report.records:,} records, {report.changed_records} change(s)",
    ]
    if report.stopped:
        shown.append(f"stopped    {report.stopped}")
    counts = ", ".join(f"{count:,} {change.replace('_', ' ')}" for change, count in report.counts.items())
    shown.append(f"outcomes   {counts or 'all as they were'}")
    for each in report.outcomes[:20]:
        what = f"seq {each.seq:,}" if each.seq else "put in"
        first = each.differences[0] if each.differences else None
        field = "" if first is None else f": {first.path} {_short(first.a)} -> {_short(first.b)}"
        shown.append(f"  {what} {each.command}, {each.change.replace('_', ' ')}{field}")
    more = max(len(report.outcomes) - 20, 0) + report.omitted
    if more:
        shown.append(f"  and {more:,} more")
    shown.append(f"money      {len(report.money)} account(s) end with another amount")
    for money in report.money:
        cash, equity = words.usdc(money.cash - money.cash_was), words.usdc(money.difference)
        shown.append(f"  account {money.account}: equity {equity}, of it cash {cash}")
    if report.money:
        shown.append(f"  together {words.usdc(sum(money.difference for money in report.money))}")
    shown.append("not decided again:")
    shown += [f"  {sentence}" for sentence in report.assumed]
    return [*shown, f"verdict    {'nothing comes out otherwise' if report.same else 'it comes out otherwise'}"]


def _short(value: object) -> str:
    text = "(absent)" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
