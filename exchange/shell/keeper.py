"""``verbatim keeper``: what anyone may do on the contracts and somebody has to, with the engine or without it.

Owns the chores and their order: fixing and settling expiries, paying those whose request binds, letting a named
operator take office, sending income on its way. It reads the chain alone and keeps nothing, so it can be killed, and
several can run at once: whoever comes second is refused by an estimate and pays nothing, or changes nothing. Imports
governed, deploy, contract, sender, chain.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

import structlog

from exchange.core.units import USDC_ONE, Cash
from exchange.shell.chain import ZERO_ADDRESS, Reverted
from exchange.shell.contract import Contract
from exchange.shell.deploy import Contracts
from exchange.shell.governed import INSURANCE, OPERATOR, RESERVE, STAKERS
from exchange.shell.sender import Sender, TransactionFailed

PAGE: Final = 64  # accounts settled by one transaction
INCOME_MIN: Final = 100 * USDC_ONE
_log = structlog.get_logger(__name__)


class Act(NamedTuple):
    """A call that is due, as far as the chain says."""

    contract: Contract
    method: str
    args: tuple[object, ...]


class Keeper:
    """One wallet that does the chores. ``step`` is one look; whoever owns time decides how often."""

    def __init__(self, contracts: Contracts, sender: Sender, income_min: Cash = INCOME_MIN) -> None:
        """``income_min`` in 1e-6 USDC: less is not worth the gas of sending it on."""
        self._contracts, self._sender, self._income_min = contracts, sender, income_min

    async def step(self) -> list[Act]:
        """Do what is due; what was done. Raises ChainUnavailable."""
        return [act async for act in self._due() if await self._do(act)]

    async def _do(self, act: Act) -> bool:
        """Whether it happened. What is refused was too early, or somebody else's."""
        try:
            data = act.contract.encode(act.method, *act.args)
            await self._sender.included(await self._sender.submit(act.contract.address, data))
        except (Reverted, TransactionFailed) as refused:
            _log.info("chore_refused", method=act.method, args=act.args, reason=refused.reason)
            return False
        return True

    async def _due(self) -> AsyncIterator[Act]:
        """Each chore is looked for when those before it are done."""
        for chores in (self._expiries, self._queue, self._office, self._income):
            async for act in chores():
                yield act

    async def _expiries(self) -> AsyncIterator[Act]:
        """Expiries that can be fixed, and accounts that hold positions in those that are."""
        clearing, now_s = self._contracts.clearing, (await self._contracts.chain.block("latest")).time_s
        for expiry_id in range(1, int(await clearing.call("expiry_count")) + 1):
            _, expiry_s, holders, is_fixed, _ = await clearing.call("expiry_state", expiry_id)
            if not is_fixed and expiry_s <= now_s:
                yield Act(clearing, "fix_expiry", (expiry_id,))
                *_, is_fixed, _ = await clearing.call("expiry_state", expiry_id)
            if is_fixed and holders:
                for page in _pages(await self._holders(expiry_id)):
                    yield Act(clearing, "settle_expiry", (expiry_id, page))

    async def _holders(self, expiry_id: int) -> list[int]:
        """Accounts with positions in an expiry."""
        clearing, found = self._contracts.clearing, []
        for account in range(1, int(await clearing.call("account_count")) + 1):
            held, _ = await clearing.call("positions_of", account, expiry_id)
            if held:
                found.append(account)
        return found

    async def _queue(self) -> AsyncIterator[Act]:
        """Withdrawals and exits of accounts without positions; with some, whoever asks has to show price sheets."""
        clearing = self._contracts.clearing
        for account in range(1, int(await clearing.call("account_count")) + 1):
            _, _, frozen_from, live, requested, _ = await clearing.call("account_state", account)
            if live == 0 and frozen_from:
                yield Act(clearing, "finalise_exit", (account, 0, b"", b""))
            elif live == 0 and requested:
                yield Act(clearing, "finalise_withdrawal", (account, 0, b"", b""))

    async def _office(self) -> AsyncIterator[Act]:
        clearing = self._contracts.clearing
        is_named, _, _ = await clearing.call("succession")
        if is_named:
            yield Act(clearing, "install_operator", ())

    async def _income(self) -> AsyncIterator[Act]:
        """From account 0 and the vault to the treasury, and from there to whoever is named for a part."""
        clearing, vault, treasury, usdc = (
            self._contracts.clearing,
            self._contracts.vault,
            self._contracts.treasury,
            self._contracts.usdc,
        )
        if await clearing.call("cash_of", 0) >= self._income_min:
            yield Act(clearing, "remit_fees", ())
        if await usdc.call("balanceOf", vault.address) - await vault.call("held") >= self._income_min:
            yield Act(vault, "skim", ())
        owed = [await treasury.call("owed", part) for part in (INSURANCE, STAKERS, RESERVE, OPERATOR)]
        if await usdc.call("balanceOf", treasury.address) - sum(owed) >= self._income_min:
            yield Act(treasury, "divide", ())
        for part in (INSURANCE, STAKERS, OPERATOR):
            is_named = await treasury.call("receivers", part) != ZERO_ADDRESS
            if is_named and await treasury.call("owed", part) >= self._income_min:
                yield Act(treasury, "pay", (part,))


def _pages(accounts: Sequence[int]) -> list[list[int]]:
    return [list(accounts[first : first + PAGE]) for first in range(0, len(accounts), PAGE)]
