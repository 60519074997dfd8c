"""The page as the gateway sends it: its headers, and nothing but its files."""

import aiohttp
import pytest

from .conftest import Running

NEVER = ("unsafe-inline", "unsafe-eval", "*", "data:", "http:", "https:")


async def test_the_page_comes_under_a_strict_policy(venue: Running) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/web/js/main.js", "/web/style/base.css", "/web/settings.json"):
            async with session.get(venue.http + path) as response:
                assert response.status == 200
                policy = response.headers["Content-Security-Policy"]
                assert not any(word in policy for word in NEVER)
                assert "default-src 'none'" in policy
                assert "require-trusted-types-for 'script'" in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Referrer-Policy"] == "no-referrer"
                tag = response.headers["ETag"]
            async with session.get(venue.http + path, headers={"If-None-Match": tag}) as again:
                assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/web/", "/web/js/", "/web/../__main__.py", "/web/vendor/hashes.json", "/web/index.html"]
)
async def test_nothing_else_is_sent(venue: Running, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(venue.http + path) as response:
        assert response.status == 404
