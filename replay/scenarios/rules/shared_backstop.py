"""A backstop whose collateral is shared: it takes the whole position over at the mark, and nobody is deleveraged while
the vault as a whole is worth enough.

Source: the venue's statement of 27 March 2025 (copied at tglist.com/ru/channel/vIeNxn): the vault liquidated the
position, shared collateral with the other component vaults in the strategy and therefore did not trigger ADL.
"""

from typing import NamedTuple


class Vault(NamedTuple):
    """What all components are worth together, and what the backstop took over: short so much at a mark."""

    collateral: int  # 1e-6 USDC
    qty: int  # 1e-4 contract
    taken_at: int  # 1e-6 USDC per contract

    def lost(self, mark: int) -> int:
        """What the position has lost since, rounded up."""
        return -(-self.qty * (mark - self.taken_at) // 10**4)

    def deleverages(self, mark: int, maintenance: int) -> bool:
        """Whether others are closed: only once the collateral of all components does not cover the position."""
        return self.collateral - self.lost(mark) < maintenance
