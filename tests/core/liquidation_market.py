"""Closed markets in trouble, drawn from a seed: an account short of margin, providers, and whoever holds the other side.

Positions sum to zero in every series, as the machine's do. Marks are Black-76, at a few spots worked out once.
"""

import random
from collections.abc import Callable, Iterator
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from core_venue import STANDARD, USDC

from exchange.core.black76 import SCALAR, black76_mark
from exchange.core.liquidation import (
    FieldOf,
    Holder,
    LiquidationTerms,
    Positions,
    Priced,
    Provider,
    StandardAppraisal,
    Underlay,
    merged,
    one_field,
    value_of,
)
from exchange.core.liquidation_book import Book, Offer, Offers
from exchange.core.liquidation_checks import liquidate
from exchange.core.liquidation_portfolio import PortfolioAppraisal
from exchange.core.liquidation_portfolio import Priced as PortfolioPriced
from exchange.core.liquidation_waterfall import Outcome, Rival
from exchange.core.margin import Kind
from exchange.core.risk_models.arrays import RiskRound, Terms
from exchange.core.risk_models.grid import Sheet
from exchange.core.risk_models.requirement import portfolio_rules
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import WAD, years_of

CENT = WAD // 100
TERMS = LiquidationTerms(haircut=10 * CENT, buffer=15 * CENT, insurance_share=20 * CENT, keeper_reward=5 * USDC)
SPOTS = (48_000, 56_000, 61_500, 68_000, 90_000)
STRIKES = (50_000, 55_000, 60_000, 65_000, 75_000)
DAYS = (2, 9, 37)
ME = 1


@cache
def appraisal_at(spot: int, conf: int = WAD) -> StandardAppraisal:
    """Three expiries of calls and puts at one spot, in USDC."""
    series: dict[int, Priced] = {}
    expiries: dict[int, Underlay] = {}
    for number, days in enumerate(DAYS, 1):
        forward, years = spot * USDC * (1_000 + number) // 1_000, years_of(days * 86_400)
        expiries[number] = Underlay(spot * USDC, forward, conf)
        for index, (strike, is_call) in enumerate((strike, is_call) for strike in STRIKES for is_call in (True, False)):
            vol = 55 * CENT + abs(strike - spot) * CENT // 1_000
            mark = black76_mark(forward, strike * USDC, vol, years, is_call=is_call)
            series[number << 16 | index] = Priced(number, strike * USDC, is_call, mark)
    return StandardAppraisal(STANDARD, series, expiries, WAD)


def by_expiry(series: int) -> int:
    """The first two expiries are of one underlying, the third is of another."""
    return 1 if series >> 16 < 3 else 2


class Trouble(NamedTuple):
    """One case, in the order of the arguments of ``liquidate``."""

    appraisal: Any
    terms: LiquidationTerms
    account: Holder
    providers: tuple[Provider, ...]
    rivals: tuple[Rival, ...]
    insurance: int
    book: Book = MappingProxyType({})
    field_of: FieldOf = one_field

    def run(self) -> Outcome:
        return liquidate(*self)


def _positions(dice: random.Random, series: list[int], legs: int, most: int) -> Positions:
    chosen = dice.sample(series, legs)
    return {key: dice.choice((-1, 1)) * dice.randint(1, most) for key in sorted(chosen)}


def _funded(appraisal: Any, holder_id: int, positions: Positions, kind: Kind, share: float) -> Holder:
    """An account whose equity is such a share of what its positions need."""
    needed = int(appraisal.risk(positions, kind) * share)
    return Holder(holder_id, needed - value_of(appraisal, positions), positions)


def _rivals(dice: random.Random, appraisal: Any, open_: Positions) -> tuple[Rival, ...]:
    """Accounts 100, 101, ... that hold the other side of what is open, with profits and losses."""
    held: list[Positions] = [{} for _ in range(dice.randint(1, 5))]
    for key, qty in sorted(open_.items()):
        left = -qty
        while left:
            part = dice.choice((left, (abs(left) + 1) // 2 * (1 if left > 0 else -1)))
            place = dice.randrange(len(held))
            held[place] = merged(held[place], {key: part})
            left -= part
    return tuple(
        Rival(
            _funded(appraisal, 100 + number, positions, Kind.INITIAL, dice.uniform(0.9, 4)),
            {key: dice.randint(-300, 900) * USDC for key in positions},
        )
        for number, positions in enumerate(held)
    )


def _book(dice: random.Random, appraisal: Any, account: Holder, rivals: tuple[Rival, ...]) -> Book:
    """Offers around the marks of most of the account's legs, by rivals and now and then by the account itself."""
    book: Book = {}
    for key, qty in account.positions.items():
        mark = -appraisal.worth({key: -1})
        sides = []
        for sign in (-1, 1):
            widest = dice.choice((40, 900))
            steps = sorted(dice.randint(-1, widest) for _ in range(dice.randint(0, 3)))
            sides.append(
                tuple(
                    Offer(
                        dice.choice([rival.holder.id for rival in rivals] * 3 + [account.id]),
                        max(mark + sign * mark * step // 1_000, 1),
                        dice.randint(1, 2 * abs(qty)),
                    )
                    for step in steps
                )
            )
        book[key] = Offers(*sides)
    return book


@cache
def portfolio_at(spot: int) -> PortfolioAppraisal:
    """The same options under the venue's PORTFOLIO parameters."""
    standard = appraisal_at(spot)
    sheets = {
        key: Sheet(expiry.forward, DAYS[key - 1] * 86_400, years_of(DAYS[key - 1] * 86_400))
        for key, expiry in standard.expiries.items()
    }
    terms = {key: Terms(option.strike, option.is_call, 60 * CENT) for key, option in standard.series.items()}
    arrays = RiskRound(PORTFOLIO, 1, sheets, terms, SCALAR)
    on = PortfolioPriced(portfolio_rules(PORTFOLIO), arrays, spot * USDC, dict.fromkeys(sheets, WAD))
    return PortfolioAppraisal({0: on}, dict.fromkeys(sheets, 0), WAD)


def trouble(seed: int, most: int = 50_000, market: Callable[[int], Any] = appraisal_at) -> Trouble:
    """The case of a seed; one in six has no providers, one in eight an account that holds only one leg."""
    dice = random.Random(seed)
    spot = dice.choice(SPOTS)
    appraisal, series = market(spot), list(appraisal_at(spot).series)
    while True:
        positions = _positions(dice, series, 1 if dice.random() < 0.125 else dice.randint(2, 6), most)
        if appraisal.risk(positions, Kind.MAINTENANCE) > 0:
            break
    account = _funded(appraisal, ME, positions, Kind.MAINTENANCE, dice.uniform(-0.4, 0.999))
    providers, open_ = [], dict(positions)
    for number in range(0 if dice.random() < 1 / 6 else dice.randint(1, 4)):
        own = _positions(dice, series, dice.randint(0, 3), most)
        open_ = merged(open_, own)
        wealth = abs(account.cash) * dice.choice((0, 1, 3, 20))
        holder = _funded(appraisal, 10 + number, own, Kind.INITIAL, 1.0)
        holder = holder._replace(cash=holder.cash + wealth)
        providers.append(Provider(holder, dice.choice((0, 2, 5, 10, 11)) * CENT, dice.randint(1, 3)))
    insurance = dice.choice((0, 1, dice.randint(0, abs(account.cash) + 1), 10**15))
    rivals = _rivals(dice, appraisal, open_) + tuple(
        Rival(provider.holder, {key: dice.randint(-300, 900) * USDC for key in provider.holder.positions})
        for provider in providers
    )
    book = _book(dice, appraisal, account, rivals) if dice.random() < 0.5 else {}
    field_of: FieldOf = one_field
    if dice.random() < 0.4:
        # Ring-fenced: each stands for one of two underlyings, of which the account may hold one or both.
        field_of = by_expiry
        providers = [provider._replace(field=dice.choice((1, 2))) for provider in providers]
    return Trouble(appraisal, TERMS, account, tuple(providers), rivals, insurance, book, field_of)


def troubles(count: int, market: Callable[[int], Any] = appraisal_at) -> Iterator[tuple[int, Trouble]]:
    """Cases of consecutive seeds; small positions, where rounding of legs bites, in every third."""
    for seed in range(count):
        yield seed, trouble(seed, 40 if seed % 3 == 0 else 50_000, market)
