"""Private reads: orders, positions and summaries of the accounts a login may see. Imports call, work, dialect."""

from collections.abc import Callable
from typing import Any

from exchange.core.commands import SCOPE_READ, UNTRIGGERED
from exchange.core.state import State
from exchange.core.state_types import Account
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.listed import Listed
from exchange.dialect.names import account_name
from exchange.dialect.orders import order_object, order_type, trigger_entry
from exchange.dialect.portfolio import next_nonce, position_object, summary_object
from exchange.session.call import Call, account_of
from exchange.session.work import Read, Work

_HISTORY_COUNT, _HISTORY_MAX = 20, 1_000

_ORDER_TYPES = (
    "all",
    "limit",
    "market",
    "trigger_all",
    "stop_all",
    "stop_limit",
    "stop_market",
    "take_all",
    "take_limit",
    "take_market",
    "trailing_all",
    "trailing_stop",
)
_TRIGGER_PREFIXES = ("stop_", "take_")


def get_open_orders(call: Call) -> Work:
    """Open orders of the account, by currency and kind if asked."""
    return _orders(call, call.currency_matches)


def get_open_orders_by_currency(call: Call) -> Work:
    """Open orders in one currency, which must be named."""
    call.params.text("currency")
    return _orders(call, call.currency_matches)


def get_open_orders_by_instrument(call: Call) -> Work:
    """Open orders in one instrument."""
    wanted = call.instrument()
    return _orders(call, lambda listed: listed is wanted)


def _orders(call: Call, matches: Callable[[Listed], bool]) -> Work:
    account_id, desk = call.account(), call.desk
    kind = call.params.choice("type", _ORDER_TYPES, "all")

    def query(state: State) -> list[dict[str, Any]]:
        shown = []
        for order in account_of(state, account_id).orders.values():
            listed = desk.by_series[order.series]
            tracked = desk.orders.open[order.id]
            name = order_type(tracked.terms, is_buy=order.is_buy)
            if matches(listed) and call.kind_matches(listed) and _is_of_type(name, kind):
                shown.append(order_object(tracked, listed, is_open=True))
        return shown

    return Read(call.envelope, query)


def _is_of_type(name: str, wanted: str) -> bool:
    """Whether an order's type is the one asked for, or of the family asked for."""
    if wanted == "trigger_all":
        return name.startswith(_TRIGGER_PREFIXES)
    return wanted in ("all", name) or (wanted.endswith("_all") and name.startswith(wanted.removesuffix("all")))


def get_trigger_order_history(call: Call) -> Work:
    """Orders that came with a trigger, the newest first: open ones and those that closed not long ago."""
    account_id, desk = call.account(), call.desk
    call.params.text("currency")
    count = call.params.whole("count", _HISTORY_COUNT, low=1, high=_HISTORY_MAX)
    only = call.instrument() if call.params.given("instrument_name") else None

    def query(state: State) -> dict[str, Any]:
        found = []
        for tracked in (*desk.orders.open.values(), *desk.orders.closed.values()):
            order, listed = tracked.order, desk.by_series[tracked.order.series]
            mine = order.account == account_id and tracked.terms.trigger != UNTRIGGERED
            if mine and call.currency_matches(listed) and only in (None, listed):
                found.append(tracked)
        found.sort(key=lambda tracked: (-tracked.order.created_ns, -tracked.order.id))
        entries = [
            trigger_entry(tracked, desk.by_series[tracked.order.series], is_open=tracked.order.id in state.orders)
            for tracked in found[:count]
        ]
        return {"entries": entries}

    return Read(call.envelope, query)


def get_order_state(call: Call) -> Work:
    """One order, open or closed not long ago."""
    order_id, access, desk = call.order_id(), call.login(), call.desk

    def query(state: State) -> dict[str, Any]:
        tracked = desk.find_order(order_id)
        if tracked is None or tracked.order.account not in access.accounts:
            raise DialectError(Code.ORDER_NOT_FOUND, reason="order_must_exist")
        access.require(tracked.order.account, SCOPE_READ)
        return order_object(tracked, desk.by_series[tracked.order.series], is_open=order_id in state.orders)

    return Read(call.envelope, query)


def get_positions(call: Call) -> Work:
    """Positions of the account."""
    account_id, desk = call.account(), call.desk
    wanted = call.kind_matches()

    def query(state: State) -> list[dict[str, Any]]:
        account = account_of(state, account_id)
        held = [desk.by_series[series] for series in account.positions] if wanted else []
        return [position_object(state, account, item, desk.sheet) for item in held if call.currency_matches(item)]

    return Read(call.envelope, query)


def get_position(call: Call) -> Work:
    """The position in one instrument; direction ``zero`` when there is none."""
    account_id, listed, desk = call.account(), call.option(), call.desk
    return Read(call.envelope, lambda state: position_object(state, account_of(state, account_id), listed, desk.sheet))


def get_account_summary(call: Call) -> Work:
    """Cash, margin and totals. ``x_next_nonce`` is the lowest nonce above all used ones."""
    _require_usdc(call.params.text("currency"))
    account_id, desk = call.account(), call.desk

    def query(state: State) -> dict[str, Any]:
        account = account_of(state, account_id)
        return summary_object(state, account, desk.sheet) | _identity(account)

    return Read(call.envelope, query)


def get_account_summaries(call: Call) -> Work:
    """The same as a list of currencies: one."""
    account_id, desk = call.account(), call.desk

    def query(state: State) -> dict[str, Any]:
        account = account_of(state, account_id)
        return _identity(account) | {"summaries": [summary_object(state, account, desk.sheet)]}

    return Read(call.envelope, query)


def _identity(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "type": "main",
        "username": f"account {account.id}",
        "system_name": account_name(account.id),
        "x_next_nonce": next_nonce(account),
        "x_exiting": account.exiting,
    }


def _require_usdc(currency: str) -> None:
    if currency.upper() != "USDC":
        raise DialectError(Code.INVALID_ARGUMENTS, reason="currency_must_be_usdc", param="currency")
