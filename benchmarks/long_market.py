"""A market that never ends: records as a venue would journal them, one after another, in memory that does not grow.

Twenty accounts trade forty series with every kind of order, amend, cancel and expire; rounds are posted, batches sealed
and seen to land, and now and then an order is refused. Drawn from a seed by running the machine, as it goes.
`records` streams; `write` puts as many into a journal file by the real store.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from benchmarks import workload
from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.machine import apply
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD, series_of
from exchange.shell.boot import GENESIS
from journal import Record, SqliteStore, Writer, encode_record

STEP_NS: Final = 2_000_000  # between two commands
HOUSEKEEPING: Final = 2_000  # commands between two ticks
ROUND_EVERY: Final = 20_000
DEPTH: Final = 4_000  # open orders, about
LIVES_S: Final = (0, 0, 0, 5, 60, 600)
FRAME: Final = 1_000


class Made(NamedTuple):
    """A record before it is bytes."""

    seq: int
    time_ns: int
    command: c.AnyCommand
    events: tuple[e.Event, ...]


class Market:
    """The machine, and everybody who sends it commands."""

    def __init__(self, seed: int = 1) -> None:
        self.state = State()
        self.chance = random.Random(seed)
        self.time_ns = workload.START_NS
        self.nonces = dict.fromkeys(range(1, workload.ACCOUNTS + 1), 0)
        self.open: list[int] = []
        self.landed = 0

    def made(self) -> Iterator[Made]:
        """Records without end: the opening, then trading with its housekeeping between."""
        configure, *listings = workload.opening()
        yield self._apply(msgspec.structs.replace(configure, batch_age_max_s=600))
        for command in listings:
            yield self._apply(command)
        yield self._apply(self._round())
        count = 0
        while True:
            count += 1
            self.time_ns += STEP_NS
            if count % HOUSEKEEPING == 0:
                yield from self._housekeeping()
            if count % ROUND_EVERY == 0:
                yield self._apply(self._round())
            yield self._apply(self._trader())

    def _apply(self, command: c.AnyCommand) -> Made:
        seq = self.state.seq + 1
        return Made(seq, self.time_ns, command, apply(self.state, seq, self.time_ns, command))

    # -- the venue ----------------------------------------------------------------------------------------------------

    def _housekeeping(self) -> Iterator[Made]:
        """Time passes, what was sealed a while ago has landed."""
        yield self._apply(c.Tick())
        for batch_id in list(self.state.batches)[:-1]:
            action = self.state.mirror.action_id + 1
            yield self._apply(c.ObserveBatch(action, batch_id, bytes(32), batch_id, 1))

    def _round(self) -> c.PostRound:
        state, expiry = self.state, self.state.expiries[1]
        last, held, time_s = state.round, state.spots.get(0), self.time_ns // 10**9
        spot = workload.SPOT + self.chance.randint(-500, 500) * USDC_ONE
        acc = held.acc + held.spot * (time_s - last.time_s) if held is not None and last is not None else 0
        vols = (workload.VOL,) * len(expiry.series)
        marks = marks_of(state, c.Sheet(1, spot, WAD, vols, ()), time_s, acc)
        sheet = c.Sheet(1, spot, WAD, vols, marks)
        return c.PostRound(last.round_id + 1 if last else 1, time_s, WAD, (c.Spot(0, spot, WAD, acc),), (sheet,), ())

    # -- traders ------------------------------------------------------------------------------------------------------

    def _trader(self) -> c.AnyCommand:
        roll = self.chance.random()
        if roll < 0.43:
            self.open.append(self.state.seq + 1)
            return self._rest()
        if roll < 0.55:
            return self._take()
        order_id = self._some_order() if roll > 0.9 or len(self.state.orders) > DEPTH else None
        if order_id is None:
            self.open.append(self.state.seq + 1)
            return self._rest()
        if roll < 0.9:
            return c.Cancel(self.state.orders[order_id].account, order_id)
        return self._amend(order_id)

    def _some_order(self) -> int | None:
        while self.open:
            at = self.chance.randrange(len(self.open))
            order_id = self.open[at]
            if order_id in self.state.orders:
                return order_id
            self.open[at] = self.open[-1]
            self.open.pop()
        return None

    def _rest(self) -> c.Place:
        chance, is_buy = self.chance, self.chance.random() < 0.5
        index = chance.randrange(2 * len(workload.STRIKES))
        lots = chance.randint(1, 50)
        terms = c.Terms(display=workload.LOT * max(1, lots // 4)) if chance.random() < 0.05 else None
        auth = self._auth(index, is_buy, lots, self._price(index, is_buy=is_buy), c.GTC, terms)
        return c.Place(auth, slide=auth.post_only)

    def _take(self) -> c.Place:
        chance, is_buy = self.chance, self.chance.random() < 0.5
        index = chance.randrange(2 * len(workload.STRIKES))
        price = self._price(index, is_buy=not is_buy)
        tif = (c.IOC, c.IOC, c.FOK, c.GTC)[chance.randrange(4)]
        return c.Place(self._auth(index, is_buy, chance.randint(1, 80), price, tif, None))

    def _amend(self, order_id: int) -> c.Amend:
        order, chance = self.state.orders[order_id], self.chance
        before = self.state.auths[order.auth_id].auth
        lots = max(order.qty // workload.LOT + chance.randint(-5, 5), 1)
        price = order.price if chance.random() < 0.5 else self._price(order.series & 0xFFFF, is_buy=order.is_buy)
        account = order.account
        nonce = self._nonce(account)
        terms = (account, order.series, order.is_buy, lots * workload.LOT, price, before.max_fee, c.GTC)
        more = (before.post_only, before.reduce_only, before.nonce + 1, nonce, NO_EXPIRY, before.signer, bytes(65))
        return c.Amend(order_id, c.Authorisation(*terms, *more, before.terms))

    def _auth(
        self, index: int, is_buy: bool, lots: int, price: int, tif: int, terms: c.Terms | None
    ) -> c.Authorisation:
        chance = self.chance
        account, life_s = chance.randint(1, workload.ACCOUNTS), chance.choice(LIVES_S)
        ends_s = self.time_ns // 10**9 + life_s if life_s else NO_EXPIRY
        flags = (tif == c.GTC and chance.random() < 0.1, chance.random() < 0.03)
        said = (account, series_of(1, index), is_buy, workload.LOT * lots, price, 100 * USDC_ONE, tif, *flags)
        return c.Authorisation(*said, 0, self._nonce(account), ends_s, account.to_bytes(20, "big"), bytes(65), terms)

    def _nonce(self, account: int) -> int:
        self.nonces[account] += 1
        return self.nonces[account]

    def _price(self, index: int, *, is_buy: bool) -> int:
        """Bids in one band and asks in the next, which overlap by a step or two."""
        centre = (100 + 10 * index) * USDC_ONE
        away = self.chance.randint(-1, 12) * USDC_ONE
        return centre - away if is_buy else centre + away


def records(count: int, seed: int = 1) -> Iterator[Record]:
    """So many records, as a journal keeps them."""
    for made in islice(Market(seed).made(), count):
        yield Record(made.seq, made.time_ns, codec.encode_command(made.command), codec.encode_events(made.events))


async def write(path: Path, count: int, seed: int = 1) -> None:
    """A journal file of so many records."""
    source = records(count, seed)
    opened = await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP])
    async with opened as store, Writer(store, codec.SCHEMA_FP) as writer:
        while chunk := [encode_record(record) for record in islice(source, FRAME)]:
            await writer.append(chunk)
