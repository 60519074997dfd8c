"""A venue in a process of its own, traders who remember what they were told, and the audit of both.

Owns `Serving` (the process), `Trader` (load over WebSocket) and `untrue` (what the journal does not bear out of what was
told). Whatever it knows of the venue it reads from outside: the ready line, the socket, the files.
"""

import asyncio
import json
import random
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from exchange import codec
from exchange.core import commands as c
from exchange.shell.client import Client, Placed, Refused
from exchange.shell.settler import signed_order
from exchange.shell.subscription import Disconnected
from exchange.shell.wallet import SignedReceipt, Untrusted, Venue, parse_receipt, verify_receipt
from exchange.signing import order_digest
from journal import Frame, Record, Tree, scan

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0
ORDERS_KEPT = 12


async def run_module(*arguments: str, timeout_s: float = 120.0) -> tuple[int, str, str]:
    """Run `python -m` to its end: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def audit(*arguments: str) -> dict[str, Any]:
    """What `verbatim-replay` says, in JSON."""
    _, out, err = await run_module("replay", *arguments, "--json")
    assert out, err
    told: dict[str, Any] = json.loads(out)
    return told


class Serving:
    """`verbatim serve --dev` on a journal."""

    def __init__(self, process: asyncio.subprocess.Process, journal: Path) -> None:
        self.process = process
        self.journal = journal
        self.ready: dict[str, Any] = {}

    @classmethod
    async def spawn(cls, journal: Path, *arguments: str) -> Self:
        """Start the process; nothing is known of it yet. Its stderr goes to a file beside the journal."""
        with journal.with_suffix(".log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "exchange", "serve", "--dev", "--journal", str(journal), *arguments),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        return cls(process, journal)

    @classmethod
    async def start(cls, journal: Path, *arguments: str) -> Self:
        """Start it and wait for its ready line."""
        serving = await cls.spawn(journal, *arguments)
        await serving.wait_ready()
        return serving

    async def wait_ready(self) -> None:
        """The ready line, or a failure with the end of the log."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), READY_S)
        assert line, f"it did not come up: {self.log()[-2000:]}"
        self.ready = json.loads(line)

    def log(self) -> str:
        """What it has logged, all runs on this journal together."""
        return self.journal.with_suffix(".log").read_text()

    async def kill(self) -> None:
        """SIGKILL, at this instant."""
        self.process.kill()
        await self.ended()

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end, however it comes; the exit code."""
        await asyncio.wait_for(self.process.communicate(), READY_S)
        assert self.process.returncode is not None
        return self.process.returncode


# -- what traders are told --------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """One acknowledgement: its receipt, and what it was given for. A refusal is given for nothing in particular."""

    receipt: SignedReceipt
    order_hash: bytes = b""
    cancelled: c.Cancel | None = None


class Trader:
    """One wallet that places, edits, cancels and takes at random around a price, until the line goes dead."""

    def __init__(self, client: Client, dice: random.Random, name: str, price: int) -> None:
        self.client = client
        self.told: list[Told] = []
        self._dice = dice
        self._name = name
        self._price = price
        self._resting: list[str] = []
        self._inherited: list[str] = []  # left in the book by an earlier life

    @classmethod
    async def connect(cls, url: str, key: str, dice: random.Random) -> Self:
        """Log in and look for an option to trade."""
        client = await Client.connect(url)
        await client.login(bytes.fromhex(key[2:]))
        name = min(await client.instruments())
        ticker = await client.call("public/ticker", {"instrument_name": name})
        trader = cls(client, dice, name, max(round(ticker["mark_price"]), 20))
        left = await client.call("private/get_open_orders", {"currency": "USDC"})
        trader._inherited = [order["order_id"] for order in left]
        return trader

    async def trade(self) -> None:
        """Until disconnected."""
        try:
            while True:
                await self._once()
        except Disconnected:
            return
        finally:
            await self.client.close()

    async def _once(self) -> None:
        try:
            await self._dice.choice((self._place, self._place, self._take, self._take, self._edit, self._cancel))()
        except Refused as refused:
            if "receipt" in refused.data:
                self._hear(Told(parse_receipt(refused.data["receipt"])))
            await asyncio.sleep(refused.data.get("wait", 0.0))

    async def _place(self) -> None:
        price = self._price + self._dice.randint(-6, 6)
        placed = await self._enter(price, self._dice.random() < 0.5, "good_til_cancelled")
        self._resting.append(placed.order_id)
        if len(self._resting) > ORDERS_KEPT:
            await self._cancel()

    async def _take(self) -> None:
        is_buy = self._dice.random() < 0.5
        await self._enter(self._price + (8 if is_buy else -8), is_buy, "immediate_or_cancel")

    async def _enter(self, price: int, is_buy: bool, tif: str) -> Placed:
        amount = self._dice.randint(1, 9) / 100
        return self._placed(
            await self.client.place(self._name, amount, price, is_buy=is_buy, time_in_force=tif, label="load")
        )

    async def _edit(self) -> None:
        if self._resting:
            order_id = self._resting[-1]
            self._placed(await self.client.edit(order_id, 0.1, self._price + self._dice.randint(-6, 6)))

    async def _cancel(self) -> None:
        orders = self._inherited or self._resting
        if orders:
            order_id = orders.pop(self._dice.randrange(len(orders)))
            told = await self.client.cancel(order_id)
            command = c.Cancel(self.client.account, int(order_id))
            self._hear(Told(parse_receipt(told["receipt"]), cancelled=command))

    def _placed(self, placed: Placed) -> Placed:
        self._hear(Told(placed.receipt, placed.order_hash))
        return placed

    def _hear(self, told: Told) -> None:
        verify_receipt(self.client.venue, told.receipt)
        self.told.append(told)


# -- what the journal says --------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A record with the two hashes a receipt names."""

    record: Record
    leaf: bytes
    prior_root: bytes


def entries(journal: Path) -> dict[int, Entry]:
    """Every record of the whole frames of a journal, by seq."""
    found: dict[int, Entry] = {}
    tree = Tree()
    for frame in scan(journal):
        if isinstance(frame, Frame):
            for record, leaf in zip(frame.records(), frame.leaves(), strict=True):
                found[record.seq] = Entry(record, leaf, tree.root())
                tree.append(leaf)
    return found


def untrue(journal: Path, venue: Venue, told: Iterable[Told]) -> list[str]:
    """One sentence for each acknowledgement that the journal does not bear out."""
    held = entries(journal)
    return [f"seq {each.receipt.receipt.seq}: {why}" for each in told if (why := _untrue(held, venue, each))]


def _untrue(held: dict[int, Entry], venue: Venue, told: Told) -> str:
    receipt = told.receipt.receipt
    try:
        verify_receipt(venue, told.receipt)
    except Untrusted as error:
        return str(error)
    entry = held.get(receipt.seq)
    if entry is None:
        return "not in the journal"
    if entry.leaf != receipt.record_hash or entry.record.time_ns != receipt.time_ns:
        return "another record stands in its place"
    if entry.prior_root != receipt.prior_root:
        return "the journal before it is another than the receipt names"
    command = codec.decode_command(entry.record.command)
    if told.order_hash:
        ordered = command.auth if isinstance(command, c.Place | c.Amend) else None
        if ordered is None or order_digest(venue.domain(), signed_order(ordered).order) != told.order_hash:
            return "the record is not the order that was signed"
    if told.cancelled is not None and command != told.cancelled:
        return "the record is not the cancel that was asked for"
    return ""
