"""Requests for quotes as records change them, and who is to hear of which.

The taker hears of her request and of all quotes for it, without names; a maker of requests that ask her and of her own
quotes; the public of fills. The machine forgets a request when it ends; its last shape is kept for a while. Imports
core, dialect.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Final

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.rfq import asks
from exchange.core.state import State
from exchange.dialect.channels import Family, currencies_of
from exchange.dialect.listed import Listed
from exchange.dialect.rfqs import MAKER, TAKER, Accepted, Asked, parts_of, quote_object, request_object, trade_object
from exchange.publisher.notes import Note, Outcome
from exchange.publisher.orderlog import Noted

CLOSED_MAX: Final = 1_000  # requests that ended, and acceptances, that are remembered


class Touched:
    """What a record did: requests that changed for all who see them, those with other quotes, an acceptance."""

    __slots__ = ("accepted", "changed", "ended", "quoted")

    def __init__(self) -> None:
        self.changed: dict[int, None] = {}
        self.quoted: dict[int, None] = {}
        self.accepted: Accepted | None = None
        self.ended: list[Asked] = []

    def __bool__(self) -> bool:
        return bool(self.changed or self.quoted)


class RfqLog:
    """Open requests, the last ones that ended, and the last acceptances."""

    def __init__(self, by_series: dict[int, Listed]) -> None:
        self.open: dict[int, Asked] = {}
        self.closed: OrderedDict[int, Asked] = OrderedDict()
        self.accepted: deque[Accepted] = deque(maxlen=CLOSED_MAX)
        self.makers: dict[int, None] = {}
        self.by_series = by_series

    def rebuild(self, state: State) -> None:
        """From the requests of the state; what filled before this process started is known by its quantity only."""
        self.closed.clear()
        self.accepted.clear()
        self.open.clear()
        self.open.update((rfq.id, Asked(rfq)) for rfq in state.rfqs.values())
        self.makers = {account.id: None for account in state.accounts.values() if account.makes}

    def find(self, rfq_id: int) -> Asked | None:
        """A request that is open, or ended not long ago."""
        return self.open.get(rfq_id) or self.closed.get(rfq_id)

    def seen(self, rfq_id: int, accounts: Iterable[int]) -> Asked | None:
        """A request that one of these accounts made or is asked by; to the others there is none."""
        asked = self.find(rfq_id)
        if asked is None:
            return None
        request = asked.rfq.request
        meant = request.makers or tuple(self.makers)
        sees = (account == request.account or (account in self.makers and account in meant) for account in accounts)
        return asked if any(sees) else None

    def note(self, state: State, outcome: Outcome, noted: Noted) -> Touched:
        """Follow one record."""
        touched = Touched()
        if type(outcome.command) is c.OpenRfq and outcome.seq in state.rfqs:
            self.open[outcome.seq] = Asked(state.rfqs[outcome.seq])
            touched.changed[outcome.seq] = None
        if type(outcome.command) is c.AdmitMaker:
            self._admit(state, outcome.command)
        if not self.open:
            return touched
        for tracked in noted.touched.values():
            if tracked.order.rfq:
                touched.quoted[tracked.order.rfq] = None
        fills = tuple(fill for fill in noted.fills if fill.rfq)
        if fills:
            asked, parts = self.open[fills[0].rfq], parts_of(fills, noted.combos)
            listed = self.by_series[asked.rfq.request.series]
            touched.accepted = Accepted(asked.rfq.id, outcome.time_ns, listed, fills, parts)
            self.accepted.append(touched.accepted)
            asked.fills += parts
            touched.changed[fills[0].rfq] = None
        for event in outcome.events:
            if type(event) is e.RfqEnded:
                touched.ended.append(self._close(outcome, event))
                touched.changed[event.rfq] = None
        return touched

    def _admit(self, state: State, command: c.AdmitMaker) -> None:
        self.makers.pop(command.account, None)
        if command.account in state.accounts and state.accounts[command.account].makes:
            self.makers[command.account] = None

    def _close(self, outcome: Outcome, event: e.RfqEnded) -> Asked:
        asked = self.open.pop(event.rfq)
        asked.ended, asked.ended_ns = event.reason, outcome.time_ns
        self._remember(asked)
        return asked

    def _remember(self, asked: Asked) -> None:
        self.closed[asked.rfq.id] = asked
        if len(self.closed) > CLOSED_MAX:
            self.closed.popitem(last=False)

    def recall(self, noted: Noted, ended: Iterable[Asked]) -> None:
        """Remember acceptances and ends of a record as they were known before a restart."""
        fills = tuple(fill for fill in noted.fills if fill.rfq)
        if fills:
            listed, parts = (noted.combos or fills)[0].listed, parts_of(fills, noted.combos)
            self.accepted.append(Accepted(fills[0].rfq, fills[0].time_ns, listed, fills, parts))
            if fills[0].rfq in self.open:
                self.open[fills[0].rfq].fills += parts
        for asked in ended:
            self._remember(asked)


def notes_of(
    state: State, log: RfqLog, noted: Noted, touched: Touched, watched: Counter[tuple[str, int]]
) -> list[Note]:
    """What the watchers of requests hear of a record, each only what is meant for it."""
    told: list[Note] = []
    for rfq_id in {**touched.changed, **touched.quoted}:
        asked = log.find(rfq_id)
        if asked is not None:
            told += _of_request(state, log, asked, watched, to_makers=rfq_id in touched.changed)
    for tracked in noted.touched.values():
        if tracked.order.rfq:
            listed, account = log.by_series[tracked.order.series], tracked.order.account
            stems = _stems(Family.RFQ_QUOTES, listed, account, watched)
            if stems:
                item = quote_object(state, tracked, log.by_series)
                told.append(Note(stems, account, item, latest=False))
    if touched.accepted is not None:
        stems = _stems(Family.RFQ_TRADES, touched.accepted.listed, 0, watched)
        if stems:
            told.append(Note(stems, 0, trade_object(touched.accepted, log.by_series), latest=False))
    return told


def _of_request(
    state: State, log: RfqLog, asked: Asked, watched: Counter[tuple[str, int]], *, to_makers: bool
) -> Iterator[Note]:
    """The request, to its taker, and when more than its quotes has changed, to each maker that it asks."""
    listed, taker = log.by_series[asked.rfq.request.series], asked.rfq.request.account
    stems = _stems(Family.RFQ_TAKER, listed, taker, watched)
    if stems:
        yield Note(stems, taker, request_object(state, asked, log.by_series, TAKER, taker), latest=False)
    for account in sorted({account: None for _, account in watched if account}) if to_makers else ():
        stems = _stems(Family.RFQ_MAKER, listed, account, watched)
        if stems and asks(state, asked.rfq, account):
            yield Note(stems, account, request_object(state, asked, log.by_series, MAKER, account), latest=False)


def _stems(family: Family, listed: Listed, account: int, watched: Counter[tuple[str, int]]) -> tuple[str, ...]:
    stems = (f"{family.value}.{currency}" for currency in currencies_of(listed.base))
    return tuple(stem for stem in stems if (stem, account) in watched)
