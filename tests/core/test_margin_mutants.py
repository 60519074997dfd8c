"""Negative controls: each planted bug of the margin engine breaks a law, or says something else than the plain words."""

from collections.abc import Callable
from typing import Any

import pytest
from margin_laws import (
    LAWS,
    Law,
    a_bought_option_raises_maintenance_by_no_more_than_its_value,
    a_box_has_no_risk,
    a_buffer_never_lowers_it,
    a_short_call_needs_its_loss_in_the_outermost_move,
    initial_is_the_larger_and_neither_is_negative,
    it_is_what_the_plain_words_say,
    nothing_needs_nothing,
    plus,
    ten_times_the_position_needs_ten_times_as_much,
    the_order_of_legs_is_nothing,
    two_together_need_no_more_than_apart,
    what_is_only_bought_needs_no_more_than_it_is_worth,
)
from margin_world import SERIES, Positions, Stage, series_at
from msgspec import structs

from exchange.core import black76
from exchange.core.margin import Kind
from exchange.core.risk_models import buffer, contingencies, grid, lanes, requirement, scan
from exchange.core.units import WAD

SPREAD = {series_at(2, 2, True): -10_000, series_at(2, 3, True): 10_000}
CALENDAR = {series_at(2, 2, True): -10_000, series_at(3, 2, True): 9_000}
STRANGLE = {series_at(1, 1, False): -5_001, series_at(1, 3, True): -3}
RATIO = {series_at(2, 2, True): 10_000, series_at(2, 4, True): -33_333}
CROWD = {series: (at % 5 - 2) * 777 for at, series in enumerate(SERIES)}
SOLD = {series_at(2, 2, True): -10_000, series_at(2, 2, False): -10_000}
FAR = {series_at(2, 5, True): 10_000}
LAST_HOUR = {series_at(1, 3, True): 10_000, series_at(1, 4, True): -10_000}  # no scenario but the least hurts it
KINK = {series_at(1, 3, True): -10_000, series_at(1, 4, True): 30_000}  # worst just where the outermost move ends
# Portfolios that a move of the smile hurts most, and one that forwards moving apart do.
TURNS = {
    series_at(3, 3, False): -10000,
    series_at(2, 0, False): 10000,
    series_at(3, 3, True): -30000,
    series_at(1, 2, True): 10000,
    series_at(3, 5, True): 30000,
}
WIDENS = {
    series_at(1, 2, True): 10000,
    series_at(1, 4, True): 30000,
    series_at(2, 5, False): 20000,
    series_at(2, 1, True): 30000,
    series_at(3, 5, True): -10000,
}
ROLL = {
    series_at(2, 2, True): -10_000,
    series_at(2, 2, False): 10_000,
    series_at(3, 2, True): 10_000,
    series_at(3, 2, False): -10_000,
}
SAMPLES = [
    (TURNS, WIDENS),
    (ROLL, {}),
    (KINK, {}),
    (LAST_HOUR, KINK),
    ({}, FAR),
    (FAR, SPREAD),
    (SPREAD, CALENDAR),
    (CALENDAR, CROWD),
    (STRANGLE, SPREAD),
    (RATIO, STRANGLE),
    (SOLD, CROWD),
]


def breaks(law: Law) -> bool:
    """Whether the engine as it is now breaks a law on the samples."""
    plain = Stage()
    try:
        for stage in (plain, plain.but(conf=WAD // 3), plain.but(stable=WAD * 9 // 10)):
            for x, y in SAMPLES:
                law(stage, x, y)
    except AssertionError:
        return True
    return False


EVERY = [*LAWS, it_is_what_the_plain_words_say]


def test_nothing_is_broken_as_it_stands() -> None:
    assert [law.__name__ for law in EVERY if breaks(law)] == []


# -- planted bugs -----------------------------------------------------------------------------------------------------

TRUE = {
    name: getattr(module, name)
    for module, names in (
        (scan, ("added_up", "_joint_losses", "_group_loss", "_together", "worst_of", "plan_of")),
        (contingencies, ("_standing", "initial", "initial_factor")),
        (buffer, ("widened",)),
        (black76, ("call_delta",)),
        (grid, ("put_mark", "skew_caps", "vol_factors")),
        (lanes, ("pack",)),
    )
    for name in names
}


def gross_naked(arrays: Any, expiry: int, positions: Positions, conf: int) -> scan.Expiry:
    found = TRUE["added_up"](arrays, expiry, positions, conf)
    return found._replace(naked=found.shorts)


def last_leg_forgotten(arrays: Any, expiry: int, positions: Positions, conf: int) -> scan.Expiry:
    return TRUE["added_up"](arrays, expiry, dict(list(positions.items())[:-1]), conf)


def signed_naked(arrays: Any, expiry: int, positions: Positions, conf: int) -> scan.Expiry:
    found = TRUE["added_up"](arrays, expiry, positions, conf)
    return found._replace(naked=-sum(positions.values()))


def unweighted(plan: scan.Plan, market: scan.Market) -> list[tuple[int, int]]:
    full = [cell._replace(scenario=structs.replace(cell.scenario, weight=WAD)) for cell in plan.joint]
    return TRUE["_joint_losses"](plan._replace(joint=tuple(full)), market)


def rounded_down(plan: scan.Plan, market: scan.Market) -> list[tuple[int, int]]:
    return [(number, loss // 10**26 * 10**26) for number, loss in TRUE["_joint_losses"](plan, market)]


def halved(plan: scan.Plan, market: scan.Market) -> list[tuple[int, int]]:
    return [(number, loss // 2) for number, loss in TRUE["_joint_losses"](plan, market)]


def squared(plan: scan.Plan, market: scan.Market) -> list[tuple[int, int]]:
    each = TRUE["_joint_losses"](plan, market)
    return [(number, loss + (loss * loss // 10**36 if loss > 0 else 0)) for number, loss in each]


def nothing_for_naked(plan: scan.Plan, market: scan.Market) -> list[tuple[int, int]]:
    covered = tuple(expiry._replace(naked=0) for expiry in market.expiries)
    return TRUE["_joint_losses"](plan, market._replace(expiries=covered))


def without_groups(model: Any) -> scan.Plan:
    return TRUE["plan_of"](model)._replace(groups=())


def without_tails(model: Any) -> scan.Plan:
    found = TRUE["plan_of"](model)
    return found._replace(joint=tuple(cell for cell in found.joint if cell.scenario.weight == WAD))


def wrong_lane(model: Any) -> scan.Plan:
    found = TRUE["plan_of"](model)
    return found._replace(joint=tuple(cell._replace(lane=max(cell.lane - 1, 0)) for cell in found.joint))


def gains_are_losses(group: Any, gains: Any, expiry: scan.Expiry) -> int:
    mirrored = [cell._replace(scenario=structs.replace(cell.scenario, mirrored=True)) for cell in group]
    return TRUE["_group_loss"](mirrored, gains, expiry)


def groups_offset(group: Any, gains: Any, _expiry: scan.Expiry) -> int:
    return -min(gains.plain[cell.lane] for cell in group)


def heavier_with_time(group: Any, gains: Any, expiry: scan.Expiry) -> int:
    free = [cell._replace(scenario=structs.replace(cell.scenario, weight_max=100 * WAD)) for cell in group]
    return TRUE["_group_loss"](free, gains, expiry)


def only_the_first_expiry(expiries: Any) -> Any:
    return TRUE["_together"](expiries[:1])


def gain_of_worst(plan: scan.Plan, market: scan.Market) -> scan.Worst:
    found = TRUE["worst_of"](plan, market)
    return found._replace(loss=found.loss - 10**30)


def longs_pay(model: Any, market: scan.Market, *rest: Any) -> int:
    everybody = tuple(expiry._replace(shorts=expiry.gross) for expiry in market.expiries)
    return TRUE["initial"](model, market._replace(expiries=everybody), *rest)


def nothing_standing(*_: Any) -> int:
    return 0


def no_peg(model: Any, _stable: int) -> int:
    return model.im_factor


def factors_swapped(model: Any, stable: int) -> int:
    return TRUE["initial_factor"](model, stable) * 7 // 10


def moved_not_joined(model: Any, by: int) -> Any:
    """Widening in place: the narrow moves are gone."""
    wide = TRUE["widened"](model, by)
    ends = (min(item.spot for item in model.scenarios[:27]), max(item.spot for item in model.scenarios[:27]))
    return structs.replace(model, scenarios=tuple(item for item in wide.scenarios if item.spot not in ends))


def unwidened(model: Any, _by: int) -> Any:
    return model


def put_delta(*rest: Any) -> int:
    return TRUE["call_delta"](*rest) - WAD


def parity_the_other_way(call: int, forward: int, strike: int) -> int:
    return max(call + forward - strike, 0)


def parity_off(call: int, forward: int, strike: int) -> int:
    return TRUE["put_mark"](call, forward, strike) + forward * strike // 10**15


def caps_of_turning_for_both(rule: Any, years: int) -> tuple[int, int]:
    slope, _ = TRUE["skew_caps"](rule, years)
    return slope, slope * 2


def vol_moves_swapped(rule: Any, seconds: int) -> tuple[int, int]:
    up, down = TRUE["vol_factors"](rule, seconds)
    return down, up


def cells_backwards(values: Any) -> int:
    return TRUE["pack"](values[:1] + values[:0:-1])


MUTANTS: list[tuple[Any, str, Callable[..., Any]]] = [
    (scan, "added_up", gross_naked),
    (scan, "added_up", last_leg_forgotten),
    (scan, "added_up", signed_naked),
    (scan, "_joint_losses", unweighted),
    (scan, "_joint_losses", rounded_down),
    (scan, "_joint_losses", halved),
    (scan, "_joint_losses", squared),
    (scan, "_joint_losses", nothing_for_naked),
    (requirement, "plan_of", without_groups),
    (requirement, "plan_of", without_tails),
    (requirement, "plan_of", wrong_lane),
    (scan, "_group_loss", gains_are_losses),
    (scan, "_group_loss", groups_offset),
    (scan, "_group_loss", heavier_with_time),
    (scan, "_together", only_the_first_expiry),
    (requirement, "worst_of", gain_of_worst),
    (contingencies, "initial", longs_pay),
    (contingencies, "initial", nothing_standing),
    (contingencies, "maintenance", nothing_standing),
    (contingencies, "initial_factor", no_peg),
    (contingencies, "initial_factor", factors_swapped),
    (buffer, "widened", moved_not_joined),
    (buffer, "widened", unwidened),
    (black76, "call_delta", put_delta),
    (grid, "put_mark", parity_the_other_way),
    (grid, "put_mark", parity_off),
    (grid, "skew_caps", caps_of_turning_for_both),
    (grid, "vol_factors", vol_moves_swapped),
]


@pytest.mark.parametrize(("module", "name", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_bug_of_the_margin_is_caught(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, mutant: Callable[..., Any]
) -> None:
    monkeypatch.setattr(module, name, mutant)
    assert any(breaks(law) for law in EVERY)


@pytest.mark.parametrize(
    ("module", "name", "mutant", "law"),
    [
        (scan, "added_up", last_leg_forgotten, two_together_need_no_more_than_apart),
        (scan, "_joint_losses", squared, ten_times_the_position_needs_ten_times_as_much),
        (scan, "_group_loss", gains_are_losses, what_is_only_bought_needs_no_more_than_it_is_worth),
        (scan, "_group_loss", gains_are_losses, a_bought_option_raises_maintenance_by_no_more_than_its_value),
        (contingencies, "initial_factor", factors_swapped, initial_is_the_larger_and_neither_is_negative),
        (requirement, "worst_of", gain_of_worst, nothing_needs_nothing),
        (grid, "put_mark", parity_off, a_box_has_no_risk),
        (scan, "added_up", last_leg_forgotten, the_order_of_legs_is_nothing),
        (buffer, "widened", moved_not_joined, a_buffer_never_lowers_it),
        (buffer, "widened", unwidened, a_short_call_needs_its_loss_in_the_outermost_move),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_law_catches_a_bug_by_itself(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, mutant: Callable[..., Any], law: Law
) -> None:
    monkeypatch.setattr(module, name, mutant)
    assert breaks(law)


def test_samples_reach_every_kind_of_scenario() -> None:
    """Each part of the model decides the requirement of some sample; else a bug in it would go unseen."""
    stage = Stage()
    plan = scan.plan_of(stage.model)
    worst = {scan.worst_of(plan, stage.market(x)).scenario for pair in SAMPLES for x in (*pair, plus(*pair))}
    groups = {stage.model.scenarios[number].group for number in worst}
    assert groups == {item.group for item in stage.model.scenarios}
    assert len(worst) >= 8
    assert stage.needs(SOLD, Kind.INITIAL) > stage.needs(SPREAD, Kind.INITIAL)
