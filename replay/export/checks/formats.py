"""The formats of the annexes as tests of a text: ``{DECIMAL-18/13}``, ``{LEI}``, lists of codes. Standard library only.

A format is written as its annex writes it: alternatives in braces or as codes of four capitals; words beside them are
commentary. Lists of codes in one field are separated by commas.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Final

FREE: Final = "(no format given)"
DIGITS: Final = "up to 20 numeric positive digits"
_TOKEN: Final = re.compile(r"\{[^}]+\}|\b[A-Z]{4}\b|\btrue\b|\bfalse\b")
_SIZED: Final = re.compile(r"\{([A-Z]+)-(\d+)(?:/(\d+))?\}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6,9}Z")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?")


def fits(format_: str, value: str) -> bool:
    """Whether a value is of a format, or each of a list of values."""
    if format_ == FREE:
        return True
    if format_ == DIGITS:
        return value.isascii() and value.isdigit() and len(value) <= 20
    tests = _tests_of(format_)
    return any(test(value) for test in tests) or (
        "," in value and all(part in _codes_of(format_) for part in value.split(","))
    )


@cache
def _codes_of(format_: str) -> tuple[str, ...]:
    return tuple(token for token in _TOKEN.findall(format_) if not token.startswith("{"))


@cache
def _tests_of(format_: str) -> tuple[Callable[[str], bool], ...]:
    return tuple(_test_of(token) for token in _TOKEN.findall(format_))


def _test_of(token: str) -> Callable[[str], bool]:
    if not token.startswith("{"):
        return lambda value: value == token
    sized = _SIZED.fullmatch(token)
    if sized is None:
        return _NAMED.get(token, lambda _value: False)
    kind, size, fraction = sized[1], int(sized[2]), int(sized[3] or 0)
    if kind == "ALPHANUM":
        return lambda value: 0 < len(value) <= size and value.isprintable()
    if kind == "INTEGER":
        return lambda value: re.fullmatch(rf"-?\d{{1,{size}}}", value) is not None
    return lambda value: _is_decimal(value, size, fraction)


def _is_decimal(value: str, size: int, fraction: int) -> bool:
    """Digits in all and of the fraction within bounds; written in one way only."""
    if _NUMBER.fullmatch(value) is None:
        return False
    whole, _, rest = value.removeprefix("-").partition(".")
    return len(whole.lstrip("0")) + len(rest) <= size and len(rest) <= fraction


def is_moment(value: str) -> bool:
    """A UTC time that exists, with six to nine digits of its fraction."""
    if _TIME.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value[:19]).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _is_date(value: str) -> bool:
    try:
        return len(value) == 10 and datetime.fromisoformat(value).replace(tzinfo=UTC) is not None
    except ValueError:
        return False


def is_lei(value: str) -> bool:
    """ISO 17442: twenty characters whose number, with letters as 10 to 35, leaves one when divided by 97."""
    if re.fullmatch(r"[0-9A-Z]{18}[0-9]{2}", value) is None:
        return False
    return int("".join(str(int(mark, 36)) for mark in value)) % 97 == 1


def is_isin(value: str) -> bool:
    """ISO 6166: twelve characters, of which the last is the check digit after Luhn over letters as 10 to 35."""
    if re.fullmatch(r"[A-Z]{2}[0-9A-Z]{9}[0-9]", value) is None:
        return False
    digits = [int(digit) for mark in value for digit in str(int(mark, 36))]
    doubled = [digit if place % 2 == 0 else digit * 2 for place, digit in enumerate(reversed(digits))]
    return sum(digit // 10 + digit % 10 for digit in doubled) % 10 == 0


def decimal_of(value: object) -> Decimal | None:
    """The number that a cell holds, if it holds one."""
    return Decimal(str(value)) if _NUMBER.fullmatch(str(value)) else None


_NAMED: Final[dict[str, Callable[[str], bool]]] = {
    "{LEI}": is_lei,
    "{ISIN}": is_isin,
    "{MIC}": lambda value: re.fullmatch(r"[A-Z0-9]{4}", value) is not None,
    "{DTI}": lambda value: re.fullmatch(r"[0-9B-DF-HJ-NP-TV-XZ]{9}", value) is not None,
    "{CURRENCYCODE_3}": lambda value: re.fullmatch(r"[A-Z]{3}", value) is not None,
    "{COUNTRYCODE_2}": lambda value: re.fullmatch(r"[A-Z]{2}", value) is not None,
    "{NATIONAL_ID}": lambda value: re.fullmatch(r"[A-Z]{2}[0-9A-Z#]{1,33}", value) is not None,
    "{DATE_TIME_FORMAT}": is_moment,
    "{DATEFORMAT}": _is_date,
    "{DECIMAL}": lambda value: _NUMBER.fullmatch(value) is not None,
    "{HASH}": lambda value: re.fullmatch(r"[0-9a-f]{64}", value) is not None,
    "{HEX}": lambda value: re.fullmatch(r"0x[0-9a-f]*", value) is not None,
    "{CFI_CODE}": lambda value: re.fullmatch(r"[A-Z]{6}", value) is not None,
}
