"""Published figures of other venues' options AMMs, reproduced."""

from decimal import Decimal
from typing import Any

import pytest

from tests import vectors
from tests.vectors.peer_amms import Curve, vega_utilisation_fee, vol_after_trade


def numbers(given: dict[str, Any], *names: str) -> list[Decimal]:
    return [Decimal(given[name]) for name in names]


@pytest.mark.parametrize("vector", vectors.family("lyra_iv_impact"), ids=lambda v: v["name"])
def test_a_trade_moves_base_vol_and_skew(vector: dict[str, Any]) -> None:
    found = vol_after_trade(
        *numbers(vector["inputs"], "baseIv", "skew", "amount", "standardSize", "skewAdjustmentFactor")
    )
    assert list(found) == numbers(vector["expected"], "newBaseIv", "newSkew")


def test_the_vega_utilisation_fee() -> None:
    vector = vectors.named("lyra_vega_util_fee")
    coefficient, vol, before, after, nav, amount = numbers(
        vector["inputs"], "vegaFeeCoefficient", "volTraded", "preStdVega", "postStdVega", "NAV", "amount"
    )
    fee = vega_utilisation_fee(coefficient, vol, (before, after), nav, amount)
    assert fee == Decimal(vector["expected"]["fee"])
    assert vega_utilisation_fee(coefficient, vol, (after, before), nav, amount) == 0


@pytest.mark.parametrize("vector", vectors.family("premia_clevel_"), ids=lambda v: v["name"])
def test_the_level_of_a_vault(vector: dict[str, Any]) -> None:
    given = vector["inputs"]
    curve = Curve(*numbers(given, "alpha", "minC", "maxC", "decay_per_hour"))
    if "totalAssets" in given:
        level = curve.over_trade(*numbers(given, "totalAssets", "locked", "size", "hours"))
    else:
        level = curve.level(*numbers(given, "utilisation", "hours"))
    assert abs(level - Decimal(vector["expected"]["cLevel"])) <= Decimal("1e-15")
