"""Orders that wait, added to the naive book in plain words: for a price, and for what they came with.

Prices are ``index`` and ``last``. Who came with whom is remembered with everything each of them ever filled, and what
may enter of an order is worked out from that anew each time. Shares no code with the exchange.
"""

import copy
from dataclasses import dataclass, field

from naive_book import GTC, Answer, NaiveBook, Resting, Wish, _facts, _terms


@dataclass
class Waiter:
    """An order that waits until a price is at ``price`` or beyond."""

    order: Resting
    wish: Wish
    watch: str
    above: bool
    price: int
    since: int
    held: int = 0
    group: int = 0


@dataclass
class Party:
    """Orders that came together: ``entry`` of a bracket (0: they one-cancel each other), and what each has filled."""

    entry: int
    fills: dict[int, int] = field(default_factory=dict)


ENDS = {
    "post_only_must_not_cross": "post_only",
    "fill_or_kill_must_fill": "immediate_remainder",
}


class WaitingBook(NaiveBook):
    """The naive book with triggers and links."""

    def __init__(self, owners: dict[int, str]) -> None:
        super().__init__(owners)
        self.prices = {"index": 62_000, "last": 0}
        self.waiting: dict[int, Waiter] = {}
        self.due: list[int] = []
        self.parties: dict[int, Party] = {}
        self.party_of: dict[int, int] = {}

    # -- requests -----------------------------------------------------------------------------------------------------

    def place(self, number: int, wish: Wish, now: int) -> list[Answer]:
        self.fire(wish.account, now)
        if self.is_killed(wish.account):
            return [("refused", "kill_switch_must_be_released")]
        if self.collects_until is not None and wish.tif != GTC and not wish.when:
            return [("refused", "tif_must_suit_auction")]
        for asked in (wish, *wish.others):
            if asked.expires <= now:
                return [("refused", "order_must_not_be_expired")]
            if asked.when and self.is_there(asked) and not (asked is not wish and wish.link == "bracket"):
                return [("refused", "trigger_must_lie_ahead")]
            if asked.minder and asked.minder not in self.connected:
                return [("refused", "session_must_be_open")]
        new = len(wish.others) + bool(wish.when)
        had = [waiter for waiter in self.waiting.values() if waiter.order.account == wish.account]
        if new and len(had) + new > 100:
            return [("refused", "triggers_must_fit")]
        before = copy.deepcopy(self.__dict__)
        parked = self.bring_along(number, wish)
        if wish.when:
            self.park(number, wish, number)
            return [("accepted",), ("parked", number), *parked]
        answers = super().place(number, wish, now)
        if answers[0][0] == "refused":
            self.__dict__.update(before)
            return answers
        return [answers[0], *parked, *answers[1:], *self.follow()]

    def bring_along(self, number: int, wish: Wish) -> list[Answer]:
        if wish.others:
            self.parties[number] = Party(number if wish.link == "bracket" else 0)
            self.party_of[number] = number
        answers: list[Answer] = []
        for place, other in enumerate(wish.others, 1):
            self.party_of[number + place * 2**48] = number
            other.minder = wish.minder
            self.park(number + place * 2**48, other, number, other.total if wish.link == "bracket" else 0)
            answers.append(("parked", number + place * 2**48))
        return answers

    def park(self, target: int, wish: Wish, number: int, held: int = 0) -> None:
        order = Resting(target, *_facts(wish), 0, wish.price, (number, 0), *_terms(wish), minder=wish.minder)
        assert wish.when is not None
        self.waiting[target] = Waiter(order, wish, *wish.when, number, held, self.party_of.get(target, 0))

    def amend(self, target: int, number: int, wish: Wish, now: int) -> list[Answer]:
        waiter = self.waiting.get(target)
        if waiter is None:
            return self.followed(super().amend(target, number, wish, now))
        self.fire(wish.account, now)
        if self.is_killed(wish.account):
            return [("refused", "kill_switch_must_be_released")]
        if wish.expires <= now:
            return [("refused", "order_must_not_be_expired")]
        if self.is_there(wish) and not (waiter.group and self.parties[waiter.group].entry not in (0, target)):
            return [("refused", "trigger_must_lie_ahead")]
        if wish.minder and wish.minder not in self.connected:
            return [("refused", "session_must_be_open")]
        if waiter.order.expires <= now or self.fate(waiter.order, now):
            return [("refused", "order_must_be_open")]
        wish.minder = wish.minder or waiter.order.minder
        self.due = [other for other in self.due if other != target]
        self.park(target, wish, number, waiter.held)
        self.look(self.waiting[target])
        return [("amended", "moved"), ("parked", target)]

    def cancel(self, target: int) -> list[Answer]:
        return self.followed(super().cancel(target))

    def everything(self) -> list[Resting]:
        return self.orders + [waiter.order for waiter in self.waiting.values()]

    def cancel_all(self, account: int) -> list[Answer]:
        return self.followed(super().cancel_all(account))

    def expire(self, now: int) -> list[Answer]:
        return self.followed(super().expire(now))

    def lose(self, minder: int) -> list[Answer]:
        return self.followed(super().lose(minder))

    def lose_all(self) -> list[Answer]:
        return self.followed(
            [answer for minder in list(self.connected) for answer in super(WaitingBook, self).lose(minder)]
        )

    def kill(self, reach: str, whom: object) -> list[Answer]:
        return self.followed(super().kill(reach, whom))

    def fire_next(self, number: int, now: int) -> list[Answer]:
        """The first that is due takes the place of those it came with, then enters."""
        target = self.next_due(now)
        waiter, self.now_at = self.waiting[target], (number, 0)
        fate = self.fate(waiter.order, now) or ("expired" if waiter.order.expires <= now else "")
        if fate:
            return self.followed([self.drop(waiter.order, fate)])
        in_the_way = [order for order in self.orders if waiter.group and self.party_of.get(order.id) == waiter.group]
        if in_the_way:
            return self.followed(
                [self.drop(order, "linked") for order in sorted(in_the_way, key=lambda order: order.id)]
            )
        order = waiter.order
        order.total -= waiter.held
        order.place = (number, 0)
        self.forget(target)
        triggered: Answer = ("triggered", target)
        if order.reduce_only and not self.closable(order.account, order.is_buy):
            return self.followed([triggered, ("cancelled", target, "reduce_only", order.left)])
        answers = self.enter(order, waiter.wish, triggered, now)
        if answers[0][0] == "refused":
            answers = [triggered, ("cancelled", target, ENDS[str(answers[0][1])], order.total)]
        return self.followed(answers)

    def next_due(self, now: int) -> int:
        """While orders are collected, only those that may rest enter. Of those held up only the first leaves so when its
        time is over; the others are found by whatever ends them.
        """
        lines: list[tuple[bool, bool]] = []
        for target in self.due:
            waiter = self.waiting[target]
            line = (waiter.wish.tif == GTC, waiter.wish.post_only)
            if line in lines:
                continue
            lines.append(line)
            over = waiter.order.expires <= now or self.fate(waiter.order, now)
            if self.collects_until is None or waiter.wish.tif == GTC or over:
                return target
        return 0

    # -- prices -------------------------------------------------------------------------------------------------------

    def see(self, watch: str, price: int) -> None:
        """A price is there: what waits for it is due, nearest first, then who has waited longer."""
        self.prices[watch] = price
        waiters = [waiter for waiter in self.waiting.values() if waiter.watch == watch]
        for waiter in sorted(
            waiters, key=lambda w: (not w.above, w.price if w.above else -w.price, w.since, w.order.id)
        ):
            self.look(waiter)

    def look(self, waiter: Waiter) -> None:
        target = waiter.order.id
        if self.is_there(waiter.wish) and waiter.held < waiter.order.total and target not in self.due:
            self.due.append(target)

    def is_there(self, wish: Wish) -> bool:
        assert wish.when is not None
        watch, above, price = wish.when
        now = self.prices[watch]
        return now > 0 and (now >= price if above else now <= price)

    # -- links --------------------------------------------------------------------------------------------------------

    def followed(self, answers: list[Answer]) -> list[Answer]:
        return answers if answers[:1] and answers[0][0] == "refused" else answers + self.follow()

    def follow(self) -> list[Answer]:
        """What may enter of each order, from all that has ever filled of those it came with."""
        answers: list[Answer] = []
        for target in sorted(self.waiting, key=lambda target: (self.party_of.get(target, 0), target)):
            waiter = self.waiting[target]
            party = self.parties.get(waiter.group)
            if party is None or target == party.entry:
                continue
            may = min(party.fills.get(party.entry, 0), waiter.order.total) if party.entry else waiter.order.total
            live = max(may - sum(qty for other, qty in party.fills.items() if other not in (target, party.entry)), 0)
            entry_is_there = bool(party.entry) and self.find(party.entry) is not None
            if live == 0 and not entry_is_there:
                answers.append(self.drop(waiter.order, "linked"))
            elif waiter.order.total - live != waiter.held:
                answers.append(("held", target, waiter.order.total - live))
                self.let_go(waiter, waiter.order.total - live)
        return answers

    def let_go(self, waiter: Waiter, held: int) -> None:
        woken = waiter.held == waiter.order.total
        waiter.held = held
        if held == waiter.order.total:
            self.due = [other for other in self.due if other != waiter.order.id]
        elif woken:
            waiter.since = self.now_at[0]
            self.look(waiter)

    # -- what the book does, with those that wait in mind -------------------------------------------------------------

    def enter(self, new: Resting, wish: Wish, admitted: Answer, now: int) -> list[Answer]:
        before = copy.deepcopy({name: getattr(self, name) for name in ("prices", "waiting", "due", "parties")})
        answers = super().enter(new, wish, admitted, now)
        if answers[0][0] == "refused":
            self.__dict__.update(before)
        return answers

    def printed(self, one: Resting, other: Resting, amount: int, price: int) -> None:
        for order in (one, other):
            group = self.party_of.get(order.id)
            if group:
                fills = self.parties[group].fills
                fills[order.id] = fills.get(order.id, 0) + amount
        self.see("last", price)

    def find(self, number: int) -> Resting | None:
        waiter = self.waiting.get(number)
        return waiter.order if waiter is not None else super().find(number)

    def drop(self, order: Resting, reason: str) -> Answer:
        if order.id not in self.waiting:
            return super().drop(order, reason)
        self.forget(order.id)
        return ("cancelled", order.id, reason, order.left)

    def forget(self, target: int) -> None:
        del self.waiting[target]
        self.due = [other for other in self.due if other != target]
