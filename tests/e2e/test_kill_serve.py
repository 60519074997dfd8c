"""kill -9 of a serving venue at any instant: what was acknowledged is there, the state is the same, every fill settles once.

The venue runs in a process of its own on a journal that outlives it. Nothing here looks inside: acknowledgements come
over the socket, and what became of them is read from the files.
"""

import asyncio
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from e2e_serve import Serving, Told, Trader, audit, entries, untrue

from exchange import codec
from exchange.core import commands as c
from exchange.core.events import BatchSealed, Traded
from exchange.core.images import digest
from exchange.core.state import State
from exchange.shell.anvil import Anvil, AnvilUnavailable
from exchange.shell.devmarket import DEPOSIT, EXPIRIES, STRIKES
from exchange.shell.wallet import Venue
from replay.engine import END, Moment, replay

TRADERS = 3
SETTLED_S = 60.0
START_UP_BLOCKS = 66  # what a first start seals: contracts, wallets, listings


async def load(serving: Serving, dice: random.Random) -> list[Trader]:
    """Traders, logged in and not yet trading."""
    keys = [trader["key"] for trader in serving.ready["keys"][:TRADERS]]
    return [await Trader.connect(serving.ready["url"], key, random.Random(dice.random())) for key in keys]


async def ended_under_load(serving: Serving, dice: random.Random, *, gently: bool = False) -> tuple[Venue, list[Told]]:
    """Trade, end it at a random instant, with SIGKILL or SIGTERM; everything that was acknowledged until then."""
    traders = await load(serving, dice)
    trading = [asyncio.create_task(trader.trade()) for trader in traders]
    await asyncio.sleep(dice.uniform(0.05, 2.0))
    if gently:
        assert await serving.stop() == 0
    else:
        await serving.kill()
    await asyncio.gather(*trading)
    return traders[0].client.venue, [told for trader in traders for told in trader.told]


async def restarted(journal: Path, *arguments: str) -> tuple[Serving, State]:
    """The venue again, and the state it has computed, which is the one that a replay computes."""
    serving = await Serving.start(journal, *arguments)
    state = await asyncio.to_thread(replay, journal, Moment(serving.ready["seq"]))
    assert serving.ready["digest"] == digest(state).hex()
    return serving, state


async def until_settled(journal: Path) -> None:
    """Wait until no fill and no batch is under way."""
    async with asyncio.timeout(SETTLED_S):
        while True:
            state = await asyncio.to_thread(replay, journal, END)
            if not state.trades and not state.batches:
                return
            await asyncio.sleep(0.5)


def assert_settled_once(journal: Path) -> Counter[str]:
    """Every fill lies in exactly one batch, and every batch came back from the chain exactly once."""
    made, sealed, settled = Counter[int](), Counter[int](), Counter[int]()
    batches = Counter[int]()
    for entry in entries(journal).values():
        command = codec.decode_command(entry.record.command)
        if isinstance(command, c.ObserveBatch):
            settled[command.batch_id] += 1
        for event in codec.decode_events(entry.record.events):
            if isinstance(event, Traded):
                made[event.trade_id] += 1
            if isinstance(event, BatchSealed):
                batches[event.batch_id] += 1
                sealed.update(range(event.first_trade, event.last_trade + 1))
    assert made == sealed == Counter(range(1, len(made) + 1))
    assert batches == settled == Counter(range(1, len(batches) + 1))
    return Counter(trades=len(made), batches=len(batches))


async def assert_reconciled(journal: Path, batches: int, chain: str) -> None:
    """Both layers hold the same, and what the machine holds is what the contracts hold."""
    report = await audit("reconcile", str(journal), "--chain", chain)
    state = await asyncio.to_thread(replay, journal, END)
    assert state.is_open
    assert (report["ok"], report["settled"]) == (True, True), report
    assert {"batch_id": batches}.items() <= {item["what"]: item["chain"] for item in report["items"]}.items()
    here = {account.id: account.positions for account in state.accounts.values() if account.positions}
    assert here == {account: held for account, held in state.mirror.positions.items() if held}
    assert {account.id: account.cash for account in state.accounts.values() if account.cash} == {
        account: cash for account, cash in state.mirror.cash.items() if cash
    }


def blocks_sealed(chain: Path) -> int:
    """How far the embedded chain has come, by its file."""
    if not chain.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{chain.as_uri()}?mode=ro", uri=True)) as connection:
            (number,) = connection.execute("SELECT max(number) FROM blocks").fetchone()
    except sqlite3.OperationalError:
        return 0  # being created
    return number or 0


async def killed_at_block(journal: Path, number: int) -> int:
    """Start, and kill once the chain has sealed this many blocks or the venue is up; how many there were."""
    serving, chain = await Serving.spawn(journal), Path(f"{journal}.chain")
    up = asyncio.create_task(serving.wait_ready())
    while blocks_sealed(chain) < number and not up.done():
        await asyncio.wait({up}, timeout=0.002)
    serving.process.kill()
    await asyncio.gather(up, return_exceptions=True)
    await serving.ended()
    return blocks_sealed(chain)


async def assert_keeps_its_word(journal: Path, count: int, url: str | None = None) -> None:
    """End and restart a venue this often under load, then let it settle, and hold it to all it has said."""
    dice, told, under_way = random.Random(count), list[Told](), 0
    chain = ["--chain", url] if url else []
    serving = await Serving.start(journal, *chain)
    for turn in range(count):
        # Every fourth end is asked for: only then does the next start take up from a snapshot.
        venue, heard = await ended_under_load(serving, dice, gently=turn % 4 == 1)
        told += heard
        serving, state = await restarted(journal, *chain)
        under_way += bool(state.batches) or bool(state.trades)
        assert untrue(journal, venue, heard) == []
        verdict = await audit("verify", str(journal))
        assert verdict["ok"], verdict
    await until_settled(journal)
    assert await serving.stop() == 0
    assert untrue(journal, venue, told) == []
    counted = assert_settled_once(journal)
    await assert_reconciled(journal, counted["batches"], url or f"{journal}.chain")
    assert len(told) > 30 * count
    assert counted["trades"] > 5 * count
    assert under_way > count // 3, "kills must meet fills that are not settled yet"


@pytest.mark.counts(short=3, soak=200)
async def test_a_venue_killed_at_any_instant_keeps_its_word(count: int, tmp_path: Path) -> None:
    await assert_keeps_its_word(tmp_path / "venue.journal", count)


@pytest.mark.counts(soak=50)
async def test_a_venue_killed_beside_a_chain_that_goes_on_keeps_its_word(count: int, tmp_path: Path) -> None:
    """The same on anvil, which keeps what a dying venue has sent it."""
    try:
        anvil = await Anvil.start(slots_in_an_epoch=1)
    except AnvilUnavailable as error:
        pytest.skip(f"anvil: {error.reason}")
    async with anvil:
        await assert_keeps_its_word(tmp_path / "venue.journal", count, anvil.url)


@pytest.mark.counts(short=2, soak=40)
async def test_a_venue_killed_while_it_starts_starts_again(count: int, tmp_path: Path) -> None:
    """Killed between any two blocks of its first start, more than once in a row, it ends up whole."""
    dice = random.Random(count)
    for turn in range(count):
        journal = tmp_path / str(turn) / "venue.journal"
        journal.parent.mkdir()
        first = await killed_at_block(journal, dice.randint(1, START_UP_BLOCKS))
        await killed_at_block(journal, first + dice.randint(1, 12))
        serving, _ = await restarted(journal)
        await assert_whole(serving)
        assert await serving.stop() == 0
        verdict = await audit("verify", str(journal))
        assert verdict["ok"], verdict


async def assert_whole(serving: Serving) -> None:
    """Everybody has the same deposit, every expiry all its series, and orders are taken."""
    trader, *_ = await load(serving, random.Random(0))
    listed = Counter(name.split("-")[1] for name in await trader.client.instruments())
    assert set(listed.values()) == {2 * STRIKES}
    assert len(listed) == EXPIRIES
    told = await trader.client.buy(min(await trader.client.instruments()), "0.01", 10)
    assert told.order["order_state"] == "open"
    await trader.client.close()
    state = await asyncio.to_thread(replay, serving.journal, END)
    assert {account.cash for account in state.accounts.values() if account.owner} == {DEPOSIT}


async def test_the_audit_of_acknowledgements_notices_what_is_missing(tmp_path: Path) -> None:
    """The negative control: a journal cut short, one without a record, one with another record, and a forged receipt."""
    journal = tmp_path / "venue.journal"
    venue, told = await ended_under_load(await Serving.start(journal), random.Random(7))
    assert len(told) > 4
    assert untrue(journal, venue, told) == []
    middle = sorted(told, key=lambda each: each.receipt.receipt.seq)[len(told) // 2].receipt.receipt.seq
    for statement, sentence in (
        ("DELETE FROM frame WHERE last_seq >= ?", "not in the journal"),
        ("DELETE FROM frame WHERE ? BETWEEN first_seq AND last_seq", "not in the journal"),
        ("UPDATE frame SET body = zeroblob(length(body)) WHERE ? BETWEEN first_seq AND last_seq", "not in the journal"),
    ):
        damaged = copied(journal, tmp_path / "damaged")
        with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
            connection.execute(statement, (middle,))
        assert f"seq {middle}: {sentence}" in untrue(damaged, venue, told)
    assert untrue(journal, venue, [told[0]._replace(order_hash=bytes(32))])
    assert untrue(journal, msgspec.structs.replace(venue, operator=venue.clearing), told[:1])


def copied(journal: Path, folder: Path) -> Path:
    """A copy of a journal and everything beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(journal.parent, folder, ignore=shutil.ignore_patterns(folder.name))
    return folder / journal.name
