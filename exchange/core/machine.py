"""``apply``: decide, then evolve. The one way state changes.

Same state and command, same events, on any machine. ``decide`` only reads; if ``evolve`` ever raises, the state is
spoiled and the process must stop and rebuild from the journal: nothing here catches. A record's events and its command
suffice to evolve, so folding and re-executing a journal must agree. Imports every feature.
"""

from exchange.core import (
    admission,
    deadlines,
    invariants,
    listing,
    matching,
    observation,
    orders,
    phases,
    pricing,
    protection,
    quoting,
    settlement,
    uncross,
)
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state import State, digest
from exchange.core.units import Nanos, Seconds, seconds_of


def apply(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand) -> tuple[e.Event, ...]:
    """Apply one command as record ``seq`` at ``time_ns`` and return its events."""
    assert seq == state.seq + 1  # no gap, no repeat
    assert time_ns >= state.time_ns  # time does not run backwards
    events = decide(state, seq, time_ns, command)
    fold(state, seq, time_ns, command, events)
    return events


def decide(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand) -> tuple[e.Event, ...]:
    """What the command causes; reads only."""
    state.time_ns = time_ns  # the record's time is an input, whatever is decided
    kind = type(command)
    if kind is c.Place:
        assert admission.has_waited(state, command, time_ns)  # type: ignore[arg-type]
        return _housekeeping(state) + matching.decide_place(state, command, seq, time_ns)  # type: ignore[arg-type]
    if kind is c.Cancel:
        return matching.decide_cancel(state, command)  # type: ignore[arg-type]
    if kind is c.Amend:
        assert admission.has_waited(state, command, time_ns)  # type: ignore[arg-type]
        return _housekeeping(state) + matching.decide_amend(state, command, time_ns)  # type: ignore[arg-type]
    if state.config is None and kind is not c.Configure:
        return (e.Rejected(e.Reject.TRADING_MUST_BE_OPEN),)
    if kind in quoting.KINDS:
        return quoting.decide(state, command, seq, time_ns)  # type: ignore[arg-type]
    return _decide_rare(state, time_ns, command)


def _housekeeping(state: State) -> tuple[e.Event, ...]:
    config = state.config
    if config is None or state.next_trade - state.first_unsealed < config.batch_trades_max:
        return ()
    return tuple(settlement.seal(state))


def _decide_rare(state: State, time_ns: Nanos, command: c.AnyCommand) -> tuple[e.Event, ...]:
    match command:
        case c.Configure():
            return listing.decide_configure(state, command)
        case c.ListUnderlying():
            return listing.decide_underlying(state, command)
        case c.ListExpiry():
            return listing.decide_expiry(state, command)
        case c.ListSeries():
            return listing.decide_series(state, command)
        case c.PostRound():
            return pricing.decide_round(state, command)
        case c.SetTrading():
            return listing.decide_trading(state, command)
        case c.CancelAll():
            return matching.decide_cancel_all(state, command)
        case c.SealBatch():
            return settlement.decide_seal(state, command)
        case c.BatchRefused():
            return settlement.decide_refused(state, command)
        case c.SetAuctions() | c.SetPhase():
            return phases.decide(state, command)
        case c.Tick():
            return _tick(state, seconds_of(time_ns))
        case c.TakeDigest():
            invariants.check_all(state)
            return (e.Digested(digest(state)),)
        case _:
            return observation.decide(state, command)  # type: ignore[arg-type]


def _tick(state: State, now_s: Seconds) -> tuple[e.Event, ...]:
    """What time alone brings about. Auctions wait for a tick that takes nothing off the books before them."""
    ended = deadlines.expired(state, now_s)
    moved = [] if ended or not state.auctions else phases.opened(state) or uncross.decide_due(state, now_s)
    return (*_aged(state), *ended, *moved, e.Applied())


def _aged(state: State) -> tuple[e.Event, ...]:
    """Seal the open batch when it is full or old."""
    assert state.config is not None
    if state.first_unsealed == state.next_trade:
        return ()
    if seconds_of(state.time_ns - state.sealed_ns) >= state.config.batch_age_max_s:
        return tuple(settlement.seal(state))
    return _housekeeping(state)


def fold(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand, events: tuple[e.Event, ...]) -> None:
    """Evolve the state by a record's events."""
    state.seq = seq
    state.time_ns = time_ns
    for event in events:
        kind = type(event)
        if kind is e.Accepted:
            orders.evolve_accepted(state, command, seq, time_ns)  # type: ignore[arg-type]
        elif kind is e.Rested:
            orders.evolve_rested(state, event)  # type: ignore[arg-type]
        elif kind is e.Cancelled:
            orders.evolve_cancelled(state, event)  # type: ignore[arg-type]
        elif kind is e.Traded:
            taker = event.taker_order or (command.order_id if type(command) is c.Amend else seq)  # type: ignore[attr-defined]
            orders.evolve_traded(state, event, taker)  # type: ignore[arg-type]
        elif kind is e.Quoted:
            quoting.evolve_quoted(state, command, event, seq, time_ns)  # type: ignore[arg-type]
        elif kind is not e.Rejected:
            _fold_rare(state, seq, time_ns, command, event)
    if type(command) is c.Place or type(command) is c.Amend:
        _check_book(state, command.auth.series)
    elif type(command) is c.MassQuote:
        for leaf in command.leaves:
            _check_book(state, leaf.series)


def _check_book(state: State, series: int) -> None:
    """BOOK_NOT_CROSSED, the cheap form."""
    book = state.books.get(series)
    assert book is None or not book.crossed() or series in state.auctions


def _fold_rare(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand, event: e.Event) -> None:
    match event:
        case e.Amended():
            assert isinstance(command, c.Amend)
            orders.evolve_amended(state, command, event, seq, time_ns)
        case e.BatchSealed():
            settlement.evolve_sealed(state, event, seq, time_ns)
        case e.RoundAdopted():
            assert isinstance(command, c.PostRound)
            pricing.evolve_round(state, command)
        case e.ExpiryFixed():
            settlement.evolve_fixed(state, event)
        case e.AccountSettled():
            settlement.evolve_settled(state, event)
        case e.PhaseChanged():
            phases.evolve_changed(state, event)
        case e.Uncrossed():
            uncross.evolve_uncrossed(state, event)
        case e.Applied():
            _fold_applied(state, time_ns, command)
        case e.MassQuoted():
            assert isinstance(command, c.MassQuote)
            quoting.evolve_mass_quoted(state, command)
        case e.ProtectionTriggered():
            protection.evolve_triggered(state, event, time_ns)
        case e.ChainDisagreed():
            state.mirror.disputed = True
        case e.Digested() | e.QuoteRefused():
            pass  # a statement about the state, not a change of it


def _fold_applied(state: State, time_ns: Nanos, command: c.AnyCommand) -> None:
    match command:
        case c.Configure():
            listing.evolve_configure(state, command)
        case c.ListUnderlying():
            listing.evolve_underlying(state, command)
        case c.ListExpiry():
            listing.evolve_expiry(state, command)
        case c.ListSeries():
            listing.evolve_series(state, command)
        case c.SetTrading():
            listing.evolve_trading(state, command)
        case c.SetAuctions() | c.SetPhase():
            phases.evolve(state, command)
        case c.BatchRefused():
            settlement.evolve_refused(state, command)
        case c.SetProtection() | c.FreezeQuotes() | c.CancelQuotes():
            quoting.evolve(state, command)
        case c.Tick():
            deadlines.forget(state, seconds_of(time_ns))
        case _:
            observation.evolve(state, command)  # type: ignore[arg-type]
