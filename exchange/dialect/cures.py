"""Why margin refuses an order, and the smallest thing that would cure it.

Nothing of this is in the journal: it follows from the state right after the refusal, so whoever replays the journal to
that record can work it out again. The machine itself is asked, on a view of the state, what it would have said to a
smaller order or a richer account: a cure that is told works, and one lot or one 1e-6 USDC short of it does not.
Imports core, numbers.
"""

import copy
import itertools
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core import matching, risk
from exchange.core.commands import Amend, Authorisation, Place
from exchange.core.events import Rejected
from exchange.core.margin import ExpiryBook, Kind, contingency_rate, payoff, short_units
from exchange.core.state import State
from exchange.core.units import CASH_MAX, RISK_ONE, WAD, Cash, Price, Qty, Risk, div_up, expiry_of
from exchange.dialect.numbers import contracts, millis_of_seconds, usdc
from exchange.dialect.orders import direction

MAKERS_MAX: Final = 32  # an order that could meet more is not worked out: each try costs what the order did
Entry = Place | Amend


# -- the worst scenario -----------------------------------------------------------------------------------------------


class Scenario(NamedTuple):
    """What one expiry requires, term by term, in risk units.

    ``point`` is the settlement price at which the most is lost, -1 where the shorts are charged one by one.
    """

    expiry_id: int
    point: Price
    base: Risk  # loss at the point, or the isolated charge of the shorts
    unpaired: Risk
    contingency: Risk

    @property
    def total(self) -> Risk:
        """The requirement of the expiry."""
        return self.base + self.unpaired + self.contingency


def worst_of(state: State, positions: dict[int, Qty]) -> Scenario | None:
    """The expiry that requires most of these positions, at the round in force; None without shorts."""
    view = risk.view_now(state)
    groups: dict[int, dict[int, Qty]] = {}
    for series, qty in positions.items():
        groups.setdefault(expiry_of(series), {})[series] = qty
    found = [
        scenario_of(state, expiry_id, risk.books_of(state, view, held)[0]) for expiry_id, held in sorted(groups.items())
    ]
    return max((item for item in found if item.total), key=lambda item: item.total, default=None)


def scenario_of(state: State, expiry_id: int, book: ExpiryBook) -> Scenario:
    """The terms of ``margin.expiry_requirement`` for initial margin, one by one."""
    model = risk.model_of(state)
    shorts = [leg for leg in book.legs if leg.qty < 0]
    if not shorts:
        return Scenario(expiry_id, -1, 0, 0, 0)
    count = -sum(leg.qty for leg in shorts)
    extra = contingency_rate(model, book.conf, risk.view_now(state).stable) * book.spot * count
    isolated = sum(-leg.qty * short_units(model, book.spot, leg)[Kind.INITIAL] for leg in shorts)
    point, loss = _loss(book)
    unpaired = model.unpaired_im * book.forward * max(-sum(leg.qty for leg in book.legs if leg.is_call), 0)
    if isolated <= loss + unpaired:
        return Scenario(expiry_id, -1, isolated, 0, extra)
    return Scenario(expiry_id, point, loss, unpaired, extra)


def _loss(book: ExpiryBook) -> tuple[Price, Risk]:
    """Where the legs lose most, and how much."""
    value, point = min((payoff(book.legs, point), point) for point in (0, *(leg.strike for leg in book.legs)))
    return (point, -value * WAD) if value < 0 else (0, 0)


# -- the cure ---------------------------------------------------------------------------------------------------------


def taken(state: State, command: Entry) -> bool:
    """Whether the machine would take the command now; reads only."""
    if isinstance(command, Place):
        events = matching.decide_place(state, command, state.seq + 1, state.time_ns)
    else:
        events = matching.decide_amend(state, command, state.time_ns)
    return not any(isinstance(event, Rejected) for event in events)


def with_qty(command: Entry, qty: Qty) -> Entry:
    """The same order for another quantity; it would have to be signed again."""
    return msgspec.structs.replace(command, auth=msgspec.structs.replace(command.auth, qty=qty))


def with_cash(state: State, account_id: int, cash: Cash) -> State:
    """A view of the state in which an account has so much more; nothing of the state itself changes."""
    account = copy.copy(state.accounts[account_id])
    account.cash += cash
    view = copy.copy(state)
    view.accounts = {**state.accounts, account_id: account}
    return view


def largest(state: State, command: Entry) -> Qty:
    """The largest quantity on the lot that would be taken below the one refused; 0 for none."""
    lot = state.underlyings[state.series[command.auth.series].underlying].lot
    lots = _edge(0, command.auth.qty // lot, lambda count: taken(state, with_qty(command, count * lot)))
    return lots * lot


def deposit(state: State, command: Entry, guess: Cash) -> Cash:
    """The smallest deposit with which the order would be taken, 0 if none would do. ``guess``: where to look first."""

    def short(cash: Cash) -> bool:
        return not taken(with_cash(state, command.auth.account, cash), command)

    if guess > 0 and not short(guess) and short(guess - 1):
        return guess
    beyond = max(guess, 1)
    while short(beyond):
        beyond *= 2
        if beyond > CASH_MAX:
            return 0
    return _edge(0, beyond, short) + 1


def _edge(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The last number from which on it does not hold any more, between one where it does and one where it does not."""
    while high - low > 1:
        middle = (low + high) >> 1
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


# -- telling ----------------------------------------------------------------------------------------------------------


def explain(state: State, command: Entry, refused: Rejected) -> dict[str, Any]:
    """The margin part of the error's data: what is required where, and what would do instead."""
    auth, told = command.auth, {}
    account = state.accounts[auth.account]
    scenario = worst_of(state, risk.with_fill(account, auth.series, auth.qty if auth.is_buy else -auth.qty))
    if scenario is not None:
        told["worst"] = _scenario_object(state, scenario)
    if not _is_small(state, auth):
        return told
    cash, qty = deposit(state, command, refused.limit), largest(state, command)
    told["cures"] = {name: value for name, value in (("deposit", usdc(cash)), ("amount", contracts(qty))) if value}
    return told


def _is_small(state: State, auth: Authorisation) -> bool:
    side = state.books[auth.series].side(is_buy=not auth.is_buy)
    return len(list(itertools.islice(side.within(auth.price), MAKERS_MAX + 1))) <= MAKERS_MAX


def _scenario_object(state: State, scenario: Scenario) -> dict[str, Any]:
    terms = {
        "loss": scenario.base,
        "unpaired_calls": scenario.unpaired,
        "confidence_and_depeg": scenario.contingency,
        "initial_margin": scenario.total,
    }
    told: dict[str, Any] = {
        "expiration_timestamp": millis_of_seconds(state.expiries[scenario.expiry_id].expiry_s),
        "rule": "isolated_shorts" if scenario.point < 0 else "largest_loss",
    }
    if scenario.point >= 0:
        told["settlement_price"] = usdc(scenario.point)
    return told | {name: usdc(div_up(value, RISK_ONE)) for name, value in terms.items()}


def reducing(state: State, command: Entry) -> dict[str, Any]:
    """What a reduce-only order could be instead: its side, and the most that it would close; nothing when flat."""
    auth = command.auth
    position = state.accounts[auth.account].positions.get(auth.series, 0)
    return {"direction": direction(is_buy=position < 0), "amount": contracts(abs(position))} if position else {}
