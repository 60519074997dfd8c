"""The typed client of a venue, as others may rely on it: what stands in ``__all__`` stays, the modules behind may move.

Signs what it sends with keys that never leave the process, checks every receipt it is told, and fails rather than drop
a message. How it is used: docs/CLIENT.md and examples/. Imports shell.
"""

from exchange.core.commands import Terms
from exchange.shell.client import Client, Instrument, Linked, Placed, Refused
from exchange.shell.client_drops import Forgotten, drop_copy
from exchange.shell.client_rfqs import Rfqs
from exchange.shell.receipts import Equivocated, Receipts
from exchange.shell.subscription import Disconnected, Lagging, Notification, Subscription
from exchange.shell.wallet import (
    NO_BUDGET,
    Budget,
    Nonces,
    Quote,
    SignedReceipt,
    Untrusted,
    Venue,
    parse_receipt,
    sign_login,
    sign_order,
    sign_quotes,
    verify_receipt,
)

__all__ = [
    "NO_BUDGET",
    "Budget",
    "Client",
    "Disconnected",
    "Equivocated",
    "Forgotten",
    "Instrument",
    "Lagging",
    "Linked",
    "Nonces",
    "Notification",
    "Placed",
    "Quote",
    "Receipts",
    "Refused",
    "Rfqs",
    "SignedReceipt",
    "Subscription",
    "Terms",
    "Untrusted",
    "Venue",
    "drop_copy",
    "parse_receipt",
    "sign_login",
    "sign_order",
    "sign_quotes",
    "verify_receipt",
]
