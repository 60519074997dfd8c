"""The replay server: answers about a journal over HTTP, to this machine and to pages of the origins it is told.

It reads a file that another process writes, in a process of its own, and so takes nothing from the venue but its share
of the disk. A journal tells everything about everybody: nobody is let in by accident. Imports answers, aiohttp.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple, Self

import msgspec
from aiohttp import web

from exchange.shell.website import add_pages
from replay.answers import Answers
from replay.findings import CannotRun, Diverged

WAITING_MAX: Final = 8
LOCAL: Final = ("127.0.0.1", "localhost", "[::1]")
NUMBER_MAX: Final = 2**63
TEXT_MAX: Final = 64

Ask = Callable[[], dict[str, Any]]


class Where(NamedTuple):
    """Where it listens, and the origins whose pages may ask."""

    host: str = "127.0.0.1"
    port: int = 0
    origins: tuple[str, ...] = ()


class Bad(ValueError):
    """A question that is none."""


class Server:
    """An async context manager that serves until left; ``url`` is known once entered."""

    def __init__(self, answers: Answers, where: Where) -> None:
        self._answers = answers
        self._where = where
        self._worker = ThreadPoolExecutor(1, "replay")
        self._waiting = 0
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._where.host, self._where.port)
        await site.start()
        self.url = f"http://{self._where.host}:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop; the question at hand is answered first."""
        await self._runner.cleanup()
        self._worker.shutdown()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._admit], client_max_size=0)
        for name, ask in (("head", self._head), ("at", self._at), ("record", self._record), ("order", self._order)):
            app.router.add_get(f"/replay/v1/{name}", partial(self._answer, ask))
        add_pages(app, replay="/", venue=False)
        return app

    @web.middleware
    async def _admit(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """By the name it was asked under, and by the page that asks: a stranger's page has no business here."""
        name = request.host.rpartition(":")[0] if not request.host.endswith("]") else request.host
        if (name or request.host) not in (*LOCAL, self._where.host):
            return _refuse(421, "this server is not asked by that name")
        origin = request.headers.get("Origin", "")
        own = f"http://{request.host}"
        if origin and origin not in (own, *self._where.origins):
            return _refuse(403, "pages of that origin may not ask")
        response: web.StreamResponse = await handler(request)
        if origin:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Vary"] = "Origin"
        return response

    async def _answer(self, ask: Callable[[web.Request], Ask], request: web.Request) -> web.StreamResponse:
        """One question at a time, a few waiting."""
        try:
            question = ask(request)
        except Bad as error:
            return _refuse(400, str(error))
        if self._waiting >= WAITING_MAX:
            return _refuse(503, "too many questions at once; ask again")
        self._waiting += 1
        try:
            told = await asyncio.get_running_loop().run_in_executor(self._worker, question)
        except CannotRun as error:
            return _refuse(404, str(error))
        except Diverged as error:
            return _refuse(500, f"the journal is damaged: {error}")
        finally:
            self._waiting -= 1
        return _json(told)

    def _head(self, request: web.Request) -> Ask:
        del request
        return self._answers.head

    def _at(self, request: web.Request) -> Ask:
        account = _number(request, "account") if "account" in request.query else None
        series = request.query.get("series")
        if series is not None and len(series) > TEXT_MAX:
            raise Bad("series is too long")
        return partial(self._answers.at, _number(request, "seq"), series, account)

    def _record(self, request: web.Request) -> Ask:
        return partial(self._answers.record, _number(request, "seq"))

    def _order(self, request: web.Request) -> Ask:
        return partial(self._answers.order, _number(request, "id"))


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < TEXT_MAX and int(text) < NUMBER_MAX):
        raise Bad(f"{name} is a whole number")
    return int(text)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


def _refuse(status: int, sentence: str) -> web.Response:
    return _json({"error": sentence}, status)
