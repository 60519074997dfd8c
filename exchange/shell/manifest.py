"""What was deployed, written down so that anybody can compare it with the chain.

Owns the manifest: of each contract its code, its immutables and its parameters, read from the chain after deployment,
with sources and compiler; and the comparison, which names each difference. Imports governed, deploy, contract, chain.
"""

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from exchange.shell import governed
from exchange.shell.chain import Address, Chain, Reverted, checksum, to_address
from exchange.shell.contract import Artifact, Contract, artifact
from exchange.shell.deploy import Deployment

FORMAT: Final = 1

# Contracts a deployment names, and those that only the immutables of another do.
_NAMED: Final = {
    "vault": "Vault",
    "oracle": "Oracle",
    "margin": "Margin",
    "arrays": "RiskArrays",
    "portfolio": "Portfolio",
    "clearing": "Clearing",
    "operators": "Operators",
    "treasury": "Treasury",
    "token": "Token",
    "staking": "Staking",
    "governor": "Governor",
}
_RUN: Final = (
    ("office", "Office", "clearing", "OFFICE"),
    ("blocks", "Blocks", "office", "BLOCKS"),
    ("cases", "Cases", "blocks", "CASES"),
    ("liquidations", "Liquidations", "cases", "LIQUIDATIONS"),
)
# What stands in storage and is a parameter: function and arguments. Clearing answers for the code that it runs.
_PARAMETERS: Final[dict[str, tuple[tuple[str, tuple[int, ...]], ...]]] = {
    "vault": (("clearing", ()), ("guardian", ()), ("cap", ())),
    "arrays": (("clearing", ()),),
    "clearing": (("operator", ()), ("succession", ()), ("insurance_account", ())),
    "treasury": tuple((name, (part,)) for name in ("shares", "receivers") for part in range(4)),
    "token": (("totalSupply", ()),),
    "governor": (
        ("guardian", ()),
        ("rules", ()),
        ("kind_count", ()),
        *(("kinds", (place,)) for place in range(len(governed.PARAMETERS))),
    ),
}


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One contract: the SHA-256 of its code without immutables, its immutables in hex, its parameters as text."""

    contract: str
    address: str
    code: str
    immutables: dict[str, str]
    parameters: dict[str, str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment with all that can be compared; ``sources`` is the SHA-256 of the contracts' sources."""

    format: int
    compiler: str
    sources: str
    deployment: Deployment
    pieces: dict[str, Piece]

    def save(self, path: Path) -> None:
        """Write a new file, durably. Raises FileExistsError: a manifest is never replaced by accident."""
        with path.open("xb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read the file. Raises OSError, msgspec.ValidationError."""
        return msgspec.json.decode(path.read_bytes(), type=cls)


class Difference(NamedTuple):
    """One thing that is not as written: where, what, as written and as found."""

    where: str
    what: str
    written: str
    found: str


async def write(chain: Chain, deployment: Deployment) -> Manifest:
    """The manifest of what is on the chain now, under this installation's artifacts."""
    made = artifact("Clearing").made
    return Manifest(
        format=FORMAT,
        compiler=made["compiler"],
        sources=made["source_sha256"],
        deployment=deployment,
        pieces=await _pieces(chain, deployment),
    )


async def compare(manifest: Manifest, chain: Chain) -> list[Difference]:
    """All differences of a manifest from the chain, and of its code from what this installation compiles."""
    written = manifest.deployment
    if chain.chain_id != written.chain_id:
        return [Difference("chain", "chain_id", str(written.chain_id), str(chain.chain_id))]
    found = list(_differences("artifacts", _build(manifest), _build(await _stamped(manifest))))
    found += _addresses(manifest)
    for label, piece in manifest.pieces.items():
        if not await chain.code(to_address(piece.address)):
            found.append(Difference(label, "code", piece.code, "no contract"))
            continue
        there = await _piece(chain, label, piece.contract, to_address(piece.address))
        mine = artifact(piece.contract).made["runtime_sha256"]
        found += _differences(label, {"code": piece.code}, {"code": there.code})
        if piece.code != mine:
            found.append(Difference(label, "compiled", piece.code, mine))
        found += _differences(label, piece.immutables, there.immutables)
        found += _differences(label, piece.parameters, there.parameters)
    return found


async def _stamped(manifest: Manifest) -> Manifest:
    """The manifest as this installation would have stamped it."""
    made = artifact("Clearing").made
    return msgspec.structs.replace(manifest, format=FORMAT, compiler=made["compiler"], sources=made["source_sha256"])


def _build(manifest: Manifest) -> dict[str, str]:
    return {"format": str(manifest.format), "compiler": manifest.compiler, "sources": manifest.sources}


def _addresses(manifest: Manifest) -> Iterator[Difference]:
    """What the manifest says twice: addresses of the deployment, and of code that another contract runs."""
    pieces = manifest.pieces
    for label in _NAMED:
        named = getattr(manifest.deployment, label)
        there = pieces[label].address if label in pieces else "missing"
        if there != named:
            yield Difference(label, "address", named, there)
    for label, _, owner, immutable in _RUN:
        if owner not in pieces or label not in pieces:
            yield Difference(label, "address", "a contract", "missing")
            continue
        named = checksum(_address(pieces[owner].immutables[immutable]))
        if named != pieces[label].address:
            yield Difference(label, "address", named, pieces[label].address)


def _differences(where: str, written: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    for what in sorted(written.keys() | found.keys()):
        one, other = written.get(what, "missing"), found.get(what, "missing")
        if one != other:
            yield Difference(where, what, one, other)


async def _pieces(chain: Chain, deployment: Deployment) -> dict[str, Piece]:
    pieces = {
        label: await _piece(chain, label, name, to_address(getattr(deployment, label)))
        for label, name in _NAMED.items()
    }
    for label, name, owner, immutable in _RUN:
        address = _address(pieces[owner].immutables[immutable])
        pieces[label] = await _piece(chain, label, name, address)
    return pieces


def _address(word: str) -> Address:
    """The address in a word of an immutable."""
    return bytes.fromhex(word)[12:]


async def _piece(chain: Chain, label: str, name: str, address: Address) -> Piece:
    made = artifact(name)
    code, immutables = _parted(made, await chain.code(address))
    return Piece(
        contract=name,
        address=checksum(address),
        code=code,
        immutables=immutables,
        parameters=await _parameters(Contract(chain, address, made.interface), label),
    )


def _parted(made: Artifact, code: bytes) -> tuple[str, dict[str, str]]:
    """SHA-256 of the code proper, and the immutables that stand behind it. Of code of another size, all is code."""
    layout: Mapping[str, tuple[int, int]] = made.made["immutables"]
    size = made.made["runtime_size"] - sum(length for _, length in layout.values())
    if len(code) != made.made["runtime_size"]:
        return sha256(code).hexdigest(), {}
    data = code[size:]
    return sha256(code[:size]).hexdigest(), {
        name: data[offset : offset + length].hex() for name, (offset, length) in layout.items()
    }


async def _parameters(contract: Contract, label: str) -> dict[str, str]:
    found = {}
    for name, args in _PARAMETERS.get(label, ()):
        said = f"{name}({', '.join(map(str, args))})"
        try:
            found[said] = text_of(await contract.call(name, *args))
        except Reverted as refused:
            found[said] = f"refused: {refused.reason}"
    for place in range(16 if label == "oracle" else 0):
        try:
            found[f"signers({place})"] = text_of(await contract.call("signers", place))
        except Reverted:  # the end of the list
            break
    return found


def text_of(value: Any) -> str:
    """A value of a contract as text; numbers may not fit those of a file."""
    if isinstance(value, bytes):
        return checksum(value) if len(value) == 20 else "0x" + value.hex()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(text_of(each) for each in value) + "]"
    return str(value)
