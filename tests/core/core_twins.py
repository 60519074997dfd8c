"""A venue and the naive book side by side: both hear the same requests, and every answer is compared.

Money is no object here, so margin and fees never decide; those have twins of their own.
"""

from collections import Counter
from typing import Any

import msgspec
from core_venue import USDC, Venue, series_named, standard_venue, wallet
from naive_auction import uncross
from naive_book import FAR, Wish
from naive_quotes import Bounds, Group, Leaf, QuotingBook

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import NO_EXPIRY

LOT = 100
CALL = series_named("62000C")
OWNERS = {1: "ann", 2: "bob", 3: "cid", 4: "ann"}  # ann has two accounts, and may not trade with herself
PRICES = (997, 998, 999, 1_000, 1_005)
GIVES_WAY = {"taker": c.CANCEL_TAKER, "maker": c.CANCEL_MAKER, "both": c.CANCEL_BOTH}
WATCHES = {"": c.UNTRIGGERED, "index": c.INDEX, "last": c.LAST}
LINKS = {"": c.UNLINKED, "oco": c.OCO, "bracket": c.BRACKET}
UNTOLD = (e.BatchSealed, e.Applied, e.Purged, e.TimerFired, e.MassQuoted)
WALLETS = {"ann": wallet(1), "bob": wallet(2), "cid": wallet(3)}


class Twins:
    """A venue and a naive book that hear the same. Every answer is compared, and all they hold ``every`` so often."""

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.seen: Counter[str] = Counter()
        self.venue: Venue = standard_venue(mandates=True)
        for account, owner in OWNERS.items():
            self.venue.observe(c.ObserveAccount, account, WALLETS[owner])
            self.venue.fund(account, 10**9)
        self.naive = QuotingBook(OWNERS)
        self.known: list[int] = []
        self.connections: list[int] = []
        for account, is_buy, total in ((2, True, 6), (3, False, 4), (1, False, 2)):  # somebody holds something
            self.place(Wish(account, is_buy, total, 1_000))

    def auth(self, wish: Wish, parent: int = 0, link: int = c.UNLINKED, **more: Any) -> c.Authorisation:
        watch, above, price = wish.when or ("", False, 0)
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
            terms=c.Terms(
                wish.display * LOT,
                GIVES_WAY[wish.gives_way],
                wish.slide,
                trigger=WATCHES[watch],
                trigger_price=price * USDC,
                trigger_above=above,
                link=link or LINKS[wish.link],
                parent=parent,
                attached=len(wish.others),
            ),
            **more,
        )

    def place(self, wish: Wish) -> None:
        number = self.venue.state.seq + 1
        self._date(wish)
        wish.display = min(wish.display, wish.total)
        self._tie(wish)
        auth = self.auth(wish)
        others = [self.auth(other, auth.nonce + 1, LINKS[wish.link]) for other in wish.others]
        events = self.venue.do(c.Place(auth, session=wish.minder, attached=tuple(map(c.Attached, others))))
        self.compare(events, self.naive.place(number, wish, self.venue.now_s))
        self.known += [number + place * 2**48 for place in range(len(others) + 1)]

    def _tie(self, wish: Wish) -> None:
        """What comes along fits what it comes with."""
        wish.others = wish.others if wish.link else []
        for other in wish.others:
            other.account, other.total, other.others = wish.account, wish.total, []
            other.display = min(other.display, other.total)
            other.when = other.when or ("last", other.is_buy, 1_000)
            if wish.link == "bracket":
                other.is_buy, other.reduce_only = not wish.is_buy, True
            self._date(other)
        if wish.link == "oco":
            del wish.others[1:]
            wish.tif = wish.tif if wish.when else 0
        if not wish.others:
            wish.link = ""

    def fire(self) -> None:
        """Everything that is due enters, one after another."""
        while target := self.naive.next_due(self.venue.now_s):
            number = self.venue.state.seq + 1
            events = self.venue.do(c.Fire(target))
            self.compare(events, self.naive.fire_next(number, self.venue.now_s))

    def move(self, usdc: int) -> None:
        """The index moves."""
        self.venue.wait(1)
        self.venue.round(usdc)
        self.naive.see("index", usdc)
        self.compare((), [])

    def amend(self, pick: int, wish: Wish) -> None:
        target, number = self._some_order(pick), self.venue.state.seq + 1
        self._date(wish)
        order, replaces = self.venue.state.orders.get(target), 1
        if order is not None:  # an amendment keeps account and side, and names what it replaces
            wish.account, wish.is_buy = order.account, order.is_buy
            replaces = self.venue.state.auths[order.auth_id].auth.nonce + 1
            wish.price = wish.price or order.price // USDC
        wish.price, wish.tif, wish.slide = wish.price or 1, 0, False
        wish.display, wish.link, wish.others, more = min(wish.display, wish.total), "", [], {}
        wish.when = (wish.when or ("last", True, 1_005)) if order is not None and order.watch else None
        if order is not None:
            waits, old = order.watch, c.terms_of(self.venue.state.auths[order.auth_id].auth)
            wish.tif, wish.total = (order.tif, order.qty // LOT) if waits else (0, wish.total)
            more = {"link": old.link, "parent": old.parent, "others": old.attached}
        auth = self.auth(wish, more.get("parent", 0), more.get("link", 0), replaces=replaces)
        terms = msgspec.structs.replace(auth.terms, attached=more.get("others", 0))
        events = self.venue.do(c.Amend(target, msgspec.structs.replace(auth, terms=terms), session=wish.minder))
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
            self._tick()

    def _tick(self) -> None:
        view = self.venue.state.view
        assert view is not None
        answers = self.naive.expire(self.venue.now_s)
        if not answers:
            answers = self.naive.followed(
                uncross(self.naive, view.marks[CALL], self.venue.now_s, self.venue.state.seq + 1)
            )
        self.compare(self._steps(c.Tick()), answers)

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
            self.venue.round(self.naive.prices["index"])

    # -- makers -------------------------------------------------------------------------------------------------------

    def quote(self, wish: Wish, name: str, leaves: list[Leaf], budget: Bounds) -> None:
        """A message of quotes: of ``wish`` the account, the time and the connection matter."""
        self._date(wish)
        venue, account = self.venue, wish.account
        nonce = venue.nonces[account] = venue.nonces.get(account, -1) + 1
        until_s = NO_EXPIRY if wish.expires == FAR else wish.expires
        figures = (budget.qty * LOT, budget.delta * LOT // 10_000, 0, budget.count)
        mandate = c.QuoteMandate(account, nonce, until_s, 10_000 * USDC, *figures, WALLETS[OWNERS[account]], b"s" * 65)
        told = tuple(
            c.QuoteLeaf(CALL, is_buy, total * LOT, price * USDC, delta, 5) for is_buy, total, price, delta in leaves
        )
        events = venue.do(c.MassQuote(mandate, told, name, session=wish.minder))
        self.compare(events, self.naive.quote(venue.state.seq, wish, name, leaves, budget, venue.now_s))

    def protect(self, account: int, name: str, group: Group) -> None:
        figures = {"qty": group.bounds.qty * LOT, "delta": group.bounds.delta * LOT // 10_000, "vega": 0}
        spans = {"interval_ns": group.seconds * 10**9, "frozen_ns": group.rests * 10**9}
        events = self.venue.do(
            c.SetProtection(account, name, c.Protection(count=group.bounds.count, **figures, **spans))
        )
        self.compare(events, self.naive.protect(account, name, group, self.venue.now_s))

    def freeze(self, account: int, name: str, is_frozen: bool) -> None:
        events = self.venue.do(c.FreezeQuotes(account, name, is_frozen))
        self.compare(events, self.naive.freeze(account, name, is_frozen))

    def cancel_quotes(self, account: int, name: str) -> None:
        self.compare(self.venue.do(c.CancelQuotes(account, name)), self.naive.cancel_quotes(account, name))

    # -- presence -----------------------------------------------------------------------------------------------------

    def connect(self, switch: int) -> None:
        """A connection that says what becomes of its orders; or does not."""
        self.venue.must(c.OpenSession(WALLETS["bob"]))
        number = self.venue.state.seq
        self.connections.append(number)
        self.naive.connected[number] = ("", "on", "off")[switch]
        if switch:
            self.venue.must(c.SwitchSession(number, switch))

    def be_careful(self, account: int, cancels: bool) -> None:
        self.venue.must(c.SwitchAccount(account, cancels))
        self.naive.careful[account] = cancels

    def say_bye(self, pick: int) -> None:
        for number in list(self.naive.connected)[pick : pick + 1]:
            self.compare(self._whole(c.EndSession(number, keeps=True)), [])
            del self.naive.connected[number]

    def lose(self, pick: int) -> None:
        for number in list(self.naive.connected)[pick : pick + 1]:
            self.compare(self._whole(c.EndSession(number)), self.naive.lose(number))

    def restart(self) -> None:
        self.compare(self._whole(c.EndAllSessions()), self.naive.lose_all())

    def set_timer(self, account: int, seconds: int) -> None:
        now = self.venue.now_s
        self.naive.fire(account, now)
        self.venue.must(c.SetTimer(account, seconds * 1_000))
        self.naive.timers.pop(account, None)
        if seconds:
            self.naive.timers[account] = now + seconds

    def kill(self, reach: str, account: int) -> None:
        command, whom = self._switch(c.PullKill, reach, account)
        self.compare(self._whole(command), self.naive.kill(reach, whom))

    def release(self, reach: str, account: int) -> None:
        command, whom = self._switch(c.ReleaseKill, reach, account)
        if (reach, whom) in self.naive.killed:
            self.venue.must(command)
            self.naive.killed = [switch for switch in self.naive.killed if switch != (reach, whom)]
        else:
            assert self.venue.rejected(command) is e.Reject.KILL_SWITCH_MUST_BE_PULLED

    def _switch(self, kind: Any, reach: str, account: int) -> tuple[Any, object]:
        owner = OWNERS[account]
        by = WALLETS[owner]
        match reach:
            case "account":
                return kind(c.KILL_ACCOUNT, account, b"", by, "test"), account
            case "owner":
                return kind(c.KILL_OWNER, 0, by, by, "test"), owner
            case _:
                return kind(c.KILL_VENUE, 0, b"", b"p" * 20, "test"), 0

    def _whole(self, command: Any) -> tuple[Any, ...]:
        """A command and everything it leaves to records that follow; without the words that only keep count.

        The naive book has nothing half done, so what was doomed before goes before.
        """
        self._tick()
        return self._steps(command)

    def _steps(self, command: Any) -> tuple[Any, ...]:
        events = self.venue.do(command)
        while self.venue.state.purges:
            events += self.venue.must(c.Proceed())
        return events

    def _some_order(self, pick: int) -> int:
        """An open order, the newest first; now and then one that is long gone."""
        alive = [number for number in self.known if number in self.venue.state.orders]
        return alive[-1 - pick % len(alive)] if alive and pick < 7 else self.known[0]

    def _date(self, wish: Wish) -> None:
        """A wish says how long it lives; an order, until when."""
        wish.expires = min(self.venue.now_s + wish.expires, FAR)

    # -- the same? ----------------------------------------------------------------------------------------------------

    def compare(self, events: tuple[Any, ...], answers: list[Any]) -> None:
        assert list(self.venue.state.due) == self.naive.due
        told = [words(event) for event in events if type(event) not in UNTOLD]
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
        case e.Parked():
            return ("parked", event.order_id)
        case e.Triggered():
            return ("triggered", event.order_id)
        case e.Held():
            return ("held", event.order_id, event.qty // LOT)
        case e.Cancelled():
            return ("cancelled", event.order_id, str(event.reason), event.remaining // LOT)
    return words_of_makers(event)


def words_of_makers(event: Any) -> tuple[Any, ...]:
    """The same of quotes."""
    match event:
        case e.Quoted():
            return ("quoted", event.order_id, event.kept)
        case e.QuoteRefused():
            return ("no", event.leaf, str(event.reason))
        case e.ProtectionTriggered():
            return ("tripped", event.account, event.group)
    raise AssertionError(event)
