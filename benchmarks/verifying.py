"""Records per second of a verification in parts, of what was added, of a search for a divergence; and their memory.

The journal is of a market that settles, so that states do not grow. Each command is a process of its own, as an auditor
would run it. The peer is the verification from genesis in one process. `python -m benchmarks.verifying [COMMANDS]`
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import conditions

COMMANDS = 60_000
ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: object) -> tuple[float, int, str]:
    """A command of verbatim-replay: seconds, the most memory of any of its processes in MiB, and what it printed."""
    command = [sys.executable, "-m", "replay", *map(str, arguments), "--json"]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, output[:500]
    return time.perf_counter() - began, usage.ru_maxrss // 1024, output


def show(name: str, records: int, seconds: float, memory: int, note: str = "") -> None:
    """One line of the table."""
    print(f"  {name:<38} {records / seconds:>10,.0f} records/s {seconds:>8.1f} s {memory:>6,} MiB  {note}")


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
        every = ["--images", images, "--every", commands // 8]
        seconds, memory, output = run("verify", path)
        records = json.loads(output)["records"]
        conditions.show(f"{records:,} records, {path.stat().st_size / 1e6:.1f} MB; each once")
        show("verify, from genesis", records, seconds, memory)
        seconds, memory, _ = run("verify", path, *every)
        show("the same, making images", records, seconds, memory, f"{len(list(images.iterdir()))} images")
        seconds, memory, _ = run("verify", path, *every, "--jobs", 2)
        show("verify by images, two processes", records, seconds, memory, "memory of the larger process")
        seconds, memory, output = run("verify", path, *every, "--resume")
        show("verify what came since the last image", json.loads(output)["records"], seconds, memory)
        seconds, memory, _ = run("check", path)
        show("check", records, seconds, memory)
        seconds, memory, _ = run("bisect", path, "--code", ROOT)
        show("bisect, the code against itself", records, seconds, memory, "memory of the larger process")
        seconds, memory, _ = run("at", path, records // 2)
        show("at the middle", records // 2, seconds, memory)


if __name__ == "__main__":
    main()
