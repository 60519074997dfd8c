"""One channel each: what it has told, what it will tell next, and to whom.

A paced book sends the net change of its interval; the mirror of a book holds exactly what durable records made of it.
Imports publisher, dialect.
"""

from typing import Any, Final, Protocol

import msgspec

from exchange.core.units import USDC_ONE, Price, Qty
from exchange.dialect.channels import Channel, Family
from exchange.dialect.numbers import contracts, usdc
from exchange.publisher import BookDelta, BookSnapshot, Note
from exchange.publisher.changes import merged
from exchange.publisher.notes import Row

_ALONE: Final = (  # raw items of these are told one by one
    Family.ORDERS,
    Family.PROTECTION,
    Family.DROP_COPY,
    Family.CHANGES,
    Family.RFQ_TAKER,
    Family.RFQ_MAKER,
    Family.RFQ_TRADES,
    Family.CHART,
    Family.STATE,
    Family.CREATION,
    Family.PLATFORM,
)
_encode: Final = msgspec.json.Encoder().encode


class Listener(Protocol):
    """A connection, as the hub sees it."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be told anything."""
        ...

    @property
    def address(self) -> bytes:
        """Who is logged in; empty if nobody."""
        ...

    def send(self, text: str) -> None:
        """Queue a message that may not be dropped."""
        ...

    def send_latest(self, key: str, text: str) -> None:
        """Queue a message that replaces an unsent one of the same key."""
        ...

    def end(self, why: str) -> None:
        """Close the connection."""
        ...


def message(channel: str, data: Any) -> str:
    """A subscription message."""
    return _encode({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}).decode()


class Stream:
    """One channel of one account (0: public) and who listens to it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.listeners: dict[Listener, None] = {}
        self._gathered: list[Any] = []
        self._alone = channel.family in _ALONE and channel.interval == "raw"

    def join(self, listener: Listener) -> None:
        """Tell one more."""
        self.listeners[listener] = None

    def part(self, listener: Listener) -> None:
        """Tell one less."""
        del self.listeners[listener]

    def hear(self, note: Note) -> None:
        """Send at once, or keep for the next beat."""
        if note.latest:
            if self.channel.interval == "agg2":
                self._gathered = [note.item]
            else:
                self._send_latest(note.item)
        elif self.channel.interval == "raw":
            self._send(note.item if self._alone else [note.item])
        else:
            self._gathered.append(note.item)

    def beat(self) -> None:
        """Send what has gathered."""
        gathered, self._gathered = self._gathered, []
        if not gathered:
            return
        if self.channel.family in (Family.TICKER, Family.PORTFOLIO):
            self._send_latest(gathered[-1])
        elif self.channel.family is Family.CHANGES:
            for item in merged(gathered):
                self._send(item)
        else:
            self._send(gathered)

    def _send(self, data: Any) -> None:
        text = message(self.channel.name, data)
        for listener in list(self.listeners):
            listener.send(text)

    def _send_latest(self, data: Any) -> None:
        text = message(self.channel.name, data)
        for listener in list(self.listeners):
            listener.send_latest(self.channel.name, text)


class DeltaStream(Stream):
    """A ticker in parts: whole to whoever has just come, then what changed. Parts are never left out."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self._told: dict[str, Any] = {}
        self._fresh: dict[Listener, None] = {}

    def join(self, listener: Listener) -> None:
        """The next ticker is told whole."""
        super().join(listener)
        self._fresh[listener] = None

    def part(self, listener: Listener) -> None:
        """Tell one less."""
        super().part(listener)
        self._fresh.pop(listener, None)

    def hear(self, note: Note) -> None:
        """Tell what differs from the ticker before; the moment alone is no news."""
        now, before, fresh = note.item, self._told, self._fresh
        self._told, self._fresh = now, {}
        changed = {name: value for name, value in now.items() if before.get(name) != value}
        whole = message(self.channel.name, now | {"type": "snapshot"})
        named = {name: now[name] for name in ("instrument_name", "timestamp")}
        part = message(self.channel.name, named | changed | {"type": "change"})
        for listener in list(self.listeners):
            if listener in fresh:
                listener.send(whole)
            elif changed.keys() - {"timestamp"}:
                listener.send(part)


def stream_of(channel: Channel) -> Stream:
    """The kind of stream that a channel other than a book is."""
    return DeltaStream(channel) if channel.family is Family.DELTAS else Stream(channel)


class BookStream:
    """One book channel: what it has told is the mirror as of its last message, minus what is ``touched`` since."""

    def __init__(self, channel: Channel, feed: "BookFeed") -> None:
        self.channel = channel
        self.listeners: dict[Listener, None] = {}
        self._feed = feed
        self._told_id = feed.change_id
        self._bids: dict[Price, Qty] = {}  # price -> total when last told
        self._asks: dict[Price, Qty] = {}

    def join(self, listener: Listener) -> None:
        """Start with a snapshot; the others first hear what is due, so that all are at the same change id."""
        self.beat()
        if not self.listeners:
            self._told_id = self._feed.change_id
        self.listeners[listener] = None
        if self.channel.family is Family.DEPTH:
            listener.send_latest(self.channel.name, message(self.channel.name, self._top()))
        else:
            listener.send(message(self.channel.name, self._snapshot()))

    def hear(self, delta: BookDelta) -> None:
        """Note what is about to change; the mirror is moved right after."""
        for rows, touched, side in (
            (delta.bids, self._bids, self._feed.bids),
            (delta.asks, self._asks, self._feed.asks),
        ):
            for _, price, _ in rows:
                touched.setdefault(price, side.get(price, 0))

    def beat(self) -> None:
        """Send the net change since the last message."""
        bids, asks = _net(self._bids, self._feed.bids), _net(self._asks, self._feed.asks)
        self._bids, self._asks = {}, {}
        if not (bids or asks) or not self.listeners:
            return
        if self.channel.family is Family.DEPTH:
            text = message(self.channel.name, self._top())
            for listener in list(self.listeners):
                listener.send_latest(self.channel.name, text)
        else:
            text = message(self.channel.name, self._change(bids, asks))
            for listener in list(self.listeners):
                listener.send(text)
        self._told_id = self._feed.change_id

    def _head(self) -> dict[str, Any]:
        feed = self._feed
        return {"instrument_name": feed.name, "timestamp": feed.time_ms, "change_id": feed.change_id}

    def _snapshot(self) -> dict[str, Any]:
        feed = self._feed
        bids = [("new", usdc(price), contracts(feed.bids[price])) for price in sorted(feed.bids, reverse=True)]
        asks = [("new", usdc(price), contracts(feed.asks[price])) for price in sorted(feed.asks)]
        return self._head() | {"type": "snapshot", "change_id": self._told_id, "bids": bids, "asks": asks}

    def _change(self, bids: list[Row], asks: list[Row]) -> dict[str, Any]:
        shown = {"type": "change", "prev_change_id": self._told_id, "bids": _shown(bids), "asks": _shown(asks)}
        return self._head() | shown

    def _top(self) -> dict[str, Any]:
        feed, depth, step = self._feed, self.channel.depth, self.channel.group * USDC_ONE
        bids = grouped(feed.bids, step, is_buy=True)[:depth]
        asks = grouped(feed.asks, step, is_buy=False)[:depth]
        sides = {"bids": bids, "asks": asks}
        return self._head() | {
            name: [(usdc(price), contracts(total)) for price, total in side] for name, side in sides.items()
        }


def grouped(side: dict[Price, Qty], step: Price, *, is_buy: bool) -> list[tuple[Price, Qty]]:
    """Levels, best first, put together in steps: bids at the step below and offers at the one above. 0: as they are."""
    totals: dict[Price, Qty] = {}
    for price, total in side.items():
        at = price if not step else price // step * step if is_buy else -(-price // step) * step
        totals[at] = totals.get(at, 0) + total
    return sorted(totals.items(), reverse=is_buy)


def _net(touched: dict[Price, Qty], now: dict[Price, Qty]) -> list[Row]:
    rows: list[Row] = []
    for price, before in touched.items():
        total = now.get(price, 0)
        if total != before:
            rows.append(("delete" if not total else "change" if before else "new", price, total))
    return rows


def _shown(rows: list[Row]) -> list[tuple[str, float, float]]:
    return [(verb, usdc(price), contracts(qty)) for verb, price, qty in rows]


class BookFeed:
    """A watched book as of its last released delta, and the channels that tell of it."""

    def __init__(self) -> None:
        self.name = ""
        self.change_id = -1
        self.time_ms = 0
        self.bids: dict[Price, Qty] = {}
        self.asks: dict[Price, Qty] = {}
        self.streams: dict[str, BookStream] = {}
        self.users = 0
        self._held: list[BookDelta] | None = []

    def start(self, snapshot: BookSnapshot) -> None:
        """Begin from a snapshot; deltas that came before it was released are applied if they are newer."""
        if self._held is None:
            return
        held, self._held = self._held, None
        if snapshot.change_id >= self.change_id:
            self.name, self.change_id, self.time_ms = snapshot.name, snapshot.change_id, snapshot.time_ms
            self.bids, self.asks = snapshot.bids, snapshot.asks
        for delta in held:
            self.hear(delta)

    def rest(self) -> None:
        """Nobody listens while somebody is on the way: changes may go untold until the snapshot that comes along."""
        if self._held is None:
            self._held = []

    def hear(self, delta: BookDelta) -> None:
        """Move the mirror by a released delta, and tell the raw channels."""
        if self._held is not None:
            self._held.append(delta)
            return
        if delta.change_id <= self.change_id:
            return
        for stream in self.streams.values():
            stream.hear(delta)
        _move(self.bids, delta.bids)
        _move(self.asks, delta.asks)
        self.change_id, self.time_ms = delta.change_id, delta.time_ms
        for stream in self.streams.values():
            if stream.channel.interval == "raw":
                stream.beat()


def _move(side: dict[Price, Qty], rows: list[Row]) -> None:
    for verb, price, qty in rows:
        if verb == "delete":
            side.pop(price, None)
        else:
            side[price] = qty
