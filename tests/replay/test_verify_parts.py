"""A journal verified in parts gets the verdict of the whole, whatever images lie about; a grown one, of what is new."""

import json

import msgspec
import pytest

from exchange import codec
from exchange.core.commands import TakeDigest
from exchange.core.events import Traded
from exchange.core.images import decode, digest, encode
from journal import encode_record, read_snapshot, write_snapshot
from replay.__main__ import main

SAME = (
    "ok",
    "records",
    "events",
    "frames",
    "executed_seq",
    "head",
    "digests_checked",
    "final_digest",
    "oracle_signers",
)


def verify(capsys, path, *arguments):
    code = main(["verify", str(path), *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def in_parts(capsys, path, images, *arguments):
    return verify(capsys, path, "--images", images, "--every", 150, *arguments)


def same(told, whole):
    return [told[name] for name in SAME] == [whole[name] for name in SAME]


@pytest.mark.parametrize("jobs", [1, 2])
def test_parts_give_the_verdict_of_the_whole(signed_sample, tmp_path, capsys, jobs):
    _, whole = verify(capsys, signed_sample.path, "--signatures")
    images = tmp_path / "images"
    for _ in range(2):  # the first time there is only one part, and the images are made
        code, told = in_parts(capsys, signed_sample.path, images, "--jobs", jobs, "--signatures")
        assert code == 0
        assert same(told, whole)
        assert (told["orders_checked"], told["rounds_checked"]) == (whole["orders_checked"], whole["rounds_checked"])
    assert len(list(images.iterdir())) > 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_lie_is_found_in_whichever_part_it_lies(sample, forge, tmp_path, capsys, share):
    images = tmp_path / "images"
    in_parts(capsys, sample.path, images)
    fills = [r.seq for r in sample.records if any(type(ev) is Traded for ev in codec.decode_events(r.events))]
    seq = fills[int(len(fills) * share)]

    def change(record):
        if record.seq != seq:
            return encode_record(record)
        events = [
            msgspec.structs.replace(ev, taker_fee=ev.taker_fee + 1) if type(ev) is Traded else ev
            for ev in codec.decode_events(record.events)
        ]
        return encode_record(msgspec.structs.replace(record, events=codec.encode_events(events)))

    path = tmp_path / "forged.journal"
    forge(path, [[change(record) for record in frame.records()] for frame in sample.frames], sample.frames)
    _, whole = verify(capsys, path)
    code, told = in_parts(capsys, path, images, "--jobs", 2)
    assert code == 1
    assert told["findings"] == whole["findings"]
    assert (told["findings"][0]["kind"], told["findings"][0]["seq"]) == ("events_differ", seq)
    assert (told["executed_seq"], told["final_digest"]) == (whole["executed_seq"], "")


def replace(images, place, change):
    """Put a changed image in the place of another, sound in itself."""
    path = sorted(images.iterdir())[place]
    snapshot = read_snapshot(path)
    path.unlink()
    state = decode(snapshot.state)
    change(state)
    forged = msgspec.structs.replace(snapshot, state=encode(state), state_digest=digest(state))
    return write_snapshot(images, forged)


@pytest.mark.parametrize("place", [0, -1])
def test_a_forged_image_changes_no_verdict_and_is_thrown_away(sample, tmp_path, capsys, place):
    images = tmp_path / "images"
    in_parts(capsys, sample.path, images)

    def richer(state):
        state.accounts[3].cash += 10**6

    forged = replace(images, place, richer)
    _, whole = verify(capsys, sample.path)
    code, told = in_parts(capsys, sample.path, images)
    assert code == 0
    assert same(told, whole)
    assert not forged.exists()


def test_images_that_cannot_be_read_or_are_of_another_journal_are_thrown_away(sample, signed_sample, tmp_path, capsys):
    images = tmp_path / "images"
    in_parts(capsys, signed_sample.path, images)
    foreign = list(images.iterdir())
    (images / f"{5:016d}-{'0' * 64}.snapshot").write_bytes(b"nothing")
    _, whole = verify(capsys, sample.path)
    code, told = in_parts(capsys, sample.path, images)
    assert code == 0
    assert same(told, whole)
    assert not any(path.exists() for path in foreign)


def test_a_grown_journal_is_verified_from_where_it_was(sample, tmp_path, edit, capsys):
    images, path = tmp_path / "images", sample.copy(tmp_path, anchor=False)
    cut = sample.frames[2 * len(sample.frames) // 3]
    edit(path, ("DELETE FROM frame WHERE frame_no > ?", (cut.frame_no,)))
    assert in_parts(capsys, path, images)[0] == 0
    path = sample.copy(tmp_path)
    _, whole = verify(capsys, path)
    code, told = in_parts(capsys, path, images, "--resume")
    assert code == 0
    assert 0 < told["since_seq"] <= cut.last_seq
    assert told["records"] == len(sample.records) - told["since_seq"]
    assert (told["final_digest"], told["head"]) == (whole["final_digest"], whole["head"])
    assert main(["verify", str(path), "--images", str(images), "--resume"]) == 0
    assert "verified before" in capsys.readouterr().out


def test_a_past_that_was_changed_since_is_a_fork(sample, forge, tmp_path, capsys):
    images = tmp_path / "images"
    in_parts(capsys, sample.path, images)
    last = max(read_snapshot(path).last_seq for path in images.iterdir())
    path = tmp_path / "forged.journal"
    bodies = [[encode_record(record) for record in frame.records()] for frame in sample.frames]
    first = sample.frames[0].records()
    bodies[0][-1] = encode_record(msgspec.structs.replace(first[-1], time_ns=first[-1].time_ns))
    forge(path, bodies, [msgspec.structs.replace(frame, wall_ns=frame.wall_ns + 1) for frame in sample.frames])
    code, told = in_parts(capsys, path, images, "--resume")
    assert code == 1
    assert [(finding["kind"], finding["seq"]) for finding in told["findings"]] == [("fork", last)]


def ahead(capsys, path, *arguments):
    return verify(capsys, path, "--jobs", 2, "--every", 150, *arguments)


def test_who_folds_ahead_gives_the_verdict_of_the_whole_and_leaves_images_that_hold(signed_sample, tmp_path, capsys):
    _, whole = verify(capsys, signed_sample.path, "--signatures")
    images = tmp_path / "images"
    for _ in range(2):  # the second time by the images that the first one left
        code, told = ahead(capsys, signed_sample.path, "--images", images, "--signatures")
        assert code == 0
        assert same(told, whole)
        assert (told["orders_checked"], told["rounds_checked"]) == (whole["orders_checked"], whole["rounds_checked"])
    assert len([path for path in images.iterdir() if path.suffix == ".snapshot"]) > 1
    assert [path for path in images.iterdir() if path.is_dir()] == []


def forged(sample, forge, path, seq):
    """The journal with another fee in one fill, hashed anew from there."""

    def change(record):
        events = codec.decode_events(record.events)
        dearer = [msgspec.structs.replace(e, taker_fee=e.taker_fee + 1) if type(e) is Traded else e for e in events]
        lie = msgspec.structs.replace(record, events=codec.encode_events(dearer))
        return encode_record(lie if record.seq == seq else record)

    forge(path, [[change(record) for record in frame.records()] for frame in sample.frames], sample.frames)


@pytest.mark.parametrize("share", [0.05, 0.95])
def test_who_folds_ahead_finds_a_lie_where_it_is(sample, forge, tmp_path, capsys, share):
    fills = [r.seq for r in sample.records if any(type(ev) is Traded for ev in codec.decode_events(r.events))]
    seq, path, images = fills[int(len(fills) * share)], tmp_path / "forged.journal", tmp_path / "images"
    forged(sample, forge, path, seq)
    _, whole = verify(capsys, path)
    code, told = ahead(capsys, path, "--images", images)
    assert code == 1
    assert told["findings"] == whole["findings"]
    assert [(each["kind"], each["seq"]) for each in told["findings"]] == [("events_differ", seq)]
    assert (told["executed_seq"], told["final_digest"]) == (whole["executed_seq"], "")
    assert all(read_snapshot(file).last_seq < seq for file in images.iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM frame WHERE frame_no = (SELECT max(frame_no) / 2 FROM frame)",
        "DELETE FROM frame WHERE frame_no > (SELECT max(frame_no) - 2 FROM frame)",
        "UPDATE frame SET body = zeroblob(length(body)) WHERE frame_no = (SELECT max(frame_no) / 3 FROM frame)",
    ],
)
def test_who_folds_ahead_finds_the_damage_that_the_whole_finds(sample, tmp_path, edit, capsys, damage):
    path = sample.copy(tmp_path)
    edit(path, (damage, ()))
    code, whole = verify(capsys, path)
    assert code == 1
    code, told = ahead(capsys, path)
    for name in ("seconds", "events_per_second"):
        del whole[name], told[name]
    assert (code, told) == (1, whole)


@pytest.mark.parametrize("seq", [120, None])
def test_a_fold_that_goes_astray_is_found_by_who_folds_ahead(sample, capsys, monkeypatch, seq):
    """Whether a digest comes after it or only the end."""
    from replay import ahead as module

    digests = [r.seq for r in sample.records if type(codec.decode_command(r.command)) is TakeDigest]
    astray, right = seq or len(sample.records), module.fold

    def fold(state, at, *rest):
        right(state, at, *rest)
        if at == astray:
            state.next_trade += 1

    monkeypatch.setattr(module, "fold", fold)
    code, told = ahead(capsys, sample.path)
    due = next((digest for digest in digests if digest > astray), len(sample.records))
    assert code == 1
    assert [(each["kind"], each["seq"]) for each in told["findings"]] == [("fold_differs", due)]
    assert told["final_digest"] == ""


@pytest.mark.parametrize(
    "arguments", [("--jobs", 2, "--no-fold"), ("--resume",), ("--jobs", 0), ("--images", "IMAGES", "--every", 0)]
)
def test_parts_need_images_or_a_fold_and_somebody_to_verify_them(sample, tmp_path, capsys, arguments):
    where = [tmp_path if argument == "IMAGES" else argument for argument in arguments]
    code, told = verify(capsys, sample.path, *where)
    assert (code, bool(told["error"])) == (2, True)
