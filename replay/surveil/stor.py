"""Drafts of reports of suspicious orders, in the form of the annex to (EU) 2025/885.

Owns the fields and what the journal can say about each; what it cannot stands as NA with the reason, as the annex asks,
for a person to fill in. A draft is not sent anywhere. Imports cases.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from exchange.core.state import State
from replay.export.texts import moment
from replay.surveil.cases import Case
from replay.surveil.sights import People
from replay.words import title

PERSON: Final = "known to the venue's restricted register, not to the journal"
PLATFORM: Final = "stated by the venue when it files"
SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "1 submitter": (
        "natural person name",
        "position",
        "entity name + LEI",
        "address",
        "acting capacity",
        "type of trading activity and crypto-assets",
        "contact",
        "already reported to authorities?",
    ),
    "2 order/transaction/DLT behaviour": (
        "crypto-asset (name, DTI, type, both sides of a pair)",
        "ledger name(s)",
        "trading platform + MIC",
        "country",
        "dates/times UTC ISO 8601",
        "order/transaction reference or hash",
        "settlement date/time",
        "price",
        "quantity",
        "order type",
        "cancellation/alteration nature+extent+means",
    ),
    "3 suspicion": ("nature of breach", "reasons"),
    "4 suspected person": (
        "name/LEI",
        "national id or date of birth",
        "address",
        "employment",
        "account numbers and wallet addresses",
        "client identifier",
        "relationship with issuer",
    ),
    "5 additional (indicative)": (
        "mempool public/private",
        "DLT permissionless/permissioned",
        "smart-contract address + function called",
        "portfolio size",
        "business relationship start",
        "12-month trading pattern comparison",
        "other persons involved",
    ),
    "6 attachments": ("list of documents",),
}


class Trade(msgspec.Struct, frozen=True):
    """A trade of a case, for the fields of the annex."""

    trade: int
    series: str
    price: str
    quantity: str
    time: str


def draft(case: Case, trades: Sequence[Trade], state: State, people: People) -> dict[str, Any]:
    """Every field of the annex, in its sections; ``state`` is as of the end of what was looked at."""
    known = _known(case, trades, state, people)
    return {
        section: {field: known.get(field) or _unknown(section) for field in fields}
        for section, fields in SECTIONS.items()
    }


def _unknown(section: str) -> dict[str, str]:
    return {"value": "NA", "reason": PERSON if section.startswith("4") else PLATFORM}


def _known(case: Case, trades: Sequence[Trade], state: State, people: People) -> dict[str, Any]:
    """What the journal says."""
    assert state.config is not None
    traded = [{"trade": each.trade, "series": each.series, "time": each.time} for each in trades]
    cash = {account: state.accounts[account].cash for account in case.accounts}
    owners = {account: people.owner(account) for account in case.accounts}
    return {
        "crypto-asset (name, DTI, type, both sides of a pair)": [title(state, series) for series in case.series],
        "ledger name(s)": [f"EVM chain {state.config.chain_id}"],
        "dates/times UTC ISO 8601": [moment(case.from_ns), moment(case.to_ns)],
        "order/transaction reference or hash": {"records": case.seqs, "orders": case.orders, "trades": traded},
        "price": {str(each.trade): each.price for each in trades},
        "quantity": {str(each.trade): each.quantity for each in trades},
        "cancellation/alteration nature+extent+means": case.words,
        "nature of breach": f"{case.practice}, point {case.point}",
        "reasons": f"{case.words}; {case.score / 10:.0f} % of the bound",
        "account numbers and wallet addresses": {str(account): owner for account, owner in owners.items()},
        "smart-contract address + function called": "0x" + state.config.clearing.hex() + " settle_signed",
        "portfolio size": {str(account): amount for account, amount in cash.items()},
        "other persons involved": case.owners,
        "list of documents": [f"verbatim-replay explain JOURNAL order {order}" for order in case.orders[:20]],
    }
