"""Requests for quotes as clients see them: each side its own view. Imports core, numbers, orders.

Nobody is named before a trade. After it taker and maker are told of each other if neither asked to stay unnamed; of the
other makers and their quotes a maker is told nothing at any time. Imports core, listed, orders.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core.commands import BUYING, UNTOLD, terms_of
from exchange.core.events import RfqEnd
from exchange.core.leg_prices import leg_prices
from exchange.core.legs import Leg
from exchange.core.rfq import left_of
from exchange.core.rfq_rooms import quotes_of
from exchange.core.state import State
from exchange.core.state_types import Order, Rfq
from exchange.core.units import NO_EXPIRY, Nanos, Price, Qty
from exchange.dialect.listed import Listed
from exchange.dialect.market import mark_of
from exchange.dialect.names import account_name
from exchange.dialect.numbers import contracts, millis, millis_of_seconds, usdc
from exchange.dialect.orders import ComboFill, Fill, Tracked, direction, order_state

WHOLE, ANY_PART = "all_or_none", "any_part_of"
TAKER, MAKER = "taker", "maker"
STATES: Final = {None: "open", RfqEnd.FILLED: "filled", RfqEnd.EXPIRED: "expired"}  # any other end is a cancellation


class Part(NamedTuple):
    """One fill of an acceptance, of a series or of all legs of a combo together: price and quantity of one unit."""

    is_buy: bool
    price: Price
    qty: Qty
    taker: int
    maker: int
    disclosed: bool


def parts_of(fills: Sequence[Fill], combos: Sequence[ComboFill]) -> tuple[Part, ...]:
    """The fills of a record, those of a combo's legs as one."""
    if not combos:
        return tuple(
            Part(fill.taker.is_buy, fill.price, fill.qty, fill.taker.account, fill.maker.account, fill.disclosed)
            for fill in fills
        )
    told = []
    for combo in combos:
        disclosed = combo.legs[0].disclosed
        maker = combo.maker.account if combo.maker is not None else 0
        told.append(Part(combo.taker.is_buy, combo.price, combo.qty, combo.taker.account, maker, disclosed))
    return tuple(told)


class Asked(msgspec.Struct, gc=False):
    """A request as the publisher follows it: the machine's own record, how it ended and when, and its fills."""

    rfq: Rfq
    ended: RfqEnd | None = None
    ended_ns: Nanos = 0
    fills: list[Part] = []


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """One acceptance: the trades of its record, and what they come to."""

    rfq: int
    time_ns: Nanos
    listed: Listed
    trades: tuple[Fill, ...]
    fills: tuple[Part, ...]


Named = Mapping[int, Listed]


def legs_object(listed: Listed, named: Named) -> list[dict[str, Any]]:
    """The legs of a request, as of a buyer of it."""
    return [
        {
            "instrument_name": named[leg.series].name,
            "direction": direction(is_buy=leg.ratio > 0),
            "ratio": abs(leg.ratio),
        }
        for leg in listed.legs or (Leg(listed.series, 1),)
    ]


def priced_legs(state: State, listed: Listed, named: Named, price: Price) -> list[dict[str, Any]]:
    """The legs with prices near the marks that come to a price, as the venue would have them trade."""
    legs = listed.legs or (Leg(listed.series, 1),)
    marks = tuple(mark_of(state, leg.series) for leg in legs)
    prices = (price,) if not listed.legs else leg_prices(legs, marks, price) or marks
    return [item | {"price": usdc(at)} for item, at in zip(legs_object(listed, named), prices, strict=True)]


def request_object(state: State, asked: Asked, named: Named, role: str, account: int) -> dict[str, Any]:
    """The dialect's request as its taker or a maker sees it."""
    rfq, request = asked.rfq, asked.rfq.request
    listed = named[request.series]
    shown: dict[str, Any] = {
        "block_rfq_id": rfq.id,
        "role": role,
        "state": STATES.get(asked.ended, "cancelled"),
        "creation_timestamp": millis(rfq.created_ns),
        "expiration_timestamp": millis_of_seconds(request.expires_s),
        "amount": contracts(request.qty),
        "min_trade_amount": contracts(max(request.minimum, request.step)),
        "legs": legs_object(listed, named),
        "combo_id": listed.name,
        "x_step": contracts(request.step),
        "x_remaining_amount": contracts(left_of(rfq)),
    }
    if request.side != UNTOLD:
        shown["x_direction"] = direction(is_buy=request.side == BUYING)
    if asked.ended is not None:
        shown |= {"timestamp": millis(asked.ended_ns), "x_end": asked.ended.value}
    fills = asked.fills if role == TAKER else [fill for fill in asked.fills if fill.maker == account]
    if fills:
        shown |= {"trades": fills_object(fills, role), "mark_price": usdc(mark_of(state, listed.series))}
    return shown | (_only_takers(state, asked) if role == TAKER else {})


def _only_takers(state: State, asked: Asked) -> dict[str, Any]:
    """Whom she asked, how she named it, and what is offered to her."""
    request = asked.rfq.request
    quotes = quotes_of(state, asked.rfq.id) if asked.ended is None else []
    return {
        "label": request.label,
        "disclosed": not request.anonymous,
        "makers": [account_name(maker) for maker in request.makers],
        "bids": [_summary(state, order) for order in sorted(quotes, key=_dearest_first) if order.is_buy],
        "asks": [_summary(state, order) for order in sorted(quotes, key=_cheapest_first) if not order.is_buy],
        "x_account": request.account,
    }


def _dearest_first(order: Order) -> int:
    return -order.price


def _cheapest_first(order: Order) -> int:
    return order.price


def _summary(state: State, order: Order) -> dict[str, Any]:
    """A quote as the taker sees it, with a number to accept it by and without its maker."""
    shown: dict[str, Any] = {
        "price": usdc(order.price),
        "amount": contracts(order.qty - order.filled),
        "execution_instruction": _instruction(is_whole=terms_of(state.auths[order.auth_id].auth).whole),
        "last_update_timestamp": millis(order.updated_ns),
        "x_block_rfq_quote_id": order.id,
    }
    return shown | _expires(order)


def _instruction(*, is_whole: bool) -> str:
    return WHOLE if is_whole else ANY_PART


def _expires(order: Order) -> dict[str, Any]:
    return {"expires_at": millis_of_seconds(order.expiry_s)} if order.expiry_s != NO_EXPIRY else {}


def fills_object(fills: Iterable[Part], role: str = "") -> list[dict[str, Any]]:
    """Fills with the taker's direction; to their sides with the other's name, if both allow it."""
    told = []
    for fill in fills:
        item: dict[str, Any] = {
            "direction": direction(is_buy=fill.is_buy),
            "price": usdc(fill.price),
            "amount": contracts(fill.qty),
        }
        if fill.disclosed and role == TAKER:
            item["maker"] = account_name(fill.maker)
        elif fill.disclosed and role == MAKER:
            item["x_taker"] = account_name(fill.taker)
        told.append(item)
    return told


def quote_object(state: State, tracked: Tracked, named: Named) -> dict[str, Any]:
    """The dialect's quote, to its maker."""
    order = tracked.order
    listed, is_open = named[order.series], order.id in state.orders
    shown: dict[str, Any] = {
        "block_rfq_id": order.rfq,
        "block_rfq_quote_id": order.id,
        "quote_state": order_state(tracked, is_open=is_open),
        "creation_timestamp": millis(order.created_ns),
        "last_update_timestamp": millis(order.updated_ns),
        "execution_instruction": _instruction(is_whole=tracked.terms.whole),
        "price": usdc(order.price),
        "amount": contracts(order.qty),
        "filled_amount": contracts(order.filled),
        "direction": direction(is_buy=order.is_buy),
        "legs": priced_legs(state, listed, named, order.price),
        "replaced": tracked.replaced,
        "label": order.label,
        "x_account": order.account,
        "x_disclosed": not order.anonymous,
        "x_nonce": tracked.nonce,
        **_expires(order),
    }
    if order.protection:
        shown["mmp_group"] = order.protection
    if not is_open and tracked.reason is not None:
        shown["quote_state_reason"] = tracked.reason.value
    return shown


def trade_object(accepted: Accepted, named: Named) -> dict[str, Any]:
    """The dialect's public record of an acceptance: nobody is named. The price of a leg is the mean of its trades."""
    first, listed = accepted.trades[0], accepted.listed
    legs = legs_object(listed, named)
    for item in legs:
        trades = [trade for trade in accepted.trades if trade.listed.name == item["instrument_name"]]
        item["price"] = usdc(sum(trade.price * trade.qty for trade in trades)) / sum(trade.qty for trade in trades)
    return {
        "id": accepted.rfq,
        "timestamp": millis(accepted.time_ns),
        "direction": direction(is_buy=accepted.fills[0].is_buy),
        "amount": contracts(sum(fill.qty for fill in accepted.fills)),
        "mark_price": usdc(_mark_of(accepted)),
        "legs": legs,
        "combo_id": listed.name,
        "index_prices": {listed.price_index: usdc(first.index)},
        "trades": fills_object(accepted.fills),
    }


def _mark_of(accepted: Accepted) -> Price:
    """The mark of a unit at the moment of the trade: what those of its legs add up to."""
    marks = {trade.listed.series: trade.mark for trade in accepted.trades}
    legs = accepted.listed.legs or (Leg(accepted.listed.series, 1),)
    return sum(leg.ratio * marks[leg.series] for leg in legs)
