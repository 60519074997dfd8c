"""What the owner of an account does on the contracts: open, fund, withdraw, trade a block without the operator.

The wallet's half of custody. Every call goes straight to the chain; the venue hears of it as everyone does, from final
logs. Imports deploy, sender, showing, calldata.
"""

from typing import Any, Final

from exchange.calldata import Round, block_args, select_sheets, sheet_hashes
from exchange.core.commands import ExecuteBlock
from exchange.core.units import Cash
from exchange.shell.chain import Address, DevControls, Receipt
from exchange.shell.contract import Contract
from exchange.shell.deploy import Contracts
from exchange.shell.sender import Sender
from exchange.shell.showing import Arrays, passed_on

GAS_MONEY_WEI: Final = 10**20


class Owner:
    """One wallet and the account it owns."""

    def __init__(self, contracts: Contracts, key: bytes) -> None:
        self.key = key
        self.account = 0
        self._contracts = contracts
        self._sender = Sender(contracts.chain, key)

    @property
    def address(self) -> Address:
        """The wallet's address."""
        return self._sender.address

    async def open(self) -> int:
        """Find the wallet's account, or open one; its number. One account to a wallet is enough here."""
        clearing = self._contracts.clearing
        for account in range(1, int(await clearing.call("account_count")) + 1):
            owner, *_ = await clearing.call("account_state", account)
            if owner == self.address:
                self.account = account
                return account
        receipt = await self._send(clearing, "open_account")
        opened = clearing.interface.events(receipt.logs, "AccountOpened")
        self.account = int(opened[0].args["account"])
        return self.account

    async def deposit(self, amount: Cash) -> None:
        """Move tokens of the wallet into the vault, to the account's credit."""
        vault = self._contracts.vault
        await self._send(self._contracts.usdc, "approve", vault.address, amount)
        await self._send(vault, "deposit", self.account, amount)

    async def request_withdrawal(self, amount: Cash) -> None:
        """First step out: the amount stops being margin now and can leave one settlement window later."""
        await self._send(self._contracts.clearing, "request_withdrawal", self.account, amount)

    async def finalise_withdrawal(self) -> None:
        """Second step out, for an account without positions, which needs to show no prices."""
        await self._send(self._contracts.clearing, "finalise_withdrawal", self.account, 0, b"", b"")

    async def choose_model(self, model: int) -> None:
        """Choose a margin model, which counts one settlement window later: 0 STANDARD, 1 PORTFOLIO."""
        await self._send(self._contracts.clearing, "choose_model", self.account, model)

    async def finalise_withdrawal_at(self, round_: Round, arrays: Arrays | None) -> None:
        """Second step out, for an account with positions: at the newest round or one of the last moments, with the risk
        arrays of what it holds if it is under PORTFOLIO.
        """
        sheets = select_sheets(round_, [sheet.expiry_id for sheet in round_.sheets])
        prices = (round_.round_id, sheet_hashes(round_), sheets)
        call = self._contracts.clearing.encode("finalise_withdrawal", self.account, *prices)
        to, data = await passed_on(self._contracts, self._sender, arrays, call)
        await self._sender.included(await self._sender.submit(to, data))

    async def queue_block(self, signed: ExecuteBlock) -> None:
        """Announce a block that both parties signed as queueable; anyone may who holds both signatures."""
        await self._send(self._contracts.clearing, "queue_block", *block_args(signed))

    async def settle_block(self, signed: ExecuteBlock, round_: Round) -> None:
        """Trade a queued block that binds, at the newest round or one of the last moments; anyone may."""
        sheets = select_sheets(round_, [sheet.expiry_id for sheet in round_.sheets])
        prices = (round_.round_id, sheet_hashes(round_), sheets)
        await self._send(self._contracts.clearing, "settle_block", *block_args(signed), *prices)

    async def cash_on_chain(self) -> Cash:
        """What the contracts hold for the account."""
        return int(await self._contracts.clearing.call("cash_of", self.account))

    async def tokens(self) -> Cash:
        """What the wallet holds itself."""
        return int(await self._contracts.usdc.call("balanceOf", self.address))

    async def endow(self, controls: DevControls, amount: Cash) -> None:
        """Development chains only: gas money, an account, and a deposit into it while it is empty."""
        await controls.fund(self.address, GAS_MONEY_WEI)
        await self.open()
        if await self.cash_on_chain() == 0:
            await self._send(self._contracts.usdc, "mint", self.address, amount)
            await self.deposit(amount)

    async def _send(self, contract: Contract, name: str, *args: Any) -> Receipt:
        ticket = await self._sender.submit(contract.address, contract.encode(name, *args))
        return await self._sender.included(ticket)
