"""Uncrossing: what orders collected in an auction trade, all at one price, in price-time order.

Who cannot trade is taken out first and the price found anew, until everybody it counts can bear what they get. Then the
price is fixed, and as many records as it takes fill at it; cancels in between take effect on what has not filled.
Deciding only reads. Imports state, phases, equilibrium, risk, fees, backlog, budget, keyroom, events.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from exchange.core import backlog, budget, fees, phases, risk, status
from exchange.core.commands import AUCTION, CANCEL_MAKER, CANCEL_TAKER, UNCROSSING, terms_of
from exchange.core.equilibrium import Equilibrium, equilibrium
from exchange.core.events import Cancelled, CancelReason, Event, Traded, Uncrossed
from exchange.core.keyroom import KeyRoom
from exchange.core.protection import Watch, counts
from exchange.core.state import State
from exchange.core.state_types import Auction, Order
from exchange.core.sweep import SWEEP_MAX
from exchange.core.units import U63_MAX, Cash, Price, Qty, Seconds, premium_of

PASSES_MAX: Final = 16  # prices looked for in one record; each pass takes out somebody the one before could not fill

WHOLE: Final = U63_MAX  # no limit: what is only looked at is not written

Removed: TypeAlias = dict[int, CancelReason]


class Offer(NamedTuple):
    """An order that takes part, with how much of it does."""

    order: Order
    qty: Qty


# -- which, and when --------------------------------------------------------------------------------------------------


def decide_due(state: State, now_s: Seconds) -> list[Event]:
    """What auctions do in this record: books that are not crossed just open, one that is trades."""
    events: list[Event] = []
    for auction in sorted(state.auctions.values(), key=_urgency):
        if len(events) >= phases.CHANGES_MAX or not _may_end(state, auction, now_s):
            continue
        if auction.phase == AUCTION and not state.books[auction.id].crossed():
            events.append(phases.after_uncross(state, auction))
        elif not events and backlog.refuse(state) is None:
            return _Uncross(state, auction).decide()
    return events


def _urgency(auction: Auction) -> tuple[bool, Seconds, int]:
    return auction.phase != UNCROSSING, auction.ends_s, auction.id


def _may_end(state: State, auction: Auction, now_s: Seconds) -> bool:
    """Its time has come, and the venue, the series and its price allow trades."""
    if not state.is_open or auction.phase not in (AUCTION, UNCROSSING):
        return False
    if auction.ends_s > now_s and (not auction.volatile or state.books[auction.id].crossed()):
        return False  # one that an order began holds nobody up once no order crosses
    option, view, config = state.series[auction.id], state.view, state.config
    if status.refuse(state, option.underlying, reduces=False) is not None:
        return False
    if option.expiry_s <= now_s or view is None or config is None or auction.id not in view.marks:
        return False
    return now_s - view.time_s <= config.settlement_window_s


# -- one auction ------------------------------------------------------------------------------------------------------


class _Uncross:
    """One record of the end of one auction."""

    def __init__(self, state: State, auction: Auction) -> None:
        self.state = state
        self.auction = auction
        self.book = state.books[auction.id]
        self.removed: Removed = {}
        self.caps: dict[int, Qty] = {}  # what fills of quotes that others then take off the book
        self.bids: list[Order] = []
        self.asks: list[Order] = []
        self.partial = False  # there may be more orders to come than were looked at
        self.exhausted = False  # it took too many passes: the next record looks again

    def decide(self) -> list[Event]:
        """Take out who cannot trade, find the price or go on at it, fill, and open when nothing is left to fill."""
        self._gather()
        fixed = self.auction.price if self.auction.phase == UNCROSSING else 0
        settled = self._settle_on(fixed)
        cancels = self._cancels()
        if len(cancels) >= SWEEP_MAX:
            return cancels[:SWEEP_MAX]
        if settled is None:
            return [*cancels, *self._without_trades(fixed, moves=bool(cancels))]
        found, pairs = settled
        if not fixed:
            extended = phases.extension(self.state, self.auction, found.price)
            if extended is not None:
                return [*cancels, extended]
            cancels.append(Uncrossed(self.auction.id, found.price, found.volume, found.surplus))
        return [*cancels, *self._fills(pairs, SWEEP_MAX - len(self.removed))]

    def _without_trades(self, fixed: Price, *, moves: bool) -> list[Event]:
        """Open; but a book still crossed is looked at again, at another price if its own has nothing more to fill."""
        if not self._still_crossed(None):
            return [phases.after_uncross(self.state, self.auction)]
        assert fixed or moves  # a crossed book trades, or somebody in it cannot
        return [phases.again(self.state, self.auction)] if fixed and not self.exhausted else []

    def _gather(self) -> None:
        """Orders that some price could fill, less what one owner has on both sides; whose time is over has gone before.

        Once the price is fixed those to come next are enough: a record fills, or takes out, no more than ``SWEEP_MAX``.
        """
        bids, asks = self.book.bids, self.book.asks
        if self.auction.phase == UNCROSSING:
            look = 2 * SWEEP_MAX
            self.bids, self.asks = (list(islice(side.within(self.auction.price), look)) for side in (bids, asks))
            self.partial = max(len(self.bids), len(self.asks)) == look
        elif (best_bid := bids.best()) is not None and (best_ask := asks.best()) is not None:
            self.bids, self.asks = list(bids.within(best_ask)), list(asks.within(best_bid))
        self._part_owners()

    def _part_owners(self) -> None:
        """Nobody trades with herself: of an owner's bid and offer that cross, the later says who gives way."""
        offers: dict[bytes, list[Order]] = {}
        accounts = self.state.accounts
        for order in self._standing(self.asks):
            offers.setdefault(accounts[order.account].owner, []).append(order)
        reached: dict[bytes, int] = {}  # offers of the owner that are done with
        for bid in self._standing(self.bids):
            owner = accounts[bid.account].owner
            own, at = offers.get(owner, []), reached.get(owner, 0)
            while at < len(own) and own[at].price <= bid.price:
                ask = own[at]
                earlier, later = sorted((bid, ask), key=_age)
                mode = terms_of(self.state.auths[later.auth_id].auth).self_trade
                if mode != CANCEL_MAKER:
                    self.removed[later.id] = CancelReason.SELF_TRADE
                if mode != CANCEL_TAKER:
                    self.removed[earlier.id] = CancelReason.SELF_TRADE
                at += ask.id in self.removed
                if bid.id in self.removed:
                    break
            reached[owner] = at

    def _standing(self, orders: list[Order]) -> Iterator[Order]:
        return (order for order in orders if order.id not in self.removed)

    def _settle_on(self, fixed: Price) -> tuple[Equilibrium, "Pairs"] | None:
        """The price at which everybody counted can be filled, and those fills; who cannot is removed on the way.

        None if nothing trades, or if that took too many passes: then those found so far go, and the next record looks.
        What bounds cut is looked for anew without whoever could not be filled, so it follows from those who are left.
        Where every pass trips another bound, the quotes tripped last go: so every record takes some out.
        """
        tripped: dict[int, Qty] = {}
        able = True
        for _ in range(PASSES_MAX):
            bids, asks = self._offers(self.bids), self._offers(self.asks)
            found = _at(fixed, bids, asks) if fixed else self._equilibrium(bids, asks)
            if found is None:
                return None
            pairs = self._pairs(found.price, SWEEP_MAX if fixed else WHOLE)
            pairs.run(bids, asks)
            if pairs.unable:
                able = False
                self.removed |= pairs.unable
                self.caps.clear()
                continue
            tripped = {key: qty for key, qty in pairs.cut().items() if self.caps.get(key) != qty}
            if not tripped:
                return found, pairs
            self.caps |= tripped
        self.exhausted = True
        if able:
            self.removed |= dict.fromkeys(tripped, CancelReason.SWEEP_BOUND)
        return None

    def _pairs(self, price: Price, limit: int) -> "Pairs":
        return Pairs(self.state, self.auction.id, price, limit, self.removed)

    def _equilibrium(self, bids: list[Offer], asks: list[Offer]) -> Equilibrium | None:
        view = risk.view_now(self.state)
        steps = self.state.underlyings[self.state.series[self.auction.id].underlying]
        return equilibrium(_levels(bids), _levels(asks), steps, view.marks[self.auction.id])

    def _offers(self, orders: list[Order]) -> list[Offer]:
        """How much of each order takes part, in price-time order.

        A reduce-only order counts for what it can close once the account's better orders on this side have filled. That
        does not depend on the price: an order's turn comes only when all of those are full.
        """
        offers: list[Offer] = []
        before: dict[int, Qty] = {}
        for order in self._standing(orders):
            qty, account = order.qty - order.filled, self.state.accounts[order.account]
            qty = min(qty, self.caps.get(order.id, qty))
            if account.reducing:
                filled = before.get(order.account, 0)
                if order.reduce_only:
                    position = account.positions.get(order.series, 0)
                    closable = -position if order.is_buy else position
                    if closable <= 0:
                        self.removed[order.id] = CancelReason.REDUCE_ONLY
                    qty = min(qty, max(closable - filled, 0))
                before[order.account] = filled + qty
            if qty:
                offers.append(Offer(order, qty))
        return offers

    def _cancels(self) -> list[Event]:
        orders = self.state.orders
        return [
            Cancelled(key, reason, orders[key].qty - orders[key].filled) for key, reason in sorted(self.removed.items())
        ]

    def _fills(self, pairs: "Pairs", record_room: int) -> list[Event]:
        """As many fills as this record holds and settlement has room for; afterwards the series opens."""
        limit = min(record_room, backlog.room(self.state))
        if len(pairs.events) > limit:
            pairs = self._pairs(pairs.price, limit)
            pairs.run(self._offers(self.bids), self._offers(self.asks))
            assert not pairs.unable  # the same fills in the same order were found bearable just now
        events: list[Event] = [*pairs.events, *self._stale(pairs)]
        if pairs.complete and not self.partial:
            crossed = self._still_crossed(pairs)
            events.append((phases.again if crossed else phases.after_uncross)(self.state, self.auction))
        return events

    def _stale(self, pairs: "Pairs") -> list[Event]:
        """Reduce-only orders in the series of those who traded, when they have nothing left to reduce."""
        stale: list[Event] = []
        for account_id in sorted(pairs.moved):
            account = self.state.accounts[account_id]
            position = account.positions.get(self.auction.id, 0) + pairs.moved[account_id].qty
            for key, order in sorted(account.reducing.items()):
                left = order.qty - order.filled - pairs.filled.get(key, 0)
                if order.series != self.auction.id or key in pairs.gone or not left:
                    continue
                if (-position if order.is_buy else position) <= 0:
                    stale.append(Cancelled(key, CancelReason.REDUCE_ONLY, left))
                    self.removed[key] = CancelReason.REDUCE_ONLY
        return stale

    def _still_crossed(self, pairs: "Pairs | None") -> bool:
        """Whether the book would be crossed after this record."""
        best = [
            next((order.price for order in side.orders() if self._outlasts(order, pairs)), 0)
            for side in (self.book.bids, self.book.asks)
        ]
        return all(best) and best[0] >= best[1]

    def _outlasts(self, order: Order, pairs: "Pairs | None") -> bool:
        left = order.qty - order.filled
        if pairs is not None:
            left = 0 if order.id in pairs.gone else left - pairs.filled.get(order.id, 0)
        return left > 0 and order.id not in self.removed


def _age(order: Order) -> tuple[int, int]:
    return order.priority, order.turn


def _levels(offers: list[Offer]) -> list[tuple[Price, Qty]]:
    return [(offer.order.price, offer.qty) for offer in offers]


def _at(price: Price, bids: list[Offer], asks: list[Offer]) -> Equilibrium | None:
    """What still trades at a price fixed before."""
    demand = sum(offer.qty for offer in bids if offer.order.price >= price)
    supply = sum(offer.qty for offer in asks if offer.order.price <= price)
    return Equilibrium(price, min(demand, supply), demand - supply) if demand and supply else None


# -- who with whom ----------------------------------------------------------------------------------------------------


class Pairs:
    """Fills at one price between two sides in price-time order, with running totals of everyone they touch."""

    def __init__(self, state: State, series: int, price: Price, limit: int, removed: Removed) -> None:
        assert state.config is not None
        self.state = state
        self.series = series
        self.price = price
        self.limit = limit
        self.index = risk.view_now(state).spots[state.series[series].underlying]
        self.schedule = state.config.fees
        self.events: list[Event] = []
        self.count = 0  # of fills
        self.unable: Removed = {}  # orders that could not be filled as their turn came
        self.moved: dict[int, risk.Moved] = {}
        self.filled: dict[int, Qty] = {}
        self.keys = KeyRoom(state)
        self.removed = removed.copy()
        # Quotes that a fill has taken off the book; what is cancelled before any fill is not cancelled again.
        self.gone: dict[int, None] = dict.fromkeys(removed)
        self.watch = Watch(state, self.filled, self.gone)
        self.complete = False  # one side has nothing more to trade at this price

    def run(self, bids: list[Offer], asks: list[Offer]) -> None:
        """Pair until one side is through, or the limit is reached."""
        buyers, sellers = iter(bids), iter(asks)
        bid, ask = self._next(buyers, is_buy=True), self._next(sellers, is_buy=False)
        while bid is not None and ask is not None:
            if len(self.events) >= self.limit:
                return
            qty = min(self._left(bid), self._left(ask))
            unable = self._fill(bid.order, ask.order, qty)
            if unable is not None:
                self.unable[unable[0].id] = unable[1]
            if not self._left(bid):
                bid = self._next(buyers, is_buy=True)
            if not self._left(ask):
                ask = self._next(sellers, is_buy=False)
        self.complete = True

    def _next(self, offers: Iterator[Offer], *, is_buy: bool) -> Offer | None:
        offer = next(offers, None)
        if offer is None or (offer.order.price < self.price if is_buy else offer.order.price > self.price):
            return None
        return offer

    def _left(self, offer: Offer) -> Qty:
        if offer.order.id in self.unable or offer.order.id in self.gone:
            return 0
        return offer.qty - self.filled.get(offer.order.id, 0)

    def cut(self) -> dict[int, Qty]:
        """What quotes had filled when their protection took them off."""
        return {key: self.filled.get(key, 0) for key in self.gone if key not in self.removed}

    def _fill(self, bid: Order, ask: Order, qty: Qty) -> tuple[Order, CancelReason] | None:
        """Write one fill down, or say whose order stands in its way and why.

        The later of the two takes from the earlier one, and pays for it. One that may only make is never the later: it
        did not cross what stood when it came.
        """
        maker, taker = sorted((bid, ask), key=_age)
        assert not taker.post_only
        taker_fee = fees.taker_fee(self.schedule, self.index, self.price, qty)
        maker_fee = fees.maker_fee(self.schedule, self.index, self.price, qty, taker_fee)
        for order, fee in ((maker, maker_fee), (taker, taker_fee)):
            if not self._has_room(order.account):
                return order, CancelReason.POSITIONS_BOUND
            if not fees.fits(fee, order.max_fee, qty):
                return order, CancelReason.FEE
            if not self.keys.allows(self.state.auths[order.auth_id].auth, self.price, qty, fee):
                return order, CancelReason.KEY_LIMIT
        made, taken = self._borne(maker, maker_fee, qty), self._borne(taker, taker_fee, qty)
        if made is None or taken is None:
            return maker if made is None else taker, CancelReason.MARGIN
        self.moved[maker.account], self.moved[taker.account] = made, taken
        for order, fee in ((maker, maker_fee), (taker, taker_fee)):
            self.filled[order.id] = self.filled.get(order.id, 0) + qty
            self.keys.note(self.state.auths[order.auth_id].auth, self.price, qty, fee)
        trade_id = self.state.next_trade + self.count
        self.events.append(Traded(trade_id, maker.id, qty, self.price, taker_fee, maker_fee, self.index, taker.id))
        self.count += 1
        if counts(maker):  # what is protected only makes
            self.events += self.watch.note(maker, qty)
        return None

    def _has_room(self, account_id: int) -> bool:
        return account_id in self.moved or budget.may_hold(self.state, self.state.accounts[account_id], self.series)

    def _borne(self, order: Order, fee: Cash, qty: Qty) -> risk.Moved | None:
        """What the order's account will have moved with one more fill; None if it cannot bear it."""
        before = self.moved.get(order.account, risk.UNMOVED)
        paid, signed = premium_of(self.price, qty), qty
        if not order.is_buy:
            paid, signed = -paid, -signed
        after = risk.Moved(before.cash - paid - fee, before.qty + signed)
        account = self.state.accounts[order.account]
        keep = self.watch.keep(order)
        return None if risk.fill_shortfall(self.state, account, self.series, before, after, keep) else after


def indicative(state: State, series: int) -> Equilibrium | None:
    """Where the orders collected so far would clear, if all of them could trade; None if none would."""
    book, view = state.books[series], state.view
    best_bid, best_ask = book.bids.best(), book.asks.best()
    if best_bid is None or best_ask is None or best_bid < best_ask or view is None:
        return None
    steps = state.underlyings[state.series[series].underlying]
    return equilibrium(book.bids.reach(best_ask), book.asks.reach(best_bid), steps, view.marks.get(series, 0))


def evolve_uncrossed(state: State, event: Uncrossed) -> None:
    """The price is fixed; nothing enters until what trades at it has traded."""
    auction = state.auctions[event.series]
    auction.phase, auction.price = UNCROSSING, event.price
