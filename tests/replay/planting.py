"""A venue whose last record lies: everything before it is what the machine did, and every hash is right.

``Story`` drives the real machine; ``plant`` then writes one more record by hand, or lets the machine decide and changes
what it said. Fees of a planted fill are those the schedule makes, so that only what is planted is wrong.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from core_venue import USDC, Record, Venue, series_named, standard_venue

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import fees
from journal import Record as Kept
from replay.checker.rules import Rule

CALL, OTHER = series_named("62000C"), series_named("61000C")
ONE = 10_000  # a contract
Events = tuple[Any, ...]


def encoded(record: Record) -> Kept:
    """A record as a journal keeps it."""
    return Kept(record.seq, record.time_ns, codec.encode_command(record.command), codec.encode_events(record.events))


class Story:
    """Four funded traders; 5 is a second account of 1's owner. Prices are in whole USDC."""

    def __init__(self, **changes: Any) -> None:
        self.venue: Venue = standard_venue(**changes)
        for account in (1, 2, 3, 4):
            self.venue.fund(account, 1_000_000)
        self.venue.observe(c.ObserveAccount, 5, (1).to_bytes(20, "big"))
        self.venue.fund(5, 1_000_000)

    @property
    def log(self) -> list[Record]:
        return self.venue.log

    @property
    def seq(self) -> int:
        """The record to come."""
        return self.venue.state.seq + 1

    def rest(self, account: int, side: str, price: int, qty: int = ONE, **terms: Any) -> int:
        """An order that stands; its number."""
        events = self.venue.place(account, terms.pop("series", CALL), side == "buy", qty, price * USDC, **terms)
        assert type(events[-1]) is e.Rested, events
        return self.venue.state.seq

    def book(self) -> tuple[int, int, int]:
        """Asks at 910 by 1, at 900 by 2 and then 3; their numbers in that order."""
        return self.rest(1, "sell", 910), self.rest(2, "sell", 900), self.rest(3, "sell", 900)

    def hold(self, account: int, side: str, qty: int) -> None:
        """The account gets a position, from 4."""
        self.rest(4, "sell" if side == "buy" else "buy", 905, qty)
        assert type(self.venue.place(account, CALL, side == "buy", qty, 905 * USDC, tif=c.IOC)[-1]) is e.Traded

    def order(self, side: str, price: int, qty: int = ONE, account: int = 4, **terms: Any) -> c.Place:
        """An order about to arrive."""
        slide = terms.pop("slide", False)
        return c.Place(
            self.venue.auth(account, terms.pop("series", CALL), side == "buy", qty, price * USDC, **terms), slide=slide
        )

    def fill(self, maker: int, price: int, qty: int = ONE, *, after: int = 0) -> e.Traded:
        """A fill with honest fees; ``after`` so many others of the same record."""
        state = self.venue.state
        assert state.config is not None
        assert state.view is not None
        index = state.view.spots[0]
        taker_fee = fees.taker_fee(state.config.fees, index, price * USDC, qty)
        maker_fee = fees.maker_fee(state.config.fees, index, price * USDC, qty, taker_fee)
        return e.Traded(state.next_trade + after, maker, qty, price * USDC, taker_fee, maker_fee, index)

    def plant(self, command: Any, *events: Any) -> None:
        """One more record, as told."""
        self.log.append(Record(self.seq, self.venue.time_ns, command, events))

    def change(self, command: Any, doctor: Callable[[Events], Events]) -> None:
        """One more record that the machine decides, and then says otherwise."""
        events = self.venue.do(command)
        record = self.log.pop()
        told = doctor(events)
        assert told != events
        self.log.append(record._replace(events=told))


Plot = Callable[[Story], None]
PLANTED: dict[str, tuple[Rule, Plot, Callable[[], Story]]] = {}


def planted(rule: Rule, begin: Callable[[], Story] = Story) -> Callable[[Plot], Plot]:
    """Registers a story that ends in a breach of ``rule``, and how it begins."""

    def register(plot: Plot) -> Plot:
        PLANTED[plot.__name__] = (rule, plot, begin)
        return plot

    return register


def without(kind: type, at: int = 0) -> Callable[[Events], Events]:
    """Leaves out the event of a kind, by place among those of its kind."""

    def doctor(events: Events) -> Events:
        victim = [event for event in events if type(event) is kind][at]
        return tuple(event for event in events if event is not victim)

    return doctor


def instead(kind: type, **changes: Any) -> Callable[[Events], Events]:
    """Changes every event of a kind."""
    return lambda events: tuple(
        msgspec.structs.replace(event, **changes) if type(event) is kind else event for event in events
    )
