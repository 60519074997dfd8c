"""Orders: terms read exactly, the signed digest rebuilt from them, the command made, the answer rendered.

Steps are checked before the signature, so that a price off the tick is told as such and not as a bad signature. Whose
signature may trade for an account is the machine's decision; here only the account must belong to the login.
Imports call, work, dialect, signing.
"""

from decimal import Decimal
from typing import Any, Final, NamedTuple

from exchange.core.commands import SCOPE_CANCEL, SCOPE_TRADE, Amend, Authorisation, Cancel, CancelAll, Place
from exchange.core.events import Cancelled, Reject, Rejected
from exchange.core.state import State
from exchange.core.units import QTY_MAX, U32_MAX, U63_MAX, U64_MAX, Price, Qty
from exchange.dialect.cures import explain
from exchange.dialect.errors import REFUSALS, Code, DialectError, refuse
from exchange.dialect.listed import Listed
from exchange.dialect.numbers import NotExact, contracts, millis, price_units, qty_units, usdc
from exchange.dialect.orders import TIF_NAMES, TIFS, Tracked, order_object, user_trade_object
from exchange.publisher import Publisher
from exchange.publisher.notes import Outcome
from exchange.session.call import Access, Call
from exchange.session.requests import Params, wrong
from exchange.session.work import Read, Submit, Work
from exchange.signing import Order, SigningError, order_digest, recover

LABEL_CHARS_MAX: Final = 64
_ORDER_TYPES: Final = (
    "limit",
    "market",
    "market_limit",
    "stop_limit",
    "stop_market",
    "take_limit",
    "take_market",
    "trailing_stop",
)
# Parameters that would change what an order means; silence about them would be a lie.
_UNSUPPORTED: Final = (
    "advanced",
    "display_amount",
    "refresh_amount",
    "linked_order_type",
    "mmp",
    "otoco_config",
    "trigger",
    "trigger_fill_condition",
    "trigger_offset",
    "trigger_price",
)


class Terms(NamedTuple):
    """What an order asks for, in the machine's integers."""

    listed: Listed
    is_buy: bool
    qty: Qty
    price: Price
    tif: int
    post_only: bool
    reduce_only: bool
    label: str


# -- reading ----------------------------------------------------------------------------------------------------------


def _require_supported(params: Params) -> None:
    kind = params.choice("type", _ORDER_TYPES, "limit")
    if kind != "limit":
        raise DialectError(Code.NOT_IMPLEMENTED, param="type", value=kind, rule="Sign a limit; use its time in force.")
    for name in _UNSUPPORTED:
        if params.given(name) and params.values[name] not in (False, "false"):
            raise DialectError(Code.NOT_IMPLEMENTED, param=name)


def _qty_of(params: Params, listed: Listed) -> Qty:
    """The amount in whole lots."""
    name = "amount" if params.given("amount") or not params.given("contracts") else "contracts"
    value = params.number(name)
    if params.given("contracts") and params.number("contracts") != value:
        raise wrong("contracts", "must_equal_amount")
    if value <= 0:
        raise _step_error(Reject.QTY_MUST_BE_POSITIVE, value, 0.0)
    try:
        qty = qty_units(value)
    except NotExact as error:
        raise _step_error(Reject.QTY_MUST_BE_ON_LOT, value, contracts(listed.lot)) from error
    if qty % listed.lot:
        raise _step_error(Reject.QTY_MUST_BE_ON_LOT, value, contracts(listed.lot))
    if qty > QTY_MAX:
        raise _step_error(Reject.QTY_MUST_FIT, value, contracts(QTY_MAX))
    return qty


def _price_of(params: Params, listed: Listed) -> Price:
    """The limit in whole ticks."""
    value = params.number("price")
    if value <= 0:
        raise _step_error(Reject.PRICE_MUST_BE_POSITIVE, value, 0.0)
    try:
        price = price_units(value)
    except NotExact as error:
        raise _step_error(Reject.PRICE_MUST_BE_ON_TICK, value, usdc(listed.tick)) from error
    tick = listed.tick_at(price)
    if price % tick:
        raise _step_error(Reject.PRICE_MUST_BE_ON_TICK, value, usdc(tick))
    if price > U63_MAX:
        raise _step_error(Reject.PRICE_MUST_FIT, value, usdc(U63_MAX))
    return price


def _step_error(reason: Reject, value: Decimal, limit: float) -> DialectError:
    """The machine's own refusal, told before the signature is looked at."""
    row = REFUSALS[reason]
    return DialectError(row.code, reason=reason.value, value=float(value), limit=limit, rule=row.rule)


def _require_in_time(call: Call) -> None:
    if call.params.given("valid_until"):
        until = call.params.whole("valid_until")
        if until < millis(call.now_ns):
            raise DialectError(Code.TIMED_OUT, reason="valid_until_has_passed", value=until, limit=millis(call.now_ns))


def _tif_of(params: Params) -> int:
    name = params.text("time_in_force", TIF_NAMES[0])
    if name == "good_til_day":
        raise DialectError(Code.NOT_IMPLEMENTED, param="time_in_force", rule="Sign the expiry you want instead.")
    if name not in TIFS:
        raise wrong("time_in_force", "must_be_one_of", choices=list(TIFS))
    return TIFS[name]


class Signed(NamedTuple):
    """An authorisation with the digest its signature is over."""

    auth: Authorisation
    digest: bytes


def _authorise(call: Call, access: Access, terms: Terms) -> Signed:
    """The ``authorization`` object checked against the terms of the request. Raises authorization_required."""
    if not call.params.given("authorization"):
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason="order_must_be_signed", param="authorization")
    given = call.params.object("authorization")
    account = given.whole("account", high=U32_MAX)
    access.require(account, SCOPE_TRADE)
    order = Order(
        account=account,
        series=terms.listed.series,
        is_buy=terms.is_buy,
        quantity=terms.qty,
        limit_price=terms.price,
        max_fee=given.whole("max_fee", high=U63_MAX),
        time_in_force=terms.tif,
        post_only=terms.post_only,
        reduce_only=terms.reduce_only,
        replaces=given.whole("replaces", 0, high=U64_MAX),
        nonce=given.whole("nonce", high=U64_MAX),
        expiry=given.whole("expiry", high=U32_MAX),
    )
    venue = call.desk.venue
    if venue is None:
        raise DialectError(Code.MAINTENANCE, reason="venue_must_be_configured")
    return _recovered(order, order_digest(venue.domain, order), given.blob("signature", bytes_max=65))


def _recovered(order: Order, digest: bytes, signature: bytes) -> Signed:
    try:
        signer = recover(digest, signature)
    except SigningError as error:
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason=error.fault.value, param="signature") from error
    auth = Authorisation(
        account=order.account,
        series=order.series,
        is_buy=order.is_buy,
        qty=order.quantity,
        price=order.limit_price,
        max_fee=order.max_fee,
        tif=order.time_in_force,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        replaces=order.replaces,
        nonce=order.nonce,
        expiry_s=order.expiry,
        signer=signer,
        signature=signature,
    )
    return Signed(auth, digest)


# -- commands ---------------------------------------------------------------------------------------------------------


def buy(call: Call) -> Work:
    """Enter a buy order."""
    return _place(call, is_buy=True)


def sell(call: Call) -> Work:
    """Enter a sell order."""
    return _place(call, is_buy=False)


def _place(call: Call, *, is_buy: bool) -> Work:
    access, params = call.login(), call.params
    listed = call.instrument()
    _require_supported(params)
    _require_in_time(call)
    terms = Terms(
        listed=listed,
        is_buy=is_buy,
        qty=_qty_of(params, listed),
        price=_price_of(params, listed),
        tif=_tif_of(params),
        post_only=params.flag("post_only"),
        reduce_only=params.flag("reduce_only"),
        label=params.text("label", "", chars_max=LABEL_CHARS_MAX),
    )
    signed = _authorise(call, access, terms)
    slide = terms.post_only and not params.flag("reject_post_only")
    return _entering(call, Place(signed.auth, terms.label, slide), signed, None)


def edit(call: Call) -> Work:
    """Replace an open order by a newly signed one; flags left out stay as they are."""
    access, params = call.login(), call.params
    _require_supported(params)
    _require_in_time(call)
    tracked = _own_order(call, SCOPE_TRADE)
    if isinstance(tracked, Read):
        return tracked
    order = tracked.order
    listed = call.desk.by_series[order.series]
    terms = Terms(
        listed=listed,
        is_buy=order.is_buy,
        qty=_qty_of(params, listed),
        price=_price_of(params, listed) if params.given("price") else order.price,
        tif=order.tif,
        post_only=params.flag("post_only", default=order.post_only),
        reduce_only=params.flag("reduce_only", default=order.reduce_only),
        label=params.text("label", order.label, chars_max=LABEL_CHARS_MAX),
    )
    signed = _authorise(call, access, terms)
    return _entering(call, Amend(order.id, signed.auth, terms.label), signed, order.id)


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


def cancel_all(call: Call) -> Work:
    """Take all orders of the account off the book; how many."""
    return _cancel_many(call, CancelAll(call.account(SCOPE_CANCEL | SCOPE_TRADE)))


def cancel_all_by_instrument(call: Call) -> Work:
    """Take the account's orders in one instrument off the book; how many."""
    series = call.instrument().series
    return _cancel_many(call, CancelAll(call.account(SCOPE_CANCEL | SCOPE_TRADE), series))


def _cancel_many(call: Call, command: CancelAll) -> Work:
    if call.params.flag("detailed"):
        raise DialectError(Code.NOT_IMPLEMENTED, param="detailed")

    def render(_state: State, outcome: Outcome) -> Any:
        refused = _refusal(outcome)
        return refused or sum(type(event) is Cancelled for event in outcome.events)

    return Submit(call.envelope, command, render)


# -- answers ----------------------------------------------------------------------------------------------------------


def _entering(call: Call, command: Place | Amend, signed: Signed, order_id: int | None) -> Work:
    desk = call.desk

    def render(state: State, outcome: Outcome) -> Any:
        refused = _refusal(outcome)
        if refused is not None:
            return _explained(state, command, outcome, refused)
        return _entered(desk, state, outcome.seq if order_id is None else order_id, signed)

    return Submit(call.envelope, command, render, minded=True)


def _explained(state: State, command: Place | Amend, outcome: Outcome, refused: DialectError) -> DialectError:
    """A refusal for margin says where it is needed and what would cure it, as of the record just applied."""
    event = outcome.events[-1]
    if isinstance(event, Rejected) and event.reason is Reject.ACCOUNT_MUST_HAVE_MARGIN:
        return DialectError(refused.code, **refused.data, margin=explain(state, command, event))
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
        if fill.taker.order_id == order_id
    ]
    order_hash = "0x" + signed.digest.hex()
    shown = order_object(tracked, listed, is_open=is_open) | {"x_order_hash": order_hash}
    return {"order": shown, "trades": trades, "x_order_hash": order_hash}
