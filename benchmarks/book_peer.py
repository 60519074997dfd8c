"""A book from PyPI behind the same messages: `lightmatchingengine` (MIT), pure Python like ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lightmatchingengine import lightmatchingengine

from benchmarks.streams import CANCEL, NEW, Message


class Peer:
    """`lightmatchingengine` behind the same messages. It numbers orders itself; what rests is kept here."""

    def __init__(self) -> None:
        self.engine: Any = lightmatchingengine.LightMatchingEngine()
        self.live: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}  # its order -> ours
        self.lines: list[str] = []

    def take(self, messages: Iterable[Message]) -> None:
        """Answer each message."""
        say = self.lines.append
        for kind, side, ioc, qty, seq, number, price, _ in messages:
            if kind == NEW:
                say(f"0,{seq},{side},{number},{price},{qty}")
                self._enter(side, ioc, qty, seq, number, price)
                continue
            old = self.live.pop(number, None)
            if old is None:
                say(f"{4 if kind == CANCEL else 5},{seq},{number}")
                continue
            self.engine.cancel_order(old.order_id, "X")
            if kind == CANCEL:
                say(f"2,{seq},{old.side - 1},{number},{old.price}")
            else:
                self._enter(side, ioc, qty, seq, number, price)
                say(f"3,{seq},{side},{number},{price},{qty}")

    def _enter(self, side: int, ioc: int, qty: int, seq: int, number: int, price: int) -> None:
        order, trades = self.engine.add_order("X", price, qty, side + 1)
        for trade in trades:
            if trade.order_id != order.order_id:
                maker = self.numbers[trade.order_id]
                self.lines.append(f"1,{seq},{trade.trade_price},{trade.trade_qty},{maker},{number}")
                if not self.live[maker].leaves_qty:
                    del self.live[maker]
        if order.leaves_qty and ioc:
            self.engine.cancel_order(order.order_id, "X")
            self.lines.append(f"2,{seq},{side},{number},{price}")
        elif order.leaves_qty:
            self.live[number], self.numbers[order.order_id] = order, number
