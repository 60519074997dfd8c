"""Requests for quotes, said twice: the machine and the naive one agree on who trades, and planted mistakes are noticed.

Everybody is rich, so that only the rules of requests decide. After every command both hold the same quotes in the same
requests, the invariants hold, and a restored state holds the same.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from core_rfqs import (
    CALL,
    MAKER,
    MAKERS,
    MARK,
    ONE,
    OTHER,
    TAKER,
    accept,
    accepted,
    ask,
    asking_venue,
    check,
    quote,
    request,
    signed,
    standing,
)
from core_venue import USDC, wallet
from naive_rfq import Fill, NaiveRfqs

from exchange.core import admission, machine, orders, purging, rfq, rfq_accept, rfq_rooms, sweep
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, encode
from exchange.core.invariants import InvariantBroken
from exchange.core.state_types import Order

STEPS = 80
NOTICED = (AssertionError, InvariantBroken, KeyError, AttributeError, ValueError)


class Twins:
    """A venue, and the naive requests that hear the same."""

    def __init__(self, seed: int, every: int = 1) -> None:
        self.every = every
        self.seen: Counter[str] = Counter()
        self.dice = random.Random(seed)
        self.venue, self.naive = asking_venue(100_000_000), NaiveRfqs()
        self.fills = self.refused = 0

    def do(self, command: Any) -> None:
        venue = self.venue
        events = venue.do(command)
        expected = self.naive.do(venue.state.seq, venue.now_s, command)
        filled = [Fill(event.maker_order, event.qty, event.price) for event in events if type(event) is e.Traded]
        refused = type(events[-1]) is e.Rejected
        assert (None if refused else filled) == expected, (command, events, expected)
        self.fills += len(filled)
        self.refused += refused
        if not venue.state.seq % self.every:
            self.look()

    def settle(self) -> None:
        """All that has traded is final, and the oracle has spoken."""
        venue = self.venue
        if venue.state.first_unsealed < venue.state.next_trade:
            venue.must(c.SealBatch())
        for batch_id in list(venue.state.batches):
            venue.observe(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)
        if venue.state.round is not None and venue.state.round.time_s < venue.now_s:
            venue.round(62_000)

    def look(self) -> None:
        """Both hold the same quotes in the same requests, and so does a restored state."""
        venue = self.venue
        for state in (venue.state, decode(encode(venue.state))):
            held = {key: {o.id: o.qty - o.filled for o in quotes.values()} for key, quotes in state.rfq_quotes.items()}
            known = {
                key: {q.id: q.left for q in item.quotes} for key, item in self.naive.requests.items() if item.quotes
            }
            assert held == known
            assert {key: item.request.qty - item.filled for key, item in state.rfqs.items()} == {
                key: item.left for key, item in self.naive.requests.items()
            }
        venue.check()

    def step(self) -> None:
        self.do(self.drawn())
        if self.dice.random() < 0.05:
            self.venue.wait(30)
            self.do(c.Tick())

    def drawn(self) -> Any:
        dice, venue = self.dice, self.venue
        open_rfqs = sorted(venue.state.rfqs)
        if len(open_rfqs) < 2 or dice.random() < 0.03:
            side = dice.choice((c.UNTOLD, c.UNTOLD, c.BUYING, c.SELLING))
            return request(
                venue, 8 * ONE, side=side, step=ONE, minimum=dice.choice((0, ONE, 3 * ONE)), expires_s=venue.now_s + 60
            )
        number = dice.choice(open_rfqs)
        left = rfq.left_of(venue.state.rfqs[number]) // ONE
        qty = dice.choice((left, dice.randrange(1, left + 1), dice.randrange(1, 9))) * ONE
        price = MARK + dice.randrange(-2, 3) * 5 * USDC
        quotes = [order for order in standing(venue, number) if order.account in MAKERS]
        match dice.randrange(12):
            case 0:
                return c.CancelRfqQuotes(dice.choice(MAKERS), dice.choice((0, number)))
            case 1 if dice.random() < 0.3:
                return c.CloseRfq(TAKER, number)
            case 2 | 3 | 4 if quotes:
                order = dice.choice(quotes)
                replaces = venue.state.auths[order.auth_id].auth.nonce + 1
                price = dice.choice((order.price, price))
                whole = dice.random() < 0.3
                auth = signed(venue, order.account, number, order.is_buy, qty, price, replaces=replaces, whole=whole)
                return c.RequoteRfq(order.id, auth)
            case 5 | 6 | 7 | 8 if quotes:
                return self.acceptance(number, qty, price, dice.choice(quotes))
            case _:
                maker, whole = dice.choice(MAKERS), dice.random() < 0.3
                return c.QuoteRfq(signed(venue, maker, number, dice.random() < 0.5, qty, price, whole=whole))

    def acceptance(self, number: int, qty: int, price: int, met: Order) -> c.AcceptRfq:
        """On the other side of some quote, and perhaps of that one only."""
        dice, far = self.dice, MARK + (-50 if met.is_buy else 50) * USDC
        terms = {"is_buy": not met.is_buy, "tif": dice.choice((c.FOK, c.IOC, c.IOC))}
        terms["named"] = met.id if dice.random() < 0.2 else 0
        return accepted(self.venue, number, dice.choice((price, far, far)), qty, **terms)


def random_histories() -> None:
    fills = refused = 0
    for seed in range(12):
        twins = Twins(seed)
        for _ in range(STEPS):
            twins.step()
        check(twins.venue)
        fills, refused = fills + twins.fills, refused + twins.refused
    assert min(fills, refused) > 100, (fills, refused)


def privacy_and_presence() -> None:
    """What the naive one does not ask: who may, what ends with a connection or a switch, and what stays out of books."""
    venue = asking_venue()
    private = ask(venue, makers=(OTHER,))
    assert type(venue.do(c.QuoteRfq(signed(venue, MAKER, private, False, ONE, MARK)))[-1]) is e.Rejected
    venue.must(c.OpenSession(wallet(TAKER)))
    session = venue.state.seq
    venue.must(c.SwitchSession(session, c.SWITCH_ON))
    minded = ask(venue, session=session)
    quote(venue, OTHER, minded, MARK)
    venue.must(c.EndSession(session))
    assert type(accept(venue, minded, MARK)[-1]) is e.Rejected
    venue.must(c.Tick())
    assert (sorted(venue.state.rfqs), venue.state.orders) == ([private], {})
    free = ask(venue)
    offer = quote(venue, OTHER, free, MARK)
    assert type(venue.do(c.Place(signed(venue, MAKER, free, False, ONE, MARK)))[-1]) is e.Rejected
    assert type(venue.place(MAKER, CALL, True, ONE, MARK)[-1]) is e.Rested
    venue.must(c.PullKill(c.KILL_ACCOUNT, TAKER, b"", wallet(TAKER), "test"))
    venue.must(c.ReleaseKill(c.KILL_ACCOUNT, TAKER, b"", wallet(TAKER), "test"))
    assert type(accept(venue, free, MARK)[-1]) is e.Rejected
    venue.must(c.Tick())
    assert offer not in venue.state.orders
    assert venue.state.accounts[OTHER].reserved == 0
    check(venue)


def hard_times() -> None:
    """Quotes that cannot be honoured, at the end of a record that does not fill."""
    venue = asking_venue(100_000)
    number = ask(venue)
    weak = quote(venue, MAKER, number, MARK, 7 * ONE)
    firm = quote(venue, OTHER, number, MARK + 5 * USDC, 5 * ONE)
    venue.observe(c.ObserveWithdrawalRequest, MAKER, 90_000 * USDC)
    assert type(accept(venue, number, MARK + 5 * USDC, 7 * ONE)[-1]) is e.Rejected
    assert [order.id for order in standing(venue, number)] == [firm]
    assert weak not in venue.state.orders
    too_much = venue.auth(OTHER, CALL, False, 6 * ONE, MARK)
    assert type(venue.do(c.Place(too_much))[-1]) is e.Rejected
    venue.must(
        c.Place(
            venue.auth(4, CALL, True, ONE, MARK, terms=c.Terms(trigger=c.LAST, trigger_price=MARK, trigger_above=True))
        )
    )
    assert type(accept(venue, number, MARK + 5 * USDC, 5 * ONE, tif=c.GTC)[-1]) is e.Rejected
    accept(venue, number, MARK + 5 * USDC, 5 * ONE)
    assert not venue.state.due
    check(venue)


PLAY = (random_histories, privacy_and_presence, hard_times)


def play() -> None:
    for part in PLAY:
        part()


@pytest.mark.parametrize("part", PLAY)
def test_an_honest_machine_plays_it(part: Callable[[], None]) -> None:
    part()


def unsorted(state: Any, request: Any, auth: Any, named: int = 0) -> list[Any]:
    return [
        order
        for order in rfq_rooms.quotes_of(state, request.id)
        if order.is_buy != auth.is_buy and named in (0, order.id)
    ]


def latest_first(original: Any) -> Any:
    return lambda state, rfq_id: original(state, rfq_id)[::-1]


def never(*_: Any, **__: Any) -> None:
    return None


MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "quotes are taken as they came, at any price": (rfq_accept, "eligible", unsorted),
    "the later of two goes first": (rfq_rooms, "quotes_of", latest_first(rfq_rooms.quotes_of)),
    "a whole quote fills in part": (rfq_accept, "_in_turn", lambda _, quotes: iter(quotes)),
    "any part is enough for all or nothing": (rfq_accept, "_refuse_outcome", never),
    "what cannot be honoured stays": (rfq_accept, "_dishonoured", lambda _: []),
    "a request that is filled goes on": (rfq_accept, "_ended", lambda *_: []),
    "a quote that is named is not the only one": (rfq_accept, "eligible", lambda *given: ELIGIBLE(*given[:3])),
    "acceptances wait in the book": (rfq_accept, "_refuse_taking", never),
    "nobody asks who was asked": (rfq, "asks", lambda *_: True),
    "steps, sides and minimum do not matter": (rfq, "refuse_fit", never),
    "a maker stacks quotes": (rfq, "_refuse_beside", never),
    "an edit always keeps its place": (rfq, "_keeps_place", lambda *_: True),
    "an edit never keeps its place": (rfq, "_keeps_place", lambda *_: False),
    "requests do not end by time": (rfq, "ending_of", lambda _state, item, _now: item.ended),
    "ticks forget no request": (rfq, "tick", lambda *_: []),
    "quotes outlive their request": (rfq, "ended", lambda _state, item, reason, *_: [e.RfqEnded(item.id, reason)]),
    "a lost connection or a switch ends no request": (purging.rfq_rooms, "end", never),
    "quotes are not remembered where they stand": (rfq_rooms, "enter", never),
    "quotes that left are still there": (rfq_rooms, "leave", never),
    "quotes hold no margin": (orders, "_stand", rfq_rooms.enter),
    "bound orders enter books": (admission, "refuse_bound", never),
    "what two agreed on is the last price": (
        orders,
        "_print",
        lambda state, trade, event, **_: PRINT(state, trade, event, rfq=0),
    ),
    "requests are forgotten too late": (machine.rfq, "evolve_ended", never),
    "a sweep stops after one quote": (sweep.Sweep, "walk", lambda self, makers: WALK(self, iter(list(makers)[:1]))),
}
PRINT, WALK, ELIGIBLE = orders._print, sweep.Sweep.walk, rfq_accept.eligible


@pytest.mark.parametrize("name", list(MUTANTS))
def test_each_mistake_with_requests_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, mistake = MUTANTS[name]
    monkeypatch.setattr(where, what, mistake)
    with pytest.raises(NOTICED):
        play()
