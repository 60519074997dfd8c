"""Orders and trades as clients see them. Imports core, numbers, listed."""

from typing import Any, Final

import msgspec

from exchange.core.commands import BRACKET, FOK, GTC, INDEX, IOC, LAST, MARK, NO_TERMS, UNTRIGGERED, Terms
from exchange.core.events import CancelReason, ProtectionTriggered
from exchange.core.state_types import Order
from exchange.core.units import NO_EXPIRY, QTY_ONE, Cash, Nanos, Price, Qty, Seconds, seconds_of
from exchange.dialect.listed import Listed
from exchange.dialect.names import account_name
from exchange.dialect.numbers import contracts, millis, usdc

TIF_NAMES: Final = {GTC: "good_til_cancelled", IOC: "immediate_or_cancel", FOK: "fill_or_kill"}
TIFS: Final = {name: tif for tif, name in TIF_NAMES.items()}
GOOD_TIL_DAY: Final = "good_til_day"
TRIGGER_NAMES: Final = {"mark_price": MARK, "index_price": INDEX, "last_price": LAST}
SELF_TRADE_NAMES: Final = ("cancel_taker", "cancel_maker", "cancel_both")
_TRIGGERS: Final = {code: name for name, code in TRIGGER_NAMES.items()}
_DAY_S: Final = 86_400
_SESSION_END_S: Final = 8 * 3_600  # of the day, UTC
_REASONS: Final = {
    CancelReason.BY_OWNER: "user_request",
    CancelReason.ON_CHAIN: "user_request",
    CancelReason.SELF_TRADE: "risk_mitigation",
    CancelReason.MARGIN: "risk_mitigation",
    CancelReason.REDUCE_ONLY: "risk_mitigation",
    CancelReason.QUOTE_REPLACED: "user_request",
    CancelReason.QUOTE_BUDGET: "mmp_trigger",
    CancelReason.QUOTE_PROTECTION: "mmp_trigger",
    CancelReason.SERIES_EXPIRED: "settlement",
    CancelReason.KEY_REVOKED: "position_locked",
    CancelReason.ACCOUNT_EXITING: "position_locked",
}


class Tracked(msgspec.Struct, gc=False):
    """An order the publisher follows: the machine's own record of it, where it rests (None: nowhere) and its fills.

    ``value`` is the sum of price x quantity of its fills, of a combo less that of legs which its buyer sells; None when
    some happened before this process started. ``reason`` tells why it left without filling. ``terms`` are those it came
    with, ``triggered`` whether its trigger has fired, ``nonce`` is that of its latest authorisation.
    """

    order: Order
    resting_at: Price | None = None
    value: int | None = 0
    reason: CancelReason | None = None
    replaced: bool = False
    terms: Terms = NO_TERMS
    triggered: bool = False
    nonce: int = 0


class Side(msgspec.Struct, frozen=True):
    """One side of a fill."""

    order_id: int
    account: int
    is_buy: bool
    fee: Cash
    is_taker: bool


class Fill(msgspec.Struct, frozen=True):
    """A trade with the prices of its moment. ``ticks``: 0 up, 1 not down, 2 down, 3 not up, against the last trade.

    ``rfq`` is the request for quotes that it came about by (0: none); ``disclosed``: its sides hear of each other.
    One that is a leg of a ``combo`` bears the number that all legs of that trade have in common.
    """

    trade_id: int
    listed: Listed
    time_ns: Nanos
    price: Price
    qty: Qty
    index: Price
    mark: Price
    vol: int
    ticks: int
    taker: Side
    maker: Side
    rfq: int = 0
    disclosed: bool = False
    combo: Listed | None = None
    group: int = 0
    block: int = 0  # the record of the block trade that it is a leg of
    legs: int = 0  # of that block


class ComboFill(msgspec.Struct, frozen=True):
    """So many units of a combo that traded, with the fills of all legs; no maker where the legs' own orders were met.

    The price is what the legs come to per unit, rounded down.
    """

    group: int
    listed: Listed
    time_ns: Nanos
    price: Price
    qty: Qty
    mark: Price
    ticks: int
    taker: Side
    maker: Side | None
    legs: tuple[Fill, ...]


def session_end(time_ns: Nanos) -> Seconds:
    """When the trading day of a moment ends: the next 08:00 UTC."""
    now_s = seconds_of(time_ns)
    return now_s + _DAY_S - (now_s - _SESSION_END_S) % _DAY_S


def order_type(terms: Terms, *, is_buy: bool) -> str:
    """Limit or market, after stop or take when it came with a trigger."""
    kind = "market" if terms.market else "limit"
    if terms.trigger == UNTRIGGERED:
        return kind
    return f"{'stop' if is_buy == terms.trigger_above else 'take'}_{kind}"


def order_state(tracked: Tracked, *, is_open: bool) -> str:
    """Open or, while it waits, untriggered; filled or cancelled."""
    if is_open:
        return "untriggered" if tracked.order.watch else "open"
    return "filled" if tracked.order.filled == tracked.order.qty else "cancelled"


def order_object(tracked: Tracked, listed: Listed, *, is_open: bool) -> dict[str, Any]:
    """The dialect's order, as it stands now."""
    order = tracked.order
    shown = {
        "order_id": str(order.id),
        "order_state": order_state(tracked, is_open=is_open),
        "order_type": order_type(tracked.terms, is_buy=order.is_buy),
        "time_in_force": _time_in_force(order),
        "instrument_name": listed.name,
        "direction": direction(is_buy=order.is_buy),
        "price": usdc(order.price),
        "amount": contracts(order.qty),
        "contracts": contracts(order.qty),
        "filled_amount": contracts(order.filled),
        "label": order.label,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "api": True,
        "web": False,
        "is_liquidation": False,
        "replaced": tracked.replaced,
        "creation_timestamp": millis(order.created_ns),
        "last_update_timestamp": millis(order.updated_ns),
        "x_account": order.account,
        "x_max_fee": order.max_fee,
    }
    if tracked.order.rfq:
        shown |= {"block_rfq_id": order.rfq, "block_rfq_quote_id": order.id}
    _add_terms(shown, tracked)
    _add_optional(shown, tracked, is_open=is_open)
    return shown


def _time_in_force(order: Order) -> str:
    ends_with_day = order.tif == GTC and order.expiry_s == session_end(order.created_ns)
    return GOOD_TIL_DAY if ends_with_day else TIF_NAMES[order.tif]


def _add_terms(shown: dict[str, Any], tracked: Tracked) -> None:
    """What was signed besides: shown size, trigger, links; and when the order ends."""
    order, terms = tracked.order, tracked.terms
    shown["x_nonce"] = tracked.nonce
    if terms != NO_TERMS:
        shown["x_terms"] = msgspec.structs.asdict(terms)
    if order.display:
        shown["refresh_amount"] = contracts(order.display)
        shown["display_amount"] = contracts(min(order.display, order.qty - order.filled - order.hidden))
    if terms.self_trade:
        shown["x_self_trade"] = SELF_TRADE_NAMES[terms.self_trade]
    if order.expiry_s != NO_EXPIRY:
        shown["x_expiry"] = order.expiry_s
    if terms.trigger != UNTRIGGERED:
        shown["trigger"] = _TRIGGERS[terms.trigger]
        shown["trigger_price"] = usdc(terms.trigger_price)
        shown["triggered"] = tracked.triggered
    if order.group:
        is_secondary = order.id != order.group
        shown["is_primary_otoco" if not is_secondary else "is_secondary_oto"] = True
        if terms.link != BRACKET or is_secondary:
            shown["oco_ref"] = str(order.group)
    if order.held:
        shown["x_held_amount"] = contracts(order.held)


def _add_optional(shown: dict[str, Any], tracked: Tracked, *, is_open: bool) -> None:
    """Optional fields are left out, never null: real clients reject null."""
    order = tracked.order
    if order.protection:
        shown |= {"mmp": True, "mmp_group": order.protection}
    if order.mandate:
        shown |= {"quote": True, "mmp": True, "quote_id": order.label, "x_mandate": order.mandate}
    if order.filled and tracked.value is not None:
        shown["average_price"] = usdc(tracked.value) / order.filled
    if is_open or tracked.reason is None:
        return
    shown["x_cancel_reason"] = tracked.reason.value
    if tracked.reason in _REASONS:
        shown["cancel_reason"] = _REASONS[tracked.reason]


def protection_object(event: ProtectionTriggered, time_ns: Nanos) -> dict[str, Any]:
    """A group that a fill brought to one of its bounds; value and limit are in signed units."""
    return {
        "mmp_group": event.group,
        "timestamp": millis(time_ns),
        "x_account": event.account,
        "x_figure": event.figure.value,
        "x_value": event.value,
        "x_limit": event.limit,
    }


def direction(*, is_buy: bool) -> str:
    """Buy or sell."""
    return "buy" if is_buy else "sell"


def trade_object(fill: Fill) -> dict[str, Any]:
    """The dialect's public trade; the direction is the taker's. A leg of a combo says of which."""
    of_combo = {} if fill.combo is None else {"combo_id": fill.combo.name, "combo_trade_id": combo_trade_id(fill.group)}
    return of_combo | {
        "trade_id": str(fill.trade_id),
        "trade_seq": fill.trade_id,
        "instrument_name": fill.listed.name,
        "timestamp": millis(fill.time_ns),
        "direction": direction(is_buy=fill.taker.is_buy),
        "tick_direction": fill.ticks,
        "index_price": usdc(fill.index),
        "mark_price": usdc(fill.mark),
        "iv": round(fill.vol / 10**16, 2),
        "price": usdc(fill.price),
        "amount": contracts(fill.qty),
        "contracts": contracts(fill.qty),
        **({"block_rfq_id": fill.rfq} if fill.rfq else {}),
        **({"block_trade_id": block_name(fill.block), "block_trade_leg_count": fill.legs} if fill.block else {}),
    }


BLOCK_NAME: Final = "BLOCK-"


def block_name(block: int) -> str:
    """What a block trade is called: the number of its record."""
    return f"{BLOCK_NAME}{block}"


def leg_trade_object(fill: Fill, side: Side) -> dict[str, Any]:
    """A leg of a block trade as one party sees it: no order stood for it, and both signed, so each knows the other."""
    other = fill.maker if side is fill.taker else fill.taker
    return trade_object(fill) | {
        "x_counterparty": account_name(other.account),
        "order_id": block_name(fill.block),
        "direction": direction(is_buy=side.is_buy),
        "state": "filled",
        "fee": usdc(side.fee),
        "fee_currency": "USDC",
        "liquidity": "T" if side.is_taker else "M",
        "matching_id": None,
        "post_only": False,
        "reduce_only": False,
        "api": True,
        "x_account": side.account,
    }


def combo_trade_id(group: int) -> str:
    """The number of a combo's trade: that of its first leg, marked so that it is no leg's."""
    return f"combo-{group}"


def combo_trade_object(fill: ComboFill) -> dict[str, Any]:
    """The dialect's public trade of a combo; its legs are told of in their own channels and here."""
    return {
        "trade_id": combo_trade_id(fill.group),
        "trade_seq": fill.group,
        "instrument_name": fill.listed.name,
        "timestamp": millis(fill.time_ns),
        "direction": direction(is_buy=fill.taker.is_buy),
        "tick_direction": fill.ticks,
        "index_price": usdc(fill.legs[0].index),
        "mark_price": usdc(fill.mark),
        "price": usdc(fill.price),
        "amount": contracts(fill.qty),
        "contracts": contracts(fill.qty),
        "combo_id": fill.listed.name,
    }


def user_combo_trade_object(fill: ComboFill, side: Side, tracked: Tracked, *, is_open: bool) -> dict[str, Any]:
    """The same as whoever ordered the combo sees it, with the legs as trades of theirs; the fee is that of all legs."""
    is_taker = side is fill.taker
    legs = [(leg, leg.taker if is_taker else leg.maker) for leg in fill.legs]
    theirs = _of_order(tracked, side, is_open=is_open) | {"fee": usdc(sum(mine.fee for _, mine in legs))}
    shown = [user_trade_object(leg, mine, tracked, is_open=is_open) for leg, mine in legs]
    return combo_trade_object(fill) | theirs | {"legs": shown}


def user_trade_object(fill: Fill, side: Side, tracked: Tracked, *, is_open: bool) -> dict[str, Any]:
    """The dialect's trade as one side sees it. A negative fee is a rebate; ``matching_id`` is present and null."""
    other = fill.maker if side is fill.taker else fill.taker
    disclosed = {"x_counterparty": account_name(other.account)} if fill.disclosed else {}
    return trade_object(fill) | disclosed | _of_order(tracked, side, is_open=is_open)


def _of_order(tracked: Tracked, side: Side, *, is_open: bool) -> dict[str, Any]:
    """What a trade tells its owner of the order that it filled."""
    order = tracked.order
    return {
        "order_id": str(side.order_id),
        "order_type": order_type(tracked.terms, is_buy=order.is_buy),
        "direction": direction(is_buy=side.is_buy),
        "state": order_state(tracked, is_open=is_open),
        "fee": usdc(side.fee),
        "fee_currency": "USDC",
        "liquidity": "T" if side.is_taker else "M",
        "matching_id": None,
        "label": order.label,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "api": True,
        "x_account": side.account,
    }


def average(value: int, qty: Qty) -> float:
    """USDC per contract of a premium in 1e-6 USDC and a quantity."""
    return usdc(value) * QTY_ONE / qty if qty else 0.0


def trigger_entry(tracked: Tracked, listed: Listed, *, is_open: bool) -> dict[str, Any]:
    """The dialect's line of the history of trigger orders."""
    order, terms = tracked.order, tracked.terms
    state = "untriggered" if is_open and order.watch else "triggered" if tracked.triggered else "cancelled"
    return {
        "trigger_order_id": str(order.id),
        "order_id": str(order.id),
        "order_state": state,
        "order_type": "market" if terms.market else "limit",
        "request": "trigger:order",
        "instrument_name": listed.name,
        "direction": direction(is_buy=order.is_buy),
        "price": usdc(order.price),
        "amount": contracts(order.qty),
        "trigger": _TRIGGERS[terms.trigger],
        "trigger_price": usdc(terms.trigger_price),
        "label": order.label,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "timestamp": millis(order.created_ns),
        "last_update_timestamp": millis(order.updated_ns),
    }
