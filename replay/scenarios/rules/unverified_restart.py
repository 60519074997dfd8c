"""A restart that takes whatever state it finds: funding is owed on the difference of two indices, and one is zero.

Source: cryptopolitan.com/paradex-refunds-users-after-maintenance (23 January 2026, from the post-mortem): a race during
a service restart reset funding indices to zero, which distorted funding profit and loss and forced liquidations.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Position(NamedTuple):
    """Contracts (below zero: short), collateral beyond maintenance, and the funding index when it was last settled."""

    contracts: int
    spare: int  # 1e-6 USDC
    funding: int  # 1e-6 USDC a contract


def liquidated(positions: Sequence[Position], index: int) -> list[int]:
    """Which are liquidated once funding is reckoned at this index: longs pay when it has risen, shorts when it fell."""
    return [at for at, each in enumerate(positions) if each.spare - each.contracts * (index - each.funding) < 0]
