"""The table of breakers: every pair of statuses, every order by everyone, and long random histories of both layers."""

import itertools
import random

import pytest

from exchange.core import breakers
from exchange.core.breakers import (
    ALLOWED,
    GOOD_ROUNDS,
    SAFEGUARD_AFTER_S,
    STAGE_MIN_S,
    STATUSES,
    Allowed,
    Breaker,
    Held,
    Layer,
    Moved,
    Status,
    Transition,
    allowed,
    on_condition,
    on_time,
    order,
    refuse,
    safeguards,
    shown,
)
from exchange.core.events import Authority, BreakerCause, Reject
from exchange.core.index import Condition

N, D, R, C, H, S = Status
T0 = 1_800_000_000
FEED_EDGES = {(N, D), (N, H), (D, H), (H, S), (D, N), (H, D), (S, D)}


def at(feed: Status = N, ordered: Status = N) -> Breaker:
    return Breaker(Held(feed, T0), Held(ordered, T0))


def test_only_normal_opens_and_more_trouble_never_opens_more():
    assert [status for status in Status if ALLOWED[status].opens] == [N]
    assert [status for status in Status if ALLOWED[status].reduces] == [N, D, R, S]
    assert [status for status in Status if ALLOWED[status].liquidates] == [N, R, C]


def test_what_is_allowed_is_what_every_layer_allows():
    for feed, ordered, venue_feed, venue_ordered in itertools.product(
        STATUSES[Layer.FEED], STATUSES[Layer.ORDER], repeat=2
    ):
        both = (at(feed, ordered), at(venue_feed, venue_ordered))
        statuses = (feed, ordered, venue_feed, venue_ordered)
        assert shown(*both) == max(statuses)
        for name in Allowed._fields:
            assert getattr(allowed(*both), name) == all(getattr(ALLOWED[status], name) for status in statuses)
        assert safeguards(*both) == (S in statuses)
    assert not allowed(at(D), at(N, C)).liquidates, "the worst status alone would let a degraded feed liquidate"


def test_a_feed_that_worsens_binds_at_once():
    for condition, status in ((Condition.DEGRADED, D), (Condition.HALTED, H)):
        moved = on_condition(at(), condition, T0 + 5)
        assert moved.transition == Transition(Layer.FEED, N, status, BreakerCause.FEED_WORSE, Authority.MACHINE, T0 + 5)
        assert moved.breaker.feed == Held(status, T0 + 5)


def test_a_feed_that_recovers_is_believed_step_by_step():
    told, breaker = [], at(H)
    for second in range(4):
        moved = on_condition(breaker, Condition.NORMAL, T0 + second)
        breaker = moved.breaker
        told.append(moved.transition and moved.transition.after)
    assert told == [D, None, N, None]
    assert GOOD_ROUNDS == 2


def test_one_bad_round_begins_the_count_again():
    breaker, told = at(D), []
    for condition in (Condition.NORMAL, Condition.DEGRADED, Condition.NORMAL, Condition.NORMAL):
        moved = on_condition(breaker, condition, T0)
        breaker = moved.breaker
        told.append(moved.transition and moved.transition.after)
    assert told == [None, None, None, N]


def test_a_halt_of_an_hour_becomes_the_safeguard_and_ends_degraded():
    assert on_condition(at(H), Condition.HALTED, T0 + SAFEGUARD_AFTER_S - 1).transition is None
    moved = on_condition(at(H), Condition.HALTED, T0 + SAFEGUARD_AFTER_S)
    assert moved.transition == Transition(
        Layer.FEED, H, S, BreakerCause.HALT_LASTED, Authority.MACHINE, T0 + SAFEGUARD_AFTER_S
    )
    assert on_condition(moved.breaker, Condition.HALTED, T0 + 10**6).transition is None
    for condition in (Condition.DEGRADED, Condition.NORMAL):
        assert on_condition(moved.breaker, condition, T0 + 10**6).breaker.feed.status == D


@pytest.mark.parametrize("by", Authority)
@pytest.mark.parametrize("ordered", STATUSES[Layer.ORDER])
def test_who_may_order_what(by: Authority, ordered: Status):
    breaker = at(N, ordered)
    for status in Status:
        why = refuse(breaker, status, by, STAGE_MIN_S)
        if status == D or (S in (status, ordered) and by is not Authority.GOVERNANCE):
            assert why is Reject.BREAKER_STATUS_MUST_BE_ORDERED
        elif status == ordered:
            assert why is Reject.BREAKER_MUST_MOVE
        elif status > ordered:
            assert why is None
        else:
            assert (why is None) == (by in (Authority.OPERATOR, Authority.GOVERNANCE))


def test_opening_again_takes_its_stages():
    assert refuse(at(N, H), N, Authority.OPERATOR, STAGE_MIN_S - 1) is Reject.BREAKER_STAGES_MUST_LAST
    assert refuse(at(N, H), C, Authority.OPERATOR, 0) is None
    moved = order(at(N, H), N, BreakerCause.ORDERED, Authority.OPERATOR, T0, 300)
    seen = [(moved.breaker.order.status, T0)]
    breaker = moved.breaker
    for second in range(0, 1_000, 50):
        while (moved := on_time(breaker, T0 + second)).transition is not None:
            breaker = moved.breaker
            seen.append((breaker.order.status, T0 + second))
            assert moved.transition.by is Authority.OPERATOR
            assert moved.transition.cause is BreakerCause.STAGE
    assert seen == [(C, T0), (R, T0 + 300), (N, T0 + 600)]
    assert breaker.stages == ()


def test_a_late_tick_takes_every_stage_and_shows_each():
    breaker = order(at(N, H), N, BreakerCause.ORDERED, Authority.OPERATOR, T0, 300).breaker
    first = on_time(breaker, T0 + 10_000)
    second = on_time(first.breaker, T0 + 10_000)
    assert [moved.transition.after for moved in (first, second) if moved.transition] == [R, N]


def test_tightening_and_standing_still_drop_the_stages_to_come():
    opening = order(at(N, H), N, BreakerCause.ORDERED, Authority.OPERATOR, T0, 300).breaker
    tight = order(opening, H, BreakerCause.ORDERED, Authority.GUARDIAN, T0 + 1)
    assert tight.breaker == Breaker(Held(N, T0), Held(H, T0 + 1))
    still = order(opening, C, BreakerCause.ORDERED, Authority.GUARDIAN, T0 + 1)
    assert still == Moved(opening._replace(stages=()))


def history(seed: int) -> None:
    """Both layers moved by chance. Feeds never lift orders nor orders feeds; each change is one step of the table."""
    dice, breaker, now_s = random.Random(seed), Breaker(), T0
    for _ in range(80):
        now_s += dice.choice((1, 30, 400, 4_000))
        before = breaker
        what = dice.random()
        if what < 0.5:
            moved = on_condition(breaker, dice.choice(tuple(Condition)), now_s)
            assert moved.breaker.order == before.order
            assert moved.breaker.stages == before.stages
        elif what < 0.7:
            moved = on_time(breaker, now_s)
        else:
            status, by, stage_s = dice.choice(tuple(Status)), dice.choice(tuple(Authority)), dice.choice((0, 60, 600))
            if refuse(breaker, status, by, stage_s) is not None:
                continue
            moved = order(breaker, status, BreakerCause.ORDERED, by, now_s, stage_s)
            if by is Authority.GUARDIAN:
                assert moved.breaker.order.status >= before.order.status
        breaker = moved.breaker
        check(before, moved, now_s)


def check(before: Breaker, moved: Moved, now_s: int) -> None:
    after, step = moved.breaker, moved.transition
    if step is None:
        assert (after.feed, after.order) == (before.feed, before.order)
        return
    assert step.time_s == now_s
    held = (before.feed, after.feed) if step.layer is Layer.FEED else (before.order, after.order)
    assert [each.status for each in held] == [step.before, step.after]
    assert step.after != step.before
    if step.layer is Layer.FEED:
        assert (step.before, step.after) in FEED_EDGES
        assert after.order == before.order
    else:
        assert after.feed == before.feed
        steps = STATUSES[Layer.ORDER]
        assert step.after > step.before or steps.index(step.before) - steps.index(step.after) == 1
    assert all(stage.status < after.order.status for stage in after.stages)
    assert allowed(after).opens == (after.feed.status == after.order.status == N)


@pytest.mark.counts(short=400, soak=20_000)
def test_histories_of_both_layers_keep_to_the_table(count: int):
    for seed in range(count):
        history(seed)


HONEST = refuse
MISTAKES = {
    "opening again skips a step": ("STATUSES", {**STATUSES, Layer.ORDER: (N, C, H, S)}),
    "a halted feed is believed at once": ("STATUSES", {**STATUSES, Layer.FEED: (N, H, S)}),
    "the guardian loosens": (
        "refuse",
        lambda breaker, status, _, stage_s: HONEST(breaker, status, Authority.GOVERNANCE, stage_s),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_in_breakers_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch):
    attribute, changed = MISTAKES[name]
    monkeypatch.setattr(breakers, attribute, changed)
    if attribute == "refuse":
        monkeypatch.setitem(globals(), "refuse", changed)
    else:
        monkeypatch.setitem(globals(), "STATUSES", {Layer.FEED: (N, D, H, S), Layer.ORDER: (N, R, C, H, S)})
    with pytest.raises((AssertionError, ValueError)):
        test_histories_of_both_layers_keep_to_the_table(400)
