"""Prices, implied vols and risk arrays a second, beside QuantLib and scipy, all in one run.

What is compared is not the same thing: our prices are integers that every machine, and a contract, gets alike; those of
the peers are doubles. So each row also tells how far its results lie from 50-digit ones, as a share of the forward; a
unit of our prices is 1e-11 of it.
`python -m benchmarks.pricing`
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any, NamedTuple

import mpmath
import numpy as np
import QuantLib
from py_lets_be_rational import black
from scipy.special import ndtr

from benchmarks import conditions
from benchmarks.margins import DAYS, SPOT, price_all, round_at
from exchange.core.black76 import SCALAR, Pricer, black76_mark
from exchange.core.risk_models.arrays import RiskRound
from exchange.core.units import USDC_ONE, WAD
from exchange.quant.implied import implied_vol
from exchange.quant.pricer import VectorPricer

COUNT = 2_000
TIMES = 5


class Drawn(NamedTuple):
    """Calls out of the money, as our integers and as the peers' doubles."""

    terms: list[tuple[int, int, int, int]]
    floats: list[tuple[float, float, float, float]]  # forward, strike, vol, years
    true: list[mpmath.mpf]


def drawn(seed: int = 1) -> Drawn:
    """Ten expiries from a day to a year, vols of 20 to 150 %, up to three deviations from the money."""
    source, terms, floats, true = random.Random(seed), [], [], []
    for _ in range(COUNT):
        vol, years = source.randrange(20, 150) / 100, source.choice(DAYS) / 365
        strike = int(SPOT * (1 + 3 * source.random() * vol * years**0.5))
        terms.append((SPOT, strike, int(vol * WAD), int(years * WAD)))
        floats.append((SPOT / 1e6, strike / 1e6, int(vol * WAD) / 1e18, int(years * WAD) / 1e18))
        true.append(textbook(*terms[-1]))
    return Drawn(terms, floats, true)


def textbook(forward: int, strike: int, vol: int, years: int) -> mpmath.mpf:
    """A call in USDC, to 50 digits."""
    with mpmath.workdps(50):
        deviation = mpmath.mpf(vol) / WAD * mpmath.sqrt(mpmath.mpf(years) / WAD)
        d1 = mpmath.log(mpmath.mpf(forward) / strike) / deviation + deviation / 2
        return (forward * mpmath.ncdf(d1) - strike * mpmath.ncdf(d1 - deviation)) / USDC_ONE


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of the fastest of a few runs, and the result."""
    found, result = [], None
    for _ in range(TIMES):
        started = process_time()
        result = action()
        found.append(process_time() - started)
    return min(found), result


def row(name: str, count: int, seconds: float, error: float | None, unit: str) -> None:
    told = "" if error is None else f"   off by at most {error:.0e} {unit}"
    print(f"  {name:<46} {count / seconds:>12,.0f}/s{told}")


def prices(given: Drawn) -> None:
    """The same calls by everybody."""
    forward, strike, vol, years = (np.array(column) for column in zip(*given.floats, strict=True))

    def by_scipy() -> Any:
        deviation = vol * np.sqrt(years)
        d1 = np.log(forward / strike) / deviation + deviation / 2
        return forward * ndtr(d1) - strike * ndtr(d1 - deviation)

    peers: list[tuple[str, Callable[[], Sequence[float]]]] = [
        ("ours, one by one (integers, exact)", lambda: [black76_mark(*at, is_call=True) / 1e6 for at in given.terms]),
        ("ours, an expiry at a time (the same integers)", lambda: [mark / 1e6 for mark in by_expiry(given)]),
        (
            "QuantLib blackFormula",
            lambda: [QuantLib.blackFormula(QuantLib.Option.Call, k, f, s * t**0.5) for f, k, s, t in given.floats],
        ),
        ("py_lets_be_rational black", lambda: [black(f, k, s, t, 1.0) for f, k, s, t in given.floats]),
        ("numpy and scipy.special.ndtr", by_scipy),
    ]
    for name, action in peers:
        seconds, found = timed(action)
        error = max(abs(float(one) - true) for one, true in zip(found, given.true, strict=True)) / (SPOT / 1e6)
        row(name, COUNT, seconds, float(error), "of the forward")


def by_expiry(given: Drawn) -> list[int]:
    """The fast pricer takes options of one life together."""
    found = [0] * COUNT
    places: dict[int, list[int]] = {}
    for at, (_, _, _, years) in enumerate(given.terms):
        places.setdefault(years, []).append(at)
    for years, held in places.items():
        strikes, levels = [given.terms[at][1] for at in held], [given.terms[at][2] for at in held]
        (marks,) = VectorPricer().calls([SPOT], strikes, [levels], years)
        for at, mark in zip(held, marks, strict=True):
            found[at] = mark
    return found


def vols(given: Drawn) -> None:
    """The vol of each price, given as the double nearest to it; prices below 1e-9 of the forward left out."""
    asked = [
        (float(true), *at) for true, at in zip(given.true, given.floats, strict=True) if true > SPOT / USDC_ONE / 10**9
    ]

    def by_quantlib() -> list[float]:
        solve, call = QuantLib.blackFormulaImpliedStdDev, QuantLib.Option.Call
        return [solve(call, k, f, p, 1.0, 0.0, 0.5 * t**0.5, 1e-14) / t**0.5 for p, f, k, _, t in asked]

    peers: list[tuple[str, Callable[[], list[float]]]] = [
        ("ours (py_lets_be_rational)", lambda: [implied_vol(p, f, k, t, is_call=True) for p, f, k, _, t in asked]),
        ("QuantLib blackFormulaImpliedStdDev, 1e-14", by_quantlib),
    ]
    for name, action in peers:
        seconds, found = timed(action)
        error = max(abs(one / at[3] - 1) for one, at in zip(found, asked, strict=True))
        row(name, len(asked), seconds, error, "of the vol")


def rounds() -> None:
    """All values of a thousand series, by the fast pricer and by the definition, and the bare formula by the peers."""
    fast, first = timed(lambda: _priced(VectorPricer()))
    slow, second = timed(lambda: _priced(SCALAR))
    assert all(first.array(series) == second.array(series) for series in first.terms)
    row("risk arrays, many at once", 1, fast, None, "")
    row("risk arrays, one by one", 1, slow, None, "")
    print(f"  {slow / fast:.1f} times as fast, and the same integers in each of {41 * len(first.terms):,} cells")
    cells = 20_500  # of calls; puts follow by parity
    options = (np.random.default_rng(1).uniform(0.5, 1.5, cells) * SPOT / 1e6, np.full(cells, 0.2))

    def by_scipy() -> Any:
        d1 = np.log(SPOT / 1e6 / options[0]) / options[1] + options[1] / 2
        return SPOT / 1e6 * ndtr(d1) - options[0] * ndtr(d1 - options[1])

    strikes = options[0].tolist()
    call = QuantLib.Option.Call
    row("QuantLib, its formula for each call alone", 1, timed(lambda: [_one(call, k) for k in strikes])[0], None, "")
    row("numpy and scipy, the formula alone", 1, timed(by_scipy)[0], None, "")


def _one(call: int, strike: float) -> float:
    return float(QuantLib.blackFormula(call, strike, SPOT / 1e6, 0.2))


def _priced(pricer: Pricer) -> RiskRound:
    arrays = round_at(1, SPOT, pricer)
    price_all(arrays)
    return arrays


def main() -> None:
    """Print the three tables."""
    conditions.show(
        f"{COUNT:,} calls on {SPOT // USDC_ONE:,} USDC; 1,000 series of 41 values; processor time, best of {TIMES}"
    )
    given = drawn()
    print("  prices")
    prices(given)
    print("  implied vols")
    vols(given)
    print("  risk-array rounds")
    rounds()


if __name__ == "__main__":
    main()
