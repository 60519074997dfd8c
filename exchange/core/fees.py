"""What a fill costs each side. Twin of ``contracts/core/Clearing.vy``; both agree to the unit.

Rounding: fees up, rebates down; a rebate never exceeds half of the taker's fee of the same fill, so the fee pot of a
fill is never negative. Imports units and commands.
"""

from exchange.core.commands import FeeSchedule
from exchange.core.units import QTY_ONE, RISK_ONE, WAD, Cash, Price, Qty, mul_div_down, mul_div_up


def taker_fee(schedule: FeeSchedule, index: Price, price: Price, qty: Qty) -> Cash:
    """Rate on index notional, capped at a share of the premium; rounded up (once: the lesser rounds to the lesser)."""
    return mul_div_up(min(schedule.taker_rate * index, schedule.cap * price), qty, RISK_ONE)


def maker_fee(schedule: FeeSchedule, index: Price, price: Price, qty: Qty, taker: Cash) -> Cash:
    """Fee of the resting side given the taker's fee of the same fill; negative when the schedule pays a rebate."""
    if schedule.maker_rate < 0:
        return -min(mul_div_down(-schedule.maker_rate * index, qty, RISK_ONE), taker >> 1)
    return mul_div_up(min(schedule.maker_rate * index, schedule.cap * price), qty, RISK_ONE)


def taker_fee_fits(schedule: FeeSchedule, index: Price, max_fee: Price) -> bool:
    """Whether ``max_fee`` per contract covers the rate on notional, hence the fee of any quantity, whatever the cap."""
    return max_fee * WAD >= schedule.taker_rate * index


def fits(fee: Cash, max_fee: Price, qty: Qty) -> bool:
    """Whether a trader who signed ``max_fee`` per contract may be charged this fee on this quantity."""
    return fee <= 0 or fee <= fee_allowed(max_fee, qty)


def fee_allowed(max_fee: Price, qty: Qty) -> Cash:
    """The most a trader who signed ``max_fee`` per contract may be charged on this quantity."""
    return mul_div_up(max_fee, qty, QTY_ONE)
