"""The shapes of notifications, before anyone decides how often to send them. Imports dialect."""

from typing import Any, NamedTuple, Protocol, TypeAlias

from exchange.core.commands import AnyCommand
from exchange.core.events import Event
from exchange.core.units import Nanos, Price, Qty

Row: TypeAlias = tuple[str, Price, Qty]  # new, change or delete; price; total resting there


class Outcome(Protocol):
    """One applied record, as the sequencer hands it over."""

    @property
    def seq(self) -> int:
        """Its number."""
        ...

    @property
    def time_ns(self) -> Nanos:
        """Its time."""
        ...

    @property
    def command(self) -> AnyCommand:
        """What was asked."""
        ...

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened."""
        ...


class BookDelta(NamedTuple):
    """What one record did to one book. ``prev_change_id`` is the ``change_id`` of the delta before it."""

    series: int
    change_id: int
    prev_change_id: int
    time_ms: int
    bids: list[Row]
    asks: list[Row]


class BookSnapshot(NamedTuple):
    """A whole book as of ``change_id``: price to total."""

    series: int
    name: str
    change_id: int
    time_ms: int
    bids: dict[Price, Qty]
    asks: dict[Price, Qty]


class Note(NamedTuple):
    """One item for the channels of some stems. ``account`` 0 is public; of ``latest`` items only the newest counts."""

    stems: tuple[str, ...]
    account: int
    item: Any
    latest: bool


class Revoked(NamedTuple):
    """A session key lost its power over an account: connections that live on it end."""

    key: bytes
    account: int


class Kept(NamedTuple):
    """A notification for whoever writes history down: the record, and its moment if it concerned anybody."""

    seq: int
    time_ns: Nanos
    moment: bytes
    matters: bool
    numbers: dict[int, int]  # accounts it concerned, each with the number of its last entry, 0 for none
    bars: tuple[tuple[int, bytes], ...]  # series, and the bar as it is now
    points: tuple[tuple[int, Nanos, Price], ...]  # underlying, moment of the round, price


Notification: TypeAlias = BookDelta | Note | Revoked | Kept
