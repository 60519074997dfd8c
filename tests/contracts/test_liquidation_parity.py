"""Liquidation on the contracts and in Python: the same integers on random markets, from the flag to the waterfall."""

from __future__ import annotations

import pytest
from contract_drawing import PATIENCE
from contract_liquidation import CONFIDENCE, FLAGGER, FUND, KEEPER, Clinic
from liquidation_market import ME, TERMS, Trouble, appraisal_at, by_expiry, troubles

from exchange.core.liquidation import Exit, Holder, covers, fast_exit, is_cured
from exchange.core.liquidation_book import BookExit
from exchange.core.liquidation_waterfall import Deleveraging, Outcome, settled
from exchange.core.margin import Kind

pytestmark = PATIENCE
SHAPE = appraisal_at(56_000)


@pytest.fixture(scope="module")
def clinics() -> dict[bool, Clinic]:
    """One where all expiries are of one underlying, one where the third is of another. Both operators are gone."""
    made = {False: Clinic((0, 0, 0), SHAPE), True: Clinic((1, 1, 2), SHAPE)}
    for clinic in made.values():
        clinic.fall_silent()
    return made


def expected(case: Trouble) -> tuple[Exit, Outcome]:
    """What the rules say when neither the book nor deleveraging helps."""
    left = fast_exit(case.appraisal, case.terms, case.account, case.providers, case.field_of)
    nothing = Deleveraging(left.account, None, ())
    return left, settled(case.terms, left, BookExit(left.account), nothing, (), case.insurance, case.account.positions)


def bystanders(case: Trouble) -> list[Holder]:
    """Fund and keepers; no amount of insurance is beyond what a ledger can hold."""
    return [Holder(FUND, case.insurance, {}), Holder(FLAGGER, 0, {}), Holder(KEEPER, 0, {})]


def admit(clinic: Clinic, case: Trouble) -> None:
    """Lays the case out and flags the account."""
    clinic.lay_out([case.account, *(p.holder for p in case.providers), *bystanders(case)])
    for provider in sorted(case.providers, key=lambda p: (p.since, p.holder.id)):
        if provider.haircut <= TERMS.haircut:
            clinic.provide(provider.holder.id, provider.field, provider.haircut)
    clinic.quoted(case.appraisal)
    clinic.flag(ME)
    clinic.quoted(case.appraisal)


def follows(clinic: Clinic, case: Trouble) -> Exit:
    """Plays a case on the contracts and compares everybody's cash and positions."""
    left, outcome = expected(case)
    admit(clinic, case)
    for ask in left.asks:
        clinic.hand_over(ME, ask)
    held = [left.account, *(p.holder for p in left.providers)]
    assert {h.id: clinic.told(h.id) for h in held} == {h.id: (h.cash, h.positions) for h in held}
    if is_cured(case.appraisal, left.account, TERMS.buffer):
        clinic.close(ME)
        after = [outcome.account, *outcome.others.values()]
        assert {h.id: clinic.told(h.id) for h in held} | {h.id: clinic.told(h.id) for h in after} == {
            h.id: (h.cash, h.positions) for h in [*(p.holder for p in left.providers), *after]
        }
        assert clinic.cash(FUND) == outcome.insurance
        assert (clinic.cash(FLAGGER), clinic.cash(KEEPER)) == (
            outcome.keeper // 2,
            outcome.keeper - outcome.keeper // 2,
        )
        assert clinic.clearing.call("liquidation_of", ME) == (0, 0, 0, False)
    elif not left.asks:
        assert clinic.refused("liquidate", ME, 0, 10**6, *clinic.prices()) == "providers_exhausted"
    return left


@pytest.mark.counts(short=80, soak=5_000)
def test_random_liquidations_agree_to_the_unit(clinics, count: int) -> None:
    seen = dict.fromkeys(("partial", "whole", "several", "borne in part", "passed over", "owing", "fenced"), 0)
    for _, case in troubles(count):
        clinic = clinics[case.field_of is by_expiry]
        assert not covers(case.appraisal, case.account, Kind.MAINTENANCE)
        with clinic.aside():
            left = follows(clinic, case)
        seen["partial"] += bool(left.account.positions and left.transfers)
        seen["whole"] += not left.account.positions
        seen["several"] += len(left.transfers) > 1
        seen["borne in part"] += any(0 < ask.part < 10**6 for ask in left.asks)
        seen["passed over"] += any(ask.part == 0 for ask in left.asks)
        seen["owing"] += not left.account.positions and left.account.cash < 0
        seen["fenced"] += len({p.field for p in case.providers}) > 1
    assert all(seen.values()), seen


def test_a_healthy_account_can_be_neither_flagged_nor_liquidated(clinics) -> None:
    for _, case in troubles(12):
        clinic = clinics[case.field_of is by_expiry]
        due = case.appraisal.risk(case.account.positions, Kind.MAINTENANCE)
        worth = case.appraisal.worth(case.account.positions) // 10**4
        for missing in (0, 1):
            account = case.account._replace(cash=due - worth - missing)
            with clinic.aside():
                clinic.lay_out([account])
                clinic.quoted(case.appraisal)
                answer = clinic.refused("flag_account", ME, FLAGGER, *clinic.prices())
                assert answer == ("accepted" if missing else "account_covers")


def test_a_round_that_is_unsure_of_a_price_liquidates_nobody(clinics) -> None:
    unsure = appraisal_at(56_000, CONFIDENCE - 1)
    case = next(case for _, case in troubles(50) if case.appraisal.expiries[1].spot == unsure.expiries[1].spot)
    clinic = clinics[case.field_of is by_expiry]
    with clinic.aside():
        clinic.lay_out([case.account])
        clinic.quoted(unsure)
        assert clinic.refused("flag_account", ME, FLAGGER, *clinic.prices()) == "round_unsure"
        clinic.quoted(case.appraisal)
        clinic.flag(ME)
        clinic.quoted(unsure)
        assert clinic.refused("liquidate", ME, 0, 10**6, *clinic.prices()) == "round_unsure"
