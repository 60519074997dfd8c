"""Replies held to the result schemas of the reference."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import fastjsonschema

from exchange.session.reference import openrpc


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return openrpc()


@cache
def _check_of(method: str) -> Callable[[Any], Any]:
    (told,) = [each for each in _document()["methods"] if each["name"] == method]
    schemas = {"components": {"schemas": _document()["components"]["schemas"]}}
    check: Callable[[Any], Any] = fastjsonschema.compile(told["result"]["schema"] | schemas)
    return check


def fault_of(method: str, result: Any) -> str:
    """What is wrong with an answer, empty if nothing is."""
    try:
        _check_of(method)(result)
    except fastjsonschema.JsonSchemaValueException as error:
        return str(error.message)
    return ""
