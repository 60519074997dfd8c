"""The checker as a tool: what it may import, what it says of sound journals and of damaged ones, and its constants."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from planting import CALL, ONE, USDC, Story, encoded

from exchange.core import (
    admission,
    backlog,
    deadlines,
    fees,
    matching,
    phases,
    presence,
    pricing,
    protection,
    purging,
    quoting,
    sweep,
)
from exchange.core.commands import AnyCommand, FeeSchedule, ObserveDeposit, Tick
from exchange.core.events import Applied
from exchange.core.units import WAD
from replay.__main__ import main
from replay.checker import Checker, bounds, check
from replay.checker import fees as fees_again
from replay.checker.clearing import clearing
from replay.checker.facts import Account, Expiry, Order, Series, Underlying
from replay.checker.ladder import Ladder
from replay.checker.ledger import FINDINGS_MAX
from replay.checker.rules import Rule, Taken
from replay.checker.run import ROOMS
from replay.findings import Diverged

ROOT = Path(__file__).parents[2]
WORDS = tuple(f"exchange.core{name}" for name in ("", ".commands", ".events", ".legs", ".parameters", ".units"))


def test_the_golden_journal_follows_from_the_rules():
    report = check(ROOT / "tests/golden/venue.journal")
    assert report.violations == []
    assert report.trades > 400
    assert report.entered + report.amended == report.filled + report.cancelled + report.still_open
    assert set(report.taken) <= set(Taken)


def test_every_kind_of_command_has_its_room():
    assert set(get_args(AnyCommand)) == set(ROOMS)


@pytest.fixture
def quiet(make_sample):
    """A small market in continuous trading."""
    story = Story()
    story.book()
    story.venue.do(story.order("buy", 905, 3 * ONE))
    return make_sample([encoded(record) for record in story.log])


def test_the_verdict_on_the_command_line(quiet, capsys):
    assert main(["check", str(quiet.path)]) == 0
    assert "every outcome follows from the rules" in capsys.readouterr().out
    assert main(["check", str(quiet.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["records"], told["violations"]) == (True, len(quiet.records), [])


def test_damage_is_not_an_outcome(sample, tmp_path, edit, capsys):
    """A journal that is damaged is not checked on: the chain comes first."""
    path, frame = sample.copy(tmp_path), sample.frames[4]
    edit(path, ("DELETE FROM frame WHERE frame_no = ?", (frame.frame_no,)))
    assert main(["check", str(path)]) == 1
    assert "damaged" in capsys.readouterr().err
    with pytest.raises(Diverged):
        check(path)
    assert main(["check", str(tmp_path / "none.journal")]) == 2


def test_the_checker_shares_no_rule_with_the_machine():
    """Whatever it pulls in, of the core it is the words only."""
    script = "import sys, replay.checker; print(*sorted(name for name in sys.modules if name.startswith('exchange.')))"
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(told.stdout.split()) == {*WORDS, "exchange.codec"}


def test_bounds_are_those_of_the_machine():
    assert bounds.OPEN_ORDERS_MAX == matching.OPEN_ORDERS_MAX
    assert bounds.SWEEP_MAX == sweep.SWEEP_MAX
    assert (bounds.SLICES_MAX, bounds.ATTACHED_MAX) == (admission.SLICES_MAX, admission.ATTACHED_MAX)
    assert (bounds.CHANGES_MAX, bounds.CALL_MAX_S) == (phases.CHANGES_MAX, phases.CALL_MAX_S)
    assert (bounds.LEAVES_MAX, bounds.GROUP_MAX, bounds.GROUPS_MAX) == (
        quoting.LEAVES_MAX,
        admission.GROUP_MAX,
        quoting.GROUPS_MAX,
    )
    assert (bounds.MANDATES_MAX, bounds.NAME_MAX) == (quoting.MANDATES_MAX, quoting.NAME_MAX)
    assert (bounds.INTERVAL_MAX_NS, bounds.BOUND_MAX) == (quoting.INTERVAL_MAX_NS, quoting.BOUND_MAX)
    assert (bounds.FILL_MAX, bounds.MOMENTS_MAX) == (admission.FILL_MAX, protection.MOMENTS_MAX)
    assert (bounds.SESSIONS_MAX, bounds.TIMER_MAX_MS) == (presence.SESSIONS_MAX, presence.TIMER_MAX_MS)
    assert (bounds.FIRED_MAX, bounds.PURGED_MAX) == (presence.FIRED_MAX, purging.CANCELS_MAX)
    assert bounds.EXPIRED_MAX == deadlines.CANCELS_MAX
    assert bounds.LINEAGE_MAX == matching.LINEAGE_MAX
    assert (bounds.BLOCK_S, bounds.BATCHES_MIN) == (backlog.BLOCK_S, backlog.BATCHES_MIN)
    assert bounds.BOUNDARIES_KEPT == pricing.BOUNDARIES_KEPT


def test_fees_agree_with_those_of_the_machine():
    """Two texts, one schedule: to the unit, at random and where rates, caps and rebates bind."""
    chance = random.Random(7)
    for _ in range(5_000):
        rate, cap = chance.randrange(0, WAD // 100), chance.choice((0, WAD // 8, WAD))
        schedule = FeeSchedule(rate, chance.randrange(-rate - 5, WAD // 200), cap)
        index, price, qty = chance.randrange(1, 10**12), chance.randrange(1, 10**10), chance.randrange(1, 10**7)
        taker = fees.taker_fee(schedule, index, price, qty)
        assert fees_again.of_taker(schedule, index, price, qty) == taker
        assert fees_again.of_maker(schedule, index, price, qty, taker) == fees.maker_fee(
            schedule, index, price, qty, taker
        )
        assert fees_again.most(price, qty) == fees.fee_allowed(price, qty)


def test_the_price_of_an_auction_is_the_best_of_all_steps():
    """Against trying every step between best offer and best bid, on two sizes of steps."""
    chance = random.Random(11)
    step = Underlying(1, 1, 5, 100)
    for _ in range(2_000):
        bids = sorted(_offers(chance, step), key=lambda offer: -offer[0])
        asks = sorted(_offers(chance, step))
        if bids[0][0] < asks[0][0]:
            continue
        near, tried = chance.randrange(60, 140), []
        for price in range(asks[0][0], bids[0][0] + 1):
            if price % step.tick_at(price) == 0:
                demand = sum(qty for at, qty in bids if at >= price)
                supply = sum(qty for at, qty in asks if at <= price)
                rank = (-min(demand, supply), abs(demand - supply), abs(price - near), price)
                tried.append((rank, (price, min(demand, supply), demand - supply)))
        assert tuple(clearing(bids, asks, step, near)) == min(tried)[1]


def _offers(chance: random.Random, step: Underlying) -> list[tuple[int, int]]:
    prices = [price for price in range(80, 125) if price % step.tick_at(price) == 0]
    return [(chance.choice(prices), chance.randrange(1, 5)) for _ in range(chance.randrange(1, 7))]


def test_a_ladder_is_what_sorting_says():
    """Who is first, against sorting everybody each time; who left does not pile up."""
    chance = random.Random(3)
    nobody, auth = Account(1, b""), Story().venue.auth(1, CALL, False, ONE, USDC)
    series = Series(0, 0, Expiry(0, 0), Underlying(1, 1, 1, 1), None, None)
    ladder, standing = Ladder(1), dict[int, tuple[int, int, Order]]()
    for arrival in range(5_000):
        if standing and chance.random() < 0.5:
            _, _, order = standing.pop(chance.choice(list(standing)))
            ladder.drop(order)
        else:
            order = Order(arrival, nobody, series, auth)
            order.price = chance.randrange(20)
            ladder.add(order, arrival)
            standing[arrival] = (order.price, arrival, order)
        first = ladder.first()
        assert first is (min(standing.values(), key=lambda place: place[:2])[2] if standing else None)
        assert len(ladder.heap) <= 2 * len(standing) + 65
        if arrival % 500 == 0:
            assert [order.id for order in ladder.in_turn()] == [at for _, at, _ in sorted(standing.values())]


def test_findings_are_counted_beyond_what_is_kept():
    checker = Checker()
    for seq in range(1, FINDINGS_MAX + 12):
        checker.take(seq, 0, Tick(), (Applied(),))
    report = checker.finish()
    assert (len(report.violations), report.violations_omitted) == (FINDINGS_MAX, 11)
    assert not report.ok


def test_a_record_that_names_what_is_not_there_is_a_finding():
    """No machine can have taken it; the checker says so and goes on."""
    story = Story()
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    checker.take(story.seq, story.venue.time_ns, ObserveDeposit(checker.ledger.action_id + 1, 99, USDC), (Applied(),))
    assert checker.ledger.violations[0].rule is Rule.EVENTS_MUST_FIT


def test_a_kind_without_rules_is_a_finding():
    checker = Checker()
    checker.take(1, 0, object(), (Applied(),))  # type: ignore[arg-type]
    assert checker.ledger.violations[0].rule is Rule.KIND_MUST_BE_KNOWN


def test_what_never_adds_up_is_said_at_the_end():
    story = Story()
    story.rest(1, "sell", 900, ONE, series=CALL)
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    checker.ledger.totals.entered += 1
    assert [each.rule for each in checker.finish().violations] == [Rule.QUANTITIES_MUST_ADD_UP]


def test_the_checker_remembers_what_is_open_only():
    """Hundreds of orders come and go: nothing of them stays but their nonces."""
    story = Story()
    checker = Checker()
    for _ in range(150):
        for one, other in (("sell", "buy"), ("buy", "sell")):
            story.rest(1, one, 900)
            story.rest(2, one, 900, expiry_s=story.venue.now_s + 60)
            story.venue.do(story.order(other, 900, 2 * ONE))
    for record in story.log:
        checker.take(*record)
    ledger = checker.ledger
    assert not ledger.orders
    assert len(ledger.deadlines) < 130
    assert len(ledger.series[CALL].asks.heap) < 130
    assert len(ledger.unsealed) <= 100
    assert sum(len(account.nonces) for account in ledger.accounts.values()) < 10
