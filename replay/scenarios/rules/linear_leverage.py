"""Perpetual futures at a fixed leverage, in which profit on paper carries more positions at once.

Source: cryptonews.net/news/security/27879212 (the founder's statement): open interest went from 0.8 to 67 million by
one actor; the insurance fund paid what the liquidations of the next day fell short of.
"""

from typing import NamedTuple


class Book(NamedTuple):
    """A long position of all wallets together: units in 1e-4, at a mean price, over what was paid in; 1e-6 USDC."""

    paid_in: int
    units: int = 0
    cost: int = 0

    def equity(self, price: int) -> int:
        """What was paid in, with profit or loss."""
        return self.paid_in + self.units * price // 10**4 - self.cost

    def interest(self, price: int) -> int:
        """What the position is worth."""
        return self.units * price // 10**4

    def grown(self, price: int, leverage: int, most: int) -> "Book":
        """As much more as equity at this price carries, up to a bound on what the position may be worth."""
        wanted = min(max(self.equity(price), 0) * leverage, most)
        more = max(wanted - self.interest(price), 0) * 10**4 // price
        return self._replace(units=self.units + more, cost=self.cost + more * price // 10**4)
