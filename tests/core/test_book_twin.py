"""The exchange's matching against an order book written the slow and obvious way.

Both get the same requests; every answer, every queue and every position must be the same.
"""

from typing import Any

import pytest
from core_profiles import SOAK, effort
from core_twins import PRICES, Twins
from hypothesis import given
from hypothesis import strategies as st
from naive_book import FAR, Wish


def rarely() -> st.SearchStrategy[bool]:
    return st.sampled_from((False, False, False, False, False, True))


def wishes(prices: tuple[int, ...]) -> st.SearchStrategy[Wish]:
    return st.builds(
        Wish,
        account=st.sampled_from((1, 2, 3, 2, 3, 2, 3, 4)),
        is_buy=st.booleans(),
        total=st.integers(1, 9),
        price=st.sampled_from(prices),
        tif=st.sampled_from((0, 0, 0, 0, 1, 2)),
        post_only=rarely(),
        slide=st.booleans(),
        reduce_only=st.sampled_from((False, False, True)),
        expires=st.sampled_from((FAR, FAR, FAR, FAR, 60, 300, 0)),
        display=st.sampled_from((0, 0, 0, 1, 2, 3)),
        gives_way=st.sampled_from(("taker", "taker", "maker", "both")),
    )


REQUESTS = st.one_of(
    st.tuples(st.just("place"), wishes(PRICES)),
    st.tuples(st.just("place"), wishes(PRICES)),
    st.tuples(st.just("place"), wishes(PRICES)),
    st.tuples(st.just("amend"), st.integers(0, 7), wishes((0, *PRICES))),
    st.tuples(st.just("cancel"), st.integers(0, 7)),
    st.tuples(st.just("call"), st.sampled_from((1, 30, 60))),
    st.tuples(st.just("cancel_all"), st.sampled_from((1, 2, 3))),
    st.tuples(st.just("wait"), st.sampled_from((1, 30, 60)), st.booleans()),
)


@pytest.mark.timeout(3_600 if SOAK else 120)
@effort(800)
@given(st.lists(REQUESTS, min_size=12, max_size=60))
def test_both_books_answer_alike(requests: list[tuple[Any, ...]]) -> None:
    twins = Twins()
    for name, *terms in requests:
        getattr(twins, name)(*terms)
    twins.venue.check_history()
