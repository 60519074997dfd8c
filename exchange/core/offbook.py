"""Blocks that settle on the contracts without the operator: what the venue does while one is queued, and afterwards.

From the record that observes the queueing neither party opens anything, and all their open orders are off the book:
what was acknowledged before has a window to settle, and nothing is acknowledged whose margin the block could take. It
ends when the block has settled, or with a final block of the chain later than the last second in which it could.
Imports state, orders, ledger, keyroom, settlement, events.
"""

from exchange.core import keyroom, ledger, orders, settlement
from exchange.core.commands import (
    GTC,
    Authorisation,
    ObserveBlock,
    ObserveOffbookQueued,
    ObserveOffbookSettled,
    OffbookLeg,
)
from exchange.core.events import AccountSettled, CancelReason, Event
from exchange.core.margin import payoff
from exchange.core.state import TREASURY, State
from exchange.core.state_types import QueuedBlock, Trade
from exchange.core.units import QTY_ONE, Qty, div_down, expiry_of, premium_of

# -- deciding ---------------------------------------------------------------------------------------------------------


def on_queued(state: State, command: ObserveOffbookQueued) -> list[Event]:
    """Open orders of both parties leave, as when an account leaves."""
    parties = sorted((command.maker, command.taker))
    return [event for key in parties for event in orders.cancel_orders(state.accounts[key], CancelReason.BLOCK_QUEUED)]


def on_settled(state: State, command: ObserveOffbookSettled) -> list[Event]:
    """What legs in expiries that are fixed here already are worth: the contracts will pay it with all else held there.

    The contracts round down once per account and expiry, so what changes is the difference of two such amounts.
    """
    events: list[Event] = []
    expiries = dict.fromkeys(expiry_of(leg.series) for leg in command.legs)
    for expiry_id in expiries:
        if state.expiries[expiry_id].fixing < 0:
            continue
        total = 0
        for account_id, sign in ((command.maker, -1), (command.taker, 1)):
            before = owed(state, account_id, expiry_id, {})
            after = owed(state, account_id, expiry_id, _moves(command, expiry_id, sign))
            events.append(AccountSettled(expiry_id, account_id, after - before))
            total += after - before
        events.append(AccountSettled(expiry_id, TREASURY, -total))
    return events


def _moves(command: ObserveOffbookSettled, expiry_id: int, sign: int) -> dict[int, Qty]:
    return {
        leg.series: sign * (leg.qty if leg.is_buy else -leg.qty)
        for leg in command.legs
        if expiry_of(leg.series) == expiry_id
    }


def owed(state: State, account_id: int, expiry_id: int, moves: dict[int, Qty]) -> int:
    """What an account gets there for a fixed expiry: for what it holds, for trades on their way, and for the moves."""
    positions = dict(state.mirror.positions.get(account_id, {}))
    for trade in state.trades.values():
        signed = trade.qty if trade.taker_is_buy else -trade.qty
        for party, qty in ((trade.taker_account, signed), (trade.maker_account, -signed)):
            if party == account_id:
                positions[trade.series] = positions.get(trade.series, 0) + qty
    for series, qty in moves.items():
        positions[series] = positions.get(series, 0) + qty
    exact = payoff(settlement.legs_in(state, positions, expiry_id), state.expiries[expiry_id].fixing)
    return div_down(exact, QTY_ONE)


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve_queued(state: State, command: ObserveOffbookQueued) -> None:
    """Both await it, and no order of theirs may bear its nonce."""
    state.await_block(QueuedBlock(command.digest, command.maker, command.taker, command.lapses_s))
    for key in (command.maker, command.taker):
        state.accounts[key].spend_nonces(command.nonce >> 6, 1 << (command.nonce & 63))


def evolve_settled(state: State, command: ObserveOffbookSettled) -> list[Trade]:
    """Legs move here as they did there; those in expiries fixed here move cash only. What the mirror has to follow."""
    state.forget_block(command.digest)
    for key in (command.maker, command.taker):
        state.accounts[key].risk_round = -1  # a leg may be in a series that the round in force does not price
    trades = [trade_of(command, leg) for leg in command.legs]
    for trade, leg in zip(trades, command.legs, strict=True):
        for signer, is_taker, fee in (
            (command.maker_signer, False, leg.maker_fee),
            (command.taker_signer, True, leg.taker_fee),
        ):
            auth = _side_of(command, leg, signer, is_taker=is_taker)
            keyroom.count_fill(state, auth, leg.price, leg.qty, fee)
        if state.expiries[expiry_of(leg.series)].fixing < 0:
            ledger.book_trade(state, trade)
        else:
            _book_cash(state, trade)
        state.series[leg.series].volume += leg.qty
    return trades


def trade_of(command: ObserveOffbookSettled, leg: OffbookLeg) -> Trade:
    """A leg as a trade without a number: it is final already."""
    return Trade(
        id=0,
        series=leg.series,
        qty=leg.qty,
        price=leg.price,
        taker_is_buy=leg.is_buy,
        taker_account=command.taker,
        maker_account=command.maker,
        taker_auth=0,
        maker_auth=0,
        taker_fee=leg.taker_fee,
        maker_fee=leg.maker_fee,
        index=leg.index,
    )


def _side_of(command: ObserveOffbookSettled, leg: OffbookLeg, signer: bytes, *, is_taker: bool) -> Authorisation:
    account = command.taker if is_taker else command.maker
    about = (leg.qty, leg.price, 0, GTC, False, False, 0, 0, 0)
    return Authorisation(account, leg.series, leg.is_buy is is_taker, *about, signer, b"")


def _book_cash(state: State, trade: Trade) -> None:
    """Premium and fees; what the position is worth is told by the events of the record."""
    paid = premium_of(trade.price, trade.qty)
    if not trade.taker_is_buy:
        paid = -paid
    state.accounts[trade.taker_account].cash -= paid + trade.taker_fee
    state.accounts[trade.maker_account].cash += paid - trade.maker_fee
    state.accounts[TREASURY].cash += trade.taker_fee + trade.maker_fee


def lapse(state: State, block: ObserveBlock) -> None:
    """Every fact up to this final block is in the journal: what could have settled only before it never will."""
    for digest in [key for key, queued in state.queued.items() if queued.lapses_s < block.time_s]:
        state.forget_block(digest)
