"""The page before any login: chain, book and tape of a real venue, by mouse and by keys, wide and narrow."""

import pytest
from e2e_serve import Serving
from playwright.async_api import Page, expect
from web_browser import PHONE, address

from exchange.shell.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_chain_book_and_tape_show_what_the_venue_says(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready))
    await expect(page.locator("tr.atm")).to_have_count(1)
    name = await page.locator("tr.atm td.call[data-side]").get_attribute("data-name")
    async with await Client.connect(venue.ready["url"]) as client:
        ticker = await client.call("public/ticker", {"instrument_name": name})
    await expect(page.locator(f"td[data-name='{name}'].best_ask_price")).to_have_text(
        f"{ticker['best_ask_price']:,.1f}"
    )
    await page.locator(f"td[data-name='{name}'].best_ask_price").click()
    await expect(page.locator("[data-test=book-name]")).to_have_text(name)
    await expect(page.locator(".ladder .asks .price").last).to_have_text(f"{ticker['best_ask_price']:,.1f}")
    await expect(page.locator(".ladder .bids .price").first).to_have_text(f"{ticker['best_bid_price']:,.1f}")


async def test_a_trade_appears_on_the_tape(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready))
    name = await page.locator("tr.atm td.call[data-side]").get_attribute("data-name")
    await page.locator(f"td[data-name='{name}'].best_bid_price").click()
    async with await Client.connect(venue.ready["url"]) as client:
        await client.login(bytes.fromhex(venue.ready["keys"][3]["key"][2:]))
        ticker = await client.call("public/ticker", {"instrument_name": name})
        placed = await client.sell(name, "0.01", ticker["best_bid_price"], time_in_force="immediate_or_cancel")
    assert len(placed.trades) == 1
    await expect(page.locator(".tape tbody tr").first).to_contain_text("0.01")
    await expect(page.locator(".tape tbody tr").first).to_contain_text("sell")


async def test_arrows_walk_the_chain_and_one_cell_is_a_stop(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready))
    await page.keyboard.press("c")
    focused = page.locator("td:focus")
    at_the_money = await focused.get_attribute("data-name")
    assert at_the_money is not None
    assert at_the_money.endswith("-C")
    await page.keyboard.press("ArrowRight")
    await expect(focused).to_have_attribute("data-name", at_the_money[:-1] + "P")
    await page.keyboard.press("ArrowDown")
    await expect(focused).not_to_have_attribute("data-name", at_the_money[:-1] + "P")
    below = await focused.get_attribute("data-name")
    assert below is not None
    assert strike_of(below) > strike_of(at_the_money)
    assert await page.locator("table[role=grid] [tabindex='0']").count() == 1
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-test=book-name]")).to_have_text(below)


def strike_of(name: str) -> int:
    return int(name.split("-")[2])


async def test_vols_are_drawn_and_stand_beside_as_numbers(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready) + "#/vol", size=PHONE)
    async with await Client.connect(venue.ready["url"]) as client:
        name = min(await client.instruments())
        vol = (await client.call("public/ticker", {"instrument_name": name}))["mark_iv"]
    row = page.locator("[data-test=surface] tbody tr", has_text=name.split("-")[2])
    await expect(row.locator("td").first).to_have_text(f"{vol:.2f}")
    await expect(page.locator(".chart canvas")).to_have_count(1)
    assert await fits(page)


async def test_the_page_fits_a_phone(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready), size=PHONE, scheme="light")
    await expect(page.locator("tr.atm")).to_have_count(1)
    assert await fits(page)
    await page.locator("tr.atm td.best_ask_price.call").click()
    await page.get_by_role("tab", name="Book").click()
    await expect(page.locator(".ladder")).to_be_visible()
    await expect(page.locator("table[role=grid]")).to_be_hidden()
    assert await fits(page)


async def fits(page: Page) -> bool:
    """Nothing is wider than the screen."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
