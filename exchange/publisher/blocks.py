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
    """A block that traded: the number of its record, and its legs, all between the same two."""

    id: int
    time_ns: Nanos
    fills: tuple[Fill, ...]

    def is_party(self, account: int) -> bool:
        """Whether an account traded it."""
        return account in (self.fills[0].maker.account, self.fills[0].taker.account)


class BlockLog:
    """The last ones, the oldest first."""

    def __init__(self) -> None:
        self.traded: OrderedDict[int, Agreed] = OrderedDict()

    def note(self, outcome: Outcome, fills: list[Fill]) -> None:
        """Follow one record."""
        if isinstance(outcome.command, ExecuteBlock) and fills:
            self.keep(Agreed(outcome.seq, outcome.time_ns, tuple(fills)))

    def keep(self, agreed: Agreed) -> None:
        """Remember one more."""
        self.traded[agreed.id] = agreed
        if len(self.traded) > BLOCKS_MAX:
            self.traded.popitem(last=False)
