"""What the contracts read and write, as words: price sheets, registry, orders, trades, batches, positions.

Pure encoders and decoders between plain structs and the arguments of Vault, Clearing and Oracle. Every value is
checked against the width it has on chain, so that nothing leaves here that a contract would revert on for its
form. Prices and cash in 1e-6 USDC, quantities in 1e-4 contract, rates in 1e-18, times in seconds. May import
signing, reverts, core commands, msgspec and a hash function; knows no node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from tiny_keccak import keccak256 as keccak

from exchange.core.commands import ExecuteBlock, QuoteLeaf, QuoteMandate
from exchange.signing import NO_TERMS_HASH, BatchHeader, Order, RoundHeader, compact, recover

MAX_ORDERS = 256  # of a batch
MAX_TRADES = 256  # of a batch
MAX_MANDATES = 32  # of a batch
MAX_PROOF = 8  # hashes of a quote, of which a mandate has 256
MAX_BODY_WORDS = 1280  # of a batch: four to an order, one to a trade, the annex, one of counts
MAX_SHEETS = 64  # of a round
MAX_SHEET_WORDS = 512  # of one call, all its sheets together
MAX_GROUPS = 64  # of an expiry; four series each
MAX_SPOTS = 32  # of a round
DEAD_LANE = 2**32 - 1  # fill lane of an order that another has replaced
SHEET_HEAD_WORDS = 2

_CALL_BIT = 1 << 63
_QUOTE_FLAGS = 1 << 3 | 1 << 1  # and post-only
_MASK_64 = 2**64 - 1


class EncodingError(ValueError):
    """A value that has no place in calldata; `field` names it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


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
    """A whole oracle round: `time` in seconds, `stable` in 1e-18."""

    round_id: int
    time: int
    stable: int
    spots: tuple[SpotWord, ...]
    sheets: tuple[Sheet, ...]


class SignedOrder(msgspec.Struct, frozen=True):
    """An order with a signature of 65 bytes, or of 64 in the form of EIP-2098."""

    order: Order
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
    """A fill between two orders of a batch, named by their places in its list. `index` is the engine's spot."""

    maker: int
    taker: int
    quantity: int
    price: int
    index: int


def _fit(field: str, value: int, bits: int) -> int:
    """`value`, if it is an unsigned integer of `bits` bits. Raises EncodingError otherwise."""
    if value < 0 or value >> bits:
        raise EncodingError(field, f"{value} does not fit {bits} unsigned bits")
    return value


def _joined(words: Iterable[int]) -> bytes:
    return b"".join(word.to_bytes(32, "big") for word in words)


# -- lanes ---------------------------------------------------------------------------------------------------


def pack_signed(lanes: Sequence[int]) -> int:
    """A word of four signed 64-bit lanes, lane 0 lowest; missing lanes are 0."""
    word = 0
    for place, lane in enumerate(_four(lanes)):
        if not -(2**63) <= lane < 2**63:
            raise EncodingError("position", f"{lane} does not fit 64 signed bits")
        word |= (lane & _MASK_64) << 64 * place
    return word


def unpack_signed(word: int) -> tuple[int, int, int, int]:
    """Four signed lanes of a word."""
    first, second, third, fourth = (lane - 2**64 if lane & _CALL_BIT else lane for lane in unpack_unsigned(word))
    return first, second, third, fourth


def pack_unsigned(lanes: Sequence[int]) -> int:
    """A word of four unsigned 64-bit lanes, lane 0 lowest; missing lanes are 0."""
    return sum(_fit("lane", lane, 64) << 64 * place for place, lane in enumerate(_four(lanes)))


def unpack_unsigned(word: int) -> tuple[int, int, int, int]:
    """Four unsigned lanes of a word."""
    _fit("word", word, 256)
    return (word & _MASK_64, word >> 64 & _MASK_64, word >> 128 & _MASK_64, word >> 192)


def _four(lanes: Sequence[int]) -> Sequence[int]:
    if len(lanes) > 4:
        raise EncodingError("lanes", f"{len(lanes)} where a word holds 4")
    return lanes


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
        index = _fit("series", series, 32) & 0xFFFF
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
        _fit("underlying", spot.underlying, 32) << 224
        | _fit("spot", spot.spot, 64) << 160
        | _fit("conf", spot.conf, 64) << 96
        | _fit("acc", spot.acc, 96)
    )


def decode_spot(word: int) -> SpotWord:
    """Spot price of a word."""
    _fit("word", word, 256)
    return SpotWord(word >> 224, word >> 160 & _MASK_64, word >> 96 & _MASK_64, word & (2**96 - 1))


def encode_sheet(sheet: Sheet) -> bytes:
    """Words of a sheet: head, prices, and one of marks for each group of four series."""
    groups = -(-len(sheet.marks) // 4)
    if groups > MAX_GROUPS:
        raise EncodingError("marks", f"{len(sheet.marks)} series, the most are {4 * MAX_GROUPS}")
    head = (
        _fit("expiry_id", sheet.expiry_id, 16) << 224 | _fit("underlying", sheet.underlying, 32) << 192 | groups << 160
    )
    prices = (
        _fit("spot", sheet.spot, 64) << 192
        | _fit("forward", sheet.forward, 64) << 128
        | _fit("conf", sheet.conf, 64) << 64
    )
    marks = [pack_unsigned(sheet.marks[4 * group : 4 * group + 4]) for group in range(groups)]
    return _joined([head, prices, *marks])


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
    """All sheet hashes of a round, concatenated, as the contracts take them."""
    if len(round_.sheets) > MAX_SHEETS:
        raise EncodingError("sheets", f"{len(round_.sheets)}, the most are {MAX_SHEETS}")
    return b"".join(sheet_hash(sheet) for sheet in round_.sheets)


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
        round_id=_fit("round_id", round_.round_id, 64),
        time=_fit("time", round_.time, 64),
        stable=_fit("stable", round_.stable, 128),
        spots_hash=keccak(_joined(encode_spot(spot) for spot in round_.spots)),
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
    """Four words of an order; see contracts/core/orders.vy. `place` of its terms in the annex, from 1; 0 for none."""
    order = signed.order
    if (order.terms != NO_TERMS_HASH) != (place > 0):
        raise EncodingError("terms", f"place {place} in the annex for {order.terms.hex()}")
    if order.quantity >= DEAD_LANE:
        raise EncodingError("quantity", f"{order.quantity} does not fit a fill lane")
    first = (
        _fit("account", order.account, 32) << 224
        | _fit("series", order.series, 32) << 192
        | _fit("limit_price", order.limit_price, 64) << 128
        | _fit("max_fee", order.max_fee, 64) << 64
        | _fit("quantity", order.quantity, 32) << 32
        | _fit("time_in_force", order.time_in_force, 8) << 8
        | order.reduce_only << 2
        | order.post_only << 1
        | order.is_buy
    )
    second = (
        _fit("replaces", order.replaces, 64) << 192
        | _fit("nonce", order.nonce, 64) << 128
        | _fit("expiry", order.expiry, 64) << 64
        | _fit("place", place, 16)
    )
    return _joined((first, second, *compact(signed.signature)))


def decode_order(raw: bytes, annex: bytes = b"") -> SignedOrder:
    """Order of its four words and the batch's annex; the signature comes back in its compact form."""
    if len(raw) != 128:
        raise EncodingError("order", f"{len(raw)} bytes")
    first = int.from_bytes(raw[:32], "big")
    second = int.from_bytes(raw[32:64], "big")
    place = second & 0xFFFF
    if 32 * place > len(annex):
        raise EncodingError("terms", f"place {place} in an annex of {len(annex)} bytes")
    order = Order(
        account=first >> 224,
        series=first >> 192 & 0xFFFFFFFF,
        is_buy=bool(first & 1),
        quantity=first >> 32 & 0xFFFFFFFF,
        limit_price=first >> 128 & _MASK_64,
        max_fee=first >> 64 & _MASK_64,
        time_in_force=first >> 8 & 0xFF,
        post_only=bool(first & 2),
        reduce_only=bool(first & 4),
        replaces=second >> 192,
        nonce=second >> 128 & _MASK_64,
        expiry=second >> 64 & _MASK_64,
        terms=annex[32 * place - 32 : 32 * place] if place else NO_TERMS_HASH,
    )
    return SignedOrder(order, raw[64:])


def encode_quote(quote: SignedQuote, number: int, place: int) -> bytes:
    """Four words of a quote; see contracts/core/quotes.vy. `number` of its mandate, `place` of its proof, from 1."""
    leaf, mandate = quote.leaf, quote.mandate
    if not -(2**63) <= leaf.delta < 2**63:
        raise EncodingError("delta", f"{leaf.delta} does not fit 64 signed bits")
    if leaf.qty >= DEAD_LANE or len(quote.proof) > MAX_PROOF:
        raise EncodingError("quote", f"quantity {leaf.qty}, {len(quote.proof)} hashes")
    first = (
        _fit("account", mandate.account, 32) << 224
        | _fit("series", leaf.series, 32) << 192
        | _fit("price", leaf.price, 64) << 128
        | _fit("max_fee", mandate.max_fee, 64) << 64
        | _fit("quantity", leaf.qty, 32) << 32
        | _QUOTE_FLAGS
        | leaf.is_buy
    )
    second = (
        _fit("quote", quote.place, 8) << 192
        | _fit("nonce", mandate.nonce, 64) << 128
        | _fit("expiry", mandate.expiry_s, 64) << 64
        | len(quote.proof) << 16
        | _fit("place", place, 16)
    )
    third = (leaf.delta & _MASK_64) << 192 | _fit("vega", leaf.vega, 64) << 128 | _fit("number", number, 16)
    return _joined((first, second, third, 0))


def encode_mandate(mandate: QuoteMandate, root: bytes) -> bytes:
    """Five words of a mandate: what it is, its budget, the root, the maker's signature."""
    head = (
        _fit("account", mandate.account, 32) << 224
        | _fit("nonce", mandate.nonce, 64) << 160
        | _fit("expiry", mandate.expiry_s, 64) << 96
        | _fit("max_fee", mandate.max_fee, 64) << 32
    )
    budget = (
        _fit("quantity", mandate.qty, 64) << 192
        | _fit("delta", mandate.delta, 64) << 128
        | _fit("vega", mandate.vega, 64) << 64
        | _fit("count", mandate.count, 32)
    )
    return _joined((head, budget, int.from_bytes(root, "big"), *compact(mandate.signature)))


def encode_trade(trade: Trade) -> bytes:
    """The word of a trade."""
    if not 0 < trade.quantity < DEAD_LANE:
        raise EncodingError("quantity", f"{trade.quantity} does not fit a fill lane")
    word = (
        _fit("maker", trade.maker, 16) << 240
        | _fit("taker", trade.taker, 16) << 224
        | trade.quantity << 160
        | _fit("price", trade.price, 64) << 96
        | _fit("index", trade.index, 64) << 32
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
    )


def order_key(entry: Entry) -> tuple[int, int]:
    """Account and series, by which Clearing wants its orders sorted."""
    if isinstance(entry, SignedOrder):
        return entry.order.account, entry.order.series
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
            has_terms = entry.order.terms != NO_TERMS_HASH
            words.append(encode_order(entry, place if has_terms else 0))
            annex += entry.order.terms if has_terms else b""
    counts = encode_counts(len(orders), len(trades), len(mandates))
    return b"".join([*words, *map(encode_trade, trades), annex, counts])


def encode_counts(orders: int, trades: int, mandates: int = 0) -> bytes:
    """The last word of a body, which says where its parts begin."""
    return _joined(
        [_fit("mandates", mandates, 16) << 32 | _fit("trades", trades, 16) << 16 | _fit("orders", orders, 16)]
    )


def content_hash(body: bytes) -> bytes:
    """What the operator signs of a batch's orders and trades."""
    return keccak(body)


def block_content(digest: bytes, maker_signature: bytes, taker_signature: bytes) -> bytes:
    """What the operator signs of a batch that is one block trade.

    It is hashed over 161 bytes, so that no body of whole words can have it.
    """
    return keccak(b"\x01" + digest + _joined((*compact(maker_signature), *compact(taker_signature))))


BlockArgs = tuple[int, int, list[tuple[int, bool, int, int]], int, int, int, int, bool]
SignatureArgs = tuple[int, int, int, int]


def block_args(signed: ExecuteBlock) -> tuple[BlockArgs, SignatureArgs]:
    """A block trade and both signatures, as Clearing's `settle_block`, `queue_block` and their like take them."""
    block = signed.block
    legs = [
        (_fit("series", leg.series, 32), leg.is_buy, _fit("quantity", leg.qty, 64), _fit("price", leg.price, 64))
        for leg in block.legs
    ]
    fields = (
        _fit("maker", block.maker, 32),
        _fit("taker", block.taker, 32),
        legs,
        _fit("maker_max_fee", block.maker_max_fee, 64),
        _fit("taker_max_fee", block.taker_max_fee, 64),
        _fit("nonce", block.nonce, 64),
        _fit("expiry", block.expiry_s, 64),
        block.queueable,
    )
    return fields, (*compact(signed.maker_signature), *compact(signed.taker_signature))


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
        _fit("batch_id", header.batch_id, 64),
        _fit("round_id", header.round_id, 64),
        _fit("deadline", header.deadline, 64),
        _fit("journal_size", header.journal_size, 64),
        header.journal_root,
    )
