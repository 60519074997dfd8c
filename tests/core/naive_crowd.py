"""Who minds the orders of the naive book, the slow and obvious way: connections, timers, kill switches.

Written from docs/API.md and ADR 13. Nothing is half done here: whatever is to go, goes at once.
"""

from typing import Any

FAR = 2**40
Answer = tuple[object, ...]


def came_with(number: int) -> int:
    """The request that an order came with: what comes along, and quotes, have numbers of their own."""
    return (number % 2**62) >> 8 if number >> 62 else number % 2**48


class Crowd:
    """Who is there, and whose orders are on their way out. ``owners`` says whose wallet holds each account."""

    def __init__(self, owners: dict[int, str]) -> None:
        self.owners = owners
        self.orders: list[Any] = []
        self.connected: dict[int, str] = {}  # connection -> "", "on" or "off"
        self.careful = dict.fromkeys(owners, False)  # whose orders leave with a connection that does not say
        self.timers: dict[int, int] = {}  # account -> moment
        self.fired: list[int] = []  # accounts whose orders are on their way out
        self.killed: list[tuple[str, object]] = []  # ("account", 1), ("owner", "ann"), ("venue", 0)

    def everything(self) -> list[Any]:
        """All that is open."""
        return self.orders

    def drop(self, order: Any, reason: str) -> Answer:
        self.orders.remove(order)
        return ("cancelled", order.id, reason, order.left)

    def lose(self, minder: int) -> list[Answer]:
        """A connection is gone without a farewell."""
        wish = self.connected.pop(minder)
        minded = [order for order in self.everything() if order.minder == minder and not order.reduce_only]
        gone = [order for order in minded if wish == "on" or (wish == "" and self.careful[order.account])]
        return self.leave(sorted(gone, key=lambda order: order.id), "disconnected")

    def lose_all(self) -> list[Answer]:
        """The venue starts anew."""
        return [answer for minder in list(self.connected) for answer in self.lose(minder)]

    def kill(self, reach: str, whom: object) -> list[Answer]:
        """Everything in reach goes, and nothing comes, until it is released."""
        self.killed.append((reach, whom))
        gone = [order for order in self.everything() if self.reaches_account(reach, whom, order.account)]
        by_number = sorted(gone, key=lambda order: (order.account, order.id))
        by_arrival = sorted(gone, key=lambda order: (came_with(order.id), order.id))
        return self.leave(by_arrival if reach == "venue" else by_number, "kill_switch")

    def reaches_account(self, reach: str, whom: object, account: int) -> bool:
        return {"account": account, "owner": self.owners[account], "venue": whom}[reach] == whom

    def is_killed(self, account: int) -> bool:
        return any(self.reaches_account(reach, whom, account) for reach, whom in self.killed)

    def fire(self, account: int, now: int) -> None:
        """A timer that has run out dooms what the account has; only then may the account go on."""
        if self.timers.get(account, FAR) <= now:
            for order in self.everything():
                order.leaving = order.leaving or self.fate(order, now) if order.account == account else order.leaving
            del self.timers[account]
            self.fired.append(account)

    def fate(self, order: Any, now: int) -> str:
        """Why an order that still stands is on its way out; nothing if it is not."""
        late = self.timers.get(order.account, FAR) <= now and not order.reduce_only
        return order.leaving or ("dead_man" if late else "")

    def clean(self, now: int) -> list[Answer]:
        """Whatever is on its way out, goes."""
        for account in sorted(self.timers):
            self.fire(account, now)
        leaving = [order for order in self.everything() if order.leaving]
        leaving.sort(key=lambda order: (self.fired.index(order.account), order.id))
        self.fired.clear()
        return [self.drop(order, order.leaving) for order in leaving]

    def leave(self, orders: list[Any], reason: str) -> list[Answer]:
        return [self.drop(order, reason) for order in orders]
