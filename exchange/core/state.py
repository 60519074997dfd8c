"""The whole state of the venue: committed facts and the indices derived from them.

State is a cache of the journal; ``exchange/core/images.py`` is its canonical form. Imports every feature's data types.
"""

from collections import OrderedDict
from typing import TypeAlias

import msgspec

from exchange.core.black76 import SCALAR, Pricer
from exchange.core.book import Book
from exchange.core.breakers import AT_REST, Allowed, Breaker, allowed
from exchange.core.commands import (
    GTC,
    Configure,
    ObserveBlock,
    PostRound,
    SetAuctions,
    SetBands,
    SetBlocks,
    SetPortfolio,
    Spot,
)
from exchange.core.legs import Leg, Legs
from exchange.core.oracle import RoundView
from exchange.core.state_types import (
    Account,
    Auction,
    AuthEntry,
    Batch,
    Combo,
    Deal,
    Due,
    Entry,
    Expiry,
    Feed,
    Identity,
    Kill,
    Lookout,
    Mandate,
    OpenInterest,
    Order,
    Pool,
    Purge,
    QueuedBlock,
    Reading,
    Rfq,
    Seat,
    Series,
    Session,
    Trade,
    Underlying,
)
from exchange.core.units import Cash, Nanos, Price, Qty, Seconds

TREASURY = 0
VENUE = -1  # key of the venue's own breaker
KillKey: TypeAlias = tuple[int, int, bytes, bool]  # scope, account, owner, by the operator
PurgeKey: TypeAlias = tuple[int, int, bytes]  # kind, number, owner
DueLine: TypeAlias = tuple[int, bool, bool, bool]  # series; whether they may rest, only make, only reduce


class Mirror(msgspec.Struct):
    """What the contracts hold, derived from their finalised events; reconciliation compares it with the chain.

    ``dust`` is the part of settled payoffs below one unit, per expiry, as the contract keeps it. ``disputed``: the
    chain once said something else than was derived here, so what it holds no longer follows from the journal.
    """

    action_id: int = 0
    batch_id: int = 0
    vault: Cash = 0
    cash: dict[int, Cash] = {}
    positions: dict[int, dict[int, Qty]] = {}
    fixings: dict[int, Price] = {}
    dust: dict[int, int] = {}
    disputed: bool = False


class State:
    """Everything ``apply`` reads and writes. Attributes are owned by the module named beside them."""

    __slots__ = (
        "acc_at",
        "accounts",
        "auction_rules",
        "auctions",
        "auths",
        "band_rules",
        "batches",
        "block",
        "block_rules",
        "books",
        "breakers",
        "by_session",
        "combo_of",
        "combos",
        "config",
        "curbed",
        "deadlines",
        "deals",
        "deferred",
        "due",
        "due_lines",
        "due_rank",
        "expiries",
        "feeds",
        "first_unsealed",
        "fixings",
        "flags",
        "groups",
        "identities",
        "is_open",
        "kills",
        "lookouts",
        "mandates",
        "mirror",
        "next_batch",
        "next_trade",
        "on_leg",
        "operator_nonce",
        "orders",
        "owned",
        "pools",
        "portfolios",
        "pricer",
        "purges",
        "queued",
        "reading",
        "references",
        "rfq_quotes",
        "rfqs",
        "round",
        "rounds",
        "sealed_ns",
        "seats",
        "seq",
        "series",
        "sessions",
        "spots",
        "stirred",
        "time_ns",
        "timers",
        "touched",
        "trades",
        "underlyings",
        "view",
    )

    def __init__(self) -> None:
        self.seq = 0  # machine
        self.time_ns: Nanos = 0  # machine
        self.config: Configure | None = None  # listing
        self.underlyings: dict[int, Underlying] = {}  # listing
        self.expiries: dict[int, Expiry] = {}  # listing
        self.series: dict[int, Series] = {}  # listing
        self.books: dict[int, Book[Order]] = {}  # matching
        self.combos: dict[int, Combo] = {}  # combos: they keep their numbers for good
        self.combo_of: dict[Legs, int] = {}  # combos
        self.on_leg: dict[int, list[int]] = {}  # combos: series -> live combos it is a leg of
        self.stirred: dict[int, None] = {}  # implied: series whose books changed in the record under way
        self.deferred = False  # implied: resting combos that are reached wait for the next record
        self.auctions: dict[int, Auction] = {}  # phases: series that do not trade continuously
        self.auction_rules: dict[int, SetAuctions] = {}  # phases: of each underlying
        self.breakers: dict[int, Breaker] = {}  # status: of each underlying, and of the venue
        self.feeds: dict[int, Feed] = {}  # status: of each underlying whose breaker follows its rounds
        self.is_open = True  # curb: whether the venue takes any order
        self.curbed: dict[int, Allowed] = {}  # curb: what underlyings let in, where that is not all
        self.round: PostRound | None = None  # pricing
        self.view: RoundView | None = None  # pricing
        self.spots: dict[int, Spot] = {}  # pricing
        self.acc_at: dict[int, OrderedDict[int, int]] = {}  # pricing: accumulators at half hours
        self.accounts: dict[int, Account] = {TREASURY: Account(TREASURY, b"")}  # ledger
        self.orders: dict[int, Order] = {}  # matching
        self.deadlines: list[tuple[int, int]] = []  # deadlines: heap of (expiry_s, order id)
        self.due: dict[int, Due] = {}  # triggers: reached and not yet fired, in the order to fire them
        self.due_lines: dict[DueLine, dict[int, int]] = {}  # triggers: alike in what lets them enter -> order -> rank
        self.due_rank = 0  # triggers: how many have ever been due here; ranks are in the order of ``due``
        self.band_rules: dict[int, SetBands] = {}  # bands
        self.portfolios: dict[int, SetPortfolio] = {}  # portfolio: parameters of each underlying
        self.pools: dict[int, Pool] = {}  # pools: by account
        self.lookouts: dict[tuple[int, int], Lookout] = {}  # triggers: what is watched -> who waits for it
        self.groups: dict[int, list[int]] = {}  # links: order -> open orders that came with it, itself included
        self.auths: dict[int, AuthEntry] = {}  # settlement
        self.trades: dict[int, Trade] = {}  # settlement: not yet final on chain
        self.batches: dict[int, Batch] = {}  # settlement: sealed, not yet final on chain
        self.rounds: dict[int, PostRound] = {}  # settlement: rounds the contracts have yet to hear of
        self.fixings: dict[int, int] = {}  # settlement: expiry -> round, fixed here, not yet final on chain
        self.next_trade = 1  # settlement
        self.next_batch = 1  # settlement
        self.first_unsealed = 1  # settlement
        self.sealed_ns: Nanos = 0  # settlement: when the open batch got its first trade
        self.touched: dict[int, None] = {}  # settlement: accounts with unsealed trades
        self.mirror = Mirror()  # chain
        self.mandates: dict[int, Mandate] = {}  # quoting: until nothing names them
        self.owned: dict[bytes, list[int]] = {}  # chain: wallet -> its accounts
        self.sessions: dict[int, Session] = {}  # presence: open connections
        self.timers: dict[int, Nanos] = {}  # presence: account -> when its orders leave
        self.by_session: dict[int, dict[int, Order]] = {}  # orders: connection -> open orders it minds
        self.kills: dict[KillKey, Kill] = {}  # kill
        self.purges: dict[PurgeKey, Purge] = {}  # purging
        self.block: ObserveBlock | None = None  # chain: the last block seen
        self.pricer: Pricer = SCALAR  # no fact: whoever runs the machine may give it a faster one
        self.block_rules: dict[int, SetBlocks] = {}  # blocks: of each underlying that takes block trades
        self.operator_nonce = 0  # operating: of the last command that the operator's key signed
        self.deals: dict[int, Deal] = {}  # blocks: traded, not yet final on chain
        self.queued: dict[bytes, QueuedBlock] = {}  # offbook: by digest
        self.flags: dict[int, Seconds] = {}  # distress: account -> the last second in which it may be liquidated
        self.rfqs: dict[int, Rfq] = {}  # rfqs: requests for quotes
        self.identities: dict[tuple[int, int], Identity] = {}  # register: by account and role
        self.references: dict[tuple[int, int, str], list[Entry]] = {}  # register: by scope, subject and field
        self.reading: Reading | None = None  # register: of the clock
        self.seats: dict[bytes, Seat] = {}  # seats: of the signers of oracle rounds, by their address
        self.rfq_quotes: dict[int, dict[int, Order]] = {}  # rfqs: request -> quotes that stand in it

    def curb(self) -> None:
        """Keep what follows from breakers: whether the venue is open, and which underlyings are not."""
        venue = self.breakers.get(VENUE, AT_REST)
        self.is_open = allowed(venue).reduces
        each = {key: allowed(venue, self.breakers.get(key, AT_REST)) for key in self.underlyings}
        self.curbed = {key: what for key, what in each.items() if not what.opens}

    def await_block(self, queued: QueuedBlock) -> None:
        """A block is queued on the contracts, and both its parties await it."""
        self.queued[queued.digest] = queued
        self.accounts[queued.maker].awaiting += 1
        self.accounts[queued.taker].awaiting += 1

    def flag(self, account: int, lapses_s: Seconds) -> None:
        """An account may be liquidated on the contracts, until it is over there or the flag has lapsed."""
        if account not in self.flags:
            self.accounts[account].awaiting += 1
        self.flags[account] = lapses_s

    def unflag(self, account: int) -> None:
        """It may not be liquidated any more; one that is not flagged stays as it is."""
        if self.flags.pop(account, None) is not None:
            self.accounts[account].awaiting -= 1

    def forget_block(self, digest: bytes) -> None:
        """It is no longer queued; one that is not known is none of ours."""
        queued = self.queued.pop(digest, None)
        if queued is not None:
            self.accounts[queued.maker].awaiting -= 1
            self.accounts[queued.taker].awaiting -= 1


def legs_of(state: State, series: int) -> Legs:
    """What one contract of a series, or one unit of a combo, is made of."""
    combo = state.combos.get(series)
    return combo.legs if combo is not None else (Leg(series, 1),)


def count_open(item: OpenInterest, qty: Qty, price: Price, *, is_buy: bool) -> None:
    """So much more, or with a negative quantity less, is open at a price."""
    if is_buy:
        item.buy_qty += qty
        item.buy_value += qty * max(price, 0)
    else:
        item.sell_qty += qty
        item.sell_value += qty * max(-price, 0)


def is_covered(state: State, order: Order) -> bool:
    """Whether the budget of a mandate stands for the margin of this order."""
    return order.mandate > 0 and state.mandates[order.mandate].covered


def side_of(series: int, *, is_buy: bool) -> int:
    """One number for a side of a series: where a group has at most one quote."""
    return series << 1 | is_buy


def due_line(order: Order) -> DueLine:
    """Where an order stands once it is due: of a line all may enter, or none, when its delay is over."""
    return order.series, order.tif == GTC, order.post_only, order.reduce_only


def line_up(state: State, order: Order) -> None:
    """An order that is due stands last in its line."""
    state.due_rank += 1
    state.due_lines.setdefault(due_line(order), {})[order.id] = state.due_rank
