"""What an operator has signed, held side by side: statements, what two of them contradict, and proofs of it.

Owns the file in which a trader keeps receipts, and the arguments of the contract Operators. Bytes to bytes: no input,
output, node or journal. May import signing, msgspec and tiny_keccak. The contract holds the same rules and refuses
whatever proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec
from tiny_keccak import keccak256 as keccak

from exchange.signing import (
    BatchHeader,
    Receipt,
    SigningError,
    batch_digest,
    compact,
    domain_separator,
    from_hex,
    receipt_digest,
    recover,
)

VERSION: Final = 1
StatementArgs: TypeAlias = tuple[bool, list[int], int, int]
"""A statement as Operators takes it: whether it is a batch, its words, and the signature in the form of EIP-2098."""


class EvidenceError(ValueError):
    """A file of receipts that is none."""


class Offence(StrEnum):
    """What an operator can be shown to have done; the contract has a function for each."""

    EQUIVOCATION = "equivocation"
    OMISSION = "omission"


class Statement(msgspec.Struct, frozen=True):
    """A receipt or a batch header with the operator's signature; `content` is what a header signs beside its fields."""

    said: Receipt | BatchHeader
    signature: bytes
    content: bytes = b""

    @property
    def size(self) -> int:
        """How many records of the journal its root covers: a receipt names the root before its own record."""
        return self.said.journal_size if isinstance(self.said, BatchHeader) else self.said.seq - 1

    @property
    def root(self) -> bytes:
        """The RFC 6962 root it names."""
        return self.said.journal_root if isinstance(self.said, BatchHeader) else self.said.prior_root

    @property
    def number(self) -> int:
        """What the operator may say once: the seq of a receipt, the number of a batch."""
        return self.said.batch_id if isinstance(self.said, BatchHeader) else self.said.seq

    def digest(self, domain: bytes) -> bytes:
        """What was signed, in the domain of Clearing. Raises SigningError when a field leaves its type."""
        if isinstance(self.said, BatchHeader):
            return batch_digest(domain, self.said, self.content)
        return receipt_digest(domain, self.said)

    def words(self) -> list[int]:
        """The fields in the order of the signed type, six of them."""
        said = self.said
        if isinstance(said, BatchHeader):
            fields = [said.batch_id, said.round_id, said.deadline, said.journal_size]
            return [*fields, int.from_bytes(said.journal_root, "big"), int.from_bytes(self.content, "big")]
        hashes = [int.from_bytes(said.prior_root, "big"), int.from_bytes(said.record_hash, "big")]
        return [said.seq, *hashes, said.time_ns, 0, 0]

    def args(self) -> StatementArgs:
        """The statement as the contract takes it."""
        return isinstance(self.said, BatchHeader), self.words(), *compact(self.signature)


class Proof(msgspec.Struct, frozen=True):
    """Two statements that cannot both be true; for an omission also the leaf that stands there, and its path."""

    offence: Offence
    first: Statement
    second: Statement
    leaf: bytes = b""
    path: tuple[bytes, ...] = ()

    def commitment(self, domain: bytes, reporter: bytes, salt: bytes) -> bytes:
        """What the reporter announces before it shows the proof."""
        digests = self.first.digest(domain) + self.second.digest(domain)
        return keccak(reporter.rjust(32, b"\0") + salt + digests)

    def call(self, salt: bytes) -> tuple[str, tuple[object, ...]]:
        """Name and arguments of the contract's function."""
        pair = (self.first.args(), self.second.args())
        if self.offence is Offence.EQUIVOCATION:
            return "prove_equivocation", (*pair, salt)
        return "prove_omission", (*pair, self.leaf, list(self.path), salt)


def contradict(first: Statement, second: Statement) -> bool:
    """Whether one operator cannot honestly have signed both: the rule of `prove_equivocation`."""
    is_same = type(first.said) is type(second.said) and first.number == second.number
    if is_same and isinstance(first.said, Receipt):
        return first.said != second.said
    return (is_same or first.size == second.size) and first.root != second.root


def equivocations(statements: Iterable[Statement]) -> Iterator[Proof]:
    """A proof for each statement that contradicts an earlier one about the same place, batch or size."""
    known: dict[tuple[str, int], Statement] = {}
    for statement in statements:
        keys = ((type(statement.said).__name__, statement.number), ("root", statement.size))
        for key in keys:
            other = known.setdefault(key, statement)
            if contradict(other, statement):
                yield Proof(Offence.EQUIVOCATION, other, statement)
                break


# -- the file ----------------------------------------------------------------------------------------------------------


class _Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: int
    prior_root: str
    record_hash: str
    time_ns: int
    signature: str


class _Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    batch_id: int
    round_id: int
    deadline: int
    journal_size: int
    journal_root: str
    content: str
    signature: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    chain_id: int
    clearing: str
    operator: str
    receipts: list[_Receipt] = []
    batches: list[_Batch] = []


class Collection(msgspec.Struct, frozen=True):
    """Statements of one operator about one Clearing. Addresses as checksummed text."""

    chain_id: int
    clearing: str
    operator: str
    statements: tuple[Statement, ...]

    def domain(self) -> bytes:
        """EIP-712 separator of Clearing."""
        return domain_separator(self.chain_id, from_hex(self.clearing))

    def sorted_out(self) -> tuple[list[Statement], list[Statement]]:
        """Statements that this operator signed in this domain, and the others, which are worth nothing to anybody."""
        domain, operator = self.domain(), from_hex(self.operator)
        genuine: list[Statement] = []
        foreign: list[Statement] = []
        for statement in self.statements:
            (genuine if _signer(statement, domain) == operator else foreign).append(statement)
        return genuine, foreign


def _signer(statement: Statement, domain: bytes) -> bytes:
    """Who signed; nobody when a field or the signature is out of range."""
    try:
        return recover(statement.digest(domain), statement.signature)
    except SigningError:
        return b""


def encode_file(kept: Collection) -> bytes:
    """The file as JSON; hashes and signatures as 0x-text."""
    receipts = [_written(each) for each in kept.statements if isinstance(each.said, Receipt)]
    batches = [_written_batch(each) for each in kept.statements if isinstance(each.said, BatchHeader)]
    file = {"version": VERSION, "chain_id": kept.chain_id, "clearing": kept.clearing, "operator": kept.operator}
    return msgspec.json.format(msgspec.json.encode(file | {"receipts": receipts, "batches": batches}), indent=1)


def decode_file(data: bytes) -> Collection:
    """What `encode_file` wrote. Raises EvidenceError on anything else."""
    try:
        file = msgspec.json.decode(data, type=_File)
        if file.version != VERSION:
            raise EvidenceError(f"version {file.version} of a file of receipts, not {VERSION}")
        from_hex(file.clearing), from_hex(file.operator)
        statements = [*map(_receipt, file.receipts), *map(_batch, file.batches)]
    except (msgspec.MsgspecError, ValueError) as error:
        raise EvidenceError(str(error)) from error
    return Collection(file.chain_id, file.clearing, file.operator, tuple(statements))


def _written(statement: Statement) -> dict[str, object]:
    said = statement.said
    return {
        name: _hex(value) if isinstance(value := getattr(said, name), bytes) else value
        for name in said.__struct_fields__
    } | {"signature": _hex(statement.signature)}


def _written_batch(statement: Statement) -> dict[str, object]:
    return _written(statement) | {"content": _hex(statement.content)}


def _receipt(kept: _Receipt) -> Statement:
    said = Receipt(
        seq=_positive(kept.seq),
        prior_root=_bytes32(kept.prior_root),
        record_hash=_bytes32(kept.record_hash),
        time_ns=kept.time_ns,
    )
    return Statement(said, _signature(kept.signature))


def _batch(kept: _Batch) -> Statement:
    said = BatchHeader(
        batch_id=kept.batch_id,
        round_id=kept.round_id,
        deadline=kept.deadline,
        journal_size=kept.journal_size,
        journal_root=_bytes32(kept.journal_root),
    )
    return Statement(said, _signature(kept.signature), _bytes32(kept.content))


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _positive(seq: int) -> int:
    if seq < 1:
        raise EvidenceError(f"a record has a number from 1 on, not {seq}")
    return seq


def _bytes32(text: str) -> bytes:
    value = bytes.fromhex(text.removeprefix("0x"))
    if len(value) != 32:
        raise EvidenceError(f"{len(value)} bytes where 32 are needed")
    return value


def _signature(text: str) -> bytes:
    value = bytes.fromhex(text.removeprefix("0x"))
    compact(value)  # says why when it is none
    return value
