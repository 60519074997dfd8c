"""An order book the slow and obvious way: one list of orders per side, sorted anew whenever it is needed.

Written from the rules of matching (docs/API.md and the scenarios), it shares no code with the exchange and knows nothing
of money. Answers are tuples of plain words, in the order in which things happen.
"""

import copy
from dataclasses import dataclass, field

from naive_crowd import FAR, Answer, Crowd

GTC, IOC, FOK = 0, 1, 2


@dataclass
class Resting:
    """An order that stands in the book; an iceberg hides what it does not display."""

    id: int
    account: int
    is_buy: bool
    total: int
    filled: int
    price: int
    place: tuple[int, int]
    post_only: bool
    reduce_only: bool
    expires: int
    display: int = 0
    hidden: int = 0
    gives_way: str = "taker"
    minder: int = 0
    leaving: str = ""  # why, once it is on its way out

    @property
    def left(self) -> int:
        return self.total - self.filled


@dataclass
class Wish:
    """What somebody asks for: an order, or the new terms of one."""

    account: int
    is_buy: bool
    total: int
    price: int
    tif: int = GTC
    post_only: bool = False
    slide: bool = False
    reduce_only: bool = False
    expires: int = FAR
    display: int = 0
    gives_way: str = "taker"
    minder: int = 0
    when: tuple[str, bool, int] | None = None
    link: str = ""
    others: list["Wish"] = field(default_factory=list)


def tick_at(price: int) -> int:
    """One below a thousand, five from there on."""
    return 5 if price >= 1_000 else 1


class NaiveBook(Crowd):
    """One series. ``owners`` says whose wallet holds each account."""

    def __init__(self, owners: dict[int, str]) -> None:
        super().__init__(owners)
        self.positions = dict.fromkeys(owners, 0)
        self.now_at = (0, 0)  # the request that is being answered, and the fills it has led to
        self.collects_until: int | None = None  # an auction is on: nothing trades before

    def queue(self, is_buy: bool) -> list[Resting]:
        """A side from best to worst: price, then place."""
        side = [order for order in self.orders if order.is_buy == is_buy]
        return sorted(side, key=lambda order: (-order.price if is_buy else order.price, order.place))

    def closable(self, account: int, is_buy: bool) -> int:
        """What an order on this side can take off the account's position."""
        return max(-self.positions[account] if is_buy else self.positions[account], 0)

    # -- requests -----------------------------------------------------------------------------------------------------

    def place(self, number: int, wish: Wish, now: int) -> list[Answer]:
        self.fire(wish.account, now)
        if self.is_killed(wish.account):
            return [("refused", "kill_switch_must_be_released")]
        if self.collects_until is not None and wish.tif != GTC:
            return [("refused", "tif_must_suit_auction")]
        if wish.expires <= now:
            return [("refused", "order_must_not_be_expired")]
        if wish.minder and wish.minder not in self.connected:
            return [("refused", "session_must_be_open")]
        if wish.reduce_only and not self.closable(wish.account, wish.is_buy):
            return [("refused", "reduce_only_must_reduce")]
        self.now_at = (number, 0)
        new = Resting(number, *_facts(wish), 0, wish.price, (number, 0), *_terms(wish), minder=wish.minder)
        return self.enter(new, wish, ("accepted",), now)

    def amend(self, target: int, number: int, wish: Wish, now: int) -> list[Answer]:
        self.fire(wish.account, now)
        if self.is_killed(wish.account):
            return [("refused", "kill_switch_must_be_released")]
        if wish.expires <= now:
            return [("refused", "order_must_not_be_expired")]
        if wish.minder and wish.minder not in self.connected:
            return [("refused", "session_must_be_open")]
        old = self.find(target)
        if old is None or old.expires <= now or self.fate(old, now):
            return [("refused", "order_must_be_open")]
        if wish.total <= old.filled:
            return [("refused", "amend_qty_must_exceed_filled")]
        if wish.reduce_only and not self.closable(old.account, old.is_buy):
            return [("refused", "reduce_only_must_reduce")]
        self.now_at = (number, 0)
        asked, had = ((o.price, o.post_only, o.reduce_only, o.display) for o in (wish, old))
        if asked == had and wish.total <= old.total:
            old.hidden = max(old.hidden - (old.total - wish.total), 0)
            old.total, old.expires, old.gives_way = wish.total, wish.expires, wish.gives_way
            old.minder = wish.minder or old.minder
            return [("amended", "kept")]
        self.orders.remove(old)
        new = Resting(target, old.account, old.is_buy, wish.total, old.filled, wish.price, (number, 0), *_terms(wish))
        new.minder = wish.minder or old.minder
        answers = self.enter(new, wish, ("amended", "moved"), now)
        if answers[0][0] == "refused":
            self.orders.append(old)
        return answers

    def cancel(self, target: int) -> list[Answer]:
        order = self.find(target)
        return [self.drop(order, "by_owner")] if order is not None else [("refused", "order_must_be_open")]

    def cancel_all(self, account: int) -> list[Answer]:
        mine = sorted((order for order in self.everything() if order.account == account), key=lambda order: order.id)
        return self.leave(mine, "by_owner")

    def expire(self, now: int) -> list[Answer]:
        late = [order for order in self.everything() if order.expires <= now]
        return self.leave(sorted(late, key=lambda order: (order.expires, order.id)), "expired") + self.clean(now)

    def find(self, number: int) -> Resting | None:
        return next((order for order in self.orders if order.id == number), None)

    # -- matching -----------------------------------------------------------------------------------------------------

    def enter(self, new: Resting, wish: Wish, admitted: Answer, now: int) -> list[Answer]:
        """Match a new order, then dispose of what is left of it."""
        new.gives_way = wish.gives_way
        facing = self.queue(not new.is_buy)
        crosses = bool(facing) and self.reaches(new, facing[0])
        if crosses and wish.post_only:
            if wish.slide:
                best = facing[0].price
                new.price = best - tick_at(best - 1) if new.is_buy else best + tick_at(best)
            if not wish.slide or new.price <= 0:
                return [("refused", "post_only_must_not_cross")]
            facing = []
        if self.collects_until is not None:
            facing = []
        before = ([copy.copy(order) for order in self.orders], dict(self.positions))
        happened, stopped = self.sweep(new, wish, facing, now)
        if wish.tif == FOK and new.left:
            self.orders, self.positions = before
            return [("refused", "fill_or_kill_must_fill")]
        answers = [admitted, *happened]
        if new.left and (stopped or wish.tif == IOC):
            answers.append(("cancelled", new.id, stopped or "immediate_remainder", new.left))
        elif new.left:
            answers.append(("rested", new.price))
            new.hidden = max(new.left - new.display, 0) if new.display else 0
            self.orders.append(new)
        return answers + self.sweep_up(new, [str(word[1]) for word in happened if word[0] == "traded"], before[0])

    def reaches(self, new: Resting, other: Resting) -> bool:
        return new.price >= other.price if new.is_buy else new.price <= other.price

    def sweep(self, new: Resting, wish: Wish, facing: list[Resting], now: int) -> tuple[list[Answer], str]:
        """Trade down the facing side; what happened, and why it stopped before it had to."""
        happened: list[Answer] = []
        icebergs = [maker.id for maker in facing if maker.hidden]
        while facing and new.left and not self.is_reduced(new) and self.reaches(new, facing[0]):
            maker = facing.pop(0)
            if fate := self.fate(maker, now):
                happened.append(self.drop(maker, fate))
                continue
            if self.owners[maker.account] == self.owners[new.account]:
                happened += self.make_way(maker, wish)
                if wish.gives_way != "maker":
                    return happened, "self_trade"
                continue
            if maker.expires <= now:
                happened.append(self.drop(maker, "expired"))
                continue
            amount = self.fits(new, maker)
            if amount == 0:
                happened.append(self.drop(maker, "reduce_only"))
                continue
            happened.append(("traded", maker.id, amount, maker.price))
            self.trade(new, maker, amount)
            if gone := self.filled(maker, amount, now):
                happened += gone
                facing = [other for other in facing if other in self.orders]
            if maker.id in icebergs and maker.left:  # its next slice comes after everybody at its price
                facing.insert(len([other for other in facing if other.price == maker.price]), maker)
        return happened, "reduce_only" if new.left and self.is_reduced(new) else ""

    def fits(self, new: Resting, maker: Resting) -> int:
        """How much the two trade; nothing if the maker may only reduce and cannot."""
        reducing = [order for order in (new, maker) if order.reduce_only]
        closes = [self.closable(order.account, order.is_buy) for order in reducing]
        return min(new.left, maker.left - maker.hidden, *closes)

    def is_reduced(self, new: Resting) -> bool:
        return new.reduce_only and not self.closable(new.account, new.is_buy)

    def make_way(self, maker: Resting, wish: Wish) -> list[Answer]:
        return [self.drop(maker, "self_trade")] if wish.gives_way != "taker" else []

    def trade(self, new: Resting, maker: Resting, amount: int) -> None:
        new.filled += amount
        maker.filled += amount
        buyer, seller = (new, maker) if new.is_buy else (maker, new)
        self.positions[buyer.account] += amount
        self.positions[seller.account] -= amount
        self.now_at = (self.now_at[0], self.now_at[1] + 1)
        if not maker.left:
            self.orders.remove(maker)
        elif maker.left == maker.hidden:
            maker.hidden, maker.place = max(maker.hidden - maker.display, 0), self.now_at
        self.printed(new, maker, amount, maker.price)

    def filled(self, maker: Resting, amount: int, now: int) -> list[Answer]:
        """What leaves with a fill of a maker; here nothing does."""
        del maker, amount, now
        return []

    def printed(self, one: Resting, other: Resting, amount: int, price: int) -> None:
        """Two orders have traded at a price; here nobody minds."""

    def sweep_up(self, new: Resting, makers: list[str], before: list[Resting]) -> list[Answer]:
        """Reduce-only orders of everyone who traded, if there is nothing left for them to reduce."""
        traded = {order.account for order in before if str(order.id) in makers}
        if traded:
            traded.add(new.account)
        stale = [
            order
            for order in self.orders
            if order.reduce_only
            and order.id != new.id
            and order.account in traded
            and not self.closable(order.account, order.is_buy)
        ]
        return [self.drop(order, "reduce_only") for order in sorted(stale, key=lambda order: (order.account, order.id))]


def _facts(wish: Wish) -> tuple[int, bool, int]:
    return wish.account, wish.is_buy, wish.total


def _terms(wish: Wish) -> tuple[bool, bool, int, int]:
    return wish.post_only, wish.reduce_only, wish.expires, wish.display
