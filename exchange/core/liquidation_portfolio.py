"""PORTFOLIO as an ``Appraisal``: worth and risk of positions from the risk arrays of a round.

An array serves every account, so a liquidation prices nothing. Risk is what the model asks equity to cover, equity
being cash plus worth. Imports liquidation, risk_models, margin, units.
"""

from collections.abc import Mapping
from typing import NamedTuple

from exchange.core.liquidation import Positions, StandardAppraisal, value_of
from exchange.core.margin import Kind
from exchange.core.risk_models import scan
from exchange.core.risk_models.arrays import RiskRound
from exchange.core.risk_models.requirement import PortfolioMarket, PortfolioRules
from exchange.core.units import RISK_ONE, WAD, Cash, Price, Wad, div_down, div_up, expiry_of


class Priced(NamedTuple):
    """An underlying at a round: its rules, arrays, spot, and how sure the oracle is of each expiry."""

    rules: PortfolioRules
    arrays: RiskRound
    spot: Price
    confs: Mapping[int, Wad]


class PortfolioAppraisal(NamedTuple):
    """Options of several underlyings; each expiry belongs to one."""

    priced: Mapping[int, Priced]  # by underlying
    underlyings: Mapping[int, int]  # of expiries
    stable: Wad

    def worth(self, positions: Positions) -> int:
        """Values of the arrays without a shock; what is owned is worth a unit of price less, as in margin."""
        return div_down(sum(market.worth() for market in self._markets(positions)), WAD)

    def risk(self, positions: Positions, kind: Kind) -> Cash:
        """The requirement of all underlyings, rounded up once."""
        needed = sum(market.requirement(self.stable, kind) for market in self._markets(positions))
        return div_up(needed, RISK_ONE)

    def _markets(self, positions: Positions) -> list[PortfolioMarket]:
        held: dict[int, dict[int, Positions]] = {}
        for series, qty in sorted(positions.items()):
            expiry = expiry_of(series)
            held.setdefault(self.underlyings[expiry], {}).setdefault(expiry, {})[series] = qty
        markets = []
        for underlying, expiries in sorted(held.items()):
            on = self.priced[underlying]
            added = (scan.added_up(on.arrays, expiry, legs, on.confs[expiry]) for expiry, legs in expiries.items())
            markets.append(PortfolioMarket(on.rules, scan.Market(on.spot, tuple(added))))
        return markets


class BetterAppraisal(NamedTuple):
    """An account under PORTFOLIO as the contracts see it: worth by the marks, and whichever model asks for less.

    Models are compared by what cash must not fall below. By PORTFOLIO that is never below zero: nobody borrows against
    options.
    """

    standard: StandardAppraisal
    portfolio: PortfolioAppraisal

    def worth(self, positions: Positions) -> int:
        """Sum of mark times quantity."""
        return self.standard.worth(positions)

    def risk(self, positions: Positions, kind: Kind) -> Cash:
        """The smaller requirement on cash (up) plus worth (down, as equity has it)."""
        worth = value_of(self.standard, positions)
        by_arrays = self.portfolio.risk(positions, kind) - value_of(self.portfolio, positions)
        return min(self.standard.risk(positions, kind) - worth, max(by_arrays, 0)) + worth
