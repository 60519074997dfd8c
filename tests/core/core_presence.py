"""Who is there, among what can happen in ``core_world``: connections, timers and kill switches come and go."""

from core_venue import wallet
from core_world import TRADERS, Draw, World

from exchange.core import commands as c
from exchange.core.state import TREASURY

OPERATOR = b"p" * 20


def _pull(account: int, reach: int, *, by_operator: bool) -> c.PullKill:
    """A kill switch pulled by a wallet or the operator."""
    words = (OPERATOR if by_operator or reach == 2 else wallet(account), "test")
    return (
        c.PullKill(c.KILL_ACCOUNT, account, b"", *words),
        c.PullKill(c.KILL_OWNER, 0, wallet(account), *words),
        c.PullKill(c.KILL_VENUE, 0, b"", *words),
    )[reach]


def connection(world: World, draw: Draw) -> None:
    """Somebody comes, says what becomes of their orders, leaves or is lost; now and then all are."""
    session = world.some_session(draw(4))
    if not session:
        world.must(c.OpenSession(wallet(TRADERS[draw(4)])))
    elif draw(2):
        world.must(c.SwitchSession(session, (0, 1, 1, 2)[draw(4)]))
    elif draw(6):
        world.must(c.EndSession(session, keeps=draw(4) == 0))
    else:
        world.must(c.EndAllSessions())


def lost(world: World, draw: Draw) -> None:
    """Somebody comes, enters an order that is to leave with the connection, and is lost at once."""
    account = TRADERS[draw(4)]
    world.must(c.OpenSession(wallet(account)))
    session = list(world.state.sessions)[-1]
    world.must(c.SwitchSession(session, c.SWITCH_ON))
    world.trade(account, draw(12), draw(2) == 0, 1 + draw(20), 60 + 80 * draw(2), session=session)
    world.must(c.EndSession(session))


def careful(world: World, draw: Draw) -> None:
    world.must(c.SwitchAccount(TRADERS[draw(4)], draw(2) == 0))


def timer(world: World, draw: Draw) -> None:
    world.must(c.SetTimer(TRADERS[draw(4)], (0, 1, 1_000, 90_000)[draw(4)]))


def kill_switch(world: World, draw: Draw) -> None:
    """Pulled, and sooner or later released again; what stays pulled is released by the next who comes by."""
    for held in list(world.state.kills.values()):
        by = OPERATOR if held.by_operator else held.owner or wallet(held.account)
        world.must(c.ReleaseKill(held.scope, held.account, held.owner, by, "test"))
    if draw(2):
        world.must(_pull(TRADERS[draw(4)], draw(3), by_operator=draw(2) == 0))


def proceeding(world: World, draw: Draw) -> None:
    del draw
    world.must(c.Proceed())


PRESENCE = {
    "connection": (6, connection),
    "lost": (2, lost),
    "careful": (2, careful),
    "timer": (3, timer),
    "kill_switch": (1, kill_switch),
    "proceeding": (2, proceeding),
}


def never_of_presence(world: World) -> list[c.AnyCommand]:
    """Commands of presence that are never to be taken."""
    state = world.state
    return [
        c.EndSession(0),
        c.EndSession(10**9),
        c.SwitchSession(10**9, 1),
        c.SwitchSession(next(iter(state.sessions), 10**9), 3),
        c.SwitchAccount(99, True),
        c.SwitchAccount(TREASURY, True),
        c.SetTimer(99, 1),
        c.SetTimer(1, 10**12),
        c.SetTimer(1, -1),
        c.PullKill(0, 0, b"", OPERATOR, ""),
        c.PullKill(4, 0, b"", OPERATOR, ""),
        c.PullKill(c.KILL_ACCOUNT, 99, b"", OPERATOR, ""),
        c.PullKill(c.KILL_ACCOUNT, 1, b"", b"x" * 20, ""),
        c.PullKill(c.KILL_ACCOUNT, 1, b"y" * 20, OPERATOR, ""),
        c.PullKill(c.KILL_OWNER, 0, b"y" * 20, OPERATOR, ""),
        c.PullKill(c.KILL_VENUE, 0, b"", b"x" * 20, ""),
        c.PullKill(c.KILL_VENUE, 1, b"", OPERATOR, ""),
        c.ReleaseKill(c.KILL_ACCOUNT, 1, b"", b"x" * 20, ""),
    ]
