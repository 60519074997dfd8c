"""Orders that are not meant to trade: layers that leave, orders that flee, floods, and probes. Imports sights."""

from collections import deque
from collections.abc import Iterator

import msgspec

from exchange.core.units import Nanos, Qty
from replay.export.orders import ENTERS, Of, OrderEvent
from replay.surveil.cases import SECOND, Bounds, Case, Evidence, Practice, case, share
from replay.surveil.sights import Detector, Sight

_AWAY = ("CAME",)


class _Layer(msgspec.Struct):
    """Orders that stood against a fill, and how much of them has been cancelled since."""

    until_ns: Nanos
    shown: Qty
    orders: dict[int, Qty]
    found: Evidence
    gone: Qty = 0


class Layering(Detector):
    """Points 5(e) and 6(g): much shown on one side, a fill on the other, and then what was shown is taken away."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._standing: dict[tuple[str, int, bool], dict[int, tuple[Nanos, Qty]]] = {}
        self._watched: dict[tuple[str, int], deque[_Layer]] = {}
        self._done: dict[tuple[str, int], list[_Layer]] = {}

    def see(self, sight: Sight) -> None:
        """Orders come, fill, and go."""
        for event in sight.orders:
            order = event.order
            if order.is_buy is None or order.of in (Of.REQUEST, Of.RFQ_QUOTE, Of.RFQ_TAKE):
                continue
            who = (sight.people.group(order.account), order.series)
            if event.code in _AWAY:
                self._away(who, event)
            if event.fill is not None:
                self._filled(who, event)
            side = self._standing.setdefault((*who, order.is_buy), {})
            if order.is_open and order.shown:
                side[order.id] = (side[order.id][0] if order.id in side else event.time_ns, order.shown)
            else:
                side.pop(order.id, None)

    def _filled(self, who: tuple[str, int], event: OrderEvent) -> None:
        """A fill begins a watch, if enough was put up on the other side not long before."""
        assert event.fill is not None
        since_ns = event.time_ns - self._bounds.layering_before_s * SECOND
        against = self._standing.get((*who, not event.order.is_buy), {})
        fresh = {key: shown for key, (entered_ns, shown) in against.items() if entered_ns >= since_ns}
        shown = sum(fresh.values())
        if share(shown, event.fill.qty) < self._bounds.layering_size:
            return
        found = Evidence()
        found.add(
            event.seq, event.time_ns, orders=[event.order.id], trade=event.fill.trade_id, account=event.order.account
        )
        until_ns = event.time_ns + self._bounds.layering_after_s * SECOND
        self._watched.setdefault(who, deque()).append(_Layer(until_ns, shown, fresh, found))

    def _away(self, who: tuple[str, int], event: OrderEvent) -> None:
        watched = self._watched.get(who, deque())
        while watched and watched[0].until_ns < event.time_ns:
            watched.popleft()
        for layer in list(watched):
            qty = layer.orders.pop(event.order.id, 0)
            if not qty:
                continue
            layer.gone += qty
            layer.found.add(event.seq, event.time_ns, orders=[event.order.id], account=event.order.account)
            if share(layer.gone, layer.shown) >= self._bounds.layering_gone:
                watched.remove(layer)
                self._done.setdefault(who, []).append(layer)

    def cases(self) -> Iterator[Case]:
        """One for each group and series in which it happened often enough."""
        for (group, series), layers in self._done.items():
            if len(layers) >= self._bounds.layering_least:
                found = Evidence()
                for layer in layers:
                    found.merge(layer.found)
                words = (
                    f"{len(layers)} times, what was shown on one side was cancelled within "
                    f"{self._bounds.layering_after_s} s after a fill on the other"
                )
                score = share(len(layers), self._bounds.layering_least)
                yield case(Practice.LAYERING, [group], [series], found, score, words)


class Fleeting(Detector):
    """Point 6(a): orders withdrawn before anybody could meet them, again and again. Quotes are refreshed, and do not
    count.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._found: dict[tuple[str, int], Evidence] = {}

    def see(self, sight: Sight) -> None:
        """Orders cancelled whole, soon after they came."""
        for event in sight.orders:
            order = event.order
            lived_ns = event.time_ns - order.received_ns
            whole = event.code in _AWAY and order.of is Of.ORDER and not order.filled and not order.is_waiting
            if whole and lived_ns < self._bounds.fleeting_s * SECOND:
                found = self._found.setdefault((sight.people.group(order.account), order.series), Evidence())
                found.add(event.seq, event.time_ns, orders=[order.id], account=order.account)

    def cases(self) -> Iterator[Case]:
        """One for each group and series."""
        for (group, series), found in self._found.items():
            if len(found.orders) >= self._bounds.fleeting_least:
                words = f"{len(found.orders)} orders cancelled unfilled within {self._bounds.fleeting_s} s"
                score = share(len(found.orders), self._bounds.fleeting_least)
                yield case(Practice.FLEETING, [group], [series], found, score, words)


class _Burst(msgspec.Struct):
    """Messages and fills of one group in the last seconds, and the worst such window so far."""

    times: deque[tuple[Nanos, int, int]] = msgspec.field(default_factory=deque)  # when, record, fills in it
    fills: int = 0
    worst: int = 0
    found: Evidence = msgspec.field(default_factory=Evidence)


class Stuffing(Detector):
    """Point 4(e): so many messages in so few seconds that others are slowed, and hardly a fill among them."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._bursts: dict[str, _Burst] = {}

    def see(self, sight: Sight) -> None:
        """One message of whoever sent this record; a message of many quotes is one."""
        sent = [event for event in sight.orders if event.code in (*ENTERS, "REMO", "RMRJ", "REME", *_AWAY)]
        if not sent:
            return
        account, time_ns = sent[0].order.account, sight.step.time_ns
        burst = self._bursts.setdefault(sight.people.group(account), _Burst())
        fills = sum(event.fill is not None and event.order.account == account for event in sight.orders)
        burst.times.append((time_ns, sight.step.seq, fills))
        burst.fills += fills
        while burst.times[0][0] <= time_ns - self._bounds.stuffing_within_s * SECOND:
            burst.fills -= burst.times.popleft()[2]
        count = len(burst.times)
        few = share(burst.fills, count) <= self._bounds.stuffing_fills
        if few and count >= self._bounds.stuffing_messages and count > burst.worst:
            burst.worst = count
            burst.found = Evidence({seq: when for when, seq, _ in (burst.times[0], burst.times[-1])})
            burst.found.accounts[account] = None

    def cases(self) -> Iterator[Case]:
        """One for each group, with its worst window."""
        for group, burst in self._bursts.items():
            if burst.worst:
                words = f"{burst.worst:,} messages within {self._bounds.stuffing_within_s} s and hardly a fill"
                score = share(burst.worst, self._bounds.stuffing_messages)
                yield case(Practice.STUFFING, [group], [], burst.found, score, words)


class _Probes(msgspec.Struct):
    """Small orders to be filled at once, sent lately on one side."""

    sent: deque[OrderEvent] = msgspec.field(default_factory=deque)
    found: Evidence = msgspec.field(default_factory=Evidence)
    score: int = 0


class Ping(Detector):
    """Point 1(c): small immediate orders that feel out what is hidden, and then one many times their size."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._probes: dict[tuple[str, int, bool], _Probes] = {}

    def see(self, sight: Sight) -> None:
        """Immediate orders, by side."""
        for event in sight.orders:
            order = event.order
            if event.code != "NEWO" or not order.tif or order.of is not Of.ORDER or order.is_buy is None:
                continue
            key = (sight.people.group(order.account), order.series, order.is_buy)
            probes = self._probes.setdefault(key, _Probes())
            while probes.sent and probes.sent[0].time_ns < event.time_ns - self._bounds.ping_within_s * SECOND:
                probes.sent.popleft()
            self._weigh(probes, event)
            probes.sent.append(event)

    def _weigh(self, probes: _Probes, event: OrderEvent) -> None:
        if len(probes.sent) < self._bounds.ping_least:
            return
        largest = max(probe.order.qty for probe in probes.sent)
        size = share(event.order.qty, largest)
        if size >= self._bounds.ping_size:
            for each in (*probes.sent, event):
                probes.found.add(each.seq, each.time_ns, orders=[each.order.id], account=each.order.account)
            probes.score = max(probes.score, share(size, self._bounds.ping_size))
            probes.sent.clear()

    def cases(self) -> Iterator[Case]:
        """One for each group, series and side."""
        for (group, series, is_buy), probes in self._probes.items():
            if probes.score:
                words = f"small immediate orders to {'buy' if is_buy else 'sell'}, then one many times their size"
                yield case(Practice.PING, [group], [series], probes.found, probes.score, words)
