"""A hedger with its own key and journal, on a simulated and on a recorded market, through crashes and lies."""

import random
from pathlib import Path

import pytest

from exchange.core.hedging import CONTRACT, HedgeTerms, half_width
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, USDC_ONE, WAD
from exchange.shell.hedge_venues import BestQuote, NotOurs, RecordedVenue, SimulatedVenue
from exchange.shell.hedger import (
    GENESIS,
    NOTHING,
    HedgeFill,
    HedgeOrder,
    Hedger,
    HedgerDiverged,
    HedgeVenue,
    Position,
    Seen,
    SignedHedgeOrder,
    VenueLied,
    hedge_digest,
    repeated,
    schema_fingerprint,
)
from exchange.signing import address_of, sign
from journal import MemoryStore, SqliteStore, Store, Writer, read_records

KEY, OTHER = b"\x11" * 32, b"\x22" * 32
TERMS = HedgeTerms(
    cost=5 * WAD // 10_000, risk_aversion=WAD // 1_000, lot=100, slip=WAD // 1_000, per_minute=WAD // 100
)
T0 = 1_800_000_000
SPOT = 100_000 * USDC_ONE
UNIT = CONTRACT // QTY_ONE


def now_ns() -> int:
    return T0 * NANOS_PER_SECOND


def seen(turn: int, delta: int, spot: int = SPOT) -> Seen:
    return Seen(turn, T0 + 60 * turn, spot, delta, 2 * WAD // 1_000, 10_000_000_000 * USDC_ONE)


def market(**changes: int) -> SimulatedVenue:
    return SimulatedVenue(
        address_of(KEY), SPOT, step=changes.get("step", 5 * USDC_ONE), depth=changes.get("depth", 50 * QTY_ONE)
    )


class Desk:
    """A store, its writer, and a hedger that resumes from it."""

    def __init__(self, store: Store, venue: HedgeVenue, terms: HedgeTerms = TERMS) -> None:
        self.store, self.venue, self.terms = store, venue, terms
        self.writer = Writer(store, schema_fingerprint(terms))

    async def __aenter__(self) -> Hedger:
        await self.writer.start()
        return await Hedger.resume(KEY, self.venue, self.store, self.writer, self.terms, now_ns)

    async def __aexit__(self, *exc: object) -> None:
        await self.writer.close()


async def walk(hedger: Hedger, venue: SimulatedVenue, turns: int, seed: int = 1) -> None:
    """A pool whose delta wanders, and a price that does."""
    dice, delta = random.Random(seed), 0
    for turn in range(turns):
        delta += dice.randint(-2 * CONTRACT, 2 * CONTRACT)
        venue.price += dice.randint(-200, 200) * USDC_ONE
        await hedger.see(seen(turn, delta, venue.price), (T0 + 60 * turn) * NANOS_PER_SECOND)
        width = half_width(TERMS, venue.price, 2 * WAD // 1_000)
        assert abs(delta + hedger.position.qty * UNIT) < width + TERMS.lot * UNIT


async def test_the_pool_stays_inside_its_band():
    venue = market()
    async with Desk(MemoryStore(GENESIS), venue) as hedger:
        await walk(hedger, venue, 200)
        assert hedger.position.qty
        assert hedger.position.seq > 200


async def test_the_journal_repeats_every_decision(tmp_path: Path):
    """A file that the plain reader of journals verifies, and that adds up to the position."""
    path, venue = tmp_path / "hedger.journal", market()
    async with await SqliteStore.open(path, GENESIS) as store, Desk(store, venue) as hedger:
        await walk(hedger, venue, 40)
        held = hedger.position
    position = Position()
    for record in read_records(path, genesis=GENESIS):
        position = repeated(TERMS, position, record)
    assert position == held
    async with await SqliteStore.open(path, GENESIS) as store, Desk(store, venue) as again:
        assert again.position == held
    async with await SqliteStore.open(path, GENESIS) as store:
        with pytest.raises(HedgerDiverged):
            await Desk(store, venue, TERMS._replace(risk_aversion=WAD // 100)).__aenter__()


class Dying(SimulatedVenue):
    """Loses the line around an order: before it arrives, or after it was executed."""

    arrives = True

    async def send(self, signed: SignedHedgeOrder) -> HedgeFill:
        if self.arrives:
            await super().send(signed)
        raise ConnectionError("the line is gone")


@pytest.mark.parametrize("arrives", [True, False])
async def test_an_order_under_way_in_a_crash_is_asked_for_and_not_sent_again(arrives):
    store, venue = MemoryStore(GENESIS), Dying(address_of(KEY), SPOT, step=USDC_ONE, depth=50 * QTY_ONE)
    venue.arrives = arrives
    desk = Desk(store, venue)
    hedger = await desk.__aenter__()
    with pytest.raises(ConnectionError):
        await hedger.see(seen(1, -3 * CONTRACT), now_ns())
    assert hedger.position.pending is not None
    await desk.writer.close()
    async with Desk(store, venue) as resumed:
        assert resumed.position.pending is None
        assert (resumed.position.qty > 0) == arrives
        assert resumed.position.seq == 2
    async with Desk(store, venue) as again:
        assert again.position == resumed.position


async def test_a_venue_takes_orders_of_its_trader_only_and_answers_a_number_once():
    venue, order = market(), HedgeOrder(1, True, 100, SPOT * 2)
    with pytest.raises(NotOurs):
        await venue.send(SignedHedgeOrder(order, sign(OTHER, hedge_digest(order))))
    assert await venue.outcome(1) == NOTHING
    first = await venue.send(SignedHedgeOrder(order, sign(KEY, hedge_digest(order))))
    venue.price *= 2
    assert await venue.send(SignedHedgeOrder(order, sign(KEY, hedge_digest(order)))) == first == await venue.outcome(1)


async def test_an_order_takes_what_is_offered_within_its_limit():
    venue = market(step=40 * USDC_ONE, depth=100)
    for buys, limit, qty, price in [
        (True, SPOT + 100 * USDC_ONE, 200, SPOT + 60 * USDC_ONE),
        (False, SPOT - 100 * USDC_ONE, 200, SPOT - 60 * USDC_ONE),
        (True, SPOT, 0, 0),
    ]:
        order = HedgeOrder(limit, buys, 1_000, limit)
        assert await venue.send(SignedHedgeOrder(order, sign(KEY, hedge_digest(order)))) == HedgeFill(qty, price)


class Lying(SimulatedVenue):
    answer = NOTHING

    async def send(self, _signed: SignedHedgeOrder) -> HedgeFill:
        return self.answer


@pytest.mark.parametrize(("qty", "worse"), [(10**9, 0), (-1, 0), (100, 1)])
async def test_a_venue_that_fills_more_or_worse_is_not_believed(qty, worse):
    venue = Lying(address_of(KEY), SPOT, step=USDC_ONE, depth=1)
    async with Desk(MemoryStore(GENESIS), venue) as hedger:
        venue.answer = HedgeFill(qty, SPOT * 1_001 // 1_000 + worse)
        with pytest.raises(VenueLied):
            await hedger.see(seen(1, -30 * CONTRACT), now_ns())
        assert hedger.position.pending is not None


async def test_a_recorded_market_fills_what_it_had_and_nothing_where_a_side_was_empty():
    """As in a crash: the asks go first, the bid falls, both come back."""
    quotes = [
        BestQuote(T0, SPOT - USDC_ONE, 500, SPOT + USDC_ONE, 300),
        BestQuote(T0 + 60, SPOT - 5_000 * USDC_ONE, 500, 0, 0),
        BestQuote(T0 + 120, SPOT - USDC_ONE, 10**6, SPOT + USDC_ONE, 10**6),
    ]
    venue = RecordedVenue(address_of(KEY), quotes)
    async with Desk(MemoryStore(GENESIS), venue) as hedger:
        held = []
        for turn, delta in enumerate((-3 * CONTRACT, -3 * CONTRACT, -3 * CONTRACT)):
            venue.advance(T0 + 60 * turn)
            for again in range(2):
                await hedger.see(seen(turn * 2 + again, delta), (T0 + 60 * turn + again) * NANOS_PER_SECOND)
                held.append(hedger.position.qty)
    assert held[:4] == [300, 300, 300, 300]
    assert held[4] == held[5] > 300
    assert venue.advance(T0 + 10**6) == venue.advance(T0)
