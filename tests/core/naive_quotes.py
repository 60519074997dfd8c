"""Quotes added to the naive book in plain words: messages, budgets, groups and what trips them.

Every window is added up anew from all that ever filled. Shares no code with the exchange.
"""

import copy
from dataclasses import dataclass, field

from naive_book import FAR, Answer, Resting, Wish
from naive_waiting import WaitingBook

Leaf = tuple[bool, int, int, int]  # is_buy, total, price, delta in 1e-4 of a contract
QUOTE = 1 << 62  # quotes have numbers of their own: of the message, then of the leaf


@dataclass
class Bounds:
    """Lots, net delta in 1e-4 of a contract's lot, and fills; nought is no bound."""

    qty: int = 0
    delta: int = 0
    count: int = 0

    def reached(self, fills: list["Fill"], starts: list[int]) -> bool:
        """Whether these fills are at a bound; a net figure counts from each of the starts on."""
        net = max((abs(sum(fill.delta for fill in fills[start:])) for start in starts), default=0)
        qty = sum(fill.qty for fill in fills)
        return bool(0 < self.qty <= qty or 0 < self.delta <= net or 0 < self.count <= len(fills))


@dataclass
class Fill:
    at: int
    number: int  # of the request
    qty: int
    delta: int


@dataclass
class Group:
    """Quotes that are protected together, with all that ever filled of them."""

    bounds: Bounds
    seconds: int = 10
    rests: int = 0  # seconds that it is frozen; nought is for good
    frozen: int = 0
    fills: list[Fill] = field(default_factory=list)

    def is_full(self, now: int, number: int = 0) -> bool:
        """Whether the window has reached a bound. It is looked at from each moment on, and from this request on."""
        fills = [fill for fill in self.fills if fill.at > now - self.seconds or fill.number == number]
        first = [place for place, fill in enumerate(fills) if fill.number == number]
        before = fills[: first[0]] if first else fills
        starts = [place for place, fill in enumerate(before) if not place or before[place - 1].at < fill.at]
        return self.bounds.reached(fills, starts + first[:1])


@dataclass
class Quote(Resting):
    """A quote in the book."""

    group: str = ""
    message: int = 0
    delta: int = 0


@dataclass
class Message:
    budget: Bounds
    fills: list[Fill] = field(default_factory=list)


class QuotingBook(WaitingBook):
    """The naive book with makers."""

    def __init__(self, owners: dict[int, str]) -> None:
        super().__init__(owners)
        self.groups: dict[tuple[int, str], Group] = {}
        self.messages: dict[int, Message] = {}

    def quotes(self, account: int, group: str) -> list[Quote]:
        """Those of a group in the book, the offer before the bid."""
        found = [order for order in self.orders if isinstance(order, Quote) and order.account == account]
        return sorted((order for order in found if order.group == group), key=lambda order: order.is_buy)

    # -- requests -----------------------------------------------------------------------------------------------------

    def protect(self, account: int, name: str, group: Group, now: int) -> list[Answer]:
        """New bounds; what filled still counts, and so does a freeze."""
        old = self.groups.get((account, name))
        if old is not None:
            group.frozen, group.fills = old.frozen, old.fills
        self.groups[account, name] = group
        return self.trip(account, name, now) if group.is_full(now) else []

    def freeze(self, account: int, name: str, is_frozen: bool) -> list[Answer]:
        group = self.groups[account, name]
        group.frozen = FAR if is_frozen else 0
        if is_frozen:
            return self.leave(self.quotes(account, name), "by_owner")
        group.fills = []
        return []

    def cancel_quotes(self, account: int, name: str) -> list[Answer]:
        return self.leave(self.quotes(account, name), "by_owner")

    def quote(self, number: int, wish: Wish, name: str, leaves: list[Leaf], budget: Bounds, now: int) -> list[Answer]:
        """A message; of ``wish`` the account, the time and the minder matter."""
        self.fire(wish.account, now)
        group = self.groups.get((wish.account, name))
        if self.is_killed(wish.account):
            return [("refused", "kill_switch_must_be_released")]
        if group is None:
            return [("refused", "quote_group_must_exist")]
        if now < group.frozen or group.is_full(now):
            return [("refused", "quotes_must_not_be_frozen")]
        if wish.expires <= now:
            return [("refused", "order_must_not_be_expired")]
        if wish.minder and wish.minder not in self.connected:
            return [("refused", "session_must_be_open")]
        self.messages[number] = Message(budget)
        old = {order.is_buy: order for order in self.quotes(wish.account, name)}
        self.orders = [order for order in self.orders if order not in old.values()]
        answers: list[Answer] = []
        stays: list[bool] = []
        for place, leaf in enumerate(leaves):
            if reason := self.objection(leaf, stays):
                answers.append(("no", place, reason))
                continue
            stays.append(leaf[0])
            answers.append(self.stand(number, place, wish, name, leaf, old.get(leaf[0]), now))
        gone = [old[is_buy] for is_buy in (False, True) if is_buy in old and is_buy not in stays]
        return [("cancelled", order.id, "quote_replaced", order.left) for order in gone] + answers

    def objection(self, leaf: Leaf, stays: list[bool]) -> str:
        """Why a leaf may not stand; those before it do already."""
        if leaf[0] in stays:
            return "quote_must_be_alone_on_its_side"
        across = self.queue(not leaf[0])
        crosses = across and (across[0].price <= leaf[2] if leaf[0] else across[0].price >= leaf[2])
        return "post_only_must_not_cross" if crosses else ""

    def stand(self, number: int, place: int, wish: Wish, name: str, leaf: Leaf, old: Quote | None, now: int) -> Answer:
        is_buy, total, price, delta = leaf
        kept = old is not None and old.expires > now and not self.fate(old, now)
        kept = kept and old is not None and price == old.price and total <= old.left
        own = old.id if old is not None else QUOTE | number << 8 | place
        where = old.place if old is not None and kept else (number, 0)
        new = Quote(own, wish.account, is_buy, total, 0, price, where, True, False, wish.expires)
        new.minder = wish.minder or (old.minder if old is not None else 0)
        new.group, new.message, new.delta = name, number, delta
        self.orders.append(new)
        return ("quoted", own, kept)

    # -- what a fill brings about -------------------------------------------------------------------------------------

    def enter(self, new: Resting, wish: Wish, admitted: Answer, now: int) -> list[Answer]:
        before = copy.deepcopy((self.groups, self.messages))
        answers = super().enter(new, wish, admitted, now)
        if answers[0][0] == "refused":
            self.groups, self.messages = before
        return answers

    def filled(self, maker: Resting, amount: int, now: int) -> list[Answer]:
        """All of the group goes when its window is full; all of the message when its budget is used up."""
        if not isinstance(maker, Quote):
            return []
        group, message = self.groups[maker.account, maker.group], self.messages[maker.message]
        fill = Fill(now, self.now_at[0], amount, maker.delta * (amount if maker.is_buy else -amount))
        group.fills.append(fill)
        message.fills.append(fill)
        if group.is_full(now, self.now_at[0]):
            return self.trip(maker.account, maker.group, now)
        if message.budget.reached(message.fills, [0]):
            mine = [order for order in self.quotes(maker.account, maker.group) if order.message == maker.message]
            return self.leave(mine, "quote_budget")
        return []

    def trip(self, account: int, name: str, now: int) -> list[Answer]:
        group = self.groups[account, name]
        group.frozen = now + group.rests if group.rests else FAR
        return [("tripped", account, name), *self.leave(self.quotes(account, name), "quote_protection")]
