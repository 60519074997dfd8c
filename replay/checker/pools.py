"""Pools of the AMM: their quotes leave with each round, name it, and stay within the width their contract forgives.

What a pool is worth and what its breakers make of that is taken as journaled. Imports the words of the journal and the
ledger.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Final

from exchange.core.commands import MassQuote, PoolTerms, ResumePool, SetPool
from exchange.core.events import Applied, Cancelled, CancelReason, Event, PoolMoved, PoolObserved, Reject, Rejected
from replay.checker.bounds import POOL_QUOTES_MAX
from replay.checker.facts import Account, Order, Pool, Series
from replay.checker.leaving import leave
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken

_ONE: Final = 10**18
_YEAR: Final = 365 * 86_400


def rules(ledger: Ledger, command: SetPool, events: Sequence[Event]) -> None:
    """An account is a pool, or has other terms; what it quoted leaves. Whether terms fit is not judged here."""
    if _is_refused(ledger, events):
        return
    pool = ledger.pools.setdefault(command.account, Pool())
    pool.underlying, pool.terms = command.underlying, command.terms
    leave(ledger, quotes_of(ledger, ledger.accounts[command.account]), events[1:], CancelReason.POOL_ROUND)


def resumed(ledger: Ledger, command: ResumePool, events: Sequence[Event]) -> None:
    """A pool that had fallen goes on."""
    if not _is_refused(ledger, events):
        _moved(ledger, events[1:], [command.account])


def _is_refused(ledger: Ledger, events: Sequence[Event]) -> bool:
    first = events[0] if events else None
    if type(first) is Rejected:
        ledger.take(Taken.POOL)
    elif type(first) is not Applied:
        ledger.note(Rule.EVENTS_MUST_FIT, "a command about a pool is neither refused nor applied")
    return type(first) is not Applied


def of_round(event: Event) -> bool:
    """Whether an event of a round is about a pool."""
    if type(event) is Cancelled:
        return event.reason is CancelReason.POOL_ROUND
    return type(event) in (PoolObserved, PoolMoved)


def on_round(ledger: Ledger, events: Sequence[Event]) -> None:
    """All quotes of all pools leave with the round they were for."""
    standing = [order for key in ledger.pools for order in quotes_of(ledger, ledger.accounts[key])]
    gone = [event for event in events if type(event) is Cancelled]
    leave(ledger, standing, gone, CancelReason.POOL_ROUND)
    _moved(ledger, [event for event in events if type(event) is not Cancelled], sorted(ledger.pools))


def _moved(ledger: Ledger, events: Sequence[Event], pools: list[int]) -> None:
    """What breakers of pools are said to do: in the order of pools, and of none that is not there."""
    told = [event.account for event in events if type(event) in (PoolObserved, PoolMoved)]  # type: ignore[attr-defined]
    if len(told) != len(events) or told != sorted(told) or not set(told) <= set(pools):
        ledger.note(Rule.EVENTS_MUST_FIT, "what is told of pools is not of those there are")
        return
    for event in events:
        ledger.take(Taken.POOL)
        if type(event) is PoolMoved:
            ledger.pools[event.account].is_silent = not event.quotes


def quotes_of(ledger: Ledger, account: Account) -> list[Order]:
    """What an account quotes."""
    return [ledger.orders[key] for group in account.groups.values() for key in group.quotes.values()]


def broken(ledger: Ledger, command: MassQuote) -> list[Reject]:
    """The rules that a message breaks because a pool sends it."""
    pool, round_ = ledger.pools.get(command.mandate.account), ledger.round
    if pool is None or round_ is None:
        return []
    found: list[Reject] = []
    if pool.is_silent:
        found.append(Reject.POOL_MUST_BE_HEARD)
    if command.mandate.expiry_s - round_.time_s != pool.terms.life_s:
        found.append(Reject.POOL_QUOTES_MUST_NAME_THEIR_ROUND)
    for leaf in command.leaves:
        option = ledger.series.get(leaf.series)
        if option is None or option.underlying != pool.underlying or not option.mark:
            found.append(Reject.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH)
            continue
        beyond = leaf.price - option.mark if leaf.is_buy else option.mark - leaf.price
        if beyond > width(pool.terms, option, round_.time_s):
            found.append(Reject.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH)
    account = ledger.accounts[command.mandate.account]
    kept = [order for order in quotes_of(ledger, account) if not (command.whole and _is_in(order, command))]
    if len(kept) + len(command.leaves) > POOL_QUOTES_MAX:
        found.append(Reject.OPEN_ORDERS_MUST_FIT)
    return found


def _is_in(order: Order, command: MassQuote) -> bool:
    return bool(order.mandate is not None and order.group_of_quotes.name == command.group)


def width(terms: PoolTerms, option: Series, time_s: int) -> int:
    """A share of the mark, or points of vol times forward times root of years times 0.4: the smaller, rounded up."""
    years = max(option.expiry.expiry_s - time_s, 0) * _ONE // _YEAR
    vega = option.expiry.forward * (isqrt(years * _ONE) + 1) * 4
    of_vol = -(-terms.quote_points * vega // (10 * _ONE * _ONE))
    return min(-(-option.mark * terms.quote_share // _ONE), of_vol)
