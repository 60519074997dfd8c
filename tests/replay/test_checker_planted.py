"""Outcomes that break a rule, one by one, in journals that are sound by every hash: the checker names rule and record.

A story runs the real machine up to its last record, which is planted. Nothing before it may be found, and the first
thing that is found must be the rule that was broken.
"""

import planted_auctions
import planted_books
import planted_matching
import pytest
from planting import PLANTED, Story, encoded

from replay.__main__ import main
from replay.checker import Checker, check
from replay.checker.rules import Rule

assert {planted_auctions, planted_books, planted_matching}  # to import them is to plant


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_violation_is_found(name, make_sample, capsys):
    rule, plot = PLANTED[name]
    story = Story()
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
    _, plot = PLANTED[name]
    story = Story()
    plot(story)
    lie = story.log.pop()
    if story.venue.state.seq < lie.seq:
        story.venue.do(lie.command)
        lie = story.log.pop()
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    assert checker.finish().violations == []


def test_every_rule_is_broken_once():
    """What adds up at the end, and kinds unknown, cannot be planted in one honest record; takers have their own file."""
    assert set(Rule) - {rule for rule, _ in PLANTED.values()} == {
        Rule.KIND_MUST_BE_KNOWN,
        Rule.QUANTITIES_MUST_ADD_UP,
        Rule.TAKER_MUST_HAVE_WAITED,
        Rule.TAKERS_MUST_KEEP_THEIR_ORDER,
    }
    assert len(PLANTED) > 90
