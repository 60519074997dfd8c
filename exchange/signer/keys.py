"""Session keys in keystores (the format of Ethereum wallets, scrypt), and in memory where nothing shows them.

Imports config, signing, eth_account.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from eth_account import Account

from exchange.shell.wallet import sign_block, sign_login, sign_order, sign_quotes
from exchange.signer.config import ConfigError, require_private
from exchange.signing import address_of, to_hex

WORK: Final = 2**14
"""Rounds of scrypt for new keystores; a tenth of a second to open one."""


class Key:
    """A private key that signs and never tells itself: not in logs, tracebacks, copies or pickles."""

    __slots__ = ("_secret", "address")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.address = to_hex(address_of(secret))

    def __repr__(self) -> str:
        return f"Key({self.address})"

    def __reduce__(self) -> Any:
        raise TypeError("a key is not copied")

    def login(self, timestamp_ms: int, nonce: str) -> dict[str, Any]:
        """Parameters of a login at the venue."""
        return sign_login(self._secret, timestamp_ms, nonce)

    def order(self, domain: bytes, order: Any) -> dict[str, Any]:
        """The ``authorization`` of an order. Raises SigningError."""
        return sign_order(self._secret, domain, order)

    def quotes(self, domain: bytes, mandate: Any, leaves: Any) -> dict[str, Any]:
        """The ``authorization`` of a message of quotes. Raises SigningError."""
        return sign_quotes(self._secret, domain, mandate, leaves)

    def block(self, domain: bytes, block: Any) -> str:
        """The signature over a block trade. Raises SigningError."""
        return sign_block(self._secret, domain, block)


def open_keystore(path: Path, password: str) -> Key:
    """The key in a keystore. Raises ConfigError, which repeats neither password nor key."""
    require_private(path)
    try:
        return Key(bytes(Account.decrypt(json.loads(path.read_text()), password)))
    except (ValueError, KeyError, TypeError, NotImplementedError):
        # The cause is left out on purpose: libraries like to print what they were given.
        raise ConfigError(f"{path} is no keystore, or the password is another") from None


def write_keystore(path: Path, secret: bytes, password: str) -> Key:
    """A new keystore, its owner's alone; never over another one. Raises ConfigError."""
    data = json.dumps(Account.encrypt(secret, password, kdf="scrypt", iterations=WORK)).encode()
    write_private(path, data)
    return Key(secret)


def write_private(path: Path, data: bytes) -> None:
    """A new file that only its owner reads. Raises ConfigError when there is one already."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(f"{path} is there already") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
