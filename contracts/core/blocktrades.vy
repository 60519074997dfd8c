# pragma version 0.4.3
"""
@title Block trades
@license Apache-2.0
@notice Trades that two accounts agreed on away from the books and both signed: all legs or none. They settle in a batch of
        the operator's, or without it: queued by anyone who holds both signatures, settled one window later.
@dev A leg is seen from the taker's side. Prices in 1e-6 USDC, quantities in 1e-4 contract, fees in 1e-6 USDC for the
     whole block. The nonce is one of both accounts: nothing may have filled under it, and nothing can
     afterwards.
@custom:kill Either owner cancels the nonce, or revokes the key that signed; what was queued lapses by itself.
"""

from core import accounts
from core import actions
from core import listings
from core import orders
from core import portfolio
from lib import ecdsa
from lib import eip712
from lib import fail
from lib import fees

uses: accounts
uses: actions
uses: fees
uses: listings
uses: orders
uses: portfolio

MAX_LEGS: constant(uint256) = 4
MAX_SHEETS: constant(uint256) = 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
LOTS: constant(uint256) = 10**4
WAD: constant(uint256) = 10**18
MASK_32: constant(uint256) = 2**32 - 1
MASK_63: constant(uint256) = 2**63 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_160: constant(uint256) = 2**160 - 1

LEG_TYPE: constant(bytes32) = keccak256("BlockLeg(uint32 series,bool isBuy,uint64 quantity,uint64 price)")
BLOCK_TYPE: constant(bytes32) = keccak256(
    "BlockTrade(uint32 maker,uint32 taker,BlockLeg[] legs,uint64 makerMaxFee,uint64 takerMaxFee,uint64 nonce,uint64 expiry,bool queueable)BlockLeg(uint32 series,bool isBuy,uint64 quantity,uint64 price)"
)

struct Leg:
    series: uint32
    is_buy: bool
    quantity: uint64
    price: uint64

# What both signed.
struct BlockTrade:
    maker: uint32
    taker: uint32
    legs: DynArray[Leg, MAX_LEGS]
    maker_max_fee: uint64
    taker_max_fee: uint64
    nonce: uint64
    expiry: uint64
    queueable: bool

# Of maker and taker, in the form of EIP-2098.
struct Signatures:
    maker_r: uint256
    maker_vs: uint256
    taker_r: uint256
    taker_vs: uint256

# What was traded, one word for each leg: series u32 | quantity u64 | price u64 | index u64 | 0 u31 | is_buy u1; and
# what it cost: taker's fee u128 | maker's fee u128.
struct Traded:
    maker_signer: address
    taker_signer: address
    legs: uint256[MAX_LEGS]
    fees: uint256[MAX_LEGS]

# digest -> time from which a queued block may settle. It stays for good: what two signed is queued once.
queue: HashMap[bytes32, uint256]


@internal
@view
def digest(deal: BlockTrade) -> bytes32:
    """
    @notice What both parties sign.
    """
    hashes: bytes32[MAX_LEGS] = empty(bytes32[MAX_LEGS])
    for i: uint256 in range(len(deal.legs), bound=MAX_LEGS):
        leg: Leg = deal.legs[i]
        hashes[i] = keccak256(abi_encode(LEG_TYPE, leg.series, leg.is_buy, leg.quantity, leg.price))
    legs: bytes32 = keccak256(b"")
    if len(deal.legs) == 1:
        legs = keccak256(hashes[0])
    elif len(deal.legs) == 2:
        legs = keccak256(concat(hashes[0], hashes[1]))
    elif len(deal.legs) == 3:
        legs = keccak256(concat(hashes[0], hashes[1], hashes[2]))
    elif len(deal.legs) == 4:
        legs = keccak256(concat(hashes[0], hashes[1], hashes[2], hashes[3]))
    return eip712.digest(
        eip712.separator(),
        keccak256(
            abi_encode(
                BLOCK_TYPE,
                deal.maker,
                deal.taker,
                legs,
                deal.maker_max_fee,
                deal.taker_max_fee,
                deal.nonce,
                deal.expiry,
                deal.queueable,
            )
        ),
    )


@internal
@view
def check_form(deal: BlockTrade):
    """
    @notice Two owners, legs in ascending series that can be traded, quantities that fit a fill.
    """
    maker: address = accounts.owner_of(deal.maker)
    taker: address = accounts.owner_of(deal.taker)
    if maker == empty(address) or taker == empty(address):
        fail.because("account_unknown")
    if maker == taker:
        fail.because("block_owners")
    if len(deal.legs) == 0:
        fail.because("block_legs")
    last: uint256 = 0
    for leg: Leg in deal.legs:
        series: uint256 = convert(leg.series, uint256)
        if series <= last:
            fail.because("block_legs")
        last = series
        if leg.quantity == 0 or convert(leg.quantity, uint256) >= orders.OVER:
            fail.because("trade_quantity")
        listings.check_tradable(series >> 16)
        if self._terms(series) == 0:
            fail.because("series_unknown")


@internal
@view
def check_live(deal: BlockTrade, time: uint256):
    """
    @notice Refuse a leg that has expired by a time. What the operator has acknowledged may be late, this may not.
    """
    for leg: Leg in deal.legs:
        if listings.expiries[convert(leg.series, uint256) >> 16] & MASK_64 <= time:
            fail.because("series_expired")


@internal
@view
def _terms(series: uint256) -> uint256:
    """
    @notice Strike of a series, and its kind in the top bit of 64; 0 when it is not listed.
    """
    return (listings.strikes[series >> 2] >> ((series & 3) << 6)) & MASK_64


@internal
@view
def check_party(account: uint32, digest: bytes32, r: uint256, vs: uint256, nonce: uint64) -> (address, bool):
    """
    @notice Refuse unless the owner or a session key with the scope for it signed, the account trades, and the nonce is
            neither used nor cancelled.
    @return Who signed, and whether it is a key with limits.
    """
    number: uint256 = convert(account, uint256)
    word: uint256 = accounts.words[number]
    accounts.check_active(word)
    signer: address = ecdsa.recover(digest, r, vs)
    limited: bool = False
    if signer == empty(address) or convert(signer, uint256) != word & MASK_160:
        limited = accounts.check_key(number, signer, True, accounts.SCOPE_RFQ)
    if word & accounts.HAS_CANCELS != 0:
        accounts.check_nonce(number, convert(nonce, uint256))
    if orders.state_of(number, convert(nonce, uint256)) != 0:
        fail.because("block_nonce")
    return signer, limited


@internal
@view
def check_queueable(deal: BlockTrade, signer: address, account: uint32):
    """
    @notice Refuse a party that is about to leave, or a key that has expired: by the binding time they could not trade.
    """
    if accounts.frozen_from(account) != 0:
        fail.because("account_frozen")
    if signer != accounts.owner_of(account):
        key: uint256 = accounts.keys[(convert(account, uint256) << 160) | convert(signer, uint256)]
        if (key >> 32) & MASK_64 < block.timestamp:
            fail.because("key_expired")


@internal
def execute(
    deal: BlockTrade,
    digest: bytes32,
    signatures: Signatures,
    oldest: uint256,
    band: uint256,
    round: uint256,
    sheets: Bytes[MAX_SHEET_BYTES],
) -> Traded:
    """
    @notice Check a block and trade it, all legs or none.
    @param oldest Expiry in seconds of the oldest block that may still settle.
    @param band How far from its mark a leg may be priced, in 1e-18 of the index.
    @param round As in `portfolio`.
    """
    self.check_form(deal)
    if convert(deal.expiry, uint256) < oldest:
        fail.because("block_expired")
    maker_limited: bool = False
    taker_limited: bool = False
    traded: Traded = empty(Traded)
    traded.maker_signer, maker_limited = self.check_party(
        deal.maker, digest, signatures.maker_r, signatures.maker_vs, deal.nonce
    )
    traded.taker_signer, taker_limited = self.check_party(
        deal.taker, digest, signatures.taker_r, signatures.taker_vs, deal.nonce
    )
    maker_cash: int256 = 0
    taker_cash: int256 = 0
    maker_fees: uint256 = 0
    taker_fees: uint256 = 0
    for i: uint256 in range(len(deal.legs), bound=MAX_LEGS):
        leg: Leg = deal.legs[i]
        series: uint256 = convert(leg.series, uint256)
        price: uint256 = convert(leg.price, uint256)
        quantity: uint256 = convert(leg.quantity, uint256)
        index: uint256 = 0
        mark: uint256 = 0
        index, mark = self._prices(series, sheets)
        if (price - mark if price > mark else mark - price) * WAD > band * index:
            fail.because("block_band")
        maker_fee: uint256 = 0
        taker_fee: uint256 = 0
        maker_fee, taker_fee = self._fees(price, quantity, index)
        premium: uint256 = price * quantity // LOTS
        maker_fees += maker_fee
        taker_fees += taker_fee
        if leg.is_buy:
            taker_cash -= convert(premium, int256)
            maker_cash += convert(premium, int256)
        else:
            taker_cash += convert(premium, int256)
            maker_cash -= convert(premium, int256)
        if maker_limited:
            self._use_key(deal.maker, traded.maker_signer, leg, 0 if leg.is_buy else premium + maker_fee)
        if taker_limited:
            self._use_key(deal.taker, traded.taker_signer, leg, premium + taker_fee if leg.is_buy else 0)
        traded.legs[i] = (
            (series << 224) | (quantity << 160) | (price << 96) | (index << 32) | convert(leg.is_buy, uint256)
        )
        traded.fees[i] = (taker_fee << 128) | maker_fee
    if maker_fees > convert(deal.maker_max_fee, uint256) or taker_fees > convert(deal.taker_max_fee, uint256):
        fail.because("fee_beyond_max")
    maker_cash -= convert(maker_fees, int256)
    taker_cash -= convert(taker_fees, int256)
    for account: uint32 in [deal.maker, deal.taker]:
        orders.end(convert(account, uint256), convert(deal.nonce, uint256))
    self._move(deal, maker_cash, taker_cash, False)
    for account: uint32 in [deal.maker, deal.taker]:
        margin: int256 = self._margin(account, round, sheets)
        if margin < 0:
            # Not sufficient, so it must be no worse than before: undo, look, and do again.
            self._move(deal, maker_cash, taker_cash, True)
            before: int256 = self._margin(account, round, sheets)
            self._move(deal, maker_cash, taker_cash, False)
            if margin < before:
                fail.because("account_margin")
    portfolio.add_cash(0, convert(maker_fees + taker_fees, int256))
    return traded


@internal
@view
def _margin(account: uint32, round: uint256, sheets: Bytes[MAX_SHEET_BYTES]) -> int256:
    number: uint256 = convert(account, uint256)
    return portfolio.margin_of(number, portfolio.ledger[number], True, 0, True, round, sheets)


@internal
def _move(deal: BlockTrade, maker_cash: int256, taker_cash: int256, back: bool):
    """
    @notice Positions and cash of both sides; `back` takes them back.
    """
    for leg: Leg in deal.legs:
        delta: int256 = convert(leg.quantity, int256)
        if leg.is_buy == back:
            delta = -delta
        series: uint256 = convert(leg.series, uint256)
        portfolio.shift_lane((convert(deal.taker, uint256) << 32) | series, delta)
        portfolio.shift_lane((convert(deal.maker, uint256) << 32) | series, -delta)
    sign: int256 = -1 if back else 1
    portfolio.add_cash(convert(deal.maker, uint256), maker_cash * sign)
    portfolio.add_cash(convert(deal.taker, uint256), taker_cash * sign)


@internal
@view
def _fees(price: uint256, quantity: uint256, index: uint256) -> (uint256, uint256):
    """
    @notice Maker's and taker's fee. A block earns no rebate: nothing stood in a book for others to take.
    """
    maker: int256 = 0
    taker: int256 = 0
    maker, taker = fees.of_fill(price, quantity, index)
    return convert(max(maker, 0), uint256), convert(taker, uint256)


@internal
def _use_key(account: uint32, signer: address, leg: Leg, spend: uint256):
    """
    @notice Count a leg against the limits of the key that signed, as a fill counts.
    """
    series: uint256 = convert(leg.series, uint256)
    underlying: uint256 = (listings.expiries[series >> 16] >> 64) & MASK_32
    notional: uint256 = (self._terms(series) & MASK_63) * convert(leg.quantity, uint256)
    accounts.use_key(convert(account, uint256), signer, underlying, notional, spend)


@internal
@view
def _prices(series: uint256, sheets: Bytes[MAX_SHEET_BYTES]) -> (uint256, uint256):
    """
    @notice Index and mark of a series, from checked sheets.
    """
    offset: uint256 = 0
    for _: uint256 in range(MAX_SHEETS):
        if offset == len(sheets):
            break
        head: uint256 = extract32(sheets, offset, output_type=uint256)
        listed: uint256 = (head >> 160) & MASK_32
        if head >> 224 == series >> 16:
            group: uint256 = (series & (2**16 - 1)) >> 2
            if group >= listed:
                break
            index: uint256 = extract32(sheets, offset + 32, output_type=uint256) >> 192
            marks: uint256 = extract32(sheets, offset + 64 + (group << 5), output_type=uint256)
            mark: uint256 = (marks >> ((series & 3) << 6)) & MASK_64
            if mark == 0:
                fail.because("mark_missing")
            return index, mark
        offset += 64 + (listed << 5)
    fail.because("sheet_missing")
    return 0, 0


@internal
@view
def lapse_of(deal: BlockTrade, effective: uint256) -> uint256:
    """
    @notice The last second in which a queued block may settle: one window after it binds, and not after it expires.
    """
    return min(convert(deal.expiry, uint256), effective + actions.window())


@external
@view
def block_queued(digest: bytes32) -> uint256:
    """
    @notice Time from which a queued block may settle; 0 if it was never queued.
    """
    return self.queue[digest]
