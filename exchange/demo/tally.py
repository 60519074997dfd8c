"""Counts of what the machine did, taken where every record passes. Imports core."""

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state import State
from exchange.core.units import Qty
from exchange.publisher.notes import Outcome


class Tally:
    """Signed orders accepted (replacements included), fills, and what has settled finally, with its gas."""

    def __init__(self) -> None:
        self.orders = 0
        self.trades = 0
        self.cancels = 0
        self.refusals = 0
        self.sealed = 0
        self.batches = 0
        self.settled_trades = 0
        self.gas = 0
        self.pool = 0  # the account of the pool, once there is one
        self.pool_fills = 0
        self.pool_volume: Qty = 0
        self._sizes: dict[int, int] = {}

    @property
    def gas_per_trade(self) -> int:
        """Gas of the settled batches over their trades, rounded up; 0 before the first."""
        return -(-self.gas // self.settled_trades) if self.settled_trades else 0

    def tap(self, state: State, outcome: Outcome) -> None:
        """Count one record."""
        for event in outcome.events:
            match event:
                case e.Accepted() | e.Amended():
                    self.orders += 1
                case e.Traded():
                    self.trades += 1
                    trade = state.trades[event.trade_id]
                    if self.pool and trade.maker_account == self.pool:
                        self.pool_fills, self.pool_volume = self.pool_fills + 1, self.pool_volume + trade.qty
                case e.Cancelled():
                    self.cancels += 1
                case e.Rejected():
                    self.refusals += 1
                case e.BatchSealed():
                    self.sealed += 1
                    self._sizes[event.batch_id] = event.last_trade - event.first_trade + 1
                case _:
                    pass
        if isinstance(outcome.command, c.ObserveBatch):
            trades = self._sizes.pop(outcome.command.batch_id)
            self.batches += 1
            self.settled_trades += trades
            self.gas += outcome.command.gas if trades else 0
