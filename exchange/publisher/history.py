"""What happened of late, for those who ask: trades, bars, paths of indices, statements of accounts.

Kept in memory and bounded; the journal holds all of it, for good. Imports the logs of this package.
"""

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, Nanos, Price
from exchange.dialect.listed import Listed
from exchange.dialect.orders import ComboFill, Fill
from exchange.publisher.candles import Candles, encode_bar
from exchange.publisher.indexlog import IndexLog
from exchange.publisher.moments import Written
from exchange.publisher.notes import Outcome
from exchange.publisher.orderlog import Noted
from exchange.publisher.statements import Statements
from exchange.publisher.tape import Deal, Tape

_MOVE_CASH = (
    c.PostRound,
    c.ObserveDeposit,
    c.ObserveWithdrawal,
    c.ObserveOffbookSettled,
    c.ObserveTransfer,
    c.ObserveCaseClosed,
)


_NOTHING = Written([], [])


class History:
    """The logs, each fed by the records that concern it. ``since_ns``: they know of nothing before."""

    def __init__(self, by_series: dict[int, Listed]) -> None:
        self.tape = Tape()
        self.candles = Candles()
        self.indices = IndexLog()
        self.statements = Statements(by_series)
        self.since_ns: Nanos = 0
        self.written = Written([], [])  # of the record noted last

    def rebuild(self, state: State) -> None:
        """Begin anew from a state."""
        self.tape.clear()
        self.candles.clear()
        self.indices.clear()
        self.statements.rebuild(state)
        self.since_ns = state.time_ns
        self._note_indices(state)

    def note(self, state: State, outcome: Outcome, noted: Noted) -> None:
        """Follow one record; most records concern nothing here."""
        kind, self.written = type(outcome.command), _NOTHING
        if outcome.events and type(outcome.events[0]) is Rejected:
            return
        if noted.fills or kind in _MOVE_CASH:
            self._note_deals(noted)
            self.written = Written(self.statements.note(state, outcome, noted), self.statements.delivered)
        if kind is c.PostRound:
            self._note_indices(state)

    def bars_of(self, noted: Noted) -> tuple[tuple[int, bytes], ...]:
        """The bars that a record changed, as they are now."""
        series = {fill.listed.series: None for fill in noted.trades()}
        return tuple((number, encode_bar(self.candles.last(number))) for number in series)

    def points_of(self, outcome: Outcome) -> tuple[tuple[int, Nanos, Price], ...]:
        """The points that a record added to the paths of indices."""
        command = outcome.command
        if not isinstance(command, c.PostRound) or type(outcome.events[0]) is Rejected:
            return ()
        return tuple((spot.underlying, command.time_s * NANOS_PER_SECOND, spot.spot) for spot in command.spots)

    def recall(self, noted: Noted, written: Written) -> None:
        """Remember a record as it was known before a restart; its bars are told apart (``candles.adopt``)."""
        for fill in noted.trades():
            self.tape.add(_deal_of(fill, noted))
        self.statements.recall(written.entries, written.deliveries)

    def _note_deals(self, noted: Noted) -> None:
        for fill in noted.trades():
            self.candles.note(fill.listed.series, fill.time_ns, fill.price, fill.qty, is_public=is_public(fill))
            self.tape.add(_deal_of(fill, noted))

    def _note_indices(self, state: State) -> None:
        if state.round is not None:
            for underlying, spot in state.spots.items():
                self.indices.note(underlying, state.round.time_s * NANOS_PER_SECOND, spot.spot)


def is_public(fill: Fill | ComboFill) -> bool:
    """Whether a trade moves prices: those of requests and blocks do not."""
    return not _rfq_of(fill) and not (isinstance(fill, Fill) and fill.block)


def _deal_of(fill: Fill | ComboFill, noted: Noted) -> Deal:
    maker = noted.touched.get(fill.maker.order_id) if fill.maker is not None else None
    return Deal(fill, noted.touched.get(fill.taker.order_id), maker)


def _rfq_of(fill: Fill | ComboFill) -> int:
    return fill.legs[0].rfq if isinstance(fill, ComboFill) else fill.rfq
