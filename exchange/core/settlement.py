"""From fills to finality: sealing batches, settling expiries, and the life of authorisations.

A batch holds consecutive trades and names the round in force, at which every account it touches is acceptable. It is
bounded by what one transaction may carry, and never parts fills that are the legs of one combo.
Imports state, combos, budget, risk, margin, events.
"""

from exchange.core import budget, combos, risk, status
from exchange.core.commands import BatchRefused, SealBatch
from exchange.core.events import AccountSettled, Applied, BatchSealed, Event, ExpiryFixed, Reject, Rejected
from exchange.core.margin import Leg, settlement_value
from exchange.core.state import TREASURY, State
from exchange.core.state_types import Account, AuthEntry, Batch, Expiry, Trade
from exchange.core.units import TWAP_SECONDS, Price, Qty, Seconds, div_down, expiry_of

# -- sealing ----------------------------------------------------------------------------------------------------------


def seal(state: State) -> list[Event]:
    """Seal all unsealed trades, in as many batches as the contract's bounds require."""
    events: list[Event] = []
    assert state.round is not None
    batch_id, first = state.next_batch, state.first_unsealed
    while first < state.next_trade:
        last = _last_of_chunk(state, first, batch_id)
        events.append(BatchSealed(batch_id, first, last, state.round.round_id))
        batch_id, first = batch_id + 1, last + 1
    return events


def open_trade(state: State, trade: Trade) -> None:
    """A fill joins the open batch; both authorisations are needed until it is final."""
    if state.first_unsealed == state.next_trade:
        state.sealed_ns = state.time_ns
    state.trades[trade.id] = trade
    state.next_trade = trade.id + 1
    state.auths[trade.maker_auth].refs += 1
    state.auths[trade.taker_auth].refs += 1
    state.accounts[trade.maker_account].expect(trade.series, 1)
    state.accounts[trade.taker_account].expect(trade.series, 1)
    state.touched[trade.maker_account] = None
    state.touched[trade.taker_account] = None


def _last_of_chunk(state: State, first: int, batch_id: int) -> int:
    """The last trade that one transaction can carry. A single trade always fits (``budget.may_hold``), and so does a
    group (``budget.group_fits``), even one of more trades than a batch is to have.
    """
    assert state.config is not None
    draft = budget.Draft(state)
    last = 0
    for trade_id in range(first, state.next_trade):
        trade = state.trades[trade_id]
        if last and last - first + 1 >= state.config.batch_trades_max:
            break
        filled = [state.auths[auth_id] for auth_id in (trade.maker_auth, trade.taker_auth)]
        draft.add(_named_by(state, trade, batch_id), filled)
        if last and not draft.fits():
            break
        if _is_whole(state, trade):
            last = trade_id
    return last


def _is_whole(state: State, trade: Trade) -> bool:
    """Whether the fills that belong together end with this one."""
    following = state.trades.get(trade.id + 1)
    return not trade.group or following is None or following.group != trade.group


def units_of(state: State, trade: Trade) -> Qty:
    """Of how many units of a combo this trade and those of its group are the legs; 0 if it is of no combo."""
    if not trade.group:
        return 0
    first = state.auths[trade.taker_auth].auth.legs[0]
    total, at = 0, state.trades.get(trade.group)
    while at is not None and at.group == trade.group:
        total += at.qty if at.series == first.series else 0
        at = state.trades.get(at.id + 1)
    return div_down(total, abs(first.ratio))


def lineage(state: State, auth_id: int, batch_id: int) -> list[AuthEntry]:
    """An authorisation with the replaced ones the contract must hear of in a batch, oldest first.

    The contract carries a replaced order's filled quantity forward when the replacement first settles, and refuses the
    replaced one from then on. So ancestors go along with an order the first time a batch names it, unless a batch has
    named them before: the contract then knows what filled under them. What earlier batches name counts, whether they
    are final or not, because batches land in their order.
    """
    link, chain = state.auths[auth_id], [state.auths[auth_id]]
    while not 0 < link.batch < batch_id and link.carry > 0 and link.parent in state.auths:
        link = state.auths[link.parent]
        if not 0 < link.batch < batch_id:
            chain.append(link)
    return chain[::-1]


def _named_by(state: State, trade: Trade, batch_id: int) -> list[AuthEntry]:
    return lineage(state, trade.maker_auth, batch_id) + lineage(state, trade.taker_auth, batch_id)


def decide_seal(state: State, command: SealBatch) -> tuple[Event, ...]:
    """Close the open batch on request; an empty one only as a heartbeat."""
    if state.round is None:
        return (Rejected(Reject.ORACLE_MUST_BE_FRESH),)
    if state.first_unsealed < state.next_trade:
        return tuple(seal(state))
    if not command.heartbeat:
        return (Rejected(Reject.NOTHING_TO_SEAL, state.next_trade),)
    return (BatchSealed(state.next_batch, state.next_trade, state.next_trade - 1, state.round.round_id),)


def evolve_sealed(state: State, event: BatchSealed, seq: int, time_ns: int) -> None:
    """The batch is on its way; its round is kept until it is final."""
    assert state.round is not None
    for trade_id in range(event.first_trade, event.last_trade + 1):
        for link in _named_by(state, state.trades[trade_id], event.batch_id):
            link.batch = link.batch or event.batch_id
    state.batches[event.batch_id] = Batch(
        event.batch_id, event.first_trade, event.last_trade, event.round_id, seq, time_ns
    )
    state.rounds[event.round_id] = state.round
    state.next_batch = event.batch_id + 1
    state.first_unsealed = event.last_trade + 1
    state.touched.clear()
    state.sealed_ns = time_ns


def decide_refused(state: State, command: BatchRefused) -> tuple[Event, ...]:
    """The contract refused a batch. The venue halts: what was acknowledged must settle, so a person decides next."""
    if command.batch_id not in state.batches:
        return (Rejected(Reject.BATCH_MUST_BE_PENDING, command.batch_id, state.next_batch - 1),)
    return (Applied(),)


def evolve_refused(state: State, command: BatchRefused) -> None:
    """Halt; the batch stays pending."""
    del command
    status.halt(state)


def finish_batch(state: State, batch: Batch) -> list[Trade]:
    """The batch is final: forget its trades and the authorisations nobody needs any more."""
    trades = [state.trades.pop(trade_id) for trade_id in range(batch.first_trade, batch.last_trade + 1)]
    named = {link.id: link for trade in trades for link in _named_by(state, trade, batch.id)}
    for link in named.values():  # parents first; what they replaced has been taken over for good
        parent, link.parent = link.parent, 0
        release(state, parent)
    for trade in trades:
        state.accounts[trade.maker_account].expect(trade.series, -1)
        state.accounts[trade.taker_account].expect(trade.series, -1)
        release(state, trade.maker_auth)
        release(state, trade.taker_auth)
    del state.batches[batch.id]
    _forget_round(state, batch.round_id)
    return trades


def _forget_round(state: State, round_id: int) -> None:
    round_ = state.rounds[round_id]
    batched = any(batch.round_id == round_id for batch in state.batches.values())
    if not batched and round_id not in state.fixings.values() and not opens_window(state, round_.time_s):
        del state.rounds[round_id]


def opens_window(state: State, time_s: Seconds) -> bool:
    """Whether the average of an expiry the contract has not fixed begins at this moment: it must hear the round."""
    return any(
        expiry.expiry_s - TWAP_SECONDS == time_s and expiry.id not in state.mirror.fixings
        for expiry in state.expiries.values()
    )


# -- authorisations ---------------------------------------------------------------------------------------------------


def release(state: State, auth_id: int) -> None:
    """Drop one reference; an entry nobody refers to disappears, and with it its claim on the order it replaced."""
    while auth_id:
        entry = state.auths[auth_id]
        entry.refs -= 1
        if entry.refs:
            return
        del state.auths[auth_id]
        auth_id = entry.parent
        if entry.mandate:
            mandate = state.mandates[entry.mandate]
            mandate.refs -= 1
            if not mandate.refs:
                del state.mandates[mandate.id]
        if entry.deal:
            deal = state.deals[entry.deal]
            deal.refs -= 1
            if not deal.refs:
                del state.deals[deal.id]


# -- expiry -----------------------------------------------------------------------------------------------------------


def legs_in(state: State, positions: dict[int, Qty], expiry_id: int) -> tuple[Leg, ...]:
    """An account's legs in one expiry, without marks: they are past their time."""
    return tuple(
        Leg(qty, state.series[series].strike, state.series[series].is_call, 0)
        for series, qty in sorted(positions.items())
        if expiry_of(series) == expiry_id
    )


def settle_expiry(state: State, expiry: Expiry, price: Price) -> list[Event]:
    """What each holder gets, rounded down; the units lost to rounding go to the treasury, so cash is conserved."""
    events: list[Event] = []
    total = 0
    for account_id in sorted(state.accounts):
        legs = legs_in(state, state.accounts[account_id].positions, expiry.id)
        if legs:
            delta = settlement_value(legs, price)
            total += delta
            events.append(AccountSettled(expiry.id, account_id, delta))
    if total:
        events.append(AccountSettled(expiry.id, TREASURY, -total))
    return events


def evolve_fixed(state: State, event: ExpiryFixed) -> None:
    """The settlement price stands; the contract still has to say the same. Combos with a leg in it are over."""
    assert state.round is not None
    combos.evolve_fixed(state, event.expiry_id)
    state.expiries[event.expiry_id].fixing = event.price
    state.fixings[event.expiry_id] = state.round.round_id
    state.rounds[state.round.round_id] = state.round


def evolve_settled(state: State, event: AccountSettled) -> None:
    """Positions of the expiry become cash."""
    account = state.accounts[event.account]
    account.cash += event.cash_delta
    for series in [key for key in account.positions if expiry_of(key) == event.expiry_id]:
        _drop_position(state, account, series)


def _drop_position(state: State, account: Account, series: int) -> None:
    risk.move_position(state, account, series, -account.positions[series])
    option = state.series[series]
    option.open_interest -= max(account.positions[series], 0)
    del account.positions[series]
    del account.costs[series]


def finish_fixing(state: State, expiry_id: int) -> None:
    """The contract fixed the expiry too."""
    del state.fixings[expiry_id]
    for round_id in list(state.rounds):
        _forget_round(state, round_id)
