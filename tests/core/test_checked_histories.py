"""The independent checker finds nothing in what the machine does, whatever happens; it follows every record.

It hears what a reader of the journal reads. The happenings are those of the machine's own histories, refusals included.
"""

import random
from typing import Any

import pytest
from core_profiles import effort
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from test_core_machine import HAPPENS, WEIGHTED, LawfulWorld

from exchange import codec
from exchange.core import uncross
from replay.checker import Checker, auctions


class CheckedWorld(LawfulWorld):
    """A world that a stranger watches."""

    def __init__(self, batch_trades_max: int) -> None:
        self.checker = Checker()
        super().__init__(batch_trades_max)

    def _note(self, command: Any, events: tuple[Any, ...]) -> None:
        super()._note(command, events)
        time_ns, raw, told = self.history[-1]
        self.checker.take(len(self.history), time_ns, codec.decode_command(raw), codec.decode_events(told))
        assert self.checker.ledger.violations == []

    def books_agree(self) -> None:
        """What the checker believes is open, held and owned is what the machine has."""
        ledger, state = self.checker.ledger, self.state
        assert {key: (o.price, o.left, o.expiry_s) for key, o in ledger.orders.items()} == {
            key: (o.price, o.qty - o.filled, o.expiry_s) for key, o in state.orders.items()
        }
        for key, account in state.accounts.items():
            assert ledger.accounts[key].cash == account.cash
            assert ledger.accounts[key].positions == account.positions
        for key, book in state.books.items():
            option = ledger.combos[key] if key in ledger.combos else ledger.series[key]
            for side, ladder in ((book.bids, option.bids), (book.asks, option.asks)):
                assert [order.id for order in side.orders()] == [order.id for order in ladder.in_turn()]


class CheckedHistories(RuleBasedStateMachine):
    @initialize(batch_trades_max=st.integers(1, 5))
    def opens(self, batch_trades_max: int) -> None:
        self.world = CheckedWorld(batch_trades_max)

    @rule(what=st.sampled_from(WEIGHTED), data=st.data())
    def happens(self, what: str, data: st.DataObject) -> None:
        HAPPENS[what][1](self.world, lambda bound: data.draw(st.integers(0, 840 * bound - 1)) % bound)

    @invariant()
    def agree(self) -> None:
        self.world.books_agree()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.quiesce()
            self.world.run_out()
            self.world.books_agree()
            assert self.world.checker.finish().ok


@pytest.mark.counts(short=12, soak=5_000)
def test_whatever_happens_by_chance_the_checker_finds_nothing(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain chance leads elsewhere than Hypothesis does; a seed that fails is one to keep."""
    for room in (uncross, auctions):
        monkeypatch.setattr(room, "SWEEP_MAX", 3)
    for seed in range(count):
        chance = random.Random(seed)
        world = CheckedWorld(1 + chance.randrange(5))
        for _ in range(100):
            HAPPENS[chance.choice(WEIGHTED)][1](world, chance.randrange)
            world.books_agree()
        world.quiesce()
        world.run_out()
        world.books_agree()
        assert world.checker.finish().ok, seed


def test_the_checker_finds_nothing_in_what_the_machine_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in (uncross, auctions):  # so that an uncross takes several records
        monkeypatch.setattr(room, "SWEEP_MAX", 3)
    short = settings(effort(60, steps=60), phases=[Phase.explicit, Phase.generate])
    run_state_machine_as_test(CheckedHistories, settings=short)
