# pragma version 0.4.3
"""
@title Division of an amount into shares, exact to the unit
@license Apache-2.0
@notice Largest remainder, and remainders are carried: what a part received too little or too much in earlier divisions
        counts in the next, so that it does not matter into how many calls an income is cut.
@dev Shares in 1e-18, together one. Credits in 1e-18 units, together zero between two calls and each above minus one
     unit, so no part is ever behind by as much as PARTS - 1 units. The same numbers in Python: tests/contracts.
@custom:kill Stateless; nothing to disable.
"""

from lib import fail

PARTS: constant(uint256) = 4
ONE: constant(int256) = 10**18


@internal
@pure
def divide(amount: uint256, shares: uint256[PARTS], credits: int256[PARTS]) -> (uint256[PARTS], int256[PARTS]):
    """
    @notice Whole units for each part, which add up to `amount`, and what each is owed afterwards. Of equal credits the
            lower number comes first.
    """
    # An honest token has no such supply, and nothing below can leave a word.
    if amount >= 2**128:
        fail.because("amount_range")
    given: uint256[PARTS] = empty(uint256[PARTS])
    owed: int256[PARTS] = credits
    left: uint256 = amount
    for part: uint256 in range(PARTS):
        exact: uint256 = amount * shares[part]
        given[part] = exact // 10**18
        owed[part] += convert(exact % 10**18, int256)
        left -= given[part]
    # Remainders of four parts make at most three units.
    for _: uint256 in range(PARTS):
        if left == 0:
            break
        most: uint256 = 0
        for part: uint256 in range(1, PARTS):
            if owed[part] > owed[most]:
                most = part
        given[most] += 1
        owed[most] -= ONE
        left -= 1
    return given, owed
