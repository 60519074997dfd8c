"""What an order asks for, read from a request: steps checked, words turned into integers and signed terms.

Whatever would change what an order means is read here or refused; silence about it would be a lie. Imports call,
dialect.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core.commands import BRACKET, GTC, IOC, OCO, UNLINKED, UNTRIGGERED, Terms
from exchange.core.events import Reject
from exchange.core.units import QTY_MAX, QTY_ONE, U63_MAX, U64_MAX, USDC_ONE, Price, Qty
from exchange.dialect.errors import REFUSALS, Code, DialectError
from exchange.dialect.listed import Listed
from exchange.dialect.numbers import DELTA_ONE, NotExact, contracts, millis, units_of, usdc
from exchange.dialect.orders import GOOD_TIL_DAY, SELF_TRADE_NAMES, TIF_NAMES, TIFS, TRIGGER_NAMES, Tracked, session_end
from exchange.session.call import Call
from exchange.session.requests import Params, wrong

LABEL_CHARS_MAX: Final = 64
_STOP, _TAKE = "stop", "take"
_ORDER_TYPES: Final = ("limit", "market", "stop_limit", "stop_market", "take_limit", "take_market")
_TYPES_ELSEWHERE: Final = ("market_limit", "trailing_stop")
_LINKS: Final = {
    "one_cancels_other": OCO,
    "one_triggers_other": BRACKET,
    "one_triggers_one_cancels_other": BRACKET,
}
_COUNTS: Final = {"one_cancels_other": 1, "one_triggers_other": 1, "one_triggers_one_cancels_other": 2}
_UNSUPPORTED: Final = ("advanced", "refresh_amount", "trigger_offset")
_FILL_CONDITION: Final = "incremental"  # the only one: what one order fills is what it takes from the others


class Asked(NamedTuple):
    """What an order asks for, in the machine's integers."""

    listed: Listed
    is_buy: bool
    qty: Qty
    price: Price
    tif: int
    post_only: bool
    reduce_only: bool
    label: str
    terms: Terms
    ends_with_day: bool = False


# -- whole orders -----------------------------------------------------------------------------------------------------


def asked_of(params: Params, listed: Listed, *, is_buy: bool) -> Asked:
    """A new order."""
    _require_supported(params)
    kind = params.choice("type", _ORDER_TYPES, "limit")
    is_market = kind.endswith("market")
    post_only = params.flag("post_only")
    return Asked(
        listed=listed,
        is_buy=is_buy,
        qty=qty_of(params, listed),
        price=price_of(params, listed, is_market=is_market),
        tif=_tif_of(params, IOC if is_market else GTC),
        post_only=post_only,
        reduce_only=params.flag("reduce_only"),
        label=params.text("label", "", chars_max=LABEL_CHARS_MAX),
        terms=msgspec.structs.replace(
            protection_of(params, listed, _trigger_of(params, kind, is_buy=is_buy)),
            display=_display_of(params),
            self_trade=_self_trade_of(params),
            slide=post_only and not params.flag("reject_post_only") and not listed.legs,  # a combo does not slide
            market=is_market,
        ),
        ends_with_day=params.text("time_in_force", "") == GOOD_TIL_DAY,
    )


def edited(params: Params, tracked: Tracked, listed: Listed) -> Asked:
    """An order as an edit wants it: what is left out stays as it is. A trigger that has fired is named no more."""
    _require_supported(params)
    order, old = tracked.order, tracked.terms
    if not order.watch:
        old = msgspec.structs.replace(old, trigger=UNTRIGGERED, trigger_price=0, trigger_above=False, market=False)
    changes: dict[str, Any] = {}
    if params.given("display_amount"):
        changes["display"] = _display_of(params)
    if params.given("x_self_trade"):
        changes["self_trade"] = _self_trade_of(params)
    if params.given("reject_post_only"):
        changes["slide"] = not params.flag("reject_post_only")
    if params.given("trigger_price") and order.watch:
        changes["trigger_price"] = _usdc_of(params, "trigger_price")
    elif params.given("trigger_price"):
        raise wrong("trigger_price", "order_must_wait_for_a_trigger")
    return Asked(
        listed=listed,
        is_buy=order.is_buy,
        qty=qty_of(params, listed),
        price=price_of(params, listed, is_market=False) if params.given("price") else order.price,
        tif=order.tif if order.watch else GTC,
        post_only=params.flag("post_only", default=order.post_only),
        reduce_only=params.flag("reduce_only", default=order.reduce_only),
        label=params.text("label", order.label, chars_max=LABEL_CHARS_MAX),
        terms=protection_of(params, listed, msgspec.structs.replace(old, **changes)),
    )


def linked(params: Params, first: Asked, nonce: int) -> tuple[Asked, list[tuple[Params, Asked]]]:
    """The order with its links signed, and those of ``otoco_config`` that come along; ``nonce`` is the order's own."""
    if not params.given("linked_order_type"):
        if params.given("otoco_config"):
            raise wrong("linked_order_type", "required")
        return first, []
    name = params.choice("linked_order_type", tuple(_LINKS))
    if nonce == U64_MAX:  # those that come along name it by the number after it
        raise wrong("authorization.nonce", "too_large", limit=U64_MAX - 1)
    if params.text("trigger_fill_condition", _FILL_CONDITION) != _FILL_CONDITION:
        raise DialectError(Code.NOT_IMPLEMENTED, param="trigger_fill_condition", rule="Only incremental is offered.")
    more = []
    for item in params.objects("otoco_config", count_max=2):
        is_buy = item.choice("direction", ("buy", "sell")) == "buy"
        other = asked_of(item.with_default("amount", params), first.listed, is_buy=is_buy)
        more.append((item, _tied(other, _LINKS[name], parent=nonce + 1)))
    if len(more) != _COUNTS[name]:
        raise wrong("otoco_config", "must_have", limit=_COUNTS[name])
    return _tied(first, _LINKS[name], attached=len(more)), more


def _tied(asked: Asked, link: int, *, parent: int = 0, attached: int = 0) -> Asked:
    assert link != UNLINKED
    return asked._replace(terms=msgspec.structs.replace(asked.terms, link=link, parent=parent, attached=attached))


# -- single parameters ------------------------------------------------------------------------------------------------


def _require_supported(params: Params) -> None:
    kind = params.values.get("type")
    if kind in _TYPES_ELSEWHERE:
        raise DialectError(Code.NOT_IMPLEMENTED, param="type", value=kind, rule="Sign one of the other types.")
    for name in _UNSUPPORTED:
        if params.given(name) and params.values[name] not in (False, "false"):
            raise DialectError(Code.NOT_IMPLEMENTED, param=name)


class _Steps(NamedTuple):
    """What an amount or a price is told when it is not positive, off its steps, or too large."""

    one: int
    most: int
    shown: Callable[[int], float]
    too_low: Reject
    off_step: Reject
    too_high: Reject


_AMOUNT: Final = _Steps(
    QTY_ONE, QTY_MAX, contracts, Reject.QTY_MUST_BE_POSITIVE, Reject.QTY_MUST_BE_ON_LOT, Reject.QTY_MUST_FIT
)
_PRICE: Final = _Steps(
    USDC_ONE, U63_MAX, usdc, Reject.PRICE_MUST_BE_POSITIVE, Reject.PRICE_MUST_BE_ON_TICK, Reject.PRICE_MUST_FIT
)


def _in_steps(value: Decimal, steps: _Steps, step_at: Callable[[int], int], *, is_signed: bool = False) -> int:
    """The machine's integer for a number, which must lie on the step that applies there."""
    if value <= 0 and not is_signed:
        raise _step_error(steps.too_low, value, 0.0)
    try:
        units = units_of(value, steps.one)
    except NotExact as error:
        raise _step_error(steps.off_step, value, steps.shown(step_at(0))) from error
    if units % step_at(units):
        raise _step_error(steps.off_step, value, steps.shown(step_at(units)))
    if abs(units) > steps.most:
        raise _step_error(steps.too_high, value, steps.shown(steps.most))
    return units


def qty_of(params: Params, listed: Listed) -> Qty:
    """The amount in whole lots."""
    name = "amount" if params.given("amount") or not params.given("contracts") else "contracts"
    value = params.number(name)
    if params.given("contracts") and params.number("contracts") != value:
        raise wrong("contracts", "must_equal_amount")
    return _in_steps(value, _AMOUNT, lambda _: listed.lot)


def price_of(params: Params, listed: Listed, *, is_market: bool = False) -> Price:
    """The limit in whole ticks; of a market order the worst price, which stands with what is signed."""
    if is_market and not params.given("price") and params.given("authorization"):
        params = params.object("authorization")
    return _in_steps(params.number("price"), _PRICE, listed.tick_at, is_signed=bool(listed.legs))


def _step_error(reason: Reject, value: Decimal, limit: float) -> DialectError:
    """The machine's own refusal, told before the signature is looked at."""
    row = REFUSALS[reason]
    return DialectError(row.code, reason=reason.value, value=float(value), limit=limit, rule=row.rule)


def _trigger_of(params: Params, kind: str, *, is_buy: bool) -> Terms:
    """A stop waits until the price runs against whoever holds the other side, a take profit until it runs in favour."""
    waits = kind.startswith((_STOP, _TAKE))
    for name in ("trigger", "trigger_price"):
        if params.given(name) != waits:
            raise wrong(name, "required" if waits else "type_must_have_a_trigger")
    if not waits:
        return Terms()
    trigger = TRIGGER_NAMES[params.choice("trigger", tuple(TRIGGER_NAMES))]
    above = is_buy == kind.startswith(_STOP)
    return Terms(trigger=trigger, trigger_price=_usdc_of(params, "trigger_price"), trigger_above=above)


def _usdc_of(params: Params, name: str) -> Price:
    price = params.exact(name, USDC_ONE)
    if price <= 0:
        raise wrong(name, "out_of_range", limit=usdc(U63_MAX))
    return price


def _display_of(params: Params) -> Qty:
    shown = params.exact("display_amount", QTY_ONE, bound=QTY_MAX) if params.given("display_amount") else 0
    if shown < 0:
        raise wrong("display_amount", "out_of_range", limit=contracts(QTY_MAX))
    return shown


def protection_of(params: Params, listed: Listed, terms: Terms) -> Terms:
    """Under which group's protection the order stands, by its name or that of the index, and what it counts there."""
    changes: dict[str, Any] = {}
    if params.given("mmp"):
        named = params.text("mmp_group", listed.price_index, chars_max=LABEL_CHARS_MAX)
        changes["protection"] = named if params.flag("mmp") else ""
    elif params.given("mmp_group"):
        raise wrong("mmp", "required")
    for name, field, one in (("x_delta", "delta", DELTA_ONE), ("x_vega", "vega", USDC_ONE)):
        if params.given(name):
            changes[field] = params.exact(name, one)
    if changes.get("vega", 0) < 0:
        raise wrong("x_vega", "out_of_range", low=0)
    return msgspec.structs.replace(terms, **changes)


def _self_trade_of(params: Params) -> int:
    return SELF_TRADE_NAMES.index(params.choice("x_self_trade", SELF_TRADE_NAMES, SELF_TRADE_NAMES[0]))


def _tif_of(params: Params, default: int) -> int:
    name = params.text("time_in_force", TIF_NAMES[default])
    if name == GOOD_TIL_DAY:
        return GTC
    if name not in TIFS:
        raise wrong("time_in_force", "must_be_one_of", choices=[*TIFS, GOOD_TIL_DAY])
    return TIFS[name]


def require_in_time(call: Call) -> None:
    """Refuse a request that says until when it was worth answering."""
    if call.params.given("valid_until"):
        until = call.params.whole("valid_until")
        if until < millis(call.now_ns):
            raise DialectError(Code.TIMED_OUT, reason="valid_until_has_passed", value=until, limit=millis(call.now_ns))


def require_session_end(call: Call, asked: Asked, expiry_s: int) -> None:
    """An order for the day is signed to end with it, at 08:00 UTC."""
    end_s = session_end(call.now_ns)
    if asked.ends_with_day and expiry_s != end_s:
        raise wrong("expiry", "must_end_with_the_day", value=expiry_s, limit=end_s)
