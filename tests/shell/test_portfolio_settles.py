"""An account under PORTFOLIO from its wallet's choice to the contracts: what it may sell, that it settles, and the way out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from shell_desk import Desk
from shell_floor import KEYS, START_S, Floor, open_market, opened

from exchange import calldata
from exchange.core import commands as c
from exchange.core import portfolio_margin, risk
from exchange.core.events import Reject, Rejected
from exchange.core.margin import Kind
from exchange.core.parameters import PORTFOLIO_MARGIN, STANDARD_MARGIN
from exchange.core.risk_models import arrays as risk_arrays
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, USDC_ONE, Cash
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.rounds import chain_round
from exchange.shell.sender import Sender
from exchange.shell.showing import Arrays, arrays_for_batch, arrays_of_account
from exchange.shell.venue import Settings

CALL, PUT = 1 << 16, 1 << 16 | 1
HALF = QTY_ONE // 2
PRICE = 800
MAKER, SELLER = 0, 1


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    settings = Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=2)
    async with opened(settings) as floor:
        yield Desk(floor, await open_market(floor))


async def later(floor: Floor, seconds: int) -> None:
    """So much time, blocks until that is final, and prices as of then."""
    floor.clock.move_to(floor.clock.now_ns() + seconds * NANOS_PER_SECOND)
    for _ in range(4):
        await floor.block()
    await floor.post_round()


async def choose(desk: Desk, model: int) -> None:
    await desk.owners[SELLER].choose_model(model)
    await later(desk.floor, Terms().settlement_window_s + 1)


async def sell_straddles(desk: Desk) -> int:
    """Half a contract of the call and of the put in turn, until one is refused for want of margin; halves sold."""
    for sold in range(100):
        series = (CALL, PUT)[sold % 2]
        await desk.place(MAKER, series, HALF, PRICE)
        events = await desk.attempt(desk.signed(SELLER, series, -HALF, PRICE * USDC_ONE, tif=c.IOC))
        if isinstance(events[0], Rejected):
            assert events[0].reason is Reject.ACCOUNT_MUST_HAVE_MARGIN
            await desk.attempt(c.CancelAll(desk.owners[MAKER].account))
            return sold
    raise AssertionError("never refused")


async def margins(desk: Desk) -> tuple[Cash, Cash]:
    """What the models leave of the seller's cash, initial."""
    account = desk.owners[SELLER].account

    def read(state: State) -> tuple[Cash, Cash]:
        held, view = state.accounts[account], risk.view_now(state)
        standard = risk.requirement_of(state, view, held.positions, Kind.INITIAL)
        return held.cash - standard, held.cash - portfolio_margin.needed(state, view, held.positions, Kind.INITIAL)

    return await desk.floor.venue.sequencer.read(read)


async def test_an_account_under_portfolio_sells_what_standard_refuses_and_it_settles(desk: Desk):
    by_standard = await sell_straddles(desk)
    await choose(desk, PORTFOLIO_MARGIN)
    more = await sell_straddles(desk)
    assert by_standard >= 4
    assert more >= by_standard // 2
    await desk.settle()
    positions = await desk.positions()
    calls, puts = ((by_standard + first) // 2 + (more + first) // 2 for first in (1, 0))
    assert positions[SELLER] == {CALL: -calls * HALF, PUT: -puts * HALF}
    await desk.cash_agrees()
    standard, portfolio = await margins(desk)
    assert standard < 0 <= portfolio


async def test_its_collateral_leaves_to_the_last_unit(desk: Desk):
    await choose(desk, PORTFOLIO_MARGIN)
    await sell_straddles(desk)
    await desk.settle()
    standard, portfolio = await margins(desk)
    owner, venue = desk.owners[SELLER], desk.floor.venue
    amount = portfolio - 50 * USDC_ONE
    assert standard < amount
    await owner.request_withdrawal(amount)
    await later(desk.floor, Terms().settlement_window_s + 1)
    await desk.floor.until_settled()
    round_ = await venue.sequencer.read(lambda state: chain_round(state, state.round))
    arrays = await venue.sequencer.read(lambda state: arrays_of_account(state, owner.account))
    assert arrays is not None
    await posted(desk.floor, arrays.said.round_)
    before = await owner.tokens()
    await owner.finalise_withdrawal_at(round_, arrays)
    assert await owner.tokens() == before + amount
    await desk.floor.until_settled()
    await desk.cash_agrees()


async def test_who_goes_back_to_standard_sells_no_more_but_what_was_sold_settles(desk: Desk):
    await choose(desk, PORTFOLIO_MARGIN)
    await sell_straddles(desk)
    await desk.owners[SELLER].choose_model(STANDARD_MARGIN)
    await desk.settle()  # within the window, while PORTFOLIO counts
    await later(desk.floor, Terms().settlement_window_s + 1)
    assert await sell_straddles(desk) == 0
    await desk.cash_agrees()
    standard, _ = await margins(desk)
    assert standard < 0


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[bytes]]:
    """Signers and machine agree on a root with one wrong cell in it; the leaves under it, by round."""
    leaves_of: dict[int, list[bytes]] = {}

    def spoilt(arrays: risk_arrays.RiskRound) -> bytes:
        leaves = [
            bytearray(risk_arrays.encode(arrays.id, key, arrays.array(key).cells)) for key in sorted(arrays.terms)
        ]
        leaves[0][-33] ^= 1  # the last byte of a word holds a cell
        leaves_of[arrays.id] = [bytes(leaf) for leaf in leaves]
        return risk_arrays.root_of([risk_arrays.leaf_hash(leaf) for leaf in leaves_of[arrays.id]])

    monkeypatch.setattr(risk_arrays.RiskRound, "root", spoilt)
    return leaves_of


async def test_a_round_with_a_wrong_array_is_challenged_and_everything_settles_by_computed_ones(
    desk: Desk, wrong: dict[int, list[bytes]]
):
    await choose(desk, PORTFOLIO_MARGIN)
    await sell_straddles(desk)
    assert (await margins(desk))[0] < 0
    await desk.floor.venue.apply(c.SealBatch())
    venue = desk.floor.venue
    (arrays,) = await venue.sequencer.read(
        lambda state: [arrays_for_batch(state, batch) for batch in state.batches.values()]
    )
    assert arrays is not None
    await posted(desk.floor, arrays.said.round_)
    await challenge(desk.floor, arrays, wrong[arrays.said.round_.round_id])
    judge = venue.contracts.arrays
    assert await judge.call("voided", arrays.said.digest) == arrays.said.round_.round_id
    await desk.floor.until_settled()
    assert any(await judge.call("leaf_of", arrays.said.digest, CALL))
    await desk.cash_agrees()


async def challenge(floor: Floor, arrays: Arrays, leaves: list[bytes]) -> None:
    """Anybody shows the first leaf, which is wrong."""
    judge, sender = floor.venue.contracts.arrays, Sender(floor.venue.contracts.chain, KEYS[MAKER])
    proof = risk_arrays.prove([risk_arrays.leaf_hash(leaf) for leaf in leaves], [0])
    words = [int.from_bytes(leaves[0][at : at + 32], "big") for at in range(0, len(leaves[0]), 32)]
    data = judge.encode("challenge", arrays.said.source(arrays.hashes, CALL), words, 0, proof)
    await sender.included(await sender.submit(judge.address, data))


async def posted(floor: Floor, round_: c.PostRound) -> None:
    """Only the round goes to the chain: its batch comes later."""
    to_chain = await floor.venue.sequencer.read(lambda state: chain_round(state, round_))
    oracle, sender = floor.venue.contracts.oracle, Sender(floor.venue.contracts.chain, KEYS[MAKER])
    data = oracle.encode("post_round", *calldata.post_round_args(to_chain, round_.signatures))
    await sender.included(await sender.submit(oracle.address, data))
