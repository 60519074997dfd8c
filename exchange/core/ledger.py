"""Double entry: cash and positions move only here, and always between two owners.

Sign table in docs/TERMINOLOGY.md. ``costs`` follow the position for display of the average price.
Imports state and risk.
"""

from exchange.core import risk
from exchange.core.state import TREASURY, State
from exchange.core.state_types import Account, Trade
from exchange.core.units import Cash, Price, Qty, div_down, premium_of


def book_trade(state: State, trade: Trade) -> None:
    """Premium from buyer to seller, both fees to the treasury, the position from seller to buyer."""
    taker, maker = state.accounts[trade.taker_account], state.accounts[trade.maker_account]
    premium = premium_of(trade.price, trade.qty)
    signed = trade.qty if trade.taker_is_buy else -trade.qty
    taker.cash -= (premium if trade.taker_is_buy else -premium) + trade.taker_fee
    maker.cash += (premium if trade.taker_is_buy else -premium) - trade.maker_fee
    state.accounts[TREASURY].cash += trade.taker_fee + trade.maker_fee
    change_position(state, taker, trade.series, signed, trade.price)
    change_position(state, maker, trade.series, -signed, trade.price)


def change_position(state: State, account: Account, series: int, qty: Qty, price: Price) -> None:
    """Move a position, its cost and the open interest of the series."""
    risk.move_position(state, account, series, qty)
    before = account.positions.get(series, 0)
    after = before + qty
    option = state.series[series]
    option.open_interest += max(after, 0) - max(before, 0)
    if after == 0:
        account.positions.pop(series, None)
        account.costs.pop(series, None)
        return
    account.positions[series] = after
    account.costs[series] = _cost_after(account.costs.get(series, 0), before, after, qty, price)


def _cost_after(cost: Cash, before: Qty, after: Qty, qty: Qty, price: Price) -> Cash:
    """Cost of the position after a trade: grows with additions, shrinks pro rata, restarts when it flips."""
    if before == 0 or (before > 0) == (qty > 0):
        return cost + premium_of(price, abs(qty))
    if (after > 0) == (before > 0):
        return div_down(cost * abs(after), abs(before))
    return premium_of(price, abs(after))
