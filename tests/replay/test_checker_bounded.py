"""Auctions in which bounds cut quotes: the checker finds each price and each turn by itself, and nothing to object to.

Random ones with many groups, budgets and protected orders; and the few that chance would not lead to.
"""

import random
from typing import Any

import pytest
from planted_auctions import call
from planted_bounded import amendment, bounded, mandated, offered, reducing
from planting import CALL, ONE, OTHER, USDC, Story

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import uncross
from exchange.core.units import NO_EXPIRY
from replay.checker import Checker, bounds, clearing
from replay.checker.rules import Taken

LOT = 100


def checked(story: Story) -> Checker:
    """The story so far, to a stranger."""
    checker = Checker()
    for record in story.log:
        checker.take(*record)
    assert checker.ledger.violations == []
    return checker


def finish(story: Story) -> list[Any]:
    """Tick until nothing moves any more; what happened."""
    told: list[Any] = []
    while len(events := story.venue.must(c.Tick())) > 1:
        told += events
    return told


def protect(story: Story, chance: random.Random, account: int, group: str) -> None:
    figures = {"qty": chance.choice((0, ONE, 3 * ONE)), "count": chance.choice((0, 1, 2, 3))}
    figures |= {"delta": chance.choice((0, 0, 5_000)), "vega": 0, "interval_ns": 10**10, "frozen_ns": 0}
    story.venue.must(c.SetProtection(account, group, c.Protection(**figures)))


def message(story: Story, chance: random.Random, account: int, group: str) -> None:
    is_buy = chance.randrange(3) == 0
    leaf = c.QuoteLeaf(CALL, is_buy, chance.randrange(1, 5) * ONE, price_of(chance, is_buy), chance.randrange(9_000), 5)
    figures = (chance.choice((0, 2 * ONE)), 0, 0, chance.choice((0, 1, 2)))
    nonce, signer = 10_000 + story.seq, account.to_bytes(20, "big")
    mandate = c.QuoteMandate(account, nonce, NO_EXPIRY, 10_000 * USDC, *figures, signer, b"s" * 65)
    story.venue.must(c.MassQuote(mandate, (leaf,), group))


def price_of(chance: random.Random, is_buy: bool) -> int:
    return (chance.randrange(895, 930) if is_buy else chance.randrange(870, 910)) * USDC


def order(story: Story, chance: random.Random, account: int) -> None:
    is_buy, qty = chance.randrange(3) > 0, chance.randrange(1, 5) * ONE
    story.venue.do(story.order("buy" if is_buy else "sell", price_of(chance, is_buy) // USDC, qty, account))


def sheltered(story: Story, chance: random.Random, account: int) -> None:
    terms = c.Terms(protection=chance.choice("ab"), delta=chance.randrange(-9_000, 9_000), slide=True)
    price = price_of(chance, False) // USDC
    story.venue.do(story.order("sell", price, ONE, account, post_only=True, slide=True, terms=terms))


@pytest.mark.counts(short=60, soak=3_000)
def test_every_auction_of_random_quotes_is_found_anew(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[Any] = []
    monkeypatch.setattr(clearing, "Trial", type("Trial", (clearing.Trial,), {"run": _noting(cut)}))
    for seed in range(count):
        chance, story = random.Random(seed), mandated()
        call(story)
        for account in (1, 2):
            for group in "ab":
                protect(story, chance, account, group)
        for _ in range(14):
            what = chance.choice((message, message, order, order, order, sheltered))
            if what is message:
                message(story, chance, chance.choice((1, 2)), chance.choice("ab"))
            else:
                what(story, chance, chance.choice((1, 2) if what is sheltered else (3, 4)))  # type: ignore[operator]
        story.venue.wait(30)
        finish(story)
        assert CALL not in story.venue.state.auctions
        checked(story)
    assert sum(cut) > count // 4, "bounds must cut in many of them"


def _noting(cut: list[Any]) -> Any:
    run = clearing.Trial.run

    def noted(self: clearing.Trial, bids: Any, asks: Any) -> dict[int, int]:
        off = run(self, bids, asks)
        cut.append(bool(off))
        return off

    return noted


def test_bounds_that_trip_one_another_are_followed() -> None:
    """Each price trips one group more, until the quotes of the last give way."""
    story = mandated()
    call(story)
    groups = bounds.PASSES_MAX + 4
    quotes = [
        offered(story, LOT * (groups - number), 500 + 5 * number, f"group {number}", count=1)
        for number in range(groups)
    ]
    for _ in quotes:
        story.rest(3, "buy", 950, LOT)
    story.venue.wait(30)
    reasons = [event.reason for event in finish(story) if type(event) is e.Cancelled]
    assert e.CancelReason.SWEEP_BOUND in reasons
    checked(story)


def test_who_cannot_pay_leaves_and_bounds_are_looked_for_anew() -> None:
    """A pass cuts a quote and finds somebody short of money: what was cut beside him is cut no more."""
    story = mandated()
    call(story)
    quote = offered(story, 3 * ONE, 890, count=1)
    story.rest(2, "buy", 920, 3 * ONE)
    bid = story.rest(3, "buy", 940)
    story.rest(4, "sell", 890, 3 * ONE)
    story.venue.observe(c.ObserveWithdrawalRequest, 3, story.venue.state.accounts[3].cash - 100 * USDC)
    story.venue.wait(30)
    told = finish(story)
    assert [event.reason for event in told if event == e.Cancelled(bid, e.CancelReason.MARGIN, ONE)]
    assert [event.qty for event in told if type(event) is e.Traded and event.maker_order == quote] == [3 * ONE]
    checked(story)


def test_a_bent_amendment_that_would_cross_may_be_refused() -> None:
    """It reduces, so its price is bent to the band; where the band ends behind whom it meets, post-only refuses it."""
    story = Story()
    number = reducing(story)
    assert story.venue.rejected(amendment(story, number, 5_000)) is e.Reject.POST_ONLY_MUST_NOT_CROSS
    assert checked(story).ledger.taken["band"] == 1  # type: ignore[index]


def test_a_reduce_only_iceberg_may_go_for_what_its_own_turn_before_would_fill() -> None:
    """Of two turns in one fill of a combo the first closes its account's position: the second has nothing to reduce."""
    story = Story(combos=True)
    low, up = sorted((CALL, OTHER))
    story.venue.list_combo((low, 1), (up, -2))
    story.rest(4, "buy", 550, LOT, series=up)
    story.venue.must(story.order("sell", 550, LOT, 1, series=up))
    terms = c.Terms(display=LOT)
    iceberg = story.rest(1, "buy", 560, 3 * LOT, series=up, reduce_only=True, terms=terms)
    story.rest(3, "sell", 1_200, LOT, series=low)
    events = story.venue.must(story.order("buy", 900, LOT, 4, series=1))
    assert e.Cancelled(iceberg, e.CancelReason.REDUCE_ONLY, 3 * LOT) in events
    checked(story)


def test_passes_are_those_of_the_machine() -> None:
    assert bounds.PASSES_MAX == uncross.PASSES_MAX


def test_what_is_told_of_bounds_is_counted_nowhere() -> None:
    """Nothing of an auction with quotes is taken as journaled."""
    story = mandated()
    bounded(story)
    finish(story)
    assert set(checked(story).ledger.taken) <= {Taken.ROUND}
