"""The words of the journal are locked: what was written once must be readable for ever.

`tests/golden/schema.lock.json` holds tag, field names, types and order of every command and event. The schema may only
grow: a new struct under a new tag, or a new field at the end with a default. `python -m tests.golden.test_schema_lock` at
the root of the repository writes the lock anew, and the difference is reviewed as such.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange import codec

LOCK = Path(__file__).with_name("schema.lock.json")
Table = dict[str, dict[str, Any]]
CURE = (
    "Journals already written carry the old words. Give a changed meaning a new struct with a new tag, append a field "
    "only at the end and with a default, and never reuse a tag; then `python -m tests.golden.test_schema_lock` writes "
    "the lock anew and `python -m tests.golden.build` the golden journal, and both differences go into the same review."
)


def differences(locked: Table, now: Table) -> list[str]:
    """What was taken away or altered, in sentences; growth is no difference."""
    found = []
    for name, was in locked.items():
        if name not in now:
            found.append(f"{name} (tag {was['tag']}) is gone.")
            continue
        have = now[name]
        if have["tag"] != was["tag"]:
            found.append(f"{name} had tag {was['tag']} and has {have['tag']}.")
        if have["fields"][: len(was["fields"])] != was["fields"]:
            found.append(f"{name} had fields {was['fields']} and has {have['fields']}.")
    return found


def growth(locked: Table, now: Table) -> list[str]:
    """What was added since the lock."""
    added = [name for name in now if name not in locked]
    return added + [
        f"{name}.{field[0]}"
        for name in now
        if name in locked
        for field in now[name]["fields"][len(locked[name]["fields"]) :]
    ]


def table_now() -> Table:
    """The table as JSON gives it back."""
    table: Table = json.loads(msgspec.json.encode(codec.field_table()))
    return table


def locked_table() -> Table:
    table: Table = json.loads(LOCK.read_text())["structs"]
    return table


def write() -> None:
    """Lock the schema of today's code."""
    rows = [f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in table_now().items()]
    fingerprint = json.dumps(codec.SCHEMA_FP.hex())
    LOCK.write_text('{"fingerprint": ' + fingerprint + ', "structs": {\n' + ",\n".join(rows) + "\n}}\n")


def test_nothing_that_was_written_once_has_changed() -> None:
    found = differences(locked_table(), table_now())
    assert not found, f"{' '.join(found)} {CURE}"


def test_growth_is_locked_too() -> None:
    added = growth(locked_table(), table_now())
    assert not added, f"The schema has grown by {', '.join(added)}: python -m tests.golden.test_schema_lock locks it."


def test_the_fingerprint_in_each_frame_is_that_of_the_lock() -> None:
    assert json.loads(LOCK.read_text())["fingerprint"] == codec.SCHEMA_FP.hex(), CURE


def test_no_tag_means_two_things() -> None:
    table = table_now()
    events = {kind.__name__ for kind in codec.e.Event.__subclasses__()}
    for names in (set(table) - events, events):
        tags = [table[name]["tag"] for name in names if table[name]["tag"] is not None]
        assert len(tags) == len(set(tags))


def test_fields_that_were_appended_have_defaults() -> None:
    """A journal written before a field existed lacks it; only a default can stand in."""
    for name, row in locked_table().items():
        kind = next(getattr(module, name) for module in (codec.c, codec.e, codec.parameters) if hasattr(module, name))
        fields = msgspec.structs.fields(kind)
        optional = [not field.required for field in fields]
        assert optional == sorted(optional), f"{name}: a field without default follows one with"
        assert all(optional[len(row["fields"]) :]), name


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda table: table.pop("Place"), "Place (tag 10) is gone."),
        (lambda table: table["Place"].update(tag=77), "Place had tag 10 and has 77."),
        (lambda table: table["Place"]["fields"].reverse(), "Place had fields"),
        (lambda table: table["Traded"]["fields"].pop(), "Traded had fields"),
        (lambda table: table["Spot"]["fields"][1].__setitem__(1, "str"), "Spot had fields"),
    ],
)
def test_a_change_is_told(damage: Any, sentence: str) -> None:
    changed = table_now()
    damage(changed)
    assert any(found.startswith(sentence) for found in differences(table_now(), changed))


def test_an_appended_field_and_a_new_struct_are_growth() -> None:
    grown = table_now()
    grown["Place"]["fields"].append(["client_time", "int"])
    grown["Quote"] = {"tag": 14, "fields": []}
    assert differences(table_now(), grown) == []
    assert growth(table_now(), grown) == ["Quote", "Place.client_time"]


if __name__ == "__main__":
    write()
