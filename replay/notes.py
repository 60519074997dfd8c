"""Signed notes, checkpoints and cosignatures in the forms of C2SP, so that any tool for such logs can read them.

A note is text and signatures under it (c2sp.org/signed-note); a checkpoint is a note of three lines: origin, size and
root of a tree (c2sp.org/tlog-checkpoint); a witness cosigns with its time (c2sp.org/tlog-cosignature). Ed25519 from
cryptography, and msgspec.
"""

import base64
import binascii
import struct
from hashlib import sha256
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519: Final = 1
COSIGNATURE: Final = 4
_DASH: Final = "— "
_TIME: Final = struct.Struct(">Q")
_PRIVATE: Final = "PRIVATE+KEY+"


class NoteError(ValueError):
    """What was given is no note, no checkpoint or no key, or bears no signature that counts."""


class Verifier(msgspec.Struct, frozen=True):
    """A public key and its name: ``name+keyid+base64(type, key)`` when written."""

    name: str
    kind: int
    key: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:4]

    def __str__(self) -> str:
        """As it is written."""
        data = base64.b64encode(bytes([self.kind]) + self.key).decode()
        return f"{self.name}+{self.key_id.hex()}+{data}"

    def holds(self, text: bytes, signature: bytes) -> bool:
        """Whether this key signed the text; a cosignature bears the time at which it did."""
        message = text
        if self.kind == COSIGNATURE:
            if len(signature) != _TIME.size + 64:
                return False
            (time_s,) = _TIME.unpack(signature[: _TIME.size])
            message, signature = _cosigned(time_s, text), signature[_TIME.size :]
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Signer(msgspec.Struct, frozen=True):
    """A private key and its name: ``PRIVATE+KEY+name+keyid+base64(type, seed)`` when written."""

    name: str
    seed: bytes

    @classmethod
    def new(cls, name: str) -> "Signer":
        """A key that nobody has had. Raises NoteError for a name that a note cannot bear."""
        if not name or any(sign.isspace() or sign == "+" for sign in name):
            raise NoteError(f"{name!r} cannot name a key: neither spaces nor plus signs")
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    def verifier(self, kind: int = ED25519) -> Verifier:
        """Its public key, as signer of notes or as a witness."""
        return Verifier(self.name, kind, self._key().public_key().public_bytes_raw())

    def __str__(self) -> str:
        """As it is written."""
        data = base64.b64encode(bytes([ED25519]) + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier().key_id.hex()}+{data}"

    def sign(self, note: "Note") -> "Note":
        """The note with this signature under it."""
        return self._under(note, self.verifier(), self._key().sign(note.text))

    def cosign(self, note: "Note", time_s: int) -> "Note":
        """The note with a cosignature: at this time its text was consistent with all that was cosigned before."""
        signature = _TIME.pack(time_s) + self._key().sign(_cosigned(time_s, note.text))
        return self._under(note, self.verifier(COSIGNATURE), signature)

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def _under(self, note: "Note", verifier: Verifier, signature: bytes) -> "Note":
        mark = (self.name, verifier.key_id + signature)
        return Note(note.text, (*(each for each in note.signatures if each[1][:4] != verifier.key_id), mark))


class Note(msgspec.Struct, frozen=True):
    """Text that ends in a newline, and the signatures under it: a name, and four bytes of key with the signature."""

    text: bytes
    signatures: tuple[tuple[str, bytes], ...] = ()

    def __bytes__(self) -> bytes:
        """As it is written."""
        lines = (f"{_DASH}{name} {base64.b64encode(data).decode()}\n" for name, data in self.signatures)
        return self.text + b"\n" + "".join(lines).encode()

    def signed_by(self, verifier: Verifier) -> bool:
        """Whether this key signed it. Raises NoteError when a signature bears its name and does not hold."""
        found = False
        for name, data in self.signatures:
            if (name, data[:4]) == (verifier.name, verifier.key_id):
                if not verifier.holds(self.text, data[4:]):
                    raise NoteError(f"a signature in the name of {name} does not hold")
                found = True
        return found


def _cosigned(time_s: int, text: bytes) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n".encode() + text


def read_note(data: bytes) -> Note:
    """A note as it is written. Raises NoteError."""
    text, blank, rest = data.partition(b"\n\n")
    lines = rest.decode(errors="replace").splitlines()
    if not blank or not lines or not rest.endswith(b"\n"):
        raise NoteError("this is no signed note: text, an empty line, signatures")
    return Note(text + b"\n", tuple(_read_signature(line) for line in lines))


def _read_signature(line: str) -> tuple[str, bytes]:
    name, _, data = line.removeprefix(_DASH).partition(" ")
    signature = _base64(data)
    if not line.startswith(_DASH) or not name or len(signature) < 5:
        raise NoteError(f"{line!r} is no signature")
    return name, signature


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise NoteError(f"{text!r} is not base64") from error


def read_verifier(text: str) -> Verifier:
    """A public key as it is written. Raises NoteError."""
    name, _, rest = text.strip().partition("+")
    key_id, _, data = rest.partition("+")
    key = _base64(data)
    verifier = Verifier(name, key[0] if key else 0, key[1:])
    if not name or len(key) != 33 or verifier.kind not in (ED25519, COSIGNATURE) or verifier.key_id.hex() != key_id:
        raise NoteError(f"{text.strip()!r} is no public key for notes")
    return verifier


def read_signer(text: str) -> Signer:
    """A private key as it is written. Raises NoteError, without repeating what it was given."""
    name, _, rest = text.strip().removeprefix(_PRIVATE).partition("+")
    _, _, data = rest.partition("+")
    seed = _base64(data)
    if not text.startswith(_PRIVATE) or not name or len(seed) != 33 or seed[0] != ED25519:
        raise NoteError("this is no private key for notes")
    return Signer(name, seed[1:])


# -- checkpoints -------------------------------------------------------------------------------------------------------


class Checkpoint(msgspec.Struct, frozen=True):
    """How large the tree of a journal is, and its root. ``origin`` names the journal and nothing else."""

    origin: str
    size: int
    root: bytes

    def note(self) -> Note:
        """Ready to be signed."""
        return Note(f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode())


def read_checkpoint(note: Note) -> Checkpoint:
    """The checkpoint that a note is. Raises NoteError."""
    lines = note.text.decode(errors="replace").splitlines()
    if len(lines) < 3 or not lines[0] or not lines[1].isdecimal() or str(int(lines[1])) != lines[1]:
        raise NoteError("this note is no checkpoint: origin, size, root")
    root = _base64(lines[2])
    if len(root) != 32:
        raise NoteError("the root of a checkpoint has 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)
