"""The smallest change that would have had a refused order taken, found by asking the machine.

Every cure is decided anew on the state as it was, by the rules as they were: it is told as proved only when the machine
takes the changed order. Amounts in the units of the machine. Imports core.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import msgspec

from exchange.core import commands as c
from exchange.core.events import Reject, Rejected
from exchange.core.images import decode, encode
from exchange.core.machine import decide
from exchange.core.state import State
from exchange.core.units import CASH_MAX, QTY_MAX, U63_MAX, Cash, Nanos, Price, Qty
from replay import words

Signed: TypeAlias = c.Place | c.Amend
_PRICE_STEPS: Final = 64


class Cure(msgspec.Struct, frozen=True, kw_only=True):
    """One way out: in words, what of the order or account is changed to what, and whether the machine takes it then.

    ``then`` is the rule that would have refused it next, if one would have.
    """

    sentence: str
    change: str
    value: int
    proved: bool
    then: str = ""


class Case:
    """A refused order, and the state it was refused on: a copy of its own, which trials may touch."""

    def __init__(self, before: State, seq: int, time_ns: Nanos, command: Signed) -> None:
        self.state = decode(encode(before))
        self.seq, self.time_ns, self.command = seq, time_ns, command
        self.account = self.state.accounts.get(command.auth.account)

    def refusal(self, **fields: Any) -> Rejected | None:
        """Why the order would be refused with other fields signed."""
        command = msgspec.structs.replace(self.command, auth=msgspec.structs.replace(self.command.auth, **fields))
        events = decide(self.state, self.seq, self.time_ns, command)
        return next((event for event in events if isinstance(event, Rejected)), None)

    def refusal_with(self, cash: Cash) -> Rejected | None:
        """Why it would be refused if the account had that much more cash."""
        assert self.account is not None
        self.account.cash += cash
        try:
            return self.refusal()
        finally:
            self.account.cash -= cash


def cures_of(before: State, seq: int, time_ns: Nanos, command: Signed, refused: Rejected) -> list[Cure]:
    """Ways out of a refusal, smallest change first; none where no change of the order or its account would do."""
    case = Case(before, seq, time_ns, command)
    finder = _FINDERS.get(refused.reason)
    return [] if finder is None else list(finder(case, refused))


def _least(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """The least number above ``low`` and up to ``high`` from which on something holds; None if it never does."""
    if not holds(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _told(refused: Rejected | None, sentence: str, change: str, value: int) -> Cure:
    then = "" if refused is None else refused.reason.value
    return Cure(sentence=sentence, change=change, value=value, proved=refused is None, then=then)


def _deposit(case: Case, refused: Rejected) -> Iterator[Cure]:
    """More cash, or less of the order."""
    reason = refused.reason

    def cured(cash: Cash) -> bool:
        told = case.refusal_with(cash)
        return told is None or told.reason is not reason

    cash = _least(0, CASH_MAX, cured)
    if cash is not None:
        yield _told(case.refusal_with(cash), f"deposit {words.usdc(cash)} more", "deposit", cash)
    yield from _smaller(case)


def _smaller(case: Case) -> Iterator[Cure]:
    """The largest quantity below that the machine takes."""
    lot = _lot(case)
    lots = case.command.auth.qty // lot
    kept = _least(0, lots - 1, lambda fewer: case.refusal(qty=(lots - fewer) * lot) is None) if lots > 1 else None
    if kept is not None:
        yield _qty(case, (lots - kept) * lot)


def _qty(case: Case, qty: Qty) -> Cure:
    return _told(case.refusal(qty=qty), f"sign {words.contracts(qty)} instead", "qty", qty)


def _price(case: Case, price: Price) -> Cure:
    return _told(case.refusal(price=price), f"sign a price of {words.usdc(price)} instead", "price", price)


def _lot(case: Case) -> Qty:
    series = case.command.auth.series
    option, combo = case.state.series.get(series), case.state.combos.get(series)
    subject = option or combo
    assert subject is not None
    return case.state.underlyings[subject.underlying].lot


def _on_lot(case: Case, refused: Rejected) -> Iterator[Cure]:
    lot, qty = refused.limit or _lot(case), case.command.auth.qty
    near = sorted({qty // lot * lot, -(-qty // lot) * lot}, key=lambda other: abs(other - qty))
    yield from (_qty(case, other) for other in near if other > 0)


def _positive_qty(case: Case, refused: Rejected) -> Iterator[Cure]:
    del refused
    yield _qty(case, _lot(case))


def _fitting_qty(case: Case, refused: Rejected) -> Iterator[Cure]:
    lot = _lot(case)
    yield _qty(case, min(refused.limit, QTY_MAX) // lot * lot)


def _on_tick(case: Case, refused: Rejected) -> Iterator[Cure]:
    tick, price = max(refused.limit, 1), case.command.auth.price
    near = sorted({price // tick * tick, -(-price // tick) * tick}, key=lambda other: abs(other - price))
    yield from (_price(case, other) for other in near if other > 0)


def _in_band(case: Case, refused: Rejected) -> Iterator[Cure]:
    """The last price inside, on a tick."""
    if refused.limit > 0:
        yield _price(case, refused.limit)


def _not_crossing(case: Case, refused: Rejected) -> Iterator[Cure]:
    """The nearest price, tick by tick from the other side's best one, at which it only makes."""
    auth, price = case.command.auth, refused.limit
    option = case.state.series.get(auth.series)
    if option is None or price <= 0:
        return
    underlying = case.state.underlyings[option.underlying]
    for _ in range(_PRICE_STEPS):
        price += -underlying.tick_at(price - 1) if auth.is_buy else underlying.tick_at(price)
        if price <= 0:
            return
        if case.refusal(price=price) is None:
            yield _price(case, price)
            return


def _fee(case: Case, refused: Rejected) -> Iterator[Cure]:
    def covers(fee: int) -> bool:
        told = case.refusal(max_fee=fee)
        return told is None or told.reason is not refused.reason

    fee = _least(case.command.auth.max_fee, U63_MAX, covers)
    if fee is not None:
        sentence = f"sign a max_fee of {words.usdc(fee)} per contract"
        yield _told(case.refusal(max_fee=fee), sentence, "max_fee", fee)


def _without_reduce_only(case: Case, refused: Rejected) -> Iterator[Cure]:
    del refused
    yield _told(case.refusal(reduce_only=False), "sign it without reduce-only", "reduce_only", 0)


def _partly(case: Case, refused: Rejected) -> Iterator[Cure]:
    """As much as the book had, or whatever it had at once; where it had nothing, only waiting helps."""
    lot = _lot(case)
    had = refused.value // lot * lot
    if had <= 0:
        yield from _rest(case, refused)
        return
    yield _qty(case, had)
    told = case.refusal(tif=c.IOC)
    yield _told(told, "sign it as immediate or cancel, which takes what there is", "tif", c.IOC)


def _rest(case: Case, refused: Rejected) -> Iterator[Cure]:
    del refused
    yield _told(
        case.refusal(tif=c.GTC), "sign it as good until cancelled, so that it can wait for somebody", "tif", c.GTC
    )


def _fresh_nonce(case: Case, refused: Rejected) -> Iterator[Cure]:
    del refused
    if case.account is None:
        return
    nonce = next(nonce for nonce in range(case.command.auth.nonce + 1, U63_MAX) if not case.account.nonce_used(nonce))
    yield _told(case.refusal(nonce=nonce), f"sign it with nonce {nonce}", "nonce", nonce)


def _later(case: Case, refused: Rejected) -> Iterator[Cure]:
    expiry_s = refused.limit + 1
    yield _told(case.refusal(expiry_s=expiry_s), f"sign an expiry after {refused.limit}", "expiry_s", expiry_s)


_FINDERS: Final[dict[Reject, Callable[[Case, Rejected], Iterator[Cure]]]] = {
    Reject.ACCOUNT_MUST_HAVE_MARGIN: _deposit,
    Reject.QTY_MUST_BE_ON_LOT: _on_lot,
    Reject.QTY_MUST_BE_POSITIVE: _positive_qty,
    Reject.QTY_MUST_FIT: _fitting_qty,
    Reject.PRICE_MUST_BE_ON_TICK: _on_tick,
    Reject.PRICE_MUST_BE_IN_BAND: _in_band,
    Reject.POST_ONLY_MUST_NOT_CROSS: _not_crossing,
    Reject.MAX_FEE_MUST_COVER_FEE: _fee,
    Reject.REDUCE_ONLY_MUST_REDUCE: _without_reduce_only,
    Reject.FILL_OR_KILL_MUST_FILL: _partly,
    Reject.TIF_MUST_SUIT_AUCTION: _rest,
    Reject.NONCE_MUST_BE_FRESH: _fresh_nonce,
    Reject.ORDER_MUST_NOT_BE_EXPIRED: _later,
}
