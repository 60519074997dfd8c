"""Order events: what a regulator calls an order, as each record changed it, one event after another.

The machine tells what became of an order; an order record tells what it looked like after each step of the way. So this
follows orders by the events alone, and after each record holds what it followed against the state of the machine: an
export that misunderstood an event does not get written. Imports core.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import orders, quoting
from exchange.core.links import initially_held
from exchange.core.state import State
from exchange.core.state_types import ATTACHED_SHIFT, attached_id
from exchange.core.units import NO_EXPIRY, Cash, Nanos, Price, Qty, Seconds
from replay.engine import Step


class Of(StrEnum):
    """What kind of an order it is."""

    ORDER = "order"
    QUOTE = "quote"  # under a mandate
    RFQ_QUOTE = "rfq_quote"
    RFQ_TAKE = "rfq_take"
    REQUEST = "request"  # for quotes: an indication


class Told(msgspec.Struct, gc=False):
    """An order as it stood right after an event. ``received_ns`` is of the first record that named it."""

    id: int
    of: Of
    account: int
    series: int
    is_buy: bool | None  # None: a request that does not tell
    price: Price | None
    qty: Qty
    received_ns: Nanos
    priority_ns: Nanos
    signer: bytes
    expiry_s: Seconds = NO_EXPIRY
    filled: Qty = 0
    display: Qty = 0
    hidden: Qty = 0
    held: Qty = 0
    tif: int = c.GTC
    post_only: bool = False
    market: bool = False
    trigger: int = c.UNTRIGGERED
    trigger_price: Price = 0
    whole: bool = False
    label: str = ""
    mandate: int = 0
    rfq: int = 0
    is_waiting: bool = False
    is_open: bool = True

    @property
    def left(self) -> Qty:
        """What of it may still trade."""
        return self.qty - self.filled if self.is_open else 0

    @property
    def shown(self) -> Qty:
        """What of that others see."""
        if not self.is_open or self.is_waiting:
            return 0
        return self.left - self.hidden if self.hidden else min(self.left, self.display or self.left)


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One side of a trade. ``own`` of the order filled by it: of a combo nothing, until its last leg has traded."""

    trade_id: int
    series: int
    is_buy: bool
    qty: Qty
    price: Price
    fee: Cash
    index: Price
    is_taker: bool
    other: int  # the order on the other side
    group: int
    own: Qty
    is_auction: bool


class OrderEvent(msgspec.Struct, frozen=True, gc=False):
    """What happened to an order (a code of RTS 24, or one of ours), why, and what it looked like then."""

    seq: int
    time_ns: Nanos
    code: str
    cause: str
    order: Told
    fill: Fill | None = None
    ended: Qty = 0  # what of it left without a trade


ENTERS: Final = ("NEWO", "RFQR", "RFQS")
ENDS: Final = ("CAME", "CAMO", "EXPI", "RFQE")
OWN_CODES: Final = {
    "RFQS": "a request for quotes was sent (a code of auth.113)",
    "RFQR": "a quote in answer to a request entered (a code of auth.113)",
    "RFQE": "a request for quotes ended",
    "RMRJ": "a replacement was refused; the order stands as before",
}
_CANCELS: Final[dict[str, str]] = {
    e.CancelReason.BY_OWNER: "CAME",
    e.CancelReason.ON_CHAIN: "CAME",
    e.CancelReason.QUOTE_REPLACED: "CAME",
    e.CancelReason.IMMEDIATE_REMAINDER: "EXPI",
    e.CancelReason.EXPIRED: "EXPI",
    e.CancelReason.SERIES_EXPIRED: "EXPI",
}
"""All other reasons are the venue's own doing: CAMO."""


class Follower:
    """Orders as the events of one record after another leave them."""

    def __init__(self) -> None:
        self.open: dict[int, Told] = {}
        self.requests: dict[int, Told] = {}
        self._found: list[OrderEvent] = []
        self._touched: dict[int, None] = {}
        self._step: Step
        self._state: State
        self._parked: tuple[int, ...] = ()

    def follow(self, step: Step, state: State) -> list[OrderEvent]:
        """What one record did to orders, in its order; ``state`` is as of right after it."""
        self._found, self._touched = [], {}
        self._step, self._state = step, state
        self._parked = tuple(event.order_id for event in step.events if type(event) is e.Parked)
        for event in step.events:
            handler = _HANDLERS.get(type(event))
            if handler is not None:
                handler(self, event)
        self._compare()
        return self._found

    def _compare(self) -> None:
        """What was followed is what the machine has."""
        for order_id in self._touched:
            told, order = self.open.get(order_id), self._state.orders.get(order_id)
            assert (told is None) == (order is None), f"order {order_id} at seq {self._step.seq}"
            if told is not None and order is not None:
                followed = (told.price, told.qty, told.filled, told.hidden, told.held, told.is_waiting)
                held = (order.price, order.qty, order.filled, order.hidden, order.held, order.watch != 0)
                assert followed == held, f"order {order_id} at seq {self._step.seq}: {followed}, {held}"

    def _tell(self, code: str, told: Told, cause: str = "", fill: Fill | None = None, ended: Qty = 0) -> None:
        self._found.append(OrderEvent(self._step.seq, self._step.time_ns, code, cause, replace(told), fill, ended))

    # -- entering -----------------------------------------------------------------------------------------------------

    def _told(self, order_id: int, of: Of, auth: c.Authorisation, label: str = "", mandate: int = 0) -> Told:
        terms, step = c.terms_of(auth), self._step
        return Told(
            id=order_id,
            of=of,
            account=auth.account,
            series=auth.series,
            is_buy=auth.is_buy,
            price=auth.price,
            qty=auth.qty,
            received_ns=step.time_ns,
            priority_ns=step.time_ns,
            signer=auth.signer,
            expiry_s=self._until(order_id, auth),
            display=terms.display,
            tif=auth.tif,
            post_only=auth.post_only,
            market=terms.market,
            trigger=terms.trigger,
            trigger_price=terms.trigger_price,
            whole=terms.whole,
            label=label,
            mandate=mandate,
            rfq=terms.rfq,
        )

    def _until(self, order_id: int, auth: c.Authorisation) -> Seconds:
        """When the order dies: of one that is open still the machine knows, for any other what was signed counts."""
        order, account = self._state.orders.get(order_id), self._state.accounts.get(auth.account)
        if order is not None:
            return order.expiry_s
        return orders.good_until(account, auth) if account is not None else auth.expiry_s

    def _enter(self, code: str, told: Told) -> None:
        told.is_waiting = told.id in self._parked
        self.open[told.id] = told
        self._touched[told.id] = None
        self._tell(code, told)

    def _accepted(self, event: e.Accepted) -> None:
        command = self._step.command
        assert isinstance(command, c.Place | c.QuoteRfq | c.AcceptRfq)
        of = {c.Place: Of.ORDER, c.QuoteRfq: Of.RFQ_QUOTE, c.AcceptRfq: Of.RFQ_TAKE}[type(command)]
        self._enter(
            "RFQR" if of is Of.RFQ_QUOTE else "NEWO", self._told(event.order_id, of, command.auth, command.label)
        )

    def _waits(self, event: e.Parked) -> None:
        """An order that came along with another is seen by this for the first time."""
        if event.order_id in self.open:
            return
        command = self._step.command
        assert isinstance(command, c.Place)
        item = command.attached[(event.order_id >> ATTACHED_SHIFT) - 1]
        told = self._told(event.order_id, Of.ORDER, item.auth, item.label)
        told.held = initially_held(item.auth)
        self._enter("NEWO", told)

    def _quoted(self, event: e.Quoted) -> None:
        command, before = self._step.command, self.open.get(event.order_id)
        assert isinstance(command, c.MassQuote)
        auth = quoting.leaf_auth(command, command.leaves[event.leaf])
        told = self._told(event.order_id, Of.QUOTE, auth, command.label, self._step.seq)
        if before is None:
            self._enter("NEWO", told)
            return
        told.received_ns = before.received_ns
        if event.kept:
            told.priority_ns = before.priority_ns
        self.open[told.id] = told
        self._touched[told.id] = None
        self._tell("REME", told)

    # -- refused ------------------------------------------------------------------------------------------------------

    def _rejected(self, event: e.Rejected) -> None:
        command, cause = self._step.command, str(event.reason)
        if isinstance(command, c.Amend | c.RequoteRfq):
            of = Of.ORDER if isinstance(command, c.Amend) else Of.RFQ_QUOTE
            known = self.open.get(command.order_id)
            self._tell("RMRJ", known or self._refused(command.order_id, of, command.auth, command.label), cause)
        elif isinstance(command, c.MassQuote):
            for place in range(len(command.leaves)):
                self._refuse_leaf(command, place, cause)
        elif isinstance(command, c.OpenRfq):
            self._tell("REMO", replace(self._request(command), is_open=False), cause)
        elif isinstance(command, c.Place | c.QuoteRfq | c.AcceptRfq):
            of = {c.Place: Of.ORDER, c.QuoteRfq: Of.RFQ_QUOTE, c.AcceptRfq: Of.RFQ_TAKE}[type(command)]
            self._tell("REMO", self._refused(self._step.seq, of, command.auth, command.label), cause)
            for place, item in enumerate(command.attached if isinstance(command, c.Place) else (), 1):
                self._tell(
                    "REMO", self._refused(attached_id(self._step.seq, place), Of.ORDER, item.auth, item.label), cause
                )

    def _refused(self, order_id: int, of: Of, auth: c.Authorisation, label: str) -> Told:
        """An order that never was; it bears a number all the same."""
        return replace(self._told(order_id, of, auth, label), is_open=False)

    def _refuse_leaf(self, command: c.MassQuote, place: int, cause: str) -> None:
        order_id, auth = quoting.quote_id(self._step.seq, place), quoting.leaf_auth(command, command.leaves[place])
        told = self._told(order_id, Of.QUOTE, auth, command.label, self._step.seq)
        self._tell("REMO", replace(told, is_open=False), cause)

    def _quote_refused(self, event: e.QuoteRefused) -> None:
        assert isinstance(self._step.command, c.MassQuote)
        self._refuse_leaf(self._step.command, event.leaf, str(event.reason))

    # -- as it stands -------------------------------------------------------------------------------------------------

    def _held(self, event: e.Held) -> None:
        told = self._touch(event.order_id)
        told.held = event.qty
        self._tell("CHMO", told, "linked")

    def _triggered(self, event: e.Triggered) -> None:
        told = self._touch(event.order_id)
        gone, told.qty, told.held, told.is_waiting = told.held, told.qty - told.held, 0, False
        told.priority_ns = self._step.time_ns
        self._tell("TRIG", told, f"by record {event.fact}", ended=gone)

    def _rested(self, event: e.Rested) -> None:
        told = self._touch(event.order_id)
        slid, told.price = told.price != event.price, event.price
        told.hidden = max(told.qty - told.filled - told.display, 0) if told.display else 0
        if slid:
            self._tell("REMA", told, "slide")

    def _amended(self, event: e.Amended) -> None:
        command, told = self._step.command, self._touch(event.order_id)
        assert isinstance(command, c.Amend | c.RequoteRfq)
        auth, terms = command.auth, c.terms_of(command.auth)
        if event.kept:
            told.hidden -= min(told.qty - auth.qty, told.hidden)
        else:
            told.price, told.priority_ns, told.hidden = auth.price, self._step.time_ns, 0
        told.qty, told.display, told.label, told.post_only = auth.qty, terms.display, command.label, auth.post_only
        told.signer, told.expiry_s, told.whole = auth.signer, self._until(told.id, auth), terms.whole
        if told.is_waiting:
            told.trigger, told.trigger_price, told.market = terms.trigger, terms.trigger_price, terms.market
        self._tell("REME", told)

    def _cancelled(self, event: e.Cancelled) -> None:
        told = self._touch(event.order_id)
        told.is_open = False
        self._tell(_CANCELS.get(event.reason, "CAMO"), told, str(event.reason), ended=event.remaining)
        del self.open[told.id]

    def _touch(self, order_id: int) -> Told:
        self._touched[order_id] = None
        return self.open[order_id]

    # -- trading ------------------------------------------------------------------------------------------------------

    def _traded(self, event: e.Traded) -> None:
        command = self._step.command
        own = command.order_id if isinstance(command, c.Amend | c.Fire) else self._step.seq
        maker, taker = self._touch(event.maker_order), self._touch(event.taker_order or own)
        series = event.leg or maker.series
        in_place = event.taker_order != 0 and not event.group and not event.leg
        fills = (
            (maker, event.units if event.leg else event.qty, taker, event.maker_fee),
            (taker, event.units if event.group or event.leg else event.qty, maker, event.taker_fee),
        )
        for told, by, other, fee in fills:
            fill = Fill(
                trade_id=event.trade_id,
                series=series,
                is_buy=bool(told.is_buy) == self._is_bought(told.series, series),
                qty=event.qty,
                price=event.price,
                fee=fee,
                index=event.index,
                is_taker=told is taker,
                other=other.id,
                group=event.group,
                own=by,
                is_auction=in_place,
            )
            self._fill(told, by, fill, in_place=in_place, stands=told is maker and not event.leg)

    def _fill(self, told: Told, by: Qty, fill: Fill, *, in_place: bool, stands: bool) -> None:
        unseen = by - (told.left - told.hidden)
        if in_place and told.hidden and unseen > 0:
            told.hidden -= unseen
        told.filled += by
        told.is_open = told.filled < told.qty
        refreshed = told.is_open and told.hidden > 0 and told.hidden == told.left and (in_place or stands)
        if refreshed:
            told.hidden = max(told.hidden - told.display, 0)
        told.hidden = told.hidden if told.is_open else 0
        self._tell("PARF" if told.is_open else "FILL", told, fill=fill)
        if refreshed and not in_place:
            told.priority_ns = self._step.time_ns
            self._tell("REMA", told, "next slice")
        if not told.is_open:
            del self.open[told.id]
        request = self.requests.get(told.rfq) if told.of is Of.RFQ_QUOTE else None
        if request is not None:
            request.filled += by

    def _is_bought(self, series: int, leg: int) -> bool:
        """Whether who buys what the order is for buys this leg."""
        combo = self._state.combos.get(series)
        return combo is None or any(item.ratio > 0 for item in combo.legs if item.series == leg)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _request(self, command: c.OpenRfq) -> Told:
        series = command.series or self._state.combo_of.get(command.legs, 0)
        return Told(
            id=self._step.seq,
            of=Of.REQUEST,
            account=command.account,
            series=series,
            is_buy={c.BUYING: True, c.SELLING: False}.get(command.side),
            price=None,
            qty=command.qty,
            received_ns=self._step.time_ns,
            priority_ns=self._step.time_ns,
            signer=b"",
            expiry_s=command.expires_s,
            label=command.label,
            rfq=self._step.seq,
        )

    def _applied(self, _event: e.Applied) -> None:
        command = self._step.command
        if isinstance(command, c.OpenRfq):
            told = self.requests[self._step.seq] = self._request(command)
            self._tell("RFQS", told)

    def _rfq_ended(self, event: e.RfqEnded) -> None:
        told = self.requests.pop(event.rfq)
        left, told.is_open = told.qty - told.filled, False
        self._tell("RFQE", told, str(event.reason), ended=left)


_HANDLERS: Final[dict[type, Callable[[Follower, Any], None]]] = {
    e.Accepted: Follower._accepted,  # noqa: SLF001 - the table of this module's own class
    e.Parked: Follower._waits,  # noqa: SLF001
    e.Quoted: Follower._quoted,  # noqa: SLF001
    e.Rejected: Follower._rejected,  # noqa: SLF001
    e.QuoteRefused: Follower._quote_refused,  # noqa: SLF001
    e.Held: Follower._held,  # noqa: SLF001
    e.Triggered: Follower._triggered,  # noqa: SLF001
    e.Rested: Follower._rested,  # noqa: SLF001
    e.Amended: Follower._amended,  # noqa: SLF001
    e.Cancelled: Follower._cancelled,  # noqa: SLF001
    e.Traded: Follower._traded,  # noqa: SLF001
    e.Applied: Follower._applied,  # noqa: SLF001
    e.RfqEnded: Follower._rfq_ended,  # noqa: SLF001
}
