"""What the checker holds a journal to, by name, and what it has to take as journaled.

Owns ``Rule``, ``Taken`` and ``Violation``. Imports msgspec only.
"""

from enum import StrEnum

import msgspec


class Rule(StrEnum):
    """What every record must obey; the name of a finding is the rule that is broken."""

    # the record itself
    KIND_MUST_BE_KNOWN = "kind_must_be_known"
    EVENTS_MUST_FIT = "events_must_fit"
    REFUSAL_MUST_HOLD = "refusal_must_hold"
    ADMISSION_MUST_HOLD = "admission_must_hold"
    # positive spread
    BOOK_MUST_HAVE_SPREAD = "book_must_have_spread"
    # price-time priority
    BEST_PRICE_MUST_GO_FIRST = "best_price_must_go_first"
    FIRST_IN_MUST_GO_FIRST = "first_in_must_go_first"
    NOBODY_MUST_BE_PASSED_OVER = "nobody_must_be_passed_over"
    FILL_MUST_BE_WHOLE = "fill_must_be_whole"
    AMEND_MUST_QUEUE_BY_RULE = "amend_must_queue_by_rule"
    # orders that wait
    TRIGGER_MUST_BE_REACHED = "trigger_must_be_reached"
    # auctions
    PHASE_MUST_FOLLOW = "phase_must_follow"
    BREAKER_MUST_FOLLOW = "breaker_must_follow"
    PRICE_MUST_BE_IN_BAND = "price_must_be_in_band"
    AUCTION_MUST_COLLECT = "auction_must_collect"
    AUCTION_MUST_CLEAR_AT_BEST = "auction_must_clear_at_best"
    PRICE_MUST_BE_THE_AUCTIONS = "price_must_be_the_auctions"
    AUCTION_MUST_LET_THE_LATER_TAKE = "auction_must_let_the_later_take"
    # who meets whom, and on which terms
    MAKER_MUST_BE_OPEN = "maker_must_be_open"
    MAKER_MUST_BE_OPPOSITE = "maker_must_be_opposite"
    MAKER_MUST_BE_IN_TIME = "maker_must_be_in_time"
    MAKER_MUST_HAVE_QUANTITY = "maker_must_have_quantity"
    TAKER_MUST_HAVE_QUANTITY = "taker_must_have_quantity"
    PRICE_MUST_BE_THE_MAKERS = "price_must_be_the_makers"
    PRICE_MUST_BE_WITHIN_LIMIT = "price_must_be_within_limit"
    OWNERS_MUST_DIFFER = "owners_must_differ"
    SELF_TRADE_MUST_END_AS_SIGNED = "self_trade_must_end_as_signed"
    POST_ONLY_MUST_NOT_TAKE = "post_only_must_not_take"
    FILL_OR_KILL_MUST_FILL = "fill_or_kill_must_fill"
    IMMEDIATE_MUST_NOT_REST = "immediate_must_not_rest"
    REST_MUST_BE_AT_ITS_PRICE = "rest_must_be_at_its_price"
    REDUCE_ONLY_MUST_REDUCE = "reduce_only_must_reduce"
    REDUCE_ONLY_MUST_NOT_LINGER = "reduce_only_must_not_linger"
    # quotes
    BUDGET_MUST_BOUND_FILLS = "budget_must_bound_fills"
    PROTECTION_MUST_TRIP = "protection_must_trip"
    # requests for quotes
    REQUEST_MUST_END_WITH_A_REASON = "request_must_end_with_a_reason"
    REQUEST_MUST_NOT_OUTLIVE_ITS_END = "request_must_not_outlive_its_end"
    REQUEST_MUST_FILL_IN_ITS_STEPS = "request_must_fill_in_its_steps"
    WHOLE_MUST_FILL_WHOLE = "whole_must_fill_whole"
    # who is there
    TIMER_MUST_FIRE = "timer_must_fire"
    MAKER_MUST_NOT_BE_PURGED = "maker_must_not_be_purged"
    # takers that a venue holds back
    TAKER_MUST_HAVE_WAITED = "taker_must_have_waited"
    TAKERS_MUST_KEEP_THEIR_ORDER = "takers_must_keep_their_order"
    # orders leave for a reason
    ORDER_MUST_END_OR_REST = "order_must_end_or_rest"
    CANCEL_MUST_BE_OF_AN_OPEN_ORDER = "cancel_must_be_of_an_open_order"
    CANCEL_MUST_HAVE_A_REASON = "cancel_must_have_a_reason"
    CANCEL_MUST_BE_COMPLETE = "cancel_must_be_complete"
    CANCEL_MUST_BE_OF_THE_REST = "cancel_must_be_of_the_rest"
    # combos
    COMBO_MUST_FILL_WHOLE = "combo_must_fill_whole"
    COMBO_MUST_BE_REACHED = "combo_must_be_reached"
    COMBO_MUST_NOT_STAND_REACHED = "combo_must_not_stand_reached"
    # conservation
    QUANTITIES_MUST_ADD_UP = "quantities_must_add_up"
    FEE_MUST_FOLLOW_THE_SCHEDULE = "fee_must_follow_the_schedule"
    FEE_MUST_BE_SIGNED = "fee_must_be_signed"
    KEY_MUST_HAVE_ROOM = "key_must_have_room"
    TRADE_IDS_MUST_BE_DENSE = "trade_ids_must_be_dense"
    BATCH_MUST_FOLLOW = "batch_must_follow"
    BATCH_MUST_BE_COMPLETE = "batch_must_be_complete"
    BATCH_MUST_BE_DUE = "batch_must_be_due"
    EXPIRY_MUST_BE_FIXED_BY_THE_MEAN = "expiry_must_be_fixed_by_the_mean"
    EXPIRY_MUST_PAY_WHAT_IS_HELD = "expiry_must_pay_what_is_held"


class Taken(StrEnum):
    """What only the margin function, the gas model or the contracts can tell: taken as journaled, and counted."""

    MARGIN = "margin"  # orders refused, and orders cancelled in a sweep, for want of margin
    POSITIONS_BOUND = "positions_bound"  # orders cancelled because one more position would not fit a transaction
    FILL_OR_KILL = "fill_or_kill"  # refused although the book had enough: some of it could not bear the fill
    AUCTION_FEE = "auction_fee"  # orders taken out of an auction for a fee: at which price that was found
    AUCTION_KEY = "auction_key"  # orders of limited keys taken out of an auction: at which price and fills
    VOLATILITY = "volatility"  # auctions begun although the band held enough: some of it could not bear the fill
    POOL = "pool"  # what pools are worth, what their breakers make of it, and terms refused
    BAND = "band"  # prices refused, or bent, for the edge of a band that the surface makes
    TRIGGER = "trigger"  # which waiting order is due, and that it may wait
    LINK = "link"  # what linked orders hold of each other
    ROUND = "round"  # oracle rounds refused, and the marks of those adopted
    LISTING = "listing"  # listings, phases and auction rules refused
    BATCH_CUT = "batch_cut"  # batches sealed before a new round, or cut short, for the margin or gas of what they hold
    COMBO = (
        "combo"  # combos that stopped, or whom they passed over, for margin, gas, fees or quotes that trip each other
    )
    DIGEST = "digest"  # digests of the machine's state
    CHAIN_DISAGREED = "chain_disagreed"  # facts of the chain that the machine says it did not expect


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that a record breaks: the order concerned (0: none), a sentence, and both values where there are two."""

    seq: int
    rule: Rule
    sentence: str
    order: int = 0
    expected: str = ""
    actual: str = ""
