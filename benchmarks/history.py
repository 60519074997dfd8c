"""History beside the journal: what following and writing it costs a record, and what a start costs to have it back.

`python -m benchmarks.history`
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks import conditions
from benchmarks.workload import START_S, draw
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.publisher import Publisher
from exchange.quant.pricer import VectorPricer
from exchange.shell.boot import Repeated
from exchange.shell.historian import Historian

COUNT = 20_000


def main() -> None:
    """The machine alone, with a publisher, and with one whose history is written; then reading it back."""
    day = draw(COUNT)
    print(conditions.line())
    with tempfile.TemporaryDirectory() as folder:
        for what in ("the machine", "and a publisher", "and a historian"):
            path = Path(folder) / what.replace(" ", "_")
            state, publisher = State(), Publisher()
            state.pricer = VectorPricer()
            publisher.rebuild(state)
            historian = Historian(publisher, path) if what == "and a historian" else None
            if historian is not None:
                historian.start_anew(state)
            began, seq = time.process_time(), 0
            for seq, command in enumerate([*day.setup, *day.trading], 1):
                time_ns = START_S * 10**9 + seq * 10**6
                events = apply(state, seq, time_ns, command)
                if what != "the machine":
                    notes = publisher.tap(state, Repeated(seq, time_ns, command, events))
                    if historian is not None:
                        historian.take(notes)
            print(f"{what:<16} {(time.process_time() - began) / seq * 1e6:6.1f} us a record")
            if historian is not None:
                _written_and_read(historian, path, state)


def _written_and_read(historian: Historian, path: Path, state: State) -> None:
    began = time.process_time()
    historian.close()
    print(f"{'written':<16} {(time.process_time() - began) / state.seq * 1e6:6.1f} us a record, beside the loop")
    began = time.process_time()
    again = Historian(Publisher(), path)
    again.begin(state)
    took = time.process_time() - began
    size = path.stat().st_size / state.seq
    print(f"{'read at a start':<16} {took / state.seq * 1e6:6.1f} us a record, of {size:.0f} bytes each on disk")
    again.close()


if __name__ == "__main__":
    main()
