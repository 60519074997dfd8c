"""Open orders as they change: entered, amended, resting, filled, cancelled, gone.

Evolving writes what was decided and never refuses. Imports state, ledger, risk, deadlines, keyroom, protection,
settlement, events.
"""

from exchange.core import deadlines, keyroom, ledger, links, protection, rfq_rooms, risk, settlement, triggers
from exchange.core.commands import AcceptRfq, Amend, Authorisation, Place, QuoteRfq, RequoteRfq, terms_of
from exchange.core.events import Amended, Cancelled, CancelReason, Event, Held, Parked, Rested, Traded, Triggered
from exchange.core.state import State
from exchange.core.state_types import ATTACHED_SHIFT, Account, AuthEntry, Order, Trade
from exchange.core.units import NO_EXPIRY, Qty, Seconds, div_down


def cancel_orders(account: Account, reason: CancelReason, series: int | None = None) -> list[Event]:
    """Cancellations of an account's open orders, in order of entry."""
    return [
        Cancelled(order.id, reason, order.qty - order.filled)
        for order in sorted(account.orders.values(), key=lambda item: item.id)
        if series is None or order.series == series
    ]


def evolve_accepted(state: State, command: Place | QuoteRfq | AcceptRfq, seq: int, time_ns: int) -> None:
    """The order exists and its nonce is spent; nothing of it rests yet, unless it is a quote, which has its request."""
    session = 0 if type(command) is AcceptRfq else command.session  # type: ignore[union-attr]
    order = _enter(state, command.auth, command.label, seq, time_ns, session)
    if type(command) is QuoteRfq:
        order.rfq, order.anonymous = terms_of(command.auth).rfq, command.anonymous
        _stand(state, order)
    elif type(command) is Place and command.attached:
        _link(state, order, seq)


def _stand(state: State, order: Order) -> None:
    """A quote stands in its request, with margin held as for an order in a book."""
    rfq_rooms.enter(state, order)
    risk.move_order(state, state.accounts[order.account], order, order.qty - order.filled)


def _enter(state: State, auth: Authorisation, label: str, order_id: int, time_ns: int, session: int) -> Order:
    account, seq = state.accounts[auth.account], state.seq
    account.spend_nonces(auth.nonce >> 6, 1 << (auth.nonce & 63))
    state.auths[order_id] = AuthEntry(order_id, auth, 0, 0, 1)
    order = Order(  # by position: keywords take 0.5 us longer, a tenth of what placing an order takes
        order_id,  # id
        order_id,  # auth_id
        auth.account,
        auth.series,
        auth.is_buy,
        auth.price,
        auth.qty,
        0,  # filled
        seq,  # priority
        auth.max_fee,
        auth.reduce_only,
        auth.post_only,
        auth.tif,
        good_until(account, auth),
        label,
        time_ns,
        time_ns,
    )
    if auth.terms is not None:
        order.display = auth.terms.display
        protection.shelter(account, order, auth.terms.protection)
    _index(state, account, order, session)
    return order


def _index(state: State, account: Account, order: Order, session: int) -> None:
    """The order is found by its number, its account, its connection and its deadline."""
    state.orders[order.id] = account.orders[order.id] = order
    if session:
        mind(state, order, session)
    if order.reduce_only:
        account.reducing[order.id] = order
    deadlines.remember(state, order)


def _link(state: State, order: Order, group: int) -> None:
    order.group = group
    state.groups.setdefault(group, []).append(order.id)


def evolve_parked(state: State, command: Place | Amend, event: Parked, seq: int, time_ns: int) -> None:
    """The order waits for its trigger; one that came along with another exists from here on, all of it or none held."""
    order = state.orders.get(event.order_id)
    if order is None:
        assert isinstance(command, Place)
        item = command.attached[(event.order_id >> ATTACHED_SHIFT) - 1]
        order = _enter(state, item.auth, item.label, event.order_id, time_ns, command.session)
        order.held = links.initially_held(item.auth)
        _link(state, order, seq)
    # A position may come and go while a protective order waits; what it may reduce is judged when it enters.
    state.accounts[order.account].reducing.pop(order.id, None)
    order.watch = triggers.signed(state, order).trigger
    if order.held < order.qty:
        triggers.arm(state, order)


def evolve_held(state: State, event: Held, seq: int) -> None:
    """More or less of a waiting order may enter; it watches while some of it may."""
    order = state.orders[event.order_id]
    waited, waits = order.held < order.qty, event.qty < order.qty
    if waited and not waits:
        triggers.disarm(state, order)
    order.held = event.qty
    if waits and not waited:
        order.priority = seq
        triggers.arm(state, order)


def evolve_triggered(state: State, event: Triggered, seq: int, time_ns: int) -> None:
    """The order waits no longer; what may not enter of it is gone."""
    order = state.orders[event.order_id]
    triggers.disarm(state, order)
    order.watch, order.qty, order.held = 0, order.qty - order.held, 0
    order.priority, order.updated_ns = seq, time_ns
    if order.reduce_only:
        state.accounts[order.account].reducing[order.id] = order


def good_until(account: Account, auth: Authorisation) -> Seconds:
    """An order dies with the session key that signed it: the contract would refuse a later fill."""
    return min(auth.expiry_s, _key_until(account, auth.signer))


def _key_until(account: Account, signer: bytes) -> Seconds:
    if signer == account.owner:
        return NO_EXPIRY
    key = account.keys.get(signer)
    return key.expiry_s if key is not None else 0


def evolve_amended(state: State, command: Amend | RequoteRfq, event: Amended, seq: int, time_ns: int) -> None:
    """The order stands under its new authorisation; unless it kept its place it has left the book.

    A quote of a request has no book to leave: it stands again, at its new price and behind the others there.
    """
    auth = command.auth
    order = state.orders[event.order_id]
    account = state.accounts[order.account]
    account.spend_nonces(auth.nonce >> 6, 1 << (auth.nonce & 63))
    if event.kept:
        _give_back(state, order, order.qty - auth.qty)
    else:
        if order.watch:
            triggers.disarm(state, order)
        else:
            lift(state, order)
        order.price, order.priority = auth.price, seq
    order.qty, order.display = auth.qty, terms_of(auth).display
    protection.shelter(account, order, terms_of(auth).protection)
    if order.rfq and not event.kept:
        _stand(state, order)
    _reauthorise(state, command, order, seq, time_ns)


def _reauthorise(state: State, command: Amend | RequoteRfq, order: Order, seq: int, time_ns: int) -> None:
    """What the order stands under from here on."""
    auth, account = command.auth, state.accounts[order.account]
    # The child takes over the order's reference to its parent, so the parent lives until the child is forgotten. A
    # parent that never traded is forgotten at once: a quote may be amended all day.
    state.auths[seq] = AuthEntry(seq, auth, order.auth_id if order.filled else 0, order.filled, 1)
    if not order.filled:
        settlement.release(state, order.auth_id)
    order.auth_id, order.max_fee, order.updated_ns = seq, auth.max_fee, time_ns
    if command.session:
        mind(state, order, command.session)
    order.reduce_only, order.post_only, order.label = auth.reduce_only, auth.post_only, command.label
    account.reducing.pop(order.id, None)
    if auth.reduce_only:
        account.reducing[order.id] = order
    # The contract asks who signed every order it is shown. Replaced ones that have yet to travel must do so before
    # their key may be registered anew, perhaps without the right to trade.
    shown = settlement.lineage(state, seq, state.next_batch)
    order.expiry_s = min(auth.expiry_s, *(_key_until(account, link.auth.signer) for link in shown))
    deadlines.remember(state, order)


def evolve_rested(state: State, event: Rested) -> None:
    """The rest of the order queues in the book."""
    order = state.orders[event.order_id]
    order.price = event.price
    rest(state, order)


def _stir(state: State, series: int) -> None:
    """The book of a series changes: combos that it is a leg of have to be looked at."""
    if series in state.on_leg:
        state.stirred[series] = None


def rest(state: State, order: Order) -> None:
    """Queue an order at its price."""
    order.resting = True
    _stir(state, order.series)
    if order.display:
        order.hidden = max(order.qty - order.filled - order.display, 0)
    state.books[order.series].side(is_buy=order.is_buy).add(order)
    if order.hidden:
        _hide(state, order, order.hidden)
    account = state.accounts[order.account]
    risk.move_order(state, account, order, order.qty - order.filled)


def evolve_traded(state: State, event: Traded, taker_id: int) -> None:
    """Quantities, cash and positions of one fill move; the trade waits for settlement."""
    maker, taker = state.orders[event.maker_order], state.orders[taker_id]
    trade = Trade(  # by position, as above
        event.trade_id,
        event.leg or maker.series,
        event.qty,
        event.price,
        not maker.is_buy if not event.leg else taker.is_buy == _is_bought(state, taker, event.leg),
        taker.account,
        maker.account,
        taker.auth_id,
        maker.auth_id,
        event.taker_fee,
        event.maker_fee,
        event.index,
        event.group,
    )
    _fill(state, event, maker, taker)
    settlement.open_trade(state, trade)
    keyroom.count_trade(state, trade)
    ledger.book_trade(state, trade)
    _print(state, trade, event, rfq=maker.rfq)
    for order in (maker, taker):
        if order.filled == order.qty:
            _close(state, order)


def _is_bought(state: State, order: Order, series: int) -> bool:
    """Whether whoever buys a combo buys this leg."""
    return any(leg.series == series and leg.ratio > 0 for leg in state.combos[order.series].legs)


def _fill(state: State, event: Traded, maker: Order, taker: Order) -> None:
    if event.leg:
        _fill_units(state, maker, event.units)
        _fill_units(state, taker, event.units)
        return
    if event.taker_order and not event.group:
        _fill_in_place(state, maker, event.qty)
        _fill_in_place(state, taker, event.qty)
        return
    shrink(state, maker, event.qty)
    if protection.counts(maker):
        protection.evolve_filled(state, maker, event.qty, state.time_ns)
    if maker.rfq:
        state.rfqs[maker.rfq].filled += event.qty
    maker.filled += event.qty
    if maker.hidden and maker.hidden == maker.qty - maker.filled:
        _refresh(state, maker, event.trade_id)
    if event.group:
        _fill_units(state, taker, event.units)
    else:
        taker.filled += event.qty


def _fill_units(state: State, order: Order, units: Qty) -> None:
    """An order in a combo fills with the last of its legs."""
    if units and (order.resting or order.rfq):
        shrink(state, order, units)
    if order.rfq:
        state.rfqs[order.rfq].filled += units
    order.filled += units


def _fill_in_place(state: State, order: Order, qty: Qty) -> None:
    """In an auction both sides rest, and all of an iceberg has its place: what is left of it goes on from there."""
    unseen = qty - (order.qty - order.filled - order.hidden)
    if order.hidden and unseen > 0:
        order.hidden -= unseen
        _hide(state, order, -unseen)
    shrink(state, order, qty)
    if protection.counts(order):
        protection.evolve_filled(state, order, qty, state.time_ns)
    order.filled += qty
    left = order.qty - order.filled
    if order.hidden and order.hidden == left:
        order.hidden = max(left - order.display, 0)
        _hide(state, order, order.hidden - left)


def _print(state: State, trade: Trade, event: Traded, *, rfq: int) -> None:
    """The price is the last one, and may be what others wait for, if anybody could have had a part in it.

    What two agreed on away from the book counts as volume, but triggers nothing; nor do the legs of a combo that met
    another order for it, for theirs are shares of one price.
    """
    option = state.series[trade.series]
    option.volume += trade.qty
    if not rfq and not event.leg:
        option.last_price = trade.price
        if state.lookouts:
            triggers.note_trade(state, trade.series, trade.price)
    if event.units:
        _print_combo(state, trade, event.units, is_public=not rfq)


def _print_combo(state: State, trade: Trade, units: Qty, *, is_public: bool) -> None:
    """The last of the legs has traded: the combo has, at what they come to, rounded down."""
    combo = state.combos[state.auths[trade.taker_auth].auth.series]
    ratios = {leg.series: leg.ratio for leg in combo.legs}
    legs = (state.trades[trade_id] for trade_id in range(trade.group, trade.id + 1))
    value = sum(leg.price * (leg.qty if ratios[leg.series] > 0 else -leg.qty) for leg in legs)
    combo.volume += units
    if is_public:
        combo.last_price = div_down(value, units)


def evolve_cancelled(state: State, event: Cancelled) -> None:
    """The order is gone."""
    order = state.orders[event.order_id]
    assert order.qty - order.filled == event.remaining
    if order.resting or order.rfq:
        lift(state, order)
    elif order.watch:
        triggers.disarm(state, order)
    _close(state, order)


def shrink(state: State, order: Order, by: Qty) -> None:
    """Take quantity off a resting order where it stands; an order left with nothing leaves the book, or its request."""
    left = order.qty - order.filled
    if order.rfq:
        if by == left:
            rfq_rooms.leave(state, order)
        risk.move_order(state, state.accounts[order.account], order, -by)
        return
    side = state.books[order.series].side(is_buy=order.is_buy)
    if order.hidden and by == left:
        _hide(state, order, -order.hidden)
        order.hidden = 0
    if side.take(order, by):
        order.resting = False
    _stir(state, order.series)
    risk.move_order(state, state.accounts[order.account], order, -by)


def _refresh(state: State, order: Order, trade_id: int) -> None:
    """The slice of an iceberg is used up: the next one queues behind everybody at its price."""
    side = state.books[order.series].side(is_buy=order.is_buy)
    _hide(state, order, -order.hidden)
    side.remove(order)
    order.hidden = max(order.hidden - order.display, 0)
    order.priority, order.turn = state.seq, trade_id
    side.add(order)
    _hide(state, order, order.hidden)


def _hide(state: State, order: Order, qty: Qty) -> None:
    state.books[order.series].side(is_buy=order.is_buy).hide(order.price, qty)


def _give_back(state: State, order: Order, by: Qty) -> None:
    """Make a resting order smaller; an iceberg gives up what it hides first."""
    if order.hidden:
        unseen = min(by, order.hidden)
        order.hidden -= unseen
        _hide(state, order, -unseen)
    shrink(state, order, by)


def lift(state: State, order: Order) -> None:
    """Take a resting order out of the book."""
    shrink(state, order, order.qty - order.filled)


def _close(state: State, order: Order) -> None:
    """Forget a finished order; its authorisation lives on while its trades settle."""
    del state.orders[order.id]
    account = state.accounts[order.account]
    del account.orders[order.id]
    account.reducing.pop(order.id, None)
    if order.mandate:
        protection.leave(state, order)
    elif order.protection:
        protection.shelter(account, order, "")
    if order.group:
        _unlink(state, order)
    _leave_session(state, order)
    settlement.release(state, order.auth_id)


def _unlink(state: State, order: Order) -> None:
    members = state.groups[order.group]
    members.remove(order.id)
    if not members:
        del state.groups[order.group]


def mind(state: State, order: Order, session: int) -> None:
    """A connection minds the order from here on, and no other."""
    _leave_session(state, order)
    order.session = session
    state.by_session.setdefault(session, {})[order.id] = order


def _leave_session(state: State, order: Order) -> None:
    """Nobody's connection minds the order any more."""
    if not order.session:
        return
    minded = state.by_session[order.session]
    del minded[order.id]
    if not minded:
        del state.by_session[order.session]
