"""The nouns of the machine: small mutable records, each owned by one feature module.

They hold facts only; rules live in the modules that use them. Imports words on facts: units, legs,
parameters, commands, events, keylimits and oamm_breakers.
"""

from bisect import bisect_left, insort
from typing import Final

import msgspec

from exchange.core.commands import (
    INDEX,
    Authorisation,
    ExecuteBlock,
    OpenRfq,
    Protection,
    QuoteLeaf,
    QuoteMandate,
    RecordClock,
    SetFeed,
    SetPool,
    Terms,
)
from exchange.core.events import RfqEnd
from exchange.core.keylimits import KeyLimits
from exchange.core.legs import Legs
from exchange.core.oamm_breakers import BreakerState
from exchange.core.parameters import STANDARD_MARGIN
from exchange.core.units import Cash, Nanos, Price, Qty, Risk, Seconds


class Order(msgspec.Struct, gc=False):
    """An open order. ``filled`` of ``qty`` has traded; ``priority`` orders it within its price, then ``turn``.

    Of an iceberg, ``display`` is shown at a time, ``hidden`` of what is left is not, and ``turn`` is the trade that
    used up the slice before. One that waits for a trigger says in ``watch`` what for, and ``held`` of it may not enter
    even then; ``group`` is the id of the order it came with, if it is linked, and ``protection`` names the group of
    quotes whose bounds count its fills.
    """

    id: int
    auth_id: int
    account: int
    series: int
    is_buy: bool
    price: Price
    qty: Qty
    filled: Qty
    priority: int
    max_fee: Price
    reduce_only: bool
    post_only: bool
    tif: int
    expiry_s: Seconds
    label: str
    created_ns: Nanos
    updated_ns: Nanos
    resting: bool = False
    display: Qty = 0
    hidden: Qty = 0
    turn: int = 0
    mandate: int = 0  # 0: an order of its own; else a quote under this one
    session: int = 0  # the connection that minds it; 0: none
    group: int = 0
    watch: int = 0
    held: Qty = 0
    protection: str = ""  # "": none, or a quote, whose mandate names its group
    rfq: int = 0  # 0: an order for the book; else a quote, which stands in this request only
    anonymous: bool = False  # of a quote: its maker is not told to whoever takes it


ATTACHED_SHIFT: Final = 48  # an id's low bits are the record that brought the order; these count those that came along


QUOTE_BIT: Final = 1 << 62  # order ids of quotes, apart from those of orders, which are the seq of their record


DEAL_BIT: Final = 1 << 61  # ids of authorisations spelt out from a block: no order bears them


def side_id(seq: int, leg: int, *, is_taker: bool) -> int:
    """The id of the authorisation that one side of a block's leg is spelt out as."""
    return DEAL_BIT | seq << 8 | leg << 1 | is_taker


def entered(order_id: int) -> tuple[int, int]:
    """The record that brought an order, and its place among those that it brought: ids sort otherwise."""
    if order_id & QUOTE_BIT:
        return (order_id ^ QUOTE_BIT) >> 8, order_id & 0xFF
    return order_id & ((1 << ATTACHED_SHIFT) - 1), order_id >> ATTACHED_SHIFT


def attached_id(seq: int, place: int) -> int:
    """The id of the order that came along as the ``place``-th with the one of a record; place 0 is that one's own."""
    return place << ATTACHED_SHIFT | seq


class Due(msgspec.Struct, array_like=True, gc=False):
    """An order whose trigger was reached: by which price, in which record, and when that was."""

    id: int
    price: Price
    fact: int
    time_ns: Nanos = 0


class Feed(msgspec.Struct, array_like=True, gc=False):
    """How far an underlying's rounds are trusted, and whether the last one jumped."""

    rules: SetFeed
    jumped: bool = False


class Pool(msgspec.Struct):
    """A pool of the AMM: what it quotes by, and what its breakers remember. Its id is that of its account."""

    id: int
    rules: SetPool
    breakers: BreakerState = BreakerState()


class AuthEntry(msgspec.Struct, gc=False):
    """A signed order kept until everything it allowed has settled.

    ``parent`` is the authorisation it replaced (0: none) and ``carry`` what had filled under it by then; ``refs``
    counts the open order, the unsettled trades and the child that still need this entry; ``batch`` is the first batch
    that names it (0: none yet). That of a quote is spelt out from the ``mandate`` and its ``leaf``, that of a side of a
    block's leg from the ``deal``, which are what was signed.
    """

    id: int
    auth: Authorisation
    parent: int
    carry: Qty
    refs: int
    batch: int = 0
    mandate: int = 0
    leaf: int = 0
    deal: int = 0


class Deal(msgspec.Struct, gc=False):
    """A block that has traded, kept until it is final; its id is the seq of its record.

    ``refs`` counts the authorisations that are spelt out from it.
    """

    id: int
    signed: ExecuteBlock
    refs: int


class QueuedBlock(msgspec.Struct, gc=False):
    """A block queued on the contracts, until it has settled there or can no more."""

    digest: bytes
    maker: int
    taker: int
    lapses_s: Seconds


class Mandate(msgspec.Struct, gc=False):
    """A mandate to quote, kept while a quote stands or a fill under it has to settle, with what filled so far.

    ``delta`` and ``vega`` are net sums over fills in 1e-4 of the units of the budget, positive where the maker bought.
    ``refs`` counts the authorisations that name it.
    """

    id: int
    quote: QuoteMandate
    leaves: tuple[QuoteLeaf, ...]
    group: str
    covered: bool
    qty: Qty = 0
    delta: int = 0
    vega: int = 0
    count: int = 0
    refs: int = 0


class Fills(msgspec.Struct, array_like=True, gc=False):
    """Quotes of a group that filled at a moment: quantity, net delta and vega as in a mandate, number."""

    time_ns: Nanos
    qty: Qty
    delta: int
    vega: int
    count: int


class QuoteGroup(msgspec.Struct):
    """A maker's group of quotes: what protects it, until when it is frozen, and what filled in the interval."""

    name: str
    protection: Protection
    frozen_until_ns: Nanos = 0
    fills: list[Fills] = []


class Cover(msgspec.Struct, gc=False):
    """Derived: what the leaves of a covered mandate can cost at a round.

    ``unit`` bounds the cost of 1e-4 contract of any leaf, ``last`` that of the whole of any one leaf, in risk units.
    """

    round_id: int = -1
    unit: Risk = 0
    last: Risk = 0


class Trade(msgspec.Struct, gc=False):
    """One fill on its way to settlement. Those of a combo's legs bear the number of the first of them in ``group``."""

    id: int
    series: int
    qty: Qty
    price: Price
    taker_is_buy: bool
    taker_account: int
    maker_account: int
    taker_auth: int
    maker_auth: int
    taker_fee: Cash
    maker_fee: Cash
    index: Price
    group: int = 0


class Batch(msgspec.Struct, gc=False):
    """Trades sealed for settlement; ``sealed_seq`` names the journal prefix whose root the batch anchors."""

    id: int
    first_trade: int
    last_trade: int
    round_id: int
    sealed_seq: int
    sealed_ns: Nanos


class Key(msgspec.Struct, gc=False):
    """A delegated session key, its limits, and what of them it has used since it was registered.

    ``notional`` is in whole 1e-6 USDC and ``rest`` what there is besides, in 1e-10 USDC. What has no limit stays zero.
    """

    scopes: int
    expiry_s: Seconds
    limits: KeyLimits = KeyLimits()
    notional: Cash = 0
    rest: int = 0
    spend: Cash = 0


class Session(msgspec.Struct, gc=False):
    """An open connection through which orders came or may come: who logged in, and what becomes of its orders."""

    id: int
    by: bytes
    switch: int = 0


class Kill(msgspec.Struct, gc=False):
    """A kill switch that is pulled: how far it reaches, by whom, why and when."""

    scope: int
    account: int
    owner: bytes
    by_operator: bool
    by: bytes
    cause: str
    time_ns: Nanos


class Purge(msgspec.Struct):
    """Orders on their way out, older than ``before``: of a session, an account, an owner or the venue.

    ``accounts`` narrows it to some of a session's accounts; empty: all.
    """

    kind: int
    number: int
    owner: bytes
    before: int
    accounts: list[int] = []


class Identity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A commitment to who stands behind an account in a role, and the record that made it."""

    account: int
    role: int
    commitment: bytes
    seq: int


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reference datum as one record told it; ``corrects`` the record of the entry before (0: the first)."""

    scope: int
    subject: int
    field: str
    seq: int
    time_ns: Nanos
    value: str
    corrects: int
    cause: str


class Reading(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last reading of the clock, and when it was taken."""

    seq: int
    time_ns: Nanos
    told: RecordClock


class Seat(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of a signer of oracle rounds: for the times of which rounds its signature counts, the last one excluded."""

    signer: bytes
    since_s: Seconds
    until_s: Seconds


class Rfq(msgspec.Struct, gc=False):
    """A request for quotes: what was asked and when, what of it has filled, and why it is over if it is.

    One that is over is dead to everybody from the record that ended it; the next tick sends its quotes home.
    """

    id: int
    request: OpenRfq
    created_ns: Nanos
    filled: Qty = 0
    ended: RfqEnd | None = None


class Underlying(msgspec.Struct, gc=False):
    """An underlying and the steps its options trade in."""

    id: int
    name: str
    lot: Qty
    tick: Price
    tick_above: Price
    tick_step: Price

    def tick_at(self, price: Price) -> Price:
        """The tick that applies at a price."""
        return self.tick_above if price >= self.tick_step else self.tick


class Expiry(msgspec.Struct):
    """An expiry: its series in listing order, and its settlement price once fixed (-1 before)."""

    id: int
    underlying: int
    expiry_s: Seconds
    series: list[int] = []
    fixing: Price = -1


class Series(msgspec.Struct, gc=False):
    """One option and its public statistics."""

    id: int
    expiry_id: int
    underlying: int
    expiry_s: Seconds
    strike: Price
    is_call: bool
    open_interest: Qty = 0
    volume: Qty = 0
    last_price: Price = 0


class Combo(msgspec.Struct, gc=False):
    """A combo and its public statistics; it ends with the first of its legs. A last price without volume is none."""

    id: int
    underlying: int
    legs: Legs
    expiry_s: Seconds
    volume: Qty = 0
    last_price: Price = 0
    is_over: bool = False  # a leg's expiry is fixed


class Auction(msgspec.Struct, gc=False):
    """A series that does not trade continuously: its phase, and when its auction ends.

    ``every_s`` above zero: another auction follows. ``extended``: how often it was. ``price``: at which it uncrosses.
    ``volatile``: an order began it, and it ends early when nothing in it crosses any more.
    """

    id: int  # the series
    phase: int
    ends_s: Seconds = 0
    every_s: Seconds = 0
    extended: int = 0
    price: Price = 0
    volatile: bool = False


class Lookout:
    """Orders that watch one price, nearest first: (price, waiting since, id), prices below negated."""

    __slots__ = ("above", "below")

    def __init__(self) -> None:
        self.above: list[tuple[int, int, int]] = []
        self.below: list[tuple[int, int, int]] = []

    def add(self, order: Order, terms: Terms) -> None:
        """Put a waiting order in its place."""
        side, place = self._place(order, terms)
        insort(side, place)

    def discard(self, order: Order, terms: Terms) -> None:
        """Take an order out, if it is here."""
        side, place = self._place(order, terms)
        at = bisect_left(side, place)
        if at < len(side) and side[at] == place:
            del side[at]

    def _place(self, order: Order, terms: Terms) -> tuple[list[tuple[int, int, int]], tuple[int, int, int]]:
        if terms.trigger_above:
            return self.above, (terms.trigger_price, order.priority, order.id)
        return self.below, (-terms.trigger_price, order.priority, order.id)


def lookout_key(option: Series, watch: int) -> tuple[int, int]:
    """What a trigger watches: a mark or last price by series, a spot by underlying."""
    return watch, option.underlying if watch == INDEX else option.id


class OpenInterest(msgspec.Struct, gc=False):
    """What an account has open in one series: unfilled buys (quantity and price x quantity) and unfilled sells.

    Values are what the orders would pay: of a combo, sells at a price below zero have one too, and such buys have none.
    """

    buy_qty: Qty = 0
    buy_value: int = 0
    sell_qty: Qty = 0
    sell_value: int = 0


class Choice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Margin models of an account: on the contracts ``before`` counts until ``effective_s``, then ``chosen``."""

    before: int = STANDARD_MARGIN
    chosen: int = STANDARD_MARGIN
    effective_s: Seconds = 0


class Account:
    """One clearing account. ``cash`` includes ``held``, which a pending withdrawal has already spoken for.

    The attributes after the blank line are derived and never part of the digest.
    """

    __slots__ = (
        "awaiting",
        "cancels",
        "cash",
        "choice",
        "costs",
        "covers",
        "exiting",
        "groups",
        "held",
        "id",
        "isolated",
        "keys",
        "makes",
        "nonces",
        "open",
        "orders",
        "owner",
        "positions",
        "protected",
        "quotes",
        "reducing",
        "reserved",
        "risk_round",
        "standing",
        "waiting",
    )

    def __init__(self, account_id: int, owner: bytes) -> None:
        self.id = account_id
        self.owner = owner
        self.cash: Cash = 0
        self.held: Cash = 0
        self.exiting = False
        self.cancels = False  # orders leave with their connection unless the connection says otherwise
        self.makes = False  # it answers requests for quotes
        self.choice = Choice()  # models
        self.positions: dict[int, Qty] = {}
        self.costs: dict[int, Cash] = {}  # series -> premium paid (long) or received (short) for the position
        self.nonces: dict[int, int] = {}  # nonce >> 6 -> mask of the 64 nonces in it
        self.keys: dict[bytes, Key] = {}
        self.groups: dict[str, QuoteGroup] = {}

        self.orders: dict[int, Order] = {}
        self.reducing: dict[int, Order] = {}  # the reduce-only ones among them
        self.open: dict[int, OpenInterest] = {}  # covered quotes left out
        self.quotes: dict[str, dict[int, Order]] = {}  # group -> side of a series (``side_of``) -> the quote there
        self.protected: dict[str, dict[int, Order]] = {}  # group -> orders that are not quotes and that it protects
        self.standing: dict[int, int] = {}  # mandate -> how many of its quotes are in the book
        self.covers: dict[int, Cover] = {}  # of those mandates, the covered ones
        self.isolated = 0  # risk units at risk_round
        self.reserved = 0  # risk units at risk_round
        self.risk_round = -1
        self.awaiting = 0  # blocks queued on the contracts that it is a party to, and one more if it is flagged there
        self.waiting: dict[int, int] = {}  # series >> 2, a position word there -> trades on their way to it

    def expect(self, series: int, trades: int) -> None:
        """So many more trades, or with a negative number fewer, are on their way to a position word."""
        word = series >> 2
        waiting = self.waiting.get(word, 0) + trades
        if waiting:
            self.waiting[word] = waiting
        else:
            del self.waiting[word]

    def nonce_used(self, nonce: int) -> bool:
        """Whether a nonce was spent or cancelled."""
        return self.nonces.get(nonce >> 6, 0) >> (nonce & 63) & 1 == 1

    def spend_nonces(self, word: int, mask: int) -> None:
        """Mark nonces as gone."""
        self.nonces[word] = self.nonces.get(word, 0) | mask
