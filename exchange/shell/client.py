"""A typed client of the venue: signs what it sends, checks what it is told.

One WebSocket, one reader task, bounded queues. Login and orders are signed locally; keys never leave the process. The
domain that orders are signed for comes from the venue's status and can be pinned, so a venue cannot talk a trader into
signing for other contracts. Imports wallet, receipts, signing, websockets.
"""

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self

import msgspec
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from exchange.core.commands import FOK, GTC, IOC, NO_TERMS, OCO, UNLINKED, Block, Operation, QuoteMandate, Terms
from exchange.core.legs import Leg, Legs, pack
from exchange.core.units import NO_EXPIRY, QTY_ONE, USDC_ONE, Price
from exchange.dialect.operations import params_of_operation
from exchange.shell.receipts import Receipts
from exchange.shell.subscription import Disconnected, Notification, Subscription
from exchange.shell.wallet import (
    NO_BUDGET,
    Budget,
    Nonces,
    Number,
    Quote,
    SignedReceipt,
    Untrusted,
    Venue,
    block_params,
    edits_of_terms,
    exact_price,
    exact_qty,
    params_of_terms,
    parse_receipt,
    sign_login,
    sign_operation,
    sign_order,
    sign_quotes,
)
from exchange.signing import ComboOrder, Order, terms_hash

FRAME_MAX: Final = 16 * 2**20
QUEUE_MAX: Final = 10_000
ORDERS_KEPT: Final = 10_000
TIFS: Final = {"good_til_cancelled": GTC, "immediate_or_cancel": IOC, "fill_or_kill": FOK}
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Refused(Exception):
    """The venue answered with an error: its code, message and data."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any]) -> None:
        super().__init__(f"{code} {message} {dict(data)}")
        self.code = code
        self.message = message
        self.data = data


_PRIVATE: Final = ("user.", "block_rfq.taker.", "block_rfq.maker.")


class Instrument(NamedTuple):
    """What a trader needs to know to sign an order: series number, steps (USDC, contracts), the fee rate; of a combo
    its legs, which are signed instead of its number.
    """

    name: str
    series: int
    price_index: str
    tick_size: float
    min_amount: float
    taker_rate: float
    legs: Legs = ()

    def order(self, **said: Any) -> Order | ComboOrder:
        """What is signed to trade it."""
        return ComboOrder(legs=pack(self.legs), **said) if self.legs else Order(series=self.series, **said)


class Placed(NamedTuple):
    """The venue's answer to an order: order and trades as the dialect has them, receipt, and the signed digest."""

    order: dict[str, Any]
    trades: list[dict[str, Any]]
    receipt: SignedReceipt
    order_hash: bytes

    @property
    def order_id(self) -> str:
        """Id to edit or cancel it by."""
        return str(self.order["order_id"])


class Linked(NamedTuple):
    """An order that comes along with another, for the same amount: ``terms`` carry its trigger."""

    is_buy: bool
    price: Number
    terms: Terms
    reduce_only: bool = False
    time_in_force: str = "good_til_cancelled"


def _said(**params: Any) -> dict[str, Any]:
    """Those that say something: what is left out is false or empty at the venue too."""
    return {name: value for name, value in params.items() if value}


class _Signed(NamedTuple):
    instrument: str
    is_buy: bool
    nonce: int
    account: int
    terms: Terms


class Client:
    """One connection to the venue. Use as an async context manager, or call ``close``."""

    def __init__(self, socket: ClientConnection, venue: Venue, nonces: Nonces, receipts: Receipts) -> None:
        self.venue = venue
        self.nonces = nonces
        self.receipts = receipts
        self.account = -1
        self.verify_receipts = True
        self._socket = socket
        self._key = b""
        self._ids = 0
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._signed: OrderedDict[str, _Signed] = OrderedDict()
        self._instruments: dict[str, Instrument] = {}
        self._index: dict[str, float] = {}
        self._replies: set[asyncio.Task[None]] = set()
        self._over: Exception | None = None
        self._reader = asyncio.create_task(self._read(), name="client reader")

    @classmethod
    async def connect(
        cls, url: str, *, pinned: Venue | None = None, nonces: Nonces | None = None, receipts: Receipts | None = None
    ) -> Self:
        """Connect to ``ws://host:port/ws/api/v2``. Raises Untrusted when the venue is not the pinned one.

        Clients of one trader may share ``nonces`` and ``receipts``.
        """
        socket = await connect(url, max_size=FRAME_MAX, compression=None, ping_interval=None)
        client = cls(socket, Venue("", 0, "", ""), nonces or Nonces(), receipts if receipts is not None else Receipts())
        try:
            status = await client.call("public/status")
            client.venue = _pinned(msgspec.convert(status["x_venue"], Venue), pinned)
        except BaseException:
            await client.close()
            raise
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; open calls and subscriptions end with Disconnected."""
        await self._socket.close()
        await asyncio.gather(self._reader, *self._replies, return_exceptions=True)

    # -- calls --------------------------------------------------------------------------------------------------------

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method and return its result. Raises Refused, Disconnected, or Untrusted for a bad receipt."""
        if self._over is not None:
            raise self._over
        self._ids += 1
        number = self._ids
        waiter = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
        try:
            await self._socket.send(_encode(message), text=True)
        except ConnectionClosed as error:
            self._waiting.pop(number, None)
            raise Disconnected(str(error)) from error
        return await waiter

    async def login(self, key: bytes, *, account: int | None = None, scope: str | None = None) -> dict[str, Any]:
        """Log in as a wallet or session key; its first account, or the given one, becomes the default for orders."""
        params = sign_login(key, await self.call("public/get_time"), secrets.token_hex(8))
        grant: dict[str, Any] = await self.call("public/auth", params | ({"scope": scope} if scope else {}))
        self._key = key
        where = {"currency": "USDC"} | ({"subaccount_id": account} if account is not None else {})
        summary = await self.call("private/get_account_summary", where)
        self.account = summary["id"]
        self.nonces.start_at(self.account, summary["x_next_nonce"])
        return grant

    async def instruments(self, *, refresh: bool = False) -> dict[str, Instrument]:
        """All live instruments by name; remembered."""
        if refresh or not self._instruments:
            listed = await self.call("public/get_instruments", {"currency": "any", "kind": "any"})
            self._instruments = {item["instrument_name"]: _instrument(item) for item in listed}
        return self._instruments

    # -- orders -------------------------------------------------------------------------------------------------------

    async def buy(self, instrument: str, amount: Number, price: Number, **terms: Any) -> Placed:
        """Buy with a limit; terms as of ``place``."""
        return await self.place(instrument, amount, price, is_buy=True, **terms)

    async def sell(self, instrument: str, amount: Number, price: Number, **terms: Any) -> Placed:
        """Sell with a limit; terms as of ``place``."""
        return await self.place(instrument, amount, price, is_buy=False, **terms)

    async def place(
        self,
        instrument: str,
        amount: Number,
        price: Number,
        *,
        is_buy: bool,
        time_in_force: str = "good_til_cancelled",
        post_only: bool = False,
        reject_post_only: bool = False,
        reduce_only: bool = False,
        label: str = "",
        max_fee: Price | None = None,
        expiry_s: int = NO_EXPIRY,
        terms: Terms = NO_TERMS,
        linked: Sequence[Linked] = (),
        once: bool = False,
    ) -> Placed:
        """Sign and send an order: amount in contracts, price in USDC. Raises Refused; Untrusted for a bad receipt.
        With ``once`` the label names the request: whoever sends it again within a day gets the first answer again.

        ``terms`` are what only the venue keeps to, ``linked`` what comes along: one order that cancels this one as it
        fills, or with ``terms.link`` BRACKET what closes what this one opens.
        """
        link, known = (terms.link or OCO) if linked else UNLINKED, await self.known(instrument)
        slides = post_only and not reject_post_only and not known.legs
        terms = replace(terms, slide=slides, link=link, attached=len(linked))
        order = known.order(
            account=self.account,
            is_buy=is_buy,
            quantity=exact_qty(amount),
            limit_price=exact_price(price),
            max_fee=await self.default_max_fee(instrument) if max_fee is None else max_fee,
            time_in_force=TIFS[time_in_force],
            post_only=post_only,
            reduce_only=reduce_only,
            nonce=self.nonces.take(self.account),
            expiry=expiry_s,
            terms=terms_hash(terms),
        )
        params = self.signed_params(order) | {"instrument_name": instrument, "time_in_force": time_in_force}
        params |= params_of_terms(terms, is_buy=is_buy)
        params |= _said(reject_post_only=post_only and reject_post_only, label=label, x_once=once)
        if linked:
            params |= self._linked(order, link, linked)
        return await self._send("private/buy" if is_buy else "private/sell", params, instrument, order, terms)

    def _linked(self, first: Order | ComboOrder, link: int, linked: Sequence[Linked]) -> dict[str, Any]:
        """What comes along, each signed for itself."""
        items = []
        for item in linked:
            terms = replace(item.terms, link=link, parent=first.nonce + 1)
            order = replace(
                first,
                is_buy=item.is_buy,
                limit_price=exact_price(item.price),
                time_in_force=TIFS[item.time_in_force],
                post_only=False,
                reduce_only=item.reduce_only,
                nonce=self.nonces.take(first.account),
                terms=terms_hash(terms),
            )
            words = {"direction": "buy" if item.is_buy else "sell", "time_in_force": item.time_in_force}
            items.append(self.signed_params(order) | words | params_of_terms(terms, is_buy=item.is_buy))
        kinds = ("one_triggers_other", "one_triggers_one_cancels_other")
        kind = "one_cancels_other" if link == OCO else kinds[len(linked) - 1]
        return {"linked_order_type": kind, "otoco_config": items}

    async def edit(self, order_id: str, amount: Number, price: Number, **terms: Any) -> Placed:
        """Replace an order this client placed: total amount, filled part included, and the new price."""
        before, max_fee = self._signed[order_id], terms.pop("max_fee", None)
        signed = terms.pop("terms", before.terms)
        order = (await self.known(before.instrument)).order(
            account=before.account,
            is_buy=before.is_buy,
            quantity=exact_qty(amount),
            limit_price=exact_price(price),
            max_fee=await self.default_max_fee(before.instrument) if max_fee is None else max_fee,
            post_only=terms.pop("post_only", False),
            reduce_only=terms.pop("reduce_only", False),
            replaces=before.nonce + 1,
            nonce=self.nonces.take(before.account),
            expiry=terms.pop("expiry_s", NO_EXPIRY),
            time_in_force=TIFS[terms.pop("time_in_force", "good_til_cancelled")],
            terms=terms_hash(signed),
        )
        params = self.signed_params(order) | {"order_id": order_id} | edits_of_terms(signed) | terms
        return await self._send("private/edit", params, before.instrument, order, signed)

    async def cancel(self, order_id: str) -> dict[str, Any]:
        """Cancel one order; the order as it was left."""
        order: dict[str, Any] = await self.call("private/cancel", {"order_id": order_id})
        return order

    async def cancel_all(self, instrument: str | None = None) -> int:
        """Cancel all orders of the account, or those in one instrument; how many."""
        where: dict[str, Any] = {"subaccount_id": self.account}
        if instrument is None:
            return int(await self.call("private/cancel_all", where))
        return int(await self.call("private/cancel_all_by_instrument", where | {"instrument_name": instrument}))

    async def mass_quote(
        self,
        quotes: Sequence[Quote],
        group: str,
        budget: Budget = NO_BUDGET,
        *,
        whole: bool = False,
        label: str = "",
        max_fee: Price = 0,
        expiry_s: int = NO_EXPIRY,
    ) -> dict[str, Any]:
        """Sign many quotes at once and send them; they replace what the group quoted before in these instruments.

        ``max_fee`` matters only at a venue whose makers pay. The result tells how many stand and why others do not.
        """
        leaves = [leaf for quote in quotes for leaf in quote.leaves((await self.known(quote.instrument)).series)]
        nonce = self.nonces.take(self.account)
        mandate = QuoteMandate(self.account, nonce, expiry_s, max_fee, *budget.units(), b"", b"")
        params = {
            "mmp_group": group,
            "quote_id": label,
            "x_whole": whole,
            "quotes": [quote.params() for quote in quotes],
            "authorization": sign_quotes(self._key, self.venue.domain(), mandate, leaves),
        }
        result: dict[str, Any] = await self.call("private/mass_quote", params)
        return result

    async def create_combo(self, trades: Sequence[tuple[str, int]]) -> str:
        """List a combo of instruments, each with how much of it buying the combo buys, below zero sells; its name.

        The combo is canonical: where the first leg would be sold, buying it is the other way round.
        """
        legs = [
            {"instrument_name": name, "amount": abs(ratio), "direction": "buy" if ratio > 0 else "sell"}
            for name, ratio in trades
        ]
        return str((await self.call("private/create_combo", {"trades": legs}))["id"])

    async def trade_block(self, block: Block, maker_signature: str, taker_signature: str) -> dict[str, Any]:
        """Have a block traded that both parties have signed (``wallet.sign_block``), whoever this client is."""
        names = {item.series: name for name, item in (await self.instruments()).items()}
        params = block_params(block, "maker", names, maker_signature, taker_signature)
        result: dict[str, Any] = await self.call("public/x_submit_block_trade", params)
        return result

    async def operate(self, operation: Operation, key: bytes, **subject: Any) -> int:
        """Send a command of the operator, signed by its key; the number of its record. No login is needed.

        ``subject`` says in the dialect's words what the command is about: ``instrument_name``, or ``index_name``, with
        ``expiration_timestamp`` for an expiry. Its ``authoriser``, where it has one, is ``venue.operator``.
        """
        nonce = (await self.call("public/status"))["x_operator_nonce"] + 1
        params = params_of_operation(operation, subject)
        params["authorization"] = sign_operation(key, self.venue.domain(), operation, nonce)
        result: dict[str, Any] = await self.call("public/x_operate", params)
        return int(result["seq"])

    async def default_max_fee(self, instrument: str) -> Price:
        """Twice the taker's rate on the index, per contract or unit of a combo: enough until the index has doubled."""
        known = await self.known(instrument)
        if known.price_index not in self._index:
            found = await self.call("public/get_index_price", {"index_name": known.price_index})
            self._index[known.price_index] = found["index_price"]
        weight = sum(abs(leg.ratio) for leg in known.legs) or 1
        return (int(2 * known.taker_rate * self._index[known.price_index] * USDC_ONE) + 1) * weight

    def signed_params(self, order: Order | ComboOrder) -> dict[str, Any]:
        """What a request says of an order, with its signature by the key of this login."""
        return {
            "amount": Decimal(order.quantity) / QTY_ONE,
            "price": Decimal(order.limit_price) / USDC_ONE,
            "post_only": order.post_only,
            "reduce_only": order.reduce_only,
            "authorization": sign_order(self._key, self.venue.domain(), order),
        }

    async def _send(
        self, method: str, params: Mapping[str, Any], instrument: str, order: Order | ComboOrder, terms: Terms
    ) -> Placed:
        result = await self.call(method, params)
        receipt = parse_receipt(result["receipt"])
        placed = Placed(result["order"], result["trades"], receipt, bytes.fromhex(result["x_order_hash"][2:]))
        self._signed[placed.order_id] = _Signed(instrument, order.is_buy, order.nonce, order.account, terms)
        if len(self._signed) > ORDERS_KEPT:
            self._signed.popitem(last=False)
        return placed

    async def known(self, name: str) -> Instrument:
        """An instrument by name, looked up again if it is new. Raises LookupError."""
        known = (await self.instruments()).get(name) or (await self.instruments(refresh=True)).get(name)
        if known is None:
            raise LookupError(f"no instrument {name}")
        return known

    # -- channels -----------------------------------------------------------------------------------------------------

    async def subscribe(self, channels: Iterable[str], *, limit: int = QUEUE_MAX) -> Subscription:
        """Subscribe; messages queue up to ``limit``. Raises Refused when a channel was not accepted."""
        wanted = tuple(channels)
        subscription = Subscription(wanted, limit, self.unsubscribe)
        for channel in wanted:
            self._subscriptions.setdefault(channel, []).append(subscription)
        scope = "private" if any(channel.startswith(_PRIVATE) for channel in wanted) else "public"
        try:
            accepted = await self.call(f"{scope}/subscribe", {"channels": list(wanted)})
        except (Refused, Disconnected):
            self._drop(subscription)
            raise
        missing = [channel for channel in wanted if channel not in accepted]
        if missing:
            self._drop(subscription)
            raise Refused(0, "channels not accepted", {"channels": missing})
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; channels nobody else here reads are unsubscribed at the venue."""
        unread = self._drop(subscription)
        subscription.end(Disconnected("unsubscribed"))
        if unread and self._over is None:
            await self.call("public/unsubscribe", {"channels": unread})

    def _drop(self, subscription: Subscription) -> list[str]:
        for channel in subscription.channels:
            readers = self._subscriptions.get(channel, [])
            if subscription in readers:
                readers.remove(subscription)
            if not readers:
                self._subscriptions.pop(channel, None)
        return [channel for channel in subscription.channels if channel not in self._subscriptions]

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        why = Disconnected("closed")
        try:
            async for frame in self._socket:
                self._receive(msgspec.json.decode(frame))
        except ConnectionClosed as error:
            why = Disconnected(str(error))
        finally:
            self._end(why)

    def _end(self, why: Exception) -> None:
        self._over = why
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(why)
                waiter.exception()  # whoever asks next is told so; a caller who gave up meanwhile is not missed
        for readers in self._subscriptions.values():
            for reader in readers:
                reader.end(why)

    def _receive(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if method == "subscription":
            note = Notification(message["params"]["channel"], message["params"]["data"])
            for reader in self._subscriptions.get(note.channel, ()):
                reader.push(note)
        elif method == "heartbeat":
            if message["params"]["type"] == "test_request":
                self._in_background(self.call("public/test"))
        else:
            self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        waiter = self._waiting.pop(message["id"], None) if message.get("id") is not None else None
        doubt = self._doubt(message)  # also of answers nobody waits for any more: a lie is a lie
        if waiter is None or waiter.done():
            return
        if doubt is not None:
            waiter.set_exception(doubt)
            return
        error = message.get("error")
        if error is None:
            waiter.set_result(message["result"])
        else:
            waiter.set_exception(Refused(error["code"], error["message"], error.get("data", {})))

    def _doubt(self, message: Mapping[str, Any]) -> Untrusted | None:
        """Check and keep the receipt of an answer; what is wrong with it."""
        try:
            if self.verify_receipts:
                self.receipts.take(self.venue, message)
        except Untrusted as error:
            return error
        return None

    def _in_background(self, calling: Any) -> None:
        task = asyncio.create_task(_quietly(calling))
        self._replies.add(task)
        task.add_done_callback(self._replies.discard)


async def _quietly(calling: Any) -> None:
    """Answer a heartbeat; if the connection ends meanwhile, the reader tells everyone."""
    with contextlib.suppress(Disconnected, Refused):
        await calling


def _pinned(venue: Venue, pinned: Venue | None) -> Venue:
    if pinned is not None and venue != pinned:
        raise Untrusted(f"{venue} is not {pinned}")
    return venue


def _instrument(item: Mapping[str, Any]) -> Instrument:
    return Instrument(
        item["instrument_name"],
        item["instrument_id"],
        item["price_index"],
        item["tick_size"],
        item["min_trade_amount"],
        item["taker_commission"],
        tuple(Leg(*leg) for leg in item.get("x_legs", ())),
    )
