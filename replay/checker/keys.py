"""What session keys with limits have left, counted from the fills as the contracts count it.

Strike times quantity of every fill, and premium with fee of what is bought, bind whoever signed the order that filled.
A key registered anew begins with what it has signed and no final batch holds. Imports the words of the journal, facts
and the ledger.
"""

from collections.abc import Iterable, Sequence

from exchange.core.commands import Authorisation, ObserveKey
from exchange.core.events import Reject, Traded
from exchange.core.units import QTY_ONE, premium_of
from replay.checker import fees
from replay.checker.facts import Bound, Order, Series, Weight
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule


def register(ledger: Ledger, command: ObserveKey) -> None:
    """The key is bound from now on, or by nothing."""
    bounds = ledger.accounts[command.account].bounds
    bounds.pop(command.key, None)
    if not (command.underlyings or command.notional or command.spend):
        return
    bound = bounds[command.key] = Bound(command.underlyings, command.notional * QTY_ONE, command.spend)
    for weights in ledger.unsettled:
        for weight in weights:
            if (weight.account, weight.key) == (command.account, command.key):
                bound.used = (bound.used[0] + weight.notional, bound.used[1] + weight.spend)


def broken_by(ledger: Ledger, auth: Authorisation) -> list[Reject]:
    """The rules an order breaks by the limits of the key that signed it."""
    account, series = ledger.accounts.get(auth.account), ledger.series.get(auth.series)
    if account is None or series is None or auth.signer == account.owner or auth.signer not in account.bounds:
        return []
    return used_up(account.bounds[auth.signer], series.underlying, is_buy=auth.is_buy)


def used_up(bound: Bound, underlying: int, *, is_buy: bool) -> list[Reject]:
    """What a key has no more of, or never had, on a side of an underlying."""
    broken: list[Reject] = []
    if not bound.names(underlying):
        broken.append(Reject.KEY_MUST_ALLOW_UNDERLYING)
    if bound.notional and bound.used[0] >= bound.notional:
        broken.append(Reject.KEY_MUST_HAVE_NOTIONAL)
    if bound.spend and is_buy and bound.used[1] >= bound.spend:
        broken.append(Reject.KEY_MUST_HAVE_SPEND)
    return broken


def bound_of(order: Order) -> Bound | None:
    """What binds the key that signed an order, if anything does."""
    if order.mandate is not None or order.signed.signer == order.account.owner:
        return None
    return order.account.bounds.get(order.signed.signer)


def beyond(order: Order, price: int, qty: int, fee: int) -> bool:
    """Whether a fill of the order is more than its key may do."""
    bound = bound_of(order)
    if bound is None:
        return False
    weight = weigh(order, price, qty, fee)
    notional, spend = bound.used[0] + weight.notional, bound.used[1] + weight.spend
    dear = (bound.notional and notional > bound.notional) or (bound.spend and spend > bound.spend)
    return bool(dear) or not bound.names(order.series.underlying)


def may_be_beyond(ledger: Ledger, orders: Sequence[Order], price: int) -> bool:
    """Whether orders of one key, filled lot by lot at no more than this price, could be more than it may do."""
    bound, config, round_ = bound_of(orders[0]) if orders else None, ledger.config, ledger.round
    if bound is None or config is None or round_ is None:
        return False
    notional, spend = bound.used
    for order in orders:
        fee = fees.of_taker(config.fees, round_.spots[order.series.underlying], price, order.left)
        weight = weigh(order, price, order.left, fee)
        notional += weight.notional
        spend += weight.spend + 2 * (order.left // order.series.step.lot)  # each fill rounds premium and fee up
    dear = (bound.notional and notional > bound.notional) or (bound.spend and spend > bound.spend)
    return bool(dear) or not bound.names(orders[0].series.underlying)


def weigh(order: Order, price: int, qty: int, fee: int) -> Weight:
    """What a fill counts for the key that signed its order."""
    paid = max(premium_of(price, qty) + fee, 0) if order.is_buy else 0
    return Weight(order.account.id, order.signed.signer, order.series.strike * qty, paid)


def use(order: Order, price: int, qty: int, fee: int) -> Weight:
    """A fill is counted for the key that signed its order; what it counts."""
    weight, bound = weigh(order, price, qty, fee), bound_of(order)
    if bound is not None:
        bound.used = (bound.used[0] + weight.notional, bound.used[1] + weight.spend)
    return weight


def count_leg(ledger: Ledger, event: Traded, series: Series, sides: Iterable[tuple[Order, int, bool]]) -> None:
    """One fill of a combo's leg more for the keys of both sides, each with its fee and whether it buys the leg."""
    weights: list[Weight] = []
    for order, fee, buys in sides:
        if order.mandate is not None or order.signed.signer == order.account.owner:
            continue
        paid = max(premium_of(event.price, event.qty) + fee, 0) if buys else 0
        weight = Weight(order.account.id, order.signed.signer, series.strike * event.qty, paid)
        weights.append(weight)
        bound = bound_of(order)
        if bound is not None:
            bound.used = (bound.used[0] + weight.notional, bound.used[1] + weight.spend)
            if (bound.notional and bound.used[0] > bound.notional) or (bound.spend and bound.used[1] > bound.spend):
                sentence = f"trade {event.trade_id} is more than the key may do that signed order {order.id}"
                ledger.note(Rule.KEY_MUST_HAVE_ROOM, sentence, order=order.id)
    ledger.unsettled.append(tuple(weights))


def count(ledger: Ledger, event: Traded, maker: Order, taker: Order) -> None:
    """One fill more for the keys of both sides, which must have had room for it."""
    weights: list[Weight] = []
    for order, fee in ((maker, event.maker_fee), (taker, event.taker_fee)):
        if order.mandate is not None or order.signed.signer == order.account.owner:
            continue
        if beyond(order, event.price, event.qty, fee):
            sentence = f"trade {event.trade_id} is more than the key may do that signed order {order.id}"
            ledger.note(Rule.KEY_MUST_HAVE_ROOM, sentence, order=order.id)
        weights.append(use(order, event.price, event.qty, fee))
    ledger.unsettled.append(tuple(weights))
