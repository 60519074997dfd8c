"""Block trades on a floor of ``shell_floor``: signed by two wallets, over what the contracts of the floor will check."""

from shell_floor import KEYS, Floor

from exchange.core import commands as c
from exchange.core.units import USDC_ONE, seconds_of
from exchange.signing import address_of, block_digest, domain_separator, sign


def domain_of(floor: Floor) -> bytes:
    contracts = floor.venue.contracts
    return domain_separator(contracts.deployment.chain_id, contracts.clearing.address)


def block_of(floor: Floor, accounts: tuple[int, int], nonce: int, *legs: c.BlockLeg, **terms: int) -> c.ExecuteBlock:
    """Maker and taker are the first two wallets of the floor."""
    fields = {"expiry_s": seconds_of(floor.clock.now_ns()) + 3_600, "queueable": True} | terms
    block = c.Block(*accounts, legs, 10_000 * USDC_ONE, 10_000 * USDC_ONE, nonce, **fields)
    digest = block_digest(domain_of(floor), block)
    maker, taker = ((address_of(key), sign(key, digest)) for key in KEYS[:2])
    return c.ExecuteBlock(block, *maker, *taker)
