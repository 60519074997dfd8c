"""``shell``: wherever one walks, forwards or back, one stands in the state that the journal has there."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange import codec
from exchange.core import events as e
from exchange.core.images import digest
from replay import walker
from replay.__main__ import main
from replay.engine import Moment

ROOT = Path(__file__).parents[2]


@pytest.fixture
def talk(sample, monkeypatch, capsys):
    """Runs a script; what each command answered, and the exit code."""

    def run(*lines, path=sample.path, at="0"):
        monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
        code = main(["shell", str(path), "--at", at, "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_walk_back_and_forth_stands_where_the_journal_does(sample, monkeypatch, data):
    monkeypatch.setattr(walker, "SPAN", 20)
    monkeypatch.setattr(walker, "MARKS_MAX", 5)
    walk = walker.Walker(sample.path)
    for seq in data.draw(st.lists(st.integers(0, len(sample.records)), min_size=1, max_size=6)):
        assert walk.to(Moment(seq=seq))
        assert digest(walk.state) == digest(sample.state_at(seq))
        assert len(walk._marks) <= 5


def test_a_script_walks_and_is_told_each_record(talk, sample):
    code, told = talk("next", "next 9", "prev", "goto 40", "goto end", "next", "quit")
    assert code == 0
    last = len(sample.records)
    assert [each["seq"] for each in told] == [0, 1, 10, 9, 40, last, last]
    assert [each["reached"] for each in told] == [True] * 6 + [False]
    command = codec.decode_command(sample.records[39].command)
    assert told[4]["command"]["kind"] == type(command).__name__


def first(sample, found):
    for record in sample.records:
        events = codec.decode_events(record.events)
        if found(events):
            return record.seq, events
    raise AssertionError("no such record")


def test_until_stops_at_the_first_record_that_has_to_do_with_it(talk, sample):
    seq, events = first(sample, lambda events: any(isinstance(event, e.Traded) for event in events))
    maker = next(event.maker_order for event in events if isinstance(event, e.Traded))
    code, told = talk(
        "until fill", "goto 0", f"until order {maker}", f"until order {maker}", "goto 0", "until kind PostRound"
    )
    assert code == 0
    assert told[1]["seq"] == seq
    assert told[3]["seq"] == maker or maker > 1 << 48
    assert told[4]["seq"] <= seq
    assert told[-1]["command"]["kind"] == "PostRound"


def test_what_is_watched_is_told_when_it_changes_and_only_then(talk, sample):
    seq, _ = first(sample, lambda events: any(isinstance(event, e.Traded) for event in events))
    before, after = sample.state_at(seq - 1), sample.state_at(seq)
    account = next(key for key in after.accounts if key and after.accounts[key].cash != before.accounts[key].cash)
    code, told = talk(f"watch account {account}", "next", "next", f"show account {account}", at=str(seq - 1))
    assert code == 0
    (news,) = told[2]["watched"]
    cash = next(each for each in news["differences"] if each["path"] == "cash")
    assert (cash["a"], cash["b"]) == (before.accounts[account].cash, after.accounts[account].cash)
    assert told[4]["is"]["cash"] == sample.state_at(seq + 1).accounts[account].cash
    assert not any(each["path"] == "cash" for news in told[3]["watched"] for each in news["differences"]) or (
        sample.state_at(seq + 1).accounts[account].cash != after.accounts[account].cash
    )


def test_until_an_account_or_a_book_changes(talk, sample):
    seq = next(r.seq for r in sample.records if r.command[1] == 31)  # the first deposit
    account = codec.decode_command(sample.records[seq - 1].command).account
    code, told = talk(f"until account {account}", at=str(seq - 1))
    assert (code, told[1]["seq"]) == (0, seq)


def test_what_cannot_be_done_is_said_and_the_walk_goes_on(talk):
    lines = ["sing", "show order 999999", "until", "until order x", "watch nothing", "unwatch order 1", "explain fill"]
    code, told = talk(*lines, "next")
    assert code == 2
    assert [("error" in each) for each in told] == [False, *[True] * len(lines), False]


def test_an_explanation_is_at_hand(talk, sample):
    seq, _ = first(sample, lambda events: any(isinstance(event, e.Rejected) for event in events))
    code, told = talk(f"explain reject {seq}")
    assert (code, told[1]["what"], told[1]["number"]) == (0, "reject", seq)


def test_a_walk_into_damage_ends_there(talk, sample, tmp_path, edit):
    path, frame = sample.copy(tmp_path), sample.frames[10]
    edit(path, ("DELETE FROM frame WHERE frame_no = ?", (frame.frame_no,)))
    code, told = talk("goto 3", f"goto {frame.first_seq + 5}", "next", path=path)
    assert code == 1
    assert told[1]["seq"] == 3
    assert [finding["kind"] for finding in told[2]["findings"]] == ["gap"]
    assert len(told) == 3


def test_step_is_another_word_for_shell(sample, monkeypatch, capsys):
    import io

    told = []
    for word in ("shell", "step"):
        monkeypatch.setattr("sys.stdin", io.StringIO("next\nnext\n"))
        told.append((main([word, str(sample.path), "--json"]), capsys.readouterr().out))
    assert told[0] == told[1]
    assert told[0][0] == 0


def test_a_process_reads_its_script_and_speaks_to_people(sample):
    script = "next 30\nwatch account 1\nuntil account 1\nshow account 1\nhelp until\nquit\n"
    command = [sys.executable, "-m", "replay", "shell", str(sample.path)]
    done = subprocess.run(command, cwd=ROOT, input=script, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "seq 30 at" in done.stdout
    assert "watched account 1:" in done.stdout
    assert "walk on to the next record" in done.stdout
