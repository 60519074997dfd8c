"""The safeguard band: nobody is liquidated who is safe at any price tested, and then at the kinder end."""

import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from core_venue import USDC
from hypothesis import given
from hypothesis import strategies as st
from liquidation_market import CENT, DAYS, STRIKES, appraisal_at

from exchange.core.black76 import black76_mark
from exchange.core.liquidation import Holder, Priced, StandardAppraisal, Underlay, covers, equity_of
from exchange.core.liquidation_safeguard import FLOOR, PriceBand, band_around, prices_to_test, safeguard_verdict
from exchange.core.margin import Kind
from exchange.core.units import WAD, YEAR_SECONDS, years_of

BAND = PriceBand(52_000 * USDC, 66_000 * USDC)
STRIKE_PRICES = tuple(strike * USDC for strike in STRIKES)


def moved_to(base: StandardAppraisal, cache: dict[int, StandardAppraisal], price: int) -> StandardAppraisal:
    """The last good surface with the index at another price."""
    if price not in cache:
        expiries = {key: Underlay(price, price, WAD) for key in base.expiries}
        series: dict[int, Priced] = {}
        for key, option in base.series.items():
            years = years_of(DAYS[option.expiry - 1] * 86_400)
            mark = black76_mark(price, option.strike, 60 * CENT, years, is_call=option.is_call)
            series[key] = option._replace(mark=mark)
        cache[price] = StandardAppraisal(base.model, series, expiries, WAD)
    return cache[price]


def market() -> Callable[[int], StandardAppraisal]:
    return partial(moved_to, appraisal_at(61_500), {})


AT = market()


def short(strike: int, *, is_call: bool, cash: int) -> Holder:
    key = next(k for k, o in AT(BAND.low).series.items() if o.strike == strike * USDC and o.is_call == is_call)
    return Holder(1, cash * USDC, {key: -10_000})


def test_the_band_is_five_percent_and_grows_with_silence() -> None:
    assert band_around(60_000 * USDC, 150 * CENT, 0) == PriceBand(56_999_999_999, 63_000_000_001)
    year = band_around(60_000 * USDC, 10 * CENT, YEAR_SECONDS)
    width = 0.309 + 0.05
    assert abs(year.low - 60_000 * USDC * (1 - width)) < 2
    assert abs(year.high - 60_000 * USDC * (1 + width)) < 2
    assert year.low < 60_000 * USDC * (1 - width) < 60_000 * USDC * (1 + width) < year.high
    assert band_around(60_000 * USDC, 300 * CENT, YEAR_SECONDS).low == 0
    widths = [band.high - band.low for band in (band_around(10**12, WAD, s) for s in range(0, 40_000, 977))]
    assert all(a < b for a, b in pairwise(widths))
    assert FLOOR == 5 * CENT


def test_both_ends_and_every_strike_inside_are_tested() -> None:
    assert prices_to_test(BAND, STRIKE_PRICES) == (
        52_000 * USDC,
        55_000 * USDC,
        60_000 * USDC,
        65_000 * USDC,
        66_000 * USDC,
    )
    assert prices_to_test(PriceBand(5, 5), (5, 5)) == (5,)
    assert prices_to_test(PriceBand(5, 7), (6, 6, 5, 7, 8)) == (5, 6, 7)


def test_an_account_that_is_broke_everywhere_goes_at_the_kinder_end() -> None:
    call, put = short(60_000, is_call=True, cash=-5_000), short(60_000, is_call=False, cash=-5_000)
    for account, price in ((call, BAND.low), (put, BAND.high)):
        verdict = safeguard_verdict(account, BAND, STRIKE_PRICES, AT)
        assert verdict is not None
        assert verdict.price == price
        assert verdict.appraisal == AT(price)


def test_an_account_that_is_safe_at_one_price_stays() -> None:
    assert safeguard_verdict(short(60_000, is_call=True, cash=8_000), BAND, STRIKE_PRICES, AT) is None
    assert safeguard_verdict(Holder(1, -1, {}), BAND, STRIKE_PRICES, AT) is None


def test_a_strike_inside_saves_an_account_that_both_ends_condemn() -> None:
    """Short a strangle of one strike: broke where the price runs away on either side, safe in the middle."""
    call, put = short(60_000, is_call=True, cash=0), short(60_000, is_call=False, cash=0)
    account = Holder(1, 15_000 * USDC, {**call.positions, **put.positions})
    safe = [covers(AT(price), account, Kind.MAINTENANCE) for price in prices_to_test(BAND, STRIKE_PRICES)]
    assert (safe[0], safe[-1], any(safe)) == (False, False, True), safe
    assert safeguard_verdict(account, BAND, STRIKE_PRICES, AT) is None
    assert safeguard_verdict(account, BAND, (), AT) is not None


@given(st.integers(0, 2**32))
def test_a_verdict_holds_at_every_price_and_favours_the_account(seed: int) -> None:
    dice = random.Random(seed)
    keys = dice.sample(sorted(AT(BAND.low).series), dice.randint(1, 4))
    account = Holder(
        1, dice.randint(-40_000, 20_000) * USDC, {key: dice.choice((-1, 1)) * dice.randint(1, 30_000) for key in keys}
    )
    verdict = safeguard_verdict(account, BAND, STRIKE_PRICES, AT)
    prices = (BAND.low, *(p for p in STRIKE_PRICES if BAND.low < p < BAND.high), BAND.high)
    broke = not any(covers(AT(price), account, Kind.MAINTENANCE) for price in prices)
    assert (verdict is not None) == broke
    if verdict is not None:
        assert equity_of(verdict.appraisal, account) == max(equity_of(AT(end), account) for end in BAND)
