"""What the replay server answers: the same as the commands, bounded, and to nobody but whom it is for."""

import base64
import contextlib
import hashlib
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from journal.merkle import root_of, verify_inclusion
from replay import answers, at, leaves
from replay.answers import Answers
from replay.engine import Moment
from replay.findings import CannotRun
from replay.forest import Forest
from replay.frames import whole_frames
from replay.httpd import Server, Where
from replay.walker import Walker

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "venue.journal"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, with its anchor where there is one."""
    folder = tmp_path_factory.mktemp("served")
    for path in GOLDEN.parent.glob("venue.journal*"):
        shutil.copy(path, folder / path.name)
    return folder / GOLDEN.name


@pytest.fixture(scope="module")
def desk(journal: Path) -> Answers:
    found = Answers(journal)
    found.advance()
    return found


def test_a_forest_says_what_the_definition_says() -> None:
    dice, forest, all_leaves = random.Random(7), Forest(), []
    for number in range(150):
        all_leaves.append(hashlib.sha256(bytes([number])).digest())
        forest.append(all_leaves[-1])
    for size in (1, 2, 3, 64, 65, 127, 149, 150):
        assert forest.root(size) == root_of(all_leaves[:size])
        index = dice.randrange(size)
        assert verify_inclusion(all_leaves[index], index, size, forest.proof(index, size), forest.root(size))
    with pytest.raises(IndexError):
        forest.root(151)
    with pytest.raises(IndexError):
        forest.proof(0, 151)


def test_the_head_is_that_of_the_journal(desk: Answers, journal: Path) -> None:
    head = leaves.head_of(journal)
    assert (desk.head()["seq"], desk.head()["root"]) == (head.size, head.root.hex())


@pytest.mark.parametrize("share", [0.2, 0.9, 0.4, 1.0])
def test_a_moment_is_as_the_command_tells_it_whichever_way_one_walks(
    desk: Answers, journal: Path, share: float
) -> None:
    seq = int(desk.head()["seq"] * share)
    state = at.state_at(journal, Moment(seq=seq))
    names = [at.name_of(state, each) for each in state.series.values()]
    account = next((key for key in sorted(state.accounts) if key), None)
    told = desk.at(seq, names[0] if names else None, account)
    assert (told["arrived"], told["time"]) == (True, at.iso(state.time_ns))
    assert told["instruments"] == names
    if names:
        assert told["book"] == at.book_view(state, state.series[next(iter(state.series))], answers.DEPTH)
    if account is not None:
        assert told["account"] == at.account_view(state, state.accounts[account], in_full=True)


def test_a_far_moment_is_walked_to_in_steps(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "STEP", 100)
    fresh = Answers(journal)
    first = fresh.at(250, None, None)
    assert (first["seq"], first["arrived"], "book" in first) == (100, False, False)
    assert fresh.at(250, None, None)["seq"] == 200
    assert fresh.at(250, None, None)["arrived"]


def test_every_order_that_traded_is_vouched_for(desk: Answers) -> None:
    orders = [order for order in desk.places.fills if order < 2**40][:40]
    kinds = set()
    for order in orders:
        try:
            told = desk.order(order)
        except CannotRun:
            continue  # a side of a block is no order
        kinds.add(told["order"]["kind"])
        for record in (told["record"], *(trade["record"] for trade in told["trades"])):
            leaf = hashlib.sha256(b"\0" + base64.b64decode(record["bytes"])).digest()
            proof = [bytes.fromhex(node) for node in record["proof"]]
            assert verify_inclusion(leaf, record["seq"] - 1, told["size"], proof, bytes.fromhex(told["root"]))
        assert told["authority"]["by"] in {"owner", "key"}
        assert bytes.fromhex(told["order"]["signature"][2:]) in base64.b64decode(told["record"]["bytes"])
    assert "Order" in kinds


def test_settled_batches_name_their_transaction(desk: Answers) -> None:
    settled = [batch for batch in desk.places.batches.values() if batch.settled_seq]
    assert settled
    assert all(batch.tx_hash and batch.block for batch in settled)


def test_what_there_is_not_is_refused_in_a_sentence(desk: Answers) -> None:
    last = desk.head()["seq"]
    for ask in (lambda: desk.at(last + 1, None, None), lambda: desk.record(0), lambda: desk.order(1)):
        with pytest.raises(CannotRun):
            ask()


def test_a_walker_goes_on_when_its_journal_has_grown(journal: Path) -> None:
    walker, whole = Walker(journal), sum(frame.n for frame in whole_frames(journal))
    assert walker.to(Moment(seq=whole))
    assert walker.forward() is None
    assert walker.forward() is None
    assert walker.to(Moment(seq=10))
    assert walker.to(Moment(seq=whole))


# -- over HTTP --------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(desk: Answers, *origins: str) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async with Server(desk, Where(origins=origins)) as server, aiohttp.ClientSession() as session:
        yield session, server.url


async def told(session: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, Any]:
    async with session.get(url, headers=headers) as response:
        return response.status, await response.json()


async def test_it_answers_its_own_page_and_those_it_is_told_of(desk: Answers) -> None:
    async with serving(desk, "http://venue.example") as (session, url):
        own = url.rstrip("/")
        for origin, status in ((own, 200), ("http://venue.example", 200), ("http://evil.example", 403), ("null", 403)):
            assert (await told(session, f"{url}replay/v1/head", Origin=origin))[0] == status
        assert (await told(session, f"{url}replay/v1/head", Host="evil.example:80"))[0] == 421
        async with session.get(url) as page:
            assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        assert (await told(session, f"{url}web/settings.json"))[1] == {"replay": "/", "venue": False}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("at?seq=1", 200),
        ("at", 400),
        ("at?seq=-1", 400),
        ("at?seq=1&account=x", 400),
        ("at?seq=1&series=" + "x" * 65, 400),
        ("at?seq=99999999", 404),
        ("record?seq=1", 200),
        ("order?id=" + "9" * 70, 400),
        ("order?id=1", 404),
    ],
)
async def test_a_question_is_well_formed_or_refused(desk: Answers, query: str, status: int) -> None:
    async with serving(desk) as (session, url):
        found, answer = await told(session, f"{url}replay/v1/{query}")
        assert found == status
        assert ("error" in answer) == (status != 200)
