"""What the commands of an audit cost on one journal: verify in its forms, check, bisect, at, export; and their memory.

The journal is of a market that settles, so that states do not grow. Each command is a process of its own, as an auditor
would run it. A command and each of its events count as a record. Processor time is that of all processes of a command:
on a machine that others use too it says more than the clock does, and halved it is what two free cores would take. The
peer is the verification from genesis in one process. `python -m benchmarks.verifying [COMMANDS]`
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks import conditions, workload

COMMANDS = 60_000
ROOT = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    """What a command took: seconds by the clock and of processors, MiB of the largest of its processes."""

    clock: float
    processor: float
    memory: int


def run(*arguments: object) -> tuple[Cost, str]:
    """A command of verbatim-replay, and what it printed."""
    command = [sys.executable, "-m", "replay", *map(str, arguments), "--json"]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output[:500]
    clock = time.perf_counter() - began
    return Cost(clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024), output


def show(name: str, records: int, cost: Cost, note: str = "") -> None:
    """One line of the table."""
    rates = f"{records / cost.processor:>10,.0f} {records / cost.clock:>10,.0f}"
    print(f"  {name:<38} {rates} {cost.processor:>9.1f} {cost.clock:>8.1f} {cost.memory:>6,}  {note}")


def audit(path: Path, images: Path, commands: int) -> None:
    """Every command on one journal, one after another."""
    every = ["--images", images, "--every", commands // 8]
    cost, output = run("verify", path)
    told = json.loads(output)
    records = told["records"] + told["events"]
    share = records / told["records"]
    conditions.show(f"{told['records']:,} commands, {records:,} records, {path.stat().st_size / 1e6:.1f} MB; each once")
    print(f"  {'':<38} {'a second':>10} {'a second':>10} {'processor':>9} {'clock':>8}")
    print(f"  {'':<38} {'processor':>10} {'clock':>10} {'seconds':>9} {'seconds':>8} {'MiB':>6}")
    show("verify", records, cost, f"{told['records'] / cost.processor:,.0f} commands a second of processor")
    cost, _ = run("verify", path, "--no-fold")
    show("verify --no-fold", records, cost, f"{told['records'] / cost.processor:,.0f} commands a second of processor")
    cost, _ = run("verify", path, "--jobs", 2)
    show("verify --jobs 2, folding ahead", records, cost, "memory of the largest process")
    cost, _ = run("verify", path, *every)
    show("verify, making images", records, cost, f"{len(list(images.iterdir()))} images")
    cost, _ = run("verify", path, *every, "--jobs", 2)
    show("verify --jobs 2, by these images", records, cost, "memory of the largest process")
    cost, output = run("verify", path, *every, "--resume")
    show("verify what came since the last image", round(json.loads(output)["records"] * share), cost)
    cost, _ = run("check", path)
    show("check", records, cost)
    cost, _ = run("bisect", path, "--code", ROOT)
    show("bisect, the code against itself", records, cost, "memory of the largest process")
    cost, _ = run("at", path, told["records"] // 2)
    show("at the middle", records // 2, cost)
    day = datetime.fromtimestamp(workload.START_S, UTC).date()
    cost, _ = run("export", path, "--day", day, "--out", images.parent / "day", "--format", "ndjson")
    show(f"export of {day}, NDJSON", records, cost)


def main() -> None:
    """Print the table; with a path, only write the journal."""
    if len(sys.argv) > 2:
        from benchmarks import long_market  # noqa: PLC0415 - what it imports is large

        asyncio.run(long_market.write(Path(sys.argv[2]), int(sys.argv[1])))
        return
    commands = int(sys.argv[1]) if len(sys.argv) > 1 else COMMANDS
    with tempfile.TemporaryDirectory(dir=conditions.scratch()) as folder:
        path, images = Path(folder) / "bench.journal", Path(folder) / "images"
        # In a process of its own: the memory of whoever starts a process counts as the least of that process.
        subprocess.run([sys.executable, "-m", "benchmarks.verifying", str(commands), str(path)], cwd=ROOT, check=True)
        audit(path, images, commands)


if __name__ == "__main__":
    main()
