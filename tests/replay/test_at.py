"""``at`` shows what the live venue would have shown."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.core import margin_views, risk
from exchange.core.images import digest
from exchange.core.margin import Kind
from replay import at
from replay.__main__ import main
from replay.engine import Moment
from replay.findings import CannotRun

examples = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@examples
@given(data=st.data())
def test_the_state_at_a_seq_is_the_live_state(sample, data):
    seq = data.draw(st.integers(0, len(sample.records)))
    live = sample.state_at(seq)
    replayed = at.state_at(sample.path, Moment(seq=seq))
    assert digest(replayed) == digest(live)
    assert at.view(replayed) == at.view(live)


@examples
@given(data=st.data())
def test_the_state_at_a_time_is_that_after_the_last_record_by_then(sample, data):
    seq = data.draw(st.integers(1, len(sample.records)))
    stamp = sample.records[seq - 1].time_ns
    early = data.draw(st.booleans())
    last = max((r.seq for r in sample.records if r.time_ns <= stamp - early), default=0)
    assert at.state_at(sample.path, Moment(time_ns=stamp - early)).seq == last


def test_the_view_of_an_account_holds_what_the_machine_knows_of_it(sample):
    state = sample.state_at(len(sample.records) // 2)
    seen = at.view(state, account=4)
    (account,) = seen.accounts
    live = state.accounts[4]
    assert (account.cash, account.held, account.exiting) == (live.cash, live.held, live.exiting)
    assert list(account.positions.values()) == [live.positions[key] for key in sorted(live.positions)]
    assert account.initial_margin == risk.requirement_of(state, state.view, live.positions, Kind.INITIAL)
    assert account.maintenance_margin == risk.requirement_of(state, state.view, live.positions, Kind.MAINTENANCE)
    assert {order.account for order in seen.orders} <= {4}
    assert all(4 in {trade.taker_account, trade.maker_account} for trade in seen.unsettled)
    assert seen.mirror.cash.keys() == {4}


def test_the_view_of_a_series_holds_its_book_and_nothing_of_others(sample):
    state = sample.state_at(len(sample.records) // 2)
    series = next(key for key, book in state.books.items() if book.bids.keys and book.asks.keys)
    seen = at.view(state, series=str(series), depth=2)
    (book,) = seen.books
    assert book.bids == state.books[series].bids.depth(2)
    assert book.asks == state.books[series].asks.depth(2)
    assert book.mark == state.view.marks[series]
    assert {order.series for order in seen.orders} == {series}
    assert at.view(state, series=book.name, depth=2) == seen


def test_before_the_first_round_there_is_no_requirement(sample):
    seen = at.view(sample.state_at(1))
    assert [account.initial_margin for account in seen.accounts] == [None]
    assert seen.round_id is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", Moment(seq=0)),
        ("1234", Moment(seq=1234)),
        ("1786910400000000001", Moment(time_ns=1786910400000000001)),
        ("2026-08-16T20:00:00Z", Moment(time_ns=1786910400 * 10**9)),
        ("2026-08-16T20:00", Moment(time_ns=1786910400 * 10**9)),
        ("2026-08-16T22:00:00.000001+02:00", Moment(time_ns=1786910400 * 10**9 + 1000)),
    ],
)
def test_a_moment_is_a_seq_a_time_in_nanoseconds_or_an_iso_time(text, moment):
    assert at.parse_moment(text) == moment


@pytest.mark.parametrize("text", ["-1", "yesterday", "1e9", "", "2026-13-01"])
def test_anything_else_is_no_moment(text):
    with pytest.raises(CannotRun):
        at.parse_moment(text)


def test_names_follow_the_wire_format(golden):
    venue = golden.Venue(signed=False, digest_every=1000)
    story = golden.Story(seed=1, steps=0, signed=False, digest_every=1000)
    story.open()
    venue = story.venue
    venue.must(golden.c.ListSeries(3, 6, 2_450_500_000, True))
    names = [at.name_of(venue.state, series) for series in venue.state.series.values()]
    assert names[0] == "BTC_USDC-16AUG26-61000-C"
    assert names[-2:] == ["ETH_USDC-18AUG26-2700-P", "ETH_USDC-18AUG26-2450d5-C"]
    assert len(set(names)) == len(names)


def test_times_are_written_to_the_nanosecond():
    assert at.iso(1786910400 * 10**9 + 5) == "2026-08-16T20:00:00.000000005Z"


# -- command line -----------------------------------------------------------------------------------------------------


def test_json_is_the_view(sample, capsys):
    seq = len(sample.records) // 3
    assert main(["at", str(sample.path), str(seq), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(msgspec.json.encode(at.view(sample.state_at(seq))))


def test_tables_are_for_people(sample, capsys):
    seq = len(sample.records) // 3
    assert main(["at", str(sample.path), str(seq), "--account", "4"]) == 0
    text = capsys.readouterr().out
    state = sample.state_at(seq)
    assert digest(state).hex() in text
    held = next(iter(state.accounts[4].positions))
    assert at.name_of(state, state.series[held]) in text
    assert "Open orders" in text


@pytest.mark.parametrize(
    "arguments", [("999999",), ("5", "--account", "77"), ("5", "--series", "BTC-1"), ("never",)], ids=lambda a: a[-1]
)
def test_what_is_not_there_cannot_be_shown(sample, capsys, arguments):
    assert main(["at", str(sample.path), *arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]


def test_a_damaged_journal_is_shown_up_to_the_damage_and_refused_behind_it(sample, tmp_path, edit, capsys):
    path, frame = sample.copy(tmp_path), sample.frames[10]
    edit(path, ("DELETE FROM frame WHERE frame_no = ?", (frame.frame_no,)))
    assert main(["at", str(path), str(frame.first_seq - 2), "--json"]) == 0
    capsys.readouterr()
    assert main(["at", str(path), str(frame.first_seq), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["kind"], finding["seq"]) == ("gap", frame.first_seq)


def test_the_margin_of_one_account_is_told_in_full(sample, capsys):
    """The same figures as from the live state, at a seq in the past; without the account they are left out."""
    seq = len(sample.records) // 2
    state = sample.state_at(seq)
    assert all(account.margin is None for account in at.view(state).accounts)
    number = next(key for key, account in state.accounts.items() if min(account.positions.values(), default=0) < 0)
    (account,) = at.view(state, account=number).accounts
    live, told = state.accounts[number], account.margin
    assert (told.initial_margin, told.maintenance_margin) == (account.initial_margin, account.maintenance_margin)
    assert told.equity == live.cash - live.held
    tables = margin_views.scenario_tables(state, live.positions)
    shown = [each.portfolio for each in told.underlyings if each.portfolio is not None]
    assert [each.initial_margin for each in shown] == [table.initial for table in tables.values()]
    assert shown
    assert all(each.scenarios[each.worst].loss > 0 for each in shown)
    assert sum(each.delta for each in told.greeks) == sum(
        sums.delta for sums in margin_views.greeks_by_expiry(state, live.positions).values()
    )
    assert main(["at", str(sample.path), str(seq), "--account", str(number)]) == 0
    text = capsys.readouterr().out
    assert "PORTFOLIO would need" in text
    assert "worst" in text
    assert main(["at", str(sample.path), str(seq), "--account", str(number), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accounts"][0]["margin"]["equity"] == told.equity


def test_what_is_short_of_margin_is_told_its_cures(sample):
    seq = len(sample.records) // 2
    state = sample.state_at(seq)
    number = next(key for key, account in state.accounts.items() if min(account.positions.values(), default=0) < 0)
    state.accounts[number].cash = 0
    (account,) = at.view(state, account=number).accounts
    assert account.margin.deposit == account.margin.initial_margin - account.margin.equity
    assert all(each.missing_below == each.missing_above for each in account.margin.underlyings)


def test_a_reference_that_was_wrong_and_its_correction_are_both_shown(capsys):
    """As it stood before the correction, and after it: both entries, with the record that the second corrects."""
    import json

    from replay.__main__ import main

    golden = str(Path(__file__).parents[1] / "golden" / "venue.journal")
    assert main(["at", golden, "end", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    entries = [tuple(entry) for entry in told["references"] if entry[2] == "isin"]
    (wrong, right) = entries
    assert (wrong[5], wrong[6], right[5], right[6]) == ("US0378331005", 0, "GB0002634946", wrong[3])
    assert main(["at", golden, str(right[3] - 1), "--json"]) == 0
    before = json.loads(capsys.readouterr().out)["references"]
    assert [tuple(entry) for entry in before if entry[2] == "isin"] == [wrong]
    assert main(["at", golden, "end"]) == 0
    text = capsys.readouterr().out
    assert "US0378331005" in text
    assert "GB0002634946" in text
    assert "clock: unknown (no time service)" in text
