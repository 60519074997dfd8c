"""A folder of a day: the same bytes wherever it is written, whole or not at all, and tied to the journal."""

import base64
import importlib.util
import json
import os
import subprocess
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest

from exchange.signing import address_of, recover, to_hex
from journal.merkle import Tree
from journal.record import decode_record, leaf_hash
from replay.__main__ import main
from replay.export import package, texts
from replay.export.day import TABLES
from replay.export.manifest import MANIFEST, SIGNATURE, VALIDATION, read_manifest
from replay.export.package import export
from replay.export.tables import Unreadable, read_rows
from replay.findings import CannotRun, Diverged

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "venue.journal"
DAY = date(2026, 8, 16)
KEY = b"k" * 32
ALL = ("ndjson", "csv", "parquet")


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "day"
    export(GOLDEN, DAY, out, formats=ALL, key=KEY)
    return out


def test_it_is_written_again_byte_for_byte(folder, tmp_path):
    export(GOLDEN, DAY, tmp_path / "again", formats=tuple(reversed(ALL)), key=KEY)
    assert contents(tmp_path / "again") == contents(folder)


def other_python() -> tuple[str, Path]:
    spec = importlib.util.spec_from_file_location("golden_test", Path(__file__).with_name("test_golden_journal.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    version = next(version for version in module.VERSIONS if version != here)
    return version, module.bare_environment(version)


@pytest.mark.parametrize("seed", ["77"])
def test_another_python_with_another_hash_seed_writes_the_same_bytes(tmp_path, seed):
    """On an interpreter that has nothing but what an audit needs: so without Parquet, whose writer is one library."""
    _, python = other_python()
    export(GOLDEN, DAY, tmp_path / "here", formats=("ndjson", "csv"))
    command = [str(python), "-W", "error", "-m", "replay", "export", str(GOLDEN), "--day", f"{DAY}"]
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "there")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there")
    told = [json.loads(found.pop(MANIFEST)) for found in (here, there)]
    checked = [json.loads(found.pop(VALIDATION)) for found in (here, there)]
    for each in told:  # a checkout that is not installed has no version to tell
        del each["version"]
    for each in checked:
        del each["manifest_sha256"]
    assert checked[0] == checked[1]
    assert there == here
    assert told[0] == told[1]


def test_every_form_holds_the_same_rows(folder):
    for table in TABLES:
        found = [list(read_rows(path, table)) for path in sorted(folder.glob(f"{table.name}.*"))]
        assert found[0]
        assert all(rows == found[0] for rows in found)
        keys = [(row["jseq"], row["place"]) for row in found[0]]
        assert keys == sorted(set(keys))


def test_the_manifest_names_every_other_file_as_it_is(folder):
    manifest = read_manifest(folder)
    assert {entry.name for entry in manifest.files} | {MANIFEST, SIGNATURE, VALIDATION} == set(contents(folder))
    for entry in manifest.files:
        data = (folder / entry.name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(data), sha256(data).hexdigest())
        if entry.table:
            rows = (folder / f"{entry.table}.ndjson").read_bytes()
            assert entry.rows_sha256 == sha256(rows).hexdigest()
            assert entry.rows == rows.count(b"\n")


def test_the_manifest_is_signed(folder):
    signature = json.loads((folder / SIGNATURE).read_text())
    digest = sha256((folder / MANIFEST).read_bytes()).digest()
    assert recover(digest, bytes.fromhex(signature["signature"])) == address_of(KEY)
    assert signature["signer"] == to_hex(address_of(KEY))


def test_the_slice_and_the_frontier_give_the_root_of_the_whole_journal(golden, make_sample, tmp_path):
    """A day that begins in the middle of a journal: with what the manifest holds of the days before it, it is proved."""
    records = golden.Story(seed=5, steps=120, signed=False, digest_every=50).tell()
    cut, later = records[len(records) // 2].seq, 5 * 3_600 * 10**9
    moved = [record if record.seq < cut else _later(record, later) for record in records]
    sample = make_sample(_again(moved))
    days = sorted({texts.day_of(record.time_ns) for record in sample.records})
    assert len(days) == 2
    end = Tree()
    for day in days:
        export(sample.path, date.fromisoformat(day), tmp_path / day)
        span = read_manifest(tmp_path / day).journal
        tree = Tree(span.before, [bytes.fromhex(node) for node in span.frontier])
        assert tree.root().hex() == span.root_before
        assert tree.root() == end.root()
        lines = [json.loads(line) for line in (tmp_path / day / "15_journal.ndjson").read_text().splitlines()]
        anchors = {anchor.size: anchor.root for anchor in span.anchored}
        for line in lines:
            raw = base64.b64decode(line["record"])
            assert decode_record(raw).seq == line["jseq"]
            assert leaf_hash(raw).hex() == line["leaf"]
            tree.append(leaf_hash(raw))
            assert anchors.pop(tree.size, tree.root().hex()) == tree.root().hex()
        assert not anchors
        assert (tree.size, tree.root().hex()) == (span.after, span.root_after)
        end = tree
    assert end.size == len(records)


def _later(record, by):
    import msgspec

    return msgspec.structs.replace(record, time_ns=record.time_ns + by)


def _again(records):
    """The same commands at their new times, decided anew."""
    from exchange import codec
    from exchange.core.machine import apply
    from exchange.core.state import State
    from journal import Record

    state, told = State(), []
    for record in records:
        events = apply(state, record.seq, record.time_ns, codec.decode_command(record.command))
        told.append(Record(record.seq, record.time_ns, record.command, codec.encode_events(events)))
    return told


def test_a_correction_is_told_beside_what_it_corrects_and_the_clock_as_it_was_known(folder):
    lines = [json.loads(line) for line in (folder / "14_corrections.ndjson").read_text().splitlines()]
    isins = [line for line in lines if line["field"] == "isin"]
    assert [(line["kind"], line["told"]) for line in isins] == [
        ("FIRST", "US0378331005"),
        ("CORRECTION", "GB0002634946"),
    ]
    assert (isins[1]["corrects"], isins[1]["was"]) == (isins[0]["jseq"], "US0378331005")
    series = isins[1]["subject"]
    orders = [json.loads(line) for line in (folder / "02_orders_rts24.ndjson").read_text().splitlines()]
    seen = [order.get("18_instrument") for order in orders if order["17_book"] == str(series)]
    assert {order.get("16_mic") for order in orders[-9:]} == {"XGLD"}
    assert list(dict.fromkeys(seen)) in ([None, "GB0002634946"], [None, "US0378331005", "GB0002634946"])
    clock = [json.loads(line) for line in (folder / "12_clock.ndjson").read_text().splitlines()]
    assert [(line["known"], line.get("bound_ns")) for line in clock] == [(True, 1_250 + 22_000 + 7_500), (False, None)]


# -- what cannot be exported ------------------------------------------------------------------------------------------


def test_nothing_is_left_of_an_export_that_failed(sample, tmp_path, edit):
    path = sample.copy(tmp_path)
    edit(path, ("DELETE FROM frame WHERE frame_no = ?", (sample.frames[4].frame_no,)))
    with pytest.raises(Diverged):
        export(path, DAY, tmp_path / "out", formats=ALL)
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []


def test_a_folder_that_is_there_is_not_touched(tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(CannotRun, match="there already"):
        export(GOLDEN, DAY, tmp_path)
    assert contents(tmp_path) == {"kept": b"mine"}


def test_a_day_without_records(tmp_path):
    with pytest.raises(CannotRun, match="no record of 2026-08-15"):
        export(GOLDEN, date(2026, 8, 15), tmp_path / "out")


def test_without_pyarrow_parquet_is_refused_and_the_rest_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "pyarrow_version", lambda: None)
    with pytest.raises(CannotRun, match="pyarrow"):
        export(GOLDEN, DAY, tmp_path / "out", formats=ALL)
    export(GOLDEN, DAY, tmp_path / "out", formats=("csv",))
    assert not list((tmp_path / "out").glob("*.parquet"))


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("05_trades.ndjson", lambda data: data.replace(b'"jseq":', b'"jsek":', 1)),
        ("05_trades.ndjson", lambda data: data.replace(b'"place":0', b'"place":"0"', 1)),
        ("05_trades.ndjson", lambda data: data[:-20]),
        ("05_trades.ndjson", lambda data: b"[1]\n" + data),
        ("05_trades.csv", lambda data: data.replace(b"place", b"plaza", 1)),
        ("05_trades.csv", lambda data: data.replace(b",USDC,", b",", 1)),
        ("07_phases_halts.csv", lambda data: data.replace(b"true", b"yes", 1)),
        ("05_trades.parquet", lambda data: data[:-20]),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_not_read(folder, tmp_path, name, harm):
    table = next(table for table in TABLES if name.startswith(table.name))
    broken = tmp_path / name
    broken.write_bytes(harm((folder / name).read_bytes()))
    assert broken.read_bytes() != (folder / name).read_bytes()
    with pytest.raises(Unreadable):
        list(read_rows(broken, table))


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_command_writes_signs_and_tells(tmp_path, capsys):
    key = tmp_path / "key"
    key.write_text(KEY.hex())
    out = tmp_path / "day"
    arguments = ["export", str(GOLDEN), "--day", f"{DAY}", "--out", str(out), "--key", str(key)]
    assert main([*arguments, "--format", "ndjson", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["manifest"] == json.loads((out / MANIFEST).read_text())
    assert (out / SIGNATURE).is_file()
    assert main(arguments) == 2
    assert "there already" in capsys.readouterr().err
    key.write_text("no key at all")
    assert main(arguments) == 2
    assert "no key at all" not in capsys.readouterr().err


def test_a_damaged_journal_ends_with_1(sample, tmp_path, edit, capsys):
    path = sample.copy(tmp_path)
    edit(path, ("DELETE FROM frame WHERE frame_no = ?", (sample.frames[4].frame_no,)))
    assert main(["export", str(path), "--day", f"{DAY}", "--out", str(tmp_path / "out")]) == 1
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--day", "yesterday"), ("--format", "xml")])
def test_days_and_formats_that_make_no_sense(tmp_path, wrong, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["export", str(GOLDEN), "--day", f"{DAY}", "--out", str(tmp_path / "out"), *wrong])
    assert stop.value.code == 2
    assert wrong[1] in capsys.readouterr().err
