"""Liquidations on the stage: what the core's rules say of an account, told to the machine as the contracts would.

Positions go to providers for their committed haircut, what they cannot bear is closed against those on the other side,
and who pays in the end is told when the case is closed. Nothing here chooses a price. Imports the stage, core.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from exchange.core import commands as c
from exchange.core.liquidation import FieldOf, Holder, Provider, covers, one_field
from exchange.core.liquidation_checks import liquidate
from exchange.core.liquidation_waterfall import Outcome, Rival
from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, Cash, Qty, Wad, div_down
from replay.scenarios.stage import Person, Stage
from replay.stress import TERMS

FLAG_S: Final = 3_600


class Backstop(NamedTuple):
    """Somebody who takes over: for which haircut, and the only field whose risk it bears."""

    who: Person
    haircut: Wad
    field: int = 0


class Backing(NamedTuple):
    """What stands behind accounts on the stage: the fund's account, whoever asks, and the providers by rank."""

    fund: Person
    keeper: Person
    backstops: tuple[Backstop, ...] = ()
    field_of: FieldOf = one_field


class Taken(NamedTuple):
    """A liquidation that was carried out: the record of its flag, and its outcome by the core's rules."""

    seq: int
    account: int
    outcome: Outcome


def short(stage: Stage) -> list[int]:
    """Accounts that do not cover their maintenance risk at the round in force, in the order of their numbers."""
    appraisal = stage.appraisal()
    holders = stage.holders().items()
    return [key for key, held in holders if held.positions and not covers(appraisal, held, Kind.MAINTENANCE)]


def take_over(stage: Stage, account: int, backing: Backing) -> Taken:
    """Liquidate one account that is short: flag, transfers, and the case closed. Everything settles first."""
    stage.settle()
    stage.observe(c.ObserveFlag, account, stage.now_s + FLAG_S)
    seq = stage.state.seq
    outcome = _outcome(stage, account, backing)
    for transfer in outcome.exit.transfers:
        paid = transfer.worth - transfer.haircut
        _move(stage, account, transfer.provider, paid, transfer.positions)
    for closing in outcome.closed.closings:
        _move(stage, account, closing.rival, closing.cash, {closing.series: closing.qty})
    _close(stage, account, backing, outcome)
    now = stage.holders()
    assert now[account] == outcome.account
    assert all(now[key] == held for key, held in outcome.others.items())
    return Taken(seq, account, outcome)


def _outcome(stage: Stage, account: int, backing: Backing) -> Outcome:
    holders = stage.holders()
    apart = (account, backing.fund.account, backing.keeper.account)
    others = [held for key, held in holders.items() if key not in apart]
    rivals = tuple(Rival(held, profits_of(stage, held)) for held in others)
    providers = tuple(
        Provider(holders[each.who.account], each.haircut, place, each.field)
        for place, each in enumerate(backing.backstops)
        if each.who.account != account
    )
    fund = holders[backing.fund.account].cash
    return liquidate(stage.appraisal(), TERMS, holders[account], providers, rivals, fund, field_of=backing.field_of)


def _move(stage: Stage, account: int, to: int, paid: Cash, positions: Mapping[int, Qty]) -> None:
    legs = tuple(c.MovedLeg(key, qty, stage.mark(key)) for key, qty in sorted(positions.items()))
    stage.observe(c.ObserveTransfer, account, to, paid, legs)


def _close(stage: Stage, account: int, backing: Backing, outcome: Outcome) -> None:
    losses, changes = outcome.losses, dict[int, Cash]()
    covered = losses.insurance_pays + sum(losses.given_up.values()) + sum(losses.socialised.values())
    to_fund = sum(outcome.fund_shares.values()) - outcome.keeper - losses.insurance_pays
    moves = [(account, covered), (backing.fund.account, to_fund), (backing.keeper.account, outcome.keeper)]
    for paid in (losses.given_up, losses.socialised, outcome.fund_shares):
        moves += [(key, -cash) for key, cash in paid.items()]
    for key, cash in moves:
        changes[key] = changes.get(key, 0) + cash
    told = tuple(c.CashChange(key, cash) for key, cash in sorted(changes.items()) if cash)
    stage.observe(c.ObserveCaseClosed, account, losses.uncovered, told)


def profits_of(stage: Stage, held: Holder) -> dict[int, Cash]:
    """Unrealised profit of a holder in each series at the marks, rounded down (negative: loss)."""
    costs = stage.state.accounts[held.id].costs
    profits = {}
    for key, qty in held.positions.items():
        worth, cost = div_down(stage.mark(key) * qty, QTY_ONE), costs.get(key, 0)
        profits[key] = worth - cost if qty > 0 else worth + cost  # what was paid, or received
    return profits
