"""Liquidation in the simplest words: fractions instead of scaled integers, one rule after another, no search but counting.

Written from the text of the rules. It shares with the core what margin is and what a holder is, nothing that decides.
"""

from fractions import Fraction
from itertools import count
from math import ceil, floor
from typing import Any

from exchange.core.margin import Kind

QTY = 10_000


def worth(market: Any, positions: dict[int, int]) -> int:
    return floor(Fraction(market.worth(positions), QTY))


def risk(market: Any, positions: dict[int, int], kind: Kind = Kind.MAINTENANCE) -> int:
    return market.risk(positions, kind)


def minus(positions: dict[int, int], part: dict[int, int]) -> dict[int, int]:
    rest = {key: qty - part.get(key, 0) for key, qty in positions.items()}
    return {key: qty for key, qty in rest.items() if qty != 0}


def plus(positions: dict[int, int], part: dict[int, int]) -> dict[int, int]:
    return (
        minus(positions, {})
        if not part
        else minus({**dict.fromkeys(part, 0), **positions}, {k: -q for k, q in part.items()})
    )


def slice_of(positions: dict[int, int], share: Fraction) -> dict[int, int]:
    part = {}
    for key, qty in positions.items():
        size = min(abs(qty), ceil(abs(qty) * share))
        part[key] = size if qty > 0 else -size
    return {key: qty for key, qty in part.items() if qty}


def exact_share(equity: int, needed: int, haircut: Fraction, buffer: Fraction, part: int) -> Fraction:
    """Of divisible positions that carry a part of what is needed."""
    if equity <= haircut * needed or part <= 0:
        return Fraction(1)
    return min(((1 + buffer) * needed - equity) / ((1 + buffer - haircut) * part), Fraction(1))


def after_sale(
    market: Any, cash: int, positions: dict[int, int], part: dict[int, int], haircut: Fraction
) -> tuple[int, dict[int, int]]:
    rest = minus(positions, part)
    gone = max(0, risk(market, positions) - risk(market, rest))
    return cash + worth(market, part) - floor(haircut * gone), rest


def safe(market: Any, cash: int, positions: dict[int, int], buffer: Fraction) -> bool:
    return not positions or cash + worth(market, positions) >= (1 + buffer) * risk(market, positions)


def slice_needed(
    market: Any,
    cash: int,
    positions: dict[int, int],
    haircut: Fraction,
    buffer: Fraction,
    legs: dict[int, int],
) -> dict[int, int]:
    equity, needed = cash + worth(market, positions), risk(market, positions)
    if safe(market, cash, positions, buffer) or not legs:
        return {}
    millionths = ceil(exact_share(equity, needed, haircut, buffer, risk(market, legs)) * 10**6)
    for _ in count():
        part = slice_of(legs, Fraction(min(millionths, 10**6), 10**6))
        if millionths >= 10**6 or safe(market, *after_sale(market, cash, positions, part, haircut), buffer):
            return part
        millionths += max(1, millionths // 256)
    raise AssertionError


def exit_to(market: Any, case: Any) -> tuple[int, dict[int, int], dict[int, tuple[int, dict[int, int], int]]]:
    """Cash and positions of the account, and of each provider that took part, with its haircut."""
    cash, positions, buffer = case.account.cash, case.account.positions, Fraction(case.terms.buffer, 10**18)
    took: dict[int, tuple[int, dict[int, int], int]] = {}
    willing = [p for p in case.providers if p.haircut <= case.terms.haircut]
    if cash + worth(market, positions) >= risk(market, positions):
        willing = []
    fields = sorted({case.field_of(key) for key in positions})
    while fields:
        field = max(fields, key=lambda one: risk(market, only(positions, one, case.field_of)))
        fields.remove(field)
        for provider in sorted(willing, key=lambda p: (p.haircut, p.since, p.holder.id)):
            if provider.field != field:
                continue
            rate = Fraction(provider.haircut, 10**18)
            legs = only(positions, field, case.field_of)
            wanted = slice_needed(market, cash, positions, rate, buffer, legs)
            part = bearable(market, cash, positions, provider, wanted, rate, buffer)
            if part:
                left, rest = after_sale(market, cash, positions, part, rate)
                own = plus(provider.holder.positions, part)
                haircut = worth(market, part) - (left - cash)
                took[provider.holder.id] = (provider.holder.cash - (left - cash), own, haircut)
                cash, positions = left, rest
    return cash, positions, took


def only(positions: dict[int, int], field: int, field_of: Any) -> dict[int, int]:
    return {key: qty for key, qty in positions.items() if field_of(key) == field}


def bearable(
    market: Any,
    cash: int,
    positions: dict[int, int],
    provider: Any,
    wanted: dict[int, int],
    rate: Fraction,
    buffer: Fraction,
) -> dict[int, int]:
    """All of it, or the part that halving finds."""

    def bears(part: dict[int, int]) -> bool:
        own = plus(provider.holder.positions, part)
        return provider.holder.cash - worth(market, part) + worth(market, own) >= risk(market, own, Kind.INITIAL)

    def helps(part: dict[int, int]) -> bool:
        left, rest = after_sale(market, cash, positions, part, rate)
        if safe(market, left, rest, buffer):
            return True
        equity, needed = cash + worth(market, positions), risk(market, positions)
        now, still = left + worth(market, rest), risk(market, rest)
        return still <= needed and (equity <= rate * needed or (now + 1) * needed >= equity * still)

    if not wanted or (bears(wanted) and helps(wanted)):
        return wanted
    low, high = 0, 10**6
    while high - low > 1:
        middle = (low + high) // 2
        part = slice_of(wanted, Fraction(middle, 10**6))
        low, high = (middle, high) if bears(part) and helps(part) else (low, middle)
    return slice_of(wanted, Fraction(low, 10**6))


def waterfall(equity_left: int, haircut: int, insurance: int, profits: int) -> tuple[int, int, int, int, int]:
    """Of a flat account, in one pot: what account, insurance, haircuts and profits pay, and what nobody does."""
    missing = max(0, -equity_left)
    by_insurance = min(missing, insurance)
    by_haircuts = min(missing - by_insurance, haircut)
    by_profits = min(missing - by_insurance - by_haircuts, profits)
    return (
        max(0, haircut - missing),
        by_insurance,
        by_haircuts,
        by_profits,
        missing - by_insurance - by_haircuts - by_profits,
    )


def sale(
    case: Any, market: Any, cash: int, positions: dict[int, int], part: dict[int, int]
) -> list[tuple[int, int, int, int]] | None:
    """Fills of a part in the book as (owner, series, quantity, cash); None where they are not to be had or not good."""
    found = []
    for key in sorted(part):
        left = part[key]
        sides = case.book.get(key, ((), ()))
        for owner, price, there in sides[0] if left > 0 else sides[1]:
            if owner != case.account.id and left:
                size = min(abs(left), there)
                signed = size if left > 0 else -size
                found.append((owner, key, signed, floor(Fraction(price * signed, QTY))))
                left -= signed
        if left:
            return None
    after, rest = cash + sum(fill[3] for fill in found), minus(positions, part)
    equity, now = cash + worth(market, positions), after + worth(market, rest)
    needed, still = risk(market, positions), risk(market, rest)
    bound = floor(Fraction(case.terms.haircut, 10**18) * max(0, needed - still))
    helps = still <= needed and (equity <= 0 or (now + 1) * needed >= equity * still)
    return found if equity - now <= bound and helps else None


def book_exit(market: Any, case: Any, cash: int, positions: dict[int, int]) -> list[tuple[int, int, int, int]]:
    """The fills of the largest part that halving finds."""
    if cash + worth(market, positions) >= risk(market, positions):
        return []
    wanted = slice_needed(market, cash, positions, Fraction(0), Fraction(case.terms.buffer, 10**18), positions)
    low, high = 0, 10**6 + 1
    while high - low > 1:
        middle = (low + high) // 2
        part = slice_of(wanted, Fraction(middle, 10**6))
        low, high = (middle, high) if sale(case, market, cash, positions, part) is not None else (low, middle)
    return sale(case, market, cash, positions, slice_of(wanted, Fraction(low, 10**6))) or []
