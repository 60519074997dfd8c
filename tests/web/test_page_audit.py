"""From an order placed on the page to the transaction that settled it, and back through the journal, record by record."""

import json
import re

import pytest
from e2e_serve import Serving
from playwright.async_api import Page, Route, expect
from web_browser import PHONE, address

pytestmark = pytest.mark.asyncio(loop_scope="session")
SETTLED_MS = 45_000


async def placed(venue: Serving, page: Page, number: int) -> str:
    """Log in and buy a lot; the id of the order."""
    await page.locator("[data-test=dev-key]").first.fill(str(venue.ready["keys"][number]["key"]))
    await page.get_by_role("button", name="Log in", exact=True).first.click()
    await expect(page.locator("[data-test=account]").first).to_be_visible()
    cell = page.locator("tr.atm td.call.best_ask_price")
    await expect(cell).not_to_have_text("")
    await cell.click()
    await page.fill("#ticket-amount", "0.01")
    await page.click("[data-test=submit]")
    link = page.locator("[data-test=told] a")
    await expect(link).to_be_visible()
    return str(await link.get_attribute("href")).rpartition("/")[2]


async def test_an_order_is_audited_to_its_transaction_and_the_replay_scrubbed_past_it(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready))
    order = await placed(venue, page, 4)
    await page.locator("[data-test=told] a").click()
    steps = page.locator("[data-test=step]")
    await expect(steps.first).to_be_visible()
    await page.wait_for_function(
        """() => {
            if (document.querySelector("[data-test=transaction]")) return true;
            [...document.querySelectorAll("button")].find((each) => each.textContent === "Again")?.click();
            return false;
        }""",
        polling=1_000,
        timeout=SETTLED_MS,
    )
    assert re.fullmatch("0x[0-9a-f]{64}", await page.locator("[data-test=transaction]").inner_text())
    verdicts = [await each.get_attribute("data-verdict") for each in await steps.all()]
    assert verdicts == ["ok"] * 6 + ["told", "ok"]
    await page.get_by_role("link", name="Replay", exact=True).first.click()
    await page.fill("[data-test=seq]", str(int(order) - 1))
    await page.keyboard.press("Enter")
    await page.select_option("[data-test=replay-account]", "5")
    margin = page.locator("[data-test=then-margin]")
    await expect(margin).to_contain_text("Cash")
    before = await margin.inner_text()
    await page.click("[data-test=on]")
    await expect(page.get_by_label("The record")).to_contain_text("Place")
    await expect(margin).not_to_have_text(before)
    await page.click("[data-test=back]")
    await expect(margin).to_have_text(re.compile(re.escape(before.split()[1])))


async def test_a_journal_that_lies_is_caught_in_the_browser(venue: Serving, opens) -> None:
    page = await opens(address(venue.ready), size=PHONE)
    await page.get_by_role("tab", name="Ticket").click()
    await page.get_by_role("tab", name="Chain").click()
    cell = page.locator("tr.atm td.call.best_ask_price")
    await expect(cell).not_to_have_text("")
    await cell.click()
    await page.locator("[data-test=dev-key]").first.fill(str(venue.ready["keys"][5]["key"]))
    await page.get_by_role("button", name="Log in", exact=True).first.click()
    await expect(page.locator("[data-test=account]").first).to_be_visible()
    await page.fill("#ticket-amount", "0.01")
    await page.click("[data-test=submit]")
    await expect(page.locator("[data-test=told] a")).to_be_visible()

    async def lie(route: Route) -> None:
        response = await route.fetch()
        told = json.loads(await response.text())
        told["order"]["message"]["quantity"] = "999"
        told["record"]["proof"] = told["record"]["proof"][::-1]
        await route.fulfill(response=response, body=json.dumps(told))

    await page.route("**/replay/v1/order*", lie)
    await page.locator("[data-test=told] a").click()
    bad = page.locator("[data-test=step][data-verdict=bad] b")
    await expect(bad.first).to_be_visible()
    assert {"Order", "Signature", "Merkle proof"} <= set(await bad.all_inner_texts())
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
