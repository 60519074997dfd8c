"""How much may be asked: credits that refill with time, and every other bound of the door. Settings in one struct.

The clock is an argument. Imports requests, dialect.
"""

from typing import Final

import msgspec

from exchange.core.units import NANOS_PER_SECOND, Nanos
from exchange.dialect.bounds import Bound, beyond
from exchange.session.requests import Shape


class Costs(msgspec.Struct, frozen=True):
    """Credits per request."""

    matching: int = 250
    quote: int = 8  # each pair of a mass quote, besides
    cancel: int = 250
    query: int = 500
    listing: int = 2_000
    login: int = 1_000
    malformed: int = 500


class Rate(msgspec.Struct, frozen=True):
    """A pool of credits: what it holds when full, which is the burst, and how fast it fills."""

    credits_max: int
    refill_per_s: int

    def numbers(self) -> tuple[int, int]:
        """Both."""
        return self.credits_max, self.refill_per_s


class OrderToTrade(msgspec.Struct, frozen=True):
    """How many orders, edits and quotes an account may send in a window: so many, and so many more for each fill."""

    window_s: int = 3_600
    free: int = 100_000
    per_fill: int = 500


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one connection, of one account over all its connections, and of one address.

    Cancels have pools of their own: no flood of somebody's own keeps them from leaving the book.
    """

    credits_max: int = 50_000  # of a connection, or of an address over HTTP
    refill_per_s: int = 10_000
    costs: Costs = Costs()
    channels_max: int = 1_000
    message_bytes_max: int = 65_536
    depth_max: int = 8
    containers_max: int = 512  # lists and objects in a message: a hundred quotes with both sides, and what is around
    in_flight_max: int = 64
    cancels: Rate = Rate(50_000, 10_000)  # of a connection
    account_matching: Rate = Rate(200_000, 40_000)
    account_cancels: Rate = Rate(200_000, 40_000)
    account_queries: Rate = Rate(200_000, 40_000)
    order_to_trade: OrderToTrade = OrderToTrade()
    guesses: Rate = Rate(10, 1)  # logins of an address that fail: so many in a row, then one in ``guess_wait_s``
    guess_wait_s: int = 10
    connections_per_account: int = 256

    @property
    def shape(self) -> Shape:
        """Of a message."""
        return Shape(self.message_bytes_max, self.containers_max, self.depth_max)

    @property
    def connection(self) -> Rate:
        """The pool of a connection."""
        return Rate(self.credits_max, self.refill_per_s)


_ENDLESS: Final = Rate(2**62, 2**62)
UNLIMITED: Final = Limits(
    credits_max=2**62,
    refill_per_s=2**62,
    cancels=_ENDLESS,
    account_matching=_ENDLESS,
    account_cancels=_ENDLESS,
    account_queries=_ENDLESS,
    order_to_trade=OrderToTrade(free=2**62),
    guesses=_ENDLESS,
    connections_per_account=2**62,
)


class Bucket:
    """Credits of somebody; ``per_ns`` is the time in which the rate's refill comes, by default a second."""

    __slots__ = ("_last_ns", "_left", "_per_ns", "_rate")

    def __init__(self, rate: Rate, now_ns: Nanos, per_ns: Nanos = NANOS_PER_SECOND) -> None:
        self._rate = rate
        self._per_ns = per_ns
        self._left = rate.credits_max * per_ns  # in credits times nanoseconds, so that nothing is rounded away
        self._last_ns = now_ns

    def spend(self, cost: int, now_ns: Nanos, bound: Bound = Bound.CREDITS) -> None:
        """Take credits. Raises DialectError too_many_requests with the seconds to wait."""
        self.require(cost, now_ns, bound)
        self._left -= cost * self._per_ns

    def require(self, cost: int, now_ns: Nanos, bound: Bound = Bound.CREDITS) -> None:
        """Raise as ``spend`` would, and take nothing."""
        full = self._rate.credits_max * self._per_ns
        passed = max(now_ns - self._last_ns, 0)
        self._left = min(full, self._left + passed * self._rate.refill_per_s)
        self._last_ns = max(now_ns, self._last_ns)
        missing = cost * self._per_ns - self._left
        if missing > 0:
            wait_s = missing / self._rate.refill_per_s / NANOS_PER_SECOND
            raise beyond(bound, value=cost, limit=self._left // self._per_ns, wait=round(wait_s, 3))


class Purse:
    """What a connection, or an address over HTTP, may spend: its cancels have a pool of their own."""

    __slots__ = ("cancels", "others")

    def __init__(self, limits: Limits, now_ns: Nanos) -> None:
        self.others = Bucket(limits.connection, now_ns)
        self.cancels = Bucket(limits.cancels, now_ns)
