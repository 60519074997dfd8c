"""Monte Carlo: an option on the settlement average, rules of hedging side by side, what the insurance fund pays, pools.

Everything is drawn from a seed.  `python -m benchmarks.simulation [--paths N]`
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks import conditions
from exchange.core.units import USDC_ONE
from exchange.quant.insurance import Scene, quantile, tell
from exchange.quant.paths import CALM, CLUSTERED, JUMPY, STORM, Diffusion, Grid, Model
from exchange.quant.pool import Plan, run
from exchange.quant.studies import Rule, band, every, settlement_by_formula, settlement_call, study_hedging

SEED = 1
COST, FORWARD = 5e-4, 100_000.0
RULES: dict[str, Rule] = {
    "every 15 min": every(1),
    "1 h": every(4),
    "8 h": every(32),
    "24 h": every(96),
    "band 1e-2, edge": band(1e-2, COST, FORWARD),
    "band 1e-3, edge": band(1e-3, COST, FORWARD),
    "band 1e-3, centre": band(1e-3, COST, FORWARD, to_edge=False),
    "band 1e-4, edge": band(1e-4, COST, FORWARD),
    "band 1e-5, edge": band(1e-5, COST, FORWARD),
}
MODELS: dict[str, Model] = {
    "diffusion, 60 vol": CALM,
    "jumps, 20 a year of 6 %": JUMPY,
    "clustered vol": CLUSTERED,
    "storm, a jump a day of 8 %": STORM,
}


def settlement(paths: int) -> None:
    """Calls at the money on the average, against the formula."""
    print("\nA call at the money on the average of the last half hour, 60 vol, per forward")
    for hours in (1, 4, 24):
        found = settlement_call(Diffusion(0.6), 1.0, hours * 3_600.0, 100 * paths, SEED)
        formula = settlement_by_formula(0.6, 1.0, hours * 3_600.0)
        print(f"{hours:>4} h  drawn {found.mean:.6f} +- {found.error:.6f}  T - 2W/3 {formula:.6f}")


def hedging(paths: int) -> None:
    """The table of rules."""
    print(f"\nShort a 30-day call at the money, 60 vol, {COST:.2%} a trade, {paths:,} paths: USDC for one contract")
    print(f"{'rule':<20} {'deviation':>10} {'cost':>8} {'trades':>8}")
    for line in study_hedging(CALM, RULES, paths, SEED, COST, FORWARD):
        print(f"{line.rule:<20} {line.deviation:>10,.0f} {line.cost:>8,.0f} {line.trades:>8,.0f}")


def insurance(paths: int) -> None:
    """Thirty short accounts over three days, looked at each five minutes."""
    print(f"\nThirty short accounts of ten contracts, three days in steps of five minutes, {paths} paths, USDC")
    print(f"{'model':<26} {'exits':>7} {'whole':>7} {'haircuts':>10} {'fund 99%':>10} {'fund worst':>11} {'others':>9}")
    for name, model in MODELS.items():
        tales = tell(model, Scene(), 72, 300.0, paths, SEED, 10**9 * USDC_ONE)
        lows = [0.0 - tale.fund_low for tale in tales]
        total = len(tales)
        print(
            f"{name:<26} {sum(t.exits for t in tales) / total:>7.2f} {sum(t.whole for t in tales) / total:>7.2f}"
            f" {sum(t.paid_by_accounts for t in tales) / total:>10,.0f} {quantile(lows, 0.99):>10,.0f}"
            f" {max(lows):>11,.0f} {sum(t.given_up + t.socialised for t in tales) / total:>9,.0f}"
        )


def pools(paths: int) -> None:
    """An AMM pool of ten million over two days, with and without its hedge, against the same takers."""
    print(f"\nA pool of ten million, six options, two days in steps of a quarter of an hour, {paths} paths, USDC")
    head = f"{'model':<26} {'hedge':>6} {'made':>10} {'deviation':>10} {'spreads':>9}"
    print(f"{head} {'cost':>7} {'fills':>6} {'quiet':>6}")
    for name, model in MODELS.items():
        for hedges in (True, False):
            found = run(model, Plan(hedges=hedges), Grid(paths, 192, 900.0), SEED)
            made, spreads, cost, fills, quiet = (
                np.array([getattr(result, field) for result in found])
                for field in ("made", "spreads", "hedge_cost", "fills", "quiet_rounds")
            )
            print(
                f"{name:<26} {'yes' if hedges else 'no':>6} {made.mean():>10,.0f} {made.std():>10,.0f}"
                f" {spreads.mean():>9,.0f} {cost.mean():>7,.0f} {fills.mean():>6.0f} {quiet.mean():>6.1f}"
            )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--paths", type=int, default=1_000)
    paths = parser.parse_args().paths
    print(conditions.line())
    settlement(paths)
    hedging(paths)
    insurance(max(paths // 40, 10))
    pools(max(paths // 50, 4))


if __name__ == "__main__":
    main()
