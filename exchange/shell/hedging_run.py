"""``verbatim hedger``: hedge a pool round by round, from the journal of its venue, on a market of one's own.

Owns what is seen of a pool at each round: delta and gamma of what it holds, from the journal alone. What to trade is
``core.hedging``, in which order things become durable is ``hedger``. Started again on the same files it goes on after
the last round it has seen. Imports core, codec, hedger, hedge_venues.
"""

import csv
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from exchange import codec
from exchange.core import events as e
from exchange.core.hedging import CONTRACT, HedgeTerms
from exchange.core.machine import fold
from exchange.core.pool_quotes import freeze
from exchange.core.pools import nav_of
from exchange.core.state import State
from exchange.core.units import QTY_ONE, USDC_ONE, WAD, Cash, Nanos, Qty
from exchange.shell.boot import GENESIS as VENUE_GENESIS
from exchange.shell.hedge_venues import BestQuote, RecordedVenue, SimulatedVenue
from exchange.shell.hedger import GENESIS, Hedger, Seen, last_round, schema_fingerprint
from exchange.signing import address_of
from journal import SqliteStore, Writer, read_records

TERMS: Final = HedgeTerms(
    cost=5 * WAD // 10_000, risk_aversion=WAD // 10_000, lot=100, slip=WAD // 1_000, per_minute=WAD // 100
)
STEP: Final = 5 * USDC_ONE  # between prices of the simulated market
DEPTH: Final = 10 * QTY_ONE  # offered at each
_DELTA: Final = WAD * QTY_ONE // CONTRACT
COLUMNS: Final = ("time_s", "bid", "bid_qty", "ask", "ask_qty")


class MarketUnreadable(Exception):
    """The recorded market is not in the form that is asked for; the message says where."""


class Moment(NamedTuple):
    """A pool at a round, and when the venue heard of it."""

    seen: Seen
    time_ns: Nanos


class Hedged(msgspec.Struct, frozen=True):
    """What a run came to: rounds looked at, orders that filled, what is held and was paid for it."""

    rounds: int
    fills: int
    held: Qty
    paid: Cash
    address: str


def moments(journal: Path, account: int) -> Iterator[Moment]:
    """The pool at every round since it was one. Raises Damaged for a journal that cannot be trusted."""
    state = State()
    for record in read_records(journal, genesis=VENUE_GENESIS, schemas=[codec.SCHEMA_FP]):
        command, events = codec.decode_command(record.command), codec.decode_events(record.events)
        fold(state, record.seq, record.time_ns, command, events)
        if account in state.pools and any(type(event) is e.RoundAdopted for event in events):
            yield Moment(_seen(state, account), record.time_ns)


def _seen(state: State, account: int) -> Seen:
    """Delta rounded down; gamma without its sign, in 1e-18 contracts for each USDC."""
    pool, view, held = state.pools[account], state.view, state.accounts[account].positions
    assert view is not None
    greeks = freeze(state, pool).greeks
    delta = sum(each.delta * held.get(key, 0) for key, each in greeks.items())
    gamma = sum(each.gamma * held.get(key, 0) for key, each in greeks.items())
    spot = view.spots[pool.rules.underlying]
    nav = nav_of(view, state.accounts[account])
    return Seen(view.id, view.time_s, spot, delta // _DELTA, abs(gamma) // QTY_ONE, nav)


def recorded(path: Path) -> list[BestQuote]:
    """Best quotes from a CSV file with the header ``time_s,bid,bid_qty,ask,ask_qty``; prices in USDC, 0: an empty side.

    Raises MarketUnreadable.
    """
    with path.open(newline="") as lines:
        rows = csv.DictReader(lines)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise MarketUnreadable(f"{path} does not begin with {','.join(COLUMNS)}")
        found = [_quote_of(path, rows.line_num, row) for row in rows]
    if not found or any(after.time_s < before.time_s for before, after in pairwise(found)):
        raise MarketUnreadable(f"{path} has no quotes, or not in the order of their times")
    return found


def _quote_of(path: Path, line: int, row: dict[str, str]) -> BestQuote:
    try:
        bid, bid_qty, ask, ask_qty = (Decimal(row[name]) for name in COLUMNS[1:])
        scaled = (int(bid * USDC_ONE), int(bid_qty * QTY_ONE), int(ask * USDC_ONE), int(ask_qty * QTY_ONE))
        return BestQuote(int(row["time_s"]), *scaled)
    except (ArithmeticError, TypeError, ValueError) as wrong:
        raise MarketUnreadable(f"{path}, line {line}: {wrong!r}") from wrong


async def hedge(
    venue_journal: Path, account: int, key: bytes, own: Path, market: list[BestQuote] | None = None
) -> Hedged:
    """Hedge a pool through its venue's journal, on the quotes given or on a market simulated around the index."""
    trader = address_of(key)
    venue = SimulatedVenue(trader, 0, step=STEP, depth=DEPTH) if market is None else RecordedVenue(trader, market)
    rounds = fills = 0
    async with await SqliteStore.open(own, GENESIS, schemas=[schema_fingerprint(TERMS)]) as store:
        done = await last_round(store)
        async with Writer(store, schema_fingerprint(TERMS)) as writer:
            hedger: Hedger | None = None
            for seen, time_ns in moments(venue_journal, account):
                if isinstance(venue, RecordedVenue):
                    venue.advance(seen.time_s)
                else:
                    venue.price = seen.spot
                if seen.round_id <= done:
                    continue
                if hedger is None:
                    hedger = await Hedger.resume(key, venue, store, writer, TERMS, partial(int, time_ns))
                before = hedger.position.qty
                await hedger.see(seen, time_ns)
                rounds, fills = rounds + 1, fills + (hedger.position.qty != before)
            hedger = hedger or await Hedger.resume(key, venue, store, writer, TERMS, partial(int, 0))
            held = hedger.position
    return Hedged(rounds, fills, held.qty, -held.cash, f"0x{trader.hex()}")
