"""Combos: how one is listed and ends, and what it is made of.

A combo has a number in the place of a series; one that is smaller than any series (``is_combo``). Whoever asks for legs
that are listed gets their number; numbers stay for good, so a trade names its legs for as long as it is known.
Imports state, legs, events.
"""

from typing import Final

from exchange.core.book import Book
from exchange.core.commands import CreateCombo, OpenRfq
from exchange.core.events import ComboListed, Event, Reject, Rejected
from exchange.core.legs import fault_of
from exchange.core.state import State, legs_of
from exchange.core.state_types import Combo
from exchange.core.units import U16_MAX, expiry_of, seconds_of

LIVE_MAX: Final = 1_000  # combos whose legs are all alive; a change of a leg's book looks at those it is in


def is_combo(series: int) -> bool:
    """Whether a number in the place of a series is that of a combo."""
    return series <= U16_MAX


# -- what it is made of -----------------------------------------------------------------------------------------------


def underlying_of(state: State, series: int) -> int:
    """The underlying of a series or a combo."""
    combo = state.combos.get(series)
    return state.series[series].underlying if combo is None else combo.underlying


def weight_of(state: State, series: int) -> int:
    """Contracts in one unit, bought or sold."""
    combo = state.combos.get(series)
    return 1 if combo is None else sum(abs(leg.ratio) for leg in combo.legs)


def is_priced(state: State, series: int) -> bool:
    """Whether the round in force has a mark for the series, or for all legs of the combo."""
    view = state.view
    return view is not None and all(leg.series in view.marks for leg in legs_of(state, series))


# -- listing ----------------------------------------------------------------------------------------------------------


def decide_create(state: State, command: CreateCombo) -> tuple[Event, ...]:
    """The number of the combo, new or not: canonical legs, all alive and of one underlying, and room for one more."""
    assert state.config is not None
    if not state.config.combos:
        return (Rejected(Reject.COMBOS_MUST_BE_SUPPORTED),)
    fault = fault_of(command.legs)
    if fault is not None:
        return (Rejected(Reject.COMBO_LEGS_MUST_BE_CANONICAL, fault.value, fault.limit),)
    refused = _refuse_legs(state, command)
    if refused is not None:
        return (refused,)
    known = state.combo_of.get(command.legs)
    if known is not None:
        return (ComboListed(known),)
    number, live = len(state.combos) + 1, sum(not combo.is_over for combo in state.combos.values())
    if number > U16_MAX:
        return (Rejected(Reject.COMBOS_MUST_FIT, number, U16_MAX),)
    if live >= LIVE_MAX:
        return (Rejected(Reject.COMBOS_MUST_FIT, live, LIVE_MAX),)
    return (ComboListed(number),)


def _refuse_legs(state: State, command: CreateCombo) -> Rejected | None:
    now_s = seconds_of(state.time_ns)
    for leg in command.legs:
        option = state.series.get(leg.series)
        if option is None:
            return Rejected(Reject.SERIES_MUST_EXIST, leg.series)
        if option.expiry_s <= now_s:
            return Rejected(Reject.SERIES_MUST_BE_TRADING, now_s, option.expiry_s)
    first = state.series[command.legs[0].series].underlying
    for leg in command.legs:
        other = state.series[leg.series].underlying
        if other != first:
            return Rejected(Reject.COMBO_LEGS_MUST_SHARE_UNDERLYING, other, first)
    return None


def evolve_listed(state: State, command: CreateCombo | OpenRfq, event: ComboListed) -> None:
    """The combo exists, with an empty book; it trades once all its legs do."""
    if event.combo in state.combos:
        return
    options = [state.series[leg.series] for leg in command.legs]
    ends_s = min(option.expiry_s for option in options)
    state.combos[event.combo] = Combo(event.combo, options[0].underlying, command.legs, ends_s)
    state.combo_of[command.legs] = event.combo
    state.books[event.combo] = Book()
    for leg in command.legs:
        state.on_leg.setdefault(leg.series, []).append(event.combo)


# -- the end ----------------------------------------------------------------------------------------------------------


def ends_with(state: State, series: int, expiry_id: int) -> bool:
    """Whether a series, or a leg of the combo, is of this expiry."""
    return any(expiry_of(leg.series) == expiry_id for leg in legs_of(state, series))


def evolve_fixed(state: State, expiry_id: int) -> None:
    """Combos with a leg of this expiry are over."""
    for combo in state.combos.values():
        if combo.is_over or not ends_with(state, combo.id, expiry_id):
            continue
        combo.is_over = True
        for leg in combo.legs:
            siblings = state.on_leg[leg.series]
            siblings.remove(combo.id)
            if not siblings:
                del state.on_leg[leg.series]
