"""Values of the options of an expiry in every scenario of a model: the moved forward and vols, then their marks.

Order of operations, which is part of the definition. Every product of two numbers in wad is cut to wad by floor
division before the next; rates and factors: ``exp(power * ln(30 days / time))``. The moved forward is floored to
1e-6 USDC; marks are rounded up as `black76.black76_mark` rounds them, and once more where the market discounts. So a
value is never below the true one, and who owns it is credited with a unit less (`scan`).
Source: reference quant 3.2. Imports parameters, black76, fixedmath, units.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from exchange.core.black76 import Pricer, discount_factor, put_mark
from exchange.core.fixedmath import exp_wad, ln_wad, sqrt_wad
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
        self._forwards = [self.forward_in(shock) for shock in self._shocks]

    def forward_in(self, shock: Shock) -> Price:
        """The forward as a shock moves it, rounded down; what is already fixed of it stays."""
        return self.sheet.fixed + mul_div_down(self.sheet.forward - self.sheet.fixed, shock.spot, WAD)

    def vols_in(self, quotes: Sequence[Quote]) -> dict[int, list[Wad]]:
        """Vols of quotes as each kind of shock moves them, rounded down."""
        vols = [quote.vol for quote in quotes]
        turned, raised = self._smile([quote.strike for quote in quotes])
        return {
            VOL_SAME: vols,
            VOL_UP: [max(mul_div_down(vol, self._up, WAD), self._vol.up_least) for vol in vols],
            VOL_DOWN: [mul_div_down(vol, self._down, WAD) for vol in vols],
            SLOPE_UP: _scaled(vols, turned, 1),
            SLOPE_DOWN: _scaled(vols, turned, -1),
            WINGS_UP: _scaled(vols, raised, 1),
            WINGS_DOWN: _scaled(vols, raised, -1),
        }

    def _smile(self, strikes: Sequence[Price]) -> tuple[list[Wad], list[Wad]]:
        """Relative moves of vols when the smile turns and when its wings rise, by distance of strike from forward."""
        forward, width = self.sheet.forward, self._width
        distances = [ln_wad(max(mul_div_down(strike, WAD, forward), 1)) for strike in strikes]
        slope, wings = self._slope, self._wings
        turned = [max(min(mul_div_down(distance, slope, width), slope), -slope) for distance in distances]
        raised = [min(mul_div_down(abs(distance), wings, width), wings) for distance in distances]
        return turned, raised

    def values(self, quotes: Sequence[Quote], pricer: Pricer) -> list[tuple[list[Price], list[Price]]]:
        """For each quote the values of its call and of its put in every shock of the model, rounded up."""
        strikes, vols = [quote.strike for quote in quotes], self.vols_in(quotes)
        moved = dict(zip(self._shocks, self._forwards, strict=True))
        priced = [shock for shock in self._shocks if shock.vol != TANGENT]
        forwards, levels = [moved[shock] for shock in priced], [vols[shock.vol] for shock in priced]
        rows = dict(zip(priced, pricer.calls(forwards, strikes, levels, self.sheet.years), strict=True))
        tangents = [shock for shock in self._shocks if shock.vol == TANGENT]
        moves = [moved[shock] - self.sheet.forward for shock in tangents]
        gains = pricer.gains(self.sheet.forward, strikes, vols[VOL_SAME], self.sheet.years, moves) if moves else []
        for shock, gained in zip(tangents, gains, strict=True):
            rows[shock] = _along(rows[BASE], gained, moved[shock], strikes)
        columns = zip(*(rows[shock] for shock in self._shocks), strict=True)
        return [self._pair(list(calls), strike) for calls, strike in zip(columns, strikes, strict=True)]

    def _pair(self, calls: list[Price], strike: Price) -> tuple[list[Price], list[Price]]:
        """The call's values and the put's, which follow by parity, as the market discounts them."""
        puts = [put_mark(call, forward, strike) for call, forward in zip(calls, self._forwards, strict=True)]
        market = self.discounts.market
        if market == WAD:
            return calls, puts
        return [mul_div_up(call, market, WAD) for call in calls], [mul_div_up(put, market, WAD) for put in puts]


def _scaled(vols: Sequence[Wad], moves: Sequence[Wad], sign: int) -> list[Wad]:
    return [mul_div_down(vol, max(WAD + sign * move, 0), WAD) for vol, move in zip(vols, moves, strict=True)]


def _along(marks: Sequence[Price], gains: Sequence[Price], forward: Price, strikes: Sequence[Price]) -> list[Price]:
    """Calls along their deltas, but no less than exercise would pay: so both sides stay a forward apart."""
    terms = zip(marks, gains, strikes, strict=True)
    return [max(mark + gain, forward - strike, 0) for mark, gain, strike in terms]
