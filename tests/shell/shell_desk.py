"""Signed orders of two wallets on a floor, and what becomes of them on the contracts. See ``shell_floor``."""

from shell_floor import KEYS, Floor

from exchange.core import commands as c
from exchange.core.events import ComboListed, Rejected
from exchange.core.legs import Legs
from exchange.core.units import USDC_ONE, seconds_of
from exchange.shell.owner import Owner
from exchange.signing import address_of, domain_separator, order_digest, order_of, sign


class Desk:
    """Enters signed orders of two wallets on a floor."""

    def __init__(self, floor: Floor, owners: list[Owner]) -> None:
        self.floor = floor
        self.owners = owners
        self.nonce = 0
        self.combos: dict[Legs, int] = {}

    async def record(self, command: object):
        events = await self.attempt(command)
        assert not isinstance(events[0], Rejected), events
        return events

    async def attempt(self, command: object):
        return (await self.floor.venue.sequencer.record(command)).events

    async def create(self, legs: Legs) -> None:
        (listed,) = await self.record(c.CreateCombo(legs))
        assert isinstance(listed, ComboListed)
        self.combos[legs] = listed.combo

    async def place(self, who: int, what: int | Legs, units: int, price: int, **terms: object):
        """A signed order of a wallet; negative units sell."""
        return await self.record(self.signed(who, what, units, price * USDC_ONE, **terms))

    def signed(self, who: int, what: int | Legs, units: int, price: int, **terms: object) -> c.Place:
        contracts = self.floor.venue.contracts
        self.nonce += 1
        legs = what if isinstance(what, tuple) else ()
        key = terms.pop("key", KEYS[who])
        fields = {"tif": c.GTC, "post_only": False, "reduce_only": False, "replaces": 0} | terms
        unsigned = c.Authorisation(
            account=self.owners[who].account,
            series=what if isinstance(what, int) else self.combos[what],
            is_buy=units > 0,
            qty=abs(units),
            price=price,
            max_fee=1_000 * USDC_ONE,
            nonce=self.nonce,
            expiry_s=seconds_of(self.floor.clock.now_ns()) + 86_400,
            signer=address_of(key),
            signature=b"",
            legs=legs,
            **fields,
        )
        digest = order_digest(
            domain_separator(contracts.deployment.chain_id, contracts.clearing.address), order_of(unsigned)
        )
        signed = {name: getattr(unsigned, name) for name in unsigned.__struct_fields__}
        return c.Place(c.Authorisation(**(signed | {"signature": sign(key, digest)})))

    async def settle(self) -> None:
        await self.floor.venue.apply(c.SealBatch())
        await self.floor.until_settled()

    async def positions(self) -> list[dict[int, int]]:
        """As the contracts report them, which is what the machine holds."""
        there = await self.floor.venue.sequencer.read(lambda state: dict(state.mirror.positions))
        here = await self.floor.venue.sequencer.read(
            lambda state: {key: dict(account.positions) for key, account in state.accounts.items()}
        )
        found = [there.get(owner.account, {}) for owner in self.owners]
        assert found == [here[owner.account] for owner in self.owners]
        return found

    async def cash_agrees(self) -> None:
        for owner in self.owners:
            assert await owner.cash_on_chain() == await self.floor.cash(owner.account)
