"""Profit on paper is collateral: an account may take out whatever its equity at the oracle's price exceeds.

Source: soliduslabs.com/post/mango-hack: both wallets were funded with 5 million USDC, traded 483 million contracts with
each other, and after the price rose 116 million were borrowed against the unrealised profit; what was there limited it.
"""


def withdrawable(cash: int, profit: int, others: int) -> int:
    """What an account gets out: its equity at the oracle's price, as far as the deposits of others last."""
    return max(min(cash + profit, cash + others), 0)
