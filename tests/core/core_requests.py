"""What the twins may be asked, and how often: one list for Hypothesis and for long random runs.

A request is a function of the twins and of ``draw``, which gives an integer below a bound. A new kind of command adds
its function here, its rule to ``naive_book`` and, if it answers in new words, those to ``core_twins.words``.
"""

from collections.abc import Callable
from typing import Any

from core_twins import PRICES, Twins
from naive_book import FAR, Wish
from naive_quotes import Bounds, Group, Leaf

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


# Makers: messages of quotes, what bounds them, and orders of others between them.
GROUPS = ("a", "b", "nobody")


def make(twins: Twins, name: str, draw: Draw) -> None:
    """One request of makers, who are two accounts with two groups each."""
    account, group = 2 + draw(2), GROUPS[draw(2)]
    match name:
        case "quote":
            about = Wish(account, True, 1, 1, expires=(FAR, FAR, FAR, 30, 0)[draw(5)])
            picked = draw(4)
            about.minder = twins.connections[-picked] if 0 < picked <= len(twins.connections) else 0
            leaves = [quoted(draw) for _ in range(1 + draw(3))]
            group = GROUPS[draw(12) % (3 if not draw(6) else 2)]
            twins.quote(about, group, leaves, Bounds((0, 2, 5)[draw(3)], (0, 0, 9_000)[draw(3)], (0, 0, 2)[draw(3)]))
        case "protect":
            bounds = Bounds((0, 4, 9)[draw(3)], (0, 0, 12_000)[draw(3)], (0, 1, 3)[draw(3)])
            twins.protect(account, group, Group(bounds, (0, 10, 60)[draw(3)], (0, 1, 30)[draw(3)]))
        case "freeze":
            twins.freeze(account, group, draw(5) == 0)
        case "cancel_quotes":
            twins.cancel_quotes(account, group)


def quoted(draw: Draw) -> Leaf:
    """A bid below or an offer above; now and then one that crosses."""
    is_buy = draw(2) == 0
    price = (995, 997, 998, 999) if is_buy else (998, 999, 1_000, 1_005)
    return is_buy, 1 + draw(6), price[draw(4)] if draw(8) else 998, draw(18_000) - 9_000


MAKING = [*["quote"] * 8, "protect", "freeze", "freeze", "freeze", "cancel_quotes"]
