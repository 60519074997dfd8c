"""Requests taken apart: text to a method and typed parameters, or a typed error.

Bounded in size, depth and digits; every value that is read is checked for its JSON type, so a session never meets a
surprise. Over HTTP GET all values are text and are read as such. Imports dialect.
"""

from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from exchange.core.units import U63_MAX
from exchange.dialect.bounds import Bound, beyond
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.numbers import NotANumber, NotExact, decimal_of, units_of

RequestId = int | str | None
ID_CHARS_MAX: Final = 256
TEXT_CHARS_MAX: Final = 4_096
INT_MAX: Final = 2**64 - 1


class Shape(NamedTuple):
    """How long and how deep a message may be, and how many lists and objects it may hold."""

    bytes_max: int
    containers_max: int
    depth_max: int


_QUERY_TEXT: Final = Shape(TEXT_CHARS_MAX, 512, 4)


class Request(NamedTuple):
    """A well-formed request. ``textual`` tells that values arrived as query text."""

    id: RequestId
    method: str
    params: "Params"


class Malformed(Exception):
    """Not a request; carries the id if one could be read, and the error."""

    def __init__(self, request_id: RequestId, error: DialectError) -> None:
        super().__init__(str(error))
        self.request_id = request_id
        self.error = error


_decoder: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(float_hook=decimal_of)


def decode(text: str | bytes, shape: Shape) -> Any:
    """JSON value with exact decimals. Raises DialectError for anything that is not sensible JSON."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(raw) > shape.bytes_max:
        raise beyond(Bound.MESSAGE_BYTES, value=len(raw), limit=shape.bytes_max)
    # The decoder recurses in C, and libraries raise the interpreter's recursion limit beyond what its stack holds.
    containers = raw.count(b"[") + raw.count(b"{")
    if containers > shape.containers_max:
        raise beyond(Bound.CONTAINERS, value=containers, limit=shape.containers_max)
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise DialectError(Code.PARSE_ERROR, reason="number_out_of_range") from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DialectError(Code.PARSE_ERROR, reason="not_json") from error


def parse(text: str | bytes, shape: Shape, *, method: str | None = None) -> Request:
    """A request from its text; ``method`` replaces the one in the text. Raises Malformed."""
    try:
        message = decode(text, shape)
    except DialectError as error:
        raise Malformed(None, error) from error
    if isinstance(message, list):
        raise Malformed(None, DialectError(Code.INVALID_REQUEST, reason="batches_are_not_supported"))
    if not isinstance(message, dict):
        raise Malformed(None, DialectError(Code.INVALID_REQUEST, reason="request_must_be_an_object"))
    return _request(message if method is None else message | {"method": method}, shape.depth_max)


def _request(message: dict[str, Any], depth_max: int) -> Request:
    request_id = _id_of(message)
    error = _fault_of(message, request_id, depth_max)
    if error is not None:
        raise Malformed(request_id, error)
    return Request(request_id, message["method"].removeprefix("/"), Params(message.get("params") or {}))


def _fault_of(message: dict[str, Any], request_id: RequestId, depth_max: int) -> DialectError | None:
    """The first thing wrong with the envelope."""
    try:
        _check_depth(message, depth_max)
    except DialectError as error:
        return error
    params = message.get("params")
    if message.get("jsonrpc", "2.0") != "2.0":
        return DialectError(Code.INVALID_REQUEST, reason="jsonrpc_must_be_2.0")
    if request_id is None:
        return DialectError(Code.INVALID_REQUEST, reason="id_must_be_an_integer_or_a_string")
    if not isinstance(message.get("method"), str):
        return DialectError(Code.INVALID_REQUEST, reason="method_must_be_a_string")
    if isinstance(params, list):
        return DialectError(Code.INVALID_PARAMS, reason="params_must_be_named")
    if params is not None and not isinstance(params, dict):
        return DialectError(Code.INVALID_PARAMS, reason="params_must_be_an_object")
    return None


def _id_of(message: dict[str, Any]) -> RequestId:
    """The id when it can be echoed, else None."""
    value = message.get("id")
    if isinstance(value, int) and not isinstance(value, bool) and -INT_MAX <= value <= INT_MAX:
        return value
    if isinstance(value, str) and len(value) <= ID_CHARS_MAX:
        return value
    return None


def _check_depth(value: Any, limit: int, depth: int = 1) -> None:
    """Refuse deep nesting."""
    if isinstance(value, dict | list):
        if depth > limit:
            raise beyond(Bound.DEPTH, value=depth, limit=limit)
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, limit, depth + 1)


class Params:
    """Named parameters, each read with its type; a wrong one raises invalid_params naming it."""

    def __init__(self, values: dict[str, Any], *, textual: bool = False) -> None:
        self.values = values
        self.textual = textual

    def given(self, name: str) -> bool:
        """Whether a parameter is there and not null."""
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None, *, chars_max: int = TEXT_CHARS_MAX) -> str:
        """A string; required without a default."""
        value = self.values.get(name)
        if value is None:
            return _required(name) if default is None else default
        if not isinstance(value, str):
            raise wrong(name, "must_be_a_string")
        if len(value) > chars_max:
            raise wrong(name, "too_long", limit=chars_max)
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of a few words."""
        value = self.text(name, default)
        if value not in choices:
            raise wrong(name, "must_be_one_of", choices=list(choices))
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean."""
        value = self.values.get(name)
        if value is None:
            return default
        if self.textual and value in {"true", "false"}:
            return bool(value == "true")
        if not isinstance(value, bool):
            raise wrong(name, "must_be_a_boolean")
        return value

    def number(self, name: str) -> Decimal:
        """An exact number."""
        value = self.values.get(name)
        if value is None:
            return Decimal(_required(name))
        if self.textual and isinstance(value, str):
            value = _number_of(name, value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise wrong(name, "must_be_a_number")
        if isinstance(value, int) and abs(value) > INT_MAX:
            raise wrong(name, "out_of_range")
        return Decimal(value)

    def exact(self, name: str, one: int, *, bound: int = U63_MAX) -> int:
        """A number as so many integers to one, between minus and plus ``bound`` of them."""
        try:
            units = units_of(self.number(name), one)
        except NotExact as error:
            raise wrong(name, "finer_than_can_be_signed") from error
        if abs(units) > bound:
            raise wrong(name, "out_of_range", low=-bound / one, high=bound / one)
        return units

    def whole(self, name: str, default: int | None = None, *, low: int = 0, high: int = INT_MAX) -> int:
        """An integer within bounds. Digits in a string are taken too: nonces and times outgrow doubles."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, str):
            value = _number_of(name, value)
        if isinstance(value, Decimal) and value == int(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(name, "must_be_an_integer") if value is not None else wrong(name, "required")
        if not low <= value <= high:
            raise wrong(name, "out_of_range", low=low, high=high)
        return value

    def words(self, name: str, *, count_max: int) -> list[str]:
        """A list of strings; as query text, a JSON array."""
        value = self._structured(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise wrong(name, "must_be_a_list_of_strings")
        if len(value) > count_max:
            raise wrong(name, "too_many", limit=count_max)
        return value

    def with_default(self, name: str, other: "Params") -> "Params":
        """These parameters with one of another object where it is not given."""
        return self if self.given(name) else Params(self.values | {name: other.values.get(name)}, textual=self.textual)

    def having(self, **values: Any) -> "Params":
        """These parameters with others in their place."""
        return Params(self.values | values, textual=self.textual)

    def object(self, name: str) -> "Params":
        """A nested object; as query text, a JSON object."""
        value = self._structured(name)
        if not isinstance(value, dict):
            raise wrong(name, "must_be_an_object")
        return Params(value)

    def objects(self, name: str, *, count_max: int) -> list["Params"]:
        """A list of objects; as query text, a JSON array."""
        value = self._structured(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise wrong(name, "must_be_a_list_of_objects")
        if len(value) > count_max:
            raise wrong(name, "too_many", limit=count_max)
        return [Params(item) for item in value]

    def count(self, name: str) -> int:
        """How many items a list has; 0 for what is no list."""
        value = self._structured(name) if self.given(name) else None
        return len(value) if isinstance(value, list) else 0

    def blob(self, name: str, *, bytes_max: int) -> bytes:
        """Bytes written as 0x and hexadecimal digits."""
        value = self.text(name, chars_max=2 + 2 * bytes_max)
        if not value.startswith("0x"):
            raise wrong(name, "must_be_0x_hexadecimal")
        try:
            return bytes.fromhex(value[2:])
        except ValueError as error:
            raise wrong(name, "must_be_0x_hexadecimal") from error

    def _structured(self, name: str) -> Any:
        value = self.values.get(name)
        if value is None:
            _required(name)
        if self.textual and isinstance(value, str):
            value = decode(value, _QUERY_TEXT)
            _check_depth(value, _QUERY_TEXT.depth_max)
        return value


def _required(name: str) -> str:
    raise wrong(name, "required")


def _number_of(name: str, text: str) -> Decimal:
    try:
        return decimal_of(text)
    except NotANumber as error:
        raise wrong(name, "must_be_a_number") from error


def wrong(param: str, reason: str, **data: Any) -> DialectError:
    """An invalid parameter."""
    return DialectError(Code.INVALID_PARAMS, param=param, reason=reason, **data)
