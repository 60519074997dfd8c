"""``explain`` tells how an order, a fill or a refusal came about; its figures are the machine's, its cures are proved."""

import json

import msgspec
import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import margin_views
from exchange.core.machine import apply
from replay.__main__ import main
from replay.trail import entries as decoded
from replay.trail import takers


def explain(capsys, path, what, number):
    assert main(["explain", str(path), what, str(number), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    seqs = [link["seq"] for link in told["links"]]
    assert seqs == sorted(seqs)
    assert all(because <= link["seq"] for link in told["links"] for because in link["because"])
    assert main(["explain", str(path), what, str(number)]) == 0
    assert told["answer"] in capsys.readouterr().out
    return told


def roles(told):
    return {link["role"]: link for link in told["links"]}


@pytest.fixture(scope="module")
def story(sample):
    """All records of the sample, decoded."""
    return list(decoded(sample.path))


def kind_of(entry, event):
    """Fills that come about differently are explained differently."""
    return type(entry.command).__name__, bool(event.taker_order), bool(event.group), bool(event.leg)


def fills_of_each_kind(story):
    found = {}
    for entry in story:
        for event, taker in takers(entry):
            found.setdefault(kind_of(entry, event), (entry, event, taker))
    return found


def test_a_fill_names_both_orders_its_costs_its_margins_and_its_batch(sample, story, capsys):
    kinds = fills_of_each_kind(story)
    assert len(kinds) > 3
    for entry, event, taker in kinds.values():
        told = roles(explain(capsys, sample.path, "fill", event.trade_id))
        facts, after = told["fill"]["facts"], sample.state_at(entry.seq)
        trade = after.trades[event.trade_id]
        assert told["fill"]["seq"] == entry.seq
        assert (facts["maker_order"], facts["taker_order"]) == (event.maker_order, taker)
        assert (facts["taker_account"], facts["maker_account"]) == (trade.taker_account, trade.maker_account)
        assert facts["taker_buys"] == trade.taker_is_buy
        assert (facts["taker_fee"], facts["maker_fee"]) == (trade.taker_fee, trade.maker_fee)
        assert told["entered"]["seq"] <= entry.seq
        margin = told["margin"]["facts"]
        account = after.accounts[margin["account"]]
        assert margin["after"]["equity"] == margin_views.figures(after, account).equity
        before = sample.state_at(entry.seq - 1)
        figures = margin_views.figures(before, before.accounts[margin["account"]])
        assert margin["before"]["initial"] == figures.initial
        sealed = next(each for each in story if any(_seals(ev, event.trade_id) for ev in each.events))
        assert told["sealed"]["seq"] == sealed.seq


def _seals(event, trade_id):
    return isinstance(event, e.BatchSealed) and event.first_trade <= trade_id <= event.last_trade


def test_settlement_is_told_with_the_transaction_that_settled_it(sample, story, capsys):
    said = next(each for each in story if isinstance(each.command, c.ObserveBatch))
    batch = next(
        ev
        for each in story
        for ev in each.events
        if isinstance(ev, e.BatchSealed) and ev.batch_id == said.command.batch_id
    )
    told = roles(explain(capsys, sample.path, "fill", batch.first_trade))["settled"]
    assert told["seq"] == said.seq
    assert told["facts"] == {
        "batch": batch.batch_id,
        "block": said.command.block,
        "tx_hash": said.command.tx_hash.hex(),
        "gas": said.command.gas,
    }


def test_who_stood_before_a_maker_is_told_with_what_became_of_them(sample, story, capsys):
    """The last of several fills of one order: those before it are named, and each was filled or taken off."""
    entry, fills = next(
        (each, found) for each in story if len(found := list(takers(each))) > 1 and type(each.command) is c.Place
    )
    _, told = (
        roles(explain(capsys, sample.path, "fill", event.trade_id))["why"]["sentence"]
        for event, _ in (fills[0], fills[-1])
    )
    first = roles(explain(capsys, sample.path, "fill", fills[0][0].trade_id))["why"]["sentence"]
    assert f"order {fills[0][0].maker_order} filled" in told
    assert "went first in this record" in told
    assert "went first" not in first or "taken off" in first
    assert entry.seq


def test_a_block_is_told_as_agreed(sample, story, capsys):
    event = next(ev for each in story for ev in each.events if isinstance(ev, e.BlockTraded))
    told = roles(explain(capsys, sample.path, "fill", event.trade_id))
    assert "agreed on it away from the book" in told["why"]["sentence"]


def test_an_order_is_followed_to_its_end(sample, story, capsys):
    """Every event that names it is a link, in order, and the last one is the answer."""
    reasons = {}
    for entry in story:
        for event in entry.events:
            if isinstance(event, e.Cancelled):
                reasons.setdefault(event.reason, (event.order_id, entry.seq))
    assert len(reasons) > 6
    for order_id, seq in reasons.values():
        told = explain(capsys, sample.path, "order", order_id)
        gone = roles(told)["cancelled"]
        assert gone["seq"] == seq
        assert gone["sentence"] in told["answer"]
        named = [each.seq for each in story if any(getattr(ev, "order_id", None) == order_id for ev in each.events)]
        assert set(named) <= {link["seq"] for link in told["links"]}


def refusals(story):
    found = {}
    for entry in story:
        for event in entry.events:
            if isinstance(event, e.Rejected):
                found.setdefault(event.reason, (entry, event))
    return found


def changed(command, cure):
    """The command with what the cure changes of it."""
    if cure["change"] == "deposit":
        return command
    value = bool(cure["value"]) if cure["change"] == "reduce_only" else cure["value"]
    return msgspec.structs.replace(command, auth=msgspec.structs.replace(command.auth, **{cure["change"]: value}))


def test_every_refusal_names_rule_value_and_limit_and_its_cures_cure(sample, story, capsys):
    found, cured = refusals(story), 0
    assert len(found) > 12
    for entry, event in found.values():
        told = explain(capsys, sample.path, "reject", entry.seq)
        facts = roles(told)["refused"]["facts"]
        assert facts == {"rule": event.reason.value, "value": event.value, "limit": event.limit}
        assert "cure" in roles(told)
        for cure in told["cures"]:
            state = sample.state_at(entry.seq - 1)
            if cure["change"] == "deposit":
                state.accounts[entry.command.auth.account].cash += cure["value"]
            events = apply(state, entry.seq, entry.time_ns, changed(entry.command, cure))
            refused = [ev for ev in events if isinstance(ev, e.Rejected)]
            assert cure["proved"] == (not refused)
            assert cure["then"] == (refused[0].reason.value if refused else "")
            cured += cure["proved"]
    assert cured >= 5


def test_the_smallest_deposit_is_the_smallest(sample, story, capsys):
    entry, _ = refusals(story)[e.Reject.ACCOUNT_MUST_HAVE_MARGIN]
    told = explain(capsys, sample.path, "reject", entry.seq)
    deposit = next(cure for cure in told["cures"] if cure["change"] == "deposit")
    state = sample.state_at(entry.seq - 1)
    state.accounts[entry.command.auth.account].cash += deposit["value"] - 1
    (event, *_) = apply(state, entry.seq, entry.time_ns, entry.command)
    assert event.reason is e.Reject.ACCOUNT_MUST_HAVE_MARGIN
    smaller = [cure for cure in told["cures"] if cure["change"] == "qty"]
    for cure in smaller:
        state = sample.state_at(entry.seq - 1)
        lot = state.underlyings[state.series[entry.command.auth.series].underlying].lot
        (event, *_) = apply(
            state, entry.seq, entry.time_ns, changed(entry.command, cure | {"value": cure["value"] + lot})
        )
        assert isinstance(event, e.Rejected)


@pytest.mark.parametrize(("what", "number"), [("order", 10**6), ("fill", 10**6), ("reject", 1), ("liquidation", 1)])
def test_what_is_not_there_is_not_explained(sample, capsys, what, number):
    assert main(["explain", str(sample.path), what, str(number), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]


def test_every_reason_to_cancel_has_words():
    from replay.words import CANCELS

    assert list(CANCELS) == list(e.CancelReason)


def test_every_command_of_the_sample_decodes_as_it_was_written(story, sample):
    assert [codec.encode_command(each.command) for each in story] == [record.command for record in sample.records]
