"""The exchange's matching against an order book written the slow and obvious way.

Both get the same requests; every answer, every queue and every position must be the same. Here Hypothesis chooses the
requests of ``core_requests``; ``test_million`` draws very many.
"""

import pytest
from core_profiles import SOAK, effort
from core_requests import WEIGHTED, ask
from core_twins import Twins
from hypothesis import given
from hypothesis import strategies as st

# Hypothesis draws numbers of up to 24 bits evenly and prefers the ends of larger ranges; drawing each choice of a
# request for itself would take three times as long as answering it.
BITS = st.integers(0, 2**24 - 1)
REQUESTS = st.lists(st.tuples(st.sampled_from(WEIGHTED), BITS, BITS, BITS, BITS), min_size=12, max_size=60)


class Choices:
    """Choices below a bound, one after another out of one number."""

    def __init__(self, *bits: int) -> None:
        self.left = 0
        for part in reversed(bits):
            self.left = self.left << 24 | part

    def __call__(self, bound: int) -> int:
        self.left, chosen = divmod(self.left, bound)
        return chosen


@pytest.mark.timeout(3_600 if SOAK else 120)
@effort(800)
@given(REQUESTS)
def test_both_books_answer_alike(requests: list[tuple[str, int, int]]) -> None:
    twins = Twins()
    for name, *bits in requests:
        ask(twins, name, Choices(*bits))
    twins.venue.check_history()
