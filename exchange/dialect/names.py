"""Names of instruments, indices and periods, from the facts of a listing.

``BTC_USDC-25DEC26-100000-C``: underlying, expiry date, strike, kind. Decimals of a strike are written with ``d``
(``0d625``). An expiry at another time than 08:00 UTC carries the time, so that names stay unique. Imports units.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

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


class NamedLeg(NamedTuple):
    """What a name tells of a combo's leg."""

    ratio: int
    expiry_s: Seconds
    strike: Price
    is_call: bool


def combo_name(underlying: str, legs: Sequence[NamedLeg], number: int) -> str:
    """Name of a combo: its shape, expiries and strikes where they tell it whole, else its number.

    The name tells no direction: which legs whoever buys the combo buys, its ratios say.
    """
    shape = _shape_of(sorted(legs, key=lambda leg: (leg.expiry_s, leg.strike, leg.is_call)))
    if shape is None:
        return f"{underlying}-CUSTOM-{number}"
    code, told = shape
    expiries = "_".join(dict.fromkeys(expiry_name(leg.expiry_s) for leg in told))
    strikes = "_".join(dict.fromkeys(strike_name(leg.strike) for leg in told))
    return f"{underlying}-{code}-{expiries}-{strikes}"


def _shape_of(legs: Sequence[NamedLeg]) -> tuple[str, Sequence[NamedLeg]] | None:
    """The code of a shape that has a name, and the legs in the order in which it tells of them."""
    ratios = tuple(leg.ratio * (1 if legs[0].ratio > 0 else -1) for leg in legs)
    same_expiry = len({leg.expiry_s for leg in legs}) == 1
    same_strike = len({leg.strike for leg in legs}) == 1
    kinds = {leg.is_call for leg in legs}
    if len(kinds) == 1:
        side = "C" if legs[0].is_call else "P"
        spread = ratios == (1, -1)
        if spread and (same_expiry or same_strike):
            return f"{side}S" if same_expiry else f"{side}CAL", legs
        return (f"{side}BUT", legs) if ratios == (1, -2, 1) and same_expiry else None
    if len(legs) != 2 or not same_expiry:
        return None
    put_first = sorted(legs, key=lambda leg: leg.is_call)
    if ratios == (1, 1):
        return "STRD" if same_strike else "STRG", put_first
    return ("RR", put_first) if ratios == (1, -1) and not same_strike else None
