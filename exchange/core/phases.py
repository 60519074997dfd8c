"""Phases of a series: who moves it from one to the next, and when.

A series that is not in ``state.auctions`` trades continuously. An operator's command names a scope and a phase; by
itself the machine opens new series, stops those whose price leaves its band, and ends auctions, always from what the
journal holds. Imports state, combos, commands, events.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from exchange.core import combos
from exchange.core.commands import (
    AUCTION,
    CLOSED,
    CONTINUOUS,
    EXPIRY,
    HALTED,
    SERIES,
    UNCROSSING,
    UNDERLYING,
    SetAuctions,
    SetPhase,
)
from exchange.core.events import Applied, Event, PhaseCause, PhaseChanged, Reject, Rejected
from exchange.core.state import State, legs_of
from exchange.core.state_types import Auction
from exchange.core.units import NO_EXPIRY, WAD, Price, Seconds, div_down, seconds_of

CALL_MAX_S: Final = 86_400  # an auction, or the time between two of them
CHANGES_MAX: Final = 1_000  # series that one record moves from phase to phase without a trade


class Band(NamedTuple):
    """Prices at which a series may trade continuously."""

    low: Price
    high: Price


# -- asking -----------------------------------------------------------------------------------------------------------


def phase_of(state: State, series: int) -> int:
    """The phase a series is in."""
    auction = state.auctions.get(series)
    return CONTINUOUS if auction is None else auction.phase


def band_of(state: State, series: int) -> Band | None:
    """How far from its mark a series may trade, or a combo from what those of its legs add up to; None without a rule,
    or a mark.
    """
    if combos.is_combo(series):
        return _band_of_combo(state, series)
    option, view = state.series[series], state.view
    rules = state.auction_rules.get(option.underlying)
    if rules is None or not rules.band_mark + rules.band_spot or view is None or series not in view.marks:
        return None
    mark = view.marks[series]
    width = div_down(mark * rules.band_mark + view.spots[option.underlying] * rules.band_spot, WAD)
    return Band(max(mark - width, 0), mark + width)


def _band_of_combo(state: State, series: int) -> Band | None:
    low = high = 0
    for leg in legs_of(state, series):
        band = band_of(state, leg.series)
        if band is None:
            return None
        at_low, at_high = band if leg.ratio > 0 else (band.high, band.low)
        low, high = low + leg.ratio * at_low, high + leg.ratio * at_high
    return Band(low, high)


def live(state: State, scope: int, subject: int) -> list[int]:
    """Series of a scope that have not expired, in ascending order; scope 0 is the venue."""
    now_s = seconds_of(state.time_ns)
    return [
        option.id
        for _, option in sorted(state.series.items())
        if option.expiry_s > now_s
        and (
            scope == 0
            or (scope == UNDERLYING and option.underlying == subject)
            or (scope == EXPIRY and option.expiry_id == subject)
            or (scope == SERIES and option.id == subject)
        )
    ]


# -- commands ---------------------------------------------------------------------------------------------------------


def decide(state: State, command: SetAuctions | SetPhase) -> tuple[Event, ...]:
    """What an operator wants of auctions and phases: done as commanded, or refused."""
    refused = _refuse_rules(state, command) if isinstance(command, SetAuctions) else _refuse_phase(state, command)
    return (refused or Applied(),)


def evolve(state: State, command: SetAuctions | SetPhase) -> None:
    """Rules are in force from here on, while auctions under way keep their end; phases change at once."""
    if isinstance(command, SetAuctions):
        state.auction_rules[command.underlying] = command
    else:
        _evolve_phase(state, command)


def _refuse_rules(state: State, command: SetAuctions) -> Rejected | None:
    """Durations and fractions that make sense, for a listed underlying."""
    if command.underlying not in state.underlyings:
        return Rejected(Reject.UNDERLYING_MUST_EXIST, command.underlying)
    for duration in (command.opening_s, command.volatility_s):
        if not 0 <= duration <= CALL_MAX_S:
            return Rejected(Reject.AUCTION_TERMS_MUST_FIT, duration, CALL_MAX_S)
    for fraction in (command.band_mark, command.band_spot, command.jump_spot):
        if not 0 <= fraction <= WAD:
            return Rejected(Reject.AUCTION_TERMS_MUST_FIT, fraction, WAD)
    if not 0 <= command.extensions_max <= CHANGES_MAX:
        return Rejected(Reject.AUCTION_TERMS_MUST_FIT, command.extensions_max, CHANGES_MAX)
    return None


def _refuse_phase(state: State, command: SetPhase) -> Rejected | None:
    """An auction lies ahead and not too far; nothing resumes while its book is crossed, nor in the middle of a fill."""
    refused = _refuse_subject(state, command) or _refuse_terms(state, command)
    if refused is not None:
        return refused
    for series in live(state, command.scope, command.subject):
        phase = phase_of(state, series)
        if phase == UNCROSSING and command.phase == AUCTION:
            return Rejected(Reject.PHASE_MUST_FOLLOW, phase, command.phase)
        if command.phase == CONTINUOUS and (phase == UNCROSSING or state.books[series].crossed()):
            return Rejected(Reject.PHASE_MUST_FOLLOW, phase, command.phase)
    return None


def _refuse_subject(state: State, command: SetPhase) -> Rejected | None:
    subject = command.subject
    if command.scope == UNDERLYING:
        return None if subject in state.underlyings else Rejected(Reject.UNDERLYING_MUST_EXIST, subject)
    if command.scope == EXPIRY:
        return None if subject in state.expiries else Rejected(Reject.EXPIRY_MUST_EXIST, subject)
    if command.scope == SERIES:
        return None if subject in state.series else Rejected(Reject.SERIES_MUST_EXIST, subject)
    return Rejected(Reject.AUCTION_TERMS_MUST_FIT, command.scope, SERIES)


def _refuse_terms(state: State, command: SetPhase) -> Rejected | None:
    if command.phase not in (CONTINUOUS, AUCTION, HALTED):
        return Rejected(Reject.PHASE_MUST_FOLLOW, command.phase, HALTED)
    if command.phase != AUCTION:
        return None
    ahead_s = command.ends_s - seconds_of(state.time_ns)
    if not 0 <= ahead_s <= CALL_MAX_S:
        return Rejected(Reject.AUCTION_TERMS_MUST_FIT, ahead_s, CALL_MAX_S)
    if not 0 <= command.every_s <= CALL_MAX_S:
        return Rejected(Reject.AUCTION_TERMS_MUST_FIT, command.every_s, CALL_MAX_S)
    return None


def _evolve_phase(state: State, command: SetPhase) -> None:
    """The series of the scope are in the phase."""
    for series in live(state, command.scope, command.subject):
        if command.phase == CONTINUOUS:
            state.auctions.pop(series, None)
            continue
        auction = _enter(state, series, command.phase, command.ends_s if command.phase == AUCTION else 0)
        if command.phase == AUCTION:
            auction.every_s = command.every_s


def evolve_resumed(state: State, ends_s: Seconds) -> None:
    """The venue reopens through auctions: what trades or was auctioned collects; what was halted by itself stays so."""
    for series in live(state, 0, 0):
        if phase_of(state, series) in (CONTINUOUS, AUCTION):
            _enter(state, series, AUCTION, ends_s)


def evolve_listed(state: State, series: int, underlying: int) -> None:
    """A new series stays closed until it is priced, if its underlying opens by auction."""
    rules = state.auction_rules.get(underlying)
    if rules is not None and rules.opening_s:
        state.auctions[series] = Auction(series, CLOSED)


def _enter(state: State, series: int, phase: int, ends_s: Seconds) -> Auction:
    auction = state.auctions.get(series)
    if auction is None:
        auction = state.auctions[series] = Auction(series, phase)
    auction.phase, auction.ends_s, auction.price, auction.extended, auction.volatile = phase, ends_s, 0, 0, False
    return auction


# -- by itself --------------------------------------------------------------------------------------------------------


def evolve_changed(state: State, event: PhaseChanged) -> None:
    """What the machine decided for a series, or for all series of an underlying that trade continuously."""
    if event.scope == UNDERLYING:
        for series in live(state, UNDERLYING, event.subject):
            if series not in state.auctions:
                _enter(state, series, event.phase, event.ends_s)
    elif event.phase == CONTINUOUS:
        del state.auctions[event.subject]
    else:
        before = state.auctions.get(event.subject)
        extended, volatile = 0, event.cause is PhaseCause.VOLATILITY
        if before is not None and event.cause is PhaseCause.EXTENDED:
            extended, volatile = before.extended + 1, before.volatile
        auction = _enter(state, event.subject, event.phase, event.ends_s)
        auction.extended, auction.volatile = extended, volatile


def volatility(state: State, series: int) -> PhaseChanged | None:
    """The auction that begins instead of a fill outside the band; None if the rules have none."""
    rules = state.auction_rules[state.series[series].underlying]
    if not rules.volatility_s:
        return None
    ends_s = seconds_of(state.time_ns) + rules.volatility_s
    return PhaseChanged(SERIES, series, AUCTION, ends_s, PhaseCause.VOLATILITY)


def jumps(state: State, spots: Iterable[tuple[int, Price]]) -> list[Event]:
    """Auctions of all series of an underlying whose spot has moved too far since the round in force."""
    events: list[Event] = []
    for underlying, spot in spots:
        rules, before = state.auction_rules.get(underlying), state.spots.get(underlying)
        if rules is None or before is None or not rules.jump_spot or not rules.volatility_s:
            continue
        if abs(spot - before.spot) * WAD > rules.jump_spot * before.spot:
            ends_s = seconds_of(state.time_ns) + rules.volatility_s
            events.append(PhaseChanged(UNDERLYING, underlying, AUCTION, ends_s, PhaseCause.JUMP))
    return events


def after_uncross(state: State, auction: Auction) -> PhaseChanged:
    """An auction has ended: the next of a periodic series begins, any other trades continuously."""
    now_s = seconds_of(state.time_ns)
    if not auction.every_s:
        return PhaseChanged(SERIES, auction.id, CONTINUOUS, 0, PhaseCause.UNCROSSED)
    ends_s = auction.ends_s + (div_down(now_s - auction.ends_s, auction.every_s) + 1) * auction.every_s
    return PhaseChanged(SERIES, auction.id, AUCTION, min(ends_s, NO_EXPIRY), PhaseCause.PERIODIC)


def again(state: State, auction: Auction) -> PhaseChanged:
    """Cancels in the middle of an uncross left the book crossed: another price is looked for at once."""
    return PhaseChanged(SERIES, auction.id, AUCTION, seconds_of(state.time_ns), PhaseCause.UNCROSSED)


def extension(state: State, auction: Auction, price: Price) -> PhaseChanged | None:
    """As long again, if the price found is outside the band and that has not happened too often."""
    rules = state.auction_rules.get(state.series[auction.id].underlying)
    band = band_of(state, auction.id)
    if rules is None or band is None or band.low <= price <= band.high or auction.extended >= rules.extensions_max:
        return None
    ends_s = seconds_of(state.time_ns) + max(rules.volatility_s, 1)
    return PhaseChanged(SERIES, auction.id, AUCTION, ends_s, PhaseCause.EXTENDED)


def opened(state: State) -> list[Event]:
    """Auctions of closed series that the round in force prices, and the end of those whose expiry is fixed."""
    events: list[Event] = []
    now_s, view = seconds_of(state.time_ns), state.view
    for _, auction in sorted(state.auctions.items()):
        option = state.series[auction.id]
        if len(events) == CHANGES_MAX:
            break
        if state.expiries[option.expiry_id].fixing >= 0:
            events.append(PhaseChanged(SERIES, auction.id, CONTINUOUS, 0, PhaseCause.EXPIRED))
        elif auction.phase == CLOSED and option.expiry_s > now_s and view is not None and auction.id in view.marks:
            rules = state.auction_rules[option.underlying]
            ends_s = now_s + rules.opening_s
            events.append(PhaseChanged(SERIES, auction.id, AUCTION, ends_s, PhaseCause.OPENING))
    return events
