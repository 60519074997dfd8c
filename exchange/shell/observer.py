"""From finalised logs to commands: those of Clearing carry its dense action number, and the oracle's say who signs.

A log already journaled is passed over, so the chain may be read again from any earlier block; a gap is an error, since
it would mean that a fact about somebody's money was missed. Imports contract, watcher, calldata, core commands.
"""

from collections.abc import Callable
from typing import Any, Final

from exchange.calldata import decode_changes, decode_legs, decode_moves
from exchange.core import commands as c
from exchange.core.units import CASH_MAX
from exchange.shell.chain import ZERO_ADDRESS, Address, ChainUnavailable, Log, to_address
from exchange.shell.contract import Contract, Event

_Builder = Callable[[dict[str, Any]], c.Observation]

_BUILDERS: Final[dict[str, _Builder]] = {
    "AccountOpened": lambda a: c.ObserveAccount(a["action_id"], a["account"], to_address(a["owner"])),
    "Deposited": lambda a: c.ObserveDeposit(a["action_id"], a["account"], a["amount"]),
    "KeyRegistered": lambda a: c.ObserveKey(
        a["action_id"],
        a["account"],
        to_address(a["key"]),
        a["scopes"],
        a["expiry"],
        a["underlyings"],
        a["notional"],
        a["spend"],
    ),
    "KeyRevoked": lambda a: c.ObserveRevocation(a["action_id"], a["account"], to_address(a["key"])),
    "NoncesCancelled": lambda a: c.ObserveCancellation(
        a["action_id"], a["account"], a["word"], a["mask"].to_bytes(32, "big")
    ),
    # Any wallet may ask for any amount; none can hold more than CASH_MAX, so it stands for all that is beyond it.
    "WithdrawalRequested": lambda a: c.ObserveWithdrawalRequest(
        a["action_id"], a["account"], min(a["amount"], CASH_MAX)
    ),
    "WithdrawalCancelled": lambda a: c.ObserveWithdrawalCancelled(a["action_id"], a["account"]),
    "Withdrawn": lambda a: c.ObserveWithdrawal(a["action_id"], a["account"], a["amount"]),
    "ExitRequested": lambda a: c.ObserveExit(a["action_id"], a["account"]),
    "ExitCleared": lambda a: c.ObserveExitCleared(a["action_id"], a["account"]),
    "ModelChosen": lambda a: c.ObserveModel(a["action_id"], a["account"], a["before"], a["model"], a["effective"]),
    "ExpiryListed": lambda a: c.ObserveListing(a["action_id"], a["expiry_id"]),
    "SeriesListed": lambda a: c.ObserveListing(a["action_id"], a["expiry_id"]),
    "ExpiryFixed": lambda a: c.ObserveFixing(a["action_id"], a["expiry_id"], a["price"]),
    "ExpirySettled": lambda a: c.ObserveExpirySettled(a["action_id"], a["expiry_id"], a["account"], a["cash_delta"]),
    "BlockQueued": lambda a: c.ObserveOffbookQueued(
        a["action_id"], a["maker"], a["taker"], a["digest"], a["nonce"], a["lapses"]
    ),
    "BlockSettled": lambda a: c.ObserveOffbookSettled(
        a["action_id"],
        a["maker"],
        a["taker"],
        a["digest"],
        to_address(a["maker_signer"]),
        to_address(a["taker_signer"]),
        decode_legs(a["legs"], a["fees"]),
    ),
    "LiquidationFlagged": lambda a: c.ObserveFlag(a["action_id"], a["account"], a["lapses"]),
    "LiquidationTransferred": lambda a: c.ObserveTransfer(
        a["action_id"], a["account"], a["provider"], a["paid"], decode_moves(a["moves"])
    ),
    "LiquidationClosed": lambda a: c.ObserveCaseClosed(
        a["action_id"], a["account"], a["uncovered"], decode_changes(a["changes"])
    ),
}


class ActionsMissed(Exception):
    """The chain's numbering jumped: logs are incomplete, and nothing after the gap may be believed."""


async def observations(clearing: Contract, logs: tuple[Log, ...], last_action: int) -> list[c.Observation]:
    """Commands for the actions after ``last_action`` among these logs, in order. Raises ActionsMissed on a gap."""
    found: list[c.Observation] = []
    for event in clearing.interface.events(logs):
        action_id = event.args.get("action_id")
        if action_id is None or action_id <= last_action:
            continue
        if action_id != last_action + 1:
            raise ActionsMissed(f"action {action_id} follows {last_action}")
        last_action = action_id
        found.append(await _observe(clearing, event))
    return found


def seats_in(oracle: Contract, logs: tuple[Log, ...]) -> list[c.ObserveSeat]:
    """Who was seated among the signers of rounds, in order. Nobody is seated twice, so the address says which it is."""
    return [
        c.ObserveSeat(to_address(a["signer"]), a["since"], _nobody_is_empty(to_address(a["former"])))
        for a in (event.args for event in oracle.interface.events(logs, "SignerSeated"))
    ]


def _nobody_is_empty(address: Address) -> bytes:
    return b"" if address == ZERO_ADDRESS else address


async def _observe(clearing: Contract, event: Event) -> c.Observation:
    if event.name != "BatchSettled":
        return _BUILDERS[event.name](event.args)
    receipt = await clearing.chain.receipt(event.log.tx_hash)
    if receipt is None:
        raise ChainUnavailable(f"no receipt of final transaction 0x{event.log.tx_hash.hex()}")
    args, log = event.args, event.log
    return c.ObserveBatch(args["action_id"], args["batch_id"], log.tx_hash, log.block_number, receipt.gas_used)
