"""Auctions against every price there is, over several records, through crashes and cancels in between.

That both books agree on auctions among everything else is in ``test_book_twin``, what happens when is in
``scenarios/auctions.txt``; here is what takes many orders or a knife.
"""

from typing import Any

import pytest
from core_auctions import MOVES
from core_profiles import effort
from core_quotes import GROUP, MAKER, OTHER, TAKER, ask, bid, protect, quote, quoted, quoting_venue
from core_twins import CALL, LOT, Twins
from core_venue import BTC, USDC, Venue, standard_venue
from core_world import World
from hypothesis import given
from hypothesis import strategies as st
from naive_book import Wish

from exchange import codec
from exchange.core import backlog, equilibrium, orders, phases, uncross
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, digest, encode
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.core.state_types import Underlying

STEPS = Underlying(0, "X", 1, 1, 5, 100)  # a tick of one below a hundred, five from there on
PRICES = [*range(80, 100), *range(100, 131, 5)]
LEVELS = st.lists(st.tuples(st.sampled_from(PRICES), st.integers(1, 5)), max_size=8)


# -- the price --------------------------------------------------------------------------------------------------------


def bid_and_offered(bids: Any, asks: Any, price: int) -> tuple[int, int]:
    return sum(qty for at, qty in bids if at >= price), sum(qty for at, qty in asks if at <= price)


@effort(2_000)
@given(LEVELS, LEVELS, st.integers(70, 140))
def test_no_price_on_the_tick_is_better(bids: Any, asks: Any, reference: int) -> None:
    found = equilibrium.equilibrium(bids, asks, STEPS, reference)
    sums = {price: bid_and_offered(bids, asks, price) for price in PRICES}
    ranks = [(-min(b, a), abs(b - a), abs(price - reference), price) for price, (b, a) in sums.items() if min(b, a)]
    if not ranks:
        assert found is None
        return
    volume, surplus, _, price = min(ranks)
    assert found is not None
    assert (found.price, found.volume, abs(found.surplus)) == (price, -volume, surplus)


def test_a_reference_between_two_ticks_goes_to_the_nearer_and_halfway_to_the_lower():
    steps = Underlying(0, "X", 100, USDC, 5 * USDC, 1_000 * USDC)
    low, high = 990 * USDC, 1_010 * USDC
    for reference, price in ((995_400_000, 995), (995_500_000, 995), (995_500_001, 996), (1_003 * USDC, 1_005)):
        assert equilibrium.nearest(low, high, steps, reference) == price * USDC
    assert equilibrium.nearest(low, high, steps, 5) == low
    assert equilibrium.nearest(low, high, steps, 5_000 * USDC) == high


# -- whole auctions ---------------------------------------------------------------------------------------------------

WISHES = st.builds(
    Wish,
    account=st.sampled_from((1, 2, 3, 4)),
    is_buy=st.booleans(),
    total=st.integers(1, 9),
    price=st.sampled_from((540, 545, 550, 555, 560, 565, 570, 995, 1_000, 1_005)),
    post_only=st.sampled_from((False, False, False, True)),
    slide=st.booleans(),
    reduce_only=st.sampled_from((False, False, False, True)),
    expires=st.sampled_from((2**40, 2**40, 2**40, 30)),
    display=st.sampled_from((0, 0, 2)),
    gives_way=st.sampled_from(("taker", "taker", "maker", "both")),
)


@effort(300)
@given(st.lists(WISHES, min_size=4, max_size=30), st.integers(0, 2**10))
def test_an_auction_is_what_the_obvious_way_makes_of_it(wishes: list[Wish], cancels: int) -> None:
    twins = Twins()
    twins.call(60)
    for place, wish in enumerate(wishes):
        twins.place(wish)
        if cancels >> (place % 10) & 1 and place % 3 == 0:
            twins.cancel(place % 5)
    twins.wait(60, tick=True)
    twins.wait(1, tick=True)  # the first may only have ended orders
    assert CALL not in twins.venue.state.auctions
    twins.venue.check_history()


def rich_venue(people: int) -> Venue:
    venue = standard_venue()
    for account in range(1, people + 1):
        venue.fund(account, 10**8)
    return venue


def call(venue: Venue, seconds: int = 60) -> None:
    venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, venue.now_s + seconds, 0, "test", "operator"))


def crowd(venue: Venue, count: int) -> None:
    """So many orders on both sides around the mark, from ten people on each side."""
    for number in range(count):
        price = (550 + number * 7 % 20) * USDC
        venue.must(c.Place(venue.auth(1 + number % 20, CALL, number % 20 < 10, LOT * (1 + number % 3), price)))


def finish(venue: Venue) -> list[Any]:
    """Tick until nothing moves any more; what happened."""
    told: list[Any] = []
    while True:
        events = venue.must(c.Tick())[:-1]
        told += events
        if not any(type(event) in MOVES for event in events):
            return told


def ready(count: int = 240) -> Venue:
    venue = rich_venue(20)
    call(venue)
    crowd(venue, count)
    venue.wait(60)
    return venue


def trades_in(events: list[Any]) -> list[e.Traded]:
    return [event for event in events if type(event) is e.Traded]


@pytest.mark.parametrize("bound", [1, 2, 7])
def test_over_several_records_the_same_trades_happen_at_the_same_price(monkeypatch, bound):
    whole = trades_in(finish(ready()))
    monkeypatch.setattr(uncross, "SWEEP_MAX", bound)
    venue = ready()
    parts = trades_in(finish(venue))
    assert parts == whole
    assert len(whole) > 20
    assert len({trade.price for trade in whole}) == 1
    assert not venue.state.books[CALL].crossed()
    venue.check_history()


def replayed(venue: Venue, records: int) -> State:
    """The state that a restart finds whose journal ends after so many records."""
    state = State()
    for record in venue.log[:records]:
        command = codec.decode_command(codec.encode_command(record.command))
        assert apply(state, record.seq, record.time_ns, command) == record.events
    return state


@pytest.mark.parametrize("from_snapshot", [False, True])
def test_a_crash_after_any_record_of_an_uncross_loses_nothing(monkeypatch, from_snapshot):
    """The journal is cut after each record; what goes on from there ends where the venue without a crash ended."""
    monkeypatch.setattr(uncross, "SWEEP_MAX", 3)
    venue = ready()
    first = len(venue.log)
    finish(venue)
    assert len(venue.log) > first + 10
    for cut in range(first, len(venue.log)):
        state = replayed(venue, cut)
        if from_snapshot:
            state = decode(encode(state))
        for record in venue.log[cut:]:
            assert apply(state, record.seq, record.time_ns, record.command) == record.events
        assert digest(state) == digest(venue.state)


def test_between_the_records_nothing_enters_and_cancels_take_effect_on_what_is_left(monkeypatch):
    monkeypatch.setattr(uncross, "SWEEP_MAX", 3)
    venue = ready()
    (price,) = [event.price for event in venue.must(c.Tick()) if type(event) is e.Uncrossed]
    assert phases.phase_of(venue.state, CALL) == c.UNCROSSING
    assert venue.rejected(c.Place(venue.auth(1, CALL, True, LOT, price))) is e.Reject.SERIES_MUST_TAKE_ORDERS
    book = venue.state.books[CALL]
    longer = (
        book.bids
        if sum(q for _, q in book.bids.reach(price)) > sum(q for _, q in book.asks.reach(price))
        else book.asks
    )
    order = list(longer.within(price))[1]
    amendment = c.Amend(order.id, venue.amend_auth(order.id, order.qty, order.price))
    assert venue.rejected(amendment) is e.Reject.SERIES_MUST_TAKE_ORDERS
    venue.must(c.Cancel(order.account, order.id))
    rest = trades_in(finish(venue))
    assert {trade.price for trade in rest} == {price}
    assert order.id not in {number for trade in rest for number in (trade.maker_order, trade.taker_order)}
    assert not venue.state.books[CALL].crossed()
    venue.check_history()


def test_a_book_that_cancels_leave_crossed_finds_another_price(monkeypatch):
    """All that was offered at the price is taken back in the middle; what is offered above still meets a bid."""
    monkeypatch.setattr(uncross, "SWEEP_MAX", 1)
    venue = rich_venue(4)
    call(venue)
    for account, price in ((1, 500), (2, 500), (3, 560)):
        venue.place(account, CALL, False, LOT, price * USDC)
    venue.place(4, CALL, True, 2 * LOT, 570 * USDC)
    venue.wait(60)
    (first,) = trades_in(list(venue.must(c.Tick())))
    assert phases.phase_of(venue.state, CALL) == c.UNCROSSING
    resting = next(iter(venue.state.books[CALL].asks.within(500 * USDC)))
    venue.must(c.Cancel(resting.account, resting.id))
    (second,) = trades_in(finish(venue))
    assert first.price < 560 * USDC <= second.price
    assert CALL not in venue.state.auctions
    venue.check_history()


def test_settlement_that_cannot_keep_up_holds_the_uncross_at_its_price(monkeypatch):
    monkeypatch.setattr(backlog, "trades_max", lambda _: 10)
    venue = ready()
    held = trades_in(finish(venue))
    assert len(held) == 10
    assert phases.phase_of(venue.state, CALL) == c.UNCROSSING
    while venue.state.auctions:
        venue.must(c.SealBatch())
        for batch_id in list(venue.state.batches):
            venue.observe(c.ObserveBatch, batch_id, b"t" * 32, 1, 1)
        held += trades_in(finish(venue))
    monkeypatch.undo()
    assert [(t.qty, t.price) for t in held] == [(t.qty, t.price) for t in trades_in(finish(ready()))]


def test_priority_inside_an_auction_is_price_then_time():
    """Whoever filled least on a side stands last: nobody behind got anything before those in front got all."""
    venue = ready()
    before = {o.id: o for side in (venue.state.books[CALL].bids, venue.state.books[CALL].asks) for o in side.orders()}
    queues = [[o.id for o in side.orders()] for side in (venue.state.books[CALL].bids, venue.state.books[CALL].asks)]
    limits = {key: (order.is_buy, order.price, order.qty) for key, order in before.items()}
    filled = dict.fromkeys(before, 0)
    trades = trades_in(finish(venue))
    for trade in trades:
        for number in (trade.maker_order, trade.taker_order):
            filled[number] += trade.qty
            is_buy, limit, _ = limits[number]
            assert trade.price <= limit if is_buy else trade.price >= limit
    for queue in queues:
        shares = [filled[number] * 10**4 // limits[number][2] for number in queue]
        assert shares == sorted(shares, reverse=True)
        assert sum(0 < share < 10**4 for share in shares) <= 1
    buys = sum(filled[number] for number in queues[0])
    assert buys == sum(filled[number] for number in queues[1]) == sum(trade.qty for trade in trades)


def test_an_uncross_settles_on_the_contracts_within_many_batches():
    world = World(batch_trades_max=3)
    series = world.trading()[0]
    world.must(c.SetPhase(c.SERIES, series, c.AUCTION, world.now_s + 30, 0, "test", "operator"))
    for number in range(24):
        world.trade(1 + number % 4, 0, number % 4 < 2, 20 + 7 * (number % 5), 95 + 5 * (number % 3) - 5 * (number % 4))
    world.snapshot()
    world.wait(30)
    while any(type(event) in MOVES for event in world.do(c.Tick())):
        world.check()
    assert len(world.state.trades) > 6
    world.quiesce()


# -- planted bugs -----------------------------------------------------------------------------------------------------


def lowest(low: int, _high: int, _steps: Any, _reference: int) -> int:
    return low


def first_price(bids: Any, asks: Any, _steps: Any, _reference: int) -> Any:
    low, high = min(price for price, _ in asks), max(price for price, _ in bids)
    return equilibrium.Equilibrium(low, 1, 0) if low <= high else None


def play() -> None:
    """An auction in which each rule matters."""
    twins = Twins()
    twins.call(60)
    wishes = (
        Wish(1, True, 3, 570),
        Wish(4, True, 3, 565),
        Wish(2, False, 9, 540, reduce_only=True),
        Wish(3, False, 2, 545, display=1),
        Wish(3, False, 5, 550, display=2),
        Wish(1, True, 4, 562),
        Wish(1, True, 2, 560, expires=60),
        Wish(3, True, 1, 571),
        Wish(2, False, 4, 541, reduce_only=True),
    )
    for wish in wishes:
        twins.place(wish)
    for seconds in (60, 1, 1):
        twins.wait(seconds, tick=True)


def test_the_twins_agree_on_this_auction():
    play()


@pytest.mark.parametrize(
    ("place", "rule", "broken"),
    [
        (equilibrium, "nearest", lowest),
        (uncross, "equilibrium", first_price),
        (uncross, "_age", lambda order: (-order.priority, -order.turn)),
        (uncross._Uncross, "_part_owners", lambda _: None),
        (uncross._Uncross, "_stale", lambda *_: []),
        (
            uncross._Uncross,
            "_offers",
            lambda self, side: [uncross.Offer(o, o.qty - o.filled) for o in self._standing(side)],
        ),
        (phases, "after_uncross", phases.again),
        (orders, "_fill_in_place", orders.shrink),
    ],
    ids=[
        "reference ignored",
        "volume not maximised",
        "who came first takes",
        "owners trade with themselves",
        "reduce-only left behind",
        "reduce-only opens positions",
        "the auction never ends",
        "fills forgotten",
    ],
)
def test_the_twin_notices_a_wrong_auction(monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any) -> None:
    monkeypatch.setattr(place, rule, broken)
    with pytest.raises(AssertionError):
        play()


def volume_unbounded(*_: Any) -> Any:
    return None


@pytest.mark.parametrize(
    ("place", "rule", "broken"),
    [(phases, "band_of", volume_unbounded), (phases, "volatility", volume_unbounded)],
    ids=["no band", "no auction"],
)
def test_a_band_that_is_not_kept_is_noticed(
    monkeypatch: pytest.MonkeyPatch, place: Any, rule: str, broken: Any
) -> None:
    def far_fill(venue: Venue) -> tuple[Any, ...]:
        venue.must(c.SetAuctions(BTC, 0, 60, 0, 10**17, 0, 0, "operator"))
        venue.place(1, CALL, False, LOT, 900 * USDC)
        return tuple(type(event) for event in venue.place(2, CALL, True, LOT, 900 * USDC))

    kinds = (e.Accepted, e.PhaseChanged, e.Rested)
    assert far_fill(rich_venue(2)) == kinds
    monkeypatch.setattr(place, rule, broken)
    assert far_fill(rich_venue(2)) != kinds


def broke_bidders(venue: Venue) -> None:
    """Three who bid more than they have left, and one who has it."""
    call(venue)
    venue.place(5, CALL, False, 4 * 10_000, 400 * USDC)
    for account, price in ((1, 900), (2, 800), (3, 700), (4, 600)):
        venue.place(account, CALL, True, 10_000, price * USDC)
    for account in (1, 2, 3):
        venue.observe(c.ObserveWithdrawalRequest, account, venue.state.accounts[account].cash - 100 * USDC)
    venue.wait(60)


def test_whoever_cannot_bear_the_fills_goes_however_many_passes_that_takes(monkeypatch):
    venues = [rich_venue(5), rich_venue(5)]
    told = []
    for venue, passes in zip(venues, (16, 1), strict=True):
        monkeypatch.setattr(uncross, "PASSES_MAX", passes)
        broke_bidders(venue)
        told.append([*venue.must(c.Tick())[:-1], *finish(venue)])
        assert CALL not in venue.state.auctions
        venue.check_history()
    assert told[0] == told[1]
    assert [event.reason for event in told[0] if type(event) is e.Cancelled] == [e.CancelReason.MARGIN] * 3
    (uncrossed,) = [event for event in told[0] if type(event) is e.Uncrossed]
    assert (uncrossed.volume, uncrossed.surplus) == (10_000, -30_000)
    assert venues[1].state.seq == venues[0].state.seq + 1


# -- quotes -----------------------------------------------------------------------------------------------------------


def auction_of_quotes(**bounds: Any) -> Venue:
    """A maker quotes at two prices in two groups while orders collect; others bid for more than is there."""
    venue = quoting_venue(**bounds)
    protect(venue, MAKER, "back")
    call(venue)
    quoted(venue, ask(CALL, 4, 550), bid(CALL, 4, 500))
    quoted(venue, ask(CALL, 4, 560), group="back")
    for lots in (3, 1, 6):
        venue.must(c.Place(venue.auth(TAKER, CALL, True, lots * LOT, 600 * USDC)))
    return venue


def test_quotes_enter_an_auction_and_only_ever_make():
    venue = auction_of_quotes()
    protect(venue, MAKER, "third")
    refused = quote(venue, ask(CALL, 1, 590), group="third")
    assert [event.reason for event in refused if type(event) is e.QuoteRefused] == [e.Reject.POST_ONLY_MUST_NOT_CROSS]
    venue.wait(60)
    trades = trades_in(finish(venue))
    assert sum(trade.qty for trade in trades) == 8 * LOT
    assert {venue.state.trades[trade.trade_id].maker_account for trade in trades} == {MAKER}
    assert not venue.state.books[CALL].crossed()
    venue.check_history()


def reach_a_bound(**bounds: Any) -> None:
    """Of the quotes of the group in front three lots fill, and of all that is offered seven."""
    venue = auction_of_quotes(**bounds)
    venue.wait(60)
    told = finish(venue)
    (uncrossed,) = [event for event in told if type(event) is e.Uncrossed]
    assert [event.group for event in told if type(event) is e.ProtectionTriggered] == [GROUP]
    front = [
        t
        for t in trades_in(told)
        if venue.state.auths[venue.state.trades[t.trade_id].maker_auth].auth.price == 550 * USDC
    ]
    assert [trade.qty for trade in front] == [3 * LOT]
    assert uncrossed.volume == sum(trade.qty for trade in trades_in(told)) == 7 * LOT
    assert venue.state.accounts[MAKER].quotes.get(GROUP) is None
    assert not venue.state.books[CALL].crossed()
    venue.check_history()


@pytest.mark.parametrize("bounds", [{"qty": 3 * LOT}, {"count": 1}, {"delta": 15_000 * LOT // 10_000}])
def test_a_group_that_reaches_its_bound_in_an_uncross_gives_no_more_and_the_price_knows(bounds: Any):
    reach_a_bound(**bounds)


def test_a_mandate_fills_its_budget_and_no_more_over_several_records(monkeypatch):
    monkeypatch.setattr(uncross, "SWEEP_MAX", 2)
    venue = quoting_venue()
    call(venue)
    quoted(venue, ask(CALL, 9, 550), bid(CALL, 4, 500), qty=5 * LOT)
    for lots in (2, 2, 2, 3):
        venue.must(c.Place(venue.auth(TAKER, CALL, True, lots * LOT, 600 * USDC)))
    venue.wait(60)
    told = finish(venue)
    assert [trade.qty for trade in trades_in(told)] == [2 * LOT, 2 * LOT, 2 * LOT]
    assert sorted(event.reason for event in told if type(event) is e.Cancelled) == [e.CancelReason.QUOTE_BUDGET] * 2
    assert venue.state.accounts[MAKER].quotes == {}
    assert CALL not in venue.state.auctions
    venue.check_history()


def test_bounds_that_trip_one_after_the_other_do_not_stop_the_venue():
    """Each pass trips one group more, so that none of them settles anything: every record still has to move on."""
    venue = quoting_venue()
    call(venue)
    groups = uncross.PASSES_MAX + 4
    for number in range(groups):
        protect(venue, MAKER, f"group {number}", count=1)
        quoted(venue, bid(CALL, groups - number, 800 - 5 * number), group=f"group {number}")
    for _ in range(groups):
        venue.must(c.Place(venue.auth(TAKER, CALL, False, LOT, 100 * USDC)))
    venue.wait(60)
    told = [event for _ in range(groups) for event in venue.must(c.Tick())]
    given_up = [event for event in told if type(event) is e.Cancelled and event.reason is e.CancelReason.SWEEP_BOUND]
    assert 0 < len(given_up) <= 4
    assert sum(trade.qty for trade in trades_in(told)) == (groups - len(given_up)) * LOT
    assert CALL not in venue.state.auctions
    venue.check_history()


def test_a_quote_that_gives_way_to_its_owner_is_not_cancelled_again_by_its_group():
    venue = quoting_venue(count=1)
    call(venue)
    asked, _ = quoted(venue, ask(CALL, 4, 520), bid(CALL, 4, 500))
    venue.must(c.Place(venue.auth(MAKER, CALL, True, LOT, 530 * USDC, terms=c.Terms(self_trade=c.CANCEL_MAKER))))
    venue.must(c.Place(venue.auth(TAKER, CALL, False, 3 * LOT, 400 * USDC)))
    venue.wait(60)
    left = [event for event in finish(venue) if type(event) is e.Cancelled]
    assert [event.reason for event in left if event.order_id == asked] == [e.CancelReason.SELF_TRADE]
    assert e.CancelReason.QUOTE_PROTECTION in [event.reason for event in left]
    assert CALL not in venue.state.auctions
    venue.check_history()


def test_timers_of_somebody_without_orders_do_not_hold_an_auction_up():
    venue = quoting_venue()
    call(venue, 1)
    venue.must(c.Place(venue.auth(TAKER, CALL, True, LOT, 900 * USDC)))
    venue.must(c.Place(venue.auth(OTHER, CALL, False, LOT, 800 * USDC)))
    venue.must(c.SetTimer(MAKER, 1))
    venue.wait(1)
    events = venue.must(c.Tick())
    assert e.TimerFired(MAKER) in events
    assert len(trades_in(list(events))) == 1
    assert CALL not in venue.state.auctions
    venue.check_history()
