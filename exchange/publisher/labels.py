"""Labels of orders of late: which order bears one, and what it asked for, so that a request sent again is known again.

Made of the records that entered orders, so it is as durable as they are, and the same after a restart. Imports core.
"""

import hashlib
from collections import OrderedDict
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core.commands import NO_TERMS, Authorisation, Place
from exchange.core.units import NANOS_PER_SECOND, Nanos

WINDOW_NS: Final = 24 * 3_600 * NANOS_PER_SECOND
LABELS_MAX: Final = 50_000
_encode: Final = msgspec.msgpack.Encoder().encode


class Bearer(NamedTuple):
    """The latest order with a label."""

    order_id: int
    content: bytes
    time_ns: Nanos


def content_of(command: Place) -> bytes:
    """Digest of what an order asks for, with all that comes along: everything but nonce, most in fees and signature."""
    wanted = [_plain(command.auth), *(_plain(item.auth) for item in command.attached)]
    return hashlib.sha256(_encode(wanted)).digest()[:16]


def _plain(auth: Authorisation) -> Authorisation:
    terms = auth.terms or NO_TERMS
    terms = msgspec.structs.replace(terms, parent=0) if terms.parent else terms
    return msgspec.structs.replace(auth, max_fee=0, nonce=0, replaces=0, signer=b"", signature=b"", terms=terms)


class Labels:
    """The latest order of each account and label, the longest known first."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[int, str], Bearer] = OrderedDict()
        self._receipts: OrderedDict[int, dict[str, Any]] = OrderedDict()

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._receipts.clear()

    def receipted(self, receipt: dict[str, Any]) -> None:
        """A labelled order has this receipt; a restart forgets it."""
        self._receipts[receipt["seq"]] = receipt
        if len(self._receipts) > LABELS_MAX:
            self._receipts.popitem(last=False)

    def receipt_of(self, order_id: int) -> dict[str, Any] | None:
        """The receipt of the record that entered an order, if this process gave it."""
        return self._receipts.get(order_id)

    def keep(self, account: int, label: str, bearer: Bearer) -> None:
        """An order was entered with a label."""
        self._held.pop((account, label), None)
        self._held[account, label] = bearer
        if len(self._held) > LABELS_MAX:
            self._held.popitem(last=False)

    def find(self, account: int, label: str, now_ns: Nanos) -> Bearer | None:
        """The latest order of an account with a label, if it was entered within the window."""
        found = self._held.get((account, label))
        return found if found is not None and now_ns - found.time_ns < WINDOW_NS else None
