"""What owners and the operator do in the world of ``core_world``: money in and out, keys, listings, digests, snapshots."""

from core_venue import HALF_HOUR, USDC
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


def choosing(world: World, draw: Draw) -> None:
    world.choose_model(TRADERS[draw(4)], draw(3) and 1)


def depositing(world: World, draw: Draw) -> None:
    world.deposit(TRADERS[draw(4)], (1, 3_000, 20_000)[draw(3)])


def delegating(world: World, draw: Draw) -> None:
    if draw(3):
        some = (c.SCOPE_TRADE, c.SCOPE_TRADE | c.SCOPE_QUOTE, c.SCOPE_CANCEL, c.SCOPE_QUOTE, c.SCOPE_RFQ)
        scopes = some[draw(5)]
        limits = (draw(8) and 1, (0, 700_000, 70_000)[draw(3)] * USDC, (0, 2_000, 100)[draw(3)] * USDC)
        if scopes & c.SCOPE_QUOTE or draw(2):
            limits = (0, 0, 0)
        world.delegate(TRADERS[draw(4)], (60, 900, 7_200)[draw(3)], scopes, limits)
    else:
        world.revoke(TRADERS[draw(4)])


def thrift(world: World, draw: Draw) -> None:
    """Somebody gets a key with little room, if it is free to be given one, and trades by it with another."""
    at, pick, lots = draw(4), draw(9), (10, 100)[draw(2)]
    world.delegate(TRADERS[at], 900, c.SCOPE_TRADE, (0, (0, 61_000, 130_000)[draw(3)] * USDC, draw(2) * 500 * USDC))
    world.finalise(len(world.unseen))
    sides = [(TRADERS[at], True), (TRADERS[(at + 1 + draw(3)) % 4], False)]
    is_buy = draw(2) == 0
    for account, by_key in sides if draw(2) else sides[::-1]:
        world.trade(account, pick, is_buy == by_key, lots, 100, by_key=by_key)


def nonce_cancelled(world: World, draw: Draw) -> None:
    world.cancel_on_chain(draw(6))


def expiry_paid(world: World, draw: Draw) -> None:
    del draw
    world.pay_expiries()


def fees_remitted(world: World, draw: Draw) -> None:
    """Anyone may send the treasury's cash out of Clearing: all of it, and nothing when there is none."""
    del draw
    treasury = world.chain.accounts[0]
    if treasury.cash > 0:
        fees, treasury.cash = treasury.cash, 0
        world.chain.vault -= fees
        world.happen(c.ObserveWithdrawal, 0, fees)


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
    "choosing": (2, choosing),
    "depositing": (2, depositing),
    "delegating": (3, delegating),
    "thrift": (4, thrift),
    "nonce_cancelled": (2, nonce_cancelled),
    "expiry_paid": (2, expiry_paid),
    "fees_remitted": (1, fees_remitted),
    "listed": (2, listed),
    "digest_taken": (1, digest_taken),
    "snapshot": (2, snapshot),
}
