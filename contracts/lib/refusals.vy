# pragma version 0.4.3
"""
@title Refusals by number
@license Apache-2.0
@notice What Clearing refuses and why, at a price in code that it can pay: a reason spelt out spends 64 bytes at each
        place, a number 17. Only a call that is refused looks the name up, so what reverts still says Error(reason).
@dev The name is asked of this very contract, which has it from a part that no fill waits for; see `state`. A number belongs to
     one deployment, so they may be given anew. What runs in a constructor has no code to ask, and spells its reasons out.
@custom:kill Stateless; nothing to disable.
"""

ACCOUNT_FROZEN: constant(uint256) = 0
ACCOUNT_MARGIN: constant(uint256) = 1
BATCH_DEADLINE: constant(uint256) = 2
BATCH_FORMAT: constant(uint256) = 3
BATCH_ID: constant(uint256) = 4
COMBO_LEGS: constant(uint256) = 5
EXPIRY_HELD: constant(uint256) = 6
EXPIRY_ORDER: constant(uint256) = 7
EXPIRY_TIME: constant(uint256) = 8
FEE_BEYOND_MAX: constant(uint256) = 9
JOURNAL_SIZE: constant(uint256) = 10
KEY_ADDRESS: constant(uint256) = 11
KEY_EXPIRED: constant(uint256) = 12
KEY_IN_USE: constant(uint256) = 13
KEY_LIMITS: constant(uint256) = 14
KEY_NOTIONAL: constant(uint256) = 15
KEY_REVOKED: constant(uint256) = 16
KEY_SCOPE: constant(uint256) = 17
KEY_SPEND: constant(uint256) = 18
KEY_UNDERLYING: constant(uint256) = 19
KEY_UNKNOWN: constant(uint256) = 20
LISTING_FULL: constant(uint256) = 21
MANDATE_COUNT: constant(uint256) = 22
MANDATE_DELTA: constant(uint256) = 23
MANDATE_QUANTITY: constant(uint256) = 24
MANDATE_RANGE: constant(uint256) = 25
MANDATE_SEQUENCE: constant(uint256) = 26
MANDATE_VEGA: constant(uint256) = 27
ONLY_OWNER: constant(uint256) = 28
OPERATOR_SIGNATURE: constant(uint256) = 29
ORDER_CANCELLED: constant(uint256) = 30
ORDER_EXPIRED: constant(uint256) = 31
ORDER_NOT_RESTING: constant(uint256) = 32
ORDER_OVERFILLED: constant(uint256) = 33
ORDER_POST_ONLY: constant(uint256) = 34
ORDER_REDUCE_ONLY: constant(uint256) = 35
ORDER_REPLACED: constant(uint256) = 36
ORDER_SEQUENCE: constant(uint256) = 37
ORDER_SIGNATURE: constant(uint256) = 38
POSITION_RANGE: constant(uint256) = 39
PRICE_BEYOND_LIMIT: constant(uint256) = 40
QUOTE_PROOF: constant(uint256) = 41
RFQ_MISMATCH: constant(uint256) = 42
ROUND_NOT_NEWEST: constant(uint256) = 43
ROUND_ORDER: constant(uint256) = 44
ROUND_STALE: constant(uint256) = 45
SERIES_EXPIRED: constant(uint256) = 46
SERIES_LISTED: constant(uint256) = 47
SERIES_MISMATCH: constant(uint256) = 48
SERIES_RANGE: constant(uint256) = 49
SERIES_UNKNOWN: constant(uint256) = 50
SHEET_FORMAT: constant(uint256) = 51
SHEET_MISSING: constant(uint256) = 52
SHEET_ROOT: constant(uint256) = 53
SHEET_UNKNOWN: constant(uint256) = 54
SIDE_MISMATCH: constant(uint256) = 55
TRADE_QUANTITY: constant(uint256) = 56

interface Names:
    def reason_of(number: uint256) -> String[32]: view


@internal
@view
def because(number: uint256):
    """
    @notice Revert with Error(reason).
    """
    raise staticcall Names(self).reason_of(number)


@external
@view
def reason_of(number: uint256) -> String[32]:
    """
    @notice Name of a refusal.
    """
    name: String[32] = empty(String[32])
    if number == ACCOUNT_FROZEN:
        name = "account_frozen"
    elif number == ACCOUNT_MARGIN:
        name = "account_margin"
    elif number == BATCH_DEADLINE:
        name = "batch_deadline"
    elif number == BATCH_FORMAT:
        name = "batch_format"
    elif number == BATCH_ID:
        name = "batch_id"
    elif number == COMBO_LEGS:
        name = "combo_legs"
    elif number == EXPIRY_HELD:
        name = "expiry_held"
    elif number == EXPIRY_ORDER:
        name = "expiry_order"
    elif number == EXPIRY_TIME:
        name = "expiry_time"
    elif number == FEE_BEYOND_MAX:
        name = "fee_beyond_max"
    elif number == JOURNAL_SIZE:
        name = "journal_size"
    elif number == KEY_ADDRESS:
        name = "key_address"
    elif number == KEY_EXPIRED:
        name = "key_expired"
    elif number == KEY_IN_USE:
        name = "key_in_use"
    elif number == KEY_LIMITS:
        name = "key_limits"
    elif number == KEY_NOTIONAL:
        name = "key_notional"
    elif number == KEY_REVOKED:
        name = "key_revoked"
    elif number == KEY_SCOPE:
        name = "key_scope"
    elif number == KEY_SPEND:
        name = "key_spend"
    elif number == KEY_UNDERLYING:
        name = "key_underlying"
    elif number == KEY_UNKNOWN:
        name = "key_unknown"
    elif number == LISTING_FULL:
        name = "listing_full"
    elif number == MANDATE_COUNT:
        name = "mandate_count"
    elif number == MANDATE_DELTA:
        name = "mandate_delta"
    elif number == MANDATE_QUANTITY:
        name = "mandate_quantity"
    elif number == MANDATE_RANGE:
        name = "mandate_range"
    elif number == MANDATE_SEQUENCE:
        name = "mandate_sequence"
    elif number == MANDATE_VEGA:
        name = "mandate_vega"
    elif number == ONLY_OWNER:
        name = "only_owner"
    elif number == OPERATOR_SIGNATURE:
        name = "operator_signature"
    elif number == ORDER_CANCELLED:
        name = "order_cancelled"
    elif number == ORDER_EXPIRED:
        name = "order_expired"
    elif number == ORDER_NOT_RESTING:
        name = "order_not_resting"
    elif number == ORDER_OVERFILLED:
        name = "order_overfilled"
    elif number == ORDER_POST_ONLY:
        name = "order_post_only"
    elif number == ORDER_REDUCE_ONLY:
        name = "order_reduce_only"
    elif number == ORDER_REPLACED:
        name = "order_replaced"
    elif number == ORDER_SEQUENCE:
        name = "order_sequence"
    elif number == ORDER_SIGNATURE:
        name = "order_signature"
    elif number == POSITION_RANGE:
        name = "position_range"
    elif number == PRICE_BEYOND_LIMIT:
        name = "price_beyond_limit"
    elif number == QUOTE_PROOF:
        name = "quote_proof"
    elif number == RFQ_MISMATCH:
        name = "rfq_mismatch"
    elif number == ROUND_NOT_NEWEST:
        name = "round_not_newest"
    elif number == ROUND_ORDER:
        name = "round_order"
    elif number == ROUND_STALE:
        name = "round_stale"
    elif number == SERIES_EXPIRED:
        name = "series_expired"
    elif number == SERIES_LISTED:
        name = "series_listed"
    elif number == SERIES_MISMATCH:
        name = "series_mismatch"
    elif number == SERIES_RANGE:
        name = "series_range"
    elif number == SERIES_UNKNOWN:
        name = "series_unknown"
    elif number == SHEET_FORMAT:
        name = "sheet_format"
    elif number == SHEET_MISSING:
        name = "sheet_missing"
    elif number == SHEET_ROOT:
        name = "sheet_root"
    elif number == SHEET_UNKNOWN:
        name = "sheet_unknown"
    elif number == SIDE_MISMATCH:
        name = "side_mismatch"
    elif number == TRADE_QUANTITY:
        name = "trade_quantity"
    return name
