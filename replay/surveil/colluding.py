"""Trades that change nobody's interest: among one's own accounts, and between two who keep meeting. Imports sights."""

from collections.abc import Iterator

from exchange.core.units import Qty
from replay.surveil.cases import SECOND, Bounds, Case, Evidence, Practice, case, share
from replay.surveil.sights import Detector, Pair, Sight, pairs


class Wash(Detector):
    """Point 3(a): both sides of a trade belong together, though not to one wallet, which the venue prevents."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._found: dict[tuple[str, int], Evidence] = {}
        self._owners: dict[str, dict[str, None]] = {}
        self._washed: dict[tuple[str, int], Qty] = {}
        self._volume: dict[int, Qty] = {}

    def see(self, sight: Sight) -> None:
        """Trades within a group, and the volume beside them."""
        for pair in pairs(sight):
            maker, taker = pair.maker, pair.taker
            assert maker.fill is not None
            series, qty = maker.fill.series, maker.fill.qty
            self._volume[series] = self._volume.get(series, 0) + qty
            group = sight.people.group(maker.order.account)
            if group != sight.people.group(taker.order.account):
                continue
            key = (group, series)
            self._washed[key] = self._washed.get(key, 0) + qty
            note(self._found.setdefault(key, Evidence()), pair)
            for event in pair:
                self._owners.setdefault(group, {})[sight.people.owner(event.order.account)] = None

    def cases(self) -> Iterator[Case]:
        """One for each group and series."""
        for (group, series), found in self._found.items():
            if len(found.trades) < self._bounds.wash_least:
                continue
            part = share(self._washed[group, series], self._volume[series])
            words = (
                f"{len(found.trades)} trades between accounts that belong together, "
                f"{part / 10:.1f} % of the volume of the series"
            )
            score = share(len(found.trades), self._bounds.wash_least)
            yield case(Practice.WASH, self._owners[group], [series], found, score, words)


class Matched(Detector):
    """Point 3(c): two who do not belong together trade the same size at the same price, at nearly the same moment,
    again and again. Answers to requests for quotes are meant to, and do not count.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._found: dict[tuple[str, str, int], Evidence] = {}

    def see(self, sight: Sight) -> None:
        """Trades that filled both orders whole, soon after each other."""
        for pair in pairs(sight):
            maker, taker = pair.maker.order, pair.taker.order
            soon = abs(taker.received_ns - maker.received_ns) <= self._bounds.matched_within_s * SECOND
            alike = maker.qty == taker.qty and maker.price == taker.price and not maker.rfq
            one, other = sorted(sight.people.group(order.account) for order in (maker, taker))
            if soon and alike and one != other and not maker.is_open and not taker.is_open:
                note(self._found.setdefault((one, other, maker.series), Evidence()), pair)

    def cases(self) -> Iterator[Case]:
        """One for each pair and series."""
        for (one, other, series), found in self._found.items():
            if len(found.trades) >= self._bounds.matched_least:
                words = f"{len(found.trades)} trades of one size and price, entered within seconds of each other"
                score = share(len(found.trades), self._bounds.matched_least)
                yield case(Practice.MATCHED_ORDERS, [one, other], [series], found, score, words)


def note(found: Evidence, pair: Pair, *accounts: int) -> None:
    """A trade as evidence, and whose of its accounts are looked at; all of them, if none is named."""
    for event in pair:
        found.add(event.seq, event.time_ns, orders=[event.order.id], trade=pair.trade)
        if not accounts or event.order.account in accounts:
            found.accounts[event.order.account] = None
