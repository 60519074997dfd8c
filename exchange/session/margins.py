"""Questions about margin before anything is sent: of an order, of positions. Imports call, work, dialect."""

from typing import Any, Final

from exchange.core.state import State
from exchange.core.units import QTY_ONE, U32_MAX, U63_MAX, USDC_ONE, Qty
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.margins import margins_object, simulation_object
from exchange.session.call import Call, account_of
from exchange.session.requests import Params, wrong
from exchange.session.work import Read, Work

SIMULATED_MAX: Final = 64


def get_margins(call: Call) -> Work:
    """What an order would take of available funds, bought or sold whole at its price, and its fees."""
    account_id, listed = call.account(), call.option()
    qty = call.params.exact("amount", QTY_ONE, bound=U32_MAX)
    price = call.params.exact("price", USDC_ONE, bound=U63_MAX)
    for name, value in (("amount", qty), ("price", price)):
        if value <= 0:
            raise wrong(name, "must_be_positive")
    return Read(
        call.envelope, lambda state: margins_object(state, account_of(state, account_id), listed.series, qty, price)
    )


def simulate_portfolio(call: Call) -> Work:
    """The account as it would be with other positions, and every scenario of the PORTFOLIO model."""
    account_id, desk = call.account(), call.desk
    call.params.text("currency")
    add = call.params.flag("add_positions", default=True)
    simulated = _simulated(call) if call.params.given("simulated_positions") else {}

    def query(state: State) -> dict[str, Any]:
        return simulation_object(state, account_of(state, account_id), simulated, add=add, sheet=desk.sheet)

    return Read(call.envelope, query)


def _simulated(call: Call) -> dict[int, Qty]:
    """Sizes by series; the object may come as JSON text, as the dialect has it."""
    name = "simulated_positions"
    value = call.params.values[name]
    given = Params({name: value}, textual=isinstance(value, str)).object(name)
    if len(given.values) > SIMULATED_MAX:
        raise wrong(name, "too_many", limit=SIMULATED_MAX)
    found = {}
    for instrument in given.values:
        listed = call.desk.listed.get(instrument)
        if listed is None or listed.legs:
            raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param=name)
        found[listed.series] = given.exact(instrument, QTY_ONE, bound=U32_MAX)
    return found
