"""An exercise against several vaults that is paid for once: the payment is checked for each vault, and taken once.

Source: medium.com/opyn/opyn-eth-put-exploit-post-mortem-1a009e3347a8: one exercise could be counted for more than one
vault of ETH puts, because what came with the call was looked at again for each vault.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Exercise(NamedTuple):
    """What left the vaults, and the options that were paid for by it; amounts in 1e-6 USDC, options in 1e-4."""

    paid_out: int
    paid_for: int


def exercise(strike: int, vaults: Sequence[int], brought: int) -> Exercise:
    """Exercise so many options against each vault, with the payment for ``brought`` of them."""
    out = 0
    for qty in vaults:
        if qty > brought:
            raise ValueError("the payment does not cover this vault")
        out += strike * qty // 10**4
    return Exercise(out, brought)
