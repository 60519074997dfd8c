"""How much one connection may ask: credits that refill with time. The clock is an argument. Imports errors."""

from typing import Final, NamedTuple

from exchange.core.units import NANOS_PER_SECOND, Nanos
from exchange.dialect.errors import Code, DialectError


class Costs(NamedTuple):
    """Credits per request."""

    matching: int = 250
    quote: int = 8  # each pair of a mass quote, besides
    query: int = 500
    listing: int = 2_000
    login: int = 1_000
    malformed: int = 500


class Limits(NamedTuple):
    """Bounds of one connection."""

    credits_max: int = 50_000
    refill_per_s: int = 10_000
    costs: Costs = Costs()
    channels_max: int = 1_000
    message_bytes_max: int = 65_536
    depth_max: int = 8


UNLIMITED: Final = Limits(credits_max=2**62, refill_per_s=2**62)


class Bucket:
    """Credits of a connection, or of an address over HTTP."""

    __slots__ = ("_last_ns", "_left", "_max", "_rate")

    def __init__(self, limits: Limits, now_ns: Nanos) -> None:
        self._max = limits.credits_max
        self._rate = limits.refill_per_s
        self._left = limits.credits_max
        self._last_ns = now_ns

    def spend(self, cost: int, now_ns: Nanos) -> None:
        """Take credits. Raises DialectError too_many_requests with the seconds to wait."""
        passed = max(now_ns - self._last_ns, 0)
        self._left = min(self._max, self._left + passed * self._rate // NANOS_PER_SECOND)
        self._last_ns = max(now_ns, self._last_ns)
        if self._left < cost:
            wait = (cost - self._left) / self._rate
            raise DialectError(Code.TOO_MANY_REQUESTS, reason="credits_exhausted", wait=round(wait, 3))
        self._left -= cost
