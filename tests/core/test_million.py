"""A million random commands: the machine and the naive book with every rule, the book alone and one of under 100 lines.

On each push a share of it; the whole is part of the soak.
"""

import random
from collections import Counter

import pytest
from core_requests import COMING_AND_GOING, WEIGHTED, ask, attend
from core_twins import Twins
from naive_plain import PlainBook

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
}


@pytest.mark.counts(short=6_000, soak=1_000_000)
def test_the_machine_and_the_naive_book_agree(count: int) -> None:
    seen: Counter[str] = Counter()
    for venue in range(-(-count // PER_VENUE)):
        chance, twins = random.Random(venue), Twins(every=50)
        for turn in range(PER_VENUE):
            if venue % 3 < 2 or chance.randrange(2):  # in one venue of three people come and go too
                ask(twins, chance.choice(WEIGHTED), chance.randrange)
            else:
                attend(twins, chance.choice(COMING_AND_GOING), chance.randrange)
            if not turn % SETTLED:
                twins.settle()
        twins.look()
        seen.update(twins.seen)
    assert seen.keys() >= ANSWERS, sorted(ANSWERS - seen.keys())


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
