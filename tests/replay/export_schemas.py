"""Machine-readable copies of what exports are written after, and whether a message is of their shape."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).with_name("schemas")


def schema(name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{name}.json").read_text())


def faults_of_message(types: dict[str, Any], kind: str, value: Any, path: str = "") -> list[str]:
    """What is wrong with a value of a type of ISO 20022: elements missing, unknown, or of another make."""
    known = types.get(kind, {})
    if "enum" in known:
        return [] if value in [code for code, _ in known["enum"]] else [f"{path}: {value!r} is no {kind}"]
    if "base" in known:
        wanted = bool if known["base"].lower() == "boolean" else str
        return [] if type(value) is wanted else [f"{path}: {value!r} is no {kind}"]
    if not known.get("fields"):  # an amount: a number with its currency
        return [] if set(value) == {"Amt", "Ccy"} and Decimal(value["Amt"]) >= 0 else [f"{path}: {value!r}"]
    fields = {field["xml"]: field for field in known["fields"]}
    faults = [f"{path}/{tag}: unknown in {kind}" for tag in value if tag not in fields]
    if known["choice"]:
        faults += [] if len(value) == 1 else [f"{path}: {len(value)} choices"]
    else:
        faults += [f"{path}/{tag}: missing" for tag, field in fields.items() if field["required"] and tag not in value]
    for tag, part in value.items():
        if tag in fields:
            parts = part if fields[tag]["list"] else [part]
            for each in parts:
                faults += faults_of_message(types, fields[tag]["type"], each, f"{path}/{tag}")
    return faults


def faults_of_trail(schema: dict[str, Any], record: dict[str, Any]) -> list[str]:
    """What is wrong with a record of the audit trail: fields missing, unknown, too long or of another make."""
    fields = {field["name"]: field for field in schema["events"][record["type"]]}
    faults = [f"{name}: unknown in {record['type']}" for name in record if name not in fields]
    faults += [f"{name}: missing" for name, field in fields.items() if field["include"] == "R" and name not in record]
    for name, value in record.items():
        if name in fields:
            faults += _faults_of_cell(schema, fields[name], value)
    return faults


def _faults_of_cell(schema: dict[str, Any], field: dict[str, Any], value: Any) -> list[str]:
    name, size, make = field["name"], field.get("len_or_precision"), field["json"]
    if name in schema["choices"] and value not in schema["choices"][name]:
        return [f"{name}: {value!r} is no choice"]
    if make == "ARRAY":
        elements = {element["name"]: element for element in field["elements"]}
        return [fault for item in value for key in item for fault in _faults_of_cell(schema, elements[key], item[key])]
    types = {"STRING": str, "BOOLEAN": bool, "OBJECT(name/value)": dict, "STRING|NUMBER": int}
    if make == "NUMBER":
        whole, _, fraction = str(abs(value)).partition(".")
        fits = len(whole) <= size[0] and len(fraction) <= size[1]
        return [] if fits else [f"{name}: {value} does not fit {size}"]
    if type(value) is not types[make]:
        return [f"{name}: {value!r} is no {make}"]
    return [f"{name}: {value!r} is too long"] if make == "STRING" and size and len(value) > size[0] else []
