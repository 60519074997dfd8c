"""Development keys: derived from their names, known to everyone, and refused outside development chains."""

from hashlib import sha256
from typing import Final

DEV_CHAINS: Final = (1337, 31337)


class NotADevelopmentChain(Exception):
    """Development keys belong to whoever reads this file; they must never guard anything."""


def dev_key(name: str) -> bytes:
    """The 32-byte private key everyone derives from a name."""
    return sha256(b"verbatim development key: " + name.encode()).digest()


def require_dev_chain(chain_id: int) -> None:
    """Refuse to use development keys on a chain that could hold value."""
    if chain_id not in DEV_CHAINS:
        raise NotADevelopmentChain(f"chain {chain_id} is not one of {DEV_CHAINS}")
