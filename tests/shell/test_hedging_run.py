"""The hedger as a stranger runs it: on the journal of a venue with a pool, on both markets, again, and on bad files."""

import json
from pathlib import Path

import pytest
from core_pools import LIFE, set_pool
from core_quotes import MAKER, TAKER, ask, protect
from core_venue import USDC, Venue, series_named, standard_venue, wallet

from exchange import codec
from exchange.__main__ import main
from exchange.core import commands as c
from exchange.core.units import QTY_ONE
from exchange.shell.boot import GENESIS
from exchange.shell.hedging_run import MarketUnreadable, hedge, moments, recorded
from journal import Record, SqliteStore, Writer, encode_record

NEAR = series_named("62000C.2")
KEY = b"\7" * 32


def sold_calls() -> Venue:
    """A pool that has sold ten calls, and some rounds after that."""
    venue = standard_venue(mandates=True)
    for account in (MAKER, TAKER):
        venue.fund(account, 1_000_000)
    protect(venue)
    venue.must(set_pool())
    assert venue.state.round is not None
    due = venue.state.round.time_s + LIFE
    leaf = ask(NEAR, 1_000, 1_800)
    signed = c.QuoteMandate(MAKER, 1, due, 10_000 * USDC, 0, 0, 0, 0, wallet(MAKER), b"s" * 65)
    venue.must(c.MassQuote(signed, (leaf,), "front"))
    venue.place(TAKER, NEAR, True, 10 * QTY_ONE, 1_800 * USDC, tif=c.IOC)
    for turn in range(8):
        venue.wait(60)
        venue.round(62_000 + 100 * turn)
    return venue


@pytest.fixture
async def journal(tmp_path: Path) -> Path:
    path = tmp_path / "venue.journal"
    async with (
        await SqliteStore.open(path, GENESIS, schemas=[codec.SCHEMA_FP]) as store,
        Writer(store, codec.SCHEMA_FP) as writer,
    ):
        for seq, time_ns, command, events in sold_calls().log:
            record = Record(seq, time_ns, codec.encode_command(command), codec.encode_events(events))
            await writer.append([encode_record(record)])
    return path


async def test_it_buys_what_the_pool_is_short_and_goes_on_where_it_stopped(journal: Path, tmp_path: Path) -> None:
    seen = [moment.seen for moment in moments(journal, MAKER)]
    assert len(seen) == 8
    assert all(each.delta < 0 < each.gamma for each in seen)
    told = await hedge(journal, MAKER, KEY, tmp_path / "own.journal")
    assert told.rounds == 8
    assert told.fills > 0
    # A percent of what the pool is worth in a minute: eight times 0.16.
    assert QTY_ONE < told.held < 13 * QTY_ONE // 10
    assert told.paid > told.held * 62_000 * USDC // QTY_ONE
    again = await hedge(journal, MAKER, KEY, tmp_path / "own.journal")
    assert (again.rounds, again.held, again.paid) == (0, told.held, told.paid)


async def test_on_a_recorded_market_it_takes_what_was_there(journal: Path, tmp_path: Path) -> None:
    first = next(moments(journal, MAKER)).seen.time_s
    path = tmp_path / "quotes.csv"
    path.write_text(f"time_s,bid,bid_qty,ask,ask_qty\n{first},61990,1,62010,0.1\n{first + 60},0,0,99000,5\n")
    told = await hedge(journal, MAKER, KEY, tmp_path / "own.journal", recorded(path))
    assert (told.held, told.paid, told.fills) == (QTY_ONE // 10, 6_201 * USDC, 1)


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "time_s,bid,bid_qty,ask,ask_qty\n", "time_s,bid,bid_qty,ask,ask_qty\n1,x,1,1,1\n"]
)
def test_a_market_that_cannot_be_read_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "quotes.csv"
    path.write_text(text)
    with pytest.raises(MarketUnreadable, match=r"quotes\.csv"):
        recorded(path)


def test_as_a_stranger_runs_it(journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = tmp_path / "hedger.key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    own = str(tmp_path / "own.journal")
    arguments = ["hedger", str(journal), "--account", str(MAKER), "--journal", own, "--key-file", str(key)]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["rounds"] == 8
    key.chmod(0o644)
    assert main(arguments) == 2
    assert "chmod" in capsys.readouterr().err
