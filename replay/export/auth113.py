"""Order rows in the shape of ISO 20022 auth.113.001.01, OrderBookReport, as JSON.

One message for the day: elements by their tags, a choice as an object with one member, an amount as ``{"Ccy", "Amt"}``.
Keys are sorted, so that orders can be written as they come and the header, which counts them, after them. Two things
are not as the schema wants them, because the venue has nothing else to say: amounts are in ``USDC``, which is no ISO
4217 code, and until a MIC is recorded the venue is ``XXXX``. Imports tables and fields.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from exchange.core.legs import Legs
from replay.export.fields import RTS24
from replay.export.tables import Cell, Row

NAME: Final = "02_orders_auth113.json"
UNKNOWN_MIC: Final = "XXXX"
CODES: Final = frozenset(
    ("NEWO", "TRIG", "REME", "REMA", "REMH", "CHME", "CHMO", "CAME", "CAMO", "REMO", "EXPI", "PARF", "FILL")
) | {"RFQS", "RFQR"}
ISSUER: Final = "venue"
_BY_SLUG: Final = {field.slug: field.column for field in RTS24}
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def order_of(row: Row, legs: Legs) -> dict[str, Any]:
    """One ``Ordr`` of the message from a row of RTS 24; ``legs`` of the combo that it is for, if it is for one."""
    cells = {slug: row.get(column) for slug, column in _BY_SLUG.items()}
    parts = {"OrdrIdData": _identity(cells, legs), "AuctnData": _auction(cells), "OrdrData": _data(cells)}
    return {tag: part for tag, part in parts.items() if part}


def _kept(parts: dict[str, Any]) -> dict[str, Any]:
    """Elements that have something in them."""
    return {tag: part for tag, part in parts.items() if part not in (None, {}, [])}


def _identity(cells: dict[str, Cell | None], legs: Legs) -> dict[str, Any]:
    instrument = {"StrtgyInstrms": [str(leg.series) for leg in legs]} if legs and not cells["traded"] else None
    return _kept(
        {
            "OrdrBookId": cells["book"],
            "SeqNb": cells["sequence"],
            "Prty": _kept({"TmStmp": cells["priority_time"], "Sz": cells["priority_size"]}),
            "TmStmp": cells["time"],
            "TradVn": cells["mic"] or UNKNOWN_MIC,
            "FinInstrm": instrument or {"Id": cells["instrument"] or cells["book"]},
            "OrdrId": cells["order"],
            "DtOfRct": cells["received"],
            "VldtyPrd": _some(cells["validity"], lambda code: {"VldtyPrdCd": code}),
            "VldtyDtTm": cells["valid_until"],
            "EvtTp": _event(str(cells["event"])),
        }
    )


def _event(code: str) -> dict[str, Any]:
    return {"Cd": code} if code in CODES else {"Prtry": {"Id": code, "Issr": ISSUER}}


def _auction(cells: dict[str, Cell | None]) -> dict[str, Any]:
    return _kept({"TradgPhs": cells["phase"]})


def _data(cells: dict[str, Cell | None]) -> dict[str, Any]:
    return _kept(
        {
            "SubmitgNtty": cells["submitter"],
            "DrctElctrncAccs": cells["dea"] == "true",
            "ExctgPrsn": _some(cells["execution"], lambda hand: {"Algo": hand}),
            "TradgCpcty": cells["capacity"],
            "LqdtyPrvsnActvty": cells["provision"] == "true",
            "OrdrClssfctn": _kept({"OrdrTp": cells["order_type"], "OrdrTpClssfctn": cells["order_class"]}),
            "OrdrPrics": _kept({"LmtPric": _price(cells["limit"]), "StopPric": _price(cells["stop"])}),
            "InstrData": _instruction(cells),
            "TxData": _transaction(cells),
        }
    )


def _instruction(cells: dict[str, Cell | None]) -> dict[str, Any]:
    validity, _, quality = str(cells["status"]).partition(",")
    return _kept(
        {
            "BuySellInd": cells["side"],
            "OrdrVldtySts": validity,
            "OrdrSts": [quality],
            "InitlQty": _units(cells["initial"]),
            "RmngQty": _units(cells["remaining"]),
            "DispdQty": _units(cells["displayed"]),
            "MinAccptblQty": _units(cells["maq"]),
            "PssvOnlyInd": cells["passive_only"] == "true",
            "SlfExctnPrvntn": cells["self_trade"] == "true",
        }
    )


def _transaction(cells: dict[str, Cell | None]) -> dict[str, Any]:
    return _kept(
        {
            "TxPric": _some(_price(cells["traded_price"]), lambda price: {"Pric": price}),
            "TraddQty": _units(cells["traded"]),
            "PssvOrAggrssvInd": cells["passive"],
            "StrtgyLkdOrdrId": cells["strategy"],
            "TxId": cells["transaction"],
        }
    )


def _price(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    text = str(cell)
    amount = {"Amt": {"Amt": text.removeprefix("-"), "Ccy": "USDC"}}
    return {"MntryVal": amount | ({"Sgn": False} if text.startswith("-") else {})}


def _units(cell: Cell | None) -> dict[str, Any] | None:
    return None if cell is None else {"Unit": cell}


def _some(cell: Any, make: Callable[[Any], Any]) -> Any:
    return None if cell is None else make(cell)


class Message:
    """The message as it is written: orders first, then the header."""

    def __init__(self, directory: Path, day: str) -> None:
        self._file = (directory / NAME).open("wb")
        self._digest = sha256()
        self._day = day
        self.orders = 0
        self._write(b'{"OrdrBookRpt":{"OrdrRpt":[{"New":{"Ordr":[')

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)

    def take(self, row: Row, legs: Legs) -> None:
        """One more order event."""
        self._write(b",\n" * (self.orders > 0) + _encode(order_of(row, legs)))
        self.orders += 1

    def close(self, mic: str) -> None:
        """The header, and the file is complete."""
        header = {
            "RptgNtty": {"MktIdCd": mic or UNKNOWN_MIC},
            "RptgPrd": {"Dt": self._day},
            "MsgPgntn": {"PgNb": "1", "LastPgInd": True},
            "NbRcrds": str(self.orders),
        }
        report = _encode(f"{self._day}-1")
        self._write(b'],"RptId":' + report + b'}}],"RptHdr":' + _encode(header) + b"}}\n")
        self._file.close()
