"""The restricted store and file P: who is known is shown to whoever may see it, who is erased is gone, no hash changes."""

import io
import json
import stat
import sys
from types import SimpleNamespace

import msgspec
import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.machine import apply
from exchange.core.state import State
from journal import Record
from replay.__main__ import main
from replay.export.manifest import PERSONS

DAY = "2026-08-16"
ADA = {"name": "Ada Lovelace", "national_id": "GB18151210ADA##LOVEL", "residence": "GB", "wallets": ["0x" + "ad" * 20]}
BOB = {"name": "Bob Ümlaut", "national_id": "DE19700101BOB##UMLAU", "birth_date": "1970-01-01", "residence": "DE"}


@pytest.fixture
def office(tmp_path, capsys, monkeypatch):
    """A store, and a way to run its commands."""
    folder, key = tmp_path / "store", tmp_path / "store.key"

    def run(action, *arguments, facts=None):
        if facts is not None:
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(facts).encode())))
        code = main(["identity", action, str(folder), "--key", str(key), *map(str, arguments), "--json"])
        return code, json.loads(capsys.readouterr().out)

    assert run("init")[0] == 0
    return SimpleNamespace(folder=folder, key=key, run=run)


@pytest.fixture
def told(golden):
    """The records of a small day in which these commitments are made, each by (account, role)."""
    story = golden.Story(seed=11, steps=60, signed=False, digest_every=50).tell()

    def tell(commitments):
        state, records = State(), []
        for record in story:
            command = codec.decode_command(record.command)
            if isinstance(command, c.CommitIdentity) and (command.account, command.role) in commitments:
                commitment = commitments[command.account, command.role]
                command = msgspec.structs.replace(command, commitment=bytes.fromhex(commitment))
            events = apply(state, record.seq, record.time_ns, command)
            encoded = codec.encode_command(command), codec.encode_events(events)
            records.append(Record(record.seq, record.time_ns, *encoded))
        return records

    committed = [codec.decode_command(record.command) for record in story]
    tell.places = [(e.account, e.role) for e in committed if isinstance(e, c.CommitIdentity) and e.role == c.CLIENT]
    return tell


def export(capsys, journal, out, *arguments):
    code = main(["export", str(journal), "--day", DAY, "--out", str(out), *map(str, arguments), "--json"])
    capsys.readouterr()
    assert code == 0
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture
def archive(office, told, make_sample, tmp_path, capsys):
    """Ada and Bob behind two accounts of a journal, and what one does with its folders."""
    (one, _), (two, _) = told.places[:2]
    _, ada = office.run("add", "--account", one, facts=ADA)
    _, bob = office.run("add", "--account", two, facts=BOB)
    told_of = {(one, c.CLIENT): ada, (two, c.CLIENT): bob}
    sealed = {place: person["commitments"][0]["commitment"] for place, person in told_of.items()}
    journal, key = make_sample(told(sealed)).path, tmp_path / "persons.key"
    assert main(["identity", "key", str(key)]) == 0

    def write(name, *, persons=True):
        asked = ["--identities", office.folder, "--identities-key", office.key, "--persons-key", key] if persons else []
        return export(capsys, journal, tmp_path / name, *asked)

    def rows(name):
        assert main(["identity", "read", str(tmp_path / name), "--persons-key", str(key), "--json"]) == 0
        return {(row["account"], row["role"]): row for row in json.loads(capsys.readouterr().out)["persons"]}

    def is_sound(name):
        asked = ["--journal", str(journal), "--persons-key", str(key), "--json"]
        code = main(["export", "validate", str(tmp_path / name), *asked])
        return (code, json.loads(capsys.readouterr().out)["by_code"]) == (0, {})

    people = {"one": one, "two": two, "ada": ada, "bob": bob}
    return SimpleNamespace(journal=journal, write=write, rows=rows, is_sound=is_sound, **people)


def test_p_shows_who_is_known_and_touches_nothing_else(archive):
    bare, first, again = archive.write("bare", persons=False), archive.write("first"), archive.write("again")
    assert first == again
    assert first.keys() - bare.keys() == {PERSONS}
    assert {name: data for name, data in first.items() if name != PERSONS} == bare
    secrets = [word.encode() for word in ("Lovelace", "mlaut", "GB1815", "DE1970")]
    assert not any(word in data for word in secrets for data in first.values())
    shown = archive.rows("first")
    assert shown[archive.one, "client"]["facts"]["name"] == ADA["name"]
    assert shown[archive.two, "client"]["facts"]["national_id"] == BOB["national_id"]
    others = [row["state"] for place, row in shown.items() if place[0] not in {archive.one, archive.two}]
    assert set(others) == {"UNKNOWN"}
    assert archive.is_sound("first")


def test_who_is_erased_is_gone_and_no_hash_changes(archive, office, capsys):
    bare, bob = archive.write("bare", persons=False), archive.bob
    assert office.run("erase", bob["person"], "--cause", "end of retention")[0] == 0
    after = archive.write("after")
    assert {name: data for name, data in after.items() if name != PERSONS} == bare
    shown = archive.rows("after")
    gone = shown[archive.two, "client"]
    assert (gone["state"], gone["cause"]) == ("ERASED", "end of retention")
    assert not {"facts", "identity", "salt"} & gone.keys()
    assert shown[archive.one, "client"]["facts"]["name"] == ADA["name"]
    assert archive.is_sound("after")
    assert main(["verify", str(archive.journal)]) == 0
    capsys.readouterr()
    (mark,) = [path.read_bytes() for path in office.folder.iterdir() if bob["person"] in path.name]
    assert bob["commitments"][0]["commitment"].encode() in mark
    assert office.run("show", "--person", bob["person"])[0] == 2


def test_a_correction_makes_a_new_commitment_and_keeps_what_was_thought(office, told, make_sample):
    (one, _), (two, _) = told.places[:2]
    _, ada = office.run("add", "--account", one, facts=ADA)
    first = ada["commitments"][0]["commitment"]
    journal = make_sample(told({(one, c.CLIENT): first})).path
    code, held = office.run("check", journal)
    assert (code, held["not_journaled"]) == (1, [])  # other commitments of this journal are of nobody here
    assert len(held["nobody"]) == held["in_force"] - 1
    code, corrected = office.run("correct", ada["person"], facts=ADA | {"name": "Ada King"})
    second = corrected["commitments"][0]["commitment"]
    assert code == 0
    assert second != first
    assert office.run("check", journal)[1]["not_journaled"] == [second]
    _, shown = office.run("show", "--person", ada["person"])
    assert shown["people"][0]["facts"]["name"] == "Ada King"
    assert ["Lovelace" in bond["identity"] for bond in shown["people"][0]["bonds"]] == [True, False]
    _, bound = office.run("bind", ada["person"], "--account", two, "--role", "decision")
    assert (bound["commitments"][0]["account"], bound["commitments"][0]["role"]) == (two, "decision")
    assert len({first, second, bound["commitments"][0]["commitment"]}) == 3


def test_equal_people_do_not_look_alike_and_nothing_lies_open(office):
    _, one = office.run("add", "--account", 3, facts=ADA)
    _, two = office.run("add", "--account", 4, facts=ADA)
    assert one["commitments"][0]["commitment"] != two["commitments"][0]["commitment"]
    files = list(office.folder.iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in (office.folder, office.key, *files)] == [
        0o700,
        0o600,
        0o600,
        0o600,
    ]
    assert not any(b"Lovelace" in path.read_bytes() for path in files)


@pytest.mark.parametrize(("what", "mode"), [("folder", 0o750), ("folder", 0o701), ("key", 0o604), ("file", 0o640)])
def test_what_is_open_to_others_is_refused(office, what, mode):
    office.run("add", "--account", 3, facts=ADA)
    path = next(office.folder.iterdir()) if what == "file" else getattr(office, what)
    path.chmod(mode)
    code, told = office.run("show")
    assert (code, "open to others" in told["error"]) == (2, True)


def test_what_does_not_fit_is_refused_without_a_word_of_it(office, tmp_path):
    office.run("add", "--account", 3, facts=ADA)
    for facts in ({"name": ""}, {"nom": "Ada"}, ADA | {"residence": "Britain"}, ADA | {"wallets": ["ada"]}, []):
        code, told = office.run("add", "--account", 3, facts=facts)
        assert (code, "describes nobody" in told["error"], "Lovelace" in told["error"]) == (2, True, False)
    assert office.run("show", "--person", "../store")[0] == 2
    assert office.run("add", "--account", 3, "--from", tmp_path / "none.json")[0] == 2
    office.key.write_text("11" * 32)
    code, told = office.run("show")
    assert (code, "with this key" in told["error"]) == (2, True)
    office.key.write_text("short")
    assert office.run("show")[0] == 2


def test_p_needs_the_store_its_key_and_a_key_of_its_own(office, sample, tmp_path, capsys):
    for given in (["--identities", office.folder], ["--persons-key", office.key], ["--identities-key", office.key]):
        asked = ["export", sample.path, "--day", DAY, "--out", tmp_path / "day", *given, "--json"]
        assert main([*map(str, asked)]) == 2
        assert "all of" in json.loads(capsys.readouterr().out)["error"]
