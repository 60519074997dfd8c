"""Time stamps of third parties (RFC 3161): that a checkpoint was there by a time, as somebody else says.

Owns how a token is asked for, verified and kept: in ``NAME.tsr`` beside the checkpoint ``NAME``, as the authority sent
it. What is stamped is the text of the note, origin, size and root, so that cosignatures may still come under it. An
authority that is away or says no is a state that is shown, and never in the way of the checkpoint. Verified by
rfc3161-client: imprint, nonce, the signature and its chain to certificates that are given, as of the time it tells.
"""

import urllib.error
import urllib.request
from datetime import UTC
from enum import StrEnum
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from replay.findings import CannotRun
from replay.notes import Note

SUFFIX: Final = ".tsr"
TIMEOUT_S: Final = 10.0
ANSWER_MAX: Final = 1 << 20  # bytes; a token with its chain has some thousands
_GRANTED: Final = 0


class State(StrEnum):
    """How it stands with the time stamp of a checkpoint."""

    VERIFIED = "verified"
    UNTRUSTED = "untrusted"
    """It is of this checkpoint, but no certificate was given to hold its signature against."""
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    WRONG = "wrong"


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What a time stamp says. ``time`` is the authority's, in UTC; empty where there is none that could be read."""

    state: State
    sentence: str
    time: str = ""
    authority: str = ""

    @property
    def ok(self) -> bool:
        """Whether a third party vouches for the time."""
        return self.state is State.VERIFIED


def token_path(checkpoint: Path) -> Path:
    """Where the token of a checkpoint lies."""
    return checkpoint.with_name(checkpoint.name + SUFFIX)


def read_roots(path: Path) -> list[x509.Certificate]:
    """Certificates in PEM that are trusted. Raises CannotRun."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path} holds no certificates: {error}") from error


def fetch(note: Note, url: str, roots: list[x509.Certificate], timeout_s: float = TIMEOUT_S) -> tuple[Stamp, bytes]:
    """Ask an authority for a token and verify it; the token as it came, empty where it is not to be kept.

    Raises CannotRun for an address that is none; whatever goes wrong on the way is a state.
    """
    request = TimestampRequestBuilder().data(note.text).hash_algorithm(HashAlgorithm.SHA256).build()
    if not url.startswith(("http://", "https://")):
        raise CannotRun(f"{url} is no address of a time stamping authority: http:// or https://")
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    asked = urllib.request.Request(url, request.as_bytes(), headers)  # noqa: S310 - one of the two schemes above
    try:
        with urllib.request.urlopen(asked, timeout=timeout_s) as answer:  # noqa: S310
            data = answer.read(ANSWER_MAX)
    except (OSError, HTTPException, ValueError) as error:
        return Stamp(state=State.UNREACHABLE, sentence=f"{url} did not answer: {error}"), b""
    stamp = check(note, data, roots, nonce=request.nonce)
    return stamp, data if stamp.ok else b""


def check(note: Note, token: bytes, roots: list[x509.Certificate], nonce: int | None = None) -> Stamp:
    """Whether a token is of this checkpoint, signed under one of the certificates; and, if asked, with this nonce."""
    try:
        response = decode_timestamp_response(token)
    except ValueError as error:
        return Stamp(state=State.WRONG, sentence=f"this is no time stamp: {error}")
    if response.status != _GRANTED:
        words = "; ".join(response.status_string) or "without a word"
        return Stamp(state=State.REFUSED, sentence=f"the authority refused with status {response.status}: {words}")
    time, authority = _said(response)
    if response.tst_info.message_imprint.message != sha256(note.text).digest():
        return Stamp(state=State.WRONG, sentence="the time stamp is of something else", time=time)
    if not roots:
        sentence = f"{authority} is said to have stamped it at {time}; no certificate was given to hold that against"
        return Stamp(state=State.UNTRUSTED, sentence=sentence, time=time, authority=authority)
    try:
        VerifierBuilder(roots=roots, nonce=nonce).build().verify_message(response, note.text)
    except (VerificationError, ValueError) as error:
        return Stamp(state=State.WRONG, sentence=f"the time stamp does not hold: {error}", time=time)
    return Stamp(state=State.VERIFIED, sentence=f"stamped at {time} by {authority}", time=time, authority=authority)


def _said(response: TimeStampResponse) -> tuple[str, str]:
    """The time in UTC, and whose name is on the certificate of the one who signed."""
    signers = {(each.issuer, each.serial_number) for each in response.signed_data.signer_infos}
    told = [x509.load_der_x509_certificate(data) for data in response.signed_data.certificates]
    names = sorted(each.subject.rfc4514_string() for each in told if (each.issuer, each.serial_number) in signers)
    moment = response.tst_info.gen_time.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z", names[0] if names else "an authority that sent no certificate"


def stored(checkpoint: Path, note: Note, roots: list[x509.Certificate]) -> Stamp:
    """What the token beside a checkpoint says. Raises CannotRun."""
    path = token_path(checkpoint)
    try:
        token = path.read_bytes()
    except FileNotFoundError:
        return Stamp(state=State.MISSING, sentence=f"there is no {path.name}")
    except OSError as error:
        raise CannotRun(f"{path} cannot be read: {error}") from error
    return check(note, token, roots)
