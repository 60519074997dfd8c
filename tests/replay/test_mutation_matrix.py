"""Every way to change a journal, or what vouches for it, in one table: what finds it, by which name, and where.

Each row damages a copy and names the command that must find it. The ways themselves are varied at random in
``test_verify_damage``; here none may be missing.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.events import Traded
from exchange.core.machine import apply
from exchange.core.state import State
from journal import Record, encode_record
from journal.record import Frame
from replay.__main__ import main

ROOT = Path(__file__).parents[2]


class Lab(NamedTuple):
    """A place to do damage in, with the means for it."""

    sample: Any
    folder: Path
    edit: Callable[..., None]
    forge: Callable[..., None]
    run: Callable[..., tuple[int, Any]]

    def copy(self) -> Path:
        return self.sample.copy(self.folder)

    def bodies(self, change: Callable[[Record], Record]) -> list[list[bytes]]:
        return [[encode_record(change(record)) for record in frame.records()] for frame in self.sample.frames]

    def middle(self) -> Frame:
        return self.sample.frames[len(self.sample.frames) // 2]

    def first_fill(self) -> Record:
        return next(
            record
            for record in self.sample.records
            if any(type(event) is Traded and event.taker_fee for event in codec.decode_events(record.events))
        )


class Expected(NamedTuple):
    """The command that finds it, the kind under which, and the seq; ``field`` where one is named."""

    arguments: tuple[object, ...]
    kind: str
    seq: int
    field: str = ""


def flip(lab: Lab) -> Expected:
    path, frame = lab.copy(), lab.middle()
    body = bytearray(frame.body)
    body[-1] ^= 1
    lab.edit(path, ("UPDATE frame SET body = ? WHERE frame_no = ?", (bytes(body), frame.frame_no)))
    return Expected(("verify", path), "altered", frame.last_seq)


def delete(lab: Lab) -> Expected:
    path, frame = lab.copy(), lab.middle()
    lab.edit(path, ("DELETE FROM frame WHERE frame_no = ?", (frame.frame_no,)))
    return Expected(("verify", path), "gap", frame.first_seq)


COLUMNS = "first_seq, last_seq, epoch, n, schema_fp, wall_ns, head, marks, body"
SHIFT = "UPDATE frame SET frame_no = -frame_no - 1 WHERE frame_no > ?"
RESTORE = "UPDATE frame SET frame_no = -frame_no WHERE frame_no < 0"


def insert(lab: Lab) -> Expected:
    """A record that was never taken, put into a frame."""
    path, frame = lab.copy(), lab.middle()
    record = Record(frame.last_seq + 1, 0, codec.encode_command(c.Tick()), codec.encode_events(()))
    body = b"\xdd" + (frame.n + 1).to_bytes(4, "big") + frame.body[5:] + encode_record(record)
    lab.edit(path, ("UPDATE frame SET body = ? WHERE frame_no = ?", (body, frame.frame_no)))
    return Expected(("verify", path), "altered", frame.last_seq + 1)


def reorder(lab: Lab) -> Expected:
    path, frame = lab.copy(), lab.middle()
    swap = "UPDATE frame SET frame_no = ? WHERE frame_no = ?"
    low, high = frame.frame_no, frame.frame_no + 1
    lab.edit(path, (swap, (-1, low)), (swap, (low, high)), (swap, (high, -1)))
    return Expected(("verify", path), "reordered", frame.first_seq)


def duplicate(lab: Lab) -> Expected:
    path, frame = lab.copy(), lab.middle()
    again = f"INSERT INTO frame SELECT ?, {COLUMNS} FROM frame WHERE frame_no = ?"
    number = frame.frame_no
    lab.edit(path, (SHIFT, (number,)), (RESTORE, ()), (again, (number + 1, number)))
    return Expected(("verify", path), "duplicated", frame.first_seq)


def truncate(lab: Lab) -> Expected:
    path, frame = lab.copy(), lab.sample.frames[-2]
    lab.edit(path, ("DELETE FROM frame WHERE frame_no >= ?", (frame.frame_no,)))
    return Expected(("verify", path), "lost_tail", frame.first_seq)


def rehashed(lab: Lab, change: Callable[[Record], Record], name: str) -> Path:
    path = lab.folder / name
    lab.forge(path, lab.bodies(change), lab.sample.frames)
    return path


def cheaper(lab: Lab) -> Callable[[Record], Record]:
    """A forger takes five units off one fee."""
    seq = lab.first_fill().seq

    def change(record: Record) -> Record:
        if record.seq != seq:
            return record
        events = [
            msgspec.structs.replace(event, taker_fee=event.taker_fee - 5) if type(event) is Traded else event
            for event in codec.decode_events(record.events)
        ]
        return msgspec.structs.replace(record, events=codec.encode_events(events))

    return change


def rehash_a_suffix(lab: Lab) -> Expected:
    """By re-execution, whatever the hashes say."""
    return Expected(("verify", rehashed(lab, cheaper(lab), "forged.journal")), "events_differ", lab.first_fill().seq)


def rehash_a_suffix_under_an_anchor(lab: Lab) -> Expected:
    """By the anchor, without executing anything."""
    path = rehashed(lab, cheaper(lab), "venue.journal")
    shutil.copyfile(lab.sample.path.with_name("venue.journal.anchor"), path.with_name("venue.journal.anchor"))
    return Expected(("check", path), "fork", lab.sample.frames[-1].last_seq)


def rehash_a_suffix_beside_the_true_one(lab: Lab) -> Expected:
    """With the true journal at hand: the record and the field."""
    path = rehashed(lab, cheaper(lab), "forged.journal")
    return Expected(("bisect", lab.sample.path, path), "events", lab.first_fill().seq, "taker_fee")


def key_of(lab: Lab) -> tuple[Path, str]:
    path = lab.folder / "venue.key"
    _, told = lab.run("key", "venue.example", path)
    return path, told["public_key"]


def checkpoint(lab: Lab, path: Path, key: Path, size: int, name: str) -> Path:
    note = lab.folder / name
    lab.run("checkpoint", path, "--key", key, "--at", size, "--out", note)
    return note


def split_view(lab: Lab) -> Expected:
    """Two people are shown two journals of one length; one of them tells the other's witness."""
    key, public = key_of(lab)
    size, forged = len(lab.sample.records), rehashed(lab, cheaper(lab), "forged.journal")
    lab.run("witness", lab.folder / "seen", checkpoint(lab, lab.sample.path, key, size, "a"), "--venue", public)
    other = checkpoint(lab, forged, key, size, "b")
    return Expected(("witness", lab.folder / "seen", other, "--venue", public), "told_twice", size)


def replaced_checkpoint(lab: Lab) -> Expected:
    """The checkpoint of today is replaced by one over a past that was hashed anew, with the best proof there is."""
    key, public = key_of(lab)
    size, forged = len(lab.sample.records), rehashed(lab, cheaper(lab), "forged.journal")
    before = size - 7
    lab.run("witness", lab.folder / "seen", checkpoint(lab, lab.sample.path, key, before, "a"), "--venue", public)
    other, proof = checkpoint(lab, forged, key, size, "b"), lab.folder / "proof"
    lab.run("consistency", forged, before, size, "--out", proof)
    arguments = ("witness", lab.folder / "seen", other, "--venue", public, "--proof", proof)
    return Expected(arguments, "fork", before)


def stale_anchor(lab: Lab) -> Expected:
    """The tail is cut and the anchor put back to an older one that agrees: the disk is consistent, the witness is not."""
    key, public = key_of(lab)
    size, path = len(lab.sample.records), lab.sample.copy(lab.folder, anchor=False)
    lab.run("witness", lab.folder / "seen", checkpoint(lab, path, key, size, "a"), "--venue", public)
    last = lab.sample.frames[-3]
    lab.edit(path, ("DELETE FROM frame WHERE frame_no > ?", (last.frame_no,)))
    from journal import Anchor

    Anchor.create(path.with_name(path.name + ".anchor"), last.position()).close()
    assert lab.run("verify", path)[0] == 0
    later = checkpoint(lab, path, key, last.last_seq, "b")
    return Expected(("witness", lab.folder / "seen", later, "--venue", public), "lost_tail", size)


def wrong_code_version(lab: Lab) -> Expected:
    """Another version of the machine charges one unit more."""
    folder = lab.folder / "version"
    shutil.copytree(ROOT / "exchange", folder / "exchange", ignore=shutil.ignore_patterns("__pycache__", "artifacts"))
    fees = folder / "exchange" / "core" / "fees.py"
    text = fees.read_text()
    old = "schedule.cap * price), qty, RISK_ONE)\n\n\ndef maker_fee"
    assert text.count(old) == 1
    fees.write_text(text.replace(old, "schedule.cap * price), qty, RISK_ONE) + 1\n\n\ndef maker_fee"))
    return Expected(("bisect", lab.sample.path, "--code", folder), "events", lab.first_fill().seq, "taker_fee")


def half_the_fee(record: Record) -> Record:
    command = codec.decode_command(record.command)
    if not isinstance(command, c.Configure):
        return record
    schedule = msgspec.structs.replace(command.fees, taker_rate=command.fees.taker_rate // 2)
    changed = msgspec.structs.replace(command, fees=schedule)
    return msgspec.structs.replace(record, command=codec.encode_command(changed))


def wrong_parameter(lab: Lab) -> Expected:
    """The venue was opened with another fee than it says: the first digest, or the first fee, gives it away."""
    path = rehashed(lab, half_the_fee, "forged.journal")
    digests = (r.seq for r in lab.sample.records if isinstance(codec.decode_command(r.command), c.TakeDigest))
    first = next(digests)
    assert first < lab.first_fill().seq
    return Expected(("verify", path), "digest_differs", first)


def wrong_parameter_beside_the_true_one(lab: Lab) -> Expected:
    path = rehashed(lab, half_the_fee, "forged.journal")
    return Expected(("bisect", lab.sample.path, path), "record", 1, "command.fees.taker_rate")


def stale_anchor_beside_a_checkpoint(lab: Lab) -> Expected:
    """The same, with nobody but the checkpoint of yesterday to tell."""
    arguments = stale_anchor(lab).arguments
    assert arguments[0] == "witness"
    path, cut = lab.folder / lab.sample.path.name, lab.sample.frames[-3].last_seq
    return Expected(("verify", path, "--checkpoint", lab.folder / "a"), "lost_tail", cut + 1)


def told_otherwise(lab: Lab) -> Expected:
    """Another past that the machine would have told too: every byte re-executes, and only what was signed before differs."""
    key, _ = key_of(lab)
    note = checkpoint(lab, lab.sample.path, key, len(lab.sample.records), "a")
    state, bodies = State(), []
    for frame in lab.sample.frames:
        bodies.append([])
        for record in frame.records():
            command = codec.decode_command(record.command)
            if isinstance(command, c.CommitIdentity):
                command = msgspec.structs.replace(command, commitment=b"x" * 32)
            events = codec.encode_events(apply(state, record.seq, record.time_ns, command))
            changed = msgspec.structs.replace(record, command=codec.encode_command(command), events=events)
            bodies[-1].append(encode_record(changed))
    path = lab.folder / "told.journal"
    lab.forge(path, bodies, lab.sample.frames)
    assert lab.run("verify", path)[0] == 0
    return Expected(("verify", path, "--checkpoint", note), "root_differs", len(lab.sample.records))


MATRIX = (
    flip,
    delete,
    insert,
    reorder,
    duplicate,
    truncate,
    rehash_a_suffix,
    rehash_a_suffix_under_an_anchor,
    rehash_a_suffix_beside_the_true_one,
    split_view,
    replaced_checkpoint,
    stale_anchor,
    stale_anchor_beside_a_checkpoint,
    told_otherwise,
    wrong_code_version,
    wrong_parameter,
    wrong_parameter_beside_the_true_one,
)


@pytest.fixture
def lab(sample, tmp_path, edit, forge, capsys):
    def run(*arguments: object) -> tuple[int, Any]:
        code = main([*map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return Lab(sample, tmp_path, edit, forge, run)


@pytest.mark.parametrize("mutation", MATRIX, ids=lambda mutation: mutation.__name__)
def test_each_mutation_is_found_named_and_located(lab, mutation):
    expected = mutation(lab)
    code, told = lab.run(*expected.arguments)
    assert code == 1
    findings = told.get("findings", [told])
    assert findings[0]["seq"] <= expected.seq  # nothing is blamed on a record behind it
    finding = next(each for each in findings if each["kind"] == expected.kind)
    assert finding["seq"] == expected.seq
    assert finding["sentence"]
    assert told.get("field", "").endswith(expected.field)


def test_the_journal_without_a_mutation_is_found_sound(lab):
    assert lab.run("verify", lab.copy())[0] == 0
    assert lab.run("bisect", lab.sample.path, lab.folder / "venue.journal")[0] == 0
