"""Collateral of a vault goes to the highest bid, however low, of those whose transactions get into a block.

Source: medium.com/@whiterabbit_hq (14 March 2020): gas rose with the congestion, the liquidators' usual scripts did not
adjust to it, and whoever bid next to nothing was alone; 36 % of all liquidations were won with zero bids.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Bidder(NamedTuple):
    """Who takes part: up to which price of gas, and what is bid, in percent of what the collateral is worth."""

    gas_max: int
    percent: int


def price(bidders: Sequence[Bidder], gas: int, worth: int) -> int | None:
    """What the auction brings at this price of gas; None when nobody is there."""
    bids = [worth * each.percent // 100 for each in bidders if each.gas_max >= gas]
    return max(bids, default=None)
