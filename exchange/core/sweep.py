"""The planned fills of one incoming order: who it meets, at what fees, and what everybody concerned can bear.

Planning only reads; running totals stand for what has not moved yet. It is bounded, because what one command writes is
one record and has to settle. Imports state, risk, fees, backlog, budget, keyroom, protection, events.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterator
from typing import Final

from exchange.core import backlog, budget, fees, phases, purging, risk
from exchange.core.commands import CANCEL_MAKER, CANCEL_TAKER, Authorisation, terms_of
from exchange.core.events import Cancelled, CancelReason, Event, Traded
from exchange.core.keyroom import KeyRoom
from exchange.core.protection import Watch, counts
from exchange.core.state import State
from exchange.core.state_types import Order
from exchange.core.units import Cash, Qty, Risk, Seconds, premium_of

SWEEP_MAX: Final = 1_000  # fills and cancellations of others that one command may cause


class Plan(ABC):
    """What fills one order, as far as it does not matter what the order is in; and what gets out of its way."""

    __slots__ = (
        "auth",
        "cancelled",
        "events",
        "filled",
        "keys",
        "left",
        "now_s",
        "shortfall",
        "state",
        "stopped",
        "trade_id",
        "trades_end",
        "watch",
    )

    def __init__(self, state: State, auth: Authorisation, left: Qty, now_s: Seconds) -> None:
        self.state = state
        self.auth = auth
        self.left = left
        self.now_s = now_s
        self.trade_id = state.next_trade
        self.trades_end = state.next_trade + backlog.room(state)
        self.events: list[Event] = []
        self.stopped: CancelReason | None = None
        self.shortfall: Cash = 0  # of whoever could not bear the last fill tried
        self.filled: dict[int, Qty] = {}  # maker order -> quantity, so far
        self.cancelled: dict[int, None] = {}  # maker orders taken out of the way
        self.keys = KeyRoom(state)
        self.watch = Watch(state, self.filled, self.cancelled)

    def meet_oneself(self, maker: Order) -> None:
        """Nobody trades with herself, by whichever of her accounts: who gives way is what the taker signed."""
        mode = terms_of(self.auth).self_trade
        if mode != CANCEL_TAKER:
            self.cancel(maker, CancelReason.SELF_TRADE)
        if mode != CANCEL_MAKER:
            self.stopped = CancelReason.SELF_TRADE

    def left_of(self, maker: Order) -> Qty:
        """What these fills leave of a maker."""
        return maker.qty - maker.filled - self.filled.get(maker.id, 0)

    def cancel(self, maker: Order, reason: CancelReason) -> None:
        """Take an order out of the way."""
        self.events.append(Cancelled(maker.id, reason, self.left_of(maker)))
        self.cancelled[maker.id] = None

    def note(self, maker: Order, fill: Traded) -> None:
        """One fill is planned, whoever took."""
        self.events.append(fill)
        self.keys.note(self.state.auths[maker.auth_id].auth, fill.price, fill.qty, fill.maker_fee)
        self.trade_id += 1
        self.filled[maker.id] = self.filled.get(maker.id, 0) + fill.qty

    @abstractmethod
    def run(self) -> None:
        """Meet others until filled, stopped or out of price."""

    @abstractmethod
    def movers(self) -> Collection[int]:
        """Accounts that these fills move."""

    @abstractmethod
    def gained(self, account_id: int, series: int) -> Qty:
        """What these fills add to a position."""

    def reducible(self, account_id: int, series: int, *, is_buy: bool) -> Qty:
        """How much of the account's position, after the fills so far, an order on this side would reduce."""
        position = self.state.accounts[account_id].positions.get(series, 0) + self.gained(account_id, series)
        return max(-position, 0) if is_buy else max(position, 0)

    def stale_reduce_only(self, order_id: int) -> list[Event]:
        """Cancel resting reduce-only orders whose position these fills closed or flipped."""
        first = len(self.events)
        for account_id in sorted(self.movers()):
            reducing = self.state.accounts[account_id].reducing
            for key in sorted(reducing):
                order = reducing[key]
                if order.id == order_id or order.id in self.cancelled or not self.gained(account_id, order.series):
                    continue
                if self.left_of(order) and not self.reducible(account_id, order.series, is_buy=order.is_buy):
                    self.cancel(order, CancelReason.REDUCE_ONLY)
        stale = self.events[first:]
        del self.events[first:]
        return stale

    def kept(self) -> Risk:
        """Margin that fills of the order have to leave alone, because it covers quotes of its account."""
        account = self.state.accounts[self.auth.account]
        return self.watch.keep_of(account) if account.covers else 0


class Sweep(Plan):
    """The planned fills of one incoming order in its series, with the running totals of everyone it would touch."""

    __slots__ = ("band", "moved")

    def __init__(self, state: State, auth: Authorisation, left: Qty, now_s: Seconds) -> None:
        super().__init__(state, auth, left, now_s)
        self.band = phases.band_of(state, auth.series)
        self.moved: dict[int, risk.Moved] = {}  # account -> cash and quantity of the series, so far

    def run(self) -> None:
        """Walk the opposite side in priority order until filled, stopped or out of price."""
        auth = self.auth
        opposite = self.state.books[auth.series].side(is_buy=not auth.is_buy)
        self.walk(self._in_turn(opposite.within(auth.price)))

    def walk(self, makers: Iterator[Order]) -> None:
        """Meet one maker after another until filled or stopped; all of them are within the price."""
        for maker in makers:
            if not self.left or self._is_reduced():
                break
            if maker.id in self.cancelled:
                continue  # one whose group or mandate an earlier fill has tripped
            if self.trade_id >= self.trades_end or len(self.events) >= SWEEP_MAX:
                self.stopped = CancelReason.SWEEP_BOUND
                return
            if self.band is not None and not self.band.low <= maker.price <= self.band.high:
                self.stopped = CancelReason.VOLATILITY
                return
            self._meet(maker)
            if self.stopped is not None:
                return
        if self.left and self._is_reduced():
            self.stopped = CancelReason.REDUCE_ONLY

    def _is_reduced(self) -> bool:
        """Whether it may only reduce and has nothing more to reduce: then it meets nobody, not even its owner."""
        auth = self.auth
        return auth.reduce_only and not self.reducible(auth.account, auth.series, is_buy=auth.is_buy)

    def _meet(self, maker: Order) -> None:
        """Trade with one maker, take a maker that may not trade out of the way, or stop."""
        auth, accounts = self.auth, self.state.accounts
        doom = purging.doom_of(self.state, maker)
        if doom is not None:
            self.cancel(maker, doom)
            return
        if accounts[maker.account].owner == accounts[auth.account].owner:
            self.meet_oneself(maker)
            return
        if maker.expiry_s <= self.now_s:
            self.cancel(maker, CancelReason.EXPIRED)
            return
        qty = min(self.left, self._shown(maker))
        if auth.reduce_only:
            qty = min(qty, self.reducible(auth.account, auth.series, is_buy=auth.is_buy))
        if maker.reduce_only:
            qty = min(qty, self.reducible(maker.account, maker.series, is_buy=maker.is_buy))
            if not qty:
                self.cancel(maker, CancelReason.REDUCE_ONLY)
                return
        self._fill(maker, qty)

    def _in_turn(self, makers: Iterator[Order]) -> Iterator[Order]:
        """Makers from best to worst, first to last; an iceberg comes again for each slice, behind all at its price."""
        again: deque[Order] = deque()
        for maker in makers:
            if again and again[0].price != maker.price:
                yield from self._slices(again)
            yield maker
            if maker.hidden:
                again.append(maker)
        yield from self._slices(again)

    def _slices(self, again: deque[Order]) -> Iterator[Order]:
        while again:
            maker = again.popleft()
            if maker.id not in self.cancelled and self.left_of(maker):
                yield maker
                again.append(maker)

    def _shown(self, maker: Order) -> Qty:
        """What is left of a maker; of an iceberg, of the slice in its turn."""
        if not maker.hidden:
            return maker.qty - maker.filled
        if maker.id not in self.filled:
            return maker.qty - maker.filled - maker.hidden
        return min(maker.display, self.left_of(maker))

    def _fill(self, maker: Order, qty: Qty) -> None:
        """Price one fill, check what each side signed and can bear, and write it down; nothing moves yet."""
        state, auth, price = self.state, self.auth, maker.price
        assert state.config is not None
        index = risk.view_now(state).spots[state.series[auth.series].underlying]
        taker_fee = fees.taker_fee(state.config.fees, index, price, qty)
        maker_fee = fees.maker_fee(state.config.fees, index, price, qty, taker_fee)
        paid, signed = premium_of(price, qty), qty
        if not auth.is_buy:
            paid, signed = -paid, -signed
        if not self._has_room(auth.account):
            self.stopped = CancelReason.POSITIONS_BOUND
        elif not self._has_room(maker.account):
            self.cancel(maker, CancelReason.POSITIONS_BOUND)
        elif not fees.fits(taker_fee, auth.max_fee, qty):
            self.stopped = CancelReason.FEE
        elif not fees.fits(maker_fee, maker.max_fee, qty):
            self.cancel(maker, CancelReason.FEE)
        elif not self.keys.allows(auth, price, qty, taker_fee):
            self.stopped = CancelReason.KEY_LIMIT
        elif not self.keys.allows(state.auths[maker.auth_id].auth, price, qty, maker_fee):
            self.cancel(maker, CancelReason.KEY_LIMIT)
        elif (made := self._borne(maker.account, paid - maker_fee, -signed, self.watch.keep(maker))) is None:
            self.cancel(maker, CancelReason.MARGIN)
        elif (taken := self._borne(auth.account, -paid - taker_fee, signed, self.kept())) is None:
            self.stopped = CancelReason.MARGIN
        else:
            self.moved[maker.account], self.moved[auth.account] = made, taken
            self._write(maker, Traded(self.trade_id, maker.id, qty, price, taker_fee, maker_fee, index))
            if counts(maker):
                self.events += self.watch.note(maker, qty)

    def _has_room(self, account_id: int) -> bool:
        """Whether the account can settle a position in this series besides those it has."""
        return account_id in self.moved or budget.may_hold(
            self.state, self.state.accounts[account_id], self.auth.series
        )

    def _write(self, maker: Order, fill: Traded) -> None:
        self.note(maker, fill)
        self.keys.note(self.auth, fill.price, fill.qty, fill.taker_fee)
        self.left -= fill.qty

    def _borne(self, account_id: int, cash: Cash, qty: Qty, keep: Risk) -> risk.Moved | None:
        """What the account will have moved with one more fill; None if it cannot bear it."""
        before = self.moved.get(account_id, risk.UNMOVED)
        after = risk.Moved(before.cash + cash, before.qty + qty)
        account = self.state.accounts[account_id]
        self.shortfall = risk.fill_shortfall(self.state, account, self.auth.series, before, after, keep)
        return after if self.shortfall == 0 else None

    def movers(self) -> Collection[int]:
        """See ``Plan``."""
        return self.moved

    def gained(self, account_id: int, series: int) -> Qty:
        """See ``Plan``."""
        return self.moved.get(account_id, risk.UNMOVED).qty if series == self.auth.series else 0
