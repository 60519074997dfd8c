"""Deltas of a book against the book itself, record by record. # M51"""

import random

from exchange.core import commands as c
from exchange.core.events import Uncrossed
from exchange.dialect.channels import parse_channel
from exchange.publisher import BookDelta, Publisher
from exchange.publisher.publisher import PORTFOLIOS_MAX
from exchange.shell.broadcast import BookFeed

from .conftest import CALL, PUT, key_of

RECORDS = 3_000


def _book(venue, name):
    book = venue.state.books[venue.publisher.listed[name].series]
    return {
        "bids": dict(book.bids.depth(10_000)),
        "asks": dict(book.asks.depth(10_000)),
    }


def _random_command(rng, venue, traders):
    trader = rng.choice(traders)
    own = sorted(venue.state.accounts[trader.account].orders)
    kind = rng.random()
    if own and kind < 0.35:
        return c.Cancel(trader.account, rng.choice(own))
    if kind < 0.37:
        return c.CancelAll(trader.account)
    if kind < 0.39:
        series = venue.publisher.listed[rng.choice((CALL, PUT))].series
        return c.SetPhase(c.SERIES, series, c.AUCTION, venue.time_ns // 10**9, 0, "test", "operator")
    if kind < 0.43:
        return c.Tick()  # which ends auctions
    if own and kind < 0.55:
        return _amend(rng, venue, trader, rng.choice(own))
    return _place(rng, venue, trader)


def _auth(rng, trader, series, is_buy, qty, replaces=0, tif=c.GTC, reduce_only=False):
    price = rng.randrange(470, 490) * 10**6
    nonce = trader.nonces.take(trader.account)
    return c.Authorisation(
        trader.account, series, is_buy, qty, price, 10**9, tif, False, reduce_only, replaces, nonce, 2**32 - 1,
        trader.address, b"s" * 65,
    )  # fmt: skip


def _place(rng, venue, trader):
    series = venue.publisher.listed[rng.choice((CALL, PUT))].series
    tif = rng.choice((c.GTC, c.GTC, c.GTC, c.IOC, c.FOK))
    qty = rng.randrange(1, 20) * 100
    return c.Place(_auth(rng, trader, series, rng.random() < 0.5, qty, tif=tif, reduce_only=rng.random() < 0.1))


def _amend(rng, venue, trader, order_id):
    order = venue.state.orders[order_id]
    nonce = venue.state.auths[order.auth_id].auth.nonce
    qty = order.filled + rng.randrange(1, 20) * 100
    auth = _auth(rng, trader, order.series, order.is_buy, qty, replaces=nonce + 1)
    if rng.random() < 0.3:
        auth = c.Authorisation(*[getattr(auth, name) for name in auth.__struct_fields__[:4]], order.price, *[
            getattr(auth, name) for name in auth.__struct_fields__[5:]
        ])  # fmt: skip
    return c.Amend(order_id, auth)


def test_a_snapshot_and_every_delta_make_the_book(venue, trader):
    rng = random.Random(7)
    traders = [trader(number) for number in (1, 2, 3)]
    feeds, last = {}, {}
    for name in (CALL, PUT):
        snapshot = venue.publisher.watch(venue.state, parse_channel(f"book.{name}.raw"), 0)
        feeds[name] = BookFeed()
        feeds[name].start(snapshot)
        last[name] = snapshot.change_id
    deltas = 0
    for _ in range(RECORDS):
        venue.notes.clear()
        before = {name: _book(venue, name) for name in feeds}
        outcome = venue.do(_random_command(rng, venue, traders))
        for note in venue.notes:
            assert isinstance(note, BookDelta)
            name = venue.publisher.by_series[note.series].name
            assert note.prev_change_id == last[name]
            assert note.change_id == outcome.seq > note.prev_change_id
            _check_verbs(before[name], note)
            feeds[name].hear(note)
            last[name] = note.change_id
            deltas += 1
        for name, feed in feeds.items():
            assert {"bids": feed.bids, "asks": feed.asks} == _book(venue, name)
            assert venue.publisher.change_id(feed_series(venue, name)) == last[name]
    assert deltas > RECORDS // 3
    assert venue.state.next_trade > 100
    assert sum(type(event) is Uncrossed for outcome in venue.outcomes for event in outcome.events) > 5


def feed_series(venue, name):
    return venue.publisher.listed[name].series


def _check_verbs(before, note):
    for side, rows in (("bids", note.bids), ("asks", note.asks)):
        assert len({price for _, price, _ in rows}) == len(rows)
        for verb, price, qty in rows:
            known = before[side].get(price, 0)
            assert qty != known
            assert verb == ("delete" if not qty else "change" if known else "new")


def test_the_order_log_agrees_with_the_state(venue, trader):
    rng = random.Random(8)
    traders = [trader(number) for number in (1, 2, 3)]
    for _ in range(RECORDS):
        venue.do(_random_command(rng, venue, traders))
        log = venue.publisher.orders
        assert list(log.open) == list(venue.state.orders)
        for order_id, tracked in venue.publisher.noted.touched.items():
            if order_id in venue.state.orders:
                assert tracked.order is venue.state.orders[order_id]
                assert tracked.resting_at == tracked.order.price
            else:
                assert log.closed[order_id] is tracked
                filled = tracked.order.filled == tracked.order.qty
                assert filled == (tracked.reason is None)


def test_a_restart_tells_the_same_of_open_orders(venue, trader):
    maker, taker = trader(1), trader(2)
    maker.sell(CALL, 0.5, 500, label="mine")
    taker.buy(CALL, 0.2, 500)
    before = maker.ask("private/get_open_orders")
    fresh = Publisher()
    fresh.rebuild(venue.state)
    venue.publisher = fresh
    again = trader(1)
    after = again.ask("private/get_open_orders")
    assert before[0].pop("average_price") == 500  # what filled before a restart is in the journal, not in the state
    assert after == before
    assert again.ask("public/get_order_book", instrument_name=CALL)["change_id"] == venue.state.seq
    assert again.ask("private/cancel", order_id=before[0]["order_id"])["order_state"] == "cancelled"


def test_nothing_is_made_for_nobody(venue, trader):
    maker, taker = trader(1), trader(2)
    maker.sell(CALL, 0.5, 500)
    taker.buy(CALL, 0.2, 500)
    venue.advance(1)
    venue.round()
    assert venue.notes == []
    assert not venue.publisher.has_marked()
    assert key_of(1) != key_of(2)


def test_portfolios_are_collected_a_few_at_a_time_and_in_turn(venue):
    """Margins of many accounts do not hold up matching, and a busy account does not push in."""
    publisher, state = venue.publisher, venue.state
    accounts = range(1, 2 * PORTFOLIOS_MAX + 2)
    for account in accounts[3:]:
        venue.observe(c.ObserveAccount, account, bytes([account]) * 20)
    for account in accounts:
        publisher.watch(state, parse_channel("user.portfolio.usdc"), account)
    seen = []
    while publisher.has_marked():
        notes = publisher.collect(state)
        assert 0 < len(notes) <= PORTFOLIOS_MAX
        seen += [note.account for note in notes]
        if 1 not in seen[PORTFOLIOS_MAX:]:
            venue.observe(c.ObserveDeposit, 1, 1)
    assert seen == [*accounts, 1]
