"""Fan-out: notifications to channels, at the pace each channel promised.

Raw channels hear at once; paced ones hear what a tenth of a second (``agg2``: a second) came to. A paced book sends the
net change of its interval and skips no change id. Nothing is told before its record is durable, since the sequencer
calls ``publish`` only then, and tickers are read through it. Imports publisher, session's topics.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from exchange.core.state import State
from exchange.core.units import Price, Qty
from exchange.dialect.channels import Channel, Family
from exchange.dialect.numbers import contracts, usdc
from exchange.publisher import BookDelta, BookSnapshot, Note, Notification, Publisher, Revoked
from exchange.publisher.notes import Row
from exchange.session import Reply, Subscribe
from exchange.session.work import Topic
from exchange.shell.clock import Clock

T = TypeVar("T")

PACE_S: Final = 0.1
SLOW_BEATS: Final = 10  # agg2 hears every tenth beat
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


Reader = Callable[[Callable[[State], Any]], Awaitable[Any]]


def message(channel: str, data: Any) -> str:
    """A subscription message."""
    return _encode({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}).decode()


class Stream:
    """One channel of one account (0: public) and who listens to it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.listeners: dict[Listener, None] = {}
        self._gathered: list[dict[str, Any]] = []
        self._alone = channel.family is Family.ORDERS and channel.interval == "raw"

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
        feed, depth = self._feed, self.channel.depth
        bids = [(usdc(price), contracts(feed.bids[price])) for price in sorted(feed.bids, reverse=True)[:depth]]
        asks = [(usdc(price), contracts(feed.asks[price])) for price in sorted(feed.asks)[:depth]]
        return self._head() | {"bids": bids, "asks": asks}


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
        """Begin from the first snapshot; deltas that came before it was released are applied if they are newer."""
        if self._held is None:
            return
        held, self._held = self._held, None
        self.name, self.change_id, self.time_ms = snapshot.name, snapshot.change_id, snapshot.time_ms
        self.bids, self.asks = snapshot.bids, snapshot.asks
        for delta in held:
            self.hear(delta)

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


class Hub:
    """All channels of all connections."""

    def __init__(self, publisher: Publisher, read: Reader) -> None:
        self._publisher = publisher
        self._read = read
        self._streams: defaultdict[tuple[str, int], dict[str, Stream]] = defaultdict(dict)
        self._books: dict[int, BookFeed] = {}
        self._attached: dict[Listener, dict[str, Topic]] = {}
        self._beats = 0

    # -- what comes in ------------------------------------------------------------------------------------------------

    def publish(self, notes: Sequence[Notification]) -> None:
        """Tell what a set of durable records caused; the sequencer calls this."""
        for note in notes:
            if isinstance(note, BookDelta):
                feed = self._books.get(note.series)
                if feed is not None:
                    feed.hear(note)
            elif isinstance(note, Revoked):
                self._end_revoked(note)
            else:
                for stem in note.stems:
                    for stream in list(self._streams.get((stem, note.account), {}).values()):
                        stream.hear(note)

    def _end_revoked(self, note: Revoked) -> None:
        for listener in list(self._attached):
            if listener.address == note.key:
                listener.end("key revoked")

    async def run(self, clock: Clock) -> None:
        """Beat until cancelled."""
        while True:
            await clock.sleep(PACE_S)
            await self.beat()

    async def beat(self) -> None:
        """Collect tickers and portfolios, then send what the paced channels have gathered."""
        if self._publisher.has_marked():
            self.publish(await self._read(self._publisher.collect))
        self._beats += 1
        paces = ("100ms", "agg2") if self._beats % SLOW_BEATS == 0 else ("100ms",)
        for streams in list(self._streams.values()):
            for stream in list(streams.values()):
                if stream.channel.interval in paces:
                    stream.beat()
        for feed in list(self._books.values()):
            for book_stream in list(feed.streams.values()):
                if book_stream.channel.interval in paces:
                    book_stream.beat()

    # -- who listens --------------------------------------------------------------------------------------------------

    async def attach(self, listener: Listener, work: Subscribe, reply: Callable[[], Reply]) -> None:
        """Begin to tell a listener about topics: first the reply, then what each channel starts with."""
        held = self._attached.setdefault(listener, {})
        fresh = [topic for topic in work.topics if topic.channel.name not in held]
        held.update((topic.channel.name, topic) for topic in fresh)
        feeds = [self._feed(topic.channel) for topic in fresh]
        watched = False
        try:
            snapshots = await self._read(lambda state: self._watch(state, fresh))
            watched = True
        finally:
            if not watched:
                self._abandon(listener, fresh, feeds)
        listener.send(reply().text)
        for topic, feed, snapshot in zip(fresh, feeds, snapshots, strict=True):
            if feed is not None:
                feed.start(snapshot)
            if listener.is_open and held.get(topic.channel.name) is topic:
                self._join(listener, topic, feed)
            else:  # it left, or unsubscribed, while the state was being asked
                self._unwatch(topic, feed)

    def _feed(self, channel: Channel) -> BookFeed | None:
        if not _is_book(channel):
            return None
        feed = self._books.setdefault(self._publisher.listed[channel.subject].series, BookFeed())
        feed.users += 1
        return feed

    def _watch(self, state: State, topics: Iterable[Topic]) -> list[BookSnapshot | None]:
        snapshots: list[BookSnapshot | None] = []
        for topic in topics:
            found = [self._publisher.watch(state, topic.channel, account) for account in topic.accounts or (0,)]
            snapshots.append(found[0])
        return snapshots

    def _join(self, listener: Listener, topic: Topic, feed: BookFeed | None) -> None:
        channel = topic.channel
        if feed is not None:
            stream = feed.streams.get(channel.name)
            if stream is None:
                stream = feed.streams[channel.name] = BookStream(channel, feed)
            stream.join(listener)
            return
        for account in topic.accounts or (0,):
            streams = self._streams[channel.stem, account]
            streams.setdefault(channel.name, Stream(channel)).listeners[listener] = None

    def _abandon(self, listener: Listener, topics: list[Topic], feeds: list[BookFeed | None]) -> None:
        """Take back what an attachment began, when the venue stopped before answering."""
        for topic, feed in zip(topics, feeds, strict=True):
            self._attached.get(listener, {}).pop(topic.channel.name, None)
            if feed is not None:
                self._release(topic.channel, feed)

    def detach(self, listener: Listener, topics: Iterable[Topic]) -> None:
        """Stop telling a listener about topics."""
        held = self._attached.get(listener, {})
        for topic in topics:
            known = held.pop(topic.channel.name, None)
            if known is not None:
                self._part(listener, known)

    def leave(self, listener: Listener) -> None:
        """The listener is gone."""
        self.detach(listener, list(self._attached.get(listener, {}).values()))
        self._attached.pop(listener, None)

    def _part(self, listener: Listener, topic: Topic) -> None:
        """Undo a join; an attachment still under way undoes itself."""
        channel = topic.channel
        if not _is_book(channel):
            if self._part_streams(listener, topic):
                self._unwatch(topic, None)
            return
        feed = self._books.get(self._publisher.listed[channel.subject].series)
        stream = feed.streams.get(channel.name) if feed is not None else None
        if feed is None or stream is None or listener not in stream.listeners:
            return
        del stream.listeners[listener]
        if not stream.listeners:
            del feed.streams[channel.name]
        self._unwatch(topic, feed)

    def _unwatch(self, topic: Topic, feed: BookFeed | None) -> None:
        for account in topic.accounts or (0,):
            self._publisher.unwatch(topic.channel, account)
        if feed is not None:
            self._release(topic.channel, feed)

    def _part_streams(self, listener: Listener, topic: Topic) -> bool:
        joined = False
        for account in topic.accounts or (0,):
            streams = self._streams.get((topic.channel.stem, account), {})
            stream = streams.get(topic.channel.name)
            if stream is None or listener not in stream.listeners:
                continue
            joined = True
            del stream.listeners[listener]
            if not stream.listeners:
                del streams[topic.channel.name]
            if not streams:
                del self._streams[topic.channel.stem, account]
        return joined

    def _release(self, channel: Channel, feed: BookFeed) -> None:
        feed.users -= 1
        if not feed.users:
            del self._books[self._publisher.listed[channel.subject].series]


def _is_book(channel: Channel) -> bool:
    return channel.family in (Family.BOOK, Family.DEPTH)
