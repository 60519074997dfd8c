"""The last trades of the venue, in order: whoever asks for one instrument, one account or all of them reads from here.

Trades are kept with the orders that made them, so that each side is told its own. Imports core, dialect.
"""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from exchange.dialect.orders import ComboFill, Fill, Side, Tracked

TRADES_MAX: Final = 50_000


class Deal(NamedTuple):
    """A trade of an instrument, or of a combo, and the orders behind it; of a leg of a block there are none."""

    fill: Fill | ComboFill
    taker: Tracked | None
    maker: Tracked | None

    @property
    def number(self) -> int:
        """Its place among all trades; a combo has that of its first leg."""
        return self.fill.group if isinstance(self.fill, ComboFill) else self.fill.trade_id

    def sides(self) -> Iterator[tuple[Side, Tracked | None]]:
        """Taker, and maker if there is one, each with its order."""
        yield self.fill.taker, self.taker
        if self.fill.maker is not None:
            yield self.fill.maker, self.maker


class Tape:
    """Trades, oldest first: all, by instrument and by account."""

    def __init__(self) -> None:
        self.all: deque[Deal] = deque()
        self.of_series: dict[int, deque[Deal]] = {}
        self.of_account: dict[int, deque[Deal]] = {}
        self.counts: Counter[int] = Counter()  # trades of each account, also those that are forgotten

    def clear(self) -> None:
        """Forget everything."""
        self.all.clear()
        self.of_series.clear()
        self.of_account.clear()

    def add(self, deal: Deal) -> None:
        """Keep one more, and forget the oldest when there are too many."""
        for kept in self._places(deal):
            kept.append(deal)
        self.counts.update(side.account for side, _ in deal.sides())
        if len(self.all) > TRADES_MAX:
            for kept in self._places(self.all[0]):
                kept.popleft()

    def _places(self, deal: Deal) -> list[deque[Deal]]:
        by_account = dict.fromkeys(side.account for side, _ in deal.sides())
        of_accounts = [self.of_account.setdefault(account, deque()) for account in by_account]
        return [self.all, self.of_series.setdefault(deal.fill.listed.series, deque()), *of_accounts]
