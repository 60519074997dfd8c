"""Price curves of other options AMMs, as far as published figures need them. Formulas: reference quant 6.1."""

from decimal import Decimal, getcontext

getcontext().prec = 40


def vol_after_trade(
    base: Decimal, skew: Decimal, amount: Decimal, size: Decimal, skew_factor: Decimal
) -> tuple[Decimal, Decimal]:
    """Lyra Avalon: what a purchase does to base vol and skew; one vol point for each standard size."""
    step = amount / size / 100
    return base + step, skew + step * skew_factor


def vega_utilisation_fee(
    coefficient: Decimal, vol: Decimal, vega: tuple[Decimal, Decimal], nav: Decimal, amount: Decimal
) -> Decimal:
    """Lyra Avalon: free while net vega falls, else in proportion to where it ends."""
    before, after = vega
    return coefficient * vol * abs(after) / nav * amount if abs(after) > abs(before) else Decimal(0)


class Curve:
    """Premia v3: a multiplier of the model price that grows with utilisation and decays with time."""

    def __init__(self, alpha: Decimal, least: Decimal, most: Decimal, decay_per_hour: Decimal) -> None:
        self.alpha, self.least, self.most, self.decay = alpha, least, most, decay_per_hour

    def level(self, utilisation: Decimal, hours: Decimal) -> Decimal:
        growth = self.alpha.exp()
        k = self.alpha * (self.least * growth - self.most) / (growth - 1)
        rising = (self.alpha * (1 - utilisation)).exp()
        return max((k * rising + self.most * self.alpha - k) / (self.alpha * rising) - self.decay * hours, self.least)

    def over_trade(self, assets: Decimal, locked: Decimal, size: Decimal, hours: Decimal) -> Decimal:
        """Geometric mean of the levels before and after; in the published figures only the one after has decayed."""
        before, after = self.level(locked / assets, Decimal(0)), self.level((locked + size) / assets, hours)
        return (before * after).sqrt()
