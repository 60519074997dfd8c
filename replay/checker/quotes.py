"""Messages of quotes: what they replace, which leaves may stand, and what a fill of a quote brings about.

Imports the words of the journal, admission, protection and the ledger.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from exchange.core import commands as c
from exchange.core.events import (
    Applied,
    Cancelled,
    CancelReason,
    Event,
    MassQuoted,
    ProtectionTriggered,
    Quoted,
    QuoteRefused,
    Reject,
    Rejected,
)
from exchange.core.units import NO_EXPIRY, U32_MAX, U63_MAX
from replay.checker import fees, phases, pools, presence
from replay.checker.admission import broken_terms, broken_who
from replay.checker.bounds import (
    BOUND_MAX,
    FILL_MAX,
    GROUP_MAX,
    GROUPS_MAX,
    INTERVAL_MAX_NS,
    LEAVES_MAX,
    MANDATES_MAX,
    NAME_MAX,
)
from replay.checker.facts import Account, Order, Series, Signed
from replay.checker.leaving import leave
from replay.checker.ledger import TREASURY, Ledger
from replay.checker.protection import FOREVER, Group, Mandate
from replay.checker.rules import Rule, Taken

QUOTE_BIT: Final = 1 << 62
"""Numbers of quotes are apart from those of orders."""


# -- what a fill brings about -----------------------------------------------------------------------------------------


def filled(ledger: Ledger, maker: Order, qty: int) -> list[Event]:
    """Count a fill of what a group protects; the events that must follow before anything else does."""
    mandate, group = maker.mandate, maker.group_of_quotes
    used_up = mandate is not None and mandate.reached()
    if used_up or ledger.time_ns < group.frozen_until_ns:
        sentence = f"order {maker.id} is filled though its budget is used up or its group frozen"
        ledger.note(Rule.BUDGET_MUST_BOUND_FILLS, sentence, order=maker.id)
    signed, bought = maker.leaf if mandate is not None else maker.terms, qty if maker.is_buy else -qty
    if mandate is not None:
        mandate.sums.add(signed, bought)
    tripped = group.add(ledger.seq, ledger.time_ns, signed, bought)
    if tripped is not None:
        triggered = ProtectionTriggered(group.account, group.name, *tripped)
        return [triggered, *_off(ledger, protected(ledger, group), CancelReason.QUOTE_PROTECTION)]
    if mandate is not None and mandate.reached():
        same = [order for order in standing(ledger, group) if order.mandate is mandate]
        return _off(ledger, same, CancelReason.QUOTE_BUDGET)
    return []


def standing(ledger: Ledger, group: Group) -> list[Order]:
    """Quotes of a group in the book, by series, offers before bids."""
    return [ledger.orders[key] for _, key in sorted(group.quotes.items())]


def protected(ledger: Ledger, group: Group) -> list[Order]:
    """All that a group protects: its quotes, and after them other orders in order of entry."""
    return [*standing(ledger, group), *(ledger.orders[key] for key in sorted(group.orders))]


def _off(ledger: Ledger, orders: Iterable[Order], reason: CancelReason) -> list[Event]:
    del ledger
    return [Cancelled(order.id, reason, order.left) for order in orders if order.left]


def follow_trip(ledger: Ledger, event: Event) -> None:
    """Write down an event that a fill was to bring about."""
    if type(event) is ProtectionTriggered:
        ledger.accounts[event.account].groups[event.group].freeze(ledger.time_ns)
    elif type(event) is Cancelled:
        ledger.end(event.order_id, event.remaining)


def expect_trip(ledger: Ledger, due: Sequence[Event], events: Sequence[Event]) -> None:
    """Exactly what a bound that was reached brings about."""
    if list(events) != list(due):
        ledger.note(Rule.PROTECTION_MUST_TRIP, "a bound is reached otherwise than told", expected=due, actual=events)
    for event in events:
        follow_trip(ledger, event)


# -- groups -----------------------------------------------------------------------------------------------------------


def protect(ledger: Ledger, command: c.SetProtection, events: Sequence[Event]) -> None:
    """A group has these bounds; a window that has reached them already freezes it."""
    account = ledger.accounts.get(command.account)
    broken = _broken_bounds(command, account)
    if _refused(ledger, events, broken) or account is None:
        return
    group = account.groups.setdefault(command.group, Group(account.id, command.group, command.protection))
    group.bounds = command.protection
    tripped = group.tripped(ledger.time_ns)
    due: list[Event] = []
    if tripped is not None:
        triggered = ProtectionTriggered(account.id, group.name, *tripped)
        due = [triggered, *_off(ledger, protected(ledger, group), CancelReason.QUOTE_PROTECTION)]
    expect_trip(ledger, due, events[1:])


def _broken_bounds(command: c.SetProtection, account: Account | None) -> list[Reject]:
    if account is None or account.id == TREASURY:
        return [Reject.ACCOUNT_MUST_EXIST]
    bounds = command.protection
    fits = all(0 <= figure <= BOUND_MAX for figure in (bounds.qty, bounds.delta, bounds.vega, bounds.count))
    fits &= all(0 <= span <= INTERVAL_MAX_NS for span in (bounds.interval_ns, bounds.frozen_ns))
    fits &= 0 < len(command.group) <= NAME_MAX
    fits &= command.group in account.groups or len(account.groups) < GROUPS_MAX
    return [] if fits else [Reject.PROTECTION_MUST_FIT]


def freeze(ledger: Ledger, command: c.FreezeQuotes, events: Sequence[Event]) -> None:
    """A group is frozen and its quotes go; or it is reset, and what filled is forgotten."""
    account = ledger.accounts.get(command.account)
    if _refused(ledger, events, _broken_group(account, command.group)) or account is None:
        return
    group = account.groups[command.group]
    leave(ledger, protected(ledger, group) if command.is_frozen else (), events[1:], CancelReason.BY_OWNER)
    group.frozen_until_ns = FOREVER if command.is_frozen else 0
    if not command.is_frozen:
        group.moments = []


def cancel(ledger: Ledger, command: c.CancelQuotes, events: Sequence[Event]) -> None:
    """Quotes that answer to everything named."""
    account = ledger.accounts.get(command.account)
    broken = _broken_group(account, command.group) if command.group or account is None else []
    if _refused(ledger, events, broken) or account is None:
        return
    meant = [
        order
        for name, group in account.groups.items()
        if command.group in ("", name)
        for order in standing(ledger, group)
        if _is_meant(command, order)
    ]
    leave(ledger, meant, events[1:], CancelReason.BY_OWNER)


def _is_meant(command: c.CancelQuotes, order: Order) -> bool:
    named = command.series in (-1, order.series.id) and command.underlying in (-1, order.series.underlying)
    labelled = command.label in ("", order.label)
    return named and labelled and bool(command.delta_min <= order.leaf.delta <= command.delta_max)


def _broken_group(account: Account | None, name: str) -> list[Reject]:
    if account is None:
        return [Reject.ACCOUNT_MUST_EXIST]
    return [] if name in account.groups else [Reject.QUOTE_GROUP_MUST_EXIST]


def _refused(ledger: Ledger, events: Sequence[Event], broken: list[Reject]) -> bool:
    """Whether a command was refused, and held to what it breaks; one that is not begins with ``Applied``."""
    first = events[0] if events else None
    if type(first) is Rejected:
        if first.reason not in broken:
            sentence = f"a command about quotes is refused for {first.reason}, and that does not hold"
            ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=first.reason)
        return True
    if type(first) is not Applied:
        ledger.note(Rule.EVENTS_MUST_FIT, "a command about quotes is neither refused nor applied")
        return True
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"a command about quotes is taken that breaks {rule}", actual=rule)
    return bool(broken)


# -- a message --------------------------------------------------------------------------------------------------------


def mass(ledger: Ledger, command: c.MassQuote, events: Sequence[Event]) -> None:
    """Old quotes leave, each leaf stands or is refused, and none meets anybody."""
    events = presence.overdue(ledger, command.mandate.account, events)
    first = events[0] if events else None
    broken = _broken_message(ledger, command)
    if type(first) is Rejected:
        if first.reason is Reject.ACCOUNT_MUST_HAVE_MARGIN:
            ledger.take(Taken.MARGIN)
        elif first.reason not in broken:
            sentence = f"a message of quotes is refused for {first.reason}, and that does not hold"
            ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=first.reason)
        return
    if first != MassQuoted(ledger.seq):
        ledger.note(Rule.EVENTS_MUST_FIT, "a message of quotes is neither refused nor taken")
        return
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"a message of quotes is taken that breaks {rule}", actual=rule)
    account = ledger.accounts.get(command.mandate.account)
    if account is not None and command.group in account.groups:
        Message(ledger, command, account).follow(events[1:])


def _broken_message(ledger: Ledger, command: c.MassQuote) -> list[Reject]:
    mandate, config, round_ = command.mandate, ledger.config, ledger.round
    broken: list[Reject] = []
    if config is None or not ledger.is_open:
        return [Reject.TRADING_MUST_BE_OPEN]
    if not config.mandates:
        broken.append(Reject.MANDATES_MUST_BE_SUPPORTED)
    broken_who(ledger, mandate, c.SCOPE_QUOTE, broken)
    account = ledger.accounts.get(mandate.account)
    group = account.groups.get(command.group) if account is not None else None
    if group is None:
        broken.append(Reject.QUOTE_GROUP_MUST_EXIST)
    else:
        if group.is_frozen(ledger.time_ns):
            broken.append(Reject.QUOTES_MUST_NOT_BE_FROZEN)
        if group.bounds.covered and not mandate.qty:
            broken.append(Reject.QUOTE_BUDGET_MUST_FIT)
    if round_ is None or ledger.now_s - round_.time_s > config.settlement_window_s:
        broken.append(Reject.ORACLE_MUST_BE_FRESH)
    if account is not None and _mandates_kept(ledger, command, account) >= MANDATES_MAX:
        broken.append(Reject.OPEN_ORDERS_MUST_FIT)
    return broken + _broken_mandate(ledger, command) + pools.broken(ledger, command)


def _broken_mandate(ledger: Ledger, command: c.MassQuote) -> list[Reject]:
    mandate, broken = command.mandate, list[Reject]()
    if not 0 < len(command.leaves) <= LEAVES_MAX:
        broken.append(Reject.QUOTES_MUST_FIT)
    figures = (mandate.qty, mandate.delta, mandate.vega, mandate.count)
    if not all(0 <= figure <= BOUND_MAX for figure in figures) or mandate.count > U32_MAX:
        broken.append(Reject.QUOTE_BUDGET_MUST_FIT)
    if not 0 <= mandate.max_fee <= U63_MAX:
        broken.append(Reject.PRICE_MUST_FIT)
    if not ledger.now_s < mandate.expiry_s <= NO_EXPIRY:
        broken.append(Reject.ORDER_MUST_NOT_BE_EXPIRED)
    if command.session and command.session not in ledger.sessions:
        broken.append(Reject.SESSION_MUST_BE_OPEN)
    return broken


def _replaced(command: c.MassQuote, group: Group) -> list[int]:
    """Quotes of the group that a message replaces: all, or those in the series it names."""
    named = {leaf.series for leaf in command.leaves}
    return [key for (series, _), key in sorted(group.quotes.items()) if command.whole or series in named]


def _mandates_kept(ledger: Ledger, command: c.MassQuote, account: Account) -> int:
    group = account.groups.get(command.group)
    gone = dict.fromkeys(_replaced(command, group)) if group is not None else {}
    standing_now = [key for each in account.groups.values() for key in each.quotes.values()]
    left = {ledger.orders[key].mandate.id for key in standing_now if key not in gone}
    return len(left)


class Message:
    """A message that was taken: its old quotes are off the book, and its leaves enter one by one."""

    def __init__(self, ledger: Ledger, command: c.MassQuote, account: Account) -> None:
        self.ledger, self.command, self.account = ledger, command, account
        self.group = account.groups[command.group]
        self.mandate = Mandate(ledger.seq, command.mandate, command.leaves, self.group)
        account.spend(command.mandate.nonce >> 8, 1 << (command.mandate.nonce & 255))
        self.old = {self._side(ledger.orders[key]): ledger.orders[key] for key in _replaced(command, self.group)}
        self.places = {order.id: order.place[1] for order in self.old.values() if order.place is not None}
        self.entered: dict[tuple[int, bool], None] = {}
        self.count = len(self.group.quotes) + len(self.group.orders) - len(self.old)
        for order in self.old.values():
            ledger.lift(order)

    @staticmethod
    def _side(order: Order) -> tuple[int, bool]:
        return order.series.id, order.is_buy

    def _side_of(self, place: int) -> tuple[int, bool]:
        leaf = self.command.leaves[place]
        return leaf.series, leaf.is_buy

    def follow(self, events: Sequence[Event]) -> None:
        """First what leaves, then every leaf in its turn."""
        ledger = self.ledger
        at = next((place for place, event in enumerate(events) if type(event) is not Cancelled), len(events))
        gone = [event for event in events[:at] if type(event) is Cancelled]
        leaves = [event for event in events[at:] if type(event) in (Quoted, QuoteRefused)]
        if len(leaves) != len(events) - at or [event.leaf for event in leaves] != list(range(len(self.command.leaves))):  # type: ignore[attr-defined]
            ledger.note(Rule.EVENTS_MUST_FIT, "a message of quotes does not answer each leaf once")
            return
        stay = {self._side_of(event.leaf) for event in leaves if type(event) is Quoted}
        leaving = [order for side, order in self.old.items() if side not in stay]
        leave(ledger, leaving, gone, CancelReason.QUOTE_REPLACED)
        for event in leaves:
            leaf = self.command.leaves[event.leaf]  # type: ignore[attr-defined]
            broken = self._broken(leaf)
            if type(event) is QuoteRefused:
                self._refused(event, broken)
            else:
                self._quoted(event, leaf, broken)  # type: ignore[arg-type]
        for series in {leaf.series for leaf in self.command.leaves} & ledger.series.keys() - ledger.auctions.keys():
            if phases.is_crossed(ledger.series[series]):
                ledger.note(Rule.BOOK_MUST_HAVE_SPREAD, f"a quote crosses the book of series {series}")

    def _refused(self, event: QuoteRefused, broken: list[Reject]) -> None:
        if event.reason is Reject.ACCOUNT_MUST_HAVE_MARGIN:
            self.ledger.take(Taken.MARGIN)
        elif event.reason not in broken:
            sentence = f"leaf {event.leaf} is refused for {event.reason}, and that does not hold"
            self.ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=event.reason)

    def _quoted(self, event: Quoted, leaf: c.QuoteLeaf, broken: list[Reject]) -> None:
        ledger = self.ledger
        for rule in broken:
            sentence = f"leaf {event.leaf} stands and breaks {rule}"
            ledger.note(Rule.ADMISSION_MUST_HOLD, sentence, order=event.order_id, actual=rule)
        series = ledger.series.get(leaf.series)
        if series is None:
            return
        side = (leaf.series, leaf.is_buy)
        old = self.old.get(side)
        number = old.id if old is not None else QUOTE_BIT | ledger.seq << 8 | event.leaf
        if event.order_id != number:
            sentence = f"leaf {event.leaf} continues as another order than it should"
            ledger.note(Rule.EVENTS_MUST_FIT, sentence, order=event.order_id, expected=number, actual=event.order_id)
        kept = old is not None and self._keeps(old, leaf)
        if event.kept != kept:
            sentence = f"the quote of leaf {event.leaf} {'keeps' if event.kept else 'loses'} its place against the rule"
            ledger.note(Rule.AMEND_MUST_QUEUE_BY_RULE, sentence, order=event.order_id, expected=kept, actual=event.kept)
        self.entered[side] = None
        self.count += 1
        self._stand(self._order(event, old, series, leaf), leaf, kept=event.kept)

    def _keeps(self, old: Order, leaf: c.QuoteLeaf) -> bool:
        """No more at the same price, of what has not run out and is held to margin in the same way."""
        alike = old.mandate.covered == self.mandate.covered and old.expiry_s > self.ledger.now_s
        alike = alike and not presence.dooms(self.ledger, old)
        return bool(alike and leaf.price == old.price and leaf.qty <= old.left)

    def _order(self, event: Quoted, old: Order | None, series: Series, leaf: c.QuoteLeaf) -> Order:
        ledger, auth = self.ledger, spelt_out(self.command.mandate, leaf)
        if old is None:
            order = Order(event.order_id, self.account, series, auth)
            ledger.orders[order.id] = self.account.orders[order.id] = order
            ledger.totals.entered += leaf.qty
            return order
        ledger.totals.amended += leaf.qty - old.left
        old.signed = Signed(auth.signer, None)
        old.say(auth)
        return old

    def _stand(self, order: Order, leaf: c.QuoteLeaf, *, kept: bool) -> None:
        ledger = self.ledger
        order.left, order.filled = leaf.qty, 0
        order.mandate, order.leaf, order.label = self.mandate, leaf, self.command.label
        ledger.bind(order, spelt_out(self.command.mandate, leaf))
        if self.command.session:
            presence.mind(ledger, order, self.command.session)
        self.group.quotes[self._side(order)] = order.id
        if kept and order.id in self.places:
            order.shown = order.left
            (order.series.bids if order.is_buy else order.series.asks).add(order, self.places[order.id])
        else:
            ledger.rest(order, leaf.price)

    def _broken(self, leaf: c.QuoteLeaf) -> list[Reject]:
        """The rules that one leaf breaks, with the old quotes off the book and the leaves before it on it."""
        ledger, side = self.ledger, (leaf.series, leaf.is_buy)
        broken = broken_terms(ledger, spelt_out(self.command.mandate, leaf))
        series = ledger.series.get(leaf.series)
        if series is None:
            return broken
        if self._costs_too_much(series, leaf):
            broken.append(Reject.MAX_FEE_MUST_COVER_FEE)
        if max(abs(leaf.delta), abs(leaf.vega)) * leaf.qty > FILL_MAX or leaf.vega < 0:
            broken.append(Reject.QUOTE_GREEKS_MUST_FIT)
        if side in self.entered:
            broken.append(Reject.QUOTE_MUST_BE_ALONE_ON_ITS_SIDE)
        if self.count >= GROUP_MAX:
            broken.append(Reject.OPEN_ORDERS_MUST_FIT)
        first = (series.asks if leaf.is_buy else series.bids).first()
        if first is not None and (first.price <= leaf.price if leaf.is_buy else first.price >= leaf.price):
            broken.append(Reject.POST_ONLY_MUST_NOT_CROSS)
        return broken

    def _costs_too_much(self, series: Series, leaf: c.QuoteLeaf) -> bool:
        config, round_ = self.ledger.config, self.ledger.round
        if config is None or round_ is None or not phases.is_priced(series):
            return False
        fee = fees.of_maker(config.fees, round_.spots[series.underlying], leaf.price, leaf.qty, 0)
        return fee > fees.most(self.command.mandate.max_fee, leaf.qty)


def spelt_out(mandate: c.QuoteMandate, leaf: c.QuoteLeaf) -> c.Authorisation:
    """A leaf as the order it is: post-only, good until the mandate ends."""
    what = (mandate.account, leaf.series, leaf.is_buy, leaf.qty, leaf.price, mandate.max_fee, c.GTC, True, False, 0)
    return c.Authorisation(*what, mandate.nonce, mandate.expiry_s, mandate.signer, mandate.signature)
