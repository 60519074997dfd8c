"""A hedger: keeps the delta of an account within a bound by buying options against it.

There are no futures here, so it buys the put nearest the money when the account is long, the call when it is short:
what it buys can only lose its premium. Run it with ``python -m examples.hedger --url ... --key 0x... --bound 0.5``.
"""

import argparse
import asyncio
import contextlib
from typing import Any

from exchange.client import Client, Refused


class Hedger:
    """Hears the account summary, and trades when its delta has left the bound."""

    def __init__(self, client: Client, bound: float, slippage: float = 0.1) -> None:
        self._client = client
        self._bound = bound
        self._slippage = slippage
        self.hedges: list[dict[str, Any]] = []

    async def run(self, hedges: int | None = None) -> None:
        """Until cancelled, or so many hedges."""
        heard = await self._client.subscribe(["user.portfolio.usdc"])
        while hedges is None or len(self.hedges) < hedges:
            summary = (await heard.get()).data
            if abs(summary["delta_total"]) > self._bound:
                await self._hedge(summary["delta_total"])

    async def _hedge(self, delta: float) -> None:
        """Buy as much of the best option against the delta as brings it back to nothing."""
        ticker = await self._nearest(is_call=delta < 0)
        if ticker is None:
            return
        instrument = (await self._client.instruments())[ticker["instrument_name"]]
        lots = int(abs(delta / ticker["greeks"]["delta"]) / instrument.min_amount)
        amount = min(round(lots * instrument.min_amount, 4), ticker["best_ask_amount"])
        tick = 5.0 if ticker["best_ask_price"] >= 1_000 else instrument.tick_size
        price = int(ticker["best_ask_price"] * (1 + self._slippage) / tick) * tick
        if amount <= 0:
            return
        try:
            placed = await self._client.buy(instrument.name, amount, price, time_in_force="immediate_or_cancel")
        except Refused as refused:
            print(f"not hedged: {refused}")
            return
        self.hedges.append(placed.order)
        print(f"delta {delta:+.4f}: bought {placed.order['filled_amount']} {instrument.name}")

    async def _nearest(self, *, is_call: bool) -> dict[str, Any] | None:
        """The offered option whose delta is nearest to a half."""
        kind, ending = {"currency": "any", "kind": "option"}, "C" if is_call else "P"
        lines = await self._client.call("public/get_book_summary_by_currency", kind)
        names = [line["instrument_name"] for line in lines if line["ask_price"] is not None]
        wanted = [{"instrument_name": name} for name in names if name.endswith(ending)]
        found = [await self._client.call("public/ticker", where) for where in wanted]
        priced = [ticker for ticker in found if abs(ticker.get("greeks", {}).get("delta", 0)) > 0.05]
        return min(priced, key=lambda ticker: abs(abs(ticker["greeks"]["delta"]) - 0.5), default=None)


async def main(url: str, key: bytes, bound: float, hedges: int | None = None) -> list[dict[str, Any]]:
    """Connect, log in and hedge; the orders that did."""
    async with await Client.connect(url) as client:
        await client.login(key)
        hedger = Hedger(client, bound)
        await hedger.run(hedges)
        return hedger.hedges


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True, help="0x and 64 hexadecimal digits: a session key, not your wallet's")
    parser.add_argument("--bound", type=float, default=0.5, help="delta that is let be (%(default)s)")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.url, bytes.fromhex(given.key[2:]), given.bound))
