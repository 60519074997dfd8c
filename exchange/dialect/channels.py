"""Names of channels, taken apart.

A channel is a *stem* (what) and an *interval* (how often). The publisher thinks in stems; intervals belong to whoever
sends. Private stems are per account. Imports nothing.
"""

from enum import Enum
from typing import Final, NamedTuple


class Family(Enum):
    """What a channel is about."""

    BOOK = "book"
    DEPTH = "depth"
    TICKER = "ticker"
    QUOTE = "quote"
    DELTAS = "incremental_ticker"
    AUCTION = "auction"
    CHART = "chart.trades"
    MARKS = "markprice.options"
    ESTIMATE = "estimated_expiration_price"
    STATISTICS = "deribit_price_statistics"
    STATE = "instrument.state"
    CREATION = "instrument.creation"
    PLATFORM = "platform_state"
    TRADES = "trades"
    INDEX = "deribit_price_index"
    ORDERS = "user.orders"
    FILLS = "user.trades"
    CHANGES = "user.changes"
    COMBO_FILLS = "user.combo_trades"
    PORTFOLIO = "user.portfolio"
    PROTECTION = "user.mmp_trigger"
    DROP_COPY = "user.drop_copy"
    RFQ_TAKER = "block_rfq.taker"
    RFQ_MAKER = "block_rfq.maker"
    RFQ_QUOTES = "block_rfq.maker.quotes"
    RFQ_TRADES = "block_rfq.trades"


TICKERS: Final = (Family.TICKER, Family.QUOTE, Family.DELTAS)
BOARDS: Final = (
    Family.CHART,
    Family.MARKS,
    Family.ESTIMATE,
    Family.STATISTICS,
    Family.STATE,
    Family.CREATION,
    Family.PLATFORM,
)
RFQS: Final = (Family.RFQ_TAKER, Family.RFQ_MAKER, Family.RFQ_QUOTES, Family.RFQ_TRADES)
PRIVATE: Final = (
    Family.ORDERS,
    Family.FILLS,
    Family.CHANGES,
    Family.COMBO_FILLS,
    Family.PORTFOLIO,
    Family.PROTECTION,
    Family.DROP_COPY,
    Family.RFQ_TAKER,
    Family.RFQ_MAKER,
    Family.RFQ_QUOTES,
)
INTERVALS: Final = ("raw", "100ms", "agg2")
PACED: Final = INTERVALS[1:]
DEPTHS: Final = ("1", "10", "20")
GROUPS: Final = {"none": 0} | {name: int(name) for name in ("1", "2", "5", "10", "25", "100", "250")}
"""Widths of price levels put together, in USDC; 0: each price for itself."""
RESOLUTIONS: Final = {name: int(name) for name in ("1", "3", "5", "10", "15", "30", "60", "120", "180", "360", "720")}
RESOLUTIONS["1D"] = 1_440
OPTION, COMBO = "option", "option_combo"
KINDS: Final = ("any", OPTION, COMBO, "combo")
PARTS_MAX: Final = 6


PATTERNS: Final = (
    "book.{instrument_name}.{interval}",
    "book.{instrument_name}.{group}.{depth}.{interval}",
    "ticker.{instrument_name}.{interval}",
    "incremental_ticker.{instrument_name}",
    "quote.{instrument_name}",
    "trades.{instrument_name}.{interval}",
    "trades.{kind}.{currency}.{interval}",
    "chart.trades.{instrument_name}.{resolution}",
    "auction.{instrument_name}",
    "deribit_price_index.{index_name}",
    "deribit_price_statistics.{index_name}",
    "estimated_expiration_price.{index_name}",
    "markprice.options.{index_name}",
    "instrument.state.{kind}.{currency}",
    "instrument.creation.{kind}.{currency}",
    "platform_state",
    "user.orders.{instrument_name}.{interval}",
    "user.orders.{instrument_name}.raw",
    "user.orders.{kind}.{currency}.{interval}",
    "user.orders.{kind}.{currency}.raw",
    "user.trades.{instrument_name}.{interval}",
    "user.trades.{kind}.{currency}.{interval}",
    "user.changes.{instrument_name}.{interval}",
    "user.changes.{kind}.{currency}.{interval}",
    "user.combo_trades.{instrument_name}.{interval}",
    "user.combo_trades.{kind}.{currency}.{interval}",
    "user.portfolio.{currency}",
    "user.mmp_trigger.{index_name}",
    "user.drop_copy",
    "block_rfq.taker.{currency}",
    "block_rfq.maker.{currency}",
    "block_rfq.maker.quotes.{currency}",
    "block_rfq.trades.{currency}",
)
"""Every channel there is, in the words of the dialect."""


class Channel(NamedTuple):
    """A channel: its full name, family, subject (instrument, ``kind.currency``, index or currency) and interval."""

    name: str
    family: Family
    subject: str
    interval: str
    depth: int = 0
    group: int = 0

    @property
    def stem(self) -> str:
        """Family and subject: what the publisher watches."""
        return f"{self.family.value}.{self.subject}"

    @property
    def is_private(self) -> bool:
        """Whether it needs a login."""
        return self.family in PRIVATE


def parse_channel(name: str) -> Channel | None:
    """The channel of a name, or None for one this venue does not have. Subjects are not looked up here."""
    parts = name.split(".", PARTS_MAX)
    match parts:
        case ["user", *rest]:
            return _of_user(name, rest)
        case ["block_rfq", *rest]:
            return _of_rfqs(name, rest)
        case ["trades", *rest]:
            return _pattern(name, Family.TRADES, rest)
        case ["book" | "ticker" | "quote" | "incremental_ticker" | "auction", *_]:
            return _of_instrument(name, parts)
        case _:
            return _of_board(name, parts)


def _of_instrument(name: str, parts: list[str]) -> Channel | None:
    match parts:
        case ["book", subject, interval] if interval in INTERVALS:
            return Channel(name, Family.BOOK, subject, interval)
        case ["book", subject, group, depth, interval] if group in GROUPS and depth in DEPTHS and interval in PACED:
            return Channel(name, Family.DEPTH, subject, interval, int(depth), GROUPS[group])
        case ["ticker", subject, interval] if interval in INTERVALS:
            return Channel(name, Family.TICKER, subject, interval)
        case ["quote" | "incremental_ticker" | "auction" as family, subject]:
            return Channel(name, Family(family), subject, "100ms")
    return None


def _of_board(name: str, parts: list[str]) -> Channel | None:
    match parts:
        case ["deribit_price_index" | "deribit_price_statistics" | "estimated_expiration_price" as family, subject]:
            return Channel(name, Family(family), subject, "raw")
        case ["markprice", "options", subject]:
            return Channel(name, Family.MARKS, subject, "raw")
        case ["chart", "trades", subject, resolution] if resolution in RESOLUTIONS:
            return Channel(name, Family.CHART, f"{subject}.{resolution}", "raw")
        case ["instrument", "state" | "creation" as what, kind, currency] if kind in KINDS:
            return Channel(name, Family(f"instrument.{what}"), f"{kind}.{currency.upper()}", "raw")
        case ["platform_state"]:
            return Channel(name, Family.PLATFORM, "", "raw")
    return None


_OF_USER: Final = {
    "orders": Family.ORDERS,
    "trades": Family.FILLS,
    "changes": Family.CHANGES,
    "combo_trades": Family.COMBO_FILLS,
}


def _of_user(name: str, rest: list[str]) -> Channel | None:
    match rest:
        case ["mmp_trigger", index]:
            return Channel(name, Family.PROTECTION, index.lower(), "raw")
        case ["drop_copy"]:
            return Channel(name, Family.DROP_COPY, "", "raw")
        case ["portfolio", currency]:
            return Channel(name, Family.PORTFOLIO, currency.upper(), "100ms")
        case [what, *subject] if what in _OF_USER:
            return _pattern(name, _OF_USER[what], subject)
    return None


def _pattern(name: str, family: Family, rest: list[str]) -> Channel | None:
    """``instrument.interval`` or ``kind.currency.interval``."""
    match rest:
        case [subject, interval] if interval in INTERVALS:
            return Channel(name, family, subject, interval)
        case [kind, currency, interval] if kind in KINDS and interval in INTERVALS:
            return Channel(name, family, f"{kind}.{currency.upper()}", interval)
    return None


def _of_rfqs(name: str, rest: list[str]) -> Channel | None:
    """``taker``, ``maker``, ``maker.quotes`` or ``trades``, and a currency."""
    families = {"taker": Family.RFQ_TAKER, "maker": Family.RFQ_MAKER, "trades": Family.RFQ_TRADES}
    match rest:
        case ["maker", "quotes", currency]:
            return Channel(name, Family.RFQ_QUOTES, currency.upper(), "raw")
        case [whose, currency] if whose in families:
            return Channel(name, families[whose], currency.upper(), "raw")
    return None


def currencies_of(base: str) -> tuple[str, ...]:
    """Every currency under which something about an underlying is published."""
    return ("ANY", base.upper(), "USDC", f"{base}_USDC".upper())


def subjects_of(instrument: str, base: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Every subject under which something about an instrument is published."""
    return (instrument, *(f"{kind}.{currency}" for kind in kinds for currency in currencies_of(base)))
