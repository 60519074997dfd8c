"""What became of an account's orders and money: own trades, closed orders, settlements, the transaction log.

All of it is of late and bounded (``x_since`` says since when). Imports call, pages, work, dialect.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final

from exchange.core import risk
from exchange.core.commands import SCOPE_READ
from exchange.core.kill import standing
from exchange.core.state import State, is_covered
from exchange.core.state_types import Account
from exchange.core.units import RISK_ONE, U63_MAX, div_up
from exchange.dialect.bounds import Bound, beyond
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.listed import Listed
from exchange.dialect.names import account_name
from exchange.dialect.numbers import contracts, millis, usdc
from exchange.dialect.orders import (
    ComboFill,
    Side,
    Tracked,
    leg_trade_object,
    order_object,
    user_combo_trade_object,
    user_trade_object,
)
from exchange.dialect.portfolio import position_object, summary_object
from exchange.publisher.directory import DROP_COPY
from exchange.publisher.dropcopy import drop_copy_object
from exchange.publisher.statements import Entry, Why, entry_object
from exchange.publisher.tape import Deal
from exchange.session.call import CURRENCY_CHARS_MAX, Call, account_of
from exchange.session.pages import between, number_of, page_of
from exchange.session.work import Read, Work

TRADES_DEFAULT, ORDERS_DEFAULT, LOG_DEFAULT = 10, 20, 100
COUNT_MAX: Final = 1_000
IDS_MAX: Final = 100
QUERY_CHARS_MAX: Final = 64
LABEL_CHARS_MAX: Final = 64
_SETTLEMENTS: Final = ("settlement", "delivery", "bankruptcy")


# -- own trades -------------------------------------------------------------------------------------------------------


def get_user_trades_by_instrument(call: Call) -> Work:
    """Own trades in one instrument: the newest first, or from a number or moment on the oldest first."""
    listed = call.instrument()
    return _own_trades(call, lambda deal: deal.fill.listed is listed, "start_seq", "end_seq")


def get_user_trades_by_currency(call: Call) -> Work:
    """Own trades in all instruments of a currency and kind; of combos only if that kind is named."""
    call.params.text("currency")

    def matches(deal: Deal) -> bool:
        return call.currency_matches(deal.fill.listed) and call.kind_matches(deal.fill.listed)

    return _own_trades(call, matches, "start_id", "end_id")


def _own_trades(call: Call, matches: Callable[[Deal], bool], first: str, last: str) -> Work:
    account, desk = call.account(), call.desk
    count = call.params.whole("count", TRADES_DEFAULT, low=1, high=COUNT_MAX)
    window, is_forward = between(call, first, last)
    page = page_of(call, is_forward=is_forward)

    def query(state: State) -> dict[str, Any]:
        held = desk.history.tape.of_account.get(account, ())
        mine = [deal for deal in held if window.holds(deal.number, deal.fill.time_ns) and matches(deal)]
        found, has_more = page.take(mine, count)
        return {"trades": [item for deal in found for item in _told(state, deal, account)], "has_more": has_more}

    return Read(call.envelope, query)


def _told(state: State, deal: Deal, account: int) -> Iterable[dict[str, Any]]:
    """A trade as an account sees it; of a combo only whoever ordered the combo."""
    for side, tracked in deal.sides():
        if side.account == account:
            yield from _seen(state, deal, side, tracked)


def _seen(state: State, deal: Deal, side: Side, tracked: Tracked | None) -> Iterable[dict[str, Any]]:
    fill, is_open = deal.fill, side.order_id in state.orders
    if isinstance(fill, ComboFill):
        if tracked is not None:
            yield user_combo_trade_object(fill, side, tracked, is_open=is_open)
    elif tracked is None:
        yield leg_trade_object(fill, side)
    else:
        yield user_trade_object(fill, side, tracked, is_open=is_open)


def get_user_trades_by_order(call: Call) -> Work:
    """Trades of one own order, the oldest first unless ``sorting`` says otherwise."""
    order_id, access, desk = call.order_id(), call.login(), call.desk
    page = page_of(call, is_forward=True)

    def query(state: State) -> list[dict[str, Any]]:
        tracked = desk.find_order(order_id)
        if tracked is None or tracked.order.account not in access.accounts:
            raise DialectError(Code.ORDER_NOT_FOUND, reason="order_must_exist")
        access.require(tracked.order.account, SCOPE_READ)
        held = desk.history.tape.of_account.get(tracked.order.account, ())
        mine = [
            item
            for deal in held
            for side, of_side in deal.sides()
            if side.order_id == order_id
            for item in _seen(state, deal, side, of_side)
        ]
        return page.take(mine, COUNT_MAX)[0]

    return Read(call.envelope, query)


# -- own orders -------------------------------------------------------------------------------------------------------


def get_order_history_by_instrument(call: Call) -> Work:
    """Closed orders in one instrument, the newest first."""
    listed = call.instrument()
    return _closed_orders(call, lambda item: item is listed)


def get_order_history_by_currency(call: Call) -> Work:
    """Closed orders in a currency and kind, the newest first; those that never filled with ``include_unfilled``."""
    call.params.text("currency")
    return _closed_orders(call, lambda item: call.currency_matches(item) and call.kind_matches(item))


def _closed_orders(call: Call, matches: Callable[[Listed], bool]) -> Work:
    account, desk, params = call.account(), call.desk, call.params
    count = params.whole("count", ORDERS_DEFAULT, low=1, high=COUNT_MAX)
    offset = params.whole("offset", 0, high=U63_MAX)
    unfilled = params.flag("include_unfilled")
    if params.flag("with_continuation"):
        raise DialectError(Code.NOT_IMPLEMENTED, param="with_continuation", rule="Use offset.")

    def query(_state: State) -> list[dict[str, Any]]:
        found = [
            (tracked, desk.by_series[tracked.order.series])
            for tracked in reversed(desk.orders.closed.values())
            if tracked.order.account == account and (unfilled or tracked.order.filled)
        ]
        mine = [item for item in found if matches(item[1])]
        return [order_object(*item, is_open=False) for item in mine[offset : offset + count]]

    return Read(call.envelope, query)


def get_open_orders_by_label(call: Call) -> Work:
    """Own open orders that bear a label."""
    return _labelled(call, closed=False)


def get_order_state_by_label(call: Call) -> Work:
    """Own orders that bear a label, open ones and those that closed not long ago, the newest first."""
    return _labelled(call, closed=True)


def _labelled(call: Call, *, closed: bool) -> Work:
    account, desk = call.account(), call.desk
    call.params.text("currency")
    label = call.params.text("label", chars_max=LABEL_CHARS_MAX)

    def query(state: State) -> list[dict[str, Any]]:
        held = account_of(state, account).orders
        known = [desk.orders.open[order_id] for order_id in held]
        known += [item for item in desk.orders.closed.values() if closed and item.order.account == account]
        found = [
            (item, desk.by_series[item.order.series])
            for item in sorted(known, key=lambda item: -item.order.id)
            if item.order.label == label
        ]
        return [
            order_object(item, listed, is_open=item.order.id in held)
            for item, listed in found
            if call.currency_matches(listed)
        ]

    return Read(call.envelope, query)


def get_order_margin_by_ids(call: Call) -> Work:
    """What each open order alone takes of the account's margin: less, when others hedge it."""
    ids, access, desk = call.params.words("ids", count_max=IDS_MAX), call.login(), call.desk

    def query(state: State) -> list[dict[str, Any]]:
        found = []
        for order_id in ids:
            tracked = desk.orders.open.get(int(order_id)) if order_id.isascii() and order_id.isdigit() else None
            if tracked is None or tracked.order.account not in access.accounts:
                raise DialectError(Code.ORDER_NOT_FOUND, reason="order_must_exist", value=order_id[:64])
            access.require(tracked.order.account, SCOPE_READ)
            found.append(_margin_of(state, tracked))
        return found

    return Read(call.envelope, query)


def _margin_of(state: State, tracked: Tracked) -> dict[str, Any]:
    """The reserve of the account as it is, less its reserve without the order."""
    order, account = tracked.order, account_of(state, tracked.order.account)
    if state.view is None:
        raise DialectError(Code.TEMPORARILY_UNAVAILABLE, reason="oracle_must_be_fresh")
    taken = 0
    if not (order.watch or order.reduce_only or is_covered(state, order)):
        risk.refresh(state, account)
        auth = state.auths[order.auth_id].auth
        taken = max(account.reserved - risk.reserve_with(state, account, auth, 0, order), 0)
    margin = usdc(div_up(taken, RISK_ONE))
    return {"order_id": str(order.id), "initial_margin": margin, "initial_margin_currency": "USDC"}


# -- money ------------------------------------------------------------------------------------------------------------


def get_transaction_log(call: Call) -> Work:
    """Changes of cash between two moments, the newest first: trades, deliveries, deposits, withdrawals."""
    params, account, desk = call.params, call.account(), call.desk
    holds = _is_of_cash(call)
    start_ms, end_ms = (params.whole(name, high=U63_MAX) for name in ("start_timestamp", "end_timestamp"))
    count = params.whole("count", LOG_DEFAULT, low=1, high=COUNT_MAX)
    before = number_of(call, "continuation", U63_MAX)
    words = params.text("query", "", chars_max=QUERY_CHARS_MAX).lower().split()

    def query(_state: State) -> dict[str, Any]:
        held = reversed(desk.history.statements.of_account.get(account, ()))
        found = [
            entry
            for entry in held
            if holds and entry.id < before and start_ms <= millis(entry.time_ns) <= end_ms and _answers(entry, words)
        ]
        more = {"continuation": found[count - 1].id if len(found) > count else None}
        since = {"x_since": millis(desk.history.since_ns)}
        return {"logs": [entry_object(entry) for entry in found[:count]]} | more | since

    return Read(call.envelope, query)


def _is_of_cash(call: Call) -> bool:
    """Whether the currency is that of accounts; of an underlying nobody holds anything. Raises invalid_arguments."""
    currency = call.params.text("currency", chars_max=CURRENCY_CHARS_MAX).upper()
    bases = [index.partition("_")[0].upper() for index in call.desk.indices]
    if currency not in {"USDC", "ANY", *bases}:
        raise DialectError(Code.INVALID_ARGUMENTS, reason="currency_must_be_usdc", param="currency")
    return currency not in bases


def _answers(entry: Entry, words: list[str]) -> bool:
    """Whether every word is its type, its side, or in the name of its instrument."""
    name = entry.listed.name.lower() if entry.listed is not None else ""
    side = "buy" if entry.qty > 0 else "sell" if entry.qty < 0 else ""
    return all(
        word in {entry.why.value, side, "maker" if not entry.is_taker else "taker"} or word in name for word in words
    )


def get_settlement_history_by_instrument(call: Call) -> Work:
    """What the account's position in one instrument was delivered at."""
    listed = call.instrument()
    return _settlements(call, lambda entry: entry.listed is listed)


def get_settlement_history_by_currency(call: Call) -> Work:
    """Deliveries of the account's positions, the newest first."""
    call.params.text("currency")
    return _settlements(call, lambda entry: entry.listed is not None and call.currency_matches(entry.listed))


def _settlements(call: Call, matches: Callable[[Entry], bool]) -> Work:
    account, desk, params = call.account(), call.desk, call.params
    kind = params.choice("type", _SETTLEMENTS, "delivery")
    count = params.whole("count", ORDERS_DEFAULT, low=1, high=COUNT_MAX)
    before_ms = params.whole("search_start_timestamp", U63_MAX, high=U63_MAX)
    before = number_of(call, "continuation", U63_MAX)

    def query(_state: State) -> dict[str, Any]:
        found = [
            entry
            for entry in reversed(desk.history.statements.of_account.get(account, ()))
            if entry.why is Why.DELIVERY and entry.id < before and millis(entry.time_ns) <= before_ms and matches(entry)
        ]
        found = found if kind == "delivery" else []
        last = str(found[count - 1].id) if len(found) > count else "none"
        return {"settlements": [_settlement_object(entry) for entry in found[:count]], "continuation": last}

    return Read(call.envelope, query)


def _settlement_object(entry: Entry) -> dict[str, Any]:
    """Profit is what the position was worth less what it had cost, since it was opened: no session settles between."""
    assert entry.listed is not None
    profit = usdc(entry.change - entry.cost)
    return {
        "type": "delivery",
        "timestamp": millis(entry.time_ns),
        "instrument_name": entry.listed.name,
        "index_price": usdc(entry.index),
        "mark_price": usdc(entry.mark),
        "position": contracts(-entry.qty),
        "profit_loss": profit,
        "session_profit_loss": profit,
    }


def get_drop_copy(call: Call) -> Work:
    """Everything that happened to the account from a record on, the oldest first: what `user.drop_copy` told or tells.

    Refused when something of it is remembered no more, so that no gap goes unnoticed.
    """
    account, desk = call.account(DROP_COPY), call.desk
    count = call.params.whole("count", LOG_DEFAULT, low=1, high=COUNT_MAX)
    first = call.params.whole("from_seq", 0, high=U63_MAX)

    def query(_state: State) -> dict[str, Any]:
        moments, reach = desk.moments, desk.moments.reach(account)
        if first and first < reach:
            raise beyond(Bound.FORGOTTEN, value=first, limit=reach)
        found = list(islice(moments.of(account, first), count + 1))
        told = [drop_copy_object(moment, account, desk.by_series) for moment in found[:count]]
        last = moments.last.get(account, 0)
        return {"messages": told, "has_more": len(found) > count, "reach_seq": reach, "last_seq": last}

    return Read(call.envelope, query)


# -- accounts ---------------------------------------------------------------------------------------------------------


def get_subaccounts(call: Call) -> Work:
    """The accounts the login may read; the first that its wallet owns is the main one."""
    access, desk = call.login(), call.desk
    with_portfolio = call.params.flag("with_portfolio")

    def query(state: State) -> list[dict[str, Any]]:
        readable = [state.accounts[account] for account in access.readable() if account in state.accounts]
        shown = [_account_object(account, is_main=account.id == access.default) for account in readable]
        if with_portfolio:
            for item, account in zip(shown, readable, strict=True):
                item["portfolio"] = {"usdc": _reserves(summary_object(state, account, desk.sheet))}
        return shown

    return Read(call.envelope, query)


def _account_object(account: Account, *, is_main: bool) -> dict[str, Any]:
    """There are no names, mail addresses or passwords here: wallets and keys are all there is."""
    return {
        "id": account.id,
        "username": f"account {account.id}",
        "system_name": account_name(account.id),
        "type": "main" if is_main else "subaccount",
        "email": "",
        "is_password": False,
        "login_enabled": True,
        "receive_notifications": False,
        "security_keys_enabled": False,
        "margin_model": "segregated_sm",
    }


def _reserves(summary: dict[str, Any]) -> dict[str, Any]:
    return summary | {"spot_reserve": 0.0, "additional_reserve": 0.0}


def get_subaccounts_details(call: Call) -> Work:
    """Positions of the accounts the login may read, and their open orders if asked for."""
    access, desk = call.login(), call.desk
    call.params.text("currency")
    with_orders = call.params.flag("with_open_orders")

    def query(state: State) -> list[dict[str, Any]]:
        shown = []
        for account in (state.accounts[item] for item in access.readable() if item in state.accounts):
            held = [desk.by_series[series] for series in account.positions]
            positions = [position_object(state, account, i, desk.sheet) for i in held if call.currency_matches(i)]
            shown.append(
                {"uid": account.id, "positions": positions} | (_open_orders(call, account) if with_orders else {})
            )
        return shown

    return Read(call.envelope, query)


def _open_orders(call: Call, account: Account) -> dict[str, Any]:
    tracked = [call.desk.orders.open[order_id] for order_id in account.orders]
    told = [(item, call.desk.by_series[item.order.series]) for item in tracked]
    return {"open_orders": [order_object(*item, is_open=True) for item in told if call.currency_matches(item[1])]}


def get_user_locks(call: Call) -> Work:
    """Whether the account may trade: not while it leaves, and not under a kill switch."""
    account_id = call.account()

    def query(state: State) -> list[dict[str, Any]]:
        account = account_of(state, account_id)
        locked = account.exiting or standing(state, account) is not None
        return [{"currency": "USDC", "locked": locked}]

    return Read(call.envelope, query)


def get_currencies(call: Call) -> Work:
    """The one currency of accounts."""
    call.login()
    return call.envelope.result([{"currency": "USDC"}], call.now_ns)
