"""Checkpoints, witnesses and tiles: a second story is refused by whoever has seen the first."""

import base64
import json
import struct

import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.machine import apply
from exchange.core.state import State
from journal import Record, encode_record, leaf_hash, root_of, verify_consistency
from journal.merkle import node_hash
from replay import notes
from replay.__main__ import main
from replay.tiles import tile_path

NAME = "venue.example/journal"


def run(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def venue(tmp_path, capsys):
    """The venue's key file and public key."""
    path = tmp_path / "venue.key"
    _, told = run(capsys, "key", NAME, path)
    return path, told["public_key"]


@pytest.fixture
def shown(venue, tmp_path, capsys):
    """A checkpoint file of a journal at a moment."""

    def make(path, moment="end", *more):
        note = tmp_path / f"checkpoint {moment} {len(list(tmp_path.iterdir()))}".replace(":", "-")
        code, told = run(capsys, "checkpoint", path, "--key", venue[0], "--at", moment, "--out", note, *more)
        assert code == 0
        return note, told

    return make


@pytest.fixture
def second_story(sample, make_sample):
    """The same venue up to the middle, and from there on another history."""
    state, records = State(), list[Record]()
    for record in sample.records[: len(sample.records) // 2]:
        command = codec.decode_command(record.command)
        events = apply(state, record.seq, record.time_ns, command)
        records.append(Record(record.seq, record.time_ns, record.command, codec.encode_events(events)))
    while len(records) < len(sample.records):
        seq, command = len(records) + 1, c.Tick()
        events = apply(state, seq, state.time_ns, command)
        records.append(Record(seq, state.time_ns, codec.encode_command(command), codec.encode_events(events)))
    return make_sample(records)


def leaves(sample):
    return [leaf_hash(encode_record(record)) for record in sample.records]


def test_a_checkpoint_is_the_root_at_its_size(sample, shown):
    half = len(sample.records) // 2
    note, told = shown(sample.path, str(half))
    assert (told["size"], told["root"]) == (half, root_of(leaves(sample)[:half]).hex())
    read = notes.read_checkpoint(notes.read_note(note.read_bytes()))
    assert (read.origin, read.size, read.root.hex()) == (NAME, half, told["root"])
    stamp = sample.records[half - 1].time_ns
    by_then = sum(record.time_ns <= stamp for record in sample.records)
    assert shown(sample.path, str(stamp))[1]["size"] == by_then
    assert shown(sample.path)[1]["size"] == len(sample.records)


def proof_of(capsys, path, old, new, out):
    code, told = run(capsys, "consistency", path, old, new, "--out", out)
    assert code == 0
    return [base64.b64decode(node) for node in told["proof"]]


def test_a_witness_follows_a_journal_that_grows(sample, venue, shown, tmp_path, capsys):
    state, proof = tmp_path / "seen", tmp_path / "proof"
    sizes = (100, 101, 256, len(sample.records))
    before = 0
    for size in sizes:
        note, told = shown(sample.path, str(size))
        more = []
        if before:
            found = proof_of(capsys, sample.path, before, size, proof)
            assert verify_consistency(
                before, size, found, root_of(leaves(sample)[:before]), bytes.fromhex(told["root"])
            )
            more = ["--proof", proof]
        code, told = run(capsys, "witness", state, note, "--venue", venue[1], *more)
        assert (code, told["ok"], told["before"], told["size"]) == (0, True, before, size)
        before = size
    assert state.read_bytes() == note.read_bytes()


def test_a_cosignature_says_when_and_is_of_the_witness(sample, venue, shown, tmp_path, capsys):
    _, told = run(capsys, "key", "witness.example", tmp_path / "w.key")
    note, _ = shown(sample.path)
    arguments = ["witness", tmp_path / "seen", note, "--venue", venue[1], "--key", tmp_path / "w.key"]
    code, report = run(capsys, *arguments)
    assert code == 0
    cosigned = notes.read_note(report["cosigned"].encode())
    assert cosigned.signed_by(notes.read_verifier(told["witness_key"]))
    assert cosigned.signed_by(notes.read_verifier(venue[1]))
    assert not cosigned.signed_by(notes.read_verifier(told["public_key"]))


def test_refused_is_whatever_does_not_go_on_from_what_was_seen(sample, second_story, venue, shown, tmp_path, capsys):
    """Split view, rewritten past, older head, another origin, another signer: each has its name, and nothing is kept."""
    size, half = len(sample.records), len(sample.records) // 2
    state, proof = tmp_path / "seen", tmp_path / "proof"
    run(capsys, "witness", state, shown(sample.path, str(size - 5))[0], "--venue", venue[1])
    kept = state.read_bytes()
    proof_of(capsys, second_story.path, size - 5, size, proof)
    run(capsys, "key", NAME, tmp_path / "other.key")
    forged = tmp_path / "forged"
    main(["checkpoint", str(sample.path), "--key", str(tmp_path / "other.key"), "--out", str(forged)])
    capsys.readouterr()
    cases = [
        (shown(second_story.path, str(size - 5))[0], [], "told_twice"),
        (shown(second_story.path, str(size))[0], ["--proof", proof], "fork"),
        (shown(sample.path, str(size))[0], [], "fork"),
        (shown(sample.path, str(half))[0], [], "lost_tail"),
        (shown(sample.path, str(size), "--origin", "another.example")[0], [], "root_differs"),
        (forged, [], "statement_not_signed"),
    ]
    for note, more, kind in cases:
        code, told = run(capsys, "witness", state, note, "--venue", venue[1], *more)
        assert (code, [finding["kind"] for finding in told["findings"]]) == (1, [kind])
        assert state.read_bytes() == kept


@pytest.mark.parametrize(
    "text", [b"", b"no note", b"a\nb\nc\n\nnot a signature\n", b"origin\n5\n\n\xe2\x80\x94 n AAAAAAAA\n"]
)
def test_what_is_no_checkpoint_is_not_judged(venue, tmp_path, capsys, text):
    path = tmp_path / "note"
    path.write_bytes(text)
    code, told = run(capsys, "witness", tmp_path / "seen", path, "--venue", venue[1])
    assert (code, bool(told["error"])) == (2, True)
    assert not (tmp_path / "seen").exists()


def test_keys_are_read_as_they_are_written():
    signer = notes.Signer.new("venue.example")
    assert notes.read_signer(str(signer)) == signer
    assert notes.read_verifier(str(signer.verifier())) == signer.verifier()
    for wrong in ("", "name", str(signer.verifier())[:-4], str(signer)):
        with pytest.raises(notes.NoteError):
            notes.read_verifier(wrong)
    with pytest.raises(notes.NoteError):
        notes.Signer.new("with space")
    with pytest.raises(notes.NoteError):
        notes.read_signer(str(signer.verifier()))


def test_a_key_in_the_form_of_others_is_read():
    """The example of c2sp.org/signed-note."""
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    verifier = notes.read_verifier(key)
    note = notes.read_note(
        b"If you think cryptography is the answer to your problem,\n"
        b"then you don't know what your problem is.\n"
        b"\n"
        b"\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    assert note.signed_by(verifier)
    with pytest.raises(notes.NoteError):
        notes.Note(note.text + b"x\n", note.signatures).signed_by(verifier)


# -- tiles --------------------------------------------------------------------------------------------------------------


def test_tiles_hold_the_tree_and_the_records(sample, shown, tmp_path, capsys):
    note, _ = shown(sample.path)
    folder = tmp_path / "tiles"
    code, report = run(capsys, "tiles", sample.path, folder, "--checkpoint", note)
    assert code == 0
    size, expected = len(sample.records), leaves(sample)
    found, records = [], []
    for number in range(-(-size // 256)):
        width = min(size - 256 * number, 256)
        data = (folder / "tile" / "0" / tile_path(number, width)).read_bytes()
        found += [data[at : at + 32] for at in range(0, len(data), 32)]
        bundle = (folder / "tile" / "entries" / tile_path(number, width)).read_bytes()
        while bundle:
            (length,) = struct.unpack(">H", bundle[:2])
            records.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
    assert found == expected
    assert records == [encode_record(record) for record in sample.records]
    above = (folder / "tile" / "1" / tile_path(0, size // 256)).read_bytes()
    assert [above[at : at + 32] for at in range(0, len(above), 32)] == [
        root_of(expected[256 * number : 256 * number + 256]) for number in range(size // 256)
    ]
    assert (folder / "checkpoint").read_bytes() == note.read_bytes()
    assert report["files"] == sum(1 for path in folder.rglob("*") if path.is_file())
    assert node_hash(expected[0], expected[1]) != expected[2]


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [(0, 256, "000"), (273, 112, "273.p/112"), (1234067, 256, "x001/x234/067"), (1000, 1, "x001/000.p/1")],
)
def test_paths_of_tiles_are_those_of_the_specification(number, width, path):
    assert tile_path(number, width) == path


def test_an_existing_key_is_not_overwritten(venue, capsys):
    before = venue[0].read_bytes()
    code, told = run(capsys, "key", NAME, venue[0])
    assert (code, bool(told["error"])) == (2, True)
    assert venue[0].read_bytes() == before
