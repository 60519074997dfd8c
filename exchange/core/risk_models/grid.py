"""Values of the options of an expiry in every scenario of a model: the moved forward and vols, then their marks.

Order of operations, which is part of the definition. Every product of two numbers in wad is cut to wad by floor
division before the next; rates and factors: ``exp(power * ln(30 days / time))``. The moved forward is floored to
1e-6 USDC; marks are rounded up as `black76.black76_mark` rounds them, and once more where the market discounts. So a
value is never below the true one, and who owns it is credited with a unit less (`scan`).
Source: reference quant 3.2. Imports parameters, black76, fixedmath, units.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from exchange.core.black76 import Pricer, discount_factor, moments, put_mark, total_vol
from exchange.core.fixedmath import exp_wad, ln_wad, norm_cdf_wad, sqrt_wad
from exchange.core.parameters import (
    ALL_EXPIRIES,
    SLOPE_DOWN,
    SLOPE_UP,
    TANGENT,
    VOL_DOWN,
    VOL_SAME,
    VOL_UP,
    WINGS_DOWN,
    WINGS_UP,
    PortfolioModel,
    SkewRule,
    StaticDiscount,
    VolRule,
)
from exchange.core.units import WAD, Price, Seconds, Wad, mul_div_down, mul_div_up, years_of

_MONTH_S: Final = 30 * 86_400


class Shock(NamedTuple):
    """A joint move of forward and surface; scenarios that differ in weight only share it."""

    spot: Wad
    vol: int


class Sheet(NamedTuple):
    """What a round says of an expiry.

    ``years`` is what its variance is worth, which in the last half hour is less than what is left of it; ``fixed`` is
    the part of the forward that no longer moves then: the average so far. Both stay as they are in every scenario.
    """

    forward: Price
    seconds: Seconds
    years: Wad
    fixed: Price = 0
    rate: Wad = 0


class Discounts(NamedTuple):
    """Factors of an expiry: the market's, and the static ones for value owned and for value owed."""

    market: Wad
    long: Wad
    short: Wad


class Quote(NamedTuple):
    """A strike and its vol: a call and a put that share their moves."""

    strike: Price
    vol: Wad


BASE: Final = Shock(WAD, VOL_SAME)


def shocks_of(model: PortfolioModel) -> tuple[Shock, ...]:
    """The different moves of a model: none at all, those of single expiries, then the rest, in the order of first use.

    Single expiries are looked at one by one, so what they need comes first in an array.
    """
    moves = [Shock(item.spot, item.vol) for item in model.scenarios if item.group != ALL_EXPIRIES]
    return tuple(dict.fromkeys([BASE, *moves, *(Shock(item.spot, item.vol) for item in model.scenarios)]))


# -- what moves -------------------------------------------------------------------------------------------------------


def time_scale(rule: VolRule, seconds: Seconds) -> Wad:
    """How much more vol moves for this time to expiry than for 30 days: (30 days / time) ** power, rounded down."""
    ratio = mul_div_down(_MONTH_S, WAD, max(seconds, rule.floor_s, 1))
    power = rule.power_short if seconds <= _MONTH_S else rule.power_long
    return exp_wad(mul_div_down(power, ln_wad(ratio), WAD))


def vol_factors(rule: VolRule, seconds: Seconds) -> tuple[Wad, Wad]:
    """What vol is multiplied by, up and down; down is never below zero."""
    scale = time_scale(rule, seconds)
    up = WAD + mul_div_down(rule.up, scale, WAD)
    return up, max(WAD - mul_div_down(rule.down, scale, WAD), 0)


def skew_width(rule: SkewRule, years: Wad) -> Wad:
    """Log-moneyness at which a move of the smile reaches its cap, rounded down; more than 0."""
    root = sqrt_wad(years)
    deviation = rule.deviation + mul_div_down(root, rule.deviation_yearly, WAD)
    return max(mul_div_down(mul_div_down(root, rule.width, WAD), deviation, WAD), rule.width_least, 1)


def skew_caps(rule: SkewRule, years: Wad) -> tuple[Wad, Wad]:
    """Largest relative move of a vol when the smile turns, and when its wings rise; rounded down, at least 0."""
    root = sqrt_wad(years)
    slope = rule.slope_cap + mul_div_down(root, rule.slope_yearly, WAD)
    return max(slope, 0), max(rule.wings_cap + mul_div_down(root, rule.wings_yearly, WAD), 0)


def discounts_of(static: StaticDiscount, sheet: Sheet) -> Discounts:
    """Discount factors of an expiry, rounded down. What is owed is never discounted beyond its undiscounted value."""
    years, rate = years_of(sheet.seconds), max(sheet.rate, 0)
    market = discount_factor(rate, years)
    owned = discount_factor(mul_div_down(rate, static.long_rate, WAD) + static.long_add, years)
    owed = discount_factor(mul_div_down(rate, static.short_rate, WAD) + static.short_add, years)
    short = min(mul_div_down(WAD, WAD, market), mul_div_down(static.short, WAD, owed))
    return Discounts(market, mul_div_down(static.long, owned, WAD), short)


# -- values -----------------------------------------------------------------------------------------------------------


class ExpiryGrid:
    """Everything of an expiry that its series share, so that each is moved with the least work."""

    def __init__(self, model: PortfolioModel, sheet: Sheet) -> None:
        self.sheet = sheet
        self.years = years_of(sheet.seconds)
        self.discounts = discounts_of(model.static, sheet)
        self._shocks = shocks_of(model)
        self._vol = model.vol
        self._up, self._down = vol_factors(model.vol, sheet.seconds)
        self._width = skew_width(model.skew, self.years)
        self._slope, self._wings = skew_caps(model.skew, self.years)

    def forward_in(self, shock: Shock) -> Price:
        """The forward as a shock moves it, rounded down; what is already fixed of it stays."""
        return self.sheet.fixed + mul_div_down(self.sheet.forward - self.sheet.fixed, shock.spot, WAD)

    def vol_in(self, shock: Shock, quote: Quote) -> Wad:
        """A vol as a shock moves it, rounded down."""
        if shock.vol == VOL_UP:
            return max(mul_div_down(quote.vol, self._up, WAD), self._vol.up_least)
        if shock.vol == VOL_DOWN:
            return mul_div_down(quote.vol, self._down, WAD)
        if shock.vol in (SLOPE_UP, SLOPE_DOWN, WINGS_UP, WINGS_DOWN):
            return mul_div_down(quote.vol, max(WAD + self._smile(shock, quote.strike), 0), WAD)
        return quote.vol

    def _smile(self, shock: Shock, strike: Price) -> Wad:
        """Relative move of a vol when the smile moves, by the distance of the strike from the forward."""
        distance = ln_wad(max(mul_div_down(strike, WAD, self.sheet.forward), 1))
        cap = self._slope
        if shock.vol in (WINGS_UP, WINGS_DOWN):
            distance, cap = abs(distance), self._wings
        move = mul_div_down(distance, cap, self._width)
        move = max(min(move, cap), -cap)
        return move if shock.vol in (SLOPE_UP, WINGS_UP) else -move

    def values(self, quotes: Sequence[Quote], pricer: Pricer) -> list[tuple[list[Price], list[Price]]]:
        """For each quote the values of its call and of its put in every shock of the model, rounded up."""
        priced = [shock for shock in self._shocks if shock.vol != TANGENT]
        forwards, strikes = [self.forward_in(shock) for shock in priced], [quote.strike for quote in quotes]
        vols = [[self.vol_in(shock, quote) for quote in quotes] for shock in priced]
        rows = dict(zip(priced, pricer.calls(forwards, strikes, vols, self.sheet.years), strict=True))
        for shock in self._shocks:
            if shock.vol == TANGENT:
                rows[shock] = [self._along(shock, *pair) for pair in zip(quotes, rows[BASE], strict=True)]
        return [self._pair([rows[shock][at] for shock in self._shocks], quote) for at, quote in enumerate(quotes)]

    def _along(self, shock: Shock, quote: Quote, mark: Price) -> Price:
        """A call along its delta, but no less than exercise would pay: so both sides stay a forward apart."""
        moved, delta = self.forward_in(shock), call_delta(self.sheet.forward, quote, self.sheet.years)
        return max(mark + mul_div_up(delta, moved - self.sheet.forward, WAD), moved - quote.strike, 0)

    def _pair(self, calls: list[Price], quote: Quote) -> tuple[list[Price], list[Price]]:
        """The call's values and the put's, which follow by parity, as the market discounts them."""
        forwards = (self.forward_in(shock) for shock in self._shocks)
        puts = [put_mark(call, forward, quote.strike) for call, forward in zip(calls, forwards, strict=True)]
        market = self.discounts.market
        if market == WAD:
            return calls, puts
        return [mul_div_up(call, market, WAD) for call in calls], [mul_div_up(put, market, WAD) for put in puts]


def call_delta(forward: Price, quote: Quote, years: Wad) -> Wad:
    """Undiscounted delta of a call on the forward, rounded down; the put's is one less."""
    v = total_vol(quote.vol, years)
    if v == 0 or forward == 0 or quote.strike == 0:
        return WAD if forward > quote.strike else 0
    return norm_cdf_wad(moments(forward, quote.strike, v).d1)
