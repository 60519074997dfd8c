"""What a venue counts of itself while it works: plain numbers, for whoever asks at whatever pace.

Counting is an addition: it waits for nothing, reads nothing that it was not handed, and nobody who decides reads it.
Imports core's events.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from exchange.core.commands import Command
from exchange.core.events import Event, Reject, Rejected, Traded

NANOS: Final = 1e9
ACK_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SYNC_S: Final = (0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
GAS: Final = (100_000.0, 250_000.0, 500_000.0, 1e6, 2e6, 4e6, 8e6, 16e6)


class Histogram:
    """How many values lay between which bounds, the last place for what lay above all, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value; one that equals a bound lies below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Meters:
    """Everything counted since the process started."""

    def __init__(self) -> None:
        self.commands: defaultdict[type[Command], int] = defaultdict(int)
        self.rejected: defaultdict[Reject, int] = defaultdict(int)  # by the machine: these are in the journal
        self.trades = 0
        self.refused: defaultdict[int, int] = defaultdict(int)  # answers with an error, by the dialect's code
        self.ended: defaultdict[str, int] = defaultdict(int)  # connections, by why
        self.ack_s = Histogram(ACK_S)  # from arrival at the sequencer to the durable answer
        self.sync_s = Histogram(SYNC_S)  # of a frame
        self.frames = 0
        self.frame_bytes = 0
        self.records = 0
        self.batch_gas = Histogram(GAS)
        self.gas: defaultdict[str, int] = defaultdict(int)  # of transactions that were included, by call
        self.contracts_refused: defaultdict[str, int] = defaultdict(int)  # calls, by name
        self.settlement_stopped = False

    def applied(self, command: Command, events: Sequence[Event]) -> None:
        """A record."""
        self.commands[type(command)] += 1
        for event in events:
            kind = type(event)
            if kind is Traded:
                self.trades += 1
            elif isinstance(event, Rejected):
                self.rejected[event.reason] += 1

    def answered(self, took_ns: int) -> None:
        """Somebody was answered, so many nanoseconds after asking."""
        self.ack_s.observe(took_ns / NANOS)

    def committed(self, records: int, size: int, took_ns: int) -> None:
        """A frame of so many bytes is durable, so many nanoseconds after its append began."""
        self.frames += 1
        self.records += records
        self.frame_bytes += size
        self.sync_s.observe(took_ns / NANOS)

    def included(self, call: str, gas: int, *, is_batch: bool) -> None:
        """A transaction of the settler is in a block."""
        self.gas[call] += gas
        if is_batch:
            self.batch_gas.observe(gas)
