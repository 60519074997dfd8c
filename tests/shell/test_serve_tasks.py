"""The tasks of a serving venue: what they wait out, and what ends them."""

import pytest

from exchange.shell.chain import ChainUnavailable
from exchange.shell.sequencer import Overloaded
from exchange.shell.serve import again


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
