"""Adopting an oracle round: checks, the settlement of expiries it completes, and the batch it closes.

Unsettled trades are always acceptable at the round in force. Before a new round replaces it, either every account they
touched also holds at the new round, or the open batch is sealed naming the old one. That is how NO_BUST survives a
moving market. Imports state, combos, oracle, pools, risk, settlement.
"""

from collections import OrderedDict

from exchange.core import combos, phases, pools, risk, settlement, status, triggers
from exchange.core.commands import PostRound, Sheet
from exchange.core.events import Cancelled, CancelReason, Event, ExpiryFixed, Reject, Rejected, RoundAdopted
from exchange.core.oracle import RoundView, implied_marks, term_of, twap, view_of, with_arrays
from exchange.core.state import State
from exchange.core.state_types import Expiry
from exchange.core.units import TWAP_SECONDS, U64_MAX, WAD, Price, Seconds, seconds_of

BOUNDARIES_KEPT = 96  # two days of half hours
COMMITTED_SHEETS_MAX = 63  # of a round that commits to arrays: its commitment stands among 64 hashes


def decide_round(state: State, command: PostRound) -> tuple[Event, ...]:
    """Seal if needed, adopt, then fix the expiries whose TWAP this round completes."""
    refused = _refuse(state, command)
    if refused is not None:
        return (refused,)
    fixed = tuple(_fixings(state, command))
    view = _view(state, command)
    events: list[Event] = []
    if state.first_unsealed < state.next_trade:
        sealed = settlement.seal(state)
        # Trades that need several batches may not change their round: only where the last one ends is known to hold.
        if fixed or len(sealed) > 1 or not _carries(state, view):
            events += sealed
    events.append(RoundAdopted(command.round_id))
    gone: dict[int, None] = {}  # a combo may have legs in several
    for expiry, price in fixed:
        events += _expire_orders(state, expiry, gone)
        events.append(ExpiryFixed(expiry.id, price))
        events += settlement.settle_expiry(state, expiry, price)
    events += phases.jumps(state, [(spot.underlying, spot.spot) for spot in command.spots])
    events += status.on_round(state, command)
    events += pools.on_round(state, command, view, gone)
    return tuple(events)


def _refuse(state: State, command: PostRound) -> Rejected | None:
    last = state.round
    last_id, last_s = (last.round_id, last.time_s) if last is not None else (0, 0)
    if command.round_id <= last_id or command.time_s <= last_s:
        return Rejected(Reject.ROUND_MUST_ADVANCE, command.time_s, last_s)
    if command.time_s > seconds_of(state.time_ns) or command.round_id > U64_MAX:
        return Rejected(Reject.ROUND_MUST_NOT_BE_AHEAD, command.time_s, seconds_of(state.time_ns))
    return _refuse_coverage(state, command) or (
        _refuse_sums(state, command) or _refuse_marks(state, command) or _refuse_arrays(state, command)
    )


def _refuse_coverage(state: State, command: PostRound) -> Rejected | None:
    """A word for each underlying and a sheet for each live expiry, in range, in order, with a vol and a mark each."""
    if [spot.underlying for spot in command.spots] != list(state.underlyings):
        return Rejected(Reject.ROUND_MUST_COVER_LISTINGS, len(command.spots), len(state.underlyings))
    for spot in command.spots:
        if not (0 < spot.spot <= U64_MAX and 0 <= spot.conf <= WAD and 0 <= spot.acc <= U64_MAX):
            return Rejected(Reject.ROUND_MUST_COVER_LISTINGS, spot.underlying)
    live = [expiry.id for expiry in state.expiries.values() if expiry.fixing < 0]
    if [sheet.expiry_id for sheet in command.sheets] != live:
        return Rejected(Reject.ROUND_MUST_COVER_LISTINGS, len(command.sheets), len(live))
    for sheet in command.sheets:
        listed = len(state.expiries[sheet.expiry_id].series)
        if not (len(sheet.vols) == len(sheet.marks) == listed):
            return Rejected(Reject.ROUND_MUST_COVER_LISTINGS, len(sheet.marks), listed)
        if not (
            0 < sheet.forward <= U64_MAX and 0 <= sheet.conf <= WAD and all(0 <= vol <= U64_MAX for vol in sheet.vols)
        ):
            return Rejected(Reject.ROUND_MUST_COVER_LISTINGS, sheet.expiry_id)
    return None


def _refuse_sums(state: State, command: PostRound) -> Rejected | None:
    """Accumulators go on from those of the round in force."""
    last = state.round
    for spot in command.spots:
        held = state.spots.get(spot.underlying)
        if held is None or last is None:
            continue
        expected = held.acc + held.spot * (command.time_s - last.time_s)
        if spot.acc != expected:
            return Rejected(Reject.ROUND_MUST_CONTINUE_ACCUMULATOR, spot.acc, min(expected, U64_MAX))
    return None


def _refuse_marks(state: State, command: PostRound) -> Rejected | None:
    """Marks are those that forwards and vols imply."""
    accs = {spot.underlying: spot.acc for spot in command.spots}
    for sheet in command.sheets:
        implied = marks_of(state, sheet, command.time_s, accs[state.expiries[sheet.expiry_id].underlying])
        for given, mark in zip(sheet.marks, implied, strict=True):
            if given != mark or mark > U64_MAX:
                return Rejected(Reject.ROUND_MARKS_MUST_FOLLOW, given, min(mark, U64_MAX))
    return None


def _refuse_arrays(state: State, command: PostRound) -> Rejected | None:
    """The root is that of the arrays which follow from the round, and there is room for it beside the sheets."""
    if not command.arrays:
        return None
    assert state.config is not None
    if state.config.portfolio is None or len(command.sheets) > COMMITTED_SHEETS_MAX:
        return Rejected(Reject.ROUND_ARRAYS_MUST_FOLLOW, len(command.sheets), COMMITTED_SHEETS_MAX)
    if command.arrays != root_of(state, command):
        return Rejected(Reject.ROUND_ARRAYS_MUST_FOLLOW, command.round_id)
    return None


def root_of(state: State, command: PostRound) -> bytes:
    """Merkle root of the risk arrays of every series of a round that the contracts' PORTFOLIO reads."""
    view = view_of(command, state.expiries, state.series, risk.model_of(state), state.acc_at)
    assert state.config is not None
    assert state.config.portfolio is not None
    arrays = with_arrays(view, state.expiries, state.series, state.config.portfolio, state.pricer).arrays
    assert arrays is not None
    return arrays.root()


def _view(state: State, command: PostRound) -> RoundView:
    view = view_of(command, state.expiries, state.series, risk.model_of(state), state.acc_at)
    assert state.config is not None
    if command.arrays and state.config.portfolio is not None:
        with_arrays(view, state.expiries, state.series, state.config.portfolio, state.pricer)
    return view


def marks_of(state: State, sheet: Sheet, time_s: Seconds, acc: int) -> tuple[Price, ...]:
    """Marks of a sheet at a time; ``acc`` is the integral of its underlying's spot up to then."""
    expiry = state.expiries[sheet.expiry_id]
    return implied_marks(sheet, term_of(sheet, expiry, time_s, acc, state.acc_at), expiry, state.series, state.pricer)


def _carries(state: State, view: RoundView) -> bool:
    """Whether the open batch may name the new round: young enough, and every account in it holds there."""
    assert state.config is not None
    age_s = seconds_of(state.time_ns - state.sealed_ns)
    if age_s >= state.config.batch_age_max_s:
        return False
    return all(risk.holds_at(state, view, state.accounts[key]) for key in sorted(state.touched))


def _fixings(state: State, command: PostRound) -> list[tuple[Expiry, int]]:
    fixed = []
    for expiry in state.expiries.values():
        if expiry.fixing >= 0 or expiry.expiry_s > command.time_s:
            continue
        known = dict(state.acc_at.get(expiry.underlying, {}))
        if command.time_s % TWAP_SECONDS == 0:
            known[command.time_s] = next(s.acc for s in command.spots if s.underlying == expiry.underlying)
        price = twap(known, expiry.expiry_s)
        if price is not None:
            fixed.append((expiry, price))
    return fixed


def _expire_orders(state: State, expiry: Expiry, gone: dict[int, None]) -> list[Event]:
    orders = [
        order
        for order in state.orders.values()
        if order.id not in gone and combos.ends_with(state, order.series, expiry.id)
    ]
    orders.sort(key=lambda order: order.id)
    gone |= dict.fromkeys(order.id for order in orders)
    return [Cancelled(order.id, CancelReason.SERIES_EXPIRED, order.qty - order.filled) for order in orders]


def evolve_round(state: State, command: PostRound) -> None:
    """The round is in force; accumulators at half hours are kept for settlement, and rounds that open a window."""
    status.evolve_round(state, command)
    state.round = command
    if settlement.opens_window(state, command.time_s):
        state.rounds[command.round_id] = command
    state.view = _view(state, command)
    for spot in command.spots:
        state.spots[spot.underlying] = spot
        if command.time_s % TWAP_SECONDS == 0:
            kept = state.acc_at.setdefault(spot.underlying, OrderedDict())
            kept[command.time_s] = spot.acc
            if len(kept) > BOUNDARIES_KEPT:
                kept.popitem(last=False)
    triggers.note_round(state)
