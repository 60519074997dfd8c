"""The whole state of the venue, its canonical image and the digest over it.

State is a cache of the journal. ``image`` is what a snapshot stores and a digest covers: committed facts in canonical
order, without the indices derived from them; ``restore`` rebuilds those. Imports every feature's data types.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

import msgspec

from exchange.core.black76 import SCALAR, Pricer
from exchange.core.book import Book
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
    terms_of,
)
from exchange.core.legs import Leg, Legs
from exchange.core.oracle import RoundView, view_of
from exchange.core.state_types import (
    Account,
    Auction,
    AuthEntry,
    Batch,
    Combo,
    Cover,
    Deal,
    Due,
    Expiry,
    Key,
    Kill,
    Lookout,
    Mandate,
    OpenInterest,
    Order,
    Purge,
    QueuedBlock,
    QuoteGroup,
    Rfq,
    Series,
    Session,
    Trade,
    Underlying,
    entered,
    lookout_key,
)
from exchange.core.units import NO_EXPIRY, Cash, Nanos, Price, Qty

TREASURY = 0
KillKey: TypeAlias = tuple[int, int, bytes, bool]  # scope, account, owner, by the operator
PurgeKey: TypeAlias = tuple[int, int, bytes]  # kind, number, owner
DueLine: TypeAlias = tuple[int, bool, bool]  # series, whether they may rest, whether they only make
K = TypeVar("K", int, bytes)
T = TypeVar("T")


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


class AccountImage(msgspec.Struct, array_like=True):
    """Committed facts of an account."""

    id: int
    owner: bytes
    cash: Cash
    held: Cash
    exiting: bool
    positions: list[tuple[int, Qty]]
    costs: list[tuple[int, Cash]]
    nonces: list[tuple[int, int]]
    keys: list[tuple[bytes, Key]]
    groups: list[QuoteGroup] = []
    cancels: bool = False
    makes: bool = False


class MirrorImage(msgspec.Struct, array_like=True):
    """The mirror in canonical order."""

    action_id: int
    batch_id: int
    vault: Cash
    cash: list[tuple[int, Cash]]
    positions: list[tuple[int, list[tuple[int, Qty]]]]
    fixings: list[tuple[int, Price]]
    dust: list[tuple[int, int]]
    disputed: bool


class StateImage(msgspec.Struct, array_like=True):
    """Committed facts of the venue, in canonical order."""

    seq: int
    time_ns: Nanos
    config: Configure | None
    is_open: bool
    underlyings: list[Underlying]
    expiries: list[Expiry]
    series: list[Series]
    round: PostRound | None
    spots: list[Spot]
    acc_at: list[tuple[int, list[tuple[int, int]]]]
    accounts: list[AccountImage]
    orders: list[Order]
    auths: list[AuthEntry]
    trades: list[Trade]
    batches: list[Batch]
    rounds: list[PostRound]
    fixings: list[tuple[int, int]]
    next_trade: int
    next_batch: int
    first_unsealed: int
    sealed_ns: Nanos
    touched: list[int]
    mirror: MirrorImage
    auctions: list[Auction] = []
    auction_rules: list[SetAuctions] = []
    mandates: list[Mandate] = []
    sessions: list[Session] = []
    timers: list[tuple[int, Nanos]] = []
    kills: list[Kill] = []
    purges: list[Purge] = []
    due: list[Due] = []
    band_rules: list[SetBands] = []
    block: ObserveBlock | None = None
    block_rules: list[SetBlocks] = []
    deals: list[Deal] = []
    queued: list[QueuedBlock] = []
    rfqs: list[Rfq] = []
    operator_nonce: int = 0
    combos: list[Combo] = []
    deferred: bool = False
    portfolios: list[SetPortfolio] = []


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
        "by_session",
        "combo_of",
        "combos",
        "config",
        "deadlines",
        "deals",
        "deferred",
        "due",
        "due_lines",
        "due_rank",
        "expiries",
        "first_unsealed",
        "fixings",
        "groups",
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
        "portfolios",
        "pricer",
        "purges",
        "queued",
        "rfq_quotes",
        "rfqs",
        "round",
        "rounds",
        "sealed_ns",
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
        self.is_open = True  # listing
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
        self.rfqs: dict[int, Rfq] = {}  # rfqs: requests for quotes
        self.rfq_quotes: dict[int, dict[int, Order]] = {}  # rfqs: request -> quotes that stand in it

    def await_block(self, queued: QueuedBlock) -> None:
        """A block is queued on the contracts, and both its parties await it."""
        self.queued[queued.digest] = queued
        self.accounts[queued.maker].awaiting += 1
        self.accounts[queued.taker].awaiting += 1

    def forget_block(self, digest: bytes) -> None:
        """It is no longer queued; one that is not known is none of ours."""
        queued = self.queued.pop(digest, None)
        if queued is not None:
            self.accounts[queued.maker].awaiting -= 1
            self.accounts[queued.taker].awaiting -= 1


def image(state: State) -> StateImage:
    """The committed facts, sorted, as one value."""
    return StateImage(
        seq=state.seq,
        time_ns=state.time_ns,
        config=state.config,
        is_open=state.is_open,
        underlyings=_sorted(state.underlyings),
        expiries=_sorted(state.expiries),
        series=_sorted(state.series),
        round=state.round,
        spots=[state.spots[key] for key in sorted(state.spots)],
        acc_at=[(key, _pairs(value)) for key, value in _pairs(state.acc_at)],
        accounts=[_account_image(state.accounts[key]) for key in sorted(state.accounts)],
        orders=_sorted(state.orders),
        auths=_sorted(state.auths),
        trades=_sorted(state.trades),
        batches=_sorted(state.batches),
        rounds=_sorted(state.rounds),
        fixings=_pairs(state.fixings),
        next_trade=state.next_trade,
        next_batch=state.next_batch,
        first_unsealed=state.first_unsealed,
        sealed_ns=state.sealed_ns,
        touched=sorted(state.touched),
        mirror=_mirror_image(state.mirror),
        auctions=_sorted(state.auctions),
        auction_rules=_sorted(state.auction_rules),
        mandates=_sorted(state.mandates),
        sessions=_sorted(state.sessions),
        timers=_pairs(state.timers),
        kills=[state.kills[key] for key in sorted(state.kills)],
        purges=list(state.purges.values()),  # in the order in which they are worked off
        due=list(state.due.values()),
        band_rules=[state.band_rules[key] for key in sorted(state.band_rules)],
        block=state.block,
        block_rules=[state.block_rules[key] for key in sorted(state.block_rules)],
        deals=_sorted(state.deals),
        queued=[state.queued[key] for key in sorted(state.queued)],
        rfqs=_sorted(state.rfqs),
        operator_nonce=state.operator_nonce,
        combos=_sorted(state.combos),
        deferred=state.deferred,
        portfolios=[state.portfolios[key] for key in sorted(state.portfolios)],
    )


def _sorted(items: dict[int, T]) -> list[T]:
    return [items[key] for key in sorted(items)]


def _pairs(items: Mapping[K, T]) -> list[tuple[K, T]]:
    return [(key, items[key]) for key in sorted(items)]


def _mirror_image(mirror: Mirror) -> MirrorImage:
    positions = [(key, _pairs(value)) for key, value in _pairs(mirror.positions) if value]
    return MirrorImage(
        mirror.action_id,
        mirror.batch_id,
        mirror.vault,
        _pairs(mirror.cash),
        positions,
        _pairs(mirror.fixings),
        _pairs(mirror.dust),
        mirror.disputed,
    )


def _account_image(account: Account) -> AccountImage:
    return AccountImage(
        account.id,
        account.owner,
        account.cash,
        account.held,
        account.exiting,
        _pairs(account.positions),
        _pairs(account.costs),
        _pairs(account.nonces),
        _pairs(account.keys),
        [account.groups[name] for name in sorted(account.groups)],
        account.cancels,
        account.makes,
    )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StateImage)


def encode(state: State) -> bytes:
    """Canonical bytes of the state: equal states give equal bytes on any machine."""
    return _encoder.encode(image(state))


def digest(state: State) -> bytes:
    """SHA-256 of the canonical bytes."""
    return hashlib.sha256(encode(state)).digest()


def decode(data: bytes) -> State:
    """State from its canonical bytes, indices rebuilt."""
    return restore(_decoder.decode(data))


# Facts that an image and the state hold alike, and those the state keeps by their id.
_PLAIN: Final = (
    "seq",
    "time_ns",
    "config",
    "is_open",
    "round",
    "next_trade",
    "next_batch",
    "first_unsealed",
    "sealed_ns",
    "block",
    "operator_nonce",
    "deferred",
)
_BY_ID: Final = (
    "underlyings",
    "expiries",
    "series",
    "combos",
    "orders",
    "auths",
    "trades",
    "batches",
    "auctions",
    "mandates",
    "sessions",
    "deals",
    "rfqs",
)
_BY_UNDERLYING: Final = ("spots", "auction_rules", "band_rules", "block_rules", "portfolios")


def restore(source: StateImage) -> State:
    """State from an image: copy the facts, rebuild books, account indices, deadlines and the round's view."""
    state = State()
    for name in _PLAIN:
        setattr(state, name, getattr(source, name))
    for name in _BY_ID:
        setattr(state, name, {item.id: item for item in getattr(source, name)})
    for name in _BY_UNDERLYING:
        setattr(state, name, {item.underlying: item for item in getattr(source, name)})
    # As they were entered, so that whoever takes them one after another need not sort a whole venue.
    state.orders = {key: state.orders[key] for key in sorted(state.orders, key=entered)}
    state.rounds = {round_.round_id: round_ for round_ in source.rounds}
    state.acc_at = {key: OrderedDict(value) for key, value in source.acc_at}
    state.fixings = dict(source.fixings)
    state.mirror = _restore_mirror(source.mirror)
    state.touched = dict.fromkeys(source.touched)
    state.books = {key: Book() for key in (*state.series, *state.combos)}
    _restore_combos(state)
    state.accounts = {item.id: _restore_account(item) for item in source.accounts}
    state.due = {item.id: item for item in source.due}
    _restore_orders(state)
    _restore_parked(state)
    _restore_waiting(state)
    _restore_presence(state, source)
    for queued in source.queued:
        state.await_block(queued)
    if state.round is not None:
        assert state.config is not None
        state.view = view_of(state.round, state.expiries, state.series, state.config.standard, state.acc_at)
    return state


def _restore_account(source: AccountImage) -> Account:
    account = Account(source.id, source.owner)
    account.cash, account.held, account.exiting = source.cash, source.held, source.exiting
    account.cancels, account.makes = source.cancels, source.makes
    for name in ("positions", "costs", "nonces", "keys"):
        setattr(account, name, dict(getattr(source, name)))
    account.groups = {group.name: group for group in source.groups}
    return account


def _restore_mirror(source: MirrorImage) -> Mirror:
    return Mirror(
        source.action_id,
        source.batch_id,
        source.vault,
        dict(source.cash),
        {key: dict(value) for key, value in source.positions},
        dict(source.fixings),
        dict(source.dust),
        source.disputed,
    )


def _restore_presence(state: State, source: StateImage) -> None:
    state.timers = dict(source.timers)
    state.kills = {(item.scope, item.account, item.owner, item.by_operator): item for item in source.kills}
    state.purges = {(item.kind, item.number, item.owner): item for item in source.purges}
    for account in source.accounts:
        if account.id != TREASURY:
            state.owned.setdefault(account.owner, []).append(account.id)


def _restore_combos(state: State) -> None:
    for combo in state.combos.values():
        state.combo_of[combo.legs] = combo.id
        if not combo.is_over:
            for leg in combo.legs:
                state.on_leg.setdefault(leg.series, []).append(combo.id)


def _restore_waiting(state: State) -> None:
    for trade in state.trades.values():
        state.accounts[trade.maker_account].expect(trade.series, 1)
        state.accounts[trade.taker_account].expect(trade.series, 1)


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


def _restore_quote(state: State, account: Account, order: Order) -> None:
    mandate = state.mandates[order.mandate]
    account.quotes.setdefault(mandate.group, {})[side_of(order.series, is_buy=order.is_buy)] = order
    account.standing[mandate.id] = account.standing.get(mandate.id, 0) + 1
    if mandate.covered:
        account.covers.setdefault(mandate.id, Cover())


def _restore_open(account: Account, order: Order) -> None:
    item = account.open.setdefault(order.series, OpenInterest())
    count_open(item, order.qty - order.filled, order.price, is_buy=order.is_buy)


def _restore_orders(state: State) -> None:
    for order in sorted(state.orders.values(), key=lambda item: (item.priority, item.turn)):
        account = state.accounts[order.account]
        account.orders[order.id] = order
        if order.expiry_s != NO_EXPIRY:
            state.deadlines.append((order.expiry_s, order.id))
        if order.session:
            state.by_session.setdefault(order.session, {})[order.id] = order
        if order.watch:
            continue
        if order.mandate:
            _restore_quote(state, account, order)
        if not is_covered(state, order):
            _restore_open(account, order)
        if order.protection:
            account.protected.setdefault(order.protection, {})[order.id] = order
        if order.rfq:
            state.rfq_quotes.setdefault(order.rfq, {})[order.id] = order
            continue
        if order.reduce_only:
            account.reducing[order.id] = order
        side = state.books[order.series].side(is_buy=order.is_buy)
        side.add(order)
        if order.hidden:
            side.hide(order.price, order.hidden)
    state.deadlines.sort()


def due_line(order: Order) -> DueLine:
    """Where an order stands once it is due: of a line all may enter, or none, when its delay is over."""
    return order.series, order.tif == GTC, order.post_only


def line_up(state: State, order: Order) -> None:
    """An order that is due stands last in its line."""
    state.due_rank += 1
    state.due_lines.setdefault(due_line(order), {})[order.id] = state.due_rank


def _restore_parked(state: State) -> None:
    """Who waits for what, in the order of triggers' prices; and who came with whom."""
    for order_id in state.due:
        line_up(state, state.orders[order_id])
    for order in state.orders.values():
        if order.group:
            state.groups.setdefault(order.group, []).append(order.id)
        if order.watch and order.id not in state.due and order.held < order.qty:
            lookout = state.lookouts.setdefault(lookout_key(state.series[order.series], order.watch), Lookout())
            lookout.add(order, terms_of(state.auths[order.auth_id].auth))
