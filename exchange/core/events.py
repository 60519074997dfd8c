"""Past-tense facts the machine decided, and the closed vocabulary of refusals.

A record holds a command and its events, so an event repeats nothing the command already says. Fields are only ever
appended, with a default. Imports units only.
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from exchange.core.units import Cash, Price, Qty, Seconds, Wad


class Reject(StrEnum):
    """Why a command was refused: the first rule it broke, in checking order (docs/API.md has the cures)."""

    # the venue
    VENUE_MUST_BE_CONFIGURED_ONCE = "venue_must_be_configured_once"
    TRADING_MUST_BE_OPEN = "trading_must_be_open"
    MANDATES_MUST_BE_SUPPORTED = "mandates_must_be_supported"
    BLOCKS_MUST_BE_SUPPORTED = "blocks_must_be_supported"
    COMBOS_MUST_BE_SUPPORTED = "combos_must_be_supported"
    RFQS_MUST_BE_SUPPORTED = "rfqs_must_be_supported"
    # listings
    UNDERLYING_MUST_EXIST = "underlying_must_exist"
    EXPIRY_MUST_EXIST = "expiry_must_exist"
    LISTING_MUST_BE_DENSE = "listing_must_be_dense"
    EXPIRY_MUST_BE_AHEAD = "expiry_must_be_ahead"
    EXPIRY_MUST_END_A_HALF_HOUR = "expiry_must_end_a_half_hour"
    EXPIRY_SLOT_MUST_BE_FREE = "expiry_slot_must_be_free"
    LISTING_MUST_FIT_A_BATCH = "listing_must_fit_a_batch"
    STRIKE_MUST_FIT = "strike_must_fit"
    LOT_AND_TICK_MUST_BE_EXACT = "lot_and_tick_must_be_exact"
    COMBO_LEGS_MUST_BE_CANONICAL = "combo_legs_must_be_canonical"
    COMBO_LEGS_MUST_SHARE_UNDERLYING = "combo_legs_must_share_underlying"
    COMBOS_MUST_FIT = "combos_must_fit"
    # oracle rounds
    ROUND_MUST_ADVANCE = "round_must_advance"
    ROUND_MUST_NOT_BE_AHEAD = "round_must_not_be_ahead"
    ROUND_MUST_COVER_LISTINGS = "round_must_cover_listings"
    ROUND_MUST_CONTINUE_ACCUMULATOR = "round_must_continue_accumulator"
    ROUND_MARKS_MUST_FOLLOW = "round_marks_must_follow"
    ROUND_ARRAYS_MUST_FOLLOW = "round_arrays_must_follow"
    # phases
    BANDS_MUST_FIT = "bands_must_fit"
    PORTFOLIO_MUST_BE_SOUND = "portfolio_must_be_sound"
    FEED_TERMS_MUST_FIT = "feed_terms_must_fit"
    BREAKER_STATUS_MUST_BE_ORDERED = "breaker_status_must_be_ordered"
    BREAKER_MUST_MOVE = "breaker_must_move"
    BREAKER_STAGES_MUST_LAST = "breaker_stages_must_last"
    AUCTION_TERMS_MUST_FIT = "auction_terms_must_fit"
    PHASE_MUST_FOLLOW = "phase_must_follow"
    # who
    ACCOUNT_MUST_EXIST = "account_must_exist"
    ACCOUNT_MUST_BE_ACTIVE = "account_must_be_active"
    ACCOUNT_MUST_NOT_AWAIT_BLOCK = "account_must_not_await_block"
    KILL_SWITCH_MUST_BE_RELEASED = "kill_switch_must_be_released"
    SIGNER_MUST_BE_AUTHORISED = "signer_must_be_authorised"
    # a block
    BLOCK_MUST_HAVE_TWO_OWNERS = "block_must_have_two_owners"
    BLOCK_LEGS_MUST_FIT = "block_legs_must_fit"
    # a message of quotes, or an order under their protection
    PROTECTION_MUST_FIT = "protection_must_fit"
    QUOTE_GROUP_MUST_EXIST = "quote_group_must_exist"
    QUOTES_MUST_NOT_BE_FROZEN = "quotes_must_not_be_frozen"
    QUOTES_MUST_FIT = "quotes_must_fit"
    QUOTE_BUDGET_MUST_FIT = "quote_budget_must_fit"
    # what
    SERIES_MUST_EXIST = "series_must_exist"
    COMBO_LEGS_MUST_MATCH = "combo_legs_must_match"
    SERIES_MUST_BE_TRADING = "series_must_be_trading"
    SERIES_MUST_TAKE_ORDERS = "series_must_take_orders"
    MARKET_MUST_TAKE_RISK = "market_must_take_risk"
    TIF_MUST_BE_KNOWN = "tif_must_be_known"
    TIF_MUST_SUIT_AUCTION = "tif_must_suit_auction"
    QTY_MUST_BE_POSITIVE = "qty_must_be_positive"
    QTY_MUST_BE_ON_LOT = "qty_must_be_on_lot"
    QTY_MUST_FIT = "qty_must_fit"
    PRICE_MUST_BE_POSITIVE = "price_must_be_positive"
    PRICE_MUST_BE_ON_TICK = "price_must_be_on_tick"
    PRICE_MUST_FIT = "price_must_fit"
    BLOCKS_MUST_BE_OFFERED = "blocks_must_be_offered"
    BLOCK_MUST_BE_LARGE = "block_must_be_large"
    TERMS_MUST_BE_KNOWN = "terms_must_be_known"
    COMBO_MUST_BE_PLAIN = "combo_must_be_plain"
    DISPLAY_MUST_FIT = "display_must_fit"
    PROTECTED_MUST_MAKE = "protected_must_make"
    KEY_MUST_ALLOW_UNDERLYING = "key_must_allow_underlying"
    KEY_MUST_ALLOW_COMBOS = "key_must_allow_combos"
    KEY_MUST_HAVE_NOTIONAL = "key_must_have_notional"
    KEY_MUST_HAVE_SPEND = "key_must_have_spend"
    ORDER_MUST_NOT_BE_EXPIRED = "order_must_not_be_expired"
    NONCE_MUST_BE_FRESH = "nonce_must_be_fresh"
    ORACLE_MUST_BE_FRESH = "oracle_must_be_fresh"
    MAX_FEE_MUST_COVER_FEE = "max_fee_must_cover_fee"
    TRIGGER_MUST_LIE_AHEAD = "trigger_must_lie_ahead"
    RFQ_ORDER_MUST_STAY_THERE = "rfq_order_must_stay_there"
    # the connection
    SESSION_MUST_BE_OPEN = "session_must_be_open"
    # a pool
    POOL_MUST_EXIST = "pool_must_exist"
    POOL_TERMS_MUST_FIT = "pool_terms_must_fit"
    POOL_MUST_BE_SILENT = "pool_must_be_silent"
    POOL_MUST_BE_HEARD = "pool_must_be_heard"
    POOL_QUOTES_MUST_NAME_THEIR_ROUND = "pool_quotes_must_name_their_round"
    POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH = "pool_quotes_must_keep_to_its_width"
    # what a quote is to count for, or a protected order; a quote of a message
    QUOTE_GREEKS_MUST_FIT = "quote_greeks_must_fit"
    QUOTE_MUST_BE_ALONE_ON_ITS_SIDE = "quote_must_be_alone_on_its_side"
    # a request for quotes
    RFQS_MUST_FIT = "rfqs_must_fit"
    RFQ_TERMS_MUST_FIT = "rfq_terms_must_fit"
    RFQ_MAKERS_MUST_BE_ADMITTED = "rfq_makers_must_be_admitted"
    RFQ_MUST_BE_OPEN = "rfq_must_be_open"
    RFQ_MUST_BE_OF_ANOTHER = "rfq_must_be_of_another"
    RFQ_ORDER_MUST_BE_PLAIN = "rfq_order_must_be_plain"
    RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE = "rfq_order_must_keep_series_and_side"
    RFQ_QTY_MUST_FIT = "rfq_qty_must_fit"
    # amend and cancel
    ORDER_MUST_BE_OPEN = "order_must_be_open"
    ORDER_MUST_BE_OWN = "order_must_be_own"
    QUOTE_MUST_BE_QUOTED_ANEW = "quote_must_be_quoted_anew"
    AMEND_MUST_KEEP_SERIES_AND_SIDE = "amend_must_keep_series_and_side"
    AMEND_MUST_NAME_REPLACED_NONCE = "amend_must_name_replaced_nonce"
    AMEND_QTY_MUST_EXCEED_FILLED = "amend_qty_must_exceed_filled"
    LINKS_MUST_MATCH = "links_must_match"
    OPEN_ORDERS_MUST_FIT = "open_orders_must_fit"
    TRIGGERS_MUST_FIT = "triggers_must_fit"
    # how it would trade
    REDUCE_ONLY_MUST_REDUCE = "reduce_only_must_reduce"
    PRICE_MUST_BE_IN_BAND = "price_must_be_in_band"
    POST_ONLY_MUST_NOT_CROSS = "post_only_must_not_cross"
    SETTLEMENT_MUST_KEEP_UP = "settlement_must_keep_up"
    CHAIN_MUST_BE_IN_SIGHT = "chain_must_be_in_sight"
    ACCOUNT_MUST_HAVE_MARGIN = "account_must_have_margin"
    FILL_OR_KILL_MUST_FILL = "fill_or_kill_must_fill"
    RFQ_MUST_MEET_QUOTES = "rfq_must_meet_quotes"
    POSITIONS_MUST_FIT = "positions_must_fit"
    PARTY_MUST_HAVE_MARGIN = "party_must_have_margin"
    TRIGGER_MUST_BE_DUE = "trigger_must_be_due"
    # presence
    SESSIONS_MUST_FIT = "sessions_must_fit"
    SWITCH_MUST_BE_KNOWN = "switch_must_be_known"
    TIMER_MUST_FIT = "timer_must_fit"
    KILL_SWITCH_MUST_BE_PULLED = "kill_switch_must_be_pulled"
    # the register
    IDENTITY_MUST_FIT = "identity_must_fit"
    REFERENCE_MUST_FIT = "reference_must_fit"
    REFERENCE_MUST_CORRECT_THE_LAST = "reference_must_correct_the_last"
    READING_MUST_FIT = "reading_must_fit"
    # settlement and the chain
    BATCH_MUST_BE_PENDING = "batch_must_be_pending"
    NOTHING_TO_SEAL = "nothing_to_seal"
    CHAIN_ACTIONS_MUST_BE_DENSE = "chain_actions_must_be_dense"
    CHAIN_BLOCKS_MUST_ADVANCE = "chain_blocks_must_advance"
    SEATS_MUST_FOLLOW = "seats_must_follow"


class CancelReason(StrEnum):
    """Why an order left the book without filling."""

    BY_OWNER = "by_owner"
    ON_CHAIN = "on_chain"
    IMMEDIATE_REMAINDER = "immediate_remainder"
    SELF_TRADE = "self_trade"
    FEE = "fee"
    MARGIN = "margin"
    REDUCE_ONLY = "reduce_only"
    EXPIRED = "expired"
    SERIES_EXPIRED = "series_expired"
    KEY_REVOKED = "key_revoked"
    ACCOUNT_EXITING = "account_exiting"
    SWEEP_BOUND = "sweep_bound"
    POSITIONS_BOUND = "positions_bound"
    VOLATILITY = "volatility"
    QUOTE_REPLACED = "quote_replaced"
    QUOTE_BUDGET = "quote_budget"
    QUOTE_PROTECTION = "quote_protection"
    DISCONNECTED = "disconnected"
    DEAD_MAN = "dead_man"
    KILL_SWITCH = "kill_switch"
    POST_ONLY = "post_only"
    LINKED = "linked"
    AT_TRIGGER = "at_trigger"
    KEY_LIMIT = "key_limit"
    BLOCK_QUEUED = "block_queued"
    RFQ_ENDED = "rfq_ended"
    ACCOUNT_FLAGGED = "account_flagged"
    POOL_ROUND = "pool_round"


class RfqEnd(StrEnum):
    """Why a request for quotes takes no more quotes and cannot be accepted."""

    FILLED = "filled"
    BY_TAKER = "by_taker"
    EXPIRED = "expired"
    DISCONNECTED = "disconnected"
    DEAD_MAN = "dead_man"
    KILL_SWITCH = "kill_switch"
    ACCOUNT_EXITING = "account_exiting"


class PhaseCause(StrEnum):
    """Why the machine itself moved a series from one phase to the next."""

    OPENING = "opening"
    VOLATILITY = "volatility"
    JUMP = "jump"
    EXTENDED = "extended"
    UNCROSSED = "uncrossed"
    PERIODIC = "periodic"
    EXPIRED = "expired"


class BreakerCause(StrEnum):
    """Why a breaker moved."""

    FEED_WORSE = "feed_worse"
    FEED_BETTER = "feed_better"
    HALT_LASTED = "halt_lasted"
    BATCH_REFUSED = "batch_refused"
    ORDERED = "ordered"
    STAGE = "stage"


class PoolCause(StrEnum):
    """Why a pool may quote otherwise than before."""

    VOL_JUMP = "vol_jump"
    SPOT_JUMP = "spot_jump"
    NAV_FALL = "nav_fall"
    CALM = "calm"
    RESUMED = "resumed"


class Authority(StrEnum):
    """Who authorises what moves a breaker."""

    MACHINE = "machine"
    OPERATOR = "operator"
    GUARDIAN = "guardian"
    GOVERNANCE = "governance"


class Figure(StrEnum):
    """What a maker bounds: how much fills, its net greeks, or how often."""

    QTY = "quantity"
    DELTA = "delta"
    VEGA = "vega"
    COUNT = "count"


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Base of all events."""


class Rejected(Event, frozen=True, tag=1):
    """The command was refused: the rule, the value that broke it and the limit it broke."""

    reason: Reject
    value: int = 0
    limit: int = 0


class Applied(Event, frozen=True, tag=2):
    """The command took effect exactly as written (configuration, listings, phases, most chain observations)."""


class RoundAdopted(Event, frozen=True, tag=3):
    """Marks, units and margins follow this round from here on."""

    round_id: int


class Digested(Event, frozen=True, tag=4):
    """SHA-256 of the canonical image of the state before this record."""

    digest: bytes


class Accepted(Event, frozen=True, tag=10):
    """The order is in: its id is the seq of its command."""

    order_id: int


class Amended(Event, frozen=True, tag=11):
    """The open order now stands under the new authorisation; ``kept`` tells whether it kept its priority."""

    order_id: int
    kept: bool


class Traded(Event, frozen=True, tag=12):
    """One fill at the maker's price, or at that of an auction. Fees in 1e-6 USDC, negative: rebate; ``index``: spot
    they were taken on. ``taker_order``: 0 for the order of the command.

    Of a combo every leg trades: fills that belong together bear the number of the first in ``group``, and the last one
    says of how many ``units`` of the combo they are the legs. Against another order for the combo, which is no order in
    a series, ``leg`` is the series that trades.
    """

    trade_id: int
    maker_order: int
    qty: Qty
    price: Price
    taker_fee: Cash
    maker_fee: Cash
    index: Price
    taker_order: int = 0
    group: int = 0
    units: Qty = 0
    leg: int = 0


class Rested(Event, frozen=True, tag=13):
    """What did not trade stands in the book at this price."""

    order_id: int
    price: Price


class Cancelled(Event, frozen=True, tag=14):
    """The order left the book with this much unfilled."""

    order_id: int
    reason: CancelReason
    remaining: Qty


class MassQuoted(Event, frozen=True, tag=60):
    """The message of quotes is in, whatever becomes of each: the mandate bears the seq of its command."""

    mandate_id: int


class Quoted(Event, frozen=True, tag=61):
    """A leaf stands in the book. An order that is already open continues as this one; ``kept``: in its place."""

    leaf: int
    order_id: int
    kept: bool


class QuoteRefused(Event, frozen=True, tag=62):
    """One leaf of a message was refused; the others are not concerned."""

    leaf: int
    reason: Reject
    value: int = 0
    limit: int = 0


class ProtectionTriggered(Event, frozen=True, tag=63):
    """A fill brought a group to one of its bounds: the group is frozen, and its quotes leave within this record."""

    account: int
    group: str
    figure: Figure
    value: int
    limit: int


class ComboListed(Event, frozen=True, tag=90):
    """The combo has this number, in the place where other orders name a series."""

    combo: int


class Deferred(Event, frozen=True, tag=91):
    """Resting combos that the books of their legs have reached trade with a later record: this one has no room."""


class Reached(Event, frozen=True, tag=92):
    """The books of its legs have reached this resting combo: what follows, up to the next such event, is its doing."""

    order_id: int


class BatchSealed(Event, frozen=True, tag=20):
    """Trades first..last will settle together, checked against the named round."""

    batch_id: int
    first_trade: int
    last_trade: int
    round_id: int


class ExpiryFixed(Event, frozen=True, tag=21):
    """Settlement price of an expiry: the 30-minute TWAP; positions in it became cash."""

    expiry_id: int
    price: Price


class AccountSettled(Event, frozen=True, tag=22):
    """What an account received (or paid) for its positions in the expired series; rounded down."""

    expiry_id: int
    account: int
    cash_delta: Cash


class Parked(Event, frozen=True, tag=50):
    """The order waits for its trigger; one that came along with another is in by this."""

    order_id: int


class Triggered(Event, frozen=True, tag=51):
    """The order's trigger was reached by this price, in the record numbered ``fact``; it enters now."""

    order_id: int
    price: Price
    fact: int


class Held(Event, frozen=True, tag=52):
    """So much of a waiting order is held back by those it is linked with."""

    order_id: int
    qty: Qty


class ChainDisagreed(Event, frozen=True, tag=30):
    """The chain reported another value than the machine derived: a reconciliation break, never papered over."""

    what: str
    expected: int
    actual: int


class PhaseChanged(Event, frozen=True, tag=55):
    """The series of a scope (see ``SetPhase``) are in a phase from here on; an auction lasts until ``ends_s``."""

    scope: int
    subject: int
    phase: int
    ends_s: Seconds
    cause: PhaseCause


class BreakerMoved(Event, frozen=True, tag=110):
    """One step of one layer of a breaker (``exchange.core.breakers``), of the venue (scope 0) or of an underlying."""

    scope: int
    subject: int
    layer: int
    before: int
    after: int
    cause: BreakerCause
    by: Authority


class Uncrossed(Event, frozen=True, tag=56):
    """An auction ended: ``volume`` trades at ``price``, in this record and those that go on with it.

    ``surplus`` is what is bid for less what is offered there.
    """

    series: int
    price: Price
    volume: Qty
    surplus: Qty


class TimerFired(Event, frozen=True, tag=70):
    """Nobody set the dead man's timer of the account again in time: what was open by then is cancelled."""

    account: int


class Purged(Event, frozen=True, tag=71):
    """A purge is over: of everything it was to cancel, nothing is open."""

    kind: int
    number: int
    owner: bytes


class BlockTraded(Event, frozen=True, tag=105):
    """One leg of a block has traded. Fees in 1e-6 USDC; ``index``: spot they were taken on."""

    trade_id: int
    leg: int
    taker_fee: Cash
    maker_fee: Cash
    index: Price


class RfqEnded(Event, frozen=True, tag=95):
    """The request is over; the quotes it had leave within this record."""

    rfq: int
    reason: RfqEnd


class PoolObserved(Event, frozen=True, tag=130):
    """What a pool was worth at a round, and the vol at the money that its breakers remember."""

    account: int
    atm_vol: Wad
    nav: Cash


class PoolMoved(Event, frozen=True, tag=131):
    """A breaker of a pool: whether it quotes from here on, its half spreads times what, whether money may flow."""

    account: int
    cause: PoolCause
    quotes: bool
    spread_factor: int
    liquidity: bool


AnyEvent: TypeAlias = (
    Rejected
    | Applied
    | RoundAdopted
    | Digested
    | Accepted
    | Amended
    | Traded
    | Rested
    | Cancelled
    | MassQuoted
    | Quoted
    | QuoteRefused
    | ProtectionTriggered
    | ComboListed
    | Deferred
    | Reached
    | BatchSealed
    | ExpiryFixed
    | AccountSettled
    | Parked
    | Triggered
    | Held
    | ChainDisagreed
    | PhaseChanged
    | BreakerMoved
    | Uncrossed
    | TimerFired
    | Purged
    | BlockTraded
    | RfqEnded
    | PoolObserved
    | PoolMoved
)
