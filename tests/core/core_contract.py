"""The settle rule of the contracts in plain Python, written from their rules and not from the machine.

It keeps what the chain keeps: cash, positions, keys, nonces, requests, fixings. Everything it refuses is a ``Refused`` with the
contract's reason. Of the machine it uses the margin function only, which a parity test compares with the contract.
"""

import copy
from typing import Any, NamedTuple

from exchange.core.black76 import SCALAR
from exchange.core.commands import Authorisation, Configure, FeeSchedule, PostRound, QuoteLeaf, QuoteMandate, Sheet
from exchange.core.margin import ExpiryBook, Kind, Leg, requirement
from exchange.core.oracle import term_of
from exchange.core.risk_models import grid, scan
from exchange.core.risk_models.arrays import RiskRound, Terms
from exchange.core.risk_models.requirement import Account as LaidOut
from exchange.core.risk_models.requirement import PortfolioMarket, assess, portfolio_rules
from exchange.core.state_types import AuthEntry, Expiry, Mandate

U32_MAX = 2**32 - 1
ONE = 10**4
WAD = 10**18
HALF_HOUR = 1_800


class Refused(Exception):
    """The contract would revert, with this reason."""


class Option(NamedTuple):
    """The terms of a listed series."""

    strike: int
    is_call: bool
    expiry_s: int
    underlying: int = 0


class Fill(NamedTuple):
    """One trade of a batch: places of maker and taker in the list of orders; of a combo, one leg of a ``group``."""

    maker: int
    taker: int
    qty: int
    price: int
    index: int
    series: int = 0
    group: int = 0


def executions(fills: list[Fill]) -> list[list[Fill]]:
    """Fills that belong together: those of a group, or one alone."""
    found: list[list[Fill]] = []
    for fill in fills:
        if fill.group and found and found[-1][0].group == fill.group:
            found[-1].append(fill)
        else:
            found.append([fill])
    return found


def buys(order: Authorisation, series: int) -> bool:
    """Whether an order, or one for a combo in this leg, buys."""
    if not order.legs:
        return order.is_buy
    ratios = {leg.series: leg.ratio for leg in order.legs}
    if series not in ratios:
        raise Refused("series_mismatch")
    return order.is_buy == (ratios[series] > 0)


def is_for_request(order: Authorisation) -> bool:
    """Whether an order is signed for a request for quotes, which is a type of its own."""
    return order.terms is not None and order.terms.rfq > 0


def units_of(order: Authorisation, fills: list[Fill]) -> int:
    """How many units of a combo its legs have filled: as many of each, or the contract refuses."""
    filled = dict.fromkeys((leg.series for leg in order.legs), 0)
    for fill in fills:
        filled[fill.series] += fill.qty
    units, rest = zip(*(divmod(filled[leg.series], abs(leg.ratio)) for leg in order.legs), strict=True)
    if any(rest) or len(set(units)) != 1:
        raise Refused("combo_legs")
    return int(units[0])


def combo_fees(order: Authorisation, fees: list[tuple[int, int]]) -> list[int]:
    """Fees of a combo's fills, given as (series, ordinary fee): the largest leg in full, the others one half."""
    halves = {leg.series: abs(sum(fee // 2 for series, fee in fees if series == leg.series)) for leg in order.legs}
    largest = max(halves, key=lambda series: (halves[series], -series))
    return [fee if series == largest else -(-fee // 2) for series, fee in fees]


class Shown(NamedTuple):
    """A quote that a batch shows in place of an order: its mandate, its place in the message, and itself."""

    mandate: QuoteMandate
    place: int
    leaf: QuoteLeaf


def shown(entries: list[AuthEntry], mandates: dict[int, Mandate]) -> dict[int, Shown]:
    """Which of the authorisations a batch shows are quotes, by their places."""
    quotes = [(place, entry, mandates[entry.mandate]) for place, entry in enumerate(entries) if entry.mandate]
    return {place: Shown(held.quote, entry.leaf, held.leaves[entry.leaf]) for place, entry, held in quotes}


class Spent(NamedTuple):
    """What filled under a mandate: quantity, net delta and vega in 1e-4 of their units, fills."""

    qty: int = 0
    delta: int = 0
    vega: int = 0
    count: int = 0

    def used_up(self, budget: QuoteMandate) -> bool:
        """Whether a figure has reached its budget; zero is none."""
        figures = ((self.qty, budget.qty), (abs(self.delta), budget.delta * ONE), (abs(self.vega), budget.vega * ONE))
        return any(bound and figure >= bound for figure, bound in (*figures, (self.count, budget.count)))

    def more(self, leaf: QuoteLeaf, qty: int) -> "Spent":
        signed = qty if leaf.is_buy else -qty
        return Spent(self.qty + qty, self.delta + leaf.delta * signed, self.vega + leaf.vega * signed, self.count + 1)


class Room:
    """What a key has left of its limits; None is no limit. Notional in 1e-10 USDC, spend in 1e-6 USDC."""

    def __init__(self, underlyings: int, notional: int, spend: int) -> None:
        self.underlyings = underlyings
        self.notional = notional * ONE if notional else None
        self.spend = spend or None

    def use(self, underlying: int, notional: int, spend: int) -> None:
        if self.underlyings and not self.underlyings >> underlying & 1:
            raise Refused("key_underlying")
        if self.notional is not None:
            self.notional -= notional
            if self.notional < 0:
                raise Refused("key_notional")
        if self.spend is not None:
            self.spend -= spend
            if self.spend < 0:
                raise Refused("key_spend")


class Owned:
    """What the chain knows about an account."""

    def __init__(self, owner: bytes) -> None:
        self.owner = owner
        self.cash = 0
        self.positions: dict[int, int] = {}
        self.keys: dict[bytes, list[int]] = {}  # scopes, expiry, revoked from (0: not)
        self.rooms: dict[bytes, Room] = {}  # of the keys that have limits
        self.lanes: dict[int, int] = {}  # nonce -> filled
        self.over: dict[int, str] = {}  # nonces under which nothing fills any more -> why
        self.handed: dict[
            int, int
        ] = {}  # nonces shown without a fill -> what they took over and hand on in the same batch
        self.leaves: dict[tuple[int, int], int] = {}  # nonce of a mandate and place of a quote -> filled
        self.spent: dict[int, Spent] = {}  # nonce of a mandate -> what filled under it
        self.cancelled: dict[int, int] = {}  # nonce -> effective from
        self.frozen_from = 0
        self.models = (0, 0, 0)  # the one that counts until a time, the one that does from then on, and the time
        self.request: tuple[int, int] | None = None  # amount, effective from


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def fees_of(schedule: FeeSchedule, fill: Fill) -> tuple[int, int]:
    """Taker's and maker's fee of a fill."""
    cap = ceil_div(schedule.cap * fill.price * fill.qty, WAD * ONE)
    taker = min(ceil_div(schedule.taker_rate * fill.index * fill.qty, WAD * ONE), cap)
    if schedule.maker_rate < 0:
        return taker, -min(-schedule.maker_rate * fill.index * fill.qty // (WAD * ONE), taker // 2)
    return taker, min(ceil_div(schedule.maker_rate * fill.index * fill.qty, WAD * ONE), cap)


def _moves(order: Authorisation, qty: int) -> list[tuple[int, int]]:
    """What so much of an order moves, leg by leg if it is for a combo."""
    signed = qty if order.is_buy else -qty
    return [(leg.series, leg.ratio * signed) for leg in order.legs] or [(order.series, signed)]


def as_it_is(account: Owned) -> Owned:
    """Whatever becomes of its cash and positions."""
    kept = copy.copy(account)
    kept.positions = dict(account.positions)
    return kept


class Contract:
    """Clearing, vault and oracle in one."""

    def __init__(self, config: Configure) -> None:
        self.config = config
        self.window = config.settlement_window_s
        self.accounts: dict[int, Owned] = {0: Owned(b"")}
        self.options: dict[int, Option] = {}
        self.expiries: dict[int, int] = {}
        self.fixings: dict[int, int] = {}
        self.dust: dict[int, int] = {}
        self.rounds: dict[int, PostRound] = {}
        self.acc_at: dict[int, int] = {}
        self.batch_id = 0
        self.round_id = 0
        self.vault = 0
        self.queue: dict[bytes, Any] = {}  # blocks without an operator

    # -- the oracle ---------------------------------------------------------------------------------------------------

    def post_round(self, round_: PostRound) -> None:
        self.rounds[round_.round_id] = round_
        if round_.time_s % HALF_HOUR == 0:
            self.acc_at[round_.time_s] = round_.spots[0].acc

    def fix(self, expiry_id: int) -> int:
        expiry_s = self.expiries[expiry_id]
        if expiry_id in self.fixings:
            raise Refused("expiry_fixed")
        price = (self.acc_at[expiry_s] - self.acc_at[expiry_s - HALF_HOUR]) // HALF_HOUR
        self.fixings[expiry_id] = price
        return price

    # -- margin -------------------------------------------------------------------------------------------------------

    def margin(self, account: Owned, round_: PostRound) -> int:
        """Cash and claims less initial requirement at a named round; what it fixed before the round is a claim."""
        sheets = {sheet.expiry_id: sheet for sheet in round_.sheets}
        claims, books = 0, []
        for expiry_id in sorted({series >> 16 for series in account.positions}):
            held = {series: qty for series, qty in account.positions.items() if series >> 16 == expiry_id}
            if expiry_id in self.fixings and self.expiries[expiry_id] <= round_.time_s:
                claims += self._payoff(held, self.fixings[expiry_id]) // ONE
            elif expiry_id in sheets:
                books.append(self._book(held, round_, sheets[expiry_id]))
            else:
                raise Refused("sheet_missing")
        needed = requirement(self.config.standard, tuple(books), round_.stable, Kind.INITIAL)
        return account.cash + claims - needed

    def _by_arrays(self, account: Owned, round_: PostRound, standard: int) -> int:
        """Margin by PORTFOLIO, claims as STANDARD has them."""
        model, sheets = self.config.portfolio, {sheet.expiry_id: sheet for sheet in round_.sheets}
        if not round_.arrays or model is None:
            raise Refused("arrays_missing")
        rules, live = portfolio_rules(model), self._at_risk(account, round_)
        base = standard + requirement(self.config.standard, self._books(live, round_), round_.stable, Kind.INITIAL)
        expiries = sorted({series >> 16 for series in live})
        grids, terms = {}, {}
        for expiry in expiries:
            left, sheet = max(self.expiries[expiry] - round_.time_s, 0), sheets[expiry]
            held = Expiry(expiry, 0, self.expiries[expiry])
            on = term_of(sheet, held, round_.time_s, round_.spots[0].acc, {0: self.acc_at})
            grids[expiry] = grid.Sheet(on.expected, left, on.years, on.fixed)
            terms |= {
                s: Terms(self.options[s].strike, self.options[s].is_call, sheet.vols[s & 0xFFFF])
                for s in self.options
                if s >> 16 == expiry and s & 0xFFFF < len(sheet.vols)
            }
        arrays = RiskRound(model, round_.round_id, grids, terms, SCALAR)
        added = [
            scan.added_up(arrays, e, {s: q for s, q in live.items() if s >> 16 == e}, sheets[e].conf) for e in expiries
        ]
        market = PortfolioMarket(rules, scan.Market(round_.spots[0].spot, tuple(added)))
        found = assess(LaidOut(rules, 0, round_.stable, (), (market,)), Kind.INITIAL)
        return base - max(found.requirement - found.equity, 0)

    def _at_risk(self, account: Owned, round_: PostRound) -> dict[int, int]:
        """What is no claim yet."""
        over = {e for e, time_s in self.expiries.items() if e in self.fixings and time_s <= round_.time_s}
        return {series: qty for series, qty in account.positions.items() if series >> 16 not in over}

    def _books(self, live: dict[int, int], round_: PostRound) -> tuple[ExpiryBook, ...]:
        sheets = {sheet.expiry_id: sheet for sheet in round_.sheets}
        each = {s >> 16: {t: q for t, q in live.items() if t >> 16 == s >> 16} for s in live}
        return tuple(self._book(held, round_, sheets[expiry]) for expiry, held in sorted(each.items()))

    def _book(self, held: dict[int, int], round_: PostRound, sheet: Sheet) -> ExpiryBook:
        legs = tuple(
            Leg(qty, self.options[series].strike, self.options[series].is_call, sheet.marks[series & 0xFFFF])
            for series, qty in held.items()
        )
        return ExpiryBook(round_.spots[0].spot, sheet.forward, sheet.conf, legs)

    def _payoff(self, held: dict[int, int], price: int) -> int:
        total = 0
        for series, qty in held.items():
            option = self.options[series]
            total += qty * max(price - option.strike if option.is_call else option.strike - price, 0)
        return total

    # -- batches ------------------------------------------------------------------------------------------------------

    def settle(
        self,
        batch_id: int,
        round_id: int,
        orders: list[Authorisation],
        fills: list[Fill],
        now_s: int,
        quotes: dict[int, Shown],
    ) -> None:
        """Take a batch whole, or raise Refused and (as a revert would) leave everything as it was.

        ``quotes`` says which places of ``orders`` are quotes spelt out.
        """
        self._may_follow(batch_id, round_id, len(orders))
        moved = self._match(orders, fills)
        self._reduce(orders, fills)
        spent = self._spend(quotes, fills)
        touched = sorted({order.account for order in orders})
        before = {key: self._may_trade(self.accounts[key], now_s) for key in touched}
        self._execute_all(orders, fills, now_s, quotes)
        for (key, nonce), sums in spent.items():
            self.accounts[key].spent[nonce] = sums
        for key, cash in moved.items():
            self.accounts[key].cash += cash
        for key in touched:
            self.must_hold(key, before[key], self.rounds[round_id], now_s)
        self.batch_id = batch_id
        if orders:
            self.round_id = round_id

    def _execute_all(
        self, orders: list[Authorisation], fills: list[Fill], now_s: int, quotes: dict[int, Shown]
    ) -> None:
        filled = [self._filled(order, place, fills) for place, order in enumerate(orders)]
        for place, order in enumerate(orders):
            self._execute(order, filled[place], now_s, quotes.get(place))
            self._use_key(order, filled[place], self._paid(orders, fills, place))
        if any(self.accounts[order.account].handed for order in orders):
            raise Refused("order_replaced")

    def _may_follow(self, batch_id: int, round_id: int, orders: int) -> None:
        if batch_id != self.batch_id + 1:
            raise Refused("batch_id")
        if round_id < self.round_id:
            raise Refused("round_order")
        if orders > 256:
            raise Refused("batch_format")

    def _may_trade(self, account: Owned, now_s: int) -> Owned:
        """An account that is not leaving, as it is."""
        if account.frozen_from and account.frozen_from <= now_s:
            raise Refused("account_frozen")
        return as_it_is(account)

    def must_hold(self, key: int, before: Owned, round_: PostRound, now_s: int) -> None:
        """Initial margin holds, or is no worse than before."""
        after = self.better(self.accounts[key], round_, now_s)
        if after < 0 and after < (had := self.better(before, round_, now_s)):
            raise Refused(f"account_margin: {key} has {after}, had {had}")

    def better(self, account: Owned, round_: PostRound, now_s: int, enough: int = 0) -> int:
        """Margin by STANDARD or, of an account under PORTFOLIO, by whichever leaves more; ``enough`` needs no arrays."""
        margin = self.margin(account, round_)
        if margin >= enough or not self.is_portfolio(account, now_s):
            return margin
        return max(margin, self._by_arrays(account, round_, margin))

    def _match(self, orders: list[Authorisation], fills: list[Fill]) -> dict[int, int]:
        moved: dict[int, int] = {}
        for fills_ in executions(fills):
            charged = self._charged(orders, fills_)
            for fill, (taker_fee, maker_fee) in zip(fills_, charged, strict=True):
                maker, taker = orders[fill.maker], orders[fill.taker]
                self._may_meet(fill, maker, taker)
                buyer, seller = (taker, maker) if buys(taker, fill.series) else (maker, taker)
                premium = fill.price * fill.qty // ONE
                for account, cash in (
                    (buyer.account, -premium),
                    (seller.account, premium),
                    (taker.account, -taker_fee),
                    (maker.account, -maker_fee),
                    (0, taker_fee + maker_fee),
                ):
                    moved[account] = moved.get(account, 0) + cash
        return moved

    def _may_meet(self, fill: Fill, maker: Authorisation, taker: Authorisation) -> None:
        if fill.series not in (maker.series, *(leg.series for leg in maker.legs)):
            raise Refused("series_mismatch")
        if not taker.legs and (maker.legs or maker.series != taker.series):
            raise Refused("series_mismatch")
        if is_for_request(maker) != is_for_request(taker):
            raise Refused("rfq_mismatch")
        if buys(maker, fill.series) == buys(taker, fill.series):
            raise Refused("side_mismatch")
        if taker.post_only:
            raise Refused("order_post_only")
        if maker.tif != 0:
            raise Refused("order_not_resting")

    def _charged(self, orders: list[Authorisation], fills: list[Fill]) -> list[tuple[int, int]]:
        """Fees of fills that belong together, within what everybody signed, as the prices are."""
        ordinary = [fees_of(self.config.fees, fill) for fill in fills]
        sides = []
        for side in (0, 1):  # takers, makers
            places = [fill.maker if side else fill.taker for fill in fills]
            fees = [pair[side] for pair in ordinary]
            first = orders[places[0]]
            if first.legs:
                if len(set(places)) != 1:
                    raise Refused("combo_legs")
                fees = combo_fees(first, list(zip((fill.series for fill in fills), fees, strict=True)))
                self._within(first, units_of(first, fills), self._value(first, fills), sum(fees))
            else:
                for place, fill, fee in zip(places, fills, fees, strict=True):
                    self._within(orders[place], fill.qty, fill.price * fill.qty, fee)
            sides.append(fees)
        return list(zip(*sides, strict=True))

    def _value(self, order: Authorisation, fills: list[Fill]) -> int:
        """What the buyer of a combo pays, in price x quantity."""
        return sum(fill.price * fill.qty * (1 if buys(order, fill.series) == order.is_buy else -1) for fill in fills)

    def _within(self, order: Authorisation, qty: int, value: int, fee: int) -> None:
        if (value > order.price * qty) if order.is_buy else (value < order.price * qty):
            raise Refused("price_beyond_limit")
        if fee > ceil_div(order.max_fee * qty, ONE):
            raise Refused("fee_beyond_max")

    def _filled(self, order: Authorisation, place: int, fills: list[Fill]) -> int:
        own = [fill for fill in fills if place in (fill.maker, fill.taker)]
        return units_of(order, own) if order.legs else sum(fill.qty for fill in own)

    def _reduce(self, orders: list[Authorisation], fills: list[Fill]) -> None:
        """No fill of a reduce-only order may find less to close than it takes, fill after fill."""
        held: dict[tuple[int, int], int] = {}
        for fill in fills:
            for order in (orders[fill.maker], orders[fill.taker]):
                open_qty = self.accounts[order.account].positions.get(fill.series, 0)
                open_qty = held.setdefault((order.account, fill.series), open_qty)
                if order.reduce_only and (-open_qty if order.is_buy else open_qty) < fill.qty:
                    raise Refused("order_reduce_only")
            for order in (orders[fill.maker], orders[fill.taker]):
                held[order.account, fill.series] += fill.qty if buys(order, fill.series) else -fill.qty

    def _spend(self, quotes: dict[int, Shown], fills: list[Fill]) -> dict[tuple[int, int], Spent]:
        """What mandates have given after these fills; none may give anything more once a figure is used up."""
        spent: dict[tuple[int, int], Spent] = {}
        for fill in fills:
            if fill.taker in quotes:
                raise Refused("quote_takes")
            if fill.maker in quotes:
                mandate, _, leaf = quotes[fill.maker]
                key = (mandate.account, mandate.nonce)
                before = spent.get(key, self.accounts[mandate.account].spent.get(mandate.nonce, Spent()))
                if before.used_up(mandate):
                    raise Refused("mandate_used_up")
                spent[key] = before.more(leaf, fill.qty)
        return spent

    def _execute(self, order: Authorisation, qty: int, now_s: int, quote: Shown | None) -> None:
        account = self.accounts[order.account]
        scopes = 4 if quote is not None else 1 | 8 * is_for_request(order)
        self._check_signer(account, order, qty, now_s, scopes)
        if qty:
            if order.expiry_s + self.window < now_s:
                raise Refused("order_expired")
            if account.cancelled.get(order.nonce, now_s + 1) <= now_s:
                raise Refused("order_cancelled")
            for series, _ in _moves(order, qty):
                if self.options[series].expiry_s + self.window < now_s:
                    raise Refused("series_expired")
        if quote is None:
            self._count(account, order, qty)
        else:
            self._count_leaf(account, quote, qty)
        for series, change in _moves(order, qty):
            account.positions[series] = account.positions.get(series, 0) + change
            if not account.positions[series]:
                del account.positions[series]

    def _check_signer(self, account: Owned, order: Authorisation, qty: int, now_s: int, scope: int) -> None:
        if order.signer == account.owner:
            return
        scopes, expiry_s, revoked_from = account.keys.get(order.signer, [0, 0, 0])
        if order.signer not in account.keys:
            raise Refused("order_signature")
        if qty and not scopes & scope:
            raise Refused("key_scope")
        if qty and expiry_s + self.window < now_s:
            raise Refused("key_expired")
        if qty and revoked_from and revoked_from <= now_s:
            raise Refused("key_revoked")

    def _paid(self, orders: list[Authorisation], fills: list[Fill], place: int) -> int:
        """What an order's fills in a batch cost its account: premium if it buys, and fees."""
        paid = 0
        for fill in fills:
            if place in (fill.maker, fill.taker):
                premium = fill.price * fill.qty // ONE
                paid += premium if orders[place].is_buy else -premium
                paid += fees_of(self.config.fees, fill)[place == fill.maker]
        return paid

    def _use_key(self, order: Authorisation, qty: int, paid: int) -> None:
        room = self.accounts[order.account].rooms.get(order.signer)
        if room is not None and qty and not order.legs:
            underlying = self.options[order.series].underlying
            room.use(underlying, self.options[order.series].strike * qty, max(paid, 0) if order.is_buy else 0)

    def _count_leaf(self, account: Owned, quote: Shown, qty: int) -> None:
        key = (quote.mandate.nonce, quote.place)
        account.leaves[key] = account.leaves.get(key, 0) + qty
        if account.leaves[key] > quote.leaf.qty:
            raise Refused("order_overfilled")

    def _count(self, account: Owned, order: Authorisation, qty: int) -> None:
        if order.nonce in account.over:
            raise Refused(account.over[order.nonce])
        lanes = account.lanes
        before = lanes.get(order.nonce, 0)
        total = before + qty
        if before == 0 and order.replaces:
            replaced = order.replaces - 1
            if replaced in account.over and replaced not in account.handed:
                raise Refused("order_replaced")
            taken = account.handed.pop(replaced, lanes.get(replaced, 0))
            if taken or qty:
                account.over[replaced] = "order_replaced"
                total += taken
        if total == before:
            return
        if not qty:
            account.handed[order.nonce] = total
            account.over[order.nonce] = "order_replaced"
            return
        if total > order.qty:
            raise Refused("order_overfilled")
        lanes[order.nonce] = total
        if total == order.qty:
            account.over[order.nonce] = "order_overfilled"

    # -- owners -------------------------------------------------------------------------------------------------------

    def choose(self, key: int, model: int, now_s: int) -> tuple[int, int, int]:
        """What counts until when, and what from then on."""
        account = self.accounts[key]
        account.models = int(self.is_portfolio(account, now_s)), model, now_s + self.window
        return account.models

    def is_portfolio(self, account: Owned, now_s: int) -> bool:
        before, chosen, effective = account.models
        return bool(chosen if effective <= now_s else before)

    def free(self, account: Owned, round_: PostRound) -> int:
        """What may leave: no more than there is, no more than initial margin leaves over."""
        return min(account.cash, self.margin(account, round_))

    def withdraw(self, key: int, round_: PostRound, now_s: int) -> int:
        account = self.accounts[key]
        if account.request is None:
            raise Refused("withdrawal_unknown")
        amount, effective = account.request
        if effective > now_s:
            raise Refused("withdrawal_early")
        if self.free(account, round_) < amount:
            raise Refused("account_margin")
        account.request = None
        account.cash -= amount
        self.vault -= amount
        return amount

    def settle_expiry(self, expiry_id: int, key: int, now_s: int) -> int:
        """Turn an account's positions in a fixed expiry into cash, once acknowledged fills had time to settle."""
        if expiry_id not in self.fixings:
            raise Refused("expiry_unfixed")
        if self.expiries[expiry_id] + self.window + 1 > now_s:
            raise Refused("expiry_early")
        account = self.accounts[key]
        held = {series: qty for series, qty in account.positions.items() if series >> 16 == expiry_id}
        value = self._payoff(held, self.fixings[expiry_id])
        account.cash += value // ONE
        for series in held:
            del account.positions[series]
        dust = self.dust.get(expiry_id, 0) + value % ONE
        self.accounts[0].cash += dust // ONE
        self.dust[expiry_id] = dust % ONE
        return value // ONE
