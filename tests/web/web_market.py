"""Quotes and a few trades, so that there is something to see."""

from typing import Any

from exchange.shell.client import Client

LEVELS = 2
STEP = 5
"""Between levels where a hundredth of the mark is less: an hour before delivery little is worth anything."""


async def make_market(ready: dict[str, Any]) -> None:
    """Two levels on both sides of everything, and of what is worth least only above it, by the second trader; the third takes some of it."""
    keys = [bytes.fromhex(each["key"][2:]) for each in ready["keys"]]
    async with await Client.connect(ready["url"]) as maker, await Client.connect(ready["url"]) as taker:
        await maker.login(keys[1])
        await taker.login(keys[2])
        for number, name in enumerate(sorted(await maker.instruments())):
            mark = (await maker.call("public/ticker", {"instrument_name": name}))["mark_price"]
            for level in range(1, LEVELS + 1):
                amount = f"0.{10 * level}"
                away = max(mark * 0.01, STEP) * level
                if mark > away + 1:
                    await maker.buy(name, amount, round(mark - away), label="maker")
                await maker.sell(name, amount, round(mark + away), label="maker")
            if number % 4 == 0:
                price = round(mark + max(mark * 0.01, STEP) * LEVELS)
                await taker.buy(name, "0.05", price, time_in_force="immediate_or_cancel")
