"""Development keys: derived from their names, known to everyone, and refused outside development chains."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from exchange.signing import DEV_CHAINS

SECRET_BYTES: Final = 32


class NotADevelopmentChain(Exception):
    """Development keys belong to whoever reads this file; they must never guard anything."""


def dev_key(name: str) -> bytes:
    """The 32-byte private key everyone derives from a name."""
    return sha256(b"verbatim development key: " + name.encode()).digest()


def require_dev_chain(chain_id: int) -> None:
    """Refuse to use development keys on a chain that could hold value."""
    if chain_id not in DEV_CHAINS:
        raise NotADevelopmentChain(f"chain {chain_id} is not one of {DEV_CHAINS}")


class BadSecret(Exception):
    """A file that holds no private key, or one that others may read."""


def secret_of(path: Path) -> bytes:
    """The 32-byte private key in a file, as 64 hex digits. Raises BadSecret, also where others may read it."""
    try:
        if path.stat().st_mode & 0o077:
            raise BadSecret(f"{path} may be read by others; chmod 600 it")
        secret = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except (OSError, ValueError) as error:
        raise BadSecret(f"{path}: {error}") from error
    if len(secret) != SECRET_BYTES:
        raise BadSecret(f"{path} holds {len(secret)} bytes, a private key has {SECRET_BYTES}")
    return secret
