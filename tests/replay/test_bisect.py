"""``bisect`` finds the first record on which two journals, or two versions of the code, do not agree, and the field."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.events import Traded
from journal import Record, encode_record
from replay.__main__ import main

ROOT = Path(__file__).parents[2]
FEES = "return mul_div_up(min(schedule.taker_rate * index, schedule.cap * price), qty, RISK_ONE)\n\n\ndef maker_fee"
ENTRY = "        label,\n        time_ns,\n        time_ns,\n    )"
CANCELS = "for order in sorted(account.orders.values(), key=lambda item: item.id)"


def bisect(capsys, *arguments):
    code = main(["bisect", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def patched(tmp_path):
    """A copy of the exchange in which one piece of text is another."""

    def make(module: str, old: str, new: str, more: str = "") -> Path:
        folder = tmp_path / f"patched-{len(list(tmp_path.iterdir()))}"
        skip = shutil.ignore_patterns("__pycache__", "artifacts", "data")
        shutil.copytree(ROOT / "exchange", folder / "exchange", ignore=skip)
        path = folder / "exchange" / "core" / module
        text = path.read_text()
        assert text.count(old) == 1, f"{module} has changed: plant this elsewhere"
        path.write_text(text.replace(old, new) + more)
        return folder

    return make


# -- planted nondeterminism ---------------------------------------------------------------------------------------------


def first_with(sample, found):
    """The seq of the first record of which something holds."""
    for record in sample.records:
        if found(codec.decode_command(record.command), codec.decode_events(record.events)):
            return record.seq
    raise AssertionError("no such record")


def test_the_same_code_agrees_with_itself_and_the_journal(sample, capsys):
    code, told = bisect(capsys, sample.path, "--code", ROOT)
    assert (code, told["equal"], told["compared"]) == (0, True, len(sample.records))
    assert main(["bisect", str(sample.path), "--code", str(ROOT), "--code", str(ROOT)]) == 0
    assert "they are the same" in capsys.readouterr().out


def test_a_planted_float_is_found_in_the_first_fee_it_changes(sample, patched, capsys):
    new = "return int(-(-float(min(schedule.taker_rate * index, schedule.cap * price)) * qty // RISK_ONE) * 1.00001)\n\n\ndef maker_fee"
    folder = patched("fees.py", FEES, new)
    code, told = bisect(capsys, sample.path, "--code", folder)
    assert code == 1
    first = first_with(sample, lambda _, events: any(isinstance(e, Traded) and e.taker_fee >= 10**5 for e in events))
    assert told["seq"] <= first
    assert told["kind"] == "events"
    assert told["field"].endswith("taker_fee")
    assert told["agrees"] == "a"
    assert told["repeatable"]
    assert told["compared"] == told["seq"] - 1
    state = next(each for each in told["differences"] if each["path"].startswith("state.accounts."))
    assert state["path"].endswith("cash")
    assert str(folder) in told["b"]


def test_a_planted_wall_clock_is_found_in_the_state_before_any_event_shows_it(sample, patched, capsys):
    new = "        label,\n        __import__('time').time_ns(),\n        time_ns,\n    )"
    folder = patched("orders.py", ENTRY, new)
    code, told = bisect(capsys, sample.path, "--code", folder)
    first = first_with(
        sample, lambda command, events: type(command) is c.Place and events[0].__class__.__name__ == "Accepted"
    )
    assert code == 1
    assert (told["kind"], told["seq"]) == ("state", first)
    assert told["field"] == f"state.orders.{first}.created_ns"
    assert not told["repeatable"]


def test_a_planted_set_order_is_found_in_code_that_differs_from_itself(sample, patched, capsys):
    """Hash seeds differ from process to process, so the two runs need no third to tell that one of them is wrong."""
    new = "for order in sorted(account.orders.values(), key=lambda item: hash(str(item.id)))"
    folder = patched("orders.py", CANCELS, new)
    code, told = bisect(capsys, sample.path, "--code", folder, "--code", folder)
    assert code == 1
    assert told["kind"] == "events"
    assert told["command"]["kind"] in {"CancelAll", "ObserveOffbookQueued"}  # by the seeds: who cancels several first
    assert told["field"].startswith("events.")
    assert told["field"].endswith("order_id")
    assert told["repeatable"]  # the same in each process, and another in the next
    assert told["agrees"] in {"a", "b", "neither"}


def test_a_wall_clock_in_an_event_is_told_as_what_cannot_be_repeated(sample, patched, capsys):
    new = "return __import__('time').time_ns() % 10**6 + 1\n\n\ndef maker_fee"
    code, told = bisect(capsys, sample.path, "--code", patched("fees.py", FEES, new))
    assert (code, told["kind"], told["repeatable"]) == (1, "events", False)
    assert told["seq"] == first_with(sample, lambda _, events: any(isinstance(e, Traded) for e in events))


def test_code_that_stops_is_found_where_it_stops(sample, patched, capsys):
    new = 'raise ValueError("out of paper")\n\n\ndef maker_fee'
    code, told = bisect(capsys, sample.path, "--code", patched("fees.py", FEES, new))
    assert (code, told["kind"]) == (1, "stopped")
    assert "b stops (ValueError: out of paper)" in told["sentence"]


def test_versions_with_other_words_are_compared_by_what_they_say(sample, patched, capsys):
    """A field appended to an event changes every byte of it and nothing of what happened."""
    old = '    """The order is in: its id is the seq of its command."""\n\n    order_id: int\n'
    folder = patched("events.py", old, old + "    weight: int = 0\n")
    code, told = bisect(capsys, sample.path, "--code", folder)
    assert (code, told["equal"], told["compared"]) == (0, True, len(sample.records))
    fees = folder / "exchange" / "core" / "fees.py"
    assert fees.read_text().count(FEES) == 1
    fees.write_text(fees.read_text().replace(FEES, FEES.replace("RISK_ONE)", "RISK_ONE) + 1")))
    code, told = bisect(capsys, sample.path, "--code", folder)
    first = first_with(sample, lambda _, events: any(isinstance(e, Traded) for e in events))
    assert (code, told["kind"], told["seq"], told["agrees"]) == (1, "events", first, "")
    assert "events.1.taker_fee" in {each["path"] for each in told["differences"]}


def test_both_snapshots_are_kept(sample, patched, tmp_path, capsys):
    new = FEES.replace("RISK_ONE)", "RISK_ONE) + 1")
    folder = tmp_path / "evidence"
    assert main(["bisect", str(sample.path), "--code", str(patched("fees.py", FEES, new)), "--save", str(folder)]) == 1
    text = capsys.readouterr().out
    assert "events.1.taker_fee" in text
    before, a, b = (json.loads((folder / f"{name}.json").read_text()) for name in ("before", "a", "b"))
    assert before["seq"] == a["seq"] - 1 == b["seq"] - 1
    assert a["trades"] != b["trades"]


def test_a_version_that_does_not_run_cannot_be_asked(sample, patched, tmp_path, capsys):
    broken = patched("fees.py", FEES, "this is not Python\n\n\ndef maker_fee")
    for where in (broken, tmp_path / "nowhere", ROOT / "docs"):
        assert main(["bisect", str(sample.path), "--code", str(where), "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]
    assert main(["bisect", str(sample.path), "--json"]) == 2
    assert "name another journal" in json.loads(capsys.readouterr().out)["error"]


# -- two journals -------------------------------------------------------------------------------------------------------


def forged(sample, forge, tmp_path, seq, change):
    """The same journal but for one record, hashed anew from there on."""
    bodies = [
        [encode_record(change(record) if record.seq == seq else record) for record in frame.records()]
        for frame in sample.frames
    ]
    path = tmp_path / "other.journal"
    forge(path, bodies, sample.frames)
    return path


def test_a_copy_is_the_same_journal(sample, tmp_path, capsys):
    code, told = bisect(capsys, sample.path, sample.copy(tmp_path))
    assert (code, told["equal"], told["compared"]) == (0, True, len(sample.records))


def test_another_fee_in_one_record_is_found_with_the_cash_it_moves(sample, forge, tmp_path, capsys):
    seq = next(
        record.seq
        for record in sample.records[len(sample.records) // 2 :]
        if any(type(event) is Traded for event in codec.decode_events(record.events))
    )

    def change(record: Record) -> Record:
        events = [
            msgspec.structs.replace(event, taker_fee=event.taker_fee + 5) if type(event) is Traded else event
            for event in codec.decode_events(record.events)
        ]
        return msgspec.structs.replace(record, events=codec.encode_events(events))

    code, told = bisect(capsys, sample.path, forged(sample, forge, tmp_path, seq, change))
    assert code == 1
    assert (told["seq"], told["kind"], told["compared"]) == (seq, "events", seq - 1)
    assert told["field"].endswith("taker_fee")
    assert told["differences"][0]["b"] - told["differences"][0]["a"] == 5
    assert any(each["path"].startswith("state.accounts.") for each in told["differences"])


def test_another_time_is_another_record(sample, forge, tmp_path, capsys):
    seq = len(sample.records) // 3
    path = forged(sample, forge, tmp_path, seq, lambda r: msgspec.structs.replace(r, time_ns=r.time_ns + 1))
    code, told = bisect(capsys, sample.path, path)
    assert (code, told["seq"], told["kind"], told["field"]) == (1, seq, "record", "time_ns")


def test_a_journal_that_ends_earlier_is_shorter(sample, tmp_path, edit, capsys):
    path = sample.copy(tmp_path, anchor=False)
    last = sample.frames[-1]
    edit(path, ("DELETE FROM frame WHERE frame_no = ?", (last.frame_no,)))
    for first, second, name in ((sample.path, path, "b"), (path, sample.path, "a")):
        code, told = bisect(capsys, first, second)
        assert (code, told["kind"], told["seq"]) == (1, "shorter", last.first_seq)
        assert told["sentence"].startswith(f"{name} ends after seq {last.first_seq - 1}")


def test_journals_of_two_venues_are_not_compared(sample, tmp_path, edit, capsys):
    path = sample.copy(tmp_path, anchor=False)
    edit(path, ("UPDATE frame SET head = ? WHERE frame_no = 0", (bytes(32),)))
    assert main(["bisect", str(sample.path), str(path), "--json"]) == 2
    assert "two venues" in json.loads(capsys.readouterr().out)["error"]
