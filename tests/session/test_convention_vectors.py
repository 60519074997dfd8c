"""Names and calendars of the dialect against the reference."""

from datetime import UTC, datetime

from exchange.core.units import USDC_ONE
from exchange.dialect.names import instrument_name, settlement_period
from tests import vectors


def test_an_expiry_is_named_by_its_day_and_lies_at_eight():
    vector = vectors.named("expiry_26DEC25")
    expiry_s = vector["expected"]["expiry_unix"]
    assert instrument_name("BTC", expiry_s, 100_000 * USDC_ONE, is_call=True) == vector["inputs"]["name"]
    assert expiry_s % 86_400 == vector["expected"]["mod_86400"]
    assert f"{datetime.fromtimestamp(expiry_s, UTC):%A}" == vector["expected"]["weekday"]


def test_the_last_friday_of_a_month_settles_months():
    for vector in vectors.family("last_friday_"):
        assert vector["expected"]["is_last_friday"]
        assert settlement_period(vector["inputs"]["unix"]) == "month"
        assert settlement_period(vector["inputs"]["unix"] - 7 * 86_400) == "week"
        assert settlement_period(vector["inputs"]["unix"] + 86_400) == "day"
