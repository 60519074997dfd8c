"""Requests for quotes as clients see them: each side its own view. Imports core, numbers, orders.

Nobody is named before a trade. After it taker and maker are told of each other if neither asked to stay unnamed; of the
other makers and their quotes a maker is told nothing at any time. Imports core, listed, orders.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from exchange.core.commands import BUYING, UNTOLD, terms_of
from exchange.core.events import RfqEnd
from exchange.core.rfq import left_of
from exchange.core.rfq_rooms import quotes_of
from exchange.core.state import State
from exchange.core.state_types import Order, Rfq
from exchange.core.units import NO_EXPIRY, Nanos, Qty
from exchange.dialect.listed import Listed
from exchange.dialect.market import mark_of
from exchange.dialect.names import account_name
from exchange.dialect.numbers import contracts, millis, millis_of_seconds, usdc
from exchange.dialect.orders import Fill, Tracked, direction, order_state

WHOLE, ANY_PART = "all_or_none", "any_part_of"
TAKER, MAKER = "taker", "maker"
STATES: Final = {None: "open", RfqEnd.FILLED: "filled", RfqEnd.EXPIRED: "expired"}  # any other end is a cancellation


class Asked(msgspec.Struct, gc=False):
    """A request as the publisher follows it: the machine's own record, how it ended and when, and its fills."""

    rfq: Rfq
    ended: RfqEnd | None = None
    ended_ns: Nanos = 0
    fills: list[Fill] = []


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """One acceptance: the fills of its record."""

    rfq: int
    time_ns: Nanos
    fills: tuple[Fill, ...]


def legs_object(listed: Listed, **more: Any) -> list[dict[str, Any]]:
    """The legs of a request, as of a buyer of it."""
    return [{"instrument_name": listed.name, "direction": "buy", "ratio": 1, **more}]


def request_object(state: State, asked: Asked, listed: Listed, role: str, account: int) -> dict[str, Any]:
    """The dialect's request as its taker or a maker sees it."""
    rfq, request = asked.rfq, asked.rfq.request
    shown: dict[str, Any] = {
        "block_rfq_id": rfq.id,
        "role": role,
        "state": STATES.get(asked.ended, "cancelled"),
        "creation_timestamp": millis(rfq.created_ns),
        "expiration_timestamp": millis_of_seconds(request.expires_s),
        "amount": contracts(request.qty),
        "min_trade_amount": contracts(max(request.minimum, request.step)),
        "legs": legs_object(listed),
        "combo_id": listed.name,
        "x_step": contracts(request.step),
        "x_remaining_amount": contracts(left_of(rfq)),
    }
    if request.side != UNTOLD:
        shown["x_direction"] = direction(is_buy=request.side == BUYING)
    if asked.ended is not None:
        shown |= {"timestamp": millis(asked.ended_ns), "x_end": asked.ended.value}
    fills = asked.fills if role == TAKER else [fill for fill in asked.fills if fill.maker.account == account]
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


def fills_object(fills: Iterable[Fill], role: str = "") -> list[dict[str, Any]]:
    """Fills with the taker's direction; to their sides with the other's name, if both allow it."""
    told = []
    for fill in fills:
        item: dict[str, Any] = {
            "direction": direction(is_buy=fill.taker.is_buy),
            "price": usdc(fill.price),
            "amount": contracts(fill.qty),
        }
        if fill.disclosed and role == TAKER:
            item["maker"] = account_name(fill.maker.account)
        elif fill.disclosed and role == MAKER:
            item["x_taker"] = account_name(fill.taker.account)
        told.append(item)
    return told


def quote_object(tracked: Tracked, listed: Listed, *, is_open: bool) -> dict[str, Any]:
    """The dialect's quote, to its maker."""
    order = tracked.order
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
        "legs": legs_object(listed, price=usdc(order.price)),
        "replaced": tracked.replaced,
        "label": order.label,
        "x_account": order.account,
        "x_disclosed": not order.anonymous,
        **_expires(order),
    }
    if order.protection:
        shown["mmp_group"] = order.protection
    if not is_open and tracked.reason is not None:
        shown["quote_state_reason"] = tracked.reason.value
    return shown


def trade_object(accepted: Accepted, listed: Listed) -> dict[str, Any]:
    """The dialect's public record of an acceptance: nobody is named. The price of the legs is the mean of the fills."""
    first, qty = accepted.fills[0], total(accepted.fills)
    mean = usdc(sum(fill.price * fill.qty for fill in accepted.fills)) / qty
    return {
        "id": accepted.rfq,
        "timestamp": millis(accepted.time_ns),
        "direction": direction(is_buy=first.taker.is_buy),
        "amount": contracts(qty),
        "mark_price": usdc(first.mark),
        "legs": legs_object(listed, price=mean),
        "combo_id": listed.name,
        "index_prices": {listed.price_index: usdc(first.index)},
        "trades": fills_object(accepted.fills),
    }


def total(fills: Iterable[Fill]) -> Qty:
    """What they fill together."""
    return sum(fill.qty for fill in fills)
