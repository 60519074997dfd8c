"""The tasks of a serving venue: what they wait out, and what ends them."""

import pytest

from exchange.shell.chain import ChainUnavailable, NodeError, Reverted, TransactionRefused
from exchange.shell.sequencer import Overloaded
from exchange.shell.serve import again
from exchange.shell.watcher import FinalityBroken


class Enough(Exception):
    """Ends a task that would go on for ever."""


async def test_a_step_is_taken_again_through_an_absent_chain_and_a_busy_venue():
    answers = [None, ChainUnavailable("away"), ChainUnavailable("away"), None, Overloaded("busy"), None, Enough()]
    left = iter(answers)

    async def step() -> None:
        answer = next(left)
        if answer is not None:
            raise answer

    with pytest.raises(Enough):
        await again(step, 0.0)
    assert next(left, "all taken") == "all taken"


async def test_what_the_chain_will_not_take_is_tried_again():
    left = iter(
        [TransactionRefused("insufficient funds"), NodeError(-32005, "rate limited"), Reverted("late"), Enough()]
    )

    async def step() -> None:
        raise next(left)

    with pytest.raises(Enough):
        await again(step, 0.0)


async def test_broken_finality_is_not_tried_again():
    async def step() -> None:
        raise FinalityBroken(1, bytes(32), b"\x01" * 32)

    with pytest.raises(FinalityBroken):
        await again(step, 0.0)
