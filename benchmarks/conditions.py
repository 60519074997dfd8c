"""What a figure was measured under; printed above every benchmark."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, check=False)
    return told.stdout.decode().strip() or "unknown"


def line() -> str:
    """Interpreter, machine, load and commit."""
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {_processor()}, {os.cpu_count()} cores, "
        f"{load}, {platform.system()} {platform.release()}, commit {_commit()}"
    )


def show(*notes: str) -> None:
    """The line above, then what the benchmark itself wants known."""
    print(f"  {line()}")
    for note in notes:
        print(f"  {note}")


def scratch() -> Path:
    """A folder on the disk of the checkout, not in memory as the system's temporary folder often is."""
    folder = ROOT / "var"
    folder.mkdir(exist_ok=True)
    return folder
