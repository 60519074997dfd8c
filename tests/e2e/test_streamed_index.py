"""A venue that takes its index from another place's WebSocket."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

from e2e_serve import Serving, run_module
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from exchange import codec
from exchange.core.commands import PostRound
from exchange.core.units import USDC_ONE, WAD
from journal import Frame, scan


async def _speak(socket: ServerConnection) -> None:
    """Prices of three places in turn, from one address: 50,000 and a little around it, as of now."""
    offset = json.loads(await socket.recv())["offset"]
    with contextlib.suppress(ConnectionClosed):
        while True:
            await socket.send(json.dumps({"p": 50_000 + offset, "t": time.time_ns() // 10**6}))
            await asyncio.sleep(0.2)


def _rounds(journal: Path) -> list[PostRound]:
    frames = [item for item in scan(journal) if isinstance(item, Frame)]
    commands = [codec.decode_command(record.command) for frame in frames for record in frame.records()]
    return [command for command in commands if isinstance(command, PostRound)]


async def test_rounds_carry_the_mean_of_the_streams_and_what_their_spread_leaves_of_confidence(tmp_path: Path) -> None:
    async with serve(_speak, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        fields = {"price": "p", "time_ms": "t"}
        streams = [{"url": url, "fields": fields, "subscribe": {"offset": offset}} for offset in (-100, 0, 100)]
        (tmp_path / "index.json").write_text(json.dumps({"streams": streams, "rules": {"quorum": 3}}))
        venue = await Serving.start(tmp_path / "venue.journal", "--index", str(tmp_path / "index.json"))
        assert await venue.stop() == 0
    rounds = _rounds(tmp_path / "venue.journal")
    assert rounds
    for round_ in rounds:
        assert round_.spots[0].spot == 50_000 * USDC_ONE
        assert 79 * WAD // 100 < round_.spots[0].conf < 81 * WAD // 100  # 200 of 50,000 is a fifth of the widest spread


async def test_a_file_that_names_no_stream_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    options = ("--journal", str(tmp_path / "venue.journal"), "--index", str(tmp_path / "index.json"))
    code, out, err = await run_module("exchange", "serve", "--dev", *options)
    assert (code, out) == (1, "")
    assert "SourceError" in err
    assert "index.json" in err
