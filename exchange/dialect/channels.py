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
    AUCTION = "auction"
    TRADES = "trades"
    INDEX = "deribit_price_index"
    ORDERS = "user.orders"
    FILLS = "user.trades"
    CHANGES = "user.changes"
    COMBO_FILLS = "user.combo_trades"
    PORTFOLIO = "user.portfolio"
    PROTECTION = "user.mmp_trigger"
    RFQ_TAKER = "block_rfq.taker"
    RFQ_MAKER = "block_rfq.maker"
    RFQ_QUOTES = "block_rfq.maker.quotes"
    RFQ_TRADES = "block_rfq.trades"


RFQS: Final = (Family.RFQ_TAKER, Family.RFQ_MAKER, Family.RFQ_QUOTES, Family.RFQ_TRADES)
PRIVATE: Final = (
    Family.ORDERS,
    Family.FILLS,
    Family.CHANGES,
    Family.COMBO_FILLS,
    Family.PORTFOLIO,
    Family.PROTECTION,
    Family.RFQ_TAKER,
    Family.RFQ_MAKER,
    Family.RFQ_QUOTES,
)
INTERVALS: Final = ("raw", "100ms", "agg2")
DEPTHS: Final = ("1", "10", "20")
OPTION, COMBO = "option", "option_combo"
KINDS: Final = ("any", OPTION, COMBO, "combo")
PARTS_MAX: Final = 6


class Channel(NamedTuple):
    """A channel: its full name, family, subject (instrument, ``kind.currency``, index or currency) and interval."""

    name: str
    family: Family
    subject: str
    interval: str
    depth: int = 0

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
        case ["book", subject, interval] if interval in INTERVALS:
            return Channel(name, Family.BOOK, subject, interval)
        case ["book", subject, "none", depth, "100ms"] if depth in DEPTHS:
            return Channel(name, Family.DEPTH, subject, "100ms", int(depth))
        case ["ticker", subject, interval] if interval in INTERVALS:
            return Channel(name, Family.TICKER, subject, interval)
        case ["auction", subject]:
            return Channel(name, Family.AUCTION, subject, "100ms")
        case ["trades", *rest]:
            return _pattern(name, Family.TRADES, rest)
        case ["deribit_price_index", subject]:
            return Channel(name, Family.INDEX, subject, "raw")
        case ["user", "orders", *rest]:
            return _pattern(name, Family.ORDERS, rest)
        case ["user", "trades", *rest]:
            return _pattern(name, Family.FILLS, rest)
        case ["user", "changes", *rest]:
            return _pattern(name, Family.CHANGES, rest)
        case ["user", "combo_trades", *rest]:
            return _pattern(name, Family.COMBO_FILLS, rest)
        case ["user", "mmp_trigger", index]:
            return Channel(name, Family.PROTECTION, index.lower(), "raw")
        case ["block_rfq", *rest]:
            return _of_rfqs(name, rest)
        case ["user", "portfolio", currency]:
            return Channel(name, Family.PORTFOLIO, currency.upper(), "100ms")
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
