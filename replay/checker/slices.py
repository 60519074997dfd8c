"""What the books of a combo's legs offer next, looked up anew each time. Imports the ledger's nouns only.

The first in line of every leg together make a slice, as large as the least of them allows; where one of them is too
small for a lot of the combo, those behind help for just one lot, if few enough do.
"""

from collections.abc import Iterator
from typing import NamedTuple

from replay.checker import phases
from replay.checker.bounds import TOGETHER_ACCOUNTS_MAX, TOGETHER_MAX
from replay.checker.facts import Combo, Order, Series
from replay.checker.ledger import Ledger


class Slice(NamedTuple):
    """So many units, from these makers and quantities leg by leg; ``value`` is what a buyer pays, price x quantity."""

    units: int
    makers: list[tuple[int, Order, int]]  # place of the leg, maker, quantity
    value: int

    def beside(self, maker: Order) -> int:
        """What orders of its account fill in its leg before the last turn of a maker, its own turns among them."""
        turns = [at for at, (_, order, _) in enumerate(self.makers) if order is maker]
        before = self.makers[: turns[-1]] if turns else []
        same = ((order.account, order.series) == (maker.account, maker.series) for _, order, _ in before)
        return sum(qty for (_, _, qty), alike in zip(before, same, strict=True) if alike)

    def may_clash(self) -> bool:
        """Whether two in it stand under the protection of one group, and may not be able to fill together."""
        makers = [maker for _, maker, _ in self.makers if maker.group_of_quotes is not None]
        return len(makers) != len({(maker.account.id, maker.group_of_quotes.name) for maker in makers})


def turns(ledger: Ledger, series: Series, *, offers: bool) -> Iterator[tuple[Order, int]]:
    """Who stands on a side, with what is shown in each turn; an iceberg comes again behind all at its price."""
    side = series.asks if offers else series.bids
    standing, limits = list(side.in_turn()), phases.band(ledger, series)
    for price in dict.fromkeys(order.price for order in standing):
        if limits is not None and not limits[0] <= price <= limits[1]:
            return
        level = [(order, order.shown, order.left - order.shown) for order in standing if order.price == price]
        while level:
            yield from ((order, shown) for order, shown, _ in level)
            level = [(order, min(order.display, rest), rest - order.display) for order, _, rest in level if rest > 0]


def first_slice(ledger: Ledger, combo: Combo, account: int, wanted: int, *, is_buy: bool) -> Slice | None:
    """What an order of this account and side would fill next, whatever the price; None if not one lot is there."""
    lot, units, found = combo.step.lot, wanted, list[list[tuple[Order, int]]]()
    for series, ratio in combo.legs:
        line = list(_enough(turns(ledger, series, offers=is_buy == (ratio > 0)), abs(ratio) * lot))
        if not line:
            return None
        found.append(line)
        units = min(units, line[0][1] // (abs(ratio) * lot) * lot)
    makers = list(_gathered(combo, found, units or lot))
    owners = {account, *(maker.account.id for _, maker, _ in makers)}
    if len(makers) > TOGETHER_MAX or len(owners) > TOGETHER_ACCOUNTS_MAX:
        return None
    value = sum(maker.price * (qty if combo.legs[leg][1] > 0 else -qty) for leg, maker, qty in makers)
    return Slice(units or lot, makers, value)


def _enough(line: Iterator[tuple[Order, int]], qty: int) -> Iterator[tuple[Order, int]]:
    """Turns that make up a quantity; none if they do not."""
    taken: list[tuple[Order, int]] = []
    for order, shown in line:
        taken.append((order, shown))
        qty -= shown
        if qty <= 0:
            yield from taken
            return


def _gathered(combo: Combo, found: list[list[tuple[Order, int]]], units: int) -> Iterator[tuple[int, Order, int]]:
    for leg, line in enumerate(found):
        wanted = abs(combo.legs[leg][1]) * units
        for order, shown in line:
            qty = min(wanted, shown)
            if qty:
                yield leg, order, qty
            wanted -= qty
