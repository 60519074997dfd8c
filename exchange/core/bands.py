"""Price bands: how far from its mark an order for a series may be signed, from the corners of the surface.

A buyer is held to the price at a spot and a vol moved against her, a seller to the price at both moved the other way;
never nearer to the mark than a share of the spot. Prices are those of the round in force, so a band follows from the
journal; each is worked out when first asked for and kept with the view. The band of a combo is what the bands of its
legs add up to. Imports state, combos, oracle, black76, events.
"""

from exchange.core import combos
from exchange.core.black76 import black76_mark
from exchange.core.commands import Authorisation, SetBands
from exchange.core.events import Applied, Event, Reject, Rejected
from exchange.core.oracle import RoundView
from exchange.core.state import State
from exchange.core.state_types import Series
from exchange.core.units import WAD, Price, Wad, div_up, mul_div_down, mul_div_up


def decide(state: State, command: SetBands) -> tuple[Event, ...]:
    """Bands of a listed underlying, in fractions that are at most one."""
    if command.underlying not in state.underlyings:
        return (Rejected(Reject.UNDERLYING_MUST_EXIST, command.underlying),)
    for fraction in (command.spot, command.vol, command.floor):
        if not 0 <= fraction <= WAD:
            return (Rejected(Reject.BANDS_MUST_FIT, fraction, WAD),)
    return (Applied(),)


def evolve(state: State, command: SetBands) -> None:
    """The bands hold from here on; orders that rest outside stay."""
    state.band_rules[command.underlying] = command
    if state.view is not None:
        state.view.bands.clear()


def edge_for(state: State, auth: Authorisation) -> Price | None:
    """The last price on the tick at which this order may be signed, if it is signed beyond it; else None."""
    if not state.band_rules:
        return None
    band = band_of(state, auth.series)
    if band is None:
        return None
    low, high = band
    if auth.is_buy:
        return high if auth.price > high else None
    return low if auth.price < low else None


def band_of(state: State, series: int) -> tuple[Price, Price] | None:
    """Lowest price for sellers and highest for buyers; None without a rule, or a price of the surface.

    Of a combo, each leg at its edge on the side on which it would be traded.
    """
    if not combos.is_combo(series):
        return _band_of(state, series)
    low = high = 0
    for leg in state.combos[series].legs:
        band = _band_of(state, leg.series)
        if band is None:
            return None
        at_low, at_high = band if leg.ratio > 0 else band[::-1]
        low, high = low + leg.ratio * at_low, high + leg.ratio * at_high
    return low, high


def _band_of(state: State, series: int) -> tuple[Price, Price] | None:
    view, option = state.view, state.series[series]
    rules = state.band_rules.get(option.underlying)
    if rules is None or not (rules.spot or rules.vol or rules.floor) or view is None or series not in view.marks:
        return None
    band = view.bands.get(series)
    if band is None:
        band = view.bands[series] = _work_out(state, view, option, rules)
    return band


def _work_out(state: State, view: RoundView, option: Series, rules: SetBands) -> tuple[Price, Price]:
    """Lowest price for sellers and highest for buyers, both on the tick and inside."""
    mark, width = view.marks[option.id], mul_div_down(view.spots[option.underlying], rules.floor, WAD)
    high = max(_corner(view, option, rules, is_high=True), mark + width)
    low = min(_corner(view, option, rules, is_high=False), max(mark - width, 0))
    underlying = state.underlyings[option.underlying]
    tick = underlying.tick_at(high)
    high = max(high - high % tick, tick)
    tick = underlying.tick_at(low)
    return div_up(low, tick) * tick, high


def _corner(view: RoundView, option: Series, rules: SetBands, *, is_high: bool) -> Price:
    """The option's price with the spot moved for or against it, and the vol up or down; rounded up like a mark.

    What the settlement window has settled already does not move.
    """
    term = view.terms[option.expiry_id]
    forward = term.fixed + _moved(term.expected - term.fixed, rules.spot, up=is_high == option.is_call)
    vol = _moved(view.vols[option.id], rules.vol, up=is_high)
    return black76_mark(forward, option.strike, vol, term.years, is_call=option.is_call)


def _moved(value: int, by: Wad, *, up: bool) -> int:
    """Up by a fraction, or down so that the same fraction up leads back; rounded outwards."""
    return mul_div_up(value, WAD + by, WAD) if up else max(mul_div_down(value, WAD, WAD + by), 1)
