"""What a check may find, as a code, with the row it was found in. Imports tables."""

from enum import StrEnum
from typing import Final

import msgspec

from replay.export.tables import Row

SHOWN: Final = 8


class Code(StrEnum):
    """What is wrong. The letter says where: file, field, cross-field, key, link, replay, tampering, file 16, file P."""

    FILE_MISSING = "F101"
    FILE_SURPLUS = "F102"
    FILE_LENGTH = "F103"
    FILE_UNREADABLE = "F104"
    FILE_ROWS = "F105"
    FORMS_DIFFER = "F106"
    FILE_RECORDS = "F107"
    FIELD_BLANK = "S201"
    FIELD_FORMAT = "S202"
    FIELD_DAY = "S203"
    ENTRY_WHOLE = "X301"
    REMAINING_BOUND = "X302"
    DISPLAYED_BOUND = "X303"
    FILL_FIELDS = "X304"
    FILL_LEFT = "X305"
    VALIDITY = "X306"
    STOP = "X307"
    END_LEFT = "X308"
    STATUS = "X309"
    PRIORITY_AHEAD = "X310"
    RECEIVED = "X311"
    REASON = "X312"
    PREMIUM = "X313"
    INSTRUMENT = "X314"
    MARGINS = "X315"
    BALANCE = "X316"
    BATCH = "X317"
    RATIO = "X318"
    CASE = "X319"
    SHARES = "X320"
    KEY_ORDER = "K401"
    SEQUENCE_ORDER = "K402"
    ENTERED_TWICE = "K403"
    SIDES_TOO_MANY = "K404"
    NEVER_ENTERED = "L501"
    AFTER_END = "L502"
    REMAINING_BREAKS = "L503"
    PRIORITY_MOVED = "L504"
    SIDE_MISSING = "L505"
    SIDES_DISAGREE = "L506"
    TRADE_UNLINKED = "L507"
    INSTRUMENT_UNKNOWN = "L508"
    CHAIN_UNLINKED = "L509"
    MESSAGE_DIFFERS = "L510"
    MICA_DIFFERS = "L511"
    TRAIL_DIFFERS = "L512"
    ORDER_TURNED = "L513"
    CASE_UNLINKED = "L514"
    ROW_MISSING = "R601"
    ROW_SURPLUS = "R602"
    ROW_DIFFERS = "R603"
    MANIFEST_DIFFERS = "R604"
    HASH = "T701"
    SIGNATURE = "T702"
    LEAF = "T703"
    ROOT = "T704"
    ANCHOR = "T705"
    RECORD_GAP = "T706"
    VALIDATION_DIFFERS = "V801"
    PERSONS_SEALED = "P901"
    PERSON_WRONG = "P902"
    PERSON_MISSING = "P903"


MEANINGS: Final[dict[Code, str]] = {
    Code.FILE_MISSING: "the manifest names a file that is not there",
    Code.FILE_SURPLUS: "a file is there that the manifest does not name",
    Code.FILE_LENGTH: "a file has another length than the manifest says",
    Code.FILE_UNREADABLE: "a file is not what its name says; rows after that line were not looked at",
    Code.FILE_ROWS: "a file has another number of rows than the manifest says",
    Code.FORMS_DIFFER: "a table's rows are not those whose digest the manifest has",
    Code.FILE_RECORDS: "a table begins or ends with another record than the manifest says",
    Code.FIELD_BLANK: "a field that is always there is blank",
    Code.FIELD_FORMAT: "a field is not of its format, or not one of its codes",
    Code.FIELD_DAY: "a row's time lies outside the day",
    Code.ENTRY_WHOLE: "an order enters with another remaining than initial quantity",
    Code.REMAINING_BOUND: "more remains than there was",
    Code.DISPLAYED_BOUND: "more is displayed than remains",
    Code.FILL_FIELDS: "fields of a fill are there without one, or missing in one",
    Code.FILL_LEFT: "FILL leaves something, or PARF nothing",
    Code.VALIDITY: "validity period and its time contradict each other",
    Code.STOP: "a stop price without STOP, or STOP without a stop price",
    Code.END_LEFT: "an order has ended and something of it remains",
    Code.STATUS: "the status says that an order may trade which may not",
    Code.PRIORITY_AHEAD: "a priority time stamp lies after the event",
    Code.RECEIVED: "an order was received after its event, or entered on another day than it was received",
    Code.REASON: "a refusal without a reason, or a reason without a refusal",
    Code.PREMIUM: "a premium is not price times quantity",
    Code.INSTRUMENT: "reference data contradict each other: name, symbol, CFI code, type, strike, expiry",
    Code.MARGINS: "an account needs more to keep its positions than to open them",
    Code.BALANCE: "two balances are called equal that are not, or the other way round",
    Code.BATCH: "a batch ends before it begins, or has a negative age",
    Code.RATIO: "a ratio is not that of its counts",
    Code.CASE: "a case is below its bound, or ends before it begins or after its record",
    Code.SHARES: "a liquidation is closed, and what was given and got does not sum to zero",
    Code.KEY_ORDER: "rows are not in the order of their keys, or a key is there twice",
    Code.SEQUENCE_ORDER: "sequence numbers of order events do not ascend",
    Code.ENTERED_TWICE: "an order enters twice",
    Code.SIDES_TOO_MANY: "a transaction has more than two sides",
    Code.NEVER_ENTERED: "an event of an order received on the day that never entered",
    Code.AFTER_END: "an event of an order that has ended",
    Code.REMAINING_BREAKS: "what remains does not follow from the event before",
    Code.PRIORITY_MOVED: "an order's priority changed without a replacement or a trigger",
    Code.SIDE_MISSING: "a transaction has one side only",
    Code.SIDES_DISAGREE: "the sides of a transaction differ in instrument, price or quantity, or both buy or both sell",
    Code.TRADE_UNLINKED: "order events and trades know different transactions, or tell of one differently",
    Code.INSTRUMENT_UNKNOWN: "a row is about a series that the instruments do not have",
    Code.CHAIN_UNLINKED: "what settled on chain is no trade of the day, or differs from it",
    Code.MESSAGE_DIFFERS: "the auth.113 message is not that of the rows",
    Code.MICA_DIFFERS: "an order event has other values in the MiCA file",
    Code.TRAIL_DIFFERS: "the audit trail is not that of the rows",
    Code.ORDER_TURNED: "an order changed its account, book, side or date of receipt",
    Code.CASE_UNLINKED: "a case names a trade of the day that is none",
    Code.ROW_MISSING: "the journal gives a row that is not there",
    Code.ROW_SURPLUS: "a row is there that the journal does not give",
    Code.ROW_DIFFERS: "the journal gives a row with other values",
    Code.MANIFEST_DIFFERS: "the journal gives another manifest",
    Code.HASH: "a file has another hash than the manifest says",
    Code.SIGNATURE: "the signature of the manifest is not one of its signer",
    Code.LEAF: "a leaf is not the hash of its record, or the record is another one",
    Code.ROOT: "the records of the day do not lead from one root to the other",
    Code.ANCHOR: "the root at a batch is not that of the records",
    Code.RECORD_GAP: "the slice of the journal leaves out a record",
    Code.VALIDATION_DIFFERS: "the validation in the folder says something else than validating it",
    Code.PERSONS_SEALED: "the persons do not open with this key and this manifest",
    Code.PERSON_WRONG: "a person is not the one that was committed to, or something is told of one who is erased",
    Code.PERSON_MISSING: "the persons are not those of the commitments in orders and journal",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, with the row as it stands in the folder, if it is about one."""

    code: Code
    file: str
    sentence: str
    jseq: int = 0
    place: int = 0
    field: str = ""
    row: Row | None = None


def of_row(code: Code, file: str, row: Row, field: str = "", detail: str = "") -> Finding:
    """A finding about a row."""
    said = f"{MEANINGS[code]}: {detail}" if detail else MEANINGS[code]
    jseq, place = row.get("jseq", 0), row.get("place", 0)
    return Finding(code=code, file=file, sentence=said, jseq=int(jseq), place=int(place), field=field, row=row)


def of_file(code: Code, file: str, detail: str = "") -> Finding:
    """A finding about a whole file."""
    return Finding(code=code, file=file, sentence=f"{MEANINGS[code]}: {detail}" if detail else MEANINGS[code])
