"""Block trades: both parties may, each leg is one that both could have ordered, and all of it happens or nothing.

Of a party's side of a leg it makes an order that stands nowhere, and holds it to the rules that orders obey. Imports
the words of the journal and the ledger.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from exchange.core.commands import (
    GTC,
    SCOPE_RFQ,
    Authorisation,
    BlockLeg,
    ExecuteBlock,
    InvalidateBlock,
    ObserveBlock,
    ObserveOffbookQueued,
    ObserveOffbookSettled,
    OffbookLeg,
    SetBlocks,
)
from exchange.core.events import (
    AccountSettled,
    Applied,
    BatchSealed,
    BlockTraded,
    Cancelled,
    Event,
    Reject,
    Rejected,
    Traded,
)
from exchange.core.units import QTY_MAX, U63_MAX, U64_MAX, premium_of
from replay.checker import batches, fills, keys
from replay.checker.admission import broken_terms, broken_who, room, settlement_lags
from replay.checker.bounds import BLOCK_LEGS_MAX
from replay.checker.facts import Account, Order
from replay.checker.ledger import TREASURY, Ledger
from replay.checker.rules import Rule, Taken

_TAKEN: Final = {
    Reject.PARTY_MUST_HAVE_MARGIN: Taken.MARGIN,
    Reject.POSITIONS_MUST_FIT: Taken.POSITIONS_BOUND,
}


def _plain(ledger: Ledger, events: Sequence[Event], broken: list[Reject]) -> bool:
    """Whether a command that is only applied was, as it should have been."""
    first = events[0] if len(events) == 1 else None
    if type(first) is Rejected:
        if first.reason not in broken:
            sentence = f"a command about blocks is refused for {first.reason}, and that does not hold"
            ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=first.reason)
        return False
    if type(first) is not Applied:
        ledger.note(Rule.EVENTS_MUST_FIT, "a command about blocks is neither refused nor applied")
        return False
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"a command about blocks is taken that breaks {rule}", actual=rule)
    return not broken


def rules(ledger: Ledger, command: SetBlocks, events: Sequence[Event]) -> None:
    """The least that a leg may be, for a listed underlying."""
    broken: list[Reject] = []
    if command.underlying not in ledger.underlyings:
        broken.append(Reject.UNDERLYING_MUST_EXIST)
    if not 0 <= command.min_qty <= QTY_MAX:
        broken.append(Reject.QTY_MUST_FIT)
    if _plain(ledger, events, broken):
        ledger.block_rules[command.underlying] = command.min_qty


def invalidate(ledger: Ledger, command: InvalidateBlock, events: Sequence[Event]) -> None:
    """A nonce is gone that was not."""
    account = ledger.accounts.get(command.account)
    if account is None or account.id == TREASURY:
        broken = [Reject.ACCOUNT_MUST_EXIST]
    else:
        fresh = 0 <= command.nonce <= U64_MAX and not account.has_spent(command.nonce)
        broken = [] if fresh else [Reject.NONCE_MUST_BE_FRESH]
    if _plain(ledger, events, broken) and account is not None:
        account.spend(command.nonce >> 8, 1 << (command.nonce & 255))


# -- a block ----------------------------------------------------------------------------------------------------------


def execute(ledger: Ledger, command: ExecuteBlock, events: Sequence[Event]) -> None:
    """Refused for a rule it breaks; or what waits is sealed, every leg trades, and all legs are sealed together."""
    broken = _broken(ledger, command)
    first = events[0] if events else None
    if type(first) is Rejected:
        _refused(ledger, command, first.reason, broken)
        return
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"a block is traded that breaks {rule}", actual=rule)
    events = batches.sealed(ledger, events, due=bool(ledger.unsealed), free=False)
    legs = command.block.legs
    traded = [event for event in events if type(event) is BlockTraded]
    gone = events[len(traded) : -1]
    shape = [type(event) for event in events]
    if shape != [BlockTraded] * len(legs) + [Cancelled] * len(gone) + [BatchSealed]:
        ledger.note(Rule.EVENTS_MUST_FIT, "a block does not trade each leg once and seal all of them together")
        return
    _trade(ledger, command, traded, gone, events[-1])


def _trade(
    ledger: Ledger, command: ExecuteBlock, traded: list[BlockTraded], gone: Sequence[Event], sealed: Event
) -> None:
    block, moved = command.block, dict[int, Account]()
    for account_id in (block.maker, block.taker):
        ledger.accounts[account_id].spend(block.nonce >> 8, 1 << (block.nonce & 255))
    for place, (leg, event) in enumerate(zip(block.legs, traded, strict=True)):
        if event.leg != place:
            ledger.note(Rule.EVENTS_MUST_FIT, "legs of a block trade in another order than they were signed in")
        maker, taker = _sides(ledger, command, leg)
        fill = Traded(event.trade_id, 0, leg.qty, leg.price, event.taker_fee, event.maker_fee, event.index)
        fills.number(ledger, fill)
        _check_charges(ledger, fill, taker)
        ledger.totals.entered += 2 * leg.qty
        fills.book(ledger, fill, maker, taker, moved)
    _check_fees(ledger, command, traded)
    for cancelled in gone:
        order = ledger.orders.get(cancelled.order_id)  # type: ignore[attr-defined]
        named = order is not None and order.series.id in [leg.series for leg in block.legs]
        series = order.series if order is not None and named else ledger.series[block.legs[0].series]
        fills.linger(ledger, cancelled, moved, series)  # type: ignore[arg-type]
    for leg in block.legs:
        fills.none_lingers(ledger, moved.values(), ledger.series[leg.series])
    batches.sealed_block(ledger, sealed, len(traded))  # type: ignore[arg-type]


def _check_charges(ledger: Ledger, fill: Traded, taker: Order) -> None:
    """Fees of the schedule; a block earns no rebate."""
    index, taker_fee, maker_fee = fills.charges(ledger, taker.series, fill.price, fill.qty)
    due, charged = (index, taker_fee, max(maker_fee, 0)), (fill.index, fill.taker_fee, fill.maker_fee)
    if charged != due:
        sentence = f"trade {fill.trade_id} has other fees than schedule and index make (index, taker, maker)"
        ledger.note(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE, sentence, expected=due, actual=charged)


def _check_fees(ledger: Ledger, command: ExecuteBlock, traded: list[BlockTraded]) -> None:
    block = command.block
    for most, fee in (
        (block.maker_max_fee, sum(event.maker_fee for event in traded)),
        (block.taker_max_fee, sum(event.taker_fee for event in traded)),
    ):
        if fee > most:
            ledger.note(Rule.FEE_MUST_BE_SIGNED, "a block costs more than was signed", expected=most, actual=fee)


def _refused(ledger: Ledger, command: ExecuteBlock, reason: Reject, broken: list[Reject]) -> None:
    if reason in _TAKEN:
        ledger.take(_TAKEN[reason])
        return
    if reason is Reject.PRICE_MUST_BE_IN_BAND:
        ledger.take(Taken.BAND)
        known = [ledger.series[leg.series].underlying for leg in command.block.legs if leg.series in ledger.series]
        if any(underlying in ledger.banded for underlying in known):
            return
    if reason not in broken:
        sentence = f"a block is refused for {reason}, and that does not hold"
        ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, actual=reason)


# -- what may be traded -----------------------------------------------------------------------------------------------


def _auths(command: ExecuteBlock, leg: BlockLeg) -> tuple[Authorisation, Authorisation]:
    """What maker and taker signed of a leg, as orders."""
    block = command.block

    def spelt(account: int, signer: bytes, *, is_buy: bool) -> Authorisation:
        about = (leg.qty, leg.price, 0, GTC, False, False, 0, block.nonce, block.expiry_s)
        return Authorisation(account, leg.series, is_buy, *about, signer, b"")

    maker = spelt(block.maker, command.maker_signer, is_buy=not leg.is_buy)
    return maker, spelt(block.taker, command.taker_signer, is_buy=leg.is_buy)


def _sides(ledger: Ledger, command: ExecuteBlock, leg: BlockLeg) -> tuple[Order, Order]:
    maker, taker = _auths(command, leg)
    series = ledger.series[leg.series]
    return (
        Order(0, ledger.accounts[maker.account], series, maker),
        Order(0, ledger.accounts[taker.account], series, taker),
    )


def _broken(ledger: Ledger, command: ExecuteBlock) -> list[Reject]:
    block, config = command.block, ledger.config
    if config is None or not ledger.is_open:
        return [Reject.TRADING_MUST_BE_OPEN]
    broken = [] if config.blocks else [Reject.BLOCKS_MUST_BE_SUPPORTED]
    maker, taker = (ledger.accounts.get(account_id) for account_id in (block.maker, block.taker))
    if maker is not None and taker is not None and maker.owner == taker.owner:
        broken.append(Reject.BLOCK_MUST_HAVE_TWO_OWNERS)
    series = [leg.series for leg in block.legs]
    if not 0 < len(series) <= BLOCK_LEGS_MAX or any(a >= b for a, b in pairwise(series)):
        broken.append(Reject.BLOCK_LEGS_MUST_FIT)
    for leg in block.legs:
        _broken_leg(ledger, command, leg, broken)
    if not all(0 <= fee <= U63_MAX for fee in (block.maker_max_fee, block.taker_max_fee)):
        broken.append(Reject.PRICE_MUST_FIT)
    if not broken:
        _broken_sums(ledger, command, broken)
    lags = settlement_lags(ledger)
    if len(ledger.deals) >= batches.deals_max(ledger) or len(series) > room(ledger):
        lags.append(Reject.SETTLEMENT_MUST_KEEP_UP)
    return broken + lags


def _broken_leg(ledger: Ledger, command: ExecuteBlock, leg: BlockLeg, broken: list[Reject]) -> None:
    for auth in _auths(command, leg):
        broken_who(ledger, auth, SCOPE_RFQ, broken)
        broken += broken_terms(ledger, auth) + keys.broken_by(ledger, auth)
    series = ledger.series.get(leg.series)
    if series is None:
        return
    if leg.series in ledger.auctions:
        broken.append(Reject.SERIES_MUST_TAKE_ORDERS)
    least = ledger.block_rules.get(series.underlying, 0)
    if not least:
        broken.append(Reject.BLOCKS_MUST_BE_OFFERED)
    elif leg.qty < least:
        broken.append(Reject.BLOCK_MUST_BE_LARGE)


def _broken_sums(ledger: Ledger, command: ExecuteBlock, broken: list[Reject]) -> None:
    """What both signed at most, and what limited keys have left, for all legs together."""
    due = {False: 0, True: 0}
    used: dict[tuple[int, bytes], tuple[int, int]] = {}
    for leg in command.block.legs:
        _, taker_fee, maker_fee = fills.charges(ledger, ledger.series[leg.series], leg.price, leg.qty)
        for order, fee, takes in zip(
            _sides(ledger, command, leg), (max(maker_fee, 0), taker_fee), (False, True), strict=True
        ):
            due[takes] += fee
            more = keys.weigh(order, leg.price, leg.qty, fee)
            before = used.get((more.account, more.key), (0, 0))
            used[more.account, more.key] = before[0] + more.notional, before[1] + more.spend
    for (account_id, key), (notional, spend) in used.items():
        account = ledger.accounts[account_id]
        bound = account.bounds.get(key) if key != account.owner else None
        if bound is not None and bound.notional and bound.used[0] + notional > bound.notional:
            broken.append(Reject.KEY_MUST_HAVE_NOTIONAL)
        if bound is not None and bound.spend and bound.used[1] + spend > bound.spend:
            broken.append(Reject.KEY_MUST_HAVE_SPEND)
    if due[False] > command.block.maker_max_fee or due[True] > command.block.taker_max_fee:
        broken.append(Reject.MAX_FEE_MUST_COVER_FEE)


# -- without the operator ---------------------------------------------------------------------------------------------


def queued(ledger: Ledger, command: ObserveOffbookQueued) -> None:
    """Both parties await it, and its nonce is gone."""
    for account_id in (command.maker, command.taker):
        account = ledger.accounts[account_id]
        account.awaits[command.digest] = command.lapses_s
        account.spend(command.nonce >> 8, 1 << (command.nonce & 255))


def lapse(ledger: Ledger, block: ObserveBlock) -> None:
    """A final block later than the last second in which a queued block could have settled."""
    for account in ledger.accounts.values():
        for digest in [digest for digest, lapses_s in account.awaits.items() if lapses_s < block.time_s]:
            del account.awaits[digest]


def settled_offbook(ledger: Ledger, command: ObserveOffbookSettled, events: Sequence[Event]) -> None:
    """What the contracts traded is so here; legs in an expiry that is over are worth what it pays, and rounding."""
    maker, taker = ledger.accounts[command.maker], ledger.accounts[command.taker]
    for account in (maker, taker):
        account.awaits.pop(command.digest, None)
    expiries = dict.fromkeys(ledger.series[leg.series].expiry for leg in command.legs)
    over = [expiry for expiry in expiries if expiry.fixed]
    paid = [event for event in events if type(event) is AccountSettled]
    total = sum(event.cash_delta for event in paid)
    if len(paid) != len(events) or len(paid) != 3 * len(over) or total:
        ledger.note(Rule.EXPIRY_MUST_PAY_WHAT_IS_HELD, "a block in an expiry that is over pays what nobody owes")
    for event in paid:
        ledger.accounts[event.account].cash += event.cash_delta
    for leg in command.legs:
        _book_offbook(ledger, command, leg)


def _book_offbook(ledger: Ledger, command: ObserveOffbookSettled, leg: OffbookLeg) -> None:
    premium = premium_of(leg.price, leg.qty)
    series = ledger.series[leg.series]
    for account_id, signer, fee, is_buy in (
        (command.maker, command.maker_signer, leg.maker_fee, not leg.is_buy),
        (command.taker, command.taker_signer, leg.taker_fee, leg.is_buy),
    ):
        account = ledger.accounts[account_id]
        account.cash -= (premium if is_buy else -premium) + fee
        ledger.accounts[TREASURY].cash += fee
        about = (leg.qty, leg.price, 0, GTC, False, False, 0, 0, 0)
        auth = Authorisation(account_id, leg.series, is_buy, *about, signer, b"")
        keys.use(Order(0, account, series, auth), leg.price, leg.qty, fee)
        if not series.expiry.fixed:
            fills.move(account.positions, leg.series, leg.qty if is_buy else -leg.qty)
