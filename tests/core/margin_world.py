"""A small market to try margin on, what its accounts need, and the same said again as plainly as can be.

``Stage`` asks the engine. ``naive_requirement`` prices every leg in every scenario by itself, with no arrays, no lanes and
no plan, so that the two agree only if both read the model alike.
"""

from functools import cached_property

from exchange.core import black76, fixedmath
from exchange.core import parameters as p
from exchange.core.margin import Kind
from exchange.core.risk_models import buffer, scan
from exchange.core.risk_models.arrays import RiskRound, Terms
from exchange.core.risk_models.grid import Sheet
from exchange.core.risk_models.requirement import Account, Assessment, PortfolioMarket, assess, portfolio_rules
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import QTY_ONE, RISK_ONE, USDC_ONE, WAD, YEAR_SECONDS, years_of

Positions = dict[int, int]

WIDTHS = (WAD // 1_000, WAD // 50)

HOUR_S, DAY_S = 3_600, 86_400
SPOT = 100_000 * USDC_ONE
STRIKES = [thousands * 1_000 * USDC_ONE for thousands in (80, 95, 100, 105, 118, 250)]
VOLS = [WAD * percent // 100 for percent in (71, 62, 58, 57, 61, 80)]
FORWARDS = ((SPOT, HOUR_S), (SPOT + 400 * USDC_ONE, 30 * DAY_S), (SPOT + 3_000 * USDC_ONE, 400 * DAY_S))
SHEETS = {number: Sheet(forward, seconds, years_of(seconds)) for number, (forward, seconds) in enumerate(FORWARDS, 1)}
TERMS = {
    expiry << 16 | 2 * at + (not is_call): Terms(strike, is_call, vol)
    for expiry in SHEETS
    for at, (strike, vol) in enumerate(zip(STRIKES, VOLS, strict=True))
    for is_call in (True, False)
}
SERIES = sorted(TERMS)


def series_at(expiry: int, strike: int, is_call: bool) -> int:
    """The series of the n-th strike."""
    return expiry << 16 | 2 * strike + (not is_call)


class Stage:
    """The market under one model, a confidence and a price of the stablecoin."""

    def __init__(self, model: p.PortfolioModel = PORTFOLIO, conf: int = WAD, stable: int = WAD) -> None:
        self.model, self.conf, self.stable = model, conf, stable

    @cached_property
    def round(self) -> RiskRound:
        return RiskRound(self.model, 1, SHEETS, TERMS, black76.ScalarPricer())

    def but(self, conf: int = WAD, stable: int = WAD) -> "Stage":
        """The same market with another confidence and another stablecoin; nothing is priced again."""
        other = Stage(self.model, conf, stable)
        other.__dict__["round"] = self.round
        return other

    @cached_property
    def wider(self) -> "tuple[Stage, ...]":
        """The same market with buffers of 0.1% and 2%."""
        return tuple(Stage(buffer.widened(self.model, width), self.conf, self.stable) for width in WIDTHS)

    def market(self, positions: Positions) -> scan.Market:
        expiries = []
        for expiry in SHEETS:
            held = {series: qty for series, qty in positions.items() if series >> 16 == expiry}
            expiries.append(scan.added_up(self.round, expiry, held, self.conf))
        return scan.Market(SPOT, tuple(expiries))

    def assess(self, positions: Positions, kind: Kind) -> Assessment:
        rules = portfolio_rules(self.model)
        return assess(Account(rules, 0, self.stable, (), (PortfolioMarket(rules, self.market(positions)),)), kind)

    def needs(self, positions: Positions, kind: Kind) -> int:
        return self.assess(positions, kind).requirement

    def risk(self, positions: Positions) -> int:
        """The worst loss, before it is scaled, rounded up to 1e-6 USDC."""
        return -(-scan.worst_of(scan.plan_of(self.model), self.market(positions)).loss // RISK_ONE)

    def premium(self, positions: Positions) -> int:
        """What positions are worth at their marks, rounded up, 1e-6 USDC."""
        return -(-sum(qty * self.round.array(series).cells[0] for series, qty in positions.items()) // QTY_ONE)


# -- said again -------------------------------------------------------------------------------------------------------


def naive_requirement(stage: Stage, positions: Positions, kind: Kind) -> int:
    """The same requirement, leg by leg and scenario by scenario."""
    model = stage.model
    joint = [item for item in model.scenarios if item.group == p.ALL_EXPIRIES]
    naked = _naked(positions)
    worst = 0
    for item in joint:
        gain = sum(qty * _moves_by(model, item, series) for series, qty in positions.items())
        worst = max(worst, _up(-gain * item.weight, 1) + item.short * SPOT * naked)
    for group in {item.group for item in model.scenarios} - {p.ALL_EXPIRIES}:
        members = [item for item in model.scenarios if item.group == group]
        worst = max(worst, sum(_hurts_most(model, members, positions, expiry) for expiry in SHEETS))
    factor, add = model.mm_factor, model.short_mm * naked * SPOT
    if kind is Kind.INITIAL:
        factor = model.im_factor + _up(max(model.depeg_threshold - stage.stable, 0) * model.depeg_factor, WAD)
        add += model.short_im * naked * SPOT
        if stage.conf < model.conf_threshold:
            counted = sum(abs(qty) for qty in positions.values() if qty < 0 or model.conf_on_longs)
            add += _up((WAD - stage.conf) * model.conf_factor, WAD) * counted * SPOT
    return _up(_up(worst * factor, WAD) + add, WAD * QTY_ONE)


def _up(value: int, by: int) -> int:
    return -(-value // by)


def _naked(positions: Positions) -> int:
    by_strike: dict[tuple[int, int], int] = {}
    for series, qty in positions.items():
        key = (series >> 16, TERMS[series].strike)
        by_strike[key] = by_strike.get(key, 0) + qty
    return sum(-net for net in by_strike.values() if net < 0)


def _hurts_most(model: p.PortfolioModel, group: list[p.Scenario], positions: Positions, expiry: int) -> int:
    years = SHEETS[expiry].seconds * WAD // YEAR_SECONDS
    worst = 0
    for item in group:
        gain = sum(qty * _moves_by(model, item, series) for series, qty in positions.items() if series >> 16 == expiry)
        loss = abs(gain) if item.mirrored else -gain
        weight = min(item.weight + item.weight_yearly * years // WAD, item.weight_max)
        worst = max(worst, _up(loss * weight, 1))
    return worst


def _moves_by(model: p.PortfolioModel, item: p.Scenario, series: int) -> int:
    """What one contract gains in a scenario."""
    strike, is_call, vol = TERMS[series]
    sheet = SHEETS[series >> 16]
    years = sheet.seconds * WAD // YEAR_SECONDS
    forward = sheet.forward * item.spot // WAD
    now = black76.black76_mark(sheet.forward, strike, vol, years, is_call=is_call)
    if item.vol == p.TANGENT:
        v = vol * fixedmath.sqrt_wad(years) // WAD
        delta = fixedmath.norm_cdf_wad(black76.moments(sheet.forward, strike, v).d1) - (0 if is_call else WAD)
        pays = max(forward - strike if is_call else strike - forward, 0)
        return max(now + _up(delta * (forward - sheet.forward), WAD), pays) - now
    return black76.black76_mark(forward, strike, _vol(model, item.vol, series), years, is_call=is_call) - now


def _vol(model: p.PortfolioModel, move: int, series: int) -> int:
    strike, _, vol = TERMS[series]
    sheet, rule, skew = SHEETS[series >> 16], model.vol, model.skew
    seconds = sheet.seconds
    power = rule.power_short if seconds <= 30 * DAY_S else rule.power_long
    times = 30 * DAY_S * WAD // max(seconds, rule.floor_s)
    scale = fixedmath.exp_wad(power * fixedmath.ln_wad(times) // WAD)
    if move == p.VOL_UP:
        return max(vol * (WAD + rule.up * scale // WAD) // WAD, rule.up_least)
    if move == p.VOL_DOWN:
        return vol * max(WAD - rule.down * scale // WAD, 0) // WAD
    if move == p.VOL_SAME:
        return vol
    root = fixedmath.sqrt_wad(seconds * WAD // YEAR_SECONDS)
    wide = root * skew.width // WAD * (skew.deviation + root * skew.deviation_yearly // WAD) // WAD
    distance = fixedmath.ln_wad(strike * WAD // sheet.forward)
    wings = move in {p.WINGS_UP, p.WINGS_DOWN}
    base, yearly = (skew.wings_cap, skew.wings_yearly) if wings else (skew.slope_cap, skew.slope_yearly)
    cap = max(base + root * yearly // WAD, 0)
    turn = (abs(distance) if wings else distance) * cap // max(wide, skew.width_least)
    turn = min(max(turn, -cap), cap)
    return vol * max(WAD + (turn if move in {p.SLOPE_UP, p.WINGS_UP} else -turn), 0) // WAD
