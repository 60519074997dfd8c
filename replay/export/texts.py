"""How an export writes numbers, times and names: decimal text, never a float. Imports units and ``at``.

Every function is a pure one of integers, so that the same journal gives the same text on any machine.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from exchange.core.combos import is_combo
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, Nanos, Seconds
from replay.at import iso, name_of

PRICE_DIGITS: Final = 6
QTY_DIGITS: Final = 4
WAD_DIGITS: Final = 18
DAY_NS: Final = 86_400 * NANOS_PER_SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def decimal(value: int, digits: int) -> str:
    """An integer of 10**-digits as decimal text: no exponent and no zeros at the end."""
    whole, fraction = divmod(abs(value), 10**digits)
    text = f"{whole}.{fraction:0{digits}d}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


def price(value: int) -> str:
    """A price or an amount of 1e-6 USDC, in USDC."""
    return decimal(value, PRICE_DIGITS)


def quantity(value: int) -> str:
    """A quantity of 1e-4 contract, in contracts."""
    return decimal(value, QTY_DIGITS)


def wad(value: int) -> str:
    """A number of 1e-18."""
    return decimal(value, WAD_DIGITS)


def moment(time_ns: Nanos) -> str:
    """A time in UTC with all nine digits of its fraction."""
    return iso(time_ns)


def second(time_s: Seconds) -> str:
    """A whole second in UTC."""
    return iso(time_s * NANOS_PER_SECOND)


def day_of(time_ns: Nanos) -> str:
    """The UTC calendar day that a time lies in: the venue day."""
    return f"{_EPOCH + timedelta(days=time_ns // DAY_NS):%Y-%m-%d}"


def bounds_of(day: date) -> tuple[Nanos, Nanos]:
    """First nanosecond of a venue day and of the one after it."""
    start = (day - _EPOCH.date()).days * DAY_NS
    return start, start + DAY_NS


def series_name(state: State, series: int) -> str:
    """The wire name of a series; of a combo its number."""
    if is_combo(series):
        return f"COMBO-{series}"
    return name_of(state, state.series[series])
