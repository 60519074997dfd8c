"""Who pays when an account cannot: insurance, then the providers' haircuts, then those who stand on the other side.

Owns deleveraging (positions nobody takes are closed against opposite ones at the marks of the round), the waterfall
over a deficit, and the sharing out of what is left by largest remainder, exact to the unit.
Source of the rules: reference quant 4.3. Imports liquidation, margin, units.
"""

from collections.abc import Mapping
from typing import NamedTuple

from exchange.core.liquidation import (
    Appraisal,
    Exit,
    Holder,
    LiquidationTerms,
    Positions,
    Slice,
    covers,
    equity_of,
    merged,
    needed_slice,
)
from exchange.core.liquidation_book import BookExit, owner_after
from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, WAD, Cash, Qty, div_down, mul_div_down


class Rival(NamedTuple):
    """An account that may stand on the other side, with its unrealised profit in each series (negative: loss)."""

    holder: Holder
    profits: Mapping[int, Cash]


class Closing(NamedTuple):
    """Positions of the account that ended against those of another at the mark: ``cash`` went to the account."""

    rival: int
    series: int
    qty: Qty
    cash: Cash


class Deleveraging(NamedTuple):
    """What was closed because nobody could take it; ``needed`` is None where nothing had to be."""

    account: Holder
    needed: Slice | None
    closings: tuple[Closing, ...]


class Losses(NamedTuple):
    """How the waterfall went: what each level paid of the haircuts and the deficit of an account that is flat.

    ``haircuts`` are what providers keep before the fund's share; ``uncovered`` is what no profit was left to bear: it
    stays on the account as negative cash and is recorded.
    """

    account_pays: Cash
    insurance_pays: Cash
    haircuts: Mapping[int, Cash]
    given_up: Mapping[int, Cash]
    socialised: Mapping[int, Cash]
    uncovered: Cash


# -- sharing out ------------------------------------------------------------------------------------------------------


def shared(total: int, weights: Mapping[int, int]) -> dict[int, int]:
    """``total`` in proportion to weights, exact to the unit: floors first, what is left to the largest remainders.

    Ties by key. No share exceeds its weight while ``total`` is at most the sum of weights: only a part whose floor
    left something over is raised, and that by one.
    """
    whole = sum(weights.values())
    if not total or not whole:
        return {}
    shares = {key: mul_div_down(total, weight, whole) for key, weight in weights.items()}
    order = sorted(weights, key=lambda key: (shares[key] * whole - total * weights[key], key))
    for key in order[: total - sum(shares.values())]:
        shares[key] += 1
    return {key: share for key, share in shares.items() if share}


# -- deleveraging -----------------------------------------------------------------------------------------------------


def profit_against(rival: Rival, positions: Positions) -> Cash:
    """Unrealised profit of a rival in the series where it stands against these positions, never below zero."""
    held = rival.holder.positions
    return max(sum(rival.profits.get(key, 0) for key, qty in positions.items() if held.get(key, 0) * qty < 0), 0)


def rank_of(appraisal: Appraisal, rival: Rival, positions: Positions) -> tuple[int, int]:
    """Place in the queue: most profit / equity x leverage first, leverage being risk / equity; ties by account.

    Who has no equity, or no profit, comes last: they are closed only when nobody else is there.
    """
    equity = equity_of(appraisal, rival.holder)
    if equity <= 0:
        return (0, rival.holder.id)
    risk = max(appraisal.risk(rival.holder.positions, Kind.MAINTENANCE), 0)
    score = div_down(profit_against(rival, positions) * risk * WAD, equity * equity)
    return (-score, rival.holder.id)


def deleverage(
    appraisal: Appraisal, terms: LiquidationTerms, account: Holder, rivals: tuple[Rival, ...]
) -> Deleveraging:
    """Close as much as is needed at the marks of the round, without a haircut, against rivals in their order.

    Nobody is closed for the buffer alone: an account that covers its risk, if only just, is left as it is. Since every
    long has a short, the rivals of a closed market can always take all of it.
    """
    needed = needed_slice(appraisal, account, 0, terms.buffer)
    if needed is None or covers(appraisal, account, Kind.MAINTENANCE):
        return Deleveraging(account, None, ())
    queue = sorted(rivals, key=lambda rival: rank_of(appraisal, rival, needed.positions))
    matched = [
        (rival, series, qty)
        for series, wanted in sorted(needed.positions.items())
        for rival, qty in _against(queue, series, wanted, account.id)
    ]
    exact = [appraisal.worth({series: qty}) for _, series, qty in matched]
    cash = _rounded_together(exact)
    closings = tuple(
        Closing(rival, series, qty, paid) for (rival, series, qty), paid in zip(matched, cash, strict=True)
    )
    closed: Positions = {}
    for closing in closings:
        closed[closing.series] = closed.get(closing.series, 0) + closing.qty
    return Deleveraging(
        Holder(account.id, account.cash + sum(cash), merged(account.positions, closed, -1)), needed, closings
    )


def _against(queue: list[Rival], series: int, wanted: Qty, account: int) -> list[tuple[int, Qty]]:
    """Rivals and the quantities (with the sign of the account's) that end in one series."""
    found: list[tuple[int, Qty]] = []
    left, sign = abs(wanted), 1 if wanted > 0 else -1
    for rival in queue:
        there = -sign * rival.holder.positions.get(series, 0)
        qty = min(max(there, 0), left)
        if qty and rival.holder.id != account:
            found.append((rival.holder.id, sign * qty))
            left -= qty
    return found


def _rounded_together(exact: list[int]) -> list[Cash]:
    """Each price x quantity in cash, so that the sum is the floor of the exact sum: against the account, by a unit."""
    floors = [div_down(value, QTY_ONE) for value in exact]
    extra = div_down(sum(exact), QTY_ONE) - sum(floors)
    order = sorted(range(len(exact)), key=lambda place: (floors[place] * QTY_ONE - exact[place], place))
    for place in order[:extra]:
        floors[place] += 1
    return floors


# -- waterfall --------------------------------------------------------------------------------------------------------


def losses_of(exit_: Exit, flat: Holder, insurance: Cash, profits: Mapping[int, Cash]) -> Losses:
    """Who bears what: the account's equity pays first, then insurance, then haircuts are given up, then profits.

    ``flat`` is the account after deleveraging. An account that keeps positions has paid the haircuts itself.
    """
    haircuts: dict[int, Cash] = {}
    for transfer in exit_.transfers:
        haircuts[transfer.provider] = haircuts.get(transfer.provider, 0) + transfer.haircut
    total, missing = sum(haircuts.values()), max(-flat.cash, 0) if not flat.positions else 0
    by_insurance = min(missing, max(insurance, 0))
    given_up = shared(min(missing - by_insurance, total), haircuts)
    left = missing - by_insurance - sum(given_up.values())
    socialised = shared(min(left, sum(profits.values())), profits)
    kept = {key: haircut - given_up.get(key, 0) for key, haircut in haircuts.items()}
    uncovered = left - sum(socialised.values())
    return Losses(max(total - missing, 0), by_insurance, kept, given_up, socialised, uncovered)


def insurance_share_of(terms: LiquidationTerms, losses: Losses) -> dict[int, Cash]:
    """What each provider passes on to the fund, of the haircut it keeps; rounded down, against the fund."""
    return {key: mul_div_down(terms.insurance_share, kept, WAD) for key, kept in losses.haircuts.items()}


def holders_after(
    exit_: Exit, book: BookExit, rivals: tuple[Rival, ...], closed: Deleveraging, losses: Losses
) -> dict[int, Holder]:
    """Providers and rivals after transfers, fills, closings, haircuts given up and losses shared; fund shares not yet
    paid.
    """
    after = {rival.holder.id: rival.holder for rival in rivals}
    after.update({provider.holder.id: provider.holder for provider in exit_.providers})
    after = {key: owner_after(holder, book.fills) for key, holder in after.items()}
    for closing in closed.closings:
        held = after[closing.rival]
        positions = merged(held.positions, {closing.series: closing.qty})
        after[closing.rival] = Holder(held.id, held.cash - closing.cash, positions)
    for paid in (losses.given_up, losses.socialised):
        for key, cash in paid.items():
            after[key] = after[key]._replace(cash=after[key].cash - cash)
    return after


class Outcome(NamedTuple):
    """A liquidation from end to end, at one round."""

    account: Holder
    others: Mapping[int, Holder]  # providers and rivals
    insurance: Cash
    keeper: Cash
    exit: Exit
    book: BookExit
    closed: Deleveraging
    losses: Losses
    fund_shares: Mapping[int, Cash]


def settled(
    terms: LiquidationTerms,
    exit_: Exit,
    book: BookExit,
    closed: Deleveraging,
    rivals: tuple[Rival, ...],
    insurance: Cash,
    liquidated: Positions,
) -> Outcome:
    """The waterfall over exit, book and what was deleveraged; the keeper is paid out of the fund's share only."""
    profits = {
        rival.holder.id: profit_against(rival, liquidated) for rival in rivals if rival.holder.id != closed.account.id
    }
    losses = losses_of(exit_, closed.account, insurance, profits)
    shares = insurance_share_of(terms, losses)
    others = holders_after(exit_, book, rivals, closed, losses)
    for key, cash in shares.items():
        others[key] = others[key]._replace(cash=others[key].cash - cash)
    covered = losses.insurance_pays + sum(losses.given_up.values()) + sum(losses.socialised.values())
    account = closed.account._replace(cash=closed.account.cash + covered)
    to_fund = sum(shares.values())
    keeper = min(terms.keeper_reward, to_fund)
    fund = insurance - losses.insurance_pays + to_fund - keeper
    return Outcome(account, others, fund, keeper, exit_, book, closed, losses, shares)
