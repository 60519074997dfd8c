"""Published margin models as parameter sets of ours, and published portfolios laid out for them.

Prices are homogeneous, so all are taken a million-fold (``SCALE``): what is published then has digits to compare.
"""

from decimal import Decimal
from itertools import groupby
from typing import Any

from exchange.core import parameters as p
from exchange.core.black76 import ScalarPricer, black76_mark
from exchange.core.commands import StandardModel
from exchange.core.margin import ExpiryBook, Leg
from exchange.core.risk_models import grid, scan
from exchange.core.risk_models.arrays import RiskRound, Terms
from exchange.core.risk_models.collateral import Line
from exchange.core.risk_models.contingencies import Linear
from exchange.core.risk_models.requirement import (
    Account,
    PortfolioMarket,
    StandardMarket,
    StandardRules,
    portfolio_rules,
)
from exchange.core.units import QTY_ONE, RISK_ONE, USDC_ONE, WAD, years_of
from tests import vectors

SCALE = 10**6
DAY_S = 86_400


def money(value: Any) -> int:
    """A published amount in 1e-6 USDC, a million-fold, rounded to the nearest."""
    return round(Decimal(str(value)) * USDC_ONE * SCALE)


def wad(value: Any) -> int:
    return round(Decimal(str(value)) * WAD)


def quantity(value: Any) -> int:
    return round(Decimal(str(value)) * QTY_ONE)


def close(ours: int, published: Any, rel: str) -> bool:
    """Whether an amount of ours is the published one, within a relative tolerance."""
    theirs = Decimal(str(published))
    return abs(Decimal(ours) / (USDC_ONE * SCALE) - theirs) <= abs(theirs) * Decimal(rel)


# -- STANDARD ---------------------------------------------------------------------------------------------------------


def srm_rules() -> StandardRules:
    """The published standard margin (reference: SRM_TEST)."""
    given = vectors.parameters("SRM_TEST")
    names = ("maxSpotReq", "minSpotReq", "mmCallSpotReq", "mmPutSpotReq", "MMPutMtMReq", "unpairedIMScale")
    rest = ("unpairedMMScale", "mmOffsetScale", "oracle_threshold", "OCFactor", "depeg_threshold", "depeg_factor")
    model = StandardModel(*(wad(given[name]) for name in (*names, *rest)))
    return StandardRules(model, p.LinearRates(wad(given["perpMM"]), wad(given["perpIM"])))


def srm_base() -> p.CollateralAsset:
    """Base collateral of the published standard margin: a factor in both kinds of margin."""
    given = vectors.parameters("SRM_TEST")
    kept = wad(given["baseMarginFactor"])
    return p.CollateralAsset(WAD - kept, kept - kept * wad(given["base_IMScale"]) // WAD)


def srm_account(inputs: dict[str, Any]) -> Account:
    """A published account under the standard rules; a market for each underlying."""
    rules, feeds = srm_rules(), vectors.feeds("SRM_FEEDS")
    overrides = inputs.get("overrides", {})
    conf = wad(min(map(Decimal, (value for key, value in overrides.items() if "confidence" in key)), default=1))
    names = sorted({item.get("u", "eth") for kind in ("options", "perps", "base") for item in inputs.get(kind, ())})
    markets, lines = [], []
    for name in names:
        spot, perp = money(inputs.get("spot", feeds[f"{name}_spot"])), money(feeds[f"{name}_perp"])
        mine = {
            kind: [item for item in inputs.get(kind, ()) if item.get("u", "eth") == name]
            for kind in ("options", "perps", "base")
        }
        linear = tuple(
            Linear(quantity(leg["qty"]), perp, conf, (perp - money(leg["entry"])) * quantity(leg["qty"]) * WAD)
            for leg in mine["perps"]
        )
        markets.append(StandardMarket(rules, spot, _srm_books(mine["options"], inputs, feeds, spot, conf), linear))
        lines += [Line(srm_base(), wad(item["qty"]), spot, conf) for item in mine["base"]]
    return Account(rules, money(inputs["cash"]), wad(overrides.get("stable_price", 1)), tuple(lines), tuple(markets))


def _srm_books(options: list[dict[str, Any]], inputs: dict[str, Any], feeds: dict[str, Any], spot: int, conf: int):
    forwards = {**feeds["eth_fwd"], **inputs.get("forwards", {})}
    legs: dict[str, list[Leg]] = {}
    for option in options:
        expiry = str(option.get("sec", option.get("expiry")))
        seconds = int(option.get("sec", feeds["secs"].get(expiry, 0)))
        is_call = option.get("type") == "call" or option.get("call") == 1
        vol, strike = wad(option.get("vol", "0.5")), money(option["K"])
        mark = black76_mark(money(forwards[expiry]), strike, vol, years_of(seconds), is_call=is_call)
        legs.setdefault(expiry, []).append(Leg(quantity(option["qty"]), strike, is_call, mark))
    return tuple(ExpiryBook(spot, money(forwards[key]), conf, tuple(held)) for key, held in legs.items())


# -- PORTFOLIO --------------------------------------------------------------------------------------------------------

NO_SKEW = p.SkewRule(*[0] * 8)
NO_DISCOUNT = p.StaticDiscount()
MOVES = {"Up": p.VOL_UP, "Down": p.VOL_DOWN, "None": p.VOL_SAME, "LINEAR": p.SLOPE_UP, "ABS": p.WINGS_UP}


def pm2_model() -> p.PortfolioModel:
    """The published portfolio margin of the second generation (reference: PM2_TEST)."""
    given = vectors.parameters("PM2_TEST")
    scenarios = []
    for number, item in enumerate(given["Scenarios"]):
        move = MOVES[item["VolShockDirection"]]
        by_expiry = move in {p.SLOPE_UP, p.WINGS_UP}
        scenarios.append(
            p.Scenario(
                wad(item["SpotShock"]),
                move,
                wad(item["DampeningFactor"]),
                group=number if by_expiry else p.ALL_EXPIRIES,
                mirrored=by_expiry,
            )
        )
    basis = given["BasisContingency"]
    scenarios += [
        p.Scenario(
            wad(basis[name]),
            p.VOL_SAME,
            wad(basis["BASIS_CONT_ADD_FACTOR"]),
            wad(basis["BASIS_CONT_MULT_FACTOR"]),
            100 * WAD,
            group=99,
            discounted=False,
        )
        for name in ("SCENARIO_SPOT_UP", "SCENARIO_SPOT_DOWN")
    ]
    return _pm2_rest(given, tuple(scenarios))


def wads(given: dict[str, Any], *names: str) -> list[int]:
    return [wad(given[name]) for name in names]


def _pm2_rest(given: dict[str, Any], scenarios: tuple[p.Scenario, ...]) -> p.PortfolioModel:
    vol, skew, margin, other = (given[key] for key in ("VolShock", "SkewShock", "Margin", "OtherContingency"))
    caps = wads(skew, "LINEAR_SCALE_CAP", "LINEAR_CBASE", "ABS_SCALE_CAP", "ABS_CBASE")
    widths = wads(skew, "MIN_K_STAR", "MIN_WIDTH_SCALE", "VOL_PARAM_STATIC", "VOL_PARAM_SCALE")
    ranges = wads(vol, "VOLRANGEUP", "VOLRANGEDOWN", "MIN_VOL_EVAL_SHOCKED", "SHORTTERMPOWER", "LONGTERMPOWER")
    owned = wads(margin, "BASE_STATIC_DISCOUNT", "LONG_RATE_MULTSCALE", "LONG_RATE_ADDSCALE")
    owed = wads(margin, "BASE_STATIC_DISCOUNT_NEG", "SHORT_RATE_MULTSCALE", "SHORT_RATE_ADDSCALE")
    return p.PortfolioModel(
        scenarios,
        p.VolRule(*ranges, round(vol["DTE_FLOOR"] * DAY_S)),
        p.SkewRule(*caps, *widths),
        p.StaticDiscount(*owned, *owed),
        *wads(margin, "MM_LOSS_FACTOR", "IM_LOSS_FACTOR"),
        *wads(other, "MM_PERP_PERCENT", "IM_PERP_PERCENT", "MM_OPTION_PERCENT", "IM_OPTION_PERCENT"),
        *wads(other, "CONF_THRESHOLD", "CONF_MARGIN"),
        True,  # a thin oracle costs bought options too
        *wads(other, "PEG_LOSS_THRESHOLD", "PEG_LOSS_FACTOR"),
    )


def pm2_account(inputs: dict[str, Any]) -> Account:
    """A published account under the published portfolio margin."""
    rules, spot, perp = portfolio_rules(pm2_model()), money(inputs["spot"]), inputs["perps"]
    spot_conf = wad(inputs["spot_conf"])
    lines = tuple(
        Line(
            p.CollateralAsset(wad(item["MMHaircut"]), wad(item["IMHaircut"]), item["IsRiskCancelling"]),
            wad(item["Amount"]),
            money(item["Price"]),
            min(wad(item["Confidence"]), spot_conf),
        )
        for item in inputs["collaterals"]
    )
    # The confidence of a perpetual enters its own and the options' figures; collateral has that of spot only.
    conf = min(spot_conf, wad(perp["conf"])) if perp["qty"] else spot_conf
    pnl = (money(perp["upnl"]) + money(perp["funding"])) * RISK_ONE
    linear = (Linear(quantity(perp["qty"]), money(perp["price"]), conf, pnl),) if perp["qty"] else ()
    options = scan.Market(spot, expiries_of(rules.model, inputs["options"], inputs["expiries"], conf))
    market = PortfolioMarket(rules, options, linear, lines)
    return Account(rules, money(inputs["cash"]), wad(inputs["stable"]), lines, (market,))


def expiries_of(
    model: p.PortfolioModel, options: list[dict[str, Any]], expiries: list[dict[str, Any]], conf: int
) -> tuple[scan.Expiry, ...]:
    """Published option positions added up per expiry."""
    sheets = {
        number: grid.Sheet(money(item["F"]), item["sec"], years_of(item["sec"]), rate=wad(item["rate"]))
        for number, item in enumerate(expiries, 1)
    }
    confs = [min(conf, wad(item["conf"]), wad(item["vol_conf"])) for item in expiries]
    numbers = {item["sec"]: number for number, item in enumerate(expiries, 1)}
    held = {numbers[option["sec"]] << 16 | at: (option, quantity(option["qty"])) for at, option in enumerate(options)}
    terms = {
        series: Terms(money(option["K"]), option["call"] == 1, wad(option["mark_vol"]))
        for series, (option, _) in held.items()
    }
    arrays = RiskRound(model, 1, sheets, terms, ScalarPricer())
    found = []
    for number, legs in groupby(sorted(held), key=lambda series: series >> 16):
        qtys = {series: held[series][1] for series in legs}
        found.append(scan.added_up(arrays, number, qtys, confs[number - 1]))
    return tuple(found)


def paradex_model() -> p.PortfolioModel:
    """A published grid of 24 scenarios: relative moves of vol, and tails of which a share counts."""
    core = [("1.16", p.VOL_UP)]
    core += [
        (spot, move)
        for spot in ("1.12", "1.08", "1.04", "1", "0.96", "0.92", "0.88")
        for move in (p.VOL_UP, p.VOL_DOWN)
    ]
    core += [("0.84", p.VOL_UP)]
    tails = (
        ("0.34", "0.24"),
        ("0.67", "0.48"),
        ("1.5", "0.32"),
        ("2", "0.16"),
        ("3", "0.08"),
        ("4", "0.0533"),
        ("5", "0.04"),
        ("6", "0.032"),
    )
    scenarios = [p.Scenario(wad(spot), move) for spot, move in core]
    scenarios += [p.Scenario(wad(spot), p.VOL_UP, wad(weight)) for spot, weight in tails]
    vol = p.VolRule(wad("0.40"), wad("0.22"), 0, wad("0.30"), wad("0.13"), DAY_S)
    return p.PortfolioModel(tuple(scenarios), vol, NO_SKEW, NO_DISCOUNT, WAD // 2, WAD, *[0] * 6, False, 0, 0)


def span_model() -> p.PortfolioModel:
    """The sixteen scenarios of SPAN, in its order; arrays come with the weights of the extremes in them."""
    third = WAD // 3
    steps = (0, third, -third, 2 * third, -2 * third, WAD, -WAD)
    scenarios = [p.Scenario(2 * WAD + step, move) for step in steps for move in (p.VOL_UP, p.VOL_DOWN)]
    scenarios += [p.Scenario(spot) for spot in (4 * WAD, 0)]
    vol = p.VolRule(*[0] * 6)
    return p.PortfolioModel(tuple(scenarios), vol, NO_SKEW, NO_DISCOUNT, WAD, WAD, *[0] * 6, False, 0, 0)
