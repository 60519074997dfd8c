"""The page that comes with the venue: files of the package, sent as they are, under headers that trust nothing else.

Everything is read once, at the start. The page may load scripts and styles from this origin only, and speak to this
origin and to the replay server that the operator names; it holds no cookie and no secret. Imports aiohttp.
"""

from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from aiohttp import hdrs, web

ROOT: Final = Path(__file__).resolve().parents[1] / "web"
INDEX: Final = "index.html"
SETTINGS: Final = "/web/settings.json"
FOLDERS: Final = ("js", "style", "vendor")
"""What is served besides the index; nothing else of the folder is."""
KINDS: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Page(NamedTuple):
    """A file as it is sent."""

    body: bytes
    kind: str
    tag: str


def policy(elsewhere: str = "") -> str:
    """The content security policy; ``elsewhere`` is one more origin that the page may ask.

    No script or style but files of this origin, no text that becomes HTML, no frame around it.
    """
    asked = f"connect-src 'self' {elsewhere}".rstrip()
    rules = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", asked)
    shut = ("base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
    return "; ".join((*rules, *shut, "require-trusted-types-for 'script'", "trusted-types 'none'"))


def pages(root: Path = ROOT) -> dict[str, Page]:
    """All files of the page by the path they are asked for."""
    found = {"/": _page(root / INDEX)}
    for path in _files(root):
        found[f"/web/{path.relative_to(root).as_posix()}"] = _page(path)
    return found


def _files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted(path for path in (root / folder).rglob("*") if path.suffix in KINDS)


def _page(path: Path) -> Page:
    body = path.read_bytes()
    return Page(body, KINDS[path.suffix], _tag(body))


def _tag(body: bytes) -> str:
    return f'"{sha256(body).hexdigest()[:32]}"'


def add_pages(app: web.Application, *, replay: str = "", venue: bool = True, secure: bool = False) -> None:
    """Serve the page at ``/``.

    ``replay`` is the origin of a replay server that it may ask, ``/`` this one; without a ``venue`` behind it that is
    all it does. ``secure``: behind TLS, and never without it again.
    """
    headers = _HEADERS | {"Content-Security-Policy": policy(replay.removesuffix("/"))}
    if secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    settings = msgspec.json.encode({"replay": replay, "venue": venue})
    told = Page(settings, "application/json", _tag(settings))
    for path, page in (pages() | {SETTINGS: told}).items():
        app.router.add_get(path, _sending(page, headers))


def _sending(page: Page, headers: dict[str, str]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def send(request: web.Request) -> web.StreamResponse:
        told = {**headers, hdrs.ETAG: page.tag}
        if request.headers.get(hdrs.IF_NONE_MATCH) == page.tag:
            return web.Response(status=304, headers=told)
        return web.Response(body=page.body, content_type=page.kind, charset="utf-8", headers=told)

    return send
