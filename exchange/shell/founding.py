"""``verbatim chain``: put the contracts on a chain and write down what was put there; compare the two later.

Owns the two commands and what they say. Imports deploy, manifest, rpc, sender, keys, venue.
"""

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec

from exchange.shell import manifest
from exchange.shell.deploy import Plan, Terms, deploy
from exchange.shell.keys import require_dev_chain, secret_of
from exchange.shell.manifest import Difference, Manifest
from exchange.shell.rpc import RpcChain
from exchange.shell.sender import Sender
from exchange.shell.venue import WEALTH_WEI, DevKeys


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
    try:
        written = Manifest.load(path)
    except (OSError, msgspec.DecodeError) as error:
        raise CannotFound(f"{path} is no manifest: {error}") from error
    chain = await RpcChain.open(url)
    try:
        return await manifest.compare(written, chain)
    finally:
        await chain.close()


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
