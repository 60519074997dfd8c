"""What a fill costs each side, worked out again from the schedule. Imports the words of the journal.

Fees round up and rebates down; a rebate is at most half of what the taker of the same fill pays, so what is kept of a
fill is never less than nothing.
"""

from exchange.core.commands import FeeSchedule
from exchange.core.units import QTY_ONE, RISK_ONE


def of_taker(schedule: FeeSchedule, index: int, price: int, qty: int) -> int:
    """The taker's fee: a rate on the index, at most a share of the price."""
    per_contract = min(schedule.taker_rate * index, schedule.cap * price)
    return _up(per_contract * qty, RISK_ONE)


def of_maker(schedule: FeeSchedule, index: int, price: int, qty: int, of_the_taker: int) -> int:
    """The maker's fee, below zero when the schedule pays makers."""
    rate = schedule.maker_rate * index
    if rate >= 0:
        return _up(min(rate, schedule.cap * price) * qty, RISK_ONE)
    rebate = -rate * qty // RISK_ONE
    return -min(rebate, of_the_taker // 2)


def of_combo(fees: list[list[int]]) -> list[int]:
    """What one side of a combo is charged, given the ordinary fees of its fills by leg: the leg whose fees are largest
    in full, the first of equals, and one half of every other, each fee rounded up.
    """
    sizes = [abs(sum(fee // 2 for fee in leg)) for leg in fees]
    whole = sizes.index(max(sizes))
    return [fee if place == whole else -(-fee // 2) for place, leg in enumerate(fees) for fee in leg]


def most(max_fee: int, qty: int) -> int:
    """The most that may be charged on this quantity to who signed ``max_fee`` per contract."""
    return _up(max_fee * qty, QTY_ONE)


def may_be_beyond(schedule: FeeSchedule, index: int, price: int, max_fee: int) -> bool:
    """Whether some quantity at this price could cost maker or taker more than was signed for it."""
    dearest = min(max(schedule.taker_rate, schedule.maker_rate) * index, schedule.cap * price)
    return dearest * QTY_ONE > max_fee * RISK_ONE


def _up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
