"""Block trades as clients agree them, signed: both sides of a trade come to the same struct from the same words.

What the dialect says of a block (``timestamp``, ``nonce``, ``role``, ``trades``) and whom it is with is all there is to
say; expiry and most in fees follow from it. Imports catalogue, keys, session.
"""

from typing import Any, Final

from exchange.core import blocks
from exchange.core.commands import Block, BlockLeg
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, U32_MAX, U63_MAX, U64_MAX, USDC_ONE, Cash, Nanos, mul_div_up
from exchange.dialect.errors import Code, DialectError
from exchange.session.asking import price_of, qty_of
from exchange.session.requests import Params
from exchange.signer.catalogue import Catalogue
from exchange.signer.keys import Key

METHODS: Final = ("private/verify_block_trade", "private/simulate_block_trade", "private/execute_block_trade")
LIFE_S: Final = 300
"""How long after its ``timestamp`` a signature is good, and how far from now that may lie."""
_RATE_ONE: Final = 10**9
_OURS: Final = ("timestamp", "nonce", "x_counterparty", "x_max_fee", "x_queueable")


async def with_authorization(
    params: Params, account: int, catalogue: Catalogue, key: Key, domain: bytes, now_ns: Nanos
) -> dict[str, Any]:
    """The parameters as the venue wants them. Raises DialectError."""
    role = params.choice("role", ("maker", "taker"))
    other, stamp_ms = params.whole("x_counterparty", high=U32_MAX), params.whole("timestamp")
    if abs(stamp_ms * 10**6 - now_ns) > LIFE_S * NANOS_PER_SECOND:
        raise DialectError(Code.INVALID_PARAMS, param="timestamp", reason="timestamp_must_be_near_now")
    trades = params.objects("trades", count_max=blocks.LEGS_MAX)
    await catalogue.require([trade.text("instrument_name") for trade in trades])
    legs = tuple(sorted((_leg(trade, catalogue) for trade in trades), key=lambda leg: leg.series))
    block = Block(
        maker=account if role == "maker" else other,
        taker=other if role == "maker" else account,
        legs=legs,
        maker_max_fee=0,
        taker_max_fee=_max_fee(params, trades, catalogue),
        nonce=params.whole("nonce", high=U64_MAX),
        expiry_s=stamp_ms // 1_000 + LIFE_S,
        queueable=params.flag("x_queueable"),
    )
    authorization = _terms_of(block, account, other) | {"signature": key.block(domain, block)}
    kept = {name: value for name, value in params.values.items() if name not in _OURS}
    return kept | {"authorization": authorization}


def _terms_of(block: Block, account: int, other: int) -> dict[str, Any]:
    """What both sign besides the trades."""
    return {
        "account": account,
        "counterparty": other,
        "nonce": block.nonce,
        "expiry": block.expiry_s,
        "maker_max_fee": block.maker_max_fee,
        "taker_max_fee": block.taker_max_fee,
        "queueable": block.queueable,
    }


def _leg(trade: Params, catalogue: Catalogue) -> BlockLeg:
    """A trade is told as the maker sees it, and signed as the taker does."""
    listed = catalogue.by_name[trade.text("instrument_name")]
    is_buy = trade.choice("direction", ("buy", "sell")) == "sell"
    return BlockLeg(listed.series, is_buy, qty_of(trade, listed), price_of(trade, listed, is_market=False))


def _max_fee(params: Params, trades: list[Params], catalogue: Catalogue) -> Cash:
    """Most the taker pays for all of it: what is said, else the cap of the venue's fees on each leg, rounded up."""
    if params.given("x_max_fee"):
        return params.exact("x_max_fee", USDC_ONE, bound=U63_MAX)
    total = 0
    for trade in trades:
        leg, cap = _leg(trade, catalogue), catalogue.fee_cap(trade.text("instrument_name"))
        total += mul_div_up(leg.price * leg.qty, int(cap * _RATE_ONE) + 1, QTY_ONE * _RATE_ONE) + 1
    return total
