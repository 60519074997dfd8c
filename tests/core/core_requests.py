"""What the twins may be asked, and how often: one list for Hypothesis and for long random runs.

A request is a function of the twins and of ``draw``, which gives an integer below a bound. A new kind of command adds
its function here, its rule to ``naive_book`` and, if it answers in new words, those to ``core_twins.words``.
"""

from collections.abc import Callable
from typing import Any

from core_twins import PRICES, Twins
from naive_book import FAR, Wish

Draw = Callable[[int], int]
REQUESTS: dict[str, tuple[int, Callable[[Twins, Draw], Any]]] = {}


def asks(weight: int) -> Callable[[Callable[[Twins, Draw], Any]], Callable[[Twins, Draw], Any]]:
    """Register a kind of request, and how often it is made."""

    def register(function: Callable[[Twins, Draw], Any]) -> Callable[[Twins, Draw], Any]:
        REQUESTS[function.__name__] = (weight, function)
        return function

    return register


INDICES = (61_000, 61_500, 62_000, 62_500, 63_000)


def trigger(draw: Draw) -> tuple[str, bool, int]:
    """What an order waits for."""
    above = draw(2) == 0
    return ("last", above, PRICES[draw(len(PRICES))]) if draw(2) else ("index", above, INDICES[draw(5)])


def linked(draw: Draw) -> Wish:
    """An order with what cancels it, or with what protects what it opens."""
    one = wish(draw, PRICES)
    one.link, one.others = ("oco", "bracket")[draw(2)], [wish(draw, PRICES) for _ in range(1 + draw(2))]
    for other in one.others:
        other.when = trigger(draw)
    return one


def wish(draw: Draw, prices: tuple[int, ...]) -> Wish:
    """An order of any kind."""
    return Wish(
        account=(1, 2, 3, 2, 3, 2, 3, 4)[draw(8)],
        is_buy=draw(2) == 0,
        total=1 + draw(9),
        price=prices[draw(len(prices))],
        tif=(0, 0, 0, 0, 1, 2)[draw(6)],
        post_only=draw(6) == 5,
        slide=draw(2) == 1,
        reduce_only=draw(3) == 2,
        expires=(FAR, FAR, FAR, FAR, 60, 300, 0)[draw(7)],
        display=(0, 0, 0, 1, 2, 3)[draw(6)],
        gives_way=("taker", "taker", "maker", "both")[draw(4)],
        when=trigger(draw) if draw(4) == 3 else None,
    )


@asks(30)
def place(twins: Twins, draw: Draw) -> None:
    twins.place(wish(draw, PRICES))


@asks(10)
def place_linked(twins: Twins, draw: Draw) -> None:
    twins.place(linked(draw))


@asks(8)
def fire(twins: Twins, draw: Draw) -> None:
    """Everything that is due enters."""
    del draw
    twins.fire()


@asks(8)
def move(twins: Twins, draw: Draw) -> None:
    """The index moves."""
    twins.move(INDICES[draw(5)])


@asks(10)
def amend(twins: Twins, draw: Draw) -> None:
    twins.amend(draw(8), wish(draw, (0, *PRICES)))


@asks(10)
def cancel(twins: Twins, draw: Draw) -> None:
    twins.cancel(draw(8))


@asks(4)
def cancel_all(twins: Twins, draw: Draw) -> None:
    twins.cancel_all(1 + draw(3))


@asks(8)
def call(twins: Twins, draw: Draw) -> None:
    """An auction over the series."""
    twins.call((1, 30, 60)[draw(3)])


@asks(8)
def wait(twins: Twins, draw: Draw) -> None:
    twins.wait((1, 30, 60)[draw(3)], draw(2) == 0)


# The file is done: whatever is registered above can be drawn by its weight.
WEIGHTED = [name for name, (weight, _) in REQUESTS.items() for _ in range(weight)]


def ask(twins: Twins, name: str, draw: Draw) -> None:
    """One request."""
    REQUESTS[name][1](twins, draw)


# Who is there: connections, timers and kill switches, which are released more often than pulled.
REACHES = ("account", "owner", "venue")


def attend(twins: Twins, name: str, draw: Draw) -> None:
    """One request of those who come and go; an order comes through a connection of old or of now, or through none."""
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


COMING_AND_GOING = [
    *("place", "place", "place", "amend", "connect", "connect", "be_careful", "lose", "lose", "say_bye", "restart"),
    *("set_timer", "kill", "release", "release", "release", "release", "release"),
]
