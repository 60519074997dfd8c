"""Positions of an account in one underlying at a round, added up and kept so as they change.

A fill costs one product of a risk array and a few sums, whatever the account holds; `scan.added_up` says the same from
scratch. Imports arrays, scan, units.
"""

from collections.abc import Mapping

from exchange.core.risk_models.arrays import RiskRound
from exchange.core.risk_models.scan import Expiry, Market
from exchange.core.units import Price, Qty, Wad, expiry_of


class _Sums:
    """What is held of one expiry: by series, by strike, and in all lanes."""

    __slots__ = ("gross", "naked", "nets", "positions", "scan", "shorts")

    def __init__(self) -> None:
        self.scan, self.naked, self.shorts, self.gross = 0, 0, 0, 0
        self.nets: dict[Price, Qty] = {}
        self.positions: dict[int, Qty] = {}


class Holdings:
    """An account's options of one underlying; ``confs`` by expiry."""

    def __init__(self, arrays: RiskRound, spot: Price, confs: Mapping[int, Wad]) -> None:
        self._arrays, self._spot, self._confs = arrays, spot, confs
        self._sums: dict[int, _Sums] = {}

    def move(self, series: int, qty: Qty) -> None:
        """Add a signed quantity of a series."""
        expiry = expiry_of(series)
        sums = self._sums.get(expiry)
        if sums is None:
            sums = self._sums[expiry] = _Sums()
        array = self._arrays.array(series)
        sums.scan += qty * array.packed
        net = sums.nets.get(array.strike, 0)
        sums.nets[array.strike] = net + qty
        sums.naked += min(net, 0) - min(net + qty, 0)
        held = sums.positions.get(series, 0)
        sums.positions[series] = held + qty
        sums.shorts += min(held, 0) - min(held + qty, 0)
        sums.gross += abs(held + qty) - abs(held)
        if not sums.gross:
            del self._sums[expiry]

    def market(self) -> Market:
        """Everything held, as the scenarios read it; expiries in ascending order."""
        return Market(self._spot, tuple(self._expiry(expiry, self._sums[expiry]) for expiry in sorted(self._sums)))

    def _expiry(self, expiry: int, sums: _Sums) -> Expiry:
        grid = self._arrays.grids[expiry]
        conf = self._confs[expiry]
        return Expiry(sums.scan, grid.years, grid.discounts, conf, sums.naked, sums.shorts, sums.gross)
