"""What the contracts read and write, as words: price sheets, registry, orders, trades, batches, positions.

Pure encoders and decoders between plain structs and the arguments of Vault, Clearing and Oracle. Every value is
checked against the width it has on chain, so that nothing leaves here that a contract would revert on for its
form. Prices and cash in 1e-6 USDC, quantities in 1e-4 contract, rates in 1e-18, times in seconds. May import
signing, lanes, core commands, msgspec and a hash function; knows no node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from tiny_keccak import keccak256 as keccak

from exchange.core.commands import CashChange, ExecuteBlock, MovedLeg, OffbookLeg, QuoteLeaf, QuoteMandate
from exchange.lanes import (
    EncodingError,
    fit,
    joined,
    pack_signed,
    pack_unsigned,
    twos_complement,
    unpack_signed,
    unpack_unsigned,
)
from exchange.signing import NO_TERMS_HASH, BatchHeader, ComboOrder, Order, RoundHeader, compact, recover

MAX_ORDERS = 256  # of a batch
MAX_TRADES = 256  # of a batch
MAX_MANDATES = 32  # of a batch
MAX_PROOF = 8  # hashes of a quote, of which a mandate has 256
MAX_BODY_WORDS = 1280  # of a batch: four to an order, one to a trade, the annex, one of counts
MAX_SHEETS = 64  # of a round
MAX_SHEET_WORDS = 512  # of one call, all its sheets together
MAX_GROUPS = 64  # of an expiry; four series each
MAX_SPOTS = 32  # of a round
OVER = 2**32 - 1  # what is said to be filled of an order that is filled whole or replaced; no quantity is as large
SHEET_HEAD_WORDS = 2

_CALL_BIT = 1 << 63
_QUOTE_FLAGS = 1 << 3 | 1 << 1  # and post-only
_MASK_64 = 2**64 - 1


class SpotWord(msgspec.Struct, frozen=True):
    """Price of an underlying in a round. `acc` is the integral of the spot since the genesis of the feed,
    in 1e-6 USDC times seconds.
    """

    underlying: int
    spot: int
    conf: int
    acc: int


class Sheet(msgspec.Struct, frozen=True):
    """What a round says of one expiry. `marks[i]` is the mark of series index i, rounded up; 0 if unlisted."""

    expiry_id: int
    underlying: int
    spot: int
    forward: int
    conf: int
    marks: tuple[int, ...]


class Round(msgspec.Struct, frozen=True):
    """A whole oracle round: `time` in seconds, `stable` in 1e-18. `commitment`: the hash of what it says of risk arrays
    (`risk_words`), which stands behind those of its sheets; empty if it says nothing.
    """

    round_id: int
    time: int
    stable: int
    spots: tuple[SpotWord, ...]
    sheets: tuple[Sheet, ...]
    commitment: bytes = b""


class SignedOrder(msgspec.Struct, frozen=True):
    """An order with a signature of 65 bytes, or of 64 in the form of EIP-2098."""

    order: Order | ComboOrder
    signature: bytes


class SignedQuote(msgspec.Struct, frozen=True):
    """One quote of a mandate: the `place`-th, with the hashes that lead from it to the root the maker signed."""

    mandate: QuoteMandate
    root: bytes
    place: int
    leaf: QuoteLeaf
    proof: tuple[bytes, ...]


Entry = SignedOrder | SignedQuote


class Trade(msgspec.Struct, frozen=True):
    """A fill between two orders of a batch, named by their places in its list. `index` is the engine's spot.

    `units`: of the combo, when this is of a leg of an execution of one; all its trades say the same. 0: of none.
    """

    maker: int
    taker: int
    quantity: int
    price: int
    index: int
    units: int = 0


# -- series and positions ------------------------------------------------------------------------------------


def series_id(expiry_id: int, index: int) -> int:
    """Number of a series from the listing number of its expiry and its index there."""
    if not 0 < expiry_id < 2**16:
        raise EncodingError("expiry_id", f"{expiry_id} is not between 1 and 65535")
    if not 0 <= index < 4 * MAX_GROUPS:
        raise EncodingError("index", f"{index} is not below {4 * MAX_GROUPS}")
    return expiry_id << 16 | index


def strike_lane(strike: int, is_call: bool) -> int:
    """Registry lane of a series. Strike above 0 and below 2**63."""
    if not 0 < strike < _CALL_BIT:
        raise EncodingError("strike", f"{strike} is not between 1 and 2**63 - 1")
    return strike | is_call << 63


def strikes_word(series: Sequence[tuple[int, bool] | None]) -> int:
    """Registry word of up to four series (strike, is_call); None leaves a lane empty."""
    return pack_unsigned([strike_lane(*one) if one else 0 for one in series])


def unpack_strikes(word: int) -> tuple[tuple[int, bool] | None, ...]:
    """Four series (strike, is_call) of a registry word, None where a lane is empty."""
    return tuple((lane & ~_CALL_BIT, bool(lane & _CALL_BIT)) if lane else None for lane in unpack_unsigned(word))


def positions_to_words(positions: Mapping[int, int]) -> dict[tuple[int, int], int]:
    """Position words by (expiry_id, group) from quantities by series, as Clearing stores them."""
    lanes: dict[tuple[int, int], list[int]] = {}
    for series, quantity in positions.items():
        index = fit("series", series, 32) & 0xFFFF
        series_id(series >> 16, index)
        lanes.setdefault((series >> 16, index >> 2), [0] * 4)[index & 3] = quantity
    return {place: pack_signed(four) for place, four in sorted(lanes.items())}


def positions_from_words(expiry_id: int, held: int, words: Sequence[int]) -> dict[int, int]:
    """Non-zero quantities by series, from what Clearing's `positions_of` returns: bitmap of groups, words."""
    groups = [group for group in range(MAX_GROUPS) if held >> group & 1]
    if len(groups) != len(words) or held >> MAX_GROUPS:
        raise EncodingError("held", f"{held.bit_count()} groups, {len(words)} words")
    return {
        series_id(expiry_id, 4 * group + lane): quantity
        for group, word in zip(groups, words, strict=True)
        for lane, quantity in enumerate(unpack_signed(word))
        if quantity
    }


# -- oracle rounds -------------------------------------------------------------------------------------------


def encode_spot(spot: SpotWord) -> int:
    """Word of a spot price."""
    return (
        fit("underlying", spot.underlying, 32) << 224
        | fit("spot", spot.spot, 64) << 160
        | fit("conf", spot.conf, 64) << 96
        | fit("acc", spot.acc, 96)
    )


def decode_spot(word: int) -> SpotWord:
    """Spot price of a word."""
    fit("word", word, 256)
    return SpotWord(word >> 224, word >> 160 & _MASK_64, word >> 96 & _MASK_64, word & (2**96 - 1))


def encode_sheet(sheet: Sheet) -> bytes:
    """Words of a sheet: head, prices, and one of marks for each group of four series."""
    groups = -(-len(sheet.marks) // 4)
    if groups > MAX_GROUPS:
        raise EncodingError("marks", f"{len(sheet.marks)} series, the most are {4 * MAX_GROUPS}")
    head = fit("expiry_id", sheet.expiry_id, 16) << 224 | fit("underlying", sheet.underlying, 32) << 192 | groups << 160
    prices = (
        fit("spot", sheet.spot, 64) << 192
        | fit("forward", sheet.forward, 64) << 128
        | fit("conf", sheet.conf, 64) << 64
    )
    marks = [pack_unsigned(sheet.marks[4 * group : 4 * group + 4]) for group in range(groups)]
    return joined([head, prices, *marks])


def decode_sheet(raw: bytes) -> Sheet:
    """Sheet of its words; `marks` has four entries for each group."""
    words = [int.from_bytes(raw[at : at + 32], "big") for at in range(0, len(raw), 32)]
    if len(raw) % 32 or len(words) < SHEET_HEAD_WORDS:
        raise EncodingError("sheet", f"{len(raw)} bytes")
    head, prices, *groups = words
    if head >> 160 & 0xFFFFFFFF != len(groups):
        raise EncodingError("sheet", f"{len(groups)} groups of marks")
    marks = tuple(mark for word in groups for mark in unpack_unsigned(word))
    spot, forward, conf = prices >> 192, prices >> 128 & _MASK_64, prices >> 64 & _MASK_64
    return Sheet(head >> 224, head >> 192 & 0xFFFFFFFF, spot, forward, conf, marks)


def sheet_hash(sheet: Sheet) -> bytes:
    """keccak256 of a sheet's words."""
    return keccak(encode_sheet(sheet))


def sheet_hashes(round_: Round) -> bytes:
    """All sheet hashes of a round, concatenated, as the contracts take them; a commitment is one more."""
    count = len(round_.sheets) + bool(round_.commitment)
    if count > MAX_SHEETS:
        raise EncodingError("sheets", f"{count}, the most are {MAX_SHEETS}")
    return b"".join(sheet_hash(sheet) for sheet in round_.sheets) + round_.commitment


def select_sheets(round_: Round, expiry_ids: Iterable[int]) -> bytes:
    """Sheets of some expiries, concatenated in the round's order, as the contracts take them."""
    wanted = frozenset(expiry_ids)
    missing = wanted - {sheet.expiry_id for sheet in round_.sheets}
    if missing:
        raise EncodingError("sheets", f"round {round_.round_id} has none of {sorted(missing)}")
    raw = b"".join(encode_sheet(sheet) for sheet in round_.sheets if sheet.expiry_id in wanted)
    if len(raw) > 32 * MAX_SHEET_WORDS:
        raise EncodingError("sheets", f"{len(raw) // 32} words, the most are {MAX_SHEET_WORDS}")
    return raw


def round_header(round_: Round) -> RoundHeader:
    """What the oracle signers sign for a round."""
    return RoundHeader(
        round_id=fit("round_id", round_.round_id, 64),
        time=fit("time", round_.time, 64),
        stable=fit("stable", round_.stable, 128),
        spots_hash=keccak(joined(encode_spot(spot) for spot in round_.spots)),
        sheets_root=keccak(sheet_hashes(round_)),
    )


def in_signer_order(digest: bytes, signatures: Iterable[bytes]) -> list[bytes]:
    """Signatures of a digest by ascending signer, one for each. Raises SigningError for a malformed one."""
    by_signer = {recover(digest, signature): signature for signature in signatures}
    return [by_signer[signer] for signer in sorted(by_signer)]


PostRoundArgs = tuple[int, int, int, list[int], bytes, list[tuple[int, int]]]


def post_round_args(round_: Round, signatures: Sequence[bytes]) -> PostRoundArgs:
    """Arguments of Oracle.post_round. `signatures` by ascending signer, see `in_signer_order`."""
    if len(round_.spots) > MAX_SPOTS:
        raise EncodingError("spots", f"{len(round_.spots)}, the most are {MAX_SPOTS}")
    header = round_header(round_)
    spots = [encode_spot(spot) for spot in round_.spots]
    pairs = [compact(signature) for signature in signatures]
    return header.round_id, header.time, header.stable, spots, header.sheets_root, pairs


# -- batches -------------------------------------------------------------------------------------------------


def encode_order(signed: SignedOrder, place: int = 0) -> bytes:
    """Four words of an order; see contracts/core/orders.vy.

    `place` in the annex, from 1, of `annex_of`; 0 when that is empty.
    """
    order, (r, vs) = signed.order, compact(signed.signature)
    if bool(annex_of(signed)) != (place > 0):
        raise EncodingError("annex", f"place {place} for {len(annex_of(signed))} bytes")
    fit("place", place, 16)
    if isinstance(order, Order):
        series, limit = fit("series", order.series or -1, 32), fit("limit_price", order.limit_price, 64)
        return joined((_terms_word(order, series, limit), _validity_word(order, place), r, vs))
    legs, limit = fit("legs", order.legs, 256), twos_complement("limit_price", order.limit_price)
    terms = place + 1 if order.terms != NO_TERMS_HASH else 0
    return joined((_terms_word(order, 0, limit), _validity_word(order, place << 16 | fit("place", terms, 16)), legs, r))


def _terms_word(order: Order | ComboOrder, series: int, limit: int) -> int:
    if order.quantity >= OVER:
        raise EncodingError("quantity", f"{order.quantity} does not fit a fill lane")
    return (
        fit("account", order.account, 32) << 224
        | series << 192
        | limit << 128
        | fit("max_fee", order.max_fee, 64) << 64
        | fit("quantity", order.quantity, 32) << 32
        | fit("time_in_force", order.time_in_force, 8) << 8
        | order.for_rfq << 4
        | order.reduce_only << 2
        | order.post_only << 1
        | order.is_buy
    )


def _validity_word(order: Order | ComboOrder, places: int) -> int:
    return (
        fit("replaces", order.replaces, 64) << 192
        | fit("nonce", order.nonce, 64) << 128
        | fit("expiry", order.expiry, 64) << 64
        | places
    )


def annex_of(signed: SignedOrder) -> bytes:
    """What of an order stands in the annex: of one for a combo the second half of its signature; its terms, if any."""
    half = compact(signed.signature)[1].to_bytes(32, "big") if isinstance(signed.order, ComboOrder) else b""
    return half + (signed.order.terms if signed.order.terms != NO_TERMS_HASH else b"")


def decode_order(raw: bytes, annex: bytes = b"") -> SignedOrder:
    """Order of its four words and the batch's annex; the signature comes back in its compact form."""
    if len(raw) != 128:
        raise EncodingError("order", f"{len(raw)} bytes")
    first, second, third = (int.from_bytes(raw[at : at + 32], "big") for at in (0, 32, 64))
    series, limit = first >> 192 & 0xFFFFFFFF, first >> 128 & _MASK_64
    shared = {
        "account": first >> 224,
        "is_buy": bool(first & 1),
        "quantity": first >> 32 & 0xFFFFFFFF,
        "max_fee": first >> 64 & _MASK_64,
        "time_in_force": first >> 8 & 0xFF,
        "post_only": bool(first & 2),
        "reduce_only": bool(first & 4),
        "replaces": second >> 192,
        "nonce": second >> 128 & _MASK_64,
        "expiry": second >> 64 & _MASK_64,
        "terms": _at("terms", annex, second & 0xFFFF) or NO_TERMS_HASH,
        "for_rfq": bool(first & 16),
    }
    if series:
        return SignedOrder(Order(series=series, limit_price=limit, **shared), raw[64:])  # type: ignore[arg-type]
    combo = ComboOrder(legs=third, limit_price=unpack_signed(limit)[0], **shared)  # type: ignore[arg-type]
    return SignedOrder(combo, raw[96:] + _at("signature", annex, second >> 16 & 0xFFFF))


def _at(field: str, annex: bytes, place: int) -> bytes:
    """A word of the annex, nothing for place 0."""
    if 32 * place > len(annex):
        raise EncodingError(field, f"place {place} in an annex of {len(annex)} bytes")
    return annex[32 * place - 32 : 32 * place] if place else b""


def encode_quote(quote: SignedQuote, number: int, place: int) -> bytes:
    """Four words of a quote; see contracts/core/quotes.vy. `number` of its mandate, `place` of its proof, from 1."""
    leaf, mandate = quote.leaf, quote.mandate
    if leaf.qty >= OVER or len(quote.proof) > MAX_PROOF:
        raise EncodingError("quote", f"quantity {leaf.qty}, {len(quote.proof)} hashes")
    first = (
        fit("account", mandate.account, 32) << 224
        | fit("series", leaf.series, 32) << 192
        | fit("price", leaf.price, 64) << 128
        | fit("max_fee", mandate.max_fee, 64) << 64
        | fit("quantity", leaf.qty, 32) << 32
        | _QUOTE_FLAGS
        | leaf.is_buy
    )
    second = (
        fit("quote", quote.place, 8) << 192
        | fit("nonce", mandate.nonce, 64) << 128
        | fit("expiry", mandate.expiry_s, 64) << 64
        | len(quote.proof) << 16
        | fit("place", place, 16)
    )
    third = twos_complement("delta", leaf.delta) << 192 | fit("vega", leaf.vega, 64) << 128 | fit("number", number, 16)
    return joined((first, second, third, 0))


def encode_mandate(mandate: QuoteMandate, root: bytes) -> bytes:
    """Five words of a mandate: what it is, its budget, the root, the maker's signature."""
    head = (
        fit("account", mandate.account, 32) << 224
        | fit("nonce", mandate.nonce, 64) << 160
        | fit("expiry", mandate.expiry_s, 64) << 96
        | fit("max_fee", mandate.max_fee, 64) << 32
    )
    budget = (
        fit("quantity", mandate.qty, 64) << 192
        | fit("delta", mandate.delta, 64) << 128
        | fit("vega", mandate.vega, 64) << 64
        | fit("count", mandate.count, 32)
    )
    return joined((head, budget, int.from_bytes(root, "big"), *compact(mandate.signature)))


def encode_trade(trade: Trade) -> bytes:
    """The word of a trade."""
    if not 0 < trade.quantity < OVER:
        raise EncodingError("quantity", f"{trade.quantity} does not fit a fill lane")
    word = (
        fit("maker", trade.maker, 16) << 240
        | fit("taker", trade.taker, 16) << 224
        | trade.quantity << 160
        | fit("price", trade.price, 64) << 96
        | fit("index", trade.index, 64) << 32
        | fit("units", trade.units, 32)
    )
    return word.to_bytes(32, "big")


def decode_trade(raw: bytes) -> Trade:
    """Trade of its word."""
    if len(raw) != 32:
        raise EncodingError("trade", f"{len(raw)} bytes")
    word = int.from_bytes(raw, "big")
    return Trade(
        maker=word >> 240,
        taker=word >> 224 & 0xFFFF,
        quantity=word >> 160 & _MASK_64,
        price=word >> 96 & _MASK_64,
        index=word >> 32 & _MASK_64,
        units=word & 0xFFFFFFFF,
    )


def order_key(entry: Entry) -> tuple[int, int]:
    """Account and series, by which Clearing wants its orders sorted; orders for combos are the first of an account."""
    if isinstance(entry, SignedOrder):
        return entry.order.account, entry.order.series if isinstance(entry.order, Order) else 0
    return entry.mandate.account, entry.leaf.series


def arrange(orders: Sequence[Entry], trades: Sequence[Trade]) -> tuple[list[Entry], list[Trade]]:
    """Sort orders as Clearing reads them, by account and series, and rename the trades' places accordingly.

    The sort is stable: an order that replaces another must come after it in `orders`.
    """
    places = sorted(range(len(orders)), key=lambda at: order_key(orders[at]))
    renamed = {old: new for new, old in enumerate(places)}
    moved = [msgspec.structs.replace(trade, maker=renamed[trade.maker], taker=renamed[trade.taker]) for trade in trades]
    return [orders[at] for at in places], moved


def batch_body(orders: Sequence[Entry], trades: Sequence[Trade]) -> bytes:
    """All words of a batch, orders arranged. Raises EncodingError for what Clearing could not read."""
    if len(orders) > MAX_ORDERS or len(trades) > MAX_TRADES:
        raise EncodingError("batch", f"{len(orders)} orders and {len(trades)} trades")
    keys = [order_key(entry) for entry in orders]
    if keys != sorted(keys):
        raise EncodingError("orders", "not in ascending account and series")
    if any(trade.maker >= len(orders) or trade.taker >= len(orders) for trade in trades):
        raise EncodingError("trades", "one names an order beyond the list")
    body = joined_body(orders, trades)
    mandates = int.from_bytes(body[-32:], "big") >> 32
    if len(body) > 32 * MAX_BODY_WORDS or mandates > MAX_MANDATES:
        raise EncodingError("batch", f"{len(body) // 32} words, the most are {MAX_BODY_WORDS}; {mandates} mandates")
    return body


def joined_body(orders: Sequence[Entry], trades: Sequence[Trade]) -> bytes:
    """The words of `batch_body` whatever they are."""
    quotes = [entry for entry in orders if isinstance(entry, SignedQuote)]
    mandates = {(quote.mandate.account, quote.mandate.nonce): quote for quote in quotes}
    numbers = {key: number for number, key in enumerate(sorted(mandates))}
    annex = b"".join(encode_mandate(mandates[key].mandate, mandates[key].root) for key in numbers)
    words = []
    for entry in orders:
        place = len(annex) // 32 + 1
        if isinstance(entry, SignedQuote):
            words.append(encode_quote(entry, numbers[entry.mandate.account, entry.mandate.nonce], place))
            annex += b"".join(entry.proof)
        else:
            rest = annex_of(entry)
            words.append(encode_order(entry, place if rest else 0))
            annex += rest
    counts = encode_counts(len(orders), len(trades), len(mandates))
    return b"".join([*words, *map(encode_trade, trades), annex, counts])


def encode_counts(orders: int, trades: int, mandates: int = 0) -> bytes:
    """The last word of a body, which says where its parts begin."""
    return joined([fit("mandates", mandates, 16) << 32 | fit("trades", trades, 16) << 16 | fit("orders", orders, 16)])


def content_hash(body: bytes) -> bytes:
    """What the operator signs of a batch's orders and trades."""
    return keccak(body)


def block_content(digest: bytes, maker_signature: bytes, taker_signature: bytes) -> bytes:
    """What the operator signs of a batch that is one block trade.

    It is hashed over 161 bytes, so that no body of whole words can have it.
    """
    return keccak(b"\x01" + digest + joined((*compact(maker_signature), *compact(taker_signature))))


BlockArgs = tuple[int, int, list[tuple[int, bool, int, int]], int, int, int, int, bool]
SignatureArgs = tuple[int, int, int, int]


def block_args(signed: ExecuteBlock) -> tuple[BlockArgs, SignatureArgs]:
    """A block trade and both signatures, as Clearing's `settle_block`, `queue_block` and their like take them."""
    block = signed.block
    legs = [
        (fit("series", leg.series, 32), leg.is_buy, fit("quantity", leg.qty, 64), fit("price", leg.price, 64))
        for leg in block.legs
    ]
    fields = (
        fit("maker", block.maker, 32),
        fit("taker", block.taker, 32),
        legs,
        fit("maker_max_fee", block.maker_max_fee, 64),
        fit("taker_max_fee", block.taker_max_fee, 64),
        fit("nonce", block.nonce, 64),
        fit("expiry", block.expiry_s, 64),
        block.queueable,
    )
    return fields, (*compact(signed.maker_signature), *compact(signed.taker_signature))


def decode_legs(legs: Sequence[int], fees: Sequence[int]) -> tuple[OffbookLeg, ...]:
    """Legs of a block that settled without the operator, from the words of Clearing's `BlockSettled`."""
    return tuple(
        OffbookLeg(
            series=word >> 224,
            is_buy=bool(word & 1),
            qty=word >> 160 & _MASK_64,
            price=word >> 96 & _MASK_64,
            taker_fee=fee >> 128,
            maker_fee=fee & (2**128 - 1),
            index=word >> 32 & _MASK_64,
        )
        for word, fee in zip(legs, fees, strict=True)
        if word
    )


def decode_moves(words: Sequence[int]) -> tuple[MovedLeg, ...]:
    """Positions that changed hands in a liquidation, from the words of Clearing's `LiquidationTransferred`."""
    return tuple(
        MovedLeg(slot << 2 | lane, qty, marks >> 64 * lane & _MASK_64)
        for slot, held, marks in zip(words[::3], words[1::3], words[2::3], strict=True)
        for lane, qty in enumerate(unpack_signed(held))
        if qty
    )


def decode_changes(words: Sequence[int]) -> tuple[CashChange, ...]:
    """Who got what when a liquidation was over, from the words of Clearing's `LiquidationClosed`."""
    return tuple(CashChange(word & (2**32 - 1), word >> 32) for word in words if word >> 32)


BlockBatchArgs = tuple["HeaderArgs", int, int, BlockArgs, SignatureArgs, bytes, bytes]


def block_batch_args(
    header: BatchHeader, operator_signature: bytes, signed: ExecuteBlock, hashes: bytes, sheets: bytes
) -> BlockBatchArgs:
    """Arguments of Clearing.settle_block_batch; `sheets` also of the expiries of all legs."""
    return (_header_args(header), *compact(operator_signature), *block_args(signed), hashes, sheets)


HeaderArgs = tuple[int, int, int, int, bytes]
SettleArgs = tuple[HeaderArgs, int, int, bytes, bytes, bytes]


def settle_signed_args(
    header: BatchHeader,
    operator_signature: bytes,
    body: bytes,
    hashes: bytes = b"",
    sheets: bytes = b"",
) -> SettleArgs:
    """Arguments of Clearing.settle_signed.

    `body` from `batch_body`, `hashes` from `sheet_hashes`, `sheets` from `select_sheets`
    with every expiry in which an account of the batch holds positions before or after it, unless it was over and fixed
    at the round. A heartbeat needs neither.
    """
    r, vs = compact(operator_signature)
    return _header_args(header), r, vs, body, hashes, sheets


def _header_args(header: BatchHeader) -> HeaderArgs:
    return (
        fit("batch_id", header.batch_id, 64),
        fit("round_id", header.round_id, 64),
        fit("deadline", header.deadline, 64),
        fit("journal_size", header.journal_size, 64),
        header.journal_root,
    )
