"""The restricted store: who stands behind the commitments of a journal, and the salts that tie them to it.

Owns its form: a folder that nobody else may read, a file for each person, encrypted under a key that lies elsewhere. A
commitment of the journal is SHA-256 over salt and identity (ADR 40); a new salt is drawn for each. Erasing a person
leaves a mark with the commitments and no word of who it was, and changes no hash anywhere: what is in the journal then
fits nobody. Neither the venue nor the journal reads this. Imports cryptography and msgspec.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from journal.anchor import sync_directory
from replay.findings import CannotRun

KEY_BYTES: Final = 32
SALT_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PERSON, _ERASED = ".person", ".erased"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

Line: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=350, pattern=r"^[^\x00-\x1f]+$")]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who it is, as RTS 24 and 2025/416 ask: a NATIONAL_ID or LEI, the country of residence as ISO 3166 alpha-2."""

    name: Line
    national_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Z0-9#]{0,35}$")] = ""
    birth_date: Annotated[str, msgspec.Meta(pattern=r"^(\d{4}-\d\d-\d\d)?$")] = ""
    residence: Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2})?$")] = ""
    wallets: tuple[Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-f]{40}$")], ...] = ()

    def text(self) -> str:
        """The identity as it is committed to: canonical JSON."""
        return msgspec.json.encode(self, order="sorted").decode()


class Bond(msgspec.Struct, frozen=True, kw_only=True):
    """What ties a person to an account in a role: a salt, and the identity as it was known then."""

    account: int
    role: int
    salt: str
    identity: str
    made: str

    @property
    def commitment(self) -> str:
        """What the journal has of it, in hex."""
        return commitment_of(self.salt, self.identity)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the store: what is known now, and every bond there ever was."""

    person: str
    facts: Facts
    bonds: tuple[Bond, ...]

    def in_force(self) -> list[Bond]:
        """The last bond of each account and role."""
        return list({(bond.account, bond.role): bond for bond in self.bonds}.values())


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """That somebody was here: the commitments, which are in the journal anyway, when it was erased, and why."""

    person: str
    erased: str
    cause: str
    commitments: tuple[str, ...]


def commitment_of(salt: str, identity: str) -> str:
    """SHA-256 over salt and identity, in hex."""
    return sha256(bytes.fromhex(salt) + identity.encode()).hexdigest()


def read_facts(data: bytes) -> Facts:
    """Facts from JSON. Raises CannotRun, without repeating them."""
    try:
        return msgspec.json.decode(data, type=Facts)
    except msgspec.MsgspecError as error:
        raise CannotRun(f"this describes nobody: {error}") from error


def make_key(path: Path) -> None:
    """A new key, readable by its owner alone. Raises CannotRun when there is something already."""
    _write_new(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode())


def read_key(path: Path) -> bytes:
    """A key of 64 hex digits that nobody else may read. Raises CannotRun, without a word of what the file holds."""
    try:
        _private(path)
        key = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path} holds no key") from error
    if len(key) != KEY_BYTES:
        raise CannotRun(f"{path} holds no key")
    return key


def make_store(folder: Path) -> None:
    """An empty store. Raises CannotRun."""
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise CannotRun(f"no store was made: {error}") from error


def _private(path: Path) -> None:
    """Raises CannotRun for what others may read, write or enter."""
    mode = path.stat().st_mode
    if mode & _OTHERS:
        raise CannotRun(f"{path} is open to others (mode {stat.S_IMODE(mode):o}): it must be its owner's alone")


def _write_new(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CannotRun(f"nothing was written: {error}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def now() -> str:
    """The time, for people."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


class Store:
    """An open store. Raises CannotRun when it is not one, is open to others, or the key is another."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._cipher = folder, ChaCha20Poly1305(key)
        try:
            _private(folder)
            for path in folder.iterdir():
                _private(path)
        except OSError as error:
            raise CannotRun(f"{folder} is no store of identities: {error}") from error
        for _ in self.people():
            break  # whether the key fits is said at once, and not when somebody is looked for

    def people(self) -> Iterator[Person]:
        """Everybody, by their numbers."""
        for path in sorted(self._folder.glob(f"*{_PERSON}")):
            yield self.person(path.stem)

    def erased(self) -> Iterator[Erased]:
        """Everybody who is no longer here."""
        for path in sorted(self._folder.glob(f"*{_ERASED}")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=Erased)
            except msgspec.MsgspecError as error:
                raise CannotRun(f"{path} cannot be read: {error}") from error

    def person(self, number: str) -> Person:
        """One of them. Raises CannotRun."""
        path = self._path(number)
        try:
            data = path.read_bytes()
            opened = self._cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], number.encode())
            return msgspec.json.decode(opened, type=Person)
        except FileNotFoundError as error:
            raise CannotRun(f"there is no person {number}") from error
        except (InvalidTag, ValueError) as error:
            raise CannotRun(f"{path} cannot be read with this key") from error

    def _path(self, number: str) -> Path:
        if not number.isalnum():
            raise CannotRun(f"{number!r} is nobody's number")
        return self._folder / f"{number}{_PERSON}"

    def _keep(self, person: Person) -> None:
        """Durable, whole or not at all."""
        nonce, path = secrets.token_bytes(_NONCE_BYTES), self._path(person.person)
        data = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(person), person.person.encode())
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        _write_new(partial, data)
        partial.replace(path)
        sync_directory(self._folder)

    def add(self, facts: Facts, account: int, role: int) -> tuple[Person, Bond]:
        """Somebody new, behind an account in a role."""
        bond = _bond(facts, account, role)
        person = Person(person=secrets.token_hex(8), facts=facts, bonds=(bond,))
        self._keep(person)
        return person, bond

    def bind(self, number: str, account: int, role: int) -> Bond:
        """Somebody who is here, behind another account or in another role. Raises CannotRun."""
        person = self.person(number)
        bond = _bond(person.facts, account, role)
        self._keep(msgspec.structs.replace(person, bonds=(*person.bonds, bond)))
        return bond

    def correct(self, number: str, facts: Facts) -> list[Bond]:
        """Somebody turned out to be called otherwise: new bonds; what was thought before stays. Raises CannotRun."""
        person = self.person(number)
        bonds = [_bond(facts, bond.account, bond.role) for bond in person.in_force()]
        self._keep(msgspec.structs.replace(person, facts=facts, bonds=(*person.bonds, *bonds)))
        return bonds

    def erase(self, number: str, cause: str) -> Erased:
        """Forget somebody: names and salts go, the mark is durable first. Raises CannotRun."""
        person = self.person(number)
        told = tuple(bond.commitment for bond in person.bonds)
        mark = Erased(person=number, erased=now(), cause=cause, commitments=told)
        path = self._path(number)
        _write_new(path.with_suffix(_ERASED), msgspec.json.format(msgspec.json.encode(mark)) + b"\n")
        path.unlink()
        sync_directory(self._folder)
        return mark


def _bond(facts: Facts, account: int, role: int) -> Bond:
    salt = secrets.token_hex(SALT_BYTES)
    return Bond(account=account, role=role, salt=salt, identity=facts.text(), made=now())
