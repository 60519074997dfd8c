"""The words of the journal change only as docs/adr/0001 allows, and never by accident."""

import copy
import json
from pathlib import Path

import pytest

from exchange.codec import field_table

LOCK = Path(__file__).with_name("schema.lock.json")
REWRITE = (
    "python -c 'import json; from exchange.codec import field_table; print(json.dumps(field_table(), indent=1))'"
    " > tests/golden/schema.lock.json"
)


def table():
    """The field table as JSON has it."""
    return json.loads(json.dumps(field_table()))


def broken_by(old, new):
    """What a change does that no reader of the old words could bear; appended fields and new kinds are allowed."""
    wrong = [f"{name} is gone" for name in old if name not in new]
    for name, kind in old.items():
        if name in new and new[name]["tag"] != kind["tag"]:
            wrong.append(f"{name} has another tag")
        if name in new and new[name]["fields"][: len(kind["fields"])] != kind["fields"]:
            wrong.append(f"{name} has other fields where it had fields")
    return wrong


def test_the_words_of_the_journal_are_those_of_the_lock():
    locked = json.loads(LOCK.read_text())
    assert broken_by(locked, table()) == []
    assert table() == locked, f"fields were appended; after review: {REWRITE}"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda words: words.pop("Place"),
        lambda words: words["Place"].update(tag=99),
        lambda words: words["Cancel"]["fields"].reverse(),
        lambda words: words["Cancel"]["fields"].pop(0),
        lambda words: words["Cancel"]["fields"][0].__setitem__(1, "str"),
        lambda words: words["Cancel"]["fields"].insert(0, ["why", "str"]),
    ],
)
def test_a_change_that_breaks_readers_is_found(spoil):
    words = copy.deepcopy(table())
    spoil(words)
    assert broken_by(table(), words)


def test_an_appended_field_and_a_new_kind_break_nobody():
    words = copy.deepcopy(table())
    words["Cancel"]["fields"].append(["why", "str"])
    words["Pause"] = {"tag": 98, "fields": []}
    assert broken_by(table(), words) == []
