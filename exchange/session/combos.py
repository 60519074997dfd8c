"""Combos as clients ask for them: which there are, what they are made of, and how one is listed.

Legs are read as trades: whoever asks for a combo says what buying it is to buy and sell. What is listed is its
canonical form: equal legs have one combo, whichever way round and in whatever multiple they are asked for. Imports
call, work, dialect.
"""

from collections.abc import Callable
from typing import Any, Final

from exchange.core.combos import is_priced
from exchange.core.commands import SCOPE_QUOTE, SCOPE_TRADE, CreateCombo
from exchange.core.events import ComboListed, Rejected
from exchange.core.leg_prices import leg_prices
from exchange.core.legs import LEGS_MAX, Canonical, Leg, LegsError, canonical
from exchange.core.state import State
from exchange.core.units import QTY_ONE, USDC_ONE
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.listed import Listed, legs_object
from exchange.dialect.market import mark_of
from exchange.dialect.numbers import contracts, usdc
from exchange.dialect.orders import direction
from exchange.publisher import Publisher
from exchange.publisher.notes import Outcome
from exchange.session.call import Call
from exchange.session.requests import Params, wrong
from exchange.session.work import Read, Submit, Work

_STATES: Final = ("active", "inactive")


def get_combos(call: Call) -> Work:
    """Combos of a currency, with their legs."""
    return _listing(call, lambda state, listed: combo_object(state, listed, call.desk))


def get_combo_ids(call: Call) -> Work:
    """Their names only; of those in one state, if it is named."""
    wanted = call.params.choice("state", _STATES) if call.params.given("state") else ""
    return _listing(call, lambda _, listed: listed.name, wanted)


def _listing(call: Call, shown: Callable[[State, Listed], Any], wanted: str = "") -> Work:
    call.params.text("currency")
    combos = [listed for listed in call.desk.listed.values() if listed.legs and call.currency_matches(listed)]

    def query(state: State) -> list[Any]:
        return [shown(state, listed) for listed in combos if wanted in ("", _state_of(state, listed))]

    return Read(call.envelope, query)


def get_combo_details(call: Call) -> Work:
    """One combo."""
    listed = call.desk.listed.get(call.params.text("combo_id"))
    if listed is None or not listed.legs:
        raise DialectError(Code.INVALID_INSTRUMENT, reason="combo_must_exist", param="combo_id")
    return Read(call.envelope, lambda state: combo_object(state, listed, call.desk))


def combo_object(state: State, listed: Listed, desk: Publisher) -> dict[str, Any]:
    """The dialect's combo. Creation times are not part of the state, so they read 0."""
    return {
        "id": listed.name,
        "instrument_id": listed.series,
        "state": _state_of(state, listed),
        "state_timestamp": 0,
        "creation_timestamp": 0,
        "legs": legs_object(listed, desk.by_series),
    }


def _state_of(state: State, listed: Listed) -> str:
    return "inactive" if state.combos[listed.series].is_over else "active"


# -- legs in a request ------------------------------------------------------------------------------------------------


def _legs_of(call: Call, name: str) -> tuple[Leg, ...]:
    """Legs as they were asked for, their amounts in 1e-4 contract: only what those are to each other counts."""
    legs = []
    for item in call.params.objects(name, count_max=LEGS_MAX):
        listed = call.desk.listed.get(item.text("instrument_name"))
        if listed is None or listed.legs:
            raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_name")
        legs.append(Leg(listed.series, _ratio_of(item)))
    return tuple(legs)


def _ratio_of(item: Params) -> int:
    amount = item.exact("amount", QTY_ONE) if item.given("amount") else QTY_ONE
    if amount <= 0:
        raise wrong("amount", "must_be_positive")
    return amount if item.choice("direction", ("buy", "sell")) == "buy" else -amount


def canonical_of(call: Call, name: str) -> Canonical:
    """The combo that legs of a request stand for. Raises invalid_params naming the rule they break."""
    try:
        return canonical(_legs_of(call, name))
    except LegsError as error:
        raise wrong(name, error.fault.value, value=error.value, limit=error.limit) from error


def create_combo(call: Call) -> Work:
    """List the combo of these trades, or find it. ``x_reversed``: buying it sells what was asked to be bought."""
    access, desk = call.login(), call.desk
    if not any(rights & (SCOPE_TRADE | SCOPE_QUOTE) for rights in access.accounts.values()):
        raise DialectError(Code.FORBIDDEN, reason="scope_must_allow", limit=SCOPE_TRADE)
    found = canonical_of(call, "trades")

    def render(state: State, outcome: Outcome) -> Any:
        event = outcome.events[0]
        if isinstance(event, Rejected):
            return refuse(event)
        assert isinstance(event, ComboListed)
        return combo_object(state, desk.by_series[event.combo], desk) | {"x_reversed": found.factor < 0}

    return Submit(call.envelope, CreateCombo(found.legs), render)


def get_leg_prices(call: Call) -> Work:
    """Prices near the marks at which the legs come to a price of what was asked, as the venue would have them trade."""
    call.login()
    found, desk = canonical_of(call, "legs"), call.desk
    price = call.params.exact("price", USDC_ONE)

    def query(state: State) -> dict[str, Any]:
        if not all(is_priced(state, leg.series) for leg in found.legs):
            raise DialectError(Code.TEMPORARILY_UNAVAILABLE, reason="oracle_must_be_fresh")
        marks = tuple(mark_of(state, leg.series) for leg in found.legs)
        prices = leg_prices(found.legs, marks, price if found.factor > 0 else -price)
        if prices is None:
            raise wrong("price", "legs_must_come_to_the_price")
        told = zip(found.legs, prices, strict=True)
        return {"amount": contracts(abs(found.factor)), "legs": [_priced(desk, found.factor, *each) for each in told]}

    return Read(call.envelope, query)


def _priced(desk: Publisher, factor: int, leg: Leg, price: int) -> dict[str, Any]:
    is_bought = (leg.ratio > 0) == (factor > 0)
    return {
        "instrument_name": desk.by_series[leg.series].name,
        "direction": direction(is_buy=is_bought),
        "ratio": abs(leg.ratio),
        "price": usdc(price),
    }
