"""``at`` a block of the chain; what bounds an account there."""

import json

import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.images import digest
from replay import at
from replay.__main__ import main
from replay.engine import END, Moment
from replay.findings import CannotRun


def blocks_of(sample):
    """Every block that was seen: its number and the record that says so."""
    found = {}
    for record in sample.records:
        command = codec.decode_command(record.command)
        if isinstance(command, c.ObserveBlock):
            assert not isinstance(codec.decode_events(record.events)[0], Rejected)
            found[command.number] = record.seq
    return found


def shown(capsys, *arguments):
    assert main(["at", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_at_a_block_is_after_the_record_that_saw_it(sample, capsys):
    blocks = blocks_of(sample)
    assert len(blocks) > 20
    for number in sorted(blocks)[::15]:
        seen = shown(capsys, sample.path, f"block:{number}")
        assert (seen["seq"], seen["block"]) == (blocks[number], number)
        assert seen["digest"] == digest(sample.state_at(blocks[number])).hex()


def test_a_block_that_was_passed_over_is_told_as_the_one_before(golden, make_sample, capsys):
    venue = golden.Venue(signed=False, digest_every=1000)
    story = golden.Story(seed=1, steps=0, signed=False, digest_every=1000)
    story.open()
    venue = story.venue
    for number in (7, 12):
        venue.must(c.ObserveBlock(number, venue.time_ns // 10**9, bytes([number]) * 32))
        venue.must(c.Tick())
    venue.do(c.ObserveBlock(9, venue.time_ns // 10**9, bytes(32)))  # refused: blocks advance
    path = make_sample(venue.records).path
    assert shown(capsys, path, "block:10")["block"] == 7
    assert shown(capsys, path, "block:10")["seq"] == shown(capsys, path, "block:7")["seq"]
    assert shown(capsys, path, "block:12")["block"] == 12
    for text in ("block:6", "block:13"):
        assert main(["at", str(path), text, "--json"]) == 2
        assert "does not reach block" in json.loads(capsys.readouterr().out)["error"]


@pytest.mark.parametrize("text", ["block:", "block:-1", "block:one"])
def test_what_is_no_block_number_is_refused(sample, text):
    with pytest.raises(CannotRun):
        at.moment_of(sample.path, text)


def test_the_end_is_a_moment(sample, capsys):
    assert at.moment_of(sample.path, "end") == END
    assert at.moment_of(sample.path, "12") == Moment(seq=12)
    assert shown(capsys, sample.path, "end")["seq"] == len(sample.records)


def test_limits_are_those_of_the_account(sample, capsys):
    state = sample.state_at(len(sample.records) // 2)
    number = next(key for key, account in state.accounts.items() if account.groups)
    account = state.accounts[number]
    told = shown(capsys, sample.path, state.seq, "--account", number)["accounts"][0]["limits"]
    assert [each["name"] for each in told["groups"]] == sorted(account.groups)
    bounds = account.groups["front"].protection
    assert (told["groups"][1]["qty"], told["groups"][1]["count"]) == (bounds.qty, bounds.count)
    assert told["kills"] == []
    keyed = shown(capsys, sample.path, state.seq, "--account", 4)["accounts"][0]["limits"]
    live = state.accounts[4].keys
    assert live
    assert [each["key"] for each in keyed["keys"]] == [key.hex() for key in sorted(live)]
    assert all("trade" in each["scopes"] for each in keyed["keys"])
    assert main(["at", str(sample.path), str(state.seq), "--account", str(number)]) == 0
    text = capsys.readouterr().out
    assert "Protection" in text
    assert "front" in text


def test_kills_and_timers_are_limits(golden, make_sample, capsys):
    story = golden.Story(seed=1, steps=0, signed=False, digest_every=1000)
    story.open()
    venue = story.venue
    owner = story.wallets[0].address
    venue.must(c.SetTimer(2, 60_000))
    venue.must(c.PullKill(c.KILL_ACCOUNT, 1, b"", owner, "a key leaked"))
    path = make_sample(venue.records).path
    told = shown(capsys, path, "end", "--account", 1)["accounts"][0]["limits"]
    assert [(each["reaches"], each["cause"]) for each in told["kills"]] == [("account", "a key leaked")]
    assert shown(capsys, path, "end", "--account", 2)["accounts"][0]["limits"]["timer_ns"] > venue.time_ns
    assert shown(capsys, path, "end", "--account", 3)["accounts"][0]["limits"]["kills"] == []
    assert main(["at", str(path), "end", "--account", "1"]) == 0
    assert "pulled by its owner: a key leaked" in capsys.readouterr().out
