"""Scenarios: incidents played again, every figure measured anew; a change of a figure or of a rule must show."""

import json
from pathlib import Path

import pytest

from exchange.core.margin import ShortUnits
from replay.__main__ import main
from replay.scenarios import schema
from replay.scenarios.rules import mean_index
from replay.scenarios.rules.looped_exercise import Exercise

FILES = Path(schema.__file__).with_name("files")
SHIPPED = sorted(FILES.glob("*.yaml"))


def played(capsys, *arguments):
    """The exit code and what was printed."""
    code = main(["scenario", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name.partition("-")[0])
def test_every_incident_comes_out_as_written_and_its_journals_pass_both_audits(path, tmp_path, capsys):
    code, told = played(capsys, path, "--keep", tmp_path)
    (report,) = told["scenarios"]
    assert (code, report["findings"]) == (0, [])
    assert report["journals"]
    for journal in report["journals"].values():
        assert main(["verify", journal, "--signatures"]) == 0
        assert main(["check", journal]) == 0
    capsys.readouterr()
    both = [row for row in report["rows"] if row["then"] is not None and row["here"] is not None]
    assert any(row["then"] != row["here"] for row in both), "the rules make no difference"
    for each in report["told"]:
        assert main(["explain", report["journals"][each["journal"]], each["what"], str(each["number"])]) == 0
        assert each["answer"] in capsys.readouterr().out


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name.partition("-")[0])
def test_sources_are_addresses_and_the_file_is_named_for_what_it_tells(path):
    scenario = schema.read(path.read_bytes(), path.name)
    assert path.name == f"{scenario.id}-{scenario.name}.yaml"
    assert all(source.url.startswith(("https://", "http://")) for source in scenario.sources)


def test_the_same_play_gives_the_same_bytes(tmp_path, capsys):
    journals = []
    for folder in ("a", "b"):
        _, told = played(capsys, "S5", "--keep", tmp_path / folder)
        journals.append(Path(told["scenarios"][0]["journals"]["here"]).read_bytes())
    assert journals[0] == journals[1]


def planted(tmp_path, was, now):
    """The first scenario with something changed in its file."""
    text = SHIPPED[0].read_text()
    assert text.count(was) >= 1
    path = tmp_path / "planted.yaml"
    path.write_text(text.replace(was, now, 1))
    return path


def test_a_changed_figure_is_found_and_named(tmp_path, capsys):
    code, told = played(capsys, planted(tmp_path, "then: 5\n", "then: 6\n"))
    (found,) = told["scenarios"][0]["findings"]
    assert (code, found["kind"], found["expected"], found["actual"]) == (1, "figure_differs", "6", "5")
    assert found["sentence"].startswith("liquidated (then)")


def test_a_figure_that_is_not_measured_and_one_that_is_not_written(tmp_path, capsys):
    code, told = played(capsys, planted(tmp_path, "name: liquidated\n", "name: ruined\n"))
    kinds = {found["kind"] for found in told["scenarios"][0]["findings"]}
    assert (code, kinds) == (1, {"figure_missing", "figure_unknown"})


def test_another_rule_of_then_is_found(monkeypatch, capsys):
    monkeypatch.setattr(mean_index, "index", lambda last: sorted(last)[len(last) // 2])
    code, told = played(capsys, "S1")
    assert code == 1
    assert {found["sentence"].partition(" ")[0] for found in told["scenarios"][0]["findings"]} >= {"index_low"}


PLAYS = "replay.scenarios.plays."


@pytest.mark.parametrize(
    ("scenario", "rule", "other"),
    [
        ("S2", f"{PLAYS}pumping.withdrawable", lambda cash, *_: cash),
        ("S3", "replay.scenarios.rules.linear_leverage.Book.grown", lambda self, *_: self),
        ("S5", "replay.scenarios.rules.shared_backstop.Vault.lost", lambda *_: 0),
        ("S6", f"{PLAYS}zero_bid.price", lambda _bidders, _gas, worth: worth),
        ("S8", f"{PLAYS}migration.liquidated", lambda *_: []),
        ("S9", f"{PLAYS}double_exercise.exercise", lambda strike, *_: Exercise(strike, 10**4)),
        ("S10", f"{PLAYS}mixed_deploy.child", lambda *_: 0),
    ],
)
def test_another_rule_of_then_is_found_in_each(monkeypatch, capsys, scenario, rule, other):
    monkeypatch.setattr(rule, other)
    code, told = played(capsys, scenario)
    assert code == 1
    assert any("(then)" in found["sentence"] for found in told["scenarios"][0]["findings"])


@pytest.mark.parametrize(
    ("scenario", "rule", "other"),
    [
        ("S1", "exchange.core.index.clamped", lambda _rules, prices: list(prices)),
        ("S2", "exchange.core.index.believes", lambda *_: True),
        ("S3", "exchange.core.oracle.short_units", lambda *_: ShortUnits(1, 1)),
        ("S5", "exchange.core.index.believes", lambda *_: True),
        ("S6", "exchange.core.margin.max_loss", lambda _legs: 0),
        ("S8", "exchange.core.pricing._refuse_sums", lambda *_: None),
        ("S9", "exchange.core.observation._compare", lambda *_: []),
        ("S10", "exchange.core.keyroom.limited_key", lambda *_: None),
    ],
)
def test_another_rule_of_this_venue_is_found_in_each(monkeypatch, capsys, scenario, rule, other):
    monkeypatch.setattr(rule, other)
    code, told = played(capsys, scenario)
    assert code == 1
    kinds = {found["kind"] for found in told["scenarios"][0]["findings"]}
    assert kinds & {"figure_differs", "play_stopped"}


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ("finding:", "findings:", "findings"),
        ("strike: 9", "strikes: 9", "strikes"),
        ("unit: count", "unit: people", "people"),
        ("id: S1", "id: S99", "S99"),
        ("name: stops_fired", "name: index_low", "there twice"),
        ("id: S1", "id: [", "is not a scenario"),
    ],
)
def test_a_file_that_cannot_be_played_says_why(tmp_path, capsys, was, now, told):
    code, document = played(capsys, planted(tmp_path, was, now))
    assert code == 2
    assert told in document["error"]


def test_a_name_that_is_none_and_a_folder_that_is_full(tmp_path, capsys):
    code, document = played(capsys, "S0")
    assert (code, "S1 deribit" in document["error"]) == (2, True)
    full = tmp_path / "deribit-2019-10-31-index-outlier"
    full.mkdir()
    (full / "something").touch()
    code, document = played(capsys, "S1", "--keep", tmp_path)
    assert (code, "is not empty" in document["error"]) == (2, True)


def test_people_read_the_list_and_the_verdict(capsys):
    assert main(["scenario"]) == 0
    assert capsys.readouterr().out.count("\n") == len(SHIPPED)
    assert main(["scenario", "s1"]) == 0
    assert "verdict     every figure is as written" in capsys.readouterr().out
