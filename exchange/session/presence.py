"""Cancel on disconnect, the dead man's timer and the kill switch, as clients ask for them.

Imports call, work, dialect.
"""

from typing import Any, Final

from exchange.core import commands as c
from exchange.core.commands import AS_ACCOUNT, SCOPE_CANCEL, SCOPE_READ, SCOPE_TRADE, SWITCH_OFF, SWITCH_ON
from exchange.core.events import Rejected
from exchange.core.presence import TIMER_MAX_MS
from exchange.core.state import State
from exchange.core.state_types import Kill
from exchange.dialect.errors import Code, DialectError, refuse
from exchange.dialect.numbers import millis
from exchange.dialect.operations import REACH_NAMES
from exchange.publisher.notes import Outcome
from exchange.session.call import Call, account_of
from exchange.session.work import Read, Submit, Work

CAUSE_CHARS_MAX: Final = 128
_RIGHTS: Final = SCOPE_TRADE | SCOPE_CANCEL
_COD_SCOPES: Final = ("connection", "account")
_REACHES: Final = {"account": c.KILL_ACCOUNT, "owner": c.KILL_OWNER}


# -- cancel on disconnect ---------------------------------------------------------------------------------------------


def enable_cancel_on_disconnect(call: Call) -> Work:
    """Orders of this connection, or of each of the account's that does not say, leave when it is lost."""
    return _switch(call, on=True)


def disable_cancel_on_disconnect(call: Call) -> Work:
    """They stay."""
    return _switch(call, on=False)


def _switch(call: Call, *, on: bool) -> Work:
    # Who may only cancel may make orders leave sooner, not keep them where their owner wants them gone.
    account = call.account(_RIGHTS if on else SCOPE_TRADE)
    if call.params.choice("scope", _COD_SCOPES, "connection") == "account":
        return Submit(call.envelope, c.SwitchAccount(account, on), _ok)
    if call.connection is None:
        raise DialectError(Code.MUST_BE_WEBSOCKET)
    return Submit(call.envelope, c.SwitchSession(0, SWITCH_ON if on else SWITCH_OFF), _ok, minded=True)


def get_cancel_on_disconnect(call: Call) -> Work:
    """What would happen to the orders of this connection, or of the account's others."""
    account_id, connection = call.account(SCOPE_READ), call.connection
    scope = call.params.choice("scope", _COD_SCOPES, "connection")
    if scope == "connection" and connection is None:
        raise DialectError(Code.MUST_BE_WEBSOCKET)

    def query(state: State) -> dict[str, Any]:
        account = account_of(state, account_id)
        session = state.sessions.get(connection or 0) if scope == "connection" else None
        switch = session.switch if session is not None else AS_ACCOUNT
        return {"scope": scope, "enabled": account.cancels if switch == AS_ACCOUNT else switch == SWITCH_ON}

    return Read(call.envelope, query)


# -- the dead man's timer ---------------------------------------------------------------------------------------------


def cancel_all_after(call: Call) -> Work:
    """Unless asked again within ``timeout`` milliseconds, the account's orders leave; 0 stops the timer.

    Whoever sets it again says that the trader is there, or puts it off, so the right to cancel is not enough.
    """
    account, after_ms = call.account(SCOPE_TRADE), call.params.whole("timeout", high=10 * TIMER_MAX_MS)

    def render(state: State, outcome: Outcome) -> Any:
        due_ns = state.timers.get(account)
        return _refusal(outcome) or {"timeout": after_ms, "deadline": millis(due_ns) if due_ns is not None else 0}

    return Submit(call.envelope, c.SetTimer(account, after_ms), render)


# -- the kill switch --------------------------------------------------------------------------------------------------


def kill_switch(call: Call) -> Work:
    """Everything off the book, nothing new, until released. A session key pulls its account's only."""
    return _hand(call, c.PullKill)


def release_kill_switch(call: Call) -> Work:
    """Trade again; the wallet only."""
    return _hand(call, c.ReleaseKill)


def _hand(call: Call, kind: type[c.PullKill | c.ReleaseKill]) -> Work:
    account, by = call.account(SCOPE_CANCEL), call.login().grant.address
    reach = _REACHES[call.params.choice("scope", tuple(_REACHES), "account")]
    cause = call.params.text("cause", "", chars_max=CAUSE_CHARS_MAX)
    named = (account, b"") if reach == c.KILL_ACCOUNT else (0, by)

    def render(state: State, outcome: Outcome) -> Any:
        return _refusal(outcome) or _kills(state, account)

    return Submit(call.envelope, kind(reach, *named, by, cause), render)


def get_kill_switch(call: Call) -> Work:
    """The switches that are pulled over the account."""
    account = call.account(SCOPE_READ)
    return Read(call.envelope, lambda state: _kills(state, account))


def _kills(state: State, account_id: int) -> list[dict[str, Any]]:
    account = account_of(state, account_id)
    return [
        _kill_object(kill)
        for kill in state.kills.values()
        if kill.scope == c.KILL_VENUE or kill.account == account.id or (kill.owner and kill.owner == account.owner)
    ]


def _kill_object(kill: Kill) -> dict[str, Any]:
    return {
        "scope": REACH_NAMES[kill.scope],
        "by": "0x" + kill.by.hex(),
        "by_operator": kill.by_operator,
        "cause": kill.cause,
        "timestamp": millis(kill.time_ns),
    }


def _ok(_state: State, outcome: Outcome) -> Any:
    return _refusal(outcome) or "ok"


def _refusal(outcome: Outcome) -> DialectError | None:
    return next((refuse(event) for event in outcome.events if isinstance(event, Rejected)), None)
