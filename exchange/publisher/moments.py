"""What each record did to accounts, kept as bytes: the drop copy of an account is read from it, and so is history after
a restart.

A moment is one record's orders, fills, combos, changes of cash, groups that froze and requests that ended, in compact
form; names are left out, since listings are known. The moments of an account are chained: each names the record of the
one before. Pure: whoever writes them to a disk is told by ``Kept``. Imports core, dialect, the logs of this package.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core import events as e
from exchange.core.commands import NO_TERMS, Terms
from exchange.core.events import CancelReason
from exchange.core.state_types import Order
from exchange.core.units import U63_MAX, Cash, Nanos, Price, Qty
from exchange.dialect.listed import Listed
from exchange.dialect.orders import ComboFill, Fill, Side, Tracked
from exchange.dialect.rfqs import Asked
from exchange.publisher.notes import Outcome
from exchange.publisher.orderlog import Noted
from exchange.publisher.statements import Delivery, Entry, Why

KEPT_MAX: Final = 100_000
KEPT_OF_ACCOUNT_MAX: Final = 20_000

SideImage = tuple[int, int, bool, int, bool]
Big = int | str
"""A number that may outgrow 64 bits: digits when it does."""


class OrderImage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An order right after the record, as ``Tracked`` has it."""

    order: tuple[Any, ...]
    resting_at: Price | None
    value: Big | None
    reason: CancelReason | None
    replaced: bool
    terms: Terms | None
    triggered: bool
    nonce: int
    is_open: bool

    @property
    def id(self) -> int:
        """The order's."""
        return int(self.order[0])

    def tracked(self) -> Tracked:
        """The order again, a copy."""
        value = None if self.value is None else int(self.value)
        terms = NO_TERMS if self.terms is None else self.terms
        order = Order(*self.order)
        return Tracked(order, self.resting_at, value, self.reason, self.replaced, terms, self.triggered, self.nonce)


class FillImage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A ``Fill``; ``combo`` is a number, 0 for none."""

    trade_id: int
    series: int
    price: Price
    qty: Qty
    index: Price
    mark: Price
    vol: int
    ticks: int
    taker: SideImage
    maker: SideImage
    rfq: int
    disclosed: bool
    combo: int
    group: int
    block: int
    legs: int


class ComboImage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A ``ComboFill``, whose legs are the fills of its group."""

    group: int
    series: int
    price: Price
    qty: Qty
    mark: Price
    ticks: int
    taker: SideImage
    maker: SideImage | None


class EntryImage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An ``Entry``; ``series`` 0 for none."""

    id: int
    number: int
    account: int
    why: Why
    change: Cash
    balance: Cash
    fee: Cash
    series: int
    qty: Qty
    position: Qty
    price: Price
    index: Price
    mark: Price
    cost: Cash
    trade_id: int
    order_id: int
    rfq: int
    is_taker: bool


class Moment(msgspec.Struct, array_like=True, gc=False):
    """One record. ``priors``: the accounts it concerns, each with the record before that concerned it (0: unknown);
    ``label`` is what ``labels.content_of`` says of the labelled order that it brought, else empty.
    """

    seq: int
    time_ns: Nanos
    priors: dict[int, int]
    orders: list[OrderImage] = []
    fills: list[FillImage] = []
    combos: list[ComboImage] = []
    entries: list[EntryImage] = []
    deliveries: list[tuple[int, Price, Qty]] = []
    frozen: list[e.ProtectionTriggered] = []
    ended: list[Asked] = []
    label: bytes = b""

    @property
    def numbers(self) -> dict[int, int]:
        """Accounts it concerns, each with the number of its last entry in it, 0 for none."""
        return dict.fromkeys(self.priors, 0) | {item.account: item.number for item in self.entries}

    @property
    def matters(self) -> bool:
        """Whether money moved."""
        return bool(self.fills or self.entries or self.deliveries)


_encode: Final = msgspec.msgpack.Encoder().encode
decode: Final = msgspec.msgpack.Decoder(Moment).decode


class Written(NamedTuple):
    """What statements said of a record."""

    entries: list[Entry]
    deliveries: list[Delivery]


# -- to images --------------------------------------------------------------------------------------------------------


def _big(value: int) -> Big:
    return value if -U63_MAX <= value <= U63_MAX else str(value)


def _side(side: Side) -> SideImage:
    return (side.order_id, side.account, side.is_buy, side.fee, side.is_taker)


def _of_order(tracked: Tracked, *, is_open: bool) -> OrderImage:
    value = tracked.value
    return OrderImage(
        msgspec.structs.astuple(tracked.order),
        tracked.resting_at,
        value if value is None else _big(value),
        tracked.reason,
        tracked.replaced,
        None if tracked.terms is NO_TERMS else tracked.terms,
        tracked.triggered,
        tracked.nonce,
        is_open,
    )


def _of_fill(fill: Fill) -> FillImage:
    return FillImage(
        fill.trade_id,
        fill.listed.series,
        fill.price,
        fill.qty,
        fill.index,
        fill.mark,
        fill.vol,
        fill.ticks,
        _side(fill.taker),
        _side(fill.maker),
        fill.rfq,
        fill.disclosed,
        0 if fill.combo is None else fill.combo.series,
        fill.group,
        fill.block,
        fill.legs,
    )


def _of_combo(fill: ComboFill) -> ComboImage:
    maker = None if fill.maker is None else _side(fill.maker)
    head = (fill.group, fill.listed.series, fill.price, fill.qty, fill.mark, fill.ticks)
    return ComboImage(*head, _side(fill.taker), maker)


def _of_entry(entry: Entry) -> EntryImage:
    series = 0 if entry.listed is None else entry.listed.series
    money = (entry.change, entry.balance, entry.fee)
    place = (series, entry.qty, entry.position, entry.price, entry.index, entry.mark, entry.cost)
    ids = (entry.trade_id, entry.order_id, entry.rfq)
    return EntryImage(entry.id, entry.number, entry.account, entry.why, *money, *place, *ids, entry.is_taker)


# -- from images ------------------------------------------------------------------------------------------------------

Named = Mapping[int, Listed]


def fills_of(moment: Moment, named: Named) -> list[Fill]:
    """The fills again. Raises KeyError for a series that is not listed."""
    return [
        Fill(
            trade_id=item.trade_id,
            listed=named[item.series],
            time_ns=moment.time_ns,
            price=item.price,
            qty=item.qty,
            index=item.index,
            mark=item.mark,
            vol=item.vol,
            ticks=item.ticks,
            taker=Side(*item.taker),
            maker=Side(*item.maker),
            rfq=item.rfq,
            disclosed=item.disclosed,
            combo=named[item.combo] if item.combo else None,
            group=item.group,
            block=item.block,
            legs=item.legs,
        )
        for item in moment.fills
    ]


def combos_of(moment: Moment, fills: Iterable[Fill], named: Named) -> list[ComboFill]:
    """The trades of combos again, with their legs among the fills."""
    by_group: dict[int, list[Fill]] = {}
    for fill in fills:
        by_group.setdefault(fill.group, []).append(fill)
    return [
        ComboFill(
            group=item.group,
            listed=named[item.series],
            time_ns=moment.time_ns,
            price=item.price,
            qty=item.qty,
            mark=item.mark,
            ticks=item.ticks,
            taker=Side(*item.taker),
            maker=Side(*item.maker) if item.maker is not None else None,
            legs=tuple(by_group[item.group]),
        )
        for item in moment.combos
    ]


def entries_of(moment: Moment, named: Named) -> list[Entry]:
    """The changes of cash again."""
    return [
        Entry(
            id=item.id,
            number=item.number,
            time_ns=moment.time_ns,
            account=item.account,
            why=item.why,
            change=item.change,
            balance=item.balance,
            fee=item.fee,
            listed=named[item.series] if item.series else None,
            qty=item.qty,
            position=item.position,
            price=item.price,
            index=item.index,
            mark=item.mark,
            cost=item.cost,
            trade_id=item.trade_id,
            order_id=item.order_id,
            rfq=item.rfq,
            is_taker=item.is_taker,
        )
        for item in moment.entries
    ]


# -- the log ----------------------------------------------------------------------------------------------------------


class Moments:
    """The last ones, as bytes, and for each account the records that concerned it with the one before each."""

    def __init__(self) -> None:
        self.last: dict[int, int] = {}  # account -> the last record that concerned it
        self.since = 0  # of records up to this one nothing is known
        self._blobs: OrderedDict[int, tuple[bytes, tuple[int, ...]]] = OrderedDict()
        self._of_account: dict[int, deque[tuple[int, int]]] = {}

    def clear(self, since: int) -> None:
        """Forget everything up to a record."""
        self.since = since
        self.last.clear()
        self._blobs.clear()
        self._of_account.clear()

    def note(
        self,
        outcome: Outcome,
        noted: Noted,
        open_orders: Mapping[int, Tracked],
        written: Written,
        ended: list[Asked],
        label: bytes,
    ) -> Moment | None:
        """Follow one record; its moment, unless it concerns no account."""
        frozen = [event for event in outcome.events if type(event) is e.ProtectionTriggered]
        accounts = {item.order.account: None for item in noted.touched.values()}
        accounts |= {entry.account: None for entry in written.entries} | {event.account: None for event in frozen}
        if not accounts and not written.deliveries and not ended:
            return None
        priors = {account: self.last.get(account, 0) for account in accounts}
        return Moment(
            outcome.seq,
            outcome.time_ns,
            priors,
            [_of_order(item, is_open=number in open_orders) for number, item in noted.touched.items()],
            [_of_fill(fill) for fill in noted.fills],
            [_of_combo(fill) for fill in noted.combos],
            [_of_entry(entry) for entry in written.entries],
            [(item.listed.series, item.price, item.open_interest) for item in written.deliveries],
            frozen,
            ended,
            label,
        )

    def keep(self, moment: Moment, data: bytes | None = None) -> bytes:
        """Remember one more; its bytes."""
        data = _encode(moment) if data is None else data
        self._blobs[moment.seq] = (data, tuple(moment.priors))
        for account, prior in moment.priors.items():
            self.last[account] = moment.seq
            mine = self._of_account.setdefault(account, deque())
            mine.append((moment.seq, prior))
            if len(mine) > KEPT_OF_ACCOUNT_MAX:
                mine.popleft()
        if len(self._blobs) > KEPT_MAX:
            seq, (_, accounts) = self._blobs.popitem(last=False)
            for account in accounts:
                mine = self._of_account[account]
                if mine and mine[0][0] == seq:
                    mine.popleft()
        return data

    def at(self, seq: int) -> Moment | None:
        """The moment of a record, if it is remembered."""
        held = self._blobs.get(seq)
        return decode(held[0]) if held is not None else None

    def of(self, account: int, first: int) -> Iterator[Moment]:
        """Moments of an account from a record on, oldest first."""
        for seq, _ in list(self._of_account.get(account, ())):
            if seq >= first and seq in self._blobs:
                yield decode(self._blobs[seq][0])

    def reach(self, account: int) -> int:
        """The first record from which on nothing of an account is missing here."""
        held = self._of_account.get(account)
        return max(held[0][1] if held else self.last.get(account, 0), self.since) + 1
