"""What is said of one fill: why these two, why this price, what it cost, and what it left of either one's margin.

The state handed in is that right before the record; who stood where is read off its books, and what the record did to
those before them off its events. Imports core.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import margin_views
from exchange.core.state import State
from exchange.core.state_types import Order
from exchange.core.units import Cash, Price, Qty
from exchange.dialect.errors import REFUSALS
from exchange.dialect.numbers import contracts, usdc
from replay import words
from replay.trail import Entry, signed_for, takers


class Fill(msgspec.Struct, kw_only=True):
    """Both sides of a trade. ``why`` says what put these two together, ``charged`` how the fees came about."""

    trade: int
    series: str
    qty: Qty
    price: Price
    taker_order: int
    maker_order: int
    taker_account: int
    maker_account: int
    taker_buys: bool
    taker_fee: Cash
    maker_fee: Cash
    index: Price
    why: str
    charged: str

    def facts(self) -> dict[str, Any]:
        """All of it, without the sentences."""
        told = msgspec.structs.asdict(self)
        return {name: value for name, value in told.items() if name not in {"why", "charged"}}

    def sentences(self) -> Iterator[tuple[str, str]]:
        """The fill, its reason and its costs."""
        bought, sold = (self.taker_account, self.maker_account)[:: 1 if self.taker_buys else -1]
        orders = f" (order {self.taker_order} met order {self.maker_order})" if self.maker_order else ""
        what = f"{words.contracts(self.qty)} of {self.series} at {words.usdc(self.price)}"
        yield "fill", f"trade {self.trade}: account {bought} bought {what} from account {sold}{orders}."
        yield "why", self.why
        yield "fees", self.charged


# -- fills -------------------------------------------------------------------------------------------------------------


def of_fill(entry: Entry, before: State, event: e.Traded, taker_id: int) -> Fill:
    """A fill of a book, an auction or a request for quotes."""
    taker, maker = (_signed(entry, before, order) for order in (taker_id, event.maker_order))
    series = event.leg or maker.series
    is_leg = bool(event.leg or event.group)
    return Fill(
        trade=event.trade_id,
        series=words.title(before, series),
        qty=event.qty,
        price=event.price,
        taker_order=taker_id,
        maker_order=event.maker_order,
        taker_account=taker.account,
        maker_account=maker.account,
        taker_buys=taker.is_buy if not is_leg else _buys_leg(before, taker, maker, series),
        taker_fee=event.taker_fee,
        maker_fee=event.maker_fee,
        index=event.index,
        why=_why(entry, before, event, taker_id),
        charged=_charged(before, event.taker_fee, event.maker_fee, event.index, parts=is_leg),
    )


def _buys_leg(before: State, taker: c.Authorisation, maker: c.Authorisation, series: int) -> bool:
    """In a leg of a combo the maker's side decides; between two orders for combos, the sign of the ratio."""
    if maker.series == series:
        return not maker.is_buy
    combo = before.combos[taker.series]
    ratio = next(leg.ratio for leg in combo.legs if leg.series == series)
    return taker.is_buy == (ratio > 0)


def _signed(entry: Entry, before: State, order_id: int) -> c.Authorisation:
    """What an order stands under: it came with this record, or was there before it."""
    order = before.orders.get(order_id)
    if order is None:
        auth = signed_for(entry, order_id)
        assert auth is not None
        return auth
    if isinstance(entry.command, c.Amend | c.RequoteRfq) and entry.command.order_id == order_id:
        return entry.command.auth
    return before.auths[order.auth_id].auth


def of_block(entry: Entry, before: State, event: e.BlockTraded) -> Fill:
    """A leg of a block."""
    assert isinstance(entry.command, c.ExecuteBlock)
    block = entry.command.block
    leg = block.legs[event.leg]
    return Fill(
        trade=event.trade_id,
        series=words.title(before, leg.series),
        qty=leg.qty,
        price=leg.price,
        taker_order=0,
        maker_order=0,
        taker_account=block.taker,
        maker_account=block.maker,
        taker_buys=leg.is_buy,
        taker_fee=event.taker_fee,
        maker_fee=event.maker_fee,
        index=event.index,
        why="They agreed on it away from the book and both signed it: no order was met, and none was passed over.",
        charged=_charged(before, event.taker_fee, event.maker_fee, event.index, parts=False),
    )


# -- why these two -----------------------------------------------------------------------------------------------------


def _why(entry: Entry, before: State, event: e.Traded, taker_id: int) -> str:
    maker = before.orders.get(event.maker_order)
    if maker is None:
        return f"Order {event.maker_order} came in with this record."
    if maker.rfq:
        return f"Order {maker.id} is a quote for the request of seq {maker.rfq}, the best that was left there."
    if event.leg:
        return f"Order {maker.id} was the best order for the same combo; each leg trades at its share of the price."
    if _in_auction(entry, before, maker.series, event):
        price = words.usdc(event.price)
        return f"An auction ended: everybody in it trades at {price}, the price at which most can; both were in reach."
    return _priority(entry, before, maker, taker_id)


def _in_auction(entry: Entry, before: State, series: int, event: e.Traded) -> bool:
    """Both sides rested, and all trade at one price."""
    auction = before.auctions.get(series)
    ends = any(isinstance(each, e.Uncrossed) and each.series == series for each in entry.events)
    return ends or (auction is not None and auction.phase == c.UNCROSSING and event.taker_order > 0)


def _priority(entry: Entry, before: State, maker: Order, taker_id: int) -> str:
    """Best price first, first in first out: who stood before the maker and what this record did to them, who behind."""
    side = before.books[maker.series].side(is_buy=maker.is_buy)
    ahead, behind, better = list[Order](), 0, 0
    seen = False
    for order in side.within(maker.price):
        if order.id == maker.id:
            seen = True
        elif seen:
            behind += order.price == maker.price
        else:
            ahead.append(order)
            better += order.price != maker.price
    asks = "bids" if maker.is_buy else "offers"
    place = f"Order {maker.id} stood first among the {asks} at {words.usdc(maker.price)}, in since seq {maker.priority}"
    if ahead:
        gone = _fates(entry, ahead, taker_id)
        place = (
            f"Order {maker.id} was next among the {asks} at {words.usdc(maker.price)}, in since seq {maker.priority}: "
            f"{len(ahead)} before it ({better} at a better price) went first in this record ({gone})"
        )
    later = f"; {behind} at that price came later" if behind else "; nobody else stood at that price"
    return f"{place}{later}. It trades at the price of the order that was there first."


def _fates(entry: Entry, ahead: list[Order], taker_id: int) -> str:
    filled = dict.fromkeys(event.maker_order for event, taker in takers(entry) if taker == taker_id)
    taken_off = {event.order_id: event.reason for event in entry.events if isinstance(event, e.Cancelled)}
    told = []
    for order in ahead[:8]:
        reason = taken_off.get(order.id)
        fate = (
            "filled" if order.id in filled else f"taken off: {reason.value}" if reason is not None else "not in reach"
        )
        told.append(f"order {order.id} {fate}")
    return ", ".join(told) + (", ..." if len(ahead) > 8 else "")


def _charged(before: State, taker: Cash, maker: Cash, index: Price, *, parts: bool) -> str:
    assert before.config is not None
    schedule = before.config.fees
    got = "paid" if maker >= 0 else "got a rebate of"
    rates = f"{words.percent(schedule.taker_rate)} of the index {words.usdc(index)}"
    bound = f"at most {words.percent(schedule.cap)} of the premium"
    halves = "; of a combo the largest leg pays in full and the others half" if parts else ""
    return (
        f"The taker paid {words.usdc(taker)} ({rates}, {bound}, rounded up{halves}); the maker {got} "
        f"{words.usdc(abs(maker))}."
    )


# -- margin and market -------------------------------------------------------------------------------------------------


def margin(state: State, account: int) -> dict[str, Cash] | None:
    """Equity, requirements and what is left for new orders; None before the first round."""
    if state.view is None or account not in state.accounts:
        return None
    found = margin_views.figures(state, state.accounts[account])
    free = found.equity - found.initial - found.open_orders
    return {"equity": found.equity, "initial": found.initial, "maintenance": found.maintenance, "free": free}


def margin_sentence(account: int, before: dict[str, Cash] | None, after: dict[str, Cash] | None) -> str:
    """What the record left of an account's margin."""
    if before is None or after is None:
        return f"account {account} had no margin to speak of before the first oracle round"
    moves = ", ".join(f"{name} {words.usdc(before[name])} -> {words.usdc(after[name])}" for name in before)
    return f"margin of account {account}: {moves}"


def market(state: State, series: int) -> str:
    """The best prices, the mark and what the series is doing."""
    book = state.books[series]
    bid, ask = book.bids.best(), book.asks.best()
    mark = None if state.view is None else state.view.marks.get(series)
    best = (
        f"the best {name} was {words.usdc(price)}" if price is not None else f"there was no {name}"
        for name, price in (("bid", bid), ("offer", ask))
    )
    return ", ".join(best) + (f", the mark {words.usdc(mark)}" if mark is not None else "")


# -- other events ------------------------------------------------------------------------------------------------------


def event(entry: Entry, event: e.Event) -> str:
    """What became of an order, apart from fills; empty for what is told elsewhere."""
    match event:
        case e.Cancelled():
            left = words.contracts(event.remaining)
            return f"taken off with {left} left: {words.CANCELS[event.reason]}"
        case e.Rested():
            return f"what did not trade stands in the book at {words.usdc(event.price)}"
        case e.Accepted():
            return "taken in"
        case e.Amended():
            kept = "keeps its place" if event.kept else "goes to the end of the queue"
            return f"replaced by a newly signed order; it {kept}"
        case e.Parked():
            return "waits for its trigger"
        case e.Triggered():
            return f"its trigger was reached by {words.usdc(event.price)}"
        case e.Held():
            return f"{words.contracts(event.qty)} of it are held back by the orders it is linked with"
        case e.Quoted():
            return f"stands in the book as quote {event.leaf} of its message{', in its place' if event.kept else ''}"
        case e.Reached():
            return "the books of its legs reached it"
        case _:
            del entry
            return ""


def bounds(refused: e.Rejected) -> str:
    """The value that broke the rule and its limit, in the units of the rule."""
    row = REFUSALS[refused.reason]
    if not refused.value and not refused.limit:
        return ""
    value, limit = _in_units(row.value, refused.value), _in_units(row.limit, refused.limit)
    if refused.reason is e.Reject.ACCOUNT_MUST_HAVE_MARGIN:
        return f" The account had {value} free and lacks {limit}."
    return f" Here: {value}, limit {limit}." if refused.limit else f" Here: {value}."


def _in_units(unit: Any, value: int) -> str:
    if unit is usdc:
        return words.usdc(value)
    return words.contracts(value) if unit is contracts else f"{value:,}"
