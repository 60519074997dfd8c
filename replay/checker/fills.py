"""One fill, however it came about: its number, its fees, what it moves, and the reduce-only orders it leaves nothing.

Imports the words of the journal and the ledger.
"""

from collections.abc import Iterable

from exchange.core.events import Cancelled, CancelReason, Traded
from exchange.core.units import premium_of
from replay.checker import fees, keys
from replay.checker.facts import Account, Order, Series
from replay.checker.ledger import TREASURY, Ledger
from replay.checker.rules import Rule


def number(ledger: Ledger, event: Traded) -> None:
    """Trades are numbered without gap or repeat."""
    if event.trade_id != ledger.next_trade:
        sentence = "a trade has the number of another, or numbers are left out"
        ledger.note(Rule.TRADE_IDS_MUST_BE_DENSE, sentence, expected=ledger.next_trade, actual=event.trade_id)
    ledger.next_trade = event.trade_id + 1


def charges(ledger: Ledger, series: Series, price: int, qty: int) -> tuple[int, int, int]:
    """Index in force, and what it makes taker and maker pay; nothing where an order should not have been let in."""
    config, round_ = ledger.config, ledger.round
    if config is None or round_ is None:
        return (0, 0, 0)
    index = round_.spots[series.underlying]
    taker = fees.of_taker(config.fees, index, price, qty)
    return (index, taker, fees.of_maker(config.fees, index, price, qty, taker))


def may_cost_too_much(ledger: Ledger, order: Order, price: int) -> bool:
    """Whether some part of an order could be charged more than it signed, at no more than this price."""
    config, round_ = ledger.config, ledger.round
    if config is None or round_ is None:
        return False
    return fees.may_be_beyond(config.fees, round_.spots[order.series.underlying], price, order.max_fee)


def check_charges(ledger: Ledger, event: Traded, maker: Order, taker: Order) -> None:
    """The fees are those of schedule and index, and no more than both signed."""
    due = charges(ledger, taker.series, event.price, event.qty)
    charged = (event.index, event.taker_fee, event.maker_fee)
    if charged != due:
        sentence = f"trade {event.trade_id} has other fees than schedule and index make (index, taker, maker)"
        ledger.note(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE, sentence, order=taker.id, expected=due, actual=charged)
    for order, fee in ((taker, event.taker_fee), (maker, event.maker_fee)):
        most = fees.most(order.max_fee, event.qty)
        if fee > most:
            sentence = f"trade {event.trade_id} costs order {order.id} more than it signed"
            ledger.note(Rule.FEE_MUST_BE_SIGNED, sentence, order=order.id, expected=most, actual=fee)


def book(ledger: Ledger, event: Traded, maker: Order, taker: Order, moved: dict[int, Account]) -> None:
    """Quantities, positions and cash of one fill, as journaled; both orders stay where they are."""
    qty, paid = event.qty, premium_of(event.price, event.qty)
    ledger.totals.trades += 1
    ledger.totals.filled += 2 * qty
    buyer, seller = (taker.account, maker.account) if taker.is_buy else (maker.account, taker.account)
    buyer.cash -= paid
    seller.cash += paid
    taker.account.cash -= event.taker_fee
    maker.account.cash -= event.maker_fee
    ledger.accounts[TREASURY].cash += event.taker_fee + event.maker_fee
    move(buyer.positions, taker.series.id, qty)
    move(seller.positions, taker.series.id, -qty)
    moved[maker.account.id], moved[taker.account.id] = maker.account, taker.account
    for order in (maker, taker):
        order.left = max(order.left - qty, 0)
        order.shown = max(order.shown - qty, 0)
        order.filled += qty
    if not ledger.unsealed:
        ledger.open_since_ns = ledger.time_ns
    ledger.unsealed.append((maker.signed, taker.signed))
    ledger.parts.append(False)
    keys.count(ledger, event, maker, taker)
    ledger.waiting += 1


def move(positions: dict[int, int], series: int, qty: int) -> None:
    """A position changes; one that is closed is forgotten."""
    after = positions.get(series, 0) + qty
    if after:
        positions[series] = after
    else:
        positions.pop(series, None)


def linger(ledger: Ledger, event: Cancelled, moved: dict[int, Account], series: Series) -> None:
    """After the fills of a record, reduce-only orders go whose position they closed or turned, and nobody else."""
    order = ledger.orders.get(event.order_id)
    if order is not None and not (
        event.reason is CancelReason.REDUCE_ONLY
        and order.account.id in moved
        and order.series is series
        and order.reduce_only
        and not order.reducible()
    ):
        sentence = f"order {event.order_id} is cancelled without a part in the record"
        ledger.note(Rule.CANCEL_MUST_HAVE_A_REASON, sentence, order=event.order_id, actual=event.reason)
    ledger.end(event.order_id, event.remaining)


def none_lingers(ledger: Ledger, moved: Iterable[Account], series: Series) -> None:
    """Such orders have gone by the end of the record."""
    for account in moved:
        for order in account.reducing.values():
            if order.series is series and order.left and not order.reducible():
                sentence = f"order {order.id} may only reduce, and its position is closed or turned"
                ledger.note(Rule.REDUCE_ONLY_MUST_NOT_LINGER, sentence, order=order.id)
