"""What an export says about its fields is what the annexes say, and what the documentation says."""

import bz2
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from export_schemas import faults_of_message, faults_of_trail, schema

from replay.export import auth113, cat
from replay.export.fields import MICA, ONCHAIN, RTS24
from replay.export.orders import OWN_CODES
from replay.export.package import export
from replay.export.rows import ORDERS
from replay.export.tables import read_rows

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "venue.journal"
DOCS = (ROOT / "docs" / "EXPORTS.md").read_text()
ANNEXES = {
    "RTS 24": (RTS24, schema("rts24")["fields"]),
    "MiCA": (MICA, schema("mica416")["table2_orders"]),
    "on chain": (ONCHAIN, schema("mica416")["table3_onchain"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "day"
    export(GOLDEN, date(2026, 8, 16), out)
    return out


@pytest.mark.parametrize("name", ANNEXES)
def test_fields_are_those_of_the_annex(name):
    ours, annex = ANNEXES[name]
    assert [(field.number, field.name, field.format) for field in ours] == [
        (field["n"], field["name"], field["format"]) for field in annex
    ]


@pytest.mark.parametrize("name", ANNEXES)
def test_every_field_is_documented_with_its_source_and_why_it_is_blank(name):
    for field in ANNEXES[name][0]:
        assert f"| {field.number} | {field.name} | {field.source} | {field.blank} |" in DOCS


def test_every_code_of_our_own_is_documented():
    for code, meaning in OWN_CODES.items():
        assert f"| `{code}` | {meaning} |" in DOCS


def test_the_annex_says_where_each_field_stands_in_the_message():
    """What the message leaves out is what RTS 24 has nothing for here, or what stands in it as a form of its own."""
    told = {field["iso20022_auth113"].split("/")[-1].removesuffix("[]") for field in schema("rts24")["fields"]}
    written = (ROOT / "replay" / "export" / "auth113.py").read_text()
    absent = {tag for tag in told if f'"{tag}"' not in written}
    assert absent == {
        *("ClntId", "InvstmtDcsnPrsn", "NonExctgBrkr"),  # nobody is named in an export
        *("OrdrRstrctn", "AddtlLmtPric", "PggdPric", "CcyScndLeg", "RtgStrtgy"),  # the venue has none
        *("FrstExctnOnly", "IndctvAuctnPric", "IndctvAuctnVol"),
        *("attr Ccy", "(choice element)", "OrdrVldtySts + OrdrSts"),
    }


def test_the_message_has_the_shape_of_auth_113(folder):
    message = json.loads((folder / auth113.NAME).read_text())
    types = schema("auth113")["types"]
    report = message["OrdrBookRpt"]
    assert faults_of_message(types, "OrderBookReportV01", report)[:5] == []
    orders = report["OrdrRpt"][0]["New"]["Ordr"]
    assert report["RptHdr"]["NbRcrds"] == str(len(orders))
    rows = list(read_rows(folder / "02_orders_rts24.ndjson", ORDERS))
    assert [order["OrdrIdData"]["SeqNb"] for order in orders] == [row["15_sequence"] for row in rows]


def test_the_shape_is_told_from_another():
    types = schema("auth113")["types"]
    whole = {"OrdrBookId": "1", "SeqNb": "1", "TmStmp": "t", "TradVn": "XXXX", "FinInstrm": {"Id": "1"}}
    assert faults_of_message(types, "OrderIdentification2", whole) == []
    for broken in (
        {key: value for key, value in whole.items() if key != "SeqNb"},
        {**whole, "Unheard": "of"},
        {**whole, "FinInstrm": {"Id": "1", "StrtgyInstrms": ["2"]}},
        {**whole, "EvtTp": {"Cd": "NOPE"}},
        {**whole, "OrdrBookId": 1},
    ):
        assert faults_of_message(types, "OrderIdentification2", broken)


def test_records_of_the_trail_fit_the_schema_where_it_has_them(folder):
    trail = schema("cat_options")
    lines = bz2.decompress((folder / cat.NAME).read_bytes()).splitlines()
    records = [json.loads(line, parse_float=Decimal) for line in lines]
    theirs = [record for record in records if not record["type"].startswith("X")]
    assert {record["type"] for record in theirs} >= {"MOOA", "MOOM", "MOOC", "MLOA"}
    assert [fault for record in theirs for fault in faults_of_trail(trail, record)] == []
    assert len({record["firmROEID"] for record in records}) == len(records)
    assert max(map(len, lines)) < cat.LINE_MAX
    broken = {**theirs[0], "side": "Q", "quantity": 10**13, "unheard": 1}
    del broken["orderID"]
    assert len(faults_of_trail(trail, broken)) == 4
