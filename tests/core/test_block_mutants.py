"""Planted mistakes in block trades, each of which an invariant, a restored copy or the model of the contracts notices."""

from collections.abc import Callable
from typing import Any

import pytest
from core_blocks import RFQ, block_of
from core_contract import Refused
from core_venue import USDC
from core_world import World

from exchange.core import blocks, fees, keyroom, ledger, risk, settlement
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, encode
from exchange.core.invariants import InvariantBroken
from exchange.core.state import State
from exchange.core.units import premium_of

NOTICED = (AssertionError, InvariantBroken, Refused, KeyError)
KEY = bytes([103]) * 20  # of account 3, as the world has it


def deal(
    world: World, *legs: tuple[int, bool, int, int], maker: int = 4, taker: int = 3, **terms: Any
) -> tuple[Any, ...]:
    """Series by place, side, lots and share of the mark."""
    series = world.trading()
    made = [
        c.BlockLeg(series[at], is_buy, lots * 100, world.price_near(series[at], share))
        for at, is_buy, lots, share in legs
    ]
    return world.do(block_of(world, maker, taker, *made, **terms))


def checked(world: World) -> None:
    world.check()
    world.snapshot()
    state = world.state
    assert decode(encode(state)).accounts.keys() == state.accounts.keys()


def many_legs() -> None:
    """Blocks between orders, while the market moves; everything lands."""
    world = World()
    world.trade(1, 0, False, 30, 100)
    world.trade(2, 0, True, 30, 100)
    assert type(deal(world, (0, True, 10, 100), (1, False, 10, 100), (3, True, 10, 100))[-1]) is e.BatchSealed
    checked(world)
    world.trade(1, 0, False, 30, 100)
    world.trade(3, 0, True, 30, 100, tif=c.IOC)
    deal(world, (0, False, 5, 100), maker=1)
    world.move_spot(-150)
    world.wait(60)
    world.oracle_speaks()
    checked(world)
    world.quiesce()


def poor_parties() -> None:
    """What both hold is just not enough, for either side, in one leg or in the second."""
    for maker, taker, sells_first in ((3, 4, True), (4, 3, True), (3, 4, False), (4, 3, False)):
        world = World()
        for lots in (20, 40, 80, 160, 320, 640):
            first = (taker == 4) == sells_first
            deal(world, (1, first, lots, 100), (4, not first, lots, 20), maker=maker, taker=taker)
        world.quiesce()


def dear_fees() -> None:
    world = World()
    deal(world, (0, True, 10, 100), (1, True, 10, 100), taker_max_fee=USDC // 10)
    world.quiesce()
    deal(world, (0, True, 10, 100), maker_max_fee=0)
    world.quiesce()


def limited_keys() -> None:
    """A key for one contract signs a block of two legs, and then another."""
    for notional in (61_000, 130_000):
        world = World()
        world.delegate(3, 7_200, RFQ, (0, notional * USDC, 0))
        world.finalise(1)
        for _ in range(3):
            deal(world, (0, True, 60, 100), (1, True, 60, 100), taker_signer=KEY)
        world.quiesce()


def again_and_again() -> None:
    """The same block, an order under its nonce, and a reduce-only order that it leaves nothing to reduce."""
    world = World()
    deal(world, (0, True, 20, 100))
    series = world.trading()[0]
    world.place(3, series, False, 1_000, world.price_near(series, 300), reduce_only=True)
    command = block_of(world, 4, 3, c.BlockLeg(series, False, 2_000, world.price_near(series, 100)))
    world.must(command)
    assert not world.state.accounts[3].reducing
    world.do(command)
    nonce = command.block.nonce
    price = world.price_near(series, 100)
    world.do(c.Place(world.auth(3, series, True, 100, price, nonce=nonce)))
    world.do(c.Place(world.auth(1, series, False, 100, price, tif=c.IOC)))
    world.quiesce()


PLAY = (many_legs, poor_parties, dear_fees, limited_keys, again_and_again)


@pytest.mark.parametrize("part", PLAY)
def test_honest_blocks_pass(part: Callable[[], None]) -> None:
    part()


def nothing(*_: Any) -> None:
    """What is not looked at."""


def sealed_with_the_rest(state: State) -> list[Any]:
    """A machine that does not seal what waits before a block."""
    del state
    return []


def only_one_nonce(state: State, command: c.ExecuteBlock, event: e.BlockTraded, seq: int) -> None:
    kept = state.accounts[command.block.taker].nonces
    held = dict(kept)
    true_traded(state, command, event, seq)
    kept.clear()
    kept.update(held)


def first_leg_only(state: State, account: Any, before: risk.Moves, after: risk.Moves, keep: int, *rest: Any) -> int:
    first = min(after.qtys) if after.qtys else 0
    moves = risk.Moves(after.cash, {first: after.qtys.get(first, 0)})
    return true_shortfall(state, account, before, moves, keep, *rest)


def premium_once(state: State, trade: Any) -> None:
    true_book(state, trade)
    if trade.taker_auth & 1 << 61:
        state.accounts[trade.maker_account].cash += premium_of(trade.price, 1)


def forgotten(state: State, auth_id: int) -> None:
    entry = state.auths.get(auth_id)
    true_release(state, auth_id)
    if entry is not None and entry.deal:
        state.deals.pop(entry.deal, None)


true_traded, true_shortfall = blocks.evolve_traded, risk.moves_shortfall
true_book, true_release = ledger.book_trade, settlement.release

MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "margin is not looked at": (risk, "moves_shortfall", lambda *_: 0),
    "margin is that of the first leg": (risk, "moves_shortfall", first_leg_only),
    "fees are not looked at": (blocks.Plan, "_refuse_fees", nothing),
    "makers of blocks get rebates": (fees, "block_maker_fee", fees.maker_fee),
    "limits of keys are not looked at": (blocks.Plan, "_refuse_keys", nothing),
    "legs count one by one for a key": (keyroom.KeyRoom, "note", nothing),
    "keys count nothing for blocks": (keyroom, "count_trade", nothing),
    "nonces are not looked at": (blocks, "_refuse_nonce", nothing),
    "only the maker's nonce is gone": (blocks, "evolve_traded", only_one_nonce),
    "stale reduce-only orders stay": (blocks.Plan, "stale_reduce_only", lambda _: []),
    "what waits is sealed with the block": (settlement, "seal", sealed_with_the_rest),
    "a premium is a little larger for one": (ledger, "book_trade", premium_once),
    "a block is forgotten with its first leg": (settlement, "release", forgotten),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mistake_with_blocks_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, broken = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, broken)
    for part in PLAY:
        try:
            part()
        except NOTICED:
            return
    pytest.fail(f"nothing notices that {name}")
