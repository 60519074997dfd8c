"""The API told from the code: methods with what they read, channels, errors, and what is not here and why.

Tells docs/DIALECT.md, docs/openrpc.json or docs/asyncapi.json: ``python -m exchange.session.reference DIALECT.md``.
Imports methods, elsewhere, reading, dialect.
"""

import inspect
import re
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec

from exchange.dialect.channels import DEPTHS, GROUPS, INTERVALS, KINDS, PATTERNS, RESOLUTIONS
from exchange.dialect.errors import Code
from exchange.session import login
from exchange.session.call import Call
from exchange.session.elsewhere import CHANNELS_ELSEWHERE, ELSEWHERE
from exchange.session.methods import LOGINS, METHODS, ON_SOCKET, PRIVATE, PUBLIC, SIGNED
from exchange.session.public import VERSION
from exchange.session.reading import reads_of
from exchange.session.results import RESULTS, inline_schema_of, schema_of
from exchange.session.session import Session
from exchange.session.shapes import OBJECTS

HEAD: Final = """# The dialect, name by name

Every method and channel of the dialect, and ours (`x_`), with where it stands. This page is written by
`python -m exchange.session.reference DIALECT.md`, from what the venue answers with, and so are
[openrpc.json](openrpc.json) (what each method reads and answers with, errors) and
[asyncapi.json](asyncapi.json) (channels). What they mean: [API](API.md).

`here`: answered. `signer`: the venue wants it signed, and [the signer](SIGNER.md) does that for clients that do not.
Anything else is why it answers `10033 not_implemented`.
"""
_OTHERS: Final[dict[str, Callable[..., Any]]] = {
    "public/auth": login.log_in,
    "public/fork_token": login.fork,
    "public/exchange_token": login.exchange,
    "set_heartbeat": Session._set_heartbeat,  # noqa: SLF001 - what only a connection has, it answers itself
    "subscribe": Session._subscribe,  # noqa: SLF001
    "unsubscribe": Session._on_socket,  # noqa: SLF001
    "logout": Session._log_out,  # noqa: SLF001
}
_SUMMARIES: Final = {
    "set_heartbeat": "Have the venue speak at an interval, and close a connection that does not answer.",
    "disable_heartbeat": "No more of that.",
    "subscribe": "Hear channels; the reply lists those accepted.",
    "unsubscribe": "Hear some of them no longer.",
    "unsubscribe_all": "Hear none.",
    "logout": "Forget the login and close the connection; its orders stay.",
}
_WORDS: Final = {
    "interval": list(INTERVALS),
    "group": list(GROUPS),
    "depth": list(DEPTHS),
    "kind": list(KINDS),
    "resolution": list(RESOLUTIONS),
}


def standing() -> dict[str, str]:
    """Where each method stands, by name."""
    here = {name: "here, signer" if name in SIGNED else "here" for name in METHODS}
    return dict(sorted((here | dict(ELSEWHERE)).items()))


def channels() -> dict[str, str]:
    """Where each channel stands, by pattern."""
    return dict(sorted((dict.fromkeys(PATTERNS, "here") | dict(CHANNELS_ELSEWHERE)).items()))


def page() -> str:
    """The page."""
    parts = [HEAD]
    for title, rows in (("Methods", standing()), ("Channels", channels())):
        head = f"## {title}\n\n| {title.lower()[:-1]} | |\n|---|---|\n"
        parts.append(head + "".join(f"| `{name}` | {where} |\n" for name, where in rows.items()))
    return "\n".join(parts)


# -- methods ----------------------------------------------------------------------------------------------------------


def handler_of(method: str) -> Callable[..., Any] | None:
    """The function that answers a method, or None for those that read nothing."""
    found = PUBLIC.get(method) or PRIVATE.get(method)
    if found is not None:
        return found.handler
    return _OTHERS.get(method) or _OTHERS.get(method.partition("/")[2])


def openrpc() -> dict[str, Any]:
    """The OpenRPC document: every method, what it reads and answers with, and all errors there are."""
    return {
        "openrpc": "1.3.2",
        "info": {"title": "Verbatim", "version": VERSION},
        "methods": [_method(name) for name in sorted(METHODS)],
        "components": {
            "errors": {code.value[1]: _error(*code.value) for code in Code},
            "schemas": {name: inline_schema_of(shape) for name, shape in OBJECTS.items()},
        },
    }


def _method(name: str) -> dict[str, Any]:
    handler, found = handler_of(name), PUBLIC.get(name) or PRIVATE.get(name)
    shown: dict[str, Any] = {
        "name": name,
        "paramStructure": "by-name",
        "params": [],
        "result": {"name": "result", "schema": schema_of(RESULTS[name])},
        "x-transport": "websocket" if name in ON_SOCKET else "any",
        "x-login": name.startswith("private/"),
        "x-signed": name in SIGNED,
        "x-cost": "login" if name in LOGINS else found.cost.value if found is not None else "query",
        "summary": _SUMMARIES.get(name.partition("/")[2], ""),
    }
    if handler is None:
        return shown
    reads = reads_of(handler, Call)
    told = (inspect.getdoc(handler) or "").partition("\n\n")[0].replace("\n", " ")
    shown["summary"] = shown["summary"] or told
    shown["params"] = [_param(name, kind) for name, kind in sorted(reads.whole.items())]
    if reads.inner:
        shown["x-inside-parameters"] = [_param(name, kind) for name, kind in sorted(reads.inner.items())]
    return shown


def _param(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "schema": {"type": kind} if kind else True}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


# -- channels ---------------------------------------------------------------------------------------------------------


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document: every channel, and the words its name is made of."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Verbatim", "version": VERSION},
        "channels": {pattern: _channel(pattern) for pattern in sorted(PATTERNS)},
    }


def _channel(pattern: str) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", pattern)
    is_private = pattern.startswith("user.") or (pattern.startswith("block_rfq.") and ".trades." not in pattern)
    message = {"payload": {"type": "object", "required": ["channel", "data"]}}
    return {
        "address": pattern,
        "parameters": {name: {"enum": _WORDS[name]} if name in _WORDS else {} for name in names},
        "messages": {"subscription": message},
        "x-login": is_private,
    }


def documents() -> dict[str, str]:
    """File names and what stands in them."""
    texts = {"openrpc.json": openrpc(), "asyncapi.json": asyncapi()}
    pretty = {name: msgspec.json.format(msgspec.json.encode(value), indent=1).decode() for name, value in texts.items()}
    return {"DIALECT.md": page()} | {name: text + "\n" for name, text in pretty.items()}


if __name__ == "__main__":
    sys.stdout.write(documents()[sys.argv[1]])
