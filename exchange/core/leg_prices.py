"""What each leg of a combo trades at when the combo trades whole: prices near the marks that come to the price agreed.

Two orders for the same combo meet at one price. Fees are capped by what each leg costs, and traders keep an average
price of each position, so every leg needs one of its own. Imports legs, units.
"""

from exchange.core.legs import Legs
from exchange.core.units import U63_MAX, Price, div_down, div_up


def price_floor(legs: Legs) -> Price | None:
    """The lowest price at which a combo can trade: zero if all of it is bought, else there is none."""
    return 0 if all(leg.ratio > 0 for leg in legs) else None


def leg_prices(legs: Legs, marks: tuple[Price, ...], price: Price) -> tuple[Price, ...] | None:
    """A price from zero up for each leg, so that ratio times price comes to ``price`` exactly; None if there are none.

    Where all legs are bought, marks are scaled to the price; then the leg with the smallest ratio takes the difference.
    There are none below ``price_floor``, beyond the range of a price, or where large ratios cannot come to a small one.
    """
    pivot = min(range(len(legs)), key=lambda at: abs(legs[at].ratio))
    prices = _scaled(legs, marks, price) if price_floor(legs) == 0 else list(marks)
    missing = price - _value(legs, prices)
    modulus = abs(legs[pivot].ratio)
    for at, more in enumerate(_remainders(legs, pivot)):
        prices[at] += more * missing % modulus
    prices[pivot] += div_down(price - _value(legs, prices), legs[pivot].ratio)  # exact, by the choice of the others
    _lift(legs, prices, pivot)
    return tuple(prices) if all(0 <= found <= U63_MAX for found in prices) else None


def _value(legs: Legs, prices: list[Price]) -> Price:
    return sum(leg.ratio * price for leg, price in zip(legs, prices, strict=True))


def _scaled(legs: Legs, marks: tuple[Price, ...], price: Price) -> list[Price]:
    """Marks in proportion to a price, rounded down."""
    total = sum(leg.ratio * mark for leg, mark in zip(legs, marks, strict=True))
    return [div_down(mark * price, total) if total else 0 for mark in marks]


def _remainders(legs: Legs, pivot: int) -> list[int]:
    """Multiples of the other ratios that come to 1 beside a multiple of the pivot's; 0 for the pivot itself."""
    found = [0] * len(legs)
    common = legs[pivot].ratio
    for at, leg in enumerate(legs):
        if at != pivot:
            common, kept, added = _bezout(common, leg.ratio)
            found = [kept * multiple for multiple in found]
            found[at] = added
    return found


def _bezout(a: int, b: int) -> tuple[int, int, int]:
    """(g, x, y) with a * x + b * y == g, the greatest common divisor, above zero."""
    x, y, next_x, next_y = 1, 0, 0, 1
    while b:
        times = div_down(a, b)
        a, b = b, a - times * b
        x, next_x = next_x, x - times * next_x
        y, next_y = next_y, y - times * next_y
    return (a, x, y) if a > 0 else (-a, -x, -y)


def _lift(legs: Legs, prices: list[Price], pivot: int) -> None:
    """Bring the pivot's price up to zero against others: along with legs sold beside it, down with legs bought."""
    for at in sorted(range(len(legs)), key=lambda at: legs[at].ratio * legs[pivot].ratio > 0):
        if prices[pivot] >= 0 or at == pivot:
            continue
        step, other = legs[at].ratio, legs[pivot].ratio
        times = div_up(-prices[pivot], abs(step))
        if step * other > 0:
            times = min(times, div_down(prices[at], abs(other)))
            prices[at] -= times * abs(other)
        else:
            prices[at] += times * abs(other)
        prices[pivot] += times * abs(step)
