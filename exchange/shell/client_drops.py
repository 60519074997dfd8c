"""The drop copy of an account as one stream without gaps: what is kept from a record on, then what happens.

Imports client.
"""

from collections.abc import AsyncIterator
from typing import Any

from exchange.dialect.bounds import Bound
from exchange.shell.client import Client, Refused


class Forgotten(Exception):
    """The venue keeps the account's drop copy from ``reach_seq`` on only."""

    def __init__(self, reach_seq: int) -> None:
        super().__init__(f"nothing is missing from {reach_seq} on")
        self.reach_seq = reach_seq


async def drop_copy(client: Client, from_seq: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Messages of the client's account from a record on (0: all that is kept), each once and in order, for ever.

    Whoever was away goes on with the ``seq`` of the last message plus one. Ends with the connection. Raises Forgotten
    when something from there on is kept no more, Lagging when read too slowly.
    """
    heard = await client.subscribe(["user.drop_copy"])
    last = max(from_seq - 1, 0)
    async for message in _kept(client, from_seq):
        last = message["seq"]
        yield message
    async for note in heard:
        if note.data["account"] != client.account or note.data["seq"] <= last:
            continue
        if note.data["prev_seq"] > last:
            async for message in _kept(client, last + 1, note.data["prev_seq"]):
                yield message
        last = note.data["seq"]
        yield note.data


async def _kept(client: Client, first: int, final: int | None = None) -> AsyncIterator[dict[str, Any]]:
    """What the venue keeps from one record on, up to another if there is one."""
    while True:
        where = {"subaccount_id": client.account, "from_seq": first, "count": 1_000}
        try:
            part = await client.call("private/x_get_drop_copy", where)
        except Refused as refused:
            if refused.data.get("reason") == Bound.FORGOTTEN.reason:
                raise Forgotten(refused.data["limit"]) from refused
            raise
        for message in part["messages"]:
            if final is not None and message["seq"] > final:
                return
            first = message["seq"] + 1
            yield message
        if not part["has_more"]:
            return
