"""What the door refuses because it is too much: each bound with its code, the rule in a sentence and the cure.

Told like the refusals of the machine, with value and limit, but by the edge: nothing of it is in the journal. The table
in docs/API.md is checked against it. Imports errors.
"""

from enum import Enum

from exchange.dialect.errors import Code, DialectError


class Bound(Enum):
    """Reason, code, rule, cure."""

    CREDITS = (
        "credits_exhausted",
        Code.TOO_MANY_REQUESTS,
        "Requests spend the credits of their connection (over HTTP of their address), which refill with time.",
        "Wait data.wait seconds; cancels have credits of their own.",
    )
    ACCOUNT_CREDITS = (
        "account_credits_exhausted",
        Code.TOO_MANY_REQUESTS,
        "Orders, cancels and questions of an account spend its credits, whichever connections they come by.",
        "Wait data.wait seconds, or ask less often; more connections do not help.",
    )
    ORDER_TO_TRADE = (
        "order_to_trade_exceeded",
        Code.TOO_MANY_REQUESTS,
        "In a window an account sends so many orders, edits and quotes, and so many more for each of its fills.",
        "Wait data.wait seconds until the next window, or trade; cancels still work.",
    )
    GUESSES = (
        "logins_locked_out",
        Code.TOO_MANY_REQUESTS,
        "An address whose logins failed too often logs in no more for a while.",
        "Wait data.wait seconds; see data.reason of the refusals before.",
    )
    ACCOUNT_CONNECTIONS = (
        "account_connections_exceeded",
        Code.TOO_MANY_REQUESTS,
        "So many connections at most are logged in for one account.",
        "Log out or close one.",
    )
    MESSAGE_BYTES = (
        "message_too_long",
        Code.INVALID_REQUEST,
        "A message has so many bytes at most.",
        "Split it, or subscribe to fewer channels at a time.",
    )
    CONTAINERS = (
        "too_many_lists_and_objects",
        Code.PARSE_ERROR,
        "A message holds so many lists and objects at most.",
        "Split it.",
    )
    DEPTH = (
        "nested_too_deeply",
        Code.INVALID_REQUEST,
        "Lists and objects of a message lie so deep in one another at most.",
        "Send what the method documents; nothing in it is that deep.",
    )

    LABEL = (
        "label_must_be_new",
        Code.LABEL_NOT_UNIQUE,
        "With x_once a label is borne by one order in a day: data.value is the one, and it asked for something else.",
        "Choose another label, or send what was sent before.",
    )
    FORGOTTEN = (
        "drop_copy_must_be_kept",
        Code.INVALID_ARGUMENTS,
        "The drop copy holds what happened of late: nothing is missing from data.limit on.",
        "Ask from data.limit, and look up orders, trades and the transaction log for what was before.",
    )

    @property
    def reason(self) -> str:
        """The word in ``data.reason``."""
        return self.value[0]


def beyond(bound: Bound, *, value: int, limit: int, wait: float | None = None) -> DialectError:
    """The refusal: what was asked or held, what is allowed, and in how many seconds it may be asked again."""
    reason, code, rule, cure = bound.value
    waits = {} if wait is None else {"wait": wait}
    return DialectError(code, reason=reason, value=value, limit=limit, rule=rule, cure=cure, **waits)
