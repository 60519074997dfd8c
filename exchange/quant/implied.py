"""Implied vol of a Black-76 price, to the precision that doubles attain: Jaeckel's "Let's Be Rational", from PyPI.

For display and calibration only: no committed value may depend on it, what has effect is a vol that the oracle signs as
an integer. Imports py_lets_be_rational.
"""

from py_lets_be_rational import implied_volatility_from_a_transformed_rational_guess as _solve
from py_lets_be_rational.exceptions import AboveMaximumException, BelowIntrinsicException


class NoImpliedVolError(ValueError):
    """No vol gives this price: it is below intrinsic value, or not below what the option can be worth at most."""


def implied_vol(
    price: float, forward: float, strike: float, years: float, *, is_call: bool, discount: float = 1.0
) -> float:
    """Vol of 1.00 a year at which the option is worth ``price``; money in one unit, any; 0 at intrinsic value.

    Best given out-of-the-money options: of one deep in the money the price itself holds few digits of what time adds.
    Raises NoImpliedVolError; also at expiry and for a forward or strike that is not positive, where vol means nothing.
    """
    if not (years > 0 and forward > 0 and strike > 0 and discount > 0):
        raise NoImpliedVolError(f"no vol at {years} years, forward {forward}, strike {strike}, discount {discount}")
    try:
        return float(_solve(price / discount, forward, strike, years, 1.0 if is_call else -1.0))
    except BelowIntrinsicException:
        raise NoImpliedVolError(f"{price} is below intrinsic value") from None
    except AboveMaximumException:
        raise NoImpliedVolError(f"{price} is more than the option can be worth") from None
