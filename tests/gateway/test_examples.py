"""The examples do what they say, against a venue behind sockets; each is short enough to be read at once. # M52"""

import asyncio
from pathlib import Path

import pytest

from examples import auditor, hedger, market_maker, rfq_taker
from exchange.shell.client import Client
from exchange.shell.client_rfqs import Rfqs

from .conftest import key_of, post_round

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINES_MAX = 150


async def client_of(venue, number):
    client = await Client.connect(venue.gateway.url)
    await client.login(key_of(number))
    return client


def test_they_are_short():
    files = sorted(EXAMPLES.glob("*.py"))
    assert [file.stem for file in files] == ["auditor", "hedger", "market_maker", "rfq_taker"]
    assert [file.name for file in files if len(file.read_text().splitlines()) >= LINES_MAX] == []


def test_the_market_makers_prices_are_on_a_grid_of_tenths():
    ticker = {"instrument_name": "x", "mark_price": 0.37, "greeks": {"delta": 0.1, "vega": 0.2}}
    quote = market_maker.quote_of(ticker, 0.1, 0.0, market_maker.Taste())
    assert quote is not None
    assert [leaf.price for leaf in quote.leaves(1)] == [300_000, 400_000]


async def test_the_market_maker_quotes_and_leans(venue):
    url, taker = venue.gateway.url, await client_of(venue, 2)
    making = asyncio.create_task(market_maker.main(url, key_of(1)))
    heard = await taker.subscribe([f"quote.{venue.call}"])
    first = (await heard.get()).data
    while not (first["best_bid_price"] and first["best_ask_price"]):
        first = (await heard.get()).data
    mark = (await taker.call("public/ticker", {"instrument_name": venue.call}))["mark_price"]
    assert first["best_bid_price"] < mark < first["best_ask_price"]
    sold = await taker.sell(venue.call, 1, first["best_bid_price"], time_in_force="immediate_or_cancel")
    assert sold.order["filled_amount"] == 1
    await post_round(venue.sequencer)
    second = (await heard.get()).data
    while second["best_bid_price"] >= first["best_bid_price"]:
        second = (await heard.get()).data
    making.cancel()
    await asyncio.gather(making, return_exceptions=True)
    book = await taker.call("public/get_order_book", {"instrument_name": venue.call})
    assert (book["bids"], book["asks"]) == ([], [])  # it takes its quotes back when it ends
    await taker.close()


async def test_the_hedger_brings_the_delta_back(venue):
    maker, put = await client_of(venue, 1), venue.call.removesuffix("C") + "P"
    await maker.sell(venue.call, 1, 500)
    await maker.sell(put, 5, 600)
    trader = await client_of(venue, 2)
    await trader.buy(venue.call, 1, 500)
    before = await trader.call("private/get_account_summary", {"currency": "USDC"})
    assert before["delta_total"] > 0.4
    (order,) = await asyncio.wait_for(hedger.main(venue.gateway.url, key_of(2), 0.2, hedges=1), 20)
    assert (order["instrument_name"], order["direction"]) == (put, "buy")
    after = await trader.call("private/get_account_summary", {"currency": "USDC"})
    assert abs(after["delta_total"]) < 0.02
    await maker.close()
    await trader.close()


@pytest.mark.parametrize("dear", [False, True])
async def test_the_taker_takes_what_is_good(venue, dear):
    maker, put = await client_of(venue, 1), venue.call.removesuffix("C") + "P"
    await maker.call("private/x_set_block_rfq_maker")
    heard = await maker.subscribe(["block_rfq.maker.any"])
    asking = asyncio.create_task(
        rfq_taker.main(venue.gateway.url, key_of(2), venue.call, put, 1.0, 3.0 if dear else 20.0)
    )
    request = (await heard.get()).data
    mark = (await maker.call("public/ticker", {"instrument_name": request["combo_id"]}))["mark_price"]
    details = await maker.call("public/get_combo_details", {"combo_id": request["combo_id"]})
    bought = next(leg for leg in details["legs"] if leg["instrument_name"] == venue.call)["amount"] > 0
    price = round(mark) + (900 if dear else 0) * (1 if bought else -1)
    await Rfqs(maker).answer(request["block_rfq_id"], request["combo_id"], 1, price, is_buy=not bought)
    done = await asyncio.wait_for(asking, 30)
    assert (done is None) == dear
    await maker.close()


async def test_the_auditor_hears_one_story(venue, tmp_path):
    path = tmp_path / "receipts.bin"
    assert await auditor.main(venue.gateway.url, key_of(3), path, times=3, pause_s=0.0) == []
    assert path.stat().st_size > 200


async def test_the_auditor_would_notice(venue, tmp_path):
    """A second story about the same number, and a record that comes before the one before it."""
    async with await Client.connect(venue.gateway.url) as client:
        await client.login(key_of(3))
        watching = auditor.Auditor(client, client.receipts)
        await watching.run(tmp_path / "receipts.bin", times=2, pause_s=0.0)
        assert watching.findings == []
        last = watching._last
        watching._check(last)
        assert [finding.what for finding in watching.findings] == [f"comes after {last.receipt.seq}"]
