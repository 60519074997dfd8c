"""A sound journal is found sound, whoever reads it and however."""

import asyncio
import gc
import os
import stat
from pathlib import Path

import msgspec
import pytest

from exchange import codec
from exchange.core.images import digest
from journal import SqliteStore, Writer, encode_record
from journal.damage import Damage
from replay.engine import Moment, Replayer, replay, steps
from replay.findings import Kind
from replay.source import GENESIS
from replay.verify import verify


def test_a_sound_journal_has_no_findings(sample, tmp_path):
    report = verify(sample.copy(tmp_path))
    assert report.ok
    assert report.findings == []
    assert report.records == report.executed_seq == len(sample.records)
    assert report.frames == len(sample.frames)
    assert report.head == sample.frames[-1].head.hex()
    assert report.anchored
    assert report.digests_checked > 10
    assert report.final_digest == digest(sample.state_at(len(sample.records))).hex()
    assert report.events_per_second > 0


def test_without_the_second_state_the_verdict_is_the_same(sample, tmp_path):
    path = sample.copy(tmp_path)
    both, one = verify(path), verify(path, folding=False)
    timeless = {"seconds": 0.0, "events_per_second": 0}
    assert msgspec.structs.replace(both, **timeless) == msgspec.structs.replace(one, **timeless)


def test_a_journal_without_records_is_sound(make_sample, tmp_path):
    sample = make_sample([])
    report = verify(sample.copy(tmp_path))
    assert report.ok
    assert report.records == 0
    assert report.final_digest


def test_the_anchor_is_optional(sample, tmp_path):
    report = verify(sample.copy(tmp_path, anchor=False))
    assert report.ok
    assert not report.anchored


def test_signatures_are_verified_from_the_journal_alone(signed_sample, tmp_path):
    report = verify(signed_sample.copy(tmp_path), signatures=True)
    assert report.ok
    assert report.orders_checked > 150
    assert report.rounds_checked == 61
    assert len(report.oracle_signers) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_archive_that_cannot_be_written_is_read(sample, tmp_path):
    path = sample.copy(tmp_path)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert verify(path).ok
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_progress_tells_the_seq_after_each_frame(sample, tmp_path):
    told: list[int] = []
    verify(sample.copy(tmp_path), progress=told.append)
    assert told == [frame.last_seq for frame in sample.frames]


def test_the_collector_is_left_as_it_was(sample, tmp_path):
    before = gc.get_threshold()
    verify(sample.copy(tmp_path))
    assert gc.get_threshold() == before


def test_steps_show_every_record_with_its_state(sample, tmp_path):
    seqs = []
    for step, state in steps(sample.copy(tmp_path)):
        assert state.seq == step.seq
        assert state.time_ns == step.time_ns
        seqs.append(step.seq)
    assert seqs == list(range(1, len(sample.records) + 1))


def test_replay_stops_at_the_moment(sample, tmp_path):
    path = sample.copy(tmp_path)
    wanted = len(sample.records) // 2
    assert digest(replay(path, Moment(seq=wanted))) == digest(sample.state_at(wanted))
    assert replay(path, Moment(seq=0)).seq == 0


def test_memory_does_not_grow_with_the_journal_but_with_the_state(sample):
    """A replayer keeps no record: what it holds after a frame is its states and three counters."""
    replayer = Replayer(folding=True)
    for frame in sample.frames:
        replayer.run_frame(frame)
    assert vars(replayer).keys() == {"state", "folded", "events", "digests"}


def test_every_damage_of_the_journal_has_a_kind_here():
    assert {damage.value for damage in Damage} <= {kind.value for kind in Kind}


def test_the_genesis_is_the_one_a_venue_writes(golden):
    assert GENESIS == golden.GENESIS


def test_reading_leaves_the_journal_as_it_was(sample, tmp_path: Path):
    path = sample.copy(tmp_path)
    before = path.read_bytes()
    verify(path)
    assert path.read_bytes() == before


async def test_a_journal_is_verified_while_its_writer_goes_on(golden, sample, tmp_path):
    path, half = tmp_path / "live.journal", len(sample.records) // 2
    async with await SqliteStore.open(path, golden.GENESIS) as store, Writer(store, codec.SCHEMA_FP) as writer:
        await writer.append([encode_record(record) for record in sample.records[:half]])
        report = await asyncio.to_thread(verify, path)
        assert (report.ok, report.records) == (True, half)
        await writer.append([encode_record(record) for record in sample.records[half:]])
        report = await asyncio.to_thread(verify, path)
        assert (report.ok, report.records) == (True, len(sample.records))
