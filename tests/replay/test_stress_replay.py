"""``stress`` from the journal alone: the same table as the live state gives, for people and programs."""

import json

import msgspec
import pytest
from core_venue import USDC, series_named, standard_venue

from replay import stress
from replay.__main__ import main
from replay.findings import CannotRun


def test_the_table_is_that_of_the_live_state(sample, capsys):
    seq = len(sample.records) * 2 // 3
    arguments = ["stress", str(sample.path), str(seq), "--insurance", "1000", "--provider", "4:5", "--provider", "2:3"]
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    live = stress.table(sample.state_at(seq), stress.backing_of(1_000, ["4:5", "2:3"]))
    assert told == json.loads(msgspec.json.encode(live))
    assert len(told) == len(stress.GRID)
    assert main(arguments) == 0
    assert capsys.readouterr().out == "\n".join(stress.lines(live)) + "\n"
    assert all(line["settled"] for line in told)


def test_the_table_tells_who_fails_and_who_pays():
    venue = standard_venue()
    for account, cash in ((1, 12_000), (3, 40_000), (5, 900_000)):
        venue.fund(account, cash)
    venue.place(1, series_named("62000C"), False, 10_000, 900 * USDC)
    venue.place(3, series_named("62000C"), True, 10_000, 900 * USDC)
    found = stress.table(venue.state, stress.backing_of(1_000, ["5:5"]))
    by_spot = {line.spot: line for line in found if line.told == 100 and not line.vol}
    assert [line.spot for line in by_spot.values() if line.failures] == [20, 40]
    (failure,) = by_spot[20].failures
    assert (failure.account, failure.wave, failure.closed_with) == (1, 1, [])
    assert failure.haircuts > 0
    assert by_spot[40].insurance_paid == 1_000 * USDC
    assert by_spot[40].socialised > 0
    late = [line for line in found if line.told == 50 and line.spot in (20, 40)]
    assert [[failure.wave for failure in line.failures] for line in late] == [[2], [1, 2]]
    assert stress.lines(found)[-3].split()[:5] == ["40%", "0%", "0%", "100%", "1"]


def test_what_has_no_price_cannot_be_stressed(sample):
    with pytest.raises(CannotRun, match="oracle round"):
        stress.table(sample.state_at(1), stress.backing_of(0, []))


@pytest.mark.parametrize("text", ["4", "4:", "four:5", "4:-1"])
def test_a_provider_is_an_account_and_a_percentage(text, sample, capsys):
    assert main(["stress", str(sample.path), "1", "--provider", text]) == 2
    assert text in capsys.readouterr().err
