# pragma version 0.4.3
"""
@title Signature recovery
@license Apache-2.0
@notice Recovers the signer of a digest from the 64-byte compact form of EIP-2098. The 65-byte form of a
        wallet is the same two numbers and one bit; the encoders convert it before it reaches calldata.
@dev Only s in the lower half of the group order is accepted, so that a signature has one spelling. The
     compact form cannot spell a v other than 27 or 28.
@custom:kill Stateless; nothing to disable.
"""

# Half of the order of secp256k1. Vyper takes a hexadecimal literal of this width for bytes32.
HALF_ORDER: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168
LOW_255_BITS: constant(uint256) = max_value(uint256) >> 1


@internal
@view
def recover(digest: bytes32, r: uint256, vs: uint256) -> address:
    """
    @notice Signer of `digest`, or the zero address when the signature is malformed.
    @param r First half of the signature.
    @param vs Parity of the curve point in the top bit, s below it.
    """
    s: uint256 = vs & LOW_255_BITS
    if s > HALF_ORDER:
        return empty(address)
    return ecrecover(digest, unsafe_add(27, vs >> 255), r, s)
