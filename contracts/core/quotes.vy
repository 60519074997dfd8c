# pragma version 0.4.3
"""
@title Quotes
@license Apache-2.0
@notice Fills of quotes that a maker signed by the hundred: one signature over the root of a tree of quotes, a
        budget for all of them together, and a proof for each quote that fills.
@dev A quote stands in the list of orders, in four words:
     word a: as of an order, with flag bits 1 (post-only) and 3 (quote); max fee is that of the mandate
     word b: place of the quote in the tree u64 | nonce u64 | expiry u64 | 0 u32 | length of the proof u16 | place of
             the proof in the annex, from 1, u16; nonce and expiry are those of the mandate
     word c: delta i64 (1e-4 underlying, of one contract bought) | vega u64 (1e-6 USDC per vol point) | 0 u64 | 0 u48 |
             number of its mandate in the annex u16
     word d: 0
     A mandate is five words at the beginning of the annex, in ascending account and nonce:
     account u32 | nonce u64 | expiry u64 | max fee u64 | 0 u32; then quantity u64 | delta u64 | vega u64 | count u64,
     the budget, in which 0 is no bound; then the root, and the signature in the form of EIP-2098.
     What a maker says of its own delta and vega is what is counted: the budget is its own as well.
@custom:kill Owners cancel the nonce of a mandate on chain, and all its quotes with it; see `accounts`.
"""

from core import accounts
from lib import ecdsa
from lib import refusals

uses: accounts

MANDATE_TYPE: constant(bytes32) = keccak256(
    "QuoteMandate(uint32 account,bytes32 root,uint64 nonce,uint64 expiry,uint64 maxFee,uint64 quantity,uint64 delta,uint64 vega,uint32 count)"
)
LEAF_TYPE: constant(bytes32) = keccak256(
    "QuoteLeaf(uint32 series,bool isBuy,uint64 quantity,uint64 price,int64 delta,uint64 vega)"
)
LOTS: constant(uint256) = 10**4
MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_160: constant(uint256) = 2**160 - 1
BUY: constant(uint256) = 1
RFQ: constant(uint256) = 16
MAX_QUOTES: constant(uint256) = 256
# Nothing that a budget counts may leave 80 signed bits, so that one word holds it all.
MOST: constant(int256) = 2**79
MASK_80: constant(uint256) = 2**80 - 1

# (account << 64 | nonce) -> delta i80 | vega i80 | count u32 | quantity u64 of all fills under a mandate; delta and
# vega in 1e-4 of the units of the budget.
spent: HashMap[uint256, uint256]

# (account << 64 | nonce) << 5 | place >> 3 -> eight lanes of filled quantity u32
fills: HashMap[uint256, uint256]


@external
@view
def check_mandate(
    domain: bytes32, head: uint256, budget: uint256, root: bytes32, r: uint256, vs: uint256, oldest: uint256
) -> uint256:
    """
    @notice Refuse a mandate that is not signed by the owner or a key that may quote, or not in force.
    @param domain That of Clearing.
    @param head First word of a mandate, see above.
    @param oldest Expiry in seconds of the oldest mandates that may still settle.
    @return What has filled under it, see `spent`.
    """
    account: uint256 = head >> 224
    nonce: uint256 = (head >> 160) & MASK_64
    struct_hash: bytes32 = keccak256(
        abi_encode(
            MANDATE_TYPE,
            account,
            root,
            nonce,
            (head >> 96) & MASK_64,
            (head >> 32) & MASK_64,
            budget >> 192,
            (budget >> 128) & MASK_64,
            (budget >> 64) & MASK_64,
            budget & MASK_64,
        )
    )
    signer: address = ecdsa.recover(keccak256(concat(b"\x19\x01", domain, struct_hash)), r, vs)
    word: uint256 = accounts.words[account]
    if signer == empty(address) or convert(signer, uint256) != word & MASK_160:
        # No key that may quote has limits, see `register_key`.
        limited: bool = accounts.check_key(account, signer, True, accounts.SCOPE_QUOTE)
    if (head >> 96) & MASK_64 < oldest:
        refusals.because(refusals.ORDER_EXPIRED)
    if word & accounts.HAS_CANCELS != 0:
        accounts.check_nonce(account, nonce)
    return self.spent[head >> 160]


@internal
def keep(head: uint256, word: uint256):
    """
    @notice Write what has filled under a mandate.
    """
    self.spent[head >> 160] = word


@internal
@view
def count(word: uint256, budget: uint256, a: uint256, greeks: uint256, quantity: uint256) -> uint256:
    """
    @notice Count one fill against a budget. The fill that reaches a bound is the last one.
    @param word What had filled before. A mandate whose net delta came back from its bound cannot occur: nothing
           filled after it was reached.
    """
    delta: int256 = convert(convert(word, bytes32), int256) >> 176
    vega: int256 = convert(convert(word << 80, bytes32), int256) >> 176
    fills: uint256 = (word >> 64) & MASK_32
    filled: uint256 = word & MASK_64
    if budget >> 192 != 0 and filled >= budget >> 192:
        refusals.because(refusals.MANDATE_QUANTITY)
    if (budget >> 128) & MASK_64 != 0 and convert(abs(delta), uint256) >= ((budget >> 128) & MASK_64) * LOTS:
        refusals.because(refusals.MANDATE_DELTA)
    if (budget >> 64) & MASK_64 != 0 and convert(abs(vega), uint256) >= ((budget >> 64) & MASK_64) * LOTS:
        refusals.because(refusals.MANDATE_VEGA)
    if budget & MASK_64 != 0 and fills >= budget & MASK_64:
        refusals.because(refusals.MANDATE_COUNT)
    signed: int256 = convert(quantity, int256)
    if a & BUY == 0:
        signed = -signed
    delta += signed * (convert(convert(greeks, bytes32), int256) >> 192)
    vega += signed * convert((greeks >> 128) & MASK_64, int256)
    if delta >= MOST or delta < -MOST or vega >= MOST or vega < -MOST or fills == MASK_32:
        refusals.because(refusals.MANDATE_RANGE)
    return (
        (convert(convert(delta, bytes32), uint256) << 176)
        | ((convert(convert(vega, bytes32), uint256) & MASK_80) << 96)
        | (unsafe_add(fills, 1) << 64)
        | (filled + quantity)
    )


@internal
@pure
def leaf_hash(a: uint256, b: uint256, greeks: uint256) -> bytes32:
    """
    @notice Hash of a quote at its place.
    """
    return keccak256(
        abi_encode(
            LEAF_TYPE,
            (a >> 192) & MASK_32,
            a & 1,
            (a >> 32) & MASK_32,
            (a >> 128) & MASK_64,
            convert(convert(greeks, bytes32), int256) >> 192,
            (greeks >> 128) & MASK_64,
            b >> 192,
        )
    )


@internal
@pure
def parent(node: bytes32, sibling: bytes32) -> bytes32:
    """
    @notice Hash over two neighbours, the lower first.
    """
    if convert(node, uint256) < convert(sibling, uint256):
        return keccak256(concat(node, sibling))
    return keccak256(concat(sibling, node))


@internal
def execute(a: uint256, b: uint256, head: uint256, fill: uint256):
    """
    @notice Check that a quote says what its mandate says, and count its fill.
    """
    claimed: uint256 = ((a >> 224) << 224) | (((b >> 64) & (2**128 - 1)) << 96) | (((a >> 64) & MASK_64) << 32)
    # Nothing in a mandate is for a request.
    if claimed != head or b >> 192 >= MAX_QUOTES or a & RFQ != 0:
        refusals.because(refusals.QUOTE_PROOF)
    key: uint256 = ((head >> 160) << 5) | (b >> 195)
    offset: uint256 = ((b >> 192) & 7) << 5
    word: uint256 = self.fills[key]
    total: uint256 = ((word >> offset) & MASK_32) + fill
    if total > (a >> 32) & MASK_32:
        refusals.because(refusals.ORDER_OVERFILLED)
    self.fills[key] = (word & ~(MASK_32 << offset)) | (total << offset)


@external
@view
def mandate_spent(account: uint256, nonce: uint256) -> (int256, int256, uint256, uint256):
    """
    @notice What has filled under a mandate: net delta in 1e-8 underlying, net vega in 1e-10 USDC per vol point,
            number of fills, quantity in 1e-4 contract.
    """
    word: uint256 = self.spent[(account << 64) | nonce]
    return (
        convert(convert(word, bytes32), int256) >> 176,
        convert(convert(word << 80, bytes32), int256) >> 176,
        (word >> 64) & MASK_32,
        word & MASK_64,
    )


@external
@view
def quote_filled(account: uint256, nonce: uint256, place: uint256) -> uint256:
    """
    @notice Filled quantity of one quote of a mandate in 1e-4 contract.
    """
    return (self.fills[(((account << 64) | nonce) << 5) | (place >> 3)] >> ((place & 7) << 5)) & MASK_32
