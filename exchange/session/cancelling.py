"""Cancels of more than one order: all of an account, or those of a currency, kind, type or label.

All orders leave in one record. Where only some are meant, each leaves in a record of its own, one right after the
other: those that were open when the state was asked. Imports call, work, dialect.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from exchange.core.commands import SCOPE_CANCEL, SCOPE_TRADE, AnyCommand, Cancel, CancelAll
from exchange.core.events import Cancelled, Rejected
from exchange.core.state import State
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.orders import Tracked, order_object, order_type
from exchange.publisher.notes import Outcome
from exchange.session.call import CURRENCY_CHARS_MAX, Call, account_of
from exchange.session.requests import wrong
from exchange.session.work import Several, Submit, Work

LABEL_CHARS_MAX: Final = 64
CURRENCIES_MAX: Final = 64
_RIGHTS: Final = SCOPE_CANCEL | SCOPE_TRADE
_TYPES: Final = {
    "all": ("limit", "market", "stop_limit", "stop_market", "take_limit", "take_market"),
    "limit": ("limit",),
    "trigger_all": ("stop_limit", "stop_market", "take_limit", "take_market"),
    "stop": ("stop_limit", "stop_market"),
    "take": ("take_limit", "take_market"),
    "trailing_stop": (),
}


def cancel_all(call: Call) -> Work:
    """Take all orders of the account off the book; how many."""
    return _all_of(call, CancelAll(call.account(_RIGHTS)))


def cancel_all_by_instrument(call: Call) -> Work:
    """Take the account's orders in one instrument off the book; how many."""
    series = call.instrument().series
    if call.params.text("type", "all") != "all":
        return _some(call, lambda tracked: tracked.order.series == series)
    return _all_of(call, CancelAll(call.account(_RIGHTS), series))


def cancel_all_by_currency(call: Call) -> Work:
    """Take the account's orders in a currency off the book, by kind and type; how many."""
    call.params.text("currency")
    return _some(call, lambda _: True)


def cancel_all_by_currency_pair(call: Call) -> Work:
    """The same, the underlying named by its index."""
    pair = call.params.text("currency_pair", chars_max=CURRENCY_CHARS_MAX).lower()
    if pair not in call.desk.indices:
        raise wrong("currency_pair", "must_be_listed")
    return _some(call, lambda tracked: call.desk.by_series[tracked.order.series].price_index == pair)


def cancel_all_by_kind_or_type(call: Call) -> Work:
    """The same for one currency or a list of them."""
    given = call.params.values.get("currency")
    names = call.params.words("currency", count_max=CURRENCIES_MAX) if isinstance(given, list) else []
    if not names:
        return cancel_all_by_currency(call)
    calls = [call._replace(params=call.params.having(currency=name)) for name in names]
    return _some(calls[0], lambda _: True, calls)


def cancel_by_label(call: Call) -> Work:
    """Take the account's orders that bear a label off the book; how many."""
    label = call.params.text("label", chars_max=LABEL_CHARS_MAX)
    return _some(call, lambda tracked: tracked.order.label == label)


# -- how --------------------------------------------------------------------------------------------------------------


def _require_offered(call: Call) -> None:
    if call.params.flag("freeze_quotes"):
        raise DialectError(Code.NOT_IMPLEMENTED, param="freeze_quotes", rule="Use private/reset_mmp with x_freeze.")


def _all_of(call: Call, command: CancelAll) -> Work:
    _require_offered(call)
    detailed = call.params.flag("detailed")

    def render(_state: State, outcome: Outcome) -> Any:
        refused = next((refuse(event) for event in outcome.events if isinstance(event, Rejected)), None)
        if refused is not None:
            return refused
        gone = _gone(call, outcome)
        return _groups(call, gone) if detailed else len(gone)

    return Submit(call.envelope, command, render)


def _some(call: Call, matches: Callable[[Tracked], bool], calls: Sequence[Call] = ()) -> Work:
    _require_offered(call)
    account, desk = call.account(_RIGHTS), call.desk
    types = _TYPES[call.params.choice("type", tuple(_TYPES), "all")]
    detailed = call.params.flag("detailed")

    def is_meant(tracked: Tracked) -> bool:
        listed = desk.by_series[tracked.order.series]
        in_currency = any(each.currency_matches(listed) for each in calls or (call,))
        name = order_type(tracked.terms, is_buy=tracked.order.is_buy)
        return in_currency and call.kind_matches(listed) and name in types and matches(tracked)

    def plan(state: State) -> tuple[AnyCommand, ...]:
        mine = [desk.orders.open[order_id] for order_id in account_of(state, account).orders]
        return tuple(Cancel(account, tracked.order.id) for tracked in mine if is_meant(tracked))

    def told(parts: list[Any]) -> Any:
        gone = [tracked for part in parts for tracked in part]
        return _groups(call, gone) if detailed else len(gone)

    return Several(call.envelope, plan, lambda _, outcome: _gone(call, outcome), told)


def _gone(call: Call, outcome: Outcome) -> list[Tracked]:
    """Orders that a record cancelled."""
    gone = [event.order_id for event in outcome.events if isinstance(event, Cancelled)]
    return [call.desk.noted.touched[order_id] for order_id in gone]


def _groups(call: Call, gone: list[Tracked]) -> list[dict[str, Any]]:
    """The dialect's details: cancelled orders by instrument and type."""

    def place(tracked: Tracked) -> tuple[int, str]:
        return tracked.order.series, order_type(tracked.terms, is_buy=tracked.order.is_buy)

    groups = []
    for (series, kind), items in groupby(sorted(gone, key=place), key=place):
        listed = call.desk.by_series[series]
        orders = [order_object(item, listed, is_open=False) for item in items]
        told = {"type": kind, "instrument_name": listed.name, "currency": "USDC"}
        groups.append(told | {"result": orders})
    return groups
