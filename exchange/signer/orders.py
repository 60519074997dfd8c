"""Requests of clients that do not sign, turned into requests that the venue takes: read as it reads them, and signed.

Steps are checked first, so a price off the tick is told as such and uses no nonce. What a market order may cost at
worst is signed with it. Imports catalogue, keys, session's readers.
"""

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from exchange.core.commands import FOK, GTC, IOC, NO_TERMS, Authorisation, QuoteMandate, Terms
from exchange.core.state_types import Order as OpenOrder
from exchange.core.units import NO_EXPIRY, QTY_ONE, U32_MAX, U63_MAX, USDC_ONE, Nanos, Price
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.listed import Listed
from exchange.dialect.numbers import DELTA_ONE, price_units, qty_units
from exchange.dialect.orders import TIFS, Tracked, session_end
from exchange.dialect.rfqs import ANY_PART, WHOLE
from exchange.session.asking import Asked, asked_of, edited, linked, price_of, protection_of, qty_of
from exchange.session.methods import SIGNED
from exchange.session.quoting import sides_of
from exchange.session.requests import Params, Shape, decode, wrong
from exchange.shell.wallet import Nonces
from exchange.signer import blocks
from exchange.signer.catalogue import Ask, Catalogue
from exchange.signer.keys import Key
from exchange.signing import order_of

_NUMBERS: Final = (
    "amount",
    "contracts",
    "price",
    "trigger_price",
    "display_amount",
    "x_delta",
    "x_vega",
    "valid_until",
)
_FLAGS: Final = (
    "post_only",
    "reject_post_only",
    "reduce_only",
    "mmp",
    "detailed",
    "disclosed",
    "x_whole",
    "x_once",
    "x_queueable",
)
_LISTS: Final = ("otoco_config", "quotes", "legs", "authorization", "trades", "x_budget")
_LISTS_SHAPE: Final = Shape(bytes_max=65_536, containers_max=512, depth_max=8)
_MARKETS: Final = ("market", "stop_market", "take_market")
_RFQ_TIFS: Final = {"fill_or_kill": FOK, "immediate_or_cancel": IOC}
_LEGS_MAX: Final = 4
ONCE_MAX: Final = 10_000


def typed(params: Params) -> Params:
    """Parameters of a query text as JSON has them, by their names."""
    if not params.textual:
        return params
    values = dict(params.values)
    for name, value in params.values.items():
        if name in _NUMBERS:
            values[name] = params.number(name)
        elif name in _FLAGS:
            values[name] = params.flag(name)
        elif name in _LISTS and isinstance(value, str):
            values[name] = decode(value, _LISTS_SHAPE)
    return Params(values)


class Desk:
    """One account's pen: what it signs, with which key, for which contracts."""

    def __init__(
        self,
        key: Key,
        domain: bytes,
        account: int,
        catalogue: Catalogue,
        nonces: Nonces,
        ask: Ask,
        *,
        slippage: Decimal,
        max_fee: Price | None,
    ) -> None:
        self.account = account
        self._key = key
        self._domain = domain
        self._catalogue = catalogue
        self._nonces = nonces
        self._ask = ask
        self._slippage = slippage
        self._max_fee = max_fee
        self._once: OrderedDict[str, tuple[tuple[str, dict[str, Any]], dict[str, Any]]] = OrderedDict()

    async def prepared(self, method: str, given: Params, now_ns: Nanos) -> tuple[str, dict[str, Any]]:
        """What to send instead: method and parameters, signed where the venue wants that. Raises DialectError."""
        if method not in (*SIGNED, *blocks.METHODS) or given.given("authorization"):
            return method, self._addressed(given.values)
        params = typed(given)
        if method in blocks.METHODS:
            parts = (self.account, self._catalogue, self._key, self._domain, now_ns)
            return method, self._addressed(await blocks.with_authorization(params, *parts))
        match method:
            case "private/buy" | "private/sell":
                return method, await self._placed_once(method, params, now_ns)
            case "private/edit":
                return method, await self._edited(params, await self._order(params))
            case "private/edit_by_label":
                return "private/edit", await self._edited(params, await self._labelled(params))
            case "private/close_position":
                return await self._closing(params, now_ns)
            case "private/mass_quote":
                return method, await self._quoted(params)
            case "private/accept_block_rfq" | "private/add_block_rfq_quote" | "private/edit_block_rfq_quote":
                return method, await self._answered(method, params)
            case _:
                return method, self._addressed(params.values)

    def _addressed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """With the account named, as a key that acts for several must."""
        return {"subaccount_id": self.account} | dict(values)

    # -- orders -------------------------------------------------------------------------------------------------------

    async def _placed_once(self, method: str, params: Params, now_ns: Nanos) -> dict[str, Any]:
        """With ``x_once`` the same request again is the same signature again: whatever the venue makes of it, what it
        signs is good once.
        """
        is_buy, label = method == "private/buy", params.text("label", "")
        if not (params.flag("x_once") and label):
            return await self._placed(params, now_ns, is_buy=is_buy)
        known = self._once.pop(label, None)
        same = known is not None and known[0] == (method, params.values)
        sent = known[1] if known is not None and same else await self._placed(params, now_ns, is_buy=is_buy)
        self._once[label] = ((method, dict(params.values)), sent)
        if len(self._once) > ONCE_MAX:
            self._once.popitem(last=False)
        return sent

    async def _placed(self, params: Params, now_ns: Nanos, *, is_buy: bool) -> dict[str, Any]:
        listed = await self._catalogue.listed(params.text("instrument_name"))
        params = await self._with_worst_price(params, listed, is_buy=is_buy)
        asked = asked_of(params, listed, is_buy=is_buy)
        linked(params, asked, 0)  # whatever is wrong with it is told before a nonce is used
        max_fee = await self._fee(listed)
        nonce = self._nonces.take(self.account)
        asked, more = linked(params, asked, nonce)
        sent = dict(params.values) | {"authorization": self._signed(asked, nonce, max_fee, now_ns)}
        if more:
            sent["otoco_config"] = [
                item.values | {"authorization": self._signed(other, self._nonces.take(self.account), max_fee, now_ns)}
                for item, other in more
            ]
        return self._addressed(sent)

    def _signed(
        self, asked: Asked, nonce: int, max_fee: Price, now_ns: Nanos, replaces: int = 0, expiry_s: int = NO_EXPIRY
    ) -> dict[str, Any]:
        """The ``authorization`` of an order, over what the venue will read from the request."""
        unsigned = Authorisation(
            account=self.account,
            series=asked.listed.series,
            is_buy=asked.is_buy,
            qty=asked.qty,
            price=asked.price,
            max_fee=max_fee,
            tif=asked.tif,
            post_only=asked.post_only,
            reduce_only=asked.reduce_only,
            replaces=replaces,
            nonce=nonce,
            expiry_s=session_end(now_ns) if asked.ends_with_day else expiry_s,
            signer=b"",
            signature=b"",
            terms=asked.terms if asked.terms != NO_TERMS else None,
            legs=asked.listed.legs,
        )
        return self._key.order(self._domain, order_of(unsigned))

    async def _fee(self, listed: Listed) -> Price:
        weight = sum(abs(leg.ratio) for leg in listed.legs) or 1
        return await self._catalogue.max_fee(listed) if self._max_fee is None else self._max_fee * weight

    async def _with_worst_price(self, params: Params, listed: Listed, *, is_buy: bool) -> Params:
        """A market order gets the price it may cost at worst: so far beyond the touch, or beyond the mark."""
        kind = params.text("type", "limit")
        if kind not in _MARKETS or params.given("price"):
            return params
        if kind != "market" and params.text("trigger", "") != "index_price" and params.given("trigger_price"):
            near = params.number("trigger_price")
        else:
            ticker = await self._ask("public/ticker", {"instrument_name": listed.name})
            touch = ticker["best_ask_price" if is_buy else "best_bid_price"]
            near = Decimal(repr(touch or ticker["mark_price"]))
        return params.having(price=worst_price(listed, near, self._slippage, is_buy=is_buy))

    async def _closing(self, params: Params, now_ns: Nanos) -> tuple[str, dict[str, Any]]:
        """A reduce-only order for all of a position."""
        name = params.text("instrument_name")
        held = await self._ask("private/get_position", {"instrument_name": name, "subaccount_id": self.account})
        if not held["size"]:
            raise DialectError(Code.ALREADY_CLOSED, reason="position_must_be_open", param="instrument_name")
        kind = params.choice("type", ("limit", "market"))
        values = {"instrument_name": name, "type": kind, "reduce_only": True, "label": params.text("label", "")}
        values["amount"] = Decimal(repr(abs(held["size"])))
        values |= {"price": params.number("price")} if kind == "limit" else {}
        is_buy = held["size"] < 0
        return f"private/{'buy' if is_buy else 'sell'}", await self._placed(Params(values), now_ns, is_buy=is_buy)

    # -- edits --------------------------------------------------------------------------------------------------------

    async def _order(self, params: Params) -> dict[str, Any]:
        order: dict[str, Any] = await self._ask("private/get_order_state", {"order_id": params.text("order_id")})
        return order

    async def _labelled(self, params: Params) -> dict[str, Any]:
        where = {"currency": "any", "label": params.text("label"), "subaccount_id": self.account}
        name = params.text("instrument_name")
        found = [
            order
            for order in await self._ask("private/get_open_orders_by_label", where)
            if order["instrument_name"] == name
        ]
        if len(found) != 1:
            code = Code.LABEL_NOT_UNIQUE if found else Code.ORDER_NOT_FOUND
            raise DialectError(code, reason="label_must_name_one_order", param="label", value=len(found))
        order: dict[str, Any] = found[0]
        return order

    async def _edited(self, params: Params, order: Mapping[str, Any]) -> dict[str, Any]:
        """What is left out stays as it is; the new signature replaces the order's latest one."""
        listed = await self._catalogue.listed(order["instrument_name"])
        if not params.given("amount") and not params.given("contracts"):
            params = params.having(amount=Decimal(repr(order["amount"])))
        asked = edited(params, tracked_of(order, listed), listed)
        max_fee = await self._fee(listed)
        kept = {name: params.values[name] for name in params.values if name not in ("label", "instrument_name")}
        authorization = self._signed(
            asked,
            self._nonces.take(order["x_account"]),
            max_fee,
            0,
            order["x_nonce"] + 1,
            order.get("x_expiry", NO_EXPIRY),
        )
        return self._addressed(kept | {"order_id": order["order_id"], "authorization": authorization})

    # -- quotes -------------------------------------------------------------------------------------------------------

    async def _quoted(self, params: Params) -> dict[str, Any]:
        """One signature over all quotes of a message, with the budget of ``x_budget`` if there is one; without, what
        bounds them is the group's protection.
        """
        names = [item.text("instrument_name") for item in params.objects("quotes", count_max=U32_MAX)]
        await self._catalogue.require(names)
        leaves = [side.leaf for side in sides_of(params, self._catalogue.by_name)]
        if not leaves:
            raise wrong("quotes", "required")
        max_fee = max([await self._fee(self._catalogue.by_name[name]) for name in names])
        nonce = self._nonces.take(self.account)
        budget = _budget_of(params.object("x_budget")) if params.given("x_budget") else (0, 0, 0, 0)
        mandate = QuoteMandate(self.account, nonce, NO_EXPIRY, max_fee, *budget, b"", b"")
        authorization = self._key.quotes(self._domain, mandate, leaves)
        kept = {name: value for name, value in params.values.items() if name != "x_budget"}
        return self._addressed(kept | {"authorization": authorization})

    # -- requests for quotes ------------------------------------------------------------------------------------------

    async def _answered(self, method: str, params: Params) -> dict[str, Any]:
        """A quote, another in its place, or an acceptance: an order that is good for one request only."""
        before = await self._own_quote(params) if method == "private/edit_block_rfq_quote" else None
        rfq = before["block_rfq_id"] if before is not None else params.whole("block_rfq_id", high=U63_MAX)
        listed = await self._asked_about(rfq)
        if before is not None and not params.given("direction"):
            params = params.having(direction=before["direction"])
        whole = params.choice("execution_instruction", (ANY_PART, WHOLE), ANY_PART) == WHOLE
        is_taker = method == "private/accept_block_rfq"
        terms = Terms(rfq=rfq) if is_taker else protection_of(params, listed, Terms(rfq=rfq, whole=whole))
        tif = _RFQ_TIFS[params.choice("time_in_force", tuple(_RFQ_TIFS), "fill_or_kill")] if is_taker else GTC
        legs = params.objects("legs", count_max=_LEGS_MAX) if params.given("legs") else []
        priced = params if params.given("price") or len(legs) != 1 else legs[0]
        asked = Asked(
            listed=listed,
            is_buy=params.choice("direction", ("buy", "sell")) == "buy",
            qty=qty_of(params, listed),
            price=price_of(priced, listed),
            tif=tif,
            post_only=params.flag("post_only", default=bool(terms.protection)),
            reduce_only=False,
            label="",
            terms=terms,
        )
        max_fee, replaces = await self._fee(listed), before["x_nonce"] + 1 if before is not None else 0
        authorization = self._signed(asked, self._nonces.take(self.account), max_fee, 0, replaces)
        return self._addressed(params.values | {"authorization": authorization})

    async def _asked_about(self, rfq: int) -> Listed:
        where = {"block_rfq_id": rfq, "subaccount_id": self.account}
        found = (await self._ask("private/get_block_rfqs", where))["block_rfqs"]
        if not found:
            raise DialectError(Code.INVALID_PARAMS, reason="rfq_must_be_open", param="block_rfq_id")
        return await self._catalogue.listed(found[0]["combo_id"])

    async def _own_quote(self, params: Params) -> dict[str, Any]:
        named = ("block_rfq_quote_id", "block_rfq_id", "label")
        where = {name: params.values[name] for name in named if params.given(name)} | {"subaccount_id": self.account}
        found = await self._ask("private/get_block_rfq_quotes", where)
        if len(found) != 1:
            raise DialectError(Code.ORDER_NOT_FOUND, reason="quote_must_be_named", value=len(found))
        quote: dict[str, Any] = found[0]
        return quote


def _budget_of(given: Params) -> tuple[int, int, int, int]:
    """Contracts, underlying, USDC per vol point and fills, in the units that are signed; 0 for no bound."""
    scales = (("quantity", QTY_ONE), ("delta", DELTA_ONE), ("vega", USDC_ONE))
    quantity, delta, vega = (given.exact(name, one) if given.given(name) else 0 for name, one in scales)
    return quantity, delta, vega, given.whole("count", 0, high=U32_MAX)


def worst_price(listed: Listed, near: Decimal, slippage: Decimal, *, is_buy: bool) -> Decimal:
    """So far beyond a price as a fraction of it, on the next tick outwards; never below one tick where prices are
    above zero.
    """
    reach = abs(near) * slippage
    units = int(((near + reach) if is_buy else (near - reach)) * USDC_ONE)
    tick = listed.tick_at(units)
    units = -(-units // tick) * tick if is_buy else units // tick * tick
    if not listed.legs:
        units = max(units, listed.tick)
    return Decimal(units) / USDC_ONE


def tracked_of(order: Mapping[str, Any], listed: Listed) -> Tracked:
    """An open order as the venue has it, from what it tells of it."""
    terms = Terms(**order.get("x_terms", {}))
    waits = order["order_state"] == "untriggered"
    plain = OpenOrder(
        id=int(order["order_id"]),
        auth_id=0,
        account=order["x_account"],
        series=listed.series,
        is_buy=order["direction"] == "buy",
        price=price_units(Decimal(repr(order["price"]))),
        qty=qty_units(Decimal(repr(order["amount"]))),
        filled=qty_units(Decimal(repr(order["filled_amount"]))),
        priority=0,
        max_fee=order["x_max_fee"],
        reduce_only=order["reduce_only"],
        post_only=order["post_only"],
        tif=TIFS.get(order["time_in_force"], GTC),
        expiry_s=order.get("x_expiry", NO_EXPIRY),
        label=order["label"],
        created_ns=0,
        updated_ns=0,
        watch=terms.trigger if waits else 0,
    )
    return Tracked(plain, terms=terms)
