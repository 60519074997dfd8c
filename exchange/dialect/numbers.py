"""Decimal text to the machine's integers and back, exactly.

A number arrives as JSON text and becomes a Decimal; it is never a binary float on the way in, so a price that was
signed is the price that is matched. Going out, an integer is divided once, correctly rounded, which prints the short
decimal. Imports units.
"""

import re
from decimal import Context, Decimal
from typing import Final

from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Nanos, Price, Qty, Seconds, Wad

DIGITS_MAX: Final = 64
EXPONENT_MAX: Final = 64
DELTA_ONE: Final = 10**4  # units in one underlying, as makers sign deltas
_EXACT: Final = Context(prec=4 * DIGITS_MAX)
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_NANOS_PER_MS: Final = 1_000_000


class NotANumber(ValueError):
    """The text is not a JSON number of sensible size."""


class NotExact(ValueError):
    """The number is finer than the unit: it cannot be signed or matched."""


def decimal_of(text: str) -> Decimal:
    """Decimal of a JSON number's text. Raises NotANumber for anything else, for 65 digits or for exponents over 64."""
    if len(text) > DIGITS_MAX or _NUMBER.fullmatch(text) is None:
        raise NotANumber("not a number of at most 64 characters")
    value = Decimal(text)
    if abs(value.adjusted()) > EXPONENT_MAX and value:
        raise NotANumber("exponent beyond 64")
    return value


def units_of(value: Decimal | int, one: int) -> int:
    """``value * one`` as an integer. Raises NotExact when something is left over."""
    scaled = _EXACT.multiply(Decimal(value), Decimal(one))
    whole = int(scaled)
    if scaled != whole:
        raise NotExact(f"{value} is finer than 1/{one}")
    return whole


def price_units(value: Decimal | int) -> Price:
    """USDC per contract to 1e-6 USDC. Raises NotExact."""
    return units_of(value, USDC_ONE)


def qty_units(value: Decimal | int) -> Qty:
    """Contracts to 1e-4 contract. Raises NotExact."""
    return units_of(value, QTY_ONE)


def usdc(value: Cash | Price) -> float:
    """1e-6 USDC to USDC, nearest."""
    return value / USDC_ONE


def contracts(value: Qty) -> float:
    """1e-4 contract to contracts, nearest."""
    return value / QTY_ONE


def ratio(value: Wad) -> float:
    """1e-18 to a plain ratio, nearest."""
    return value / WAD


def percent(value: Wad) -> float:
    """1e-18 to percent, nearest."""
    return value * 100 / WAD


def millis(time_ns: Nanos) -> int:
    """Nanoseconds to milliseconds, rounded down."""
    return time_ns // _NANOS_PER_MS


def millis_of_seconds(seconds: Seconds) -> int:
    """Seconds to milliseconds."""
    return seconds * 1000
