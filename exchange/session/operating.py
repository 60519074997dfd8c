"""The operator's messages: halts, phases, rules of auctions, bands and kill switches, each signed by its key.

They need no login: the signature is over all that is asked, once and until a moment, and stands in the journal with it.
Imports call, work, dialect, signing.
"""

from collections.abc import Callable
from typing import Any, Final

from exchange.core import commands as c
from exchange.core.events import Rejected
from exchange.core.phases import CALL_MAX_S
from exchange.core.register import VALUE_MAX
from exchange.core.state import State
from exchange.core.status import VOL_MAX
from exchange.core.units import NO_EXPIRY, QTY_ONE, U32_MAX, U63_MAX, WAD
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.listed import PHASE_NAMES, STATUS_NAMES
from exchange.dialect.numbers import millis_of_seconds
from exchange.dialect.operations import OPERATIONS, REACHES, ROLES
from exchange.publisher.notes import Outcome
from exchange.session.call import Call
from exchange.session.requests import Params, wrong
from exchange.session.work import Submit, Work
from exchange.signing import SigningError, from_hex, operation_digest, recover

CAUSE_CHARS_MAX: Final = 128
_PHASES: Final = (PHASE_NAMES[c.CONTINUOUS], PHASE_NAMES[c.AUCTION], PHASE_NAMES[c.HALTED])


def operate(call: Call) -> Work:
    """Sequence what the operator signed; the number of its record."""
    params = call.params
    name = params.choice("operation", tuple(OPERATIONS))
    operation = _READERS[OPERATIONS[name]](call)
    command = c.Operate(operation, _warrant_of(call, operation))

    def render(_state: State, outcome: Outcome) -> Any:
        refused = next((event for event in outcome.events if type(event) is Rejected), None)
        return refuse(refused) if refused is not None else {"operation": name, "seq": outcome.seq}

    return Submit(call.envelope, command, render)


def _warrant_of(call: Call, operation: c.Operation) -> c.Warrant:
    """Who signed it. Raises authorization_required for anybody but the operator: strangers fill no journal."""
    if not call.params.given("authorization"):
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason="operation_must_be_signed", param="authorization")
    given, venue = call.params.object("authorization"), call.desk.venue
    if venue is None:
        raise DialectError(Code.MAINTENANCE, reason="venue_must_be_configured")
    nonce, expiry_s = given.whole("nonce", high=U63_MAX), given.whole("expiry", NO_EXPIRY, high=U32_MAX)
    signature = given.blob("signature", bytes_max=65)
    try:
        signer = recover(operation_digest(venue.domain, operation, nonce, expiry_s), signature)
    except SigningError as error:
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason=error.fault.value, param="signature") from error
    if signer != _operator(call):
        raise DialectError(Code.AUTHORIZATION_REQUIRED, reason="signer_must_be_operator", param="signature")
    return c.Warrant(nonce, expiry_s, signer, signature)


def _operator(call: Call) -> bytes:
    venue = call.desk.venue
    if venue is None:
        raise DialectError(Code.MAINTENANCE, reason="venue_must_be_configured")
    return from_hex(venue.operator)


# -- what is asked ----------------------------------------------------------------------------------------------------


def _trading(call: Call) -> c.SetTrading:
    params = call.params
    return c.SetTrading(params.flag("is_open"), _cause(params), params.whole("auction", 0, high=CALL_MAX_S))


def _phase(call: Call) -> c.SetPhase:
    params = call.params
    scope, subject = _scope(call)
    phase = PHASE_NAMES.index(params.choice("phase", _PHASES))
    ends_s, every_s = params.whole("ends", 0, high=U32_MAX), params.whole("every", 0, high=U32_MAX)
    return c.SetPhase(scope, subject, phase, ends_s, every_s, _cause(params), _authoriser(call))


def _scope(call: Call) -> tuple[int, int]:
    """One instrument, all of an expiry, or all of an underlying."""
    params = call.params
    if params.given("instrument_name"):
        return c.SERIES, call.instrument().series
    underlying = _underlying(call)
    if not params.given("expiration_timestamp"):
        return c.UNDERLYING, underlying
    moment = params.whole("expiration_timestamp")
    for listed in call.desk.by_series.values():
        if listed.underlying == underlying and millis_of_seconds(listed.expiry_s) == moment:
            return c.EXPIRY, listed.expiry_id
    raise wrong("expiration_timestamp", "must_be_listed")


def _auctions(call: Call) -> c.SetAuctions:
    params = call.params
    opening_s, volatility_s = (params.whole(name, 0, high=U32_MAX) for name in ("opening", "volatility"))
    extensions = params.whole("extensions", 0, high=U32_MAX)
    mark, spot, jump = (_fraction(params, name) for name in ("band_mark", "band_spot", "jump_spot"))
    times = (opening_s, volatility_s, extensions)
    return c.SetAuctions(_underlying(call), *times, mark, spot, jump, _authoriser(call))


def _bands(call: Call) -> c.SetBands:
    spot, vol, floor = (_fraction(call.params, name) for name in ("spot", "vol", "floor"))
    return c.SetBands(_underlying(call), spot, vol, floor, _authoriser(call))


def _blocks(call: Call) -> c.SetBlocks:
    minimum = call.params.number("minimum") * QTY_ONE
    if minimum != int(minimum) or not 0 <= minimum <= U32_MAX:
        raise wrong("minimum", "out_of_range")
    return c.SetBlocks(_underlying(call), int(minimum), _authoriser(call))


def _breaker(call: Call) -> c.SetBreaker:
    """Of an underlying, or with no ``index_name`` of the venue."""
    params = call.params
    scope, subject = (c.UNDERLYING, _underlying(call)) if params.given("index_name") else (0, 0)
    status = STATUS_NAMES.index(params.choice("status", STATUS_NAMES))
    stage_s = params.whole("stage", 0, high=U32_MAX)
    return c.SetBreaker(scope, subject, status, stage_s, _cause(params), _authoriser(call))


def _feed(call: Call) -> c.SetFeed:
    params = call.params
    heartbeat_s, deviations = (params.whole(name, high=U32_MAX) for name in ("heartbeat", "jump_deviations"))
    thin, jump_min = _fraction(params, "thin"), _fraction(params, "jump_min")
    stress_vol = params.exact("stress_vol", WAD, bound=VOL_MAX)
    figures = (heartbeat_s, thin, jump_min, deviations, stress_vol)
    return c.SetFeed(_underlying(call), *figures, _authoriser(call))


def _identity(call: Call) -> c.CommitIdentity:
    params = call.params
    account, role = params.whole("subaccount_id", high=U32_MAX), ROLES[params.choice("role", tuple(ROLES))]
    return c.CommitIdentity(account, role, params.blob("commitment", bytes_max=32), _authoriser(call))


def _reference(call: Call) -> c.SetReference:
    """About what it names, as of phases; about the venue when it names nothing."""
    params = call.params
    is_venue = not params.given("instrument_name") and not params.given("index_name")
    scope, subject = (c.VENUE, 0) if is_venue else _scope(call)
    field, value = params.text("field", chars_max=32), params.text("value", chars_max=VALUE_MAX)
    corrects = params.whole("corrects", 0, high=U63_MAX)
    return c.SetReference(scope, subject, field, value, corrects, _cause(params), _authoriser(call))


def _pull(call: Call) -> c.PullKill:
    return c.PullKill(*_reach(call), _operator(call), _cause(call.params))


def _release(call: Call) -> c.ReleaseKill:
    return c.ReleaseKill(*_reach(call), _operator(call), _cause(call.params))


def _reach(call: Call) -> tuple[int, int, bytes]:
    params = call.params
    scope = REACHES[params.choice("scope", tuple(REACHES))]
    account = params.whole("subaccount_id", high=U32_MAX) if scope == c.KILL_ACCOUNT else 0
    return scope, account, params.blob("owner", bytes_max=20) if scope == c.KILL_OWNER else b""


_READERS: Final[dict[type, Callable[[Call], c.Operation]]] = {
    c.SetTrading: _trading,
    c.SetPhase: _phase,
    c.SetAuctions: _auctions,
    c.SetBands: _bands,
    c.SetBlocks: _blocks,
    c.SetBreaker: _breaker,
    c.SetFeed: _feed,
    c.PullKill: _pull,
    c.ReleaseKill: _release,
    c.CommitIdentity: _identity,
    c.SetReference: _reference,
}


def _cause(params: Params) -> str:
    return params.text("cause", "", chars_max=CAUSE_CHARS_MAX)


def _authoriser(call: Call) -> str:
    """As it is signed: the operator's address in the form that ``public/status`` tells."""
    return call.desk.venue.operator if call.desk.venue is not None else ""


def _fraction(params: Params, name: str) -> int:
    return params.exact(name, WAD, bound=WAD) if params.given(name) else 0


def _underlying(call: Call) -> int:
    index = call.params.text("index_name", chars_max=32)
    if index not in call.desk.indices:
        raise wrong("index_name", "must_be_listed")
    return call.desk.indices[index]
