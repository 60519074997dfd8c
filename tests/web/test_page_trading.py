"""Trading from the page: by a development key and by a wallet, filled, refused, edited and cancelled; labels stay text."""

import pytest
from e2e_serve import Serving
from playwright.async_api import Page, expect
from web_browser import PHONE, address
from web_wallet import Wallet

from exchange.shell.client import Client

pytestmark = pytest.mark.asyncio(loop_scope="session")
HOSTILE = "<img src=x onerror=alert(1)>"


def key_of(venue: Serving, number: int) -> str:
    return str(venue.ready["keys"][number]["key"])


async def log_in(page: Page, key: str) -> None:
    await page.locator("[data-test=dev-key]").first.fill(key)
    await page.get_by_role("button", name="Log in", exact=True).first.click()
    await expect(page.locator("[data-test=account]").first).to_be_visible()


async def choose(page: Page, selector: str) -> str:
    cell = page.locator(f"tr.atm td.call.{selector}")
    await expect(cell).not_to_have_text("")
    await cell.click()
    return str(await cell.get_attribute("data-name"))


async def test_an_order_from_the_ticket_is_signed_here_and_fills(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready))
    await log_in(page, key_of(venue, 4))
    name = await choose(page, "best_ask_price")
    await page.fill("#ticket-amount", "0.01")
    await expect(page.locator(".figures dd").nth(1)).not_to_have_text("–")
    await page.click("[data-test=submit]")
    await expect(page.locator("[data-test=told]")).to_contain_text("filled, 0.01 of 0.01")
    await expect(page.locator("[data-test=told]")).to_contain_text("signed by the operator")
    await page.click("[data-test=tab-positions]")
    await expect(page.locator(".blotter tbody tr").first).to_contain_text(name)
    await page.click("[data-test=tab-trades]")
    await expect(page.locator(".blotter tbody tr").first).to_contain_text("buy taker")


async def test_a_wallet_signs_what_it_is_shown(venue: Serving, opens) -> None:
    wallet = Wallet(key_of(venue, 5), venue.ready["chain_id"])
    page = await opens(address(venue.ready), wallet=wallet)
    await page.get_by_role("button", name="Log in with the wallet").first.click()
    await expect(page.locator("[data-test=account]").first).to_be_visible()
    await choose(page, "best_ask_price")
    await page.fill("#ticket-amount", "0.02")
    await page.click("[data-test=submit]")
    await expect(page.locator("[data-test=told]")).to_contain_text("filled, 0.02 of 0.02")
    (shown,) = wallet.signed
    assert shown["primaryType"] == "Order"
    assert (shown["message"]["quantity"], shown["message"]["isBuy"]) == ("200", True)
    assert shown["domain"]["verifyingContract"] == venue.ready["clearing"]
    wallet.refuses = True
    await page.click("[data-test=submit]")
    await expect(page.locator("[data-test=told]")).to_contain_text("User rejected")


async def test_a_resting_order_is_edited_and_cancelled_and_its_label_stays_text(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready))
    await log_in(page, key_of(venue, 6))
    await choose(page, "best_bid_price")
    await page.get_by_label("buy").check()
    await page.fill("#ticket-amount", "0.05")
    await page.fill("#ticket-price", "1")
    await page.fill("[data-test=ticket-label]", HOSTILE)
    await page.click("[data-test=submit]")
    await expect(page.locator("[data-test=told]")).to_contain_text("open, 0.0 of 0.05")
    row = page.locator(".blotter tbody tr").first
    await expect(row.locator(".typed")).to_have_text(HOSTILE)
    assert await page.locator("img").count() == 0
    await row.get_by_role("button", name="Edit").click()
    await row.get_by_label("price").fill("2")
    await row.get_by_role("button", name="Sign").click()
    await expect(row).to_contain_text("2.0")
    await row.get_by_role("button", name="Cancel").click()
    await expect(row).to_contain_text("cancelled")


async def test_a_refusal_says_the_rule_and_the_cure(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready), size=PHONE)
    await page.get_by_role("tab", name="Chain").click()
    await choose(page, "best_ask_price")
    await log_in(page, key_of(venue, 6))
    await page.fill("#ticket-amount", "0.015")
    await page.click("[data-test=submit]")
    await expect(page.locator("[data-test=told]")).to_contain_text("multiple of the lot")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_the_account_view_shows_margin_its_worst_scenario_and_a_what_if(venue: Serving, opens) -> None:
    async with await Client.connect(venue.ready["url"]) as client:
        await client.login(bytes.fromhex(key_of(venue, 7)[2:]))
        name = next(each for each in sorted(await client.instruments()) if each.endswith("-C"))
        bid = (await client.call("public/ticker", {"instrument_name": name}))["best_bid_price"]
        await client.sell(name, "0.05", bid)
        summary = await client.call("private/get_account_summary", {"currency": "USDC"})
    page = await opens(address(venue.ready) + "#/account")
    await log_in(page, key_of(venue, 7))
    margin = page.locator("[data-test=margin]")
    await expect(margin).to_contain_text(f"{summary['balance']:,.2f}")
    await expect(page.locator("[data-test=worst]")).to_have_count(1)
    await page.select_option("[data-test=if-instrument]", name)
    await page.fill("[data-test=if-size]", "-1")
    await page.get_by_role("button", name="Compute").click()
    imagined = page.locator("[data-test=if-initial_margin]")
    await expect(imagined).to_be_visible()
    assert float((await imagined.inner_text()).replace(",", "")) > 1_000
