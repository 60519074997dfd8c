"""What a person sees of the demonstration: progress, milestones, and a result in words. Imports rich, tally."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table

from exchange.core.units import NANOS_PER_SECOND, USDC_ONE, Cash, Nanos, Price
from exchange.demo.tally import Tally

_WIDTH: Final = 110


class Result(msgspec.Struct, frozen=True):
    """What ``--json`` prints. Price in USDC, gas in units of gas; the two ``ok`` are verdicts of separate processes."""

    orders: int
    trades: int
    batches: int
    settled_trades: int
    gas_per_trade: int
    settlement_price: float
    replay_ok: bool
    reconcile_ok: bool
    journal: str
    pool_fills: int = 0

    @property
    def ok(self) -> bool:
        """Whether both audits were clean and every trade settled."""
        return self.replay_ok and self.reconcile_ok and self.settled_trades == self.trades > 0


class Story:
    """Tells, or keeps quiet for ``--json``."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(quiet=quiet, width=None if Console().is_terminal else _WIDTH, highlight=False)

    def say(self, text: str) -> None:
        """One milestone."""
        self._console.print(f"[green]•[/] {text}")

    @contextlib.contextmanager
    def market(self, start_ns: Nanos, end_ns: Nanos) -> Iterator["Ticker"]:
        """The progress display of the trading day."""
        columns = (
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("trading", total=end_ns - start_ns, told="")
            yield Ticker(progress, task, start_ns)

    @contextlib.contextmanager
    def busy(self, text: str) -> Iterator[None]:
        """A spinner while something takes its time."""
        with self._console.status(text):
            yield

    def conclude(self, result: Result, tally: Tally, delivery: Price, treasury: Cash, chain: str) -> None:
        """The result, where the journal is, and what to try next."""
        table = Table(show_header=False, box=None, pad_edge=False)
        rows = [
            (
                "signed orders",
                f"{result.orders:,} accepted, {tally.cancels:,} ended unfilled, {tally.refusals:,} refused",
            ),
            ("trades", f"{result.trades:,}, of which settled on chain: {result.settled_trades:,}"),
            ("batches", f"{result.batches:,}, at {result.gas_per_trade:,} gas per trade"),
            ("settlement price", f"{result.settlement_price:,.2f}; the recorded venue delivered at {usdc(delivery)}"),
            ("vault", f"balanced: what is left in it is the treasury's {usdc(treasury)} USDC of fees"),
            ("replay", _verdict(result.replay_ok, "every record executed again, byte for byte", "see verify below")),
            ("reconcile", _verdict(result.reconcile_ok, "journal and contracts agree", "see reconcile below")),
            ("journal", result.journal),
        ]
        for name, text in rows:
            table.add_row(f"[bold]{name}[/]", text)
        self._console.print(table)
        self._console.print("\nTry next:")
        for line in (
            f"verbatim-replay verify {result.journal} --signatures",
            f"verbatim-replay at {result.journal} 1000 --depth 3",
            f"verbatim-replay reconcile {result.journal} --chain {chain}",
            "verbatim serve --dev",
        ):
            self._console.print(f"  .venv/bin/{line}", soft_wrap=True)


class Ticker:
    """Moves the progress display."""

    def __init__(self, progress: Progress, task: object, start_ns: Nanos) -> None:
        self._progress = progress
        self._task = task
        self._start_ns = start_ns

    def show(self, now_ns: Nanos, spot: Price, tally: Tally) -> None:
        """The venue's clock and counts."""
        moment = datetime.fromtimestamp(now_ns // NANOS_PER_SECOND, UTC)
        told = (
            f"{moment:%H:%M} UTC  BTC {usdc(spot)}  orders {tally.orders:,}  trades {tally.trades:,}  "
            f"settled {tally.settled_trades:,} in {tally.batches}"
        )
        self._progress.update(self._task, completed=now_ns - self._start_ns, told=told)  # type: ignore[arg-type]


def usdc(amount: Cash) -> str:
    """Two decimals for the eye."""
    return f"{amount / USDC_ONE:,.2f}"


def _verdict(is_ok: bool, good: str, bad: str) -> str:
    return f"[green]clean[/]: {good}" if is_ok else f"[red]NOT clean[/]: {bad}"
