"""``apply``: decide, then evolve. The one way state changes.

Same state and command, same events, on any machine. ``decide`` only reads, and decides what the command causes. What
then follows by itself, because books have changed, is decided step by step on the state as it stands by then, each step
evolved before the next; it belongs to the same record. If ``evolve`` ever raises, the state is spoiled and the process
must stop and rebuild from the journal: nothing here catches. A record's events and its command
suffice to evolve, so folding and re-executing a journal must agree. Imports every feature.
"""

from typing import TypeAlias

from exchange.core import (
    admission,
    bands,
    blocks,
    combos,
    deadlines,
    firing,
    implied,
    invariants,
    kill,
    links,
    listing,
    matching,
    observation,
    operating,
    orders,
    phases,
    pools,
    portfolio,
    presence,
    pricing,
    protection,
    purging,
    quoting,
    register,
    rfq,
    rfq_accept,
    seats,
    settlement,
    status,
    uncross,
)
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import digest
from exchange.core.state import State
from exchange.core.units import Nanos, Seconds, seconds_of

# What the operator commands, and what the venue is told without an action number of the contracts.
_Told: TypeAlias = c.Operation | c.Operate | c.RecordClock | c.ObserveSeat
_NOTHING = c.Tick()  # a command that brings no orders of its own


def apply(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand) -> tuple[e.Event, ...]:
    """Apply one command as record ``seq`` at ``time_ns`` and return its events."""
    assert seq == state.seq + 1  # no gap, no repeat
    assert time_ns >= state.time_ns  # time does not run backwards
    pending = state.deferred
    events = decide(state, seq, time_ns, command)
    fold(state, seq, time_ns, command, events)
    return events + _follow(state, seq, time_ns, command, pending=pending)


def _follow(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand, *, pending: bool) -> tuple[e.Event, ...]:
    """Resting combos that are reached now trade; between facts of one transaction of the chain they only wait."""
    now_s, told = seconds_of(time_ns), tuple[e.Event, ...]()
    if pending and not state.deferred:
        implied.stir_all(state)
    if not state.stirred or implied.may_not(state, now_s):
        return told
    reached = implied.Crossed(state)
    while (order := reached.first(now_s)) is not None:
        waits = isinstance(command, c.Observation) or len(told) >= implied.FOLLOWED_MAX or implied.must_wait(state)
        events = (e.Deferred(),) if waits else implied.decide(state, order, now_s)
        if state.groups:
            events += links.follow(state, _NOTHING, 0, events)
        _evolve(state, seq, time_ns, command, events)
        told += events
        if waits:
            break
    return told


def decide(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand) -> tuple[e.Event, ...]:
    """What the command causes; reads only."""
    state.time_ns = time_ns  # the record's time is an input, whatever is decided
    events = _decide(state, seq, time_ns, command)
    if state.groups or (type(command) is c.Place and command.attached):
        return events + links.follow(state, command, seq, events)
    return events


def _decide(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand) -> tuple[e.Event, ...]:
    kind = type(command)
    if kind is c.Place:
        before = _before_order(state, command, time_ns)  # type: ignore[arg-type]
        return before + matching.decide_place(state, command, seq, time_ns)  # type: ignore[arg-type]
    if kind is c.Cancel:
        return matching.decide_cancel(state, command)  # type: ignore[arg-type]
    if kind is c.Amend:
        before = _before_order(state, command, time_ns)  # type: ignore[arg-type]
        return before + matching.decide_amend(state, command, time_ns)  # type: ignore[arg-type]
    if kind is c.Fire:
        return _housekeeping(state) + firing.decide_fire(state, command, time_ns)  # type: ignore[arg-type]
    if state.config is None and kind is not c.Configure:
        return (e.Rejected(e.Reject.TRADING_MUST_BE_OPEN),)
    if kind in rfq.KINDS:
        return _before_rfq(state, command) + rfq.decide(state, command, seq, time_ns)  # type: ignore[arg-type]
    if kind is c.AcceptRfq:
        before = _before_order(state, command, time_ns)  # type: ignore[arg-type]
        return before + rfq_accept.decide(state, command, seq, time_ns)  # type: ignore[arg-type]
    if kind in quoting.KINDS:
        return _before_quotes(state, command) + quoting.decide(state, command, seq, time_ns)  # type: ignore[arg-type]
    if kind in blocks.KINDS:
        return blocks.decide(state, command)  # type: ignore[arg-type]
    return _decide_rare(state, seq, time_ns, command)


def _before_order(state: State, command: c.Place | c.Amend | c.AcceptRfq, time_ns: Nanos) -> tuple[e.Event, ...]:
    """What is due before an order is looked at."""
    assert admission.has_waited(state, command, time_ns)
    return _housekeeping(state) + presence.overdue(state, command.auth.account)


def _before_quotes(state: State, command: c.AnyCommand) -> tuple[e.Event, ...]:
    return presence.overdue(state, command.mandate.account) if isinstance(command, c.MassQuote) else ()


def _before_rfq(state: State, command: c.AnyCommand) -> tuple[e.Event, ...]:
    if isinstance(command, c.QuoteRfq | c.RequoteRfq):
        return presence.overdue(state, command.auth.account)
    return presence.overdue(state, command.account) if isinstance(command, c.OpenRfq) else ()


def _housekeeping(state: State) -> tuple[e.Event, ...]:
    config = state.config
    if config is None or state.next_trade - state.first_unsealed < config.batch_trades_max:
        return ()
    return tuple(settlement.seal(state))


def _decide_rare(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand) -> tuple[e.Event, ...]:
    match command:
        case c.Configure() | c.ListUnderlying() | c.ListExpiry() | c.ListSeries() | c.CreateCombo():
            return _decide_listing(state, command)
        case c.PostRound():
            return pricing.decide_round(state, command)
        case c.SetPortfolio():
            return portfolio.decide(state, command)
        case c.SetPool() | c.ResumePool():
            return pools.decide(state, command)
        case c.RecordClock():
            return register.decide(state, command)
        case c.ObserveSeat():
            return seats.decide(state, command)
        case c.CancelAll():
            return matching.decide_cancel_all(state, command)
        case c.SealBatch():
            return settlement.decide_seal(state, command)
        case c.BatchRefused():
            return settlement.decide_refused(state, command)
        case c.Tick():
            return _tick(state, seq, seconds_of(time_ns))
        case c.TakeDigest():
            return _digest(state)
        case _ if isinstance(command, c.Operation | c.Operate):
            return _decide_operation(state, seq, command)
        case _ if isinstance(command, c.Presence):
            return presence.decide(state, seq, command)
        case _:
            return observation.decide(state, command)  # type: ignore[arg-type]


def _decide_operation(state: State, seq: int, command: c.Operation | c.Operate) -> tuple[e.Event, ...]:
    """What the operator commands, with a warrant or in its own process."""
    match command:
        case c.Operate():
            refused = operating.refuse(state, command)
            return (refused,) if refused is not None else _decide_operation(state, seq, command.operation)
        case c.SetTrading():
            return listing.decide_trading(state, command)
        case c.SetBands():
            return bands.decide(state, command)
        case c.SetBlocks():
            return blocks.decide(state, command)
        case c.SetBreaker() | c.SetFeed():
            return status.decide(state, command)
        case c.CommitIdentity() | c.SetReference():
            return register.decide(state, command)
        case c.PullKill() | c.ReleaseKill():
            return kill.decide(state, seq, command)
        case _:
            return phases.decide(state, command)


def _decide_listing(
    state: State, command: c.Configure | c.ListUnderlying | c.ListExpiry | c.ListSeries | c.CreateCombo
) -> tuple[e.Event, ...]:
    match command:
        case c.Configure():
            return listing.decide_configure(state, command)
        case c.ListUnderlying():
            return listing.decide_underlying(state, command)
        case c.ListExpiry():
            return listing.decide_expiry(state, command)
        case c.ListSeries():
            return listing.decide_series(state, command)
        case c.CreateCombo():
            return combos.decide_create(state, command)


def _digest(state: State) -> tuple[e.Event, ...]:
    invariants.check_all(state)
    return (e.Digested(digest(state)),)


def _tick(state: State, seq: int, now_s: Seconds) -> tuple[e.Event, ...]:
    """What time alone brings about. Auctions wait for a tick that takes nothing off the books before them."""
    ended = deadlines.expired(state, now_s)
    left = presence.tick(state, seq, ended)
    waits = ended or presence.takes_off(left) or not state.auctions
    moved = [] if waits else phases.opened(state) or uncross.decide_due(state, now_s)
    asked = rfq.tick(state, now_s, (*ended, *left, *moved))
    return (*_aged(state), *ended, *left, *moved, *asked, *status.on_tick(state), e.Applied())


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
    if not _is_refused(events):
        state.deferred = False
    state.stirred.clear()
    _evolve(state, seq, time_ns, command, events)
    if type(command) is c.Place or type(command) is c.Amend:
        _check_book(state, command.auth.series)
    elif type(command) is c.MassQuote:
        for leaf in command.leaves:
            _check_book(state, leaf.series)


def _is_refused(events: tuple[e.Event, ...]) -> bool:
    """Whether a command changed nothing that concerns the books."""
    return bool(events) and type(events[-1]) is e.Rejected


def _evolve(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand, events: tuple[e.Event, ...]) -> None:
    for event in events:
        kind = type(event)
        if kind is e.Accepted:
            orders.evolve_accepted(state, command, seq, time_ns)  # type: ignore[arg-type]
        elif kind is e.Rested:
            orders.evolve_rested(state, event)  # type: ignore[arg-type]
        elif kind is e.Cancelled:
            orders.evolve_cancelled(state, event)  # type: ignore[arg-type]
        elif kind is e.Traded:
            own = command.order_id if type(command) is c.Amend or type(command) is c.Fire else seq
            taker = event.taker_order or own  # type: ignore[attr-defined]
            orders.evolve_traded(state, event, taker)  # type: ignore[arg-type]
        elif kind is e.Quoted:
            quoting.evolve_quoted(state, command, event, seq, time_ns)  # type: ignore[arg-type]
        elif kind is not e.Rejected:
            _fold_rare(state, seq, time_ns, command, event)


def _check_book(state: State, series: int) -> None:
    """BOOK_NOT_CROSSED, the cheap form."""
    book = state.books.get(series)
    assert book is None or not book.crossed() or series in state.auctions


def _fold_rare(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand, event: e.Event) -> None:
    match event:
        case e.Amended():
            assert isinstance(command, c.Amend | c.RequoteRfq)
            orders.evolve_amended(state, command, event, seq, time_ns)
        case e.Parked() | e.Triggered() | e.Held():
            _fold_waiting(state, seq, time_ns, command, event)
        case e.BatchSealed():
            settlement.evolve_sealed(state, event, seq, time_ns)
        case e.RoundAdopted() | e.PhaseChanged() | e.BreakerMoved():
            _fold_market(state, command, event)
        case e.ExpiryFixed():
            settlement.evolve_fixed(state, event)
        case e.AccountSettled():
            settlement.evolve_settled(state, event)
        case e.Uncrossed():
            uncross.evolve_uncrossed(state, event)
        case e.Applied():
            _fold_applied(state, seq, time_ns, command)
        case e.ChainDisagreed():
            state.mirror.disputed = True
        case e.Digested() | e.QuoteRefused() | e.Reached() | e.PoolMoved():
            pass  # a statement about the state, not a change of it
        case e.ComboListed() | e.Deferred():
            _fold_combos(state, command, event)
        case _:
            _fold_makers(state, seq, time_ns, command, event)


def _fold_market(state: State, command: c.AnyCommand, event: e.RoundAdopted | e.PhaseChanged | e.BreakerMoved) -> None:
    """New prices, another phase, or another status: all combos are looked at again."""
    if isinstance(event, e.RoundAdopted):
        assert isinstance(command, c.PostRound)
        pricing.evolve_round(state, command)
    elif isinstance(event, e.PhaseChanged):
        phases.evolve_changed(state, event)
    implied.stir_all(state)


def _fold_combos(state: State, command: c.AnyCommand, event: e.ComboListed | e.Deferred) -> None:
    if isinstance(event, e.Deferred):
        state.deferred = True
        return
    assert isinstance(command, c.CreateCombo | c.OpenRfq)
    combos.evolve_listed(state, command, event)


def _fold_waiting(
    state: State, seq: int, time_ns: Nanos, command: c.AnyCommand, event: e.Parked | e.Triggered | e.Held
) -> None:
    """Orders that wait for a price, and those they came with."""
    if isinstance(event, e.Parked):
        assert isinstance(command, c.Place | c.Amend)
        orders.evolve_parked(state, command, event, seq, time_ns)
    elif isinstance(event, e.Triggered):
        orders.evolve_triggered(state, event, seq, time_ns)
    else:
        orders.evolve_held(state, event, seq)


def _fold_makers(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand, event: e.Event) -> None:
    """What concerns those who quote, whether they are there, and what is traded away from the books."""
    match event:
        case e.MassQuoted():
            assert isinstance(command, c.MassQuote)
            quoting.evolve_mass_quoted(state, command)
        case e.ProtectionTriggered():
            protection.evolve_triggered(state, event, time_ns)
        case e.TimerFired():
            presence.evolve_fired(state, event, seq)
        case e.Purged():
            purging.evolve_purged(state, event)
        case e.BlockTraded():
            assert isinstance(command, c.ExecuteBlock)
            blocks.evolve_traded(state, command, event, seq)
        case e.RfqEnded():
            rfq.evolve_ended(state, event)
        case e.PoolObserved():
            assert isinstance(command, c.PostRound)
            pools.evolve_observed(state, command, event)


def _fold_applied(state: State, seq: int, time_ns: Nanos, command: c.AnyCommand) -> None:
    match command:
        case c.Configure():
            listing.evolve_configure(state, command)
        case c.ListUnderlying():
            listing.evolve_underlying(state, command)
        case c.ListExpiry():
            listing.evolve_expiry(state, command)
        case c.ListSeries():
            listing.evolve_series(state, command)
        case c.BatchRefused():
            settlement.evolve_refused(state, command)
        case c.SetProtection() | c.FreezeQuotes() | c.CancelQuotes():
            quoting.evolve(state, command)
        case c.SetBlocks() | c.InvalidateBlock():
            blocks.evolve(state, command)
        case c.OpenRfq() | c.CancelRfqQuotes() | c.AdmitMaker():
            rfq.evolve(state, command, seq, time_ns)
        case c.SetPortfolio() | c.SetPool() | c.ResumePool():
            _fold_models(state, command)
        case c.Tick():
            deadlines.forget(state, seconds_of(time_ns))
            status.evolve_tick(state)
        case _ if isinstance(command, _Told):
            _fold_told(state, seq, time_ns, command)
        case _ if isinstance(command, c.Presence):
            presence.evolve(state, command, seq, time_ns)
        case _:
            observation.evolve(state, command)  # type: ignore[arg-type]


def _fold_models(state: State, command: c.SetPortfolio | c.SetPool | c.ResumePool) -> None:
    """By what margin is told and pools quote."""
    if isinstance(command, c.SetPortfolio):
        portfolio.evolve(state, command)
    else:
        pools.evolve(state, command)


def _fold_told(state: State, seq: int, time_ns: Nanos, command: _Told) -> None:
    match command:
        case c.ObserveSeat():
            seats.evolve(state, command)
        case c.Operate():
            operating.evolve(state, command)
            _fold_told(state, seq, time_ns, command.operation)
        case c.SetTrading():
            listing.evolve_trading(state, command)
            implied.stir_all(state)
        case c.SetBands():
            bands.evolve(state, command)
        case c.SetBlocks():
            blocks.evolve(state, command)
        case c.SetBreaker() | c.SetFeed():
            status.evolve(state, command)
        case c.CommitIdentity() | c.SetReference() | c.RecordClock():
            register.evolve(state, command, seq, time_ns)
        case c.PullKill() | c.ReleaseKill():
            kill.evolve(state, command, seq, time_ns)
        case _:
            phases.evolve(state, command)
            implied.stir_all(state)
