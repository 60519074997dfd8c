"""The government of a development venue, which has one voter: whatever it decides comes into force days later, at once."""

from shell_floor import Floor

from exchange.shell import governed
from exchange.shell.contract import Contract


async def decreed(floor: Floor, name: str, value: int, argument: int = 0) -> None:
    """Stake all there is, propose one step, vote for it, let the delay pass, and have it carried out."""
    contracts, terms = floor.venue.contracts, floor.venue.contracts.deployment.terms.government
    supply, steps = int(terms.supply), [(governed.number(name), argument, value)]
    if not await contracts.staking.call("total"):
        await _send(floor, contracts.token, "approve", contracts.staking.address, supply)
        await _send(floor, contracts.staking, "stake", supply)
    await _later(floor, 1)
    await _send(floor, contracts.governor, "propose", steps, bytes(32))
    number = int(await contracts.governor.call("count"))
    await _send(floor, contracts.governor, "vote", number, True)
    await _later(floor, terms.voting_s + terms.delay_s)
    await _send(floor, contracts.governor, "execute", number, steps)


async def installed(floor: Floor) -> None:
    """Whoever was named operator takes office."""
    await _later(floor, floor.venue.contracts.deployment.terms.settlement_window_s)
    await _send(floor, floor.venue.contracts.clearing, "install_operator")


async def _send(floor: Floor, contract: Contract, name: str, *args: object) -> None:
    sender = floor.venue.sender
    await sender.included(await sender.submit(contract.address, contract.encode(name, *args)))


async def _later(floor: Floor, seconds: int) -> None:
    head = await floor.venue.chain.block("latest")
    await floor.controls.set_next_block_time(head.time_s + seconds)
    await floor.controls.mine(1)
