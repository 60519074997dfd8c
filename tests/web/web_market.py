"""Quotes and a few trades, so that there is something to see."""

from typing import Any

from exchange.shell.client import Client

LEVELS = 2
WORTH_QUOTING = 30.0


async def make_market(ready: dict[str, Any]) -> None:
    """Two levels on both sides of what is worth quoting, by the second trader; the third takes some of it."""
    keys = [bytes.fromhex(each["key"][2:]) for each in ready["keys"]]
    async with await Client.connect(ready["url"]) as maker, await Client.connect(ready["url"]) as taker:
        await maker.login(keys[1])
        await taker.login(keys[2])
        for number, name in enumerate(sorted(await maker.instruments())):
            mark = (await maker.call("public/ticker", {"instrument_name": name}))["mark_price"]
            if mark < WORTH_QUOTING:
                continue
            for level in range(1, LEVELS + 1):
                amount = f"0.{10 * level}"
                await maker.buy(name, amount, round(mark * (1 - 0.01 * level)), label="maker")
                await maker.sell(name, amount, round(mark * (1 + 0.01 * level)), label="maker")
            if number % 4 == 0:
                await taker.buy(name, "0.05", round(mark * 1.03), time_in_force="immediate_or_cancel")
