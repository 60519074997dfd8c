# pragma version 0.4.3
"""
@title Actions
@license Apache-2.0
@notice The dense numbering of everything that happens to accounts on chain, and the clock of what is queued.
@dev Each event carries the next action id, so a reader of the logs can prove that it missed none. An action
     that could conflict with an acknowledged fill binds one settlement window after the call; when no batch
     has landed for the operator timeout there are no fills to protect and it binds at once.
@custom:kill None: the queue is what lets accounts leave when everything else has stopped.
"""

from lib import fail

MASK_64: constant(uint256) = 2**64 - 1

WINDOW: immutable(uint256)
OPERATOR_TIMEOUT: immutable(uint256)

count: uint256

# The newest batch: batch_id u64 | round_id u64 | time u64 | journal_size u64.
head: uint256


@deploy
def __init__(window: uint256, operator_timeout: uint256):
    """
    @param window Seconds between a chain action and its binding time.
    @param operator_timeout Seconds without a batch after which queued actions bind at once.
    """
    if window > 86_400 or operator_timeout <= window:
        fail.because("parameter_range")
    WINDOW = window
    OPERATOR_TIMEOUT = operator_timeout
    self.head = block.timestamp << 64


@internal
def next() -> uint64:
    """
    @notice Number of the action that is happening now; the first is 1.
    """
    count: uint256 = self.count + 1
    self.count = count
    return convert(count, uint64)


@internal
@view
def window() -> uint256:
    """
    @notice Seconds between a chain action and its binding time.
    """
    return WINDOW


@internal
@view
def timed_out() -> bool:
    """
    @notice Whether the operator has been silent for longer than the timeout.
    """
    return block.timestamp > ((self.head >> 64) & MASK_64) + OPERATOR_TIMEOUT


@internal
@view
def binding_time() -> uint256:
    """
    @notice When an action called now binds.
    """
    return block.timestamp if self.timed_out() else block.timestamp + WINDOW


@internal
@view
def binds(time: uint256) -> bool:
    """
    @notice Whether an action queued for `time` is in force.
    """
    return time <= block.timestamp or self.timed_out()


@external
@view
def action_count() -> uint256:
    """
    @notice Number of actions so far, equal to the id of the newest.
    """
    return self.count


@external
@view
def last_batch() -> (uint256, uint256, uint256, uint256):
    """
    @notice Id, round id, time in seconds and journal size of the newest batch. Before the first batch the
            time is that of deployment and the rest is zero.
    """
    head: uint256 = self.head
    return head >> 192, (head >> 128) & MASK_64, (head >> 64) & MASK_64, head & MASK_64


@external
@view
def timing() -> (uint256, uint256):
    """
    @notice Settlement window and operator timeout in seconds.
    """
    return WINDOW, OPERATOR_TIMEOUT
