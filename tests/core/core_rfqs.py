"""Requests for quotes: a venue with somebody who asks and makers who answer, and short words for what they sign."""

from typing import Any

from core_venue import USDC, Venue, series_named, standard_venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.state_types import Order
from replay.checker import Checker

TAKER, MAKER, OTHER, THIRD, STRANGER = 1, 2, 3, 4, 5
MAKERS = (MAKER, OTHER, THIRD)
CALL, PUT = series_named("62000C"), series_named("62000P")
ONE = 10_000
MARK = 900 * USDC  # a price in whole ticks not far from what the call is worth


def check(venue: Venue) -> None:
    """The invariants hold, the history can be told again, and the independent checker finds nothing in it."""
    venue.check()
    venue.check_history()
    checker = Checker()
    for record in venue.log:
        checker.take(record.seq, record.time_ns, record.command, record.events)
    assert checker.ledger.violations == []
    assert sorted(checker.ledger.orders) == sorted(venue.state.orders)
    assert {key: request.left for key, request in checker.ledger.requests.items()} == {
        key: rfq.request.qty - rfq.filled for key, rfq in venue.state.rfqs.items()
    }
    checker.finish()
    assert checker.ledger.violations == []


def asking_venue(usdc: int = 1_000_000, **changes: Any) -> Venue:
    """Everybody has money; three answer requests."""
    venue = standard_venue(**changes)
    for account in (TAKER, *MAKERS, STRANGER):
        venue.fund(account, usdc)
    for account in MAKERS:
        venue.must(c.AdmitMaker(account, True))
    return venue


def request(venue: Venue, qty: int = 10 * ONE, **terms: Any) -> c.OpenRfq:
    """A request for ten calls by the lot, untold and good for a minute."""
    fields: dict[str, Any] = {
        "account": TAKER,
        "series": CALL,
        "side": c.UNTOLD,
        "qty": qty,
        "step": 100,
        "minimum": 0,
        "expires_s": venue.now_s + 60,
    }
    return c.OpenRfq(**(fields | terms))


def ask(venue: Venue, qty: int = 10 * ONE, **terms: Any) -> int:
    """Open a request; its number."""
    venue.must(request(venue, qty, **terms))
    return venue.state.seq


def signed(venue: Venue, account: int, rfq: int, is_buy: bool, qty: int, price: int, **terms: Any) -> c.Authorisation:
    """An order that names the request, whether it fills whole, and perhaps a group that protects it."""
    kept = {name: terms.pop(name) for name in ("whole", "protection", "delta", "vega") if name in terms}
    bound = {"terms": c.Terms(rfq=rfq, **kept), "post_only": "protection" in kept}
    return venue.auth(account, terms.pop("series", CALL), is_buy, qty, price, **(bound | terms))


def quote(venue: Venue, account: int, rfq: int, price: int, qty: int = 10 * ONE, **terms: Any) -> int:
    """An offer, or with ``is_buy`` a bid, that has to be taken; its number."""
    anonymous = terms.pop("anonymous", False)
    auth = signed(venue, account, rfq, terms.pop("is_buy", False), qty, price, **terms)
    venue.must(c.QuoteRfq(auth, anonymous))
    return venue.state.seq


def requoted(venue: Venue, order_id: int, price: int, qty: int, **terms: Any) -> c.RequoteRfq:
    """A quote signed anew."""
    order = venue.state.orders[order_id]
    replaces = venue.state.auths[order.auth_id].auth.nonce + 1
    auth = signed(venue, order.account, order.rfq, order.is_buy, qty, price, **({"replaces": replaces} | terms))
    return c.RequoteRfq(order_id, auth)


def accepted(venue: Venue, rfq: int, price: int, qty: int = 10 * ONE, *, named: int = 0, **terms: Any) -> c.AcceptRfq:
    """The taker's order: buys whole or not at all, unless terms say otherwise."""
    auth = signed(venue, TAKER, rfq, terms.pop("is_buy", True), qty, price, **({"tif": c.FOK} | terms))
    return c.AcceptRfq(auth, named)


def accept(venue: Venue, rfq: int, price: int, qty: int = 10 * ONE, **terms: Any) -> tuple[Any, ...]:
    """Accept, whatever comes of it."""
    return venue.do(accepted(venue, rfq, price, qty, **terms))


def fills(events: tuple[Any, ...]) -> list[tuple[int, int, int]]:
    """Quote, quantity and price of each fill."""
    return [(event.maker_order, event.qty, event.price) for event in events if type(event) is e.Traded]


def gone(events: tuple[Any, ...]) -> dict[int, e.CancelReason]:
    """Orders that left without a fill, and why."""
    return {event.order_id: event.reason for event in events if type(event) is e.Cancelled}


def ends(events: tuple[Any, ...]) -> dict[int, e.RfqEnd]:
    """Requests that ended, and why."""
    return {event.rfq: event.reason for event in events if type(event) is e.RfqEnded}


def standing(venue: Venue, rfq: int) -> list[Order]:
    """Quotes that stand in a request, by number."""
    return [order for _, order in sorted(venue.state.rfq_quotes.get(rfq, {}).items())]
