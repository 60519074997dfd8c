"""A case: who did what that looks like which practice, with the records that show it; and the bounds of the detectors.

Points are those of (EU) 2016/522, Annex II, section 1; the ratio is that of (EU) 2017/566. Bounds are proposals: a
venue sets its own, and they are written into every report. Imports units.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from exchange.core.units import Nanos

SECOND: Final = 10**9


class Practice(StrEnum):
    """What a case may be."""

    ORDER_TO_TRADE = "order_to_trade"
    WASH = "wash"
    MATCHED_ORDERS = "matched_orders"
    LAYERING = "layering"
    FLEETING = "fleeting"
    STUFFING = "stuffing"
    IGNITION = "ignition"
    PING = "ping"
    TRIGGER_HUNTING = "trigger_hunting"
    EXPIRY_WINDOW = "expiry_window"
    CONCENTRATION = "concentration"


POINTS: Final[dict[Practice, str]] = {
    Practice.ORDER_TO_TRADE: "(EU) 2017/566, article 3",
    Practice.WASH: "3(a)",
    Practice.MATCHED_ORDERS: "3(c)",
    Practice.LAYERING: "5(e), 6(g)",
    Practice.FLEETING: "6(a)",
    Practice.STUFFING: "4(e)",
    Practice.IGNITION: "4(f)",
    Practice.PING: "1(c)",
    Practice.TRIGGER_HUNTING: "2(c), 2(d)",
    Practice.EXPIRY_WINDOW: "5(d)",
    Practice.CONCENTRATION: "2(b)",
}


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From where on a practice is a case. Times in seconds, shares in thousandths."""

    otr_max: int = 500  # orders for each trade, less one
    otr_least: int = 200  # messages below which no ratio is looked at
    wash_least: int = 1  # trades between linked accounts
    matched_within_s: int = 2
    matched_least: int = 3  # trades of one pair, in one series
    layering_before_s: int = 60
    layering_after_s: int = 10
    layering_size: int = 3_000  # shown on the other side, over what filled
    layering_gone: int = 800  # of it cancelled afterwards
    layering_least: int = 2
    fleeting_s: int = 1
    fleeting_least: int = 20
    stuffing_within_s: int = 5
    stuffing_messages: int = 500
    stuffing_fills: int = 10  # of the messages
    ignition_within_s: int = 30
    ignition_takes: int = 3
    ignition_move: int = 50  # of the price
    ignition_back_s: int = 60
    ping_within_s: int = 10
    ping_least: int = 5
    ping_size: int = 20_000  # what follows, over the largest probe
    hunting_within_s: int = 10
    hunting_least: int = 1
    window_s: int = 1_800
    window_share: int = 500  # of the volume in the window
    window_least: int = 3  # trades in the window
    concentration_share: int = 400  # of the open interest
    concentration_least: int = 1_000_000  # open interest below which none is looked at, 1e-4 contract


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Something to look at. ``score``: by how many thousandths of its bound the practice was met; 1000 is the bound.

    ``seqs`` are records of the journal, for ``explain``, ``at`` and ``bundle``.
    """

    practice: Practice
    point: str
    owners: tuple[str, ...]
    accounts: tuple[int, ...]
    series: tuple[int, ...]
    from_ns: Nanos
    to_ns: Nanos
    seqs: tuple[int, ...]
    orders: tuple[int, ...]
    trades: tuple[int, ...]
    score: int
    words: str


class Evidence(msgspec.Struct):
    """What a detector collects on its way to a case."""

    seqs: dict[int, Nanos] = {}
    orders: dict[int, None] = {}
    trades: dict[int, None] = {}
    accounts: dict[int, None] = {}

    def add(self, seq: int, time_ns: Nanos, *, orders: Iterable[int] = (), trade: int = 0, account: int = 0) -> None:
        """One record more."""
        self.seqs[seq] = time_ns
        self.orders |= dict.fromkeys(orders)
        if trade:
            self.trades[trade] = None
        if account:
            self.accounts[account] = None

    def merge(self, other: "Evidence") -> None:
        """All of another's."""
        self.seqs |= other.seqs
        self.orders |= other.orders
        self.trades |= other.trades
        self.accounts |= other.accounts


def share(part: int, whole: int) -> int:
    """Thousandths, rounded down; without a whole, of one."""
    return part * 1_000 // max(whole, 1)


def case(
    practice: Practice, owners: Iterable[str], series: Iterable[int], found: Evidence, score: int, words: str
) -> Case:
    """A case from what was collected."""
    return Case(
        practice=practice,
        point=POINTS[practice],
        owners=tuple(sorted(owners)),
        accounts=tuple(sorted(found.accounts)),
        series=tuple(sorted(series)),
        from_ns=min(found.seqs.values()),
        to_ns=max(found.seqs.values()),
        seqs=tuple(sorted(found.seqs)),
        orders=tuple(sorted(found.orders)),
        trades=tuple(sorted(found.trades)),
        score=score,
        words=words,
    )
