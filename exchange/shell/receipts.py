"""What a client keeps of the operator's word: every receipt checked as it comes, the last ones kept, a file of them.

A receipt that contradicts one that is kept is worth the operator's bond: both are kept for good, and the client says so
at once. Imports wallet, evidence, signing.
"""

import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from exchange.evidence import Collection, Proof, Statement, contradict, encode_file, equivocations
from exchange.shell.wallet import SignedReceipt, Untrusted, Venue, parse_receipt, verify_receipt
from exchange.signing import SigningError

KEPT: Final = 10_000
"""Receipts kept; older ones are forgotten first. Save the file before that, if they are to be kept."""
STORIES_KEPT: Final = 16
"""Statements kept of those that contradict others; two of them take a bond, so the first ones are enough."""


class Equivocated(Untrusted):
    """The operator told two stories; ``proof`` takes its bond."""

    def __init__(self, proof: Proof) -> None:
        super().__init__(f"the operator signed two stories about record {proof.second.number}")
        self.proof = proof


class Receipts:
    """Receipts of one venue, from any number of connections: share one object among the clients of a trader."""

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit
        self._kept: OrderedDict[int, Statement] = OrderedDict()
        self._stories: list[Statement] = []
        self._venue: Venue | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, venue: Venue, message: Mapping[str, Any]) -> None:
        """Check and keep the receipt in a reply, if it carries one.

        Raises Untrusted when the operator did not sign it, Equivocated when it contradicts one that is kept.
        """
        written = _receipt_in(message)
        if written is None:
            return
        try:
            receipt = parse_receipt(written)
            verify_receipt(venue, receipt)
        except (SigningError, KeyError, TypeError, ValueError) as error:
            raise Untrusted(f"a receipt that cannot be read: {error!r}") from error
        self._keep(venue, receipt)

    def _keep(self, venue: Venue, receipt: SignedReceipt) -> None:
        if self._venue not in {None, venue}:
            raise Untrusted(f"receipts of {self._venue} and of {venue} do not belong together")
        self._venue = venue
        said = Statement(receipt.receipt, receipt.signature)
        other = self._kept.setdefault(said.number, said)
        if contradict(other, said):
            self._stories += [other, said] if len(self._stories) < STORIES_KEPT else []
            raise Equivocated(next(equivocations([other, said])))
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def collection(self) -> Collection:
        """Everything kept, contradictions first. Raises LookupError while there is nothing."""
        if self._venue is None:
            raise LookupError("no receipt has come yet")
        told_twice = [each for each in self._stories if self._kept.get(each.number) is not each]
        venue = self._venue
        return Collection(venue.chain_id, venue.clearing, venue.operator, (*told_twice, *self._kept.values()))

    def save(self, path: Path) -> None:
        """Write what ``verbatim-replay receipts`` reads, whole or not at all, durably."""
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(encode_file(self.collection()))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def _receipt_in(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Where the dialect puts it: beside a bare number, in a result, or in the data of a refusal."""
    beside: Mapping[str, Any] | None = message.get("x_receipt")
    if beside is not None:
        return beside
    inside = message.get("result") or (message.get("error") or {}).get("data")
    return inside.get("receipt") if isinstance(inside, Mapping) else None
