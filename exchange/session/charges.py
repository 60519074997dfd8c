"""What a request costs, and which account it is charged to. Imports methods, limits, fairness."""

from typing import Final, NamedTuple

from exchange.core.units import U32_MAX
from exchange.dialect.errors import DialectError
from exchange.session.call import Access
from exchange.session.fairness import Pool
from exchange.session.limits import Costs
from exchange.session.methods import LOGINS, PRIVATE, PUBLIC, Cost
from exchange.session.requests import Params, Request

_ORDERS: Final = (
    "private/buy",
    "private/sell",
    "private/edit",
    "private/edit_by_label",
    "private/close_position",
    "private/accept_block_rfq",
    "private/add_block_rfq_quote",
    "private/edit_block_rfq_quote",
)


class Charge(NamedTuple):
    """Credits, of which pool, and how many orders, edits or quotes the request brings."""

    credits: int
    pool: Pool = Pool.QUERIES
    messages: int = 0


def cost_of(request: Request, costs: Costs) -> Charge:
    """The charge of a request, whether or not it will be answered."""
    if request.method in LOGINS:
        return Charge(costs.login)
    found = PUBLIC.get(request.method) or PRIVATE.get(request.method)
    match found.cost if found is not None else Cost.QUERY:
        case Cost.QUOTES:
            quotes = request.params.count("quotes")
            return Charge(costs.matching + costs.quote * quotes, Pool.MATCHING, quotes)
        case Cost.MATCHING:
            return Charge(costs.matching, Pool.MATCHING, int(request.method in _ORDERS))
        case Cost.CANCEL:
            return Charge(costs.cancel, Pool.CANCELS)
        case Cost.LISTING:
            return Charge(costs.listing)
        case _:
            return Charge(costs.query)


def payer_of(params: Params, access: Access) -> int:
    """The account meant, if it is the login's, else the login's own: nobody spends the credits of others."""
    try:
        named = params.whole("subaccount_id", -1, high=U32_MAX) if params.given("subaccount_id") else -1
        if named < 0 and params.given("authorization"):
            named = params.object("authorization").whole("account", -1, high=U32_MAX)
    except DialectError:
        named = -1  # what is wrong with it is told by whoever reads it
    if named in access.accounts:
        return named
    return access.default if access.default is not None else next(iter(access.accounts))
