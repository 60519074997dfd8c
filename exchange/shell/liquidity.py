"""Pools of liquidity providers on chain: founding one, coming, going, and what anybody may do for it.

The half of a pool that has money; what it quotes is ``quoter``. Every call goes straight to the chain, and the venue
hears of it as of anybody's. Imports deploy, sender, contract, calldata.
"""

from typing import Any, Final, NamedTuple

import msgspec

from exchange.calldata import Round, select_sheets, sheet_hashes
from exchange.core.commands import PoolTerms
from exchange.core.oamm_ladder import PoolLimits
from exchange.core.shares import EPOCH_S, FEE, Nav, Shares
from exchange.core.units import USDC_ONE, WAD, Cash, Seconds, Wad
from exchange.shell.chain import Address, Receipt
from exchange.shell.contract import Contract, artifact
from exchange.shell.deploy import Contracts
from exchange.shell.sender import Sender

_CENT: Final = WAD // 100
_NO_PRICES: Final = (0, b"", b"")


class PoolPromise(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a pool's contract, in the order of its struct; they never change. Rates in wad."""

    epoch_s: Seconds = EPOCH_S
    life_s: Seconds = 120
    fee: Wad = FEE
    quote_share: Wad = 50 * _CENT
    quote_points: Wad = 8 * _CENT
    nav_share: Wad = 10 * _CENT
    nav_points: Wad = _CENT
    fall: Wad = 10 * _CENT
    confidence: Wad = 55 * _CENT
    bond: Cash = 10_000 * USDC_ONE
    cap: Cash = 100_000_000 * USDC_ONE


def terms_of(promise: PoolPromise, sizes: tuple[int, ...]) -> PoolTerms:
    """What the machine is told of a pool with this promise, under the house's spreads and limits; levels in contracts.

    A half spread covers half of a vol point and a tenth of a percent of spot.
    """
    limits = PoolLimits()
    return PoolTerms(
        promise.life_s,
        promise.quote_share,
        promise.quote_points,
        vol_error=WAD,
        vega_share=WAD // 2,
        buffer=WAD // 1_000,
        fee_share=0,
        margin_share=limits.margin_share,
        expiry_share=limits.expiry_share,
        strike_share=limits.strike_share,
        delta_share=limits.delta_share,
        delta_min=limits.delta_min,
        delta_max=limits.delta_max,
        quiet_s=limits.quiet_s,
        sizes=sizes,
    )


class Waiting(NamedTuple):
    """What somebody has asked of a pool and not got yet: cash to become shares, and shares to become cash."""

    cash: Cash
    shares: Shares


async def found(contracts: Contracts, manager: Sender, promise: PoolPromise) -> Contract:
    """Deploy a pool of a manager, who then owes it a bond and a key."""
    code = artifact("Pool").creation_code(
        contracts.clearing.address,
        contracts.vault.address,
        contracts.oracle.address,
        manager.address,
        msgspec.structs.astuple(promise),
    )
    receipt = await manager.included(await manager.submit(None, code))
    assert receipt.contract_address is not None
    return bound(contracts, receipt.contract_address)


def bound(contracts: Contracts, address: Address) -> Contract:
    """The pool at an address."""
    return Contract(contracts.chain, address, artifact("Pool").interface)


class Member:
    """Somebody with a wallet who deals with one pool: provider, manager, or whoever does its chores."""

    def __init__(self, contracts: Contracts, pool: Contract, sender: Sender) -> None:
        self.pool = pool
        self._contracts, self._sender = contracts, sender

    @property
    def address(self) -> Address:
        """The wallet's address."""
        return self._sender.address

    async def account(self) -> int:
        """The pool's account in Clearing."""
        return int(await self.pool.call("ACCOUNT"))

    # -- providers ----------------------------------------------------------------------------------------------------

    async def come(self, amount: Cash) -> None:
        """Bring cash that becomes shares with the next epoch."""
        await self._approved(amount)
        await self.send("request_deposit", amount)

    async def leave(self, shares: Shares) -> None:
        """Have shares cashed, as epochs can pay for them."""
        await self.send("request_withdrawal", shares)

    async def claim(self) -> None:
        """Take what epochs have made of it."""
        await self.send("claim", self.address)

    async def shares(self) -> Shares:
        """What the wallet holds and has not asked to cash."""
        return int(await self.pool.call("shares_of", self.address))

    async def waiting(self) -> Waiting:
        """What is asked for and not taken yet."""
        _, cash = await self.pool.call("entries", self.address)
        _, shares, _ = await self.pool.call("leaves", self.address)
        return Waiting(int(cash), int(shares))

    # -- the manager --------------------------------------------------------------------------------------------------

    async def stand_for(self, bond: Cash, key: Address, expiry_s: Seconds) -> None:
        """Put the bond at stake, and name the key that quotes."""
        await self._approved(bond)
        await self.send("post_bond", bond)
        await self.send("set_key", key, expiry_s)

    async def close(self) -> None:
        """End the pool."""
        await self.send("close")

    # -- anybody ------------------------------------------------------------------------------------------------------

    async def serve(self, round_: Round | None = None) -> Nav:
        """Serve the epoch, at a round on chain where the pool has open options; what it was worth."""
        receipt = await self.send("serve", *shown(round_))
        (told,) = self.pool.interface.events(receipt.logs, "EpochServed")
        return Nav(int(told.args["low"]), int(told.args["high"]))

    async def invest(self) -> Cash:
        """Put what is idle, and nobody waits for, to work; how much that was."""
        idle = int(await self.pool.call("idle"))
        if idle:
            await self.send("invest", idle)
        return idle

    async def gather(self) -> None:
        """Ask for the cash that those who leave need; it can come one window later."""
        await self.send("gather")

    async def bring(self, round_: Round | None = None) -> None:
        """Have what was asked for paid out, or what is free if the pool is closed."""
        is_closed = bool(await self.pool.call("closed_at"))
        name = "finalise_exit" if is_closed else "finalise_withdrawal"
        await self._call(self._contracts.clearing, name, await self.account(), *shown(round_))

    async def send(self, name: str, *args: Any) -> Receipt:
        """A call of the pool."""
        return await self._call(self.pool, name, *args)

    async def _approved(self, amount: Cash) -> None:
        await self._call(self._contracts.usdc, "approve", self.pool.address, amount)

    async def _call(self, contract: Contract, name: str, *args: Any) -> Receipt:
        ticket = await self._sender.submit(contract.address, contract.encode(name, *args))
        return await self._sender.included(ticket)


def shown(round_: Round | None) -> tuple[int, bytes, bytes]:
    """A round with all its sheets as contracts take it; nothing where none is needed."""
    if round_ is None:
        return _NO_PRICES
    every = [sheet.expiry_id for sheet in round_.sheets]
    return round_.round_id, sheet_hashes(round_), select_sheets(round_, every)
