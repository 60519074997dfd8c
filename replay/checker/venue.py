"""The venue around the books: configuration, listings, oracle rounds and the expiries they fix, halts.

Imports the words of the journal and the ledger.
"""

from collections.abc import Iterator, Sequence

from exchange.core.commands import (
    CommitIdentity,
    Configure,
    ListExpiry,
    ListSeries,
    ListUnderlying,
    PostRound,
    RecordClock,
    SetPortfolio,
    SetReference,
    TakeDigest,
)
from exchange.core.events import (
    AccountSettled,
    Applied,
    BreakerMoved,
    Cancelled,
    CancelReason,
    Digested,
    Event,
    ExpiryFixed,
    Reject,
    Rejected,
    RoundAdopted,
)
from exchange.core.units import QTY_ONE, TWAP_SECONDS, expiry_of, series_of
from replay.checker import batches, breakers, phases, pools
from replay.checker.bounds import BOUNDARIES_KEPT
from replay.checker.facts import Expiry, Series, Underlying
from replay.checker.ladder import Ladder
from replay.checker.leaving import leave
from replay.checker.ledger import TREASURY, Ledger, Round
from replay.checker.rules import Rule, Taken

# -- configuration and listings ---------------------------------------------------------------------------------------


def configure(ledger: Ledger, command: Configure, events: Sequence[Event]) -> None:
    """Once, before anything else."""
    if len(events) == 1 and type(events[0]) is Rejected:
        if ledger.config is None:
            ledger.note(Rule.REFUSAL_MUST_HOLD, "the venue is not configured, and may not be")
        return
    if ledger.config is not None:
        ledger.note(Rule.ADMISSION_MUST_HOLD, "the venue is configured a second time")
    if applied(ledger, events):
        ledger.config = command


def applied(ledger: Ledger, events: Sequence[Event]) -> bool:
    """Whether a command is said to have taken effect, with nothing else."""
    if len(events) == 1 and type(events[0]) is Applied:
        return True
    ledger.note(Rule.EVENTS_MUST_FIT, "a command that is only applied has other events")
    return False


def _listed(ledger: Ledger, events: Sequence[Event]) -> bool:
    if len(events) == 1 and type(events[0]) is Rejected:
        ledger.take(Taken.LISTING)
        return False
    return applied(ledger, events)


def underlying(ledger: Ledger, command: ListUnderlying, events: Sequence[Event]) -> None:
    """An underlying, with its steps."""
    if _listed(ledger, events):
        steps = Underlying(command.lot, command.tick, command.tick_above, command.tick_step)
        ledger.underlyings[command.underlying] = steps


def recorded(ledger: Ledger, _command: CommitIdentity | SetReference | RecordClock, events: Sequence[Event]) -> None:
    """An entry of the register, which no order depends on: whether it is right is not judged here."""
    _listed(ledger, events)


def portfolio(ledger: Ledger, _command: SetPortfolio, events: Sequence[Event]) -> None:
    """Parameters of a margin that binds nobody: whether they are sound is not judged here."""
    _listed(ledger, events)


def expiry(ledger: Ledger, command: ListExpiry, events: Sequence[Event]) -> None:
    """An expiry, without series yet."""
    if _listed(ledger, events):
        ledger.expiries[command.expiry_id] = Expiry(command.underlying, command.expiry_s)


def series(ledger: Ledger, command: ListSeries, events: Sequence[Event]) -> None:
    """One option."""
    if not _listed(ledger, events):
        return
    ends = ledger.expiries[command.expiry_id]
    series_id = series_of(command.expiry_id, command.index)
    step = ledger.underlyings[ends.underlying]
    option = Series(series_id, command.index, ends, step, Ladder(-1), Ladder(1))
    option.strike, option.is_call = command.strike, command.is_call
    ledger.series[series_id] = option
    ends.series.append(option)
    phases.listed(ledger, option)


def digest(ledger: Ledger, command: TakeDigest, events: Sequence[Event]) -> None:
    """What the machine says of its own state."""
    del command
    if len(events) != 1 or type(events[0]) is not Digested:
        ledger.note(Rule.EVENTS_MUST_FIT, "a digest is asked for and not given")
    ledger.take(Taken.DIGEST)


# -- rounds -----------------------------------------------------------------------------------------------------------


def post(ledger: Ledger, command: PostRound, events: Sequence[Event]) -> None:
    """A round is adopted after the batch that must close before it, and fixes the expiries whose mean it completes."""
    ledger.take(Taken.ROUND)
    if len(events) == 1 and type(events[0]) is Rejected:
        return
    fixed = dict(_fixings(ledger, command))
    due = batches.old(ledger) or bool(fixed and ledger.unsealed)
    if events and not due and type(events[0]) is not RoundAdopted:
        ledger.take(Taken.BATCH_CUT)
    events = batches.sealed(ledger, events, due=due, free=True)
    if not events or type(events[0]) is not RoundAdopted or events[0].round_id != command.round_id:
        ledger.note(Rule.EVENTS_MUST_FIT, "a round is neither refused nor adopted")
        return
    before = ledger.round.spots if ledger.round is not None else {}
    moved = breakers.on_round(ledger, command)
    _adopt(ledger, command)
    rest = [event for event in events[1:] if not pools.of_round(event)]
    for expiry_id, price in fixed.items():
        rest = _expire(ledger, expiry_id, price, rest)
    jumps = phases.jumps(ledger, command.spots, before)
    if [event for event in rest if type(event) is not BreakerMoved] != jumps:
        sentence = "after a round something else happens than expiries and jumps of the spot make"
        ledger.note(Rule.PHASE_MUST_FOLLOW, sentence, expected=jumps, actual=rest)
    elif rest != [*jumps, *moved]:
        sentence = "a round moves breakers in another way than it is worth"
        ledger.note(Rule.BREAKER_MUST_FOLLOW, sentence, expected=moved, actual=rest)
    for event in jumps:
        phases.jumped(ledger, event)
    pools.on_round(ledger, [event for event in events[1:] if pools.of_round(event)])


def _adopt(ledger: Ledger, command: PostRound) -> None:
    before = ledger.round
    for spot in command.spots:
        known = before is not None and spot.underlying in before.spots
        if before is not None and known:
            run = command.time_s - before.time_s
            due = before.accs[spot.underlying] + before.spots[spot.underlying] * run
            if spot.acc != due or run <= 0:
                sentence = f"the sum of the index of underlying {spot.underlying} does not go on from the round before"
                ledger.note(Rule.EXPIRY_MUST_BE_FIXED_BY_THE_MEAN, sentence, expected=due, actual=spot.acc)
        if command.time_s % TWAP_SECONDS == 0:
            kept = ledger.half_hours.setdefault(spot.underlying, {})
            kept[command.time_s] = spot.acc
            if len(kept) > BOUNDARIES_KEPT:
                del kept[next(iter(kept))]
    ledger.round = Round(command)
    for each in ledger.expiries.values():
        each.priced = 0
    for sheet in command.sheets:
        ends = ledger.expiries[sheet.expiry_id]
        ends.priced, ends.forward = len(sheet.marks), sheet.forward
        for option, mark in zip(ends.series, sheet.marks, strict=False):
            option.mark = mark


def _fixings(ledger: Ledger, command: PostRound) -> Iterator[tuple[int, int]]:
    """Expiries that end with this round, and the mean of the index over the half hour before each."""
    for expiry_id, ends in ledger.expiries.items():
        if ends.fixed or ends.expiry_s > command.time_s:
            continue
        sums = dict(ledger.half_hours.get(ends.underlying, {}))
        if command.time_s % TWAP_SECONDS == 0:
            sums[command.time_s] = next(spot.acc for spot in command.spots if spot.underlying == ends.underlying)
        first, last = sums.get(ends.expiry_s - TWAP_SECONDS), sums.get(ends.expiry_s)
        if first is not None and last is not None:
            yield expiry_id, (last - first) // TWAP_SECONDS


# -- expiries ---------------------------------------------------------------------------------------------------------


def _expire(ledger: Ledger, expiry_id: int, price: int, events: list[Event]) -> list[Event]:
    """Orders in the expiry leave, its price is the mean, and who held something is paid; the events of what follows."""
    ends = ledger.expiries[expiry_id]
    at = next((place for place, event in enumerate(events) if type(event) is not Cancelled), len(events))
    standing = [order for order in ledger.orders.values() if order.series.ends_in(ends)]
    leave(ledger, standing, events[:at], CancelReason.SERIES_EXPIRED)
    ends.fixed = True
    if at == len(events) or events[at] != ExpiryFixed(expiry_id, price):
        sentence = f"expiry {expiry_id} is not fixed at the mean of the index over its last half hour"
        actual = events[at] if at < len(events) else ""
        ledger.note(Rule.EXPIRY_MUST_BE_FIXED_BY_THE_MEAN, sentence, expected=price, actual=actual)
    paid = at + 1
    while paid < len(events) and type(events[paid]) is AccountSettled:
        paid += 1
    _pay(ledger, expiry_id, price, events[at + 1 : paid])
    return events[paid:]


def _pay(ledger: Ledger, expiry_id: int, price: int, events: Sequence[Event]) -> None:
    """Each holder what its options are worth, rounded down; what rounding leaves goes to the treasury."""
    due: dict[int, int] = {}
    for account in ledger.accounts.values():
        held = [key for key in account.positions if expiry_of(key) == expiry_id]
        if held:
            worth = sum(account.positions.pop(key) * _intrinsic(ledger.series[key], price) for key in held)
            due[account.id] = worth // QTY_ONE
    dust = -sum(due.values())
    if dust:
        due[TREASURY] = dust
    paid = {event.account: event.cash_delta for event in events if type(event) is AccountSettled}
    if paid != due or len(paid) != len(events):
        sentence = f"expiry {expiry_id} pays something else than the positions held in it are worth"
        different = sorted(key for key in due.keys() | paid.keys() if due.get(key) != paid.get(key))
        ledger.note(
            Rule.EXPIRY_MUST_PAY_WHAT_IS_HELD,
            sentence,
            expected=[(key, due.get(key)) for key in different[:5]],
            actual=[(key, paid.get(key)) for key in different[:5]],
        )
    for account_id, cash in paid.items():
        if account_id in ledger.accounts:
            ledger.accounts[account_id].cash += cash


def _intrinsic(option: Series, price: int) -> int:
    worth = price - option.strike if option.is_call else option.strike - price
    return max(worth, 0)


def unconfigured(ledger: Ledger, events: Sequence[Event]) -> None:
    """Before it is configured the venue does nothing."""
    if len(events) != 1 or type(events[0]) is not Rejected or events[0].reason is not Reject.TRADING_MUST_BE_OPEN:
        ledger.note(Rule.EVENTS_MUST_FIT, "a venue that is not configured does something")
