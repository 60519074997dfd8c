"""Prices from files, streams and seeds; signers who agree on them, and what makes them silent."""

import asyncio
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import serve

from exchange.core.index import Condition, Observation, Rules
from exchange.core.units import USDC_ONE, WAD
from exchange.shell import devmarket, sources
from exchange.shell.panel import Panel
from exchange.shell.sources import Recorded, Simulated, SourceError, Stream, Streamed, StreamFields
from tests import vectors

BTC = 60_000 * USDC_ONE
NOW = 1_700_000_000
PLAIN = Stream("ws://unused", StreamFields("data.price", "data.time"))
RULES = Rules()


class Said:
    """A source that says what it is told to."""

    def __init__(self, number, price=BTC):
        self.number, self.price, self.silent = number, price, False

    def at(self, time_s):
        return None if self.silent else Observation(self.number, time_s, self.price)


def message(price, time_s=NOW, **more):
    return json.dumps({"data": {"price": price, "time": time_s * 1_000, **more}})


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_is_read_by_the_names_of_its_columns(tmp_path, packed):
    text = "close,open_time_ms\n60000.12,1700000000000\n,1700000030000\n60001,1700000060999\n"
    path = tmp_path / ("prices.csv.gz" if packed else "prices.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert sources.read_prices(path, "open_time_ms", "close") == [(NOW, 60_000_120_000), (NOW + 60, 60_001 * USDC_ONE)]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("time,close\n1,2\n", "has no column open_time_ms"),
        ("open_time_ms,close\n1,2\nx,2\n", "line 3"),
        ("open_time_ms,close\n1,much\n", "'much' is not a number"),
        ("open_time_ms,close\n1,-2\n", "'-2' is not a price"),
        ("open_time_ms,close\n1,NaN\n", "'NaN' is not a price"),
        ("", "has no column"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path, text, wrong):
    path = tmp_path / "prices.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match=wrong):
        sources.read_prices(path, "open_time_ms", "close")


def test_a_recording_holds_its_last_price_and_says_how_old_it_is():
    source = Recorded(1, [(NOW, BTC), (NOW + 60, 2 * BTC)])
    assert source.at(NOW - 1) is None
    assert source.at(NOW + 59) == Observation(1, NOW, BTC)
    assert source.at(NOW + 600) == Observation(1, NOW + 60, 2 * BTC)


def test_a_repeated_recording_always_speaks():
    source = Recorded(1, [(0, BTC), (60, 2 * BTC)], period_s=100)
    assert [source.at(time_s).price for time_s in (0, 59, 60, 99, 100, 160)] == [
        BTC,
        BTC,
        2 * BTC,
        2 * BTC,
        BTC,
        2 * BTC,
    ]


@pytest.mark.parametrize("rows", [[], [(2, BTC), (1, BTC)]])
def test_a_recording_is_in_order(rows):
    with pytest.raises(SourceError, match="in order of time"):
        Recorded(1, rows)


# -- seeds ------------------------------------------------------------------------------------------------------------


def test_a_seed_walks_the_same_way_however_it_is_asked():
    one, other = (Simulated(1, 7, NOW, BTC, WAD // 2) for _ in range(2))
    later = one.at(NOW + 500)
    assert [other.at(NOW + second) for second in range(501)][-1] == later
    assert one.at(NOW) == Observation(1, NOW, BTC)
    assert one.at(NOW - 1) is None
    assert Simulated(1, 8, NOW, BTC, WAD // 2).at(NOW + 500) != later


# -- streams ----------------------------------------------------------------------------------------------------------


def test_an_integer_with_an_exponent_is_scaled_as_published():
    vector = vectors.named("pyth_scale")
    stream = Stream("ws://unused", StreamFields("data.price", "data.time", "data.conf", "data.exponent"))
    given_ = vector["inputs"]
    seen = sources.observation_of(1, stream, message(given_["price"], exponent=given_["exponent"], conf=given_["conf"]))
    assert seen.price == sources.usdc_of(vector["expected"]["price"])
    width = sources.usdc_of(vector["expected"]["conf"])
    assert seen.conf == WAD - -(-width * WAD // seen.price)


def test_what_has_no_price_is_not_for_us():
    assert sources.observation_of(1, PLAIN, '{"jsonrpc":"2.0","id":1,"result":["ticker"]}') is None
    listed = Stream("ws://unused", StreamFields("1.0", "0"))
    assert sources.observation_of(1, listed, f'[{NOW * 1000},["60000"]]').price == BTC


@pytest.mark.parametrize(
    "text",
    ["", "{", message("much"), message(True), message(-1), message(10**30), message("1e400"), '{"data":{"price":1}}'],
)
def test_what_makes_no_sense_is_refused(text):
    with pytest.raises(SourceError):
        sources.observation_of(1, PLAIN, text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "price", "time", "0"]), inner),
    )
)
def test_any_message_is_an_observation_nothing_or_a_refusal(body):
    text = json.dumps(body)
    try:
        seen = sources.observation_of(1, PLAIN, text)
    except SourceError:
        return
    assert seen is None or seen.price >= 0


async def test_a_stream_is_heard_again_after_it_was_lost():
    """A real server that hangs up after each price: three prices need three connections."""
    heard, told, asked = asyncio.Event(), [60_000, 60_001, 60_002], []

    async def speak(socket):
        asked.append(json.loads(await socket.recv()))
        await socket.send("not a price")
        await socket.send(message(told[len(asked) - 1], NOW + len(asked)))

    async with serve(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stream = Stream(f"ws://127.0.0.1:{port}", PLAIN.fields, {"method": "subscribe"})
        source = Streamed(1, stream, lambda: heard.set() if len(asked) == 3 else None)
        running = asyncio.create_task(source.run())
        await asyncio.wait_for(heard.wait(), 30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert asked == [{"method": "subscribe"}] * 3
    assert [source.at(NOW + second).price for second in (1, 2, 3, 4)] == [price * USDC_ONE for price in (*told, 60_002)]
    assert source.at(NOW) is None


# -- signers ----------------------------------------------------------------------------------------------------------


def panel_of(*prices, per_signer=1):
    said = [Said(number, price) for number, price in enumerate(prices, 1)]
    return said, Panel([[each] * per_signer for each in said], RULES)


def test_two_thirds_have_to_speak():
    said, panel = panel_of(*[BTC] * 5)
    assert panel.condition(NOW) is Condition.HALTED
    said[0].silent = True
    assert panel.spot(NOW) == (BTC, WAD)
    said[1].silent = True
    assert panel.spot(NOW + 5) is None
    assert panel.condition(NOW + 5) is Condition.NORMAL
    assert panel.condition(NOW + 181) is Condition.DEGRADED


def test_a_signer_who_hears_a_source_twice_hears_nothing():
    _, panel = panel_of(BTC, BTC, BTC, per_signer=2)
    assert panel.spot(NOW) is None
    assert panel.near(NOW) is None


def test_a_jump_says_nothing_once():
    said, panel = panel_of(*[BTC] * 5)
    assert panel.spot(NOW) == (BTC, WAD)
    for each in said:
        each.price = BTC * 11 // 10
    assert panel.spot(NOW + 5) is None
    assert panel.spot(NOW + 10) == (BTC * 11 // 10, WAD)
    assert panel.spot(NOW + 10) == (BTC * 11 // 10, WAD)
    assert panel.spot(NOW + 9) is None


def test_two_liars_of_five_move_nothing():
    _, panel = panel_of(BTC, BTC, BTC, 2 * BTC, 1)
    assert panel.spot(NOW).price == BTC


# -- what a venue is started with -------------------------------------------------------------------------------------


def test_a_file_of_streams_names_them(tmp_path):
    path = tmp_path / "index.json"
    path.write_text(
        '{"streams":[{"url":"wss://one","fields":{"price":"p","time_ms":"t"}},'
        '{"url":"wss://two","fields":{"price":"p","time_ms":"t"},"weight":2}],"rules":{"heartbeat_s":60}}'
    )
    assert [(each.number) for each in devmarket.streamed(path).sources] == [1, 2]


@pytest.mark.parametrize("text", ["", "{}", '{"streams":[{"url":1}]}', '{"streams":[],"more":1}'])
def test_a_file_that_names_none_is_refused(tmp_path, text):
    path = tmp_path / "index.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=r"index\.json"):
        devmarket.streamed(path)
    with pytest.raises(SourceError):
        devmarket.streamed(tmp_path / "none.json")
