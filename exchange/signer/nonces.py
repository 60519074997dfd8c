"""Nonces that no restart repeats: a block of them is written down before the first is used.

One signer at a time holds the file. Imports config, wallet.
"""

import fcntl
import os
from pathlib import Path
from typing import Final, Self

import msgspec

from exchange.shell.wallet import Nonces
from exchange.signer.config import ConfigError

BLOCK: Final = 1_000


class DurableNonces(Nonces):
    """Counters by account, never below what the file says has been reserved. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._lock = -1
        self._reserved: dict[int, int] = {}

    def __enter__(self) -> Self:
        """Take the file. Raises ConfigError when another signer has it, or it cannot be read."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise ConfigError(f"{self._path} is held by another signer") from error
        if self._path.exists():
            try:
                self._reserved = msgspec.json.decode(self._path.read_bytes(), type=dict[int, int], strict=False)
            except msgspec.MsgspecError as error:
                raise ConfigError(f"{self._path}: {error}") from error
        for account, nonce in self._reserved.items():
            self.start_at(account, nonce)
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._lock)

    def take(self, account: int) -> int:
        """The next unused nonce; durable before it is given out."""
        nonce = super().take(account)
        if nonce >= self._reserved.get(account, 0):
            self._reserved[account] = nonce + BLOCK
            self._save()
        return nonce

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode({str(account): nonce for account, nonce in self._reserved.items()}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
