"""What a method reads of its request, found in the source of its handler and of whatever that calls in this package.

A name that is read from a part of a parameter (a leg, a quote, an ``authorization``) is told apart from the parameters
themselves by the variable it is read from. Imports nothing of this package.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, Final, NamedTuple

PACKAGE: Final = "exchange.session"
KINDS: Final = {
    "text": "string",
    "choice": "string",
    "flag": "boolean",
    "number": "number",
    "exact": "number",
    "whole": "integer",
    "words": "array",
    "objects": "array",
    "object": "object",
    "count": "array",
    "blob": "string",
    "given": "",
}
_WHOLE: Final = ("params", "call.params", "self.params")
_NAMES: Final = ("name", "first", "last", "param")  # parameters of helpers that name a parameter of the request


class Reads(NamedTuple):
    """Kinds by name: of parameters, and of what is inside them."""

    whole: dict[str, str]
    inner: dict[str, str]

    def add(self, name: str, kind: str, *, is_whole: bool) -> None:
        """One more; a kind that is known is not forgotten for one that is not."""
        into = self.whole if is_whole else self.inner
        into[name] = into.get(name) or kind


@cache
def reads_of(handler: Callable[..., Any], among: type) -> Reads:
    """What a handler reads; ``among`` is the class whose methods it may call on ``call``."""
    reads, seen, waiting = Reads({}, {}), list[Callable[..., Any]](), [handler]
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.append(function)
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                _note(reads, node, _constants(tree))
                waiting += _called(node, function, among, reads)
    return reads


def _note(reads: Reads, node: ast.Call, constants: dict[str, list[str]]) -> None:
    function = node.func
    if not isinstance(function, ast.Attribute) or function.attr not in KINDS or not node.args:
        return
    is_whole, first = ast.unparse(function.value) in _WHOLE, node.args[0]
    names = [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
    names += constants.get(first.id, []) if isinstance(first, ast.Name) else []
    for name in names:
        reads.add(name, KINDS[function.attr], is_whole=is_whole)


def _constants(tree: ast.Module) -> dict[str, list[str]]:
    """Names that a loop variable takes in turn."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Tuple):
            target = node.target.elts[0] if isinstance(node.target, ast.Tuple) else node.target
            firsts = [item.elts[0] if isinstance(item, ast.Tuple) else item for item in node.iter.elts]
            words = [item.value for item in firsts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).extend(words)
    return found


def _called(node: ast.Call, function: Callable[..., Any], among: type, reads: Reads) -> Iterator[Callable[..., Any]]:
    """Functions of this package that are called, and names handed to them as such."""
    found = _resolved(node.func, inspect.unwrap(function).__globals__, among)
    handed = [found] if found is not None else []
    for argument in node.args:
        if isinstance(argument, ast.Name):
            other = _resolved(argument, inspect.unwrap(function).__globals__, among)
            handed += [other] if other is not None else []
    if found is not None:
        is_whole = bool(node.args) and ast.unparse(node.args[0]) in (*_WHOLE, "call")
        for name in _handed_names(node, found):
            reads.add(name, "", is_whole=is_whole)
    yield from handed


def _handed_names(node: ast.Call, found: Callable[..., Any]) -> Iterator[str]:
    """Names of parameters of the request that a helper is given to read."""
    named = list(inspect.signature(found).parameters.values())
    for place, argument in enumerate(node.args):
        parameter = named[min(place, len(named) - 1)]
        is_name = parameter.name in _NAMES or parameter.kind is inspect.Parameter.VAR_POSITIONAL
        if is_name and isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def _resolved(node: ast.expr, known: dict[str, Any], among: type) -> Callable[..., Any] | None:
    """The function of this package that an expression names, if it does."""
    found: Any = None
    match node:
        case ast.Name(id=name):
            found = known.get(name)
        case ast.Attribute(value=ast.Name(id="call" | "self"), attr=name):
            found = vars(among).get(name)
        case ast.Attribute(value=ast.Name(id=owner), attr=name) if isinstance(known.get(owner), ModuleType):
            found = vars(known[owner]).get(name)
    return found if inspect.isfunction(found) and found.__module__.startswith(PACKAGE) else None
