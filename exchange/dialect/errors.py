"""What the venue answers when it will not: the dialect's codes, and how each of the machine's refusals maps to one.

Every ``Reject`` has a row with its code, the units of its value and limit, the rule in a sentence and the cure; the
table in docs/API.md is checked against it. Imports core.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple

from exchange.core.events import Reject, Rejected
from exchange.dialect.numbers import contracts, millis, usdc


class Code(Enum):
    """Codes of the dialect that this venue uses: number and message."""

    PARSE_ERROR = (-32700, "parse_error")
    INVALID_REQUEST = (-32600, "invalid_request")
    METHOD_NOT_FOUND = (-32601, "method_not_found")
    INVALID_PARAMS = (-32602, "invalid_params")
    AUTHORIZATION_REQUIRED = (10000, "authorization_required")
    QTY_TOO_LOW = (10002, "qty_too_low")
    ORDER_NOT_FOUND = (10004, "order_not_found")
    PRICE_TOO_LOW = (10005, "price_too_low")
    PRICE_TOO_HIGH = (10007, "price_too_high")
    NOT_ENOUGH_FUNDS = (10009, "not_enough_funds")
    ALREADY_CLOSED = (10010, "already_closed")
    PRICE_NOT_ALLOWED = (10011, "price_not_allowed")
    BOOK_CLOSED = (10012, "book_closed")
    TOO_MANY_OPEN_ORDERS = (10015, "pme_max_option_open_orders")
    INVALID_INSTRUMENT = (10020, "invalid_or_unsupported_instrument")
    INVALID_AMOUNT = (10021, "invalid_amount")
    INVALID_QUANTITY = (10022, "invalid_quantity")
    TOO_MANY_REQUESTS = (10028, "too_many_requests")
    NOT_OWNER_OF_ORDER = (10029, "not_owner_of_order")
    MUST_BE_WEBSOCKET = (10030, "must_be_websocket_request")
    NOT_IMPLEMENTED = (10033, "not_implemented")
    INVALID_MAX_SHOW = (10036, "invalid_max_show_amount")
    PRICE_WRONG_TICK = (10043, "price_wrong_tick")
    QUEUE_FULL = (10047, "matching_engine_queue_full")
    ALREADY_FILLED = (11008, "already_filled")
    INVALID_ARGUMENTS = (11029, "invalid_arguments")
    OTHER_REJECT = (11030, "other_reject")
    NO_MORE_TRIGGERS = (11035, "no_more_triggers")
    INVALID_TRIGGER = (11036, "invalid_trigger_price")
    NOT_OPEN_ORDER = (11044, "not_open_order")
    UNSUPPORTED_COMBINATION = (11047, "unsupported_arg_combination")
    BAD_REQUEST = (11050, "bad_request")
    MAINTENANCE = (11051, "system_maintenance")
    POST_ONLY_REJECT = (11054, "post_only_reject")
    ACCOUNT_LOCKED = (11098, "account_locked")
    INVALID_CREDENTIALS = (13004, "invalid_credentials")
    USER_NOT_FOUND = (13007, "user_not_found")
    UNAUTHORIZED = (13009, "unauthorized")
    FORBIDDEN = (13021, "forbidden")
    TEMPORARILY_UNAVAILABLE = (13028, "temporarily_unavailable")
    LABEL_NOT_UNIQUE = (13032, "non_unique_order_label")
    MMP_REQUIRED = (13040, "mmp_required")
    QUOTES_FROZEN = (13043, "quotes_frozen")
    TIMED_OUT = (13888, "timed_out")
    NOT_FULLY_FILLED = (13907, "not_fully_filled")


class DialectError(Exception):
    """A refusal on its way to the client. ``data`` says which parameter or rule, and what would have been right."""

    def __init__(self, code: Code, **data: Any) -> None:
        super().__init__(f"{code.value[0]} {code.value[1]} {data}")
        self.code = code
        self.data = data

    def object(self) -> dict[str, Any]:
        """The JSON-RPC error object."""
        number, message = self.code.value
        return {"code": number, "message": message, "data": self.data} if self.data else _bare(number, message)


def _bare(number: int, message: str) -> dict[str, Any]:
    return {"code": number, "message": message}


Unit = Callable[[int], float]


class Refusal(NamedTuple):
    """How one of the machine's refusals is told: code, rule, cure, and the units of value and limit."""

    code: Code
    rule: str
    cure: str
    value: Unit = int
    limit: Unit = int


_ADMIN: Final = "For the operator of the venue only; a client never sees it."

REFUSALS: Final[dict[Reject, Refusal]] = {
    Reject.VENUE_MUST_BE_CONFIGURED_ONCE: Refusal(Code.BAD_REQUEST, "A venue is opened once.", _ADMIN),
    Reject.TRADING_MUST_BE_OPEN: Refusal(
        Code.MAINTENANCE, "Orders are taken while trading is open.", "Wait for the venue to resume; cancels still work."
    ),
    Reject.MANDATES_MUST_BE_SUPPORTED: Refusal(
        Code.NOT_IMPLEMENTED,
        "Quotes are taken where the clearing contracts settle fills under quote mandates.",
        "Place orders instead.",
    ),
    Reject.BLOCKS_MUST_BE_SUPPORTED: Refusal(
        Code.NOT_IMPLEMENTED,
        "Blocks are traded where the clearing contracts settle them.",
        "Place orders instead.",
    ),
    Reject.COMBOS_MUST_BE_SUPPORTED: Refusal(
        Code.NOT_IMPLEMENTED,
        "Combos are listed where the clearing contracts settle orders for them.",
        "Place orders for the legs instead.",
    ),
    Reject.RFQS_MUST_BE_SUPPORTED: Refusal(
        Code.NOT_IMPLEMENTED,
        "Quotes are asked for where the clearing contracts settle orders for requests.",
        "Place orders instead.",
    ),
    Reject.UNDERLYING_MUST_EXIST: Refusal(Code.BAD_REQUEST, "An expiry needs a listed underlying.", _ADMIN),
    Reject.EXPIRY_MUST_EXIST: Refusal(Code.BAD_REQUEST, "A series needs a listed expiry.", _ADMIN),
    Reject.LISTING_MUST_BE_DENSE: Refusal(Code.BAD_REQUEST, "Listings are numbered without gaps.", _ADMIN),
    Reject.EXPIRY_MUST_BE_AHEAD: Refusal(
        Code.BAD_REQUEST, "An expiry lies in the future, and is listed before its last half hour.", _ADMIN
    ),
    Reject.EXPIRY_MUST_END_A_HALF_HOUR: Refusal(Code.BAD_REQUEST, "An expiry ends a half hour.", _ADMIN),
    Reject.EXPIRY_SLOT_MUST_BE_FREE: Refusal(
        Code.BAD_REQUEST,
        "An expiry takes the slot of the one listed 128 before it, once that is over: fixed, and all fills settled.",
        _ADMIN,
    ),
    Reject.LISTING_MUST_FIT_A_BATCH: Refusal(
        Code.BAD_REQUEST, "The sheets of all live listings, at most 64, fit one settlement transaction.", _ADMIN
    ),
    Reject.STRIKE_MUST_FIT: Refusal(Code.BAD_REQUEST, "A strike fits 63 bits.", _ADMIN, usdc, usdc),
    Reject.LOT_AND_TICK_MUST_BE_EXACT: Refusal(
        Code.BAD_REQUEST, "One lot at one tick is a whole 1e-6 USDC.", _ADMIN, usdc, contracts
    ),
    Reject.COMBO_LEGS_MUST_BE_CANONICAL: Refusal(
        Code.INVALID_ARGUMENTS,
        "A combo has two to four legs in ascending instrument_id, with ratios without a common divisor, the first of "
        "them above zero.",
        "Sort the legs, divide the ratios, and turn the side if the first is sold.",
    ),
    Reject.COMBO_LEGS_MUST_SHARE_UNDERLYING: Refusal(
        Code.INVALID_ARGUMENTS,
        "All legs of a combo are of one underlying.",
        "Leave out the legs of the other.",
    ),
    Reject.COMBOS_MUST_FIT: Refusal(
        Code.OTHER_REJECT,
        "The venue lists at most 1,000 combos at a time, and numbers 65,535 in all.",
        "Use one that is listed, or wait until others expire.",
    ),
    Reject.ROUND_MUST_ADVANCE: Refusal(Code.BAD_REQUEST, "A round is newer than the last.", _ADMIN),
    Reject.ROUND_MUST_NOT_BE_AHEAD: Refusal(Code.BAD_REQUEST, "A round is not from the future.", _ADMIN),
    Reject.ROUND_MUST_COVER_LISTINGS: Refusal(Code.BAD_REQUEST, "A round prices every live listing.", _ADMIN),
    Reject.ROUND_MUST_CONTINUE_ACCUMULATOR: Refusal(Code.BAD_REQUEST, "A round continues the integral.", _ADMIN),
    Reject.ROUND_MARKS_MUST_FOLLOW: Refusal(Code.BAD_REQUEST, "Marks follow from forward and vol.", _ADMIN),
    Reject.ROUND_ARRAYS_MUST_FOLLOW: Refusal(Code.BAD_REQUEST, "Risk arrays follow from the round.", _ADMIN),
    Reject.BANDS_MUST_FIT: Refusal(Code.BAD_REQUEST, "Bands are fractions of at most one.", _ADMIN),
    Reject.PORTFOLIO_MUST_BE_SOUND: Refusal(
        Code.BAD_REQUEST, "Parameters of the portfolio margin keep its laws.", _ADMIN
    ),
    Reject.FEED_TERMS_MUST_FIT: Refusal(
        Code.BAD_REQUEST,
        "A heartbeat lasts up to a day; thinness and jumps are fractions, vols at most ten.",
        _ADMIN,
    ),
    Reject.BREAKER_STATUS_MUST_BE_ORDERED: Refusal(
        Code.BAD_REQUEST, "Persons order every status but degraded; the safeguard is governance's.", _ADMIN
    ),
    Reject.BREAKER_MUST_MOVE: Refusal(Code.BAD_REQUEST, "A breaker is not there yet, or has stages to come.", _ADMIN),
    Reject.BREAKER_STAGES_MUST_LAST: Refusal(
        Code.BAD_REQUEST, "Opening again by several steps takes at least a minute for each, at most a day.", _ADMIN
    ),
    Reject.AUCTION_TERMS_MUST_FIT: Refusal(
        Code.BAD_REQUEST, "Auctions last up to a day; bands are fractions; a scope is known.", _ADMIN
    ),
    Reject.PHASE_MUST_FOLLOW: Refusal(
        Code.BAD_REQUEST, "A phase follows from the one before; nothing trades continuously while crossed.", _ADMIN
    ),
    Reject.ACCOUNT_MUST_EXIST: Refusal(
        Code.USER_NOT_FOUND, "The account was opened on chain.", "Deposit first and wait until the deposit is final."
    ),
    Reject.ACCOUNT_MUST_BE_ACTIVE: Refusal(
        Code.ACCOUNT_LOCKED,
        "An account that is leaving takes no new orders.",
        "Clear the exit request on chain, or let it complete.",
    ),
    Reject.ACCOUNT_MUST_NOT_AWAIT_BLOCK: Refusal(
        Code.ACCOUNT_LOCKED,
        "An account takes no orders while a block of it is queued on the contracts, or it is flagged there.",
        "Wait until that is over or has lapsed, two settlement windows at most; add collateral if it was flagged.",
    ),
    Reject.KILL_SWITCH_MUST_BE_RELEASED: Refusal(
        Code.ACCOUNT_LOCKED,
        "No order is taken under a pulled kill switch: data.value 1 the account's, 2 its wallet's, 3 the venue's.",
        "Who pulled it at data.limit (seconds) releases it: the wallet or the operator, see private/x_get_kill_switch.",
    ),
    Reject.SIGNER_MUST_BE_AUTHORISED: Refusal(
        Code.AUTHORIZATION_REQUIRED,
        "The order is signed by the owner or a live session key with the trade scope.",
        "Check every signed field, the domain (public/status x_venue) and the key's scopes and expiry.",
    ),
    Reject.BLOCK_MUST_HAVE_TWO_OWNERS: Refusal(
        Code.OTHER_REJECT,
        "The two accounts of a block belong to different wallets.",
        "Trade with somebody else.",
    ),
    Reject.BLOCK_LEGS_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS,
        "A block has one to four legs, in ascending instrument_id.",
        "Sort the legs, and add up those of one instrument.",
    ),
    Reject.PROTECTION_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS,
        "Bounds and intervals of a group of quotes are in range; an account has at most 64 groups.",
        "Send smaller numbers, a known group, or a name of at most 64 letters; the interval is an hour at most.",
    ),
    Reject.QUOTE_GROUP_MUST_EXIST: Refusal(
        Code.MMP_REQUIRED,
        "Quotes, and orders with mmp, belong to a group with a protection.",
        "Send private/set_mmp_config first.",
    ),
    Reject.QUOTES_MUST_NOT_BE_FROZEN: Refusal(
        Code.QUOTES_FROZEN,
        "A group that reached a bound takes nothing in until it thaws and its window has room.",
        "Wait until data.limit (milliseconds), or send private/reset_mmp.",
        millis,
        millis,
    ),
    Reject.QUOTES_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS, "A message holds 1 to 256 quotes, each side for itself.", "Split the message."
    ),
    Reject.QUOTE_BUDGET_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS,
        "Figures of the signed budget are from 0 to 2^47; where it stands for margin, its quantity is above 0.",
        "Sign a budget in range.",
    ),
    Reject.SERIES_MUST_EXIST: Refusal(
        Code.INVALID_INSTRUMENT, "The instrument is listed.", "Refresh public/get_instruments."
    ),
    Reject.COMBO_LEGS_MUST_MATCH: Refusal(
        Code.INVALID_ARGUMENTS,
        "An order for a combo signs just the legs of the combo it names; an order for one series signs none.",
        "Sign the legs of the combo as the venue lists them.",
    ),
    Reject.SERIES_MUST_BE_TRADING: Refusal(
        Code.BOOK_CLOSED, "The instrument has not expired.", "Choose an active instrument."
    ),
    Reject.SERIES_MUST_TAKE_ORDERS: Refusal(
        Code.BOOK_CLOSED,
        "The instrument trades continuously or collects orders for an auction.",
        "Wait until x_phase is continuous or auction; cancels still work.",
    ),
    Reject.MARKET_MUST_TAKE_RISK: Refusal(
        Code.BOOK_CLOSED,
        "The market takes orders that add risk; x_status says what it takes now.",
        "Send a reduce-only order unless x_status is cancel_only or halted, or wait; cancels always work.",
    ),
    Reject.TIF_MUST_BE_KNOWN: Refusal(
        Code.INVALID_ARGUMENTS,
        "Time in force is good_til_cancelled, immediate_or_cancel or fill_or_kill.",
        "Send one of the three.",
    ),
    Reject.TIF_MUST_SUIT_AUCTION: Refusal(
        Code.INVALID_ARGUMENTS,
        "While orders are collected for an auction nothing fills at once.",
        "Send good_til_cancelled, or wait until x_phase is continuous.",
    ),
    Reject.QTY_MUST_BE_POSITIVE: Refusal(
        Code.QTY_TOO_LOW, "The amount is above zero.", "Send at least min_trade_amount.", contracts, contracts
    ),
    Reject.QTY_MUST_BE_ON_LOT: Refusal(
        Code.INVALID_AMOUNT,
        "The amount is a multiple of the lot.",
        "Round to min_trade_amount before signing.",
        contracts,
        contracts,
    ),
    Reject.QTY_MUST_FIT: Refusal(
        Code.INVALID_QUANTITY, "The amount fits the contract's 32-bit lane.", "Split the order.", contracts, contracts
    ),
    Reject.PRICE_MUST_BE_POSITIVE: Refusal(
        Code.PRICE_TOO_LOW, "The price is above zero.", "Send at least one tick.", usdc, usdc
    ),
    Reject.PRICE_MUST_BE_ON_TICK: Refusal(
        Code.PRICE_WRONG_TICK,
        "The price is a multiple of the tick in force at that price.",
        "Round to data.limit (tick_size, tick_size_steps) before signing.",
        usdc,
        usdc,
    ),
    Reject.PRICE_MUST_FIT: Refusal(
        Code.PRICE_TOO_HIGH, "Price and max_fee fit 63 bits.", "Send a smaller number.", usdc, usdc
    ),
    Reject.BLOCKS_MUST_BE_OFFERED: Refusal(
        Code.NOT_IMPLEMENTED,
        "The venue takes blocks in the underlying of every leg.",
        "Place orders instead.",
    ),
    Reject.BLOCK_MUST_BE_LARGE: Refusal(
        Code.QTY_TOO_LOW,
        "Every leg of a block is of the least amount, data.limit, or more.",
        "Sign larger legs, or place orders.",
        contracts,
        contracts,
    ),
    Reject.TERMS_MUST_BE_KNOWN: Refusal(
        Code.INVALID_ARGUMENTS,
        "The signed terms use the codes there are, and a market order does not rest.",
        "Sign a code up to data.limit; sign a market order as immediate_or_cancel or fill_or_kill.",
    ),
    Reject.COMBO_MUST_BE_PLAIN: Refusal(
        Code.UNSUPPORTED_COMBINATION,
        "An order for a combo is a limit or market order: not reduce-only, without trigger, link, iceberg, slide or "
        "protection.",
        "Leave the option out.",
    ),
    Reject.DISPLAY_MUST_FIT: Refusal(
        Code.INVALID_MAX_SHOW,
        "An iceberg shows whole lots, at least a hundredth of its amount at a time.",
        "Sign a display amount of at least data.limit, or none.",
        contracts,
        contracts,
    ),
    Reject.PROTECTED_MUST_MAKE: Refusal(
        Code.UNSUPPORTED_COMBINATION,
        "An order under protection only makes: it is post-only and waits for no trigger.",
        "Sign post_only, or leave mmp out: what takes counts for no group.",
    ),
    Reject.KEY_MUST_ALLOW_UNDERLYING: Refusal(
        Code.FORBIDDEN,
        "The underlying is in the map of the session key that signed.",
        "Sign with the wallet, or with a key registered for it.",
    ),
    Reject.KEY_MUST_ALLOW_COMBOS: Refusal(
        Code.OTHER_REJECT,
        "A session key whose notional or spend is limited signs no orders for combos.",
        "Sign with the wallet, or with a key without such limits.",
    ),
    Reject.KEY_MUST_HAVE_NOTIONAL: Refusal(
        Code.FORBIDDEN,
        "The session key has not used up its notional: strike times amount of all its fills.",
        "Sign with the wallet or another key; data.limit is the key's, for all its life.",
        usdc,
        usdc,
    ),
    Reject.KEY_MUST_HAVE_SPEND: Refusal(
        Code.FORBIDDEN,
        "The session key has not used up what it may pay for purchases, fees included.",
        "Sell, or sign with the wallet or another key; data.limit is the key's, for all its life.",
        usdc,
        usdc,
    ),
    Reject.ORDER_MUST_NOT_BE_EXPIRED: Refusal(
        Code.TIMED_OUT, "The signed expiry lies ahead, before 2106.", "Sign again with a later expiry (seconds)."
    ),
    Reject.NONCE_MUST_BE_FRESH: Refusal(
        Code.AUTHORIZATION_REQUIRED,
        "A nonce is used once and fits 64 bits.",
        "Take the next nonce (x_next_nonce of private/get_account_summary) and sign again.",
    ),
    Reject.ORACLE_MUST_BE_FRESH: Refusal(
        Code.TEMPORARILY_UNAVAILABLE,
        "Orders are taken on a round younger than the settlement window that prices the series.",
        "Wait for the next oracle round.",
    ),
    Reject.MAX_FEE_MUST_COVER_FEE: Refusal(
        Code.OTHER_REJECT,
        "The signed max_fee covers the taker's fee at the limit price.",
        "Sign a larger max_fee; data.limit is the fee due in USDC.",
        usdc,
        usdc,
    ),
    Reject.TRIGGER_MUST_LIE_AHEAD: Refusal(
        Code.INVALID_TRIGGER,
        "A trigger waits for a price that is not there yet.",
        "Sign a trigger price beyond data.limit, the price as it is now.",
        usdc,
        usdc,
    ),
    Reject.RFQ_ORDER_MUST_STAY_THERE: Refusal(
        Code.INVALID_ARGUMENTS,
        "An order whose signed terms name a request for quotes is good for that request only, not for a book.",
        "Send it with private/add_block_rfq_quote or private/accept_block_rfq, or sign without it.",
    ),
    Reject.SESSION_MUST_BE_OPEN: Refusal(
        Code.BAD_REQUEST,
        "An order comes through a connection that is still open.",
        "Connect again; nobody would have minded this order.",
    ),
    Reject.POOL_MUST_EXIST: Refusal(Code.BAD_REQUEST, "The account is a pool.", _ADMIN),
    Reject.POOL_TERMS_MUST_FIT: Refusal(
        Code.BAD_REQUEST, "Terms of a pool are shares of at most one, and lives of at most an hour.", _ADMIN
    ),
    Reject.POOL_MUST_BE_SILENT: Refusal(Code.BAD_REQUEST, "Only a pool that its fall silenced is resumed.", _ADMIN),
    Reject.POOL_MUST_BE_HEARD: Refusal(
        Code.OTHER_REJECT,
        "No breaker of the pool is open.",
        "Wait for the rounds that a jump takes; after a fall, until somebody answers for going on.",
    ),
    Reject.POOL_QUOTES_MUST_NAME_THEIR_ROUND: Refusal(
        Code.OTHER_REJECT,
        "The quotes of a pool expire its committed life after the time of the round in force.",
        "Sign for the newest round.",
    ),
    Reject.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH: Refusal(
        Code.OTHER_REJECT,
        "No quote of a pool is further from the mark than its contract forgives.",
        "Ask more, bid less, and quote the pool's underlying only.",
    ),
    Reject.QUOTE_GREEKS_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS,
        "Delta and vega of a whole quote, in signed units times 1e-4 contract, are at most 2^54; vega is not negative.",
        "Check the units of delta and vega, or quote less.",
    ),
    Reject.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE: Refusal(
        Code.INVALID_ARGUMENTS,
        "A group, or in a request for quotes an account, has at most one quote on each side of an instrument.",
        "Use another group for another level, or edit the quote.",
    ),
    Reject.RFQS_MUST_FIT: Refusal(
        Code.TOO_MANY_OPEN_ORDERS,
        "The venue has at most 1,000 requests for quotes, an account 16 of them, and a request 128 quotes.",
        "Cancel some, or wait until others end.",
    ),
    Reject.RFQ_TERMS_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS,
        "A request has whole steps of whole lots, names at most 64 makers, and ends within an hour, before its series.",
        "Send a step that divides the amount and the minimum, and an end before data.limit.",
    ),
    Reject.RFQ_MAKERS_MUST_BE_ADMITTED: Refusal(
        Code.INVALID_ARGUMENTS,
        "Makers answer requests for quotes: the account that quotes, and each one that a request names, once.",
        "See private/get_block_rfq_makers; private/x_set_block_rfq_maker admits an account.",
    ),
    Reject.RFQ_MUST_BE_OPEN: Refusal(
        Code.NOT_OPEN_ORDER,
        "The request for quotes is open: to its taker, and to the makers it asks.",
        "It has filled, ended or been cancelled, or is somebody else's; see private/get_block_rfqs.",
    ),
    Reject.RFQ_MUST_BE_OF_ANOTHER: Refusal(
        Code.INVALID_ARGUMENTS, "Nobody quotes for a request of the same wallet.", "Leave it to the other makers."
    ),
    Reject.RFQ_ORDER_MUST_BE_PLAIN: Refusal(
        Code.INVALID_ARGUMENTS,
        "An order for a request for quotes is not reduce-only; one that accepts is not post-only or all or none.",
        "Sign it without those terms.",
    ),
    Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE: Refusal(
        Code.INVALID_ARGUMENTS,
        "Quotes and acceptances are for the instrument of the request, and for its side where it told one.",
        "Sign for the instrument and the side of the request; an edit keeps its side.",
    ),
    Reject.RFQ_QTY_MUST_FIT: Refusal(
        Code.INVALID_QUANTITY,
        "Quotes and acceptances are for whole steps of the request, its minimum at least, and no more than is left.",
        "Send a multiple of x_step, from min_trade_amount up to data.limit.",
        contracts,
        contracts,
    ),
    Reject.ORDER_MUST_BE_OPEN: Refusal(
        Code.NOT_OPEN_ORDER, "The order is open.", "It has filled, expired or been cancelled; see get_order_state."
    ),
    Reject.ORDER_MUST_BE_OWN: Refusal(
        Code.NOT_OWNER_OF_ORDER, "The order belongs to the account.", "Use the account that placed it."
    ),
    Reject.QUOTE_MUST_BE_QUOTED_ANEW: Refusal(
        Code.INVALID_ARGUMENTS,
        "A quote is not edited like an order.",
        "Send private/mass_quote again, or private/edit_block_rfq_quote.",
    ),
    Reject.AMEND_MUST_KEEP_SERIES_AND_SIDE: Refusal(
        Code.INVALID_ARGUMENTS,
        "An edit keeps instrument and side, and is good til cancelled.",
        "Cancel and place a new order instead.",
    ),
    Reject.AMEND_MUST_NAME_REPLACED_NONCE: Refusal(
        Code.INVALID_ARGUMENTS,
        "replaces is the nonce of the order replaced plus one in an edit, and zero in a new order.",
        "Sign again with the nonce of the order's latest authorisation plus one.",
    ),
    Reject.AMEND_QTY_MUST_EXCEED_FILLED: Refusal(
        Code.ALREADY_FILLED,
        "The total amount of an edit exceeds what has filled.",
        "Sign a larger total, or cancel the rest.",
        contracts,
        contracts,
    ),
    Reject.LINKS_MUST_MATCH: Refusal(
        Code.UNSUPPORTED_COMBINATION,
        "Orders that come together name each other and fit: same instrument, same amount, a bracket against its entry.",
        "Sign link, parent and attached anew: one order with a trigger, or up to two reduce-only ones.",
    ),
    Reject.OPEN_ORDERS_MUST_FIT: Refusal(
        Code.TOO_MANY_OPEN_ORDERS,
        "An account has at most 10,000 open orders, and quotes of 64 messages; a group has at most 512 in the book.",
        "Cancel some.",
    ),
    Reject.TRIGGERS_MUST_FIT: Refusal(
        Code.NO_MORE_TRIGGERS,
        "An account has at most 100 orders that wait for a trigger.",
        "Cancel some.",
    ),
    Reject.REDUCE_ONLY_MUST_REDUCE: Refusal(
        Code.OTHER_REJECT,
        "A reduce-only order is on the side that shrinks the position.",
        "Check the position, or drop reduce_only.",
        contracts,
        contracts,
    ),
    Reject.PRICE_MUST_BE_IN_BAND: Refusal(
        Code.PRICE_NOT_ALLOWED,
        "An order is signed within the price band of its series, unless it only reduces.",
        "Sign data.limit, the last price inside, or wait for the next oracle round.",
        usdc,
        usdc,
    ),
    Reject.POST_ONLY_MUST_NOT_CROSS: Refusal(
        Code.POST_ONLY_REJECT,
        "A post-only order does not trade at once.",
        "Sign a price short of data.limit, or leave reject_post_only out to let it slide one tick away.",
        usdc,
        usdc,
    ),
    Reject.SETTLEMENT_MUST_KEEP_UP: Refusal(
        Code.TEMPORARILY_UNAVAILABLE,
        "An order fills while what waits for settlement is little and recent enough to settle in time.",
        "Wait for batches to settle; orders that do not cross, edits that do not, and cancels still work.",
    ),
    Reject.CHAIN_MUST_BE_IN_SIGHT: Refusal(
        Code.TEMPORARILY_UNAVAILABLE,
        "An order fills while the venue sees the chain: data.value is the age of the last final block in seconds.",
        "Wait until the venue reaches its node again; what does not cross, and cancels, still work.",
    ),
    Reject.ACCOUNT_MUST_HAVE_MARGIN: Refusal(
        Code.NOT_ENOUGH_FUNDS,
        "Initial margin holds with everything the account has open.",
        "Deposit, cancel orders or close positions; data.limit is the shortfall in USDC.",
        usdc,
        usdc,
    ),
    Reject.FILL_OR_KILL_MUST_FILL: Refusal(
        Code.NOT_FULLY_FILLED,
        "A fill-or-kill order fills whole or not at all.",
        "Lower the amount, move the price, or use immediate_or_cancel.",
        contracts,
        contracts,
    ),
    Reject.RFQ_MUST_MEET_QUOTES: Refusal(
        Code.NOT_FULLY_FILLED,
        "An acceptance fills all of its amount, or with any_part_of at least the minimum of the request.",
        "See the quotes in private/get_block_rfqs; move the price, lower the amount, or use any_part_of.",
        contracts,
        contracts,
    ),
    Reject.POSITIONS_MUST_FIT: Refusal(
        Code.NOT_ENOUGH_FUNDS,
        "A settlement transaction can check all positions of both accounts; data.value is the account.",
        "Close or let expire what the account holds in other series.",
    ),
    Reject.PARTY_MUST_HAVE_MARGIN: Refusal(
        Code.NOT_ENOUGH_FUNDS,
        "Both accounts hold initial margin after all legs, or no less than before: data.value is the account.",
        "Deposit data.limit in USDC there, or sign smaller legs.",
        int,
        usdc,
    ),
    Reject.TRIGGER_MUST_BE_DUE: Refusal(
        Code.BAD_REQUEST,
        "The order to fire is the one due first.",
        _ADMIN,
    ),
    Reject.SESSIONS_MUST_FIT: Refusal(
        Code.TEMPORARILY_UNAVAILABLE,
        "The venue minds at most 20,000 trading connections.",
        "Use one connection for many orders, or HTTP.",
    ),
    Reject.SWITCH_MUST_BE_KNOWN: Refusal(
        Code.INVALID_ARGUMENTS, "A switch has the positions and reaches that the API names.", "Send one of them."
    ),
    Reject.TIMER_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS, "The dead man's timer runs for at most a day.", "Send at most data.limit milliseconds."
    ),
    Reject.KILL_SWITCH_MUST_BE_PULLED: Refusal(
        Code.BAD_REQUEST,
        "Released is what the same hand has pulled: the wallet's side what the wallet or a key of it pulled.",
        "See private/x_get_kill_switch; what the operator pulled, the operator releases.",
    ),
    Reject.IDENTITY_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS, "A commitment is 32 bytes, for one of the roles that the API names.", _ADMIN
    ),
    Reject.REFERENCE_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS,
        "An entry is one of the fields of what it is about, of at most 350 characters and 63 corrections.",
        _ADMIN,
    ),
    Reject.REFERENCE_MUST_CORRECT_THE_LAST: Refusal(
        Code.BAD_REQUEST,
        "A correction names the record of the entry in force, which data.limit tells; a first entry names none.",
        _ADMIN,
    ),
    Reject.READING_MUST_FIT: Refusal(
        Code.INVALID_ARGUMENTS, "A reading of the clock has a source, or measures nothing.", _ADMIN
    ),
    Reject.BATCH_MUST_BE_PENDING: Refusal(Code.BAD_REQUEST, "A refusal names a sealed batch.", _ADMIN),
    Reject.NOTHING_TO_SEAL: Refusal(Code.BAD_REQUEST, "A batch has trades.", _ADMIN),
    Reject.CHAIN_ACTIONS_MUST_BE_DENSE: Refusal(Code.BAD_REQUEST, "Chain actions come without gaps.", _ADMIN),
    Reject.CHAIN_BLOCKS_MUST_ADVANCE: Refusal(Code.BAD_REQUEST, "Final blocks are seen in their order.", _ADMIN),
    Reject.SEATS_MUST_FOLLOW: Refusal(
        Code.BAD_REQUEST, "A seat among the oracle's signers passes from who has it to somebody new.", _ADMIN
    ),
}


def refuse(event: Rejected) -> DialectError:
    """The dialect's error for a refusal of the machine."""
    row = REFUSALS[event.reason]
    return DialectError(
        row.code,
        reason=event.reason.value,
        value=row.value(event.value),
        limit=row.limit(event.limit),
        rule=row.rule,
        cure=row.cure,
    )


OVERLOADED: Final = DialectError(Code.QUEUE_FULL, reason="inbox_full", wait=1)
TAKEN_BACK: Final = DialectError(Code.NOT_OPEN_ORDER, reason="cancelled_before_it_was_entered")
HALTED: Final = DialectError(Code.MAINTENANCE, reason="venue_stopped")
STOPPING: Final = DialectError(Code.MAINTENANCE, reason="venue_is_stopping")  # no new order; cancels still work
