"""A process that forks journal writers on command, so that thousands of them cost milliseconds and not seconds.

Reads one JSON request a line: `{"fork": {...}, "env": {...}}` answers the child's process number, `{"wait": pid}` its
exit status. A writer appends records whose content follows from their sequence number and notes each acknowledgement
in a file, in one write, as a client would have been told.
"""

import asyncio
import json
import os
import random
import sqlite3
import sys
from hashlib import sha256
from pathlib import Path

import journal.sqlite
from journal import Fenced, JournalFailed, Record, SqliteSettings, SqliteStore, StoreError, Writer, encode_record

GENESIS = b"a journal among faults"
SCHEMA = bytes(32)
FAILED, FENCED, REFUSED, CRASHED = 3, 4, 5, 6
SIZES = (1, 1, 2, 5, 40)

UNFENCED = """
INSERT INTO frame(frame_no, first_seq, last_seq, epoch, n, schema_fp, wall_ns, body, marks, head)
SELECT (SELECT max(frame_no) + 1 FROM frame), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE ?11 = ?11
"""
"""What a writer without the fence would do: take the next free number."""


def record_of(seq: int) -> Record:
    """The one record that may ever stand at `seq`: a second append of the same work would stand elsewhere."""
    digest = sha256(b"%d" % seq).digest()
    return Record(seq, 10**18 + seq, b"work %d " % seq + digest * (seq % 9), digest * (seq % 5))


async def write(
    path: str,
    acks: str,
    frames: int,
    seed: int = 0,
    settings: dict[str, float] | None = None,
    synchronous: str | None = None,
    ignore_lock: bool = False,
    fenced: bool = True,
    resolve: bool = False,
) -> int:
    """Append `frames` frames and note each one made durable; the exit code says how it ended."""
    if not fenced:
        journal.sqlite.APPEND = UNFENCED
    sizes = random.Random(seed)
    notes = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        store = await SqliteStore.open(
            Path(path), GENESIS, ignore_lock=ignore_lock, settings=SqliteSettings(**settings or {})
        )
    except StoreError as error:
        os.write(notes, f"\nrefused {error}".encode())
        return REFUSED
    if synchronous is not None:
        await store._writer.execute(f"PRAGMA synchronous={synchronous}")
    writer = Writer(store, SCHEMA)
    seq = (await writer.start()).last_seq
    try:
        for _ in range(frames):
            n = sizes.choice(SIZES)
            durable = await writer.append([encode_record(record_of(seq + i)) for i in range(1, n + 1)])
            seq += n
            os.write(notes, f"\nack {durable.frame.frame_no} {durable.frame.head.hex()} told".encode())
    except JournalFailed as failure:
        if isinstance(failure.__cause__, Fenced):
            return FENCED
        if resolve and store._doubt is not None:
            answer = await store.resolve(store._doubt)
            os.write(notes, f"\nresolved {store._doubt.frame_no} {store._doubt.head.hex()} {answer}".encode())
        return FAILED
    await writer.close()
    await store.close()
    return 0


def serve() -> None:
    """Answer requests until the input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            os.environ.update(request.get("env", {}))
            code = CRASHED
            try:
                code = asyncio.run(write(**request["fork"]))
            finally:
                os._exit(code)
        print(child, flush=True)


if __name__ == "__main__":
    sqlite3.connect(":memory:").close()
    serve()
