"""An account under a margin model: what it is worth, what of that counts, and what it needs.

One account, two models. STANDARD asks position by position and gives bought options no value; its rules for options are
those of `exchange.core.margin`, which the contract repeats. PORTFOLIO counts options at their worth and asks for the
worst scenario. Both share collateral, linear legs and the rate for thin oracles. Sums are exact in risk units; equity
is rounded down and the requirement up, once. Imports the rest of the package, margin, parameters, units.
"""

from typing import NamedTuple, TypeAlias

from exchange.core.commands import StandardModel
from exchange.core.margin import ExpiryBook, Kind, contingency_rate, expiry_requirement
from exchange.core.parameters import LinearRates, PortfolioModel
from exchange.core.risk_models import contingencies
from exchange.core.risk_models.collateral import Line, haircut_of, value_of
from exchange.core.risk_models.contingencies import Linear
from exchange.core.risk_models.scan import Market, Plan, options_value, plan_of, worst_of
from exchange.core.units import QTY_ONE, RISK_ONE, WAD, Cash, Price, Risk, Wad, div_down, div_up, mul_div_up


class StandardRules(NamedTuple):
    """The STANDARD model with what it asks for linear legs."""

    options: StandardModel
    linear: LinearRates

    def thin(self) -> tuple[Wad, Wad]:
        """Below which confidence a price costs more, and how much."""
        return self.options.oc_threshold, self.options.oc_factor


class StandardMarket(NamedTuple):
    """Positions of one underlying as STANDARD reads them: every leg by itself."""

    rules: StandardRules
    spot: Price
    books: tuple[ExpiryBook, ...] = ()
    linear: tuple[Linear, ...] = ()

    def worth(self) -> Risk:
        """What is still to be paid for linear legs; bought options count nothing, sold ones in the requirement."""
        return sum(leg.pnl for leg in self.linear)

    def requirement(self, stable: Wad, kind: Kind) -> Risk:
        """Options by expiry, and a share of each linear leg's notional."""
        options, rates = self.rules
        needed = sum(expiry_requirement(options, book, stable, kind) for book in self.books)
        share = rates.initial if kind is Kind.INITIAL else rates.maintenance
        for leg in self.linear:
            needed += share * leg.price * abs(leg.qty)
            if kind is Kind.INITIAL:
                needed += contingency_rate(options, leg.conf, stable) * self.spot * abs(leg.qty)
        return needed


class PortfolioRules(NamedTuple):
    """A PORTFOLIO model and how it reads arrays."""

    model: PortfolioModel
    plan: Plan

    def thin(self) -> tuple[Wad, Wad]:
        """Below which confidence a price costs more, and how much."""
        return self.model.conf_threshold, self.model.conf_factor


def portfolio_rules(model: PortfolioModel) -> PortfolioRules:
    """The rules of a model; made once and kept."""
    return PortfolioRules(model, plan_of(model))


class PortfolioMarket(NamedTuple):
    """Positions of one underlying as PORTFOLIO reads them: options added up, linear legs, and its tokens."""

    rules: PortfolioRules
    options: Market
    linear: tuple[Linear, ...] = ()
    tokens: tuple[Line, ...] = ()  # of this underlying; those that offset move with it

    def worth(self) -> Risk:
        """Options at the round, against the account, and what is still to be paid for linear legs."""
        return sum(options_value(expiry) for expiry in self.options.expiries) + sum(leg.pnl for leg in self.linear)

    def scanned(self, stable: Wad) -> Market:
        """Everything that scenarios move."""
        linear = sum(leg.qty * leg.price for leg in self.linear)
        linear += QTY_ONE * sum(value_of(line, stable) for line in self.tokens if line.asset.offsets)
        return self.options._replace(linear=linear)

    def requirement(self, stable: Wad, kind: Kind) -> Risk:
        """The worst scenario, scaled and rounded up, and add-ons."""
        model, market = self.rules.model, self.scanned(stable)
        loss = worst_of(self.rules.plan, market).loss
        standing = contingencies.maintenance(model, market, self.linear)
        if kind is Kind.MAINTENANCE:
            return mul_div_up(loss, model.mm_factor, WAD) + standing
        factor = contingencies.initial_factor(model, stable)
        return mul_div_up(loss, factor, WAD) + standing + contingencies.initial(model, market, self.linear)


Rules: TypeAlias = StandardRules | PortfolioRules


class Account(NamedTuple):
    """An account laid out: cash, every token held as collateral, and its markets under the same rules."""

    rules: Rules
    cash: Cash
    stable: Wad  # price of cash in dollars
    collateral: tuple[Line, ...] = ()
    markets: tuple[StandardMarket | PortfolioMarket, ...] = ()


class Assessment(NamedTuple):
    """``equity`` counts towards ``requirement``; ``worth`` is the same without haircuts. All in 1e-6 USDC."""

    worth: Cash
    equity: Cash
    requirement: Cash

    @property
    def margin(self) -> Cash:
        """What is left beyond the requirement; negative is a shortfall."""
        return self.equity - self.requirement


def assess(account: Account, kind: Kind) -> Assessment:
    """What an account is worth, what of it counts and what it needs, for a kind of margin."""
    threshold, factor = account.rules.thin()
    collateral = sum(value_of(line, account.stable) for line in account.collateral)
    cut = sum(haircut_of(line, account.stable, kind, threshold, factor) for line in account.collateral)
    worth = account.cash + collateral + div_down(sum(market.worth() for market in account.markets), RISK_ONE)
    needed = sum(market.requirement(account.stable, kind) for market in account.markets)
    return Assessment(worth, worth - cut, div_up(needed, RISK_ONE))
