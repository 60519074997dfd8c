"""Requests for quotes over a client's connection: asked, answered and accepted, each answer and acceptance signed.

The request's instrument is what is signed for, so it is looked up before anything is. Imports client, signing.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from exchange.core.commands import FOK, GTC, IOC, Terms
from exchange.core.units import NO_EXPIRY
from exchange.dialect.rfqs import ANY_PART, WHOLE
from exchange.shell.client import Client
from exchange.shell.wallet import exact_price, exact_qty
from exchange.signing import ComboOrder, Order, terms_hash

Number = int | float | str | Decimal
_TIFS: Final = {"fill_or_kill": FOK, "immediate_or_cancel": IOC}


class Rfqs:
    """What a trader does about requests for quotes."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ask(self, instrument: str, amount: Number, *, makers: Iterable[str] = (), **terms: Any) -> int:
        """Ask for quotes: ``makers`` by name, or everybody; other parameters as in the API. Its number."""
        leg = {"instrument_name": instrument, "amount": amount, "direction": "buy"}
        made = await self.ask_for([leg], makers=makers, **terms)
        return int(made["block_rfq_id"])

    async def ask_for(
        self, legs: Iterable[dict[str, Any]], *, makers: Iterable[str] = (), **terms: Any
    ) -> dict[str, Any]:
        """Ask for quotes for up to four legs together; the request, whose ``combo_id`` is what is signed for."""
        params = {"subaccount_id": self._client.account, "legs": list(legs)} | terms
        if named := list(makers):
            params["makers"] = named
        made: dict[str, Any] = await self._client.call("private/create_block_rfq", params)
        return made

    async def answer(
        self,
        rfq: int,
        instrument: str,
        amount: Number,
        price: Number,
        *,
        is_buy: bool,
        whole: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        """Quote for a request; ``expiry_s`` and ``max_fee`` are signed, anything else is sent as it is."""
        order = await self._order(rfq, instrument, amount, price, is_buy=is_buy, whole=whole, signed=more)
        params = self._params(rfq, order, whole=whole) | more
        quote: dict[str, Any] = await self._client.call("private/add_block_rfq_quote", params)
        return quote | {"nonce": order.nonce}

    async def replace(
        self, quote: dict[str, Any], instrument: str, amount: Number, price: Number, *, whole: bool = False
    ) -> dict[str, Any]:
        """Replace a quote that ``answer`` or this has returned."""
        rfq, is_buy, signed = quote["block_rfq_id"], quote["direction"] == "buy", {"replaces": quote["nonce"] + 1}
        order = await self._order(rfq, instrument, amount, price, is_buy=is_buy, whole=whole, signed=signed)
        params = self._params(rfq, order, whole=whole) | {"block_rfq_quote_id": quote["block_rfq_quote_id"]}
        edited: dict[str, Any] = await self._client.call("private/edit_block_rfq_quote", params)
        return edited | {"nonce": order.nonce}

    async def accept(
        self,
        rfq: int,
        instrument: str,
        amount: Number,
        price: Number,
        *,
        is_buy: bool,
        time_in_force: str = "fill_or_kill",
        quote: int = 0,
    ) -> dict[str, Any]:
        """Fill the best quotes up to a limit, or only one of them. Raises Refused when too little fills."""
        signed = {"time_in_force": _TIFS[time_in_force]}
        order = await self._order(rfq, instrument, amount, price, is_buy=is_buy, whole=False, signed=signed)
        params = self._params(rfq, order, whole=False) | {"time_in_force": time_in_force}
        if quote:
            params["x_block_rfq_quote_id"] = quote
        done: dict[str, Any] = await self._client.call("private/accept_block_rfq", params)
        return done

    async def _order(
        self,
        rfq: int,
        instrument: str,
        amount: Number,
        price: Number,
        *,
        is_buy: bool,
        whole: bool,
        signed: dict[str, Any],
    ) -> Order | ComboOrder:
        client = self._client
        max_fee = signed.pop("max_fee", None)
        return (await client.known(instrument)).order(
            account=client.account,
            is_buy=is_buy,
            quantity=exact_qty(amount),
            limit_price=exact_price(price),
            max_fee=await client.default_max_fee(instrument) if max_fee is None else max_fee,
            time_in_force=signed.pop("time_in_force", GTC),
            replaces=signed.pop("replaces", 0),
            nonce=client.nonces.take(client.account),
            expiry=signed.pop("expiry_s", NO_EXPIRY),
            terms=terms_hash(Terms(rfq=rfq, whole=whole)),
            for_rfq=True,
        )

    def _params(self, rfq: int, order: Order | ComboOrder, *, whole: bool) -> dict[str, Any]:
        params = self._client.signed_params(order)
        del params["reduce_only"]
        side = {"block_rfq_id": rfq, "direction": "buy" if order.is_buy else "sell"}
        return (
            params | side | ({"execution_instruction": WHOLE if whole else ANY_PART} if not order.time_in_force else {})
        )
