"""Order rows in the vocabulary of the US consolidated audit trail for options: a dialect of it, not a submission.

The venue is no Plan Participant and its options are no listed ones. Field names, types and inclusion are those of the
Industry Member schema 4.1.0 r15 for MOOA, MOOM, MOOC and their multi-leg forms; accounts stand where IMIDs do. What
that schema leaves to exchanges (trades, refusals, triggers) has records of our own, whose types begin with X. Times are
UTC nanoseconds since the epoch, which the schema allows beside Eastern text. One JSON object a line, in bzip2.
Imports rows, texts.
"""

import bz2
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange.core import commands as c
from exchange.core.combos import is_combo
from exchange.core.state import State
from exchange.core.state_types import Series
from exchange.core.units import NANOS_PER_SECOND, NO_EXPIRY
from replay.export import texts
from replay.export.orders import ENDS, Of, OrderEvent, Told

NAME: Final = "06_cat_options.json.bz2"
LINE_MAX: Final = 8_190
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def option_id(state: State, option: Series) -> str:
    """The 21 characters of an OSI symbol; where root or strike do not fit, the number of the series."""
    root = state.underlyings[option.underlying].name.partition("_")[0]
    strike, rest = divmod(option.strike, 1_000)
    if len(root) > 6 or rest or strike >= 10**8:
        return f"S{option.id}"
    day = texts.second(option.expiry_s)[2:10].replace("-", "")
    return f"{root:<6}{day}{'C' if option.is_call else 'P'}{strike:08d}"


def record_of(event: OrderEvent, place: int, state: State) -> dict[str, Any]:
    """The record of one order event."""
    told, day = event.order, texts.day_of(event.time_ns).replace("-", "")
    kind, own = _kind_of(event)
    record: dict[str, Any] = {
        "actionType": "NEW",
        "firmROEID": f"{day}_{event.seq}-{place}",
        "type": kind,
        "orderKeyDate": told.received_ns,
        "orderID": str(told.id),
        "eventTimestamp": event.time_ns,
        "manualFlag": False,
        **_instrument(event, state),
    }
    if own:
        return record | _own(event)
    if kind[2:] == "OC":
        return record | _cancelled(event)
    return record | _order(told) | (_accepted(told) if kind[2:] == "OA" else _modified(event))


def _kind_of(event: OrderEvent) -> tuple[str, bool]:
    """The type of the record, and whether it is one of ours."""
    prefix = "ML" if is_combo(event.order.series) else "MO"
    if event.fill is not None:
        return "XOT", True
    if event.order.of is Of.REQUEST or event.code in {"REMO", "RMRJ", "CHMO"}:
        return f"X{event.code}", True
    if event.code in {"NEWO", "RFQR"}:
        return f"{prefix}OA", False
    return f"{prefix}{'OC' if event.code in ENDS else 'OM'}", False


def _instrument(event: OrderEvent, state: State) -> dict[str, Any]:
    series = event.order.series if event.fill is None else event.fill.series
    option, combo = state.series.get(series), state.combos.get(series)
    if option is not None:
        return {"optionID": option_id(state, option)}
    if combo is None:
        return {"optionID": f"S{series}"}
    legs = [
        {
            "optionID": option_id(state, state.series[leg.series]),
            "side": "B" if leg.ratio > 0 else "S",
            "legRatioQuantity": abs(leg.ratio),
        }
        for leg in combo.legs
    ]
    return {"underlying": state.underlyings[combo.underlying].name, "legDetails": legs, "numberOfLegs": len(legs)}


def _order(told: Told) -> dict[str, Any]:
    """What an order is for: of a combo its net price, which may be below zero."""
    record: dict[str, Any] = {
        "quantity": _number(texts.quantity(told.qty)),
        "orderType": "MKT" if told.market else "LMT",
        "timeInForce": _time_in_force(told),
        "tradingSession": "ALL",
    }
    if not is_combo(told.series):
        record["side"] = "B" if told.is_buy else "S"
    if told.price is not None and not told.market:
        record["price"] = _number(texts.price(told.price))
    if is_combo(told.series):
        record["priceType"] = "PU"
    return record


def _time_in_force(told: Told) -> dict[str, Any]:
    if told.tif != c.GTC or told.of is Of.RFQ_TAKE:
        return {"IOC": True}
    if told.expiry_s == NO_EXPIRY:
        return {"GTC": True}
    return {"GTT": told.expiry_s * NANOS_PER_SECOND}


def _accepted(told: Told) -> dict[str, Any]:
    return {
        "electronicDupFlag": False,
        "receiverIMID": "VENUE",
        "senderIMID": f"A{told.account}",
        "senderType": "F",
        "routedOrderID": str(told.id),
        "deptType": "T",
        "affiliateFlag": False,
        "solicitationFlag": False,
    }


def _modified(event: OrderEvent) -> dict[str, Any]:
    return {
        "electronicDupFlag": False,
        "initiator": _initiator(event),
        "leavesQty": _number(texts.quantity(event.order.left)),
        "representativeInd": "N",
    }


def _cancelled(event: OrderEvent) -> dict[str, Any]:
    return {
        "cancelQty": _number(texts.quantity(event.ended)),
        "leavesQty": 0,
        "initiator": _initiator(event),
    }


def _initiator(event: OrderEvent) -> str:
    """C: who sent the order; F: the venue."""
    return "C" if event.code in {"REME", "CAME"} else "F"


def _own(event: OrderEvent) -> dict[str, Any]:
    told, fill = event.order, event.fill
    record: dict[str, Any] = {"senderIMID": f"A{told.account}", "leavesQty": _number(texts.quantity(told.left))}
    if told.is_buy is not None:
        record["side"] = "B" if told.is_buy else "S"
    if event.cause:
        record["cause"] = event.cause
    if fill is None:
        return record
    return record | {
        "tradeID": f"T{fill.trade_id}",
        "side": "B" if fill.is_buy else "S",
        "quantity": _number(texts.quantity(fill.qty)),
        "price": _number(texts.price(fill.price)),
        "liquidity": "TAKER" if fill.is_taker else "MAKER",
    }


def _number(text: str) -> msgspec.Raw:
    """Decimal text as a JSON number, digit for digit."""
    return msgspec.Raw(text.encode())


class Trail:
    """The file as it is written."""

    def __init__(self, directory: Path) -> None:
        self._file = bz2.BZ2File(directory / NAME, "wb", compresslevel=9)
        self.records = 0

    def take(self, record: dict[str, Any]) -> None:
        """One more line."""
        line = _encode(record) + b"\n"
        assert len(line) <= LINE_MAX
        self._file.write(line)
        self.records += 1

    def close(self) -> None:
        """The file is complete."""
        self._file.close()
