"""One account's transactions, from signature to finality.

Owns the nonces of one key and the raw bytes of everything it has signed that is not final yet. After a
reorganisation the same bytes go out again under the same nonce, so nothing can happen twice; a transaction
that waits too long is replaced under the same nonce with a higher fee, so nothing can happen twice either.
Keeps no file: after a restart the contract's own state says what is still to be sent. May import chain,
transactions and structlog.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from exchange.shell.chain import (
    Address,
    AlreadyKnown,
    Block,
    Chain,
    ChainError,
    ChainUnavailable,
    Fees,
    Hash,
    NonceTooLow,
    Receipt,
    ReplacementUnderpriced,
    Reverted,
    TransactionRefused,
)
from exchange.shell.transactions import Payload, address_of, sign_transaction, transaction_hash

_log = structlog.get_logger(__name__)

_NONCE_TRIES = 3
_UNFINAL_MAX = 1024  # raw transactions kept for rebroadcast
_BACKOFF_MAX_S = 30.0


class TransactionFailed(ChainError):
    """The transaction is final and did nothing: it reverted, or another took its nonce."""

    def __init__(self, reason: str, receipt: Receipt | None) -> None:
        """Keep the contract's reason, and the receipt if there is one."""
        super().__init__(reason)
        self.reason, self.receipt = reason, receipt


@dataclass(eq=False, slots=True)
class Ticket:
    """One nonce of one account. `raws` are the versions signed for it, the newest last; at most one can be mined."""

    nonce: int
    payload: Payload
    raws: list[bytes]
    sent_at: int  # head when the newest version went out
    receipt: Receipt | None = None
    outcome: "Finalised | Failed | None" = None
    _included: asyncio.Event = field(default_factory=asyncio.Event)
    _final: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hashes(self) -> list[Hash]:
        """Names of the versions, the newest first."""
        return [transaction_hash(raw) for raw in reversed(self.raws)]

    async def included(self) -> Receipt:
        """Wait for the first inclusion, which may be undone. Raises TransactionFailed if there is none."""
        await self._included.wait()
        if self.receipt is None:
            return await self.finalised()
        return self.receipt

    async def finalised(self) -> Receipt:
        """Wait for the end. Raises TransactionFailed."""
        await self._final.wait()
        assert self.outcome is not None  # settled with the event
        if isinstance(self.outcome, Failed):
            raise TransactionFailed(self.outcome.reason, self.outcome.receipt)
        return self.outcome.receipt

    def _include(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self._included.set()

    def _settle(self, outcome: "Finalised | Failed") -> None:
        self.outcome = outcome
        self._included.set()
        self._final.set()


@dataclass(frozen=True, slots=True)
class Included:
    """In a block of the current branch; `receipt.ok` tells how it went there. Provisional."""

    ticket: Ticket
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Dropped:
    """No longer in a block: a reorganisation took it out. The same bytes have been sent again."""

    ticket: Ticket
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Replaced:
    """Waited too long; a version with a higher fee is out under the same nonce."""

    ticket: Ticket
    fees: Fees


@dataclass(frozen=True, slots=True)
class Stalled:
    """Waiting, and the node refuses to help: no funds, or the fee cap is reached. Tried again at each poll."""

    ticket: Ticket
    reason: str


@dataclass(frozen=True, slots=True)
class Finalised:
    """Done, and beyond reorganisation."""

    ticket: Ticket
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Failed:
    """Final without effect; `reason` is the contract's."""

    ticket: Ticket
    reason: str
    receipt: Receipt | None


Update = Included | Dropped | Replaced | Stalled | Finalised | Failed


@dataclass(frozen=True, slots=True)
class SenderLimits:
    """Bounds. `waiting_max` counts transactions not in a block; fees are wei per gas; margins are percent."""

    waiting_max: int = 16
    replace_after_blocks: int = 3
    raise_percent: int = 25  # nodes ask for ten at least
    gas_margin_percent: int = 25
    fee_max: int | None = None


class Sender:
    """Sends for one key. Somebody calls `poll`, or nothing moves."""

    def __init__(self, chain: Chain, key: bytes, limits: SenderLimits | None = None) -> None:
        """`key` is a 32-byte private key; only one Sender in the world may use it at a time."""
        self._chain, self._key = chain, key
        self.limits = limits or SenderLimits()
        self.address: Address = address_of(key)
        self._next_nonce: int | None = None
        self._tickets: dict[int, Ticket] = {}  # by nonce, not final yet
        self._sending, self._polling = asyncio.Lock(), asyncio.Lock()
        self._room = asyncio.Condition()

    @property
    def unfinal(self) -> list[Ticket]:
        """Tickets whose end is open, by nonce."""
        return list(self._tickets.values())

    async def submit(self, to: Address | None, data: bytes, *, value: int = 0, gas: int | None = None) -> Ticket:
        """Sign and send; waits while too many wait. `gas` None estimates at the head, with a margin.

        Raises Reverted when the estimate does, TransactionRefused when the node will not have it (the nonce
        is then still free). An unreachable node raises nothing: the ticket is kept and sent at the next
        poll.
        """
        async with self._sending:
            await self._wait_for_room()
            limit = gas if gas is not None else await self._estimate(to, data, value)
            fees = await self._chain.fees()
            max_fee = self._capped(2 * fees.base_fee + fees.priority_fee)
            payload = Payload(to, data, value, limit, max_fee, min(fees.priority_fee, max_fee))
            head = await self._chain.block("latest")
            return await self._send_first(payload, head.number)

    async def _send_first(self, payload: Payload, head: int) -> Ticket:
        for attempt in range(_NONCE_TRIES):
            if self._next_nonce is None or attempt:
                self._next_nonce = await self._chain.nonce(self.address, "pending")
            nonce = self._next_nonce
            raw = sign_transaction(self._key, self._chain.chain_id, nonce, payload)
            try:
                await self._chain.send_raw(raw)
            except NonceTooLow:
                continue  # somebody else has used the key; ask again where it stands
            except (AlreadyKnown, ChainUnavailable) as error:
                _log.info("sent_unheard", nonce=nonce, error=str(error))
            ticket = Ticket(nonce, payload, [raw], head)
            self._tickets[nonce] = ticket
            self._next_nonce = nonce + 1
            return ticket
        raise NonceTooLow(f"the nonce of 0x{self.address.hex()} moved {_NONCE_TRIES} times while sending")

    async def _wait_for_room(self) -> None:
        def has_room() -> bool:
            waiting = sum(ticket.receipt is None for ticket in self._tickets.values())
            return waiting < self.limits.waiting_max and len(self._tickets) < _UNFINAL_MAX

        async with self._room:
            await self._room.wait_for(has_room)

    async def _estimate(self, to: Address | None, data: bytes, value: int) -> int:
        needed = await self._chain.estimate_gas(self.address, to, data, value=value)
        return needed * (100 + self.limits.gas_margin_percent) // 100

    def _capped(self, fee: int) -> int:
        return fee if self.limits.fee_max is None else min(fee, self.limits.fee_max)

    # Following what was sent

    async def included(self, ticket: Ticket, poll_s: float = 0.05) -> Receipt:
        """Poll until a ticket succeeds in a block. Raises TransactionFailed when it is final and has not."""
        delay_s = poll_s
        while True:
            try:
                await self.poll()
                delay_s = poll_s
            except ChainUnavailable as error:
                _log.warning("chain_unavailable", error=str(error), retry_s=delay_s)
                delay_s = min(delay_s * 2, _BACKOFF_MAX_S)
            if ticket.outcome is not None:
                return await ticket.finalised()
            if ticket.receipt is not None and ticket.receipt.ok:
                return ticket.receipt
            await asyncio.sleep(delay_s)

    async def poll(self) -> list[Update]:
        """Look at everything not final, send again what is missing, raise fees of what is stuck.

        Raises ChainUnavailable, after which polling again is all there is to do.
        """
        async with self._polling:
            found: list[Update] = []
            if not self._tickets:
                return found
            # Read before the receipts: what spent a final nonce must then have a receipt we can see.
            final_nonce = await self._chain.nonce(self.address, "finalized")
            final, head = await self._chain.block("finalized"), await self._chain.block("latest")
            next_nonce = await self._chain.nonce(self.address, "latest")
            await self._fill_gap(next_nonce)
            for ticket in self.unfinal:
                receipt = await self._receipt(ticket)
                if receipt is not None:
                    found += await self._on_receipt(ticket, receipt, final)
                elif ticket.nonce < final_nonce:
                    found.append(self._fail(ticket, "another transaction took the nonce", None))
                else:
                    found += await self._on_missing(ticket, head.number, next_nonce)
            async with self._room:
                self._room.notify_all()
            return found

    async def _receipt(self, ticket: Ticket) -> Receipt | None:
        for tx_hash in ticket.hashes:
            receipt = await self._chain.receipt(tx_hash)
            if receipt is not None:
                return receipt
        return None

    async def _on_receipt(self, ticket: Ticket, receipt: Receipt, final: Block) -> list[Update]:
        found: list[Update] = []
        if ticket.receipt is None or ticket.receipt.block_hash != receipt.block_hash:
            ticket._include(receipt)  # noqa: SLF001 - a ticket is settled by its sender only
            found.append(Included(ticket, receipt))
        if receipt.block_number > final.number:
            return found
        if (await self._chain.block(receipt.block_number)).hash != receipt.block_hash:
            return found  # read across a reorganisation; the next poll sees one branch
        if receipt.ok:
            del self._tickets[ticket.nonce]
            done = Finalised(ticket, receipt)
            ticket._settle(done)  # noqa: SLF001
            return [*found, done]
        return [*found, self._fail(ticket, await self._why(ticket, receipt), receipt)]

    def _fail(self, ticket: Ticket, reason: str, receipt: Receipt | None) -> Failed:
        del self._tickets[ticket.nonce]
        failed = Failed(ticket, reason, receipt)
        ticket._settle(failed)  # noqa: SLF001
        return failed

    async def _why(self, ticket: Ticket, receipt: Receipt) -> str:
        """Ask the contract again on the state before the block; a receipt does not carry the reason."""
        payload = ticket.payload
        if payload.to is None:
            return "the deployment reverted"
        try:
            before = receipt.block_number - 1
            await self._chain.call(payload.to, payload.data, before, sender=self.address, value=payload.value)
        except Reverted as error:
            return error.reason or "reverted without a reason"
        except ChainUnavailable:
            raise
        except ChainError as error:
            return f"reverted; the reason is out of reach: {error}"
        return "reverted, because of what preceded it in its block"

    async def _on_missing(self, ticket: Ticket, head: int, next_nonce: int) -> list[Update]:
        """Not in a block: send again what a reorganisation dropped or the node forgot; outbid what is stuck."""
        dropped, ticket.receipt = ticket.receipt, None
        if dropped is not None:
            ticket.sent_at = head
            stalled = await self._resend(ticket, self._version(ticket, dropped.tx_hash))
            return [Dropped(ticket, dropped), *stalled]
        if await self._chain.transaction(ticket.hashes[0]) is None:
            return await self._resend(ticket, ticket.raws[-1])
        if ticket.nonce == next_nonce and head - ticket.sent_at >= self.limits.replace_after_blocks:
            return await self._replace(ticket, head)
        return []

    def _version(self, ticket: Ticket, tx_hash: Hash) -> bytes:
        return next(raw for raw in ticket.raws if transaction_hash(raw) == tx_hash)

    async def _resend(self, ticket: Ticket, raw: bytes) -> list[Update]:
        try:
            await self._chain.send_raw(raw)
        except (AlreadyKnown, NonceTooLow, ReplacementUnderpriced):
            pass  # it, or another version, is in the pool or in a block: the next poll sees which
        except TransactionRefused as error:
            return [Stalled(ticket, str(error))]
        return []

    async def _replace(self, ticket: Ticket, head: int) -> list[Update]:
        """Sign the same action again, a quarter dearer at least, as dear as the market if that is more."""
        old, fees, percent = ticket.payload, await self._chain.fees(), 100 + self.limits.raise_percent
        tip = max(-(-old.priority_fee * percent // 100), fees.priority_fee)
        max_fee = max(-(-old.max_fee * percent // 100), 2 * fees.base_fee + tip)
        if max_fee > self._capped(max_fee):
            return [Stalled(ticket, f"the market asks {max_fee} wei per gas, the cap is {self.limits.fee_max}")]
        payload = replace(old, max_fee=max_fee, priority_fee=tip)
        raw = sign_transaction(self._key, self._chain.chain_id, ticket.nonce, payload)
        try:
            await self._chain.send_raw(raw)
        except TransactionRefused as error:
            return [Stalled(ticket, str(error))]
        ticket.payload, ticket.sent_at = payload, head
        ticket.raws.append(raw)
        return [Replaced(ticket, Fees(max_fee - tip, tip))]

    async def _fill_gap(self, next_nonce: int) -> None:
        """Spend nonces below ours that belonged to an earlier life of this key and were lost with its pool.

        Without this a reorganisation across a restart would leave everything later waiting for ever.
        """
        lowest = min(self._tickets)
        if next_nonce >= lowest or await self._chain.nonce(self.address, "pending") > next_nonce:
            return
        fees = await self._chain.fees()
        max_fee = self._capped(2 * fees.base_fee + fees.priority_fee)
        payload = Payload(self.address, b"", 0, 21_000, max_fee, min(fees.priority_fee, max_fee))
        _log.warning("nonce_gap", first=next_nonce, lowest_of_ours=lowest)
        raw = sign_transaction(self._key, self._chain.chain_id, next_nonce, payload)
        with suppress(AlreadyKnown, NonceTooLow, ReplacementUnderpriced):  # the gap is closing without us
            await self._chain.send_raw(raw)
