"""Numbers and names: exact in, short out. # M50"""

from decimal import Decimal

import pytest

from exchange.dialect.channels import Family, parse_channel
from exchange.dialect.names import instrument_name, settlement_period, strike_name
from exchange.dialect.numbers import NotANumber, NotExact, decimal_of, price_units, qty_units, usdc

MAY_29 = 1_780_041_600  # Friday 2026-05-29 08:00 UTC, the month's last
WEEK = 7 * 86_400


@pytest.mark.parametrize(
    ("text", "units"),
    [("0.000001", 1), ("1e-6", 1), ("63486.06", 63_486_060_000), ("1E3", 10**9), ("-0", 0), ("0.1", 100_000)],
)
def test_prices_are_exact(text, units):
    assert price_units(decimal_of(text)) == units


@pytest.mark.parametrize("text", ["0.0000001", "1e-7", "0.1234567", "1e-60", "0." + "1" * 60])
def test_finer_than_the_unit_is_not_rounded(text):
    with pytest.raises(NotExact):
        price_units(decimal_of(text))


@pytest.mark.parametrize(
    "text", ["", "x", "1.", ".5", "+1", "01", "1e", "NaN", "Infinity", "1_0", "٣", "1e65", "1" * 65]
)
def test_what_is_not_a_number(text):
    with pytest.raises(NotANumber):
        decimal_of(text)


def test_integers_survive_the_way_out_and_back():
    for units in (1, 999_999, 10**6 + 1, 123_456_789_012, 999_999_999_999_999):
        assert price_units(Decimal(repr(usdc(units)))) == units
    assert qty_units(Decimal("0.0001")) == 1


def test_names():
    assert instrument_name("BTC_USDC", MAY_29, 100_000 * 10**6, is_call=True) == "BTC_USDC-29MAY26-100000-C"
    assert instrument_name("ETH_USDC", MAY_29 + WEEK + 5_400, 625_000, is_call=False) == "ETH_USDC-5JUN26T0930-0d625-P"
    assert strike_name(1_050_000) == "1d05"
    assert [settlement_period(MAY_29 + days * 86_400) for days in (0, 1, 7)] == ["month", "day", "week"]


def test_channels_come_apart():
    assert parse_channel("book.X.raw").family is Family.BOOK
    assert parse_channel("book.X.none.20.100ms").depth == 20
    assert parse_channel("user.orders.option.usdc.raw").stem == "user.orders.option.USDC"
    assert parse_channel("user.portfolio.any").is_private
    for name in (
        "",
        "book",
        "book.X",
        "book.X.1s",
        "book.X.3.20.100ms",
        "book.X.1.20.raw",
        "user.orders.raw",
        "user.locks",
        "chart.trades.X.2",
    ):
        assert parse_channel(name) is None
