"""Block trades of late, for those who were a party to them.

The machine forgets one when it is final; what it was is kept for a while, because clients ask. Imports core, dialect.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from exchange.core.commands import ExecuteBlock
from exchange.core.units import Nanos
from exchange.dialect.orders import Fill
from exchange.publisher.notes import Outcome

BLOCKS_MAX: Final = 10_000


class Agreed(NamedTuple):
    """A block that traded: the number of its record, what both signed, and its legs."""

    id: int
    time_ns: Nanos
    signed: ExecuteBlock
    fills: tuple[Fill, ...]


class BlockLog:
    """The last ones, the oldest first."""

    def __init__(self) -> None:
        self.traded: OrderedDict[int, Agreed] = OrderedDict()

    def note(self, outcome: Outcome, fills: list[Fill]) -> None:
        """Follow one record."""
        if isinstance(outcome.command, ExecuteBlock) and fills:
            self.traded[outcome.seq] = Agreed(outcome.seq, outcome.time_ns, outcome.command, tuple(fills))
            if len(self.traded) > BLOCKS_MAX:
                self.traded.popitem(last=False)
