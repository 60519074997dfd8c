"""The HTTP faces of the dialect: JSON-RPC by POST, methods in paths, parameters in queries. # M50"""

import time

import aiohttp
import pytest

from exchange.shell.sequencer import Overloaded
from exchange.shell.wallet import sign_login, sign_order
from exchange.signing import Order

from .conftest import key_of


@pytest.fixture
async def http(venue):
    async with aiohttp.ClientSession(venue.http) as session:
        yield session


async def _login(http, number):
    params = sign_login(key_of(number), int(time.time() * 1000), f"http {time.perf_counter_ns()}")
    async with http.post(
        "/api/v2", json={"jsonrpc": "2.0", "id": 1, "method": "public/auth", "params": params}
    ) as reply:
        return (await reply.json())["result"]


async def test_json_rpc_by_post(http):
    async with http.post("/api/v2", json={"jsonrpc": "2.0", "id": "x", "method": "public/test", "params": {}}) as reply:
        assert reply.status == 200
        assert (await reply.json())["id"] == "x"


async def test_post_without_content_type_and_with_a_leading_slash(http):
    async with http.post("/api/v2", data=b'{"id":5,"method":"/public/test"}') as reply:
        assert (await reply.json())["result"]["version"]


async def test_method_in_the_path(http, venue):
    body = {"jsonrpc": "2.0", "id": 0, "method": "public/ticker", "params": {"instrument_name": venue.call}}
    async with http.post("/api/v2/public/ticker", json=body) as reply:
        assert (await reply.json())["result"]["instrument_name"] == venue.call
    async with http.post("/api/v2/public/get_time") as reply:
        assert (await reply.json())["result"] > 0


async def test_query_values_are_text(http, venue):
    async with http.get("/api/v2/public/get_order_book", params={"instrument_name": venue.call, "depth": "5"}) as reply:
        assert (await reply.json())["result"]["bids"] == []
    async with http.get("/api/v2/public/get_instruments", params={"currency": "BTC", "expired": "false"}) as reply:
        assert len((await reply.json())["result"]) == 6
    async with http.get("/api/v2/public/get_order_book", params={"instrument_name": venue.call, "depth": "x"}) as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["data"]["param"] == "depth"


async def test_bearer_token_over_get_and_post(http):
    grant = await _login(http, 1)
    headers = {"Authorization": f"bearer {grant['access_token']}"}
    async with http.get("/api/v2/private/get_positions", params={"currency": "any"}, headers=headers) as reply:
        assert (await reply.json())["result"] == []
    async with http.get("/api/v2/private/get_positions") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (400, 13009)
    wrong = {"Authorization": "Bearer nothing"}
    async with http.get("/api/v2/private/get_positions", headers=wrong) as reply:
        assert (reply.status, (await reply.json())["error"]["data"]["reason"]) == (401, "invalid_token")
    hmac = {"Authorization": "deri-hmac-sha256 id=a,ts=1,sig=2,nonce=3"}
    async with http.get("/api/v2/private/get_positions", headers=hmac) as reply:
        assert reply.status == 401


async def test_a_signed_order_by_get(http, venue, never):
    grant = await _login(http, 1)
    listed, identity = venue.publisher.listed[venue.call], venue.publisher.venue
    order = Order(
        account=1,
        series=listed.series,
        is_buy=False,
        quantity=1_000,
        limit_price=500 * 10**6,
        max_fee=10**9,
        nonce=0,
        expiry=never,
    )
    authorization = sign_order(key_of(1), identity.domain, order)
    query = {"instrument_name": venue.call, "amount": "0.1", "price": "500", "type": "limit", "post_only": "false"}
    query["authorization"] = aiohttp.payload.JsonPayload(authorization).decode()
    headers = {"Authorization": f"Bearer {grant['access_token']}"}
    async with http.get("/api/v2/private/sell", params=query, headers=headers) as reply:
        result = (await reply.json())["result"]
    assert result["order"]["order_state"] == "open"
    assert result["receipt"]["seq"] > 0
    async with http.post(
        "/api/v2/private/cancel",
        json={"jsonrpc": "2.0", "id": 1, "params": {"order_id": result["order"]["order_id"]}},
        headers=headers,
    ) as reply:
        assert (await reply.json())["result"]["order_state"] == "cancelled"


async def test_query_text_that_is_not_unicode_is_survived(http):
    for query in ("id=%ed%a0%80", "id=%ff&x=%fe", "id=%00", "id=" + "x" * 2_000):
        async with http.get(f"/api/v2/public/test?{query}") as reply:
            assert reply.status == 200
            assert (await reply.json())["result"]["version"]


async def test_what_needs_a_socket_says_so(http):
    body = {"jsonrpc": "2.0", "id": 1, "method": "public/subscribe", "params": {"channels": ["ticker.x.raw"]}}
    async with http.post("/api/v2", json=body) as reply:
        assert (await reply.json())["error"]["code"] == 10030


async def test_long_bodies_and_bad_bodies(http):
    async with http.post("/api/v2", data=b" " * 70_000) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (413, -32600)
    async with http.post("/api/v2", data=b"\xff\xff") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (400, -32700)
    async with http.post("/api/v2", data=b"[]") as reply:
        assert (await reply.json())["error"]["data"]["reason"] == "batches_are_not_supported"


async def test_unknown_and_foreign_methods(http):
    async with http.get("/api/v2/public/no_such_thing") as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (400, -32601)
    async with http.get("/api/v2/public/get_funding_rate_value") as reply:
        assert (await reply.json())["error"]["code"] == 10033


async def test_health_follows_the_sequencer(http, venue):
    async with http.get("/health") as reply:
        assert (reply.status, (await reply.json())["status"]) == (200, "ok")
    venue.sequencer.stop()
    async with http.get("/health") as reply:
        assert (reply.status, (await reply.json())["status"]) == (503, "halted")
    async with http.get("/api/v2/public/status") as reply:
        assert (await reply.json())["error"]["code"] == 11051


async def test_health_says_when_the_venue_is_too_busy_to_say(http, venue):
    class Busy:
        async def read(self, _query):
            raise Overloaded("as asked")

    venue.gateway._backend = Busy()
    async with http.get("/health") as reply:
        assert (reply.status, (await reply.json())["status"]) == (503, "overloaded")
