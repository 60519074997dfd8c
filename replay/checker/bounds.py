"""Numbers of the rulebook that no journal carries, said again. ``tests/replay`` holds them to those of the machine."""

from typing import Final

OPEN_ORDERS_MAX: Final = 10_000
"""Open orders of an account."""
SWEEP_MAX: Final = 1_000
"""Fills and cancellations of others that one order causes."""
EXPIRED_MAX: Final = 1_000
"""Orders that one tick ends."""
LINEAGE_MAX: Final = 127
"""Signed orders that an amended order may drag into its next batch."""
SLICES_MAX: Final = 100
"""Slices of an iceberg."""
ATTACHED_MAX: Final = 2
"""Orders that come along with another."""
CHANGES_MAX: Final = 1_000
"""Series that one record moves from phase to phase without a trade."""
PASSES_MAX: Final = 16
"""Prices that one record looks for while bounds cut quotes."""
CALL_MAX_S: Final = 86_400
"""Seconds of an auction."""
BLOCK_S: Final = 12
"""One batch lands in a block."""
BATCHES_MIN: Final = 8
"""Batches that may wait, however short the settlement window."""
BOUNDARIES_KEPT: Final = 96
"""Half hours whose accumulators are remembered."""
LEAVES_MAX: Final = 256
"""Quotes of a message."""
GROUP_MAX: Final = 512
"""Quotes of a group in the book."""
GROUPS_MAX: Final = 64
"""Groups of quotes of an account."""
MANDATES_MAX: Final = 64
"""Mandates of an account with quotes in the book."""
NAME_MAX: Final = 64
"""Characters of a group's name."""
INTERVAL_MAX_NS: Final = 3_600 * 10**9
"""The longest window of a group, and the longest freeze."""
BOUND_MAX: Final = 2**47
"""Any figure of a budget or a group."""
FILL_MAX: Final = 2**54
"""Greeks of a whole leaf."""
MOMENTS_MAX: Final = 1_024
"""Records with fills that a window may hold."""
SESSIONS_MAX: Final = 20_000
"""Connections that enter orders, open at once."""
TIMER_MAX_MS: Final = 86_400_000
"""The longest a dead man's timer runs."""
FIRED_MAX: Final = 1_000
"""Timers that one tick fires."""
PURGED_MAX: Final = 1_000
"""Orders of purges that one record cancels."""
BLOCK_LEGS_MAX: Final = 4
"""Trades of a block."""
RFQS_MAX: Final = 1_000
"""Requests for quotes of the venue."""
RFQS_OF_ACCOUNT_MAX: Final = 16
"""Of them of one account."""
RFQ_MAKERS_MAX: Final = 64
"""Makers that a request names."""
RFQ_QUOTES_MAX: Final = 128
"""Quotes of a request."""
RFQ_LIFE_MAX_S: Final = 3_600
"""Seconds from the record of a request to its end."""
RFQ_ENDS_MAX: Final = 8
"""Requests that one tick ends."""
POOL_QUOTES_MAX: Final = 1_000
"""Quotes of a pool: all of them leave with a round."""
FEW_POSITIONS: Final = 16
"""Positions of an account that always fit a transaction."""
TOGETHER_MAX: Final = 6
"""Fills that are the legs of one combo."""
TOGETHER_ACCOUNTS_MAX: Final = 5
"""Accounts of such fills."""
