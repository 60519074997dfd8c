"""kill -9 of a venue with traders connected: after the restart no order waits for somebody who is not there. # M11"""

from pathlib import Path

import pytest
from e2e_serve import Serving, entries

from exchange import codec
from exchange.core import commands as c
from exchange.shell.client import Client, Refused

ORDERS = 12


async def trader(serving: Serving, number: int) -> Client:
    """A development wallet, logged in."""
    client = await Client.connect(serving.ready["url"])
    await client.login(bytes.fromhex(serving.ready["keys"][number]["key"][2:]))
    return client


@pytest.mark.timeout(180)
async def test_orders_of_the_lost_leave_before_the_venue_listens_again(tmp_path: Path):
    journal = tmp_path / "venue.journal"
    serving = await Serving.start(journal)
    careful, careless = await trader(serving, 0), await trader(serving, 1)
    name = min(await careful.instruments())
    await careful.call("private/enable_cancel_on_disconnect")
    for number in range(ORDERS):
        await careful.buy(name, "0.01", 5 + number)
    kept = await careless.buy(name, "0.01", 4)
    await serving.kill()

    serving = await Serving.start(journal)
    careful, careless = await trader(serving, 0), await trader(serving, 1)
    assert await careful.call("private/get_open_orders") == []
    assert [o["order_id"] for o in await careless.call("private/get_open_orders")] == [kept.order_id]
    await careful.call("private/x_kill_switch", {"cause": "drill"})
    await serving.kill()

    serving = await Serving.start(journal)  # a switch stays pulled
    careful = await trader(serving, 0)
    with pytest.raises(Refused, match="kill_switch_must_be_released"):
        await careful.buy(name, "0.01", 5)
    await careful.call("private/x_release_kill_switch")
    await careful.buy(name, "0.01", 5)
    assert await serving.stop() == 0
    commands = [codec.decode_command(entry.record.command) for entry in entries(journal).values()]
    assert sum(isinstance(command, c.EndAllSessions) for command in commands) >= 1
