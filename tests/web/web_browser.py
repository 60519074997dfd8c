"""The browser: where it is, how it is started, and what counts as wrong on a page."""

import shutil

from playwright.async_api import ConsoleMessage, Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = (1440, 900), (375, 812)
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The path of a Chromium, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def heard(page: Page, wrong: list[str]) -> None:
    """Collect what a page complains of: errors of its programs, of its console, and breaches of its policy."""

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(message.text)

    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(str(error)))


def address(ready: dict[str, str]) -> str:
    """Where the page of a venue is, from its ready line."""
    return ready["url"].replace("ws://", "http://").removesuffix("ws/api/v2")
