"""What bounds an account at a record, as people and programs read it: keys, protections, switches, timers.

Times in nanoseconds or seconds of UTC as their names say, amounts in the units of the machine. Imports core.
"""

import msgspec

from exchange.core import commands as c
from exchange.core import protection
from exchange.core.state import State
from exchange.core.state_types import Account, Key, Kill, QuoteGroup
from exchange.core.units import Cash, Nanos, Qty, Seconds

SCOPES = {
    c.SCOPE_TRADE: "trade",
    c.SCOPE_CANCEL: "cancel",
    c.SCOPE_QUOTE: "quote",
    c.SCOPE_RFQ: "rfq",
    c.SCOPE_READ: "read",
}
REACHES = {c.KILL_ACCOUNT: "account", c.KILL_OWNER: "owner", c.KILL_VENUE: "venue"}


class KeyView(msgspec.Struct, kw_only=True):
    """A session key: what it may do, and of its limits (0: none) what it has used."""

    key: str
    scopes: list[str]
    expiry_s: Seconds
    underlyings: list[int]
    notional: Cash
    notional_used: Cash
    spend: Cash
    spend_used: Cash


class GroupView(msgspec.Struct, kw_only=True):
    """A group of quotes: its bounds (0: none), what filled within its interval by now, and until when it is frozen."""

    name: str
    interval_ns: Nanos
    qty: Qty
    delta: int
    vega: int
    count: int
    filled_qty: Qty
    filled_delta: int
    filled_vega: int
    filled_count: int
    is_frozen: bool
    frozen_until_ns: Nanos


class KillView(msgspec.Struct, kw_only=True):
    """A kill switch that reaches the account."""

    reaches: str
    by_operator: bool
    cause: str
    time_ns: Nanos


class LimitsView(msgspec.Struct, kw_only=True):
    """All of it; ``timer_ns`` is when the dead man's timer takes the orders off, None without one."""

    keys: list[KeyView]
    groups: list[GroupView]
    kills: list[KillView]
    timer_ns: Nanos | None
    cancels_on_disconnect: bool
    blocks_awaited: int


def limits_of(state: State, account: Account) -> LimitsView:
    """The view of an account."""
    return LimitsView(
        keys=[_key(key, account.keys[key]) for key in sorted(account.keys)],
        groups=[_group(account.groups[name], state.time_ns) for name in sorted(account.groups)],
        kills=[_kill(each) for each in state.kills.values() if _reaches(each, account)],
        timer_ns=state.timers.get(account.id),
        cancels_on_disconnect=account.cancels,
        blocks_awaited=account.awaiting,
    )


def _key(address: bytes, key: Key) -> KeyView:
    limits = key.limits
    return KeyView(
        key=address.hex(),
        scopes=[name for bit, name in SCOPES.items() if key.scopes & bit],
        expiry_s=key.expiry_s,
        underlyings=[bit for bit in range(limits.underlyings.bit_length()) if limits.underlyings >> bit & 1],
        notional=limits.notional,
        notional_used=key.notional,
        spend=limits.spend,
        spend_used=key.spend,
    )


def _group(group: QuoteGroup, now_ns: Nanos) -> GroupView:
    bounds, filled = group.protection, protection.window_of(group, now_ns)
    return GroupView(
        name=group.name,
        interval_ns=bounds.interval_ns,
        qty=bounds.qty,
        delta=bounds.delta,
        vega=bounds.vega,
        count=bounds.count,
        filled_qty=filled.qty,
        filled_delta=filled.delta,
        filled_vega=filled.vega,
        filled_count=filled.count,
        is_frozen=protection.is_frozen(group, now_ns),
        frozen_until_ns=group.frozen_until_ns,
    )


def _kill(kill: Kill) -> KillView:
    return KillView(reaches=REACHES[kill.scope], by_operator=kill.by_operator, cause=kill.cause, time_ns=kill.time_ns)


def _reaches(kill: Kill, account: Account) -> bool:
    if kill.scope == c.KILL_ACCOUNT:
        return kill.account == account.id
    return kill.scope == c.KILL_VENUE or kill.owner == account.owner
