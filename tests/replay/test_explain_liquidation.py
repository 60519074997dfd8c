"""``explain liquidation``: the order, the tick, the mark, the margin and the provider, each with its record."""

import json

import pytest

from exchange.core import commands as c
from exchange.core import margin_views
from exchange.core.margin import Kind
from replay.__main__ import main

USDC, BTC, ETH = 10**6, 0, 1


@pytest.fixture(scope="module")
def liquidated(golden, make_sample):
    """Account 7 sells a call, the index rises, and somebody flags it; account 3 takes it over and the fund pays."""
    story = golden.Story(seed=1, steps=0, signed=False, digest_every=1000)
    story.open()
    venue = story.venue
    series = next(each.id for each in venue.state.series.values() if each.is_call and each.strike == 64_000 * USDC)
    venue.must(c.Place(venue.order(story.wallets[0], series, True, 100, 1_000 * USDC)))
    venue.must(c.Place(venue.order(story.poor, series, False, 100, 100 * USDC)))
    sold = venue.state.seq
    calm = venue.state.seq + 1
    venue.round(golden.T0 + 120, {BTC: 63_100 * USDC, ETH: 2_500 * USDC}, story.vol)
    venue.must(c.Place(venue.order(story.poor, series, True, 100, 10 * USDC)))
    venue.round(golden.T0 + 240, {BTC: 150_000 * USDC, ETH: 2_500 * USDC}, story.vol)
    tick = venue.state.seq
    venue.must(c.Tick())
    venue.observe(c.ObserveFlag, 7, golden.T0 + 4_000)
    flagged = venue.state.seq
    mark = venue.state.view.marks[series]
    venue.observe(c.ObserveTransfer, 7, 3, -200 * USDC, (c.MovedLeg(series, -100, mark),))
    venue.observe(c.ObserveCaseClosed, 7, 0, (c.CashChange(7, 50 * USDC), c.CashChange(2, -50 * USDC)))
    return make_sample(venue.records), series, sold, calm, tick, flagged, mark


def explained(capsys, path, seq):
    assert main(["explain", str(path), "liquidation", str(seq), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    return told, {link["role"]: link for link in told["links"]}


def test_a_liquidation_is_told_from_the_order_to_who_paid(liquidated, capsys):
    sample, series, sold, calm, tick, flagged, mark = liquidated
    told, roles = explained(capsys, sample.path, flagged)
    assert list(roles) == ["position", "margin", "flagged", "transfer", "closed"]
    assert (roles["position"]["facts"]["order"], roles["position"]["because"]) == (sold, [sold])
    before = sample.state_at(flagged - 1)
    figures = margin_views.figures(before, before.accounts[7])
    assert roles["margin"]["because"] == [tick]
    assert tick > calm
    facts = roles["margin"]["facts"]
    assert (facts["margin"]["equity"], facts["margin"]["maintenance"]) == (figures.equity, figures.maintenance)
    assert facts["marks"] == {str(series): mark}
    assert figures.equity < figures.maintenance
    cure = margin_views.smallest_cure(before, before.accounts[7], Kind.MAINTENANCE)
    assert f"{cure.deposit // USDC:,}" in roles["flagged"]["sentence"]
    assert "its 1 open order(s) leave" in roles["flagged"]["sentence"]
    assert roles["transfer"]["facts"] == {
        "provider": 3,
        "paid": -200 * USDC,
        "legs": [{"series": series, "qty": -100, "mark": mark}],
    }
    assert roles["closed"]["facts"]["changes"] == {"7": 50 * USDC, "2": -50 * USDC}
    assert "flagged account 7" in told["answer"]


def test_any_record_of_the_case_will_do(liquidated, capsys):
    sample, *_, flagged, _ = liquidated
    whole, _ = explained(capsys, sample.path, flagged)
    for seq in (flagged + 1, flagged + 2):
        told, _ = explained(capsys, sample.path, seq)
        assert told["links"] == whole["links"]
    assert main(["explain", str(sample.path), "liquidation", str(flagged)]) == 0
    assert "provider 3 took over" in capsys.readouterr().out


def test_what_is_no_liquidation_is_not_explained(liquidated, capsys):
    sample, _, sold, *_ = liquidated
    assert main(["explain", str(sample.path), "liquidation", str(sold), "--json"]) == 2
    assert "tells of no liquidation" in json.loads(capsys.readouterr().out)["error"]
