"""Compile the contracts into `exchange/artifacts/`, from a wheel build or from the command line.

`CamelCase.vy` is deployable, `snake_case.vy` is a module of one. Each artifact carries ABI, deployment
bytecode, runtime size, a digest of all sources and one of those it was compiled from, and the compiler. The same
sources give the same bytes, and what was compiled from sources that have not changed is not compiled again. May
import the standard library, hatchling and vyper; the package itself carries no compiler.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

EVM_VERSION = "prague"
RUNTIME_LIMIT = 24_576  # EIP-170
# Code that a contract runs on its own storage: it must lay out that storage alike, and callers see one ABI.
PARTS = {"Clearing": ("Office", "Blocks", "Cases", "Liquidations")}
CONTRACTS = Path(__file__).resolve().parent
ARTIFACTS = CONTRACTS.parent / "exchange" / "artifacts"


class CodeTooLargeError(Exception):
    """A contract is larger than a chain would accept."""


class ImportNotUnderstoodError(Exception):
    """A source imports in a way that this file does not follow, so that a change of it would be overlooked."""


class LayoutError(Exception):
    """Two contracts that share a storage would read different things in a slot."""


def deployables(root: Path = CONTRACTS) -> list[Path]:
    """The contracts to compile, in a fixed order."""
    return sorted(path for path in root.rglob("*.vy") if re.fullmatch(r"[A-Z][A-Za-z0-9]*", path.stem))


def sources_digest(root: Path = CONTRACTS) -> str:
    """SHA-256 over the path and text of every source and of this file: what a manifest of a deployment names."""
    return _digest(sorted(root.rglob("*.vy")))


def made_from(path: Path, root: Path = CONTRACTS) -> list[Path]:
    """The sources that one contract is compiled from: its own, its parts' and all they import, in a fixed order.

    Raises ImportNotUnderstoodError rather than overlook one.
    """
    found: set[Path] = set()
    waiting = [path, *(path.with_stem(name) for name in PARTS.get(path.stem, ()))]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += _imports(source, root)
    return sorted(found)


def _imports(source: Path, root: Path) -> Iterator[Path]:
    for line in source.read_text().splitlines():
        if not re.match(r"(import|from)\s", line):
            continue
        match = re.fullmatch(r"from (\w+) import (\w+)", line)
        if match is None or not (module := root / match[1] / f"{match[2]}.vy").is_file():
            raise ImportNotUnderstoodError(f"{source.name}: {line}; write `from folder import module`")
        yield module


def _digest(sources: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in [*sources, Path(__file__).resolve()]:
        text = path.read_bytes()
        digest.update(f"{path.name}:{len(text)}:".encode())
        digest.update(text)
    return digest.hexdigest()


def _artifact(path: Path) -> dict[str, Any]:
    """What a file says; nothing if it is missing, torn or of another shape."""
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def compile_contract(path: Path, root: Path = CONTRACTS) -> dict[str, Any]:
    """ABI, bytecode and sizes of one contract. Raises CodeTooLargeError beyond the limit of EIP-170, LayoutError."""
    output, size = _compile(path, root)
    layout = _kept(output)
    abi = list(output["abi"])
    for name in PARTS.get(path.stem, ()):
        part, _ = _compile(path.with_stem(name), root)
        if _kept(part) != layout:
            raise LayoutError(f"{name} and {path.stem} do not lay out storage alike")
        abi += [entry for entry in part["abi"] if entry["type"] != "constructor" and entry not in abi]
    return {
        "abi": abi,
        "bytecode": output["bytecode"],
        "runtime_size": size,
        "runtime_sha256": hashlib.sha256(bytes.fromhex(output["bytecode_runtime"][2:])).hexdigest(),
        "immutables": dict(immutables(output["layout"].get("code_layout", {}))),
        "compiler": f"vyper {_version()} -O gas --evm-version {EVM_VERSION}",
    }


def _kept(output: dict[str, Any]) -> tuple[Any, Any]:
    """Where a contract keeps what lasts, and what lasts for a transaction."""
    layout = output["layout"]
    return layout.get("storage_layout"), layout.get("transient_storage_layout")


def _version() -> str:
    import vyper  # noqa: PLC0415

    return str(vyper.__version__)


@functools.cache  # a part is compiled for the contract it belongs to, and for itself
def _compile(path: Path, root: Path) -> tuple[dict[str, Any], int]:
    """What the compiler says of one contract, and its size as deployed."""
    # Imported here, so that an up-to-date tree can be checked where no compiler is installed.
    from vyper.cli.vyper_compile import compile_files  # noqa: PLC0415
    from vyper.compiler.settings import OptimizationLevel, Settings  # noqa: PLC0415

    settings = Settings(optimize=OptimizationLevel.GAS, evm_version=EVM_VERSION)
    formats = ["abi", "bytecode", "bytecode_runtime", "layout"]
    outputs = compile_files([path], formats, paths=[str(root)], include_sys_path=False, settings=settings)
    (output,) = outputs.values()
    # Immutables are appended to the code when it is deployed.
    size = len(output["bytecode_runtime"]) // 2 - 1 + immutable_bytes(output["layout"].get("code_layout", {}))
    if size > RUNTIME_LIMIT:
        raise CodeTooLargeError(f"{path.stem}: {size} bytes of runtime code, the limit is {RUNTIME_LIMIT}")
    return output, size


def immutables(layout: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, tuple[int, int]]]:
    """Offset and length of each immutable behind the code of a contract, by its name after those of its modules."""
    for name, entry in layout.items():
        if "offset" in entry and "length" in entry:
            yield prefix + name, (int(entry["offset"]), int(entry["length"]))
        else:
            yield from immutables(entry, f"{prefix}{name}.")


def immutable_bytes(layout: dict[str, Any]) -> int:
    """Bytes of the immutables of a contract and of its modules."""
    return sum(length for _, (_, length) in immutables(layout))


def build(artifacts: Path = ARTIFACTS) -> list[Path]:
    """Bring every artifact up to date and return their paths."""
    artifacts.mkdir(parents=True, exist_ok=True)
    _compile.cache_clear()  # of a build before, whose sources may have changed since
    everything = sources_digest()
    paths = []
    for source in deployables():
        path = artifacts / f"{source.stem}.json"
        paths.append(path)
        stamp = {"name": source.stem, "source_sha256": everything, "made_from_sha256": _digest(made_from(source))}
        before = _artifact(path)
        if stamp.items() <= before.items():
            continue
        same = before.get("made_from_sha256") == stamp["made_from_sha256"]
        artifact = (before if same else compile_contract(source)) | stamp
        # Replaced in one step: a test that loads it at this moment sees the old one or the new one.
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(artifact, sort_keys=True, indent=1) + "\n")
        partial.replace(path)
    for stale in sorted(set(artifacts.glob("*.json")) - set(paths)):
        stale.unlink()
    return paths


class CustomBuildHook(BuildHookInterface[Any]):
    """Compiles before hatchling collects the files of a wheel, plain or editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the artifacts into the package and name them, since version control ignores them."""
        del version
        if self.target_name == "wheel":
            build_data["artifacts"] += [f"exchange/artifacts/{path.name}" for path in build()]


def main() -> None:
    """Compile and print one line for each contract."""
    for path in build():
        artifact = json.loads(path.read_text())
        sys.stdout.write(f"{artifact['name']:<10} {artifact['runtime_size']:>6} bytes\n")


if __name__ == "__main__":
    main()
