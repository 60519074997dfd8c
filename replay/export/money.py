"""What was traded, what of it is on the chain, and what it does to accounts: trades, settlement, margin, breaks.

Imports orders, rows, texts, core.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import risk
from exchange.core.margin import Kind as MarginKind
from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, Nanos, Price, Qty
from replay.engine import Step
from replay.export import texts
from replay.export.fields import ONCHAIN
from replay.export.orders import Of, OrderEvent
from replay.export.tables import Cell, Column, Row, Table, columns

TRADES: Final = Table(
    "05_trades",
    "both sides of every trade, with what RTS 22 asks of a venue about options",
    columns(
        "report", "time", "transaction", "side", "role", "channel", "account:i", "other_account:i", "order",
        "series:i", "name", "quantity", "price", "currency", "premium", "fee", "index", "complex", "mic",
    ),
)  # fmt: skip
CHAIN: Final = Table(
    "04_onchain_mica416_t3",
    "what the contracts reported, in the 13 fields of (EU) 2025/416 Table 3",
    (*(Column(field.column) for field in ONCHAIN), *columns("x_kind", "x_batch:i", "x_block:i", "x_told")),
)
BREAKS: Final = Table(
    "10_recon_breaks",
    "batches on their way, what the chain disagreed with, and balances on both layers",
    columns(
        "time", "kind", "verdict", "subject", "expected", "actual", "batch:i", "first_trade:i", "last_trade:i",
        "sealed", "age_s:i", "tx_hash", "block:i",
    ),
)  # fmt: skip
MARGIN: Final = Table(
    "09_margin_liquidation",
    "cancellations and refusals for want of margin, liquidations, parameters, and every account's needs at day's end",
    columns(
        "time", "kind", "account:i", "order", "cash", "held", "initial", "maintenance", "round:i", "model", "reason",
        "value", "limit", "other_account:i", "series:i", "name", "quantity", "mark", "amount", "until",
    ),
)  # fmt: skip
_SHORT: Final = ("account_must_have_margin", "party_must_have_margin")


class Brief(NamedTuple):
    """A trade on its way to the chain."""

    series: int
    qty: Qty
    price: Price
    buyer: int
    seller: int


class Sealed(NamedTuple):
    """A batch on its way."""

    event: e.BatchSealed
    time_ns: Nanos


class Settlement:
    """Trades and batches between the machine and the contracts, and who is on the other side of an order."""

    def __init__(self) -> None:
        self._trades: dict[int, Brief] = {}
        self._batches: dict[int, Sealed] = {}

    # -- trades -------------------------------------------------------------------------------------------------------

    def trade_rows(self, step: Step, state: State, found: Iterable[OrderEvent], mic: str) -> list[Row]:
        """Both sides of what a record traded; the taker's side of each trade comes second."""
        base: Row = {"report": "NEWT", "time": texts.moment(step.time_ns), "currency": "USDC"}
        if mic:
            base["mic"] = mic
        sides = [event for event in found if event.fill is not None]
        rows = [base | _side_row(one, other, state) for one, other in _pairs(sides)]
        for event in sides:
            self._note_fill(event, sides)
        for transaction, leg, fees in self._away(step):
            rows += [base | row for row in _deal_rows(transaction, leg, fees, state)]
        return rows

    def _note_fill(self, event: OrderEvent, sides: list[OrderEvent]) -> None:
        fill = event.fill
        assert fill is not None
        if fill.is_buy:
            seller = next(s.order.account for s in sides if s.fill and _is_other(s, event))
            self._trades[fill.trade_id] = Brief(fill.series, fill.qty, fill.price, event.order.account, seller)

    def _away(self, step: Step) -> Iterator[tuple[str, "_Leg", tuple[int, int, int]]]:
        """Trades that no book brought about: blocks, and blocks that the contracts settled by themselves."""
        command = step.command
        for event in step.events:
            if isinstance(event, e.BlockTraded) and isinstance(command, c.ExecuteBlock):
                block, leg = command.block, command.block.legs[event.leg]
                told = _Leg("BLOCK", block.taker, block.maker, leg.series, leg.is_buy, leg.qty, leg.price)
                self._trades[event.trade_id] = told.brief()
                yield f"T{event.trade_id}", told, (event.taker_fee, event.maker_fee, event.index)
            elif isinstance(event, e.Applied) and isinstance(command, c.ObserveOffbookSettled):
                for place, one in enumerate(command.legs):
                    told = _Leg("OFFBOOK", command.taker, command.maker, one.series, one.is_buy, one.qty, one.price)
                    yield f"J{step.seq}-{place}", told, (one.taker_fee, one.maker_fee, one.index)

    # -- on chain -----------------------------------------------------------------------------------------------------

    def chain_rows(self, step: Step, state: State) -> list[Row]:
        """What the contracts reported in this record."""
        if any(isinstance(event, e.Rejected) for event in step.events) or state.config is None:
            return []
        return [
            {"03_contract": f"0x{state.config.clearing.hex()}", "12_currency": "USDC"}
            | row
            | {"x_told": texts.moment(step.time_ns)}
            for row in self._reported(step, state)
        ]

    def _reported(self, step: Step, state: State) -> Iterator[Row]:
        command, record = step.command, f"J{step.seq}"
        match command:
            case c.ObserveBatch():
                yield from self._batch(command, state, record)
            case c.ObserveDeposit():
                yield _moved("DEPOSIT", record, command.amount, to=command.account)
            case c.ObserveWithdrawal():
                yield _moved("WITHDRAWAL", record, -command.amount, to=command.account)
            case c.ObserveExpirySettled():
                yield _moved("EXPIRY", record, command.cash_delta, to=command.account)
            case c.ObserveTransfer():
                other = f"A{command.provider}"
                yield _moved("LIQUIDATION", record, command.paid, to=command.account, other=other)
            case c.ObserveCaseClosed():
                for change in command.changes:
                    yield _moved("LIQUIDATION", record, change.amount, to=change.account, other="CLEARING")
            case c.ObserveOffbookSettled():
                for place, leg in enumerate(command.legs):
                    told = _Leg("OFFBOOK", command.taker, command.maker, leg.series, leg.is_buy, leg.qty, leg.price)
                    yield _traded(told.brief(), f"{record}-{place}") | {"x_kind": "OFFBOOK"}
            case _:
                return

    def _batch(self, command: c.ObserveBatch, state: State, record: str) -> Iterator[Row]:
        """A receipt: a row for each trade of the batch; one of its own if it carried none."""
        base: Row = {
            "01_hash": f"0x{command.tx_hash.hex()}",
            "07_fee": str(command.gas),
            "x_batch": command.batch_id,
            "x_block": command.block,
        }
        if state.block is not None and state.block.number == command.block:
            base["04_time"] = texts.second(state.block.time_s)
        sealed = self._batches.get(command.batch_id)
        if sealed is None:
            yield base | {"13_record": record, "x_kind": "HEARTBEAT"}
            return
        for number in range(sealed.event.first_trade, sealed.event.last_trade + 1):
            yield base | _traded(self._trades.pop(number), f"T{number}") | {"x_kind": "TRADE"}

    # -- breaks -------------------------------------------------------------------------------------------------------

    def break_rows(self, step: Step) -> Iterator[Row]:
        """Batches sealed, settled and refused, and where the chain said something else. After ``chain_rows``."""
        base: Row = {"time": texts.moment(step.time_ns)}
        command = step.command
        is_refused = any(isinstance(event, e.Rejected) for event in step.events)
        for event in step.events:
            if isinstance(event, e.BatchSealed):
                self._batches[event.batch_id] = Sealed(event, step.time_ns)
                yield base | _batch_row(self._batches[event.batch_id], "SEALED", step.time_ns)
            elif isinstance(event, e.ChainDisagreed):
                said: Row = {"subject": event.what, "expected": str(event.expected), "actual": str(event.actual)}
                yield base | {"kind": "DISAGREED", "verdict": "MISMATCH"} | said
        if isinstance(command, c.ObserveBatch) and not is_refused:
            sealed = self._batches.pop(command.batch_id, None)
            if sealed is not None:
                where: Row = {"tx_hash": f"0x{command.tx_hash.hex()}", "block": command.block}
                yield base | _batch_row(sealed, "MATCHED", step.time_ns) | where
        elif isinstance(command, c.BatchRefused) and not is_refused:
            sealed = self._batches.get(command.batch_id)
            row = _batch_row(sealed, "REFUSED", step.time_ns) if sealed is not None else {"kind": "BATCH"}
            yield base | row | {"subject": command.reason, "batch": command.batch_id}

    def ending_rows(self, state: State) -> Iterator[Row]:
        """As the day ends: batches still on their way, and what each account has on both layers."""
        base: Row = {"time": texts.moment(state.time_ns)}
        window_s = state.config.settlement_window_s if state.config is not None else 0
        for sealed in self._batches.values():
            late = state.time_ns - sealed.time_ns > window_s * NANOS_PER_SECOND
            yield base | _batch_row(sealed, "LATE" if late else "PENDING", state.time_ns)
        for row in balances(state):
            yield base | row | {"kind": "CLOSING"}


class _Leg(NamedTuple):
    """One trade of a block, as the taker sees it."""

    channel: str
    taker: int
    maker: int
    series: int
    is_buy: bool
    qty: Qty
    price: Price

    def brief(self) -> Brief:
        """Who bought and who sold."""
        buyer, seller = (self.taker, self.maker) if self.is_buy else (self.maker, self.taker)
        return Brief(self.series, self.qty, self.price, buyer, seller)


def _is_other(one: OrderEvent, event: OrderEvent) -> bool:
    return (
        one.fill is not None
        and event.fill is not None
        and one.fill.trade_id == event.fill.trade_id
        and one is not event
    )


def _pairs(sides: list[OrderEvent]) -> Iterator[tuple[OrderEvent, OrderEvent]]:
    """Each side of a trade with the other one, which stands next to it but for what came between them."""
    for one in sides:
        yield one, next(other for other in sides if _is_other(other, one))


def _side_row(one: OrderEvent, other: OrderEvent, state: State) -> Row:
    fill = one.fill
    assert fill is not None
    row: Row = {
        "transaction": f"T{fill.trade_id}",
        "side": "BUYI" if fill.is_buy else "SELL",
        "role": "TAKER" if fill.is_taker else "MAKER",
        "channel": _channel(one, other),
        "account": one.order.account,
        "other_account": other.order.account,
        "order": str(one.order.id),
    }
    row |= _priced(state, fill.series, fill.qty, fill.price, fill.fee, fill.index)
    return row | ({"complex": f"C{fill.group}"} if fill.group else {})


def _channel(one: OrderEvent, other: OrderEvent) -> str:
    assert one.fill is not None
    if Of.RFQ_QUOTE in {one.order.of, other.order.of}:
        return "RFQ"
    return "AUCTION" if one.fill.is_auction else "COMBO" if one.fill.group else "BOOK"


def _priced(state: State, series: int, qty: Qty, price: Price, fee: int, index: Price) -> Row:
    return {
        "series": series,
        "name": texts.series_name(state, series),
        "quantity": texts.quantity(qty),
        "price": texts.price(price),
        "premium": texts.decimal(price * qty, texts.PRICE_DIGITS + texts.QTY_DIGITS),
        "fee": texts.price(fee),
        "index": texts.price(index),
    }


def _deal_rows(transaction: str, leg: _Leg, fees: tuple[int, int, int], state: State) -> Iterator[Row]:
    """The maker's side of a trade away from the books, then the taker's."""
    taker_fee, maker_fee, index = fees
    for role, account, other, is_buy, fee in (
        ("MAKER", leg.maker, leg.taker, not leg.is_buy, maker_fee),
        ("TAKER", leg.taker, leg.maker, leg.is_buy, taker_fee),
    ):
        row: Row = {"transaction": transaction, "side": "BUYI" if is_buy else "SELL", "role": role}
        row |= {"channel": leg.channel, "account": account, "other_account": other}
        yield row | _priced(state, leg.series, leg.qty, leg.price, fee, index)


def _traded(brief: Brief, record: str) -> Row:
    return {
        "05_amount": texts.quantity(brief.qty),
        "06_token": str(brief.series),
        "10_to": f"A{brief.buyer}",
        "11_from": f"A{brief.seller}",
        "13_record": record,
    }


def _moved(kind: str, record: str, amount: int, *, to: int, other: str = "VAULT") -> Row:
    """Cash between the vault, or whoever it was, and an account; below zero it left the account."""
    account = f"A{to}"
    receiver, sender = (account, other) if amount >= 0 else (other, account)
    ends: Row = {"10_to": receiver, "11_from": sender}
    return ends | {"05_amount": texts.price(abs(amount)), "06_token": "USDC", "13_record": record, "x_kind": kind}


def _batch_row(sealed: Sealed, verdict: str, now_ns: Nanos) -> Row:
    return {
        "kind": "BATCH",
        "verdict": verdict,
        "batch": sealed.event.batch_id,
        "first_trade": sealed.event.first_trade,
        "last_trade": sealed.event.last_trade,
        "sealed": texts.moment(sealed.time_ns),
        "age_s": (now_ns - sealed.time_ns) // NANOS_PER_SECOND,
    }


def balances(state: State) -> Iterator[Row]:
    """Cash of each account as the machine has it and as the contracts should; they differ by what is on its way."""
    for key, account in sorted(state.accounts.items()):
        machine, chain = account.cash, state.mirror.cash.get(key, 0)
        verdict = "MATCHED" if machine == chain else "ON_ITS_WAY"
        yield {"subject": f"A{key}", "verdict": verdict, "expected": texts.price(machine), "actual": texts.price(chain)}


# -- margin -----------------------------------------------------------------------------------------------------------


def margin_rows(step: Step, state: State, found: Iterable[OrderEvent]) -> Iterator[Row]:
    """Orders cancelled or refused for want of margin, parameters that changed, and each step of a liquidation."""
    base: Row = {"time": texts.moment(step.time_ns)}
    for event in found:
        if event.code == "CAMO" and event.cause == e.CancelReason.MARGIN:
            yield base | {"kind": "CANCELLED", "account": event.order.account, "order": str(event.order.id)}
    for told in step.events:
        if isinstance(told, e.Rejected) and told.reason in _SHORT:
            about: Row = {
                "value": texts.price(told.value),
                "limit": texts.price(told.limit),
                "reason": str(told.reason),
            }
            yield base | {"kind": "REFUSED"} | about
        elif isinstance(told, e.Applied) and isinstance(step.command, c.SetPortfolio):
            yield base | {"kind": "PARAMETERS", "model": "PORTFOLIO", "reason": step.command.authoriser}
    if not any(isinstance(told, e.Rejected) for told in step.events):
        for row in _liquidation_rows(step.command, state):
            yield base | row


def _liquidation_rows(command: c.AnyCommand, state: State) -> Iterator[Row]:
    """What the contracts told of a liquidation: the flag with what the account had and needed, each position that moved
    with its mark, what was paid for all of them, and who gave and got what when it was over.
    """
    match command:
        case c.ObserveFlag():
            yield _told("FLAGGED", until=texts.second(command.lapses_s)) | _needs(state, command.account)
        case c.ObserveTransfer():
            who: Row = {"account": command.account, "other_account": command.provider}
            for leg in command.legs:
                moved: Row = {"quantity": texts.quantity(leg.qty), "mark": texts.price(leg.mark)}
                yield _told("TRANSFERRED", name=texts.series_name(state, leg.series), series=leg.series) | who | moved
            yield _told("PAID", amount=texts.price(command.paid)) | who
        case c.ObserveCaseClosed():
            yield _told("CLOSED", amount=texts.price(command.uncovered)) | _needs(state, command.account)
            for change in command.changes:
                paid = texts.price(change.amount)
                yield _told("SHARED", amount=paid, account=change.account, other_account=command.account)
        case _:
            return


def _told(kind: str, **cells: Cell) -> Row:
    return {"kind": kind, **cells}


def requirement_rows(state: State) -> Iterator[Row]:
    """What each account has and needs as the day ends; requirements once there is a round."""
    base: Row = {"time": texts.moment(state.time_ns), "kind": "CLOSING", "model": "STANDARD"}
    for key in sorted(state.accounts):
        yield base | _needs(state, key)


def _needs(state: State, key: int) -> Row:
    """What an account has, and needs by the standard model."""
    account = state.accounts[key]
    row: Row = {"account": key, "cash": texts.price(account.cash), "held": texts.price(account.held)}
    if state.view is not None and state.round is not None:
        for name, kind in (("initial", MarginKind.INITIAL), ("maintenance", MarginKind.MAINTENANCE)):
            row[name] = texts.price(risk.requirement_of(state, state.view, account.positions, kind))
        row["round"] = state.round.round_id
    return row
