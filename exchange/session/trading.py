"""Orders: terms read exactly, what was signed checked, the command made, the answer rendered.

Steps are checked before the signature, so that a price off the tick is told as such and not as a bad signature.
Imports asking, authorising, call, work, dialect.
"""

from functools import partial
from typing import Any

import msgspec

from exchange.core.commands import (
    SCOPE_CANCEL,
    SCOPE_TRADE,
    Amend,
    Attached,
    Cancel,
    Place,
)
from exchange.core.events import Reject, Rejected
from exchange.core.state import State
from exchange.core.units import U64_MAX
from exchange.dialect.bounds import Bound, beyond
from exchange.dialect.cures import explain, reducing
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.orders import Tracked, order_object, user_combo_trade_object, user_trade_object
from exchange.publisher import Publisher
from exchange.publisher.dropcopy import trades_of
from exchange.publisher.labels import content_of
from exchange.publisher.notes import Outcome
from exchange.session.asking import LABEL_CHARS_MAX, asked_of, edited, linked, require_in_time
from exchange.session.authorising import Signed, authorised
from exchange.session.call import Call
from exchange.session.requests import wrong
from exchange.session.work import Read, Submit, Work
from exchange.signing import order_digest, order_of

# -- commands ---------------------------------------------------------------------------------------------------------


def buy(call: Call) -> Work:
    """Enter a buy order."""
    return _place(call, is_buy=True)


def sell(call: Call) -> Work:
    """Enter a sell order."""
    return _place(call, is_buy=False)


def _place(call: Call, *, is_buy: bool) -> Work:
    params = call.params
    call.login()
    listed = call.instrument()
    require_in_time(call)
    asked = asked_of(params, listed, is_buy=is_buy)
    nonce = params.object("authorization").whole("nonce", 0, high=U64_MAX) if params.given("authorization") else 0
    asked, more = linked(params, asked, nonce)
    signed = authorised(call, params, SCOPE_TRADE, asked)
    attached = tuple(Attached(authorised(call, item, SCOPE_TRADE, other).auth, other.label) for item, other in more)
    command = Place(signed.auth, asked.label, attached=attached)
    work = _entering(call, command, signed, None)
    if not asked.label:
        if params.flag("x_once"):
            raise wrong("label", "required")
        return work
    work = work._replace(receipted=call.desk.labels.receipted)
    return work._replace(unless=partial(_first_answer, call.desk, command)) if params.flag("x_once") else work


def close_position(call: Call) -> Work:
    """Enter a reduce-only order. Its direction and amount are signed like those of any other, so they are named too."""
    is_buy = call.params.choice("direction", ("buy", "sell"), "buy") == "buy"
    if not call.params.given("authorization") or not call.params.given("direction"):
        raise DialectError(
            Code.AUTHORIZATION_REQUIRED,
            reason="order_must_be_signed",
            param="authorization",
            rule="Sign a reduce-only order of the position's size, with direction and amount; verbatim signer does.",
        )
    return _place(call._replace(params=call.params.having(reduce_only=True)), is_buy=is_buy)


def edit(call: Call) -> Work:
    """Replace an open order by a newly signed one; what is left out stays as it is."""
    return _edit(call, _own_order(call, SCOPE_TRADE))


def edit_by_label(call: Call) -> Work:
    """The same, the order named by its label and instrument; of several that bear it, none is meant."""
    listed, account = call.instrument(), call.account(SCOPE_TRADE)
    label = call.params.text("label", "", chars_max=LABEL_CHARS_MAX)
    mine = [item for item in call.desk.orders.open.values() if item.order.account == account]
    found = [item for item in mine if item.order.label == label and item.order.series == listed.series]
    if len(found) == 1:
        return _edit(call, found[0])
    code = Code.LABEL_NOT_UNIQUE if found else Code.ORDER_NOT_FOUND
    reason = "label_must_be_unique" if found else "order_must_exist"
    return _edit(call, _told_later(call, DialectError(code, reason=reason, param="label", value=len(found))))


def _edit(call: Call, tracked: Tracked | Read) -> Work:
    params = call.params
    call.login()
    require_in_time(call)
    if isinstance(tracked, Read):
        return tracked
    order = tracked.order
    asked = edited(params, tracked, call.desk.by_series[order.series])
    signed = authorised(call, params, SCOPE_TRADE, asked)
    return _entering(call, Amend(order.id, signed.auth, asked.label), signed, order.id)


def _own_order(call: Call, right: int) -> Tracked | Read:
    """The order meant, if it is the login's and still open as far as this process knows; else the refusal.

    That an order is gone may be known before the record that took it is durable. So the refusal is a query: it is
    answered once everything known by then is durable.
    """
    order_id, access = call.order_id(), call.login()
    tracked = call.desk.find_order(order_id)
    if tracked is None:
        return _told_later(call, DialectError(Code.ORDER_NOT_FOUND, reason="order_must_exist"))
    if tracked.order.account not in access.accounts:
        return _told_later(call, refuse(Rejected(Reject.ORDER_MUST_BE_OWN, order_id)))
    access.require(tracked.order.account, right)
    if order_id not in call.desk.orders.open:
        return _told_later(call, refuse(Rejected(Reject.ORDER_MUST_BE_OPEN, order_id)))
    return tracked


def _told_later(call: Call, error: DialectError) -> Read:
    def query(_state: State) -> Any:
        raise error

    return Read(call.envelope, query)


def cancel(call: Call) -> Work:
    """Take one order off the book."""
    tracked = _own_order(call, SCOPE_CANCEL | SCOPE_TRADE)
    if isinstance(tracked, Read):
        return tracked
    desk, order = call.desk, tracked.order

    def render(state: State, outcome: Outcome) -> Any:
        refused = _refusal(outcome)
        if refused is not None:
            return refused
        return order_object(tracked, desk.by_series[order.series], is_open=order.id in state.orders)

    return Submit(call.envelope, Cancel(order.account, order.id), render)


# -- answers ----------------------------------------------------------------------------------------------------------


def _entering(call: Call, command: Place | Amend, signed: Signed, order_id: int | None) -> Submit:
    desk = call.desk

    def render(state: State, outcome: Outcome) -> Any:
        refused = _refusal(outcome)
        if refused is not None:
            return _explained(state, command, outcome, refused)
        return _entered(desk, state, outcome.seq if order_id is None else order_id, signed)

    return Submit(call.envelope, command, render, minded=True)


def _first_answer(desk: Publisher, command: Place, _state: State) -> Any:
    """What was said to the order of this label when it was entered, or None when there is none of late.

    Asked when the order's turn has come, so that of two that are on their way together one is entered.
    """
    auth = command.auth
    bearer = desk.labels.find(auth.account, command.label, desk.time_ns)
    moment = desk.moments.at(bearer.order_id) if bearer is not None else None
    if bearer is None or moment is None:
        return None
    if bearer.content != content_of(command):
        return beyond(Bound.LABEL, value=bearer.order_id, limit=1)
    orders = {item.id: (item.tracked(), item.is_open) for item in moment.orders}
    tracked, is_open = orders[bearer.order_id]
    first = msgspec.structs.replace(auth, nonce=tracked.nonce, max_fee=tracked.order.max_fee)
    assert desk.venue is not None
    order_hash = {"x_order_hash": "0x" + order_digest(desk.venue.domain, order_of(first)).hex()}
    group, by_series = tracked.order.group, desk.by_series
    others = [
        order_object(item, by_series[item.order.series], is_open=still_open)
        for number, (item, still_open) in orders.items()
        if number != bearer.order_id and group and item.order.group == group
    ]
    trades = [*trades_of(moment, auth.account, by_series, bearer.order_id)]
    receipt = desk.labels.receipt_of(bearer.order_id)
    return {
        "order": order_object(tracked, by_series[tracked.order.series], is_open=is_open) | order_hash,
        "trades": trades,
        **order_hash,
        **({"x_linked_orders": others} if others else {}),
        **({"receipt": receipt} if receipt is not None else {}),
        "x_repeated": True,
    }


def _explained(state: State, command: Place | Amend, outcome: Outcome, refused: DialectError) -> DialectError:
    """What would cure a refusal, as of the record just applied: for margin, and for an order that reduces nothing."""
    event = outcome.events[-1]
    if not isinstance(event, Rejected):
        return refused
    if event.reason is Reject.ACCOUNT_MUST_HAVE_MARGIN:
        return DialectError(refused.code, **refused.data, margin=explain(state, command, event))
    if event.reason is Reject.REDUCE_ONLY_MUST_REDUCE:
        return DialectError(refused.code, **refused.data, cures=reducing(state, command))
    return refused


def _refusal(outcome: Outcome) -> DialectError | None:
    for event in outcome.events:
        if type(event) is Rejected:
            return refuse(event)
    return None


def _entered(desk: Publisher, state: State, order_id: int, signed: Signed) -> dict[str, Any]:
    """Order and trades of the record just applied, and the digest that was signed."""
    noted = desk.noted
    tracked = noted.touched[order_id]
    listed = desk.by_series[tracked.order.series]
    is_open = order_id in state.orders
    trades = [
        user_trade_object(fill, fill.taker, tracked, is_open=is_open)
        for fill in noted.fills
        if fill.taker.order_id == order_id and fill.combo is None
    ]
    trades += [
        user_combo_trade_object(fill, fill.taker, tracked, is_open=is_open)
        for fill in noted.combos
        if fill.taker.order_id == order_id
    ]
    order_hash = "0x" + signed.digest.hex()
    shown = order_object(tracked, listed, is_open=is_open) | {"x_order_hash": order_hash}
    others = [
        order_object(other, listed, is_open=other.order.id in state.orders)
        for other in noted.touched.values()
        if other.order.id != order_id and tracked.order.group and other.order.group == tracked.order.group
    ]
    linked_orders = {"x_linked_orders": others} if others else {}
    return {"order": shown, "trades": trades, "x_order_hash": order_hash, **linked_orders}
