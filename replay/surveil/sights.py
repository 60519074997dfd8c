"""What detectors see: each record with what it did to orders, the best prices before and after it, and who is who.

Owns the walk through the journal, and which accounts belong together: those of one wallet, those that a session key of
one wallet signs for, and those that whoever runs the surveillance says are linked. The journal does not say who funded
an account. Imports the engine and the order events of the export.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exchange.core import commands as c
from exchange.core.state import State
from exchange.core.units import Price
from replay.engine import Step
from replay.export.orders import Follower, OrderEvent
from replay.surveil.cases import Case


class Top(NamedTuple):
    """Best prices of a book; None: nobody."""

    bid: Price | None = None
    ask: Price | None = None


NOBODY = Top()


class People:
    """Which accounts are one's. A group is named by the lowest address in it."""

    def __init__(self, linked: Iterable[Sequence[str]] = ()) -> None:
        self._head: dict[str, str] = {}
        self._owner: dict[int, str] = {}
        self._signs: dict[bytes, str] = {}
        for addresses in linked:
            for address in addresses[1:]:
                self._join(addresses[0].lower(), address.lower())

    def note(self, step: Step) -> None:
        """Accounts and session keys that a record tells of."""
        match step.command:
            case c.ObserveAccount(account=account, owner=owner):
                self._owner[account] = "0x" + owner.hex()
            case c.ObserveKey(account=account, key=key):
                owner_of_key = self._signs.setdefault(key, self.owner(account))
                self._join(owner_of_key, self.owner(account))
            case _:
                pass

    def owner(self, account: int) -> str:
        """The wallet of an account."""
        return self._owner.get(account, "")

    def group(self, account: int) -> str:
        """Everybody who belongs to the same as an account, by one name."""
        return self._find(self.owner(account))

    def accounts(self, group: str) -> list[int]:
        """The accounts of a group."""
        return [account for account, owner in self._owner.items() if self._find(owner) == group]

    def accounts_of(self, owner: str) -> list[int]:
        """The accounts of one wallet."""
        return [account for account, its in self._owner.items() if its == owner]

    def owners(self, address: str) -> list[str]:
        """The wallets that have accounts and belong with this one, itself included."""
        return sorted({self._owner[account] for account in self.accounts(self._find(address))})

    def _find(self, address: str) -> str:
        while (head := self._head.get(address, address)) != address:
            address = head
        return address

    def _join(self, one: str, other: str) -> None:
        low, high = sorted((self._find(one), self._find(other)))
        if low != high:
            self._head[high] = low


class Sight(NamedTuple):
    """One record. ``before`` and ``after`` are best prices of the series it touched; ``state`` is the live one."""

    step: Step
    orders: list[OrderEvent]
    before: dict[int, Top]
    after: dict[int, Top]
    state: State
    people: People


class Eyes:
    """Turns records, in order, into what detectors see."""

    def __init__(self, linked: Iterable[Sequence[str]] = ()) -> None:
        self.people = People(linked)
        self._tops: dict[int, Top] = {}

    def sight(self, step: Step, orders: list[OrderEvent], state: State) -> Sight:
        """The next record, with what it did to orders."""
        self.people.note(step)
        touched = {event.order.series for event in orders} | {
            event.fill.series for event in orders if event.fill is not None
        }
        before = {series: self._tops.get(series, NOBODY) for series in sorted(touched)}
        after = {series: _top(state, series) for series in before}
        self._tops |= after
        return Sight(step, orders, before, after, state, self.people)


def sights(steps: Iterable[tuple[Step, State]], linked: Iterable[Sequence[str]] = ()) -> Iterator[Sight]:
    """Each record as detectors see it."""
    follower, eyes = Follower(), Eyes(linked)
    for step, state in steps:
        yield eyes.sight(step, follower.follow(step, state), state)


def _top(state: State, series: int) -> Top:
    book = state.books.get(series)
    return NOBODY if book is None else Top(book.bids.best(), book.asks.best())


class Pair(NamedTuple):
    """Both sides of one trade, as each order stood right after it."""

    maker: OrderEvent
    taker: OrderEvent

    @property
    def trade(self) -> int:
        """Its number."""
        return self.maker.fill.trade_id if self.maker.fill is not None else 0


def pairs(sight: Sight) -> list[Pair]:
    """The trades of a record."""
    sides: dict[int, list[OrderEvent]] = {}
    for event in sight.orders:
        if event.fill is not None:
            sides.setdefault(event.fill.trade_id, []).append(event)
    return [Pair(*sorted(both, key=_takes)) for both in sides.values()]


def _takes(event: OrderEvent) -> bool:
    return event.fill is not None and event.fill.is_taker


class Detector:
    """Looks for one practice. Memory is that of what may still become a case."""

    def see(self, sight: Sight) -> None:
        """One record more, in the order of the journal."""
        raise NotImplementedError

    def cases(self) -> Iterator[Case]:
        """What there is to look at, once the journal is through."""
        raise NotImplementedError
