"""The command ``serve``: answer questions about a journal to a browser, and the page that asks them."""

import argparse
import asyncio
import signal
import sys
from typing import Any

import msgspec

from replay import terminal
from replay.cli.common import CLEAN, add
from replay.findings import CannotRun
from replay.source import open_source


def add_to(commands: Any) -> None:
    """The command and its arguments."""
    text = "Serve a journal to a browser: scrub to any record, see book and margin then, audit an order. Read-only."
    command = add(commands, "serve", _serve, text)
    command.add_argument("--host", default="127.0.0.1", help="address to listen on; this machine only (%(default)s)")
    command.add_argument("--port", type=int, default=0, help="port to listen on; by default one that is free")
    text = "a page of this origin may ask too, such as that of the venue; repeatable"
    command.add_argument("--origin", dest="origins", action="append", default=[], metavar="URL", help=text)


def _serve(options: argparse.Namespace) -> int:
    from replay.answers import Answers  # noqa: PLC0415 - other commands need no server
    from replay.httpd import LOCAL, Server, Where  # noqa: PLC0415

    if options.host not in LOCAL:
        raise CannotRun("a journal tells everything about everybody: it is served to this machine only")
    answers = Answers(options.journal)
    with terminal.progress(open_source(options.journal).last_seq, not options.json) as progress:
        answers.advance(progress)
    origins = tuple(origin.rstrip("/") for origin in options.origins)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with Server(answers, Where(options.host, options.port, origins)) as server:
            told = {"url": server.url, "journal": str(options.journal), "seq": answers.places.forest.size}
            sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
            sys.stdout.flush()
            await stop.wait()

    asyncio.run(run())
    return CLEAN
