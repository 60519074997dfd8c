"""Tickers, books and indices as clients see them. Imports core, numbers, listed, quant."""

from contextlib import suppress
from typing import Any, Final, NamedTuple

import numpy as np

from exchange.core.combos import is_priced
from exchange.core.commands import AUCTION, UNCROSSING
from exchange.core.leg_prices import price_floor
from exchange.core.oracle import Term
from exchange.core.state import State, legs_of
from exchange.core.state_types import Combo, Series
from exchange.core.uncross import indicative
from exchange.core.units import QTY_ONE, U63_MAX, Price, Qty
from exchange.dialect.listed import Listed, book_state, phase_name, status_name
from exchange.dialect.numbers import contracts, millis, millis_of_seconds, percent, usdc
from exchange.quant.greeks import ZERO, Greeks, black76_greeks
from exchange.quant.implied import NoImpliedVolError, implied_vol

Levels = list[tuple[Price, Qty]]


class Day(NamedTuple):
    """The last 24 hours of an instrument; ``value`` is the sum of price x quantity. Prices stand if one moved."""

    volume: Qty = 0
    value: int = 0
    first: Price = 0
    high: Price = 0
    low: Price = 0
    last: Price = 0
    has_price: bool = False


class GreekSheet:
    """Greeks of every series in the round in force, computed once per round when first asked for."""

    def __init__(self) -> None:
        self._round = -1
        self._greeks: dict[int, Greeks] = {}

    def of(self, state: State, series: int) -> Greeks:
        """Greeks of one contract; zero before the first round and for series it does not price."""
        view = state.view
        if view is None:
            return ZERO
        if view.id != self._round:
            self._greeks = _all_greeks(state)
            self._round = view.id
        return self._greeks.get(series, ZERO)


def _all_greeks(state: State) -> dict[int, Greeks]:
    view = state.view
    assert view is not None
    options = [state.series[series] for series in view.marks]
    terms = [view.terms[option.expiry_id] for option in options]
    forward = np.array([term.expected for term in terms], dtype=np.float64) / 1e6
    strike = np.array([option.strike for option in options], dtype=np.float64) / 1e6
    vol = np.array([view.vols[option.id] for option in options], dtype=np.float64) / 1e18
    years = np.array([term.years for term in terms], dtype=np.float64) / 1e18
    still_open = np.array([(term.expected - term.fixed) / max(term.expected, 1) for term in terms])
    is_call = np.array([option.is_call for option in options], dtype=np.float64)
    found = black76_greeks(forward, strike, vol, years, is_call, still_open)
    return {option.id: greeks for option, greeks in zip(options, found, strict=True)}


def mark_of(state: State, series: int) -> Price:
    """Mark of the round in force; of a combo that of its legs; 0 when no round prices the series or all of those."""
    view = state.view
    if view is None:
        return 0
    legs = legs_of(state, series)
    return sum(leg.ratio * view.marks[leg.series] for leg in legs) if is_priced(state, series) else 0


def index_of_underlying(state: State, underlying: int) -> Price:
    """Spot of the last round; 0 before the first."""
    spot = state.spots.get(underlying)
    return spot.spot if spot is not None else 0


def stats_object(day: Day) -> dict[str, Any]:
    """The dialect's statistics of a day: volume, high and low, and by how many percent the price moved if it did."""
    notional = usdc(day.value) / QTY_ONE
    shown: dict[str, Any] = {"volume": contracts(day.volume), "volume_usd": notional, "volume_notional": notional}
    if not day.has_price:
        return shown | {"low": None, "high": None}
    change = {"price_change": round(100 * (day.last - day.first) / day.first, 4)} if day.first > 0 else {}
    return shown | {"low": usdc(day.low), "high": usdc(day.high)} | change


def ticker_object(state: State, listed: Listed, sheet: GreekSheet, day: Day) -> dict[str, Any]:
    """The dialect's ticker. An empty side is 0.0, not null; ``x_volume`` counts since the listing."""
    stated: Series | Combo = state.combos[listed.series] if listed.legs else state.series[listed.series]
    index = usdc(index_of_underlying(state, listed.underlying))
    most = usdc(_PRICE_MAX // listed.tick_above * listed.tick_above)
    return {
        "instrument_name": listed.name,
        "timestamp": millis(state.time_ns),
        "state": book_state(state, listed),
        "x_phase": phase_name(state, listed.series),
        "x_status": status_name(state, listed.underlying),
        "stats": stats_object(day),
        "x_volume": contracts(stated.volume),
        "open_interest": contracts(stated.open_interest) if isinstance(stated, Series) else 0.0,
        **_best(state, listed),
        "index_price": index,
        "estimated_delivery_price": index,
        "min_price": -most if price_floor(listed.legs) is None else usdc(listed.tick),
        "max_price": most,
        "mark_price": usdc(mark_of(state, listed.series)),
        "last_price": usdc(stated.last_price) if stated.last_price or (listed.legs and stated.volume) else None,
        "interest_rate": 0.0,
        **_priced(state, listed, sheet),
    }


def quote_object(ticker: dict[str, Any]) -> dict[str, Any]:
    """The dialect's quote: what of a ticker tells of best prices."""
    names = ("best_bid_price", "best_bid_amount", "best_ask_price", "best_ask_amount")
    return {name: ticker[name] for name in ("instrument_name", "timestamp", *names)}


def auction_object(state: State, listed: Listed) -> dict[str, Any]:
    """An auction as it stands: its phase and end, and where the orders collected so far would trade.

    ``surplus`` is the amount bid for beyond what is offered at that price, negative: offered beyond what is bid for.
    Fields that nothing is known of are left out.
    """
    shown: dict[str, Any] = {
        "instrument_name": listed.name,
        "timestamp": millis(state.time_ns),
        "state": book_state(state, listed),
        "phase": phase_name(state, listed.series),
        "reference_price": usdc(mark_of(state, listed.series)),
    }
    auction = state.auctions.get(listed.series)
    if auction is None or auction.phase not in (AUCTION, UNCROSSING):
        return shown
    shown["ends_timestamp"] = millis_of_seconds(auction.ends_s)
    if auction.phase == UNCROSSING:
        return shown | {"price": usdc(auction.price)}
    found = indicative(state, listed.series)
    if found is None:
        return shown
    amounts = {"indicative_amount": contracts(found.volume), "surplus": contracts(found.surplus)}
    return shown | {"indicative_price": usdc(found.price)} | amounts


_PRICE_MAX: Final = min(U63_MAX, 10**15)  # what clients' doubles still hold to the tick


def _best(state: State, listed: Listed) -> dict[str, float]:
    book = state.books[listed.series]
    bid, ask = book.bids.best() or 0, book.asks.best() or 0
    return {
        "best_bid_price": usdc(bid),
        "best_bid_amount": contracts(book.bids.total_at(bid)),
        "best_ask_price": usdc(ask),
        "best_ask_amount": contracts(book.asks.total_at(ask)),
    }


def _priced(state: State, listed: Listed, sheet: GreekSheet) -> dict[str, Any]:
    """What only a priced series has: forward, vol and Greeks; or the price it was delivered at. Of a combo, Greeks."""
    if listed.legs:
        return {"greeks": combo_greeks(listed, state, sheet)._asdict()} if is_priced(state, listed.series) else {}
    fixing = state.expiries[listed.expiry_id].fixing
    if fixing >= 0:
        return {"delivery_price": usdc(fixing), "settlement_price": usdc(fixing)}
    view = state.view
    if view is None or listed.series not in view.marks:
        return {}
    return {
        "underlying_price": usdc(view.terms[listed.expiry_id].expected),
        "mark_iv": round(percent(view.vols[listed.series]), 4),
        **_quoted_vols(state, listed, view.terms[listed.expiry_id]),
        "greeks": sheet.of(state, listed.series)._asdict(),
    }


def combo_greeks(listed: Listed, state: State, sheet: GreekSheet) -> Greeks:
    """Greeks of one unit of a combo, bought."""
    of_legs = [[leg.ratio * greek for greek in sheet.of(state, leg.series)] for leg in listed.legs]
    return Greeks(*(round(sum(greeks), 8) for greeks in zip(*of_legs, strict=True)))


def _quoted_vols(state: State, listed: Listed, term: Term) -> dict[str, float]:
    """Vols of best bid and ask in percent, on the terms of the mark; 0.0 of an empty side, or where no vol fits."""
    option, book = state.series[listed.series], state.books[listed.series]
    found = {}
    for name, price in (("bid_iv", book.bids.best()), ("ask_iv", book.asks.best())):
        found[name] = 0.0
        if price:
            with suppress(NoImpliedVolError):
                vol = implied_vol(price, term.expected, option.strike, term.years / 1e18, is_call=option.is_call)
                found[name] = round(100 * vol, 4)
    return found


def order_book_object(
    state: State, listed: Listed, ticker: dict[str, Any], change_id: int, depth: int
) -> dict[str, Any]:
    """The dialect's order book: the ticker's fields, ``depth`` levels of each side, and the stream's change id."""
    book = state.books[listed.series]
    return ticker | {
        "bids": level_rows(book.bids.depth(depth)),
        "asks": level_rows(book.asks.depth(depth)),
        "change_id": change_id,
    }


def summary_row(state: State, listed: Listed, day: Day) -> dict[str, Any]:
    """The dialect's line of a summary of books. An empty side is null here, as clients of chains expect."""
    book, stats = state.books[listed.series], stats_object(day)
    bid, ask = book.bids.best(), book.asks.best()
    stated: Series | Combo = state.combos[listed.series] if listed.legs else state.series[listed.series]
    index, mark = usdc(index_of_underlying(state, listed.underlying)), usdc(mark_of(state, listed.series))
    shown = {
        "instrument_name": listed.name,
        "base_currency": listed.base,
        "quote_currency": "USDC",
        "bid_price": usdc(bid) if bid is not None else None,
        "ask_price": usdc(ask) if ask is not None else None,
        "mid_price": usdc(bid + ask) / 2 if bid is not None and ask is not None else None,
        "mark_price": mark,
        "last": usdc(stated.last_price) if stated.last_price or (listed.legs and stated.volume) else None,
        "open_interest": contracts(stated.open_interest) if isinstance(stated, Series) else 0.0,
        "creation_timestamp": millis(state.time_ns),
        "estimated_delivery_price": index,
        "interest_rate": 0.0,
        "underlying_index": listed.price_index,
        **{name: stats[name] for name in ("volume", "volume_usd", "volume_notional", "high", "low")},
        "price_change": stats.get("price_change"),
    }
    view = state.view
    if view is not None and not listed.legs and listed.series in view.marks:
        shown["underlying_price"] = usdc(view.terms[listed.expiry_id].expected)
        shown["mark_iv"] = round(percent(view.vols[listed.series]), 4)
    return shown


def level_rows(levels: Levels) -> list[tuple[float, float]]:
    """Rows of price and amount."""
    return [(usdc(price), contracts(qty)) for price, qty in levels]
