"""Gas of the fixed-point functions inside a contract: the first stage, the wide one, a mark and all Greeks.

Runs on the embedded chain, whose gas is exact.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "tests/contracts")]

from contract_maths import Option, math_probe  # type: ignore[import-not-found]  # noqa: E402

from exchange.core.units import WAD  # noqa: E402

POINTS = {
    "sqrt": (0.04, 1.0, 90_000.0),
    "exp": (-40.0, -0.05, 1.0, 30.0),
    "ln": (0.5, 1.1, 60_000.0),
    "norm_pdf": (0.3, 2.5, 8.0),
    "norm_cdf": (-0.5, 1.5, 2.5, 3.5, -5.0, 8.0),
}


def main() -> None:
    """Print the table."""
    probe = math_probe()
    print("Gas of one call inside a contract, Prague rules; 'wide' is what an undecided floor costs on top")
    print(f"{'function':<10} {'argument':>10} {'gas':>8} {'wide':>8}")
    for name, points in POINTS.items():
        for point in points:
            x = int(point * WAD)
            wide = f"{probe.call('gas_of', name, x, True):,}" if name != "sqrt" else "-"
            print(f"{name:<10} {point:>10,} {probe.call('gas_of', name, x, False):>8,} {wide:>8}")
    for title, strike in (("at the money", 100_000), ("10 % out", 110_000), ("50 % out", 150_000)):
        option = Option(10**11, strike * 10**6, WAD // 2, WAD // 12, WAD, 0, True)
        mark, greeks = (probe.call("gas_of_option", option, flag) for flag in (False, True))
        print(f"Black-76 {title:<13} mark {mark:,}, value with all Greeks {greeks:,}")


if __name__ == "__main__":
    main()
