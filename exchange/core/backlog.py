"""Whether settlement keeps up: how much may wait for the contracts, and for how long, before no more is filled.

A fill is good for one settlement window after its orders end, and what somebody does on the contracts binds one window
later. Half of what the window leaves after a batch was sealed is kept in hand, for a node that is away and for fees
that have to rise. So nothing is filled while the chain has not been seen for that long either: what was done there
unseen would bind before the fills of this moment have landed. Imports state, events, units.
"""

from typing import Final

from exchange.core.commands import Configure
from exchange.core.events import Reject, Rejected
from exchange.core.state import State
from exchange.core.units import Seconds, div_down, seconds_of

BLOCK_S: Final = 12  # one batch lands in a block
BATCHES_MIN: Final = 8  # that may wait however short the window is


def batches_max(config: Configure) -> int:
    """Batches that may wait: what lands in half a window at one batch in a block."""
    return max(BATCHES_MIN, div_down(config.settlement_window_s, 2 * BLOCK_S))


def trades_max(config: Configure) -> int:
    """Trades that may wait, sealed or not: as many as those batches hold."""
    return batches_max(config) * config.batch_trades_max


def blocks_max(config: Configure) -> int:
    """Block trades that may wait. Each is a batch of its own, and orders must not wait for want of batches."""
    return div_down(batches_max(config), 4)


def age_max_s(config: Configure) -> Seconds:
    """How long the oldest sealed batch may take to become final before nothing more is filled."""
    return div_down(config.settlement_window_s - config.batch_age_max_s, 2)


def _unseen(state: State, config: Configure) -> Rejected | None:
    """Refuse while the newest final block seen is too old; a venue that has seen none holds nobody's money yet."""
    if state.block is None:
        return None
    age_s = seconds_of(state.time_ns) - state.block.time_s
    return Rejected(Reject.CHAIN_MUST_BE_IN_SIGHT, age_s, age_max_s(config)) if age_s > age_max_s(config) else None


def room(state: State) -> int:
    """How many more trades may wait."""
    assert state.config is not None
    return trades_max(state.config) - len(state.trades)


def refuse_block(state: State, legs: int) -> Rejected | None:
    """Refuse a block while too much waits, or too many blocks do."""
    config = state.config
    assert config is not None
    if len(state.deals) >= blocks_max(config):
        return Rejected(Reject.SETTLEMENT_MUST_KEEP_UP, len(state.deals), blocks_max(config))
    late = refuse(state)
    if late is None and legs > room(state):
        return Rejected(Reject.SETTLEMENT_MUST_KEEP_UP, len(state.trades), trades_max(config))
    return late


def refuse(state: State) -> Rejected | None:
    """Refuse an order that would fill now while too much waits; value and limit in seconds, batches or trades."""
    config = state.config
    assert config is not None
    if state.batches:
        oldest = next(iter(state.batches.values()))
        age_s = seconds_of(state.time_ns - oldest.sealed_ns)
        if age_s > age_max_s(config):
            return Rejected(Reject.SETTLEMENT_MUST_KEEP_UP, age_s, age_max_s(config))
        if len(state.batches) >= batches_max(config):
            return Rejected(Reject.SETTLEMENT_MUST_KEEP_UP, len(state.batches), batches_max(config))
    if room(state) <= 0:
        return Rejected(Reject.SETTLEMENT_MUST_KEEP_UP, len(state.trades), trades_max(config))
    return _unseen(state, config)
