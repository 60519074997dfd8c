"""Orders for each transaction, as (EU) 2017/566 counts them: for each participant, instrument and day.

Orders are messages of the participant, so nothing the venue does by itself counts, and none of the three kinds of
cancellation that the text excepts: after an uncross, at a lost connection, by a kill switch. A participant is a wallet.
Counts for kinds of orders are those of the text's annex. Imports sights and cases.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from exchange.core import commands as c
from exchange.core.units import Nanos, Qty
from replay.export.orders import OrderEvent
from replay.surveil.cases import Bounds, Case, Evidence, Practice, case
from replay.surveil.sights import Detector, Sight

DAY: Final = 86_400 * 10**9
_BY_PARTICIPANT: Final = ("by_owner", "on_chain")  # a quote that is replaced goes with the message that does so
_AT_ONCE: Final = (c.IOC, c.FOK)


class Count(msgspec.Struct):
    """What one participant sent about one series on one day, and what it traded; quantities in 1e-4 contract."""

    owner: str
    series: int
    day: int
    orders: int = 0
    ordered: Qty = 0
    trades: int = 0
    traded: Qty = 0
    first: tuple[int, Nanos] = (0, 0)
    last: tuple[int, Nanos] = (0, 0)

    @property
    def number_ratio(self) -> int | None:
        """Orders over transactions less one, in thousandths rounded down; None without a transaction."""
        return self.orders * 1_000 // self.trades - 1_000 if self.trades else None

    @property
    def volume_ratio(self) -> int | None:
        """The same of quantities."""
        return self.ordered * 1_000 // self.traded - 1_000 if self.traded else None


class Ratio(Detector):
    """Counts, and cases where the ratio of numbers is above the bound; who trades nothing is held to the messages."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._counts: dict[tuple[str, int, int], Count] = {}

    def see(self, sight: Sight) -> None:
        """Count messages and trades."""
        for event in sight.orders:
            owner, day = sight.people.owner(event.order.account), event.time_ns // DAY
            key = (owner, event.order.series, day)
            count = self._counts.get(key)
            if count is None:
                count = self._counts[key] = Count(*key, first=(event.seq, event.time_ns))
            weight = weight_of(event)
            count.orders += weight
            count.ordered += weight * event.order.qty
            if event.fill is not None:
                count.trades += 1
                count.traded += event.fill.own
            count.last = (event.seq, event.time_ns)

    def rows(self) -> list[Count]:
        """All counts, by day, series and participant."""
        return sorted(self._counts.values(), key=lambda count: (count.day, count.series, count.owner))

    def cases(self) -> Iterator[Case]:
        """Who sent too much for what it traded."""
        for count in self.rows():
            if count.orders < self._bounds.otr_least:
                continue
            ratio = count.orders * 1_000 if count.number_ratio is None else count.number_ratio
            if ratio > self._bounds.otr_max * 1_000:
                found = Evidence(dict((count.first, count.last)))
                words = f"{count.orders:,} messages for {count.trades:,} trades"
                score = ratio // max(self._bounds.otr_max, 1)
                yield case(Practice.ORDER_TO_TRADE, [count.owner], [count.series], found, score, words)


def weight_of(event: OrderEvent) -> int:
    """How often the annex counts a message; nothing for what the participant did not send."""
    match event.code:
        case "NEWO" | "RFQR" | "REMO":
            return 1
        case "REME" | "RMRJ":
            return 2
        case "CAME":
            return int(event.cause in _BY_PARTICIPANT)
        case "EXPI":
            return int(event.order.tif in _AT_ONCE and event.cause == "immediate_remainder")
        case _:
            return 0
