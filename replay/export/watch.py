"""File 13: what surveillance says of the day: the ratio of orders to transactions, and cases to look at.

Owns how both become rows without a wallet in them: participants are told by their accounts. Bounds are those that come
with this version and stand in the first row: an export follows from the journal alone. Cases are those whose last
record lies in the day; what they rest on may be older. Imports surveil, texts, tables.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from exchange.core.state import State
from exchange.core.units import Nanos
from replay.engine import Step
from replay.export import texts
from replay.export.orders import OrderEvent
from replay.export.tables import Row, Table, columns
from replay.surveil.cases import Bounds, Case
from replay.surveil.ratio import Count
from replay.surveil.run import Watch
from replay.surveil.sights import Eyes

SURVEILLANCE: Final = Table(
    "13_surveillance",
    "orders for each transaction (RTS 9) by participant and series, and cases of what may be abuse of the market",
    columns(
        "time", "kind", "accounts", "series", "names", "messages:i", "ordered", "transactions:i", "transacted",
        "ratio_number", "ratio_volume", "practice", "point", "score:i", "from", "to", "records", "orders", "trades",
        "detail",
    ),
)  # fmt: skip


class Sentinel:
    """Looks at every record from genesis on, and tells of one day."""

    def __init__(self) -> None:
        self._bounds = Bounds()
        self._watch, self._eyes = Watch(self._bounds), Eyes()

    def see(self, step: Step, orders: list[OrderEvent], state: State) -> None:
        """One record more."""
        self._watch.see(self._eyes.sight(step, orders, state))

    def bounds(self, time_ns: Nanos) -> Row:
        """What the rows below were held against; of the day's first record."""
        detail = msgspec.json.encode(self._bounds, order="sorted").decode()
        return {"time": texts.moment(time_ns), "kind": "BOUNDS", "detail": detail}

    def rows(self, state: State, bounds_ns: tuple[Nanos, Nanos]) -> list[tuple[int, Row]]:
        """Rows of a day, each with its last record, in their order."""
        start_ns, end_ns = bounds_ns
        counts = (each for each in self._watch.ratio.rows() if start_ns <= each.last[1] < end_ns)
        cases = (each for each in self._watch.cases(self._eyes.people) if start_ns <= each.to_ns < end_ns)
        found = [(each.last[0], self._ratio(each, state)) for each in counts]
        found += [(each.seqs[-1], self._case(each, state)) for each in cases]
        return sorted(found, key=lambda pair: (pair[0], sorted(map(str, pair[1].values()))))

    def _ratio(self, count: Count, state: State) -> Row:
        row: Row = {
            "time": texts.moment(count.last[1]),
            "kind": "RATIO",
            "messages": count.orders,
            "ordered": texts.quantity(count.ordered),
            "transactions": count.trades,
            "transacted": texts.quantity(count.traded),
        }
        for name, ratio in (("ratio_number", count.number_ratio), ("ratio_volume", count.volume_ratio)):
            row |= {} if ratio is None else {name: texts.decimal(ratio, 3)}
        return row | self._who([count.owner]) | _what([count.series], state)

    def _case(self, case: Case, state: State) -> Row:
        row: Row = {
            "time": texts.moment(case.to_ns),
            "kind": "CASE",
            "practice": str(case.practice),
            "point": case.point,
            "score": case.score,
            "from": texts.moment(case.from_ns),
            "to": texts.moment(case.to_ns),
            "records": _list(case.seqs),
            "detail": case.words,
        }
        for name, numbers in (("orders", case.orders), ("trades", case.trades)):
            row |= {name: _list(numbers)} if numbers else {}
        return row | self._who(case.owners) | _what(case.series, state)

    def _who(self, owners: Iterable[str]) -> Row:
        """The accounts of these wallets; none of a wallet that the contracts never told an account of."""
        people = self._eyes.people
        found = sorted({account for owner in owners for account in people.accounts_of(owner)})
        return {"accounts": _list(found)} if found else {}


def _what(series: Iterable[int], state: State) -> Row:
    """Series and combos by number and name, those that are there."""
    found = [number for number in series if number in state.series or number in state.combos]
    return {"series": _list(found), "names": " ".join(_names(found, state))} if found else {}


def _names(series: list[int], state: State) -> Iterator[str]:
    for number in series:
        yield texts.series_name(state, number)


def _list(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))
