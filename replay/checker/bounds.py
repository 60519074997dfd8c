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
CALL_MAX_S: Final = 86_400
"""Seconds of an auction."""
BLOCK_S: Final = 12
"""One batch lands in a block."""
BATCHES_MIN: Final = 8
"""Batches that may wait, however short the settlement window."""
BOUNDARIES_KEPT: Final = 96
"""Half hours whose accumulators are remembered."""
