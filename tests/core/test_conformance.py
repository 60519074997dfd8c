"""Matching against a neutral oracle: message streams that 160 engines of other people answer byte for byte alike.

The streams and the digests of the expected reports are those of the public matching-engine benchmark named in
``conformance/README.md``. They know new orders, immediate-or-cancel, cancel and modify (cancel and enter anew). The whole
machine is driven, not a part of it: buyers and sellers are accounts too rich for margin or fees to matter.
"""

import gzip
import hashlib
import json
import struct
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from core_venue import STRIKES, T0, USDC, Venue

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.units import NO_EXPIRY, series_of

FOLDER = Path(__file__).parent / "conformance"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
HEADER, MESSAGE = struct.Struct("<QII"), struct.Struct("<BBBxIQQqq")
TICK = 10**4  # 0.01 USDC, so that one unit of quantity is the smallest there is
PAIRS = 32  # buyers and sellers that share the orders, for an account holds ten thousand at most
BUYERS, SELLERS = b"b" * 20, b"s" * 20
CALL = series_of(1, 0)


class Message(NamedTuple):
    """One line of a stream: kind 0 new, 1 cancel, 2 modify; side 0 buy, 1 sell."""

    kind: int
    side: int
    ioc: int
    qty: int
    seq: int
    order: int
    price: int
    reserved: int


def messages(name: str) -> list[Message]:
    data = gzip.decompress((FOLDER / f"{name}.bin.gz").read_bytes())
    count = HEADER.unpack_from(data)[2]
    found = [Message(*fields) for fields in MESSAGE.iter_unpack(data[HEADER.size :])]
    assert len(found) == count == EXPECTED[name]["messages"]
    return found


class Desk:
    """Turns messages into commands of a venue, and its events into lines of the report."""

    def __init__(self) -> None:
        self.venue = Venue().open()
        self.venue.must(c.ListUnderlying(1, "ANY_USDC", 1, TICK, TICK, TICK))
        self.venue.must(c.ListExpiry(1, 1, T0 + 1_800 * 48))
        self.venue.must(c.ListSeries(1, 0, STRIKES[0] * USDC, True))
        for account in range(2 * PAIRS):
            self.venue.observe(c.ObserveAccount, account + 1, SELLERS if account % 2 else BUYERS)
            self.venue.fund(account + 1, 10**10)
        self.venue.round(62_000)
        self.live: dict[int, int] = {}  # their order -> ours
        self.theirs: dict[int, int] = {}
        self.lines: list[tuple[int, int, str]] = []

    def take(self, message: Message) -> None:
        (self.enter, self.cancel, self.modify)[message.kind](message)

    def tell(self, message: Message, kind: int, *words: int) -> None:
        self.lines.append((message.seq, kind, ",".join(map(str, (kind, message.seq, *words)))))

    def cancel(self, message: Message) -> None:
        order = self.venue.state.orders.get(self.live.get(message.order, 0))
        if order is None:
            self.tell(message, 4, message.order)
            return
        self.venue.must(c.Cancel(order.account, order.id))
        self.tell(message, 2, 1 - order.is_buy, message.order, order.price // TICK)

    def modify(self, message: Message) -> None:
        order = self.venue.state.orders.get(self.live.get(message.order, 0))
        if order is None:
            self.tell(message, 5, message.order)
            return
        self.venue.must(c.Cancel(order.account, order.id))
        self.tell(message, 3, message.side, message.order, message.price, message.qty)
        self.place(message)

    def enter(self, message: Message) -> None:
        self.tell(message, 0, message.side, message.order, message.price, message.qty)
        self.place(message)

    def place(self, message: Message) -> None:
        account = 1 + 2 * (message.order % PAIRS) + message.side
        auth = self.venue.auth(
            account,
            CALL,
            message.side == 0,
            message.qty,
            message.price * TICK,
            tif=c.IOC if message.ioc else c.GTC,
            signer=SELLERS if message.side else BUYERS,
            expiry_s=NO_EXPIRY,
        )
        events = self.venue.must(c.Place(auth))
        self.live[message.order] = self.venue.state.seq
        self.theirs[self.venue.state.seq] = message.order
        for event in events:
            self.report(message, event)

    def report(self, message: Message, event: Any) -> None:
        match event:
            case e.Traded():
                maker = self.theirs[event.maker_order]
                self.tell(message, 1, event.price // TICK, event.qty, maker, message.order)
            case e.Cancelled():
                self.tell(message, 2, message.side, message.order, message.price)

    def digest(self) -> str:
        """Lines by sequence number and kind, as they came within one kind."""
        ordered = sorted(self.lines, key=lambda line: line[:2])
        return hashlib.sha256("\n".join(line[2] for line in ordered).encode()).hexdigest()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reports_are_those_of_160_other_engines(name: str) -> None:
    desk = Desk()
    for message in messages(name):
        desk.take(message)
    desk.venue.check()
    assert sum(line[1] == 1 for line in desk.lines) == EXPECTED[name]["trades"]
    assert desk.digest() == EXPECTED[name]["sha256"]
