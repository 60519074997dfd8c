"""The planned fills of one combo order: in the combo's own book, and in the books of its legs.

Whichever is better comes first, slice by slice; at the same price the combo's own book. A slice from the legs fills all
of them or none, against the first in line of each; it is as large as those allow, and of one lot where one of them is
too small for that and others have to help. Whoever is met, what trades are the legs, in one group of fills. Deciding
only reads. Imports state, sweep, risk, fees, leg_prices, budget, phases, purging, settlement, events.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import structs

from exchange.core import budget, fees, phases, purging, risk, settlement
from exchange.core.commands import Authorisation
from exchange.core.events import CancelReason, Traded
from exchange.core.leg_prices import leg_prices
from exchange.core.legs import Leg
from exchange.core.protection import counts
from exchange.core.state import State
from exchange.core.state_types import AuthEntry, Combo, Order
from exchange.core.sweep import SWEEP_MAX, Plan
from exchange.core.units import Cash, Price, Qty, Risk, Seconds, div_down, premium_of

UNMOVED: Final = risk.Moves()


class Turn:
    """A maker whose turn it is, with what is left of that turn."""

    __slots__ = ("left", "maker")

    def __init__(self, maker: Order, left: Qty) -> None:
        self.maker = maker
        self.left = left


class Pick(NamedTuple):
    """Part of a turn that a slice takes."""

    leg: Leg
    turn: Turn
    qty: Qty


class Slice(NamedTuple):
    """So many units of the combo from its legs. ``value`` is what its buyer pays for them, in price x quantity."""

    units: Qty
    picks: tuple[Pick, ...]
    value: int


class Lane:
    """The side of a leg's book that a combo order meets, from best to worst, turn by turn."""

    __slots__ = ("_ahead", "_band", "_gone", "_passed", "_turns", "leg")

    def __init__(self, plan: "ComboSweep", leg: Leg) -> None:
        is_buy = plan.auth.is_buy == (leg.ratio > 0)
        self.leg = leg
        self._band = phases.band_of(plan.state, leg.series)
        self._gone, self._passed = plan.cancelled, plan.passed
        self._turns = _turns(plan.state.books[leg.series].side(is_buy=not is_buy).orders())
        self._ahead: deque[Turn] = deque()

    def first(self) -> Turn | None:
        """Whose turn it is."""
        for turn in self._standing():
            return turn
        return None

    def gather(self, qty: Qty) -> list[Pick]:
        """Those who make up a quantity, in their turn; less of it if there are no more of them."""
        picks = []
        for turn in self._standing():
            picks.append(Pick(self.leg, turn, min(turn.left, qty)))
            qty -= picks[-1].qty
            if not qty:
                break
        return picks

    def _standing(self) -> Iterator[Turn]:
        """Turns to come; those used up, or of makers that are out of the way, are forgotten."""
        ahead = self._ahead
        while ahead and self._is_over(ahead[0]):
            ahead.popleft()
        yield from (turn for turn in list(ahead) if not self._is_over(turn))
        for maker, left in self._turns:
            if self._band is not None and not self._band.low <= maker.price <= self._band.high:
                self._turns = iter(())
                return
            ahead.append(Turn(maker, left))
            if not self._is_over(ahead[-1]):
                yield ahead[-1]

    def _is_over(self, turn: Turn) -> bool:
        return not turn.left or turn.maker.id in self._gone or turn.maker.id in self._passed


def _turns(makers: Iterator[Order]) -> Iterator[tuple[Order, Qty]]:
    """Makers, first in line first, each with what it shows; an iceberg comes again behind all at its price."""
    again: deque[tuple[Order, Qty]] = deque()
    for maker in makers:
        if again and again[0][0].price != maker.price:
            yield from _slices(again)
        yield maker, maker.qty - maker.filled - maker.hidden
        if maker.hidden:
            again.append((maker, maker.hidden))
    yield from _slices(again)


def _slices(again: deque[tuple[Order, Qty]]) -> Iterator[tuple[Order, Qty]]:
    while again:
        maker, hidden = again.popleft()
        shown = min(maker.display, hidden)
        yield maker, shown
        if hidden > shown:
            again.append((maker, hidden - shown))


def leg_fills(state: State, combo: Combo, price: Price, units: Qty, maker_id: int) -> list[Traded] | None:
    """What trades when two orders for a combo meet: each leg, at prices that come to the price agreed, still without
    numbers. None if there are no such prices.
    """
    assert state.config is not None
    schedule, view = state.config.fees, risk.view_now(state)
    prices = leg_prices(combo.legs, tuple(view.marks[leg.series] for leg in combo.legs), price)
    if prices is None:
        return None
    index, qtys = view.spots[combo.underlying], [abs(leg.ratio) * units for leg in combo.legs]
    takers = [[fees.taker_fee(schedule, index, *fill)] for fill in zip(prices, qtys, strict=True)]
    makers = [
        [fees.maker_fee(schedule, index, at, qty, fee)] for at, qty, (fee,) in zip(prices, qtys, takers, strict=True)
    ]
    charged = zip(fees.combo_fees(takers), fees.combo_fees(makers), strict=True)
    fills = [
        Traded(0, maker_id, qty, at, taker_fee, maker_fee, index, leg=leg.series)
        for leg, at, qty, ((taker_fee,), (maker_fee,)) in zip(combo.legs, prices, qtys, charged, strict=True)
    ]
    return [*fills[:-1], structs.replace(fills[-1], units=units)]


class ComboSweep(Plan):
    """The planned fills of one combo order, with the running totals of everyone it would touch.

    ``order_id`` is 0 for an order that arrives, whose fills name no taker. ``shown`` are the orders that the contract
    has to see besides: those it replaces, and itself if it rests.
    """

    __slots__ = ("_head", "_lanes", "_order_id", "_own", "_shown", "_sign", "combo", "lot", "moved", "passed")

    def __init__(
        self, state: State, auth: Authorisation, left: Qty, now_s: Seconds, order_id: int = 0, auth_id: int = 0
    ) -> None:
        super().__init__(state, auth, left, now_s)
        self.combo = state.combos[auth.series]
        self.lot = state.underlyings[self.combo.underlying].lot
        self.moved: dict[int, risk.Moves] = {}
        self._order_id = order_id
        self._shown = settlement.lineage(state, auth_id, state.next_batch) if auth_id else []
        if not order_id:
            self._shown.append(AuthEntry(0, auth, 0, 0, 1))
        self._sign = 1 if auth.is_buy else -1
        self.passed: dict[int, None] = {}  # quotes that could not fill together with another
        self._lanes = [Lane(self, leg) for leg in self.combo.legs]
        self._own = state.books[auth.series].side(is_buy=not auth.is_buy).within(auth.price)
        self._head = next(self._own, None)

    # -- whom it meets ------------------------------------------------------------------------------------------------

    def meets(self) -> bool:
        """Whether anybody would trade with it at its price, or stands there."""
        return self._maker() is not None or self.slice() is not None

    def best(self) -> Price | None:
        """The price at which it would meet somebody first, per unit; between two prices, the worse for it."""
        maker, part = self._maker(), self.slice()
        if part is not None and (maker is None or not self._is_behind(part, maker)):
            return self._sign * -div_down(-self._sign * part.value, part.units)
        return maker.price if maker is not None else None

    def run(self) -> None:
        """Fill from the combo's own book or from its legs, whichever is better, until there is nobody left to meet."""
        while self.left and self.stopped is None:
            maker, part = self._maker(), self.slice()
            if maker is None and part is None:
                return
            if len(self.events) >= SWEEP_MAX or self.trade_id + budget.GROUP_TRADES_MAX > self.trades_end:
                self.stopped = CancelReason.SWEEP_BOUND
            elif maker is not None and (part is None or self._is_behind(part, maker)):
                self._meet(maker)
            elif part is not None:
                self._meet_legs(part)

    def walk(self, makers: Iterator[Order]) -> None:
        """Meet one order for the same combo after another until filled or stopped; all of them are within the price."""
        for maker in makers:
            if not self.left or self.stopped is not None:
                return
            if len(self.events) >= SWEEP_MAX or self.trade_id + budget.GROUP_TRADES_MAX > self.trades_end:
                self.stopped = CancelReason.SWEEP_BOUND
                return
            self._meet(maker)

    def _is_behind(self, part: Slice, maker: Order) -> bool:
        """Whether an order in the combo's own book comes first: at the same price it does."""
        return self._sign * maker.price * part.units <= self._sign * part.value

    def _maker(self) -> Order | None:
        """The first in line in the combo's own book, at a price within the limit."""
        while self._head is not None and (self._head.id in self.cancelled or not self.left_of(self._head)):
            self._head = next(self._own, None)
        return self._head

    def slice(self) -> Slice | None:
        """What the legs offer next, at a price within the limit; None if it does not make up one lot."""
        while True:
            part = self._slice()
            if part is None or self._sign * part.value > self._sign * self.auth.price * part.units:
                return None
            clash = self._clash(part)
            if clash is not None and part.units > self.lot:
                part = self._gathered(self.lot)
                clash = self._clash(part) if part is not None else None
            if clash is None:
                return part
            self.passed[clash.id] = None

    def _slice(self) -> Slice | None:
        units = self.left
        for lane in self._lanes:
            turn = lane.first()
            if turn is None:
                return None
            units = min(units, div_down(turn.left, abs(lane.leg.ratio) * self.lot) * self.lot)
        return self._gathered(units or self.lot)

    def _gathered(self, units: Qty) -> Slice | None:
        """So many units from whoever is first in line, if few enough others have to help."""
        picks: list[Pick] = []
        for lane in self._lanes:
            wanted = abs(lane.leg.ratio) * units
            found = lane.gather(wanted)
            if sum(pick.qty for pick in found) < wanted:
                return None
            picks += found
        accounts = dict.fromkeys((self.auth.account, *(pick.turn.maker.account for pick in picks)))
        if len(picks) > budget.GROUP_TRADES_MAX or len(accounts) > budget.GROUP_ACCOUNTS_MAX:
            return None
        value = sum(pick.turn.maker.price * (pick.qty if pick.leg.ratio > 0 else -pick.qty) for pick in picks)
        return Slice(units, tuple(picks), value)

    def _clash(self, part: Slice) -> Order | None:
        """A quote that another one of the slice takes off the book by filling, so that it could not fill too."""
        place = self.watch.taken_off_before([(pick.turn.maker, pick.qty) for pick in part.picks])
        return part.picks[place].turn.maker if place >= 0 else None

    def _unfit(self, maker: Order) -> bool:
        """Take a maker that may not trade out of the way, or stop; whether that was so."""
        accounts = self.state.accounts
        doom = purging.doom_of(self.state, maker)
        if doom is not None:
            self.cancel(maker, doom)
        elif accounts[maker.account].owner == accounts[self.auth.account].owner:
            self.meet_oneself(maker)
        elif maker.expiry_s <= self.now_s:
            self.cancel(maker, CancelReason.EXPIRED)
        else:
            return False
        return True

    # -- in its own book ----------------------------------------------------------------------------------------------

    def _meet(self, maker: Order) -> None:
        """Trade with an order in the combo's own book, take it out of the way, or stop."""
        band = phases.band_of(self.state, self.combo.id)
        if band is not None and not band.low <= maker.price <= band.high:
            self.stopped = CancelReason.VOLATILITY
        elif not self._unfit(maker):
            self.execute(maker, min(self.left, self.left_of(maker)), maker.price)

    def execute(self, maker: Order, units: Qty, price: Price) -> None:
        """Fill against an order for the same combo, at a price that suits both: one trade of each leg.

        Who may not, or cannot bear it, is taken out of the way, or stops.
        """
        fills = leg_fills(self.state, self.combo, price, units, maker.id)
        gains = self._gains(self._sign * units)
        if fills is None:  # the marks have moved so far that none near them come to this price
            self.cancel(maker, CancelReason.VOLATILITY)
        elif not self._has_room(self.auth.account, gains):
            self.stopped = CancelReason.POSITIONS_BOUND
        elif not self._has_room(maker.account, gains):
            self.cancel(maker, CancelReason.POSITIONS_BOUND)
        elif not self._fits([maker]):
            return
        elif not fees.fits(sum(fill.taker_fee for fill in fills), self.auth.max_fee, units):
            self.stopped = CancelReason.FEE
        elif not fees.fits(sum(fill.maker_fee for fill in fills), maker.max_fee, units):
            self.cancel(maker, CancelReason.FEE)
        elif self._both_bear(maker, fills, gains):
            first = self.trade_id
            for place, fill in enumerate(fills):
                self.events.append(
                    structs.replace(fill, trade_id=first + place, group=first, taker_order=self._order_id)
                )
            self.trade_id += len(fills)
            self.filled[maker.id] = self.filled.get(maker.id, 0) + units
            self.left -= units

    def _both_bear(self, maker: Order, fills: list[Traded], gains: list[tuple[int, Qty]]) -> bool:
        paid = sum(
            premium_of(fill.price, fill.qty) * (1 if gain > 0 else -1)
            for fill, (_, gain) in zip(fills, gains, strict=True)
        )
        given = [(series, -gain) for series, gain in gains]
        made = self._borne(maker.account, paid - sum(fill.maker_fee for fill in fills), given, self.watch.keep(maker))
        if made is None:
            self.cancel(maker, CancelReason.MARGIN)
            return False
        taken = self._borne(self.auth.account, -paid - sum(fill.taker_fee for fill in fills), gains, self.kept())
        if taken is None:
            self.stopped = CancelReason.MARGIN
            return False
        self.moved[maker.account], self.moved[self.auth.account] = made, taken
        return True

    def _gains(self, units: Qty) -> list[tuple[int, Qty]]:
        return [(leg.series, leg.ratio * units) for leg in self.combo.legs]

    # -- in the books of its legs -------------------------------------------------------------------------------------

    def _meet_legs(self, part: Slice) -> None:
        """Fill all legs, take an order that keeps one from filling out of the way, or stop."""
        for place, pick in enumerate(part.picks):
            if self._unfit(pick.turn.maker) or self._is_reduced(part.picks[:place], pick):
                return
        fills = self._priced(part)
        if self._may_settle(part) and self._agreed(part, fills) and self._bear(part, fills):
            for pick, fill in zip(part.picks, fills, strict=True):
                self.note(pick.turn.maker, fill)
                pick.turn.left -= pick.qty
            self.left -= part.units
            for pick in part.picks:
                if counts(pick.turn.maker):
                    self.events += self.watch.note(pick.turn.maker, pick.qty)

    def _is_reduced(self, before: Iterable[Pick], pick: Pick) -> bool:
        """Whether a reduce-only order has less to reduce than it would fill: its turn is that much shorter."""
        maker = pick.turn.maker
        if not maker.reduce_only:
            return False
        beside = (item for item in before if item.turn.maker.account == maker.account and item.leg is pick.leg)
        room = self.reducible(maker.account, maker.series, is_buy=maker.is_buy) - sum(item.qty for item in beside)
        if room >= pick.qty:
            return False
        pick.turn.left = max(room, 0)
        if room <= 0:
            self.cancel(maker, CancelReason.REDUCE_ONLY)
        return True

    def _priced(self, part: Slice) -> list[Traded]:
        """The fills of a slice: ordinary ones of each leg, at the prices of those who stand there."""
        assert self.state.config is not None
        schedule, index = self.state.config.fees, risk.view_now(self.state).spots[self.combo.underlying]
        ordinary: list[list[Cash]] = [[] for _ in self.combo.legs]
        for pick in part.picks:
            fee = fees.taker_fee(schedule, index, pick.turn.maker.price, pick.qty)
            ordinary[self.combo.legs.index(pick.leg)].append(fee)
        charged = [fee for leg in fees.combo_fees(ordinary) for fee in leg]  # of picks, which are in the order of legs
        fills = []
        for place, (pick, taker_fee, fee) in enumerate(
            zip(part.picks, charged, (fee for leg in ordinary for fee in leg), strict=True)
        ):
            maker, units = pick.turn.maker, part.units if place + 1 == len(part.picks) else 0
            maker_fee = fees.maker_fee(schedule, index, maker.price, pick.qty, fee)
            more = (self._order_id, self.trade_id, units)
            fills.append(
                Traded(self.trade_id + place, maker.id, pick.qty, maker.price, taker_fee, maker_fee, index, *more)
            )
        return fills

    def _may_settle(self, part: Slice) -> bool:
        """Whether everybody may hold what they would get, and one transaction carries it."""
        if not self._has_room(self.auth.account, self._gains(part.units)):
            self.stopped = CancelReason.POSITIONS_BOUND
            return False
        makers = [pick.turn.maker for pick in part.picks]
        for maker in makers:
            if not self._has_room(
                maker.account, [(each.series, 0) for each in makers if each.account == maker.account]
            ):
                self.cancel(maker, CancelReason.POSITIONS_BOUND)
                return False
        return self._fits(makers)

    def _fits(self, makers: list[Order]) -> bool:
        """Whether one transaction carries it: else who was replaced too often since the last batch is out, or stops."""
        state = self.state
        shown = [settlement.lineage(state, maker.auth_id, state.next_batch) for maker in makers]
        accounts = dict.fromkeys((self.auth.account, *(maker.account for maker in makers)))
        if budget.group_fits([*self._shown, *(link for links in shown for link in links)], len(accounts)):
            return True
        longest = max(range(len(shown)), key=lambda place: len(shown[place]))
        if len(shown[longest]) > len(self._shown):
            self.cancel(makers[longest], CancelReason.POSITIONS_BOUND)
        else:
            self.stopped = CancelReason.POSITIONS_BOUND
        return False

    def _agreed(self, part: Slice, fills: list[Traded]) -> bool:
        """Whether fees and keys are within what everybody signed."""
        if not fees.fits(sum(fill.taker_fee for fill in fills), self.auth.max_fee, part.units):
            self.stopped = CancelReason.FEE
            return False
        planned = dict(self.keys.planned)
        refused: tuple[Order, CancelReason] | None = None
        for pick, fill in zip(part.picks, fills, strict=True):
            maker, signed = pick.turn.maker, self.state.auths[pick.turn.maker.auth_id].auth
            if not fees.fits(fill.maker_fee, maker.max_fee, fill.qty):
                refused = refused or (maker, CancelReason.FEE)
            elif not self.keys.allows(signed, fill.price, fill.qty, fill.maker_fee):
                refused = refused or (maker, CancelReason.KEY_LIMIT)
            self.keys.note(signed, fill.price, fill.qty, fill.maker_fee)
        self.keys.planned = planned
        if refused is not None:
            self.cancel(*refused)
        return refused is None

    def _bear(self, part: Slice, fills: list[Traded]) -> bool:
        """Whether everybody can bear all that they get: the makers, each for all of it at once, then the taker."""
        cash, made = 0, dict[int, risk.Moves]()
        for pick, fill in zip(part.picks, fills, strict=True):
            signed = pick.qty if self.auth.is_buy == (pick.leg.ratio > 0) else -pick.qty
            paid = premium_of(fill.price, fill.qty) * (1 if signed > 0 else -1)
            cash -= paid + fill.taker_fee
            account = pick.turn.maker.account
            moved = made.get(account) or self.moved.get(account, UNMOVED)
            made[account] = moved.plus(paid - fill.maker_fee, [(pick.leg.series, -signed)])
        for pick in part.picks:
            maker = pick.turn.maker
            keep = max(
                self.watch.keep(item.turn.maker) for item in part.picks if item.turn.maker.account == maker.account
            )
            if not self._bears(maker.account, made[maker.account], keep):
                self.cancel(maker, CancelReason.MARGIN)
                return False
        taken = self._borne(self.auth.account, cash, self._gains(self._sign * part.units), self.kept())
        if taken is None:
            self.stopped = CancelReason.MARGIN
            return False
        self.moved |= made
        self.moved[self.auth.account] = taken
        return True

    # -- what everybody has moved so far ------------------------------------------------------------------------------

    def movers(self) -> Collection[int]:
        """See ``Plan``."""
        return self.moved

    def gained(self, account_id: int, series: int) -> Qty:
        """See ``Plan``."""
        return self.moved.get(account_id, UNMOVED).qtys.get(series, 0)

    def _has_room(self, account_id: int, gains: Iterable[tuple[int, Qty]]) -> bool:
        """Whether the account can settle positions in these series besides those it has."""
        account, moved = self.state.accounts[account_id], self.moved.get(account_id, UNMOVED).qtys
        new = [series for series, _ in gains if series not in account.positions and series not in moved]
        before = [series for series in moved if series not in account.positions]
        return not new or budget.may_hold_all(self.state, account, (*before, *new))

    def _borne(self, account_id: int, cash: Cash, gains: list[tuple[int, Qty]], keep: Risk) -> risk.Moves | None:
        """What the account will have moved with one more fill; None if it cannot bear it."""
        after = self.moved.get(account_id, UNMOVED).plus(cash, gains)
        return after if self._bears(account_id, after, keep) else None

    def _bears(self, account_id: int, after: risk.Moves, keep: Risk) -> bool:
        before, account = self.moved.get(account_id, UNMOVED), self.state.accounts[account_id]
        self.shortfall = risk.moves_shortfall(self.state, account, before, after, keep)
        return self.shortfall == 0
