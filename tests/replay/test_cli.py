"""The command line: exit codes, what cannot be run, and real processes."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from replay.__main__ import main

ROOT = Path(__file__).parents[2]


def run(*arguments: object, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-m", "replay", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def could_not_run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The reason given, both as JSON and to people, with exit code 2."""
    assert main([*map(str, arguments), "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert main([*map(str, arguments)]) == 2
    assert error in capsys.readouterr().err
    return error


def test_a_sound_journal_exits_0(sample, capsys):
    assert main(["verify", str(sample.path)]) == 0
    text = capsys.readouterr().out
    assert "the journal is what the machine did" in text
    assert main(["verify", str(sample.path), "--json", "--no-fold"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["records"] == len(sample.records)


def test_a_damaged_journal_is_told_to_people_too(sample, tmp_path, edit, capsys):
    path, frame = sample.copy(tmp_path), sample.frames[4]
    edit(path, ("DELETE FROM frame WHERE frame_no = ?", (frame.frame_no,)))
    assert main(["verify", str(path)]) == 1
    text = capsys.readouterr().out
    assert f"seq {frame.first_seq:<10,} gap:" in text
    assert "the journal is not sound" in text


def test_signatures_on_the_command_line(signed_sample, sample, capsys):
    assert main(["verify", str(signed_sample.path), "--signatures"]) == 0
    assert "61 rounds by 4 signers" in capsys.readouterr().out
    assert main(["verify", str(sample.path), "--signatures", "--json"]) == 1
    kinds = {finding["kind"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert kinds == {"order_not_signed", "round_not_signed"}


def test_a_missing_file(tmp_path, capsys):
    assert "no journal" in could_not_run(capsys, "verify", tmp_path / "none.journal")


def test_a_directory(tmp_path, capsys):
    could_not_run(capsys, "verify", tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"dear diary", b"SQLite format 3\0" + bytes(84)], ids=["empty", "text", "torn"]
)
def test_no_verdict_on_a_file_that_is_no_journal(tmp_path, capsys, content):
    path = tmp_path / "foreign.journal"
    path.write_bytes(content)
    could_not_run(capsys, "verify", path)


def test_the_database_of_someone_else(tmp_path, capsys):
    path = tmp_path / "foreign.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE frame (frame_no INTEGER)")
    assert "not a journal" in could_not_run(capsys, "verify", path)


def test_a_locked_journal(sample, tmp_path, capsys):
    path = sample.copy(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        assert main(["verify", str(path), "--json"]) == 2
    assert "locked" in json.loads(capsys.readouterr().out)["error"]


def test_an_anchor_that_was_named_and_is_not_there(sample, tmp_path, capsys):
    assert "no anchor" in could_not_run(capsys, "verify", sample.path, "--anchor", tmp_path / "none.anchor")


def test_a_manifest_that_is_none(sample, capsys):
    arguments = ("reconcile", sample.path, "--chain", "http://127.0.0.1:9", "--manifest", sample.path)
    assert "not a deployment file" in could_not_run(capsys, *arguments)


def test_arguments_that_make_no_sense(capsys):
    for arguments in (["verify"], ["unknown"], []):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
    capsys.readouterr()


# -- real processes ---------------------------------------------------------------------------------------------------


def test_a_process_verifies_and_one_with_damage_exits_1(sample, tmp_path, edit):
    path = sample.copy(tmp_path)
    done = run("verify", path, "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    assert json.loads(done.stdout)["ok"]
    edit(path, ("DELETE FROM frame WHERE frame_no = 3", ()))
    done = run("verify", path)
    assert done.returncode == 1
    assert done.stderr == ""


def test_a_process_without_assertions_refuses(sample):
    done = run("verify", sample.path, flags=("-O",))
    assert done.returncode == 2
    assert "python -O" in done.stderr


def test_a_process_that_verifies_loads_nothing_but_msgspec(sample):
    """Beside the standard library: msgspec, the project, and what the journal package itself imports."""
    program = (
        "import sys\n"
        "from replay.__main__ import main\n"
        f"assert main(['verify', {str(sample.path)!r}, '--json']) == 0\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(name for name in names - sys.stdlib_module_names if not name.startswith('_')))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(eval(done.stdout.splitlines()[-1]))
    assert loaded & {"exchange", "journal", "replay", "msgspec"} == {"exchange", "journal", "replay", "msgspec"}
    forbidden = {
        "aiohttp",
        "coincurve",
        "eth_abi",
        "eth_hash",
        "numpy",
        "rich",
        "structlog",
        "web3",
        "websockets",
        "anyio",
    }
    assert not loaded & forbidden
