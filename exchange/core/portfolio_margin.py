"""What PORTFOLIO asks cash not to fall below, at a round that carries risk arrays.

The contract's Portfolio computes the same from arrays under the round's root. What options are worth counts towards
what they need and never beyond it. Imports state, oracle, risk_models, margin, units.
"""

from collections.abc import Mapping

from exchange.core.margin import Kind
from exchange.core.oracle import RoundView
from exchange.core.risk_models import scan
from exchange.core.risk_models.requirement import Account as LaidOut
from exchange.core.risk_models.requirement import PortfolioMarket, assess
from exchange.core.state import State
from exchange.core.units import Cash, Qty, expiry_of


def needed(state: State, view: RoundView, positions: Mapping[int, Qty], kind: Kind) -> Cash:
    """The requirement (up) less what the options are worth (down), never below nothing; the view has arrays."""
    assert view.arrays is not None
    assert view.portfolio is not None
    held: dict[int, dict[int, dict[int, Qty]]] = {}  # by underlying and expiry
    for series in sorted(positions):
        qty, option = positions[series], state.series[series]
        if qty:
            held.setdefault(option.underlying, {}).setdefault(expiry_of(series), {})[series] = qty
    markets = []
    for underlying, expiries in sorted(held.items()):
        added = (scan.added_up(view.arrays, expiry, legs, view.confs[expiry]) for expiry, legs in expiries.items())
        markets.append(PortfolioMarket(view.portfolio, scan.Market(view.spots[underlying], tuple(added))))
    found = assess(LaidOut(view.portfolio, 0, view.stable, (), tuple(markets)), kind)
    return max(found.requirement - found.equity, 0)
