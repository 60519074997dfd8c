"""The JSON-RPC client against servers that behave badly: real sockets, typed errors, reads retried, sends never."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import WSMsgType, web

from exchange.shell import chain as errors
from exchange.shell.rpc import RpcChain
from exchange.shell.rpc_client import RpcClient

HEAD = {"number": "0x5", "hash": "0x" + "11" * 32, "parentHash": "0x" + "22" * 32, "timestamp": "0x6",
        "gasUsed": "0x0", "gasLimit": "0x1", "transactions": []}  # fmt: skip


@asynccontextmanager
async def serving(answer: Callable[[dict], object]) -> AsyncIterator[tuple[str, list[str]]]:
    """A node whose `answer` gives a result, an exception to send as an error, or a web.Response to send as it is."""
    asked: list[str] = []

    async def post(request: web.Request) -> web.Response:
        body = await request.json()
        calls = body if isinstance(body, list) else [body]
        asked.extend(call["method"] for call in calls)
        replies = []
        for call in calls:
            result = answer(call)
            if isinstance(result, web.Response):
                return result
            if isinstance(result, Exception):
                replies.append({"id": call["id"], "error": {"code": -32000, "message": str(result)}})
            else:
                replies.append({"id": call["id"], "result": result})
        return web.json_response(replies if isinstance(body, list) else replies[0])

    app = web.Application()
    app.router.add_post("/", post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr("exchange.shell.rpc_client._RETRY_DELAYS_S", (0.0, 0.0))


async def test_reads_are_asked_again_and_sends_are_not():
    def answer(call):
        if call["method"] == "eth_chainId":
            return "0x1"
        return web.Response(status=503, text="busy")

    async with serving(answer) as (url, asked), await RpcChain.open(url) as chain:
        with pytest.raises(errors.ChainUnavailable, match="503"):
            await chain.block()
        assert asked.count("eth_getBlockByNumber") == 3
        with pytest.raises(errors.ChainUnavailable):
            await chain.send_raw(b"\x02")
        assert asked.count("eth_sendRawTransaction") == 1


async def test_a_node_that_recovers_is_not_noticed():
    failures = [web.Response(status=502, text="<html>"), web.Response(text="[]")]

    def answer(call):
        if call["method"] == "eth_getBlockByNumber" and failures:
            return failures.pop()
        return HEAD if call["method"] == "eth_getBlockByNumber" else "0x1"

    async with serving(answer) as (url, _), await RpcChain.open(url) as chain:
        assert (await chain.block()).number == 5


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("nonce too low: next nonce 5, tx nonce 4", errors.NonceTooLow),
        ("INSUFFICIENT FUNDS for gas * price + value", errors.InsufficientFunds),
        ("already known", errors.AlreadyKnown),
        ("replacement transaction underpriced", errors.ReplacementUnderpriced),
        ("transaction underpriced: tip needed 1", errors.FeeTooLow),
        ("max fee per gas less than block base fee", errors.FeeTooLow),
        ("intrinsic gas too low: gas 100", errors.GasTooLow),
        ("exceeds block gas limit", errors.GasTooHigh),
        ("invalid sender: invalid chain id for signer", errors.WrongChain),
        ("txpool is full", errors.PoolFull),
        ("rlp: expected List", errors.MalformedTransaction),
        ("the dog ate it", errors.NodeError),
    ],
)
async def test_refusals_are_named_by_their_words(words, kind):
    def answer(call):
        return "0x1" if call["method"] == "eth_chainId" else RuntimeError(words)

    async with serving(answer) as (url, _), await RpcChain.open(url) as chain:
        with pytest.raises(kind):
            await chain.send_raw(b"\x02")


async def test_finality_by_depth_for_nodes_without_the_tag():
    asked = []

    def answer(call):
        if call["method"] == "eth_getBlockByNumber":
            asked.append(call["params"][0])
            return HEAD
        return "0x64"

    async with serving(answer) as (url, _), await RpcChain.open(url, finality_depth=12) as chain:
        await chain.block("finalized")
        await chain.block("safe")
        await chain.block("latest")
    assert asked == [hex(100 - 12), hex(100 - 6), "latest"]


async def test_only_development_nodes_have_levers():
    def answer(call):
        return "Geth/v1.16.0" if call["method"] == "web3_clientVersion" else "0x1"

    async with serving(answer) as (url, _), await RpcChain.open(url) as chain:
        with pytest.raises(errors.NotADevelopmentNode, match="Geth"):
            await chain.dev_controls()


async def test_hardhat_can_do_all_but_reorganise():
    def answer(call):
        return "HardhatNetwork/2.29.1/x" if call["method"] == "web3_clientVersion" else "0x1"

    async with serving(answer) as (url, asked), await RpcChain.open(url) as chain:
        controls = await chain.dev_controls()
        await controls.mine(2)
        await controls.fund(bytes(20), 1)
        with pytest.raises(errors.NotADevelopmentNode):
            await controls.reorg(1)
        assert asked.count("evm_mine") == 2


async def test_nobody_there(unused_tcp_port):
    for scheme in ("http", "ws"):
        with pytest.raises(errors.ChainUnavailable):
            await RpcChain.open(f"{scheme}://127.0.0.1:{unused_tcp_port}", timeout_s=1)
    with pytest.raises(ValueError, match="cannot speak"):
        RpcClient("ftp://example.org")


async def test_an_answer_that_never_comes_times_out_and_frees_its_place():
    release = asyncio.Event()

    async def hold(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            call = msgspec.json.decode(message.data)
            if release.is_set():
                await socket.send_str('{"jsonrpc":"2.0","id":99999,"result":"not yours"}')
                await socket.send_json({"id": call["id"], "result": "0x7"})
        return socket

    app = web.Application()
    app.router.add_get("/", hold)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = RpcClient(f"ws://127.0.0.1:{runner.addresses[0][1]}", timeout_s=0.05, concurrency=1)
    with pytest.raises(errors.ChainUnavailable, match="Timeout"):
        await client.read("eth_chainId")
    release.set()
    assert msgspec.json.decode(await client.read("eth_chainId")) == "0x7"
    await client.close()
    await runner.cleanup()


async def test_at_most_so_many_questions_at_once():
    here, most = 0, 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal here, most
        here, most = here + 1, max(most, here + 1)
        body = await request.json()
        await asyncio.sleep(0.01)
        here -= 1
        return web.json_response({"id": body["id"], "result": "0x1"})

    app = web.Application()
    app.router.add_post("/", slow)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = RpcClient(f"http://127.0.0.1:{runner.addresses[0][1]}", concurrency=3)
    await asyncio.gather(*(client.read("eth_chainId") for _ in range(12)))
    assert most == 3
    await client.close()
    await runner.cleanup()


async def test_an_answer_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("exchange.shell.rpc_client._MESSAGE_MAX", 1000)

    def answer(call):
        return "0x1" if call["method"] == "eth_chainId" else "0x" + "00" * 2000

    async with serving(answer) as (url, _), await RpcChain.open(url) as chain:
        with pytest.raises(errors.ChainUnavailable, match="more than 1000"):
            await chain.code(bytes(20))
