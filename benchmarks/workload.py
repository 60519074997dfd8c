"""A trading day in small: commands of market makers and takers, drawn once from a seed, valid in their order.

Twenty accounts, forty series. Of a hundred commands 44 rest, 44 cancel, 6 amend and 6 take. Signatures are blank: the
machine never looks at them, the session before it does.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.machine import apply
from exchange.core.pricing import marks_of
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE, WAD, series_of
from exchange.shell.deploy import FEES, STANDARD

START_S = 1_800_000_000
START_NS = START_S * 10**9
ACCOUNTS = 20
STRIKES = range(52_000, 72_000, 1_000)
SPOT = 62_000 * USDC_ONE
VOL = WAD // 2
LOT = 100


def opening() -> list[c.AnyCommand]:
    """Configuration, listings, deposits, and a first round."""
    chain = (b"C" * 20, b"O" * 20, b"P" * 20)
    made: list[c.AnyCommand] = [
        c.Configure("bench", 31337, *chain, 86_400, 64, 86_400, FEES, STANDARD),
        c.ListUnderlying(0, "BTC_USDC", LOT, USDC_ONE, 5 * USDC_ONE, 1_000 * USDC_ONE),
        c.ListExpiry(1, 0, START_S + 30 * 86_400),
    ]
    for index, (strike, is_call) in enumerate((strike, is_call) for strike in STRIKES for is_call in (True, False)):
        made.append(c.ListSeries(1, index, strike * USDC_ONE, is_call))
    for account in range(1, ACCOUNTS + 1):
        made.append(c.ObserveAccount(2 * account - 1, account, account.to_bytes(20, "big")))
        made.append(c.ObserveDeposit(2 * account, account, 10**9 * USDC_ONE))
    return made


class Day(NamedTuple):
    """``setup`` brings a machine to its first round, ``trading`` follows; all at one moment of time."""

    setup: list[c.AnyCommand]
    trading: list[c.AnyCommand]


def draw(count: int, seed: int = 1) -> Day:
    """Draw by running a machine, so that what is cancelled or amended exists."""
    state, setup = State(), opening()
    for command in setup:
        _must(state, command)
    round_ = _round(state)
    _must(state, round_)
    trading = _Drawing(state, random.Random(seed)).commands(count)
    return Day([*setup, round_], trading)


def machine_at(day: Day) -> State:
    """A machine that has just been set up."""
    state = State()
    for command in day.setup:
        _must(state, command)
    return state


def _must(state: State, command: c.AnyCommand) -> tuple[e.Event, ...]:
    events = apply(state, state.seq + 1, START_NS, command)
    assert not isinstance(events[0], e.Rejected), (command, events)
    return events


def _round(state: State) -> c.PostRound:
    expiry = state.expiries[1]
    vols = (VOL,) * len(expiry.series)
    marks = marks_of(state, c.Sheet(1, SPOT, WAD, vols, ()), START_S, 0)
    return c.PostRound(1, START_S, WAD, (c.Spot(0, SPOT, WAD, 0),), (c.Sheet(1, SPOT, WAD, vols, marks),), ())


class _Drawing:
    def __init__(self, state: State, chance: random.Random) -> None:
        self.state = state
        self.chance = chance
        self.nonces = dict.fromkeys(range(1, ACCOUNTS + 1), 0)
        self.open: list[int] = []

    def commands(self, count: int) -> list[c.AnyCommand]:
        """Commands the machine accepts, in order."""
        made: list[c.AnyCommand] = []
        while len(made) < count:
            command = self.command()
            if command is not None:
                _must(self.state, command)
                made.append(command)
        return made

    def command(self) -> c.AnyCommand | None:
        roll = self.chance.random()
        if roll < 0.44 or not self.open:
            self.open.append(self.state.seq + 1)
            return self.place(c.GTC)
        if roll < 0.5:
            return self.place(c.IOC)
        order_id = self.open.pop(self.chance.randrange(len(self.open)))
        order = self.state.orders.get(order_id)
        if order is None:
            return None
        if roll < 0.94:
            return c.Cancel(order.account, order_id)
        self.open.append(order_id)
        return self.amend(order_id)

    def place(self, tif: int) -> c.Place:
        account, index = self.chance.randint(1, ACCOUNTS), self.chance.randrange(2 * len(STRIKES))
        is_buy = self.chance.random() < 0.5
        crosses = tif == c.IOC
        price = self.price(index, is_buy=is_buy is not crosses)
        return c.Place(self.auth(account, series_of(1, index), is_buy, LOT * self.chance.randint(1, 50), price, tif, 0))

    def price(self, index: int, *, is_buy: bool) -> int:
        """Bids in one band, asks in the next; a taker asks for the other one's."""
        centre = (100 + 10 * index) * USDC_ONE
        away = self.chance.randint(1, 12) * USDC_ONE
        return centre - away if is_buy else centre + away

    def amend(self, order_id: int) -> c.Amend:
        order = self.state.orders[order_id]
        before = self.state.auths[order.auth_id].auth
        qty = order.qty + LOT * self.chance.randint(0, 5)
        auth = self.auth(order.account, order.series, order.is_buy, qty, order.price, c.GTC, before.nonce + 1)
        return c.Amend(order_id, auth)

    def auth(
        self, account: int, series: int, is_buy: bool, qty: int, price: int, tif: int, replaces: int
    ) -> c.Authorisation:
        nonce = self.nonces[account]
        self.nonces[account] = nonce + 1
        owner = account.to_bytes(20, "big")
        terms = (account, series, is_buy, qty, price, 100 * USDC_ONE, tif, False, False, replaces, nonce, NO_EXPIRY)
        return c.Authorisation(*terms, owner, bytes(65))
