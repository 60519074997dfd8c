"""Every kind of damage to a record inside a frame or to a whole frame is found, called by its name and placed."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal import (
    Chain,
    Damage,
    Damaged,
    Finding,
    Frame,
    Record,
    Verifier,
    encode_record,
    genesis_head,
    leaf_hashes,
    locate,
    require,
    verify,
)
from journal.record import pack_framing, record_marks, row_mark

SCHEMA = bytes(range(32))
GENESIS = genesis_head(b"damage")
PER_FRAME = 6
FRAMES = 6


def build(epoch: int = 1, salt: bytes = b"") -> list[Frame]:
    chain = Chain(GENESIS, epoch, SCHEMA)
    frames = []
    for number in range(FRAMES):
        seqs = range(number * PER_FRAME + 1, (number + 1) * PER_FRAME + 1)
        data = [encode_record(Record(seq, 10**18, salt + b"c%d" % seq, b"e" * (seq * 53 % 400))) for seq in seqs]
        frames.append(chain.frame(data, number))
    return frames


WHOLE = build()
RIVAL = build(epoch=2, salt=b"rival")
numbers = st.integers(0, FRAMES - 1)
records = st.integers(0, PER_FRAME - 1)


def findings(frames: list[Frame], **options: object) -> list[Finding]:
    return [item for item in verify(frames, GENESIS, **options) if isinstance(item, Finding)]


def the_one(frames: list[Frame]) -> Finding:
    (finding,) = findings(frames)
    assert str(finding.seq) in finding.sentence
    return finding


def with_records(frame: Frame, data: list[bytes], framed: int | None = None) -> Frame:
    body = pack_framing(len(data) if framed is None else framed) + b"".join(data)
    return msgspec.structs.replace(frame, body=body)


def swap(frames: list[Frame], index: int, frame: Frame) -> list[Frame]:
    return [*frames[:index], frame, *frames[index + 1 :]]


def flipped(data: bytes, bit: int) -> bytes:
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def test_a_whole_chain_has_no_findings() -> None:
    assert list(verify(WHOLE, GENESIS, {SCHEMA})) == WHOLE


def test_verification_may_start_in_the_middle() -> None:
    assert list(verify(WHOLE[3:], WHOLE[2].position())) == WHOLE[3:]


@settings(deadline=None)
@given(numbers, records, st.data())
def test_a_flipped_bit_in_a_record_names_that_record(index: int, at: int, data: st.DataObject) -> None:
    raw = WHOLE[index].raw_records()
    bit = data.draw(st.integers(0, len(raw[at]) * 8 - 1))
    body = WHOLE[index].body[:5] + b"".join([*raw[:at], flipped(raw[at], bit), *raw[at + 1 :]])
    finding = the_one(swap(WHOLE, index, msgspec.structs.replace(WHOLE[index], body=body)))
    assert (finding.frame_no, finding.seq) == (index + 1, index * PER_FRAME + at + 1)
    assert finding.kind is Damage.ALTERED


@settings(deadline=None)
@given(numbers, st.integers(0, 39))
def test_a_flipped_bit_in_the_framing_names_the_frame(index: int, bit: int) -> None:
    frame = msgspec.structs.replace(WHOLE[index], body=flipped(WHOLE[index].body, bit))
    finding = the_one(swap(WHOLE, index, frame))
    assert (finding.kind, finding.frame_no, finding.seq) == (Damage.ALTERED, index + 1, index * PER_FRAME + 1)


@settings(deadline=None)
@given(numbers, st.sampled_from(["first_seq", "last_seq", "epoch", "n", "wall_ns"]), st.integers(0, 31))
def test_a_flipped_bit_in_the_header_names_the_frame(index: int, field: str, bit: int) -> None:
    frame = msgspec.structs.replace(WHOLE[index], **{field: getattr(WHOLE[index], field) ^ 1 << bit})
    finding = the_one(swap(WHOLE, index, frame))
    assert (finding.kind, finding.frame_no, finding.seq) == (Damage.ALTERED, index + 1, index * PER_FRAME + 1)


@settings(deadline=None)
@given(numbers, st.sampled_from(["head", "schema_fp"]), st.integers(0, 255))
def test_a_flipped_bit_in_a_hash_names_the_frame(index: int, field: str, bit: int) -> None:
    frame = msgspec.structs.replace(WHOLE[index], **{field: flipped(getattr(WHOLE[index], field), bit)})
    finding = the_one(swap(WHOLE, index, frame))
    assert (finding.kind, finding.frame_no) == (Damage.ALTERED, index + 1)


@settings(deadline=None)
@given(numbers, st.integers(1, 30))
def test_a_flipped_bit_in_the_number_names_the_frame(index: int, bit: int) -> None:
    frame = msgspec.structs.replace(WHOLE[index], frame_no=WHOLE[index].frame_no ^ 1 << bit)
    found = findings(swap(WHOLE, index, frame))
    assert found[0].kind is Damage.ALTERED
    assert found[0].seq == index * PER_FRAME + 1


@settings(deadline=None)
@given(numbers, st.integers(0, PER_FRAME * 32 + 31))
def test_a_flipped_bit_in_the_marks_hurts_nobody(index: int, bit: int) -> None:
    frame = msgspec.structs.replace(WHOLE[index], marks=flipped(WHOLE[index].marks, bit))
    assert findings(swap(WHOLE, index, frame)) == []


@settings(deadline=None)
@given(numbers, records)
def test_a_deleted_record_is_a_gap_at_its_seq(index: int, at: int) -> None:
    raw = WHOLE[index].raw_records()
    finding = the_one(swap(WHOLE, index, with_records(WHOLE[index], raw[:at] + raw[at + 1 :])))
    assert (finding.kind, finding.frame_no, finding.seq) == (Damage.GAP, index + 1, index * PER_FRAME + at + 1)


@settings(deadline=None)
@given(numbers, records, st.integers(0, PER_FRAME))
def test_a_repeated_record_is_a_duplicate_where_it_stands(index: int, source: int, at: int) -> None:
    raw = WHOLE[index].raw_records()
    changed = [*raw[:at], raw[source], *raw[at:]]
    finding = the_one(swap(WHOLE, index, with_records(WHOLE[index], changed)))
    expected = source + 1 if at == source else at
    assert finding.kind is (Damage.DUPLICATED)
    assert finding.seq == index * PER_FRAME + expected + 1


@settings(deadline=None)
@given(numbers, records, records)
def test_records_in_another_order_are_reordered_from_the_first(index: int, one: int, other: int) -> None:
    raw = WHOLE[index].raw_records()
    raw[one], raw[other] = raw[other], raw[one]
    found = findings(swap(WHOLE, index, with_records(WHOLE[index], raw)))
    if one == other:
        assert found == []
    else:
        assert [(f.kind, f.seq) for f in found] == [(Damage.REORDERED, index * PER_FRAME + min(one, other) + 1)]


@settings(deadline=None)
@given(numbers, records)
def test_a_record_put_in_the_place_of_another_is_a_duplicate(index: int, at: int) -> None:
    raw = WHOLE[index].raw_records()
    raw[at] = raw[(at + 1) % PER_FRAME]
    finding = the_one(swap(WHOLE, index, with_records(WHOLE[index], raw)))
    assert (finding.kind, finding.seq) == (Damage.DUPLICATED, index * PER_FRAME + at + 1)


@settings(deadline=None)
@given(numbers, st.data())
def test_a_body_cut_short_is_placed(index: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(WHOLE[index].body) - 1))
    finding = the_one(swap(WHOLE, index, msgspec.structs.replace(WHOLE[index], body=WHOLE[index].body[:cut])))
    assert finding.kind in (Damage.ALTERED, Damage.GAP)
    kept, at = 5, 0
    for at, record in enumerate(WHOLE[index].raw_records()):  # noqa: B007 - the first record not wholly there
        kept += len(record)
        if kept > cut:
            break
    assert finding.seq == index * PER_FRAME + at + 1


@settings(deadline=None)
@given(numbers, st.binary(min_size=1, max_size=40))
def test_bytes_after_the_last_record_are_found(index: int, tail: bytes) -> None:
    frame = msgspec.structs.replace(WHOLE[index], body=WHOLE[index].body + tail)
    assert the_one(swap(WHOLE, index, frame)).kind is Damage.ALTERED


@settings(deadline=None)
@given(st.integers(0, FRAMES - 2))
def test_a_deleted_frame_is_a_gap_at_its_first_record(index: int) -> None:
    finding = the_one(WHOLE[:index] + WHOLE[index + 1 :])
    assert (finding.kind, finding.seq) == (Damage.GAP, index * PER_FRAME + 1)


@settings(deadline=None)
@given(st.integers(0, FRAMES - 2), st.data())
def test_a_frame_that_comes_late_is_a_gap_and_then_reordered(index: int, data: st.DataObject) -> None:
    to = data.draw(st.integers(index + 1, FRAMES - 1))
    moved = WHOLE[:index] + WHOLE[index + 1 : to + 1] + [WHOLE[index]] + WHOLE[to + 1 :]
    found = findings(moved)
    assert [f.kind for f in found] == [Damage.GAP, Damage.REORDERED]
    assert {f.seq for f in found} == {index * PER_FRAME + 1}


def test_late_frames_are_told_apart_from_repeated_ones_inside_one_gap() -> None:
    order = [WHOLE[0], WHOLE[4], WHOLE[2], WHOLE[1], WHOLE[2], WHOLE[3], WHOLE[5]]
    assert [f.kind for f in findings(order)] == [
        Damage.GAP,
        Damage.REORDERED,
        Damage.REORDERED,
        Damage.DUPLICATED,
        Damage.REORDERED,
    ]


@settings(deadline=None)
@given(numbers, st.data())
def test_a_repeated_frame_is_a_duplicate(index: int, data: st.DataObject) -> None:
    to = data.draw(st.integers(index + 1, FRAMES))
    finding = the_one([*WHOLE[:to], WHOLE[index], *WHOLE[to:]])
    assert (finding.kind, finding.seq) == (Damage.DUPLICATED, index * PER_FRAME + 1)


@settings(deadline=None)
@given(numbers)
def test_a_repeated_frame_under_a_new_number_is_a_duplicate(index: int) -> None:
    copy = msgspec.structs.replace(WHOLE[index], frame_no=FRAMES + 1)
    finding = the_one([*WHOLE, copy])
    assert (finding.kind, finding.frame_no, finding.seq) == (Damage.DUPLICATED, FRAMES + 1, index * PER_FRAME + 1)


def test_rows_that_changed_places_are_found_by_their_records() -> None:
    one = msgspec.structs.replace(WHOLE[4], frame_no=2)
    other = msgspec.structs.replace(WHOLE[1], frame_no=5)
    found = findings([WHOLE[0], one, WHOLE[2], WHOLE[3], other, WHOLE[5]])
    assert [(f.kind, f.seq) for f in found if f.kind is not Damage.FORK][:2] == [
        (Damage.GAP, PER_FRAME + 1),
        (Damage.REORDERED, 2 * PER_FRAME + 1),
    ]


@settings(deadline=None)
@given(st.integers(1, FRAMES - 1))
def test_a_rival_history_is_a_fork_at_its_first_record(index: int) -> None:
    finding = the_one(WHOLE[:index] + RIVAL[index:])
    assert (finding.kind, finding.frame_no, finding.seq) == (Damage.FORK, index + 1, index * PER_FRAME + 1)


def test_another_genesis_is_a_fork_at_the_first_frame() -> None:
    (finding,) = [f for f in verify(WHOLE, genesis_head(b"another")) if isinstance(f, Finding)]
    assert (finding.kind, finding.frame_no) == (Damage.FORK, 1)


def test_a_forged_frame_with_forged_marks_cannot_pass() -> None:
    raw = WHOLE[2].raw_records()
    raw[0] = encode_record(Record(13, 10**18, b"forged", b""))
    frame = with_records(WHOLE[2], raw)
    frame = msgspec.structs.replace(frame, marks=row_mark(frame) + record_marks(leaf_hashes(raw)))
    assert the_one(swap(WHOLE, 2, frame)).kind is Damage.FORK


def test_a_schema_that_is_unknown_is_named_though_the_chain_holds() -> None:
    found = findings(WHOLE, schemas={bytes(32)})
    assert [f.kind for f in found] == [Damage.UNKNOWN_SCHEMA] * FRAMES
    assert SCHEMA.hex() in found[0].sentence


def test_damage_after_a_gap_is_still_found() -> None:
    raw = WHOLE[3].raw_records()
    changed = with_records(WHOLE[3], raw[:2] + raw[3:])
    found = findings([*WHOLE[:2], changed, *WHOLE[4:]])
    assert [(f.kind, f.seq) for f in found] == [
        (Damage.GAP, 2 * PER_FRAME + 1),
        (Damage.GAP, 3 * PER_FRAME + 3),
    ]


def test_frames_behind_damage_are_still_delivered() -> None:
    changed = msgspec.structs.replace(WHOLE[2], body=b"")
    assert [item for item in verify(swap(WHOLE, 2, changed), GENESIS) if isinstance(item, Frame)] == [
        *WHOLE[:2],
        *WHOLE[3:],
    ]


def test_locate_says_nothing_of_a_whole_frame() -> None:
    assert all(locate(frame) is None for frame in WHOLE)


def test_require_raises_at_the_first_damage_and_lets_a_torn_tail_pass() -> None:
    torn = Finding(Damage.TORN_TAIL, 2, 7, "torn")
    assert torn.recoverable
    assert list(require([WHOLE[0], torn])) == [WHOLE[0]]
    with pytest.raises(Damaged, match="missing") as caught:
        list(require(verify([WHOLE[0], WHOLE[2]], GENESIS)))
    assert caught.value.finding.kind is Damage.GAP


def test_gaps_beyond_the_bound_are_forgotten_first(
    monkeypatch: pytest.MonkeyPatch, frames_of: Callable[..., list[Frame]]
) -> None:
    monkeypatch.setattr("journal.damage.GAPS_MAX", 2)
    frames = frames_of([1] * 8)
    verifier = Verifier(genesis_head(b"a journal made by a test"))
    kinds = [[f.kind for f in verifier.check(frames[i])] for i in (1, 3, 5, 0, 2)]
    assert kinds == [[Damage.GAP], [Damage.GAP], [Damage.GAP], [Damage.DUPLICATED], [Damage.REORDERED]]
