"""The chores of the contracts, done by strangers without an engine: expiries settle, everybody who asked is paid, income
goes where it is due, and two keepers at once do each thing once.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract_drawing import PATIENCE
from contract_venue import ETHER, LOT, USDC, WINDOW, address, key

from exchange.shell.chain import ZERO_ADDRESS, checksum
from exchange.shell.deploy import Contracts, Deployment, Terms
from exchange.shell.devnode import DevNode
from exchange.shell.governed import STAKERS
from exchange.shell.keeper import Keeper
from exchange.shell.sender import Sender

pytestmark = PATIENCE


def deployment_of(venue) -> Deployment:
    """What a keeper needs of a manifest; the rest is nobody's address."""
    nobody = ("operators", "token", "staking", "governor", "guardian", "operator")
    known = ("vault", "oracle", "margin", "portfolio", "clearing", "treasury")
    return Deployment(
        chain_id=venue.chain.chain_id,
        first_block=0,
        usdc=checksum(venue.token.address),
        signers=[],
        terms=Terms(),
        arrays=checksum(venue.risk_arrays.address),
        **{name: checksum(getattr(venue, name).address) for name in known},
        **dict.fromkeys(nobody, checksum(ZERO_ADDRESS)),
    )


@pytest.fixture
def keepers(market):
    """Two of them, with wallets of their own, on the chain of the market."""
    worker = ThreadPoolExecutor(1)
    contracts = Contracts(DevNode(market.venue.chain, worker), deployment_of(market.venue))
    for name in ("keeper", "other keeper"):
        market.venue.chain.fund(address(name), 1000 * ETHER)
    yield [Keeper(contracts, Sender(contracts.chain, key(name)), 1) for name in ("keeper", "other keeper")]
    worker.shutdown()


def methods(acts) -> list[str]:
    return [act.method for act in acts]


async def test_nothing_is_done_that_is_not_due(keepers):
    assert await keepers[0].step() == []


async def test_without_an_engine_everybody_is_paid_to_the_last_unit(market, keepers):
    """Trades, then no operator ever again: fixed, settled, left, by two keepers that know nothing of each other."""
    venue, players = market.venue, (market.maker, market.taker, market.third)
    for place, series in enumerate((*market.calls, *market.puts)):
        venue.post(venue.round())
        buyer, seller = players[place % 3], players[(place + 1) % 3]
        venue.settle(venue.cross(buyer, seller, series, LOT + 77 * place, 1_001 * USDC + 1))
    for player in players:
        venue.send(player.name, venue.clearing, "request_exit", player.account)
    expiry = venue.expiries[market.expiry_id]
    for time, acc in ((expiry - 1800, 10**15), (expiry, 10**15 + 1800 * 61_234 * USDC)):
        venue.chain.set_time(time)
        venue.post(venue.round(61_234 * USDC, time=time, acc=acc))
    venue.chain.set_time(venue.now + WINDOW + 2)
    venue.chain.mine()
    first, second = await asyncio.gather(*(keeper.step() for keeper in keepers))
    done = methods([*first, *second, *await keepers[0].step()])
    once = ["finalise_exit"] * 3 + ["fix_expiry", "remit_fees"]
    assert sorted(name for name in done if name not in {"divide", "settle_expiry"}) == once
    assert {"divide", "settle_expiry"} < set(done)  # perhaps by both: the second time nothing is left to do
    for player in players:
        assert venue.clearing.call("account_state", player.account)[1:] == (0, 0, 0, 0, 0)
    paid = sum(venue.token.call("balanceOf", player.address) for player in players)
    income = venue.token.call("balanceOf", venue.treasury.address)
    assert paid + income == 600_000 * USDC
    assert venue.vault.call("held") == venue.token.call("balanceOf", venue.vault.address) == 0
    assert await keepers[1].step() == []


async def test_what_was_asked_for_is_paid_when_it_binds(market, keepers):
    venue, taker = market.venue, market.taker
    venue.send("taker", venue.clearing, "request_withdrawal", taker.account, 77)
    assert await keepers[0].step() == []
    venue.chain.set_time(venue.now + WINDOW)
    venue.chain.mine()
    assert methods(await keepers[0].step()) == ["finalise_withdrawal"]
    assert venue.token.call("balanceOf", taker.address) == 77


async def test_gifts_and_shares_go_on_their_way(market, keepers):
    venue = market.venue
    venue.send("third", venue.token, "mint", venue.vault.address, 1_000)
    venue.send("governor", venue.treasury, "set_receiver", STAKERS, address("stakers"))
    assert methods(await keepers[0].step()) == ["skim", "divide", "pay"]
    assert venue.token.call("balanceOf", address("stakers")) == 250


async def test_a_named_operator_takes_office_when_it_binds(market, keepers):
    venue = market.venue
    venue.send("governor", venue.clearing, "set_operator", address("third"))
    assert await keepers[0].step() == []
    venue.chain.set_time(venue.now + WINDOW)
    venue.chain.mine()
    assert methods(await keepers[0].step()) == ["install_operator"]
    assert venue.clearing.call("operator") == address("third")
