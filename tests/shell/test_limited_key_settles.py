"""A session key with limits from the socket to the real contracts: what it fills settles, to the last unit it may."""

import contextlib
from pathlib import Path

import pytest
from shell_floor import KEYS, SPOT, START_S, Floor, open_market, opened

from exchange.core import keyroom
from exchange.core.commands import SCOPE_TRADE, SealBatch
from exchange.core.keyroom import KeyRoom
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.clock import ManualClock
from exchange.shell.deploy import Terms as Parameters
from exchange.shell.keys import dev_key
from exchange.shell.owner import Owner
from exchange.shell.settler import BatchRefusedByContract
from exchange.shell.venue import Settings
from exchange.signing import address_of

CALL = 1 << 16
SESSION = dev_key("a key with limits")


async def notional_left(floor: Floor, owner: Owner) -> int:
    """In 1e-10 USDC, as the contract counts it."""
    _, _, left, _ = await floor.venue.contracts.clearing.call("key_room", owner.account, address_of(SESSION))
    return int(left)


async def delegated(floor: Floor, owner: Owner) -> None:
    """The strike is the spot, so the limit is one contract."""
    terms = (owner.account, address_of(SESSION), SCOPE_TRADE | 16, START_S + 86_400, 0, SPOT, 0)
    await owner._send(floor.venue.contracts.clearing, "register_key", *terms)
    await floor.until_settled()


async def trade(maker: Client, keyed: Client, name: str) -> None:
    """As maker and as taker the key comes to its limit, and the machine lets it do no more."""
    await keyed.sell(name, "0.4", 900)
    await maker.buy(name, "0.4", 900)
    await maker.sell(name, 1, 900)
    beyond = await keyed.buy(name, "0.61", 900)
    assert beyond.trades == []
    assert beyond.order["x_cancel_reason"] == "key_limit"
    assert len((await keyed.buy(name, "0.6", 900)).trades) == 1
    with pytest.raises(Refused) as refused:
        await keyed.buy(name, "0.01", 900)
    assert refused.value.data["reason"] == "key_must_have_notional"


async def test_a_limited_key_trades_to_its_limit_and_the_contract_takes_not_a_unit_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = Settings(tmp_path / "venue.journal", Parameters(), ManualClock(START_S), finality_depth=4)
    async with opened(settings) as floor, contextlib.AsyncExitStack() as stack:
        owner = (await open_market(floor))[1]
        await delegated(floor, owner)
        gateway = await stack.enter_async_context(floor.venue.gateway(limits=UNLIMITED))
        maker, keyed = [await stack.enter_async_context(await Client.connect(gateway.url)) for _ in KEYS]
        await maker.login(KEYS[0])
        await keyed.login(SESSION)
        name = {item.series: name for name, item in (await maker.instruments()).items()}[CALL]
        await trade(maker, keyed, name)
        await floor.venue.apply(SealBatch())
        await floor.until_settled()
        assert await floor.batches_settled() == 1
        assert await notional_left(floor, owner) == 0
        # A machine that does not look would be refused by the contract for the smallest fill.
        monkeypatch.setattr(keyroom, "refuse", lambda *_: None)
        monkeypatch.setattr(KeyRoom, "allows", lambda *_: True)
        assert len((await keyed.buy(name, "0.01", 900)).trades) == 1
        await floor.venue.apply(SealBatch())
        with pytest.raises(BatchRefusedByContract, match="key_notional"):
            await floor.until_settled()
        assert await floor.batches_settled() == 1
