"""Every refusal of the machine has a code, a rule and a cure, and the documentation says the same. # M50"""

import re
from pathlib import Path

import pytest

from exchange.core.events import Reject, Rejected
from exchange.dialect.errors import REFUSALS, Code, refuse
from exchange.session.methods import METHODS

API = Path(__file__).parents[2] / "docs" / "API.md"


@pytest.mark.parametrize("reason", list(Reject))
def test_every_refusal_has_a_row(reason):
    row = REFUSALS[reason]
    assert row.rule.endswith(".")
    assert row.cure.endswith(".")
    error = refuse(Rejected(reason, 5, 7)).object()
    assert error["code"] == row.code.value[0]
    assert error["data"] == {
        "reason": reason.value,
        "value": row.value(5),
        "limit": row.limit(7),
        "rule": row.rule,
        "cure": row.cure,
    }


def test_the_rows_stand_in_the_order_of_the_checks():
    assert list(REFUSALS) == list(Reject)


def test_codes_are_distinct():
    numbers = [code.value[0] for code in Code]
    assert len(set(numbers)) == len(numbers)


def test_the_documentation_has_every_row_word_for_word():
    text = API.read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    expected = {
        reason.value: f"{row.code.value[0]} {row.code.value[1]} | {row.rule} | {row.cure}"
        for reason, row in REFUSALS.items()
    }
    assert {name: rows.get(name) for name in expected} == expected


def test_the_documentation_names_every_method_and_code():
    text = API.read_text()
    assert [name for name in METHODS if f"`{name}`" not in text] == []
    assert [code for code in Code if f"{code.value[0]} {code.value[1]}" not in text] == []
