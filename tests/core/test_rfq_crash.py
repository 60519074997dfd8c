"""A crash in the middle of an acceptance: the journal's log cut anywhere in its record, then opened. All, or nothing. # M12

An acceptance is one record, whoever it fills and however many legs; what its disk kept of it decides.
"""

import shutil
from pathlib import Path

import pytest
from core_rfqs import MAKER, MARK, ONE, OTHER, TAKER, accept, ask, asking_venue, quote, request
from core_venue import USDC, Venue, series_named

from exchange import codec
from exchange.core import invariants
from exchange.core.images import encode
from exchange.core.legs import Leg
from exchange.core.machine import apply
from exchange.core.state import State
from journal import Chain, Record, SqliteSettings, SqliteStore, encode_record
from journal.startup import anchor_path
from journal.wal import wal_path

GENESIS, SCHEMA = b"crash", bytes(range(32))
LEGS = (Leg(series_named("61000C"), 1), Leg(series_named("62000C"), -1))
SECTOR = 512
ALONE = SqliteSettings(checkpoint_s=3_600, idle_s=3_600, anchor_s=3_600)


def one_leg() -> Venue:
    """Two makers fill one acceptance."""
    venue = asking_venue()
    rfq = ask(venue)
    quote(venue, MAKER, rfq, MARK, 6 * ONE)
    quote(venue, OTHER, rfq, MARK + 10 * USDC, 6 * ONE)
    accept(venue, rfq, MARK + 10 * USDC)
    return venue


def two_legs() -> Venue:
    venue = asking_venue(combos=True)
    venue.must(request(venue, series=0, legs=LEGS))
    rfq = venue.state.seq
    spread = venue.state.rfqs[rfq].request.series
    for maker, price in ((MAKER, 500), (OTHER, 510)):
        quote(venue, maker, rfq, price * USDC, 6 * ONE, series=spread, legs=LEGS)
    accept(venue, rfq, 510 * USDC, series=spread, legs=LEGS)
    return venue


@pytest.mark.parametrize("story", [one_leg, two_legs])
async def test_wherever_the_log_ends_all_of_an_acceptance_is_there_or_nothing(tmp_path: Path, story) -> None:
    venue = story()
    path, before = tmp_path / "venue.journal", 0
    async with await SqliteStore.open(path, GENESIS, settings=ALONE) as store:
        shutil.copy(anchor_path(path), tmp_path / "kept.anchor")  # nothing was promised about the rest yet
        chain = Chain(await store.head(), 1, SCHEMA)
        for records in (venue.log[:-1], venue.log[-1:]):
            if len(records) == 1:
                before = wal_path(path).stat().st_size
            head = chain.head.hash
            await store.append(chain.frame([told(record) for record in records], 1), head)
        size = wal_path(path).stat().st_size
        shutil.copy(path, tmp_path / "kept")
        log = wal_path(path).read_bytes()
    assert size - before > 2 * SECTOR
    found = [await reopened(tmp_path, log[:cut]) for cut in (*range(before, size, SECTOR), size - 1, size)]
    assert [len(state.trades) > 0 for state in found] == [False] * (len(found) - 1) + [True]
    assert {encode(state) for state in found[:-1]} == {encode(rebuilt(venue.log[:-1]))}
    assert encode(found[-1]) == encode(venue.state)
    assert found[-1].accounts[TAKER].positions
    for state in found:
        invariants.check_all(state)


def told(record) -> bytes:
    command, events = codec.encode_command(record.command), codec.encode_events(record.events)
    return encode_record(Record(record.seq, record.time_ns, command, events))


def rebuilt(records) -> State:
    state = State()
    for record in records:
        apply(state, record.seq, record.time_ns, record.command)
    return state


async def reopened(folder: Path, log: bytes) -> State:
    """What a start computes from a database whose log ends there."""
    path = folder / "cut" / "venue.journal"
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir()
    shutil.copy(folder / "kept", path)
    shutil.copy(folder / "kept.anchor", anchor_path(path))
    wal_path(path).write_bytes(log)
    state = State()
    async with await SqliteStore.open(path, GENESIS) as store:
        async for frame in store.frames():
            for record in frame.records():
                command = codec.decode_command(record.command)
                events = apply(state, record.seq, record.time_ns, command)
                assert codec.encode_events(events) == record.events
    return state
