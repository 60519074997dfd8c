"""What all connections have in common: the credits of accounts, order to trade, failed logins, and who is logged in.

Shared by every session of a gateway, bounded in memory, and forgotten when the process ends: a restart is generous, and
nothing of it decides what is in the journal. The clock is an argument. Imports limits, methods' costs, publisher.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Final

from exchange.core.units import NANOS_PER_SECOND, Nanos
from exchange.dialect.bounds import Bound, beyond
from exchange.session.limits import Bucket, Limits, OrderToTrade

KEPT_MAX: Final = 65_536


class Pool(Enum):
    """Which of an account's credits a request spends."""

    MATCHING = "matching"
    CANCELS = "cancels"
    QUERIES = "queries"


class Window:
    """What an account sent in the running window, and how often it had been filled when that began."""

    __slots__ = ("began_ns", "fills", "sent")

    def __init__(self, began_ns: Nanos, fills: int) -> None:
        self.began_ns = began_ns
        self.fills = fills
        self.sent = 0


class Ratio:
    """Order to trade. ``fills_of`` tells how often an account was filled since the process began."""

    def __init__(self, terms: OrderToTrade, fills_of: Callable[[int], int]) -> None:
        self._terms = terms
        self._fills_of = fills_of
        self._windows: OrderedDict[int, Window] = OrderedDict()

    def count(self, account: int, messages: int, now_ns: Nanos) -> None:
        """Count orders, edits or quotes. Raises DialectError when the window has no room for them."""
        terms, fills = self._terms, self._fills_of(account)
        length_ns = terms.window_s * NANOS_PER_SECOND
        window = self._windows.get(account)
        if window is None or now_ns >= window.began_ns + length_ns:
            window = self._windows[account] = Window(now_ns // length_ns * length_ns, fills)
            self._windows.move_to_end(account)
            if len(self._windows) > KEPT_MAX:
                self._windows.popitem(last=False)
        limit = terms.free + terms.per_fill * (fills - window.fills)
        if window.sent + messages > limit:
            wait_s = (window.began_ns + length_ns - now_ns) / NANOS_PER_SECOND
            raise beyond(Bound.ORDER_TO_TRADE, value=window.sent + messages, limit=limit, wait=round(wait_s, 3))
        window.sent += messages


class Fairness:
    """See the module."""

    def __init__(self, limits: Limits, fills_of: Callable[[int], int]) -> None:
        self.ratio = Ratio(limits.order_to_trade, fills_of)
        self._limits = limits
        self._rates = {
            Pool.MATCHING: limits.account_matching,
            Pool.CANCELS: limits.account_cancels,
            Pool.QUERIES: limits.account_queries,
        }
        self._accounts: OrderedDict[tuple[int, Pool], Bucket] = OrderedDict()
        self._guesses: OrderedDict[str, Bucket] = OrderedDict()
        self._present: Counter[int] = Counter()

    def charge(self, account: int, pool: Pool, cost: int, now_ns: Nanos) -> None:
        """Spend credits of an account. Raises DialectError too_many_requests."""
        key = (account, pool)
        bucket = self._accounts.pop(key, None) or Bucket(self._rates[pool], now_ns)
        self._accounts[key] = bucket  # the longest unused is forgotten first: it has refilled meanwhile
        if len(self._accounts) > KEPT_MAX:
            self._accounts.popitem(last=False)
        bucket.spend(cost, now_ns, Bound.ACCOUNT_CREDITS)

    # -- logins -------------------------------------------------------------------------------------------------------

    def require_guesses(self, remote: str, now_ns: Nanos) -> None:
        """Raise DialectError while an address is locked out."""
        bucket = self._guesses.get(remote)
        if bucket is not None:
            bucket.require(1, now_ns, Bound.GUESSES)

    def guessed(self, remote: str, now_ns: Nanos) -> None:
        """A login or token of an address was no good."""
        bucket = self._guesses.pop(remote, None)
        if bucket is None:
            bucket = Bucket(self._limits.guesses, now_ns, self._limits.guess_wait_s * NANOS_PER_SECOND)
        self._guesses[remote] = bucket
        if len(self._guesses) > KEPT_MAX:
            self._guesses.popitem(last=False)
        bucket.spend(1, now_ns, Bound.GUESSES)

    # -- connections --------------------------------------------------------------------------------------------------

    def enter(self, account: int) -> None:
        """A connection logs in for an account. Raises DialectError when there are too many."""
        limit = self._limits.connections_per_account
        if self._present[account] >= limit:
            raise beyond(Bound.ACCOUNT_CONNECTIONS, value=self._present[account], limit=limit)
        self._present[account] += 1

    def leave(self, account: int) -> None:
        """It logged out, or is gone."""
        self._present[account] -= 1
        if not self._present[account]:
            del self._present[account]
