"""The dialect session, without sockets: text in, work out.

A session is one connection's conversation: who it is, what it may do, how fast, and what it listens to. It holds no
socket, clock or loop; the shell feeds it text and the time, and completes the work it returns. Imports publisher,
dialect, signing and core.
"""

from exchange.session.access import Grant, Tokens
from exchange.session.fairness import Fairness
from exchange.session.limits import Bucket, Costs, Limits, Purse, Rate
from exchange.session.session import Session
from exchange.session.work import Read, Reply, Several, Submit, Subscribe, Unsubscribe, Work

__all__ = [
    "Bucket",
    "Costs",
    "Fairness",
    "Grant",
    "Limits",
    "Purse",
    "Rate",
    "Read",
    "Reply",
    "Session",
    "Several",
    "Submit",
    "Subscribe",
    "Tokens",
    "Unsubscribe",
    "Work",
]
