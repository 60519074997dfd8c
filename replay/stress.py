"""``stress``: what the venue would come to under shocks, as it stood after a record or at a moment.

Owns the grid, its spelling and the table that people and programs read. Amounts are integers in 1e-6 USDC, shocks in
percent. Imports the engine and core.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from exchange.core.liquidation import LiquidationTerms
from exchange.core.state import State
from exchange.core.stress import Aftermath, Backing, Shock, stress
from exchange.core.units import USDC_ONE, WAD, Cash
from replay.findings import CannotRun

PERCENT: Final = WAD // 100
TERMS: Final = LiquidationTerms(10 * PERCENT, 15 * PERCENT, 20 * PERCENT, 5 * USDC_ONE)
GRID: Final = tuple(
    (spot, vol, depeg, told)
    for spot in (-40, -20, -10, -5, 0, 5, 10, 20, 40)
    for vol, depeg, told in ((0, 0, 100), (50, 0, 100), (50, 5, 50))
)
"""Percent: index and forwards, vols, fall of the stablecoin, share of the move that a late oracle tells at first."""


class FailureLine(msgspec.Struct, kw_only=True):
    """One liquidation, in its order."""

    wave: int
    account: int
    equity: Cash
    risk: Cash
    haircuts: Cash
    closed_with: list[int]


class StressLine(msgspec.Struct, kw_only=True):
    """One shock and its aftermath. ``settled``: in the end everybody covers its risk or is flat."""

    spot: int
    vol: int
    depeg: int
    told: int
    failures: list[FailureLine]
    insurance_paid: Cash
    given_up: Cash
    socialised: Cash
    uncovered: Cash
    settled: bool


def backing_of(insurance_usdc: int, providers: Sequence[str]) -> Backing:
    """A fund in whole USDC; providers as ``account:percent``, the earlier ones committed first. Raises CannotRun."""
    committed: dict[int, tuple[int, int]] = {}
    for place, text in enumerate(providers):
        account, _, percent = text.partition(":")
        if not account.isdecimal() or not percent.isdecimal():
            raise CannotRun(f"a provider is ACCOUNT:PERCENT, not {text}")
        committed[int(account)] = (int(percent) * PERCENT, place)
    return Backing(TERMS, insurance_usdc * USDC_ONE, committed)


def table(state: State, backing: Backing, grid: Sequence[tuple[int, int, int, int]] = GRID) -> list[StressLine]:
    """Every shock of the grid, each on the state as it stands. Raises CannotRun before the first round."""
    if state.round is None:
        raise CannotRun("before the first oracle round nothing has a price")
    return [_line(state, backing, shock) for shock in grid]


def _line(state: State, backing: Backing, shock: tuple[int, int, int, int]) -> StressLine:
    spot, vol, depeg, told = shock
    after = stress(state, Shock(*(share * PERCENT for share in shock)), backing)
    losses = [failure.outcome.losses for failure in after.failures]
    return StressLine(
        spot=spot,
        vol=vol,
        depeg=depeg,
        told=told,
        failures=_failures(after),
        insurance_paid=sum(loss.insurance_pays for loss in losses),
        given_up=sum(sum(loss.given_up.values()) for loss in losses),
        socialised=sum(sum(loss.socialised.values()) for loss in losses),
        uncovered=after.uncovered,
        settled=after.is_settled,
    )


def _failures(after: Aftermath) -> list[FailureLine]:
    return [
        FailureLine(
            wave=failure.wave,
            account=failure.account,
            equity=failure.equity,
            risk=failure.risk,
            haircuts=sum(failure.outcome.losses.haircuts.values()),
            closed_with=list(dict.fromkeys(closing.rival for closing in failure.outcome.closed.closings)),
        )
        for failure in after.failures
    ]


def lines(found: Sequence[StressLine]) -> list[str]:
    """The table for people: amounts in whole USDC, rounded down; accounts in the order in which they fail."""
    head = f"{'spot':>6} {'vol':>6} {'depeg':>6} {'told':>6} {'fail':>5} {'insurance':>12} {'given up':>10}"
    shown = [f"{head} {'shared':>12} {'uncovered':>10}  accounts in their order"]
    for line in found:
        amounts = (line.insurance_paid, line.given_up, line.socialised, line.uncovered)
        insurance, given_up, shared, uncovered = (amount // USDC_ONE for amount in amounts)
        order = " ".join(str(failure.account) for failure in line.failures[:12])
        more = " ..." if len(line.failures) > 12 else ""
        shown.append(
            f"{line.spot:>5}% {line.vol:>5}% {line.depeg:>5}% {line.told:>5}% {len(line.failures):>5} {insurance:>12,}"
            f" {given_up:>10,} {shared:>12,} {uncovered:>10,}  {order}{more}{'' if line.settled else ' (unsettled)'}"
        )
    return shown
