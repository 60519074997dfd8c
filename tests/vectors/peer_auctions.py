"""Liquidation auctions of other venues, as far as published figures need them. Ours is a fast exit; these are its peers.

Exact fractions. Formulas: reference quant 4.1 (Derive's Dutch auction) and 4.2 (Opyn's).
"""

from fractions import Fraction
from typing import NamedTuple


class Auction(NamedTuple):
    """Of a solvent account: marked value, margin (negative: short), cash bidders have paid in, and the terms."""

    mtm: Fraction
    margin: Fraction
    buffer: Fraction
    start: Fraction
    cut: Fraction
    fast: int
    slow: int
    reserved: Fraction = Fraction(0)

    def discount(self, seconds: int) -> Fraction:
        """From start to cut in the fast phase, from cut to nothing in the slow one."""
        if seconds <= self.fast:
            return self.start - (self.start - self.cut) * Fraction(seconds, self.fast)
        return max(self.cut * (1 - Fraction(seconds - self.fast, self.slow)), Fraction(0))

    def buffer_margin(self) -> Fraction:
        return self.margin + self.buffer * (self.margin - self.mtm)

    def bid(self, seconds: int) -> Fraction:
        """For the whole account."""
        return (self.mtm - self.reserved) * self.discount(seconds)

    def most(self, seconds: int) -> Fraction:
        """The largest share that may be bid for: it brings buffer margin to nothing."""
        short, kept = self.buffer_margin(), self.discount(seconds)
        return short / (short - self.mtm * kept - self.reserved * (1 - kept))

    def cash_needed(self, seconds: int, share: Fraction) -> Fraction:
        """What a bidder must bring: the price and margin for what it takes."""
        return share * (self.bid(seconds) + abs(self.buffer_margin() - self.reserved))

    def after(self, seconds: int, share: Fraction) -> "Auction":
        """Once a share is sold: what is left, plus the price."""
        paid, left = self.bid(seconds) * share, 1 - share
        rest = self._replace(
            mtm=(self.mtm - self.reserved) * left + self.reserved + paid,
            margin=(self.margin - self.reserved) * left + self.reserved + paid,
        )
        return rest._replace(reserved=self.reserved + paid)


def withdrawals_blocked(insolvent: list[Fraction], cash: Fraction) -> bool:
    """While insolvent auctions may need more than the security module has."""
    return sum(insolvent) > cash


def auction_fee(mtm: Fraction, share: Fraction, rate: Fraction) -> Fraction:
    """Of a solvent auction, on the marked value of what is liquidated."""
    return mtm * share * rate


class Vault(NamedTuple):
    """A short position of one kind with its collateral, in units of the collateral."""

    cash_value: Fraction
    deviation: Fraction
    end: Fraction

    @property
    def start(self) -> Fraction:
        return max(self.cash_value - self.deviation, Fraction(0))

    def price(self, seconds: int) -> Fraction:
        """Rises within the hour from the discounted cash value to all the collateral, and never above that."""
        if self.start >= self.end or seconds >= 3_600:
            return self.end
        return self.start + (self.end - self.start) * Fraction(seconds, 3_600)
