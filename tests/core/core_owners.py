"""What owners and the operator do in the world of ``core_world``: money in and out, keys, listings, digests, snapshots."""

from core_venue import HALF_HOUR
from core_world import TRADERS, Draw, World

from exchange.core import commands as c


def withdrawal(world: World, draw: Draw) -> None:
    """Round sums, more than there is, or exactly what is free."""
    account = TRADERS[draw(4)]
    amount = (100, 3_000, 10_000, 10**6, -1, -1, -1, 0)[draw(8)]
    if amount == 0:
        world.cancel_withdrawal(account)
    else:
        world.request_withdrawal(account, amount if amount > 0 else world.free_usdc(account))


def finalising(world: World, draw: Draw) -> None:
    world.leave(TRADERS[draw(4)], draw(5))


def leaving(world: World, draw: Draw) -> None:
    (world.ask_to_leave, world.stay, world.stay, world.stay)[draw(4)](TRADERS[draw(4)])


def depositing(world: World, draw: Draw) -> None:
    world.deposit(TRADERS[draw(4)], (1, 3_000, 20_000)[draw(3)])


def delegating(world: World, draw: Draw) -> None:
    if draw(3):
        scopes = (c.SCOPE_TRADE, c.SCOPE_TRADE | c.SCOPE_QUOTE, c.SCOPE_CANCEL, c.SCOPE_QUOTE)[draw(4)]
        world.delegate(TRADERS[draw(4)], (60, 900, 7_200)[draw(3)], scopes)
    else:
        world.revoke(TRADERS[draw(4)])


def nonce_cancelled(world: World, draw: Draw) -> None:
    world.cancel_on_chain(draw(6))


def expiry_paid(world: World, draw: Draw) -> None:
    del draw
    world.pay_expiries()


def listed(world: World, draw: Draw) -> None:
    world.list_next(HALF_HOUR * (2 + draw(4)))


def digest_taken(world: World, draw: Draw) -> None:
    del draw
    world.must(c.TakeDigest())


def snapshot(world: World, draw: Draw) -> None:
    del draw
    world.snapshot()


OWNERS = {
    "withdrawal": (5, withdrawal),
    "finalising": (3, finalising),
    "leaving": (1, leaving),
    "depositing": (2, depositing),
    "delegating": (3, delegating),
    "nonce_cancelled": (2, nonce_cancelled),
    "expiry_paid": (2, expiry_paid),
    "listed": (2, listed),
    "digest_taken": (1, digest_taken),
    "snapshot": (2, snapshot),
}
