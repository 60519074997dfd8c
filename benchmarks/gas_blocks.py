"""Gas of block trades: in a batch of the operator's, queued, and settled without it, by the number of legs.

`python benchmarks/gas_blocks.py` deploys the contract tests' venue on the embedded chain. The parties are strangers, so
their positions, nonces and bitmaps are written for the first time; 16,777,216 gas of a transaction are the bound.
"""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "contracts")]

from contract_blocks import desk  # type: ignore[import-not-found]  # noqa: E402
from contract_venue import LOT, USDC, WINDOW, Venue  # type: ignore[import-not-found]  # noqa: E402

from exchange.core.commands import BlockLeg  # noqa: E402

LEGS = (1, 2, 4)


def market() -> tuple[Venue, list[int]]:
    """A venue with one expiry of 32 series and a round."""
    venue = Venue()
    strikes = [(strike * 1_000 * USDC, is_call) for strike in range(52, 68) for is_call in (True, False)]
    expiry_id = venue.list(venue.now // 1800 * 1800 + 8 * 1800, strikes)
    venue.post(venue.round())
    return venue, [expiry_id << 16 | index for index in range(32)]


def main() -> None:
    """One line for each number of legs."""
    spec = importlib.util.spec_from_file_location("contracts_build", ROOT / "contracts" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    builder.build()
    print(f"{'legs':>4} {'batch':>9} {'queued':>9} {'settled':>9}")
    for count in LEGS:
        venue, series = market()
        parties = [venue.open(name, 200_000 * USDC) for name in ("a", "b", "c", "d")]
        chosen = series[:: len(series) // count][:count]
        legs = [BlockLeg(each, at % 2 == 0, LOT, 700 * USDC) for at, each in enumerate(chosen)]
        batch = desk(venue, parties[0], parties[1], *legs).settle().gas_used
        near = [BlockLeg(leg.series, leg.is_buy, LOT, 2_500 * USDC) for leg in legs]
        alone = desk(venue, parties[2], parties[3], *near)
        queued = alone.queue().gas_used
        venue.chain.set_time(venue.now + WINDOW)
        venue.post(venue.round(60_000 * USDC, marks=dict.fromkeys(series, 2_500 * USDC)))
        settled = alone.trade().gas_used
        print(f"{count:>4} {batch:>9,} {queued:>9,} {settled:>9,}")


if __name__ == "__main__":
    main()
