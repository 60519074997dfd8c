"""Which rules a signed order breaks before it meets anyone; both who was let in and who was turned away must agree.

All of them are looked at, not the first only: a refusal holds when its rule is among them. Imports the words of the
journal and the ledger.
"""

from typing import Final

from exchange.core.commands import (
    AUCTION,
    BRACKET,
    CANCEL_BOTH,
    FOK,
    GTC,
    LAST,
    SCOPE_TRADE,
    Authorisation,
    QuoteMandate,
    Terms,
    terms_of,
)
from exchange.core.events import Reject
from exchange.core.units import NO_EXPIRY, QTY_MAX, QTY_ONE, U63_MAX, U64_MAX, WAD
from replay.checker import breakers, fees, keys
from replay.checker.bounds import ATTACHED_MAX, BATCHES_MIN, BLOCK_S, FILL_MAX, GROUP_MAX, SLICES_MAX
from replay.checker.facts import Combo, Series
from replay.checker.ledger import TREASURY, Ledger
from replay.checker.presence import is_killed

NANOS: Final = 10**9


def broken_by(ledger: Ledger, auth: Authorisation, scope: int = SCOPE_TRADE) -> list[Reject]:
    """The rules an order breaks by what it says and by who says it."""
    broken: list[Reject] = []
    if not ledger.is_open or ledger.config is None:
        broken.append(Reject.TRADING_MUST_BE_OPEN)
    broken_who(ledger, auth, scope, broken)
    broken += broken_terms(ledger, auth) + keys.broken_by(ledger, auth)
    _sheltered(ledger, auth, broken)
    series = ledger.series.get(auth.series)
    if series is not None and _is_dear(ledger, auth, series):
        broken.append(Reject.MAX_FEE_MUST_COVER_FEE)
    return broken


def broken_combo(ledger: Ledger, auth: Authorisation) -> list[Reject]:
    """The rules an order for a combo breaks by what it says and by who says it."""
    broken: list[Reject] = []
    if not ledger.is_open or ledger.config is None:
        broken.append(Reject.TRADING_MUST_BE_OPEN)
    broken_who(ledger, auth, SCOPE_TRADE, broken)
    _sheltered(ledger, auth, broken)
    _terms(ledger, auth, broken)
    broken = [rule for rule in broken if rule not in (Reject.PRICE_MUST_BE_POSITIVE, Reject.PRICE_MUST_FIT)]
    terms, combo = terms_of(auth), ledger.combos.get(auth.series)
    if any((auth.reduce_only, terms.slide, terms.display, terms.protection, terms.trigger, terms.link)):
        broken.append(Reject.COMBO_MUST_BE_PLAIN)
    if terms.parent or terms.attached:
        broken.append(Reject.COMBO_MUST_BE_PLAIN)
    if abs(auth.price) > U63_MAX or not 0 <= auth.max_fee <= U63_MAX:
        broken.append(Reject.PRICE_MUST_FIT)
    if combo is None:
        return [*broken, Reject.SERIES_MUST_EXIST]
    _what_combo(ledger, auth, combo, broken)
    return broken + _of_combo_key(ledger, auth, combo)


def _what_combo(ledger: Ledger, auth: Authorisation, combo: Combo, broken: list[Reject]) -> None:
    ratios = [abs(ratio) for _, ratio in combo.legs]
    if [(leg.series, leg.ratio) for leg in auth.legs] != [(series.id, ratio) for series, ratio in combo.legs]:
        broken.append(Reject.COMBO_LEGS_MUST_MATCH)
    if combo.expiry.expiry_s <= ledger.now_s:
        broken.append(Reject.SERIES_MUST_BE_TRADING)
    if any(series.id in ledger.auctions for series, _ in combo.legs):
        broken.append(Reject.SERIES_MUST_TAKE_ORDERS)
    if breakers.bars(ledger, combo.underlying):
        broken.append(Reject.MARKET_MUST_TAKE_RISK)
    if auth.qty % combo.step.lot:
        broken.append(Reject.QTY_MUST_BE_ON_LOT)
    if auth.qty * max(ratios) > QTY_MAX:
        broken.append(Reject.QTY_MUST_FIT)
    if auth.price % combo.step.tick:
        broken.append(Reject.PRICE_MUST_BE_ON_TICK)
    if auth.price < 0 and all(ratio > 0 for _, ratio in combo.legs):
        broken.append(Reject.PRICE_MUST_FIT)
    if not all(_has_oracle(ledger, series) for series, _ in combo.legs):
        broken.append(Reject.ORACLE_MUST_BE_FRESH)
    elif ledger.config is not None and ledger.round is not None:
        rate = ledger.config.fees.taker_rate * ledger.round.spots[combo.underlying]
        # The dearest leg in full, the others one half; and for each of eight fills of one lot, a unit for rounding.
        twice = -(-rate * (sum(ratios) + max(ratios)) // WAD) - (-24 * QTY_ONE // combo.step.lot)
        if 2 * auth.max_fee < twice:
            broken.append(Reject.MAX_FEE_MUST_COVER_FEE)


def _of_combo_key(ledger: Ledger, auth: Authorisation, combo: Combo) -> list[Reject]:
    account = ledger.accounts.get(auth.account)
    bound = account.bounds.get(auth.signer) if account is not None and auth.signer != account.owner else None
    if bound is None:
        return []
    broken = [] if bound.names(combo.underlying) else [Reject.KEY_MUST_ALLOW_UNDERLYING]
    return broken + ([Reject.KEY_MUST_ALLOW_COMBOS] if bound.notional or bound.spend else [])


def broken_terms(ledger: Ledger, auth: Authorisation) -> list[Reject]:
    """The rules an order, or a quote spelt out as one, breaks by what it says."""
    broken: list[Reject] = []
    series = ledger.series.get(auth.series)
    if series is None:
        broken.append(Reject.SERIES_MUST_EXIST)
    else:
        _what(ledger, auth, series, broken)
        if not _has_oracle(ledger, series):
            broken.append(Reject.ORACLE_MUST_BE_FRESH)
    _terms(ledger, auth, broken)
    return broken


def broken_who(ledger: Ledger, auth: Authorisation | QuoteMandate, scope: int, broken: list[Reject]) -> None:
    """The rules a signature breaks: whose it is, whether it may do this, and whether it was used before."""
    account = ledger.accounts.get(auth.account)
    broken += broken_account(ledger, auth.account)
    if account is None or account.id == TREASURY:
        return
    if auth.signer != account.owner:
        scopes, end_s = account.keys.get(auth.signer, (0, 0))
        if not scopes & scope or end_s <= ledger.now_s:
            broken.append(Reject.SIGNER_MUST_BE_AUTHORISED)
    if not 0 <= auth.nonce <= U64_MAX or account.has_spent(auth.nonce):
        broken.append(Reject.NONCE_MUST_BE_FRESH)


def broken_account(ledger: Ledger, account_id: int) -> list[Reject]:
    """Why an account may ask for nothing new."""
    account = ledger.accounts.get(account_id)
    if account is None or account.id == TREASURY:
        return [Reject.ACCOUNT_MUST_EXIST]
    broken = [Reject.ACCOUNT_MUST_BE_ACTIVE] if account.exiting else []
    if account.awaits:
        broken.append(Reject.ACCOUNT_MUST_NOT_AWAIT_BLOCK)
    return [*broken, Reject.KILL_SWITCH_MUST_BE_RELEASED] if is_killed(ledger, account) else broken


def _what(ledger: Ledger, auth: Authorisation, series: Series, broken: list[Reject]) -> None:
    if series.expiry.expiry_s <= ledger.now_s:
        broken.append(Reject.SERIES_MUST_BE_TRADING)
    auction = ledger.auctions.get(series.id)
    if auction is not None:
        if auction.phase != AUCTION:
            broken.append(Reject.SERIES_MUST_TAKE_ORDERS)
        if auth.tif != GTC and not terms_of(auth).trigger:
            broken.append(Reject.TIF_MUST_SUIT_AUCTION)
    if breakers.bars(ledger, series.underlying, reduces=auth.reduce_only):
        broken.append(Reject.MARKET_MUST_TAKE_RISK)
    if auth.qty % series.step.lot:
        broken.append(Reject.QTY_MUST_BE_ON_LOT)
    if auth.price % series.step.tick_at(auth.price):
        broken.append(Reject.PRICE_MUST_BE_ON_TICK)
    display = auth.terms.display if auth.terms is not None else 0
    if display and (display % series.step.lot or not auth.qty <= SLICES_MAX * display or not 0 < display <= QTY_MAX):
        broken.append(Reject.DISPLAY_MUST_FIT)


def _terms(ledger: Ledger, auth: Authorisation, broken: list[Reject]) -> None:
    if not GTC <= auth.tif <= FOK:
        broken.append(Reject.TIF_MUST_BE_KNOWN)
    if auth.qty <= 0:
        broken.append(Reject.QTY_MUST_BE_POSITIVE)
    if auth.qty > QTY_MAX:
        broken.append(Reject.QTY_MUST_FIT)
    if auth.price <= 0:
        broken.append(Reject.PRICE_MUST_BE_POSITIVE)
    if auth.price > U63_MAX or not 0 <= auth.max_fee <= U63_MAX:
        broken.append(Reject.PRICE_MUST_FIT)
    if auth.terms is not None:
        _known(auth, auth.terms, broken)
    if not ledger.now_s < auth.expiry_s <= NO_EXPIRY:
        broken.append(Reject.ORDER_MUST_NOT_BE_EXPIRED)


def _known(auth: Authorisation, terms: Terms, broken: list[Reject]) -> None:
    codes = ((terms.self_trade, CANCEL_BOTH), (terms.trigger, LAST), (terms.link, BRACKET))
    known = all(0 <= code <= most for code, most in (*codes, (terms.attached, ATTACHED_MAX)))
    if not known or (terms.market and auth.tif == GTC) or (terms.whole and not terms.rfq):
        broken.append(Reject.TERMS_MUST_BE_KNOWN)
    if terms.protection and (not auth.post_only or terms.trigger):
        broken.append(Reject.PROTECTED_MUST_MAKE)
    if max(abs(terms.delta), abs(terms.vega)) * auth.qty > FILL_MAX or terms.vega < 0:
        broken.append(Reject.QUOTE_GREEKS_MUST_FIT)


def _sheltered(ledger: Ledger, auth: Authorisation, broken: list[Reject]) -> None:
    """The group of quotes that is to protect an order: it exists and takes something in."""
    name, account = terms_of(auth).protection, ledger.accounts.get(auth.account)
    if not name or account is None:
        return
    group = account.groups.get(name)
    if group is None:
        broken.append(Reject.QUOTE_GROUP_MUST_EXIST)
        return
    if group.is_frozen(ledger.time_ns):
        broken.append(Reject.QUOTES_MUST_NOT_BE_FROZEN)
    if len(group.quotes) + len(group.orders) >= GROUP_MAX:
        broken.append(Reject.OPEN_ORDERS_MUST_FIT)


def _has_oracle(ledger: Ledger, series: Series) -> bool:
    """Whether a round that is not too old prices the series."""
    round_, config = ledger.round, ledger.config
    if config is None or round_ is None:
        return False
    return series.index < series.expiry.priced and ledger.now_s - round_.time_s <= config.settlement_window_s


def _is_dear(ledger: Ledger, auth: Authorisation, series: Series) -> bool:
    round_, config = ledger.round, ledger.config
    if config is None or round_ is None:
        return False
    fee = fees.of_taker(config.fees, round_.spots[series.underlying], auth.price, auth.qty)
    return fee > fees.most(auth.max_fee, auth.qty)


def settlement_lags(ledger: Ledger) -> list[Reject]:
    """Why no order may be filled now: too much waits for the contracts, or for too long, or the chain is not seen."""
    config, lags = ledger.config, list[Reject]()
    if config is None:
        return lags
    batches_max = max(BATCHES_MIN, config.settlement_window_s // (2 * BLOCK_S))
    age_max_s = (config.settlement_window_s - config.batch_age_max_s) // 2
    sealed_ns, _ = next(iter(ledger.pending.values()), (ledger.time_ns, 0))
    late = (ledger.time_ns - sealed_ns) // NANOS > age_max_s
    if late or len(ledger.pending) >= batches_max or room(ledger) <= 0:
        lags.append(Reject.SETTLEMENT_MUST_KEEP_UP)
    if ledger.block is not None and ledger.now_s - ledger.block.time_s > age_max_s:
        lags.append(Reject.CHAIN_MUST_BE_IN_SIGHT)
    return lags


def room(ledger: Ledger) -> int:
    """How many more trades may wait for the contracts."""
    assert ledger.config is not None
    batches_max = max(BATCHES_MIN, ledger.config.settlement_window_s // (2 * BLOCK_S))
    return batches_max * ledger.config.batch_trades_max - ledger.waiting
