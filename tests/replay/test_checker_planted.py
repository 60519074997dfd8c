"""Outcomes that break a rule, one by one, in journals that are sound by every hash: the checker names rule and record.

A story runs the real machine up to its last record, which is planted. Nothing before it may be found, and the first
thing that is found must be the rule that was broken.
"""

import planted_auctions
import planted_blocks
import planted_books
import planted_bounded
import planted_breakers
import planted_combos
import planted_makers
import planted_matching
import planted_rfqs
import planted_waiting
import pytest
from planting import ONE, OTHER, PLANTED, encoded

from exchange.core import events as e
from replay.__main__ import main
from replay.checker import Checker, check
from replay.checker.rules import Rule

assert {
    planted_auctions,
    planted_breakers,
    planted_blocks,
    planted_bounded,
    planted_books,
    planted_combos,
    planted_makers,
    planted_matching,
    planted_rfqs,
    planted_waiting,
}  # to import them is to plant


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_violation_is_found(name, make_sample, capsys):
    rule, plot, begin = PLANTED[name]
    story = begin()
    plot(story)
    sample = make_sample([encoded(record) for record in story.log])
    report = check(sample.path)
    first = report.violations[0]
    assert (first.rule, first.seq) == (rule, len(story.log)), report.violations
    assert main(["check", str(sample.path)]) == 1
    assert f"{rule}: {first.sentence}" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(PLANTED))
def test_without_what_is_planted_nothing_is_found(name):
    """The same story with its last record decided by the machine."""
    _, plot, begin = PLANTED[name]
    story = begin()
    plot(story)
    lie = story.log.pop()
    if story.venue.state.seq < lie.seq:
        story.venue.do(lie.command)
        lie = story.log.pop()
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    assert checker.finish().violations == []


def test_a_fill_beyond_the_budget_is_found_after_the_bound_that_did_not_trip():
    """It takes two records: one in which the quotes should have left, and one in which another of them is filled."""
    story = planted_makers.mandated()
    *_, other, _ = planted_makers.quoting(story, budget_qty=ONE)
    story.change(story.order("buy", 900), lambda events: events[:2])
    story.plant(story.order("buy", 900, series=OTHER), e.Accepted(story.seq), story.fill(other, 900))
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    found = [(each.rule, each.seq) for each in checker.ledger.violations]
    assert found == [
        (Rule.PROTECTION_MUST_TRIP, len(story.log) - 1),
        (Rule.BUDGET_MUST_BOUND_FILLS, len(story.log)),
        (Rule.PROTECTION_MUST_TRIP, len(story.log)),
    ]


def test_every_rule_is_broken_once():
    """What adds up at the end, and kinds unknown, cannot be planted in one honest record; takers have their own file, and a
    budget is passed in two."""
    assert set(Rule) - {rule for rule, _, _ in PLANTED.values()} == {
        Rule.BUDGET_MUST_BOUND_FILLS,
        Rule.KIND_MUST_BE_KNOWN,
        Rule.QUANTITIES_MUST_ADD_UP,
        Rule.TAKER_MUST_HAVE_WAITED,
        Rule.TAKERS_MUST_KEEP_THEIR_ORDER,
    }
    assert len(PLANTED) > 110
