"""Configuration and listings: which options exist and in which steps they trade. Imports state, commands, events."""

from exchange.core import phases, status
from exchange.core.book import Book
from exchange.core.commands import Configure, ListExpiry, ListSeries, ListUnderlying, SetTrading
from exchange.core.events import Applied, Event, Reject, Rejected
from exchange.core.state import State
from exchange.core.state_types import Expiry, Series, Underlying
from exchange.core.units import (
    NANOS_PER_SECOND,
    QTY_ONE,
    TWAP_SECONDS,
    U16_MAX,
    U32_MAX,
    U63_MAX,
    expiry_of,
    seconds_of,
    series_of,
)

# Bounds of the contracts: groups of four series in an expiry, slots of the bitmap of live expiries, sheets whose hashes
# a round carries, and the words of calldata that hold the sheets of a batch, which must be able to carry every live
# expiry at once.
GROUPS_MAX = 64
EXPIRY_SLOTS = 128
LIVE_EXPIRIES_MAX = 64
SHEET_WORDS_MAX = 512
SHEET_HEAD_WORDS = 2
TAKER_DELAY_MAX = NANOS_PER_SECOND


def decide_configure(state: State, command: Configure) -> tuple[Event, ...]:
    """Once, before anything else, with rules a contract can hold."""
    if state.config is not None:
        return (Rejected(Reject.VENUE_MUST_BE_CONFIGURED_ONCE, state.seq),)
    assert 0 < command.batch_trades_max <= 128
    assert 0 <= command.taker_delay_ns <= TAKER_DELAY_MAX
    assert command.batch_age_max_s <= command.settlement_window_s  # what waits longer may outlive what was signed
    return (Applied(),)


def evolve_configure(state: State, command: Configure) -> None:
    """The venue exists."""
    state.config = command


def decide_underlying(state: State, command: ListUnderlying) -> tuple[Event, ...]:
    """Dense numbers, and a lot and ticks whose product is a whole 1e-6 USDC so that premiums are exact."""
    if command.underlying != len(state.underlyings) or command.underlying > U32_MAX:
        return (Rejected(Reject.LISTING_MUST_BE_DENSE, command.underlying, len(state.underlyings)),)
    for tick in (command.tick, command.tick_above):
        if tick <= 0 or command.lot <= 0 or tick * command.lot % QTY_ONE != 0 or command.tick_step % tick != 0:
            return (Rejected(Reject.LOT_AND_TICK_MUST_BE_EXACT, tick, command.lot),)
    return (Applied(),)


def evolve_underlying(state: State, command: ListUnderlying) -> None:
    """The underlying exists."""
    state.underlyings[command.underlying] = Underlying(
        command.underlying, command.name, command.lot, command.tick, command.tick_above, command.tick_step
    )
    state.curb()


def decide_expiry(state: State, command: ListExpiry) -> tuple[Event, ...]:
    """Before its averaging begins, on a half hour (the TWAP's boundaries), in a free slot of the contract's bitmap."""
    if command.underlying not in state.underlyings:
        return (Rejected(Reject.UNDERLYING_MUST_EXIST, command.underlying),)
    if command.expiry_id != len(state.expiries) + 1 or command.expiry_id > U16_MAX:
        return (Rejected(Reject.LISTING_MUST_BE_DENSE, command.expiry_id, len(state.expiries) + 1),)
    # The round that opens the averaging window is kept for the contracts only if the expiry is listed by then.
    opens_after_s = seconds_of(state.time_ns) + TWAP_SECONDS
    if command.expiry_s <= opens_after_s:
        return (Rejected(Reject.EXPIRY_MUST_BE_AHEAD, command.expiry_s, opens_after_s),)
    if command.expiry_s % TWAP_SECONDS != 0:
        return (Rejected(Reject.EXPIRY_MUST_END_A_HALF_HOUR, command.expiry_s),)
    earlier = state.expiries.get(command.expiry_id - EXPIRY_SLOTS)
    if earlier is not None and not _is_over(state, earlier):
        return (Rejected(Reject.EXPIRY_SLOT_MUST_BE_FREE, command.expiry_id, earlier.id),)
    return (_refuse_size(state) or Applied(),)


def _refuse_size(state: State) -> Rejected | None:
    """A round and a batch can carry one more expiry, with a first group of series."""
    live = sum(expiry.fixing < 0 for expiry in state.expiries.values())
    if live >= LIVE_EXPIRIES_MAX:
        return Rejected(Reject.LISTING_MUST_FIT_A_BATCH, live, LIVE_EXPIRIES_MAX)
    if _sheet_words(state) + SHEET_HEAD_WORDS + 1 > SHEET_WORDS_MAX:
        return Rejected(Reject.LISTING_MUST_FIT_A_BATCH, _sheet_words(state), SHEET_WORDS_MAX)
    return None


def _is_over(state: State, expiry: Expiry) -> bool:
    """Nobody holds the expiry on the contracts, and no batch may bring positions in it any more."""
    assert state.config is not None
    fills_until_s = expiry.expiry_s + state.config.settlement_window_s
    return expiry.fixing >= 0 and fills_until_s < seconds_of(state.time_ns) and not _held_on_chain(state, expiry.id)


def _held_on_chain(state: State, expiry_id: int) -> bool:
    positions = state.mirror.positions.values()
    return any(expiry_of(series) == expiry_id for held in positions for series in held)


def _sheet_words(state: State) -> int:
    live = [expiry for expiry in state.expiries.values() if expiry.fixing < 0]
    return sum(SHEET_HEAD_WORDS + (len(expiry.series) + 3) // 4 for expiry in live)


def evolve_expiry(state: State, command: ListExpiry) -> None:
    """The expiry exists, without series yet."""
    state.expiries[command.expiry_id] = Expiry(command.expiry_id, command.underlying, command.expiry_s)


def decide_series(state: State, command: ListSeries) -> tuple[Event, ...]:
    """Dense inside its expiry; the strike fits the 63 bits the contract keeps for it."""
    expiry = state.expiries.get(command.expiry_id)
    if expiry is None:
        return (Rejected(Reject.EXPIRY_MUST_EXIST, command.expiry_id),)
    if command.index != len(expiry.series) or command.index >= 4 * GROUPS_MAX:
        return (Rejected(Reject.LISTING_MUST_BE_DENSE, command.index, len(expiry.series)),)
    if expiry.expiry_s <= seconds_of(state.time_ns):
        return (Rejected(Reject.EXPIRY_MUST_BE_AHEAD, expiry.expiry_s, seconds_of(state.time_ns)),)
    if command.index % 4 == 0 and _sheet_words(state) + 1 > SHEET_WORDS_MAX:
        return (Rejected(Reject.LISTING_MUST_FIT_A_BATCH, _sheet_words(state), SHEET_WORDS_MAX),)
    if not 0 < command.strike <= U63_MAX:
        return (Rejected(Reject.STRIKE_MUST_FIT, command.strike, U63_MAX),)
    return (Applied(),)


def evolve_series(state: State, command: ListSeries) -> None:
    """The series exists; it trades once a round covers it."""
    expiry = state.expiries[command.expiry_id]
    series_id = series_of(command.expiry_id, command.index)
    expiry.series.append(series_id)
    state.series[series_id] = Series(
        series_id, expiry.id, expiry.underlying, expiry.expiry_s, command.strike, command.is_call
    )
    state.books[series_id] = Book()
    phases.evolve_listed(state, series_id, expiry.underlying)


def decide_trading(state: State, command: SetTrading) -> tuple[Event, ...]:
    """Always allowed: whoever may halt is decided at the edge, that it happened is decided here."""
    del state
    if not 0 <= command.auction_s <= phases.CALL_MAX_S:
        return (Rejected(Reject.AUCTION_TERMS_MUST_FIT, command.auction_s, phases.CALL_MAX_S),)
    return (Applied(),)


def evolve_trading(state: State, command: SetTrading) -> None:
    """Open or halt; open through auctions if so commanded."""
    status.switch(state, command)
    if command.is_open and command.auction_s:
        phases.evolve_resumed(state, seconds_of(state.time_ns) + command.auction_s)
