"""What the chain said: dense, final, applied once to the live ledger and to the mirror of the contracts.

The live ledger runs ahead of the chain by the trades that have not settled; the mirror holds exactly what the contracts
should hold, so reconciliation is an equality, not a tolerance. Imports state, distress, keyroom, models, offbook,
orders, pools, settlement.
"""

from exchange.core import commands as c
from exchange.core import distress, keyroom, models, offbook, orders, pools, rfq_rooms, settlement
from exchange.core.events import (
    Applied,
    Cancelled,
    CancelReason,
    ChainDisagreed,
    Event,
    Reject,
    Rejected,
    RfqEnd,
)
from exchange.core.margin import payoff
from exchange.core.state import TREASURY, State
from exchange.core.state_types import Account, Trade
from exchange.core.units import QTY_ONE, U64_MAX, Cash, Qty, expiry_of, premium_of

# -- deciding ---------------------------------------------------------------------------------------------------------


def decide(state: State, command: c.Observation | c.ObserveBlock) -> tuple[Event, ...]:
    """Refuse anything out of order; otherwise the fact stands, with whatever follows from it for open orders."""
    if isinstance(command, c.ObserveBlock):
        return _decide_block(state, command)
    expected = state.mirror.action_id + 1
    if command.action_id != expected:
        return (Rejected(Reject.CHAIN_ACTIONS_MUST_BE_DENSE, command.action_id, expected),)
    return (Applied(), *_follow(state, command))


def _decide_block(state: State, command: c.ObserveBlock) -> tuple[Event, ...]:
    """The newest final block whose facts are all in the journal; only ever a later one."""
    known = state.block
    if known is not None and (command.number <= known.number or command.time_s < known.time_s):
        return (Rejected(Reject.CHAIN_BLOCKS_MUST_ADVANCE, command.number, known.number),)
    return (Applied(),)


def _follow(state: State, command: c.Observation) -> list[Event]:
    match command:
        case c.ObserveRevocation():
            return _orders_signed_by(state, command.account, command.key)
        case c.ObserveCancellation():
            return _orders_with_nonces(state, command)
        case c.ObserveOffbookQueued():
            return offbook.on_queued(state, command)
        case c.ObserveOffbookSettled():
            return offbook.on_settled(state, command)
        case c.ObserveFlag() | c.ObserveTransfer() | c.ObserveCaseClosed():
            return distress.follow(state, command)
        case c.ObserveExit():
            return orders.cancel_orders(state.accounts[command.account], CancelReason.ACCOUNT_EXITING)
        case c.ObserveFixing():
            return _compare("fixing", _fixing_of(state, command.expiry_id), command.price)
        case c.ObserveExpirySettled():
            expected = _settled_value(state, command.expiry_id, command.account) // QTY_ONE
            return _compare("expiry_settled", expected, command.cash_delta)
        case c.ObserveBatch():
            oldest = next(iter(state.batches), 0)
            return _compare("batch", oldest, command.batch_id) if command.batch_id in state.batches else []
        case _:
            return []


def _compare(what: str, expected: int, actual: int) -> list[Event]:
    return [] if expected == actual else [ChainDisagreed(what, expected, actual)]


def _fixing_of(state: State, expiry_id: int) -> int:
    expiry = state.expiries.get(expiry_id)
    return expiry.fixing if expiry is not None else -1


def _orders_signed_by(state: State, account_id: int, key: bytes) -> list[Event]:
    """Open orders whose next fill would show the contract something that the key signed, replaced orders included."""
    orders = state.accounts[account_id].orders
    return [
        Cancelled(order.id, CancelReason.KEY_REVOKED, order.qty - order.filled)
        for order in sorted(orders.values(), key=lambda item: item.id)
        if any(link.auth.signer == key for link in settlement.lineage(state, order.auth_id, state.next_batch))
    ]


def _orders_with_nonces(state: State, command: c.ObserveCancellation) -> list[Event]:
    mask = int.from_bytes(command.mask, "big")
    events: list[Event] = []
    orders = state.accounts[command.account].orders
    for order in sorted(orders.values(), key=lambda item: item.id):
        nonce = state.auths[order.auth_id].auth.nonce
        if nonce >> 8 == command.word and mask >> (nonce & 255) & 1:
            events.append(Cancelled(order.id, CancelReason.ON_CHAIN, order.qty - order.filled))
    return events


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve(state: State, command: c.Observation | c.ObserveBlock) -> None:
    """Apply the fact to the live ledger and the mirror."""
    if isinstance(command, c.ObserveBlock):
        state.block = command
        offbook.lapse(state, command)
        distress.lapse(state, command)
        return
    state.mirror.action_id = command.action_id
    _evolve_fact(state, command)


def _evolve_fact(state: State, command: c.Observation) -> None:
    match command:
        case c.ObserveAccount():
            state.accounts[command.account] = Account(command.account, command.owner)
            state.owned.setdefault(command.owner, []).append(command.account)
        case c.ObserveDeposit():
            state.accounts[command.account].cash += command.amount
            pools.note_flow(state, command.account, command.amount)
            _mirror_cash(state, command.account, command.amount)
            state.mirror.vault += command.amount
        case c.ObserveKey():
            state.accounts[command.account].keys[command.key] = keyroom.registered(state, command)
        case c.ObserveRevocation():
            state.accounts[command.account].keys.pop(command.key, None)
        case c.ObserveCancellation():
            _spend(state, command)
        case c.ObserveBatch():
            _settle_batch(state, command.batch_id)
        case c.ObserveFixing():
            state.mirror.fixings[command.expiry_id] = command.price
            if command.expiry_id in state.fixings:
                settlement.finish_fixing(state, command.expiry_id)
        case c.ObserveExpirySettled():
            _settle_expiry(state, command)
        case c.ObserveOffbookQueued():
            offbook.evolve_queued(state, command)
        case c.ObserveOffbookSettled():
            _mirror_trades(state, offbook.evolve_settled(state, command))
        case _:
            _evolve_leaving(state, command)


def _evolve_leaving(state: State, command: c.Observation) -> None:
    match command:
        case c.ObserveFlag() | c.ObserveTransfer() | c.ObserveCaseClosed():
            distress.evolve(state, command)
            _mirror_liquidation(state, command)
        case c.ObserveWithdrawalRequest():
            state.accounts[command.account].held = command.amount
        case c.ObserveWithdrawalCancelled():
            state.accounts[command.account].held = 0
        case c.ObserveWithdrawal():
            account = state.accounts[command.account]
            account.cash -= command.amount
            account.held = max(account.held - command.amount, 0)
            pools.note_flow(state, command.account, -command.amount)
            _mirror_cash(state, command.account, -command.amount)
            state.mirror.vault -= command.amount
        case c.ObserveExit():
            state.accounts[command.account].exiting = True
            rfq_rooms.end(state, RfqEnd.ACCOUNT_EXITING, lambda rfq: rfq.request.account == command.account)
        case c.ObserveExitCleared():
            state.accounts[command.account].exiting = False
        case c.ObserveModel():
            models.choose(state, command)
        case _:
            assert isinstance(command, c.ObserveListing)


def _spend(state: State, command: c.ObserveCancellation) -> None:
    """A 256-nonce word of the contract is four of ours; words beyond the last nonce are allowed there, and empty."""
    if command.word > U64_MAX >> 8:
        return
    account = state.accounts[command.account]
    for part in range(4):
        chunk = command.mask[24 - 8 * part : 32 - 8 * part]
        account.spend_nonces(command.word * 4 + part, int.from_bytes(chunk, "big"))


def _mirror_cash(state: State, account: int, amount: Cash) -> None:
    cash = state.mirror.cash
    cash[account] = cash.get(account, 0) + amount


def _mirror_position(state: State, account: int, series: int, qty: Qty) -> None:
    positions = state.mirror.positions.setdefault(account, {})
    positions[series] = positions.get(series, 0) + qty
    if not positions[series]:
        del positions[series]


def _settle_batch(state: State, batch_id: int) -> None:
    """Its trades become what the contracts hold. A batch unknown here is a heartbeat: it carried no trades."""
    state.mirror.batch_id = batch_id
    batch = state.batches.get(batch_id)
    if batch is None:
        return
    _mirror_trades(state, settlement.finish_batch(state, batch))


def _mirror_trades(state: State, trades: list[Trade]) -> None:
    for trade in trades:
        _mirror_trade(state, trade)


def _mirror_trade(state: State, trade: Trade) -> None:
    paid, signed = premium_of(trade.price, trade.qty), trade.qty
    if not trade.taker_is_buy:
        paid, signed = -paid, -signed
    _mirror_cash(state, trade.taker_account, -paid - trade.taker_fee)
    _mirror_cash(state, trade.maker_account, paid - trade.maker_fee)
    _mirror_cash(state, TREASURY, trade.taker_fee + trade.maker_fee)
    _mirror_position(state, trade.taker_account, trade.series, signed)
    _mirror_position(state, trade.maker_account, trade.series, -signed)


def _mirror_liquidation(state: State, command: c.Liquidation) -> None:
    if isinstance(command, c.ObserveTransfer):
        for account, sign in ((command.account, -1), (command.provider, 1)):
            _mirror_cash(state, account, -sign * command.paid)
            for leg in command.legs:
                _mirror_position(state, account, leg.series, sign * leg.qty)
    elif isinstance(command, c.ObserveCaseClosed):
        for change in command.changes:
            _mirror_cash(state, change.account, change.amount)


def _settled_value(state: State, expiry_id: int, account: int) -> int:
    """Exact payoff the contract pays an account, in price x quantity, from what the mirror says it holds."""
    positions = state.mirror.positions.get(account, {})
    legs = settlement.legs_in(state, positions, expiry_id)
    return payoff(legs, state.mirror.fixings.get(expiry_id, 0))


def _settle_expiry(state: State, command: c.ObserveExpirySettled) -> None:
    """The contract pays the floor and keeps the dust; whole units of dust go to the treasury."""
    mirror, account = state.mirror, command.account
    exact = _settled_value(state, command.expiry_id, account)
    _mirror_cash(state, account, command.cash_delta)
    dust = mirror.dust.get(command.expiry_id, 0) + exact % QTY_ONE
    _mirror_cash(state, TREASURY, dust // QTY_ONE)
    mirror.dust[command.expiry_id] = dust % QTY_ONE
    positions = mirror.positions.get(account, {})
    for series in [key for key in positions if expiry_of(key) == command.expiry_id]:
        del positions[series]
