"""Numbers that others published or computed independently, against the functions that must give them.

The file in ``vectors/`` beside this holds more portfolios than the common reference, with what each rule asks for alone.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchange.core import fees
from exchange.core.black76 import black76_mark
from exchange.core.commands import FeeSchedule, StandardModel
from exchange.core.margin import ExpiryBook, Kind, Leg, expiry_requirement, max_loss, requirement, settlement_value
from exchange.core.oracle import twap
from exchange.core.units import QTY_ONE, RISK_ONE, USDC_ONE, WAD, premium_of, years_of
from tests import vectors

FOLDER = Path(__file__).parent / "vectors"


def cases(found: list[vectors.Vector]) -> list[Any]:
    """Vectors as test parameters."""
    return [pytest.param(vector["inputs"], vector["expected"], id=vector["name"]) for vector in found]


FEES = cases([*vectors.family("deribit_fee_"), vectors.named("derive_fee_taker_option")])
SETTLEMENT = cases(vectors.family("settle_"))


def load(name: str) -> list[Any]:
    """Vectors of a file of the folder beside."""
    return cases(json.loads((FOLDER / name).read_text())["vectors"])


def table(name: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())[key]
    return found


def usdc(value: Any) -> int:
    """1e-6 USDC, rounded to the nearest."""
    return round(Decimal(str(value)) * USDC_ONE)


def wad(value: Any) -> int:
    return int(Decimal(str(value)) * WAD)


# -- margin -----------------------------------------------------------------------------------------------------------


def published_model() -> StandardModel:
    given = table("margin_standard.json", "parameters")["SRM_TEST"]
    return StandardModel(*(wad(value) for value in given.values()))


def portfolio_of(inputs: dict[str, Any]) -> tuple[ExpiryBook, ...]:
    """Expiries of a published portfolio, with marks from Black-76 at the published forward and vol."""
    feeds = table("margin_standard.json", "feeds")["SRM_FEEDS"]
    spot = usdc(inputs.get("spot", feeds["eth_spot"]))
    overrides = inputs.get("overrides", {})
    confidence = wad(min(map(Decimal, (value for key, value in overrides.items() if "confidence" in key)), default=1))
    forwards = {**feeds["eth_fwd"], **inputs.get("forwards", {})}
    legs: dict[str, list[Leg]] = {}
    for option in inputs["options"]:
        expiry = str(option.get("sec", option.get("expiry")))
        forward, strike = usdc(forwards[expiry]), usdc(option["K"])
        is_call = option.get("type") == "call" or option.get("call") == 1
        years = years_of(int(option.get("sec", feeds["secs"].get(expiry))))
        mark = black76_mark(forward, strike, wad(option.get("vol", feeds["vol"])), years, is_call=is_call)
        legs.setdefault(expiry, []).append(Leg(round(option["qty"] * QTY_ONE), strike, is_call, mark))
    return tuple(ExpiryBook(spot, usdc(forwards[key]), confidence, tuple(held)) for key, held in legs.items())


@pytest.mark.parametrize(("inputs", "expected"), load("margin_standard.json"))
def test_standard_margin(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    assert inputs["cash"] == 0.0
    model, books = published_model(), portfolio_of(inputs)
    stable = wad(inputs.get("overrides", {}).get("stable_price", 1))
    for name, kind in (("IM", Kind.INITIAL), ("MM", Kind.MAINTENANCE)):
        needed = requirement(model, books, stable, kind)
        if f"{name}_trunc" in expected:
            assert needed // USDC_ONE == -expected[f"{name}_trunc"]
        else:
            assert abs(needed + usdc(expected[name])) <= 2  # marks and the sum are rounded up, by one unit each


@pytest.mark.parametrize(
    ("inputs", "expected"), [case for case in load("margin_standard.json") if "isolated_IM" in case.values[1]]
)
def test_both_sides_of_the_minimum(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    """The published cases also tell what the isolated rule and the maximum loss would ask for alone."""
    model, (book,) = published_model(), portfolio_of(inputs)
    shorts = tuple(leg for leg in book.legs if leg.qty < 0)
    alone = tuple(expiry_requirement(model, book._replace(legs=(leg,)), WAD, Kind.INITIAL) for leg in shorts)
    assert abs(sum(alone) // RISK_ONE + usdc(expected["isolated_IM"])) <= 2
    net_calls = sum(leg.qty for leg in book.legs if leg.is_call)
    loss = max_loss(book.legs) * WAD + max(-net_calls, 0) * model.unpaired_im * book.forward
    assert abs(loss // RISK_ONE + usdc(expected["max_loss_IM"])) <= 2


# -- fees and settlement ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inputs", "expected"), FEES)
def test_fees(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    schedule = FeeSchedule(wad(inputs["rate"]), 0, wad(inputs.get("cap", 1)))
    if "spot" in inputs:  # in USDC, with a base per trade that this venue does not charge
        index, qty = usdc(inputs["spot"]), round(Decimal(inputs["qty"]) * QTY_ONE)
        assert fees.taker_fee(schedule, index, index, qty) == usdc(expected["fee"]) - usdc(inputs["base"])
    else:  # in coin: the same rule at any index
        index = 100_000 * USDC_ONE
        price = int(Decimal(inputs["option_price_btc"]) * index)
        assert fees.taker_fee(schedule, index, price, QTY_ONE) == Decimal(expected["fee_btc"]) * index


@pytest.mark.parametrize(("inputs", "expected"), SETTLEMENT)
def test_settlement(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    if "aggregate_diff" in inputs:
        price, seconds = map(int, inputs["aggregate_diff"].split("*"))
        assert seconds == inputs["window"]
        start = 10**15
        assert twap({0: start, seconds: start + usdc(price) * seconds}, seconds) == usdc(expected["settlement"])
        return
    qty = int(inputs.get("multiplier", 1)) * QTY_ONE
    leg = Leg(qty, usdc(inputs["K"]), inputs["type"] == "call", 0)
    payoff = settlement_value((leg,), usdc(inputs["delivery"]))
    assert payoff == usdc(expected.get("payoff_usd", expected.get("payoff")))
    assert settlement_value((leg._replace(qty=-qty),), usdc(inputs["delivery"])) == -payoff
    if "cost" in expected:
        cost = premium_of(usdc(inputs["premium_usdc"]), qty)
        assert (cost, payoff - cost) == (usdc(expected["cost"]), usdc(expected["profit"]))
