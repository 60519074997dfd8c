"""Parts of long answers: which entries, in which order, how many, and where the next part begins.

Imports call, requests.
"""

from typing import Final, NamedTuple, TypeVar

from exchange.core.units import U63_MAX, Nanos
from exchange.dialect.numbers import millis
from exchange.session.call import Call
from exchange.session.requests import wrong

T = TypeVar("T")
ID_CHARS_MAX: Final = 64
_SORTINGS: Final = ("asc", "desc", "default")
_COMBO: Final = "combo-"


class Window(NamedTuple):
    """Numbers and milliseconds from and to which entries count, all included."""

    first: int
    last: int
    start_ms: int
    end_ms: int

    def holds(self, number: int, time_ns: Nanos) -> bool:
        """Whether an entry lies in it."""
        return self.first <= number <= self.last and self.start_ms <= millis(time_ns) <= self.end_ms


def between(call: Call, first: str, last: str) -> tuple[Window, bool]:
    """The window asked for, and whether it has a beginning: whoever names one reads on from there."""
    window = Window(
        number_of(call, first, 0),
        number_of(call, last, U63_MAX),
        call.params.whole("start_timestamp", 0, high=U63_MAX),
        call.params.whole("end_timestamp", U63_MAX, high=U63_MAX),
    )
    return window, call.params.given(first) or call.params.given("start_timestamp")


def number_of(call: Call, name: str, default: int) -> int:
    """A number of a trade or of a part, as digits in a string or as an integer; that of a combo's trade too."""
    if not call.params.given(name):
        return default
    value = call.params.values[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return call.params.whole(name, high=U63_MAX)
    digits = call.params.text(name, chars_max=ID_CHARS_MAX).removeprefix(_COMBO)
    if not (digits.isascii() and digits.isdigit() and int(digits) <= U63_MAX):
        raise wrong(name, "must_be_a_number", value=digits)
    return int(digits)


class Page(NamedTuple):
    """In which order, and of which end."""

    is_ascending: bool
    is_forward: bool

    def take(self, items: list[T], count: int) -> tuple[list[T], bool]:
        """So many of what is in order, and whether there are more: the first ones forward, else the last ones."""
        found = items[:count] if self.is_forward else items[-count:]
        return (found if self.is_ascending else found[::-1]), len(items) > count


def page_of(call: Call, *, is_forward: bool) -> Page:
    """Newest first, unless the question has a beginning or ``sorting`` says otherwise."""
    sorting = call.params.choice("sorting", _SORTINGS, "default")
    return Page(is_forward if sorting == "default" else sorting == "asc", is_forward or sorting == "asc")
