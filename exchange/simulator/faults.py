"""What can be made to go wrong, by name, and how it is asked for: ``NAME@120s`` or ``NAME@120s+30s``.

A closed list. Imports units.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from exchange.core.units import Seconds


class FaultError(ValueError):
    """A fault that does not exist, or cannot be had so; the message says what can."""


class Name(StrEnum):
    """Each with what it does."""

    CHAIN_DOWN = "chain-down"  # the node does not answer; the chain goes on without us
    REORG = "reorg"  # the newest block is replaced by another, without its transactions
    ORACLE_STALE = "oracle-stale"  # every source of the index falls silent
    ORACLE_LIE = "oracle-lie"  # one source of three says a fifth more than is true
    CRASH = "crash"  # the price falls by an eighth within a second
    MAKERS_GONE = "makers-gone"  # market makers take their quotes back and hardly quote
    DISK_STALL = "disk-stall"  # the disk takes nothing, so nothing is acknowledged
    GATEWAY_DROP = "gateway-drop"  # every connection is cut and the port is shut
    KILL = "kill"  # the venue ends where it stands, and is started from its journal
    SLOW_CLIENT = "slow-client"  # somebody asks and asks, and reads nothing
    FLOOD = "flood"  # somebody asks far more than may be asked


MOMENTS: Final = (Name.REORG, Name.CRASH)
"""Over as they begin: they take no duration."""

LASTING: Final[dict[Name, Seconds]] = {
    Name.CHAIN_DOWN: 60,
    Name.ORACLE_STALE: 240,
    Name.ORACLE_LIE: 60,
    Name.MAKERS_GONE: 600,
    Name.DISK_STALL: 30,
    Name.GATEWAY_DROP: 30,
    Name.KILL: 30,
    Name.SLOW_CLIENT: 300,
    Name.FLOOD: 30,
}
"""How long the others last unless told."""

_FORM: Final = re.compile(r"(?P<name>[a-z-]+)@(?P<at>\d+)(?P<unit>[smh])(\+(?P<last>\d+)(?P<last_unit>[smh]))?")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600}
_AWAY: Final = (Name.KILL, Name.GATEWAY_DROP, Name.DISK_STALL)


class Fault(NamedTuple):
    """When, in seconds from the start of the market, and for how long."""

    name: Name
    at_s: Seconds
    for_s: Seconds

    @property
    def end_s(self) -> Seconds:
        """When it is over."""
        return self.at_s + self.for_s

    def __str__(self) -> str:
        return f"{self.name}@{self.at_s}s" + (f"+{self.for_s}s" if self.for_s else "")


def parse(text: str) -> Fault:
    """A fault as it is asked for. Raises FaultError with what would be understood."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise FaultError(f"{text!r} is not NAME@TIME or NAME@TIME+TIME, as in chain-down@120s+30s; units are s, m, h")
    if found["name"] not in list(Name):
        raise FaultError(f"there is no fault {found['name']!r}; there are {', '.join(Name)}")
    name, at_s = Name(found["name"]), int(found["at"]) * _UNITS[found["unit"]]
    if name in MOMENTS:
        if found["last"]:
            raise FaultError(f"{name} is over as it begins: say {name}@{found['at']}{found['unit']}")
        return Fault(name, at_s, 0)
    for_s = int(found["last"]) * _UNITS[found["last_unit"]] if found["last"] else LASTING[name]
    if not for_s:
        raise FaultError(f"{name} lasts: say for how long, as in {name}@{found['at']}{found['unit']}+30s")
    return Fault(name, at_s, for_s)


def require_possible(faults: tuple[Fault, ...], seconds: Seconds) -> None:
    """Refuse what would not end within the run, or has no meaning together. Raises FaultError."""
    for fault in faults:
        if not 0 < fault.at_s <= fault.end_s < seconds:
            raise FaultError(f"{fault} is not within a run of {seconds} s")
        for other in faults:
            if other is not fault and fault.name in _AWAY and _meet(fault, other):
                raise FaultError(f"{fault} and {other} overlap: {fault.name} leaves nothing for the other to happen to")
            if other is not fault and fault.name == other.name and _meet(fault, other):
                raise FaultError(f"{fault} and {other} overlap")


def _meet(one: Fault, other: Fault) -> bool:
    return one.at_s <= other.end_s and other.at_s <= one.end_s
