"""How the demonstration's day opens: orders collect for a minute, then each series trades at one price.

Makers quote around fair as they do all day. In the series nearest the spot wallets bid above it and offer below it, so
that the books cross, which nobody may do to a book that trades. Imports venue, traders, market.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from exchange.core import commands as c
from exchange.core.events import Event, Traded, Uncrossed
from exchange.core.units import Price
from exchange.demo.traders import LOT, TICK, Taker, above, on_tick
from exchange.shell import devmarket
from exchange.shell.client import Client
from exchange.shell.sequencer import Sequencer

OPENING_S: Final = 60
RULES: Final = c.SetAuctions(devmarket.UNDERLYING, OPENING_S, 0, 0, 0, 0, 0, "demo")
ORDERS_OF_EACH: Final = 2
REACH: Final = 3  # ticks beyond fair
HEARD_S: Final = 10.0  # of real time, for one message on this machine


class Opening(NamedTuple):
    """What came of it: series that had a price, fills, contracts traded in 1e-4."""

    series: int
    fills: int
    volume: int


async def collect(takers: Sequence[Taker], fair: Sequence[tuple[str, Price]]) -> None:
    """Every wallet bids in one series and offers in the next, a few ticks to the wrong side of fair."""
    for number, taker in enumerate(takers):
        for turn in range(ORDERS_OF_EACH):
            name, centre = fair[(number + turn) % len(fair)]
            is_buy = turn == 0
            price = above(centre + REACH * TICK) if is_buy else max(on_tick(centre - REACH * TICK), TICK)
            await taker.rest(name, price, LOT * (10 + number), is_buy=is_buy)


async def indicated(client: Client, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the public channel of each auction says now. Raises TimeoutError when it says nothing."""
    found: dict[str, dict[str, Any]] = {}
    subscription = await client.subscribe([f"auction.{name}" for name in names])
    async with asyncio.timeout(HEARD_S):
        while len(found) < len(names):
            message = await subscription.get()
            if "indicative_price" in message.data:
                found[message.data["instrument_name"]] = message.data
    await subscription.close()
    return found


async def uncross(sequencer: Sequencer, most: int) -> Opening:
    """Tick until everything trades continuously; no more often than ``most``."""
    told: list[Event] = []
    for _ in range(most):
        if not await sequencer.read(lambda state: bool(state.auctions)):
            break
        told += (await sequencer.record(c.Tick())).events
    found = [event for event in told if type(event) is Uncrossed]
    fills = [event for event in told if type(event) is Traded]
    return Opening(len(found), len(fills), sum(event.qty for event in fills))


def in_words(data: dict[str, Any]) -> str:
    """An indication for the eye."""
    return f"{data['instrument_name']} {data['indicative_price']:,.0f} for {data['indicative_amount']:g}"
