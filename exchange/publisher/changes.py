"""What a record changed for an account in an instrument, as one item: orders, fills, and where they leave it.

Imports core, dialect, orderlog.
"""

from typing import Any, Final, NamedTuple

from exchange.core.state import State
from exchange.dialect.listed import Listed
from exchange.dialect.market import GreekSheet
from exchange.dialect.orders import order_object
from exchange.dialect.portfolio import position_object
from exchange.publisher.orderlog import Noted

Item = dict[str, Any]
_KEYS: Final = {"orders": "order_id", "positions": "x_account"}  # of what only the newest counts


class Change(NamedTuple):
    """What a record did to an account in an instrument."""

    listed: Listed
    orders: list[Item]
    trades: list[Item]


def changes_of(state: State, noted: Noted, by_series: dict[int, Listed]) -> dict[tuple[int, int], Change]:
    """By account and series, in the order in which the record touched them."""
    found: dict[tuple[int, int], Change] = {}
    for order_id, tracked in noted.touched.items():
        account, listed = tracked.order.account, by_series[tracked.order.series]
        change = found.setdefault((account, listed.series), Change(listed, [], []))
        change.orders.append(order_object(tracked, listed, is_open=order_id in state.orders))
    for fill in noted.fills:
        for side in (fill.taker, fill.maker):
            # Of a combo the legs trade, and the order is in none of them; a block has none.
            change = found.setdefault((side.account, fill.listed.series), Change(fill.listed, [], []))
            change.trades.append(noted.trade_of(fill, side, is_open=side.order_id in state.orders))
    return found


def changes_object(state: State, account: int, change: Change, sheet: GreekSheet) -> Item:
    """The dialect's changes; a position is told when a fill moved it."""
    positions = [position_object(state, state.accounts[account], change.listed, sheet)] if change.trades else []
    return {
        "instrument_name": change.listed.name,
        "orders": change.orders,
        "trades": change.trades,
        "positions": positions,
        "x_account": account,
    }


def merged(items: list[Item]) -> list[Item]:
    """Items of an interval, one for each instrument: all trades, and orders and positions as the last of them say."""
    found: dict[str, Item] = {}
    for item in items:
        before = found.get(item["instrument_name"])
        if before is None:
            found[item["instrument_name"]] = item
            continue
        newest = {
            name: list({part[key]: part for part in [*before[name], *item[name]]}.values())
            for name, key in _KEYS.items()
        }
        found[item["instrument_name"]] = item | newest | {"trades": before["trades"] + item["trades"]}
    return list(found.values())
