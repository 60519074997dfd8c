"""Each fault by name: what it does to a market, and that the market goes on after it. One run has them all, in turn."""

import asyncio
from pathlib import Path

import pytest
from e2e_serve import audit
from simulated_run import Run, run

from exchange.core import commands as c
from exchange.core.events import Reject, Rejected, Traded
from exchange.shell.recording import delivery_price
from exchange.simulator.faults import Name
from exchange.simulator.flow import load
from exchange.simulator.run import SETUP_S, START_S
from exchange.simulator.world import World

SECONDS = 520
FAULTS = {
    Name.ORACLE_LIE: (20, 30),
    Name.CHAIN_DOWN: (60, 40),
    Name.MAKERS_GONE: (110, 30),
    Name.ORACLE_STALE: (150, 40),
    Name.DISK_STALL: (200, 20),
    Name.GATEWAY_DROP: (230, 20),
    Name.KILL: (260, 20),
    Name.REORG: (290, 0),
    Name.FLOOD: (300, 5),
    Name.SLOW_CLIENT: (310, 100),
    Name.CRASH: (430, 0),
}
ORDERS = c.Place | c.MassQuote | c.Amend


def asked(name: Name) -> str:
    at_s, for_s = FAULTS[name]
    return f"{name}@{at_s}s" + (f"+{for_s}s" if for_s else "")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("faults"), SECONDS, *map(asked, FAULTS))


def during(market: Run, name: Name, kind: object) -> int:
    """How many records of a kind fall inside a fault."""
    at_s, for_s = FAULTS[name]
    return len(market.between(at_s, at_s + for_s, kind))  # type: ignore[arg-type]


def after(market: Run, name: Name, kind: object, within_s: int = 60) -> int:
    """How many follow within a minute of its end."""
    ended_s = sum(FAULTS[name])
    return len(market.between(ended_s - 0.001, ended_s + within_s, kind))  # type: ignore[arg-type]


def test_every_name_has_its_fault_here(market):
    assert set(FAULTS) == set(Name)
    assert set(market.summary.troubles) == {asked(name) for name in FAULTS}


def test_a_chain_that_is_down_is_not_seen_and_then_caught_up_with(market):
    assert during(market, Name.CHAIN_DOWN, c.ObserveBlock) == 0
    assert during(market, Name.CHAIN_DOWN, ORDERS) > 0  # in sight for as long as rules allow
    caught_up = market.between(100 - 0.001, 101, c.ObserveBlock)
    before = [entry.command.number for entry in market.between(0, 60, c.ObserveBlock)]
    assert caught_up[0].command.number - before[-1] >= 3


def test_a_reorganisation_is_survived_and_everything_settles(market):
    assert "was" in market.summary.troubles[asked(Name.REORG)]
    assert after(market, Name.REORG, c.ObserveBlock) > 0
    assert market.summary.settled_trades == market.summary.trades > 0


def test_a_silent_index_stops_rounds_and_they_come_back(market):
    assert during(market, Name.ORACLE_STALE, c.PostRound) == 0
    assert after(market, Name.ORACLE_STALE, c.PostRound) > 5
    assert market.summary.troubles[asked(Name.ORACLE_STALE)] == "the last round was 45 s old at the end"


def test_one_liar_of_three_moves_the_index_by_less_than_the_clamp_allows(market):
    world = World(1, START_S - SETUP_S, delivery_price(), load())
    at_s, for_s = FAULTS[Name.ORACLE_LIE]
    rounds = [entry.command for entry in market.between(at_s + 1, at_s + for_s, c.PostRound)]
    off = [10_000 * abs(each.spots[0].spot - world.spot(each.time_s)) // world.spot(each.time_s) for each in rounds]
    assert len(rounds) >= 5
    assert 10 <= max(off) <= 17  # a third of half a percent; the lie is twenty percent
    honest = [entry.command for entry in market.between(at_s + for_s + 1, at_s + for_s + 60, c.PostRound)]
    assert max(10_000 * abs(r.spots[0].spot - world.spot(r.time_s)) // world.spot(r.time_s) for r in honest) <= 1


def test_a_crash_is_doubted_once_and_then_followed_and_trading_goes_on(market):
    at_s, _ = FAULTS[Name.CRASH]
    spots = [entry.command.spots[0].spot for entry in market.between(at_s - 6, SECONDS, c.PostRound)]
    assert spots[-1] < spots[0] * 9 // 10
    assert market.between(at_s, at_s + 6, c.PostRound) == []  # the round at which signers doubted what they saw
    assert after(market, Name.CRASH, ORDERS) > 10


def test_makers_that_leave_quote_nothing_and_come_back(market):
    at_s, _ = FAULTS[Name.MAKERS_GONE]
    assert during(market, Name.MAKERS_GONE, c.MassQuote) == 0
    assert len(market.between(at_s - 0.001, at_s + 0.001, c.CancelQuotes)) == 3
    assert during(market, Name.MAKERS_GONE, c.Place) > 0
    assert after(market, Name.MAKERS_GONE, c.MassQuote) > 0


def test_a_disk_that_stalls_makes_nothing_durable_and_loses_nothing(market):
    assert during(market, Name.DISK_STALL, object) == 0
    assert after(market, Name.DISK_STALL, ORDERS, 10) > 0
    assert after(market, Name.DISK_STALL, c.Tick, 10) >= 9


def test_a_dropped_door_ends_sessions_while_the_venue_goes_on(market):
    assert during(market, Name.GATEWAY_DROP, ORDERS) == 0
    at_s, _ = FAULTS[Name.GATEWAY_DROP]
    assert len(market.between(at_s - 0.001, at_s + 0.001, c.EndSession)) >= 3
    assert during(market, Name.GATEWAY_DROP, c.Tick) >= 18
    assert after(market, Name.GATEWAY_DROP, ORDERS) > 0


def test_a_killed_venue_comes_back_from_its_journal(market):
    assert during(market, Name.KILL, object) == 0
    back_s = sum(FAULTS[Name.KILL])
    assert market.between(back_s - 0.001, back_s + 5)[0].command == c.EndAllSessions()
    assert after(market, Name.KILL, ORDERS) > 0


def test_a_slow_reader_and_a_flood_are_dealt_with(market):
    assert market.summary.troubles[asked(Name.SLOW_CLIENT)] == "closed: slow consumer"
    told = market.summary.troubles[asked(Name.FLOOD)].split()
    answered, refused = int(told[0]), int(told[3])
    assert answered + refused == 5_000
    assert refused > 4 * answered


def test_nothing_is_refused_for_a_reason_that_would_be_ours(market):
    """Orders of the simulation are well formed, signed, funded, on the grid and in order."""
    reasons = {
        event.reason
        for entry in market.entries
        for event in entry.events
        if isinstance(event, Rejected) and entry.at_s < FAULTS[Name.CRASH][0]
    }
    assert reasons <= {Reject.ORDER_MUST_BE_OPEN, Reject.POST_ONLY_MUST_NOT_CROSS}


def test_trades_happen_and_the_audits_are_clean(market):
    assert any(isinstance(event, Traded) for entry in market.entries for event in entry.events)
    journal = Path(market.summary.journal)
    verified, checked = (asyncio.run(audit(what, str(journal))) for what in ("verify", "check"))
    assert verified["ok"]
    assert verified["final_digest"]
    assert checked["ok"]
