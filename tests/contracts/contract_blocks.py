"""Block trades on a venue of ``contract_venue``: how tests make one, settle it with the operator, and without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
from contract_venue import USDC, Player, Venue, key

from exchange import calldata, signing
from exchange.calldata import Round
from exchange.core.commands import Block, BlockLeg, ExecuteBlock
from exchange.shell.chain import Receipt
from exchange.signing import BatchHeader


@dataclass(frozen=True)
class Desk:
    """A block in plain form, so that a test can spoil one part of it, and who signs."""

    venue: Venue
    block: Block
    by: tuple[str, str]
    domain: bytes
    signed_as: Block | None = None  # what the signatures are over, if it is something else

    def but(self, **changes: Any) -> Desk:
        """Another block, signed."""
        return replace(self, block=msgspec.structs.replace(self.block, **changes))

    def forged(self, **changes: Any) -> Desk:
        """Another block under the old signatures."""
        return replace(self, block=msgspec.structs.replace(self.block, **changes), signed_as=self.block)

    def signed_by(self, maker: str, taker: str) -> Desk:
        return replace(self, by=(maker, taker))

    @property
    def digest(self) -> bytes:
        return signing.block_digest(self.domain, self.block)

    @property
    def signed(self) -> ExecuteBlock:
        digest = signing.block_digest(self.domain, self.signed_as or self.block)
        pairs = [(signing.address_of(key(name)), signing.sign(key(name), digest)) for name in self.by]
        return ExecuteBlock(self.block, *pairs[0], *pairs[1])

    # -- with the operator --------------------------------------------------------------------------------------

    def header(self, **changes: Any) -> BatchHeader:
        last_id, _, _, size = self.venue.clearing.call("last_batch")
        fields = {
            "batch_id": last_id + 1,
            "round_id": max(self.venue.rounds),
            "deadline": self.venue.now + 600,
            "journal_size": size + 1,
            "journal_root": bytes([7]) * 32,
        }
        return BatchHeader(**(fields | changes))

    def content(self) -> bytes:
        """What the operator of this venue signs, whatever the parties have signed."""
        signed = self.signed
        digest = signing.block_digest(self.venue.domain, self.block)
        return calldata.block_content(digest, signed.maker_signature, signed.taker_signature)

    def batch_args(self, operator: str = "operator", content: bytes | None = None, **changes: Any) -> tuple[Any, ...]:
        header = self.header(**changes)
        digest = signing.batch_digest(self.venue.domain, header, content or self.content())
        signature = signing.sign(key(operator), digest)
        return calldata.block_batch_args(header, signature, self.signed, *self.prices(header.round_id))

    def prices(self, round_id: int | None = None) -> tuple[bytes, bytes]:
        round_: Round = self.venue.rounds[max(self.venue.rounds) if round_id is None else round_id]
        named = [sheet.expiry_id for sheet in round_.sheets]
        return calldata.sheet_hashes(round_), calldata.select_sheets(round_, named)

    def settle(self, **changes: Any) -> Receipt:
        return self.venue.send("keeper", self.venue.clearing, "settle_block_batch", *self.batch_args(**changes))

    def settle_refusal(self, **changes: Any) -> str:
        return self.venue.refusal("keeper", self.venue.clearing, "settle_block_batch", *self.batch_args(**changes))

    # -- without ------------------------------------------------------------------------------------------------

    def queue(self) -> Receipt:
        return self.venue.send("keeper", self.venue.clearing, "queue_block", *calldata.block_args(self.signed))

    def queue_refusal(self) -> str:
        return self.venue.refusal("keeper", self.venue.clearing, "queue_block", *calldata.block_args(self.signed))

    def free_args(self, round_id: int | None = None) -> tuple[Any, ...]:
        number = max(self.venue.rounds) if round_id is None else round_id
        return (*calldata.block_args(self.signed), number, *self.prices(number))

    def trade(self, round_id: int | None = None) -> Receipt:
        return self.venue.send("keeper", self.venue.clearing, "settle_block", *self.free_args(round_id))

    def trade_refusal(self, round_id: int | None = None) -> str:
        return self.venue.refusal("keeper", self.venue.clearing, "settle_block", *self.free_args(round_id))


def desk(venue: Venue, maker: Player, taker: Player, *legs: BlockLeg, **terms: Any) -> Desk:
    """A block signed by both owners, with a fresh nonce."""
    venue.next_nonce += 1
    fields = {
        "maker_max_fee": 1_000 * USDC,
        "taker_max_fee": 1_000 * USDC,
        "nonce": venue.next_nonce,
        "expiry_s": venue.now + 3_600,
        "queueable": True,
    }
    block = Block(maker.account, taker.account, legs, **(fields | terms))
    return Desk(venue, block, (maker.name, taker.name), venue.domain)
