"""The documentation is true where a program can tell: links lead somewhere, named tests exist, lists are complete."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pytest

from exchange import client
from exchange.core import (
    admission,
    backlog,
    budget,
    commands,
    deadlines,
    events,
    listing,
    matching,
    presence,
    protection,
    purging,
    quoting,
    rfq,
    sweep,
)
from exchange.core.events import Reject
from exchange.core.invariants import ALL
from exchange.dialect.bounds import Bound
from exchange.dialect.errors import Code
from exchange.publisher import candles, labels, moments, orderlog, publisher, statements, tape
from exchange.session import access
from exchange.session import quoting as session_quoting
from exchange.session.limits import Limits
from exchange.shell import gateway, outbox, sender, sequencer, watcher
from exchange.shell.deploy import Terms
from journal import Damage, Refusal, SqliteSettings
from journal import Limits as Backlog
from replay.checker.rules import Rule, Taken
from replay.findings import Kind

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
TREE = re.compile(r"`((?:exchange|journal|replay|contracts|tests|docs|benchmarks)/[\w./-]+)`")
COMMAND = re.compile(r"^make ([a-z]+)", re.MULTILINE)
PROMISE = re.compile(r"^## (P\d) (\w+)$", re.MULTILINE)
LOGGED = re.compile(r'_log\.\w+\(\s*"(\w+)"')


@lru_cache(maxsize=1)
def pages() -> dict[str, str]:
    """Every page of prose under version control."""
    listed = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {path: (ROOT / path).read_text() for path in listed.stdout.split("\0") if path}


def anchors(text: str) -> list[str]:
    """Names of the headings of a page, as links write them."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def dead_links(page: Path, text: str) -> list[str]:
    """Links inside the repository that lead nowhere."""
    dead = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, name = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (name and name not in anchors(target.read_text())):
            dead.append(link)
    return dead


def unknown_tests(text: str) -> list[str]:
    """Tests that are named and do not exist."""
    return [f"{path}::{name}" for path, name in TEST.findall(text) if not exists(path, name)]


def exists(path: str, name: str) -> bool:
    """Whether a file of tests exists, and the test in it."""
    file = ROOT / path
    if not file.is_file():
        return False
    defined = [
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return not name or name in defined


def unknown_paths(text: str) -> list[str]:
    """Paths in the tree that are named and do not exist; placeholders such as NNNN are let pass."""
    return [path for path in TREE.findall(text) if "NNNN" not in path and not (ROOT / path.rstrip("/")).exists()]


def unknown_places(text: str) -> list[str]:
    """Folders and modules of a captioned tree that do not exist; what is indented lies inside what is not."""
    unknown = []
    for block in re.findall(r"^```\n(exchange/ .*?)^```", text, re.MULTILINE | re.DOTALL):
        inside: list[tuple[int, str]] = []
        for line in block.splitlines():
            depth, name = len(line) - len(line.lstrip()), line.split()[0]
            inside = [place for place in inside if place[0] < depth]
            path = "".join(place for _, place in inside) + name
            if name.endswith("/"):
                inside.append((depth, name))
            if name.endswith(("/", ".py")) and not (ROOT / path).exists():
                unknown.append(path)
    return unknown


def missing(names: Iterable[str], text: str) -> list[str]:
    """Names that a page does not have in its own type."""
    return [name for name in names if f"`{name}`" not in text]


def gaps(numbers: list[int]) -> list[int]:
    """Numbers from one on that are missing or there twice."""
    return [number for number in range(1, max(numbers, default=0) + 1) if numbers.count(number) != 1]


MIB, KIB = 1 << 20, 1 << 10
EDGE, QUEUE, TERMS = Limits(), Backlog(), Terms()
BOUNDS: dict[str, list[float]] = {
    "a message": [EDGE.message_bytes_max, EDGE.containers_max, EDGE.depth_max],
    "a connection's requests": [EDGE.credits_max, EDGE.refill_per_s, EDGE.in_flight_max],
    "a connection's cancels": [*EDGE.cancels.numbers()],
    "orders, cancels and questions of an account, each": [
        *EDGE.account_matching.numbers(),
        *EDGE.account_cancels.numbers(),
        *EDGE.account_queries.numbers(),
    ],
    "orders, edits and quotes of an account": [
        EDGE.order_to_trade.free,
        EDGE.order_to_trade.per_fill,
        EDGE.order_to_trade.window_s / 3_600,
    ],
    "logins of an address that fail": [EDGE.guesses.credits_max, EDGE.guess_wait_s],
    "connections of an account, of an address": [
        EDGE.connections_per_account,
        gateway.Settings().connections_per_address,
    ],
    "a connection's channels": [EDGE.channels_max],
    "what a connection has not read": [outbox.MESSAGES_MAX, outbox.CHARS_MAX / MIB],
    "tickers and account summaries made in a tenth of a second": [publisher.TICKERS_MAX, publisher.PORTFOLIOS_MAX],
    "connections": [gateway.Settings().connections_max, gateway.Settings().first_message_s],
    "logins and tokens": [access.TOKENS_MAX],
    "the sequencer's inbox": [sequencer.INBOX_MAX],
    "commands applied in one go": [sequencer.DRAIN_MAX],
    "records not yet durable": [QUEUE.records, QUEUE.bytes / MIB, QUEUE.age_ns / 10**6],
    "a frame": [QUEUE.frame_records, QUEUE.frame_bytes / KIB],
    "the write-ahead log": [SqliteSettings().wal_bytes_max / MIB],
    "open orders of an account": [matching.OPEN_ORDERS_MAX],
    "a message of quotes": [quoting.LEAVES_MAX, session_quoting.QUOTES_MAX],
    "quotes and protected orders of a group, groups and mandates of an account": [
        admission.GROUP_MAX,
        quoting.GROUPS_MAX,
        quoting.MANDATES_MAX,
    ],
    "requests for quotes: of the venue, of an account, quotes of one, makers it names": [
        rfq.RFQS_MAX,
        rfq.RFQS_OF_ACCOUNT_MAX,
        rfq.QUOTES_MAX,
        rfq.MAKERS_MAX,
    ],
    "the life of a request for quotes": [rfq.LIFE_MAX_S],
    "the window of a group": [quoting.INTERVAL_MAX_NS / 10**9, protection.MOMENTS_MAX],
    "a batch": [TERMS.batch_trades_max, budget.ORDERS_MAX, TERMS.batch_age_max_s, budget.GAS_MAX],
    "positions of an account": [budget.POSITIONS_GAS_MAX],
    "fills and cancellations of others one order causes": [sweep.SWEEP_MAX],
    "orders that one tick ends": [deadlines.CANCELS_MAX],
    "orders that one record of a purge cancels": [purging.CANCELS_MAX],
    "connections that have entered orders": [presence.SESSIONS_MAX],
    "the dead man's timer": [presence.TIMER_MAX_MS, presence.FIRED_MAX],
    "what waits for settlement": [backlog.BLOCK_S, backlog.BATCHES_MIN],
    "listings": [listing.LIVE_EXPIRIES_MAX, listing.EXPIRY_SLOTS, 4 * listing.GROUPS_MAX, listing.SHEET_WORDS_MAX],
    "closed orders remembered": [orderlog.CLOSED_MAX],
    "records of the drop copy remembered, of an account": [moments.KEPT_MAX, moments.KEPT_OF_ACCOUNT_MAX],
    "labels remembered": [labels.LABELS_MAX, labels.WINDOW_NS / 3_600 / 10**9],
    "trades, changes of cash and bars of a minute remembered": [
        tape.TRADES_MAX,
        statements.ENTRIES_MAX,
        candles.BARS_MAX,
    ],
    "transactions not final": [sender._UNFINAL_MAX],
    "blocks remembered for reorganisations": [watcher._BRANCH_MAX],
}
"""Numbers of each row of the table of bounds in ARCHITECTURE, as the code has them."""


def wrong_bounds(text: str) -> list[str]:
    """Rows of the table of bounds that are missing or hold other numbers than the code."""
    wrong = []
    for what, numbers in BOUNDS.items():
        row = re.search(rf"^\| {re.escape(what)} \| ([^|]+) \|", text, re.MULTILINE)
        found = [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", row[1] if row else "")]
        if not all(number in found for number in numbers):
            wrong.append(what)
    return wrong


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("path", sorted(pages()))
def test_links_lead_somewhere(path):
    assert dead_links(ROOT / path, pages()[path]) == []


@pytest.mark.parametrize("path", sorted(pages()))
def test_tests_and_paths_that_are_named_exist(path):
    assert unknown_tests(pages()[path]) == []
    assert unknown_paths(pages()[path]) == []
    assert unknown_places(pages()[path]) == []


def test_every_promise_is_attacked_or_said_not_to_be():
    text = page("PROMISES.md")
    promised, _, absent = text.partition("## Not yet promised")
    numbers = [name for name, _ in PROMISE.findall(promised)] + re.findall(r"^\| (P\d) \w+ \|", absent, re.MULTILINE)
    assert sorted(numbers) == [f"P{number}" for number in range(1, 10)]
    for section in re.split(r"^## P\d", promised, flags=re.MULTILINE)[1:]:
        assert TEST.search(section), section[:40]


def test_decisions_are_numbered_without_gaps_and_listed():
    files = sorted(path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert gaps([int(name[:4]) for name in files]) == []
    index = page("adr/README.md")
    for name in files:
        text = page(f"adr/{name}")
        assert f"[{name[:4]}]({name})" in index
        assert text.startswith(f"# {int(name[:4])}. ")
        for title in ("Status", "Context", "Decision", "Consequences"):
            assert title in text, (name, title)


def test_decisions_that_sources_name_exist():
    numbers = {path.name[:4] for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    named = set()
    for folder in ("exchange", "journal", "replay", "contracts", "tests", "benchmarks"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in {".py", ".vy"}:
                found = re.findall(r"ADR (\d+)|docs/adr/(\d{4})", file.read_text())
                named |= {(short or long).zfill(4) for short, long in found}
    assert named
    assert named <= numbers


def test_every_refusal_and_code_is_in_the_api():
    text = page("API.md")
    assert missing([reason.value for reason in Reject], text) == []
    assert missing([bound.reason for bound in Bound], text) == []
    assert [bound for bound in Bound if bound.value[2] not in text or bound.value[3] not in text] == []
    assert [code for code in Code if f"{code.value[0]} {code.value[1]}" not in text] == []


def test_every_damage_refusal_and_finding_is_in_operations():
    text = page("OPERATIONS.md")
    names = [*(kind.value for kind in Damage), *(reason.value for reason in Refusal), *(kind.value for kind in Kind)]
    assert missing([*names, *(rule.value for rule in Rule), *(what.value for what in Taken)], text) == []


def test_every_alarm_is_in_operations():
    """Log events of the packages, by name."""
    sources = [path.read_text() for name in ("exchange", "journal", "replay") for path in (ROOT / name).rglob("*.py")]
    logged = sorted({name for text in sources for name in LOGGED.findall(text)})
    assert logged
    assert missing(logged, page("OPERATIONS.md")) == []


def test_whatever_the_client_names_is_told_and_the_examples_need_no_more():
    assert missing(client.__all__, page("CLIENT.md")) == []
    for path in sorted((ROOT / "examples").glob("*.py")):
        imported = re.findall(r"^from (exchange[.\w]*) import", path.read_text(), re.MULTILINE)
        assert set(imported) <= {"exchange.client", "exchange.signing"}, path


def test_every_invariant_is_in_operations():
    names = [str(invariant.__doc__).partition(":")[0] for invariant in ALL]
    assert missing(names, page("OPERATIONS.md")) == []


def test_bounds_are_those_of_the_code():
    assert wrong_bounds(page("ARCHITECTURE.md")) == []


def test_every_command_and_event_has_a_docstring():
    """They are the dictionary of the journal; the classes are its entries."""
    for module, base in ((commands, commands.Command), (events, events.Event)):
        kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, base)]
        assert all((kind.__doc__ or "").strip() for kind in kinds)


def test_make_targets_that_are_named_exist():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for path, text in pages().items():
        named = COMMAND.findall(text) + re.findall(r"`make ([a-z]+)`", text)
        assert [name for name in named if name not in targets] == [], path


def test_the_checks_notice():
    """Each is shown what it must refuse."""
    here = ROOT / "docs" / "PAGE.md"
    assert dead_links(here, "[gone](GONE.md) [web](https://example.org)") == ["GONE.md"]
    assert dead_links(here, "[part](API.md#no-such-part)") == ["API.md#no-such-part"]
    assert dead_links(here, "[part](API.md#receipts)") == []
    assert unknown_tests("`tests/test_docs.py::test_nothing`") == ["tests/test_docs.py::test_nothing"]
    assert unknown_tests("`tests/test_gone.py`") == ["tests/test_gone.py::"]
    assert unknown_paths("`exchange/core/gone.py`, `docs/adr/NNNN-name.md`") == ["exchange/core/gone.py"]
    tree = "```\nexchange/ x\n  core/ x\n    book.py x\n    gone.py x\n  gone/ x\n```\n"
    assert unknown_places(tree) == ["exchange/core/gone.py", "exchange/gone/"]
    spoiled = page("ARCHITECTURE.md").replace("| 16,384 |", "| 16,385 |").replace("| 1,024 |", "|  |")
    assert wrong_bounds(spoiled) == ["the sequencer's inbox", "commands applied in one go", "transactions not final"]
    assert missing(["a", "b"], "`a` b") == ["b"]
    assert gaps([1, 2, 4, 4]) == [3, 4]
    assert PROMISE.findall("## P1 NO_BUST\n") == [("P1", "NO_BUST")]
    assert LOGGED.findall('_log.error("it_broke", why=1)') == ["it_broke"]
