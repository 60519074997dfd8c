"""Connections, timers and kill switches against the naive book, in records that may cancel few orders each. # M11"""

import pytest
from core_profiles import SOAK, effort
from core_requests import attend
from core_twins import Twins
from hypothesis import given
from hypothesis import strategies as st
from test_book_twin import BITS, Choices

from exchange.core import purging

KINDS = "place place place amend cancel wait wait call connect be_careful lose say_bye restart set_timer"
NAMES = [*KINDS.split(), "kill", "release", "release"]


@pytest.mark.timeout(3_600 if SOAK else 120)
@effort(400)
@given(
    st.lists(st.tuples(st.sampled_from(NAMES), BITS, BITS), min_size=12, max_size=60), st.sampled_from((1, 2, 1_000))
)
def test_both_books_agree_on_who_is_there(happenings: list[tuple[str, int, int]], bound: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(purging, "CANCELS_MAX", bound)
        twins = Twins()
        for name, *bits in happenings:
            attend(twins, name, Choices(*bits))
        twins.venue.check_history()
