"""The drop copy: everything that happens to an account, one message a record, chained so that a gap shows.

Imports moments, dialect.
"""

from collections.abc import Iterator
from typing import Any

from exchange.dialect.numbers import millis
from exchange.dialect.orders import (
    leg_trade_object,
    order_object,
    protection_object,
    user_combo_trade_object,
    user_trade_object,
)
from exchange.publisher.moments import Moment, Named, combos_of, entries_of, fills_of
from exchange.publisher.statements import entry_object


def drop_copy_object(moment: Moment, account: int, named: Named) -> dict[str, Any]:
    """What an account is told of a record. ``prev_seq`` is the record before that concerned it, 0 if unknown."""
    orders = [(item.tracked(), item.is_open) for item in moment.orders]
    mine = [item for item in orders if item[0].order.account == account]
    frozen = [event for event in moment.frozen if event.account == account]
    return {
        "account": account,
        "seq": moment.seq,
        "prev_seq": moment.priors[account],
        "timestamp": millis(moment.time_ns),
        "orders": [order_object(item, named[item.order.series], is_open=is_open) for item, is_open in mine],
        "trades": [*trades_of(moment, account, named)],
        "transactions": [entry_object(entry) for entry in entries_of(moment, named) if entry.account == account],
        "protections": [protection_object(event, moment.time_ns) for event in frozen],
    }


def trades_of(moment: Moment, account: int, named: Named, order_id: int = 0) -> Iterator[dict[str, Any]]:
    """Own fills of a record, and own combos with their legs; of one order only, then no fills of a combo's legs."""
    orders = {item.id: (item.tracked(), item.is_open) for item in moment.orders}
    fills = fills_of(moment, named)
    for fill in fills:
        for side in (fill.taker, fill.maker):
            if side.account != account or (order_id and (side.order_id != order_id or fill.combo is not None)):
                continue
            if fill.block:
                yield leg_trade_object(fill, side)
            else:
                tracked, is_open = orders[side.order_id]
                yield user_trade_object(fill, side, tracked, is_open=is_open)
    for combo in combos_of(moment, fills, named):
        for ordered in (combo.taker, combo.maker):
            if ordered is not None and ordered.account == account and order_id in (0, ordered.order_id):
                tracked, is_open = orders[ordered.order_id]
                yield user_combo_trade_object(combo, ordered, tracked, is_open=is_open)
