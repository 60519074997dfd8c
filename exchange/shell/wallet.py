"""The offline half of a trader: keys sign here, and nothing here touches a socket.

Owns the ``authorization`` object of orders, the login of wallets, the counter of nonces and the reading of receipts.
Imports dialect and signing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core.commands import Block, Operation, QuoteLeaf, QuoteMandate, Terms
from exchange.core.units import NO_EXPIRY, QTY_ONE, USDC_ONE, Price, Qty
from exchange.dialect.numbers import DELTA_ONE, price_units, qty_units, units_of
from exchange.dialect.orders import SELF_TRADE_NAMES, TRIGGER_NAMES, order_type
from exchange.signing import (
    ComboOrder,
    Order,
    Receipt,
    address_of,
    block_digest,
    domain_separator,
    from_hex,
    login_digest,
    mandate_digest,
    mandate_root,
    operation_digest,
    order_digest,
    receipt_digest,
    recover,
    sign,
    to_hex,
)

Number = Decimal | int | str | float


class Untrusted(Exception):
    """The venue is not the one pinned, or a receipt does not carry the operator's signature."""


class Venue(msgspec.Struct, frozen=True):
    """What orders are signed for: addresses as checksummed text."""

    name: str
    chain_id: int
    clearing: str
    operator: str

    def domain(self) -> bytes:
        """EIP-712 separator of Clearing."""
        return domain_separator(self.chain_id, from_hex(self.clearing))


class SignedReceipt(NamedTuple):
    """The operator's word that the message stands in the journal."""

    receipt: Receipt
    signature: bytes


class Nonces:
    """A counter per account. Share one object among the clients of an account, so that no nonce repeats."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def start_at(self, account: int, nonce: int) -> None:
        """Never give out anything below ``nonce``."""
        self._next[account] = max(self._next.get(account, 0), nonce)

    def take(self, account: int) -> int:
        """The next unused nonce."""
        nonce = self._next.get(account, 0)
        self._next[account] = nonce + 1
        return nonce


def sign_order(key: bytes, domain: bytes, order: Order | ComboOrder) -> dict[str, Any]:
    """The ``authorization`` object of an order, signed offline. Raises SigningError when a field leaves its type."""
    return {
        "account": order.account,
        "nonce": order.nonce,
        "expiry": order.expiry,
        "max_fee": order.max_fee,
        "replaces": order.replaces,
        "signature": "0x" + sign(key, order_digest(domain, order)).hex(),
    }


def sign_block(key: bytes, domain: bytes, block: Block) -> str:
    """One party's signature over a block trade. Raises SigningError when a field leaves its type."""
    return "0x" + sign(key, block_digest(domain, block)).hex()


def block_params(block: Block, role: str, instruments: Mapping[int, str], own: str, other: str) -> dict[str, Any]:
    """Parameters of the methods that take a block, as ``maker`` or ``taker``, with both signatures (empty: none yet).

    Trades are told from the maker's side; ``instruments`` names each series.
    """
    accounts = (block.maker, block.taker) if role == "maker" else (block.taker, block.maker)
    trades = [
        {
            "instrument_name": instruments[leg.series],
            "direction": "sell" if leg.is_buy else "buy",
            "amount": _number(Decimal(leg.qty) / QTY_ONE),
            "price": _number(Decimal(leg.price) / USDC_ONE),
        }
        for leg in block.legs
    ]
    signed = {
        "account": accounts[0],
        "counterparty": accounts[1],
        "nonce": block.nonce,
        "expiry": block.expiry_s,
        "maker_max_fee": block.maker_max_fee,
        "taker_max_fee": block.taker_max_fee,
        "queueable": block.queueable,
    }
    first = {"signature": own} if own else {}
    second = {"counterparty_signature": other} if other else {}
    return {"role": role, "trades": trades, "authorization": signed | first, **second}


class Quote(NamedTuple):
    """Both sides of an instrument, or one: (price in USDC, amount in contracts); greeks of one contract bought."""

    instrument: str
    bid: tuple[Number, Number] | None = None
    ask: tuple[Number, Number] | None = None
    delta: Number = 0
    vega: Number = 0

    def leaves(self, series: int) -> list[QuoteLeaf]:
        """What is signed of it, the bid first. Raises NotExact when a number is finer than can be signed."""
        delta, vega = units_of(_decimal(self.delta), DELTA_ONE), units_of(_decimal(self.vega), USDC_ONE)
        sides = [(is_buy, side) for is_buy, side in ((True, self.bid), (False, self.ask)) if side is not None]
        return [
            QuoteLeaf(series, is_buy, exact_qty(amount), exact_price(price), delta, vega)
            for is_buy, (price, amount) in sides
        ]

    def params(self) -> dict[str, Any]:
        """Its form in ``private/mass_quote``."""
        greeks = {"x_delta": _number(self.delta), "x_vega": _number(self.vega)}
        shown: dict[str, Any] = {"instrument_name": self.instrument} | greeks
        for name, side in (("bid", self.bid), ("ask", self.ask)):
            if side is not None:
                shown[name] = {"price": _number(side[0]), "amount": _number(side[1])}
        return shown


class Budget(NamedTuple):
    """What may fill under one signature, in contracts, underlying, USDC per vol point and fills; zero is no bound."""

    quantity: Number = 0
    delta: Number = 0
    vega: Number = 0
    fills: int = 0

    def units(self) -> tuple[int, int, int, int]:
        """The figures as they are signed. Raises NotExact when one is finer than can be signed."""
        delta, vega = units_of(_decimal(self.delta), DELTA_ONE), units_of(_decimal(self.vega), USDC_ONE)
        return exact_qty(self.quantity), delta, vega, self.fills


NO_BUDGET: Final = Budget()


def sign_quotes(key: bytes, domain: bytes, mandate: QuoteMandate, leaves: Sequence[QuoteLeaf]) -> dict[str, Any]:
    """The ``authorization`` object of a message of quotes, signed offline over the root of them all."""
    return {
        "account": mandate.account,
        "nonce": mandate.nonce,
        "expiry": mandate.expiry_s,
        "max_fee": mandate.max_fee,
        "quantity": mandate.qty,
        "delta": mandate.delta,
        "vega": mandate.vega,
        "count": mandate.count,
        "signature": "0x" + sign(key, mandate_digest(domain, mandate, mandate_root(leaves))).hex(),
    }


def params_of_terms(terms: Terms, *, is_buy: bool) -> dict[str, Any]:
    """The parameters of a new order that say what its terms say; the venue reads the same terms from them."""
    params: dict[str, Any] = {"type": order_type(terms, is_buy=is_buy)}
    if terms.display:
        params["display_amount"] = Decimal(terms.display) / QTY_ONE
    if terms.self_trade:
        params["x_self_trade"] = SELF_TRADE_NAMES[terms.self_trade]
    if terms.trigger:
        params["trigger"] = next(name for name, code in TRIGGER_NAMES.items() if code == terms.trigger)
        params["trigger_price"] = Decimal(terms.trigger_price) / USDC_ONE
    return params | (_protected(terms) if terms.protection else {})


def _protected(terms: Terms) -> dict[str, Any]:
    counted = {"x_delta": Decimal(terms.delta) / DELTA_ONE, "x_vega": Decimal(terms.vega) / USDC_ONE}
    return {"mmp": terms.protection != "", "mmp_group": terms.protection or None} | counted


def edits_of_terms(terms: Terms) -> dict[str, Any]:
    """The parameters of an edit that say what its terms say."""
    params: dict[str, Any] = {"display_amount": Decimal(terms.display) / QTY_ONE, "reject_post_only": not terms.slide}
    params["x_self_trade"] = SELF_TRADE_NAMES[terms.self_trade]
    params |= _protected(terms)
    return params | ({"trigger_price": Decimal(terms.trigger_price) / USDC_ONE} if terms.trigger else {})


def sign_login(key: bytes, timestamp_ms: int, nonce: str, data: str = "") -> dict[str, Any]:
    r"""Parameters of ``public/auth`` for a wallet: EIP-191 over ``timestamp\nnonce\ndata``."""
    digest = login_digest(f"{timestamp_ms}\n{nonce}\n{data}")
    return {
        "grant_type": "client_signature",
        "client_id": to_hex(address_of(key)),
        "timestamp": timestamp_ms,
        "nonce": nonce,
        "data": data,
        "signature": "0x" + sign(key, digest).hex(),
    }


def exact_price(value: Number) -> Price:
    """A price as 1e-6 USDC. Raises NotExact when it is finer."""
    return price_units(_decimal(value))


def exact_qty(value: Number) -> Qty:
    """An amount as 1e-4 contract. Raises NotExact when it is finer."""
    return qty_units(_decimal(value))


def _number(value: Number) -> Number:
    """As JSON has it: text is a number too."""
    return Decimal(value) if isinstance(value, str) else value


def _decimal(value: Number) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def sign_operation(
    key: bytes, domain: bytes, operation: Operation, nonce: int, expiry_s: int = NO_EXPIRY
) -> dict[str, Any]:
    """The ``authorization`` object of a command of the operator, signed offline by its key."""
    signature = sign(key, operation_digest(domain, operation, nonce, expiry_s))
    return {"nonce": nonce, "expiry": expiry_s, "signature": "0x" + signature.hex()}


def parse_receipt(value: Mapping[str, Any]) -> SignedReceipt:
    """Receipt from its JSON object."""
    plain = Receipt(
        seq=value["seq"],
        prior_root=bytes.fromhex(value["prior_root"][2:]),
        record_hash=bytes.fromhex(value["record_hash"][2:]),
        time_ns=value["time_ns"],
    )
    return SignedReceipt(plain, bytes.fromhex(value["signature"][2:]))


def verify_receipt(venue: Venue, receipt: SignedReceipt) -> None:
    """Raise Untrusted unless the venue's operator signed the receipt."""
    signer = recover(receipt_digest(venue.domain(), receipt.receipt), receipt.signature)
    if to_hex(signer) != venue.operator:
        raise Untrusted(f"receipt {receipt.receipt.seq} is not signed by the operator")
