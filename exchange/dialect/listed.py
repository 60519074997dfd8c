"""Listings as clients see them: the catalogue entry of a series and its instrument object. Imports core, names."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core.commands import AUCTION, CONTINUOUS, FeeSchedule
from exchange.core.legs import Legs
from exchange.core.phases import phase_of
from exchange.core.state import State, legs_of
from exchange.core.state_types import Combo
from exchange.core.status import shown
from exchange.core.units import Price, Qty, Seconds, seconds_of
from exchange.dialect.channels import COMBO, OPTION, subjects_of
from exchange.dialect.names import NamedLeg, base_currency, combo_name, index_name, instrument_name, settlement_period
from exchange.dialect.numbers import contracts, millis_of_seconds, ratio, usdc

STATUS_NAMES: Final = ("normal", "degraded", "reduce_only", "cancel_only", "halted", "safeguard")
PHASE_NAMES: Final = ("continuous", "auction", "uncrossing", "halted", "closed")


class Listed(NamedTuple):
    """What never changes about a series or combo: its names and steps. ``subjects`` are the channels that speak of it.

    A combo has ``legs`` and ends with the first of them, whose expiry it names; a strike it has not.
    """

    series: int
    name: str
    base: str
    price_index: str
    underlying: int
    expiry_id: int
    expiry_s: Seconds
    strike: Price
    is_call: bool
    lot: Qty
    tick: Price
    tick_above: Price
    tick_step: Price
    subjects: tuple[str, ...]
    legs: Legs = ()

    @property
    def kind(self) -> str:
        """Option or option_combo."""
        return COMBO if self.legs else OPTION

    def tick_at(self, price: Price) -> Price:
        """The tick that applies at a price."""
        return self.tick_above if price >= self.tick_step else self.tick


def listed_of(state: State, series: int) -> Listed:
    """Catalogue entry of a listed series, or of a combo."""
    combo = state.combos.get(series)
    if combo is not None:
        return _combo_of(state, combo)
    option = state.series[series]
    underlying = state.underlyings[option.underlying]
    name = instrument_name(underlying.name, option.expiry_s, option.strike, is_call=option.is_call)
    base = base_currency(underlying.name)
    return Listed(
        series=series,
        name=name,
        base=base,
        price_index=index_name(underlying.name),
        underlying=underlying.id,
        expiry_id=option.expiry_id,
        expiry_s=option.expiry_s,
        strike=option.strike,
        is_call=option.is_call,
        lot=underlying.lot,
        tick=underlying.tick,
        tick_above=underlying.tick_above,
        tick_step=underlying.tick_step,
        subjects=subjects_of(name, base, ("any", OPTION)),
    )


def _combo_of(state: State, combo: Combo) -> Listed:
    underlying = state.underlyings[combo.underlying]
    options = [state.series[leg.series] for leg in combo.legs]
    named = [
        NamedLeg(leg.ratio, option.expiry_s, option.strike, option.is_call)
        for leg, option in zip(combo.legs, options, strict=True)
    ]
    name, base = combo_name(underlying.name, named, combo.id), base_currency(underlying.name)
    return Listed(
        series=combo.id,
        name=name,
        base=base,
        price_index=index_name(underlying.name),
        underlying=underlying.id,
        expiry_id=min(options, key=lambda option: option.expiry_s).expiry_id,
        expiry_s=combo.expiry_s,
        strike=0,
        is_call=False,
        lot=underlying.lot,
        tick=underlying.tick,
        tick_above=underlying.tick,
        tick_step=underlying.tick_step,
        subjects=subjects_of(name, base, ("any", COMBO, "combo")),
        legs=combo.legs,
    )


def legs_object(listed: Listed, named: Mapping[int, Listed]) -> list[dict[str, Any]]:
    """The dialect's legs of a combo: how much of each one unit is, below zero where its buyer sells."""
    return [{"instrument_name": named[leg.series].name, "amount": leg.ratio} for leg in listed.legs]


def book_state(state: State, listed: Listed) -> str:
    """Open (orders are taken), halted, settlement (expired, price not fixed yet) or delivered."""
    if state.expiries[listed.expiry_id].fixing >= 0:
        return "delivered"
    if listed.expiry_s <= seconds_of(state.time_ns):
        return "settlement"
    takes = (CONTINUOUS,) if listed.legs else (CONTINUOUS, AUCTION)
    curbed = state.curbed.get(listed.underlying)
    takes_some = state.is_open and (curbed is None or curbed.reduces)
    return "open" if takes_some and _phase_of(state, listed.series) in takes else "halted"


def status_name(state: State, underlying: int) -> str:
    """What the market of an underlying lets in: normal, degraded, reduce_only, cancel_only, halted or safeguard."""
    return STATUS_NAMES[shown(state, underlying)]


def phase_name(state: State, series: int) -> str:
    """continuous, auction, uncrossing, halted or closed."""
    return PHASE_NAMES[_phase_of(state, series)]


def _phase_of(state: State, series: int) -> int:
    """The phase of a series; of a combo that of the first leg that does not trade continuously."""
    return max(phase_of(state, leg.series) for leg in legs_of(state, series))


def instrument_object(state: State, listed: Listed) -> dict[str, Any]:
    """The dialect's instrument. Creation times are not part of the state, so they read 0."""
    return _instrument(listed, *_standing(state, listed))


def instrument_texts(state: State, wanted: Iterable[Listed]) -> list[msgspec.Raw]:
    """The same of many, as they are sent: whole catalogues are asked for often, and little of them changes."""
    alike: dict[tuple[int, int], tuple[str, str, str, FeeSchedule]] = {}  # options of one expiry in one phase
    texts = []
    for listed in wanted:
        key = (listed.expiry_id, _phase_of(state, listed.series))
        standing = alike.get(key) if not listed.legs else _standing(state, listed)
        if standing is None:
            standing = alike[key] = _standing(state, listed)
        texts.append(_written(listed, *standing))
    return texts


def _standing(state: State, listed: Listed) -> tuple[str, str, str, FeeSchedule]:
    """What of an instrument changes: its state, phase and status, and what trades cost."""
    assert state.config is not None
    status = status_name(state, listed.underlying)
    return book_state(state, listed), phase_name(state, listed.series), status, state.config.fees


@lru_cache(16_384)
def _written(listed: Listed, status: str, phase: str, market: str, fees: FeeSchedule) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(_instrument(listed, status, phase, market, fees)))


def _instrument(listed: Listed, status: str, phase: str, market: str, fees: FeeSchedule) -> dict[str, Any]:
    steps = [{"above_price": usdc(listed.tick_step), "tick_size": usdc(listed.tick_above)}]
    return {
        "instrument_name": listed.name,
        "instrument_id": listed.series,
        "kind": listed.kind,
        **_option(listed),
        "expiration_timestamp": millis_of_seconds(listed.expiry_s),
        "creation_timestamp": 0,
        "settlement_period": settlement_period(listed.expiry_s),
        "base_currency": listed.base,
        "quote_currency": "USDC",
        "counter_currency": "USDC",
        "settlement_currency": "USDC",
        "price_index": listed.price_index,
        "instrument_type": "linear",
        "underlying_type": "crypto",
        "tick_size": usdc(listed.tick),
        "tick_size_steps": steps if listed.tick_above != listed.tick else [],
        "min_trade_amount": contracts(listed.lot),
        "contract_size": 1.0,
        "is_active": status in {"open", "halted"},
        "state": status,
        "x_phase": phase,
        "x_status": market,
        **_commissions(fees),
    }


def _option(listed: Listed) -> dict[str, Any]:
    """What only an option has; of a combo, its legs by their numbers, as they are signed."""
    if listed.legs:
        return {"x_legs": [[leg.series, leg.ratio] for leg in listed.legs]}
    return {"option_type": "call" if listed.is_call else "put", "strike": usdc(listed.strike)}


def _commissions(fees: FeeSchedule) -> dict[str, float]:
    return {
        "taker_commission": ratio(fees.taker_rate),
        "maker_commission": ratio(fees.maker_rate),
        "block_trade_commission": ratio(fees.taker_rate),
        "x_fee_cap": ratio(fees.cap),
    }
