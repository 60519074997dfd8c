"""From a proof to the two transactions that take the bond: announce it, and a minute later show it.

Owns the calldata for Operators. Imports evidence and the shell's bindings.
"""

import secrets

import msgspec

from exchange.evidence import Proof
from exchange.shell.contract import artifact


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What a reporter sends to Operators: ``commit`` first, ``reveal`` at least 60 seconds later, both as 0x-text.

    Without a reporter the two are empty, for a proof counts only for the address that announced it.
    """

    offence: str
    function: str
    operator_said: tuple[str, str]  # the digests of the two statements
    salt: str
    commit: str = ""
    reveal: str = ""


def reveal(proof: Proof, domain: bytes, reporter: bytes | None) -> Call:
    """The calls of a reporter, under a fresh salt."""
    salt = secrets.token_bytes(32)
    function, args = proof.call(salt)
    bare = Call(
        offence=proof.offence.value,
        function=function,
        operator_said=(_hex(proof.first.digest(domain)), _hex(proof.second.digest(domain))),
        salt=_hex(salt),
    )
    if reporter is None:
        return bare
    encode = artifact("Operators").interface.encode
    commitment = proof.commitment(domain, reporter, salt)
    return msgspec.structs.replace(
        bare, commit=_hex(encode("commit", commitment)), reveal=_hex(encode(function, *args))
    )


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
