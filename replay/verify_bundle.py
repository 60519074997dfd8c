"""Verifies a bundle of evidence: records of a venue's journal, proofs, and what was made of them.

One file, for whoever does not have the venue's software: Python 3.11 or newer, its standard library, and for
signatures the package cryptography. It travels in the bundle as verify.py; compare it with the published one.

    python verify.py FOLDER --key VENUE-KEY [--witness KEY] [--root HEX --size N] [--json]

It shows that the records are, byte for byte, those under a root that the venue (or a witness, or the contracts) vouched
for, and that no file of the bundle was changed. What the files under results/ say of the records it does not show:
they come with the commands that give them anew from the whole journal. Exit codes: 0 all of it holds, 1 something does
not, 2 there was nothing to hold it against, or it is no bundle.
"""

import argparse
import base64
import json
import struct
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

FORMAT = "verbatim bundle 1"
DASH = "\u2014 "


class NoBundle(Exception):
    """The folder is no bundle, or a key is no key."""


def main(arguments: list[str] | None = None) -> int:
    """Verify a folder; the exit code."""
    parser = argparse.ArgumentParser(description="Verify a bundle of evidence, offline.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent)
    parser.add_argument("--key", help="the venue's public key, from where the venue publishes it")
    parser.add_argument("--witness", help="the public key of a witness whose cosignature is asked for")
    parser.add_argument("--root", help="a root that was vouched for elsewhere, in hex, with its --size")
    parser.add_argument("--size", type=int, help="how many records that root is over")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        told = verify(options.folder, options.key, options.witness, options.root, options.size)
    except NoBundle as error:
        return show({"error": str(error)}, [f"cannot be verified: {error}"], 2, as_json=options.json)
    held = bool(told["held_against"])
    lines = [f"ok      {each}" for each in told["shown"]] + [f"WRONG   {each}" for each in told["findings"]]
    lines += [f"anchor  {each}" for each in told["anchors"]]
    code = 1 if told["findings"] else 0 if held else 2
    if not held:
        lines.append("nothing was given to hold it against: name --key, or --root and --size")
    lines.append(("verified", "NOT what it claims to be", "inconclusive")[code])
    return show(told, lines, code, as_json=options.json)


def show(document: dict[str, Any], lines: list[str], code: int, *, as_json: bool) -> int:
    """Print the verdict; the exit code."""
    sys.stdout.write(json.dumps(document) + "\n" if as_json else "\n".join(lines) + "\n")
    return code


def verify(folder: Path, key: str | None, witness: str | None, root: str | None, size: int | None) -> dict[str, Any]:
    """Everything that holds, everything that does not, and what it was held against."""
    told: dict[str, Any] = {"findings": [], "shown": [], "anchors": [], "held_against": []}
    manifest = read_json(folder, "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NoBundle(f"{folder} has no manifest of the format {FORMAT!r}")
    try:
        check_files(folder, manifest, told)
        over = check_checkpoint(folder, manifest, told, key, witness)
        if root is not None:
            matches = (size, root.removeprefix("0x")) == (over[0], over[1].hex())
            say(told, matches, "the root is the one that was given", f"the root is {over[1].hex()} over {over[0]}")
            told["held_against"].append("root")
        check_records(folder, manifest, over, told)
        check_anchors(folder, over, told)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, struct.error) as error:
        told["findings"].append(f"the bundle is malformed: {type(error).__name__}: {error}")
    return told


def say(told: dict[str, Any], holds: bool, good: str, bad: str) -> None:
    """Note what was found."""
    told["shown" if holds else "findings"].append(good if holds else bad)


def read_json(folder: Path, name: str) -> Any:
    """A JSON file of the bundle."""
    try:
        return json.loads((folder / name).read_bytes())
    except (OSError, ValueError) as error:
        raise NoBundle(f"{name} cannot be read: {error}") from error


def check_files(folder: Path, manifest: dict[str, Any], told: dict[str, Any]) -> None:
    """Every file is as the manifest says, and there is no other."""
    here = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    listed = set(manifest["files"])
    for name in sorted(listed - here):
        told["findings"].append(f"{name} is missing")
    for name in sorted(here - listed - {"manifest.json", "manifest.note"}):
        told["findings"].append(f"{name} is not of this bundle")
    for name in sorted(listed & here):
        if sha256((folder / name).read_bytes()).hexdigest() != manifest["files"][name]:
            told["findings"].append(f"{name} was changed")
    if not told["findings"]:
        told["shown"].append(f"{len(listed)} files are as the manifest lists them")


def check_checkpoint(
    folder: Path, manifest: dict[str, Any], told: dict[str, Any], key: str | None, witness: str | None
) -> tuple[int, bytes]:
    """Size and root, under the signatures that are asked for."""
    text, signatures = read_note(folder / "checkpoint")
    origin, size, root = text.decode().splitlines()[:3]
    same = (origin, int(size)) == (manifest["origin"], manifest["size"])
    say(told, same, f"the checkpoint is of {origin} with {size} records", "the checkpoint is not of this manifest")
    if key is not None:
        holds = any(signed(key, text, each) for each in signatures)
        say(told, holds, "the venue signed the checkpoint", "the venue did not sign the checkpoint")
        note, under = read_note(folder / "manifest.note")
        digest = sha256((folder / "manifest.json").read_bytes()).hexdigest()
        holds = note == f"{FORMAT}\n{digest}\n".encode() and any(signed(key, note, each) for each in under)
        say(told, holds, "the venue signed the manifest", "the venue did not sign this manifest")
        told["held_against"].append("key")
    if witness is not None:
        holds = any(signed(witness, text, each) for each in signatures)
        say(told, holds, "the witness cosigned the checkpoint", "the witness did not cosign the checkpoint")
        told["held_against"].append("witness")
    return int(size), base64.b64decode(root)


def check_records(folder: Path, manifest: dict[str, Any], over: tuple[int, bytes], told: dict[str, Any]) -> None:
    """Every record from the first to the last is the leaf of its number under the root."""
    size, root = over
    due, last = manifest["first"], manifest["last"]
    for line in (folder / "records.jsonl").read_text().splitlines():
        entry = json.loads(line)
        record, proof = base64.b64decode(entry["record"]), [base64.b64decode(node) for node in entry["proof"]]
        if entry["seq"] != due or number_of(record) != due:
            told["findings"].append(
                f"where seq {due} is due stands {entry['seq']}, which calls itself {number_of(record)}"
            )
            return
        if not included(sha256(b"\x00" + record).digest(), due - 1, size, proof, root):
            told["findings"].append(f"seq {due} is not the record under the root")
            return
        due += 1
    say(told, due == last + 1, f"seq {manifest['first']} to {last} are under the root", f"seq {due} is missing")


def check_anchors(folder: Path, over: tuple[int, bytes], told: dict[str, Any]) -> None:
    """What batches anchored on chain is the beginning of the same tree; whoever has a node compares it there."""
    for anchor in json.loads((folder / "anchors.json").read_bytes()):
        root, proof = bytes.fromhex(anchor["root"]), [base64.b64decode(node) for node in anchor["proof"]]
        what = f"batch {anchor['batch']}: root {anchor['root']} over {anchor['size']} records"
        if consistent(anchor["size"], over[0], proof, root, over[1]):
            told["anchors"].append(
                f"{what}, to be found as anchors({anchor['batch']}) of Clearing {anchor['clearing']}"
            )
        else:
            told["findings"].append(f"{what}, is not a beginning of the checkpoint")


# -- trees (RFC 9162, 2.1.3.2 and 2.1.4.2) ----------------------------------------------------------------------------


def node_hash(left: bytes, right: bytes) -> bytes:
    """An interior node."""
    return sha256(b"\x01" + left + right).digest()


def included(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Whether the proof shows that the leaf of a number stands under the root."""
    if not 0 <= index < size:
        return False
    node, last = leaf, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if index & 1 or index == last:
            node = node_hash(sibling, node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and node == root


def consistent(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the proof shows that the larger tree goes on from the smaller one."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else proof
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = path[0] if path else b""
    for node in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            before, after = node_hash(node, before), node_hash(node, after)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            after = node_hash(after, node)
        first, last = first >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


# -- records and notes ------------------------------------------------------------------------------------------------


def number_of(record: bytes) -> int:
    """The number a record calls itself: it is a msgpack array of four, and this is its first field."""
    if record[:1] != b"\x94":
        raise ValueError("a record is an array of four")
    kind = record[1]
    width = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}.get(kind, 0)
    return int.from_bytes(record[2 : 2 + width], "big") if width else kind


def read_note(path: Path) -> tuple[bytes, list[tuple[str, bytes]]]:
    """A signed note: its text, and the name and data of each signature."""
    try:
        text, _, rest = path.read_bytes().partition(b"\n\n")
    except OSError:
        return b"", []
    return text + b"\n", list(_signatures(rest.decode()))


def _signatures(text: str) -> Iterator[tuple[str, bytes]]:
    for line in text.splitlines():
        name, _, data = line.removeprefix(DASH).partition(" ")
        yield name, base64.b64decode(data)


def signed(key: str, text: bytes, signature: tuple[str, bytes]) -> bool:
    """Whether a signature is of this key over this text; a cosignature covers the time that stands before it."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - without a key it is not needed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    name, kind, public = read_key(key)
    key_id = sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]
    signer, data = signature
    if (signer, data[:4]) != (name, key_id):
        return False
    message, mark = text, data[4:]
    if kind == 4:
        (time_s,) = struct.unpack(">Q", mark[:8])
        message, mark = f"cosignature/v1\ntime {time_s}\n".encode() + text, mark[8:]
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(mark, message)
    except InvalidSignature:
        return False
    return True


def read_key(text: str) -> tuple[str, int, bytes]:
    """A public key as notes write it: name, kind, key."""
    try:
        name, _, data = text.strip().split("+", 2)
        key = base64.b64decode(data, validate=True)
    except ValueError as error:
        raise NoBundle(f"{text!r} is no public key") from error
    if len(key) != 33 or key[0] not in (1, 4):
        raise NoBundle(f"{text!r} is no Ed25519 key")
    return name, key[0], key[1:]


if __name__ == "__main__":
    sys.exit(main())
