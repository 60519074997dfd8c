"""The embedded chain's file: which blocks were sealed, from which raw transactions, in which environment.

Owns one SQLite table and nothing of their meaning; `devchain.py` re-executes what it reads here and
compares hashes. May import the standard library and msgspec. A block is durable (fsync) before anyone is
told of it, and a reorganisation is one transaction: after a crash the file holds the old branch or the new
one, never a mixture.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path

import msgspec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""


class StoreMismatch(Exception):
    """The file belongs to another chain, or its blocks do not execute to the hashes it claims."""


class ChainMeta(msgspec.Struct, frozen=True, array_like=True):
    """What must be equal for the same transactions to give the same blocks. Genesis balances as (address,
    decimal wei).
    """

    chain_id: int
    genesis_time_s: int
    gas_limit: int
    allocation: tuple[tuple[bytes, str], ...]


class BlockRecord(msgspec.Struct, frozen=True, array_like=True):
    """One sealed block: its environment, its balance edits (address, decimal wei), its transactions.

    `effects` is what executing them did, so that a start need not execute them again; `seal` vouches for it.
    """

    number: int
    time_s: int
    branch: int
    hash: bytes
    edits: tuple[tuple[bytes, str], ...]
    transactions: tuple[bytes, ...]
    effects: bytes
    seal: bytes


class BlockStore:
    """Durable, append-mostly list of blocks. Used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises sqlite3.Error when the file cannot be used."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
            self._tip = self._last()
        except BaseException:
            self._db.close()
            raise

    def bind(self, meta: ChainMeta) -> ChainMeta:
        """Keep `meta` in a new file, or return what an old file keeps. Raises StoreMismatch for another chain id."""
        row = self._db.execute("SELECT body FROM meta").fetchone()
        if row is None:
            self._db.execute("INSERT INTO meta VALUES (1, ?)", (msgspec.msgpack.encode(meta),))
            return meta
        kept = msgspec.msgpack.decode(row[0], type=ChainMeta)
        if kept.chain_id != meta.chain_id:
            raise StoreMismatch(f"the file keeps chain {kept.chain_id}, not {meta.chain_id}")
        return kept

    def records(self) -> list[BlockRecord]:
        """Every block, oldest first. Raises StoreMismatch when one cannot be read."""
        rows = self._db.execute("SELECT body FROM blocks ORDER BY number").fetchall()
        try:
            return [msgspec.msgpack.decode(body, type=BlockRecord) for (body,) in rows]
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise StoreMismatch(f"a block in the file cannot be read: {error}") from error

    def replace(self, after: int, records: list[BlockRecord]) -> None:
        """Drop every block above `after` and append `records`, all or nothing, durable on return.

        Raises StoreMismatch when somebody else has written to the file meanwhile, sqlite3.Error when the
        disk fails.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._check_tip()
            self._db.execute("DELETE FROM blocks WHERE number > ?", (after,))
            rows = [(record.number, msgspec.msgpack.encode(record)) for record in records]
            self._db.executemany("INSERT INTO blocks VALUES (?, ?)", rows)
            tip = self._last()
            self._db.execute("COMMIT")
        except (sqlite3.Error, StoreMismatch):
            with suppress(sqlite3.Error):  # a failed COMMIT may have ended the transaction already
                self._db.execute("ROLLBACK")
            raise
        self._tip = tip

    def _check_tip(self) -> None:
        if self._last() != self._tip:
            raise StoreMismatch("another process writes to this chain")

    def _last(self) -> tuple[int, bytes] | None:
        row: tuple[int, bytes] | None = self._db.execute(
            "SELECT number, body FROM blocks ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return row

    def close(self) -> None:
        """Close the file."""
        self._db.close()
