"""The machine and the naive combos hear the same, and agree; no state is crossed or locked through an implied price."""

import random
from collections import Counter
from typing import Any

import pytest
from core_profiles import SOAK, effort
from core_venue import USDC, Venue, series_named, standard_venue, wallet
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from naive_combos import Done, Legs, NaiveMarket, Order, Refused

from exchange.core import budget, combosweep, implied
from exchange.core import commands as c
from exchange.core import events as e

LOT = 100
OWNERS = {1: "ann", 2: "bob", 3: "cid", 4: "ann", 5: "dan"}  # ann has two accounts, and may not trade with herself
LEGS = {"low": series_named("61000C"), "mid": series_named("62000C"), "high": series_named("63000C")}
MIDDLE = {"low": 12, "mid": 8, "high": 5}
COMBOS: dict[str, Legs] = {
    "spread": (("low", 1), ("mid", -1)),
    "ratio": (("low", 1), ("mid", -2)),
    "butterfly": (("low", 1), ("mid", -2), ("high", 1)),
    "strip": (("low", 1), ("high", 1)),
}
BOOKS = (*LEGS, *COMBOS)
PER_VENUE = 400
TIFS = {"gtc": c.GTC, "ioc": c.IOC, "fok": c.FOK}


class Twins:
    """A venue with much money and the naive market."""

    def __init__(self) -> None:
        self.venue: Venue = standard_venue(combos=True)
        for account, owner in OWNERS.items():
            signer = wallet(min(key for key, name in OWNERS.items() if name == owner))
            self.venue.observe(c.ObserveAccount, account, signer)
            self.venue.fund(account, 10**9)
        self.numbers = dict(LEGS)
        for name, legs in COMBOS.items():
            self.numbers[name] = self.venue.list_combo(*((LEGS[leg], ratio) for leg, ratio in legs))
        self.naive = NaiveMarket(OWNERS, COMBOS)
        self.seen: Counter[str] = Counter()

    def place(self, account: int, book: str, is_buy: bool, lots: int, price: int, tif: str, post_only: bool) -> None:
        if book in LEGS:
            price = max(price, 1)
        elif all(ratio > 0 for _, ratio in COMBOS[book]):
            price = max(price, 0)
        owner = min(key for key, name in OWNERS.items() if name == OWNERS[account])
        terms = {"tif": TIFS[tif], "post_only": post_only, "signer": wallet(owner), "max_fee": 10**12}
        auth = self.venue.auth(account, self.numbers[book], is_buy, lots * LOT, price * USDC, **terms)
        events = self.venue.do(c.Place(auth))
        done: Done | str
        try:
            done = self.naive.place(Order(self.venue.state.seq, account, book, is_buy, lots, price, post_only), tif)
        except Refused as refused:
            done = str(refused)
        if isinstance(done, Done):
            self.compare(events, done)
        else:
            assert [event.reason for event in events if type(event) is e.Rejected] == [done]
            self.seen["refused"] += 1

    def cancel(self, pick: int) -> None:
        if self.naive.orders:
            order = self.naive.orders[pick % len(self.naive.orders)]
            self.compare(self.venue.must(c.Cancel(order.account, order.id)), self.naive.cancel(order.id))

    def compare(self, events: tuple[Any, ...], done: Done) -> None:
        """Who filled how much, what combos paid, who ended; what stands and who holds what."""
        assert self.told(events) == done
        state = self.venue.state
        for name in BOOKS:
            for is_buy in (True, False):
                ours = [
                    (order.id, (order.qty - order.filled) // LOT, order.price // USDC)
                    for order in state.books[self.numbers[name]].side(is_buy=is_buy).orders()
                ]
                assert ours == [(order.id, order.left, order.price) for order in self.naive.queue(name, is_buy)]
        held = {key: lots for key, lots in self.naive.held.items() if lots}
        assert held == {
            (account, name): state.accounts[account].positions[series] // LOT
            for account in OWNERS
            for name, series in LEGS.items()
            if series in state.accounts[account].positions
        }

    def told(self, events: tuple[Any, ...]) -> Done:
        done, value, command = Done(), 0, self.venue.log[-1].command
        for event in events:
            if type(event) is e.Cancelled:
                done.ended[event.order_id] = str(event.reason)
                self.seen[str(event.reason)] += 1
            elif type(event) is e.Reached:
                self.seen["reached"] += 1
            elif type(event) is e.Traded:
                taker = event.taker_order or self.venue.state.seq
                maker, price, lots = event.maker_order, event.price, event.qty // LOT
                if not event.group:
                    done.paid[taker] = done.paid.get(taker, 0) + price * lots // USDC
                    self.add(done, (maker, lots), (taker, lots))
                    continue
                combo = self.combo_of(taker, command)
                series = event.leg or self.series_of(maker, command)
                value += price * lots * (1 if dict(combo)[series] > 0 else -1)
                self.add(done, *(() if event.leg else ((maker, lots),)))
                if event.units:
                    self.seen["own book" if event.leg else "through legs"] += 1
                    self.add(done, (taker, event.units // LOT), *(((maker, event.units // LOT),) if event.leg else ()))
                    done.paid[taker] = done.paid.get(taker, 0) + round(value) // USDC
                    value = 0
        return done

    def add(self, done: Done, *fills: tuple[int, int]) -> None:
        for order_id, lots in fills:
            done.filled[order_id] = done.filled.get(order_id, 0) + lots

    def series_of(self, order_id: int, command: Any) -> int:
        """The series of an order, gone or not: an id is the number of the record that brought it."""
        del command
        return int(self.venue.log[order_id - 1].command.auth.series)

    def combo_of(self, order_id: int, command: Any) -> tuple[tuple[int, int], ...]:
        legs = self.venue.state.combos[self.series_of(order_id, command)].legs
        return tuple((leg.series, leg.ratio) for leg in legs)

    def settle(self) -> None:
        """All that has traded is final."""
        if self.venue.state.first_unsealed < self.venue.state.next_trade:
            self.venue.must(c.SealBatch())
        for batch_id in list(self.venue.state.batches):
            self.venue.observe(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)


def worth(book: str) -> int:
    """About what it is worth."""
    return sum(ratio * MIDDLE[leg] for leg, ratio in COMBOS.get(book, ((book, 1),)))


def ask(twins: Twins, draw: Any) -> None:
    """One request of any kind."""
    if draw(6) == 0:
        twins.cancel(draw(40))
        return
    book = BOOKS[draw(len(BOOKS))]
    tif = ("gtc", "gtc", "gtc", "gtc", "ioc", "fok")[draw(6)]
    price = worth(book) + draw(7) - 3
    twins.place(1 + draw(5), book, draw(2) == 0, 1 + draw(6), price, tif, post_only=tif == "gtc" and draw(6) == 0)


SEEN = {"refused", "self_trade", "immediate_remainder", "by_owner", "reached", "own book", "through legs", "post_only"}


@pytest.mark.counts(short=2_400, soak=1_000_000)
def test_the_machine_and_the_naive_combos_agree(count: int) -> None:
    seen: Counter[str] = Counter()
    for venue in range(-(-count // PER_VENUE)):
        chance, twins = random.Random(venue), Twins()
        for turn in range(PER_VENUE):
            ask(twins, chance.randrange)
            if not turn % 20:
                twins.settle()
        twins.venue.check()
        seen.update(twins.seen)
    assert seen.keys() >= SEEN, sorted(SEEN - seen.keys())


# -- never crossed or locked through an implied price -----------------------------------------------------------------


class Implied(RuleBasedStateMachine):
    """Requests of any kind; after each, every combo is held against what its legs' books would make of one lot."""

    def __init__(self) -> None:
        super().__init__()
        self.twins = Twins()

    @rule(data=st.data())
    def asks(self, data: st.DataObject) -> None:
        ask(self.twins, lambda bound: data.draw(st.integers(0, bound - 1)))

    @rule(pick=st.integers(0, 2), back=st.booleans())
    def halts(self, pick: int, back: bool) -> None:
        """A leg stops, orders stand across each other by what it implies, and it trades again."""
        venue, leg = self.twins.venue, list(LEGS.values())[pick]
        venue.must(c.SetPhase(c.SERIES, leg, c.HALTED, 0, 0, "test", "test"))
        if back:
            self.twins.settle()
        venue.must(c.SetPhase(c.SERIES, leg, c.CONTINUOUS, 0, 0, "test", "test"))

    @invariant()
    def nobody_is_passed_over(self) -> None:
        state, twins = self.twins.venue.state, self.twins
        assert not state.deferred
        for name, legs in COMBOS.items():
            book = state.books[twins.numbers[name]]
            for is_buy, best in ((True, book.bids.best()), (False, book.asks.best())):
                price = self.implied(legs, is_buy)
                if best is not None and price is not None:
                    assert best < price if is_buy else best > price, (name, is_buy, best, price)

    def implied(self, legs: Legs, is_buy: bool) -> int | None:
        """The price of one lot from the levels of the legs, whoever stands there; None where too many would have to."""
        state, total, orders = self.twins.venue.state, 0, 0
        for name, ratio in legs:
            wanted = abs(ratio)
            for order in state.books[LEGS[name]].side(is_buy=is_buy != (ratio > 0)).orders():
                lots = min(wanted, (order.qty - order.filled) // LOT)
                orders += lots > 0
                total += order.price * lots * (1 if ratio > 0 else -1)
                wanted -= lots
            if wanted:
                return None
        return total if orders <= 4 else None  # four orders are of four accounts at most


def test_no_state_is_crossed_or_locked_through_an_implied_price() -> None:
    short = settings(effort(30, steps=60), phases=[Phase.explicit, Phase.generate])
    run_state_machine_as_test(Implied, settings=effort(300, steps=100) if SOAK else short)


# -- planted mistakes -------------------------------------------------------------------------------------------------

MISTAKES: tuple[tuple[str, Any, str, Any], ...] = (
    ("the book comes before better legs", combosweep.ComboSweep, "_is_behind", lambda *_: True),
    ("legs come before a book that is as good", combosweep.ComboSweep, "_is_behind", lambda *_: False),
    ("whoever is reached stands still", implied, "reached", lambda *_, **__: None),
    ("the last to come goes first", implied, "min", max),
    ("a lot has one maker in each leg", budget, "GROUP_TRADES_MAX", 2),
    ("oneself is met as a stranger", combosweep.ComboSweep, "_unfit", lambda *_: False),
)


@pytest.mark.parametrize(("target", "name", "mistake"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_a_mistake_is_noticed(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, mistake: Any) -> None:
    monkeypatch.setattr(target, name, mistake, raising=False)
    with pytest.raises(AssertionError):
        test_the_machine_and_the_naive_combos_agree(2_400)
