"""Every change of an account's cash of late, with what it was for and what it left: the transaction log.

The state holds where accounts stand, not how they came there, so positions are mirrored here: an expiry that is settled
is told instrument by instrument. Balances are counted back from the cash after a record, so they agree with the state
whatever the record did. Imports core, dialect.
"""

from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.margin import Leg, settlement_value
from exchange.core.state import TREASURY, State
from exchange.core.units import QTY_ONE, Cash, Nanos, Price, Qty, div_down, expiry_of, premium_of
from exchange.dialect.listed import Listed
from exchange.dialect.market import mark_of
from exchange.dialect.names import account_name
from exchange.dialect.numbers import contracts, millis, usdc
from exchange.dialect.orders import Fill, Side
from exchange.publisher.notes import Outcome
from exchange.publisher.orderlog import Noted

ENTRIES_MAX: Final = 50_000
DELIVERIES_MAX: Final = 10_000
PLACES: Final = 1 << 20  # entries of one record, at most


class Why(StrEnum):
    """What changed the cash of an account."""

    TRADE = "trade"
    DELIVERY = "delivery"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    LIQUIDATION = "liquidation"


class Entry(msgspec.Struct, gc=False):
    """One change. ``change`` is after the fee; ``position`` and ``balance`` are what it left; ``cost`` is what a
    position that was delivered had cost, above zero for one that was bought.
    """

    id: int
    number: int  # among those of the account
    time_ns: Nanos
    account: int
    why: Why
    change: Cash
    balance: Cash = 0
    fee: Cash = 0
    listed: Listed | None = None
    qty: Qty = 0  # bought; below zero sold
    position: Qty = 0
    price: Price = 0
    index: Price = 0
    mark: Price = 0
    cost: Cash = 0
    trade_id: int = 0
    order_id: int = 0
    rfq: int = 0
    is_taker: bool = False


class Delivery(msgspec.Struct, gc=False, frozen=True):
    """An instrument that expired: the price it was settled at, and what was open in it."""

    listed: Listed
    time_ns: Nanos
    price: Price
    open_interest: Qty


class Held(msgspec.Struct, gc=False):
    """A position and what it cost, as of the last record."""

    qty: Qty
    cost: Cash


class Statements:
    """Entries by account, oldest first, and the last deliveries."""

    def __init__(self, by_series: dict[int, Listed]) -> None:
        self.of_account: dict[int, deque[Entry]] = {}
        self.deliveries: deque[Delivery] = deque(maxlen=DELIVERIES_MAX)
        self.delivered: list[Delivery] = []  # by the record noted last
        self._order: deque[int] = deque()
        self._numbers: dict[int, int] = {}
        self._held: dict[int, dict[int, Held]] = {}
        self._by_series = by_series

    def rebuild(self, state: State) -> None:
        """Positions as the state has them; what led to them is unknown."""
        self.of_account.clear()
        self.deliveries.clear()
        self.delivered = []
        self._order.clear()
        self._numbers = {}
        self._held = {
            account.id: {series: Held(qty, account.costs.get(series, 0)) for series, qty in account.positions.items()}
            for account in state.accounts.values()
            if account.positions
        }

    def begin_numbers(self, numbers: dict[int, int]) -> None:
        """How many entries each account had before."""
        self._numbers = numbers

    def recall(self, entries: list[Entry], deliveries: list[Delivery]) -> None:
        """Remember what was known before a restart; the oldest first."""
        self.deliveries.extend(deliveries)
        for entry in entries:
            self._remember(entry)

    def note(self, state: State, outcome: Outcome, noted: Noted) -> list[Entry]:
        """Follow one record that moved cash; what it changed."""
        self.delivered = []
        drafts = [*self._drafts(state, outcome, noted)]
        for place, draft in enumerate(drafts):
            draft.id = outcome.seq * PLACES + place
        for account in dict.fromkeys(draft.account for draft in drafts):
            mine = [draft for draft in drafts if draft.account == account]
            self._settle_up(state, account, mine)
            for draft in mine:
                self._keep(draft)
        return drafts

    def _settle_up(self, state: State, account_id: int, mine: list[Entry]) -> None:
        """Balances and positions from the last entry back to the first; then the mirror is as the state."""
        account = state.accounts[account_id]
        balance, held = account.cash, self._held.setdefault(account_id, {})
        positions = dict(account.positions)
        for draft in reversed(mine):
            draft.balance = balance
            balance -= draft.change
            if draft.listed is None:
                continue
            series = draft.listed.series
            draft.position = positions.get(series, 0)
            positions[series] = draft.position - draft.qty
        for series in dict.fromkeys(draft.listed.series for draft in mine if draft.listed is not None):
            if series in account.positions:
                held[series] = Held(account.positions[series], account.costs.get(series, 0))
            else:
                held.pop(series, None)

    def _keep(self, draft: Entry) -> None:
        draft.number = self._numbers[draft.account] = self._numbers.get(draft.account, 0) + 1
        self._remember(draft)

    def _remember(self, draft: Entry) -> None:
        self.of_account.setdefault(draft.account, deque()).append(draft)
        self._order.append(draft.account)
        if len(self._order) > ENTRIES_MAX:
            self.of_account[self._order.popleft()].popleft()

    # -- what a record did --------------------------------------------------------------------------------------------

    def _drafts(self, state: State, outcome: Outcome, noted: Noted) -> Iterator[Entry]:
        for fill in noted.fills:
            for side in (fill.taker, fill.maker):
                yield _of_fill(fill, side)
        command = outcome.command
        match command:
            case c.ObserveDeposit():
                yield Entry(0, 0, outcome.time_ns, command.account, Why.DEPOSIT, command.amount)
            case c.ObserveWithdrawal():
                yield Entry(0, 0, outcome.time_ns, command.account, Why.WITHDRAWAL, -command.amount)
            case c.ObserveOffbookSettled():
                yield from self._of_offbook(state, outcome, command)
            case c.ObserveTransfer():
                for account, sign in ((command.account, 1), (command.provider, -1)):
                    yield from self._of_transfer(outcome, command, account, sign)
            case c.ObserveCaseClosed():
                for change in command.changes:
                    yield Entry(0, 0, outcome.time_ns, change.account, Why.LIQUIDATION, change.amount)
            case _:
                pass
        yield from self._of_expiries(state, outcome)

    def _of_offbook(self, state: State, outcome: Outcome, command: c.ObserveOffbookSettled) -> Iterator[Entry]:
        """A block that settled on the contracts alone: no trade of the venue, but the parties' cash and positions."""
        for leg in command.legs:
            mark, paid = mark_of(state, leg.series), premium_of(leg.price, leg.qty)
            for account, is_taker, fee in ((command.taker, True, leg.taker_fee), (command.maker, False, leg.maker_fee)):
                is_buy = leg.is_buy is is_taker
                yield Entry(
                    id=0,
                    number=0,
                    time_ns=outcome.time_ns,
                    account=account,
                    why=Why.TRADE,
                    change=(-paid if is_buy else paid) - fee,
                    fee=fee,
                    listed=self._by_series[leg.series],
                    qty=leg.qty if is_buy else -leg.qty,
                    price=leg.price,
                    index=leg.index,
                    mark=mark,
                    is_taker=is_taker,
                )

    def _of_transfer(self, outcome: Outcome, command: c.ObserveTransfer, account: int, sign: int) -> Iterator[Entry]:
        """One side of a slice: each position at its mark, rounded down; the last takes what was paid for them all."""
        left = sign * command.paid
        for place, leg in enumerate(command.legs, 1):
            worth = div_down(sign * leg.mark * leg.qty, QTY_ONE)
            change = left if place == len(command.legs) else worth
            left -= change
            yield Entry(
                id=0,
                number=0,
                time_ns=outcome.time_ns,
                account=account,
                why=Why.LIQUIDATION,
                change=change,
                listed=self._by_series[leg.series],
                qty=-sign * leg.qty,
                price=leg.mark,
                mark=leg.mark,
            )

    def _of_expiries(self, state: State, outcome: Outcome) -> Iterator[Entry]:
        fixed = [event for event in outcome.events if isinstance(event, e.ExpiryFixed)]
        for event in fixed:
            self._deliver(state, outcome, event)
        for settled in outcome.events:
            if isinstance(settled, e.AccountSettled) and settled.account != TREASURY:
                yield from self._of_settled(state, outcome, settled)

    def _deliver(self, state: State, outcome: Outcome, event: e.ExpiryFixed) -> None:
        open_interest: dict[int, Qty] = dict.fromkeys(state.expiries[event.expiry_id].series, 0)
        for positions in self._held.values():
            for series, held in positions.items():
                if series in open_interest:
                    open_interest[series] += max(held.qty, 0)
        for series, qty in open_interest.items():
            self.delivered.append(Delivery(self._by_series[series], outcome.time_ns, event.price, qty))
        self.deliveries.extend(self.delivered)

    def _of_settled(self, state: State, outcome: Outcome, event: e.AccountSettled) -> Iterator[Entry]:
        """Each position's own worth, rounded down; the last one takes what the account was paid for their sum."""
        price, left = state.expiries[event.expiry_id].fixing, event.cash_delta
        held = self._held.get(event.account, {})
        gone = sorted(series for series in held if expiry_of(series) == event.expiry_id)
        for place, series in enumerate(gone, 1):
            option, was = state.series[series], held[series]
            worth = settlement_value((Leg(was.qty, option.strike, option.is_call, 0),), price)
            worth = left if place == len(gone) else worth
            left -= worth
            yield Entry(
                id=0,
                number=0,
                time_ns=outcome.time_ns,
                account=event.account,
                why=Why.DELIVERY,
                change=worth,
                listed=self._by_series[series],
                qty=-was.qty,
                price=price,
                index=price,
                mark=max(price - option.strike if option.is_call else option.strike - price, 0),
                cost=was.cost if was.qty > 0 else -was.cost,
            )


def _of_fill(fill: Fill, side: Side) -> Entry:
    paid = premium_of(fill.price, fill.qty)
    return Entry(
        id=0,
        number=0,
        time_ns=fill.time_ns,
        account=side.account,
        why=Why.TRADE,
        change=(-paid if side.is_buy else paid) - side.fee,
        fee=side.fee,
        listed=fill.listed,
        qty=fill.qty if side.is_buy else -fill.qty,
        price=fill.price,
        index=fill.index,
        mark=fill.mark,
        trade_id=fill.trade_id,
        order_id=side.order_id,
        rfq=fill.rfq,
        is_taker=side.is_taker,
    )


def entry_object(entry: Entry) -> dict[str, Any]:
    """The dialect's line of the transaction log."""
    shown = _cash_object(entry)
    if entry.listed is None:
        return shown
    shown |= _traded_object(entry, entry.listed)
    if entry.why is Why.DELIVERY:
        return shown | {"settlement_price": usdc(entry.price)}
    shown |= {"user_role": "taker" if entry.is_taker else "maker"}
    shown |= {"trade_id": str(entry.trade_id)} if entry.trade_id else {}
    shown |= {"order_id": str(entry.order_id)} if entry.order_id else {}
    return shown | ({"block_rfq_id": entry.rfq} if entry.rfq else {})


def _cash_object(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "user_seq": entry.number,
        "user_id": entry.account,
        "username": account_name(entry.account),
        "timestamp": millis(entry.time_ns),
        "type": entry.why.value,
        "currency": "USDC",
        "change": usdc(entry.change),
        "cashflow": usdc(entry.change + entry.fee),
        "balance": usdc(entry.balance),
        "commission": usdc(entry.fee),
    }


def _traded_object(entry: Entry, listed: Listed) -> dict[str, Any]:
    return {
        "instrument_name": listed.name,
        "side": "buy" if entry.qty > 0 else "sell",
        "amount": contracts(abs(entry.qty)),
        "contracts": contracts(abs(entry.qty)),
        "position": contracts(entry.position),
        "price": usdc(entry.price),
        "price_currency": "USDC",
        "index_price": usdc(entry.index),
        "mark_price": usdc(entry.mark),
    }
