"""The operator's messages as words: their names, their reaches, and the parameters that say what a command says.

Imports core, listed, numbers.
"""

from decimal import Decimal
from typing import Any, Final

from exchange.core import commands as c
from exchange.core.units import QTY_ONE, WAD
from exchange.dialect.listed import PHASE_NAMES, STATUS_NAMES

OPERATIONS: Final[dict[str, type]] = {
    "set_trading": c.SetTrading,
    "set_phase": c.SetPhase,
    "set_auctions": c.SetAuctions,
    "set_bands": c.SetBands,
    "set_blocks": c.SetBlocks,
    "set_breaker": c.SetBreaker,
    "set_feed": c.SetFeed,
    "pull_kill_switch": c.PullKill,
    "release_kill_switch": c.ReleaseKill,
    "commit_identity": c.CommitIdentity,
    "set_reference": c.SetReference,
}
ROLES: Final = {"submitter": c.SUBMITTER, "client": c.CLIENT, "decision": c.DECISION, "execution": c.EXECUTION}
ROLE_NAMES: Final = {role: name for name, role in ROLES.items()}
REACHES: Final = {"account": c.KILL_ACCOUNT, "owner": c.KILL_OWNER, "venue": c.KILL_VENUE}
REACH_NAMES: Final = {reach: name for name, reach in REACHES.items()}


def params_of_operation(operation: c.Operation, subject: dict[str, Any]) -> dict[str, Any]:
    """Parameters of ``public/x_operate`` that ask for a command; ``subject`` names what it is about, where it does."""
    name = next(name for name, kind in OPERATIONS.items() if kind is type(operation))
    return {"operation": name} | subject | _said(operation)


def _said(operation: c.Operation) -> dict[str, Any]:
    match operation:
        case c.SetTrading():
            return {"is_open": operation.is_open, "cause": operation.cause, "auction": operation.auction_s}
        case c.SetPhase():
            times = {"ends": operation.ends_s, "every": operation.every_s}
            return times | {"phase": PHASE_NAMES[operation.phase], "cause": operation.cause}
        case c.SetAuctions():
            times = {"opening": operation.opening_s, "volatility": operation.volatility_s}
            bands = {"band_mark": _share(operation.band_mark), "band_spot": _share(operation.band_spot)}
            return times | {"extensions": operation.extensions_max, "jump_spot": _share(operation.jump_spot)} | bands
        case c.SetBands():
            return {name: _share(getattr(operation, name)) for name in ("spot", "vol", "floor")}
        case c.SetBlocks():
            return {"minimum": Decimal(operation.min_qty) / QTY_ONE}
        case c.SetBreaker():
            status = STATUS_NAMES[operation.status]
            return {"status": status, "stage": operation.stage_s, "cause": operation.cause}
        case c.SetFeed():
            shares = {name: _share(getattr(operation, name)) for name in ("thin", "jump_min", "stress_vol")}
            return shares | {"heartbeat": operation.heartbeat_s, "jump_deviations": operation.jump_deviations}
        case c.CommitIdentity() | c.SetReference():
            return _registered(operation)
        case c.PullKill() | c.ReleaseKill():
            named: dict[str, Any] = {"scope": REACH_NAMES[operation.scope], "cause": operation.cause}
            if operation.account:
                named["subaccount_id"] = operation.account
            if operation.owner:
                named["owner"] = "0x" + operation.owner.hex()
            return named


def _registered(operation: c.CommitIdentity | c.SetReference) -> dict[str, Any]:
    if isinstance(operation, c.SetReference):
        return {name: getattr(operation, name) for name in ("field", "value", "corrects", "cause")}
    who = {"subaccount_id": operation.account, "role": ROLE_NAMES[operation.role]}
    return who | {"commitment": "0x" + operation.commitment.hex()}


def _share(wad: int) -> Decimal:
    return Decimal(wad) / WAD
