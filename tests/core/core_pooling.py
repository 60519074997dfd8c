"""A pool in the world of ``core_world``: one trader's account becomes one, quotes for rounds, falls silent and goes on."""

from core_makers import send
from core_pools import LIFE, set_pool
from core_world import GROUPS, TRADERS, Draw, World, happening

from exchange.core import commands as c

POOL = TRADERS[3]


def quote_for_the_round(world: World, picks: list[tuple[int, int, int]], group: str, late_s: int = 0) -> None:
    """What a pool's key signs; perhaps for another round."""
    assert world.state.round is not None
    send(world, POOL, picks, group, life=max(world.state.round.time_s + LIFE + late_s - world.now_s, 1))


@happening(6)
def pooling(world: World, draw: Draw) -> None:
    """An account is a pool or has other terms; messages for this round, for none, near the mark and far."""
    if draw(6) == 0:
        world.do(set_pool(POOL, quote_points=(8, 1)[draw(2)] * 10**16))
        world.rejected(set_pool(POOL, underlying=77))
        world.do(c.ResumePool(POOL, "history", "operator"))
    picks = [(draw(9), (80, 97, 99)[draw(3)], (1, 10, 40)[draw(3)]) for _ in range(1 + draw(2))]
    quote_for_the_round(world, picks, GROUPS[draw(2)], (0, 0, 0, 1)[draw(4)])
