"""A market maker: two-sided quotes around the mark of every option of one expiry, under one signature and a protection.

Quotes follow the mark, lean against the position, and stop when too much fills within a second. Run it with
``python -m examples.market_maker --url ws://127.0.0.1:8080/ws/api/v2 --key 0x...``; Ctrl-C takes the quotes back.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from exchange.client import Budget, Client, Quote, Refused

GROUP: Final = "maker"


class Taste(NamedTuple):
    """What to quote: half the spread as a fraction of the mark, contracts a side, how much may fill a second, and how
    far quotes lean for each contract held, as a fraction of the mark.
    """

    edge: float = 0.04
    amount: float = 1.0
    fills_a_second: float = 5.0
    lean: float = 0.01


def quote_of(ticker: dict[str, Any], tick: float, position: float, taste: Taste) -> Quote | None:
    """Both sides around the mark, a tick apart at least; none of what is worth less than two ticks."""
    mark = ticker["mark_price"]
    if mark < 2 * tick or "greeks" not in ticker:
        return None
    middle = mark * (1 - taste.lean * position)
    bid = max(int(middle * (1 - taste.edge) / tick), 1)
    ask = max(int(middle * (1 + taste.edge) / tick) + 1, bid + 1)
    delta, vega = round(ticker["greeks"]["delta"], 4), round(ticker["greeks"]["vega"], 6)
    name = ticker["instrument_name"]
    at = round(bid * tick, 6), round(ask * tick, 6)  # a tenth is no binary fraction
    return Quote(name, (at[0], taste.amount), (at[1], taste.amount), delta, max(vega, 0))


class MarketMaker:
    """Keeps what it knows of the market, and quotes all of it anew when something changed."""

    def __init__(self, client: Client, taste: Taste | None = None) -> None:
        self._client = client
        self._taste = taste or Taste()
        self._tickers: dict[str, dict[str, Any]] = {}
        self._positions: dict[str, float] = {}
        self.rounds = 0

    async def prepare(self) -> Sequence[str]:
        """The instruments of the soonest expiry, and a group of quotes that freezes when too much fills."""
        listed = await self._client.call("public/get_instruments", {"currency": "any", "kind": "option"})
        soonest = min(item["expiration_timestamp"] for item in listed)
        names = [item["instrument_name"] for item in listed if item["expiration_timestamp"] == soonest]
        protection = {"mmp_group": GROUP, "interval": 1, "frozen_time": 5, "quantity_limit": self._taste.fills_a_second}
        await self._client.call("private/set_mmp_config", protection)
        for position in await self._client.call("private/get_positions", {"currency": "any"}):
            self._positions[position["instrument_name"]] = position["size"]
        return names

    async def run(self, rounds: int | None = None) -> None:
        """Quote until cancelled, or so many times."""
        names = await self.prepare()
        channels = [f"ticker.{name}.agg2" for name in names]
        heard = await self._client.subscribe([*channels, "user.changes.any.any.raw"])
        try:
            while rounds is None or self.rounds < rounds:
                self._take(await heard.get())
                if len(self._tickers) == len(names):
                    await self._quote()
        finally:
            with contextlib.suppress(Refused):
                await self._client.call("private/cancel_quotes", {"cancel_type": "all", "mmp_group": GROUP})

    def _take(self, note: Any) -> None:
        if note.channel.startswith("ticker."):
            self._tickers[note.data["instrument_name"]] = note.data
        else:
            for position in note.data["positions"]:
                self._positions[position["instrument_name"]] = position["size"]

    async def _quote(self) -> None:
        instruments = await self._client.instruments()
        quotes = []
        for name, ticker in self._tickers.items():
            steps = ticker["mark_price"] >= 1_000  # the coarser tick applies to dear options
            tick = 5.0 if steps else instruments[name].tick_size
            quote = quote_of(ticker, tick, self._positions.get(name, 0.0), self._taste)
            quotes += [quote] if quote is not None else []
        if not quotes:
            return
        try:
            told = await self._client.mass_quote(quotes, GROUP, Budget(quantity=10 * len(quotes)), whole=True)
            print(f"{told['x_standing']} sides stand, {told['errors_count']} refused")
        except Refused as refused:
            if refused.code != 13_043:  # frozen by the protection: wait for the thaw
                raise
        self.rounds += 1


async def main(url: str, key: bytes, rounds: int | None = None) -> int:
    """Connect, log in and quote; how many rounds of quotes were sent."""
    async with await Client.connect(url) as client:
        await client.login(key)
        maker = MarketMaker(client)
        await maker.run(rounds)
        return maker.rounds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True, help="0x and 64 hexadecimal digits: a session key, not your wallet's")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.url, bytes.fromhex(given.key[2:])))
