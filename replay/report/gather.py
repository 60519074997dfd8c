"""What the report tells, out of one walk that executes every record again. Bounded in memory, however long the journal.

Owns which records are worth telling and what is measured on the way. Imports the engine, core, charts.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from exchange import codec
from exchange.charts import Mark, Thinned
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.breakers import Status
from exchange.core.state import TREASURY, State
from exchange.core.units import QTY_ONE, Cash, Nanos, Qty, div_down
from replay import words
from replay.at import PHASES, iso
from replay.engine import Moment, Replayer, Step
from replay.fill_words import margin
from replay.findings import Diverged
from replay.frames import Progress, rare_collections, read_frame, whole_frames
from replay.trail import entries

ACTS_MAX: Final = 200
ACCOUNTS_MAX: Final = 4
SERIES_MAX: Final = 3
SERIES_SEEN_MAX: Final = 256
CASES_MAX: Final = 5
_LIQUIDATION: Final = (c.ObserveFlag, c.ObserveTransfer, c.ObserveCaseClosed)


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """A record worth telling."""

    seq: int
    time: str
    kind: str
    sentence: str


class Total(msgspec.Struct, kw_only=True):
    """What became of an account between both ends; equity is cash and positions at their marks, rounded down."""

    account: int
    owner: str
    cash_before: Cash = 0
    paid_in: Cash = 0
    paid_out: Cash = 0
    cash: Cash = 0
    equity: Cash = 0
    orders: int = 0
    positions: list[str] = []

    @property
    def result(self) -> Cash:
        """Cash that came or went by trading, fees, settlement and liquidation."""
        return self.cash - self.cash_before - self.paid_in + self.paid_out


class Span(NamedTuple):
    """What is looked at: records from one moment to another."""

    first: Moment
    last: Moment


class Market(msgspec.Struct):
    """Lines of one series: mark, best bid and best ask, prices traded."""

    name: str = ""
    traded: Qty = 0
    mark: Thinned = msgspec.field(default_factory=Thinned)
    bid: Thinned = msgspec.field(default_factory=Thinned)
    ask: Thinned = msgspec.field(default_factory=Thinned)
    last: Thinned = msgspec.field(default_factory=Thinned)


class Margin(msgspec.Struct):
    """Lines of one account, at each round."""

    equity: Thinned = msgspec.field(default_factory=Thinned)
    initial: Thinned = msgspec.field(default_factory=Thinned)
    maintenance: Thinned = msgspec.field(default_factory=Thinned)


class Gathered(msgspec.Struct):
    """All of it. ``broken`` says why the walk ended before the journal did."""

    venue: str = ""
    chain_id: int = 0
    first: int = 0
    last: int = 0
    first_time: str = ""
    last_time: str = ""
    records: int = 0
    commands: Counter[str] = msgspec.field(default_factory=Counter)
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    trades: int = 0
    traded: Qty = 0
    acts: list[Act] = []
    acts_omitted: int = 0
    marks: list[Mark] = []
    spots: dict[str, Thinned] = {}
    markets: dict[int, Market] = {}
    margins: dict[int, Margin] = {}
    totals: list[Total] = []
    cases: list[int] = []
    cases_omitted: int = 0
    largest: int = 0  # the trade of the largest premium
    refused: int = 0  # the record of the last refusal of an order
    broken: str = ""


def chosen_accounts(path: Path, named: list[int]) -> list[int]:
    """Accounts whose margin is drawn: those named, else those flagged and those that sent the most."""
    if named:
        return named
    flagged, sent = dict[int, None](), Counter[int]()
    try:
        for entry in entries(path):
            command = entry.command
            if isinstance(command, c.ObserveFlag):
                flagged[command.account] = None
            elif isinstance(command, c.Place | c.Amend):
                sent[command.auth.account] += 1
            elif isinstance(command, c.MassQuote):
                sent[command.mandate.account] += 1
    except Diverged:
        pass  # the walk that tells it comes to the same place, and says so
    busiest = sorted(sent, key=lambda account: (-sent[account], account))
    return list(dict.fromkeys((*flagged, *busiest)))[:ACCOUNTS_MAX]


class Gatherer:
    """The walk."""

    def __init__(self, span: Span, accounts: list[int]) -> None:
        self.found = Gathered(margins={account: Margin() for account in accounts})
        self._span = span
        self._totals: dict[int, Total] = {}
        self._began = False
        self._cash: dict[int, Cash] = {}
        self._open_case: dict[int, int] = {}
        self._largest = 0

    def walk(self, path: Path, progress: Progress | None = None) -> Gathered:
        """Every record up to the end of the span. Damage ends it, and is told. Raises CannotRun."""
        replayer = Replayer()
        try:
            with rare_collections():
                for step in self._steps(path, replayer):
                    self._take(step, replayer.state)
                    if progress is not None:
                        progress(step.seq)
        except Diverged as error:
            self.found.broken = str(error)
        if self._began:
            self.found.totals = list(self._ended(replayer.state))
        return self.found

    def _steps(self, path: Path, replayer: Replayer) -> Iterator[Step]:
        """Records up to the end of the span, each executed; what comes after it is not."""
        for frame in whole_frames(path):
            for record in read_frame(frame):
                if not self._span.last.covers(record):
                    return
                replayer.run((record,))
                command, events = codec.decode_command(record.command), codec.decode_events(record.events)
                yield Step(record.seq, record.time_ns, command, events)

    def _take(self, step: Step, state: State) -> None:
        command = step.command
        if isinstance(command, c.Configure):
            self.found.venue, self.found.chain_id = command.venue, command.chain_id
        if not self._is_in(step):
            self._cash = {key: account.cash for key, account in state.accounts.items()}
            return
        if not self._began:
            self._began = True
            self.found.first, self.found.first_time = step.seq, iso(step.time_ns)
            before = {TREASURY: 0} | self._cash
            self._totals = {key: _total(state, key, cash) for key, cash in before.items()}
        self.found.last, self.found.last_time = step.seq, iso(step.time_ns)
        self.found.records += 1
        self.found.commands[type(command).__name__] += 1
        self._count(step, state)
        self._draw(step, state)
        for kind, sentence in told(step, state):
            self._tell(step, kind, sentence)
        self._case(step)

    def _is_in(self, step: Step) -> bool:
        first = self._span.first
        late = first.seq is None or step.seq >= first.seq
        return late and (first.time_ns is None or step.time_ns >= first.time_ns)

    # -- counting -----------------------------------------------------------------------------------------------------

    def _count(self, step: Step, state: State) -> None:
        command = step.command
        refused = [event for event in step.events if isinstance(event, e.Rejected)]
        self.found.refusals.update(event.reason.value for event in refused)
        if refused and isinstance(command, c.Place | c.Amend):
            self.found.refused = step.seq
        if isinstance(command, c.ObserveAccount) and not refused:
            self._totals[command.account] = _total(state, command.account, 0)
        elif isinstance(command, c.ObserveDeposit) and not refused:
            self._totals[command.account].paid_in += command.amount
        elif isinstance(command, c.ObserveWithdrawal) and not refused:
            self._totals[command.account].paid_out += command.amount
        elif isinstance(command, c.Place | c.Amend) and command.auth.account in self._totals:
            self._totals[command.auth.account].orders += 1
        elif isinstance(command, c.MassQuote) and command.mandate.account in self._totals:
            self._totals[command.mandate.account].orders += len(command.leaves)
        for event in step.events:
            if isinstance(event, e.Traded):
                self.found.trades += 1
                self.found.traded += event.qty
            elif isinstance(event, e.BlockTraded):
                self.found.trades += 1
                self.found.traded += state.trades[event.trade_id].qty

    def _ended(self, state: State) -> Iterator[Total]:
        marks = {} if state.view is None else state.view.marks
        for key, total in sorted(self._totals.items()):
            account = state.accounts[key]
            total.cash = account.cash
            worth = sum(marks.get(series, 0) * qty for series, qty in account.positions.items())
            total.equity = account.cash + div_down(worth, QTY_ONE)
            total.positions = [
                f"{words.scaled(qty, 4)} {words.title(state, series)}"
                for series, qty in sorted(account.positions.items())
            ]
            yield total

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _draw(self, step: Step, state: State) -> None:
        adopted = any(isinstance(event, e.RoundAdopted) for event in step.events)
        if adopted:
            self._round(step.time_ns, state)
        for event in step.events:
            if isinstance(event, e.Traded):
                series = state.trades[event.trade_id].series
                market = self._market(series, state)
                if event.price * event.qty > self._largest:
                    self._largest, self.found.largest = event.price * event.qty, event.trade_id
                if market is not None:
                    market.traded += event.qty
                    market.last.add(step.time_ns, event.price)
                    self._book(step.time_ns, series, market, state)

    def _round(self, time_ns: Nanos, state: State) -> None:
        assert state.view is not None
        for underlying, spot in state.view.spots.items():
            name = state.underlyings[underlying].name
            self.found.spots.setdefault(name, Thinned()).add(time_ns, spot)
        for series, market in self.found.markets.items():
            if series in state.view.marks:
                market.mark.add(time_ns, state.view.marks[series])
                self._book(time_ns, series, market, state)
        for account, lines in self.found.margins.items():
            figures = margin(state, account) if account in state.accounts else None
            if figures is not None:
                lines.equity.add(time_ns, figures["equity"])
                lines.initial.add(time_ns, figures["initial"])
                lines.maintenance.add(time_ns, figures["maintenance"])

    def _market(self, series: int, state: State) -> Market | None:
        if series not in state.series:
            return None
        if series not in self.found.markets:
            if len(self.found.markets) >= SERIES_SEEN_MAX:
                return None
            self.found.markets[series] = Market(words.title(state, series))
        return self.found.markets[series]

    @staticmethod
    def _book(time_ns: Nanos, series: int, market: Market, state: State) -> None:
        book = state.books.get(series)
        if book is not None:
            for line, price in ((market.bid, book.bids.best()), (market.ask, book.asks.best())):
                if price is not None:
                    line.add(time_ns, price)

    # -- telling ------------------------------------------------------------------------------------------------------

    def _tell(self, step: Step, kind: str, sentence: str) -> None:
        if len(self.found.acts) >= ACTS_MAX:
            self.found.acts_omitted += 1
            return
        self.found.acts.append(Act(seq=step.seq, time=iso(step.time_ns), kind=kind, sentence=sentence))
        if kind in _DRAWN:
            self.found.marks.append(Mark(step.time_ns, _DRAWN[kind]))

    def _case(self, step: Step) -> None:
        """The first record of each liquidation."""
        command = step.command
        if not isinstance(command, _LIQUIDATION) or any(isinstance(event, e.Rejected) for event in step.events):
            return
        if isinstance(command, c.ObserveFlag) or command.account not in self._open_case:
            self._open_case[command.account] = step.seq
            if len(self.found.cases) < CASES_MAX:
                self.found.cases.append(step.seq)
            else:
                self.found.cases_omitted += 1
        if isinstance(command, c.ObserveCaseClosed):
            self._open_case.pop(command.account, None)


_DRAWN: Final = {"halt": "halt", "liquidation": "L", "breaker": "B", "disagreement": "!"}


def _total(state: State, key: int, cash: Cash) -> Total:
    return Total(account=key, owner=f"0x{state.accounts[key].owner.hex()}", cash_before=cash)


# -- words ------------------------------------------------------------------------------------------------------------


def told(step: Step, state: State) -> Iterator[tuple[str, str]]:
    """What a record has that a reader of the timeline wants to know; orders and fills are not of it."""
    command = step.command
    if not any(isinstance(event, e.Rejected) for event in step.events):
        yield from _commanded(command.operation if isinstance(command, c.Operate) else command, state)
    for event in step.events:
        yield from _happened(event, state)


def _commanded(command: c.AnyCommand, state: State) -> Iterator[tuple[str, str]]:
    match command:
        case c.Configure():
            yield "opening", f"the venue {command.venue} opens on chain {command.chain_id}"
        case c.ListUnderlying():
            yield "listing", f"underlying {command.name} is listed"
        case c.ListExpiry():
            name = state.underlyings[command.underlying].name
            yield "listing", f"expiry {command.expiry_id} of {name} is listed, for {iso(command.expiry_s * 10**9)[:19]}"
        case c.SetTrading():
            what = "trading resumes" if command.is_open else "trading is halted"
            yield "opening" if command.is_open else "halt", f"{what}: {command.cause}"
        case c.PullKill() | c.ReleaseKill():
            pulled = isinstance(command, c.PullKill)
            what = "pulled" if pulled else "released"
            yield "halt" if pulled else "opening", f"a kill switch is {what}: {command.cause}"
        case c.BatchRefused():
            yield "halt", f"the contracts refuse batch {command.batch_id}: {command.reason}"
        case c.SetReference():
            yield "register", f"{command.field} becomes {command.value}: {command.cause}"
        case _ if isinstance(command, _LIQUIDATION):
            yield from _liquidated(command)


def _liquidated(command: c.AnyCommand) -> Iterator[tuple[str, str]]:
    match command:
        case c.ObserveFlag():
            yield "liquidation", f"account {command.account} is flagged: it may be liquidated"
        case c.ObserveTransfer():
            legs = sum(abs(leg.qty) for leg in command.legs)
            took = f"account {command.provider} takes {words.contracts(legs)} of account {command.account}"
            paid = "pays" if command.paid >= 0 else "is paid"
            yield "liquidation", f"{took} and {paid} {words.usdc(abs(command.paid))}"
        case c.ObserveCaseClosed():
            left = f", {words.usdc(command.uncovered)} borne by nobody" if command.uncovered else ""
            yield "liquidation", f"the liquidation of account {command.account} is over{left}"


def _happened(event: e.AnyEvent, state: State) -> Iterator[tuple[str, str]]:
    match event:
        case e.BreakerMoved():
            whose = state.underlyings[event.subject].name if event.scope else "the venue"
            before, after = (Status(value).name.lower().replace("_", " ") for value in (event.before, event.after))
            yield "breaker", f"the breaker of {whose} moves from {before} to {after}: {event.cause.value}"
        case e.PhaseChanged():
            yield "phase", f"{_scope(event, state)}: {PHASES[event.phase]} ({event.cause.value})"
        case e.ExpiryFixed():
            yield "expiry", f"expiry {event.expiry_id} is fixed at {words.usdc(event.price)}"
        case e.ChainDisagreed():
            values = f"expected {event.expected}, said {event.actual}"
            yield "disagreement", f"the contracts say otherwise than the machine of {event.what}: {values}"


def _scope(event: e.PhaseChanged, state: State) -> str:
    if event.scope == c.SERIES:
        return words.title(state, event.subject)
    if event.scope == c.EXPIRY:
        return f"all series of expiry {event.subject}"
    return f"all series of {state.underlyings[event.subject].name}"
