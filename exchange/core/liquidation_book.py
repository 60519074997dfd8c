"""What providers cannot bear is offered to the book: the same share of every leg, at once, within a band of prices.

Owns how much of the needed slice the resting offers can take and at which prices. A leg is not sold alone: it might be
what covers the others. Nobody in the book earns more at the marks than a provider could: together at most the terms'
haircut on the requirement that goes. Source: reference quant 4.3. Imports liquidation, units.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from exchange.core.liquidation import (
    PPM,
    Appraisal,
    Holder,
    LiquidationTerms,
    Positions,
    Slice,
    covers,
    equity_of,
    haircut_of,
    improves,
    merged,
    needed_slice,
    share_of,
)
from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, Cash, Price, Qty, div_down


class Offer(NamedTuple):
    """A resting order of somebody. Whoever lays the book out leaves away what lies outside the price band."""

    owner: int
    price: Price
    qty: Qty


class Offers(NamedTuple):
    """Of one series, both sides best first: bids take what the account is long, asks what it is short."""

    bids: tuple[Offer, ...] = ()
    asks: tuple[Offer, ...] = ()


Book: TypeAlias = Mapping[int, Offers]


class Fill(NamedTuple):
    """Part of a leg (with the account's sign) that went to an offer; ``cash`` went to the account, rounded down."""

    owner: int
    series: int
    qty: Qty
    price: Price
    cash: Cash


class BookExit(NamedTuple):
    """The account after the book; ``needed`` is None where nothing had to go."""

    account: Holder
    needed: Slice | None = None
    fills: tuple[Fill, ...] = ()


def sell_to_book(appraisal: Appraisal, terms: LiquidationTerms, account: Holder, book: Book) -> BookExit:
    """Sell as much of the needed slice as offers can take; an account that covers its risk is left as it is.

    A part is taken that has offers for every leg, helps by itself, and costs no more than a provider may. It is looked
    for by bisection over shares of the slice: the largest where costs rise with size, as they do in a book.
    """
    needed = needed_slice(appraisal, account, 0, terms.buffer)
    if needed is None or covers(appraisal, account, Kind.MAINTENANCE):
        return BookExit(account)
    low, high = 0, PPM + 1
    while high - low > 1:
        middle = div_down(low + high, 2)
        if _filled(appraisal, terms, account, share_of(needed.positions, middle), book) is not None:
            low = middle
        else:
            high = middle
    fills = _filled(appraisal, terms, account, share_of(needed.positions, low), book) if low else None
    return BookExit(account_after(account, fills), needed, fills) if fills else BookExit(account, needed)


def account_after(account: Holder, fills: tuple[Fill, ...]) -> Holder:
    """The account once fills are booked."""
    sold: Positions = {}
    for fill in fills:
        sold[fill.series] = sold.get(fill.series, 0) + fill.qty
    cash = account.cash + sum(fill.cash for fill in fills)
    return Holder(account.id, cash, merged(account.positions, sold, -1))


def owner_after(holder: Holder, fills: tuple[Fill, ...]) -> Holder:
    """Somebody whose offers were among the fills."""
    for fill in fills:
        if fill.owner == holder.id:
            taken = merged(holder.positions, {fill.series: fill.qty})
            holder = Holder(holder.id, holder.cash - fill.cash, taken)
    return holder


def cost_of(appraisal: Appraisal, before: Holder, after: Holder) -> Cash:
    """What selling to the book cost at the marks."""
    return equity_of(appraisal, before) - equity_of(appraisal, after)


def _filled(
    appraisal: Appraisal, terms: LiquidationTerms, account: Holder, part: Positions, book: Book
) -> tuple[Fill, ...] | None:
    """The fills of a part, or None if a leg lacks offers, or the whole does not help, or costs too much."""
    fills: list[Fill] = []
    for series, qty in sorted(part.items()):
        found = _leg(book.get(series, Offers()), account.id, series, qty)
        if found is None:
            return None
        fills += found
    after = account_after(account, tuple(fills))
    most = haircut_of(appraisal, account.positions, after.positions, terms.haircut)
    if cost_of(appraisal, account, after) > most or not improves(appraisal, account, after, 0):
        return None
    return tuple(fills)


def _leg(offers: Offers, account: int, series: int, qty: Qty) -> list[Fill] | None:
    """Offers that take all of one leg, the best first; those of the account itself do not count."""
    fills: list[Fill] = []
    left, sign = abs(qty), 1 if qty > 0 else -1
    for offer in offers.bids if qty > 0 else offers.asks:
        part = min(left, offer.qty)
        if part and offer.owner != account:
            signed = sign * part
            fills.append(Fill(offer.owner, series, signed, offer.price, div_down(offer.price * signed, QTY_ONE)))
            left -= part
    return None if left else fills
