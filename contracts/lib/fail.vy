# pragma version 0.4.3
"""
@title Named refusals
@license Apache-2.0
@notice One place that builds the revert data of a refusal.
@dev An assertion with a reason spends 115 bytes of code each time; a jump to this function spends half of that,
     which is what keeps Clearing in one contract under the limit. The path without a refusal costs the same.
@custom:kill Stateless; nothing to disable.
"""


@internal
@pure
def because(reason: String[32]):
    """
    @notice Revert with Error(reason).
    """
    raise reason
