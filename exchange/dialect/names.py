"""Names of instruments, indices and periods, from the facts of a listing.

``BTC_USDC-25DEC26-100000-C``: underlying, expiry date, strike, kind. Decimals of a strike are written with ``d``
(``0d625``). An expiry at another time than 08:00 UTC carries the time, so that names stay unique. Imports units.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from exchange.core.units import USDC_ONE, Price, Seconds

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_USUAL_HOUR: Final = 8
_FRIDAY: Final = 4


def instrument_name(underlying: str, expiry_s: Seconds, strike: Price, *, is_call: bool) -> str:
    """Name of an option."""
    return f"{underlying}-{expiry_name(expiry_s)}-{strike_name(strike)}-{'C' if is_call else 'P'}"


def expiry_name(expiry_s: Seconds) -> str:
    """``25DEC26``; with ``T0930`` behind it when the expiry is not at 08:00 UTC."""
    moment = datetime.fromtimestamp(expiry_s, UTC)
    date = f"{moment.day}{_MONTHS[moment.month - 1]}{moment.year % 100:02d}"
    if (moment.hour, moment.minute) == (_USUAL_HOUR, 0):
        return date
    return f"{date}T{moment.hour:02d}{moment.minute:02d}"


def strike_name(strike: Price) -> str:
    """``100000``, or ``0d625`` for fractions."""
    whole, part = strike // USDC_ONE, strike % USDC_ONE
    return f"{whole}d{part:06d}".rstrip("0") if part else str(whole)


def index_name(underlying: str) -> str:
    """``btc_usdc``."""
    return underlying.lower()


def base_currency(underlying: str) -> str:
    """``BTC`` of ``BTC_USDC``."""
    return underlying.split("_", 1)[0]


def account_name(account: int) -> str:
    """``account_7``: what other traders may know an account as."""
    return f"account_{account}"


def settlement_period(expiry_s: Seconds) -> str:
    """Month for the last Friday of a month, week for other Fridays, day otherwise."""
    moment = datetime.fromtimestamp(expiry_s, UTC)
    if moment.weekday() != _FRIDAY:
        return "day"
    return "week" if (moment + timedelta(days=7)).month == moment.month else "month"
