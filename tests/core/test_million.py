"""A million random commands of every kind of trading: the machine and naive books that know its rules, and one book alone.

Venues take turns: orders alone, with people who come and go, with makers who quote, with both; combos and requests for
quotes have naive markets of their own. On each push a share of it; the whole is part of the soak.
"""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import test_combo_twin as combos
import test_rfq_twin as rfqs
from core_requests import COMING_AND_GOING, MAKING, WEIGHTED, ask, attend, make
from core_twins import Twins
from naive_plain import PlainBook
from naive_quotes import Bounds, Group

from benchmarks.desk import Desk

PER_VENUE = 2_000  # commands before a new venue opens: its first expiry is eighteen hours away
SETTLED = 20  # commands between two landings of all that has traded
# Answers that one round of requests must have led to; a rule that is never asked is not tested.
ANSWERS = {
    "accepted",
    "amended kept",
    "amended moved",
    "traded",
    "rested",
    "refused order_must_not_be_expired",
    "refused order_must_be_open",
    "refused amend_qty_must_exceed_filled",
    "refused reduce_only_must_reduce",
    "refused post_only_must_not_cross",
    "refused fill_or_kill_must_fill",
    "cancelled by_owner",
    "cancelled immediate_remainder",
    "cancelled self_trade",
    "cancelled expired",
    "cancelled reduce_only",
    "refused trigger_must_lie_ahead",
    "parked",
    "triggered",
    "held",
    "cancelled linked",
    "cancelled post_only",
    "refused kill_switch_must_be_released",
    "refused session_must_be_open",
    "cancelled kill_switch",
    "cancelled disconnected",
    "cancelled dead_man",
    "quoted",
    "no post_only_must_not_cross",
    "no quote_must_be_alone_on_its_side",
    "refused quotes_must_not_be_frozen",
    "cancelled quote_replaced",
    "cancelled quote_protection",
    "cancelled quote_budget",
    "tripped a",
    "uncrossed",
    *combos.SEEN,
    "accepted in part",
    "refused for quotes",
}
# Commands of trading; those of listings, rounds, the chain, sealing, operators and off-book trades are no part of it.
KINDS = {
    *("Place", "Amend", "Cancel", "CancelAll", "Fire", "Tick", "SetPhase", "PostRound"),
    *("MassQuote", "SetProtection", "FreezeQuotes", "CancelQuotes"),
    *("OpenRfq", "CloseRfq", "QuoteRfq", "RequoteRfq", "CancelRfqQuotes", "AcceptRfq", "CreateCombo"),
    *("OpenSession", "EndSession", "EndAllSessions", "SwitchSession", "SwitchAccount", "SetTimer"),
    *("PullKill", "ReleaseKill"),
}


def books(seed: int, count: int, *, coming: bool = False, making: bool = False) -> Any:
    """Orders for one series; half of the requests may be of those who come and go, or of makers."""
    chance, twins = random.Random(seed), Twins(every=50)
    for account, group in ((2, "a"), (2, "b"), (3, "a"), (3, "b")) if making else ():
        twins.protect(account, group, Group(Bounds()))
    for turn in range(count):
        if coming and chance.randrange(2):
            attend(twins, chance.choice(COMING_AND_GOING), chance.randrange)
        elif making and chance.randrange(2):
            make(twins, chance.choice(MAKING), chance.randrange)
        else:
            ask(twins, chance.choice(WEIGHTED), chance.randrange)
        if not turn % SETTLED:
            twins.settle()
    twins.look()
    return twins


def legs(seed: int, count: int) -> Any:
    """Combos beside the books of their legs; in several venues, since each request looks at every book anew."""
    chance, twins, seen = random.Random(seed), combos.Twins(), Counter[str]()
    for turn in range(count):
        if turn and not turn % combos.PER_VENUE:
            seen, twins = seen + twins.seen, combos.Twins()
        combos.ask(twins, chance.randrange)
        if not turn % SETTLED:
            twins.settle()
    twins.venue.check()
    twins.seen += seen
    return twins


def asking(seed: int, count: int) -> Any:
    """Requests for quotes."""
    twins = rfqs.Twins(seed, every=50)
    for turn in range(count):
        twins.step()
        if not turn % SETTLED:
            twins.settle()
    twins.look()
    twins.seen = Counter({"accepted in part": twins.fills, "refused for quotes": twins.refused})
    return twins


VENUES: tuple[Callable[[int, int], Any], ...] = (
    books,
    partial(books, making=True),
    partial(books, coming=True),
    legs,
    partial(books, coming=True, making=True),
    asking,
)


@pytest.mark.counts(short=12_000, soak=1_000_000)
def test_the_machine_and_the_naive_book_agree(count: int) -> None:
    seen: Counter[str] = Counter()
    for venue in range(-(-count // PER_VENUE)):
        twins = VENUES[venue % len(VENUES)](venue, PER_VENUE)
        seen.update(twins.seen)
        seen.update(type(record.command).__name__ for record in twins.venue.log)
    assert seen.keys() >= ANSWERS | KINDS, sorted((ANSWERS | KINDS) - seen.keys())


@pytest.mark.counts(short=30_000, soak=1_000_000)
def test_the_book_alone_and_the_plainest_book_agree(count: int) -> None:
    chance, fast, naive, kinds = random.Random(count), Desk(), PlainBook(), Counter[str]()
    for seq in range(count):
        kind = (0, 0, 0, 0, 1, 1, 2)[chance.randrange(7)]
        number = seq if kind == 0 else max(seq - 1 - chance.randrange(60), 0)
        if len(naive.orders) > 40:  # or the two sides would drift apart, and the naive book grow slow
            kind, number = 1, chance.choice(naive.orders).id
        side, ioc, qty = chance.randrange(2), chance.randrange(6) == 0, 1 + chance.randrange(9)
        message = (kind, side, int(ioc and kind == 0), qty, seq, number, 100 + chance.randrange(6), 0)
        fast.take([message])
        naive.take([message])
        assert fast.lines == naive.lines
        kinds.update(line[0] for line in naive.lines)
        fast.lines.clear()
        naive.lines.clear()
        for side in (0, 1):
            assert fast.sides[side].depth(99) == naive.depth(side)
    assert set(kinds) == set("012345")
