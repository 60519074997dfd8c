"""The canonical image of a state, the digest over it, and a state back from its image.

``image`` is what a snapshot stores and a digest covers: committed facts in canonical order, without the indices derived
from them; ``restore`` rebuilds those. Imports state and its data types.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from exchange.core.book import Book
from exchange.core.breakers import Breaker
from exchange.core.commands import (
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
from exchange.core.oracle import RoundView, view_of, with_arrays
from exchange.core.state import TREASURY, Mirror, State, count_open, is_covered, line_up, side_of
from exchange.core.state_types import (
    Account,
    Auction,
    AuthEntry,
    Batch,
    Choice,
    Combo,
    Cover,
    Deal,
    Due,
    Entry,
    Expiry,
    Feed,
    Identity,
    Key,
    Kill,
    Lookout,
    Mandate,
    OpenInterest,
    Order,
    Pool,
    Purge,
    QueuedBlock,
    QuoteGroup,
    Reading,
    Rfq,
    Seat,
    Series,
    Session,
    Trade,
    Underlying,
    entered,
    lookout_key,
)
from exchange.core.units import NO_EXPIRY, Cash, Nanos, Price, Qty, Seconds

K = TypeVar("K", int, bytes)
T = TypeVar("T")


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
    choice: Choice = Choice()


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
    breakers: list[tuple[int, Breaker]] = []
    feeds: list[Feed] = []
    flags: list[tuple[int, Seconds]] = []
    identities: list[Identity] = []
    references: list[Entry] = []
    reading: Reading | None = None
    pools: list[Pool] = []
    seats: list[Seat] = []


def image(state: State) -> StateImage:
    """The committed facts, sorted, as one value."""
    return StateImage(
        seq=state.seq,
        time_ns=state.time_ns,
        config=state.config,
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
        breakers=_pairs(state.breakers),
        feeds=[state.feeds[key] for key in sorted(state.feeds)],
        flags=_pairs(state.flags),
        identities=[state.identities[key] for key in sorted(state.identities)],
        references=[entry for key in sorted(state.references) for entry in state.references[key]],
        reading=state.reading,
        pools=_sorted(state.pools),
        seats=[state.seats[key] for key in sorted(state.seats)],
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
        account.choice,
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
    "round",
    "next_trade",
    "next_batch",
    "first_unsealed",
    "sealed_ns",
    "block",
    "operator_nonce",
    "deferred",
    "reading",
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
    "pools",
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
    _restore_breakers(state, source)
    _restore_awaited(state, source)
    _restore_register(state, source)
    if state.round is not None:
        state.view = _restore_view(state, state.round)
    return state


def _restore_view(state: State, round_: PostRound) -> RoundView:
    config = state.config
    assert config is not None
    view = view_of(round_, state.expiries, state.series, config.standard, state.acc_at)
    if round_.arrays and config.portfolio is not None:
        with_arrays(view, state.expiries, state.series, config.portfolio, state.pricer)
    return view


def _restore_account(source: AccountImage) -> Account:
    account = Account(source.id, source.owner)
    account.cash, account.held, account.exiting = source.cash, source.held, source.exiting
    account.cancels, account.makes, account.choice = source.cancels, source.makes, source.choice
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


def _restore_awaited(state: State, source: StateImage) -> None:
    for queued in source.queued:
        state.await_block(queued)
    for account, lapses_s in source.flags:
        state.flag(account, lapses_s)


def _restore_breakers(state: State, source: StateImage) -> None:
    state.breakers = dict(source.breakers)
    state.feeds = {feed.rules.underlying: feed for feed in source.feeds}
    state.curb()


def _restore_register(state: State, source: StateImage) -> None:
    state.seats = {item.signer: item for item in source.seats}
    state.identities = {(item.account, item.role): item for item in source.identities}
    for entry in source.references:
        state.references.setdefault((entry.scope, entry.subject, entry.field), []).append(entry)


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
