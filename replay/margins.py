"""What margin says of one account at a record, as people and programs read it.

Turns `exchange.core.margin_views` into names and integers: amounts in 1e-6 USDC, Greeks and shares in 1e-18. Imports
core.
"""

import msgspec

from exchange.core import margin_views as views
from exchange.core import parameters as p
from exchange.core.margin import Kind
from exchange.core.state import State
from exchange.core.state_types import Account
from exchange.core.units import Cash, Price, Qty, Seconds, Wad

MOVES = {
    p.VOL_SAME: "same",
    p.VOL_UP: "up",
    p.VOL_DOWN: "down",
    p.SLOPE_UP: "slope up",
    p.SLOPE_DOWN: "slope down",
    p.WINGS_UP: "wings up",
    p.WINGS_DOWN: "wings down",
    p.TANGENT: "tangent",
}


class GreeksView(msgspec.Struct, kw_only=True):
    """Greeks of the options of one expiry, 1e-18 of: contracts, 1 / USDC, USDC per 1.00 of vol, USDC per year."""

    expiry_s: Seconds
    delta: Wad
    gamma: Wad
    vega: Wad
    theta: Wad


class ScenarioView(msgspec.Struct, kw_only=True):
    """One scenario: what forwards are multiplied by, how vols move, its weight, and the weighted loss."""

    spot: Wad
    vol: str
    weight: Wad
    loss: Cash


class PortfolioView(msgspec.Struct, kw_only=True):
    """What PORTFOLIO says of one underlying, which does not bind; ``worst`` is the place of a scenario."""

    initial_margin: Cash
    maintenance_margin: Cash
    worst: int
    scenarios: list[ScenarioView]


class UnderlyingView(msgspec.Struct, kw_only=True):
    """One underlying: from which index prices on margin is missing, and PORTFOLIO if it has parameters for it."""

    name: str
    missing_below: Price | None
    missing_above: Price | None
    portfolio: PortfolioView | None


class MarginView(msgspec.Struct, kw_only=True):
    """An account under the model in force, STANDARD, and beside it. ``close`` is by series name, 1e-4 contract."""

    equity: Cash
    initial_margin: Cash
    maintenance_margin: Cash
    open_orders: Cash
    greeks: list[GreeksView]
    underlyings: list[UnderlyingView]
    deposit: Cash
    close: dict[str, Qty]


def margin_of(state: State, account: Account, names: dict[int, str]) -> MarginView | None:
    """The view of an account, ``names`` by series; None before the first round."""
    if state.view is None:
        return None
    found, cure = views.figures(state, account), views.smallest_cure(state, account, Kind.INITIAL)
    greeks = views.greeks_by_expiry(state, account.positions)
    return MarginView(
        equity=found.equity,
        initial_margin=found.initial,
        maintenance_margin=found.maintenance,
        open_orders=found.open_orders,
        greeks=[
            GreeksView(expiry_s=state.expiries[expiry].expiry_s, **sums._asdict()) for expiry, sums in greeks.items()
        ],
        underlyings=_underlyings(state, account),
        deposit=cure.deposit,
        close={names[series]: qty for series, qty in cure.closing.items()},
    )


def _underlyings(state: State, account: Account) -> list[UnderlyingView]:
    tables = views.scenario_tables(state, account.positions)
    found = []
    for underlying in sorted({state.series[series].underlying for series in account.positions}):
        crossing = views.liquidation_prices(state, account, underlying)
        found.append(
            UnderlyingView(
                name=state.underlyings[underlying].name,
                missing_below=crossing.below,
                missing_above=crossing.above,
                portfolio=_portfolio(tables[underlying]) if underlying in tables else None,
            )
        )
    return found


def _portfolio(table: views.Table) -> PortfolioView:
    rows = [
        ScenarioView(spot=row.scenario.spot, vol=MOVES[row.scenario.vol], weight=row.scenario.weight, loss=row.loss)
        for row in table.scenarios
    ]
    return PortfolioView(
        initial_margin=table.initial, maintenance_margin=table.maintenance, worst=table.worst, scenarios=rows
    )
