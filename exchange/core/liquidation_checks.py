"""A liquidation from end to end, and the nine invariants that are checked on each one before anybody sees it.

Each returns None or a sentence that says what is wrong, as in ``invariants``; the first finding stops the process. They
measure the outcome again from the accounts as they were, and trust none of the sums it was made of.
Source: reference quant 4.3, invariants 1 to 9. Imports the rooms of liquidation, margin, units.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from exchange.core.liquidation import (
    PPM,
    Appraisal,
    FieldOf,
    Holder,
    LiquidationTerms,
    Positions,
    Provider,
    Slice,
    Transfer,
    covers,
    equity_of,
    fast_exit,
    haircut_of,
    improves,
    is_cured,
    merged,
    one_field,
    share_of,
    sold,
    value_of,
)
from exchange.core.liquidation_book import Book, cost_of, owner_after, sell_to_book
from exchange.core.liquidation_waterfall import Outcome, Rival, deleverage, profit_against, settled
from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, WAD, Cash, Qty, Wad, div_down


class LiquidationBroken(AssertionError):
    """A liquidation breaks its own rules: stop, and find the cause."""


class Case(NamedTuple):
    """A liquidation as it was asked for and what came of it."""

    appraisal: Appraisal
    terms: LiquidationTerms
    account: Holder
    providers: tuple[Provider, ...]
    rivals: tuple[Rival, ...]
    insurance: Cash
    book: Book
    outcome: Outcome


Check: TypeAlias = Callable[[Case], str | None]
NO_BOOK: Final[Book] = {}


def liquidate(
    appraisal: Appraisal,
    terms: LiquidationTerms,
    account: Holder,
    providers: tuple[Provider, ...],
    rivals: tuple[Rival, ...],
    insurance: Cash,
    book: Book = NO_BOOK,
    field_of: FieldOf = one_field,
) -> Outcome:
    """Providers, then the book, then deleveraging, then the waterfall; the account alone is chosen by who asks.

    ``rivals`` are all accounts that hold the other side, providers among them if they do, and whoever has offers in
    the book. An account that covers its risk comes back as it was.
    """
    left = fast_exit(appraisal, terms, account, providers, field_of)
    sold_there = sell_to_book(appraisal, terms, left.account, book)
    grown = {provider.holder.id: provider.holder for provider in left.providers}
    now = tuple(
        rival._replace(holder=owner_after(grown.get(rival.holder.id, rival.holder), sold_there.fills))
        for rival in rivals
    )
    closed = deleverage(appraisal, terms, sold_there.account, now)
    outcome = settled(terms, left, sold_there, closed, rivals, insurance, account.positions)
    check_all(Case(appraisal, terms, account, providers, rivals, insurance, book, outcome))
    return outcome


# -- the nine ---------------------------------------------------------------------------------------------------------


def holders_before(case: Case) -> dict[int, Holder]:
    """Everybody concerned as they were, the account included."""
    crowd = [rival.holder for rival in case.rivals] + [provider.holder for provider in case.providers]
    return {holder.id: holder for holder in (*crowd, case.account)}


def _sums(holders: Mapping[int, Holder]) -> tuple[Cash, Positions]:
    total: dict[int, Qty] = {}
    for holder in holders.values():
        total = merged(total, holder.positions)
    return sum(holder.cash for holder in holders.values()), total


def _steps(case: Case) -> Iterator[tuple[Holder, Holder, Transfer]]:
    """The account before and after each transfer."""
    account = case.account
    for transfer in case.outcome.exit.transfers:
        after = sold(case.appraisal, account, transfer.positions, transfer.rate)
        yield account, after, transfer
        account = after


def cash_and_positions_are_conserved(case: Case) -> str | None:
    """CASH_AND_POSITIONS_ARE_CONSERVED: over everybody, the fund and the keeper; a deficit nobody bore stays negative
    cash of the account.
    """
    after = {**case.outcome.others, case.account.id: case.outcome.account}
    cash, positions = _sums(holders_before(case))
    cash_after, positions_after = _sums(after)
    if cash + case.insurance != cash_after + case.outcome.insurance + case.outcome.keeper:
        return f"cash {cash} + {case.insurance} became {cash_after} + {case.outcome.insurance}"
    return None if positions == positions_after else f"positions {positions} became {positions_after}"


def account_ends_safe_or_flat(case: Case) -> str | None:
    """ACCOUNT_ENDS_SAFE_OR_FLAT: equity is 1 + buffer times the requirement or more, or nothing is left but a deficit
    that is recorded. Short of the buffer, though not of the requirement, only where providers could bear no more, or
    had taken all of the fields they stand for.
    """
    after = case.outcome.account
    if covers(case.appraisal, case.account, Kind.MAINTENANCE):
        return None if after == case.account else "an account that covers its risk was touched"
    short = [
        transfer
        for transfer in case.outcome.exit.transfers
        if transfer.positions != transfer.needed.positions or transfer.needed.share == PPM
    ]
    is_safe = (short or case.outcome.book.fills) and covers(case.appraisal, after, Kind.MAINTENANCE)
    if not is_safe and not is_cured(case.appraisal, after, case.terms.buffer):
        return f"account {after.id} is left with {after}"
    if not after.positions and after.cash < 0 and after.cash != -case.outcome.losses.uncovered:
        return f"account {after.id} is left owing {-after.cash}, recorded are {case.outcome.losses.uncovered}"
    return None


def equity_over_risk_rises(case: Case) -> str | None:
    """EQUITY_OVER_RISK_RISES: with each transfer, while equity is more than its haircut could take; up to the unit by
    which the worth of a slice is rounded.
    """
    for before, after, transfer in _steps(case):
        equity, left = (equity_of(case.appraisal, held) for held in (before, after))
        risk, rest = (case.appraisal.risk(held.positions, Kind.MAINTENANCE) for held in (before, after))
        if equity * WAD > transfer.rate * risk and (left + 1) * risk < equity * rest:
            return f"equity / risk fell from {equity} / {risk} to {left} / {rest}"
    before, after = case.outcome.exit.account, case.outcome.book.account
    if before != after and not improves(case.appraisal, before, after, 0):
        return f"selling {case.outcome.book.fills} to the book did not help"
    return None


def no_more_than_needed(case: Case) -> str | None:
    """NO_MORE_THAN_NEEDED: nobody takes more of a leg than the slice has, and the share tried before did not do."""
    steps = [(before, transfer.needed, transfer.positions, transfer.rate) for before, _, transfer in _steps(case)]
    book, closed = case.outcome.book, case.outcome.closed
    for before, needed, parts in (
        (case.outcome.exit.account, book.needed, [(fill.series, fill.qty) for fill in book.fills]),
        (book.account, closed.needed, [(closing.series, closing.qty) for closing in closed.closings]),
    ):
        if needed is not None:
            steps.append((before, needed, _together(parts), 0))
    for before, needed, part, rate in steps:
        if any(abs(part[key]) > abs(needed.positions.get(key, 0)) for key in part):
            return f"{part} was taken where {needed.positions} was needed"
        if needed.tried and _would_do(case, before, needed, rate):
            return f"a share of {needed.tried} would have done, {needed.share} was needed"
    return None


def _together(parts: list[tuple[int, Qty]]) -> Positions:
    total: Positions = {}
    for series, qty in parts:
        total = merged(total, {series: qty})
    return total


def _would_do(case: Case, before: Holder, needed: Slice, rate: Wad) -> bool:
    smaller = share_of({key: before.positions[key] for key in needed.positions}, needed.tried)
    return is_cured(case.appraisal, sold(case.appraisal, before, smaller, rate), case.terms.buffer)


def incentive_is_bounded(case: Case) -> str | None:
    """INCENTIVE_IS_BOUNDED: a provider gains at most its committed share of the requirement it removed, at most the
    terms' share, and the book together no more than that; all haircuts cost the account at most the equity it had.
    """
    for before, after, transfer in _steps(case):
        most = haircut_of(case.appraisal, before.positions, after.positions, transfer.rate)
        if transfer.rate > case.terms.haircut or not 0 <= transfer.haircut <= most:
            return f"provider {transfer.provider} gains {transfer.haircut}, at most {most} is due"
    before, after = case.outcome.exit.account, case.outcome.book.account
    most = haircut_of(case.appraisal, before.positions, after.positions, case.terms.haircut)
    if cost_of(case.appraisal, before, after) > most:
        return f"the book gains {cost_of(case.appraisal, before, after)}, at most {most} is due"
    equity = max(equity_of(case.appraisal, case.account), 0)
    paid = case.outcome.losses.account_pays
    return None if paid <= equity else f"an account with {equity} paid {paid} in haircuts"


def asking_again_changes_nothing(case: Case) -> str | None:
    """ASKING_AGAIN_CHANGES_NOTHING: the outcome needs no further exit, risk has not risen, legs have no order."""
    after, before = case.outcome.account, case.account.positions
    if after.positions and not covers(case.appraisal, after, Kind.MAINTENANCE):
        return f"account {after.id} would be liquidated again"
    risk = case.appraisal.risk(before, Kind.MAINTENANCE)
    if case.appraisal.risk(after.positions, Kind.MAINTENANCE) > max(risk, 0):
        return f"risk rose from {risk}"
    turned = dict(reversed(before.items()))
    return None if case.appraisal.risk(turned, Kind.MAINTENANCE) == risk else "the order of legs matters"


def price_is_of_the_round(case: Case) -> str | None:
    """PRICE_IS_OF_THE_ROUND: every price follows from the round and the committed haircut, none from who asked."""
    for before, after, transfer in _steps(case):
        due = haircut_of(case.appraisal, before.positions, after.positions, transfer.rate)
        if (transfer.worth, transfer.haircut) != (value_of(case.appraisal, transfer.positions), due):
            return f"provider {transfer.provider} paid {transfer.worth} less {transfer.haircut}"
    for fill in case.outcome.book.fills:
        offers = case.book[fill.series].bids if fill.qty > 0 else case.book[fill.series].asks
        there = any(offer.owner == fill.owner and offer.price == fill.price for offer in offers)
        if not there or fill.cash != div_down(fill.price * fill.qty, QTY_ONE):
            return f"{fill} is no offer of the book"
    for closing in case.outcome.closed.closings:
        exact = value_of(case.appraisal, {closing.series: closing.qty})
        if not exact <= closing.cash <= exact + 1:
            return f"account {closing.rival} closed {closing.qty} of {closing.series} for {closing.cash}"
    return None


def _profits(case: Case) -> dict[int, Cash]:
    return {
        rival.holder.id: profit_against(rival, case.account.positions)
        for rival in case.rivals
        if rival.holder.id != case.account.id
    }


def losses_fall_in_order(case: Case) -> str | None:
    """LOSSES_FALL_IN_ORDER: the fund is never negative; haircuts are given up once it is empty, profits are touched
    once no haircut is left, none by more than itself, and only when all are gone is anything uncovered.
    """
    losses, fund = case.outcome.losses, case.insurance - case.outcome.losses.insurance_pays
    if fund < 0 or case.outcome.insurance < 0:
        return f"the fund is left with {case.outcome.insurance}"
    if fund and (any(losses.given_up.values()) or losses.socialised or losses.uncovered):
        return f"haircuts or profits pay while the fund has {fund}"
    if (losses.socialised or losses.uncovered) and any(losses.haircuts.values()):
        return f"profits pay while haircuts of {losses.haircuts} are kept"
    if losses.uncovered and sum(losses.socialised.values()) != sum(_profits(case).values()):
        return f"{losses.uncovered} is uncovered while profits are left"
    profits = _profits(case)
    if any(loss > profits.get(key, 0) for key, loss in losses.socialised.items()):
        return f"profits {profits} bear {losses.socialised}"
    return None


def providers_keep_their_margin(case: Case) -> str | None:
    """PROVIDERS_KEEP_THEIR_MARGIN: each passes its own initial margin with what it took, its haircut given up."""
    outcome = case.outcome
    took = {transfer.provider: None for transfer in outcome.exit.transfers}
    for provider in outcome.exit.providers:
        held = provider.holder
        paid = outcome.losses.given_up.get(held.id, 0) + outcome.fund_shares.get(held.id, 0)
        if held.id in took and not covers(case.appraisal, held._replace(cash=held.cash - paid), Kind.INITIAL):
            return f"provider {held.id} is short of initial margin"
    return None


ALL: Final[tuple[Check, ...]] = (
    cash_and_positions_are_conserved,
    account_ends_safe_or_flat,
    equity_over_risk_rises,
    no_more_than_needed,
    incentive_is_bounded,
    asking_again_changes_nothing,
    price_is_of_the_round,
    losses_fall_in_order,
    providers_keep_their_margin,
)


def check_all(case: Case) -> None:
    """Raise LiquidationBroken naming the first invariant that does not hold."""
    for check in ALL:
        finding = check(case)
        if finding is not None:
            raise LiquidationBroken(f"{check.__name__}: {finding}")
