"""A pool's hedger: a client of a market for the underlying, with a key and a journal of its own.

Owns the order of things: what was seen and decided is durable before an order is sent, and what filled before the
next decision. The rule itself is ``core.hedging``; so whoever has the journal can repeat every decision. After a
crash the one order that may have been under way is asked for by its number, never sent again. Imports core.hedging,
signing and journal.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec
from tiny_keccak import keccak256

from exchange.core.hedging import CONTRACT, Delta, Exposure, Hedge, HedgeTerms, Spent, after_fill, decide
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, Cash, Nanos, Price, Qty, Wad, div_up
from exchange.signing import Signer, address_of
from journal import Record, Store, Writer, encode_record

GENESIS: Final = b"verbatim hedger journal 1"
_DOMAIN: Final = b"verbatim hedge order 1"
_PER_QTY: Final = CONTRACT // QTY_ONE


class HedgerDiverged(Exception):
    """A decision in the journal is not what the rule makes of what was seen: another rule wrote it, or other terms."""


class VenueLied(Exception):
    """The venue says it filled what it was not asked for: stop, and let a person look."""


class HedgeOrder(msgspec.Struct, frozen=True, array_like=True):
    """Fill at once at ``limit`` or better, or not at all. ``number`` is that of the record that decided it."""

    number: int
    buys: bool
    qty: Qty
    limit: Price


class SignedHedgeOrder(NamedTuple):
    """An order and the hedger's signature over it."""

    order: HedgeOrder
    signature: bytes


class HedgeFill(msgspec.Struct, frozen=True, array_like=True):
    """What an order came to: quantity (zero: nothing) and the mean price, against the hedger to the unit."""

    qty: Qty
    price: Price


NOTHING: Final = HedgeFill(0, 0)


class HedgeVenue(Protocol):
    """A market for the underlying: perpetual or spot."""

    async def send(self, signed: SignedHedgeOrder) -> HedgeFill:
        """Execute; the same number again gives the same answer."""

    async def outcome(self, number: int) -> HedgeFill:
        """What the order of a number came to; nothing if it never arrived."""


class Seen(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """What the pool looked like, without its hedge: delta and gamma as in ``Exposure``."""

    round_id: int
    time_s: int
    spot: Price
    delta: Delta
    gamma: Wad
    nav: Cash


class Decided(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """What followed: ``delta`` with the hedge, the half width, and what to trade."""

    delta: Delta
    half_width: Delta
    qty: Qty
    limit: Price


class Filled(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """What the order of a record came to; ``qty`` has the sign of the hedge."""

    number: int
    qty: Qty
    price: Price


_Fact: TypeAlias = Seen | Filled
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_fact: Final = msgspec.msgpack.Decoder(_Fact).decode
_decode_decisions: Final = msgspec.msgpack.Decoder(tuple[Decided, ...]).decode


def schema_fingerprint(terms: HedgeTerms) -> bytes:
    """Names the encoding and the terms a journal was written with: 32 bytes."""
    return keccak256(_DOMAIN + b"|journal|" + repr(tuple(terms)).encode())


def hedge_digest(order: HedgeOrder) -> bytes:
    """What is signed."""
    return keccak256(_DOMAIN + _encode(order))


class Position(NamedTuple):
    """What the journal adds up to: quantity held, cash paid for it, the last minute, and an order without an answer."""

    seq: int = 0
    qty: Qty = 0
    cash: Cash = 0
    spent: Spent = Spent()
    pending: HedgeOrder | None = None


# -- the fold ---------------------------------------------------------------------------------------------------------


def decided(terms: HedgeTerms, position: Position, seen: Seen) -> Decided:
    """What follows from what was seen and what is held."""
    exposure = Exposure(
        seen.round_id, seen.time_s, seen.spot, seen.delta + position.qty * _PER_QTY, seen.gamma, seen.nav
    )
    hedge: Hedge = decide(terms, exposure, position.spent)
    return Decided(hedge.delta, hedge.half_width, hedge.qty, hedge.limit)


def after_record(position: Position, time_s: int, fact: _Fact, decision: Decided | None) -> Position:
    """The position after one more record. A decision to trade waits for its fill."""
    seq = position.seq + 1
    if isinstance(fact, Filled):
        assert position.pending is not None
        assert fact.number == position.pending.number
        spent = after_fill(position.spent, time_s, fact.price, fact.qty)
        value = div_up(fact.price * fact.qty, QTY_ONE)  # paid, up; received, down: one rounding, against the pool
        return Position(seq, position.qty + fact.qty, position.cash - value, spent)
    assert decision is not None
    pending = HedgeOrder(seq, decision.qty > 0, abs(decision.qty), decision.limit) if decision.qty else None
    return position._replace(seq=seq, pending=pending)


def repeated(terms: HedgeTerms, position: Position, record: Record) -> Position:
    """Fold one record, and decide again what it decided. Raises HedgerDiverged."""
    fact = _decode_fact(record.command)
    decisions = _decode_decisions(record.events)
    again = (decided(terms, position, fact),) if isinstance(fact, Seen) else ()
    if decisions != again:
        raise HedgerDiverged(f"record {record.seq} decided {decisions}, the rule decides {again}")
    return after_record(position, record.time_ns // NANOS_PER_SECOND, fact, decisions[0] if decisions else None)


async def last_round(store: Store) -> int:
    """The last round that a journal has decided on; 0 for none."""
    last = 0
    async for frame in store.frames():
        for record in frame.records():
            fact = _decode_fact(record.command)
            last = fact.round_id if isinstance(fact, Seen) else last
    return last


# -- the hedger -------------------------------------------------------------------------------------------------------


class Hedger:
    """One writer of one journal, one key, one venue. Calls do not overlap."""

    def __init__(self, key: bytes, venue: HedgeVenue, writer: Writer, terms: HedgeTerms, position: Position) -> None:
        """Of a writer that runs, and the position its journal adds up to."""
        self.address: Final = address_of(key)
        self._signer = Signer(key)
        self._venue, self._writer, self._terms = venue, writer, terms
        self.position = position

    @classmethod
    async def resume(
        cls, key: bytes, venue: HedgeVenue, store: Store, writer: Writer, terms: HedgeTerms, now_ns: Callable[[], Nanos]
    ) -> "Hedger":
        """Repeat the journal, and ask the venue about an order that was under way. Raises HedgerDiverged."""
        position = Position()
        async for frame in store.frames():
            for record in frame.records():
                position = repeated(terms, position, record)
        hedger = cls(key, venue, writer, terms, position)
        if position.pending is not None:
            await hedger._settle(position.pending, await venue.outcome(position.pending.number), now_ns())
        return hedger

    async def see(self, seen: Seen, time_ns: Nanos) -> Decided:
        """Decide on a round, and trade what was decided; returns when the outcome is durable."""
        assert self.position.pending is None, "resume first: an order has no answer"
        decision = decided(self._terms, self.position, seen)
        await self._record(seen, decision, time_ns)
        await self._trade(time_ns)
        return decision

    async def _trade(self, time_ns: Nanos) -> None:
        order = self.position.pending
        if order is not None:
            signed = SignedHedgeOrder(order, self._signer.sign(hedge_digest(order)))
            await self._settle(order, await self._venue.send(signed), time_ns)

    async def _settle(self, order: HedgeOrder, fill: HedgeFill, time_ns: Nanos) -> None:
        """Write down what an order came to. A venue that fills more, or worse, than asked is not believed."""
        if fill.qty:
            worse = fill.price > order.limit if order.buys else fill.price < order.limit
            if worse or not 0 < fill.qty <= order.qty:
                raise VenueLied(f"order {order} came back as {fill}")
        qty = fill.qty if order.buys else -fill.qty
        await self._record(Filled(order.number, qty, fill.price), None, time_ns)

    async def _record(self, fact: _Fact, decision: Decided | None, time_ns: Nanos) -> None:
        after = after_record(self.position, time_ns // NANOS_PER_SECOND, fact, decision)
        events = _encode((decision,) if decision is not None else ())
        await self._writer.append([encode_record(Record(after.seq, time_ns, _encode(fact), events))])
        self.position = after
