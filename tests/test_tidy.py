"""Habits that a linter does not know, checked over every tracked file. Each rule is shown a file it must refuse.

A rule takes one ``Source`` and returns what is wrong with it, one sentence each. What a rule lets pass by name is
listed beside it with the reason.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("exchange", "journal", "replay")
BINARY = {".gz", ".journal", ".anchor", ".png", ".ico"}
# What others wrote is kept byte for byte; tests/web holds it against their hashes.
OTHERS = tuple(f"exchange/web/vendor/{name}/" for name in ("preact", "htm", "uplot", "noble-hashes", "noble-secp256k1"))

FUNCTION_LINES = 30
LONG_FUNCTIONS = {
    # One task for each thing that a venue does by itself.
    "exchange/shell/serve.py": {"serve": 40},
    # The one table of turns: one line for each kind of command.
    "exchange/shell/precedence.py": {"turn_of": 35},
    # One transaction after another, in the order a stranger would repeat them.
    "exchange/shell/deploy.py": {"deploy": 40},
    # Everything a venue consists of, in the order in which it starts.
    "exchange/shell/venue.py": {"open_venue": 50},
    # One line for each fact of the venue, with the module that owns it.
    "exchange/core/images.py": {"image": 60},
    "replay/checker/ledger.py": {"__init__": 40},
    "exchange/core/state.py": {"__init__": 70},
    # What the single writer is given, and what it keeps; no branch.
    "exchange/shell/sequencer.py": {"__init__": 40},
    # What the edge is given, and what it keeps; no branch.
    "exchange/shell/gateway.py": {"__init__": 35},
    # One keyword for each field of a signed order.
    "exchange/shell/client.py": {"place": 40},
    # One line for each field of the dialect's account summary.
    "exchange/dialect/portfolio.py": {"summary_object": 40},
    # Tells one story that would be harder to follow in parts.
    "tests/chain/test_watcher.py": {"test_a_node_may_restart_and_lag": 40},
    "tests/session/test_session_wire.py": {"test_subscribing_lists_only_what_was_accepted": 40},
    # One command for each rule it breaks.
    "tests/core/test_core_machine.py": {"never_taken": 40},
    # Stands in for write(2) of a process that is about to be killed: branches of one system call.
    "tests/faults/zygote.py": {"write": 45},
}
FILE_LINES = 600
LONG_FILES = {
    # One row for each refusal.
    "exchange/dialect/errors.py": 700,
    # The dictionary of the journal: every command in one place, in the order of their tags.
    "exchange/core/commands.py": 1_250,
    # One test for each way a contract refuses one call; the reader looks for a name, not for a thread.
    "tests/contracts/test_batch_refusals.py": 700,
}

# What the core may import besides itself: nothing here reads a clock, draws a number or reaches outside the process.
CORE_IMPORTS = {
    "abc",
    "bisect",
    "collections",
    "enum",
    "exchange",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "struct",
    "typing",
}
# Floats, text that differs from process to process, and doors to the outside.
CORE_CALLS = {"set", "frozenset", "float", "hash", "id", "open", "input", "exec", "eval", "round", "divmod"}
CORE_MATH = {"isqrt", "gcd", "comb"}
CORE_NODES = {
    ast.Set: "a set has no order of its own",
    ast.SetComp: "a set has no order of its own",
    ast.Div: "true division gives a float",
    ast.Global: "state is an argument",
    ast.Nonlocal: "state is an argument",
    ast.Await: "the core waits for nothing",
    ast.AsyncFunctionDef: "the core waits for nothing",
    ast.Try: "an error in the core stops the process",
}

# Written in pieces, so that this file does not break its own rule.
MACHINE_PATHS = re.compile(
    "|".join(f"/{name}/" for name in ("wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers", "t" + "mp"))
)
NOT_OURS = re.compile(
    "|".join(("clau" + "de", "anthro" + "pic", "open" + "ai", "chat" + "gpt", "sub" + "agent", "language " + "model")),
    re.IGNORECASE,
)
UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
PRIVATE_KEY = re.compile("-----BEGIN [A-Z ]*" + "PRIVATE KEY")


class Source:
    """A tracked file: its path from the root, its text and, for Python, its tree."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self.lines = text.split("\n")
        self.name = path.rsplit("/", 1)[-1]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree)) if self.is_python else []

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    @property
    def in_packages(self) -> bool:
        return self.is_python and self.path.startswith(PACKAGES)

    @property
    def in_core(self) -> bool:
        return self.is_python and self.path.startswith("exchange/core/")

    @property
    def in_tests(self) -> bool:
        return self.is_python and self.path.startswith("tests/")


@lru_cache(maxsize=1)
def tracked() -> list[Source]:
    """Every text file under version control that is still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    ours = [path for path in paths if Path(path).suffix not in BINARY and not path.startswith(OTHERS)]
    return [Source(path, (ROOT / path).read_text()) for path in ours]


# -- every text file --------------------------------------------------------------------------------------------------


def no_path_of_one_machine(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        if MACHINE_PATHS.search(line):
            yield f"line {number} names a path of one machine"


def nothing_but_the_project(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        if NOT_OURS.search(line):
            yield f"line {number} speaks of how it was written"


def nothing_unfinished(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, 1):
        if UNFINISHED.search(line):
            yield f"line {number} is a note to oneself"


def no_private_key(source: Source) -> Iterator[str]:
    if PRIVATE_KEY.search(source.text):
        yield "holds a private key"


def lines_end_cleanly(source: Source) -> Iterator[str]:
    if source.text and (not source.text.endswith("\n") or source.text.endswith("\n\n")):
        yield "ends in one newline"
    if "\r" in source.text:
        yield "holds a carriage return"
    for number, line in enumerate(source.lines, 1):
        if line != line.rstrip() or (source.is_python and "\t" in line):
            yield f"line {number} has space at its end, or a tab"


# -- every module -----------------------------------------------------------------------------------------------------


def files_fit_one_room(source: Source) -> Iterator[str]:
    bound = LONG_FILES.get(source.path, FILE_LINES)
    if source.is_python and len(source.lines) > bound:
        yield f"{len(source.lines)} lines, bound {bound}"


def _code_lines(source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring, comments and blank lines."""
    first = function.body[0]
    has_doc = ast.get_docstring(function) is not None
    doc = range(first.lineno, (first.end_lineno or 0) + 1) if has_doc else range(0)
    span = range(function.lineno, (function.end_lineno or 0) + 1)
    code = (source.lines[number - 1].strip() for number in span if number not in doc)
    return sum(1 for line in code if line and not line.startswith("#"))


def functions_fit_the_eye(source: Source) -> Iterator[str]:
    if not source.is_python:
        return
    argued = LONG_FUNCTIONS.get(source.path, {})
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines, bound = _code_lines(source, node), argued.get(node.name, FUNCTION_LINES)
            if lines > bound:
                yield f"{node.name} has {lines} lines of code, bound {bound}"


def modules_say_what_they_own(source: Source) -> Iterator[str]:
    if source.is_python and not ast.get_docstring(source.tree):
        yield "has no module docstring"


def _is_variant(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("overload" in ast.dump(mark) or "setter" in ast.dump(mark) for mark in node.decorator_list)


def names_are_given_once(source: Source) -> Iterator[str]:
    if not source.is_python:
        return
    for scope in source.nodes:
        body = getattr(scope, "body", None)
        found = [
            node.name
            for node in (body if isinstance(body, list) else [])
            if isinstance(node, ast.ClassDef)
            or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_variant(node))
        ]
        yield from (f"{name} is defined twice" for name, times in Counter(found).items() if times > 1)


def _catches_all(handler: ast.ExceptHandler) -> bool:
    names = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else {"Exception"}
    )
    return bool(names & {"Exception", "BaseException"})


def errors_are_caught_by_name(source: Source) -> Iterator[str]:
    """A broad except raises again at its end, or argues in its line why it need not."""
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler) and _catches_all(node):
            line = source.lines[node.lineno - 1]
            if not isinstance(node.body[-1], ast.Raise) and not re.search(r"# noqa: BLE001 - \w+", line):
                yield f"line {node.lineno} catches everything"


# -- the packages -----------------------------------------------------------------------------------------------------


def packages_do_not_print(source: Source) -> Iterator[str]:
    for node in source.nodes if source.in_packages else []:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"):
            continue
        if not re.search(r"# noqa: T201 - \w+", source.lines[node.lineno - 1]):
            yield f"line {node.lineno} prints"


def _core_imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    return [f"math.{alias.name}" for alias in node.names] if node.module == "math" else [node.module or "."]


def the_core_imports_nothing_else(source: Source) -> Iterator[str]:
    for name in [name for node in source.nodes if source.in_core for name in _core_imports(node)]:
        top, _, rest = name.partition(".")
        if top not in CORE_IMPORTS or (top == "math" and rest not in CORE_MATH):
            yield f"imports {name}"


def _impure(node: ast.AST) -> str | None:
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        return CORE_NODES[ast.Div]
    if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
        return "a float literal"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CORE_CALLS:
        return f"calls {node.func.id}"
    if isinstance(node, ast.BinOp) and any(map(_is_view, (node.left, node.right))):
        return "operators on dictionary views make sets"
    return CORE_NODES.get(type(node))


def _is_view(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"keys", "items"}


def the_core_is_integers_in_order(source: Source) -> Iterator[str]:
    for node in source.nodes if source.in_core else []:
        why = _impure(node)
        if why is not None:
            yield f"line {getattr(node, 'lineno', 0)}: {why}"


# -- the tests --------------------------------------------------------------------------------------------------------


def every_test_is_found(source: Source) -> Iterator[str]:
    """A module of tests is named so that pytest finds it, and one that is so named has tests."""
    if not source.in_tests:
        return
    defined = [node.name for node in source.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    has_tests = any(name.startswith("test_") for name in defined) or ".TestCase\n" in source.text
    is_named = source.name.startswith("test_")
    if has_tests != is_named:
        yield "has tests but is not named test_*.py" if has_tests else "is named test_*.py but has no tests"
    if "collect_ignore" in source.text and source.path != "tests/test_tidy.py":
        yield "hides tests from pytest"


RULES = [
    no_path_of_one_machine,
    nothing_but_the_project,
    nothing_unfinished,
    no_private_key,
    lines_end_cleanly,
    files_fit_one_room,
    functions_fit_the_eye,
    modules_say_what_they_own,
    names_are_given_once,
    errors_are_caught_by_name,
    packages_do_not_print,
    the_core_imports_nothing_else,
    the_core_is_integers_in_order,
    every_test_is_found,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_is_tidy(rule):
    assert [f"{source.path}: {wrong}" for source in tracked() for wrong in rule(source)] == []


CORE = "exchange/core/bad.py"
SHELL = "exchange/shell/bad.py"
HEAD = '"""Bad."""\n'
BAD = [
    (no_path_of_one_machine, "docs/BAD.md", "see /" + "wo" + "rk/notes\n"),
    (no_path_of_one_machine, SHELL, 'FOLDER = "/' + "t" + 'mp/x"\n'),
    (nothing_but_the_project, "docs/BAD.md", "asked a large language " + "model\n"),
    (nothing_unfinished, SHELL, "# TO" + "DO: later\n"),
    (no_private_key, "docs/BAD.md", "-----BEGIN EC " + "PRIVATE KEY-----\n"),
    (lines_end_cleanly, "docs/BAD.md", "no newline"),
    (lines_end_cleanly, "docs/BAD.md", "trailing \n"),
    (lines_end_cleanly, "docs/BAD.md", "two at the end\n\n"),
    (lines_end_cleanly, SHELL, "if x:\n\ty = 1\n"),
    (files_fit_one_room, SHELL, "x = 1\n" * (FILE_LINES + 1)),
    (functions_fit_the_eye, SHELL, "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
    (functions_fit_the_eye, SHELL, "class A:\n    async def f(self):\n" + "        x = 1\n" * FUNCTION_LINES),
    (modules_say_what_they_own, SHELL, "x = 1\n"),
    (names_are_given_once, SHELL, "def f(): ...\ndef f(): ...\n"),
    (names_are_given_once, "tests/test_bad.py", "class A:\n    def f(self): ...\n    def f(self): ...\n"),
    (errors_are_caught_by_name, SHELL, "try:\n    f()\nexcept:\n    pass\n"),
    (errors_are_caught_by_name, SHELL, "try:\n    f()\nexcept (OSError, Exception):\n    pass\n"),
    (errors_are_caught_by_name, SHELL, "try:\n    f()\nexcept Exception:  # noqa: BLE001\n    pass\n"),
    (packages_do_not_print, SHELL, "print(1)\n"),
    (the_core_imports_nothing_else, CORE, "import random\n"),
    (the_core_imports_nothing_else, CORE, "from time import time_ns\n"),
    (the_core_imports_nothing_else, CORE, "from math import sqrt\n"),
    (the_core_imports_nothing_else, CORE, "import math\n"),
    (the_core_is_integers_in_order, CORE, "x = 0.5\n"),
    (the_core_is_integers_in_order, CORE, "x = a / b\n"),
    (the_core_is_integers_in_order, CORE, "x /= b\n"),
    (the_core_is_integers_in_order, CORE, "for x in {1, 2}: f(x)\n"),
    (the_core_is_integers_in_order, CORE, "x = {y for y in z}\n"),
    (the_core_is_integers_in_order, CORE, "for x in set(y): f(x)\n"),
    (the_core_is_integers_in_order, CORE, "for x in a.keys() & b.keys(): f(x)\n"),
    (the_core_is_integers_in_order, CORE, "x = hash(y)\n"),
    (the_core_is_integers_in_order, CORE, "x = sorted(y, key=lambda z: id(z))\n"),
    (the_core_is_integers_in_order, CORE, "try:\n    f()\nexcept KeyError:\n    g()\n"),
    (every_test_is_found, "tests/core/orders.py", "def test_a(): ...\n"),
    (every_test_is_found, "tests/core/test_orders.py", "def check(): ...\n"),
    (every_test_is_found, "tests/core/conftest.py", "collect_ignore = ['a']\n"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD, ids=lambda value: getattr(value, "__name__", None))
def test_a_rule_refuses_what_it_is_for(rule, path, text):
    assert list(rule(Source(path, text)))


def test_every_rule_has_something_it_refuses():
    assert {rule for rule, _, _ in BAD} == set(RULES)


GOOD = HEAD + "def f(a, b):\n    return [a[key] for key in sorted(a) if key.id != b // 2]\n"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_lets_plain_code_pass(rule):
    assert list(rule(Source("exchange/core/good.py", GOOD))) == []


# -- the tree as a whole ----------------------------------------------------------------------------------------------


def repeated(names: list[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def test_modules_of_tests_have_different_names():
    names = [source.name for source in tracked() if source.in_tests and source.name != "conftest.py"]
    assert repeated(names) == []
    assert repeated(["test_a.py", "test_b.py", "test_a.py"]) == ["test_a.py"]


def test_tests_have_different_names():
    """The name of a failing test is enough to find it."""
    modules = [source for source in tracked() if source.in_tests]
    tops = [node for source in modules for node in source.tree.body]
    names = [node.name for node in tops if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert repeated([name for name in names if name.startswith("test_")]) == []


def unused(modules: list[Source]) -> list[str]:
    """Helpers of tests that no other module of tests mentions."""
    helpers = [source for source in modules if not source.name.startswith(("test_", "conftest"))]
    return [
        helper.path
        for helper in helpers
        if not any(re.search(rf"\b{helper.name[:-3]}\b", other.text) for other in modules if other is not helper)
    ]


def test_every_helper_of_tests_is_used():
    assert unused([source for source in tracked() if source.in_tests]) == []
    lonely = [Source("tests/core/helper.py", ""), Source("tests/core/test_a.py", "import other\n")]
    assert unused(lonely) == ["tests/core/helper.py"]


def test_nothing_keeps_pytest_from_a_folder():
    text = (ROOT / "pyproject.toml").read_text()
    assert 'testpaths = ["tests"]' in text
    assert not re.search(r"--ignore|--deselect|norecursedirs|collect_ignore|python_files", text)


def test_what_is_let_pass_is_still_there():
    """An exception that nothing needs any more is taken off its list."""
    known = {source.path: source for source in tracked()}
    for path, names in LONG_FUNCTIONS.items():
        functions = [node for node in known[path].nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        lines = {node.name: _code_lines(known[path], node) for node in functions if node.name in names}
        assert all(lines[name] > FUNCTION_LINES for name in names), path
    assert all(len(known[path].lines) > FILE_LINES for path in LONG_FILES)
