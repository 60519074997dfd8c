"""A venue and the naive book side by side: both hear the same requests, and every answer is compared.

Money is no object here, so margin and fees never decide; those have twins of their own.
"""

from collections import Counter
from typing import Any

from core_venue import USDC, Venue, series_named, standard_venue, wallet
from naive_auction import uncross
from naive_book import FAR, NaiveBook, Wish

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import NO_EXPIRY

LOT = 100
CALL = series_named("62000C")
OWNERS = {1: "ann", 2: "bob", 3: "cid", 4: "ann"}  # ann has two accounts, and may not trade with herself
PRICES = (997, 998, 999, 1_000, 1_005)
GIVES_WAY = {"taker": c.CANCEL_TAKER, "maker": c.CANCEL_MAKER, "both": c.CANCEL_BOTH}
WALLETS = {"ann": wallet(1), "bob": wallet(2), "cid": wallet(3)}


class Twins:
    """A venue and a naive book that hear the same. Every answer is compared, and all they hold ``every`` so often."""

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.seen: Counter[str] = Counter()
        self.venue: Venue = standard_venue()
        for account, owner in OWNERS.items():
            self.venue.observe(c.ObserveAccount, account, WALLETS[owner])
            self.venue.fund(account, 10**9)
        self.naive = NaiveBook(OWNERS)
        self.known: list[int] = []
        for account, is_buy, total in ((2, True, 6), (3, False, 4), (1, False, 2)):  # somebody holds something
            self.place(Wish(account, is_buy, total, 1_000))

    def auth(self, wish: Wish, **more: Any) -> c.Authorisation:
        return self.venue.auth(
            wish.account,
            CALL,
            wish.is_buy,
            wish.total * LOT,
            wish.price * USDC,
            tif=wish.tif,
            post_only=wish.post_only,
            reduce_only=wish.reduce_only,
            expiry_s=NO_EXPIRY if wish.expires == FAR else wish.expires,
            signer=WALLETS[OWNERS[wish.account]],
            terms=c.Terms(wish.display * LOT, GIVES_WAY[wish.gives_way], wish.slide),
            **more,
        )

    def place(self, wish: Wish) -> None:
        number = self.venue.state.seq + 1
        self._date(wish)
        wish.display = min(wish.display, wish.total)
        events = self.venue.do(c.Place(self.auth(wish)))
        self.compare(events, self.naive.place(number, wish, self.venue.now_s))
        self.known.append(number)

    def amend(self, pick: int, wish: Wish) -> None:
        target, number = self._some_order(pick), self.venue.state.seq + 1
        self._date(wish)
        order, replaces = self.venue.state.orders.get(target), 1
        if order is not None:  # an amendment keeps account and side, and names what it replaces
            wish.account, wish.is_buy = order.account, order.is_buy
            replaces = self.venue.state.auths[order.auth_id].auth.nonce + 1
            wish.price = wish.price or order.price // USDC
        wish.price, wish.tif, wish.slide = wish.price or 1, 0, False
        wish.display = min(wish.display, wish.total)
        events = self.venue.do(c.Amend(target, self.auth(wish, replaces=replaces)))
        self.compare(events, self.naive.amend(target, number, wish, self.venue.now_s))

    def cancel(self, pick: int) -> None:
        target = self._some_order(pick)
        order = self.venue.state.orders.get(target)
        self.compare(self.venue.do(c.Cancel(order.account if order else 1, target)), self.naive.cancel(target))

    def cancel_all(self, account: int) -> None:
        self.compare(self.venue.do(c.CancelAll(account)), self.naive.cancel_all(account))

    def wait(self, seconds: int, tick: bool) -> None:
        self.venue.wait(seconds)
        if tick:
            events = self.venue.do(c.Tick())
            view = self.venue.state.view
            assert view is not None
            answers = self.naive.expire(self.venue.now_s) or uncross(self.naive, view.marks[CALL], self.venue.now_s)
            self.compare(events[:-1], answers)

    def call(self, seconds: int) -> None:
        """From now on orders are collected, and trade together after a while."""
        ends_s = self.venue.now_s + seconds
        self.venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, ends_s, 0, "test", "test"))
        self.naive.collects_until = ends_s

    def settle(self) -> None:
        """All that has traded is final on chain, and the oracle has spoken: neither book is to notice."""
        if self.venue.state.first_unsealed < self.venue.state.next_trade:
            self.venue.must(c.SealBatch())
        for batch_id in list(self.venue.state.batches):
            self.venue.observe(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)
        if self.venue.state.round is not None and self.venue.state.round.time_s < self.venue.now_s:
            self.venue.round(62_000)

    def _some_order(self, pick: int) -> int:
        """An open order, the newest first; now and then one that is long gone."""
        alive = [number for number in self.known if number in self.venue.state.orders]
        return alive[-1 - pick % len(alive)] if alive and pick < 7 else self.known[0]

    def _date(self, wish: Wish) -> None:
        """A wish says how long it lives; an order, until when."""
        wish.expires = min(self.venue.now_s + wish.expires, FAR)

    # -- the same? ----------------------------------------------------------------------------------------------------

    def compare(self, events: tuple[Any, ...], answers: list[Any]) -> None:
        told = [words(event) for event in events if type(event) is not e.BatchSealed]
        assert told == answers
        for answer in told:
            self.seen[summary(answer)] += 1
        if not self.venue.state.seq % self.every:
            self.look()

    def look(self) -> None:
        """Invariants hold, and both have the same queues, the same depth and the same positions."""
        self.venue.check()
        for is_buy in (True, False):
            ours = [
                (
                    order.id,
                    order.account,
                    order.price // USDC,
                    (order.qty - order.filled) // LOT,
                    order.filled // LOT,
                    order.hidden // LOT,
                )
                for order in self.venue.state.books[CALL].side(is_buy=is_buy).orders()
            ]
            naive = self.naive.queue(is_buy)
            assert ours == [(o.id, o.account, o.price, o.left, o.filled, o.hidden) for o in naive]
            shown: dict[int, int] = {}
            for o in naive:
                shown[o.price] = shown.get(o.price, 0) + o.left - o.hidden
            depth = self.venue.state.books[CALL].side(is_buy=is_buy).depth(99)
            assert [(price // USDC, total // LOT) for price, total in depth] == list(shown.items())
        held = {key: self.venue.state.accounts[key].positions.get(CALL, 0) // LOT for key in OWNERS}
        assert held == self.naive.positions


def summary(answer: tuple[Any, ...]) -> str:
    """What kind of answer it is, without its numbers."""
    return " ".join(word for word in answer if isinstance(word, str))


def words(event: Any) -> tuple[Any, ...]:
    """An event in the words of the naive book."""
    match event:
        case e.Rejected():
            return ("refused", str(event.reason))
        case e.Accepted():
            return ("accepted",)
        case e.Amended():
            return ("amended", "kept" if event.kept else "moved")
        case e.Traded():
            taker = (event.taker_order,) if event.taker_order else ()
            return ("traded", event.maker_order, event.qty // LOT, event.price // USDC, *taker)
        case e.PhaseChanged():
            return ("phase", event.phase)
        case e.Uncrossed():
            return ("uncrossed", event.price // USDC, event.volume // LOT, event.surplus // LOT)
        case e.Rested():
            return ("rested", event.price // USDC)
        case e.Cancelled():
            return ("cancelled", event.order_id, str(event.reason), event.remaining // LOT)
    raise AssertionError(event)
