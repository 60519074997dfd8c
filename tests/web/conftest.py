"""A venue in a process of its own and a browser in front of it, shared by the tests of the page.

Everything a page logs as an error, and every breach of its content security policy, fails the test that caused it.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "shell")]

from e2e_serve import Serving  # noqa: E402 - found by the path above
from playwright.async_api import Browser, BrowserContext, Page, async_playwright  # noqa: E402
from web_archive import free_port, replaying  # noqa: E402
from web_browser import DESKTOP, FLAGS, chromium, heard  # noqa: E402
from web_market import make_market  # noqa: E402
from web_wallet import Wallet  # noqa: E402

Opens = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def venue(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """`verbatim serve --dev`, with quotes in some of its books, and a replay server on its journal."""
    if chromium() is None:
        pytest.skip("no Chromium here: the page is not looked at")
    port = free_port()
    serving = await Serving.start(
        tmp_path_factory.mktemp("web") / "venue.journal", "--replay", f"http://127.0.0.1:{port}"
    )
    try:
        await make_market(serving.ready)
        async with replaying(serving, port):
            yield serving
    finally:
        code = await serving.stop()
    assert code == 0


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, without a screen."""
    found = chromium()
    if found is None:
        pytest.skip("no Chromium here: the page is not looked at")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def opens(browser: Browser) -> AsyncIterator[Opens]:
    """Opens a page of an address and waits until it is live; what goes wrong on it is told at the end."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    async def open_at(
        url: str, *, size: tuple[int, int] = DESKTOP, scheme: str = "dark", wallet: Wallet | None = None
    ) -> Page:
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        page = await context.new_page()
        heard(page, wrong)
        if wallet is not None:
            await page.expose_function("askWallet", wallet.request)
            await page.add_init_script(
                "window.ethereum = { request: ({ method, params }) => askWallet(method, params) };"
            )
        await page.goto(url)
        await page.wait_for_selector("[data-test=link]:has-text('live')")
        return page

    yield open_at
    for context in contexts:
        await context.close()
    assert wrong == []
