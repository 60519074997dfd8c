"""What the insurance fund pays when prices fall: liquidations by the core's own rules along drawn paths.

Accounts are short one option each, with so much cash beyond what they need; marks follow the path. At each step
whoever no longer covers is liquidated, by the same integers a venue would use. Providers have all the capital they
want, so what reaches the fund are deficits and not a want of takers. Imports numpy, studies, paths, core.liquidation*.
"""

from typing import Final, NamedTuple

import numpy as np

from exchange.core.commands import StandardModel
from exchange.core.liquidation import (
    Holder,
    LiquidationTerms,
    Priced,
    Provider,
    StandardAppraisal,
    Underlay,
    covers,
    value_of,
)
from exchange.core.liquidation_checks import liquidate
from exchange.core.liquidation_waterfall import Outcome, Rival
from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Qty
from exchange.quant.paths import Floats, Grid, Model
from exchange.quant.studies import black_call

CENT: Final = WAD // 100
STANDARD: Final = StandardModel(*[cents * CENT for cents in (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200)])
TERMS: Final = LiquidationTerms(10 * CENT, 15 * CENT, 20 * CENT, 5 * USDC_ONE)
PROVIDER: Final = 1
RIVAL: Final = 2
FIRST: Final = 10  # accounts are numbered from here
DEEP: Final = 10**18
SPOT: Final = 100_000.0
MARK_VOL: Final = 0.6
EXPIRY: Final = 1


class Tale(NamedTuple):
    """What happened along one path, money in USDC."""

    exits: int
    whole: int
    paid_by_accounts: float
    fund_low: float  # the lowest the fund fell below where it began; negative
    fund_end: float
    given_up: float
    socialised: float


class Scene(NamedTuple):
    """Who stands where: each account's moneyness, side and the share of its initial margin that it has."""

    strikes: tuple[float, ...] = (0.8, 0.9, 1.0, 1.1, 1.2)
    cushions: tuple[float, ...] = (1.0, 1.2, 1.6)
    contracts: int = 10
    days: float = 30.0


def tell(model: Model, scene: Scene, hours: int, step_s: float, paths: int, seed: int, fund: Cash) -> list[Tale]:
    """One tale for each path, of so many hours, looked at every step."""
    grid = Grid(paths, round(hours * 3_600 / step_s), step_s)
    return [_one(path, scene, grid, fund) for path in SPOT * model.draw(grid, seed)]


def appraisal_at(spot: float, scene: Scene, years: float) -> StandardAppraisal:
    """Marks of both sides of every strike; series 2 n is the call, 2 n + 1 the put of strike n."""
    series: dict[int, Priced] = {}
    for number, moneyness in enumerate(scene.strikes):
        strike = round(SPOT * moneyness)
        call = float(black_call(spot, float(strike), MARK_VOL, years))
        for is_call, value in ((True, call), (False, call - spot + strike)):
            mark = round(max(value, 0.0) * USDC_ONE)
            series[2 * number + (not is_call)] = Priced(EXPIRY, strike * USDC_ONE, is_call, mark)
    price = round(spot * USDC_ONE)
    return StandardAppraisal(STANDARD, series, {EXPIRY: Underlay(price, price, WAD)}, WAD)


def _crowd(scene: Scene, appraisal: StandardAppraisal) -> dict[int, Holder]:
    """One account for each series and cushion."""
    crowd: dict[int, Holder] = {}
    for series in appraisal.series:
        for cushion in scene.cushions:
            positions: dict[int, Qty] = {series: -scene.contracts * QTY_ONE}
            needed = round(appraisal.risk(positions, Kind.INITIAL) * cushion)
            number = FIRST + len(crowd)
            crowd[number] = Holder(number, needed - value_of(appraisal, positions), positions)
    return crowd


def _one(path: Floats, scene: Scene, grid: Grid, fund: Cash) -> Tale:
    crowd = _crowd(scene, appraisal_at(float(path[0]), scene, _left(scene, grid, 0)))
    outcomes: list[Outcome] = []
    now = low = fund
    for step in range(1, grid.steps + 1):
        appraisal = appraisal_at(float(path[step]), scene, _left(scene, grid, step))
        for number, holder in crowd.items():
            if not holder.positions or covers(appraisal, holder, Kind.MAINTENANCE):
                continue
            outcome = _liquidated(appraisal, holder, now)
            low = min(low, now - outcome.losses.insurance_pays)
            crowd[number], now = outcome.account, outcome.insurance
            outcomes.append(outcome)
    return _told(outcomes, fund, low, now)


def _left(scene: Scene, grid: Grid, step: int) -> float:
    return scene.days / 365 - step * grid.step


def _liquidated(appraisal: StandardAppraisal, holder: Holder, fund: Cash) -> Outcome:
    """Against a provider and a winner without bounds: what is measured is the deficit and not who bears it."""
    provider = Provider(Holder(PROVIDER, DEEP, {}), TERMS.haircut, 0)
    other = {key: -qty for key, qty in holder.positions.items()}
    rival = Rival(Holder(RIVAL, DEEP, other), dict.fromkeys(other, DEEP))
    return liquidate(appraisal, TERMS, holder, (provider,), (rival,), fund)


def _told(outcomes: list[Outcome], fund: Cash, low: Cash, end: Cash) -> Tale:
    losses = [outcome.losses for outcome in outcomes]
    return Tale(
        len(outcomes),
        sum(not outcome.account.positions for outcome in outcomes),
        sum(loss.account_pays for loss in losses) / USDC_ONE,
        (low - fund) / USDC_ONE,
        (end - fund) / USDC_ONE,
        sum(sum(loss.given_up.values()) for loss in losses) / USDC_ONE,
        sum(sum(loss.socialised.values()) + loss.uncovered for loss in losses) / USDC_ONE,
    )


def quantile(values: list[float], share: float) -> float:
    """The value that such a share of all does not exceed."""
    return float(np.quantile(np.array(values), share))
