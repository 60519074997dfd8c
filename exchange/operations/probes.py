"""A port of its own for those who watch: /metrics, /healthz, /readyz. Imports running, metrics, aiohttp.

It answers from the loop that trades, so that a loop which is stuck is seen as one; nothing asked here waits for the
sequencer.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from exchange.operations.metrics import Measurements
from exchange.operations.running import Check, Running
from exchange.operations.settings import MetricsSection

_log = structlog.get_logger(__name__)


class PortTaken(Exception):
    """The port for measurements and probes cannot be listened on."""


@contextlib.asynccontextmanager
async def listening(section: MetricsSection, running: Running) -> AsyncIterator[str]:
    """Serve probes and measurements while inside; the address. Raises PortTaken."""
    runner = web.AppRunner(app_of(running), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, section.host, section.port).start()
        except OSError as error:
            raise PortTaken(f"{section.host}:{section.port}: {error.strerror}") from error
        url = f"http://{section.host}:{runner.addresses[0][1]}"
        _log.info("probes_listening", url=url)
        yield url
    finally:
        await runner.cleanup()


def app_of(running: Running) -> web.Application:
    """The three pages."""
    measured = Measurements(running)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=measured.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_request: web.Request) -> web.Response:
        return _told(running, running.alive(), ())

    async def ready(_request: web.Request) -> web.Response:
        return _told(running, running.ready(), running.well())

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    return app


def _told(running: Running, needed: Sequence[Check], besides: Sequence[Check]) -> web.Response:
    """200 if everything needed holds, else 503; either way what does not hold, and of what is besides too."""
    body = {
        "stage": running.stage,
        "ok": all(each.holds for each in needed),
        "reasons": [_sentence(each) for each in needed if not each.holds],
        "warnings": [_sentence(each) for each in besides if not each.holds],
        "checks": {each.name: {"ok": each.holds, "detail": each.detail} for each in (*needed, *besides)},
    }
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", status=200 if body["ok"] else 503
    )


def _sentence(check: Check) -> str:
    return f"{check.name}: {check.detail}" if check.detail else check.name
