"""All benchmarks, one after another, each in a process of its own. `make bench`"""

from __future__ import annotations

import subprocess
import sys

TITLES = {
    "book": "The order book alone, on the streams of a neutral oracle",
    "book_growth": "The order book alone, by what rests in it",
    "machine": "The machine alone",
    "growth": "The machine alone, by series and resting orders",
    "quoting": "Messages of a hundred two-sided quotes",
    "combos": "Combos: through their legs, in their own book, and at rest on a leg",
    "requests": "Requests for quotes: asked, answered, accepted",
    "auctions": "Auctions: collecting orders and uncrossing them",
    "durable": "Commands journaled and durable",
    "history": "History written down, and read back at a start",
    "wire": "Signed orders through the WebSocket",
    "load": "Five hundred connections: changes of books fanned out while orders are answered",
    "replaying": "Replay",
    "verifying": "Replay in parts, of a grown journal, and what it finds",
    "checking": "The independent checker",
    "surface": "Fitting vol surfaces",
    "flight": "The time-of-flight buffer against drawn prices",
    "simulation": "Monte Carlo: settlement averages, hedging, the insurance fund",
    "margins": "Portfolio margin: risk arrays, checks, ten thousand accounts after a move",
    "gas": "Gas per trade on chain",
    "gas_positions": "Gas of a trade by what its accounts hold",
    "pricing": "Prices, implied vols and risk arrays, beside QuantLib and scipy",
    "gas_maths": "Gas of fixed-point mathematics",
}


def main() -> int:
    """Run them; the first failure ends it."""
    for name, title in TITLES.items():
        print(f"\n{title}  (python -m benchmarks.{name})", flush=True)
        code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
