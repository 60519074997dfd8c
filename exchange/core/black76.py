"""Black-76 in integers: the value of an option on a forward, and the moments its Greeks are made of.

Only ln, Phi and sqrt are defined by their true values; what is built from them is defined by the order of its products
and divisions, which docs/MATHEMATICS.md writes down and contracts/lib/black76.vy repeats. Divisions round down unless a
name says otherwise, and a value is divided once, at its end. Imports units, fixedmath.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from exchange.core.fixedmath import exp_wad, ln_wad, norm_cdf_wad, sqrt_wad
from exchange.core.units import (
    TWAP_SECONDS,
    WAD,
    YEAR_SECONDS,
    Price,
    Seconds,
    Wad,
    div_up,
    mul_div_down,
    mul_div_up,
)

Scaled: TypeAlias = int  # price x wad = 1e-24 USDC

_AVERAGED: Final = 3  # an average over a window has a third of the variance of its end


class Moments(NamedTuple):
    """Total volatility and the two standardised distances to the strike, in wad; v > 0."""

    v: Wad
    d1: Wad
    d2: Wad


def total_vol(vol: Wad, years: Wad) -> Wad:
    """Volatility over the whole life: floor(vol * floor(sqrt(years)))."""
    return mul_div_down(vol, sqrt_wad(years), WAD)


def moments(forward: Price, strike: Price, v: Wad) -> Moments:
    """d1 = floor((ln(floor(F / K)) + floor(v^2 / 2)) / v), d2 = d1 - v; forward, strike and v positive.

    A ratio below 1e-18 counts as that.
    """
    d1 = (ln_wad(max(mul_div_down(forward, WAD, strike), 1)) * WAD + v * v // 2) // v
    return Moments(v, d1, d1 - v)


def scaled_value(forward: Price, strike: Price, vol: Wad, years: Wad, *, is_call: bool) -> Scaled:
    """Undiscounted value of one contract. Never above F for a call or K for a put."""
    v = total_vol(vol, years)
    if v == 0 or forward == 0 or strike == 0:
        return settled_value(forward, strike, is_call=is_call)
    at = moments(forward, strike, v)
    return value_of(forward, strike, norm_cdf_wad(at.d1), norm_cdf_wad(at.d2), is_call=is_call)


def value_of(forward: Price, strike: Price, first: Wad, second: Wad, *, is_call: bool) -> Scaled:
    """F * Phi(d1) - K * Phi(d2) from the two probabilities, a put by parity, at least intrinsic value; exact."""
    call = forward * first - strike * second
    value = call if is_call else call - (forward - strike) * WAD
    return max(value, settled_value(forward, strike, is_call=is_call))


def settled_value(forward: Price, strike: Price, *, is_call: bool) -> Scaled:
    """Intrinsic value: all there is without time, volatility, forward or strike."""
    return max(forward - strike if is_call else strike - forward, 0) * WAD


def black76_mark(forward: Price, strike: Price, vol: Wad, years: Wad, *, is_call: bool) -> Price:
    """Undiscounted value of one contract, rounded up to 1e-6 USDC.

    Up, because the mark enters margin only for short options, where more is against the account. Put-call parity holds
    to the unit, since both sides are rounded up from values a whole number apart.
    """
    return div_up(scaled_value(forward, strike, vol, years, is_call=is_call), WAD)


def call_delta(forward: Price, strike: Price, vol: Wad, years: Wad) -> Wad:
    """Undiscounted delta of a call on the forward, Phi(d1); the put's is one less."""
    v = total_vol(vol, years)
    if v == 0 or forward == 0 or strike == 0:
        return WAD if forward > strike else 0
    return norm_cdf_wad(moments(forward, strike, v).d1)


def discount_factor(rate: Wad, years: Wad) -> Wad:
    """e**(-rate * years), with the product rounded down: below its true value by at most two units of 1e-18."""
    return exp_wad(-mul_div_up(rate, years, WAD))


def value_up(scaled: Scaled, discount: Wad) -> Price:
    """Present value in 1e-6 USDC, rounded up once: what a short option owes."""
    return mul_div_up(scaled, discount, WAD * WAD)


def value_down(scaled: Scaled, discount: Wad) -> Price:
    """Present value in 1e-6 USDC, rounded down once: what a long option is good for."""
    return mul_div_down(scaled, discount, WAD * WAD)


def averaging_years(seconds: Seconds, forward: Price, fixed: Price) -> Wad:
    """Time that the variance of the settlement average is worth, rounded down; seconds >= 0 to expiry.

    Settlement is the mean over the last half hour W, so before the window opens it varies as if it were fixed 2W/3
    earlier. With tau seconds of the window left, only ``forward - fixed`` of the average is open, and its variance is
    that of tau / 3. ``forward`` is the expected average, ``fixed`` the part of it that the window has already settled.
    """
    if seconds >= TWAP_SECONDS:
        return (_AVERAGED * seconds - 2 * TWAP_SECONDS) * WAD // (_AVERAGED * YEAR_SECONDS)
    if forward == 0:
        return 0
    still_open = forward - fixed
    return seconds * still_open**2 * WAD // (_AVERAGED * YEAR_SECONDS * forward**2)


class Pricer(Protocol):
    """Prices many options at once. Every implementation gives the same integers as ``ScalarPricer``, or it is wrong."""

    def calls(
        self, forwards: Sequence[Price], strikes: Sequence[Price], vols: Sequence[Sequence[Wad]], years: Wad
    ) -> list[list[Price]]:
        """Marks of calls that live ``years``: a row for each forward, with a mark for each strike.

        ``vols`` has the same shape. Marks are those of ``black76_mark``; those of puts follow by ``put_mark``.
        """
        ...

    def gains(
        self, forward: Price, strikes: Sequence[Price], vols: Sequence[Wad], years: Wad, moves: Sequence[Price]
    ) -> list[list[Price]]:
        """What calls gain along their deltas: a row for each move of the forward, up or down; rounded up."""
        ...


class ScalarPricer:
    """One option after another: the definition."""

    def calls(
        self, forwards: Sequence[Price], strikes: Sequence[Price], vols: Sequence[Sequence[Wad]], years: Wad
    ) -> list[list[Price]]:
        """As ``Pricer.calls``."""
        return [
            [black76_mark(forward, strike, vol, years, is_call=True) for strike, vol in zip(strikes, row, strict=True)]
            for forward, row in zip(forwards, vols, strict=True)
        ]

    def gains(
        self, forward: Price, strikes: Sequence[Price], vols: Sequence[Wad], years: Wad, moves: Sequence[Price]
    ) -> list[list[Price]]:
        """As ``Pricer.gains``."""
        deltas = [call_delta(forward, strike, vol, years) for strike, vol in zip(strikes, vols, strict=True)]
        return [[mul_div_up(delta, move, WAD) for delta in deltas] for move in moves]


SCALAR: Final[Pricer] = ScalarPricer()


def put_mark(call: Price, forward: Price, strike: Price) -> Price:
    """Mark of the put with the terms of a call that has this mark: parity holds to the unit."""
    return call - forward + strike
