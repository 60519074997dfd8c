"""From (state, outcome) to notifications, and the look-ups a session needs between records.

``change_id`` of a book is the seq of the last record that changed it: the same number on REST and streams, rising, and
a pointer into the journal. Work is skipped for what nobody watches. Tickers and portfolios are not built per record but
marked, and collected at the sender's pace. Imports core, dialect, signing.
"""

import itertools
from collections import Counter
from typing import Any, Final, NamedTuple, TypeVar

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.distress import concerned
from exchange.core.state import State
from exchange.core.units import Nanos, Price, Qty
from exchange.dialect.channels import RFQS, TICKERS, Channel, Family, currencies_of
from exchange.dialect.listed import Listed, listed_of
from exchange.dialect.market import GreekSheet, auction_object, index_of_underlying, quote_object, ticker_object
from exchange.dialect.names import base_currency, index_name
from exchange.dialect.numbers import millis, usdc
from exchange.dialect.orders import (
    ComboFill,
    Tracked,
    combo_trade_object,
    order_object,
    protection_object,
    trade_object,
    user_combo_trade_object,
)
from exchange.dialect.portfolio import portfolio_object
from exchange.dialect.rfqs import Asked
from exchange.publisher.blocks import Agreed, BlockLog
from exchange.publisher.boards import Boards
from exchange.publisher.changes import changes_object, changes_of
from exchange.publisher.directory import Directory
from exchange.publisher.dropcopy import drop_copy_object
from exchange.publisher.history import History, is_public
from exchange.publisher.labels import Bearer, Labels, content_of
from exchange.publisher.moments import Moment, Moments, Written, combos_of, decode, entries_of, fills_of
from exchange.publisher.notes import BookDelta, BookSnapshot, Kept, Note, Notification, Outcome, Revoked, Row
from exchange.publisher.orderlog import Level, Noted, OrderLog
from exchange.publisher.rfqs import RfqLog, notes_of
from exchange.publisher.statements import Delivery
from exchange.signing import domain_separator, to_hex

K = TypeVar("K")
# Per collection, which holds up matching: a ticker takes microseconds, the margins of an account up to a millisecond.
TICKERS_MAX: Final = 256
PORTFOLIOS_MAX: Final = 16
_RARE: Final = (c.PostRound, c.ObserveRevocation, c.ExecuteBlock)
_OF_INDEX: Final = (Family.INDEX, Family.MARKS, Family.ESTIMATE, Family.STATISTICS)
_BY_KIND: Final = (
    Family.TRADES,
    Family.ORDERS,
    Family.FILLS,
    Family.CHANGES,
    Family.COMBO_FILLS,
    Family.STATE,
    Family.CREATION,
)
_ONLY_BY_KIND: Final = (Family.STATE, Family.CREATION)
_SETTLEMENT_CURRENCIES: Final = ("USDC", "ANY")


class Venue(NamedTuple):
    """Who this venue is: what orders are signed for."""

    name: str
    chain_id: int
    clearing: str
    operator: str
    domain: bytes


class Shadow(NamedTuple):
    """A watched book as last told: price to total, so that a delta knows new from change."""

    bids: dict[Price, Qty]
    asks: dict[Price, Qty]


class Publisher:
    """Follows every record; see the module."""

    def __init__(self) -> None:
        self.venue: Venue | None = None
        self.listed: dict[str, Listed] = {}
        self.by_series: dict[int, Listed] = {}
        self.indices: dict[str, int] = {}
        self.directory = Directory()
        self.rfqs = RfqLog(self.by_series)
        self.orders = OrderLog(self.by_series, self.rfqs.open)
        self.blocks = BlockLog()
        self.history = History(self.by_series)
        self.moments = Moments()
        self.labels = Labels()
        self.keeps = False  # whether somebody writes history down
        self.sheet = GreekSheet()
        self.ready = False
        self.time_ns: Nanos = 0
        self._noted = Noted()
        self._ended: list[Asked] = []
        self._base_change_id = 0
        self._change_ids: dict[int, int] = {}
        self._shadows: dict[int, Shadow] = {}
        self._watched: Counter[tuple[str, int]] = Counter()
        self._families: Counter[Family] = Counter()
        self._accounts: Counter[int] = Counter()
        self._boards = Boards(self.by_series, self.indices, self.history, self._watched, self._families)
        self._quoted: dict[int, tuple[float, ...]] = {}
        self._tickers = self._auctions = 0  # how many watch those
        self._dirty_auctions: dict[int, None] = {}
        self._dirty_tickers: dict[int, None] = {}
        self._dirty_accounts: dict[int, None] = {}

    # -- following ----------------------------------------------------------------------------------------------------

    def rebuild(self, state: State) -> None:
        """Start from a state; what came before is unknown except as the state tells."""
        self.listed.clear()
        self.by_series.clear()
        self.indices.clear()
        self.indices.update({index_name(item.name): item.id for item in state.underlyings.values()})
        self._adopt_venue(state)
        for series in (*state.series, *state.combos):
            self._list(state, series)
        self.directory.rebuild(state)
        self.rfqs.rebuild(state)
        self.orders.rebuild(state)
        self.history.rebuild(state)
        self.moments.clear(state.seq)
        self.labels.clear()
        self._base_change_id = state.seq
        self.time_ns = state.time_ns
        self._change_ids.clear()
        self.ready = True

    def tap(self, state: State, outcome: Outcome) -> list[Notification]:
        """Follow one record and tell what the watchers of anything it touched should hear."""
        if not self.ready:
            return []
        return [*self._followed(state, outcome), *self._remembered(outcome)]

    def _followed(self, state: State, outcome: Outcome) -> list[Notification]:
        self.time_ns = outcome.time_ns
        kind = type(outcome.command)
        if kind is not c.Place and kind is not c.Cancel and kind is not c.Amend:
            self._note_rare(state, outcome)
        noted = self._noted = self.orders.note(state, outcome)
        self.history.note(state, outcome, noted)
        told: list[Notification] = []
        if self._shadows:
            told += self._deltas(state, outcome, noted)
        else:
            for series, _, _ in noted.levels:
                self._change_ids[series] = outcome.seq
        if self._tickers:
            for series, _, _ in noted.levels:
                self._dirty_tickers[series] = None
        if self._auctions:
            for series, _, _ in noted.levels:
                self._dirty_auctions[series] = None
        if noted.fills and self._watched:
            self._tell_trades(told, noted)
        if self._accounts:
            self._tell_orders(told, state, noted)
        if kind in _RARE:
            self._tell_rare(told, state, outcome)
        if self._families[Family.PROTECTION]:
            told += self._protections(outcome)
        return [*told, *self._boards.note(state, outcome, noted), *self._requests(state, outcome, noted)]

    def _remembered(self, outcome: Outcome) -> list[Notification]:
        """What the record did to accounts, kept for the drop copy, and told to whoever hears that or writes it down."""
        noted, label = self._noted, self._labelled(outcome)
        moment = self.moments.note(outcome, noted, self.orders.open, self.history.written, self._ended, label)
        data = self.moments.keep(moment) if moment is not None else b""
        told: list[Notification] = []
        if moment is not None and self._families[Family.DROP_COPY]:
            stem = f"{Family.DROP_COPY.value}."
            for account in moment.priors:
                if (stem, account) in self._watched:
                    item = drop_copy_object(moment, account, self.by_series)
                    told.append(Note((stem,), account, item, latest=False))
        if self.keeps:
            matters, numbers = (moment.matters, moment.numbers) if moment is not None else (False, {})
            bars, points = self.history.bars_of(noted), self.history.points_of(outcome)
            told.append(Kept(outcome.seq, outcome.time_ns, data, matters, numbers, bars, points))
        return told

    def _labelled(self, outcome: Outcome) -> bytes:
        """Remember a labelled order that was entered; the digest of what it asks for."""
        command = outcome.command
        if type(command) is not c.Place or not command.label or outcome.seq not in self._noted.touched:
            return b""
        content = content_of(command)
        self.labels.keep(command.auth.account, command.label, Bearer(outcome.seq, content, outcome.time_ns))
        return content

    def recall(self, data: bytes) -> Moment:
        """Remember a record that an earlier process followed, the oldest first, after ``rebuild``; its moment.

        Raises KeyError for an instrument that the state does not list.
        """
        moment, noted = decode(data), Noted()
        for image in moment.orders:
            tracked = image.tracked()
            if image.id == moment.seq and moment.label:
                order = tracked.order  # its label may be another by now
                self.labels.keep(order.account, order.label, Bearer(moment.seq, moment.label, moment.time_ns))
            noted.touched[image.id] = self.orders.recall(tracked, is_open=image.is_open)
        noted.fills = fills_of(moment, self.by_series)
        noted.combos = combos_of(moment, noted.fills, self.by_series)
        for fill in noted.trades():
            if is_public(fill):
                self.orders.recall_tick(fill)
        blocks = tuple(fill for fill in noted.fills if fill.block)
        if blocks:
            self.blocks.keep(Agreed(moment.seq, moment.time_ns, blocks))
        deliveries = [Delivery(self.by_series[item[0]], moment.time_ns, *item[1:]) for item in moment.deliveries]
        self.history.recall(noted, Written(entries_of(moment, self.by_series), deliveries))
        self.rfqs.recall(noted, moment.ended)
        self.moments.keep(moment, data)
        return moment

    @property
    def noted(self) -> Noted:
        """What the latest record did; for rendering its reply."""
        return self._noted

    def fills_of(self, account: int) -> int:
        """How many trades of an account this process knows of; it never falls."""
        return self.history.tape.counts[account]

    def change_id(self, series: int) -> int:
        """Seq of the last record that changed the book, or at which this process started."""
        return self._change_ids.get(series, self._base_change_id)

    def _note_rare(self, state: State, outcome: Outcome) -> None:
        command, first = outcome.command, outcome.events[0] if outcome.events else None
        command = command.operation if isinstance(command, c.Operate) else command
        if isinstance(first, e.Rejected):
            return
        self.directory.note(command)
        match command:
            case c.Configure():
                self._adopt_venue(state)
            case c.ListUnderlying():
                self.indices[index_name(command.name)] = command.underlying
            case c.ListSeries():
                self._list(state, state.expiries[command.expiry_id].series[command.index])
            case c.CreateCombo() | c.OpenRfq():
                self._list_combo(state, first)
            case c.Tick():
                self._mark_phases(outcome)
            case c.SetPhase():
                self._mark_all()
            case c.ExecuteBlock():
                self._mark_accounts(command.block.maker, command.block.taker)
            case c.ObserveOffbookQueued() | c.ObserveOffbookSettled():
                self._mark_accounts(command.maker, command.taker)
            case c.ObserveTransfer() | c.ObserveCaseClosed():
                self._mark_accounts(*concerned(command))
            case c.PostRound() | c.SetTrading() | c.BatchRefused():
                self._mark_all()
                self._dirty_accounts.update(dict.fromkeys(self._accounts))
            case _:
                self._mark_accounts(getattr(command, "account", 0))

    def _mark_accounts(self, *accounts: int) -> None:
        for account in accounts:
            if account in self._accounts:
                self._dirty_accounts[account] = None

    def _mark_all(self) -> None:
        """Every ticker and every auction may have changed."""
        if self._tickers:
            self._dirty_tickers.update(dict.fromkeys(self.by_series))
        if self._auctions:
            self._dirty_auctions.update(dict.fromkeys(self.by_series))

    def _mark_phases(self, outcome: Outcome) -> None:
        """Series that went from one phase to the next by themselves."""
        for event in outcome.events:
            if isinstance(event, e.PhaseChanged):
                self._dirty_tickers[event.subject] = None
                self._dirty_auctions[event.subject] = None

    def _adopt_venue(self, state: State) -> None:
        config = state.config
        if config is not None:
            domain = domain_separator(config.chain_id, config.clearing)
            self.venue = Venue(config.venue, config.chain_id, to_hex(config.clearing), to_hex(config.operator), domain)

    def _list(self, state: State, series: int) -> None:
        listed = listed_of(state, series)
        self.listed[listed.name] = self.by_series[series] = listed

    def _list_combo(self, state: State, event: e.Event | None) -> None:
        if isinstance(event, e.ComboListed) and event.combo not in self.by_series:
            self._list(state, event.combo)

    # -- telling ------------------------------------------------------------------------------------------------------

    def _deltas(self, state: State, outcome: Outcome, noted: Noted) -> list[Notification]:
        changed: dict[int, list[Level]] = {}
        for level in noted.levels:
            changed.setdefault(level[0], []).append(level)
        told: list[Notification] = []
        for series, levels in changed.items():
            shadow = self._shadows.get(series)
            if shadow is None:
                self._change_ids[series] = outcome.seq
                continue
            delta = self._delta(state, outcome, shadow, series, levels)
            if delta is not None:
                told.append(delta)
                self._change_ids[series] = outcome.seq
        return told

    def _delta(
        self, state: State, outcome: Outcome, shadow: Shadow, series: int, levels: list[Level]
    ) -> BookDelta | None:
        """Rows for the levels whose totals really moved; None when they came out as they were."""
        book = state.books[series]
        bids: list[Row] = []
        asks: list[Row] = []
        for _, is_buy, price in levels:
            known = shadow.bids if is_buy else shadow.asks
            row = _row(known, price, book.side(is_buy=is_buy).total_at(price))
            if row is not None:
                (bids if is_buy else asks).append(row)
        if not bids and not asks:
            return None
        return BookDelta(series, outcome.seq, self.change_id(series), millis(outcome.time_ns), bids, asks)

    def _tell_trades(self, told: list[Notification], noted: Noted) -> None:
        for fill in noted.fills:
            stems = self._stems(Family.TRADES, fill.listed, 0)
            if stems:
                told.append(Note(stems, 0, trade_object(fill), latest=False))
            for side in (fill.taker, fill.maker):
                stems = self._stems(Family.FILLS, fill.listed, side.account)
                if stems:
                    item = noted.trade_of(fill, side, is_open=side.order_id in self.orders.open)
                    told.append(Note(stems, side.account, item, latest=False))
        for combo in noted.combos:
            self._tell_combo(told, noted, combo)

    def _tell_combo(self, told: list[Notification], noted: Noted, fill: ComboFill) -> None:
        """A combo traded: to everybody, and to whoever ordered it with its legs."""
        stems = self._stems(Family.TRADES, fill.listed, 0)
        if stems:
            told.append(Note(stems, 0, combo_trade_object(fill), latest=False))
        for side in (fill.taker, fill.maker):
            stems = self._stems(Family.COMBO_FILLS, fill.listed, side.account) if side is not None else ()
            if side is not None and stems:
                is_open = side.order_id in self.orders.open
                item = user_combo_trade_object(fill, side, noted.touched[side.order_id], is_open=is_open)
                told.append(Note(stems, side.account, item, latest=False))

    def _tell_orders(self, told: list[Notification], state: State, noted: Noted) -> None:
        for order_id, tracked in noted.touched.items():
            account = tracked.order.account
            if account not in self._accounts:
                continue
            self._dirty_accounts[account] = None
            listed = self.by_series[tracked.order.series]
            stems = self._stems(Family.ORDERS, listed, account)
            if stems:
                item = order_object(tracked, listed, is_open=order_id in state.orders)
                told.append(Note(stems, account, item, latest=False))
        if self._families[Family.CHANGES]:
            told += self._changes(state, noted)

    def _changes(self, state: State, noted: Noted) -> list[Notification]:
        told: list[Notification] = []
        for (account, _), change in changes_of(state, noted, self.by_series).items():
            stems = self._stems(Family.CHANGES, change.listed, account)
            if stems:
                told.append(Note(stems, account, changes_object(state, account, change, self.sheet), latest=False))
        return told

    def _requests(self, state: State, outcome: Outcome, noted: Noted) -> list[Notification]:
        """Requests for quotes that this record changed, each to whom it concerns."""
        touched = self.rfqs.note(state, outcome, noted)
        self._ended = touched.ended
        if not touched or not any(self._families[family] for family in RFQS):
            return []
        return [*notes_of(state, self.rfqs, noted, touched, self._watched)]

    def _protections(self, outcome: Outcome) -> list[Notification]:
        """Groups of quotes that this record froze, to the account's own; a group may span indices, so all are told."""
        told: list[Notification] = []
        for event in outcome.events:
            if type(event) is e.ProtectionTriggered:
                names = [f"{Family.PROTECTION.value}.{index}" for index in ("any", *self.indices)]
                stems = tuple(stem for stem in names if (stem, event.account) in self._watched)
                if stems:
                    told.append(Note(stems, event.account, protection_object(event, outcome.time_ns), latest=False))
        return told

    def _stems(self, family: Family, listed: Listed, account: int) -> tuple[str, ...]:
        """Stems of a family that speak of an instrument and that somebody watches."""
        if account and account not in self._accounts:
            return ()
        stems = [f"{family.value}.{subject}" for subject in listed.subjects]
        return tuple(stem for stem in stems if (stem, account) in self._watched)

    def _tell_rare(self, told: list[Notification], state: State, outcome: Outcome) -> None:
        command = outcome.command
        if isinstance(command, c.ExecuteBlock):
            self.blocks.note(outcome, self._noted.fills)
        if isinstance(command, c.ObserveRevocation) and isinstance(outcome.events[0], e.Applied):
            told.append(Revoked(command.key, command.account))
        if isinstance(command, c.PostRound) and self._families[Family.INDEX]:
            told += self._index_notes(state)

    def _index_notes(self, state: State) -> list[Notification]:
        told: list[Notification] = []
        for name, underlying in self.indices.items():
            stem = f"{Family.INDEX.value}.{name}"
            if (stem, 0) in self._watched:
                price = usdc(index_of_underlying(state, underlying))
                item = {"timestamp": millis(state.time_ns), "price": price, "index_name": name}
                told.append(Note((stem,), 0, item, latest=True))
        return told

    # -- watching -----------------------------------------------------------------------------------------------------

    def knows(self, channel: Channel) -> bool:
        """Whether the subject of a channel exists here."""
        if channel.family in _OF_INDEX:
            return channel.subject in self.indices
        if channel.family is Family.CHART:
            return channel.subject.rpartition(".")[0] in self.listed
        if channel.family in (Family.PLATFORM, Family.DROP_COPY):
            return True
        if channel.family is Family.PORTFOLIO:
            return channel.subject in _SETTLEMENT_CURRENCIES
        if channel.family is Family.PROTECTION:
            return channel.subject == "any" or channel.subject in self.indices
        if channel.family in RFQS:
            return any(channel.subject in currencies_of(listed.base) for listed in self.listed.values())
        if channel.subject in self.listed:
            return channel.family not in _ONLY_BY_KIND
        kind, _, currency = channel.subject.partition(".")
        return bool(kind and currency) and channel.family in _BY_KIND

    def watch(self, state: State, channel: Channel, account: int) -> BookSnapshot | None:
        """Start telling about a channel's stem; a book starts with a snapshot as of this state."""
        self._watched[channel.stem, account] += 1
        self._families[channel.family] += 1
        self._count_watches()
        self._boards.watch(state, channel.family)
        if account:
            self._accounts[account] += 1
            self._dirty_accounts[account] = None
        if channel.family in TICKERS:
            self._dirty_tickers[self.listed[channel.subject].series] = None
            self._quoted.pop(self.listed[channel.subject].series, None)
        if channel.family is Family.AUCTION:
            self._dirty_auctions[self.listed[channel.subject].series] = None
        if channel.family in (Family.BOOK, Family.DEPTH):
            return self._watch_book(state, self.listed[channel.subject])
        return None

    def _watch_book(self, state: State, listed: Listed) -> BookSnapshot:
        book = state.books[listed.series]
        shadow = self._shadows.get(listed.series)
        if shadow is None:
            shadow = Shadow(dict(book.bids.depth(len(book.bids.keys))), dict(book.asks.depth(len(book.asks.keys))))
            self._shadows[listed.series] = shadow
        change_id = self.change_id(listed.series)
        now_ms = millis(state.time_ns)
        return BookSnapshot(listed.series, listed.name, change_id, now_ms, dict(shadow.bids), dict(shadow.asks))

    def unwatch(self, channel: Channel, account: int) -> None:
        """Stop telling, when it was the last to watch."""
        _decrease(self._watched, (channel.stem, account))
        _decrease(self._families, channel.family)
        self._count_watches()
        if account:
            _decrease(self._accounts, account)
        if channel.family in (Family.BOOK, Family.DEPTH):
            listed = self.listed[channel.subject]
            stems = (f"{Family.BOOK.value}.{listed.name}", f"{Family.DEPTH.value}.{listed.name}")
            if not any((stem, 0) in self._watched for stem in stems):
                self._shadows.pop(listed.series, None)

    def _count_watches(self) -> None:
        self._tickers = sum(self._families[family] for family in TICKERS)
        self._auctions = self._families[Family.AUCTION]

    def watching(self) -> int:
        """How many watches are in force."""
        return self._watched.total()

    # -- collecting ---------------------------------------------------------------------------------------------------

    def has_marked(self) -> bool:
        """Whether a collection would find tickers or portfolios to tell."""
        return bool(
            (self._dirty_tickers and self._tickers)
            or (self._dirty_auctions and self._families[Family.AUCTION])
            or (self._dirty_accounts and self._families[Family.PORTFOLIO])
        )

    def collect(self, state: State) -> list[Notification]:
        """Tickers, auctions and portfolios marked since the last collection, as they are now; so many of each at most.

        The rest is for the next one, in the order of their marks: nobody waits for ever, and matching never waits long.
        """
        told: list[Notification] = []
        for series in _take(self._dirty_tickers, TICKERS_MAX):
            told += self._ticker_notes(state, self.by_series[series])
        for series in _take(self._dirty_auctions, TICKERS_MAX):
            listed = self.by_series[series]
            stem = f"{Family.AUCTION.value}.{listed.name}"
            if (stem, 0) in self._watched:
                told.append(Note((stem,), 0, auction_object(state, listed), latest=True))
        return told + self._portfolios(state)

    def _ticker_notes(self, state: State, listed: Listed) -> list[Notification]:
        """The ticker to whom hears it whole or in parts, and its quote where that is another than last told."""
        names = {family: f"{family.value}.{listed.name}" for family in TICKERS}
        watched = {family: name for family, name in names.items() if (name, 0) in self._watched}
        if not watched:
            return []
        ticker, quote = self.ticker_of(state, listed), watched.pop(Family.QUOTE, None)
        told: list[Notification] = [Note((name,), 0, ticker, latest=True) for name in watched.values()]
        if quote is not None:
            shown = quote_object(ticker)
            best = tuple(shown[name] for name in shown if name.startswith("best_"))
            if self._quoted.get(listed.series) != best:
                self._quoted[listed.series] = best
                told.append(Note((quote,), 0, shown, latest=True))
        return told

    def _portfolios(self, state: State) -> list[Notification]:
        told: list[Notification] = []
        stems = tuple(f"{Family.PORTFOLIO.value}.{currency}" for currency in _SETTLEMENT_CURRENCIES)
        while self._dirty_accounts and len(told) < PORTFOLIOS_MAX:
            (account,) = _take(self._dirty_accounts, 1)
            wanted = tuple(stem for stem in stems if (stem, account) in self._watched)
            if wanted and account in state.accounts:
                item = portfolio_object(state, state.accounts[account], self.sheet, self.bases(state))
                told.append(Note(wanted, account, item, latest=True))
        return told

    def ticker_of(self, state: State, listed: Listed) -> dict[str, Any]:
        """The ticker of an instrument, as it is now."""
        return ticker_object(state, listed, self.sheet, self.history.candles.day(listed.series, state.time_ns))

    def bases(self, state: State) -> tuple[str, ...]:
        """Base currencies of the underlyings, in lower case."""
        return tuple(base_currency(item.name).lower() for item in state.underlyings.values())

    def find_order(self, order_id: int) -> Tracked | None:
        """An order that is open, or closed not long ago."""
        return self.orders.find(order_id)


def _row(known: dict[Price, Qty], price: Price, total: Qty) -> Row | None:
    before = known.get(price, 0)
    if total == before:
        return None
    if not total:
        del known[price]
        return ("delete", price, 0)
    known[price] = total
    return ("change" if before else "new", price, total)


def _decrease(counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


def _take(marked: dict[int, None], count: int) -> list[int]:
    """Remove and return the first marks."""
    taken = list(itertools.islice(marked, count))
    for key in taken:
        del marked[key]
    return taken
