"""Published margin models and their published numbers, through the one engine and at the tolerance they state."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs
from published_models import (
    SCALE,
    close,
    expiries_of,
    money,
    paradex_model,
    pm2_account,
    pm2_model,
    quantity,
    span_model,
    srm_account,
    srm_rules,
    wad,
)

from exchange.core import fees
from exchange.core import parameters as p
from exchange.core.commands import FeeSchedule
from exchange.core.margin import ExpiryBook, Kind, Leg, max_loss, short_units
from exchange.core.risk_models import buffer, contingencies, grid, interest, scan
from exchange.core.risk_models.arrays import array_of
from exchange.core.risk_models.collateral import Line
from exchange.core.risk_models.requirement import Account, StandardMarket, assess
from exchange.core.units import QTY_ONE, RISK_ONE, USDC_ONE, WAD, years_of
from tests.vectors import Vector, family, named

COIN = 10**12  # one coin as a price, for margins published in coins
DAY_S = 86_400


def cases(found: list[Vector]) -> list[Any]:
    return [pytest.param(vector["inputs"], vector["expected"], id=vector["name"]) for vector in found]


# -- STANDARD ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inputs", "expected"), cases(family("srm_")))
def test_published_standard_margin(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    account = srm_account(inputs)
    for name, kind in (("IM", Kind.INITIAL), ("MM", Kind.MAINTENANCE)):
        margin = assess(account, kind).margin
        if f"{name}_trunc" in expected:
            assert abs(margin) // (SCALE * USDC_ONE) * (1 if margin > 0 else -1) == expected[f"{name}_trunc"]
        else:
            assert close(margin, expected[name], "1e-12")


@pytest.mark.parametrize("name", ["MtM", "isolated_IM", "max_loss_IM"])
@pytest.mark.parametrize(("inputs", "expected"), cases(family("srm_case_")))
def test_published_parts_of_standard_margin(inputs: dict[str, Any], expected: dict[str, Any], name: str) -> None:
    """What the isolated rule and the largest loss would ask for alone, and what the options are worth."""
    (market,) = srm_account(inputs).markets
    assert isinstance(market, StandardMarket)
    model, (book,) = market.rules.options, market.books
    net_calls = sum(leg.qty for leg in book.legs if leg.is_call)
    parts = {
        "MtM": sum(leg.qty * leg.mark for leg in book.legs) * WAD,
        "isolated_IM": sum(leg.qty * short_units(model, book.spot, leg).initial for leg in book.legs if leg.qty < 0),
        "max_loss_IM": -max_loss(book.legs) * WAD - max(-net_calls, 0) * model.unpaired_im * book.forward,
    }
    assert close(parts[name] // RISK_ONE, expected[name], "1e-12")


def test_a_short_call_in_coins() -> None:
    """The rule of a venue that margins in coins is ours at a price of one coin."""
    case = named("deribit_im_short_call_btc")
    given, expected = case["inputs"], case["expected"]
    model = srm_rules().options
    strike = COIN * int(given["K"]) // int(given["F"])
    units = short_units(model, COIN, Leg(-1, strike, True, int(Decimal(given["mark_btc"]) * COIN)))
    assert units.initial * WAD == wad(expected["IM"]) * COIN * WAD
    assert units.maintenance == wad(expected["MM"]) * COIN


def test_a_short_put_with_a_dearer_maintenance() -> None:
    case = named("aevo_short_put_usd")
    given, expected = case["inputs"], case["expected"]
    tenth = WAD // 10
    model = structs.replace(srm_rules().options, mm_put=tenth, mm_put_mtm=tenth, mm_offset=WAD)
    units = short_units(model, money(given["S"]), Leg(-1, money(given["K"]), False, money(given["mark"])))
    assert units.initial == money(expected["IM"]) * WAD
    assert units.maintenance == money(expected["MM"]) * WAD


def test_a_call_spread_in_kind() -> None:
    """The largest loss of a spread is at its upper strike; there it is as many coins as the published rule asks for."""
    case = named("opyn_call_spread")
    given = case["inputs"]
    legs = tuple(
        Leg(quantity(qty), money(strike), True, 0)
        for qty, strike in ((-given["short_qty"], given["K_short"]), (given["long_qty"], given["K_long"]))
    )
    assert max_loss(legs) == Decimal(case["expected"]["margin"]) * money(given["K_long"]) * QTY_ONE


# -- PORTFOLIO --------------------------------------------------------------------------------------------------------

PORTFOLIOS = [case for case in family("pm2_") if "cash" in case["inputs"]]


@pytest.mark.parametrize(("inputs", "expected"), cases(PORTFOLIOS))
def test_published_portfolio_margin(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    account = pm2_account(inputs)
    initial, maintenance = (assess(account, kind) for kind in (Kind.INITIAL, Kind.MAINTENANCE))
    assert close(initial.margin, expected["IM"], "1e-8")
    assert close(maintenance.margin, expected["MM"], "1e-8")
    assert close(initial.worth, expected["MtM"], "1e-8")


def naked_call() -> scan.Market:
    """The published short call of which every scenario was printed."""
    given = named("pm2_risk_cancelling_btc_covered_call")["inputs"]
    (option,) = given["options"]
    expiries = expiries_of(pm2_model(), [{**option, "qty": -1.0}], given["expiries"], WAD)
    return scan.Market(money(given["spot"]), expiries)


def test_every_published_scenario_of_a_short_call() -> None:
    expected = named("pm2_scenario_pnl_naked_call")["expected"]
    printed = [pnl for *_, pnl in expected["reg"] + expected["tail"] + expected["skew"]]
    ours = scan.losses(scan.plan_of(pm2_model()), naked_call())[: len(printed)]
    assert len(printed) == 31
    assert all(close(-loss // RISK_ONE, pnl, "1e-8") for loss, pnl in zip(ours, printed, strict=True))


def test_published_components() -> None:
    """Factors at 1e-14, and what calendar spreads are asked for beside the scenarios."""
    case = named("pm2_components_794852s")
    given, expected, model = case["inputs"], case["expected"], pm2_model()
    sheet = grid.Sheet(money(1), given["sec"], years_of(given["sec"]), rate=wad(given["rate"]))
    up, down = grid.vol_factors(model.vol, sheet.seconds)
    discounts = grid.discounts_of(model.static, sheet)
    years = years_of(sheet.seconds)
    ours = {
        "vol_up": up,
        "vol_down": down,
        "static_disc_pos": discounts.long,
        "static_disc_neg": discounts.short,
        "mult_cap": grid.skew_caps(model.skew, years)[0],
        "k_star": grid.skew_width(model.skew, years),
    }
    for name, value in ours.items():
        assert abs(value - wad(expected[name])) <= 10_000, name
    basis = max(scan.losses(scan.plan_of(model), naked_call())[-2:])
    assert close(-basis // RISK_ONE, expected["forward_contingency"], "1e-8")


def test_a_published_grid_of_another_venue() -> None:
    case = named("paradex_scan_short_atm_call")
    given, expected, model = case["inputs"], case["expected"], paradex_model()
    option = {"sec": 30 * DAY_S, "K": given["K"], "call": 1, "qty": given["qty"], "mark_vol": given["sigma"]}
    expiry = {"sec": 30 * DAY_S, "F": given["F"], "rate": 0, "conf": 1, "vol_conf": 1}
    market = scan.Market(money(given["F"]), expiries_of(model, [option], [expiry], WAD))
    losses, worst = scan.losses(scan.plan_of(model), market), scan.worst_of(scan.plan_of(model), market)
    for number in (1, 19, 24):
        assert close(-losses[number - 1] // RISK_ONE, expected[f"scenario_{number}"], "1e-12")
    assert worst.scenario == expected["worst_scenario"] - 1
    assert close(worst.loss // RISK_ONE, expected["scan_risk"], "1e-12")


def test_published_risk_arrays() -> None:
    """SPAN's arrays need no pricing of ours: positions times arrays, and the worst line."""
    case = named("span_covered_write")
    given, expected, model = case["inputs"], case["expected"], span_model()
    base = 10**6
    held = [
        array_of(base, [base, *(base + pnl for pnl in given[name])])
        for name in ("long_future_array", "short_call_array")
    ]
    total = sum(QTY_ONE * array.packed for array in held)
    expiry = scan.Expiry(total, WAD, grid.Discounts(WAD, WAD, WAD), WAD, 0, 0, 2 * QTY_ONE)
    market = scan.Market(base, (expiry,))
    assert [-loss // RISK_ONE for loss in scan.losses(scan.plan_of(model), market)] == expected["combined"]
    assert scan.worst_of(scan.plan_of(model), market).loss == expected["scan_risk"] * RISK_ONE


def test_net_shorts_of_a_strike() -> None:
    case = named("deribit_pm_short_contingency")
    given, expected = case["inputs"], case["expected"]
    option = {"sec": DAY_S, "K": 1, "mark_vol": 1}
    sides = [{**option, "call": 1, "qty": given["calls"]}, {**option, "call": 0, "qty": given["puts"]}]
    expiry = {"sec": DAY_S, "F": 1, "rate": 0, "conf": 1, "vol_conf": 1}
    model = structs.replace(paradex_model(), short_mm=wad(given["per_option_btc"]))
    market = scan.Market(COIN, expiries_of(model, sides, [expiry], WAD))
    assert market.expiries[0].naked == quantity(expected["net_short"])
    assert contingencies.maintenance(model, market, ()) == wad(expected["extra_margin_btc"]) * QTY_ONE * COIN


@pytest.mark.parametrize(
    ("case", "up", "power", "tolerance"),
    [
        (named("deribit_pm_vol_shock_15d"), "0.38", "0.30", Decimal("1e-12")),
        (named("deribit_pm_legacy_vol_shock_15d"), "0.40", "0.5", Decimal("0.0005")),
    ],
)
def test_published_moves_of_vol(case: Vector, up: str, power: str, tolerance: Decimal) -> None:
    rule = p.VolRule(wad(up), 0, 0, wad(power), 0, DAY_S)
    expected = case["expected"]
    shock = Decimal(expected["shock"]) if "shock" in expected else Decimal(expected["shock_pct"]) / 100
    factor, _ = grid.vol_factors(rule, 15 * DAY_S)
    assert abs(Decimal(factor - WAD) / WAD - shock) <= tolerance


# -- collateral, latency, fees ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("inputs", "expected"), cases(family("tof_buffer_")))
def test_published_width_of_the_time_of_flight_buffer(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    rule = p.BufferRule(wad(inputs["sigma"]), wad(inputs["z"]), inputs["W_s"], wad(inputs["delta"]), 0, 0)
    ours, theirs = buffer.width(rule, inputs["latency_s"], WAD), wad(expected["b"])
    assert 0 <= ours - theirs <= theirs // 10**12


@pytest.mark.parametrize(("inputs", "expected"), cases(family("irm_")))
def test_published_interest(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    if "seconds" in inputs:
        assert interest.accrued(wad(inputs["rate"]), inputs["seconds"]) == int(expected["factor_e18"])
    else:
        curve = p.BorrowCurve(*(wad(inputs[name]) for name in ("min", "slope", "high", "kink")))
        ours = interest.borrow_rate(curve, int(inputs["supply"]), int(inputs["borrow"]))
        assert ours == wad(expected["rate"])


def test_what_counts_over_what_is_needed() -> None:
    """A health factor: collateral after its haircut over what is owed, here by a box."""
    case = named("aave_health_factor")
    given, rules = case["inputs"], srm_rules()
    asset = p.CollateralAsset(WAD - wad(given["liq_threshold"]), 0)
    line = Line(asset, WAD * int(given["collateral"]), money(1), WAD)
    owed = money(given["borrow"])
    spot = 3 * owed  # beyond both strikes, where the isolated rule asks for more than can be lost
    legs = tuple(
        Leg(qty, strike, is_call, max(spot - strike, 0) if is_call else 0)
        for qty, strike, is_call in (
            (-QTY_ONE, owed, True),
            (QTY_ONE, owed, False),
            (QTY_ONE, 2 * owed, True),
            (-QTY_ONE, 2 * owed, False),
        )
    )
    market = StandardMarket(rules, spot, (ExpiryBook(spot, spot, WAD, legs),))
    found = assess(Account(rules, 0, WAD, (line,), (market,)), Kind.MAINTENANCE)
    assert abs(Decimal(found.equity) / found.requirement - Decimal(case["expected"]["hf_3dp"])) <= Decimal("1e-3")


@pytest.mark.parametrize(
    "case", [named("deribit_fee_cap"), named("deribit_fee_uncapped")], ids=lambda case: case["name"]
)
def test_published_fee_in_coins(case: Vector) -> None:
    given = case["inputs"]
    schedule = FeeSchedule(taker_rate=wad(given["rate"]), maker_rate=0, cap=wad(given["cap"]))
    price = int(Decimal(given["option_price_btc"]) * COIN)
    assert fees.taker_fee(schedule, COIN, price, QTY_ONE) == Decimal(case["expected"]["fee_btc"]) * COIN
