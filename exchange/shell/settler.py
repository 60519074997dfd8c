"""The batcher: takes what the machine sealed or fixed to the contracts, in order, until the chain says it is done.

It keeps no state of its own that matters: what is still to do is read from the machine, what has been done from the
contracts, so a restart or a reorganisation only makes it look again. Imports deploy, sender, sequencer,
showing, calldata.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

import structlog

from exchange import calldata
from exchange.core import commands as c
from exchange.core import settlement
from exchange.core.commands import Authorisation, ExecuteBlock, PostRound
from exchange.core.state import State
from exchange.core.state_types import Batch, Mandate
from exchange.core.units import Seconds, expiry_of, seconds_of
from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.clock import Clock
from exchange.shell.contract import Contract
from exchange.shell.deploy import Contracts
from exchange.shell.meters import Meters
from exchange.shell.rounds import chain_round
from exchange.shell.sender import Sender, Ticket, TransactionFailed
from exchange.shell.sequencer import Sequencer
from exchange.shell.showing import Arrays, arrays_for_batch, passed_on
from exchange.signing import (
    BatchHeader,
    batch_digest,
    block_digest,
    domain_separator,
    mandate_proofs,
    mandate_root,
    order_of,
    sign,
)

ACCOUNTS_PER_SETTLEMENT: Final = 32  # 64 that hold all of a full expiry take 24 million gas, a transaction has 16
ROUND, FIXING, BATCH = range(3)
# What a contract says when a call came after its effect: by an earlier attempt of ours, or by somebody quicker.
_ALREADY_DONE: Final = {
    "post_round": "round_order",
    "fix_expiry": "expiry_fixed",
    "settle_signed": "batch_id",
    "settle_block_batch": "batch_id",
}

_log = structlog.get_logger(__name__)


class BatchRefusedByContract(Exception):
    """The contract will not take a batch: NO_BUST is broken, the venue halts and a person decides."""


class Job(NamedTuple):
    """One thing the contracts still have to hear. ``key`` orders jobs and names them across restarts."""

    key: tuple[int, int, int]  # round id; 0 the round alone, 1 fixing, 2 batch; number
    round: PostRound
    to_chain: calldata.Round
    batch: "BatchJob | None" = None
    expiry_id: int = 0
    accounts: tuple[int, ...] = ()


class Shown(NamedTuple):
    """What the contract is to be shown of an authorisation: a signed order, or a quote of a message signed as one."""

    auth: Authorisation
    mandate: Mandate | None
    leaf: int


class BatchJob(NamedTuple):
    """A sealed batch, to be encoded once it is sent. ``orders`` and ``trades`` are in order of their fills.

    A batch that is a block trade has neither, but the ``block``.
    """

    batch_id: int
    round_id: int
    sealed_seq: int
    deadline: Seconds
    orders: list[Shown]
    trades: list[calldata.Trade]
    expiries: tuple[int, ...]
    block: ExecuteBlock | None = None
    arrays: Arrays | None = None


# -- planning: reads the machine --------------------------------------------------------------------------------------


def plan(state: State, deadline_s: Seconds, sent: Collection[tuple[int, ...]] = ()) -> list[Job]:
    """Rounds, batches and fixings the contracts have not confirmed, in the order they must be sent.

    It runs in the sequencer's turn, so it only collects: batches whose keys are in ``sent`` come without what is in
    them, and nothing is hashed here.
    """
    pending = _pending_expiries(state)
    jobs = [Job((key, ROUND, 0), *_round(state, key)) for key in state.rounds]
    for batch in state.batches.values():
        key = (batch.round_id, BATCH, batch.id)
        draft = None if key in sent else _batch_job(state, batch.id, deadline_s, pending)
        jobs.append(Job(key, *_round(state, batch.round_id), batch=draft))
    jobs += [
        Job((round_id, FIXING, expiry_id), *_round(state, round_id), expiry_id=expiry_id)
        for expiry_id, round_id in state.fixings.items()
    ]
    return sorted(jobs, key=lambda job: job.key)


def _round(state: State, round_id: int) -> tuple[PostRound, calldata.Round]:
    round_ = state.rounds[round_id]
    return round_, chain_round(state, round_)


def _batch_job(state: State, batch_id: int, deadline_s: Seconds, pending: dict[int, dict[int, None]]) -> BatchJob:
    batch = state.batches[batch_id]
    deadline = seconds_of(batch.sealed_ns) + deadline_s
    block = _block_of(state, batch)
    if block is not None:
        expiries = _block_expiries(state, block, pending)
        arrays = arrays_for_batch(state, batch)
        return BatchJob(batch_id, batch.round_id, batch.sealed_seq, deadline, [], [], expiries, block, arrays)
    places: dict[int, int] = {}
    orders: list[Shown] = []
    trades: list[calldata.Trade] = []
    held: dict[int, None] = {}
    for trade_id in range(batch.first_trade, batch.last_trade + 1):
        trade = state.trades[trade_id]
        for auth_id in (trade.maker_auth, trade.taker_auth):
            for link in settlement.lineage(state, auth_id, batch_id):
                if link.id not in places:
                    places[link.id] = len(orders)
                    orders.append(Shown(link.auth, state.mandates[link.mandate] if link.mandate else None, link.leaf))
                    held |= _held_expiries(state, link.auth) | pending.get(link.auth.account, {})
        units = settlement.units_of(state, trade)
        sides = places[trade.maker_auth], places[trade.taker_auth]
        trades.append(calldata.Trade(*sides, trade.qty, trade.price, trade.index, units))
    fixed = (batch_id, batch.round_id, batch.sealed_seq, deadline)
    return BatchJob(*fixed, orders, trades, tuple(sorted(held)), None, arrays_for_batch(state, batch))


def _block_of(state: State, batch: Batch) -> ExecuteBlock | None:
    """The block trade that a batch is, if it is one; an empty batch is none."""
    if batch.first_trade > batch.last_trade:
        return None
    entry = state.auths[state.trades[batch.first_trade].maker_auth]
    return state.deals[entry.deal].signed if entry.deal else None


def _block_expiries(state: State, signed: ExecuteBlock, pending: dict[int, dict[int, None]]) -> tuple[int, ...]:
    """Expiries in which either party may hold something on chain when its block settles; all legs' among them."""
    held = dict.fromkeys(expiry_of(leg.series) for leg in signed.block.legs)
    for account in (signed.block.maker, signed.block.taker):
        there = state.mirror.positions.get(account, {})
        held |= dict.fromkeys(expiry_of(series) for series in (*state.accounts[account].positions, *there))
        held |= pending.get(account, {})
    return tuple(sorted(held))


def _held_expiries(state: State, auth: Authorisation) -> dict[int, None]:
    """Expiries an account may hold on chain when its order settles: what it holds there now, here, and trades."""
    here = state.accounts[auth.account].positions
    there = state.mirror.positions.get(auth.account, {})
    traded = (leg.series for leg in auth.legs) if auth.legs else (auth.series,)
    return dict.fromkeys(expiry_of(series) for series in (*here, *there, *traded))


def _pending_expiries(state: State) -> dict[int, dict[int, None]]:
    """By account, the expiries in which it has fills that have yet to settle."""
    pending: dict[int, dict[int, None]] = {}
    for trade in state.trades.values():
        for account in (trade.maker_account, trade.taker_account):
            pending.setdefault(account, {})[expiry_of(trade.series)] = None
    return pending


def entries(batch: BatchJob) -> list[calldata.Entry]:
    """What the contract is shown, in order of the fills: signed orders, and quotes with their proofs."""
    trees: dict[int, tuple[bytes, list[list[bytes]]]] = {}
    found: list[calldata.Entry] = []
    for auth, mandate, leaf in batch.orders:
        if mandate is None:
            found.append(signed_order(auth))
            continue
        if mandate.id not in trees:
            trees[mandate.id] = mandate_root(mandate.leaves), mandate_proofs(mandate.leaves)
        root, proofs = trees[mandate.id]
        found.append(calldata.SignedQuote(mandate.quote, root, leaf, mandate.leaves[leaf], tuple(proofs[leaf])))
    return found


def signed_order(auth: Authorisation) -> calldata.SignedOrder:
    """An authorisation as the contract reads it."""
    return calldata.SignedOrder(order_of(auth), auth.signature)


def _prices_of(job: Job, batch: BatchJob) -> tuple[bytes, bytes]:
    """Hashes of all sheets of the round, and the sheets that a batch needs."""
    named = {sheet.expiry_id for sheet in job.to_chain.sheets}
    sheets = calldata.select_sheets(job.to_chain, [key for key in batch.expiries if key in named])
    return calldata.sheet_hashes(job.to_chain), sheets


def _oldest_sealed(state: State) -> int:
    """The record that sealed the oldest batch that is not final; the newest record when all are."""
    return min((batch.sealed_seq for batch in state.batches.values()), default=state.seq)


def due_settlements(state: State) -> list[tuple[int, tuple[int, ...]]]:
    """Fixed expiries whose fills have all settled, with accounts that still hold them on chain."""
    due = []
    for expiry_id in state.mirror.fixings:
        if any(expiry_of(trade.series) == expiry_id for trade in state.trades.values()):
            continue
        holders = [
            account
            for account, positions in sorted(state.mirror.positions.items())
            if any(expiry_of(series) == expiry_id for series in positions)
        ]
        if holders:
            due.append((expiry_id, tuple(holders[:ACCOUNTS_PER_SETTLEMENT])))
    return due


# -- doing: writes the chain ------------------------------------------------------------------------------------------


class Settler:
    """Sends jobs one after another; ``step`` is one look, so that whoever owns time decides how often."""

    def __init__(
        self,
        sequencer: Sequencer,
        contracts: Contracts,
        sender: Sender,
        clock: Clock,
        operator_key: bytes,
        meters: Meters | None = None,
    ) -> None:
        self._sequencer = sequencer
        self._contracts = contracts
        self._sender = sender
        self._clock = clock
        self._key = operator_key
        self._meters = meters or Meters()
        self._deadline_s = contracts.deployment.terms.max_round_age_s
        self._sent: dict[tuple[int, ...], Ticket] = {}
        self._refused: tuple[int, ...] | None = None  # the batch that was refused last

    async def step(self) -> int:
        """Send what has not been sent; the number of jobs still open. Raises BatchRefusedByContract."""
        sent = {key for key in self._sent if self._in_flight(key)}
        jobs = await self._sequencer.read(lambda state: plan(state, self._deadline_s, sent))
        head = await self._contracts.chain.block("latest")
        for job in jobs:
            if job.round.time_s > head.time_s:
                break  # to the contracts this round lies in the future, and what follows names later ones
            if job.key not in sent and not await self._send(job):
                break
        self._sequencer.anchors.forget_before(await self._sequencer.read(_oldest_sealed))
        settlements = await self._sequencer.read(due_settlements)
        for expiry_id, accounts in settlements:
            await self._settle_expiry(expiry_id, accounts)
        wanted = {job.key for job in jobs} | {(expiry_id, *accounts) for expiry_id, accounts in settlements}
        self._sent = {key: ticket for key, ticket in self._sent.items() if key in wanted}
        return sum(job.key[1] != ROUND for job in jobs) + len(settlements)

    def _in_flight(self, key: tuple[int, ...]) -> bool:
        ticket = self._sent.get(key)
        return ticket is not None and (ticket.outcome is None or (ticket.receipt is not None and ticket.receipt.ok))

    async def _send(self, job: Job) -> bool:
        """Do a job; whether the next one may follow."""
        clearing = self._contracts.clearing
        if job.key[1] == ROUND:
            return await self._post_round(job)
        if job.batch is not None and job.batch.block is not None:
            args = self._block_args(job, job.batch, job.batch.block)
            return await self._submit(job.key, clearing, "settle_block_batch", *args, arrays=job.batch.arrays)
        if job.batch is not None:
            said = self._settle_args(job, job.batch)
            return await self._submit(job.key, clearing, "settle_signed", *said, arrays=job.batch.arrays)
        return await self._submit(job.key, clearing, "fix_expiry", job.expiry_id)

    async def _post_round(self, job: Job) -> bool:
        """A round goes first, before what names it; one that was posted already, by anyone, is left alone."""
        if await self._is_posted(job.round.round_id, calldata.round_header(job.to_chain).sheets_root):
            return True
        args = calldata.post_round_args(job.to_chain, job.round.signatures)
        return await self._submit(job.key, self._contracts.oracle, "post_round", *args)

    async def _is_posted(self, round_id: int, root: bytes | None = None) -> bool:
        """Whether the oracle holds a round of that number. Another root is an alarm: signers signed a number twice."""
        try:
            *_, held = await self._contracts.oracle.call("round_of", round_id)
        except Reverted as error:
            if error.reason != Revert.ROUND_UNKNOWN:
                raise
            return False
        if root is not None and held != root:
            _log.critical("round_signed_twice", round_id=round_id)
        return True

    def _settle_args(self, job: Job, batch: BatchJob) -> calldata.SettleArgs:
        orders, trades = calldata.arrange(entries(batch), batch.trades)
        body = calldata.batch_body(orders, trades)
        header, signature = self._signed(batch, calldata.content_hash(body))
        return calldata.settle_signed_args(header, signature, body, *_prices_of(job, batch))

    def _block_args(self, job: Job, batch: BatchJob, signed: ExecuteBlock) -> calldata.BlockBatchArgs:
        content = calldata.block_content(
            block_digest(self._domain, signed.block), signed.maker_signature, signed.taker_signature
        )
        header, signature = self._signed(batch, content)
        return calldata.block_batch_args(header, signature, signed, *_prices_of(job, batch))

    @property
    def _domain(self) -> bytes:
        return domain_separator(self._contracts.deployment.chain_id, self._contracts.clearing.address)

    def _signed(self, batch: BatchJob, content: bytes) -> tuple[BatchHeader, bytes]:
        """What the operator says of a batch, and the signature under it."""
        header = BatchHeader(
            batch_id=batch.batch_id,
            round_id=batch.round_id,
            deadline=batch.deadline,
            journal_size=batch.sealed_seq,
            journal_root=self._sequencer.anchors.roots[batch.sealed_seq],
        )
        return header, sign(self._key, batch_digest(self._domain, header, content))

    async def _submit(
        self, key: tuple[int, ...], contract: Contract, name: str, *args: object, arrays: Arrays | None = None
    ) -> bool:
        """Send and wait for inclusion; False when it is to be tried again later. Raises BatchRefusedByContract."""
        try:
            to, data = contract.address, contract.encode(name, *args)
            if arrays is not None:
                to, data = await passed_on(self._contracts, self._sender, arrays, data)
            ticket = await self._sender.submit(to, data)
            self._sent[key] = ticket
            receipt = await self._sender.included(ticket)
            self._meters.included(name, receipt.gas_used, is_batch=key[1] == BATCH)
        except (Reverted, TransactionFailed) as error:
            if error.reason == _ALREADY_DONE[name]:
                return True
            self._meters.contracts_refused[name] += 1
            _log.error("contract_refused", call=name, reason=error.reason, job=key)
            if key[1] != BATCH or not await self._is_believed(key):
                return False
            await self._sequencer.record(c.BatchRefused(key[2], error.reason))
            raise BatchRefusedByContract(f"batch {key[2]}: {error.reason}") from error
        return True

    async def _is_believed(self, key: tuple[int, ...]) -> bool:
        """Whether a refused batch has been refused twice running while the contracts stood where it needs them.

        A reorganisation takes the round a batch names, or the batch before it, away for a moment; that is no refusal.
        """
        round_id, _, batch_id = key
        last_batch, *_ = await self._contracts.clearing.call("last_batch")
        is_due = await self._is_posted(round_id) and last_batch == batch_id - 1
        was_refused, self._refused = self._refused == key, key if is_due else None
        return is_due and was_refused

    async def _settle_expiry(self, expiry_id: int, accounts: tuple[int, ...]) -> None:
        """Ask for settlement once the contract allows it; anyone else may have been quicker."""
        key = (expiry_id, *accounts)
        expiry_s = await self._sequencer.read(lambda state: state.expiries[expiry_id].expiry_s)
        window = self._contracts.deployment.terms.settlement_window_s
        head = await self._contracts.chain.block("latest")
        if self._in_flight(key) or head.time_s <= expiry_s + window + 1:
            return
        data = self._contracts.clearing.encode("settle_expiry", expiry_id, list(accounts))
        self._sent[key] = await self._sender.submit(self._contracts.clearing.address, data)
