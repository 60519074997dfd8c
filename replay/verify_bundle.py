"""Verifies a bundle of evidence: records of a venue's journal, proofs, and what was made of them.

One file, for whoever does not have the venue's software: Python 3.11 or newer, its standard library, and for
signatures the package cryptography. It travels in the bundle as verify.py; compare it with the published one.

    python verify.py FOLDER --key VENUE-KEY [--witness KEY] [--root HEX --size N] [--tsa-roots PEM] [--json]

It shows that the records are, byte for byte, those under a root that the venue (or a witness, or the contracts) vouched
for, and that no file of the bundle was changed; and, if the checkpoint was time stamped, by when it was there. What
files under results/ say of the records it does not show: they come with the commands that give them anew from the whole
journal. Exit codes: 0 all holds, 1 something does not, 2 there was nothing to hold it against, or it is no bundle.
"""

import argparse
import base64
import hashlib
import json
import struct
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
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
    parser.add_argument("--tsa-roots", type=Path, help="certificates (PEM) that its time stamp is held against")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        told = verify(options.folder, options.key, options.witness, options.root, options.size, options.tsa_roots)
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


def verify(
    folder: Path,
    key: str | None,
    witness: str | None,
    root: str | None,
    size: int | None,
    tsa_roots: Path | None = None,
) -> dict[str, Any]:
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
        check_stamp(folder, told, tsa_roots)
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


def check_stamp(folder: Path, told: dict[str, Any], roots: Path | None) -> None:
    """By when the checkpoint was there, as a third party said (RFC 3161)."""
    try:
        token = (folder / "checkpoint.tsr").read_bytes()
    except FileNotFoundError:
        if roots is not None:
            told["findings"].append("the checkpoint has no time stamp")
        return
    text, _ = read_note(folder / "checkpoint")
    if roots is None:
        told["anchors"].append("a time stamp (checkpoint.tsr), to be held against certificates given with --tsa-roots")
        return
    try:
        said = stamped(token, text, roots.read_bytes())
    except (OSError, ValueError, IndexError) as error:
        told["findings"].append(f"the time stamp does not hold: {error}")
    else:
        told["shown"].append(said)


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


# -- time stamps (RFC 3161, in the form of RFC 5652) ------------------------------------------------------------------

SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
TIME_STAMP = bytes.fromhex("2a864886f70d0109100104")
CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
RSASSA_PSS = bytes.fromhex("2a864886f70d01010a")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SIGNING_CERTIFICATE = {
    bytes.fromhex("2a864886f70d010910020c"): "sha1",
    bytes.fromhex("2a864886f70d010910022f"): "sha256",
}
DIGESTS = {
    bytes.fromhex(f"6086480165030402{number}"): name
    for number, name in (("01", "sha256"), ("02", "sha384"), ("03", "sha512"))
}


def require(holds: bool, fault: str) -> None:
    """Raise ValueError unless it holds."""
    if not holds:
        raise ValueError(fault)


def der(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """The values that stand one after another: tag, content, and all its bytes. Raises ValueError, IndexError."""
    found, at = [], 0
    while at < len(data):
        start, tag, length, at = at, data[at], data[at + 1], at + 2
        if length & 0x80:
            width = length & 0x7F
            require(0 < width <= 4, "a length is not of DER")
            length, at = int.from_bytes(data[at : at + width], "big"), at + width
        require(at + length <= len(data), "a value is cut off")
        found.append((tag, data[at : at + length], data[start : at + length]))
        at += length
    return found


def digest_of(algorithm: bytes) -> str:
    """The name of a hash function from its AlgorithmIdentifier."""
    name = DIGESTS.get(der(algorithm)[0][1])
    require(name is not None, "a hash function that is not SHA-2")
    return str(name)


def stamped(token: bytes, text: bytes, roots: bytes) -> str:
    """When and by whom the text was stamped, once all of it holds. Raises ValueError."""
    status, content = (value[1] for value in der(der(token)[0][1])[:2])
    require(der(status)[0][1] == b"\0", "the authority refused")
    kind, signed_data = der(content)[:2]
    require(kind[1] == SIGNED_DATA, "it is no signed data")
    parts = der(der(signed_data[1])[0][1])
    inner = der(parts[2][1])
    require(inner[0][1] == TIME_STAMP, "it is no time stamp")
    info = der(inner[1][1])[0][1]
    facts = der(der(info)[0][1])
    algorithm, imprint = (value[1] for value in der(facts[2][1]))
    require(hashlib.new(digest_of(algorithm), text).digest() == imprint, "it is of something else")
    moment = datetime.strptime(facts[4][1].decode().partition(".")[0].rstrip("Z"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    others = [value[2] for part in parts if part[0] == 0xA0 for value in der(part[1])]
    signers = der(parts[-1][1])
    require(parts[-1][0] == 0x31 and len(signers) == 1, "it has not one signer")
    authority = signer_of(signers[0][1], info, others, roots, moment)
    return f"the checkpoint was there at {moment:%Y-%m-%dT%H:%M:%SZ}, says {authority}"


def signer_of(signer: bytes, info: bytes, others: list[bytes], roots: bytes, moment: datetime) -> str:
    """Whose valid signature it is, by a certificate that leads to one of those given. Raises ValueError."""
    from cryptography import x509  # noqa: PLC0415 - as below

    _, sid, algorithm, attributes, way, signature = der(signer)[:6]
    require(der(way[1])[0][1] != RSASSA_PSS, "a signature of RSASSA-PSS, which this script does not verify")
    issuer, serial = der(sid[1])
    trusted, sent = x509.load_pem_x509_certificates(roots), [x509.load_der_x509_certificate(each) for each in others]
    name, number = issuer[2], int.from_bytes(serial[1], "big")
    mine = [each for each in (*sent, *trusted) if (each.issuer.public_bytes(), each.serial_number) == (name, number)]
    require(sid[0] == 0x30 and attributes[0] == 0xA0 and bool(mine), "its signer sent no certificate")
    said = {der(value[1])[0][1]: der(der(value[1])[1][1])[0] for value in der(attributes[1])}
    digest = digest_of(algorithm[1])
    require(said[CONTENT_TYPE][1] == TIME_STAMP, "what was signed is no time stamp")
    require(said[MESSAGE_DIGEST][1] == hashlib.new(digest, info).digest(), "what was signed is another time stamp")
    check_bound(said, mine[0])
    check_signature(mine[0], signature[1], b"\x31" + attributes[2][1:], digest)
    check_chain(mine[0], sent, trusted, moment)
    return str(mine[0].subject.rfc4514_string())


def check_bound(said: dict[bytes, tuple[int, bytes, bytes]], certificate: Any) -> None:
    """The signature names the certificate it is to be verified with. Raises ValueError."""
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    kind = next((kind for kind in SIGNING_CERTIFICATE if kind in said), None)
    require(kind is not None, "it does not say which certificate it is of")
    fields = der(der(der(said[kind or b""][1])[0][1])[0][1])
    name = SIGNING_CERTIFICATE[kind or b""]
    if fields[0][0] == 0x30 and name != "sha1":
        name, fields = digest_of(fields[0][1]), fields[1:]
    found = hashlib.new(name, certificate.public_bytes(Encoding.DER)).digest()
    require(fields[0][1] == found, "it is of another certificate")


def check_signature(certificate: Any, signature: bytes, text: bytes, digest: str) -> None:
    """Raises ValueError."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa  # noqa: PLC0415

    key, hashed = certificate.public_key(), getattr(hashes, digest.upper())()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PKCS1v15(), hashed)
        else:
            require(isinstance(key, ec.EllipticCurvePublicKey), "a signature that is neither RSA nor ECDSA")
            key.verify(signature, text, ec.ECDSA(hashed))
    except InvalidSignature as error:
        raise ValueError("its signature does not hold") from error


def check_chain(leaf: Any, sent: list[Any], trusted: list[Any], moment: datetime) -> None:
    """From a signer who may stamp times to one of the certificates given, all valid then. Raises ValueError."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID  # noqa: PLC0415

    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise ValueError("its certificate is not for time stamps") from error
    only = uses.critical and list(uses.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    require(only, "its certificate is not for time stamps")
    at, ways = leaf, [*trusted, *sent]
    for _ in range(len(ways) + 1):
        require(at.not_valid_before_utc <= moment <= at.not_valid_after_utc, "a certificate was not valid then")
        if at in trusted:
            return
        for above in ways:
            try:
                at.verify_directly_issued_by(above)
            except (InvalidSignature, ValueError, TypeError):
                continue
            if above.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
                at = above
                break
        else:
            break
    raise ValueError("its certificate does not lead to one that was given")


if __name__ == "__main__":
    sys.exit(main())
