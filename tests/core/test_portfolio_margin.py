"""Accounts under PORTFOLIO in the machine: rounds with arrays, the better of both models, and nothing the contracts refuse."""

import random

import msgspec
import pytest
from core_contract import Contract, Owned, Refused
from core_venue import BTC, USDC
from core_world import TRADERS, World

from exchange.core import budget, models, portfolio_margin, risk
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.margin import Kind
from exchange.core.parameters import PORTFOLIO_MARGIN, STANDARD_MARGIN
from exchange.core.pricing import root_of

SELLER = 3


class Counted(Contract):
    """Counts batches that settled by arrays alone."""

    by_arrays = 0

    def better(self, account: Owned, round_: c.PostRound, now_s: int, enough: int = 0) -> int:
        found = super().better(account, round_, now_s, enough)
        self.by_arrays += self.margin(account, round_) < 0 <= found
        return found


def world_of(model: int) -> World:
    """Everybody has chosen, and it binds."""
    world = World()
    world.chain.__class__ = Counted
    for account in TRADERS:
        world.choose_model(account, model)
    world.pass_time(2_000)  # a window, and as long until a block of then is seen
    world.finalise(len(world.unseen))
    world.oracle_speaks()
    return world


def many_histories() -> None:
    for seed in range(40):
        busy(world_of(PORTFOLIO_MARGIN), seed)


def busy(world: World, seed: int, steps: int = 120) -> None:
    """Sells both sides more often than not, changes its mind, and lets prices move; every batch lands."""
    draw = random.Random(seed)
    for _ in range(steps):
        account = draw.choice(TRADERS)
        match draw.randrange(12):
            case 0:
                world.choose_model(account, draw.randrange(2))
            case 1:
                world.move_spot(draw.randrange(-25, 26))
                world.pass_time(draw.choice((20, 200, 900)))
                world.oracle_speaks()
            case 2:
                world.seal(False)
                world.land()
            case 3:
                world.pass_time(draw.choice((10, 400)))
            case _:
                pick, lots = draw.randrange(12), draw.choice((10, 50, 100))
                other = draw.choice([key for key in TRADERS if key != account])
                world.trade(other, pick, True, lots, 101)
                world.trade(account, pick, False, lots, 99, tif=c.IOC)
    world.seal(False)
    while world.jobs():
        world.land()
    world.check()


def test_what_is_taken_under_portfolio_settles():
    settled = 0
    for seed in range(6):
        world = world_of(PORTFOLIO_MARGIN)
        busy(world, seed)
        settled += world.chain.by_arrays
    assert settled > 10


def only_the_new_one(_state, account):
    return (account.choice.chosen,)


def never_portfolio(_state, _account):
    return (STANDARD_MARGIN,)


@pytest.mark.parametrize("mistake", [only_the_new_one, never_portfolio])
def test_a_machine_with_a_mistake_about_models_is_refused_by_the_contract(monkeypatch, mistake):
    monkeypatch.setattr(models, "models_of", mistake)
    with pytest.raises(Refused, match=r"account_margin|arrays_missing"):
        many_histories()


def test_a_machine_that_forgets_that_a_round_has_no_arrays_is_refused(monkeypatch):
    true_needed = portfolio_margin.needed

    def with_any(state, view, positions, kind):
        return true_needed(state, view, positions, kind) if view.arrays else 0

    def judged(state, account, before, after, words_max):
        return 0 if risk.view_now(state).arrays is None else true_judged(state, account, before, after, words_max)

    true_judged = risk._judged
    monkeypatch.setattr(portfolio_margin, "needed", with_any)
    monkeypatch.setattr(risk, "_judged", judged)
    with pytest.raises(Refused, match=r"account_margin|arrays_missing"):
        many_histories()


def test_a_root_that_does_not_follow_is_refused():
    world = world_of(PORTFOLIO_MARGIN)
    world.pass_time(10)
    round_ = world.round_of({BTC: world.spot})
    true = root_of(world.state, round_)
    for root in (bytes([true[0] ^ 1]) + true[1:], true[:31], true + b"\0"):
        assert world.rejected(msgspec.structs.replace(round_, arrays=root)) is e.Reject.ROUND_ARRAYS_MUST_FOLLOW
    world.must(msgspec.structs.replace(round_, arrays=true))
    assert world.state.view is not None
    assert world.state.view.arrays is not None


def test_a_venue_without_parameters_takes_no_arrays():
    world = world_of(PORTFOLIO_MARGIN)
    assert world.state.config is not None
    world.pass_time(10)
    round_ = world.round_of({BTC: world.spot})
    round_ = msgspec.structs.replace(round_, arrays=root_of(world.state, round_))
    world.state.config = msgspec.structs.replace(world.state.config, portfolio=None)
    assert world.rejected(round_) is e.Reject.ROUND_ARRAYS_MUST_FOLLOW


def test_both_models_count_from_the_record_that_observes_a_choice_until_a_block_in_which_it_binds():
    world = World()
    account = world.state.accounts[SELLER]
    assert models.models_of(world.state, account) == (STANDARD_MARGIN,)
    world.choose_model(SELLER, PORTFOLIO_MARGIN)
    world.finalise(len(world.unseen))
    binds_s = account.choice.effective_s
    assert models.models_of(world.state, account) == (STANDARD_MARGIN, PORTFOLIO_MARGIN)
    world.wait(binds_s - world.now_s)
    world.see_block(1)
    assert models.models_of(world.state, account) == (STANDARD_MARGIN, PORTFOLIO_MARGIN)
    world.wait(12)
    world.see_block(0)
    assert models.models_of(world.state, account) == (PORTFOLIO_MARGIN,)


def test_the_better_of_both_is_what_margin_asks_and_standard_where_a_batch_could_not_show_the_arrays():
    world = world_of(PORTFOLIO_MARGIN)
    account, view = world.state.accounts[SELLER], risk.view_now(world.state)
    for series, option in world.state.series.items():
        if option.strike in (60_000 * USDC, 64_000 * USDC):
            account.positions[series] = -1_000
    standard = risk.requirement_of(world.state, view, account.positions, Kind.INITIAL)
    portfolio = portfolio_margin.needed(world.state, view, account.positions, Kind.INITIAL)
    assert portfolio < standard
    assert risk.needed_by(world.state, view, account, standard) == standard
    assert risk.needed_by(world.state, view, account, standard - 1) == portfolio
    groups = {series >> 2 for series in account.positions}
    assert risk.needed_by(world.state, view, account, 0, len(groups) - 1) == standard
    account.choice = msgspec.structs.replace(account.choice, before=STANDARD_MARGIN, chosen=STANDARD_MARGIN)
    assert risk.needed_by(world.state, view, account, 0) == standard


def test_arrays_of_both_parties_to_a_fill_and_of_all_in_a_group_fit_a_call():
    assert 2 * 4 * budget.SHOWN_MAX <= budget.ARRAYS_MAX
    assert budget.GROUP_ACCOUNTS_MAX * 4 * budget.SHOWN_IN_GROUP_MAX <= budget.ARRAYS_MAX
