"""``verbatim chain``: put the contracts on a chain and write down what was put there; compare the two later; keep them.

Owns these commands and what they say. Imports deploy, manifest, keeper, rpc, sender, keys, venue.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from exchange.shell import manifest
from exchange.shell.chain import ChainUnavailable
from exchange.shell.deploy import Contracts, Plan, Terms, deploy
from exchange.shell.keeper import Keeper
from exchange.shell.keys import require_dev_chain, secret_of
from exchange.shell.manifest import Difference, Manifest
from exchange.shell.rpc import RpcChain
from exchange.shell.sender import Sender
from exchange.shell.venue import WEALTH_WEI, DevKeys

_log = structlog.get_logger(__name__)


class Order(NamedTuple):
    """What to deploy: under a plan with a key from files, or with everything of a development venue."""

    url: str
    manifest: Path
    plan: Path | None
    key: Path | None


class CannotFound(Exception):
    """The command was asked for something that cannot be done; the message says what."""


async def found(order: Order) -> Manifest:
    """Deploy and write the manifest. Raises CannotFound, ChainError, TransactionFailed."""
    if order.manifest.exists():
        raise CannotFound(f"{order.manifest} is there already; a manifest is never replaced")
    plan, key = _dev() if order.plan is None or order.key is None else (_plan(order.plan), secret_of(order.key))
    chain = await RpcChain.open(order.url)
    try:
        sender = Sender(chain, key)
        if order.plan is None:
            require_dev_chain(chain.chain_id)
            await (await chain.dev_controls()).fund(sender.address, WEALTH_WEI)
        made = await manifest.write(chain, await deploy(chain, sender, plan))
    finally:
        await chain.close()
    made.save(order.manifest)
    return made


async def verify(path: Path, url: str) -> list[Difference]:
    """What the chain has otherwise than the manifest says. Raises CannotFound, ChainError."""
    written = _manifest(path)
    chain = await RpcChain.open(url)
    try:
        return await manifest.compare(written, chain)
    finally:
        await chain.close()


async def keep(path: Path, url: str, key: Path, every_s: float | None, tell: Callable[[str], None]) -> None:
    """Do chores until cancelled, or once without an interval. A node that is away is waited for.

    Raises CannotFound, BadSecret; ChainError when the node is not there at the start or is of another chain.
    """
    written, secret = _manifest(path), secret_of(key)
    chain = await RpcChain.open(url)
    try:
        if chain.chain_id != written.deployment.chain_id:
            raise CannotFound(f"the node is of chain {chain.chain_id}, the manifest of {written.deployment.chain_id}")
        keeper = Keeper(Contracts(chain, written.deployment), Sender(chain, secret))
        while True:
            try:
                for act in await keeper.step():
                    tell(msgspec.json.encode({"did": act.method, "args": list(map(str, act.args))}).decode())
            except ChainUnavailable as error:
                if every_s is None:
                    raise
                _log.warning("chain_unavailable", error=str(error), retry_s=every_s)
            if every_s is None:
                return
            await asyncio.sleep(every_s)
    finally:
        await chain.close()


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest.load(path)
    except (OSError, msgspec.DecodeError) as error:
        raise CannotFound(f"{path} is no manifest: {error}") from error


def _dev() -> tuple[Plan, bytes]:
    keys = DevKeys.make()
    return keys.plan(Terms()), keys.operator


def _plan(path: Path) -> Plan:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError) as error:
        raise CannotFound(f"{path} is no plan: {error}") from error


def told(differences: list[Difference], manifest_path: Path) -> str:
    """The answer of ``verify``, one line for each difference."""
    if not differences:
        return f"{manifest_path}: the chain has what it says\n"
    return "".join(f"{each.where}: {each.what} is {each.found}, written is {each.written}\n" for each in differences)


def run_found(order: Order) -> str:
    """Deploy; what to print."""
    made = asyncio.run(found(order))
    named = {label: piece.address for label, piece in made.pieces.items()}
    return msgspec.json.encode(
        {"manifest": str(order.manifest), "chain_id": made.deployment.chain_id, **named}
    ).decode()
