"""Who is there, over real sockets: orders leave with a lost connection, stay after a goodbye, and survive restarts. # M11"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from exchange import codec
from exchange.core import commands as c
from exchange.core.state import State
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.gateway import Settings

TRIES = 200


async def until(venue: Any, holds: Callable[[State], bool]) -> None:
    """Until the machine says so; each look is a round trip through the sequencer."""
    for _ in range(TRIES):
        if await venue.sequencer.read(holds):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to be")


def commands_of(venue: Any, kind: type) -> list[Any]:
    """Commands of a kind in the journal."""
    records = [record for frame in venue.store.frames_held for record in frame.records()]
    decoded = [codec.decode_command(record.command) for record in records]
    return [command for command in decoded if isinstance(command, kind)]


def drop(client: Client) -> None:
    """The cable is pulled: no closing handshake, no logout."""
    transport = client._socket.transport
    assert transport is not None
    transport.abort()


@pytest.mark.parametrize("scope", ["connection", "account"])
async def test_orders_leave_with_a_lost_connection(venue, scope):
    first = await venue.client(1)
    assert await first.call("private/enable_cancel_on_disconnect", {"scope": scope}) == "ok"
    told = await first.call("private/get_cancel_on_disconnect", {"scope": scope})
    assert told == {"scope": scope, "enabled": True}
    mine = await first.sell(venue.call, "0.1", 700)
    second = await venue.client(1)
    theirs = await second.sell(venue.call, "0.1", 701)
    drop(first)
    await until(venue, lambda state: int(mine.order_id) not in state.orders)
    shown = await second.call("private/get_order_state", {"order_id": mine.order_id})
    assert (shown["order_state"], shown["x_cancel_reason"]) == ("cancelled", "disconnected")
    assert await venue.sequencer.read(lambda state: int(theirs.order_id) in state.orders)
    await second.close()


async def test_an_account_that_is_careful_has_connections_that_are_not(venue):
    first, second = await venue.client(1), await venue.client(1)
    await first.call("private/enable_cancel_on_disconnect", {"scope": "account"})
    await first.call("private/disable_cancel_on_disconnect")
    assert (await first.call("private/get_cancel_on_disconnect"))["enabled"] is False
    assert (await second.call("private/get_cancel_on_disconnect"))["enabled"] is True
    kept = await first.sell(venue.call, "0.1", 700)
    drop(first)
    await until(venue, lambda state: not state.sessions)
    assert await venue.sequencer.read(lambda state: int(kept.order_id) in state.orders)
    await second.close()


async def test_after_a_logout_orders_stay(venue):
    client = await venue.client(1)
    await client.call("private/enable_cancel_on_disconnect")
    kept = await client.sell(venue.call, "0.1", 700)
    await client.call("private/logout")
    await until(venue, lambda state: not state.sessions)
    assert await venue.sequencer.read(lambda state: int(kept.order_id) in state.orders)
    assert [command.keeps for command in commands_of(venue, c.EndSession)] == [True]


async def test_many_orders_leave_together_and_none_that_was_under_way_stays(venue):
    client = await venue.client(1)
    await client.call("private/enable_cancel_on_disconnect")
    sent = [asyncio.ensure_future(client.sell(venue.call, "0.01", 700 + number)) for number in range(40)]
    done, _ = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
    assert done
    drop(client)
    await asyncio.gather(*sent, return_exceptions=True)
    await until(venue, lambda state: not state.sessions and not state.orders and not state.purges)


async def test_a_connection_that_only_reads_leaves_no_trace(venue):
    client = await venue.client(1)
    await client.call("private/get_positions")
    drop(client)
    other = await venue.client(1)
    await other.sell(venue.call, "0.1", 700)
    assert len(commands_of(venue, c.OpenSession)) == 1
    await other.close()


async def test_an_order_over_http_has_no_connection_to_lose(venue):
    client = await venue.client(1)
    await client.call("private/enable_cancel_on_disconnect", {"scope": "account"})
    placed = await client.sell(venue.call, "0.1", 700)
    session = await venue.sequencer.read(lambda state: state.orders[int(placed.order_id)].session)
    assert session > 0
    await client.close()


async def test_the_dead_mans_timer_over_the_socket(venue):
    client = await venue.client(1)
    placed = await client.sell(venue.call, "0.1", 700)
    told = await client.call("private/x_cancel_all_after", {"timeout": 1})
    assert told["timeout"] == 1
    assert told["deadline"] > 0
    for _ in range(TRIES):
        await venue.sequencer.record(c.Tick())
        if not await venue.sequencer.read(lambda state: state.orders):
            break
    shown = await client.call("private/get_order_state", {"order_id": placed.order_id})
    assert shown["x_cancel_reason"] == "dead_man"
    assert (await client.call("private/x_cancel_all_after", {"timeout": 0}))["deadline"] == 0
    with pytest.raises(Refused, match="timer_must_fit"):
        await client.call("private/x_cancel_all_after", {"timeout": 86_400_001})
    await client.close()


@pytest.mark.parametrize("scope", ["account", "owner"])
async def test_the_kill_switch_over_the_socket(venue, scope):
    client = await venue.client(1)
    placed = await client.sell(venue.call, "0.1", 700)
    (pulled,) = await client.call("private/x_kill_switch", {"scope": scope, "cause": "drill"})
    assert (pulled["scope"], pulled["cause"], pulled["by_operator"]) == (scope, "drill", False)
    assert await client.call("private/get_open_orders") == []
    with pytest.raises(Refused, match="kill_switch_must_be_released") as refused:
        await client.sell(venue.call, "0.1", 700)
    assert refused.value.data["value"] == {"account": 1, "owner": 2}[scope]
    assert await client.cancel_all() == 0
    shown = await client.call("private/get_order_state", {"order_id": placed.order_id})
    assert shown["x_cancel_reason"] == "kill_switch"
    assert await client.call("private/x_release_kill_switch", {"scope": scope}) == []
    assert (await client.sell(venue.call, "0.1", 700)).order["order_state"] == "open"
    with pytest.raises(Refused, match="kill_switch_must_be_pulled"):
        await client.call("private/x_release_kill_switch", {"scope": scope})
    await client.close()


async def test_a_peer_that_vanished_without_a_word_is_noticed(open_venue):
    """No close, no reset: the pings stay unanswered, and the orders leave."""
    async with open_venue(Settings(limits=UNLIMITED, ping_s=0.2)) as venue:
        client = await venue.client(1)
        await client.call("private/enable_cancel_on_disconnect")
        await client.sell(venue.call, "0.1", 700)
        client._socket.transport.pause_reading()
        await until(venue, lambda state: not state.orders)
        drop(client)
