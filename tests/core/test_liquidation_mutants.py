"""Planted mistakes in liquidation: each has to be noticed by one of the nine invariants, or by the naive rules.

An honest run passes. Those invariants that a mistake in the code cannot reach any more are shown a doctored outcome.
"""

from collections.abc import Callable
from typing import Any

import pytest
from liquidation_market import CENT, TERMS, Trouble, trouble, troubles
from test_liquidation import agree

from exchange.core import liquidation, liquidation_book, liquidation_checks, liquidation_waterfall
from exchange.core.liquidation import Holder, Provider, equity_of, merged
from exchange.core.liquidation_checks import ALL, Case, LiquidationBroken, check_all
from exchange.core.liquidation_waterfall import Outcome
from exchange.core.margin import Kind
from exchange.core.units import WAD

NOTICED = (LiquidationBroken, AssertionError)


def play() -> None:
    for _, case in troubles(150):
        agree(case)
        missing = case.appraisal.risk(case.account.positions, Kind.MAINTENANCE) - equity_of(
            case.appraisal, case.account
        )
        sound = case._replace(account=case.account._replace(cash=case.account.cash + missing))
        assert sound.run().account == sound.account


def test_an_honest_run_passes() -> None:
    play()


def planted(module: Any, name: str, change: Callable[[Any], Any]) -> tuple[Any, str, Callable[[Any], Any]]:
    return module, name, change


MISTAKES = {
    "a slice rounds legs down": planted(
        liquidation,
        "share_of",
        lambda old: (
            lambda positions, share: {key: int(qty * share / 10**6) for key, qty in old(positions, share).items()}
        ),
    ),
    "the first share ignores the buffer": planted(
        liquidation,
        "first_share",
        lambda old: lambda equity, risk, haircut, _buffer, part: old(equity, risk, haircut, 0, part),
    ),
    "the first share is twice what is needed": planted(
        liquidation, "first_share", lambda old: lambda *given: min(2 * old(*given), 10**6)
    ),
    "the haircut is of everything": planted(
        liquidation, "haircut_of", lambda old: lambda appraisal, before, _, rate: old(appraisal, before, {}, rate)
    ),
    "the haircut is forgotten": planted(liquidation, "haircut_of", lambda old: lambda *given: 0 * old(*given)),
    "providers are asked in any order": planted(
        liquidation, "ranked", lambda old: lambda terms, providers: old(terms, providers)[::-1]
    ),
    "a provider may ask for more than allowed": planted(
        liquidation, "ranked", lambda old: lambda terms, providers: old(terms._replace(haircut=WAD), providers)
    ),
    "a provider is not asked whether it can bear the slice": planted(
        liquidation, "taken_by", lambda _old: lambda *_asked: 10**6
    ),
    "an exit stops at the requirement": planted(
        liquidation, "is_cured", lambda old: lambda appraisal, holder, _buffer: old(appraisal, holder, 0)
    ),
    "a sound account is liquidated": planted(
        liquidation, "covers", lambda old: lambda appraisal, holder, kind: old(appraisal, holder, kind) and kind == 1
    ),
    "shares are floors": planted(
        liquidation_waterfall,
        "shared",
        lambda _old: (
            lambda total, weights: {key: total * part // max(sum(weights.values()), 1) for key, part in weights.items()}
        ),
    ),
    "all bear the same": planted(
        liquidation_waterfall, "shared", lambda old: lambda total, weights: old(total, dict.fromkeys(weights, 1))
    ),
    "losses fall on those who stand on the same side": planted(
        liquidation_waterfall,
        "profit_against",
        lambda old: lambda rival, positions: old(rival, {key: -qty for key, qty in positions.items()}),
    ),
    "closings are rounded one by one": planted(
        liquidation_waterfall, "_rounded_together", lambda _old: lambda exact: [value // 10**4 for value in exact]
    ),
    "closings forget one rival": planted(liquidation_waterfall, "_against", lambda old: lambda *given: old(*given)[1:]),
    "the book may cost anything": planted(liquidation_book, "cost_of", lambda old: lambda *given: 0 * old(*given)),
    "the book takes the worst offer first": planted(
        liquidation_book,
        "_leg",
        lambda old: lambda offers, *rest: old(type(offers)(offers.bids[::-1], offers.asks[::-1]), *rest),
    ),
    "a leg is sold as far as offers go": planted(
        liquidation_book, "_leg", lambda old: lambda *given: old(*given) or []
    ),
    "the account meets its own offers": planted(
        liquidation_book, "_leg", lambda old: lambda offers, _account, *rest: old(offers, 0, *rest)
    ),
    "the fund's share is taken twice": planted(
        liquidation_waterfall,
        "insurance_share_of",
        lambda old: lambda terms, losses: old(terms._replace(insurance_share=2 * terms.insurance_share), losses),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_in_liquidation_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, attribute, change = MISTAKES[name]
    honest = getattr(module, attribute)
    for place in (liquidation, liquidation_book, liquidation_waterfall):
        if getattr(place, attribute, None) is honest:
            monkeypatch.setattr(place, attribute, change(honest))
    with pytest.raises(NOTICED):
        play()


# -- every invariant can fail -----------------------------------------------------------------------------------------


def honest_case(wanted: Callable[[Outcome, Case], Any]) -> Case:
    """The first case whose outcome is of the wanted kind."""
    cases = (Case(*case[:7], case.run()) for _, case in troubles(2_000))
    return next(case for case in cases if case.outcome.exit.transfers and wanted(case.outcome, case))


def poorer(case: Case) -> Case:
    account = case.outcome.account
    return case._replace(outcome=case.outcome._replace(account=account._replace(cash=account.cash - 1)))


def unfinished(case: Case) -> Case:
    return case._replace(outcome=case.outcome._replace(account=case.account))


def with_transfer(case: Case, **changes: Any) -> Case:
    first, *rest = case.outcome.exit.transfers
    exit_ = case.outcome.exit._replace(transfers=(first._replace(**changes), *rest))
    return case._replace(outcome=case.outcome._replace(exit=exit_))


def falling(case: Case) -> Case:
    """A leg that covered others goes alone."""
    for key, qty in case.account.positions.items():
        doctored = with_transfer(case, positions={key: qty}, rate=0)
        if case.appraisal.risk(merged(case.account.positions, {key: -qty}), Kind.MAINTENANCE) > 2 * case.appraisal.risk(
            case.account.positions, Kind.MAINTENANCE
        ):
            return doctored
    return case


def greedy(case: Case) -> Case:
    return with_transfer(case, positions=dict(case.account.positions))


def dearer(case: Case) -> Case:
    first = case.outcome.exit.transfers[0]
    return with_transfer(case, haircut=first.haircut + 1)


def again(case: Case) -> Case:
    account = case.outcome.account
    return case._replace(outcome=case.outcome._replace(account=account._replace(cash=account.cash - 10**15)))


def own_price(case: Case) -> Case:
    first = case.outcome.exit.transfers[0]
    return with_transfer(case, worth=first.worth - 1)


def kept_fund(case: Case) -> Case:
    losses = case.outcome.losses
    return case._replace(
        outcome=case.outcome._replace(losses=losses._replace(insurance_pays=losses.insurance_pays - 1))
    )


def stretched(case: Case) -> Case:
    took = {transfer.provider: None for transfer in case.outcome.exit.transfers}
    providers = tuple(
        Provider(Holder(p.holder.id, p.holder.cash - 10**15, p.holder.positions), p.haircut, p.since)
        if p.holder.id in took
        else p
        for p in case.outcome.exit.providers
    )
    exit_ = case.outcome.exit._replace(providers=providers)
    return case._replace(outcome=case.outcome._replace(exit=exit_))


DOCTORED: dict[str, tuple[Callable[[Outcome, Case], Any], Callable[[Case], Case]]] = {
    "cash_and_positions_are_conserved": (lambda _, __: True, poorer),
    "account_ends_safe_or_flat": (lambda _, __: True, unfinished),
    "equity_over_risk_rises": (lambda _, case: falling(case) is not case, falling),
    "no_more_than_needed": (lambda out, _: out.exit.transfers and out.account.positions, greedy),
    "incentive_is_bounded": (lambda out, _: out.exit.transfers and out.account.positions, dearer),
    "asking_again_changes_nothing": (lambda out, _: out.account.positions, again),
    "price_is_of_the_round": (lambda out, _: out.exit.transfers, own_price),
    "losses_fall_in_order": (lambda out, _: out.losses.socialised and out.losses.insurance_pays, kept_fund),
    "providers_keep_their_margin": (lambda out, _: out.exit.transfers, stretched),
}


def test_every_invariant_of_liquidation_has_a_doctored_outcome() -> None:
    assert list(DOCTORED) == [check.__name__ for check in ALL]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
def test_an_invariant_of_liquidation_can_fail(check: Callable[[Case], str | None]) -> None:
    wanted, doctor = DOCTORED[check.__name__]
    case = honest_case(wanted)
    assert check(case) is None
    assert check(doctor(case)) is not None
    with pytest.raises(LiquidationBroken):
        check_all(doctor(case))


def test_checks_run_on_every_liquidation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Case] = []
    monkeypatch.setattr(liquidation_checks, "check_all", seen.append)
    case: Trouble = trouble(3)
    assert case.terms == TERMS
    assert case.terms.haircut == 10 * CENT
    out = case.run()
    assert [(found.account, found.outcome) for found in seen] == [(case.account, out)]
