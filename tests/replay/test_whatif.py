"""``whatif``: what differs is what the machine does of the changed commands, and references survive what is put in."""

import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.machine import apply
from exchange.core.state import State
from replay import changes
from replay.__main__ import main

ROOT = Path(__file__).parents[2]


def whatif(capsys, path, *arguments):
    code = main(["whatif", str(path), *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def by_hand(sample, remade):
    """The state that a journal ends in with commands changed one by one, batches settled in their turn."""
    state = State()
    for record in sample.records:
        command = remade(record.seq, codec.decode_command(record.command))
        if isinstance(command, c.ObserveBatch) and state.batches:
            command = msgspec.structs.replace(command, batch_id=next(iter(state.batches)))
        apply(state, record.seq, record.time_ns, command)
    return state


def agrees(told, sample, state):
    """Cash of every account is that of the state, whether or not it is told as changed."""
    live = sample.state_at(len(sample.records))
    cash = {money["account"]: money["cash"] for money in told["money"]}
    for key, account in state.accounts.items():
        assert cash.get(key, live.accounts[key].cash) == account.cash
    return cash


def test_without_a_change_everything_comes_out_as_it_was(sample, capsys):
    code, told = whatif(capsys, sample.path, "--code", str(ROOT))
    assert (code, told["same"], told["counts"], told["money"]) == (0, True, {}, [])
    assert told["records"] == len(sample.records)
    assert len(told["assumed"]) == 5


def test_without_fees_everybody_has_what_the_machine_gives_them(sample, capsys):
    def free(_, command):
        if not isinstance(command, c.Configure):
            return command
        return msgspec.structs.replace(command, fees=msgspec.structs.replace(command.fees, taker_rate=0))

    code, told = whatif(capsys, sample.path, "--set", "fees.taker_rate=0")
    assert (code, told["stopped"]) == (1, "")
    cash = agrees(told, sample, by_hand(sample, free))
    assert cash
    assert abs(sum(each["equity"] - each["equity_was"] for each in told["money"])) <= len(cash)
    fees = [each for outcome in told["outcomes"] for each in outcome["differences"] if "taker_fee" in each["path"]]
    assert fees[0]["b"] == 0 < fees[0]["a"]
    assert main(["whatif", str(sample.path), "--set", "fees.taker_rate=0"]) == 1
    text = capsys.readouterr().out
    assert "not decided again" in text
    assert "it comes out otherwise" in text


def first_fill(sample):
    for record in sample.records:
        events = codec.decode_events(record.events)
        if type(codec.decode_command(record.command)) is c.Place and any(type(ev) is e.Traded for ev in events):
            return record.seq
    raise AssertionError("no fill")


def test_a_command_left_out_does_nothing(sample, capsys):
    seq = first_fill(sample)
    code, told = whatif(capsys, sample.path, "--drop", str(seq))
    assert code == 1
    agrees(told, sample, by_hand(sample, lambda at, command: changes.NOTHING if at == seq else command))
    first = told["outcomes"][0]
    assert (first["seq"], first["change"], first["command"]) == (seq, "now_refused", "Cancel")


def test_a_command_changed_comes_out_as_the_machine_decides(sample, capsys):
    seq = first_fill(sample)

    def halved(at, command):
        if at != seq:
            return command
        return msgspec.structs.replace(command, auth=msgspec.structs.replace(command.auth, max_fee=0))

    code, told = whatif(capsys, sample.path, "--change", f"{seq}:auth.max_fee=0")
    assert code == 1
    agrees(told, sample, by_hand(sample, halved))
    assert (told["outcomes"][0]["seq"], told["outcomes"][0]["change"]) == (seq, "now_refused")


@pytest.mark.parametrize("part", [10, 3, 2])
def test_what_does_nothing_may_be_put_in_anywhere(sample, capsys, part):
    """All that comes after is renumbered: cancels, edits, requests and connections still mean what they meant."""
    refused = next(
        record.seq
        for record in sample.records
        if type(codec.decode_command(record.command)) is c.Cancel
        and type(codec.decode_events(record.events)[0]) is e.Rejected
    )
    after = max(len(sample.records) // part, refused)
    code, told = whatif(capsys, sample.path, "--add", f"{after}:{refused}", "--add", f"{after + 30}:{refused}")
    assert (code, told["counts"], told["money"]) == (1, {"put_in_refused": 2}, [])
    assert [outcome["here"] for outcome in told["outcomes"]] == [after + 1, after + 32]


def test_an_order_put_in_trades(sample, capsys):
    seq = first_fill(sample)
    code, told = whatif(capsys, sample.path, "--add", f"{seq}:{seq},auth.nonce=99999,auth.tif=1")
    assert code == 1
    put_in = told["outcomes"][0]
    assert (put_in["seq"], put_in["here"], put_in["change"]) == (0, seq + 1, "put_in")


def test_every_reference_to_an_earlier_record_is_renumbered():
    """Fields whose names say that they name an order, a connection or a request, in any command."""
    references = {"order_id", "session", "rfq", "quote", "corrects"}
    for kind in get_args(c.AnyCommand):
        named = {field.name for field in msgspec.structs.fields(kind) if field.name in references}
        assert named == set(changes.NAMES.get(kind, {})), kind


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--set", "fees.taker_rate=much"),
        ("--set", "fees"),
        ("--set", "fees=3"),
        ("--set", "charges.taker_rate=3"),
        ("--set", f"fees.taker_rate={2**70}"),
        ("--change", "auth.qty=3"),
        ("--change", "999999:auth.qty=3"),
        ("--drop", "999999"),
        ("--add", "10:20"),
        ("--add", "999999:5"),
        ("--code", "nowhere"),
    ],
    ids=str,
)
def test_what_cannot_be_changed_is_refused(sample, capsys, arguments):
    code, told = whatif(capsys, sample.path, *arguments)
    assert code == 2
    assert told["error"]
