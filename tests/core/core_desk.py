"""The whole machine behind plain messages of the neutral oracle, as ``benchmarks.desk`` puts its book alone behind them.

Buyers and sellers are accounts too rich for margin or fees to matter; a modify is a cancel and a new order, as the oracle
has it. Lines are those of the report text, in its order.
"""

from collections.abc import Iterable
from typing import Any

from core_venue import STRIKES, T0, USDC, Venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import NO_EXPIRY, series_of

TICK = 10**4  # 0.01 USDC, so that one unit of quantity is the smallest there is
PAIRS = 32  # buyers and sellers that share the orders, for an account holds ten thousand at most
BUYERS, SELLERS = b"b" * 20, b"s" * 20
CALL = series_of(1, 0)
NEW, CANCEL, MODIFY = 0, 1, 2


class MachineDesk:
    """Turns messages into commands of a venue, and its events into lines of the report."""

    def __init__(self, pairs: int = PAIRS) -> None:
        self.venue = Venue().open()
        self.venue.must(c.ListUnderlying(1, "ANY_USDC", 1, TICK, TICK, TICK))
        self.venue.must(c.ListExpiry(1, 1, T0 + 1_800 * 48))
        self.venue.must(c.ListSeries(1, 0, STRIKES[0] * USDC, True))
        for account in range(2 * pairs):
            self.venue.observe(c.ObserveAccount, account + 1, SELLERS if account % 2 else BUYERS)
            self.venue.fund(account + 1, 10**10)
        self.venue.round(62_000)
        self.pairs = pairs
        self.live: dict[int, int] = {}  # their order -> ours
        self.theirs: dict[int, int] = {}
        self.lines: list[str] = []

    def take(self, messages: Iterable[tuple[int, ...]]) -> None:
        for kind, side, ioc, qty, seq, number, price, _ in messages:
            if kind == NEW:
                self.tell(0, seq, side, number, price, qty)
                self.place(seq, side, ioc, qty, number, price)
                continue
            order = self.venue.state.orders.get(self.live.get(number, 0))
            if order is None:
                self.tell(3 + kind, seq, number)
                continue
            self.venue.must(c.Cancel(order.account, order.id))
            if kind == CANCEL:
                self.tell(2, seq, 1 - order.is_buy, number, order.price // TICK)
            else:
                self.place(seq, side, ioc, qty, number, price)
                self.tell(3, seq, side, number, price, qty)

    def tell(self, *words: int) -> None:
        self.lines.append(",".join(map(str, words)))

    def place(self, seq: int, side: int, ioc: int, qty: int, number: int, price: int) -> None:
        auth = self.venue.auth(
            1 + 2 * (number % self.pairs) + side,
            CALL,
            side == 0,
            qty,
            price * TICK,
            tif=c.IOC if ioc else c.GTC,
            signer=SELLERS if side else BUYERS,
            expiry_s=NO_EXPIRY,
        )
        events = self.venue.must(c.Place(auth))
        self.live[number] = self.venue.state.seq
        self.theirs[self.venue.state.seq] = number
        for event in events:
            if type(event) is e.Traded:
                self.tell(1, seq, event.price // TICK, event.qty, self.theirs[event.maker_order], number)
            elif type(event) is e.Cancelled:
                self.tell(2, seq, side, number, price)

    def side(self, side: int) -> Any:
        """The book's side."""
        return self.venue.state.books[CALL].side(is_buy=side == 0)

    def best(self, side: int) -> int | None:
        found = self.side(side).best()
        return None if found is None else found // TICK

    def depth(self, side: int) -> list[tuple[int, int]]:
        return [(price // TICK, qty) for price, qty in self.side(side).depth(10**9)]
