"""Connections, timers and kill switches against the naive book, in records that may cancel few orders each. # M11"""

import pytest
from core_profiles import SOAK, effort
from core_requests import Draw, wish
from core_twins import PRICES, Twins
from hypothesis import given
from hypothesis import strategies as st
from test_book_twin import BITS, Choices

from exchange.core import purging

REACHES = ("account", "owner", "venue")


def ask(twins: Twins, name: str, draw: Draw) -> None:
    """One request; an order comes through a connection of old or of now, or through none."""
    account, picked = 1 + draw(4), draw(4)
    minder = twins.connections[-picked] if 0 < picked <= len(twins.connections) else 0
    match name:
        case "place":
            order = wish(draw, PRICES)
            order.minder = minder
            twins.place(order)
        case "amend":
            pick, order = draw(8), wish(draw, (0, *PRICES))
            order.minder = minder
            twins.amend(pick, order)
        case "cancel":
            twins.cancel(draw(8))
        case "wait":
            twins.wait((1, 30)[draw(2)], draw(2) == 0)
        case "call":
            twins.call((1, 30)[draw(2)])
        case "connect":
            twins.connect(draw(3))
        case "be_careful":
            twins.be_careful(account, draw(2) == 0)
        case "lose" | "say_bye":
            getattr(twins, name)(draw(3))
        case "restart":
            twins.restart()
        case "set_timer":
            twins.set_timer(account, (0, 1, 20, 60)[draw(4)])
        case "kill" | "release":
            getattr(twins, name)(REACHES[draw(3)], account)


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
            ask(twins, name, Choices(*bits))
        twins.venue.check_history()
