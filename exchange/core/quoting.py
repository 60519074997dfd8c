"""Quotes: many orders of one maker under one signature, entered, replaced and withdrawn together.

A message replaces what its group quoted before in the series it names, in one record: first everything is decided
against the books without the old quotes, then it stands. A leaf that cannot stand is refused alone. Quotes only ever
make. Deciding only reads. Imports state, admission, orders, pools, protection, risk, events.
"""

from typing import Final, TypeAlias

from exchange.core import admission, deadlines, fees, orders, pools, presence, protection, purging, risk, settlement
from exchange.core.commands import (
    GTC,
    SCOPE_QUOTE,
    Authorisation,
    CancelQuotes,
    FreezeQuotes,
    MassQuote,
    Protection,
    QuoteLeaf,
    SetProtection,
)
from exchange.core.events import (
    Applied,
    Cancelled,
    CancelReason,
    Event,
    MassQuoted,
    Quoted,
    QuoteRefused,
    Reject,
    Rejected,
)
from exchange.core.state import State, side_of
from exchange.core.state_types import QUOTE_BIT, Account, AuthEntry, Mandate, OpenInterest, Order, QuoteGroup
from exchange.core.units import (
    NO_EXPIRY,
    RISK_ONE,
    U32_MAX,
    U63_MAX,
    U64_MAX,
    Nanos,
    Price,
    Qty,
    Risk,
    Seconds,
    div_up,
    seconds_of,
)

LEAVES_MAX: Final = 256  # of a message: a leaf is numbered in a byte
GROUPS_MAX: Final = 64  # of an account
MANDATES_MAX: Final = 64  # of an account with quotes in the book: what reading its covers takes
NAME_MAX: Final = 64  # characters of a group's name
INTERVAL_MAX_NS: Final = 3_600 * 10**9
BOUND_MAX: Final = 2**47  # of a net figure: with its four decimals and one more fill a journal integer holds it

KINDS: Final = (MassQuote, SetProtection, FreezeQuotes, CancelQuotes)
Command: TypeAlias = MassQuote | SetProtection | FreezeQuotes | CancelQuotes


def decide(state: State, command: Command, seq: int, time_ns: Nanos) -> tuple[Event, ...]:
    """What a maker's command causes; reads only."""
    match command:
        case MassQuote():
            return decide_mass_quote(state, command, seq, time_ns)
        case SetProtection():
            return decide_protection(state, command)
        case FreezeQuotes():
            return decide_freeze(state, command)
        case CancelQuotes():
            return decide_cancel(state, command)


def evolve(state: State, command: SetProtection | FreezeQuotes | CancelQuotes) -> None:
    """What a command changes of a group; the quotes it takes off follow as cancellations."""
    match command:
        case SetProtection():
            evolve_protection(state, command)
        case FreezeQuotes():
            evolve_freeze(state, command)
        case CancelQuotes():
            pass


def quote_id(seq: int, leaf: int) -> int:
    """Number of the order and the authorisation that a leaf of the message of record ``seq`` gives rise to."""
    return QUOTE_BIT | seq << 8 | leaf


def leaf_auth(command: MassQuote, leaf: QuoteLeaf) -> Authorisation:
    """A leaf spelt out as the order it is: post-only, good until the mandate ends. What was signed is the mandate."""
    signed = command.mandate
    return Authorisation(  # by position: it is made for each leaf
        signed.account,
        leaf.series,
        leaf.is_buy,
        leaf.qty,
        leaf.price,
        signed.max_fee,
        GTC,
        True,
        False,
        0,  # replaces
        signed.nonce,
        signed.expiry_s,
        signed.signer,
        signed.signature,
    )


# -- groups -----------------------------------------------------------------------------------------------------------


def decide_protection(state: State, command: SetProtection) -> tuple[Event, ...]:
    """Bounds that fit; a window that has already reached them freezes the group at once."""
    account = state.accounts.get(command.account)
    if account is None or account.id == 0:
        return (Rejected(Reject.ACCOUNT_MUST_EXIST, command.account),)
    bounds = command.protection
    figures = (bounds.qty, bounds.delta, bounds.vega, bounds.count)
    if not all(0 <= figure <= BOUND_MAX for figure in figures):
        return (Rejected(Reject.PROTECTION_MUST_FIT, _odd_one(figures), BOUND_MAX),)
    for span in (bounds.interval_ns, bounds.frozen_ns):
        if not 0 <= span <= INTERVAL_MAX_NS:
            return (Rejected(Reject.PROTECTION_MUST_FIT, max(min(span, U63_MAX), -U63_MAX), INTERVAL_MAX_NS),)
    if not 0 < len(command.group) <= NAME_MAX or len(account.groups) >= GROUPS_MAX + (command.group in account.groups):
        return (Rejected(Reject.PROTECTION_MUST_FIT, len(account.groups), GROUPS_MAX),)
    group = account.groups.get(command.group)
    return (Applied(), *(protection.trip(state, account.id, group, bounds) if group is not None else ()))


def _odd_one(figures: tuple[int, ...]) -> int:
    odd = next(figure for figure in figures if not 0 <= figure <= BOUND_MAX)
    return max(min(odd, U63_MAX), -U63_MAX)


def evolve_protection(state: State, command: SetProtection) -> None:
    """The group has these bounds from here on."""
    groups = state.accounts[command.account].groups
    group = groups.get(command.group)
    if group is None:
        groups[command.group] = QuoteGroup(command.group, command.protection)
    else:
        group.protection = command.protection


def decide_freeze(state: State, command: FreezeQuotes) -> tuple[Event, ...]:
    """Freezing takes off the book what the group protects."""
    account = state.accounts.get(command.account)
    if account is None:
        return (Rejected(Reject.ACCOUNT_MUST_EXIST, command.account),)
    if command.group not in account.groups:
        return (Rejected(Reject.QUOTE_GROUP_MUST_EXIST, len(account.groups)),)
    if not command.is_frozen:
        return (Applied(),)
    return (Applied(), *_cancelled(list(protection.standing_in(account, command.group)), CancelReason.BY_OWNER))


def evolve_freeze(state: State, command: FreezeQuotes) -> None:
    """Frozen until reset; reset, with nothing counted any more."""
    group = state.accounts[command.account].groups[command.group]
    group.frozen_until_ns = protection.UNTIL_RESET if command.is_frozen else 0
    if not command.is_frozen:
        group.fills = []


def decide_cancel(state: State, command: CancelQuotes) -> tuple[Event, ...]:
    """Quotes that answer to everything named, by group and series; perhaps none."""
    account = state.accounts.get(command.account)
    if account is None:
        return (Rejected(Reject.ACCOUNT_MUST_EXIST, command.account),)
    if command.group and command.group not in account.groups:
        return (Rejected(Reject.QUOTE_GROUP_MUST_EXIST, len(account.groups)),)
    groups = [command.group] if command.group else sorted(account.quotes)
    meant = [order for name in groups for order in protection.quotes_of(account, name) if _meant(state, command, order)]
    return (Applied(), *_cancelled(meant, CancelReason.BY_OWNER))


def _meant(state: State, command: CancelQuotes, order: Order) -> bool:
    if command.series not in (-1, order.series) or command.label not in ("", order.label):
        return False
    if command.underlying not in (-1, state.series[order.series].underlying):
        return False
    leaf = state.mandates[order.mandate].leaves[state.auths[order.auth_id].leaf]
    return command.delta_min <= leaf.delta <= command.delta_max


def _cancelled(quotes: list[Order], reason: CancelReason) -> list[Event]:
    return [Cancelled(order.id, reason, order.qty - order.filled) for order in quotes]


# -- a message --------------------------------------------------------------------------------------------------------


def decide_mass_quote(state: State, command: MassQuote, seq: int, time_ns: Nanos) -> tuple[Event, ...]:
    """Admit the message, take the old quotes off, and enter each leaf that can stand."""
    refused = _refuse(state, command, time_ns)
    if refused is not None:
        return (refused,)
    plan = Plan(state, command, seq, seconds_of(time_ns))
    short = plan.refuse_cover()
    if short is not None:
        return (short,)
    for place, leaf in enumerate(command.leaves):
        plan.take(place, leaf)
    return (MassQuoted(seq), *plan.withdrawn(), *plan.events)


def _refuse(state: State, command: MassQuote, time_ns: Nanos) -> Rejected | None:
    """The first rule that the message breaks as a whole."""
    mandate, now_s = command.mandate, seconds_of(time_ns)
    if not state.is_open or state.config is None:
        return Rejected(Reject.TRADING_MUST_BE_OPEN)
    if not state.config.mandates:
        return Rejected(Reject.MANDATES_MUST_BE_SUPPORTED)
    refused = admission.refuse_who(state, mandate, now_s, SCOPE_QUOTE)
    if refused is not None:
        return refused
    account = state.accounts[mandate.account]
    refused = admission.refuse_group(state, account, command.group)
    if refused is not None:
        return refused
    if not 0 < len(command.leaves) <= LEAVES_MAX:
        return Rejected(Reject.QUOTES_MUST_FIT, len(command.leaves), LEAVES_MAX)
    bounds = account.groups[command.group].protection
    refused = _refuse_budget(command, bounds) or _refuse_signed(state, account, command, now_s)
    return refused or pools.refuse_quotes(state, command)


def _refuse_budget(command: MassQuote, bounds: Protection) -> Rejected | None:
    mandate = command.mandate
    for figure in (mandate.qty, mandate.delta, mandate.vega, mandate.count):
        if not 0 <= figure <= BOUND_MAX:
            return Rejected(Reject.QUOTE_BUDGET_MUST_FIT, max(min(figure, U63_MAX), -U63_MAX), BOUND_MAX)
    if mandate.count > U32_MAX:
        return Rejected(Reject.QUOTE_BUDGET_MUST_FIT, mandate.count, U32_MAX)
    if bounds.covered and not mandate.qty:
        return Rejected(Reject.QUOTE_BUDGET_MUST_FIT, 0, 1)
    if not 0 <= mandate.max_fee <= U63_MAX:
        return Rejected(Reject.PRICE_MUST_FIT, min(mandate.max_fee, U63_MAX), U63_MAX)
    return None


def _refuse_signed(state: State, account: Account, command: MassQuote, now_s: Seconds) -> Rejected | None:
    mandate, view = command.mandate, state.view
    if not now_s < mandate.expiry_s <= NO_EXPIRY:
        return Rejected(Reject.ORDER_MUST_NOT_BE_EXPIRED, mandate.expiry_s, now_s)
    if not 0 <= mandate.nonce <= U64_MAX or account.nonce_used(mandate.nonce):
        return Rejected(Reject.NONCE_MUST_BE_FRESH, min(mandate.nonce, U64_MAX))
    assert state.config is not None
    if view is None or now_s - view.time_s > state.config.settlement_window_s:
        return Rejected(Reject.ORACLE_MUST_BE_FRESH, now_s - view.time_s if view else 0)
    return presence.refuse_gone(state, command.session)


class Plan:
    """What becomes of a message: running sums stand for what has not moved yet."""

    __slots__ = (
        "_account",
        "_command",
        "_count",
        "_covered",
        "_covers",
        "_entered",
        "_max",
        "_now_s",
        "_old",
        "_open",
        "_reserved",
        "_seq",
        "_state",
        "events",
    )

    def __init__(self, state: State, command: MassQuote, seq: int, now_s: Seconds) -> None:
        account = state.accounts[command.mandate.account]
        self._state, self._command, self._seq, self._now_s = state, command, seq, now_s
        self._account = account
        self._covered = account.groups[command.group].protection.covered
        self._covers: Risk = 0
        self._old = self._replaced()
        self._entered: dict[int, Price] = {}  # side of a series -> price of the leaf that will stand there
        self._open: dict[int, OpenInterest] = {}  # of the series named, as the message leaves them
        self._count = protection.size_of(account, command.group) - len(self._old)
        self.events: list[Event] = []
        risk.refresh(state, account)
        self._reserved = account.reserved
        for order in self._old.values():
            if not self._is_covered(order):
                self._reserve(order.series, order.is_buy, order.filled - order.qty, order.price)
        self._max: Risk | None = None

    def _replaced(self) -> dict[int, Order]:
        """Quotes that the message replaces, by side of a series."""
        quotes = self._account.quotes.get(self._command.group, {})
        if self._command.whole:
            return dict(quotes)
        named = dict.fromkeys(leaf.series for leaf in self._command.leaves)
        sides = [side_of(series, is_buy=is_buy) for series in named for is_buy in (False, True)]
        return {side: quotes[side] for side in sides if side in quotes}

    def _is_covered(self, order: Order) -> bool:
        return self._state.mandates[order.mandate].covered

    # -- margin -------------------------------------------------------------------------------------------------------

    def refuse_cover(self) -> Rejected | None:
        """Margin for the covers that the message leaves, checked once whatever it quotes; and not too many mandates."""
        state, account, command = self._state, self._account, self._command
        kept = self._kept_mandates()
        if len(kept) >= MANDATES_MAX:
            return Rejected(Reject.OPEN_ORDERS_MUST_FIT, len(kept), MANDATES_MAX)
        covers = [(key, account.covers[key]) for key in kept if key in account.covers]
        self._covers = sum(risk.cover_of(state, key, cover, state.mandates[key].qty) for key, cover in covers)
        if not self._covered:
            return None
        unit, last = risk.cover_units(state, command.leaves)
        self._covers += command.mandate.qty * unit + last
        short = self._reserved - risk.reserve_max(state, account, self._reserved, self._covers)
        return admission.short_of_margin(account, div_up(short, RISK_ONE)) if short > 0 else None

    def _kept_mandates(self) -> list[int]:
        """Mandates of the account that still have a quote in the book once the old ones are off it."""
        gone: dict[int, int] = {}
        for order in self._old.values():
            gone[order.mandate] = gone.get(order.mandate, 0) + 1
        return [key for key, live in self._account.standing.items() if live > gone.get(key, 0)]

    def _reserve(self, series: int, is_buy: bool, qty: Qty, price: Price) -> None:
        """Move the reservation by so much more of one side, and remember the series so."""
        item = self._open_of(series)
        self._reserved += self._change(series, is_buy, qty, price)
        if is_buy:
            item.buy_qty += qty
            item.buy_value += qty * price
        else:
            item.sell_qty += qty

    def _change(self, series: int, is_buy: bool, qty: Qty, price: Price) -> Risk:
        position = self._account.positions.get(series, 0)
        return risk.change(self._state, position, self._open_of(series), series, is_buy, qty, qty * price)

    def _open_of(self, series: int) -> OpenInterest:
        item = self._open.get(series)
        if item is None:
            held = self._account.open.get(series, OpenInterest())
            item = self._open[series] = OpenInterest(held.buy_qty, held.buy_value, held.sell_qty)
        return item

    # -- leaves -------------------------------------------------------------------------------------------------------

    def take(self, place: int, leaf: QuoteLeaf) -> None:
        """Enter one leaf, or refuse it."""
        refused = self._refuse(leaf)
        if refused is not None:
            self.events.append(QuoteRefused(place, refused.reason, refused.value, refused.limit))
            return
        side = side_of(leaf.series, is_buy=leaf.is_buy)
        self._entered[side] = leaf.price
        self._count += 1
        if not self._covered:
            self._reserve(leaf.series, leaf.is_buy, leaf.qty, leaf.price)
        old = self._old.get(side)
        if old is None:
            self.events.append(Quoted(place, quote_id(self._seq, place), kept=False))
            return
        self.events.append(Quoted(place, old.id, self._keeps_place(old, leaf)))

    def _keeps_place(self, old: Order, leaf: QuoteLeaf) -> bool:
        """Whether the leaf asks for no more, at the same price, than what stands there and is not on its way out."""
        if old.expiry_s <= self._now_s or self._is_covered(old) != self._covered:
            return False
        if purging.doom_of(self._state, old) is not None:
            return False
        return leaf.price == old.price and leaf.qty <= old.qty - old.filled

    def _refuse(self, leaf: QuoteLeaf) -> Rejected | None:
        """The first rule that the leaf breaks."""
        state, side = self._state, side_of(leaf.series, is_buy=leaf.is_buy)
        refused = admission.refuse_what(state, leaf_auth(self._command, leaf), self._now_s)
        if refused is not None:
            return refused
        if leaf.series not in risk.view_now(state).marks:
            return Rejected(Reject.ORACLE_MUST_BE_FRESH, leaf.series)
        refused = self._refuse_fee(leaf)
        if refused is not None:
            return refused
        refused = admission.refuse_greeks(leaf.delta, leaf.vega, leaf.qty)
        if refused is not None:
            return refused
        if side in self._entered:
            return Rejected(Reject.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE, leaf.series)
        if self._count >= admission.GROUP_MAX:
            return Rejected(Reject.OPEN_ORDERS_MUST_FIT, self._count, admission.GROUP_MAX)
        return self._refuse_crossing(leaf) or self._refuse_margin(leaf)

    def _refuse_fee(self, leaf: QuoteLeaf) -> Rejected | None:
        config, max_fee = self._state.config, self._command.mandate.max_fee
        assert config is not None
        index = risk.view_now(self._state).spots[self._state.series[leaf.series].underlying]
        fee = fees.maker_fee(config.fees, index, leaf.price, leaf.qty, 0)
        if fees.fits(fee, max_fee, leaf.qty):
            return None
        return Rejected(
            Reject.MAX_FEE_MUST_COVER_FEE, min(fees.fee_allowed(max_fee, leaf.qty), U63_MAX), min(fee, U63_MAX)
        )

    def _refuse_crossing(self, leaf: QuoteLeaf) -> Rejected | None:
        """A quote meets neither what others have in the book nor what this message has put there."""
        for best in (
            self._best(leaf.series, is_buy=not leaf.is_buy),
            self._entered.get(side_of(leaf.series, is_buy=not leaf.is_buy)),
        ):
            if best is not None and (best <= leaf.price if leaf.is_buy else best >= leaf.price):
                return Rejected(Reject.POST_ONLY_MUST_NOT_CROSS, leaf.price, best)
        return None

    def _best(self, series: int, *, is_buy: bool) -> Price | None:
        """Best price of a side without the quote that leaves it; a group has at most one on a side."""
        leaving = self._old.get(side_of(series, is_buy=is_buy))
        for order in self._state.books[series].side(is_buy=is_buy).orders():
            if order is not leaving:
                return order.price
        return None

    def _refuse_margin(self, leaf: QuoteLeaf) -> Rejected | None:
        if self._covered:
            return None  # the budget has been seen to
        more = self._change(leaf.series, leaf.is_buy, leaf.qty, leaf.price)
        if more <= 0:
            return None
        if self._max is None or self._reserved + more > self._max:
            self._max = risk.reserve_max(self._state, self._account, self._reserved + more, self._covers)
        short = self._reserved + more - self._max
        return admission.short_of_margin(self._account, div_up(short, RISK_ONE)) if short > 0 else None

    def withdrawn(self) -> list[Event]:
        """The old quotes on whose side nothing new stands."""
        quotes = [order for side, order in sorted(self._old.items()) if side not in self._entered]
        return _cancelled(quotes, CancelReason.QUOTE_REPLACED)


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve_mass_quoted(state: State, command: MassQuote) -> None:
    """The nonce is spent, whatever stands."""
    nonce = command.mandate.nonce
    state.accounts[command.mandate.account].spend_nonces(nonce >> 6, 1 << (nonce & 63))


def evolve_quoted(state: State, command: MassQuote, event: Quoted, seq: int, time_ns: Nanos) -> None:
    """A leaf stands in the book: as a new order, or as what an open one is from here on."""
    leaf, account = command.leaves[event.leaf], state.accounts[command.mandate.account]
    auth = leaf_auth(command, leaf)
    mandate = _mandate_of(state, command, seq)
    mandate.refs += 1
    auth_id = quote_id(seq, event.leaf)
    state.auths[auth_id] = AuthEntry(auth_id, auth, 0, 0, 1, 0, seq, event.leaf)
    order = state.orders.get(event.order_id)
    if order is None:
        order = _new_order(auth, event.order_id, time_ns)
        state.orders[order.id] = account.orders[order.id] = order
    else:
        _take_over(state, order, leaf, kept=event.kept)
    order.auth_id, order.mandate, order.price, order.qty, order.filled = auth_id, seq, leaf.price, leaf.qty, 0
    order.max_fee, order.label, order.updated_ns = auth.max_fee, command.label, time_ns
    order.expiry_s = orders.good_until(account, auth)
    if command.session:
        orders.mind(state, order, command.session)
    protection.enter(state, order)
    if not event.kept:
        order.priority = seq
        orders.rest(state, order)
    deadlines.remember(state, order)


def _mandate_of(state: State, command: MassQuote, seq: int) -> Mandate:
    mandate = state.mandates.get(seq)
    if mandate is None:
        covered = state.accounts[command.mandate.account].groups[command.group].protection.covered
        mandate = state.mandates[seq] = Mandate(seq, command.mandate, command.leaves, command.group, covered)
    return mandate


def _take_over(state: State, order: Order, leaf: QuoteLeaf, *, kept: bool) -> None:
    """Loosen an open quote from its mandate; unless it keeps its place, from the book too."""
    if kept:
        orders.shrink(state, order, order.qty - order.filled - leaf.qty)
    else:
        orders.lift(state, order)
    protection.leave(state, order)
    settlement.release(state, order.auth_id)


def _new_order(auth: Authorisation, order_id: int, time_ns: Nanos) -> Order:
    return Order(
        id=order_id,
        auth_id=order_id,
        account=auth.account,
        series=auth.series,
        is_buy=auth.is_buy,
        price=auth.price,
        qty=auth.qty,
        filled=0,
        priority=0,
        max_fee=auth.max_fee,
        reduce_only=False,
        post_only=True,
        tif=auth.tif,
        expiry_s=0,
        label="",
        created_ns=time_ns,
        updated_ns=time_ns,
    )
