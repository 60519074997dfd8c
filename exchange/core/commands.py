"""Imperative requests: everything that can change state, as it is written in the journal.

A command carries integers, bytes and text only. Fields are only ever appended, with a default; a changed meaning takes
a new tag (docs/adr/0001). ``seq`` and ``time_ns`` are stamped by the sequencer and stand in the record, not here.
Imports units, legs and parameters.
"""

from typing import Final, TypeAlias

import msgspec

from exchange.core.legs import Legs
from exchange.core.parameters import PortfolioModel
from exchange.core.units import U63_MAX, Cash, Nanos, Price, Qty, Seconds, Wad

# Time in force, as signed.
GTC: Final = 0
IOC: Final = 1
FOK: Final = 2

# Who gives way when an order meets another of the same owner, as signed by the one that arrives.
CANCEL_TAKER: Final = 0
CANCEL_MAKER: Final = 1
CANCEL_BOTH: Final = 2

# What a trigger watches, as signed.
UNTRIGGERED: Final = 0
MARK: Final = 1
INDEX: Final = 2
LAST: Final = 3

# How orders placed together are linked, as signed.
UNLINKED: Final = 0
OCO: Final = 1
BRACKET: Final = 2

# Session key scopes (bit mask), as registered on chain.
SCOPE_TRADE: Final = 1
SCOPE_CANCEL: Final = 2
SCOPE_QUOTE: Final = 4
SCOPE_RFQ: Final = 8  # requests for quotes, and block trades
SCOPE_READ: Final = 16

# What a request for quotes says about its side.
UNTOLD: Final = 0
BUYING: Final = 1
SELLING: Final = 2

# What a connection says about its orders should it be lost: as each account has it, or for all of them.
AS_ACCOUNT: Final = 0
SWITCH_ON: Final = 1
SWITCH_OFF: Final = 2

# How far a kill switch reaches.
KILL_ACCOUNT: Final = 1
KILL_OWNER: Final = 2
KILL_VENUE: Final = 3


class Command(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Base of all commands; the integer tag names the kind on the wire."""


class FeeSchedule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Rates in wad of index notional; ``maker_rate`` below zero is a rebate. ``cap`` in wad of premium."""

    taker_rate: Wad
    maker_rate: Wad
    cap: Wad


class StandardModel(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Parameters of the STANDARD margin rules, all in wad (reference: quant 3.1)."""

    max_req: Wad
    min_req: Wad
    mm_call: Wad
    mm_put: Wad
    mm_put_mtm: Wad
    unpaired_im: Wad
    unpaired_mm: Wad
    mm_offset: Wad
    oc_threshold: Wad
    oc_factor: Wad
    depeg_threshold: Wad
    depeg_factor: Wad


class Configure(Command, frozen=True, tag=1):
    """Open the venue: identity of the clearing contracts and the rules in force. Must be the first command."""

    venue: str
    chain_id: int
    clearing: bytes  # 20
    oracle: bytes  # 20
    operator: bytes  # 20, signs receipts and batches
    settlement_window_s: Seconds
    batch_trades_max: int
    batch_age_max_s: Seconds
    fees: FeeSchedule
    standard: StandardModel
    mandates: bool = False  # whether the contracts settle fills under quote mandates; without it nobody quotes
    taker_delay_ns: Nanos = 0  # how long an order that can take is held back before it is stamped; 0: not at all
    blocks: bool = False  # whether the contracts settle block trades; without it nobody trades blocks
    combos: bool = False  # whether the contracts settle orders for combos; without it none is listed
    rfqs: bool = False  # whether the contracts settle orders for requests for quotes; without it nobody asks
    portfolio: PortfolioModel | None = None  # what the contracts ask of who chose PORTFOLIO


class ListUnderlying(Command, frozen=True, tag=2):
    """Admit an underlying: lot and tick of its options. ``tick_above`` applies from ``tick_step`` on."""

    underlying: int
    name: str  # "BTC_USDC"
    lot: Qty
    tick: Price
    tick_above: Price
    tick_step: Price


class ListExpiry(Command, frozen=True, tag=3):
    """Open an expiry of an underlying; ``expiry_id`` is dense from 1."""

    expiry_id: int
    underlying: int
    expiry_s: Seconds


class ListSeries(Command, frozen=True, tag=4):
    """List one option; its index inside the expiry is dense from 0."""

    expiry_id: int
    index: int
    strike: Price
    is_call: bool


class Spot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Spot index of an underlying; ``acc`` is the integral of spot over seconds (left rule), for the TWAP."""

    underlying: int
    spot: Price
    conf: Wad
    acc: int


class Sheet(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One expiry in a round: forward, confidence, and per series (by index) the vol and the mark it implies."""

    expiry_id: int
    forward: Price
    conf: Wad
    vols: tuple[Wad, ...]
    marks: tuple[Price, ...]


class PostRound(Command, frozen=True, tag=5):
    """An oracle round signed by a quorum. Signatures are checked before it is journaled and again by the auditor."""

    round_id: int
    time_s: Seconds
    stable: Wad
    spots: tuple[Spot, ...]
    sheets: tuple[Sheet, ...]
    signatures: tuple[bytes, ...]
    arrays: bytes = b""  # 32: Merkle root of the risk arrays of all series; empty where a round has none
    commitment: bytes = b""  # 32: hash of what is signed of them; that it follows is checked with the signatures


class Tick(Command, frozen=True, tag=6):
    """Let time pass: expired orders leave the book."""


class TakeDigest(Command, frozen=True, tag=7):
    """Write the digest of the state into the journal, to locate a divergence between two such points."""


class SetTrading(Command, frozen=True, tag=8):
    """Halt or resume the venue; cancels stay possible while halted.

    ``auction_s`` above zero resumes every live series with an auction of that length.
    """

    is_open: bool
    cause: str
    auction_s: Seconds = 0


class Terms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a trader signs beyond what the contract judges (EIP-712 ``Terms``, its hash stands in ``Order``).

    ``display`` of a quantity is shown at a time (0: all of it); ``self_trade`` says who gives way to one's own orders;
    ``slide`` lets a post-only order rest one tick away; ``market`` marks a price that is a worst price. With a
    ``trigger`` the order waits until what it watches is at ``trigger_price`` or beyond it, above or below. ``link``
    ties the ``attached`` orders that come with this one to it; each of those names it by ``parent``, its nonce + 1.
    The fills of an order under the ``protection`` of a group of quotes count there like a quote's, with ``delta`` and
    ``vega`` as of a quote, and it leaves when the group is frozen.

    With ``rfq`` the order is good for the request for quotes of that number and nothing else; of the other terms only
    protection goes with it, and ``whole``: a quote that fills whole or not at all (EIP-712 ``RfqTerms``).
    """

    display: Qty = 0
    self_trade: int = CANCEL_TAKER
    slide: bool = False
    market: bool = False
    trigger: int = UNTRIGGERED
    trigger_price: Price = 0
    trigger_above: bool = False
    link: int = UNLINKED
    parent: int = 0
    attached: int = 0
    protection: str = ""
    delta: int = 0
    vega: int = 0
    rfq: int = 0
    whole: bool = False


class Authorisation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the trader signed (EIP-712 ``Order``), with who signed it and the signature itself.

    ``max_fee`` is 1e-6 USDC per contract, ``replaces`` the nonce of the replaced order + 1 or 0. Without ``terms`` all
    of them are as they are by default. With ``legs`` it is a combo that was signed (``ComboOrder``): those legs rather
    than the ``series``, which is the combo's number here; quantity, price (of either sign) and fee are per unit of it.
    """

    account: int
    series: int
    is_buy: bool
    qty: Qty
    price: Price
    max_fee: Price
    tif: int
    post_only: bool
    reduce_only: bool
    replaces: int
    nonce: int
    expiry_s: Seconds
    signer: bytes  # 20
    signature: bytes  # 65
    terms: Terms | None = None
    legs: Legs = ()


NO_TERMS: Final = Terms()


def is_for_rfq(terms: Terms) -> bool:
    """Whether terms are for a request for quotes and have nothing in them that is for a book."""
    kept = Terms(rfq=terms.rfq, whole=terms.whole, protection=terms.protection, delta=terms.delta, vega=terms.vega)
    return terms.rfq > 0 and terms == kept


def terms_of(auth: Authorisation) -> Terms:
    """The terms of an authorisation, whether or not they were written out."""
    return auth.terms or NO_TERMS


class Attached(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order that comes along with another, to which its signed terms link it."""

    auth: Authorisation
    label: str = ""


class Place(Command, frozen=True, tag=10):
    """Enter an order, with those linked to it. ``slide`` lets a post-only order rest one tick away.

    ``arrived_ns`` is when the venue received it, if it was held back; the record's time is when it was let through.
    """

    auth: Authorisation
    label: str = ""
    slide: bool = False
    arrived_ns: Nanos = 0
    session: int = 0  # the connection it came through; 0: none that could be lost
    attached: tuple[Attached, ...] = ()


class Amend(Command, frozen=True, tag=11):
    """Replace an open order by a newly signed one, atomically; the total quantity includes what has filled.

    ``arrived_ns`` as of ``Place``.
    """

    order_id: int
    auth: Authorisation
    label: str = ""
    arrived_ns: Nanos = 0
    session: int = 0  # the connection that minds the order from here on; 0: as before


class Cancel(Command, frozen=True, tag=12):
    """Take one order off the book."""

    account: int
    order_id: int


class CancelAll(Command, frozen=True, tag=13):
    """Take all orders of an account off the book, or those of one series."""

    account: int
    series: int = -1


# Quotes: many orders under one signature, and what protects who makes them.


class QuoteLeaf(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One quote of a mandate, as signed: a leaf of its tree, hashed with its place in the message.

    ``delta`` (1e-4 underlying, of one contract bought) and ``vega`` (1e-6 USDC per vol point) are the maker's own.
    """

    series: int
    is_buy: bool
    qty: Qty
    price: Price
    delta: int
    vega: int


class QuoteMandate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the maker signed (EIP-712 ``QuoteMandate``) over all leaves of a message; the root follows from them.

    ``qty`` (1e-4 contract), ``delta`` (1e-4 underlying), ``vega`` (1e-6 USDC per vol point) and ``count`` of fills are
    the budget: once a figure has reached it, nothing more fills under this mandate. Zero is no bound. ``max_fee`` as in
    orders.
    """

    account: int
    nonce: int
    expiry_s: Seconds
    max_fee: Price
    qty: Qty
    delta: int
    vega: int
    count: int
    signer: bytes  # 20
    signature: bytes  # 65


class Protection(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a group of quotes may fill within any ``interval_ns``, in the units of a mandate; zero is no bound.

    A group that reached a bound is frozen for ``frozen_ns``, or until it is reset when that is zero. ``covered``:
    margin is held once, against the budget of each mandate, instead of for each quote.
    """

    interval_ns: Nanos
    frozen_ns: Nanos
    qty: Qty
    delta: int
    vega: int
    count: int
    covered: bool = False


class MassQuote(Command, frozen=True, tag=60):
    """Quote many series at once; earlier quotes of the group in these series, or all if ``whole``, leave."""

    mandate: QuoteMandate
    leaves: tuple[QuoteLeaf, ...]
    group: str
    label: str = ""
    whole: bool = False
    session: int = 0  # the connection that minds the quotes from here on; 0: none, or as before


class SetProtection(Command, frozen=True, tag=61):
    """Open a group of quotes, or change what protects it; fills of the interval so far still count."""

    account: int
    group: str
    protection: Protection


class FreezeQuotes(Command, frozen=True, tag=62):
    """Take the quotes of a group off and refuse new ones; or reset it: it thaws, and its fills so far are forgotten."""

    account: int
    group: str
    is_frozen: bool


class CancelQuotes(Command, frozen=True, tag=63):
    """Take quotes of an account off the book: of a group, a series, an underlying, a range of signed deltas, or all."""

    account: int
    group: str = ""  # "": any
    series: int = -1  # -1: any
    underlying: int = -1  # -1: any
    delta_min: int = -U63_MAX
    delta_max: int = U63_MAX
    label: str = ""  # "": any


# Block trades: agreed by two accounts away from the books, signed by both.


class BlockLeg(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One trade of a block, as the taker sees it."""

    series: int
    is_buy: bool
    qty: Qty
    price: Price


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What both signed (EIP-712 ``BlockTrade``), all of it or none; its legs ascend by series.

    ``maker_max_fee`` and ``taker_max_fee`` (1e-6 USDC) are for the whole block. The nonce is one of both accounts.
    With ``queueable`` it may also be queued on the contracts, without the operator: see ``ObserveOffbookQueued``.
    """

    maker: int
    taker: int
    legs: tuple[BlockLeg, ...]
    maker_max_fee: Cash
    taker_max_fee: Cash
    nonce: int
    expiry_s: Seconds
    queueable: bool = False


class SetBlocks(Command, frozen=True, tag=105):
    """Take blocks in an underlying, with at least ``min_qty`` in each leg; zero: take none."""

    underlying: int
    min_qty: Qty
    authoriser: str


class ExecuteBlock(Command, frozen=True, tag=106):
    """Trade a block that both parties have signed; whoever holds both signatures may ask for it."""

    block: Block
    maker_signer: bytes  # 20
    maker_signature: bytes  # 65
    taker_signer: bytes  # 20
    taker_signature: bytes  # 65


class InvalidateBlock(Command, frozen=True, tag=107):
    """An account no longer stands by what it signed under a nonce. On the contracts ``cancel_nonces`` says so."""

    account: int
    nonce: int


Blocks: TypeAlias = SetBlocks | ExecuteBlock | InvalidateBlock


# Requests for quotes: one asks, some answer, and nothing of it rests in a book.


class OpenRfq(Command, frozen=True, tag=95):
    """Ask for quotes in a series; the request bears the seq of this record until it ends.

    ``side`` is UNTOLD, BUYING or SELLING. Quotes are for multiples of ``step``, and neither a quote nor an acceptance
    is for less than ``minimum`` while there is as much to fill. Without ``makers`` every admitted one is asked.
    ``anonymous``: who asked is told to nobody, not even after a trade. With ``legs`` instead of a series it is for that
    combo, which is listed with it if it is not yet.
    """

    account: int
    series: int
    side: int
    qty: Qty
    step: Qty
    minimum: Qty
    expires_s: Seconds
    makers: tuple[int, ...] = ()
    anonymous: bool = False
    label: str = ""
    session: int = 0  # the connection that minds the request; 0: none that could be lost
    legs: Legs = ()


class CloseRfq(Command, frozen=True, tag=96):
    """The account that asked no longer asks; all quotes leave."""

    account: int
    rfq: int


class QuoteRfq(Command, frozen=True, tag=97):
    """Answer a request with a signed order whose terms name it. ``anonymous`` as of ``OpenRfq``, for the maker."""

    auth: Authorisation
    anonymous: bool = False
    label: str = ""
    session: int = 0  # the connection that minds the quote; 0: none that could be lost


class RequoteRfq(Command, frozen=True, tag=98):
    """Replace a quote by a newly signed one, atomically; the total quantity includes what has filled."""

    order_id: int
    auth: Authorisation
    label: str = ""
    session: int = 0  # the connection that minds the quote from here on; 0: as before


class CancelRfqQuotes(Command, frozen=True, tag=99):
    """Take an account's quotes back: those for one request, or with ``rfq`` 0 for all."""

    account: int
    rfq: int = 0


class AcceptRfq(Command, frozen=True, tag=100):
    """Fill quotes with a signed order whose terms name the request: the best ones first, or only that of ``quote``.

    ``arrived_ns`` as of ``Place``.
    """

    auth: Authorisation
    quote: int = 0
    label: str = ""
    arrived_ns: Nanos = 0


class AdmitMaker(Command, frozen=True, tag=101):
    """Whether an account answers requests for quotes: it is asked when everybody is, and may be chosen."""

    account: int
    is_maker: bool


Rfqs: TypeAlias = OpenRfq | CloseRfq | QuoteRfq | RequoteRfq | CancelRfqQuotes | AcceptRfq | AdmitMaker


class CreateCombo(Command, frozen=True, tag=90):
    """List the combo of these legs; whoever asks for one that is listed gets its number."""

    legs: Legs


class SealBatch(Command, frozen=True, tag=20):
    """Close the open batch now instead of waiting for its size or age.

    A heartbeat may be empty: it shows the contract that the operator is alive, and anchors the journal.
    """

    heartbeat: bool = False


class BatchRefused(Command, frozen=True, tag=21):
    """The clearing contract refused a batch: a breach of NO_BUST, which halts the venue."""

    batch_id: int
    reason: str


# Phases of a series, and what a phase is set for.

CONTINUOUS: Final = 0  # orders match as they come
AUCTION: Final = 1  # orders collect, nothing matches
UNCROSSING: Final = 2  # what was collected trades at one price, record by record; nothing enters
HALTED: Final = 3  # by order; nothing enters
CLOSED: Final = 4  # listed, not yet priced; nothing enters

VENUE: Final = 0  # a scope of the register only
UNDERLYING: Final = 1
EXPIRY: Final = 2
SERIES: Final = 3


class SetAuctions(Command, frozen=True, tag=55):
    """When series of an underlying are auctioned by themselves; zero turns a rule off.

    A new series opens with ``opening_s`` seconds of collecting. A fill further from the mark than ``band_mark`` of the
    mark plus ``band_spot`` of the spot does not happen, and a spot that moves by more than ``jump_spot`` from one round
    to the next stops all series: instead orders collect for ``volatility_s`` seconds, and as long again, at most
    ``extensions_max`` times, while the price found is outside the band. Fractions in wad.
    """

    underlying: int
    opening_s: Seconds
    volatility_s: Seconds
    extensions_max: int
    band_mark: Wad
    band_spot: Wad
    jump_spot: Wad
    authoriser: str


class SetPhase(Command, frozen=True, tag=56):
    """Halt, open, or auction the series of an underlying, an expiry, or one series.

    An auction ends at ``ends_s``, whether it begins with this command or only ends earlier or later than it would have;
    with ``every_s`` the next one begins when it ends, so that the series trades in periodic auctions only.
    """

    scope: int
    subject: int
    phase: int
    ends_s: Seconds
    every_s: Seconds
    cause: str
    authoriser: str


class SetBands(Command, frozen=True, tag=51):
    """How far beyond its corners an order for an underlying's options may be signed; all zero: as far as one likes.

    A buyer's corner is the price with ``spot`` moved against a seller and ``vol`` up, a seller's with both the other
    way; neither is nearer to the mark than ``floor`` of the spot. Fractions in wad.
    """

    underlying: int
    spot: Wad
    vol: Wad
    floor: Wad
    authoriser: str


class SetBreaker(Command, frozen=True, tag=110):
    """Order a status (``exchange.core.breakers.Status``) for the venue (scope 0) or for an underlying.

    Tightening binds at once. Opening again takes its first step at once and each further one ``stage_s`` later.
    """

    scope: int
    subject: int
    status: int
    stage_s: Seconds
    cause: str
    authoriser: str


class SetFeed(Command, frozen=True, tag=111):
    """How far the rounds of an underlying are trusted. From then on its breaker follows them; rates in 1e-18.

    Late after ``heartbeat_s``, silent after three of them; thin below the confidence ``thin``; jumped when the index
    moved by more than ``jump_min`` and than ``jump_deviations`` deviations of ``stress_vol`` over the time between
    rounds.
    """

    underlying: int
    heartbeat_s: Seconds
    thin: Wad
    jump_min: Wad
    jump_deviations: int
    stress_vol: Wad
    authoriser: str


class SetPortfolio(Command, frozen=True, tag=140):
    """Parameters of the PORTFOLIO margin of an underlying, in place of those before; they tell and do not bind yet."""

    underlying: int
    model: PortfolioModel
    authoriser: str


class PoolTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """By what a pool of the AMM quotes (docs/AMM.md); rates in wad.

    ``life_s`` from the time of a round to the expiry of what is quoted at it, and how far from its mark a quote may be
    (a share of it, at most so many points of vol), are those that the pool's contract holds its key to. Then what its
    half spreads cover, what it may hold, and the contracts of each level, best first.
    """

    life_s: Seconds
    quote_share: Wad
    quote_points: Wad
    vol_error: Wad
    vega_share: Wad
    buffer: Wad
    fee_share: Wad
    margin_share: Wad
    expiry_share: Wad
    strike_share: Wad
    delta_share: Wad
    delta_min: Wad
    delta_max: Wad
    quiet_s: Seconds
    sizes: tuple[int, ...]


class SetPool(Command, frozen=True, tag=130):
    """An account is a pool of an underlying from here on, and quotes by these terms; or they replace those before."""

    account: int
    underlying: int
    terms: PoolTerms
    authoriser: str


class ResumePool(Command, frozen=True, tag=131):
    """Somebody answers for going on: a pool that its fall has silenced may quote again, and falls from here."""

    account: int
    cause: str
    authoriser: str


# The register: what supervisors ask for and no order needs. Roles are those of the fields of order records.

SUBMITTER: Final = 1
CLIENT: Final = 2
DECISION: Final = 3
EXECUTION: Final = 4


class CommitIdentity(Command, frozen=True, tag=170):
    """Who stands behind an account in a role: SHA-256 over a salt and the identity, which are kept elsewhere."""

    account: int
    role: int
    commitment: bytes  # 32
    authoriser: str


class SetReference(Command, frozen=True, tag=171):
    """What the venue, an underlying or a series is called elsewhere, as ``register.FIELDS`` has it.

    ``corrects`` is the record of the entry that turned out to be wrong; 0 for the first entry.
    """

    scope: int
    subject: int
    field: str
    value: str
    corrects: int
    cause: str
    authoriser: str


class RecordClock(Command, frozen=True, tag=172):
    """What the time service says of the clock that stamps records; without ``source`` it is unknown how good that is.

    ``offset_ns`` has the sign that the time service gives it; delay and dispersion are those to the root, ``rms_ns``
    of the last offsets.
    """

    source: str
    stratum: int
    offset_ns: int
    rms_ns: int
    delay_ns: int
    dispersion_ns: int
    leap: str  # or why it is unknown


class Fire(Command, frozen=True, tag=50):
    """Let the order enter whose trigger was reached first of those that are due."""

    order_id: int


# What the chain said. Each carries the contract's dense action number, so a gap or a repeat cannot pass.


class ObserveAccount(Command, frozen=True, tag=30):
    """An account was opened by a wallet."""

    action_id: int
    account: int
    owner: bytes


class ObserveDeposit(Command, frozen=True, tag=31):
    """Tokens reached the vault, finally."""

    action_id: int
    account: int
    amount: Cash


class ObserveKey(Command, frozen=True, tag=32):
    """The owner delegated a session key."""

    action_id: int
    account: int
    key: bytes
    scopes: int
    expiry_s: Seconds
    underlyings: int = 0  # a map of bits; this and what follows as in ``keylimits``
    notional: Cash = 0
    spend: Cash = 0


class ObserveRevocation(Command, frozen=True, tag=33):
    """The owner revoked a session key; off-chain it is dead from this record on."""

    action_id: int
    account: int
    key: bytes


class ObserveCancellation(Command, frozen=True, tag=34):
    """The owner cancelled nonces on chain: bits of ``mask`` in the 256-nonce ``word``."""

    action_id: int
    account: int
    word: int
    mask: bytes  # 32, big-endian: a uint256 does not fit a journal integer


class ObserveWithdrawalRequest(Command, frozen=True, tag=35):
    """The owner asked to withdraw; the amount stops being margin at once."""

    action_id: int
    account: int
    amount: Cash


class ObserveWithdrawalCancelled(Command, frozen=True, tag=36):
    """The owner took the request back."""

    action_id: int
    account: int


class ObserveWithdrawal(Command, frozen=True, tag=37):
    """Tokens left the vault for the owner."""

    action_id: int
    account: int
    amount: Cash


class ObserveExit(Command, frozen=True, tag=38):
    """The owner asked to leave: no new orders from here on."""

    action_id: int
    account: int


class ObserveExitCleared(Command, frozen=True, tag=39):
    """The owner stays after all."""

    action_id: int
    account: int


class ObserveBatch(Command, frozen=True, tag=40):
    """The settlement receipt of a batch, final on chain."""

    action_id: int
    batch_id: int
    tx_hash: bytes
    block: int
    gas: int


class ObserveFixing(Command, frozen=True, tag=41):
    """The contract fixed the settlement price of an expiry."""

    action_id: int
    expiry_id: int
    price: Price


class ObserveExpirySettled(Command, frozen=True, tag=42):
    """The contract turned an account's expired positions into cash."""

    action_id: int
    expiry_id: int
    account: int
    cash_delta: Cash


class ObserveListing(Command, frozen=True, tag=43):
    """A listing reached the contract; it only advances the action number."""

    action_id: int
    expiry_id: int


class ObserveOffbookQueued(Command, frozen=True, tag=108):
    """Somebody queued a block on the contracts, where it may settle until ``lapses_s``, that second included."""

    action_id: int
    maker: int
    taker: int
    digest: bytes  # 32
    nonce: int
    lapses_s: Seconds


class OffbookLeg(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A leg of a block that settled without the operator, with the index it was charged at and the fees."""

    series: int
    is_buy: bool
    qty: Qty
    price: Price
    taker_fee: Cash
    maker_fee: Cash
    index: Price


class ObserveOffbookSettled(Command, frozen=True, tag=109):
    """A queued block has traded on the contracts; it does here with this record."""

    action_id: int
    maker: int
    taker: int
    digest: bytes  # 32
    maker_signer: bytes  # 20
    taker_signer: bytes  # 20
    legs: tuple[OffbookLeg, ...]


class ObserveModel(Command, frozen=True, tag=141):
    """The owner chose a margin model; ``before`` counts on the contracts until ``effective_s``, then ``chosen``."""

    action_id: int
    account: int
    before: int
    chosen: int
    effective_s: Seconds


class ObserveFlag(Command, frozen=True, tag=120):
    """Somebody flagged an account on the contracts: it may be liquidated there until ``lapses_s``, to the end of it."""

    action_id: int
    account: int
    lapses_s: Seconds


class MovedLeg(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A position that changed hands, with its sign, and what it was marked at."""

    series: int
    qty: Qty
    mark: Price


class ObserveTransfer(Command, frozen=True, tag=121):
    """A flagged account handed positions to a provider and was paid for them; below zero it paid."""

    action_id: int
    account: int
    provider: int
    paid: Cash
    legs: tuple[MovedLeg, ...]


class CashChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an account got, or below zero gave."""

    account: int
    amount: Cash


class ObserveCaseClosed(Command, frozen=True, tag=122):
    """A liquidation is over on the contracts, and everybody paid: insurance, providers, fund and keepers, in changes
    that sum to zero. ``uncovered`` stays on the account as negative cash.
    """

    action_id: int
    account: int
    uncovered: Cash
    changes: tuple[CashChange, ...]


# Who is there to mind their orders, and who may trade at all.


class OpenSession(Command, frozen=True, tag=70):
    """A connection of this login is about to enter orders; its number is the seq of this record."""

    by: bytes  # 20


class EndSession(Command, frozen=True, tag=71):
    """The connection is gone. ``keeps`` after a farewell: what it entered stays."""

    session: int
    keeps: bool = False


class EndAllSessions(Command, frozen=True, tag=72):
    """The venue starts: every connection there was is gone."""


class SwitchSession(Command, frozen=True, tag=73):
    """Whether the orders entered through a connection leave with it: AS_ACCOUNT, SWITCH_ON or SWITCH_OFF."""

    session: int
    switch: int


class SwitchAccount(Command, frozen=True, tag=74):
    """Whether an account's orders leave with their connection when the connection does not say."""

    account: int
    cancels: bool


class SetTimer(Command, frozen=True, tag=75):
    """The dead man's timer: unless set again, the account's orders leave so many milliseconds from now; 0 stops it."""

    account: int
    after_ms: int


class PullKill(Command, frozen=True, tag=76):
    """Take everything off the book and refuse new orders until released. ``by``: wallet, session key or operator.

    ``account`` is for KILL_ACCOUNT, ``owner`` for KILL_OWNER: all accounts of a wallet.
    """

    scope: int
    account: int
    owner: bytes
    by: bytes
    cause: str


class ReleaseKill(Command, frozen=True, tag=77):
    """Trade again: the owner releases what the owner or a key of theirs pulled, the operator what the operator did."""

    scope: int
    account: int
    owner: bytes
    by: bytes
    cause: str


class Proceed(Command, frozen=True, tag=78):
    """Go on with what was too much for one record: cancellations, or combos that the books of their legs reached."""


Presence: TypeAlias = (
    OpenSession
    | EndSession
    | EndAllSessions
    | SwitchSession
    | SwitchAccount
    | SetTimer
    | PullKill
    | ReleaseKill
    | Proceed
)


Operation: TypeAlias = (
    SetTrading
    | SetAuctions
    | SetPhase
    | SetBands
    | SetBlocks
    | SetBreaker
    | SetFeed
    | PullKill
    | ReleaseKill
    | CommitIdentity
    | SetReference
)


class Warrant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """By which the operator's key signed a command: each has a number above the last, and is void after a moment."""

    nonce: int
    expiry_s: Seconds
    signer: bytes  # 20
    signature: bytes  # 65


class Operate(Command, frozen=True, tag=79):
    """What the operator commands from outside the venue's process."""

    operation: Operation
    warrant: Warrant


class ObserveBlock(Command, frozen=True, tag=44):
    """The chain is in sight: every fact up to this final block is in the journal. It has no action number."""

    number: int
    time_s: Seconds
    hash: bytes  # 32


class ObserveSeat(Command, frozen=True, tag=150):
    """The oracle's contract seated a signer, for rounds of ``since_s`` and after. It has no action number.

    ``former`` is whose seat it was, and empty for one of the first.
    """

    signer: bytes  # 20
    since_s: Seconds
    former: bytes = b""


Liquidation: TypeAlias = ObserveFlag | ObserveTransfer | ObserveCaseClosed
Observation: TypeAlias = (
    ObserveAccount
    | ObserveDeposit
    | ObserveKey
    | ObserveRevocation
    | ObserveCancellation
    | ObserveWithdrawalRequest
    | ObserveWithdrawalCancelled
    | ObserveWithdrawal
    | ObserveExit
    | ObserveExitCleared
    | ObserveBatch
    | ObserveFixing
    | ObserveExpirySettled
    | ObserveListing
    | ObserveOffbookQueued
    | ObserveOffbookSettled
    | ObserveModel
    | Liquidation
)
AnyCommand: TypeAlias = (
    Configure
    | ListUnderlying
    | ListExpiry
    | ListSeries
    | PostRound
    | Tick
    | TakeDigest
    | SetTrading
    | Place
    | Amend
    | Cancel
    | CancelAll
    | MassQuote
    | SetProtection
    | FreezeQuotes
    | CancelQuotes
    | CreateCombo
    | SealBatch
    | BatchRefused
    | SetAuctions
    | SetPhase
    | SetBands
    | SetBreaker
    | SetFeed
    | SetPortfolio
    | SetPool
    | ResumePool
    | CommitIdentity
    | SetReference
    | RecordClock
    | Fire
    | ObserveBlock
    | ObserveSeat
    | Observation
    | Presence
    | Operate
    | Blocks
    | Rfqs
)
