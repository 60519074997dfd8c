# pragma version 0.4.3
"""
@title EIP-712 domain and digest
@license Apache-2.0
@notice One domain for every typed message of this venue: name "Verbatim", version "1", this chain, the
        contract that imports the module.
@dev The separator is computed per call instead of being kept from deployment: it costs about 300 gas
     once per batch, and a forked chain gets its own domain without a special case.
@custom:kill Stateless; nothing to disable.
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME: constant(bytes32) = keccak256("Verbatim")
VERSION: constant(bytes32) = keccak256("1")


@internal
@view
def separator() -> bytes32:
    """
    @notice Domain separator of the importing contract on the current chain.
    """
    return keccak256(abi_encode(DOMAIN_TYPE, NAME, VERSION, chain.id, self))


@internal
@pure
def digest(domain: bytes32, struct_hash: bytes32) -> bytes32:
    """
    @notice What a wallet signs for a typed struct.
    """
    return keccak256(concat(b"\x19\x01", domain, struct_hash))
