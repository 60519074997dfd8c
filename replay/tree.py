"""Any value of the machine as a tree of names, and where two trees differ.

Owns how a field is named in every finding: ``accounts.3.positions.129``. Imports msgspec and nothing of the project, so
that it can describe the states of another version of it.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

KEYS: Final = ("id", "round_id", "expiry_id", "underlying", "digest", "name")
"""What tells the items of a list apart, the first that all of them have; without one it is their place."""


class Difference(msgspec.Struct, frozen=True):
    """One field with two values; None where one side does not have it at all."""

    path: str
    a: Any
    b: Any


def named(value: Any) -> Any:
    """Structs as dicts of their fields, lists of things as dicts of what tells them apart, bytes in hex."""
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        told = {} if tag is None else {"kind": type(value).__name__}
        return told | {name: named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return _of_list(value)
    if isinstance(value, dict):
        return {_key(key): named(each) for key, each in value.items()}
    return value


def _of_list(items: Any) -> Any:
    if items and all(isinstance(item, msgspec.Struct) for item in items):
        fields = items[0].__struct_fields__
        keys = [next((getattr(item, key) for key in KEYS if key in fields), None) for item in items]
    elif items and isinstance(items, list) and all(isinstance(item, tuple) and len(item) == 2 for item in items):
        keys, items = [item[0] for item in items], [item[1] for item in items]
    else:
        return [named(item) for item in items]
    if None in keys or len(dict.fromkeys(keys)) < len(keys):
        return [named(item) for item in items]
    return {_key(key): named(item) for key, item in zip(keys, items, strict=True)}


def _key(key: Any) -> str:
    return key.hex() if isinstance(key, bytes) else str(key)


def differences(a: Any, b: Any, path: str = "") -> Iterator[Difference]:
    """Every field in which two trees differ, in the order of ``a``; what only one has is told whole."""
    a, b = _as_dict(a, b), _as_dict(b, a)
    if isinstance(a, dict) and isinstance(b, dict) and a.get("kind") == b.get("kind"):
        for key in dict.fromkeys((*a, *b)):
            yield from differences(a.get(key), b.get(key), f"{path}.{key}" if path else key)
    elif isinstance(a, list) and isinstance(b, list):
        for at in range(max(len(a), len(b))):
            left, right = (each[at] if at < len(each) else None for each in (a, b))
            yield from differences(left, right, f"{path}.{at}" if path else str(at))
    elif type(a) is not type(b) or a != b:
        yield Difference(path, a, b)


def _as_dict(value: Any, beside: Any) -> Any:
    """A list without items has no keys to show: beside things that are told by theirs it is one of these."""
    return {} if value == [] and isinstance(beside, dict) else value
