"""Floats for the eye: Greeks and vols for tickers and portfolios.

Nothing here reaches committed state: what clients see of the smile is rounded anyway, and what margin uses comes from
``core.fixedmath``. Vectorised per round with numpy. Imports numpy.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_SQRT_2PI: Final = math.sqrt(2 * math.pi)
_DAYS: Final = 365.0
_erf = np.frompyfunc(math.erf, 1, 1)


class Greeks(NamedTuple):
    """Of one contract: per USDC of spot, per USDC squared, per vol point, per day, and per percent of rate."""

    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


ZERO: Final = Greeks(0.0, 0.0, 0.0, 0.0, 0.0)


def black76_greeks(
    forward: Floats, strike: Floats, vol: Floats, years: Floats, is_call: Floats, still_open: Floats
) -> list[Greeks]:
    """Greeks of European options on a forward, no discounting; at expiry or without vol only delta remains.

    ``still_open`` is the share of the forward that spot can still move: below 1 while the settlement window settles.
    Then ``years`` is what the rest of the mean is worth, and shrinks by the square of that share for every year gone.
    """
    live = (vol > 0) & (years > 0) & (strike > 0) & (forward > 0)
    spread = np.where(live, vol * np.sqrt(np.maximum(years, 0.0)), 1.0)
    ratio = np.where(live, forward / np.where(strike > 0, strike, 1.0), 1.0)
    d1 = np.log(ratio) / spread + spread / 2
    density = np.where(live, np.exp(-d1 * d1 / 2) / _SQRT_2PI, 0.0)
    beyond = np.where(forward > strike, 1.0, 0.0)
    delta = (np.where(live, _phi(d1), beyond) - (1.0 - is_call)) * still_open
    safe_forward = np.where(forward > 0, forward, 1.0)
    gamma = density / (safe_forward * spread) * still_open**2
    root = np.sqrt(np.maximum(years, 0.0))
    vega = forward * density * root / 100
    safe_root = np.where(root > 0, root, 1.0)
    theta = -forward * density * vol / (2 * safe_root) / _DAYS * still_open**2
    columns = zip(delta.tolist(), gamma.tolist(), vega.tolist(), theta.tolist(), strict=True)
    return [Greeks(_tidy(d), _tidy(g), _tidy(v), _tidy(t), 0.0) for d, g, v, t in columns]


def _phi(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.asarray(_erf(x / math.sqrt(2.0)), dtype=np.float64))


def _tidy(value: float) -> float:
    """Ten decimals are more than anyone reads; adding zero turns -0.0 into 0.0."""
    return round(value, 10) + 0.0
