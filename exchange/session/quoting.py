"""Makers' methods: messages of quotes under one signature, and what protects who sends them.

The digest is rebuilt from the quotes of the request, in their order, so whatever differs from what was signed shows as
a bad signature. Steps of single quotes are the machine's to refuse: one bad quote does not refuse its message. Imports
call, work, dialect, signing.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from exchange.core import protection
from exchange.core.commands import (
    SCOPE_CANCEL,
    SCOPE_QUOTE,
    SCOPE_TRADE,
    CancelQuotes,
    FreezeQuotes,
    MassQuote,
    Protection,
    QuoteLeaf,
    QuoteMandate,
    SetProtection,
)
from exchange.core.events import Cancelled, Quoted, QuoteRefused, Rejected
from exchange.core.state import State
from exchange.core.state_types import QuoteGroup
from exchange.core.units import NANOS_PER_SECOND, QTY_ONE, U32_MAX, U63_MAX, U64_MAX, USDC_ONE
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.listed import Listed
from exchange.dialect.numbers import DELTA_ONE, contracts, millis
from exchange.dialect.orders import order_object
from exchange.publisher.notes import Outcome
from exchange.session.call import Call, account_of
from exchange.session.requests import Params, wrong
from exchange.session.work import Read, Submit, Work
from exchange.signing import SigningError, mandate_digest, mandate_root, recover

LABEL_CHARS_MAX: Final = 64
QUOTES_MAX: Final = 128  # instruments of a message, each with a bid and an ask
INTERVAL_S_MAX: Final = 3_600
_KINDS: Final = ("delta", "quote_set_id", "instrument", "instrument_kind", "currency", "currency_pair", "all")
_RIGHTS: Final = SCOPE_QUOTE | SCOPE_TRADE


class Side(NamedTuple):
    """One side of one quote of a request: what it is told as, and the leaf it is signed as."""

    listed: Listed
    leaf: QuoteLeaf

    @property
    def name(self) -> str:
        """Bid or ask."""
        return "bid" if self.leaf.is_buy else "ask"


# -- reading ----------------------------------------------------------------------------------------------------------


def _optional(params: Params, name: str, one: int) -> int:
    return params.exact(name, one) if params.given(name) else 0


def sides_of(params: Params, by_name: Mapping[str, Listed]) -> list[Side]:
    """Sides in the order in which they are signed: quotes as they come, the bid of each before its ask."""
    sides: list[Side] = []
    for given in params.objects("quotes", count_max=QUOTES_MAX):
        listed = by_name.get(given.text("instrument_name"))
        if listed is None:
            raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_name")
        delta, vega = _optional(given, "x_delta", DELTA_ONE), _optional(given, "x_vega", USDC_ONE)
        for name in ("bid", "ask"):
            if given.given(name):
                side = given.object(name)
                qty, price = side.exact("amount", QTY_ONE), side.exact("price", USDC_ONE)
                sides.append(Side(listed, QuoteLeaf(listed.series, name == "bid", qty, price, delta, vega)))
    return sides


def _mandate_of(call: Call, leaves: tuple[QuoteLeaf, ...]) -> QuoteMandate:
    """The ``authorization`` object: what was signed once for all quotes. Raises authorization_required."""
    if not call.params.given("authorization"):
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason="quotes_must_be_signed", param="authorization")
    given = call.params.object("authorization")
    account = given.whole("account", high=U32_MAX)
    call.login().require(account, _RIGHTS)
    unsigned = QuoteMandate(
        account=account,
        nonce=given.whole("nonce", high=U64_MAX),
        expiry_s=given.whole("expiry", high=U32_MAX),
        max_fee=given.whole("max_fee", high=U63_MAX),
        qty=given.whole("quantity", 0, high=U63_MAX),
        delta=given.whole("delta", 0, high=U63_MAX),
        vega=given.whole("vega", 0, high=U63_MAX),
        count=given.whole("count", 0, high=U32_MAX),
        signer=b"",
        signature=given.blob("signature", bytes_max=65),
    )
    venue = call.desk.venue
    if venue is None:
        raise DialectError(Code.MAINTENANCE, reason="venue_must_be_configured")
    return _signed_by(venue.domain, unsigned, leaves)


def _signed_by(domain: bytes, unsigned: QuoteMandate, leaves: tuple[QuoteLeaf, ...]) -> QuoteMandate:
    try:
        signer = recover(mandate_digest(domain, unsigned, mandate_root(leaves)), unsigned.signature)
    except SigningError as error:
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason=error.fault.value, param="signature") from error
    figures = (unsigned.qty, unsigned.delta, unsigned.vega, unsigned.count)
    return QuoteMandate(
        unsigned.account, unsigned.nonce, unsigned.expiry_s, unsigned.max_fee, *figures, signer, unsigned.signature
    )


# -- quotes -----------------------------------------------------------------------------------------------------------


def mass_quote(call: Call) -> Work:
    """Replace what a group quotes in the instruments named, or with ``x_whole`` all of it, in one record."""
    params, desk = call.params, call.desk
    group = params.text("mmp_group", chars_max=LABEL_CHARS_MAX)
    label = params.text("quote_id", "", chars_max=LABEL_CHARS_MAX)
    _require_in_time(call)
    sides = sides_of(params, desk.listed)
    if not sides:
        raise wrong("quotes", "required")
    mandate = _mandate_of(call, tuple(side.leaf for side in sides))
    leaves = tuple(side.leaf for side in sides)
    command = MassQuote(mandate, leaves, group, label, params.flag("x_whole"))
    is_detailed = params.flag("detailed")

    def render(_state: State, outcome: Outcome) -> Any:
        refused = _refusal(outcome)
        if refused is not None:
            return refused
        found = _told(sides, outcome)
        if is_detailed:
            entered = [desk.noted.touched[event.order_id] for event in outcome.events if type(event) is Quoted]
            shown = [order_object(item, desk.by_series[item.order.series], is_open=True) for item in entered]
            found |= {"orders": shown, "trades": []}
        return found

    return Submit(call.envelope, command, render, minded=True)


def _require_in_time(call: Call) -> None:
    if call.params.given("valid_until"):
        until = call.params.whole("valid_until")
        if until < millis(call.now_ns):
            raise DialectError(Code.TIMED_OUT, reason="valid_until_has_passed", value=until, limit=millis(call.now_ns))


def _told(sides: list[Side], outcome: Outcome) -> dict[str, Any]:
    """What became of each side: how many stand, and the errors of the others."""
    errors = [
        {
            "instrument_name": sides[event.leaf].listed.name,
            "side": sides[event.leaf].name,
            "error": refuse(Rejected(event.reason, event.value, event.limit)).object(),
        }
        for event in outcome.events
        if type(event) is QuoteRefused
    ]
    standing = sum(type(event) is Quoted for event in outcome.events)
    return {"errors": errors, "errors_count": len(errors), "pending_requests": [], "x_standing": standing}


def _refusal(outcome: Outcome) -> DialectError | None:
    return next((refuse(event) for event in outcome.events if type(event) is Rejected), None)


def cancel_quotes(call: Call) -> Work:
    """Take quotes off the book by ``cancel_type``; how many."""
    params = call.params
    account = call.account(SCOPE_CANCEL | _RIGHTS)
    kind = params.choice("cancel_type", _KINDS, "all")
    group = params.text("mmp_group", "", chars_max=LABEL_CHARS_MAX)
    fields: dict[str, Any] = {}
    match kind:
        case "delta":
            low, high = (params.exact(name, DELTA_ONE) for name in ("min_delta", "max_delta"))
            fields = {"delta_min": low, "delta_max": high}
        case "quote_set_id":
            fields = {"label": params.text("quote_set_id", chars_max=LABEL_CHARS_MAX)}
        case "instrument":
            fields = {"series": call.instrument().series}
        case "currency" | "currency_pair":
            fields = {"underlying": _underlying_of(call, kind)}
        case "instrument_kind" if not call.kind_matches():
            return Read(call.envelope, lambda _: 0)
        case _:
            pass
    return Submit(call.envelope, CancelQuotes(account, group, **fields), _counted)


def _underlying_of(call: Call, param: str) -> int:
    """The underlying of a currency: any for USDC, in which everything settles."""
    name = call.params.text(param, chars_max=32).upper()
    if name in {"ANY", "USDC"}:
        return -1
    for index, underlying in call.desk.indices.items():
        if name in {index.upper(), index.upper().partition("_")[0]}:
            return underlying
    raise wrong(param, "must_be_listed")


def _counted(_state: State, outcome: Outcome) -> Any:
    return _refusal(outcome) or sum(type(event) is Cancelled for event in outcome.events)


# -- protection -------------------------------------------------------------------------------------------------------


def _group_of(params: Params) -> str:
    """A group is named by ``mmp_group``, or by its index when it has no name of its own."""
    index = params.text("index_name", "all", chars_max=32)
    return params.text("mmp_group", index, chars_max=LABEL_CHARS_MAX)


def _index_name(call: Call) -> str:
    name = call.params.text("index_name", "all", chars_max=32)
    if name != "all" and name not in call.desk.indices:
        raise wrong("index_name", "must_be_listed")
    return name


def set_mmp_config(call: Call) -> Work:
    """Open a group of quotes, or change what protects it. ``max_quote_quantity`` above zero holds margin once."""
    params = call.params
    account = call.account(SCOPE_QUOTE)
    _index_name(call)
    guard = Protection(
        interval_ns=params.whole("interval", high=INTERVAL_S_MAX) * NANOS_PER_SECOND,
        frozen_ns=params.whole("frozen_time", high=INTERVAL_S_MAX) * NANOS_PER_SECOND,
        qty=_optional(params, "quantity_limit", QTY_ONE),
        delta=_optional(params, "delta_limit", DELTA_ONE),
        vega=_optional(params, "vega_limit", USDC_ONE),
        count=params.whole("trade_count_limit", 0, high=U32_MAX),
        covered=params.given("max_quote_quantity") and params.number("max_quote_quantity") > Decimal(0),
    )
    name = _group_of(params)

    def render(state: State, outcome: Outcome) -> Any:
        return _refusal(outcome) or [_config(call, account_of(state, account).groups[name])]

    return Submit(call.envelope, SetProtection(account, name, guard), render)


def _index_of(call: Call, group: QuoteGroup) -> str:
    """The index it is named after, else the one asked about, else the first: a group may hold quotes of all."""
    asked = call.params.text("index_name", "", chars_max=32)
    names = [name for name in (group.name, asked) if name in call.desk.indices]
    return next(iter([*names, *call.desk.indices]))


def _config(call: Call, group: QuoteGroup) -> dict[str, Any]:
    guard = group.protection
    shown: dict[str, Any] = {
        "index_name": _index_of(call, group),
        "mmp_group": group.name,
        "interval": guard.interval_ns // NANOS_PER_SECOND,
        "frozen_time": guard.frozen_ns // NANOS_PER_SECOND,
        "x_covered": guard.covered,
    }
    limits = (
        ("quantity_limit", contracts(guard.qty)),
        ("delta_limit", guard.delta / DELTA_ONE),
        ("vega_limit", guard.vega / USDC_ONE),
        ("trade_count_limit", guard.count),
    )
    return shown | {name: limit for name, limit in limits if limit}


def _status(call: Call, state: State, group: QuoteGroup) -> dict[str, Any]:
    is_frozen = protection.is_frozen(group, state.time_ns)
    until = group.frozen_until_ns
    frozen_ms = 0 if not is_frozen or until == protection.UNTIL_RESET else millis(max(until, state.time_ns))
    named = {"index_name": _index_of(call, group), "mmp_group": group.name}
    return named | {"is_frozen": is_frozen, "frozen_until": frozen_ms}


def get_mmp_config(call: Call) -> Work:
    """Groups of the account and what protects them; one, if it is named."""
    return _groups(call, lambda _, group: _config(call, group))


def get_mmp_status(call: Call) -> Work:
    """Which groups are frozen, and until when; 0 stands for not frozen, and for until reset."""
    return _groups(call, lambda state, group: _status(call, state, group))


def _groups(call: Call, told: Callable[[State, QuoteGroup], dict[str, Any]]) -> Work:
    account, named = call.account(), call.params.given("mmp_group") or call.params.given("index_name")
    wanted = _group_of(call.params)

    def query(state: State) -> list[dict[str, Any]]:
        groups = account_of(state, account).groups
        return [told(state, group) for name, group in sorted(groups.items()) if not named or name == wanted]

    return Read(call.envelope, query)


def reset_mmp(call: Call) -> Work:
    """Let a group quote again; what filled so far is forgotten. With ``x_freeze`` the other way round."""
    account = call.account(SCOPE_QUOTE)
    command = FreezeQuotes(account, _group_of(call.params), call.params.flag("x_freeze"))
    return Submit(call.envelope, command, lambda _, outcome: _refusal(outcome) or "ok")
