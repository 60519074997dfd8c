"""Whoever flips, deletes, reorders or duplicates any one record is found, with the seq and the kind of the damage.

First without the hashes in hand, at the rows of the file and inside a frame; then as a forger who hashes the whole chain
anew, and is found by re-execution, by the anchor, or by the signatures.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import codec
from exchange.core import commands as c
from exchange.core.machine import apply
from exchange.core.state import State
from journal import Frame, Record, encode_record, scan
from journal.damage import split_records
from journal.record import compute_head, pack_framing
from replay.__main__ import main
from replay.findings import Kind
from replay.verify import Report, verify

examples = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True
)


def found(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Report, set[str]]:
    """The verdict on a damaged journal, which the command line must share with exit code 1."""
    report = verify(path)
    assert not report.ok
    assert main(["verify", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [finding["kind"] for finding in told["findings"]] == [finding.kind.value for finding in report.findings]
    return report, {finding.kind for finding in report.findings}


# -- rows of the file -------------------------------------------------------------------------------------------------


@examples
@given(data=st.data())
def test_a_flipped_bit_of_a_record_is_traced_to_its_seq(sample, edit, capsys, data):
    seq = data.draw(st.integers(1, len(sample.records)))
    frame = sample.frame_of(seq)
    raw = encode_record(sample.records[seq - 1])
    at = sum(len(encode_record(record)) for record in sample.records[frame.first_seq - 1 : seq - 1]) + 5
    body = bytearray(frame.body)
    body[at + data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with TemporaryDirectory() as directory:
        path = sample.copy(Path(directory))
        edit(path, ("UPDATE frame SET body = ? WHERE frame_no = ?", (bytes(body), frame.frame_no)))
        report, _ = found(path, capsys)
    first = report.findings[0]
    # A flip in the lengths inside a record can make the bytes after it read as others than they are.
    assert first.kind in {Kind.ALTERED, Kind.GAP, Kind.DUPLICATED}
    assert first.seq == seq
    assert report.executed_seq == frame.first_seq - 1


@examples
@given(data=st.data())
def test_an_altered_column_of_a_row_is_found_at_its_frame(sample, edit, capsys, data):
    frame = data.draw(st.sampled_from(sample.frames[:-1]))
    column = data.draw(st.sampled_from(("first_seq", "last_seq", "epoch", "n", "wall_ns", "schema_fp", "head")))
    value = getattr(frame, column)
    changed = value + 1 if isinstance(value, int) else bytes((value[0] ^ 1, *value[1:]))
    with TemporaryDirectory() as directory:
        path = sample.copy(Path(directory))
        edit(path, (f"UPDATE frame SET {column} = ? WHERE frame_no = ?", (changed, frame.frame_no)))
        report, _ = found(path, capsys)
    assert report.findings[0].kind is Kind.ALTERED
    assert report.findings[0].seq == frame.first_seq
    assert report.executed_seq == frame.first_seq - 1


@examples
@given(data=st.data())
def test_a_deleted_row_is_a_gap_at_its_first_seq(sample, edit, capsys, data):
    frame = data.draw(st.sampled_from(sample.frames))
    with TemporaryDirectory() as directory:
        path = sample.copy(Path(directory))
        edit(path, ("DELETE FROM frame WHERE frame_no = ?", (frame.frame_no,)))
        report, kinds = found(path, capsys)
    is_last = frame is sample.frames[-1]
    assert report.findings[0].seq == frame.first_seq
    assert report.findings[0].kind is (Kind.LOST_TAIL if is_last else Kind.GAP)
    assert kinds <= {Kind.GAP, Kind.LOST_TAIL}  # without its neighbour the last frame does not count as the end
    assert report.final_digest == ""
    assert report.executed_seq == frame.first_seq - 1


@examples
@given(data=st.data())
def test_rows_in_another_order_are_found(sample, edit, capsys, data):
    first, second = sorted(
        data.draw(st.lists(st.sampled_from(range(len(sample.frames))), min_size=2, max_size=2, unique=True))
    )
    low, high = sample.frames[first], sample.frames[second]
    swap = "UPDATE frame SET frame_no = ? WHERE frame_no = ?"
    with TemporaryDirectory() as directory:
        path = sample.copy(Path(directory))
        edit(path, (swap, (-1, low.frame_no)), (swap, (low.frame_no, high.frame_no)), (swap, (high.frame_no, -1)))
        report, kinds = found(path, capsys)
    assert Kind.REORDERED in kinds
    assert report.findings[0].seq == low.first_seq
    assert report.executed_seq == low.first_seq - 1


@examples
@given(data=st.data())
def test_a_duplicated_row_is_found_and_named(sample, edit, capsys, data):
    frame = data.draw(st.sampled_from(sample.frames))
    behind = data.draw(st.integers(frame.frame_no, len(sample.frames)))
    shift = ("UPDATE frame SET frame_no = -frame_no - 1 WHERE frame_no > ?", (behind,))
    restore = ("UPDATE frame SET frame_no = -frame_no WHERE frame_no < 0", ())
    columns = "first_seq, last_seq, epoch, n, schema_fp, wall_ns, head, marks, body"
    insert = f"INSERT INTO frame SELECT ?, {columns} FROM frame WHERE frame_no = ?"
    with TemporaryDirectory() as directory:
        path = sample.copy(Path(directory))
        edit(path, shift, restore, (insert, (behind + 1, frame.frame_no)))
        report, kinds = found(path, capsys)
    assert Kind.DUPLICATED in kinds
    assert report.findings[0].seq == frame.first_seq


# -- inside a frame, hashes untouched ---------------------------------------------------------------------------------


def _rearranged(data: st.DataObject, pieces: list[bytes], how: str) -> tuple[list[bytes], int]:
    """The records of a frame deleted, swapped or doubled, and the first place where that shows."""
    at = data.draw(st.integers(0, len(pieces) - 1))
    if how == "delete":
        return [*pieces[:at], *pieces[at + 1 :]], at
    if how == "duplicate":
        return [*pieces[: at + 1], *pieces[at:]], at + 1
    other = data.draw(st.integers(0, len(pieces) - 1).filter(lambda place: place != at))
    swapped = list(pieces)
    swapped[at], swapped[other] = swapped[other], swapped[at]
    return swapped, min(at, other)


KIND_OF = {"delete": Kind.GAP, "duplicate": Kind.DUPLICATED, "reorder": Kind.REORDERED}


@pytest.mark.parametrize("counted", [True, False], ids=["count corrected", "count kept"])
@pytest.mark.parametrize("how", KIND_OF)
@settings(examples, max_examples=10)
@given(data=st.data())
def test_records_moved_inside_a_frame_are_traced_to_their_seq(sample, edit, capsys, how, counted, data):
    frame = data.draw(st.sampled_from([frame for frame in sample.frames if frame.n > 1]))
    pieces, at = _rearranged(data, list(split_records(frame.body)), how)
    body = pack_framing(len(pieces) if counted else frame.n) + b"".join(pieces)
    with TemporaryDirectory() as directory:
        path = sample.copy(Path(directory))
        edit(path, ("UPDATE frame SET body = ? WHERE frame_no = ?", (body, frame.frame_no)))
        report, _ = found(path, capsys)
    first = report.findings[0]
    assert first.kind is KIND_OF[how]
    assert first.seq == frame.first_seq + at


# -- a forger with the code -------------------------------------------------------------------------------------------


def _frames(records: list[bytes], frames: list) -> list[list[bytes]]:
    """The records cut into as many frames as before."""
    cut, at = [], 0
    for frame in frames[:-1]:
        cut.append(records[at : at + frame.n])
        at += frame.n
    return [*cut, records[at:]]


def _renumbered(records: list[Record]) -> list[bytes]:
    return [encode_record(Record(seq, r.time_ns, r.command, r.events)) for seq, r in enumerate(records, 1)]


def _forged(data: st.DataObject, records: list[Record], how: str) -> list[Record]:
    at = data.draw(st.integers(0, len(records) - 2))
    if how == "delete":
        return records[:at] + records[at + 1 :]
    if how == "duplicate":
        return records[: at + 1] + records[at:]
    if how == "reorder":
        return [*records[:at], records[at + 1], records[at], *records[at + 2 :]]
    part = data.draw(st.sampled_from(("command", "events")))
    raw = bytearray(getattr(records[at], part))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    old = records[at]
    command, events = (bytes(raw), old.events) if part == "command" else (old.command, bytes(raw))
    return [*records[:at], Record(old.seq, old.time_ns, command, events), *records[at + 1 :]]


@pytest.mark.parametrize("how", ["flip", "delete", "reorder", "duplicate"])
@settings(examples, max_examples=15)
@given(data=st.data())
def test_a_chain_hashed_anew_is_found_by_re_execution_or_by_the_anchor(sample, forge, how, data):
    forged = _forged(data, sample.records, how)
    honest = verify_in_place(sample)
    with TemporaryDirectory() as directory:
        path = Path(directory) / "venue.journal"
        forge(path, _frames(_renumbered(forged), sample.frames), sample.frames)
        alone = verify(path)
        anchored = verify(path, anchor=sample.path.with_name(sample.path.name + ".anchor"))
    # Without the anchor the forger may at best have told another story that the machine would have told, too.
    assert not alone.ok or alone.head != honest.head
    assert not anchored.ok
    assert {Kind.FORK, Kind.LOST_TAIL} & {finding.kind for finding in anchored.findings}


def verify_in_place(sample) -> Report:
    return verify(sample.path)


@settings(examples, max_examples=15)
@given(data=st.data())
def test_events_that_the_machine_did_not_decide_are_found_without_an_anchor(sample, forge, data):
    at = data.draw(st.integers(0, len(sample.records) - 1))
    old = sample.records[at]
    others = [record.events for record in sample.records if record.events != old.events]
    forged = list(sample.records)
    forged[at] = Record(old.seq, old.time_ns, old.command, data.draw(st.sampled_from(others)))
    with TemporaryDirectory() as directory:
        path = Path(directory) / "venue.journal"
        forge(path, _frames(_renumbered(forged), sample.frames), sample.frames)
        report = verify(path)
    assert [finding.seq for finding in report.findings] == [at + 1]
    is_digest = type(codec.decode_command(old.command)) is c.TakeDigest
    assert report.findings[0].kind is (Kind.DIGEST_DIFFERS if is_digest else Kind.EVENTS_DIFFER)
    assert report.findings[0].expected
    assert report.findings[0].actual
    assert report.executed_seq == at
    assert report.final_digest == ""


@settings(examples, max_examples=15)
@given(data=st.data())
def test_time_that_runs_back_and_numbers_that_jump_are_found(sample, forge, data):
    at = data.draw(st.integers(1, len(sample.records) - 1))
    old, before = sample.records[at], sample.records[at - 1]
    how = data.draw(st.sampled_from((Kind.TIME_RAN_BACK, Kind.SEQ_NOT_DENSE)))
    raw = _renumbered(sample.records)
    if how is Kind.TIME_RAN_BACK:
        raw[at] = encode_record(Record(old.seq, before.time_ns - 1, old.command, old.events))
    else:
        raw[at] = encode_record(Record(old.seq + 1, old.time_ns, old.command, old.events))
    with TemporaryDirectory() as directory:
        path = Path(directory) / "venue.journal"
        forge(path, _frames(raw, sample.frames), sample.frames)
        report = verify(path)
    assert [(finding.kind, finding.seq) for finding in report.findings] == [(how, at + 1)]


def test_a_frame_that_counts_wrongly_is_found(sample, tmp_path, forge, edit):
    """The chain is whole and the numbers inside are dense, but the header promises a record that is not there."""
    frame, raw = sample.frames[-1], _renumbered(sample.records)
    path = tmp_path / "venue.journal"
    forge(path, _frames(raw[:-1], sample.frames), sample.frames)
    last = next(reversed(_read(path)))
    bare = msgspec.structs.replace(last, last_seq=frame.last_seq)
    link = _read(path)[-2].head
    head = compute_head(link, bare)
    edit(path, ("UPDATE frame SET last_seq = ?, head = ? WHERE frame_no = ?", (frame.last_seq, head, last.frame_no)))
    report = verify(path)
    assert [finding.kind for finding in report.findings] == [Kind.SEQ_NOT_DENSE]


def _read(path: Path) -> list:
    return [item for item in scan(path) if isinstance(item, Frame)]


def test_a_command_the_machine_cannot_take_is_a_finding_not_a_trace(sample, tmp_path, forge):
    """A cancellation naming an account nobody opened makes the machine stop; the audit goes on to say so."""
    seq = next(r.seq for r in sample.records if type(codec.decode_command(r.command)) is c.ObserveRevocation)
    raw = _renumbered(sample.records)
    old = sample.records[seq - 1]
    action = codec.decode_command(old.command).action_id
    raw[seq - 1] = encode_record(
        Record(seq, old.time_ns, codec.encode_command(c.ObserveRevocation(action, 99, bytes(20))), old.events)
    )
    path = tmp_path / "venue.journal"
    forge(path, _frames(raw, sample.frames), sample.frames)
    report = verify(path)
    assert [(finding.kind, finding.seq) for finding in report.findings] == [(Kind.MACHINE_STOPPED, seq)]


@pytest.mark.parametrize("what", ["quantity", "signer", "round"])
def test_what_was_not_signed_is_found_by_signatures_alone(signed_sample, tmp_path, forge, what):
    """The forger runs the machine too, so chain, events and digests are all in order; only the signatures are not."""
    records, seq = _retold(signed_sample.records, what)
    path = tmp_path / "venue.journal"
    forge(path, _frames(_renumbered(records), signed_sample.frames), signed_sample.frames)
    assert verify(path).ok
    report = verify(path, signatures=True)
    kind = Kind.ROUND_NOT_SIGNED if what == "round" else Kind.ORDER_NOT_SIGNED
    assert [(finding.kind, finding.seq) for finding in report.findings] == [(kind, seq)]


def _retold(records: list[Record], what: str) -> tuple[list[Record], int]:
    """Another history from one changed command on, as the machine itself would tell it."""
    state, told, changed = State(), [], 0
    for record in records:
        command = codec.decode_command(record.command)
        if not changed and record.seq > len(records) // 2:
            command, hit = _changed(command, what)
            changed = record.seq if hit else 0
        events = apply(state, record.seq, record.time_ns, command)
        told.append(Record(record.seq, record.time_ns, codec.encode_command(command), codec.encode_events(events)))
    return told, changed


def _changed(command, what: str):
    replace = msgspec.structs.replace
    if what == "round" and type(command) is c.PostRound:
        return replace(command, signatures=(*command.signatures[:3], command.signatures[0])), True
    if what == "quantity" and type(command) is c.Place:
        return replace(command, auth=replace(command.auth, qty=command.auth.qty * 2)), True
    if what == "signer" and type(command) is c.Place:
        return replace(command, auth=replace(command.auth, signer=bytes(20))), True
    return command, False


def test_pinned_oracle_signers_are_the_only_ones_that_count(signed_sample, tmp_path):
    path = signed_sample.copy(tmp_path)
    seen = tuple(bytes.fromhex(signer[2:]) for signer in verify(path, signatures=True).oracle_signers)
    assert verify(path, signatures=True, oracle_signers=(*seen, bytes(20))).ok
    report = verify(path, signatures=True, oracle_signers=tuple(bytes([n]) * 20 for n in range(5)))
    assert {finding.kind for finding in report.findings} == {Kind.ROUND_NOT_SIGNED}
    assert len(report.findings) == 61


def test_a_journal_of_another_genesis_is_a_fork(sample, tmp_path, edit):
    path = sample.copy(tmp_path, anchor=False)
    edit(path, ("UPDATE frame SET head = ? WHERE frame_no = 0", (bytes(32),)))
    report = verify(path)
    assert report.findings[0].kind is Kind.FORK


def test_a_schema_nobody_knows_is_named_for_each_frame(sample, tmp_path, forge):
    strange = [msgspec.structs.replace(frame, schema_fp=b"?" * 32) for frame in sample.frames]
    path = tmp_path / "venue.journal"
    forge(path, _frames(_renumbered(sample.records), sample.frames), strange)
    report = verify(path)
    assert {finding.kind for finding in report.findings} == {Kind.UNKNOWN_SCHEMA}
    assert len(report.findings) == len(sample.frames)
    assert report.executed_seq == 0


def test_after_the_first_divergence_the_chain_is_still_read(sample, tmp_path, edit):
    path = sample.copy(tmp_path)
    early, late = sample.frames[3], sample.frames[-3]
    for frame in (early, late):
        body = frame.body[:-1] + bytes((frame.body[-1] ^ 1,))
        edit(path, ("UPDATE frame SET body = ? WHERE frame_no = ?", (body, frame.frame_no)))
    report = verify(path)
    assert [finding.frame_no for finding in report.findings] == [early.frame_no, late.frame_no]
    assert report.executed_seq == early.first_seq - 1
