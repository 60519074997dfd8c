"""Validation of a folder: clean days pass, and whatever is planted is found, named and shown."""

import json
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from planted_exports import PERSONS_KEY, PLANTS, copy_of

from exchange.core import commands as c
from replay.__main__ import main
from replay.export.checks.findings import MEANINGS, Code
from replay.export.checks.formats import fits, is_isin, is_lei
from replay.export.checks.validate import validate
from replay.export.package import Persons, export
from replay.findings import CannotRun
from replay.identities import Facts, Store, make_store

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "venue.journal"
DAY = date(2026, 8, 16)


@pytest.fixture(scope="module")
def day(golden, make_sample, tmp_path_factory):
    """A small day, and its journal."""
    sample = make_sample(golden.Story(seed=11, steps=120, signed=False, digest_every=50).tell())
    out = tmp_path_factory.mktemp("export") / "day"
    folder = out.with_name("store")
    make_store(folder)
    store = Store(folder, b"s" * 32)
    store.add(Facts(name="Ada Lovelace"), 1, c.CLIENT)  # nobody of this journal: its commitments are of others
    export(sample.path, DAY, out, key=b"k" * 32, persons=Persons(store, PERSONS_KEY))
    return out, sample.path


def test_the_golden_day_is_clean_in_every_form(tmp_path):
    export(GOLDEN, DAY, tmp_path / "day", formats=("ndjson", "csv", "parquet"), key=b"k" * 32)
    report = validate(tmp_path / "day", GOLDEN)
    assert (report.by_code, report.findings) == ({}, [])
    assert report.ok
    assert report.journal
    assert report.signer == "0x9494488e0f29C3D705439EEA285530aaabf01e69"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_one_form_is_enough(day, tmp_path, form):
    export(day[1], DAY, tmp_path / "day", formats=(form,))
    report = validate(tmp_path / "day", day[1])
    assert (report.by_code, report.signer) == ({}, "")
    assert report.rows > 1_000


def test_the_small_day_is_clean(day):
    assert validate(*day, persons_key=PERSONS_KEY).by_code == {}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_what_is_planted_is_found(day, tmp_path, plant):
    folder = copy_of(day[0], tmp_path / "day")
    plant.plot(folder)
    if plant.reseal:
        folder.reseal()
    report = validate(folder.path, day[1] if plant.journal else None, persons_key=PERSONS_KEY)
    assert plant.code in report.by_code, report.by_code
    found = [finding for finding in report.findings if finding.code == plant.code]
    assert all(MEANINGS[plant.code] in finding.sentence for finding in found)
    about_rows = [finding for finding in found if finding.jseq]
    assert all(finding.row["jseq"] == finding.jseq for finding in about_rows)
    assert about_rows or plant.code[0] in "FTRVP" or found[0].file.startswith(("02_orders_auth113", "06_cat"))


def test_sixty_plants_of_every_kind():
    kinds = Counter(plant.code for plant in PLANTS)
    assert set(kinds) == set(Code) == set(MEANINGS)
    assert len(kinds) >= 30
    assert len({plant.name for plant in PLANTS}) == len(PLANTS) >= 60


def test_every_code_is_in_the_documentation():
    text = (ROOT / "docs" / "EXPORTS.md").read_text()
    for code, meaning in MEANINGS.items():
        assert f"| `{code}` | {meaning} |" in text


def test_rows_that_only_the_journal_gives_away(day, tmp_path):
    """A trade left out everywhere, with all that hangs on it: nothing in the folder shows it, the journal does."""
    folder = copy_of(day[0], tmp_path / "day")
    for table in ("08_oracle", "11_admin_actions", "09_margin_liquidation"):
        folder.write(table, folder.rows(table)[:-1])
    (folder.path / "00_manifest.sig").unlink()
    folder.reseal()
    assert validate(folder.path).by_code == {}
    assert validate(folder.path, day[1]).by_code == {Code.ROW_MISSING: 3}


def test_the_day_of_another_journal(day, golden, make_sample):
    other = make_sample(golden.Story(seed=12, steps=120, signed=False, digest_every=50).tell())
    report = validate(day[0], other.path)
    assert {Code.ROW_DIFFERS, Code.MANIFEST_DIFFERS} <= report.by_code.keys()
    assert len(report.findings) + report.findings_omitted == sum(report.by_code.values())


# -- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_", "good", "bad"),
    [
        ("{DECIMAL-18/13}", ["0", "-1.5", "12345.1234567890123", "0.0000000000001"], ["", "1.", ".5", "1e3", "+1", "01", "1.50", "123456.1234567890123", "0.00000000000001"]),
        ("{ALPHANUM-4}", ["a", "ABCD"], ["", "ABCDE", "a\n"]),
        ("{DATE_TIME_FORMAT}", ["2026-08-16T20:00:00.123456Z", "2026-08-16T20:00:00.123456789Z"], ["2026-08-16T20:00:00Z", "2026-08-16T25:00:00.123456Z", "2026-08-16 20:00:00.123456Z"]),
        ("{DATEFORMAT}", ["2026-08-16"], ["2026-8-16", "2026-13-01", "20260816"]),
        ("DEAL | MTCH | AOTC", ["DEAL", "AOTC"], ["deal", "DEALS", ""]),
        ("{LEI} | AGGR", ["AGGR", "5493001KJTIIGC8Y1R12"], ["5493001KJTIIGC8Y1R21", "AGG"]),
        ("{INTEGER-50} positive ascending", ["7"], ["7.0", "x"]),
        ("up to 20 numeric positive digits", ["7"], ["-7", "7" * 21]),
        ("true|false", ["true"], ["True", "1"]),
    ],
)  # fmt: skip
def test_formats_of_the_annexes(format_, good, bad):
    assert [value for value in good if not fits(format_, value)] == []
    assert [value for value in bad if fits(format_, value)] == []


def test_check_digits():
    assert is_lei("5493001KJTIIGC8Y1R12")
    assert not is_lei("5493001KJTIIGC8Y1R13")
    assert is_isin("US0378331005")
    assert is_isin("GB0002634946")
    assert not is_isin("US0378331006")


# -- the command line -------------------------------------------------------------------------------------------------


def test_the_command_gives_its_verdict_and_the_rows(day, tmp_path, capsys):
    folder, journal = day
    assert main(["export", "validate", str(folder), "--journal", str(journal)]) == 0
    assert "the folder is sound" in capsys.readouterr().out
    broken = copy_of(folder, tmp_path / "broken")
    broken.change("05_trades", lambda _: True, premium="77")
    assert main(["export", "validate", str(broken.path)]) == 1
    text = capsys.readouterr().out
    assert "X313" in text
    assert '"premium":"77"' in text
    assert main(["export", "validate", str(broken.path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {finding["code"] for finding in told["findings"]} == set(told["by_code"])


def test_no_verdict_without_a_folder_or_a_manifest(tmp_path, capsys):
    for path in (tmp_path / "none", tmp_path):
        assert main(["export", "validate", str(path)]) == 2
        with pytest.raises(CannotRun):
            validate(path)
    assert "manifest" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["validate"], ["a.journal"], ["a.journal", "--day", "2026-08-16"], ["a", "b"]]
)
def test_half_a_command_is_no_command(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["export", *arguments])
    assert stop.value.code == 2
    capsys.readouterr()
