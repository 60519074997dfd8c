"""Block trades in the world of ``core_world``: agreed, executed or taken to the contracts, withdrawn, and switched off."""

from core_blocks import RFQ, Queued, block_of, digest_of, queue_block, settle_queued
from core_contract import Refused
from core_world import TRADERS, WINDOW, Draw, World, happening

from exchange.core import commands as c
from exchange.core import events as e


def queue(world: World, signed: c.ExecuteBlock) -> bool:
    """Somebody takes a block to the contracts without the operator; whether it waits there."""
    block = signed.block
    try:
        queued = queue_block(world.chain, signed, world.now_s)
    except Refused:
        return False
    facts = (block.maker, block.taker, digest_of(signed), block.nonce, queued.lapses(WINDOW))
    world.happen(c.ObserveOffbookQueued, *facts)
    return True


def settle_waiting(world: World, age: int) -> int:
    """Somebody settles what waits there and may settle, with whatever fresh round suits; how many did."""
    waiting: list[Queued] = list(world.chain.queue.values())
    return sum(_settle_one(world, queued, world._fresh_round(age)) for queued in waiting)


def _settle_one(world: World, queued: Queued, round_: c.PostRound) -> bool:
    signed, block = queued.signed, queued.signed.block
    parties = world.chain.accounts[block.maker], world.chain.accounts[block.taker]
    if not all(world._priced(party, round_) for party in parties):
        return False
    try:
        legs = settle_queued(world.chain, queued, round_, world.now_s)
    except Refused:
        return False
    signers = (signed.maker_signer, signed.taker_signer)
    world.happen(c.ObserveOffbookSettled, block.maker, block.taker, digest_of(signed), *signers, tuple(legs))
    return True


def legs_drawn(world: World, draw: Draw) -> list[c.BlockLeg]:
    series_ids, legs = world.trading(), dict[int, c.BlockLeg]()
    for _ in range((1, 1, 2, 3, 4)[draw(5)] if series_ids else 0):
        series = series_ids[draw(9) % len(series_ids)]
        qty = (500, 1_000, 3_000, 10_000)[draw(4)]
        price = world.price_near(series, (20, 95, 100, 100, 105, 300)[draw(6)])
        legs[series] = c.BlockLeg(series, draw(2) == 0, qty, price)
    return [legs[series] for series in sorted(legs)]


def some_signer(world: World, account: int, pick: int) -> bytes:
    """The owner, mostly; else a session key, whatever its scopes."""
    held = world.state.accounts[account]
    keys = list(held.keys)
    return keys[0] if keys and pick == 0 else held.owner


@happening(12)
def block(world: World, draw: Draw) -> None:
    """Two traders agree on a few trades, and somebody sends them in; perhaps twice."""
    legs = legs_drawn(world, draw)
    if not legs:
        return
    at = draw(4)
    maker, taker = TRADERS[at], TRADERS[(at + 1 + draw(3)) % 4]
    life, dear = (0, 0, 0, 60)[draw(4)], (10**12, 10**12, 10**12, 10**6)[draw(4)]
    terms = {"maker_max_fee": dear, "taker_max_fee": dear}
    terms |= {"expiry_s": world.now_s + life} if life else {}
    signers = {"maker_signer": some_signer(world, maker, draw(4)), "taker_signer": some_signer(world, taker, draw(4))}
    command = block_of(world, maker, taker, *legs, **terms, **signers)
    first = world.do(command)
    if draw(3) == 0 and type(first[-1]) is e.BatchSealed:
        assert world.rejected(command) in (e.Reject.NONCE_MUST_BE_FRESH, *BEFORE_THE_NONCE)


BEFORE_THE_NONCE = (e.Reject.KEY_MUST_HAVE_NOTIONAL, e.Reject.KEY_MUST_HAVE_SPEND)


@happening(4)
def block_without_operator(world: World, draw: Draw) -> None:
    """Two traders take a block to the contracts themselves; the venue hears of it later, and may still be sent it."""
    legs = legs_drawn(world, draw)
    if not legs:
        return
    at = draw(4)
    maker, taker = TRADERS[at], TRADERS[(at + 1 + draw(3)) % 4]
    life = (10**6, 10**6, WINDOW + 300)[draw(3)]
    signers = {"maker_signer": some_signer(world, maker, draw(4)), "taker_signer": some_signer(world, taker, draw(4))}
    command = block_of(world, maker, taker, *legs, queueable=draw(8) > 0, expiry_s=world.now_s + life, **signers)
    if queue(world, command) and draw(4) == 0:
        world.do(command)


@happening(5)
def settling_without_operator(world: World, draw: Draw) -> None:
    """What waits on the contracts is settled by somebody; mostly once it may."""
    waiting = [queued for queued in world.chain.queue.values() if queued.effective > world.now_s]
    if waiting and draw(3):
        world.pass_time(waiting[0].effective - world.now_s + draw(2))
    settle_waiting(world, draw(3))


@happening(1)
def withdrawn_block(world: World, draw: Draw) -> None:
    """One of two thinks better of it before anyone sends the block in."""
    legs = legs_drawn(world, draw)
    if legs:
        command = block_of(world, TRADERS[0], TRADERS[1], *legs)
        world.must(c.InvalidateBlock(TRADERS[draw(2)], command.block.nonce))
        assert type(world.do(command)[-1]) is e.Rejected


@happening(1)
def block_rules(world: World, draw: Draw) -> None:
    world.must(c.SetBlocks(0, (500, 500, 1_000, 0)[draw(4)], "test"))


@happening(2)
def block_key(world: World, draw: Draw) -> None:
    """A session key that may sign blocks, perhaps with limits."""
    limits = ((0, 0, 0), (1, 40_000 * 10**6, 0), (0, 0, 2_000 * 10**6))[draw(3)]
    world.delegate(TRADERS[draw(4)], (120, 900, 7_200)[draw(3)], c.SCOPE_TRADE * draw(2) | RFQ, limits)
