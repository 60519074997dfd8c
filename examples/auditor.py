"""An auditor: asks the venue for its word at intervals, and holds every word to those before it.

Each receipt vouches for the whole journal before it. Two that contradict each other are worth the operator's bond, so
they are kept in a file that ``verbatim-replay receipts`` reads. What is sent changes nothing: it cancels what is not
there. Run it with ``python -m examples.auditor --url ... --key 0x... --file receipts.bin``.
"""

import argparse
import asyncio
import contextlib
from pathlib import Path
from typing import NamedTuple

from exchange.client import Client, Equivocated, Receipts, Refused, SignedReceipt, parse_receipt, verify_receipt


class Finding(NamedTuple):
    """What is wrong, in a sentence."""

    seq: int
    what: str


class Auditor:
    """Collects receipts and says what of them does not hold together."""

    def __init__(self, client: Client, receipts: Receipts) -> None:
        self._client = client
        self._receipts = receipts
        self._last: SignedReceipt | None = None
        self.findings: list[Finding] = []
        self.heard = 0

    async def run(self, path: Path, times: int | None = None, pause_s: float = 5.0) -> None:
        """Ask until cancelled, or so many times; what was heard is saved each time."""
        while times is None or self.heard < times:
            await self._ask()
            self._receipts.save(path)
            await asyncio.sleep(pause_s)

    async def _ask(self) -> None:
        """A refusal is journaled like anything else, so it carries a receipt too."""
        try:
            told = await self._client.call("private/x_cancel_all_after", {"timeout": 0})
            written = told["receipt"]
        except Refused as refused:
            written = refused.data.get("receipt")
        except Equivocated as found:  # the client itself compares every receipt with those it keeps
            self.findings.append(Finding(found.proof.second.number, str(found)))
            return
        if written is None:
            self.findings.append(Finding(0, "an answer to what was sequenced has no receipt"))
            return
        self._check(parse_receipt(written))

    def _check(self, signed: SignedReceipt) -> None:
        """The operator's signature, and that numbers and times only rise."""
        verify_receipt(self._client.venue, signed)
        receipt, self.heard = signed.receipt, self.heard + 1
        last = self._last.receipt if self._last is not None else None
        if last is not None and receipt.seq <= last.seq:
            self.findings.append(Finding(receipt.seq, f"comes after {last.seq}"))
        if last is not None and receipt.time_ns < last.time_ns:
            self.findings.append(Finding(receipt.seq, f"is older than {last.seq}"))
        if last is not None and receipt.seq != last.seq and receipt.prior_root == last.prior_root:
            self.findings.append(Finding(receipt.seq, f"stands on the same journal as {last.seq}"))
        self._last = signed
        print(f"record {receipt.seq}: signed, {len(self._receipts)} receipts agree, {len(self.findings)} findings")


async def main(url: str, key: bytes, path: Path, times: int | None = None, pause_s: float = 5.0) -> list[Finding]:
    """Connect, log in and listen; what was found."""
    receipts = Receipts()
    async with await Client.connect(url, receipts=receipts) as client:
        await client.login(key)
        auditor = Auditor(client, receipts)
        await auditor.run(path, times, pause_s)
        return auditor.findings


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True, help="0x and 64 hexadecimal digits: a session key with the trade scope")
    parser.add_argument("--file", type=Path, default=Path("receipts.bin"))
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.url, bytes.fromhex(given.key[2:]), given.file))
