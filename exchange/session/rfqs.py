"""Requests for quotes, as takers and makers ask for them.

The request names the instrument and the steps, so that what is signed is rebuilt from it and from the few numbers of
the call. Whoever is not asked is answered as if there were no such request. Imports asking, authorising, call, dialect.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from exchange.core import commands as c
from exchange.core.commands import SCOPE_CANCEL, SCOPE_READ, SCOPE_RFQ, SCOPE_TRADE, Terms
from exchange.core.events import Cancelled, Reject, Rejected
from exchange.core.legs import Legs
from exchange.core.rfq import LABEL_MAX, MAKERS_MAX, asks
from exchange.core.rfq_rooms import quotes_of
from exchange.core.state import State
from exchange.core.units import U32_MAX, U63_MAX, Qty
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.listed import Listed
from exchange.dialect.names import account_name
from exchange.dialect.numbers import NotExact, contracts, millis, qty_units
from exchange.dialect.orders import Tracked, user_trade_object
from exchange.dialect.rfqs import (
    ANY_PART,
    MAKER,
    TAKER,
    WHOLE,
    Asked,
    legs_object,
    quote_object,
    request_object,
    trade_object,
)
from exchange.publisher.notes import Outcome
from exchange.session import asking
from exchange.session.asking import price_of, protection_of, qty_of
from exchange.session.authorising import Signed, authorised
from exchange.session.call import Call, account_of
from exchange.session.combos import canonical_of
from exchange.session.requests import Params, wrong
from exchange.session.work import Read, Submit, Work

LIFE_S: Final = 300  # of a request that does not say when it ends
LISTED_MAX: Final = 1_000
LEGS_MAX: Final = 4
_RIGHTS: Final = SCOPE_RFQ | SCOPE_TRADE
_STATES: Final = ("open", "filled", "traded", "cancelled", "expired", "closed")
_TIFS: Final = {"fill_or_kill": c.FOK, "immediate_or_cancel": c.IOC}
_NAME: Final = account_name(0).removesuffix("0")


# -- asking -----------------------------------------------------------------------------------------------------------


def create_block_rfq(call: Call) -> Work:
    """Ask for quotes: everybody who answers requests, or the ``makers`` named."""
    params, account = call.params, call.account(_RIGHTS)
    _require_offered(params, "hedge", "trade_allocations")
    what = _asked_for(call)
    command = c.OpenRfq(
        account=account,
        series=what.series,
        side=_side_of(params, is_reversed=what.is_reversed),
        qty=what.qty,
        step=_amount(params, "x_step", what.lot),
        minimum=_amount(params, "min_trade_amount", 0),
        expires_s=_end_of(call),
        makers=tuple(_account_named(name) for name in _names(params)),
        anonymous=not params.flag("disclosed", default=True),
        label=params.text("label", "", chars_max=LABEL_MAX),
        legs=what.legs,
    )

    def render(state: State, outcome: Outcome) -> Any:
        return _refusal(outcome) or _shown(call, state, outcome.seq, TAKER, account)

    return Submit(call.envelope, command, render, minded=True)


class Wanted(NamedTuple):
    """What a request is for: a series, or legs; ``is_reversed``: selling the combo is what was asked to be bought."""

    series: int
    legs: Legs
    qty: Qty
    lot: Qty
    is_reversed: bool


def _asked_for(call: Call) -> Wanted:
    """One leg is a series; several are the combo that they stand for, and as much of it."""
    legs = call.params.objects("legs", count_max=LEGS_MAX)
    directions = [leg.choice("direction", ("buy", "sell")) for leg in legs]
    if "buy" not in directions:
        raise wrong("legs", "at_least_one_leg_must_be_bought")
    if len(legs) == 1:
        listed = _instrument(call, legs[0])
        return Wanted(listed.series, (), qty_of(legs[0], listed), listed.lot, is_reversed=False)
    found, lot = canonical_of(call, "legs"), _instrument(call, legs[0]).lot
    qty = abs(found.factor)
    if qty % lot:
        raise wrong("legs", "amounts_must_be_whole_lots", value=contracts(qty), limit=contracts(lot))
    return Wanted(0, found.legs, qty, lot, is_reversed=found.factor < 0)


def _side_of(params: Params, *, is_reversed: bool) -> int:
    if not params.given("x_direction"):
        return c.UNTOLD
    is_buy = params.choice("x_direction", ("buy", "sell")) == "buy"
    return c.BUYING if is_buy != is_reversed else c.SELLING


def _require_offered(params: Params, *names: str) -> None:
    """There are no futures and no spot here to hedge with; an option that hedges is one more leg."""
    for name in names:
        if params.given(name):
            raise DialectError(Code.NOT_IMPLEMENTED, param=name, rule="Only options trade here, each for its account.")


def _instrument(call: Call, leg: Params) -> Listed:
    listed = call.desk.listed.get(leg.text("instrument_name"))
    if listed is None:
        raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_name")
    return listed


def _amount(params: Params, name: str, default: Qty) -> Qty:
    if not params.given(name):
        return default
    try:
        qty = qty_units(params.number(name))
    except NotExact as error:
        raise wrong(name, "must_be_whole_lots") from error
    if not 0 <= qty <= U32_MAX:
        raise wrong(name, "out_of_range")
    return qty


def _end_of(call: Call) -> int:
    now_ms = millis(call.now_ns)
    return call.params.whole("expires_at", now_ms + 1_000 * LIFE_S, high=1_000 * U32_MAX) // 1_000


def _names(params: Params) -> list[str]:
    return params.words("makers", count_max=MAKERS_MAX) if params.given("makers") else []


def _account_named(name: str) -> int:
    number = name.removeprefix(_NAME)
    if not name.startswith(_NAME) or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise wrong("makers", "must_be_named_as_listed", value=name[:64])
    return int(number)


def cancel_block_rfq(call: Call) -> Work:
    """Ask no longer; all quotes leave."""
    account, rfq_id = call.account(SCOPE_CANCEL | _RIGHTS), _rfq_id(call.params)

    def render(state: State, outcome: Outcome) -> Any:
        return _refusal(outcome) or _shown(call, state, rfq_id, TAKER, account)

    return Submit(call.envelope, c.CloseRfq(account, rfq_id), render)


def set_block_rfq_maker(call: Call) -> Work:
    """Answer requests from here on, or no longer; then the quotes leave."""
    account, is_maker = call.account(_RIGHTS), call.params.flag("enabled", default=True)
    return Submit(call.envelope, c.AdmitMaker(account, is_maker), lambda _, outcome: _refusal(outcome) or "ok")


def _rfq_id(params: Params) -> int:
    return params.whole("block_rfq_id", high=U63_MAX)


def _shown(call: Call, state: State, rfq_id: int, role: str, account: int) -> dict[str, Any]:
    asked = call.desk.rfqs.find(rfq_id)
    assert asked is not None
    return request_object(state, asked, call.desk.by_series, role, account)


def _refusal(outcome: Outcome) -> DialectError | None:
    return next((refuse(event) for event in outcome.events if type(event) is Rejected), None)


# -- orders in a request ----------------------------------------------------------------------------------------------


def _order_of(call: Call, asked: Asked, terms: Terms, tif: int) -> asking.Asked:
    """The side, amount and price of a call, in the steps of the request's instrument."""
    params = call.params
    listed = call.desk.by_series[asked.rfq.request.series]
    _require_offered(params, "hedge")
    legs = params.objects("legs", count_max=LEGS_MAX) if params.given("legs") else []
    if legs and _told(legs) != _told_of(listed, call):
        raise wrong("legs", "must_be_those_of_the_request")
    priced = params if params.given("price") or len(legs) != 1 else legs[0]
    is_buy = params.choice("direction", ("buy", "sell")) == "buy"
    return asking.Asked(
        listed=listed,
        is_buy=is_buy,
        qty=qty_of(params, listed),
        price=price_of(priced, listed),
        tif=tif,
        post_only=params.flag("post_only", default=bool(terms.protection)),
        reduce_only=False,
        label="",
        terms=terms,
    )


def _told(legs: list[Params]) -> list[tuple[str, str, int]]:
    return sorted(
        (leg.text("instrument_name"), leg.choice("direction", ("buy", "sell"), "buy"), leg.whole("ratio", 1))
        for leg in legs
    )


def _told_of(listed: Listed, call: Call) -> list[tuple[str, str, int]]:
    legs = legs_object(listed, call.desk.by_series)
    return sorted((leg["instrument_name"], leg["direction"], leg["ratio"]) for leg in legs)


def _quote_of(call: Call, asked: Asked) -> asking.Asked:
    """A maker's order: whole or in any part, perhaps under the protection of a group."""
    params = call.params
    whole = params.choice("execution_instruction", (ANY_PART, WHOLE), ANY_PART) == WHOLE
    terms = Terms(rfq=asked.rfq.id, whole=whole)
    terms = protection_of(params, call.desk.by_series[asked.rfq.request.series], terms)
    return _order_of(call, asked, terms, c.GTC)


def _no_such(call: Call, rfq_id: int) -> Read:
    """Told after everything known by now is durable, in the words of the machine."""

    def query(_state: State) -> Any:
        raise refuse(Rejected(Reject.RFQ_MUST_BE_OPEN, rfq_id))

    return Read(call.envelope, query)


# -- answering --------------------------------------------------------------------------------------------------------


def add_block_rfq_quote(call: Call) -> Work:
    """Answer a request with a signed order that is good for it only."""
    asked = call.desk.rfqs.seen(_rfq_id(call.params), call.login().accounts)
    if asked is None:
        return _no_such(call, _rfq_id(call.params))
    label = call.params.text("label", "", chars_max=LABEL_MAX)
    auth = authorised(call, call.params, _RIGHTS, _quote_of(call, asked)).auth
    command = c.QuoteRfq(auth, not call.params.flag("disclosed", default=True), label)
    return _quoting(call, command, None)


def edit_block_rfq_quote(call: Call) -> Work:
    """Replace a quote by a newly signed one, named by its number, or by its request and label."""
    tracked = _own_quote(call)
    if isinstance(tracked, Read):
        return tracked
    asked = call.desk.rfqs.find(tracked.order.rfq)
    if asked is None:
        return _no_such(call, tracked.order.rfq)
    label = call.params.text("label", tracked.order.label, chars_max=LABEL_MAX)
    auth = authorised(call, call.params, _RIGHTS, _quote_of(call, asked)).auth
    return _quoting(call, c.RequoteRfq(tracked.order.id, auth, label), tracked.order.id)


def _quoting(call: Call, command: c.QuoteRfq | c.RequoteRfq, order_id: int | None) -> Work:
    desk = call.desk

    def render(state: State, outcome: Outcome) -> Any:
        refused = _refusal(outcome)
        if refused is not None:
            return refused
        tracked = desk.noted.touched[outcome.seq if order_id is None else order_id]
        return quote_object(state, tracked, desk.by_series)

    return Submit(call.envelope, command, render, minded=True)


def _own_quote(call: Call) -> Tracked | Read:
    """The open quote meant, if it is the login's; else the refusal, told once everything known by now is durable."""
    params, access = call.params, call.login()
    tracked: Tracked | None = None
    if params.given("block_rfq_quote_id"):
        tracked = call.desk.orders.open.get(params.whole("block_rfq_quote_id", high=U63_MAX))
    else:
        account, label, rfq_id = call.account(), params.text("label"), _rfq_id(params)
        open_orders = call.desk.orders.open.values()
        mine = (item for item in open_orders if (item.order.account, item.order.rfq) == (account, rfq_id))
        tracked = next((item for item in mine if item.order.label == label), None)
    if tracked is None or not tracked.order.rfq or tracked.order.account not in access.accounts:
        return _no_quote(call)
    access.require(tracked.order.account, SCOPE_CANCEL | _RIGHTS)
    return tracked


def _no_quote(call: Call) -> Read:
    def query(_state: State) -> Any:
        raise refuse(Rejected(Reject.ORDER_MUST_BE_OPEN))

    return Read(call.envelope, query)


def cancel_block_rfq_quote(call: Call) -> Work:
    """Take one quote back."""
    tracked = _own_quote(call)
    if isinstance(tracked, Read):
        return tracked
    desk, order = call.desk, tracked.order

    def render(state: State, outcome: Outcome) -> Any:
        refused = _refusal(outcome)
        return refused or quote_object(state, tracked, desk.by_series)

    return Submit(call.envelope, c.Cancel(order.account, order.id), render)


def cancel_all_block_rfq_quotes(call: Call) -> Work:
    """Take all quotes of the account back, or those for one request; how many."""
    if call.params.flag("detailed"):
        raise DialectError(Code.NOT_IMPLEMENTED, param="detailed")
    account = call.account(SCOPE_CANCEL | _RIGHTS)
    rfq_id = _rfq_id(call.params) if call.params.given("block_rfq_id") else 0

    def render(_state: State, outcome: Outcome) -> Any:
        return _refusal(outcome) or sum(type(event) is Cancelled for event in outcome.events)

    return Submit(call.envelope, c.CancelRfqQuotes(account, rfq_id), render)


# -- accepting --------------------------------------------------------------------------------------------------------


def accept_block_rfq(call: Call) -> Work:
    """Fill quotes with a signed order: the best first, or only that of ``x_block_rfq_quote_id``."""
    params, desk = call.params, call.desk
    asked = desk.rfqs.seen(_rfq_id(params), call.login().accounts)
    if asked is None:
        return _no_such(call, _rfq_id(params))
    if params.text("time_in_force", "fill_or_kill") == "good_til_cancelled":
        raise DialectError(Code.NOT_IMPLEMENTED, param="time_in_force", rule="An acceptance does not wait for quotes.")
    tif = _TIFS[params.choice("time_in_force", tuple(_TIFS), "fill_or_kill")]
    label = params.text("label", "", chars_max=LABEL_MAX)
    signed = authorised(call, params, _RIGHTS, _order_of(call, asked, Terms(rfq=asked.rfq.id), tif))
    named = params.whole("x_block_rfq_quote_id", 0, high=U63_MAX)

    def render(state: State, outcome: Outcome) -> Any:
        return _refusal(outcome) or _taken(call, state, outcome, signed)

    return Submit(call.envelope, c.AcceptRfq(signed.auth, named, label), render)


def _taken(call: Call, state: State, outcome: Outcome, signed: Signed) -> dict[str, Any]:
    """The fills as one block trade, and what has become of the request."""
    desk, rfq_id = call.desk, signed.auth.terms.rfq if signed.auth.terms is not None else 0
    tracked = desk.noted.touched[outcome.seq]
    trades = [user_trade_object(fill, fill.taker, tracked, is_open=False) for fill in desk.noted.fills]
    block = {"id": f"RFQ-{rfq_id}-{outcome.seq}", "timestamp": millis(outcome.time_ns), "trades": trades}
    return {
        "trade_trigger": {},
        "block_trades": [block],
        "x_order_hash": "0x" + signed.digest.hex(),
        "x_block_rfq": _shown(call, state, rfq_id, TAKER, signed.auth.account),
    }


# -- looking ----------------------------------------------------------------------------------------------------------


def get_block_rfqs(call: Call) -> Work:
    """Requests of the account, and those that ask it, the newest first."""
    params, account = call.params, call.account()
    role = params.choice("role", ("any", TAKER, MAKER), "any")
    wanted = params.choice("state", _STATES) if params.given("state") else ""
    only = _rfq_id(params) if params.given("block_rfq_id") else 0
    before = params.whole("continuation", U63_MAX, high=U63_MAX)
    count = params.whole("count", 20, low=1, high=LISTED_MAX)

    def query(state: State) -> dict[str, Any]:
        account_of(state, account)
        found = []
        for asked in _newest(call):
            listed = call.desk.by_series[asked.rfq.request.series]
            if asked.rfq.id >= before or only not in (0, asked.rfq.id) or not call.currency_matches(listed):
                continue
            seen = _role(state, asked, account)
            if not seen or role not in ("any", seen):
                continue
            shown = request_object(state, asked, call.desk.by_series, seen, account)
            if _is_in(shown, wanted):
                found.append(shown)
        page = found[:count]
        more = {"continuation": page[-1]["block_rfq_id"]} if len(found) > count else {}
        return {"block_rfqs": page, **more}

    return Read(call.envelope, query)


def _newest(call: Call) -> Iterable[Asked]:
    log = call.desk.rfqs
    return sorted((*log.open.values(), *log.closed.values()), key=lambda asked: -asked.rfq.id)


def _role(state: State, asked: Asked, account: int) -> str:
    """As what an account sees a request; nothing if it does not."""
    if asked.rfq.request.account == account:
        return TAKER
    took_part = any(fill.maker == account for fill in asked.fills)
    return MAKER if took_part or asks(state, asked.rfq, account) else ""


def _is_in(shown: dict[str, Any], wanted: str) -> bool:
    state = shown["state"]
    if wanted == "traded":
        return "trades" in shown
    return bool(state != "open") if wanted == "closed" else wanted in ("", state)


def get_block_rfq_quotes(call: Call) -> Work:
    """Open quotes of the account: all, of one request, with a label, or one."""
    params, account, desk = call.params, call.account(), call.desk
    rfq_id = _rfq_id(params) if params.given("block_rfq_id") else 0
    quote_id = params.whole("block_rfq_quote_id", 0, high=U63_MAX)
    label = params.text("label") if params.given("label") else None

    def query(state: State) -> list[dict[str, Any]]:
        rooms = [rfq_id] if rfq_id else sorted(state.rfq_quotes)
        quotes = [order for room in rooms for order in quotes_of(state, room) if order.account == account]
        return [
            quote_object(state, desk.orders.open[order.id], desk.by_series)
            for order in quotes
            if quote_id in (0, order.id) and label in (None, order.label)
        ]

    return Read(call.envelope, query)


def get_block_rfq_makers(call: Call) -> Work:
    """The names of the accounts that answer requests."""
    call.login()
    return Read(call.envelope, lambda state: [account_name(item.id) for item in _makers(state)])


def _makers(state: State) -> list[Any]:
    return [account for _, account in sorted(state.accounts.items()) if account.makes]


def get_block_rfq_user_info(call: Call) -> Work:
    """The name of each account of the login, and whether it answers requests."""
    accounts = [account for account, rights in call.login().accounts.items() if rights & SCOPE_READ]

    def query(state: State) -> dict[str, Any]:
        users = [
            {"user_id": account, "identity": account_name(account), "is_maker": account_of(state, account).makes}
            for account in accounts
        ]
        return {"users": users}

    return Read(call.envelope, query)


def get_block_rfq_trades(call: Call) -> Work:
    """Acceptances of late, the newest first; nobody is named."""
    params = call.params
    params.text("currency")
    count = params.whole("count", 20, low=1, high=LISTED_MAX)
    before = params.whole("continuation", U63_MAX, high=U63_MAX)

    def query(_state: State) -> dict[str, Any]:
        found = []
        for accepted in reversed(call.desk.rfqs.accepted):
            last = accepted.trades[-1].trade_id
            if last < before and call.currency_matches(accepted.listed):
                found.append((last, trade_object(accepted, call.desk.by_series)))
        page = found[:count]
        more = str(page[-1][0]) if len(found) > count else None
        return {"block_rfqs": [item for _, item in page], "continuation": more}

    return Read(call.envelope, query)
