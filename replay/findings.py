"""The closed vocabulary of what an audit can find, and the two ways it can end early.

Owns ``Kind`` and ``Finding``. The first eight kinds are the journal's own (``journal.damage``), word for word; the rest
need the machine. Imports msgspec and the journal.
"""

from enum import StrEnum
from typing import Final

import msgspec

from journal.damage import Finding as ChainFinding

TEXT_MAX: Final = 400
"""Characters of an expected or actual value that a finding repeats."""


class Kind(StrEnum):
    """Everything ``verify`` can find wrong, in the order in which it looks, and then what ``receipts`` can."""

    # the file and its chain, as the journal names them
    TORN_TAIL = "torn_tail"
    LOST_TAIL = "lost_tail"
    GAP = "gap"
    FORK = "fork"
    ALTERED = "altered"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    UNKNOWN_SCHEMA = "unknown_schema"
    # the records, whole by their hashes
    RECORD_UNREADABLE = "record_unreadable"
    SEQ_NOT_DENSE = "seq_not_dense"
    TIME_RAN_BACK = "time_ran_back"
    # the machine
    MACHINE_STOPPED = "machine_stopped"
    INVARIANT_BROKEN = "invariant_broken"
    EVENTS_DIFFER = "events_differ"
    DIGEST_DIFFERS = "digest_differs"
    FOLD_DIFFERS = "fold_differs"
    # what was signed
    ORDER_NOT_SIGNED = "order_not_signed"
    ROUND_NOT_SIGNED = "round_not_signed"
    # what the operator signed
    STATEMENT_NOT_SIGNED = "statement_not_signed"
    TOLD_TWICE = "told_twice"
    # what others vouched for
    STAMP_NOT_SOUND = "stamp_not_sound"
    RECORD_MISSING = "record_missing"
    RECORD_DIFFERS = "record_differs"
    ROOT_DIFFERS = "root_differs"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: the first record it concerns, its kind, a sentence, and both values where there are two.

    ``recoverable`` marks the ordinary trace of a crash, which the venue repairs on its next start.
    """

    seq: int
    kind: Kind
    sentence: str
    frame_no: int = 0
    expected: str = ""
    actual: str = ""
    recoverable: bool = False


class Diverged(Exception):
    """Re-execution and the journal part ways; ``finding`` says where and how."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding


class CannotRun(Exception):
    """The audit could not be carried out at all: no verdict, exit code 2."""


def of_chain(finding: ChainFinding, due_seq: int) -> Finding:
    """A finding of the journal in our words; ``due_seq`` stands in where the damage hides which record it hit."""
    return Finding(
        seq=finding.seq or due_seq,
        kind=Kind(finding.kind.value),
        sentence=finding.sentence,
        frame_no=finding.frame_no,
        recoverable=finding.recoverable,
    )


def shown(value: object) -> str:
    """A value as findings repeat it: bytes in hex, the rest as Python writes it, cut at ``TEXT_MAX``."""
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}..."
