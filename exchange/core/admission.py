"""Whether an order may enter: who signed it, what it says, and whether its account can bear it.

Deciding only reads. The order of the checks is the order of ``Reject``. Imports state, combos, risk, fees, keyroom,
events.
"""

from typing import Protocol

from exchange.core import combos, fees, keyroom, kill, protection, risk, status, triggers
from exchange.core.commands import (
    AUCTION,
    BRACKET,
    CANCEL_BOTH,
    CONTINUOUS,
    FOK,
    GTC,
    LAST,
    SCOPE_TRADE,
    UNTRIGGERED,
    AcceptRfq,
    Amend,
    Authorisation,
    Place,
    Terms,
    terms_of,
)
from exchange.core.events import Reject, Rejected
from exchange.core.leg_prices import price_floor
from exchange.core.oracle import RoundView
from exchange.core.state import State
from exchange.core.state_types import Account, Auction, Order, Series
from exchange.core.units import (
    CASH_MAX,
    NO_EXPIRY,
    QTY_MAX,
    U63_MAX,
    U64_MAX,
    WAD,
    Cash,
    Nanos,
    Price,
    Qty,
    Seconds,
    div_down,
    div_up,
    mul_div_up,
    seconds_of,
)

ATTACHED_MAX = 2  # orders that come along with another: what takes profit, and what stops loss
GROUP_MAX = 512  # orders of a group in the book, quotes or not: what one fill may take off it
FILL_MAX = 2**54  # greeks of a whole quote in 1e-4 of their unit: all quotes of a message add up to a journal integer
SLICES_MAX = 100  # of an iceberg; each is a fill of its own, and a sweep is bounded


class Signed(Protocol):
    """Something signed for an account: an order, a mandate, one side of a block."""

    @property
    def account(self) -> int:
        """For whom."""
        ...

    @property
    def signer(self) -> bytes:
        """By whom."""
        ...


def refuse_account(state: State, account_id: int) -> Rejected | None:
    """Whether this account may ask for anything new."""
    account = state.accounts.get(account_id)
    if account is None or account.id == 0:
        return Rejected(Reject.ACCOUNT_MUST_EXIST, account_id)
    if account.exiting:
        return Rejected(Reject.ACCOUNT_MUST_BE_ACTIVE, account_id)
    if account.awaiting:
        return Rejected(Reject.ACCOUNT_MUST_NOT_AWAIT_BLOCK, account_id)
    killed = kill.standing(state, account)
    if killed is not None:
        return Rejected(Reject.KILL_SWITCH_MUST_BE_RELEASED, killed.scope, seconds_of(killed.time_ns))
    return None


def refuse_who(state: State, auth: Signed, now_s: Seconds, scope: int = SCOPE_TRADE) -> Rejected | None:
    """Whether this account may, and this signer for it."""
    refused = refuse_account(state, auth.account)
    if refused is not None:
        return refused
    account = state.accounts[auth.account]
    if auth.signer != account.owner:
        key = account.keys.get(auth.signer)
        if key is None or not key.scopes & scope:
            return Rejected(Reject.SIGNER_MUST_BE_AUTHORISED, key.scopes if key else 0, scope)
        if key.expiry_s <= now_s:
            return Rejected(Reject.SIGNER_MUST_BE_AUTHORISED, key.expiry_s, now_s)
    return None


def refuse_what(state: State, auth: Authorisation, now_s: Seconds) -> Rejected | None:
    """Whether such an order can be entered at all, its signature and the prices of the moment apart."""
    if auth.legs or combos.is_combo(auth.series):
        return _refuse_combo(state, auth, now_s)
    option = state.series.get(auth.series)
    if option is None:
        return Rejected(Reject.SERIES_MUST_EXIST, auth.series)
    auction = state.auctions.get(auth.series)
    refused = _refuse_series(state, option, auction, auth, now_s)
    if refused is not None:
        return refused
    if not GTC <= auth.tif <= FOK:
        return Rejected(Reject.TIF_MUST_BE_KNOWN, auth.tif, FOK)
    waits = auth.terms is not None and auth.terms.trigger != UNTRIGGERED
    if auction is not None and auth.tif != GTC and not waits:
        return Rejected(Reject.TIF_MUST_SUIT_AUCTION, auth.tif, GTC)
    underlying = state.underlyings[option.underlying]
    refused = _refuse_qty(auth, underlying.lot, 1)
    if refused is not None:
        return refused
    if auth.price <= 0:
        return Rejected(Reject.PRICE_MUST_BE_POSITIVE, auth.price)
    tick = underlying.tick_at(auth.price)
    if auth.price % tick:
        return Rejected(Reject.PRICE_MUST_BE_ON_TICK, auth.price, tick)
    if auth.price > U63_MAX or not 0 <= auth.max_fee <= U63_MAX:
        return Rejected(Reject.PRICE_MUST_FIT, max(auth.price, auth.max_fee), U63_MAX)
    return _refuse_terms(auth, auth.terms, underlying.lot) if auth.terms is not None else None


def _refuse_series(
    state: State, option: Series, auction: Auction | None, auth: Authorisation, now_s: Seconds
) -> Rejected | None:
    """A series that is alive and takes orders, in a market that takes such ones."""
    if option.expiry_s <= now_s:
        return Rejected(Reject.SERIES_MUST_BE_TRADING, now_s, option.expiry_s)
    if auction is not None and auction.phase != AUCTION:
        return Rejected(Reject.SERIES_MUST_TAKE_ORDERS, auction.phase, AUCTION)
    return status.refuse(state, option.underlying, reduces=auth.reduce_only) if state.curbed else None


def _refuse_qty(auth: Authorisation, lot: Qty, ratio: int) -> Rejected | None:
    """Whole lots, and no more than a fill can hold, of the leg with the largest ratio."""
    if auth.qty <= 0:
        return Rejected(Reject.QTY_MUST_BE_POSITIVE, auth.qty)
    if auth.qty % lot:
        return Rejected(Reject.QTY_MUST_BE_ON_LOT, auth.qty, lot)
    most = div_down(QTY_MAX, ratio)
    return Rejected(Reject.QTY_MUST_FIT, auth.qty, most) if auth.qty > most else None


def _refuse_combo(state: State, auth: Authorisation, now_s: Seconds) -> Rejected | None:
    """A combo of just the legs that were signed, all of them alive and trading continuously; a price of either sign.

    What waits for a price, hides, slides or only reduces are orders for one series.
    """
    combo = state.combos.get(auth.series)
    if combo is None:
        return Rejected(Reject.SERIES_MUST_EXIST, auth.series)
    if combo.legs != auth.legs:
        return Rejected(Reject.COMBO_LEGS_MUST_MATCH, len(auth.legs), len(combo.legs))
    if combo.expiry_s <= now_s:
        return Rejected(Reject.SERIES_MUST_BE_TRADING, now_s, combo.expiry_s)
    for leg in combo.legs:
        auction = state.auctions.get(leg.series)
        if auction is not None:
            return Rejected(Reject.SERIES_MUST_TAKE_ORDERS, auction.phase, CONTINUOUS)
    curbed = status.refuse(state, combo.underlying, reduces=False)
    if curbed is not None:
        return curbed
    if not GTC <= auth.tif <= FOK:
        return Rejected(Reject.TIF_MUST_BE_KNOWN, auth.tif, FOK)
    underlying = state.underlyings[combo.underlying]
    refused = _refuse_qty(auth, underlying.lot, max(abs(leg.ratio) for leg in combo.legs))
    if refused is not None:
        return refused
    if auth.price % underlying.tick:
        return Rejected(Reject.PRICE_MUST_BE_ON_TICK, auth.price, underlying.tick)
    if abs(auth.price) > U63_MAX or not 0 <= auth.max_fee <= U63_MAX:
        return Rejected(Reject.PRICE_MUST_FIT, max(abs(auth.price), auth.max_fee), U63_MAX)
    floor = price_floor(auth.legs)
    if floor is not None and auth.price < floor:
        return Rejected(Reject.PRICE_MUST_FIT, auth.price, floor)
    return _refuse_terms_of_combo(auth, terms_of(auth))


def _refuse_terms_of_combo(auth: Authorisation, terms: Terms) -> Rejected | None:
    refused = _refuse_codes(auth, terms)
    if refused is not None:
        return refused
    ties = (terms.trigger, terms.link, terms.parent, terms.attached)
    if any((auth.reduce_only, terms.slide, terms.display, terms.protection, *ties)):
        return Rejected(Reject.COMBO_MUST_BE_PLAIN, max(ties))
    return None


def _refuse_terms(auth: Authorisation, terms: Terms, lot: Qty) -> Rejected | None:
    """Codes are those that exist, and an iceberg shows whole lots, in no more slices than a sweep can take."""
    refused = _refuse_codes(auth, terms)
    if refused is not None:
        return refused
    least = max(lot, div_up(auth.qty, SLICES_MAX))
    if terms.display and (not least <= terms.display <= QTY_MAX or terms.display % lot):
        return Rejected(Reject.DISPLAY_MUST_FIT, terms.display, least)
    if terms.protection and (not auth.post_only or terms.trigger):
        return Rejected(Reject.PROTECTED_MUST_MAKE, terms.trigger)
    return None


def _refuse_codes(auth: Authorisation, terms: Terms) -> Rejected | None:
    for code, most in (
        (terms.self_trade, CANCEL_BOTH),
        (terms.trigger, LAST),
        (terms.link, BRACKET),
        (terms.attached, ATTACHED_MAX),
    ):
        if not 0 <= code <= most:
            return Rejected(Reject.TERMS_MUST_BE_KNOWN, code, most)
    if terms.market and auth.tif == GTC:  # a worst price is no price to rest at
        return Rejected(Reject.TERMS_MUST_BE_KNOWN, auth.tif, FOK)
    if terms.whole and not terms.rfq:
        return Rejected(Reject.TERMS_MUST_BE_KNOWN, 1)
    return None


def _refuse_signed(state: State, auth: Authorisation, now_s: Seconds) -> Rejected | None:
    refused = keyroom.refuse(state, auth)
    if refused is not None:
        return refused
    if not now_s < auth.expiry_s <= NO_EXPIRY:
        return Rejected(Reject.ORDER_MUST_NOT_BE_EXPIRED, auth.expiry_s, now_s)
    account = state.accounts[auth.account]
    if not 0 <= auth.nonce <= U64_MAX or account.nonce_used(auth.nonce):
        return Rejected(Reject.NONCE_MUST_BE_FRESH, min(auth.nonce, U64_MAX))
    view = state.view
    assert state.config is not None
    if (
        view is None
        or not combos.is_priced(state, auth.series)
        or now_s - view.time_s > state.config.settlement_window_s
    ):
        return Rejected(Reject.ORACLE_MUST_BE_FRESH, now_s - view.time_s if view else 0)
    return _refuse_fee(state, auth, view) or _refuse_trigger(state, auth)


def _refuse_trigger(state: State, auth: Authorisation) -> Rejected | None:
    """A trigger waits for something that is not so already. That of a bracket waits for the entry first."""
    terms = auth.terms
    if terms is None or terms.trigger == UNTRIGGERED:
        return None
    price = triggers.price_now(state, auth.series, terms.trigger)
    in_bracket = terms.link == BRACKET and terms.parent
    if not 0 < terms.trigger_price <= U63_MAX or (triggers.reached(terms, price) and not in_bracket):
        return Rejected(Reject.TRIGGER_MUST_LIE_AHEAD, terms.trigger_price, price)
    return None


def _refuse_fee(state: State, auth: Authorisation, view: RoundView) -> Rejected | None:
    assert state.config is not None
    index = view.spots[combos.underlying_of(state, auth.series)]
    if auth.legs:
        return _refuse_fee_of_combo(state, auth, index)
    if fees.taker_fee_fits(state.config.fees, index, auth.max_fee):
        return None
    fee = fees.taker_fee(state.config.fees, index, auth.price, auth.qty)
    allowed = fees.fee_allowed(auth.max_fee, auth.qty)
    if fee > allowed:
        # A spot and a price near the ends of their ranges make a fee that no journal integer holds.
        return Rejected(Reject.MAX_FEE_MUST_COVER_FEE, min(allowed, CASH_MAX), min(fee, CASH_MAX))
    return None


def _refuse_fee_of_combo(state: State, auth: Authorisation, index: Price) -> Rejected | None:
    """What a unit of the combo may be charged covers its legs at any price of theirs, even lot by lot."""
    assert state.config is not None
    lot, ratios = state.underlyings[state.combos[auth.series].underlying].lot, [leg.ratio for leg in auth.legs]
    if fees.combo_fee_fits(state.config.fees, index, auth.max_fee, ratios, lot):
        return None
    most = mul_div_up(state.config.fees.taker_rate * index, sum(abs(ratio) for ratio in ratios), WAD)
    return Rejected(Reject.MAX_FEE_MUST_COVER_FEE, min(auth.max_fee, CASH_MAX), min(most, CASH_MAX))


def refuse_venue(state: State, now_s: Seconds) -> Rejected | None:
    """Why nothing may enter anywhere now: trading is halted, or the oracle is silent."""
    view, config = state.view, state.config
    if not state.is_open or config is None:
        return Rejected(Reject.TRADING_MUST_BE_OPEN)
    if view is None or now_s - view.time_s > config.settlement_window_s:
        return Rejected(Reject.ORACLE_MUST_BE_FRESH, now_s - view.time_s if view else 0)
    return None


def refuse(state: State, auth: Authorisation, now_s: Seconds, scope: int = SCOPE_TRADE) -> Rejected | None:
    """The first rule a signed order breaks before the book is looked at: the venue, who, what, the signed terms."""
    if not state.is_open or state.config is None:
        return Rejected(Reject.TRADING_MUST_BE_OPEN)
    return (
        refuse_who(state, auth, now_s, scope)
        or _refuse_protection(state, auth)
        or refuse_what(state, auth, now_s)
        or _refuse_signed(state, auth, now_s)
    )


def _refuse_protection(state: State, auth: Authorisation) -> Rejected | None:
    if auth.terms is None or not auth.terms.protection:
        return None
    return refuse_group(state, state.accounts[auth.account], auth.terms.protection)


def refuse_group(state: State, account: Account, name: str) -> Rejected | None:
    """Whether a group of quotes takes anything in now."""
    group = account.groups.get(name)
    if group is None:
        return Rejected(Reject.QUOTE_GROUP_MUST_EXIST, len(account.groups))
    if protection.is_frozen(group, state.time_ns):
        return Rejected(Reject.QUOTES_MUST_NOT_BE_FROZEN, state.time_ns, max(group.frozen_until_ns, state.time_ns))
    return None


def refuse_greeks(delta: int, vega: int, qty: Qty) -> Rejected | None:
    """What the whole of a quote or protected order counts: so much that a message adds up to a journal integer."""
    greeks = max(abs(delta), abs(vega)) * qty
    if greeks > FILL_MAX or vega < 0:
        return Rejected(Reject.QUOTE_GREEKS_MUST_FIT, min(greeks, U63_MAX), FILL_MAX)
    return None


def refuse_room(state: State, auth: Authorisation, replaced: Order | None = None) -> Rejected | None:
    """Whether the group that is to protect an order has room for it: what one fill may take off is bounded."""
    name = auth.terms.protection if auth.terms is not None else ""
    if not name or (replaced is not None and replaced.protection == name):
        return None
    size = protection.size_of(state.accounts[auth.account], name)
    return Rejected(Reject.OPEN_ORDERS_MUST_FIT, size, GROUP_MAX) if size >= GROUP_MAX else None


def refuse_bound(auth: Authorisation) -> Rejected | None:
    """An order that was signed for a request for quotes is good for nothing else."""
    rfq = auth.terms.rfq if auth.terms is not None else 0
    return Rejected(Reject.RFQ_ORDER_MUST_STAY_THERE, min(rfq, U63_MAX)) if rfq else None


def has_waited(state: State, command: Place | Amend | AcceptRfq, time_ns: Nanos) -> bool:
    """Whether an order that can take was held back as long as this venue says; one that only rests need not be.

    Not a rule for traders, who cannot break it, but for whoever stamps: a journal that skips the delay does not replay.
    """
    config = state.config
    if config is None or config.taker_delay_ns == 0 or command.auth.post_only:
        return True
    return 0 < command.arrived_ns <= time_ns - config.taker_delay_ns


def closes(account: Account, auth: Authorisation) -> Qty:
    """How much of a position an order on this side can close."""
    position = account.positions.get(auth.series, 0)
    return max(-position, 0) if auth.is_buy else max(position, 0)


def refuse_margin(state: State, auth: Authorisation, qty: Qty, replaced: Order | None) -> Rejected | None:
    """An order is taken only if margin holds with everything the account has open, unless it opens nothing."""
    account = state.accounts[auth.account]
    risk.refresh(state, account)
    reserved = risk.reserve_with(state, account, auth, qty, replaced)
    if reserved <= account.reserved:
        return None
    shortfall = risk.shortfall_with(state, account, reserved)
    return short_of_margin(account, shortfall) if shortfall > 0 else None


def short_of_margin(account: Account, shortfall: Cash) -> Rejected:
    """Free cash, and what it lacks: no more than a journal integer holds, whatever was ordered or asked back."""
    free = max(account.cash - account.held, -CASH_MAX)
    return Rejected(Reject.ACCOUNT_MUST_HAVE_MARGIN, free, min(shortfall, CASH_MAX))
