"""What a state would come to under shocks: the same prices as the machine's, nothing lost, nobody changed."""

import random
from typing import Any

import pytest
from core_venue import USDC, Venue, series_named, standard_venue

from exchange.core import risk
from exchange.core import stress as stressing
from exchange.core.images import digest
from exchange.core.liquidation import LiquidationTerms, Positions, covers, merged, value_of
from exchange.core.margin import Kind
from exchange.core.state import TREASURY, State
from exchange.core.stress import (
    Aftermath,
    Backing,
    Shock,
    appraisal_of,
    entries_of,
    holders_of,
    next_to_fail,
    shocked_view,
    stress,
)
from exchange.core.units import WAD

CENT = WAD // 100
TERMS = LiquidationTerms(10 * CENT, 15 * CENT, 20 * CENT, 5 * USDC)
CALL, PUT = series_named("62000C"), series_named("62000P")
ALONE = Backing(TERMS, 0, {})


@pytest.fixture
def written() -> Venue:
    """Accounts 1 and 2 short, each near its margin; 3 and 4 on the other side; 5 rich and idle."""
    venue = standard_venue()
    for account, cash in ((1, 12_000), (2, 13_000), (3, 40_000), (4, 40_000), (5, 900_000)):
        venue.fund(account, cash)
    venue.place(1, CALL, False, 10_000, 900 * USDC)
    venue.place(3, CALL, True, 10_000, 900 * USDC)
    venue.place(2, PUT, False, 10_000, 900 * USDC)
    venue.place(4, PUT, True, 10_000, 900 * USDC)
    venue.check()
    return venue


def sums(state: State, after: Aftermath, insurance: int) -> None:
    """Cash and positions over everybody, the fund and the keepers included, are what they were."""
    before = holders_of(state)
    keepers = sum(failure.outcome.keeper for failure in after.failures)
    had = sum(holder.cash for holder in before.values()) + insurance
    assert had == sum(holder.cash for holder in after.holders.values()) + after.insurance + keepers
    total: Positions = {}
    for holder in after.holders.values():
        total = merged(total, holder.positions)
    assert total == {}


def test_no_shock_is_the_round_in_force(written: Venue) -> None:
    state = written.state
    view, live = shocked_view(state, Shock()), state.view
    assert live is not None
    for name in ("spots", "forwards", "confs", "marks", "im_units", "mm_units", "stable"):
        assert getattr(view, name) == getattr(live, name), name
    appraisal = appraisal_of(state, view)
    for key, holder in holders_of(state).items():
        needed = risk.requirement_of(state, live, state.accounts[key].positions, Kind.MAINTENANCE)
        assert covers(appraisal, holder, Kind.MAINTENANCE) == (holder.cash >= needed)
    assert stress(state, Shock(), ALONE).failures == ()


@pytest.mark.parametrize(("spot", "account"), [(15, 1), (-15, 2)])
def test_who_is_short_of_what_runs_away_fails(written: Venue, spot: int, account: int) -> None:
    backing = Backing(TERMS, 10**6 * USDC, {5: (5 * CENT, 0)})
    after = stress(written.state, Shock(spot=spot * CENT), backing)
    assert [failure.account for failure in after.failures] == [account]
    (failure,) = after.failures
    assert failure.equity < failure.risk
    assert [transfer.provider for transfer in failure.outcome.exit.transfers] == [5]
    assert after.is_settled
    sums(written.state, after, 10**6 * USDC)


def test_without_a_provider_the_other_side_is_closed(written: Venue) -> None:
    after = stress(written.state, Shock(spot=15 * CENT), ALONE)
    (failure,) = after.failures
    assert {closing.rival for closing in failure.outcome.closed.closings} == {3}
    assert after.is_settled
    sums(written.state, after, 0)


def test_a_large_jump_costs_those_who_gained_by_it(written: Venue) -> None:
    after = stress(written.state, Shock(spot=60 * CENT), ALONE)
    (failure,) = after.failures
    assert failure.equity < 0
    assert list(failure.outcome.losses.socialised) == [3]
    gained = value_of(appraisal_of(written.state, shocked_view(written.state, Shock(spot=60 * CENT))), {CALL: 10_000})
    assert failure.outcome.losses.socialised[3] <= gained - 900 * USDC
    assert after.uncovered == 0
    sums(written.state, after, 0)


def test_losses_are_shared_by_what_was_gained() -> None:
    """Two accounts hold the same calls, one of which paid more for them."""
    venue = standard_venue()
    for account, cash in ((1, 26_000), (3, 40_000), (4, 40_000)):
        venue.fund(account, cash)
    for buyer, price in ((3, 900), (4, 1_900)):
        venue.place(1, CALL, False, 10_000, price * USDC)
        venue.place(buyer, CALL, True, 10_000, price * USDC)
    shock = Shock(spot=60 * CENT)
    after = stress(venue.state, shock, ALONE)
    worth = value_of(appraisal_of(venue.state, shocked_view(venue.state, shock)), {CALL: 10_000})
    losses = after.failures[0].outcome.losses.socialised
    cheap, dear = worth - 900 * USDC, worth - 1_900 * USDC
    assert abs(losses[3] * dear - losses[4] * cheap) <= cheap + dear
    assert losses[3] > losses[4] > 0


def test_vols_and_the_stablecoin_weigh_too(written: Venue) -> None:
    calm, wild = (shocked_view(written.state, Shock(vol=vol * CENT)) for vol in (0, 100))
    assert wild.marks[CALL] > calm.marks[CALL]
    assert wild.mm_units[CALL] > calm.mm_units[CALL]
    off = shocked_view(written.state, Shock(depeg=5 * CENT))
    assert off.im_units[CALL] > calm.im_units[CALL]
    assert off.mm_units == calm.mm_units
    assert shocked_view(written.state, Shock(spot=-2 * WAD)).spots[0] == 1


def test_a_late_oracle_gives_two_waves(written: Venue) -> None:
    backing = Backing(TERMS, 0, {5: (0, 0)})
    late = stress(written.state, Shock(spot=40 * CENT, told=40 * CENT), backing)
    assert [failure.wave for failure in late.failures] == [1, 2]
    assert {failure.account for failure in late.failures} == {1}
    at_once = stress(written.state, Shock(spot=40 * CENT), backing)
    assert [failure.wave for failure in at_once.failures] == [1]
    assert late.holders[5].cash != at_once.holders[5].cash


def test_a_provider_that_took_too_much_fails_in_turn(written: Venue) -> None:
    """Account 4 bears what 1 gives up at the first prices, and not at the next."""
    backing = Backing(TERMS, 0, {4: (0, 0)})
    after = stress(written.state, Shock(spot=150 * CENT, told=12 * CENT), backing)
    assert [failure.account for failure in after.failures][:1] == [1]
    assert 4 in [failure.account for failure in after.failures if failure.wave == 2]
    sums(written.state, after, 0)


def crowd(seed: int) -> Venue:
    """Eight accounts that trade at random, at fair prices."""
    dice, venue = random.Random(seed), standard_venue()
    for account in range(1, 9):
        venue.fund(account, dice.randint(20_000, 90_000))
    for _ in range(60):
        series = dice.choice(list(venue.state.series))
        view = venue.state.view
        assert view is not None
        mark = max(view.marks[series] // (5 * USDC), 2) * 5 * USDC
        first, second = dice.sample(range(1, 9), 2)
        qty = dice.randint(1, 200) * 100
        venue.place(first, series, False, qty, mark)
        venue.place(second, series, True, qty, mark)
    venue.check()
    return venue


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_and_nobody_is_changed(seed: int) -> None:
    venue = crowd(seed)
    state = venue.state
    before, image = digest(state), entries_of(state)
    failed = 0
    for spot in (-60, -20, 20, 60):
        for told in (100, 30):
            for backing in (ALONE, Backing(TERMS, 5_000 * USDC, {1: (5 * CENT, 2), 2: (0, 1)})):
                shock = Shock(spot * CENT, 30 * CENT, 2 * CENT, told * CENT)
                after = stress(state, shock, backing)
                sums(state, after, backing.insurance)
                assert after.is_settled
                last = appraisal_of(state, shocked_view(state, shock._replace(told=WAD)))
                assert next_to_fail(last, after.holders) is None
                failed += len(after.failures)
                waves = [failure.wave for failure in after.failures]
                assert waves == sorted(waves)
    assert failed > 8
    assert (digest(state), entries_of(state)) == (before, image)


def test_the_worst_covered_fails_first() -> None:
    state = crowd(1).state
    after = stress(state, Shock(spot=-60 * CENT), Backing(TERMS, 0, {}))
    assert len(after.failures) > 1
    first = after.failures[0]
    appraisal = appraisal_of(state, shocked_view(state, Shock(spot=-60 * CENT)))
    for holder in holders_of(state).values():
        needed: Any = appraisal.risk(holder.positions, Kind.MAINTENANCE)
        equity = holder.cash + value_of(appraisal, holder.positions)
        if holder.positions and equity < needed:
            assert equity * first.risk >= first.equity * needed - max(needed, first.risk)
    assert TREASURY not in after.holders


def best_first(honest: Any) -> Any:
    def wrong(appraisal: Any, holders: Any) -> Any:
        failing = [h for h in holders.values() if h.positions and not covers(appraisal, h, Kind.MAINTENANCE)]
        return max(failing, key=lambda h: h.cash) if failing else honest(appraisal, holders)

    return wrong


def once(honest: Any) -> Any:
    seen: list[int] = []

    def wrong(appraisal: Any, holders: Any) -> Any:
        found = honest(appraisal, {key: holder for key, holder in holders.items() if key not in seen})
        seen.extend([found.id] if found else [])
        return found

    return wrong


MISTAKES = {
    "those who are nearly safe go first": ("next_to_fail", best_first),
    "nobody fails twice": ("next_to_fail", once),
    "prices do not move": ("_moved", lambda _: lambda value, _share: value),
    "profits are what positions are worth": (
        "_profits",
        lambda _: (
            lambda appraisal, holder, _: {key: value_of(appraisal, {key: qty}) for key, qty in holder.positions.items()}
        ),
    ),
}


def story(venue: Venue) -> None:
    test_a_late_oracle_gives_two_waves(venue)
    test_losses_are_shared_by_what_was_gained()
    test_the_worst_covered_fails_first()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_in_stress_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch, written: Venue) -> None:
    attribute, change = MISTAKES[name]
    monkeypatch.setattr(stressing, attribute, change(getattr(stressing, attribute)))
    with pytest.raises(AssertionError):
        story(written)
