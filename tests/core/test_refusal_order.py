"""Of several rules that a command breaks, the one declared first in ``Reject`` is named.

Every rule that an order or an amendment can break has a row that says how to break it; the rows of two rules together
make a command that breaks both. Every pair is tried, not only neighbours: a pair that cannot be broken at once would
leave a gap between its neighbours. Such pairs are listed with the reason.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, Final, NamedTuple

import pytest
from core_quotes import GROUP, bid, protect, quoted
from core_venue import USDC, Venue, series_named, standard_venue, wallet
from msgspec.structs import asdict, replace

from exchange.core import backlog, matching
from exchange.core import commands as c
from exchange.core.breakers import Status
from exchange.core.events import Reject
from exchange.core.state_types import Key
from exchange.core.units import QTY_MAX, U63_MAX

R = Reject
CALL: Final = series_named("62000C")
ME, OTHER, SELLER, NOBODY = 1, 2, 3, 99
MY_QUOTE, THEIR_QUOTE = 4, 5  # beside OTHER, whose order it is that an amendment names
MINE: Final = 890 * USDC  # where my order stands or is to stand
TOUCH: Final = 900 * USDC  # where somebody sells one contract
FILLED: Final = 5_000  # of my resting order
TOO_MUCH: Final = QTY_MAX // 100 * 100 + 100

Terms = dict[str, Any]
Patch = pytest.MonkeyPatch


class Break(NamedTuple):
    """How a rule is broken: terms of the command, or something that happens before it."""

    terms: Terms
    happens: Callable[[Venue, Patch], object] = lambda *_: None


def withdraw_all(venue: Venue, _: Patch) -> None:
    venue.observe(c.ObserveWithdrawalRequest, ME, 100_000 * USDC)


def leave(venue: Venue, _: Patch) -> None:
    venue.observe(c.ObserveExit, ME)


def queue_a_block(venue: Venue, _: Patch) -> None:
    venue.observe(c.ObserveOffbookQueued, ME, OTHER, b"d" * 32, 10**6, venue.now_s + 3_600)


def pull(venue: Venue, _: Patch) -> None:
    venue.must(c.PullKill(c.KILL_ACCOUNT, ME, b"", wallet(ME), "test"))


def expire(venue: Venue, _: Patch) -> None:
    venue.wait(venue.state.series[CALL].expiry_s - venue.now_s)


def grow_stale(venue: Venue, _: Patch) -> None:
    venue.wait(1_801)


def halt(venue: Venue, _: Patch) -> None:
    venue.must(c.SetTrading(False, "test"))


def stop(venue: Venue, _: Patch) -> None:
    venue.must(c.SetPhase(c.SERIES, CALL, c.HALTED, 0, 0, "test", "test"))


def collect(venue: Venue, _: Patch) -> None:
    venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, venue.now_s + 3_600, 0, "test", "test"))


def freeze(venue: Venue, _: Patch) -> None:
    venue.must(c.FreezeQuotes(ME, GROUP, is_frozen=True))


def allow_no_more_orders(_: Venue, patch: Patch) -> None:
    patch.setattr(matching, "OPEN_ORDERS_MAX", 0)
    patch.setattr(matching, "LINEAGE_MAX", 0)


def fall_behind(_: Venue, patch: Patch) -> None:
    patch.setattr(backlog, "trades_max", lambda _: 1)


def allow_no_triggers(_: Venue, patch: Patch) -> None:
    patch.setattr(matching, "TRIGGERS_MAX", 0)


def narrow(venue: Venue, _: Patch) -> None:
    """The mark is far below any of the prices here."""
    venue.must(c.SetBands(0, 0, 0, 1, "test"))


def curb(venue: Venue, _: Patch) -> None:
    venue.must(c.SetBreaker(c.UNDERLYING, 0, Status.CANCEL_ONLY, 0, "test", "operator"))


REACHED: Final = c.Terms(trigger=c.INDEX, trigger_above=True, trigger_price=62_000 * USDC)
AHEAD: Final = replace(REACHED, trigger_price=70_000 * USDC)
BOUND: Final = c.Terms(rfq=5)


def lose_sight(venue: Venue, _: Patch) -> None:
    venue.state.block = c.ObserveBlock(1, 0, bytes(32))


KEY_NAME: Final = b"\x77" * 20
KEY: Final[Terms] = {"signer": KEY_NAME}


def bound(venue: Venue, **limits: int) -> Key:
    """My session key has these limits, beside those it may have."""
    keys = venue.state.accounts[ME].keys
    if KEY_NAME not in keys:
        venue.observe(c.ObserveKey, ME, KEY_NAME, c.SCOPE_TRADE, venue.now_s + 10**8)
    key = keys[KEY_NAME]
    key.limits = replace(key.limits, **limits)
    return key


def name_another_underlying(venue: Venue, _: Patch) -> None:
    bound(venue, underlyings=2)


def use_up_notional(venue: Venue, _: Patch) -> None:
    bound(venue, notional=5).notional = 5


def use_up_spend(venue: Venue, _: Patch) -> None:
    bound(venue, spend=5).spend = 5


BREAKS: Final[dict[Reject, Break]] = {
    R.TRADING_MUST_BE_OPEN: Break({}, halt),
    R.ACCOUNT_MUST_EXIST: Break({"account": NOBODY}),
    R.ACCOUNT_MUST_BE_ACTIVE: Break({}, leave),
    R.ACCOUNT_MUST_NOT_AWAIT_BLOCK: Break({}, queue_a_block),
    R.KILL_SWITCH_MUST_BE_RELEASED: Break({}, pull),
    R.SIGNER_MUST_BE_AUTHORISED: Break({"signer": b"x" * 20}),
    R.QUOTE_GROUP_MUST_EXIST: Break({"terms": c.Terms(protection="none"), "post_only": True}),
    R.QUOTES_MUST_NOT_BE_FROZEN: Break({"terms": c.Terms(protection=GROUP), "post_only": True}, freeze),
    R.SERIES_MUST_EXIST: Break({"series": 99 << 16}),
    R.SERIES_MUST_BE_TRADING: Break({}, expire),
    R.SERIES_MUST_TAKE_ORDERS: Break({}, stop),
    R.MARKET_MUST_TAKE_RISK: Break({}, curb),
    R.TIF_MUST_BE_KNOWN: Break({"tif": 7}),
    R.TIF_MUST_SUIT_AUCTION: Break({"tif": c.IOC}, collect),
    R.QTY_MUST_BE_POSITIVE: Break({"qty": 0}),
    R.QTY_MUST_BE_ON_LOT: Break({"qty": 10_050}),
    R.QTY_MUST_FIT: Break({"qty": TOO_MUCH}),
    R.PRICE_MUST_BE_POSITIVE: Break({"price": 0}),
    R.PRICE_MUST_BE_ON_TICK: Break({"price": MINE + 7}),
    R.PRICE_MUST_FIT: Break({"max_fee": -1}),
    R.TERMS_MUST_BE_KNOWN: Break({"terms": c.Terms(self_trade=3)}),
    R.DISPLAY_MUST_FIT: Break({"terms": c.Terms(display=50)}),
    R.PROTECTED_MUST_MAKE: Break({"terms": c.Terms(protection=GROUP)}),
    R.KEY_MUST_ALLOW_UNDERLYING: Break(KEY, name_another_underlying),
    R.KEY_MUST_HAVE_NOTIONAL: Break(KEY, use_up_notional),
    R.KEY_MUST_HAVE_SPEND: Break(KEY, use_up_spend),
    R.ORDER_MUST_NOT_BE_EXPIRED: Break({"expiry_s": 0}),
    R.NONCE_MUST_BE_FRESH: Break({"nonce": -1}),
    R.ORACLE_MUST_BE_FRESH: Break({}, grow_stale),
    R.MAX_FEE_MUST_COVER_FEE: Break({"max_fee": 0}),
    R.TRIGGER_MUST_LIE_AHEAD: Break({"terms": REACHED}),
    R.RFQ_ORDER_MUST_STAY_THERE: Break({"terms": BOUND}),
    R.SESSION_MUST_BE_OPEN: Break({"session": 10**9}),
    R.QUOTE_GREEKS_MUST_FIT: Break({"terms": c.Terms(vega=-1)}),
    R.ORDER_MUST_BE_OPEN: Break({"order_id": 10**9}),
    R.ORDER_MUST_BE_OWN: Break({"order_id": -OTHER}),
    R.QUOTE_MUST_BE_QUOTED_ANEW: Break({"order_id": -MY_QUOTE}),
    R.AMEND_MUST_KEEP_SERIES_AND_SIDE: Break({"tif": c.IOC}),
    R.AMEND_MUST_NAME_REPLACED_NONCE: Break({"replaces": 77}),
    R.AMEND_QTY_MUST_EXCEED_FILLED: Break({"qty": FILLED}),
    R.LINKS_MUST_MATCH: Break({"terms": c.Terms(parent=5)}),
    R.OPEN_ORDERS_MUST_FIT: Break({}, allow_no_more_orders),
    R.TRIGGERS_MUST_FIT: Break({"terms": AHEAD}, allow_no_triggers),
    R.REDUCE_ONLY_MUST_REDUCE: Break({"reduce_only": True}),
    R.PRICE_MUST_BE_IN_BAND: Break({}, narrow),
    R.POST_ONLY_MUST_NOT_CROSS: Break({"post_only": True, "price": TOUCH}),
    R.SETTLEMENT_MUST_KEEP_UP: Break({"price": TOUCH}, fall_behind),
    R.CHAIN_MUST_BE_IN_SIGHT: Break({"price": TOUCH}, lose_sight),
    R.ACCOUNT_MUST_HAVE_MARGIN: Break({}, withdraw_all),
    R.FILL_OR_KILL_MUST_FILL: Break({"tif": c.FOK}),
}

# Two rules about one field need a value that breaks both.
TOGETHER: Final[dict[tuple[Reject, Reject], Terms]] = {
    (R.TIF_MUST_BE_KNOWN, R.AMEND_MUST_KEEP_SERIES_AND_SIDE): {"tif": 7},
    (R.QTY_MUST_BE_POSITIVE, R.QTY_MUST_BE_ON_LOT): {"qty": -50},
    (R.QTY_MUST_BE_POSITIVE, R.AMEND_QTY_MUST_EXCEED_FILLED): {"qty": 0},
    (R.QTY_MUST_BE_ON_LOT, R.QTY_MUST_FIT): {"qty": TOO_MUCH + 50},
    (R.QTY_MUST_BE_ON_LOT, R.AMEND_QTY_MUST_EXCEED_FILLED): {"qty": 50},
    (R.ORDER_MUST_BE_OWN, R.QUOTE_MUST_BE_QUOTED_ANEW): {"order_id": -THEIR_QUOTE},
    (R.PRICE_MUST_BE_POSITIVE, R.PRICE_MUST_BE_ON_TICK): {"price": -7},
    (R.PRICE_MUST_BE_ON_TICK, R.PRICE_MUST_FIT): {"price": U63_MAX + 1},
    (R.PRICE_MUST_BE_ON_TICK, R.POST_ONLY_MUST_NOT_CROSS): {"price": TOUCH + 7},
    (R.PRICE_MUST_BE_ON_TICK, R.SETTLEMENT_MUST_KEEP_UP): {"price": TOUCH + 7},
    (R.PRICE_MUST_BE_ON_TICK, R.CHAIN_MUST_BE_IN_SIGHT): {"price": TOUCH + 7},
    (R.PRICE_MUST_FIT, R.MAX_FEE_MUST_COVER_FEE): {"max_fee": -1},
    (R.QUOTE_GROUP_MUST_EXIST, R.PROTECTED_MUST_MAKE): {"terms": c.Terms(protection="none"), "post_only": False},
    (R.QUOTES_MUST_NOT_BE_FROZEN, R.PROTECTED_MUST_MAKE): {"post_only": False},
    (R.TRIGGER_MUST_LIE_AHEAD, R.TRIGGERS_MUST_FIT): {"terms": REACHED},
    (R.TERMS_MUST_BE_KNOWN, R.RFQ_ORDER_MUST_STAY_THERE): {"terms": replace(BOUND, self_trade=3)},
    (R.DISPLAY_MUST_FIT, R.RFQ_ORDER_MUST_STAY_THERE): {"terms": replace(BOUND, display=50)},
    (R.TRIGGER_MUST_LIE_AHEAD, R.RFQ_ORDER_MUST_STAY_THERE): {"terms": replace(REACHED, rfq=5)},
    (R.RFQ_ORDER_MUST_STAY_THERE, R.LINKS_MUST_MATCH): {"terms": replace(BOUND, parent=5)},
    (R.RFQ_ORDER_MUST_STAY_THERE, R.TRIGGERS_MUST_FIT): {"terms": replace(AHEAD, rfq=5)},
    (R.LINKS_MUST_MATCH, R.TRIGGERS_MUST_FIT): {"terms": replace(AHEAD, parent=5)},
}

AMENDS_ONLY: Final = (
    R.ORDER_MUST_BE_OPEN,
    R.ORDER_MUST_BE_OWN,
    R.QUOTE_MUST_BE_QUOTED_ANEW,
    R.AMEND_MUST_KEEP_SERIES_AND_SIDE,
    R.AMEND_QTY_MUST_EXCEED_FILLED,
)
# An amendment is good til cancelled, and of an order in the book it names no trigger, or breaks another rule first.
PLACES_ONLY: Final = (R.FILL_OR_KILL_MUST_FILL, R.TRIGGERS_MUST_FIT)
OF_NO_ORDER: Final = (
    R.VENUE_MUST_BE_CONFIGURED_ONCE,
    R.MANDATES_MUST_BE_SUPPORTED,
    R.BLOCKS_MUST_BE_SUPPORTED,
    R.BLOCK_MUST_HAVE_TWO_OWNERS,
    R.BLOCK_LEGS_MUST_FIT,
    R.BLOCKS_MUST_BE_OFFERED,
    R.BLOCK_MUST_BE_LARGE,
    R.POSITIONS_MUST_FIT,
    R.PARTY_MUST_HAVE_MARGIN,
    R.PROTECTION_MUST_FIT,
    R.QUOTES_MUST_FIT,
    R.QUOTE_BUDGET_MUST_FIT,
    R.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE,
    R.COMBOS_MUST_BE_SUPPORTED,
    R.RFQS_MUST_BE_SUPPORTED,
    R.COMBO_LEGS_MUST_BE_CANONICAL,
    R.COMBO_LEGS_MUST_SHARE_UNDERLYING,
    R.COMBOS_MUST_FIT,
    R.RFQS_MUST_FIT,
    R.RFQ_TERMS_MUST_FIT,
    R.RFQ_MAKERS_MUST_BE_ADMITTED,
    R.RFQ_MUST_BE_OPEN,
    R.RFQ_MUST_BE_OF_ANOTHER,
    R.RFQ_ORDER_MUST_BE_PLAIN,
    R.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE,
    R.RFQ_QTY_MUST_FIT,
    R.RFQ_MUST_MEET_QUOTES,
    R.LISTING_MUST_BE_DENSE,
    R.UNDERLYING_MUST_EXIST,
    R.EXPIRY_MUST_EXIST,
    R.EXPIRY_MUST_BE_AHEAD,
    R.EXPIRY_MUST_END_A_HALF_HOUR,
    R.EXPIRY_SLOT_MUST_BE_FREE,
    R.LISTING_MUST_FIT_A_BATCH,
    R.STRIKE_MUST_FIT,
    R.LOT_AND_TICK_MUST_BE_EXACT,
    R.ROUND_MUST_ADVANCE,
    R.ROUND_MUST_NOT_BE_AHEAD,
    R.ROUND_MUST_COVER_LISTINGS,
    R.ROUND_MUST_CONTINUE_ACCUMULATOR,
    R.ROUND_MARKS_MUST_FOLLOW,
    R.ROUND_ARRAYS_MUST_FOLLOW,
    R.BANDS_MUST_FIT,
    R.PORTFOLIO_MUST_BE_SOUND,
    R.POOL_MUST_EXIST,
    R.POOL_TERMS_MUST_FIT,
    R.POOL_MUST_BE_SILENT,
    R.POOL_MUST_BE_HEARD,
    R.POOL_QUOTES_MUST_NAME_THEIR_ROUND,
    R.POOL_QUOTES_MUST_KEEP_TO_ITS_WIDTH,
    R.FEED_TERMS_MUST_FIT,
    R.BREAKER_STATUS_MUST_BE_ORDERED,
    R.BREAKER_MUST_MOVE,
    R.BREAKER_STAGES_MUST_LAST,
    R.AUCTION_TERMS_MUST_FIT,
    R.PHASE_MUST_FOLLOW,
    R.SESSIONS_MUST_FIT,
    R.SWITCH_MUST_BE_KNOWN,
    R.TIMER_MUST_FIT,
    R.KILL_SWITCH_MUST_BE_PULLED,
    R.IDENTITY_MUST_FIT,
    R.REFERENCE_MUST_FIT,
    R.REFERENCE_MUST_CORRECT_THE_LAST,
    R.READING_MUST_FIT,
    R.BATCH_MUST_BE_PENDING,
    R.NOTHING_TO_SEAL,
    R.TRIGGER_MUST_BE_DUE,
    R.CHAIN_ACTIONS_MUST_BE_DENSE,
    R.CHAIN_BLOCKS_MUST_ADVANCE,
    R.SEATS_MUST_FOLLOW,
)

# Of orders for combos, which have an order of their own to test: ``test_combos``.
OF_COMBOS: Final = (R.COMBO_LEGS_MUST_MATCH, R.COMBO_MUST_BE_PLAIN, R.KEY_MUST_ALLOW_COMBOS)

KEY_RULES: Final = (R.KEY_MUST_ALLOW_UNDERLYING, R.KEY_MUST_HAVE_NOTIONAL, R.KEY_MUST_HAVE_SPEND)

# Rule -> rules it cannot be broken together with, and why. Later rules only, unless a sentence holds both ways.
NEVER_TOGETHER: Final[tuple[tuple[Reject, tuple[Reject, ...], str], ...]] = (
    (
        R.ACCOUNT_MUST_EXIST,
        (
            R.ACCOUNT_MUST_BE_ACTIVE,
            R.ACCOUNT_MUST_NOT_AWAIT_BLOCK,
            R.KILL_SWITCH_MUST_BE_RELEASED,
            R.OPEN_ORDERS_MUST_FIT,
            R.ACCOUNT_MUST_HAVE_MARGIN,
            *KEY_RULES,
        ),
        "an account that does not exist neither leaves, nor awaits a block, nor has a switch, keys, orders or money",
    ),
    (R.QUOTE_GROUP_MUST_EXIST, (R.QUOTES_MUST_NOT_BE_FROZEN,), "a group that does not exist is not frozen"),
    (R.PROTECTED_MUST_MAKE, (R.POST_ONLY_MUST_NOT_CROSS,), "what is post-only makes"),
    (R.SIGNER_MUST_BE_AUTHORISED, KEY_RULES, "who may not sign is no key with limits"),
    (
        R.SERIES_MUST_EXIST,
        (
            R.SERIES_MUST_BE_TRADING,
            R.SERIES_MUST_TAKE_ORDERS,
            R.TIF_MUST_SUIT_AUCTION,
            R.QTY_MUST_BE_ON_LOT,
            R.PRICE_MUST_BE_ON_TICK,
            R.MAX_FEE_MUST_COVER_FEE,
            R.POST_ONLY_MUST_NOT_CROSS,
            R.SETTLEMENT_MUST_KEEP_UP,
            R.CHAIN_MUST_BE_IN_SIGHT,
            R.ACCOUNT_MUST_HAVE_MARGIN,
            *KEY_RULES,
        ),
        "a series that does not exist has no underlying, expiry, lot, tick, index, book or margin",
    ),
    (
        R.SERIES_MUST_TAKE_ORDERS,
        (R.TIF_MUST_SUIT_AUCTION,),
        "a series that takes no orders is not being auctioned",
    ),
    (
        R.TIF_MUST_SUIT_AUCTION,
        (R.SETTLEMENT_MUST_KEEP_UP, R.FILL_OR_KILL_MUST_FILL),
        "while orders are collected nothing fills, whatever waits for settlement",
    ),
    (
        R.TIF_MUST_BE_KNOWN,
        (
            R.TIF_MUST_SUIT_AUCTION,
            R.FILL_OR_KILL_MUST_FILL,
        ),
        "an unknown time in force is not fill or kill",
    ),
    (
        R.QTY_MUST_BE_POSITIVE,
        (R.QTY_MUST_FIT, R.MAX_FEE_MUST_COVER_FEE, R.ACCOUNT_MUST_HAVE_MARGIN, R.FILL_OR_KILL_MUST_FILL),
        "nothing is not too much, costs nothing and has filled",
    ),
    (
        R.TIF_MUST_SUIT_AUCTION,
        (R.TRIGGER_MUST_LIE_AHEAD, R.TRIGGERS_MUST_FIT),
        "an order that waits does not enter the auction now, so it may be over at once when it does",
    ),
    (R.QTY_MUST_FIT, (R.AMEND_QTY_MUST_EXCEED_FILLED,), "what is too much is more than has filled"),
    (
        R.PRICE_MUST_BE_POSITIVE,
        (
            R.MAX_FEE_MUST_COVER_FEE,
            R.POST_ONLY_MUST_NOT_CROSS,
            R.SETTLEMENT_MUST_KEEP_UP,
            R.CHAIN_MUST_BE_IN_SIGHT,
            R.ACCOUNT_MUST_HAVE_MARGIN,
        ),
        "nothing costs nothing and crosses no offer",
    ),
    (
        R.ORDER_MUST_BE_OPEN,
        (
            R.ORDER_MUST_BE_OWN,
            R.QUOTE_MUST_BE_QUOTED_ANEW,
            R.AMEND_MUST_KEEP_SERIES_AND_SIDE,
            R.AMEND_MUST_NAME_REPLACED_NONCE,
            R.AMEND_QTY_MUST_EXCEED_FILLED,
            R.OPEN_ORDERS_MUST_FIT,
        ),
        "an order that is not open has no owner, side, nonce, fills or ancestors",
    ),
    (
        R.ACCOUNT_MUST_BE_ACTIVE,
        (
            R.AMEND_MUST_KEEP_SERIES_AND_SIDE,
            R.AMEND_MUST_NAME_REPLACED_NONCE,
            R.AMEND_QTY_MUST_EXCEED_FILLED,
            R.OPEN_ORDERS_MUST_FIT,
        ),
        "an account that leaves has no open orders any more",
    ),
    (
        R.KILL_SWITCH_MUST_BE_RELEASED,
        (
            R.AMEND_MUST_KEEP_SERIES_AND_SIDE,
            R.AMEND_MUST_NAME_REPLACED_NONCE,
            R.AMEND_QTY_MUST_EXCEED_FILLED,
            R.OPEN_ORDERS_MUST_FIT,
        ),
        "a kill switch leaves no orders open",
    ),
    (
        R.AMEND_QTY_MUST_EXCEED_FILLED,
        (R.POST_ONLY_MUST_NOT_CROSS, R.SETTLEMENT_MUST_KEEP_UP, R.CHAIN_MUST_BE_IN_SIGHT, R.ACCOUNT_MUST_HAVE_MARGIN),
        "nothing is left that could trade or cost",
    ),
)


def reachable(kind: type[c.Place | c.Amend]) -> list[Reject]:
    """The rules that such a command can break, as declared."""
    others = AMENDS_ONLY if kind is c.Place else PLACES_ONLY
    return [reason for reason in Reject if reason in BREAKS and reason not in others]


def never(first: Reject, second: Reject) -> bool:
    """Whether a sentence above says that the two cannot be broken together."""
    return any(first is one and second in others for one, others, _ in NEVER_TOGETHER)


def pairs(kind: type[c.Place | c.Amend]) -> Iterator[tuple[Reject, Reject]]:
    """All pairs of rules that one command can break, the earlier first."""
    return (pair for pair in combinations(reachable(kind), 2) if not never(*pair))


def stage() -> tuple[Venue, dict[int, int]]:
    """My bid and somebody else's, both half filled, an offer, and a quote of each; the numbers of bids and quotes."""
    venue = standard_venue(mandates=True)
    bids = []
    for account in (OTHER, ME, SELLER):
        venue.fund(account, 100_000)
    for account, price in ((OTHER, MINE - 5 * USDC), (ME, MINE)):
        venue.place(account, CALL, True, 2 * FILLED, price)
        bids.append(venue.state.seq)
        venue.place(SELLER, CALL, False, FILLED, price)
    venue.place(SELLER, CALL, False, 10_000, TOUCH)
    bids += [quote_of(venue, account) for account in (ME, OTHER)]
    return venue, dict(zip((OTHER, ME, MY_QUOTE, THEIR_QUOTE), bids, strict=True))


def quote_of(venue: Venue, account: int) -> int:
    """A quote far from the market; its number."""
    protect(venue, account)
    return quoted(venue, bid(CALL, 1, 10), account=account)[0]


def said(row: Terms) -> Terms:
    """What a row has signed terms say."""
    plain = asdict(c.Terms())
    return {name: value for name, value in asdict(row.get("terms", c.Terms())).items() if value != plain[name]}


def clashes(first: Terms, second: Terms) -> list[str]:
    return [name for name in first if name != "terms" and first[name] != second.get(name, first[name])]


def refusal(kind: type[c.Place | c.Amend], broken: tuple[Reject, ...], patch: Patch) -> Reject:
    """What a command that breaks these rules, and no other, is refused for."""
    venue, numbers = stage()
    for reason in sorted(broken, key=list(Reject).index, reverse=True):  # nothing else happens once trading is halted
        BREAKS[reason].happens(venue, patch)
    terms: Terms = {}
    for reason in broken:
        row = BREAKS[reason].terms
        signed = c.Terms(**(said(terms) | said(row)))
        terms |= row | ({"terms": signed} if "terms" in row else {})
    terms |= TOGETHER.get(broken, {})  # type: ignore[arg-type]
    order_id, session = terms.pop("order_id", -ME), terms.pop("session", 0)
    wanted = {"account": ME, "series": CALL, "is_buy": True, "qty": 20_000, "price": MINE + 5 * USDC} | terms
    if kind is c.Place:
        return venue.rejected(c.Place(venue.auth(**wanted), session=session))
    wanted = {"replaces": 1} | wanted
    return venue.rejected(c.Amend(numbers.get(-order_id, order_id), venue.auth(**wanted), session=session))


def test_every_refusal_has_a_row_or_concerns_no_order():
    assert sorted([*BREAKS, *OF_NO_ORDER, *OF_COMBOS]) == sorted(Reject)


def test_of_two_broken_rules_about_listings_and_rounds_the_one_declared_first_is_named(venue):
    """Neighbours only: each of these commands breaks two rules."""
    state, ahead = venue.state, venue.now_s // 1_800 * 1_800 + 1_800
    last = len(state.expiries)
    venue.wait(60)
    honest = venue.round_of({0: 62_000 * USDC})
    other_sums = (replace(honest.spots[0], acc=honest.spots[0].acc + 1),)
    other_marks = tuple(replace(sheet, marks=tuple(mark + 1 for mark in sheet.marks)) for sheet in honest.sheets)
    cases = (
        (R.LISTING_MUST_BE_DENSE, c.ListUnderlying(7, "X", 1, 1, 1, 1)),
        (R.UNDERLYING_MUST_EXIST, c.ListExpiry(last + 5, 7, ahead)),
        (R.LISTING_MUST_BE_DENSE, c.ListExpiry(last + 5, 0, 1)),
        (R.EXPIRY_MUST_BE_AHEAD, c.ListExpiry(last + 1, 0, 1)),
        (R.EXPIRY_MUST_EXIST, c.ListSeries(99, 77, 10**6, True)),
        (R.LISTING_MUST_BE_DENSE, c.ListSeries(1, 77, 0, True)),
        (R.ROUND_MUST_ADVANCE, replace(honest, round_id=0, time_s=honest.time_s + 60)),
        (R.ROUND_MUST_NOT_BE_AHEAD, replace(honest, time_s=honest.time_s + 60, sheets=())),
        (R.ROUND_MUST_COVER_LISTINGS, replace(honest, spots=other_sums, sheets=())),
        (R.ROUND_MUST_COVER_LISTINGS, replace(honest, spots=other_sums, sheets=other_marks[:1])),
        (R.ROUND_MUST_CONTINUE_ACCUMULATOR, replace(honest, spots=other_sums, sheets=other_marks)),
    )
    for reason, command in cases:
        assert venue.rejected(command) is reason, command
    venue.wait(state.expiries[1].expiry_s - venue.now_s)
    assert venue.rejected(c.ListSeries(1, 77, 10**6, True)) is R.LISTING_MUST_BE_DENSE
    assert venue.rejected(c.ListSeries(1, 10, 0, True)) is R.EXPIRY_MUST_BE_AHEAD


@pytest.mark.parametrize("kind", [c.Place, c.Amend])
def test_each_rule_alone_is_the_one_named(kind, monkeypatch):
    for reason in reachable(kind):
        with monkeypatch.context() as patch:
            assert refusal(kind, (reason,), patch) is reason


@pytest.mark.parametrize("kind", [c.Place, c.Amend])
def test_of_two_broken_rules_the_one_declared_first_is_named(kind, monkeypatch):
    tried = 0
    for pair in pairs(kind):
        with monkeypatch.context() as patch:
            assert refusal(kind, pair, patch) is pair[0], pair
        tried += 1
    assert tried > 230


def test_two_rules_about_one_field_are_broken_by_a_value_of_their_own():
    """Otherwise the terms of the second would mend the first, and the pair would prove nothing."""
    for kind in (c.Place, c.Amend):
        for pair in pairs(kind):
            first, second = (BREAKS[reason].terms for reason in pair)
            clash = clashes(first, second) + clashes(said(first), said(second))
            assert not clash or pair in TOGETHER, pair


def test_a_fill_or_kill_order_that_its_account_cannot_bear_is_refused_for_margin(venue):
    """Closing reserves nothing, so margin is judged at the fill, after the book was found too thin as well."""
    venue.place(ME, CALL, False, 10_000, TOUCH)
    venue.place(OTHER, CALL, True, 10_000, TOUCH)
    venue.place(OTHER, CALL, False, 5_000, 40_000 * USDC)
    account = venue.state.accounts[ME]
    venue.observe(c.ObserveWithdrawalRequest, ME, account.cash)
    dear = venue.auth(ME, CALL, True, 10_000, 40_000 * USDC, tif=c.FOK, reduce_only=True)
    refused = venue.do(c.Place(dear))[-1]
    assert refused.reason is R.ACCOUNT_MUST_HAVE_MARGIN
    assert (refused.value, refused.limit > 0) == (0, True)
