"""Combos: which are listed, orders for them as they come and change, and those that stand and are reached.

Imports the words of the journal, admission, together and the ledger.
"""

from collections.abc import Sequence

from exchange.core.commands import FOK, Amend, Authorisation, CreateCombo, Observation, Place, terms_of
from exchange.core.events import Accepted, Amended, ComboListed, Deferred, Event, Reached, Reject, Rejected
from exchange.core.legs import Legs
from exchange.core.units import U16_MAX
from replay.checker import breakers, entering, presence, triggers
from replay.checker.admission import broken_combo, room, settlement_lags
from replay.checker.bounds import OPEN_ORDERS_MAX, SWEEP_MAX, TOGETHER_MAX
from replay.checker.facts import Combo, Order
from replay.checker.ladder import Ladder
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken
from replay.checker.together import Together
from replay.checker.waiting import waited


def create(ledger: Ledger, command: CreateCombo, events: Sequence[Event]) -> None:
    """The same legs have the same number, and new ones the next."""
    if len(events) == 1 and type(events[0]) is Rejected:
        ledger.take(Taken.LISTING)
        return
    if len(events) != 1 or type(events[0]) is not ComboListed:
        ledger.note(Rule.EVENTS_MUST_FIT, "a combo is neither refused nor listed")
        return
    listed(ledger, command.legs, events[0])


def listed(ledger: Ledger, legs: Legs, event: ComboListed) -> int:
    """The number due to legs, under which they are known from here on."""
    due = ledger.combo_of.setdefault(legs, len(ledger.combo_of) + 1)
    if event.combo != due:
        ledger.note(Rule.EVENTS_MUST_FIT, "a combo has another number", expected=due, actual=event.combo)
    if due not in ledger.combos:
        ledger.combos[due] = of_legs(ledger, due, legs)
    return due


def of_legs(ledger: Ledger, number: int, legs: Legs) -> Combo:
    """A combo with empty books, of series that are listed."""
    return Combo(number, [(ledger.series[leg.series], leg.ratio) for leg in legs], Ladder(-1), Ladder(1))


# -- orders as they come ----------------------------------------------------------------------------------------------


def is_for_combo(auth: Authorisation) -> bool:
    """Whether an order is for a combo, by what it signs or by what it names."""
    return bool(auth.legs) or auth.series <= U16_MAX


def place(ledger: Ledger, command: Place, events: Sequence[Event]) -> None:
    """A new order, for a series or for a combo."""
    if not is_for_combo(command.auth):
        entering.place(ledger, command, events)
        return
    waited(ledger, command)
    events, auth = entering.due_before(ledger, command, events), command.auth
    account, combo = ledger.accounts.get(auth.account), ledger.combos.get(auth.series)
    broken = _broken(ledger, command)
    if auth.replaces:
        broken.append(Reject.AMEND_MUST_NAME_REPLACED_NONCE)
    if command.attached:
        broken += [Reject.LINKS_MUST_MATCH, Reject.COMBO_MUST_BE_PLAIN]
    if account is not None and len(account.orders) + len(command.attached) >= OPEN_ORDERS_MAX:
        broken.append(Reject.OPEN_ORDERS_MUST_FIT)
    order = Order(ledger.seq, account, combo, auth) if account is not None and combo is not None else None
    broken += _on_arrival(ledger, order)
    if not _let_in(ledger, auth, events, broken, Accepted) or order is None:
        return
    if events[0] != Accepted(ledger.seq):
        ledger.note(Rule.EVENTS_MUST_FIT, "an order's number is that of its record", order=order.id)
    ledger.enter(order, auth)
    presence.mind(ledger, order, command.session)
    Together(ledger, order).follow(events[1:])


def amend(ledger: Ledger, command: Amend, events: Sequence[Event]) -> None:
    """An open order under a new signature."""
    auth, order = command.auth, ledger.orders.get(command.order_id)
    if not is_for_combo(auth) and not (order is not None and isinstance(order.series, Combo)):
        entering.amend(ledger, command, events)
        return
    waited(ledger, command)
    events = entering.due_before(ledger, command, events)
    if not _let_in(ledger, auth, events, _broken_by_amendment(ledger, command, order), Amended) or order is None:
        return
    if command.session:
        presence.mind(ledger, order, command.session)
    kept = entering.keeps(order, auth)
    if events[0] != Amended(order.id, kept):
        sentence = f"amended order {order.id} is not queued by the rule"
        ledger.note(Rule.AMEND_MUST_QUEUE_BY_RULE, sentence, order=order.id, expected=kept, actual=events[0])
    if not kept:
        ledger.lift(order)
    ledger.amend(order, auth)
    if not kept:
        Together(ledger, order).follow(events[1:])
    elif len(events) > 1:
        ledger.note(Rule.EVENTS_MUST_FIT, "an order that keeps its place meets nobody", order=order.id)


def _broken_by_amendment(ledger: Ledger, command: Amend, order: Order | None) -> list[Reject]:
    auth = command.auth
    broken = _broken(ledger, command) if is_for_combo(auth) else [Reject.AMEND_MUST_KEEP_SERIES_AND_SIDE]
    if order is None or order.expiry_s <= ledger.now_s or presence.dooms(ledger, order):
        broken.append(Reject.ORDER_MUST_BE_OPEN)
    if order is None:
        return broken
    broken += entering.broken_by_amendment(order, auth)
    combo = ledger.combos.get(auth.series)
    if combo is not None and not entering.keeps(order, auth):
        asked = Order(ledger.seq, order.account, combo, auth)
        asked.left -= order.filled
        broken += _on_arrival(ledger, asked)
    return broken


def _broken(ledger: Ledger, command: Place | Amend) -> list[Reject]:
    broken = broken_combo(ledger, command.auth)
    if terms_of(command.auth).rfq:
        broken.append(Reject.RFQ_ORDER_MUST_STAY_THERE)
    if command.session and command.session not in ledger.sessions:
        broken.append(Reject.SESSION_MUST_BE_OPEN)
    return broken


def _on_arrival(ledger: Ledger, order: Order | None) -> list[Reject]:
    """Rules of the books: who only makes meets nobody, and nobody is met while settlement lags."""
    if order is None or order.left <= 0 or not Together(ledger, order).meets():
        return []
    return [Reject.POST_ONLY_MUST_NOT_CROSS] if order.post_only else settlement_lags(ledger)


def _let_in(
    ledger: Ledger, auth: Authorisation, events: Sequence[Event], broken: list[Reject], kind: type[Event]
) -> bool:
    """Whether the order is in, once what is said of it is checked."""
    first = events[0] if events else None
    if type(first) is Rejected:
        if first.reason not in broken and not _rests_on(ledger, auth, first.reason):
            sentence = f"an order is refused for {first.reason}, and that does not hold"
            ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, order=ledger.seq, actual=first.reason)
        return False
    if type(first) is not kind:
        ledger.note(Rule.EVENTS_MUST_FIT, "an order for a combo is neither let in nor refused")
        return False
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"an order is let in that breaks {rule}", order=ledger.seq, actual=rule)
    return True


def _rests_on(ledger: Ledger, auth: Authorisation, reason: Reject) -> bool:
    """Refusals that rest on more than the order and the books."""
    combo = ledger.combos.get(auth.series)
    if reason is Reject.ACCOUNT_MUST_HAVE_MARGIN:
        ledger.take(Taken.MARGIN)
        return True
    if reason is Reject.FILL_OR_KILL_MUST_FILL and auth.tif == FOK:
        ledger.take(Taken.FILL_OR_KILL)
        return True
    if reason is Reject.PRICE_MUST_BE_IN_BAND:
        ledger.take(Taken.BAND)
        return combo is not None and combo.underlying in ledger.banded
    return False


# -- combos that stand and are reached --------------------------------------------------------------------------------


def split(events: Sequence[Event]) -> tuple[Sequence[Event], Sequence[Event]]:
    """What a command caused, and what resting combos then did."""
    at = next((at for at, event in enumerate(events) if type(event) in (Reached, Deferred)), len(events))
    return events[:at], events[at:]


def follow(ledger: Ledger, command: object, events: Sequence[Event]) -> None:
    """One after another those that are reached, who has waited longest first, until nobody is left who could trade."""
    at = waits = 0
    while at < len(events):
        event, end = events[at], at + 1
        while end < len(events) and type(events[end]) not in (Reached, Deferred):
            end += 1
        if type(event) is Deferred:
            waits = 1
            _must_wait(ledger, command, at)
        elif isinstance(event, Reached):
            told, linked = triggers.split(events[at + 1 : end])
            _reached(ledger, event, told)
            triggers.follow(ledger, linked)
        at = end
    first = None if waits or not may_trade(ledger) else _first(ledger)
    if first is not None:
        sentence = f"order {first.id} stands though the books of its legs have reached it"
        ledger.note(Rule.COMBO_MUST_NOT_STAND_REACHED, sentence, order=first.id)


def may_trade(ledger: Ledger) -> bool:
    """Whether anything may trade at this moment."""
    config, round_ = ledger.config, ledger.round
    fresh = config is not None and round_ is not None and ledger.now_s - round_.time_s <= config.settlement_window_s
    return ledger.is_open and fresh


def _reached(ledger: Ledger, event: Reached, told: Sequence[Event]) -> None:
    order = ledger.orders.get(event.order_id)
    if order is None or order.place is None or not isinstance(order.series, Combo):
        ledger.note(
            Rule.EVENTS_MUST_FIT, f"order {event.order_id} is reached and stands in no combo", order=event.order_id
        )
        return
    meeting, first = Together(ledger, order), _first(ledger)
    if meeting.slice() is None or order not in (order.series.bids.first(), order.series.asks.first()):
        sentence = f"order {order.id} is said to be reached, and the books of its legs do not offer what it wants"
        ledger.note(Rule.COMBO_MUST_BE_REACHED, sentence, order=order.id)
    if first is not None and (first.age[0], first.id) < (order.age[0], order.id):
        sentence = f"order {first.id} is reached too, and has waited longer than order {order.id}"
        ledger.note(Rule.FIRST_IN_MUST_GO_FIRST, sentence, order=order.id, expected=first.id, actual=order.id)
    meeting.follow(told)


def _first(ledger: Ledger) -> Order | None:
    """Of the best orders of combos that their legs have reached, the one that has waited longest."""
    best: Order | None = None
    for combo in ledger.combos.values():
        if breakers.bars(ledger, combo.underlying):
            continue
        for side in (combo.bids, combo.asks):
            order = side.first()
            if order is None or any(series.id in ledger.auctions for series, _ in combo.legs):
                continue
            older = best is None or (order.age[0], order.id) < (best.age[0], best.id)
            if older and _is_reached(ledger, order):
                best = order
    return best


def _is_reached(ledger: Ledger, order: Order) -> bool:
    part = Together(ledger, order).slice()
    return part is not None and not part.may_clash()


def _must_wait(ledger: Ledger, command: object, before: int) -> None:
    """Facts of one transaction of the chain stay together, records are bounded, and settlement must keep up."""
    if (
        isinstance(command, Observation)
        or before >= SWEEP_MAX
        or settlement_lags(ledger)
        or room(ledger) < TOGETHER_MAX
    ):
        return
    ledger.note(Rule.EVENTS_MUST_FIT, "combos that are reached wait without a reason")
