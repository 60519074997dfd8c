"""What traded and where prices were: trades, bars, summaries, expiries, deliveries. Anybody may ask.

All of it is of late: bounded, and since the venue started. Imports call, work, dialect.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from exchange.core.state import State
from exchange.core.units import U63_MAX
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.listed import Listed
from exchange.dialect.market import summary_row
from exchange.dialect.names import base_currency, expiry_name
from exchange.dialect.numbers import contracts, millis, usdc
from exchange.dialect.orders import ComboFill, combo_trade_object, trade_object
from exchange.publisher.candles import DAY_MINUTES, Bar, bar_object, merged
from exchange.publisher.statements import Delivery
from exchange.publisher.tape import Deal
from exchange.session.call import CURRENCY_CHARS_MAX, Call
from exchange.session.pages import between, number_of, page_of
from exchange.session.requests import wrong
from exchange.session.work import Read, Work

COUNT_DEFAULT, COUNT_MAX = 10, 1_000
SETTLEMENTS_DEFAULT: Final = 20
BARS_MAX: Final = 5_000
DELIVERIES_MAX: Final = 1_000
_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_RESOLUTIONS: Final = ("1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720", "1D")
_RANGES: Final = {  # how far back, whether by the hour
    "1h": (_HOUR_MS, False),
    "1d": (24 * _HOUR_MS, False),
    "2d": (48 * _HOUR_MS, False),
    "1m": (31 * 24 * _HOUR_MS, True),
    "1y": (366 * 24 * _HOUR_MS, True),
    "all": (0, True),
}
_SETTLEMENTS: Final = ("settlement", "delivery", "bankruptcy")


# -- trades -----------------------------------------------------------------------------------------------------------


def get_last_trades_by_instrument(call: Call) -> Work:
    """Trades of one instrument: the newest first, or from a number or moment on the oldest first."""
    listed = call.instrument()
    return _trades(call, lambda: call.desk.history.tape.of_series.get(listed.series, ()), "start_seq", "end_seq")


def get_last_trades_by_currency(call: Call) -> Work:
    """Trades of all instruments of a currency and kind."""
    call.params.text("currency")
    return _trades(call, lambda: _of_currency(call, call.desk.history.tape.all), "start_id", "end_id")


def _of_currency(call: Call, deals: Iterable[Deal]) -> Iterable[Deal]:
    return (deal for deal in deals if call.currency_matches(deal.fill.listed) and call.kind_matches(deal.fill.listed))


def _trades(call: Call, deals: Callable[[], Iterable[Deal]], first: str, last: str) -> Work:
    count = call.params.whole("count", COUNT_DEFAULT, low=1, high=COUNT_MAX)
    window, is_forward = between(call, first, last)
    page = page_of(call, is_forward=is_forward)

    def query(_state: State) -> dict[str, Any]:
        found, has_more = page.take([deal for deal in deals() if window.holds(deal.number, deal.fill.time_ns)], count)
        return {"trades": [_public(deal) for deal in found], "has_more": has_more}

    return Read(call.envelope, query)


def _public(deal: Deal) -> dict[str, Any]:
    return combo_trade_object(deal.fill) if isinstance(deal.fill, ComboFill) else trade_object(deal.fill)


def get_trade_volumes(call: Call) -> Work:
    """Contracts of calls and puts that traded in the last 24 hours, by underlying."""
    desk = call.desk

    def query(state: State) -> list[dict[str, Any]]:
        volumes = {item.id: [0, 0] for item in state.underlyings.values()}
        for listed in desk.listed.values():
            if not listed.legs:
                day = desk.history.candles.day(listed.series, state.time_ns)
                volumes[listed.underlying][0 if listed.is_call else 1] += day.volume
        return [
            {
                "currency": base_currency(state.underlyings[underlying].name),
                "currency_pair": state.underlyings[underlying].name.lower(),
                "calls_volume": contracts(calls),
                "puts_volume": contracts(puts),
                "futures_volume": 0.0,
                "spot_volume": 0.0,
            }
            for underlying, (calls, puts) in volumes.items()
        ]

    return Read(call.envelope, query)


# -- bars and paths ---------------------------------------------------------------------------------------------------


def get_tradingview_chart_data(call: Call) -> Work:
    """Bars of an instrument. One in which no price moved repeats the close before it; none comes before the first."""
    listed, desk = call.instrument(), call.desk
    start_ms, end_ms = (call.params.whole(name, high=U63_MAX) for name in ("start_timestamp", "end_timestamp"))
    resolution = call.params.choice("resolution", _RESOLUTIONS)
    minutes = DAY_MINUTES if resolution == "1D" else int(resolution)
    if (end_ms - start_ms) // (minutes * _MINUTE_MS) >= BARS_MAX:
        raise wrong("start_timestamp", "too_many_bars", limit=BARS_MAX)

    def query(state: State) -> dict[str, Any]:
        last = min(end_ms, millis(state.time_ns)) // _MINUTE_MS
        first = start_ms // _MINUTE_MS // minutes * minutes
        bars = merged(desk.history.candles.between(listed.series, first, last), minutes)
        return _chart(_without_gaps(bars, minutes, last))

    return Read(call.envelope, query)


def _without_gaps(bars: list[Bar], minutes: int, last: int) -> list[Bar]:
    """Bars from the first price on, one after the other up to the last minute."""
    known, found = {bar.minute: bar for bar in bars}, list[Bar]()
    priced = [bar.minute for bar in bars if bar.prices is not None]
    close = 0
    for minute in range(priced[0], last + 1, minutes) if priced else ():
        bar = known.get(minute) or Bar(minute)
        close = bar.prices[3] if bar.prices is not None else close
        found.append(Bar(minute, bar.volume, bar.value, bar.prices or (close, close, close, close)))
    return found


def _chart(bars: list[Bar]) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {name: [] for name in ("ticks", "open", "high", "low", "close", "volume", "cost")}
    for bar in bars:
        for name, value in bar_object(bar).items():
            columns["ticks" if name == "tick" else name].append(value)
    return columns | {"status": "ok" if bars else "no_data"}


def get_index_chart_data(call: Call) -> Work:
    """Where an index was: by the minute up to two days back, by the hour beyond."""
    underlying, desk = _index(call), call.desk
    back_ms, hourly = _RANGES[call.params.choice("range", tuple(_RANGES))]

    def query(state: State) -> list[tuple[int, float]]:
        since_ns = state.time_ns - back_ms * 10**6 if back_ms else 0
        points = desk.history.indices.since(underlying, since_ns, hourly=hourly)
        return [(millis(point.time_ns), usdc(point.price)) for point in points]

    return Read(call.envelope, query)


def get_historical_volatility(call: Call) -> Work:
    """Annualised volatility of an index by the hour, over the 15 days before each, in percent."""
    currency = call.params.text("currency", chars_max=CURRENCY_CHARS_MAX).lower()
    names = [name for name in call.desk.indices if currency in {name, name.partition("_")[0]}]
    if not names:
        raise DialectError(Code.INVALID_ARGUMENTS, reason="index_must_exist", param="currency")
    underlying, desk = call.desk.indices[names[0]], call.desk

    def query(_state: State) -> list[tuple[int, float]]:
        return [(millis(at), round(vol, 4)) for at, vol in desk.history.indices.volatility(underlying)]

    return Read(call.envelope, query)


def _index(call: Call) -> int:
    underlying = call.desk.indices.get(call.params.text("index_name"))
    if underlying is None:
        raise DialectError(Code.INVALID_ARGUMENTS, reason="index_must_exist", param="index_name")
    return underlying


# -- summaries and listings -------------------------------------------------------------------------------------------


def get_book_summary_by_currency(call: Call) -> Work:
    """One line for each live instrument."""
    call.params.text("currency")
    desk = call.desk
    wanted = [item for item in desk.listed.values() if call.currency_matches(item) and call.kind_matches(item)]

    def query(state: State) -> list[dict[str, Any]]:
        live = (item for item in wanted if state.expiries[item.expiry_id].fixing < 0)
        return [_summary(call, state, item) for item in live]

    return Read(call.envelope, query)


def get_book_summary_by_instrument(call: Call) -> Work:
    """The line of one instrument, in a list."""
    listed = call.instrument()
    return Read(call.envelope, lambda state: [_summary(call, state, listed)])


def _summary(call: Call, state: State, listed: Listed) -> dict[str, Any]:
    return summary_row(state, listed, call.desk.history.candles.day(listed.series, state.time_ns))


def get_contract_size(call: Call) -> Work:
    """One: amounts are in contracts, each of one unit of the underlying."""
    call.instrument()
    return call.envelope.result({"contract_size": 1}, call.now_ns)


def get_index_price_names(call: Call) -> Work:
    """Names of the indices; with ``extended`` which of them combos may be made of."""
    if not call.params.flag("extended"):
        return call.envelope.result(list(call.desk.indices), call.now_ns)
    told = {"future_combo_creation_enabled": False, "option_combo_creation_enabled": True}
    return call.envelope.result([{"name": name} | told for name in call.desk.indices], call.now_ns)


def get_supported_index_names(call: Call) -> Work:
    """The same; there are no derivative indices."""
    kind = call.params.choice("type", ("all", "spot", "derivative"), "all")
    return call.envelope.result([] if kind == "derivative" else list(call.desk.indices), call.now_ns)


def get_expirations(call: Call) -> Work:
    """Expiries of live options, soonest first, by currency and kind."""
    currency = call.params.text("currency", chars_max=CURRENCY_CHARS_MAX)
    kind = call.params.choice("kind", ("future", "option", "any"))
    pair = call.params.text("currency_pair", "", chars_max=CURRENCY_CHARS_MAX).lower()
    desk, grouped = call.desk, currency == "grouped"

    def matches(item: Listed) -> bool:
        return pair in {"", item.price_index} and (grouped or call.currency_matches(item))

    def query(state: State) -> dict[str, Any]:
        live = [i for i in desk.listed.values() if not i.legs and matches(i) and state.expiries[i.expiry_id].fixing < 0]
        kinds = {"future": (), "option": tuple(live)} if kind == "any" else {kind: live if kind == "option" else ()}
        if not grouped:
            return {name: _expiry_names(items) for name, items in kinds.items()}
        bases = dict.fromkeys(item.base for item in live)
        return {
            base.lower(): {name: _expiry_names(i for i in items if i.base == base) for name, items in kinds.items()}
            for base in bases
        }

    return Read(call.envelope, query)


def _expiry_names(items: Iterable[Listed]) -> list[str]:
    return [expiry_name(expiry_s) for expiry_s in sorted({item.expiry_s for item in items})]


# -- deliveries -------------------------------------------------------------------------------------------------------


def get_delivery_prices(call: Call) -> Work:
    """Settlement prices of an index, newest first. Expiries of one day are told each."""
    underlying = _index(call)
    offset = call.params.whole("offset", 0, high=U63_MAX)
    count = call.params.whole("count", COUNT_DEFAULT, low=1, high=DELIVERIES_MAX)

    def query(state: State) -> dict[str, Any]:
        fixed = [item for item in state.expiries.values() if item.underlying == underlying and item.fixing >= 0]
        fixed.sort(key=lambda item: -item.expiry_s)
        shown = [
            {"date": _date(item.expiry_s), "delivery_price": usdc(item.fixing)}
            for item in islice(fixed, offset, offset + count)
        ]
        return {"records_total": len(fixed), "data": shown}

    return Read(call.envelope, query)


def _date(expiry_s: int) -> str:
    return datetime.fromtimestamp(expiry_s, UTC).strftime("%Y-%m-%d")


def get_last_settlements_by_instrument(call: Call) -> Work:
    """How one instrument was delivered."""
    listed = call.instrument()
    return _settlements(call, lambda item: item.listed is listed)


def get_last_settlements_by_currency(call: Call) -> Work:
    """How the instruments of a currency were delivered, newest first."""
    call.params.text("currency")
    return _settlements(call, lambda item: call.currency_matches(item.listed))


def _settlements(call: Call, matches: Callable[[Delivery], bool]) -> Work:
    kind = call.params.choice("type", _SETTLEMENTS, "delivery")
    count = call.params.whole("count", SETTLEMENTS_DEFAULT, low=1, high=COUNT_MAX)
    before_ms = call.params.whole("search_start_timestamp", U63_MAX, high=U63_MAX)
    skip, desk = number_of(call, "continuation", 0), call.desk

    def query(_state: State) -> dict[str, Any]:
        held = (item for item in reversed(desk.history.statements.deliveries) if kind == "delivery" and matches(item))
        known = [item for item in held if millis(item.time_ns) <= before_ms]
        shown = [_delivered(item) for item in known[skip : skip + count]]
        return {"settlements": shown, "continuation": str(skip + count) if len(known) > skip + count else "none"}

    return Read(call.envelope, query)


def _delivered(item: Delivery) -> dict[str, Any]:
    listed = item.listed
    worth = max(item.price - listed.strike if listed.is_call else listed.strike - item.price, 0)
    return {
        "type": "delivery",
        "timestamp": millis(item.time_ns),
        "instrument_name": listed.name,
        "index_price": usdc(item.price),
        "mark_price": usdc(worth),
        "position": contracts(item.open_interest),
        "session_profit_loss": 0.0,
    }
