"""File P: who the commitments of a day's folder are of, for those who may know, encrypted, outside the manifest.

Owns its rows and how they are sealed. They follow from the journal and the store of identities: whoever has both and
the key writes the same bytes. The sealing is deterministic (AES-SIV) and bound to the manifest of the folder, so P of
another day does not open here. Without the store there is no such file, and no other file differs with or without it.
Imports identities and the manifest.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from exchange.core.state_types import Identity
from replay.export.acts import ROLE_NAMES
from replay.export.checks.findings import Code, Finding, of_file
from replay.export.manifest import MANIFEST, PERSONS
from replay.findings import CannotRun
from replay.identities import Bond, Facts, Person, Store, commitment_of

_FORM: Final = b"verbatim P 1"
KNOWN, ERASED, UNKNOWN = "KNOWN", "ERASED", "UNKNOWN"


class Row(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A commitment that was in force on the day; of somebody who is known, who that is and the salt that shows it."""

    jseq: int
    account: int
    role: str
    commitment: str
    state: str
    person: str = ""
    erased: str = ""
    cause: str = ""
    identity: str = ""
    salt: str = ""
    facts: Facts | None = None


def rows_of(identities: Iterable[Identity], store: Store) -> list[Row]:
    """A row for each commitment, in the order of the journal."""
    known: dict[str, tuple[Person, Bond]] = {}
    for person in store.people():
        known |= {bond.commitment: (person, bond) for bond in person.bonds}
    gone = {commitment: mark for mark in store.erased() for commitment in mark.commitments}
    found = []
    for told in identities:
        commitment = told.commitment.hex()
        row = Row(jseq=told.seq, account=told.account, role=ROLE_NAMES[told.role], commitment=commitment, state=UNKNOWN)
        if (pair := known.get(commitment)) is not None:
            row.state, row.person = KNOWN, pair[0].person
            row.identity, row.salt = pair[1].identity, pair[1].salt
            row.facts = msgspec.json.decode(pair[1].identity, type=Facts)
        elif (mark := gone.get(commitment)) is not None:
            row.state, row.person, row.erased, row.cause = ERASED, mark.person, mark.erased, mark.cause
        found.append(row)
    return sorted(found, key=lambda row: (row.jseq, row.account, row.role))


def _cipher(key: bytes) -> AESSIV:
    return AESSIV(HKDF(hashes.SHA512(), 64, None, _FORM).derive(key))


def _bound_to(folder: Path) -> list[bytes]:
    return [_FORM, sha256((folder / MANIFEST).read_bytes()).digest()]


def write_persons(folder: Path, rows: list[Row], key: bytes) -> None:
    """Seal rows into a folder that has its manifest."""
    data = b"\n".join((_FORM, *(msgspec.json.encode(row, order="sorted") for row in rows)))
    (folder / PERSONS).write_bytes(_cipher(key).encrypt(data, _bound_to(folder)))


def read_persons(folder: Path, key: bytes) -> list[Row]:
    """The rows of a folder's P. Raises CannotRun."""
    try:
        data = _cipher(key).decrypt((folder / PERSONS).read_bytes(), _bound_to(folder))
        return [msgspec.json.decode(line, type=Row) for line in data.split(b"\n")[1:]]
    except OSError as error:
        raise CannotRun(f"{folder} has no persons to read: {error}") from error
    except (InvalidTag, ValueError) as error:
        raise CannotRun(f"{PERSONS} does not open: another key, another manifest, or it was changed") from error


def check_persons(folder: Path, key: bytes, named: Iterable[str], told: Iterable[Identity] | None) -> list[Finding]:
    """P by itself; against the commitments that orders name; and, if the journal was walked through, against those."""
    try:
        rows = read_persons(folder, key)
    except CannotRun as error:
        return [of_file(Code.PERSONS_SEALED, PERSONS, str(error))]
    findings = [of_file(Code.PERSON_WRONG, PERSONS, f"commitment {row.commitment}") for row in rows if not _holds(row)]
    here = {row.commitment: None for row in rows}
    findings += [of_file(Code.PERSON_MISSING, PERSONS, f"{each} of an order") for each in named if each not in here]
    if told is not None:
        due = [(each.seq, each.account, ROLE_NAMES[each.role], each.commitment.hex()) for each in told]
        there = [(row.jseq, row.account, row.role, row.commitment) for row in rows]
        if sorted(due) != sorted(there):
            findings.append(of_file(Code.PERSON_MISSING, PERSONS, f"{len(due)} in the journal, {len(there)} here"))
    return findings


def _holds(row: Row) -> bool:
    """Whoever is known is whom was committed to; of others nothing is told."""
    if row.state != KNOWN or row.facts is None:
        return row.state in {ERASED, UNKNOWN} and not (row.facts or row.identity or row.salt)
    return row.facts.text() == row.identity and commitment_of(row.salt, row.identity) == row.commitment
