"""Anyone may register anyone's wallet as a session key of their own account, unasked. Nothing may follow from it."""

import pytest
from shell_floor import KEYS, START_S, open_market, opened

from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms
from exchange.shell.venue import Settings
from exchange.signing import address_of


async def test_an_account_delegated_unasked_does_not_become_the_default_of_a_wallet(tmp_path):
    async with opened(Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=2)) as floor:
        attacker, victim = await open_market(floor)
        clearing = floor.venue.contracts.clearing
        async with floor.venue.gateway(limits=UNLIMITED) as gw, await Client.connect(gw.url) as client:
            await client.login(KEYS[1])
            assert client.account == victim.account
            await attacker._send(clearing, "register_key", attacker.account, victim.address, 1 | 2 | 16, 2**40)
            for _ in range(4):
                await floor.block()
            await client.login(KEYS[1])
            placed = await client.buy(min(await client.instruments()), 1, 1)
            owner = await floor.venue.sequencer.read(lambda s: s.orders[int(placed.order_id)].account)
            assert owner == victim.account


async def test_a_key_of_several_accounts_has_to_say_which_it_means(tmp_path):
    async with opened(Settings(tmp_path / "venue.journal", Terms(), ManualClock(START_S), finality_depth=2)) as floor:
        owners = await open_market(floor)
        key = b"\x77" * 32
        for owner in owners[:2]:
            until = START_S + 10**6
            await owner._send(
                floor.venue.contracts.clearing, "register_key", owner.account, address_of(key), 1 | 2 | 16, until
            )
        for _ in range(4):
            await floor.block()
        async with floor.venue.gateway(limits=UNLIMITED) as gw, await Client.connect(gw.url) as client:
            with pytest.raises(Refused, match="account_must_be_named"):
                await client.login(key)
            await client.login(key, account=owners[1].account)
            placed = await client.buy(min(await client.instruments()), 1, 1)
            standing = await floor.venue.sequencer.read(lambda s: s.orders[int(placed.order_id)].account)
            assert standing == owners[1].account
