"""Quotes and a few trades, so that there is something to see."""

from typing import Any

from exchange.shell.client import Client

LEVELS = 2
DEEP = 30.0  # what is worth less has one level: a connection's credits are for so many orders
STEP = 5
"""Between levels where a hundredth of the mark is less: an hour before delivery little is worth anything."""


async def make_market(ready: dict[str, Any]) -> None:
    """Levels on both sides of everything, by the second trader; the third takes some of it."""
    keys = [bytes.fromhex(each["key"][2:]) for each in ready["keys"]]
    async with await Client.connect(ready["url"]) as maker, await Client.connect(ready["url"]) as taker:
        await maker.login(keys[1])
        await taker.login(keys[2])
        for number, name in enumerate(sorted(await maker.instruments())):
            mark = (await maker.call("public/ticker", {"instrument_name": name}))["mark_price"]
            for level in range(1, (LEVELS if mark >= DEEP else 1) + 1):
                amount = f"0.{10 * level}"
                away = max(mark * 0.01, STEP) * level
                await maker.buy(name, amount, max(round(mark - away), 1), label="maker")
                await maker.sell(name, amount, round(mark + away), label="maker")
            if number % 4 == 0:
                price = round(mark + max(mark * 0.01, STEP) * LEVELS)
                await taker.buy(name, "0.05", price, time_in_force="immediate_or_cancel")
