"""An append-only, hash-chained journal of records: what happened, in order, unchanged.

It stores bytes and knows nothing of options. A *writer* groups encoded records into *frames*; a *store*
makes each frame durable by compare-and-set on the head of the chain; an *anchor* outside the store
remembers how far the chain had come; a *reader* names every kind of damage. May import the standard
library, msgspec and aiosqlite.
"""

from journal.anchor import Anchor, AnchorUnreadable, read_anchor
from journal.backup import CopyDiverged, TreeHead, copy_frames, tree_head
from journal.damage import Damage, Damaged, Finding, Verifier, locate, require, verify
from journal.merkle import (
    Tree,
    consistency_ranges,
    inclusion_ranges,
    prove_consistency,
    prove_inclusion,
    root_of,
    roots_of,
    verify_consistency,
    verify_inclusion,
)
from journal.reader import read_records, scan
from journal.record import (
    Chain,
    Frame,
    Head,
    Record,
    compute_head,
    decode_record,
    encode_record,
    genesis_head,
    leaf_hash,
    leaf_hashes,
)
from journal.snapshot import Choice, Skipped, Snapshot, SnapshotUnusable, latest, read_snapshot, write_snapshot
from journal.sqlite import SqliteSettings, SqliteStore
from journal.store import (
    Fenced,
    MemoryStore,
    Refusal,
    StartupRefused,
    Store,
    StoreError,
    StoreFailed,
    Written,
)
from journal.writer import Backlog, Backlogged, Durable, JournalFailed, Limits, Writer

__all__ = [
    "Anchor",
    "AnchorUnreadable",
    "Backlog",
    "Backlogged",
    "Chain",
    "Choice",
    "CopyDiverged",
    "Damage",
    "Damaged",
    "Durable",
    "Fenced",
    "Finding",
    "Frame",
    "Head",
    "JournalFailed",
    "Limits",
    "MemoryStore",
    "Record",
    "Refusal",
    "Skipped",
    "Snapshot",
    "SnapshotUnusable",
    "SqliteSettings",
    "SqliteStore",
    "StartupRefused",
    "Store",
    "StoreError",
    "StoreFailed",
    "Tree",
    "TreeHead",
    "Verifier",
    "Writer",
    "Written",
    "compute_head",
    "consistency_ranges",
    "copy_frames",
    "decode_record",
    "encode_record",
    "genesis_head",
    "inclusion_ranges",
    "latest",
    "leaf_hash",
    "leaf_hashes",
    "locate",
    "prove_consistency",
    "prove_inclusion",
    "read_anchor",
    "read_records",
    "read_snapshot",
    "require",
    "root_of",
    "roots_of",
    "scan",
    "tree_head",
    "verify",
    "verify_consistency",
    "verify_inclusion",
    "write_snapshot",
]
