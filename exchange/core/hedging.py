"""How much a pool hedges, and when: trade only to the edge of a band that grows with gamma and cost.

Owns the half width of the band by Whalley and Wilmott, in integers, and a decision made of it: a record that says what
was known and what follows. Whoever sends the order to a market is elsewhere (``exchange.shell.hedger``).
Source: reference quant 7. Imports units.
"""

from typing import Final, NamedTuple, TypeAlias

from exchange.core.units import QTY_ONE, WAD, Cash, Price, Qty, Seconds, Wad, div_down, div_up, mul_div_down, mul_div_up

Delta: TypeAlias = int  # 1e-12 contracts

MINUTE_S: Final = 60

CONTRACT: Final = 10**12  # units of delta in a contract: fine enough for a band, and a journal holds millions of them

_PER_QTY: Final = CONTRACT // QTY_ONE
# cost 1e-18, spot 1e-6, gamma 1e-18 twice, over risk aversion 1e-18: what makes the cube one of 1e-12 contracts.
_CUBE: Final = 10**6


class HedgeTerms(NamedTuple):
    """How a pool hedges. ``risk_aversion`` is for each USDC; 1e-3 to 1e-2 is the useful range for one contract."""

    cost: Wad  # of the traded value
    risk_aversion: Wad
    lot: Qty
    slip: Wad  # how far from the oracle's price an order may fill
    per_minute: Wad  # of NAV, most that is traded in any minute


class Exposure(NamedTuple):
    """A pool at a round: delta with its hedge, and gamma in 1e-18 contracts for each USDC."""

    round_id: int
    time_s: Seconds
    spot: Price
    delta: Delta
    gamma: Wad
    nav: Cash


class Hedge(NamedTuple):
    """A decision and what it was made of. ``qty`` is bought (sold, below zero) at ``limit`` or better, at once or not
    at all; zero is a decision too.
    """

    round_id: int
    delta: Delta
    half_width: Delta
    qty: Qty
    limit: Price


class Spent(NamedTuple):
    """What was traded in the last minute: when, and for how much."""

    trades: tuple[tuple[Seconds, Cash], ...] = ()


def cube_root(value: int) -> int:
    """Floor of the cube root; value >= 0. Newton's steps from above, in integers."""
    assert value >= 0
    if value == 0:
        return 0
    guess = 1 << div_up(value.bit_length(), 3)
    while True:
        better = div_down(2 * guess + div_down(value, guess * guess), 3)
        if better >= guess:
            return guess
        guess = better


def half_width(terms: HedgeTerms, spot: Price, gamma: Wad) -> Delta:
    """Half width of the band, rounded down: (3/2 cost spot gamma^2 / risk aversion)^(1/3).

    Grows with the two-thirds power of the book, so a larger book is hedged to a smaller part of itself.
    """
    return cube_root(div_down(3 * terms.cost * spot * gamma * gamma, 2 * terms.risk_aversion * _CUBE))


def in_last_minute(spent: Spent, now_s: Seconds) -> Spent:
    """Trades of the minute before now."""
    return Spent(tuple(trade for trade in spent.trades if trade[0] > now_s - MINUTE_S))


def decide(terms: HedgeTerms, exposure: Exposure, spent: Spent) -> Hedge:
    """Trade what lies beyond the edge of the band, against its sign, in whole lots and within the minute's bound.

    Rounded towards zero: the band is never crossed by its own hedge.
    """
    width = half_width(terms, exposure.spot, exposure.gamma)
    beyond = max(abs(exposure.delta) - width, 0)
    bound = mul_div_down(max(exposure.nav, 0), terms.per_minute, WAD)
    left = max(bound - sum(cash for _, cash in in_last_minute(spent, exposure.time_s).trades), 0)
    buys = exposure.delta < 0
    limit = limit_price(terms, exposure.spot, buys=buys)
    affordable = div_down(left * QTY_ONE, max(limit, exposure.spot))
    qty = div_down(min(div_down(beyond, _PER_QTY), affordable), terms.lot) * terms.lot
    return Hedge(exposure.round_id, exposure.delta, width, qty if buys else -qty, limit)


def limit_price(terms: HedgeTerms, spot: Price, *, buys: bool) -> Price:
    """The oracle's price and the slip; rounded so that less is paid and more received."""
    return mul_div_down(spot, WAD + terms.slip, WAD) if buys else mul_div_up(spot, WAD - terms.slip, WAD)


def after_fill(spent: Spent, now_s: Seconds, price: Price, qty: Qty) -> Spent:
    """The minute's trades with one more; its value rounded up. Nothing filled is nothing spent."""
    kept = in_last_minute(spent, now_s).trades
    return Spent((*kept, (now_s, mul_div_up(price, abs(qty), QTY_ONE))) if qty else kept)
