"""The public schema of the dialect: what typed-deribit 0.4.1 (MIT) validates, and the copy of its names kept here."""

import importlib
import inspect
import json
import pkgutil
import re
import typing
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import typed_deribit

METHOD = re.compile(r"path='((?:public|private)/[\w/]+)'")
CHANNEL = re.compile(r"f?'([a-z_]+\.[\w.{}]+)'")
COPY = Path(__file__).with_name("typed_deribit_schema.json")


class Schema(NamedTuple):
    """Result types by method, and payload types by pattern of a channel."""

    methods: dict[str, Any]
    channels: dict[str, Any]


class Names(NamedTuple):
    """Every method and every pattern of a channel."""

    methods: list[str]
    channels: list[str]


@lru_cache(maxsize=1)
def names() -> Names:
    """The names of the committed copy."""
    copy = json.loads(COPY.read_text())
    return Names(sorted(copy["rpc"]), sorted(copy["stream"]))


@lru_cache(maxsize=1)
def schema() -> Schema:
    """The types of the installed package."""
    found = Schema({}, {})
    for function in _functions():
        source = inspect.getsource(function)
        returned = typing.get_type_hints(function).get("return")
        method = METHOD.search(source)
        if method is not None:
            found.methods[method.group(1)] = returned
        elif "self.subscribe(" in source or "self.authed_subscribe(" in source:
            name = CHANNEL.search(source.split("subscribe(", 1)[1])
            if name is not None:
                found.channels[name.group(1)] = typing.get_args(returned)[0]
    return found


def _functions():
    for info in pkgutil.walk_packages(typed_deribit.__path__, "typed_deribit."):
        module = importlib.import_module(info.name)
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == info.name:
                yield from (item for name, item in vars(kind).items() if inspect.isfunction(item) and name[0] != "_")


# -- the committed copy, on its own -----------------------------------------------------------------------------------


def faults(kind: Any, value: Any, at: str = "result") -> list[str]:
    """What of a value is not as the committed copy says: required fields that are not there, kinds that are others."""
    if isinstance(kind, str):
        return [] if _fits(kind, value) else [f"{at}: {value!r} is not {kind}"]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{at}: {value!r} is no list"]
        return [fault for place, item in enumerate(value) for fault in faults(kind[0], item, f"{at}[{place}]")]
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is no object"]
    if "*" in kind:
        return [fault for name, item in value.items() for fault in faults(kind["*"], item, f"{at}.{name}")]
    found = []
    for name, of in kind.items():
        plain = name.removeprefix("?")
        if plain in value:
            found += faults(of, value[plain], f"{at}.{plain}")
        elif plain == name:
            found.append(f"{at}.{name}: missing")
    return found


_KINDS = {
    "str": str,
    "int": int,
    "bool": bool,
    "datetime": int,
    "date": str,
    "NoneType": type(None),
    "None": type(None),
}


def _fits(kind: str, value: Any) -> bool:
    """One of several kinds, or of several words; what is neither may be anything."""
    parts = re.split(r" / | \| ", kind)
    for part in parts:
        if part == "float" and isinstance(value, int | float) and not isinstance(value, bool):
            return True
        if part in _KINDS and isinstance(value, _KINDS[part]) and (part == "bool" or not isinstance(value, bool)):
            return True
        words = part.split("|")
        if part == "Any" or not all(re.fullmatch(r"\w+", word) for word in words):
            return True
        if isinstance(value, str | int) and str(value) in words and part not in _KINDS:
            return True
    return False
