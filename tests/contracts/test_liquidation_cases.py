"""Flags and cases on the contracts: who may do what, when, by which round; and what nobody gains by trying."""

from __future__ import annotations

import pytest
from contract_liquidation import FLAGGER, FUND, KEEPER, TERMS, Clinic
from contract_venue import BLOCK_BAND, EXIT_TERMS, OPERATOR_TIMEOUT, USDC, WINDOW, address, key
from liquidation_market import CENT, appraisal_at

from exchange.core.liquidation import Ask, Holder, Provider, StandardAppraisal, fast_exit, value_of
from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, WAD
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local

CALM, FALLEN, CRASHED = appraisal_at(61_500), appraisal_at(56_000), appraisal_at(48_000)
PUT = next(key for key, o in CALM.series.items() if o.expiry == 1 and o.strike == 60_000 * USDC and not o.is_call)
CALL = PUT - 1
FAR = 3 << 16 | PUT & 0xFFFF
ME, POOL, OTHER, TWIN = 1, 10, 11, 12
RICH = 10**13
WHOLE = 10**6
POSITIONS = {PUT: -10 * QTY_ONE}


def short_of(market: StandardAppraisal, share: float, positions: dict[int, int] | None = None) -> Holder:
    """An account with such a share of what it needs at a market."""
    held = POSITIONS if positions is None else positions
    return Holder(ME, int(market.risk(held, Kind.MAINTENANCE) * share) - value_of(market, held), held)


@pytest.fixture(scope="module")
def ward() -> Clinic:
    """Two underlyings, the third expiry is of the second; one pool for each, and an account short at the lower price."""
    clinic = Clinic((1, 1, 2), CALM)
    clinic.lay_out([short_of(FALLEN, 0.6), Holder(POOL, RICH, {}), Holder(OTHER, RICH, {}), Holder(FUND, 0, {})])
    clinic.provide(POOL, 1, 10 * CENT)
    clinic.provide(OTHER, 2, 10 * CENT)
    return clinic


@pytest.fixture
def c(ward: Clinic):
    with ward.aside():
        yield ward


def asked(clinic: Clinic, market: StandardAppraisal, account: int = ME) -> tuple[Ask, ...]:
    """What the rules ask of whom, from what the contracts say is there."""
    told = clinic.told(account)
    providers = tuple(
        Provider(
            Holder(entry & 2**32 - 1, *clinic.told(entry & 2**32 - 1)), entry >> 128, entry >> 64 & 2**64 - 1, field
        )
        for field in (1, 2)
        for entry in clinic.clearing.call("providers_of", field)
    )
    return fast_exit(
        market, TERMS, Holder(account, *told), providers, lambda series: clinic.underlyings[(series >> 16) - 1]
    ).asks


# -- when -------------------------------------------------------------------------------------------------------------


def test_while_the_operator_is_there_a_flag_binds_one_window_later_and_lapses_one_after_that(c):
    c.quoted(FALLEN)
    c.flag(ME)
    at = c.now
    assert c.clearing.call("liquidation_of", ME)[:2] == (at + WINDOW, at + 2 * WINDOW)
    c.quoted(FALLEN)
    (ask,) = asked(c, FALLEN)
    go = ("liquidate", ME, ask.steps, ask.part)
    assert c.refused(*go, *c.prices()) == "flag_early"
    c.tick(WINDOW)
    c.quoted(FALLEN)
    with c.aside():
        c.hand_over(ME, ask)
        c.close(ME)
        assert c.told(ME).positions.keys() == POSITIONS.keys()
    c.tick(WINDOW)
    c.quoted(FALLEN)
    assert c.refused(*go, *c.prices()) == "flag_lapsed"
    c.flag(ME)


def test_when_the_operator_is_gone_a_flag_binds_at_once_but_never_at_its_own_round(c):
    c.fall_silent()
    c.quoted(FALLEN)
    c.flag(ME)
    (ask,) = asked(c, FALLEN)
    assert c.refused("liquidate", ME, ask.steps, ask.part, *c.prices()) == "round_unconfirmed"
    c.quoted(FALLEN)
    c.hand_over(ME, ask)


def test_a_spike_of_one_round_liquidates_nobody(c):
    for silent in (False, True):
        with c.aside():
            if silent:
                c.fall_silent()
            c.quoted(CRASHED)
            c.flag(ME)
            c.tick(WINDOW)
            c.quoted(CALM)
            assert c.refused("liquidate", ME, 0, WHOLE, *c.prices()) == "account_covers"
            assert c.refused("flag_account", ME, KEEPER, *c.prices()) == "flag_pending"
            # The first round again, when it is old: collateral could not leave by it either.
            c.tick(WINDOW)
            early = c.rounds[max(c.rounds) - 1]
            assert c.refused("liquidate", ME, 0, WHOLE, *c.prices(early)) in ("round_not_newest", "flag_lapsed")


def test_an_old_round_neither_flags_nor_liquidates(c):
    c.quoted(FALLEN)
    c.tick(121)
    assert c.refused("flag_account", ME, FLAGGER, *c.prices()) == "round_stale"
    early = c.quoted(FALLEN)
    c.tick(40)
    c.quoted(CALM)
    assert c.refused("flag_account", ME, FLAGGER, *c.prices(early)) == "round_not_newest"


def test_who_adds_collateral_in_time_keeps_everything(c):
    c.quoted(FALLEN)
    c.flag(ME)
    c.tick(WINDOW)
    c.quoted(FALLEN)
    (ask,) = asked(c, FALLEN)
    c.lay_out([short_of(FALLEN, 1.0)])
    assert c.refused("liquidate", ME, ask.steps, ask.part, *c.prices()) == "account_covers"
    assert c.refused("close_case", ME, KEEPER, *c.prices()) == "flag_unknown"
    c.tick(WINDOW)
    c.quoted(FALLEN)
    assert c.refused("flag_account", ME, FLAGGER, *c.prices()) == "account_covers"


# -- how much ---------------------------------------------------------------------------------------------------------


def begun(clinic: Clinic, market: StandardAppraisal = FALLEN) -> tuple[Ask, ...]:
    """A flag in force, and what is to be asked."""
    clinic.fall_silent()
    clinic.quoted(market)
    clinic.flag(ME)
    clinic.quoted(market)
    return asked(clinic, market)


def test_the_keeper_chooses_neither_share_nor_part(c):
    (ask,) = begun(c)
    assert (ask.steps, ask.part) == (0, WHOLE)
    assert c.refused("liquidate", ME, 1, WHOLE, *c.prices()) == "share_large"
    assert c.refused("liquidate", ME, 2_400, WHOLE, *c.prices()) == "share_large"
    assert c.refused("liquidate", ME, 0, WHOLE // 2, *c.prices()) == "provider_bears_more"
    assert c.refused("liquidate", ME, 0, 0, *c.prices()) == "provider_bears_more"
    assert c.refused("liquidate", ME, 0, WHOLE + 1, *c.prices()) == "parameter_range"
    c.lay_out([Holder(POOL, 10 * USDC, {})])
    assert c.refused("liquidate", ME, 0, WHOLE, *c.prices()) == "provider_margin"
    c.hand_over(ME, Ask(POOL, 0, 0))
    assert c.refused("liquidate", ME, 0, 0, *c.prices()) == "providers_exhausted"


def test_a_case_goes_on_to_the_buffer_and_then_ends(c):
    (ask,) = begun(c)
    c.hand_over(ME, ask)
    assert c.refused("liquidate", ME, 0, WHOLE, *c.prices()) == "account_covers"
    c.close(ME)
    assert c.refused("liquidate", ME, 0, WHOLE, *c.prices()) == "flag_unknown"
    assert c.refused("close_case", ME, KEEPER, *c.prices()) == "flag_unknown"
    assert c.refused("flag_account", ME, FLAGGER, *c.prices()) == "account_covers"


def test_what_was_begun_cannot_be_forgotten(c):
    """Haircuts wait for the end of the case; a lapsed one has to be closed before the account is flagged again."""
    c.lay_out([Holder(POOL, 20_000 * USDC, {})])
    (ask,) = begun(c)
    assert 0 < ask.part < WHOLE
    c.hand_over(ME, ask)
    assert c.refused("close_case", ME, KEEPER, *c.prices()) == "case_open"
    c.tick(3_600)
    c.quoted(FALLEN)
    assert c.refused("flag_account", ME, FLAGGER, *c.prices()) == "case_open"
    c.close(ME)
    assert c.cash(FUND) > 0
    c.flag(ME)


# -- who --------------------------------------------------------------------------------------------------------------


def test_a_pool_of_one_underlying_takes_nothing_of_another(c):
    """And what it lost is nobody else's: the other pool has the same cash as before."""
    account = short_of(FALLEN, 0.3, {PUT: -8 * QTY_ONE, FAR: -8 * QTY_ONE})
    c.lay_out([account])
    asks = begun(c)
    assert {ask.provider for ask in asks} == {POOL, OTHER}
    for ask in asks:
        c.hand_over(ME, ask)
    assert set(c.told(POOL).positions) == {PUT}
    assert set(c.told(OTHER).positions) == {FAR}
    c.close(ME)
    alone = short_of(FALLEN, -2.0)
    with c.aside():
        c.lay_out([alone, Holder(POOL, 10 * USDC, {}), Holder(OTHER, RICH, {})])
        before = c.told(OTHER)
        for ask in begun(c):
            c.hand_over(ME, ask)
        assert c.refused("liquidate", ME, 0, WHOLE, *c.prices()) == "providers_exhausted"
        assert c.told(OTHER) == before


def test_only_the_governor_names_fund_and_providers(c):
    call = c.refused
    assert call("set_provider", 1, (5 * CENT) << 32 | TWIN) == "only_governor"
    assert call("set_insurance", TWIN) == "only_governor"
    assert call("set_insurance", TWIN, by="governor") == "insurance_set"
    assert call("set_provider", 1, (5 * CENT) << 32 | 99, by="governor") == "account_unknown"
    assert call("set_provider", 2, (5 * CENT) << 32 | POOL, by="governor") == "provider_known"
    assert call("set_provider", 2, (5 * CENT) << 32 | FUND, by="governor") == "provider_known"
    assert call("set_provider", 1, (10 * CENT + 1) << 32 | TWIN, by="governor") == "parameter_range"
    assert call("set_provider", 256, (CENT) << 32 | TWIN, by="governor") == "parameter_range"
    assert call("drop_provider", 1, TWIN, by="governor") == "provider_unknown"
    # An address where the governor may put anything is refused by name too.
    assert call("set_provider", 2**160 - 1, CENT << 32 | TWIN, by="governor") == "parameter_range"
    assert call("drop_provider", 2**160 - 1, TWIN, by="governor") == "provider_unknown"
    assert call("drop_provider", 2, POOL, by="governor") == "provider_unknown"
    assert call("flag_account", 99, FLAGGER, *c.prices(c.quoted(FALLEN))) == "account_unknown"
    assert call("flag_account", ME, 99, *c.prices()) == "account_unknown"


def test_providers_stand_in_the_order_of_their_price_and_then_their_time(c):
    c.provide(12, 1, 4 * CENT)
    c.provide(13, 1, 2 * CENT)
    c.provide(14, 1, 4 * CENT)
    listed = [entry & 2**32 - 1 for entry in c.clearing.call("providers_of", 1)]
    assert listed == [13, 12, 14, POOL]
    assert c.refused("set_provider", 1, CENT << 32 | 15, by="governor") == "providers_full"
    c.provide(12, 1, 4 * CENT, standing=False)
    assert [entry & 2**32 - 1 for entry in c.clearing.call("providers_of", 1)] == [13, 14, POOL]
    c.provide(12, 2, 4 * CENT)


def test_without_a_fund_nobody_is_flagged():
    clinic = Clinic((0, 0, 0), CALM, funded=False)
    clinic.lay_out([short_of(FALLEN, 0.6)])
    clinic.quoted(FALLEN)
    assert clinic.refused("flag_account", ME, FLAGGER, *clinic.prices()) == "insurance_unset"
    assert clinic.clearing.call("insurance_account") == 0


# -- what nobody gains ------------------------------------------------------------------------------------------------


def equity(clinic: Clinic, market: StandardAppraisal, *accounts: int) -> int:
    """Cash and worth of several accounts together."""
    return sum(told.cash + value_of(market, told.positions) for told in map(clinic.told, accounts))


@pytest.mark.parametrize("share", [0.95, 0.6, 0.3, 0.15, 0.1])
def test_who_is_account_pool_and_keeper_in_one_gains_nothing(c, share):
    """Self-liquidation through a confederate provider: all that changes hands is the fund's share."""
    c.lay_out([short_of(FALLEN, share), Holder(FLAGGER, 0, {}), Holder(KEEPER, 0, {})])
    before, fund = equity(c, FALLEN, ME, POOL, FLAGGER, KEEPER), c.cash(FUND)
    for ask in begun(c):
        c.hand_over(ME, ask)
    c.close(ME)
    after = equity(c, FALLEN, ME, POOL, FLAGGER, KEEPER)
    assert after - before <= 0
    # Worth of two accounts is rounded down apart.
    assert 0 <= before - after - (c.cash(FUND) - fund) <= 4


def test_the_reward_is_taken_once_and_out_of_what_the_account_has_lost(c):
    """Whoever tries again and again: the second flag is refused, for the first exit went on to the buffer."""
    c.lay_out([Holder(FLAGGER, 0, {}), Holder(KEEPER, 0, {})])
    (ask,) = begun(c)
    c.hand_over(ME, ask)
    c.close(ME)
    taken = c.cash(FLAGGER) + c.cash(KEEPER)
    assert taken == TERMS.keeper_reward
    for _ in range(3):
        c.quoted(FALLEN)
        assert c.refused("flag_account", ME, FLAGGER, *c.prices()) == "account_covers"
        assert c.refused("close_case", ME, KEEPER, *c.prices()) == "flag_unknown"
    assert c.cash(FLAGGER) + c.cash(KEEPER) == taken


def test_flagging_costs_an_account_nothing_but_time(c):
    """Griefing: no cash and no position moves by a flag, and the account may add collateral, or leave with what is free."""
    c.quoted(FALLEN)
    before = c.told(ME)
    c.flag(ME)
    assert c.told(ME) == before
    c.quoted(CALM)
    assert c.refused("flag_account", ME, KEEPER, *c.prices()) == "flag_pending"
    c.send("patient 1", c.clearing, "request_exit", ME)


def test_to_choose_among_recent_rounds_gains_no_more_than_the_price_moved(c):
    """Sandwiching the round: the slice changes hands at the marks of the round that is named, less the haircut."""
    c.fall_silent()
    c.quoted(FALLEN)
    c.flag(ME)
    low = c.quoted(FALLEN)
    c.tick(5)
    c.quoted(CALM)
    (ask,) = asked(c, FALLEN)
    before = equity(c, FALLEN, POOL)
    c.hand_over(ME, ask, low)
    taken = c.told(POOL).positions
    assert value_of(FALLEN, taken) < 0
    gained = equity(c, FALLEN, POOL) - before
    assert 0 < gained <= TERMS.haircut * FALLEN.risk(POSITIONS, Kind.MAINTENANCE) // WAD
    # At the newer price it gained what the slice has risen since, and no more.
    risen = value_of(CALM, taken) - value_of(FALLEN, taken)
    assert equity(c, CALM, POOL) - before <= gained + risen
    assert c.refused("liquidate", ME, ask.steps, ask.part, *c.prices()) == "account_covers"


# -- the code parts ---------------------------------------------------------------------------------------------------


def test_parts_run_only_what_was_made_under_the_same_settings_and_terms(c):
    def made(name: str, *args: object) -> str:
        try:
            return deploy_local(c.chain, key("operator"), artifact(name), *args).address.hex()
        except Reverted as error:
            return str(error.reason)

    others = (address("third"), *c.settings[1:])
    dearer = (11 * CENT, *EXIT_TERMS[1:])
    parts = deploy_local(c.chain, key("operator"), artifact("Liquidations"), c.settings, EXIT_TERMS)
    foreign = deploy_local(c.chain, key("operator"), artifact("Liquidations"), others, EXIT_TERMS)
    assert made("Cases", c.settings, dearer, parts.address) == "office_settings"
    assert made("Cases", c.settings, EXIT_TERMS, foreign.address) == "office_settings"
    cases = deploy_local(c.chain, key("operator"), artifact("Cases"), others, EXIT_TERMS, foreign.address)
    assert made("Blocks", c.settings, BLOCK_BAND, cases.address) == "office_settings"
    for at, most in ((0, WAD - 1), (1, WAD), (2, WAD), (3, 2**64 - 1), (4, WAD), (5, WINDOW)):
        for value, answer in ((most, None), (most + 1, "parameter_range")):
            terms = (*EXIT_TERMS[:at], value, *EXIT_TERMS[at + 1 :])
            told = made("Liquidations", c.settings, terms)
            assert (told == answer) if answer else len(told) == 40
    assert tuple(c.clearing.call("exit_terms")) == EXIT_TERMS
    assert OPERATOR_TIMEOUT > WINDOW


def test_a_part_called_directly_moves_nothing(c):
    """Its own storage is empty: no account is there, so none can be flagged, and no venue is touched."""
    c.quoted(FALLEN)
    parts = deploy_local(c.chain, key("operator"), artifact("Liquidations"), c.settings, EXIT_TERMS)
    alone = deploy_local(c.chain, key("operator"), artifact("Cases"), c.settings, EXIT_TERMS, parts.address)
    assert c.refusal("keeper", alone, "flag_account", ME, FLAGGER, *c.prices()) == "account_unknown"
    assert c.refusal("keeper", parts, "liquidate", ME, 0, WHOLE, *c.prices()) == "flag_unknown"
