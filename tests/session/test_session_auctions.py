"""What clients see of an auction: phases, what it would do, what they may send, and their fills."""

import pytest

from exchange.core import commands as c
from exchange.core.events import PhaseChanged
from exchange.dialect.channels import Family, parse_channel
from exchange.publisher.notes import Note

from .conftest import CALL, PUT


@pytest.fixture
def auctioned(venue):
    """An auction of one series that ends in a minute."""
    _set(venue, CALL, c.AUCTION, 60)
    return venue


def _set(venue, name, phase, seconds=0):
    ends_s = venue.time_ns // 10**9 + seconds if seconds else 0
    series = venue.publisher.listed[name].series
    venue.must(c.SetPhase(c.SERIES, series, phase, ends_s, 0, "test", "operator"))


def _told(venue):
    return [note.item for note in venue.publisher.collect(venue.state) if isinstance(note, Note)]


def _end(venue):
    venue.advance(60)
    return venue.must(c.Tick())


def test_the_channel_has_a_name_and_a_pace():
    channel = parse_channel(f"auction.{CALL}")
    assert (channel.family, channel.subject, channel.interval) == (Family.AUCTION, CALL, "100ms")
    assert not channel.is_private
    assert parse_channel(f"auction.{CALL}.raw") is None


def test_the_indicative_price_follows_the_orders_and_nothing_is_told_twice(auctioned, trader):
    maker, taker = trader(1), trader(2)
    auctioned.publisher.watch(auctioned.state, parse_channel(f"auction.{CALL}"), 0)
    (first,) = _told(auctioned)
    assert (first["phase"], first["state"]) == ("auction", "open")
    assert "indicative_price" not in first
    maker.sell(CALL, 0.5, 500)
    taker.buy(CALL, 0.2, 520)
    taker.buy(CALL, 0.5, 510)
    (told,) = _told(auctioned)
    assert (told["indicative_price"], told["indicative_amount"], told["surplus"]) == (500, 0.5, 0.2)
    assert told["ends_timestamp"] == auctioned.time_ns // 10**6 + 60_000
    assert told["reference_price"] > 0
    assert _told(auctioned) == []
    _end(auctioned)
    (after,) = _told(auctioned)
    assert after["phase"] == "continuous"
    assert "ends_timestamp" not in after


def test_a_series_that_uncrosses_shows_its_price(auctioned, trader, monkeypatch):
    monkeypatch.setattr("exchange.core.uncross.SWEEP_MAX", 1)
    maker, taker = trader(1), trader(2)
    auctioned.publisher.watch(auctioned.state, parse_channel(f"auction.{CALL}"), 0)
    for _ in range(3):
        maker.sell(CALL, 0.1, 500)
        taker.buy(CALL, 0.1, 500)
    _end(auctioned)
    (told,) = _told(auctioned)
    assert (told["phase"], told["state"], told["price"]) == ("uncrossing", "halted", 500)
    assert maker.ask("public/get_instrument", instrument_name=CALL)["x_phase"] == "uncrossing"
    code, data = taker.refused("private/buy", **taker.order(CALL, 0.1, 500, is_buy=True))
    assert (code, data["reason"]) == (10012, "series_must_take_orders")


def test_both_sides_hear_of_their_fills_and_orders(auctioned, trader):
    maker, taker = trader(1), trader(2)
    first = maker.sell(CALL, 0.3, 500)["order"]["order_id"]
    second = taker.buy(CALL, 0.5, 520)["order"]
    assert second["order_state"] == "open"
    for account in (1, 2):
        auctioned.publisher.watch(auctioned.state, parse_channel(f"user.trades.{CALL}.raw"), account)
        auctioned.publisher.watch(auctioned.state, parse_channel(f"user.orders.{CALL}.raw"), account)
    auctioned.notes.clear()
    _end(auctioned)
    heard = {(note.account, note.stems[0].split(".")[1]): note.item for note in auctioned.notes}
    assert (heard[1, "trades"]["liquidity"], heard[2, "trades"]["liquidity"]) == ("M", "T")
    assert heard[1, "trades"]["price"] == heard[2, "trades"]["price"]
    assert (heard[1, "orders"]["order_id"], heard[1, "orders"]["order_state"]) == (first, "filled")
    assert (heard[2, "orders"]["order_state"], heard[2, "orders"]["filled_amount"]) == ("open", 0.3)


@pytest.mark.usefixtures("auctioned")
def test_what_would_have_to_fill_at_once_is_refused_with_its_reason(trader):
    taker = trader(2)
    for tif in ("immediate_or_cancel", "fill_or_kill"):
        number = {"immediate_or_cancel": c.IOC, "fill_or_kill": c.FOK}[tif]
        order = taker.order(CALL, 0.1, 500, is_buy=True, time_in_force=number)
        code, data = taker.refused("private/buy", **order, time_in_force=tif)
        assert (code, data["reason"]) == (11029, "tif_must_suit_auction")


def test_a_halted_series_says_so_and_gives_orders_back(venue, trader):
    maker = trader(1)
    order_id = maker.sell(CALL, 0.5, 500)["order"]["order_id"]
    _set(venue, CALL, c.HALTED)
    ticker = maker.ask("public/ticker", instrument_name=CALL)
    assert (ticker["state"], ticker["x_phase"]) == ("halted", "halted")
    assert maker.ask("public/ticker", instrument_name=PUT)["x_phase"] == "continuous"
    assert maker.ask("private/cancel", order_id=order_id)["order_state"] == "cancelled"


def test_watchers_of_a_ticker_hear_that_its_phase_has_changed(auctioned):
    auctioned.publisher.watch(auctioned.state, parse_channel(f"ticker.{CALL}.100ms"), 0)
    assert [item["x_phase"] for item in _told(auctioned)] == ["auction"]
    assert any(type(event) is PhaseChanged for event in _end(auctioned).events)
    assert [item["x_phase"] for item in _told(auctioned)] == ["continuous"]
