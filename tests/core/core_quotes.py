"""Makers who quote: a venue whose contracts know mandates, and short words for messages, groups and what came of them."""

from typing import Any

from core_venue import HALF_HOUR, T0, USDC, Venue, series_named, standard_venue, wallet

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state_types import Order
from exchange.core.units import NO_EXPIRY

MAKER, TAKER, OTHER = 1, 2, 3
CALL, PUT, HIGH = series_named("62000C"), series_named("62000P"), series_named("64000C")
GROUP = "front"
LOT = 100
SECOND = 10**9


def quoting_venue(**bounds: Any) -> Venue:
    """A maker with a group, a taker and somebody else, all with money; bounds as in ``protect``."""
    venue = standard_venue(mandates=True)
    for account in (MAKER, TAKER, OTHER):
        venue.fund(account, 1_000_000)
    protect(venue, MAKER, **bounds)
    return venue


def wide_venue(strikes: int = 50) -> tuple[Venue, list[int]]:
    """A venue with an expiry of many series, and their numbers."""
    venue = quoting_venue()
    expiry_id = venue.list_expiry(T0 + 400 * HALF_HOUR, tuple(60_000 + 200 * step for step in range(strikes)))
    venue.wait(1)
    venue.round(62_000)
    return venue, list(venue.state.expiries[expiry_id].series)


def protect(venue: Venue, account: int = MAKER, group: str = GROUP, **bounds: Any) -> tuple[Any, ...]:
    """Open a group, or change it; without bounds it protects from nothing."""
    fields = {"interval_ns": 10 * SECOND, "frozen_ns": 0, "qty": 0, "delta": 0, "vega": 0, "count": 0}
    return venue.must(c.SetProtection(account, group, c.Protection(**(fields | bounds))))


def mandate(venue: Venue, account: int = MAKER, **terms: Any) -> c.QuoteMandate:
    """A mandate of the owner with the next nonce and no budget."""
    nonce = venue.nonces[account] = venue.nonces.get(account, -1) + 1
    fields = {
        "account": account,
        "nonce": nonce,
        "expiry_s": NO_EXPIRY,
        "max_fee": 10_000 * USDC,
        "qty": 0,
        "delta": 0,
        "vega": 0,
        "count": 0,
        "signer": wallet(account),
        "signature": b"s" * 65,
    }
    return c.QuoteMandate(**(fields | terms))


def bid(series: int, lots: int, usdc: int, delta: int = 5_000, vega: int = 10**8) -> c.QuoteLeaf:
    return c.QuoteLeaf(series, True, lots * LOT, usdc * USDC, delta, vega)


def ask(series: int, lots: int, usdc: int, delta: int = 5_000, vega: int = 10**8) -> c.QuoteLeaf:
    return c.QuoteLeaf(series, False, lots * LOT, usdc * USDC, delta, vega)


def quote(venue: Venue, *leaves: c.QuoteLeaf, **terms: Any) -> tuple[Any, ...]:
    """Send a message; ``account``, ``group``, ``label`` and ``whole`` beside the terms of the mandate."""
    account = terms.pop("account", MAKER)
    about = {name: terms.pop(name) for name in ("group", "label", "whole") if name in terms}
    return venue.do(c.MassQuote(mandate(venue, account, **terms), leaves, **({"group": GROUP} | about)))


def quoted(venue: Venue, *leaves: c.QuoteLeaf, **terms: Any) -> list[int]:
    """Send a message all of whose leaves must stand; their order ids."""
    events = quote(venue, *leaves, **terms)
    entered = [event.order_id for event in events if type(event) is e.Quoted]
    assert len(entered) == len(leaves), events
    return entered


def hit(venue: Venue, series: int, is_buy: bool, lots: int, usdc: int, account: int = TAKER) -> tuple[Any, ...]:
    """Somebody takes what stands up to a price, and leaves nothing behind."""
    return venue.do(c.Place(venue.auth(account, series, is_buy, lots * LOT, usdc * USDC, tif=c.IOC)))


def quotes(venue: Venue, account: int = MAKER, group: str = GROUP) -> list[tuple[int, bool, int, int]]:
    """What a group has in the book: series, side, price in USDC, lots left."""
    standing = venue.state.accounts[account].quotes.get(group, {})
    return sorted((o.series, o.is_buy, o.price // USDC, (o.qty - o.filled) // LOT) for o in standing.values())


def queue(venue: Venue, series: int, is_buy: bool) -> list[Order]:
    """A side of a book from best to worst."""
    return list(venue.state.books[series].side(is_buy=is_buy).orders())


def kinds(events: tuple[Any, ...]) -> list[str]:
    """Names of the events."""
    return [type(event).__name__ for event in events]


def taken_off(events: tuple[Any, ...], reason: e.CancelReason) -> list[int]:
    """Orders that left the book for this reason."""
    return [event.order_id for event in events if type(event) is e.Cancelled and event.reason is reason]
