"""What the replay server answers: where a journal ends, how the venue stood, a record, and the evidence for an order.

Each answer costs a bounded amount: a question about a far moment walks so many records and says how far it came; the
asker asks again. Imports the walker, the places, at.
"""

import base64
from pathlib import Path
from typing import Any, Final

from exchange.core.state import State
from exchange.core.state_types import entered
from exchange.signing import ComboOrder, domain_separator, order_digest, order_of, to_hex
from replay import at, trail
from replay.engine import Moment
from replay.findings import CannotRun
from replay.frames import Progress
from replay.limits import SCOPES
from replay.places import Batch, Grant, Places
from replay.tree import named
from replay.walker import Walker

STEP: Final = 20_000
"""Records that one question walks ahead at most, about half a second; back it is the distance of two kept states."""
TRADES_MAX: Final = 1_000
DEPTH: Final = 20


class Answers:
    """One journal, for one asker at a time. Everything raises CannotRun for what there is not, Diverged at damage."""

    def __init__(self, path: Path) -> None:
        self.places = Places(path)
        self._walker = Walker(path)

    def advance(self, progress: Progress | None = None) -> None:
        """Read what has been added to the journal."""
        self.places.advance(progress)

    def head(self) -> dict[str, Any]:
        """How long the journal is, its root, and whose it is."""
        self.advance()
        places = self.places
        size = places.forest.size
        root = places.forest.root(size).hex() if size else ""
        return {"seq": size, "root": root, "batches": len(places.batches), "venue": self._venue()}

    def at(self, seq: int, series: str | None, account: int | None) -> dict[str, Any]:
        """The venue after a record, or as far towards it as one question walks. ``seq`` 0 is before the first."""
        self.advance()
        if not 0 <= seq <= self.places.forest.size:
            raise CannotRun(f"there is no record {seq}: the journal has {self.places.forest.size}")
        self._walker.to(Moment(seq=min(seq, self._walker.state.seq + STEP)))
        state = self._walker.state
        told = {"wanted": seq, "seq": state.seq, "arrived": state.seq == seq}
        return told | (self._view(state, series, account) if state.seq == seq else {})

    def _view(self, state: State, series: str | None, account: int | None) -> dict[str, Any]:
        names = {at.name_of(state, each): key for key, each in state.series.items()}
        known = state.accounts.get(account) if account is not None else None
        return {
            "time": at.iso(state.time_ns),
            "is_open": state.is_open,
            "round_id": None if state.round is None else state.round.round_id,
            "instruments": list(names),
            "accounts": sorted(key for key in state.accounts if key),
            "book": at.book_view(state, state.series[names[series]], DEPTH) if series in names else None,
            "account": at.account_view(state, known, in_full=True) if known is not None else None,
            "unsettled": len(state.trades),
        }

    def record(self, seq: int) -> dict[str, Any]:
        """A record by name and as its bytes, with its leaf."""
        self.advance()
        entry, raw = self.places.entry(seq)
        return {
            "seq": seq,
            "time": at.iso(entry.time_ns),
            "kind": type(entry.command).__name__,
            "command": named(entry.command),
            "events": [named(event) for event in entry.events],
            "leaf": self.places.forest.leaf(seq - 1).hex(),
            "bytes": base64.b64encode(raw).decode(),
        }

    # -- evidence -----------------------------------------------------------------------------------------------------

    def order(self, order_id: int) -> dict[str, Any]:
        """All that vouches for an order: what was signed and by whose right, its record, trades, batches and proofs."""
        self.advance()
        places = self.places
        seq = entered(order_id)[0]
        entry, _ = places.entry(seq)
        auth = trail.signed_for(entry, order_id)
        if auth is None or places.venue is None:
            raise CannotRun(f"the journal knows no order {order_id}")
        trades = places.fills.get(order_id, [])[:TRADES_MAX]
        batches = {batch.number: batch for trade in trades if (batch := places.batch_of(trade)) is not None}
        size = max((batch.sealed_seq for batch in batches.values()), default=places.forest.size)
        return {
            "order_id": order_id,
            "venue": self._venue(),
            "order": self._signed(auth),
            "authority": self._authority(auth.account, auth.signer, seq),
            "record": self.record(seq) | {"proof": self._proof(seq, size)},
            "trades": [self._trade(trade, size) for trade in trades],
            "batches": [self._batch(batch) for batch in batches.values()],
            "size": size,
            "root": places.forest.root(size).hex(),
        }

    def _venue(self) -> dict[str, Any] | None:
        venue = self.places.venue
        if venue is None:
            return None
        return {"chain_id": venue.chain_id, "clearing": to_hex(venue.clearing), "operator": to_hex(venue.operator)}

    def _signed(self, auth: Any) -> dict[str, Any]:
        """The struct as wallets sign it, its digest, and the signature."""
        assert self.places.venue is not None
        order, venue = order_of(auth), self.places.venue
        is_combo = isinstance(order, ComboOrder)
        of = {"legs": str(order.legs)} if isinstance(order, ComboOrder) else {"series": str(order.series)}
        message = {"account": str(order.account), **of, "isBuy": order.is_buy, "quantity": str(order.quantity)}
        message |= {"limitPrice": str(order.limit_price), "maxFee": str(order.max_fee)}
        message |= {"timeInForce": str(order.time_in_force), "postOnly": order.post_only}
        message |= {"reduceOnly": order.reduce_only, "replaces": str(order.replaces), "nonce": str(order.nonce)}
        message |= {"expiry": str(order.expiry), "terms": "0x" + order.terms.hex()}
        digest = order_digest(domain_separator(venue.chain_id, venue.clearing), order)
        kind = f"{'Rfq' if order.for_rfq else ''}{'ComboOrder' if is_combo else 'Order'}"
        told = {"kind": kind, "message": message, "hash": "0x" + digest.hex()}
        return told | {"signature": "0x" + auth.signature.hex(), "signer": to_hex(auth.signer)}

    def _authority(self, account: int, signer: bytes, seq: int) -> dict[str, Any]:
        """By whose right a signer acted at a record: as the owner, or by a key registered before it."""
        opened, owner = self.places.owners.get(account, (0, b""))
        told: dict[str, Any] = {"account": account, "owner": to_hex(owner) if owner else "", "owner_seq": opened}
        if signer == owner:
            return told | {"by": "owner"}
        grants = [each for each in self.places.grants.get((account, signer), []) if each.seq < seq]
        return told | ({"by": "key", "key": _grant(grants[-1])} if grants else {"by": "nobody"})

    def _trade(self, trade_id: int, size: int) -> dict[str, Any]:
        seq = self.places.trades[trade_id]
        entry, raw = self.places.entry(seq)
        fill = next(traded for traded, _ in trail.takers(entry) if traded.trade_id == trade_id)
        batch = self.places.batch_of(trade_id)
        bytes_of = {"leaf": self.places.forest.leaf(seq - 1).hex(), "bytes": base64.b64encode(raw).decode()}
        placed = {"seq": seq, "time": at.iso(entry.time_ns), "proof": self._proof(seq, size), **bytes_of}
        facts = {"trade_id": trade_id, "price": fill.price, "qty": fill.qty}
        return facts | {"batch": batch.number if batch is not None else None, "record": placed}

    def _proof(self, seq: int, size: int) -> list[str]:
        return [node.hex() for node in self.places.forest.proof(seq - 1, size)]

    def _batch(self, batch: Batch) -> dict[str, Any]:
        told = {**batch._asdict(), "tx_hash": "0x" + batch.tx_hash.hex() if batch.tx_hash else ""}
        return told | {"root": self.places.forest.root(batch.sealed_seq).hex()}


def _grant(grant: Grant) -> dict[str, Any]:
    return {**grant._asdict(), "scopes": [name for bit, name in SCOPES.items() if grant.scopes & bit]}
