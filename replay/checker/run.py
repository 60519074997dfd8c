"""One pass over a journal: each record goes to the room its command belongs to, and the verdict is drawn at the end.

Owns ``Checker``, ``Report`` and the table of rooms. A new kind of command gets its line in ``ROOMS``, a new kind of
event its place in the rooms of the commands that cause it. Imports the codec, the words of the journal and the rooms.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

import msgspec

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from journal.record import Record
from replay.checker import (
    acceptance,
    batches,
    blocks,
    breakers,
    chain,
    combos,
    leaving,
    operated,
    passing,
    phases,
    pools,
    presence,
    quotes,
    rfqs,
    triggers,
    venue,
    waiting,
)
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Violation
from replay.findings import Diverged, Finding, Kind
from replay.frames import Progress, out_of_order, rare_collections, read_frame, whole_frames

Room: TypeAlias = Callable[[Ledger, Any, Sequence[e.Event]], None]
ROOMS: Final[dict[type, Room]] = (
    {
        c.Configure: venue.configure,
        c.ListUnderlying: venue.underlying,
        c.ListExpiry: venue.expiry,
        c.ListSeries: venue.series,
        c.CreateCombo: combos.create,
        c.PostRound: venue.post,
        c.SetTrading: phases.trading,
        c.SetAuctions: phases.rules,
        c.SetBands: phases.bands,
        c.SetPortfolio: venue.portfolio,
        c.SetPool: pools.rules,
        c.ResumePool: pools.resumed,
        c.SetBreaker: breakers.order,
        c.SetFeed: breakers.feed,
        c.CommitIdentity: venue.recorded,
        c.SetReference: venue.recorded,
        c.RecordClock: venue.recorded,
        c.SetPhase: phases.phase,
        c.TakeDigest: venue.digest,
        c.Operate: operated.operate,
        c.Place: combos.place,
        c.Amend: combos.amend,
        c.Fire: triggers.fire,
        c.Cancel: leaving.cancel,
        c.CancelAll: leaving.cancel_all,
        c.Tick: passing.tick,
        c.SealBatch: batches.seal,
        c.BatchRefused: batches.refused,
        c.ObserveBlock: chain.see,
        c.ObserveSeat: chain.seated,
        c.MassQuote: quotes.mass,
        c.SetProtection: quotes.protect,
        c.FreezeQuotes: quotes.freeze,
        c.CancelQuotes: quotes.cancel,
        c.SetBlocks: blocks.rules,
        c.ExecuteBlock: blocks.execute,
        c.InvalidateBlock: blocks.invalidate,
        c.OpenRfq: rfqs.asked,
        c.CloseRfq: rfqs.closed,
        c.QuoteRfq: rfqs.quoted,
        c.RequoteRfq: rfqs.requoted,
        c.CancelRfqQuotes: rfqs.cancelled,
        c.AdmitMaker: rfqs.admitted,
        c.AcceptRfq: acceptance.accepted,
    }
    | dict.fromkeys(get_args(c.Observation), chain.observe)
    | dict.fromkeys(get_args(c.Presence), presence.present)
)
BEFORE_CONFIGURATION: Final = (c.Configure, c.Place, c.Amend, c.Cancel)
"""Commands that are heard before the venue is configured, if only to be refused for what they say."""
IMPOSSIBLE: Final = (ArithmeticError, LookupError)
"""What a command that no machine can have taken does to our books: it names what is not there."""


class Report(msgspec.Struct, kw_only=True):
    """What was checked and found. Quantities in 1e-4 contract, ``seconds`` of wall time.

    ``entered + amended = filled + cancelled + still_open``, where a trade fills on both of its sides. ``taken`` counts
    what cannot be told from the journal without the margin function, the gas model or the contracts.
    """

    journal: str
    records: int = 0
    events: int = 0
    trades: int = 0
    open_orders: int = 0
    entered: int = 0
    amended: int = 0
    filled: int = 0
    cancelled: int = 0
    still_open: int = 0
    taken: dict[str, int] = {}
    violations: list[Violation] = []
    violations_omitted: int = 0
    seconds: float = 0.0
    records_per_second: int = 0

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations


class Checker:
    """Takes records in order; ``ledger`` is what it has made of them."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.records = 0
        self.events = 0

    def take(self, seq: int, time_ns: int, command: c.AnyCommand, events: Sequence[e.Event]) -> None:
        """Hold one record to the rules, and follow it whatever it says."""
        ledger = self.ledger
        ledger.seq, ledger.time_ns, ledger.now_s = seq, time_ns, time_ns // 1_000_000_000
        self.records += 1
        self.events += len(events)
        waiting.pass_on(ledger)
        room = ROOMS.get(type(command))
        if room is None:
            ledger.note(Rule.KIND_MUST_BE_KNOWN, f"the checker has no rules for a {type(command).__name__}")
            return
        if ledger.config is None and type(command) not in BEFORE_CONFIGURATION:
            venue.unconfigured(ledger, events)
            return
        caused, then = combos.split(events)
        told, linked = triggers.split(caused)
        try:
            room(ledger, command, told)
            triggers.follow(ledger, linked)
            if ledger.combos and not (caused and type(caused[-1]) is e.Rejected):
                combos.follow(ledger, command, then)
        except IMPOSSIBLE as error:
            what = f"{type(error).__name__}: {error}"
            ledger.note(Rule.EVENTS_MUST_FIT, f"a {type(command).__name__} that cannot be followed ({what})")

    def run(self, records: Sequence[Record]) -> None:
        """Records as they stand in a frame. Raises Diverged where they cannot be read or do not follow."""
        decode_command, decode_events, ledger = codec.decode_command, codec.decode_events, self.ledger
        for record in records:
            if record.seq != ledger.seq + 1 or record.time_ns < ledger.time_ns:
                raise Diverged(out_of_order(ledger.seq, ledger.time_ns, record))
            try:
                command, events = decode_command(record.command), decode_events(record.events)
            except codec.CodecError as error:
                sentence = f"seq {record.seq} is {error}"
                raise Diverged(Finding(seq=record.seq, kind=Kind.RECORD_UNREADABLE, sentence=sentence)) from error
            self.take(record.seq, record.time_ns, command, events)

    def finish(self, journal: str = "") -> Report:
        """What must add up at the end, and the verdict."""
        ledger, totals = self.ledger, self.ledger.totals
        still_open = sum(order.left for order in ledger.orders.values())
        self._adds_up("quantities", totals.entered + totals.amended, totals.filled + totals.cancelled + still_open)
        self._adds_up("cash", totals.paid_in, sum(account.cash for account in ledger.accounts.values()))
        net: dict[int, int] = {}
        for account in ledger.accounts.values():
            for series, qty in account.positions.items():
                net[series] = net.get(series, 0) + qty
        self._adds_up("positions", {}, {series: qty for series, qty in net.items() if qty})
        return Report(
            journal=journal,
            records=self.records,
            events=self.events,
            trades=totals.trades,
            open_orders=len(ledger.orders),
            entered=totals.entered,
            amended=totals.amended,
            filled=totals.filled,
            cancelled=totals.cancelled,
            still_open=still_open,
            taken={str(what): count for what, count in sorted(ledger.taken.items())},
            violations=ledger.violations,
            violations_omitted=ledger.omitted,
        )

    def _adds_up(self, what: str, came: object, went: object) -> None:
        if came != went:
            sentence = f"at the end of the journal {what} do not add up"
            self.ledger.note(Rule.QUANTITIES_MUST_ADD_UP, sentence, expected=came, actual=went)


def check(path: Path, progress: Progress | None = None) -> Report:
    """Check a journal from its first record to its last. Raises Diverged where it is damaged, CannotRun."""
    checker = Checker()
    began = time.perf_counter()
    with rare_collections():
        for frame in whole_frames(path):
            checker.run(read_frame(frame))
            if progress is not None:
                progress(frame.last_seq)
    report = checker.finish(str(path))
    report.seconds = round(time.perf_counter() - began, 6)
    report.records_per_second = int(report.records / report.seconds) if report.seconds else 0
    return report
