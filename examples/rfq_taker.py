"""A taker of requests for quotes: asks makers for two legs together, waits, and takes the best answer if it is good.

Good is no dearer than the marks of the legs and a fraction of them. Run it with ``python -m examples.rfq_taker
--url ... --key 0x... --buy BTC_USDC-25DEC26-60000-C --sell BTC_USDC-25DEC26-70000-C --amount 1``.
"""

import argparse
import asyncio
from typing import Any

from exchange.client import Client, Refused, Rfqs


class Taker:
    """One request, from asking to the fill or the end of patience."""

    def __init__(self, client: Client, patience_s: float = 30.0, edge: float = 0.1) -> None:
        self._client = client
        self._patience_s = patience_s
        self._edge = edge

    async def take(self, buy: str, sell: str, amount: float) -> dict[str, Any] | None:
        """The acceptance, or None when nobody quoted well enough in time."""
        heard = await self._client.subscribe(["block_rfq.taker.any"])
        legs = [
            {"instrument_name": name, "amount": amount, "direction": side}
            for name, side in ((buy, "buy"), (sell, "sell"))
        ]
        asked = await Rfqs(self._client).ask_for(legs)
        # The combo has one canonical form; where that is the other way round, buying what was asked is selling it.
        is_buy = await self._buys(asked["combo_id"], buy)
        limit = await self._limit(asked["combo_id"], is_buy=is_buy)
        print(f"asked as {asked['block_rfq_id']}: {'buy' if is_buy else 'sell'} {asked['combo_id']}, limit {limit}")
        try:
            async with asyncio.timeout(self._patience_s):
                while True:
                    request = (await heard.get()).data
                    best = _best(request, asked["block_rfq_id"], amount, is_buy=is_buy)
                    if best is not None and (best <= limit if is_buy else best >= limit):
                        return await self._accept(asked, amount, best, is_buy=is_buy)
        except TimeoutError:
            await self._client.call("private/cancel_block_rfq", {"block_rfq_id": asked["block_rfq_id"]})
            return None

    async def _buys(self, combo: str, bought: str) -> bool:
        details = await self._client.call("public/get_combo_details", {"combo_id": combo})
        return any(leg["instrument_name"] == bought and leg["amount"] > 0 for leg in details["legs"])

    async def _limit(self, combo: str, *, is_buy: bool) -> float:
        """The mark of the combo, and what may be paid beyond it."""
        ticker = await self._client.call("public/ticker", {"instrument_name": combo})
        reach = abs(ticker["mark_price"]) * self._edge + 1.0
        return float(ticker["mark_price"] + (reach if is_buy else -reach))

    async def _accept(
        self, asked: dict[str, Any], amount: float, price: float, *, is_buy: bool
    ) -> dict[str, Any] | None:
        try:
            rfqs, known = Rfqs(self._client), asked["combo_id"]
            done = await rfqs.accept(asked["block_rfq_id"], known, amount, price, is_buy=is_buy)
        except Refused as refused:  # the maker was gone before us; the next quote may come
            print(f"not taken: {refused}")
            return None
        print(f"traded at {price}")
        return done


def _best(request: dict[str, Any], rfq: int, amount: float, *, is_buy: bool) -> float | None:
    """The best price at which somebody quotes enough."""
    if request["block_rfq_id"] != rfq:
        return None
    quotes = request.get("asks" if is_buy else "bids", [])
    prices = [quote["price"] for quote in quotes if quote["amount"] >= amount]
    return (min if is_buy else max)(prices, default=None)


async def main(
    url: str, key: bytes, buy: str, sell: str, amount: float, patience_s: float = 30.0
) -> dict[str, Any] | None:
    """Connect, log in and ask."""
    async with await Client.connect(url) as client:
        await client.login(key)
        return await Taker(client, patience_s).take(buy, sell, amount)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True, help="0x and 64 hexadecimal digits: a session key, not your wallet's")
    parser.add_argument("--buy", required=True, help="instrument to buy")
    parser.add_argument("--sell", required=True, help="instrument to sell")
    parser.add_argument("--amount", type=float, default=1.0)
    given = parser.parse_args()
    asyncio.run(main(given.url, bytes.fromhex(given.key[2:]), given.buy, given.sell, given.amount))
