"""Fan-out: notifications to channels, at the pace each channel promised.

Raw channels hear at once; paced ones hear what a tenth of a second (``agg2``: a second) came to. A paced book sends the
net change of its interval and skips no change id. Nothing is told before its record is durable, since the sequencer
calls ``publish`` only then, and tickers are read through it. Imports publisher, session's topics.
"""

import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from exchange.core.state import State
from exchange.dialect.channels import Channel, Family
from exchange.publisher import BookDelta, BookSnapshot, Note, Notification, Publisher, Revoked
from exchange.session import Reply, Subscribe
from exchange.session.work import Topic
from exchange.shell.clock import Clock
from exchange.shell.sequencer import Overloaded
from exchange.shell.streams import BookFeed, BookStream, Listener, Stream, stream_of

PACE_S: Final = 0.1
SLOW_BEATS: Final = 10  # agg2 hears every tenth beat


Reader = Callable[[Callable[[State], Any]], Awaitable[Any]]


class Hub:
    """All channels of all connections."""

    def __init__(self, publisher: Publisher, read: Reader) -> None:
        self._publisher = publisher
        self._read = read
        self._streams: defaultdict[tuple[str, int], dict[str, Stream]] = defaultdict(dict)
        self._books: dict[int, BookFeed] = {}
        self._attached: dict[Listener, dict[str, Topic]] = {}
        self._beats = 0

    @property
    def subscriptions(self) -> int:
        """Channels, counted once for each who hears them."""
        return sum(map(len, self._attached.values()))

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
            elif isinstance(note, Note):
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
        """Collect tickers and portfolios, then send what the paced channels have gathered.

        A venue too busy to be asked is asked again by the next beat; what has gathered is sent all the same.
        """
        if self._publisher.has_marked():
            with contextlib.suppress(Overloaded):
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
        if not listener.is_open:
            return  # it left between asking and now, and nobody would detach it any more
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
            if channel.name not in streams:
                streams[channel.name] = stream_of(channel)
            streams[channel.name].join(listener)

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
            stream.part(listener)
            if not stream.listeners:
                del streams[topic.channel.name]
            if not streams:
                del self._streams[topic.channel.stem, account]
        return joined

    def _release(self, channel: Channel, feed: BookFeed) -> None:
        feed.users -= 1
        if not feed.users:
            del self._books[self._publisher.listed[channel.subject].series]
        elif not feed.streams:
            feed.rest()


def _is_book(channel: Channel) -> bool:
    return channel.family in (Family.BOOK, Family.DEPTH)
