"""Positions and account summaries as their owner sees them. Imports core, numbers, listed, market."""

import itertools
from typing import Any, Final, NamedTuple

from exchange.core import risk
from exchange.core.margin import Kind
from exchange.core.state import State
from exchange.core.state_types import Account
from exchange.core.units import QTY_ONE, RISK_ONE, U64_MAX, Cash, div_up, premium_of
from exchange.dialect.listed import Listed
from exchange.dialect.market import GreekSheet, index_of_underlying, mark_of
from exchange.dialect.numbers import contracts, usdc
from exchange.dialect.orders import average
from exchange.quant.greeks import ZERO, Greeks

_NONCE_BITS: Final = 6  # the machine keeps nonces in words of 64


class Margins(NamedTuple):
    """What an account's positions and open orders take, in 1e-6 USDC; initial margin includes open orders."""

    initial: Cash
    maintenance: Cash
    open_orders: Cash


def margins_of(state: State, account: Account) -> Margins:
    """Requirements at the round in force; zero before the first."""
    view = state.view
    if view is None:
        return Margins(0, 0, 0)
    risk.refresh(state, account)
    reserved = div_up(account.reserved + risk.covers_of(state, account), RISK_ONE)
    initial = risk.requirement_of(state, view, account.positions, Kind.INITIAL)
    maintenance = risk.requirement_of(state, view, account.positions, Kind.MAINTENANCE)
    return Margins(initial + reserved, maintenance, reserved)


def position_object(state: State, account: Account, listed: Listed, sheet: GreekSheet) -> dict[str, Any]:
    """The dialect's position. Realised profit is in the journal, not in the state, and reads 0."""
    series = listed.series
    size, cost = account.positions.get(series, 0), account.costs.get(series, 0)
    mark = mark_of(state, series)
    value = premium_of(mark, abs(size))
    profit = usdc(value - cost if size > 0 else cost - value) if size else 0.0
    greeks = sheet.of(state, series)
    return {
        "instrument_name": listed.name,
        "kind": listed.kind,
        "direction": "zero" if not size else "buy" if size > 0 else "sell",
        "size": contracts(size),
        "average_price": average(cost, abs(size)),
        "mark_price": usdc(mark),
        "index_price": usdc(index_of_underlying(state, listed.underlying)),
        "settlement_price": 0.0,  # nothing settles before its expiry, and what has is no position any more
        "floating_profit_loss": profit,
        "realized_profit_loss": 0.0,
        "total_profit_loss": profit,
        **_isolated_margins(state, series, size),
        **{name: value for name, value in _scaled(greeks, size)._asdict().items() if name != "rho"},
        "x_account": account.id,
    }


def _isolated_margins(state: State, series: int, size: int) -> dict[str, float]:
    """What the position would take alone; offsets show in the summary only."""
    view = state.view
    if view is None or size >= 0:
        return {"initial_margin": 0.0, "maintenance_margin": 0.0}
    return {
        "initial_margin": usdc(div_up(-size * view.im_units[series], RISK_ONE)),
        "maintenance_margin": usdc(div_up(-size * view.mm_units[series], RISK_ONE)),
    }


def _scaled(greeks: Greeks, size: int) -> Greeks:
    return Greeks(*(round(item * size / QTY_ONE, 8) + 0.0 for item in greeks))


class Totals(NamedTuple):
    """Sums over an account's positions: value and cost in 1e-6 USDC, and Greeks."""

    value: Cash
    cost: Cash
    greeks: Greeks


def totals_of(state: State, account: Account, sheet: GreekSheet) -> Totals:
    """Signed value at the mark, signed cost, and Greeks; values are rounded down against the account."""
    value = cost = 0
    greeks = ZERO
    for series, size in account.positions.items():
        value += mark_of(state, series) * size // QTY_ONE
        paid = account.costs.get(series, 0)
        cost += paid if size > 0 else -paid
        scaled = _scaled(sheet.of(state, series), size)
        greeks = Greeks(*(round(a + b, 8) for a, b in zip(greeks, scaled, strict=True)))
    return Totals(value, cost, greeks)


def summary_object(state: State, account: Account, sheet: GreekSheet) -> dict[str, Any]:
    """The dialect's account summary in USDC, the one currency of this venue."""
    margins, totals = margins_of(state, account), totals_of(state, account, sheet)
    free = account.cash - account.held - margins.initial
    profit = usdc(totals.value - totals.cost)
    greeks = totals.greeks
    return {
        "currency": "USDC",
        "balance": usdc(account.cash),
        "equity": usdc(account.cash + totals.value),
        "margin_balance": usdc(account.cash - account.held),
        "available_funds": usdc(free),
        "available_withdrawal_funds": usdc(max(free, 0)),
        "initial_margin": usdc(margins.initial),
        "maintenance_margin": usdc(margins.maintenance),
        "projected_initial_margin": usdc(margins.initial),
        "projected_maintenance_margin": usdc(margins.maintenance),
        "options_value": usdc(totals.value),
        "options_delta": greeks.delta,
        "options_gamma": greeks.gamma,
        "options_vega": greeks.vega,
        "options_theta": greeks.theta,
        "delta_total": greeks.delta,
        "projected_delta_total": greeks.delta,
        **_profits(profit),
        "portfolio_margining_enabled": False,
        "cross_collateral_enabled": False,
        "margin_model": "segregated_sm",
        "locked_balance": usdc(account.held),
        "fee_balance": 0.0,
        "x_open_orders_margin": usdc(margins.open_orders),
    }


def _profits(profit: float) -> dict[str, float]:
    """One figure, unrealised, under each name the dialect has for it; sessions are not kept."""
    return {
        "total_pl": profit,
        "session_upl": profit,
        "session_rpl": 0.0,
        "options_pl": profit,
        "options_session_upl": profit,
        "options_session_rpl": 0.0,
        "futures_pl": 0.0,
        "futures_session_upl": 0.0,
        "futures_session_rpl": 0.0,
    }


def portfolio_object(state: State, account: Account, sheet: GreekSheet, bases: tuple[str, ...]) -> dict[str, Any]:
    """The ``user.portfolio`` message: the summary, and maps per index that hold the totals of a sole underlying."""
    summary = summary_object(state, account, sheet)
    one = bases[0] if len(bases) == 1 else ""
    for name in ("gamma", "theta", "vega"):
        summary[f"options_{name}_map"] = {one: summary[f"options_{name}"]} if one else {}
    summary["delta_total_map"] = {one: summary["delta_total"]} if one else {}
    return summary | {"x_account": account.id}


def next_nonce(account: Account) -> int:
    """One more than the highest nonce spent or cancelled; the lowest free one when the highest there is was spent."""
    if not account.nonces:
        return 0
    word = max(account.nonces)
    above = (word << _NONCE_BITS) + account.nonces[word].bit_length()
    return above if above <= U64_MAX else _lowest_free(account)


def _lowest_free(account: Account) -> int:
    word = next(word for word in itertools.count() if account.nonces.get(word, 0) != U64_MAX)
    mask = account.nonces.get(word, 0)
    return (word << _NONCE_BITS) + (~mask & mask + 1).bit_length() - 1
