"""What a fill costs each side. Twin of ``contracts/lib/fees.vy``; both agree to the unit.

Rounding: fees up, rebates down; a rebate never exceeds half of the taker's fee of the same fill, so the fee pot of a
fill is never negative. Of a combo at least that half is charged for each leg. Imports units and commands.
"""

from collections.abc import Sequence
from typing import Final

from exchange.core.commands import FeeSchedule
from exchange.core.units import QTY_ONE, RISK_ONE, WAD, Cash, Price, Qty, div_up, mul_div_down, mul_div_up

COMBO_FILLS_MAX: Final = 8  # of legs, in one execution of a combo


def taker_fee(schedule: FeeSchedule, index: Price, price: Price, qty: Qty) -> Cash:
    """Rate on index notional, capped at a share of the premium; rounded up (once: the lesser rounds to the lesser)."""
    return mul_div_up(min(schedule.taker_rate * index, schedule.cap * price), qty, RISK_ONE)


def maker_fee(schedule: FeeSchedule, index: Price, price: Price, qty: Qty, taker: Cash) -> Cash:
    """Fee of the resting side given the taker's fee of the same fill; negative when the schedule pays a rebate."""
    if schedule.maker_rate < 0:
        return -min(mul_div_down(-schedule.maker_rate * index, qty, RISK_ONE), taker >> 1)
    return mul_div_up(min(schedule.maker_rate * index, schedule.cap * price), qty, RISK_ONE)


def block_maker_fee(schedule: FeeSchedule, index: Price, price: Price, qty: Qty, taker: Cash) -> Cash:
    """Fee of the maker of a block: that of a fill, but no rebate, for nothing stood in a book for others to take."""
    return max(maker_fee(schedule, index, price, qty, taker), 0)


def taker_fee_fits(schedule: FeeSchedule, index: Price, max_fee: Price) -> bool:
    """Whether ``max_fee`` per contract covers the rate on notional, hence the fee of any quantity, whatever the cap."""
    return max_fee * WAD >= schedule.taker_rate * index


def fits(fee: Cash, max_fee: Price, qty: Qty) -> bool:
    """Whether a trader who signed ``max_fee`` per contract may be charged this fee on this quantity."""
    return fee <= 0 or fee <= fee_allowed(max_fee, qty)


def fee_allowed(max_fee: Price, qty: Qty) -> Cash:
    """The most a trader who signed ``max_fee`` per contract may be charged on this quantity."""
    return mul_div_up(max_fee, qty, QTY_ONE)


def combo_fees(by_leg: Sequence[Sequence[Cash]]) -> list[list[Cash]]:
    """What one side of an execution of a combo is charged for each fill, given the ordinary fees, leg by leg.

    In full for the leg whose fees are the largest by size, the first of equals; one half for every other: of a fee
    rounded up, of a rebate down. Sizes are compared by what the other half would be.
    """
    rests = [abs(sum(fee >> 1 for fee in fees)) for fees in by_leg]
    largest = rests.index(max(rests))
    return [list(fees) if at == largest else [fee + 1 >> 1 for fee in fees] for at, fees in enumerate(by_leg)]


def combo_fee_fits(schedule: FeeSchedule, index: Price, max_fee: Price, ratios: Sequence[int], qty: Qty) -> bool:
    """Whether ``max_fee`` per unit covers the fees of ``qty`` units of a combo or more, whatever the legs cost.

    Fees are rounded up for each fill, and so are their halves, which together adds less than three halves of a unit.
    """
    sizes = [abs(ratio) for ratio in ratios]
    rate = mul_div_up(schedule.taker_rate * index, sum(sizes) + max(sizes), WAD)
    return 2 * max_fee >= rate + div_up(3 * COMBO_FILLS_MAX * QTY_ONE, qty)
