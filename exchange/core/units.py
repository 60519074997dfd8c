"""Integers with units, and the only divisions the core may use.

Owns the scales of docs/TERMINOLOGY.md and the ranges a contract can hold, so that Python never accepts what the EVM
would revert on. Imports nothing.
"""

from typing import Final, TypeAlias

# Aliases rather than NewTypes: a NewType constructor costs a call per number on the matching path (ADR 0002).
Cash: TypeAlias = int  # 1e-6 USDC
Price: TypeAlias = int  # 1e-6 USDC per contract
Qty: TypeAlias = int  # 1e-4 contract
Wad: TypeAlias = int  # 1e-18
Seconds: TypeAlias = int  # UTC seconds
Nanos: TypeAlias = int  # UTC nanoseconds
Risk: TypeAlias = int  # price x wad x quantity = 1e-28 USDC

WAD: Final = 10**18
QTY_ONE: Final = 10**4
USDC_ONE: Final = 10**6
RISK_ONE: Final = WAD * QTY_ONE  # risk units in one 1e-6 USDC
NANOS_PER_SECOND: Final = 10**9
YEAR_SECONDS: Final = 31_536_000
TWAP_SECONDS: Final = 1_800

U16_MAX: Final = 2**16 - 1
U32_MAX: Final = 2**32 - 1
U63_MAX: Final = 2**63 - 1
U64_MAX: Final = 2**64 - 1
U96_MAX: Final = 2**96 - 1
QTY_MAX: Final = U32_MAX - 1  # the largest fill lane; U32_MAX itself marks a replaced order
CASH_MAX: Final = 2**62  # 4.6e12 USDC: far under the contract's int128, and a journal integer
NO_EXPIRY: Final = U32_MAX  # "never": seconds until 2106


def mul_div_down(a: int, b: int, c: int) -> int:
    """Floor of a * b / c; for amounts paid out."""
    return a * b // c


def mul_div_up(a: int, b: int, c: int) -> int:
    """Ceiling of a * b / c; for requirements and fees."""
    return -(-a * b // c)


def div_down(a: int, c: int) -> int:
    """Floor of a / c."""
    return a // c


def div_up(a: int, c: int) -> int:
    """Ceiling of a / c."""
    return -(-a // c)


def premium_of(price: Price, qty: Qty) -> Cash:
    """Cash that moves from buyer to seller for one fill; both sides use the same floor, so it cancels exactly."""
    return price * qty // QTY_ONE


def seconds_of(time_ns: Nanos) -> Seconds:
    """Whole seconds, rounded down: an order expiring at second s is dead from s on."""
    return time_ns // NANOS_PER_SECOND


def years_of(seconds: Seconds) -> Wad:
    """Year fraction of 365 days, rounded down; zero once the moment has passed."""
    return max(seconds, 0) * WAD // YEAR_SECONDS


def series_of(expiry_id: int, index: int) -> int:
    """The series number both layers use: listing number of the expiry, then the position inside it."""
    return expiry_id << 16 | index


def expiry_of(series: int) -> int:
    """Listing number of the expiry a series belongs to."""
    return series >> 16
