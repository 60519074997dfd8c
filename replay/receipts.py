"""``receipts``: is what the operator signed true of this journal, and if not, what takes its bond.

Owns the comparison of receipts and batch headers with each other and with a journal, and the search for proofs that the
contract Operators accepts. One pass in constant memory; a second one over the leaves only for each omission found.
Imports evidence, so it is loaded only when asked for.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from exchange import codec
from exchange.core.commands import Configure
from exchange.evidence import Collection, Offence, Proof, Statement, equivocations
from exchange.signing import BatchHeader, Receipt, from_hex
from journal.merkle import Tree, prove_inclusion
from journal.record import Frame
from replay.findings import CannotRun, Diverged, Finding, Kind, of_chain, shown
from replay.source import open_source


class Report(msgspec.Struct, kw_only=True):
    """What was compared, what is wrong with it, and the proofs that follow, the first of which is enough."""

    journal: str
    records: int
    receipts: int
    batches: int
    findings: list[Finding] = []
    proofs: list[Proof] = []

    @property
    def ok(self) -> bool:
        """Whether all of it is true of this journal."""
        return not self.findings


class _Held(NamedTuple):
    """What the journal has where statements speak of it: leaves by seq, roots by size, and its length."""

    leaves: dict[int, bytes]
    roots: dict[int, bytes]
    size: int


def check(path: Path, kept: Collection) -> Report:
    """Compare statements with each other and with a journal. Raises Diverged when the journal is damaged, CannotRun."""
    said, foreign = kept.sorted_out()
    held = _read(path, kept, said)
    proofs = list(equivocations(said))
    proofs += _omissions(path, said, held)
    findings = [_not_signed(each) for each in foreign]
    findings += [_told_twice(proof) for proof in proofs if proof.offence is Offence.EQUIVOCATION]
    findings += [finding for each in said for finding in _compare(each, held)]
    batches = sum(isinstance(each.said, BatchHeader) for each in kept.statements)
    return Report(
        journal=str(path),
        records=held.size,
        receipts=len(kept.statements) - batches,
        batches=batches,
        findings=sorted(findings, key=lambda finding: finding.seq),
        proofs=proofs,
    )


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(path: Path, kept: Collection, said: Sequence[Statement]) -> _Held:
    seqs = dict.fromkeys(each.number for each in said if isinstance(each.said, Receipt))
    sizes = dict.fromkeys(each.size for each in said)
    tree, held = Tree(), _Held({}, {}, 0)
    if 0 in sizes:
        held.roots[0] = tree.root()
    for frame in _frames(path):
        if tree.size == 0:
            _require_same_venue(frame, kept)
        for seq, leaf in enumerate(frame.leaves(), frame.first_seq):
            tree.append(leaf)
            if seq in seqs:
                held.leaves[seq] = leaf
            if seq in sizes:
                held.roots[seq] = tree.root()
    return held._replace(size=tree.size)


def _frames(path: Path) -> Iterator[Frame]:
    due_seq = 1
    for item in open_source(path).scan():
        if isinstance(item, Frame):
            yield item
            due_seq = item.last_seq + 1
        elif not item.recoverable:
            raise Diverged(of_chain(item, due_seq))


def _require_same_venue(frame: Frame, kept: Collection) -> None:
    """Receipts of one venue say nothing of another's journal. Raises CannotRun."""
    opened = codec.decode_command(frame.records()[0].command)
    here = (kept.chain_id, from_hex(kept.clearing), from_hex(kept.operator))
    if not isinstance(opened, Configure) or (opened.chain_id, opened.clearing, opened.operator) != here:
        raise CannotRun(f"the receipts are not of the venue of this journal: {kept.clearing} on chain {kept.chain_id}")


# -- comparing ---------------------------------------------------------------------------------------------------------


def _compare(each: Statement, held: _Held) -> Iterator[Finding]:
    """What the journal does not bear out of one statement."""
    if isinstance(each.said, Receipt):
        leaf = held.leaves.get(each.number)
        if leaf is None:
            sentence = f"the operator signed for record {each.number}, and the journal ends with {held.size}"
            yield Finding(seq=each.number, kind=Kind.RECORD_MISSING, sentence=sentence)
            return
        if leaf != each.said.record_hash:
            sentence = f"seq {each.number}: the journal has another record than the operator signed for"
            yield _differs(each.number, Kind.RECORD_DIFFERS, sentence, each.said.record_hash, leaf)
    root = held.roots.get(each.size)
    if root is None:
        sentence = f"the operator signed a root over {each.size} records, and the journal ends with {held.size}"
        yield Finding(seq=each.size, kind=Kind.RECORD_MISSING, sentence=sentence)
    elif root != each.root:
        sentence = f"over its first {each.size} records the journal has another root than the operator signed"
        yield _differs(each.size, Kind.ROOT_DIFFERS, sentence, each.root, root)


def _differs(seq: int, kind: Kind, sentence: str, signed: bytes, found: bytes) -> Finding:
    return Finding(seq=seq, kind=kind, sentence=sentence, expected=shown(signed), actual=shown(found))


def _not_signed(each: Statement) -> Finding:
    sentence = f"{_named(each)} is not signed by the operator: it binds nobody"
    return Finding(seq=each.size, kind=Kind.STATEMENT_NOT_SIGNED, sentence=sentence)


def _told_twice(proof: Proof) -> Finding:
    sentence = f"the operator signed both {_named(proof.first)} and {_named(proof.second)}, which cannot both be true"
    return Finding(seq=min(proof.first.size, proof.second.size), kind=Kind.TOLD_TWICE, sentence=sentence)


def _named(each: Statement) -> str:
    what = "receipt" if isinstance(each.said, Receipt) else "batch"
    return f"{what} {each.number} with the root of {each.size} records"


# -- proving -----------------------------------------------------------------------------------------------------------


def _omissions(path: Path, said: Sequence[Statement], held: _Held) -> Iterator[Proof]:
    """A proof for each receipt whose record a later root, which this journal bears out, does not hold."""
    heads = sorted((each for each in said if held.roots.get(each.size) == each.root), key=lambda each: each.size)
    for each in said:
        if not isinstance(each.said, Receipt):
            continue
        leaf = held.leaves.get(each.number)
        head = next((head for head in heads if head.size >= each.number), None)
        if head is not None and leaf is not None and leaf != each.said.record_hash:
            way = prove_inclusion(_leaves(path, head.size), each.number - 1)
            yield Proof(Offence.OMISSION, each, head, leaf, tuple(way))


def _leaves(path: Path, size: int) -> list[bytes]:
    found: list[bytes] = []
    for frame in _frames(path):
        found += frame.leaves()
        if len(found) >= size:
            break
    return found[:size]
