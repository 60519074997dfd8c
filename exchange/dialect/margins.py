"""Margin of what is not there yet: an order before it is sent, positions not held yet. Imports core, numbers."""

import copy
from collections.abc import Mapping
from typing import Any, Final

from exchange.core import fees, risk
from exchange.core import margin_views as views
from exchange.core import parameters as p
from exchange.core.bands import band_of
from exchange.core.margin import Kind
from exchange.core.state import State
from exchange.core.state_types import Account
from exchange.core.units import QTY_ONE, U63_MAX, WAD, Cash, Price, Qty, div_down
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.market import GreekSheet
from exchange.dialect.numbers import percent, ratio, usdc
from exchange.dialect.portfolio import totals_of

VOL_MOVES: Final = {
    p.VOL_SAME: "same",
    p.VOL_UP: "up",
    p.VOL_DOWN: "down",
    p.SLOPE_UP: "slope_up",
    p.SLOPE_DOWN: "slope_down",
    p.WINGS_UP: "wings_up",
    p.WINGS_DOWN: "wings_down",
    p.TANGENT: "tangent",
}


def margins_object(state: State, account: Account, series: int, qty: Qty, price: Price) -> dict[str, float]:
    """What a whole fill of an order would take of available funds on either side, and its fees besides."""
    _require_marks(state, {series: qty})
    config, view = state.config, risk.view_now(state)
    assert config is not None
    index = view.spots[state.series[series].underlying]
    taker = fees.taker_fee(config.fees, index, price, qty)
    maker = fees.maker_fee(config.fees, index, price, qty, taker)
    low, high = band_of(state, series) or (0, U63_MAX)
    return {
        "buy": usdc(_taken(state, account, series, qty, price)),
        "sell": usdc(_taken(state, account, series, -qty, price)),
        "buy_taker_fee": usdc(taker),
        "buy_maker_fee": usdc(maker),
        "sell_taker_fee": usdc(taker),
        "sell_maker_fee": usdc(maker),
        "min_price": usdc(low),
        "max_price": usdc(high),
    }


def _taken(state: State, account: Account, series: int, qty: Qty, price: Price) -> Cash:
    """How much less initial margin is left after the fill; nothing where it leaves more."""
    before = views.figures(state, account).margin(Kind.INITIAL)
    after = views.with_changes(state, account, {series: qty}, div_down(-qty * price, QTY_ONE))
    return max(before - after.margin(Kind.INITIAL), 0)


def simulation_object(
    state: State, account: Account, simulated: Mapping[int, Qty], *, add: bool, sheet: GreekSheet
) -> dict[str, Any]:
    """The account with other positions beside its own or in their place; nothing is paid for them."""
    positions = _positions(account, simulated, add=add)
    _require_marks(state, positions)
    imagined = copy.copy(account)
    imagined.positions, imagined.costs = positions, {}
    found = views.figures_of(state, account, positions, with_orders=add)
    totals = totals_of(state, imagined, sheet)
    greeks = totals.greeks
    initial, free = found.initial + found.open_orders, found.margin(Kind.INITIAL) - found.open_orders
    return {
        "currency": "USDC",
        "balance": usdc(account.cash),
        "equity": usdc(account.cash + totals.value),
        "margin_balance": usdc(found.equity),
        "available_funds": usdc(free),
        "available_withdrawal_funds": usdc(max(free, 0)),
        "initial_margin": usdc(initial),
        "maintenance_margin": usdc(found.maintenance),
        "projected_initial_margin": usdc(initial),
        "projected_maintenance_margin": usdc(found.maintenance),
        "options_value": usdc(totals.value),
        **{f"options_{name}": getattr(greeks, name) for name in ("delta", "gamma", "vega", "theta")},
        "delta_total": greeks.delta,
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
        "margin_model": "segregated_sm",
        "x_scenarios": _tables(state, positions),
    }


def _positions(account: Account, simulated: Mapping[int, Qty], *, add: bool) -> dict[int, Qty]:
    positions = dict(account.positions) if add else {}
    for series, qty in simulated.items():
        positions[series] = positions.get(series, 0) + qty
    return {series: qty for series, qty in positions.items() if qty}


def _tables(state: State, positions: Mapping[int, Qty]) -> dict[str, Any]:
    """What the scenarios of PORTFOLIO would take, by index; they tell and do not bind."""
    return {
        state.underlyings[underlying].name.lower(): {
            "initial_margin": usdc(table.initial),
            "maintenance_margin": usdc(table.maintenance),
            "worst": table.worst,
            "scenarios": [
                {
                    "price_change": percent(row.scenario.spot - WAD),
                    "vol": VOL_MOVES[row.scenario.vol],
                    "weight": ratio(row.scenario.weight),
                    "profit_loss": usdc(-row.loss),
                }
                for row in table.scenarios
            ],
        }
        for underlying, table in views.scenario_tables(state, positions).items()
    }


def _require_marks(state: State, positions: Mapping[int, Qty]) -> None:
    """Raise temporarily_unavailable while no round prices what is asked about."""
    if state.view is None or any(series not in state.view.marks for series in positions):
        raise DialectError(Code.TEMPORARILY_UNAVAILABLE, reason="oracle_must_price_series")
