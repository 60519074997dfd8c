"""What ``whatif`` changes of a journal: parameters, single commands, commands left out, commands put in.

Owns the spelling of changes and the renumbering that keeps references true when a record is put in: whatever a command
names by the seq of an earlier record follows it to its new number. A record left out becomes one that does nothing, so
that nothing moves. Imports codec and the words of the journal.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from exchange import codec
from exchange.core import commands as c
from exchange.core.state_types import ATTACHED_SHIFT, QUOTE_BIT
from journal.record import Record
from replay.findings import CannotRun

NOTHING: Final = c.Cancel(0, 0)
"""A command that is always refused: it takes its number and its time, and changes nothing else."""


class Addition(msgspec.Struct, frozen=True):
    """A record to put in right after ``after``: the command of record ``like`` with other fields."""

    after: int
    like: int
    fields: tuple[tuple[str, str], ...]


class Changes(msgspec.Struct, kw_only=True):
    """All changes. ``parameters`` are fields of the command that opened the venue, ``fields`` of others by seq."""

    parameters: list[tuple[str, str]] = []
    fields: dict[int, list[tuple[str, str]]] = {}
    left_out: list[int] = []
    additions: list[Addition] = []

    @property
    def count(self) -> int:
        """How many."""
        fields = sum(len(each) for each in self.fields.values())
        return len(self.parameters) + fields + len(self.left_out) + len(self.additions)


def parse(set_: Sequence[str], change: Sequence[str], drop: Sequence[int], add: Sequence[str]) -> Changes:
    """Changes as they are written: ``PATH=VALUE``, ``SEQ:PATH=VALUE``, ``SEQ``, ``AFTER:LIKE[,PATH=VALUE]...``.

    Raises CannotRun.
    """
    changes = Changes(parameters=[_field(text) for text in set_], left_out=list(drop))
    for text in change:
        seq, _, rest = text.partition(":")
        changes.fields.setdefault(_seq(seq, text), []).append(_field(rest))
    for text in add:
        after, _, rest = text.partition(":")
        like, *fields = rest.split(",")
        addition = Addition(_seq(after, text), _seq(like, text), tuple(_field(each) for each in fields))
        changes.additions.append(addition)
    changes.additions.sort(key=lambda each: each.after)
    return changes


def _field(text: str) -> tuple[str, str]:
    path, sign, value = text.partition("=")
    if not (path and sign):
        raise CannotRun(f"{text!r} is no change: write PATH=VALUE")
    return path, value


def _seq(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise CannotRun(f"{whole!r} does not begin with the seq of a record")
    return int(text)


# -- numbers -----------------------------------------------------------------------------------------------------------


class Numbers:
    """Where records come to stand: each behind the ones put in before it."""

    def __init__(self, changes: Changes) -> None:
        self._after = [each.after for each in changes.additions]

    def seq(self, seq: int) -> int:
        """The new number of a record; 0 names none and stays."""
        return seq + bisect_left(self._after, seq) if seq else 0

    def order(self, order_id: int) -> int:
        """The new id of an order, which is made of the number of the record that brought it."""
        if order_id & QUOTE_BIT:
            return QUOTE_BIT | self.seq((order_id ^ QUOTE_BIT) >> 8) << 8 | order_id & 0xFF
        seq = order_id & ((1 << ATTACHED_SHIFT) - 1)
        return order_id - seq + self.seq(seq)


NAMES: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    c.Place: {"session": "seq"},
    c.Amend: {"order_id": "order", "session": "seq"},
    c.Cancel: {"order_id": "order"},
    c.Fire: {"order_id": "order"},
    c.MassQuote: {"session": "seq"},
    c.OpenRfq: {"session": "seq"},
    c.CloseRfq: {"rfq": "seq"},
    c.QuoteRfq: {"session": "seq"},
    c.RequoteRfq: {"order_id": "order", "session": "seq"},
    c.CancelRfqQuotes: {"rfq": "seq"},
    c.AcceptRfq: {"quote": "order"},
    c.EndSession: {"session": "seq"},
    c.SwitchSession: {"session": "seq"},
    c.SetReference: {"corrects": "seq"},
}
"""Fields of commands that name an earlier record, or an order by the record that brought it."""


def renumbered(command: c.AnyCommand, numbers: Numbers) -> c.AnyCommand:
    """A command with its references to earlier records as these are numbered now."""
    fields: dict[str, Any] = {
        name: getattr(numbers, kind)(getattr(command, name)) for name, kind in NAMES.get(type(command), {}).items()
    }
    if isinstance(command, c.Operate):
        fields["operation"] = renumbered(command.operation, numbers)
    auth = getattr(command, "auth", None)
    if isinstance(auth, c.Authorisation) and auth.terms is not None and auth.terms.rfq:
        terms = msgspec.structs.replace(auth.terms, rfq=numbers.seq(auth.terms.rfq))
        fields["auth"] = msgspec.structs.replace(auth, terms=terms)
    return msgspec.structs.replace(command, **fields) if fields else command


# -- records -----------------------------------------------------------------------------------------------------------


class Changed(msgspec.Struct, frozen=True):
    """A record as it is to be executed, and the one it stands for; None for one that was put in."""

    record: Record
    was: Record | None


def changed(records: Iterator[Record], changes: Changes) -> Iterator[Changed]:
    """The records of a journal, from the first on, with the changes made. Raises CannotRun when one cannot be."""
    numbers, wanted = Numbers(changes), dict.fromkeys(each.like for each in changes.additions)
    kept: dict[int, c.AnyCommand] = {}
    pending = list(changes.additions)
    met = 0
    for record in records:
        met = record.seq
        command = codec.decode_command(record.command)
        if record.seq in wanted:
            kept[record.seq] = command
        made = _remade(record, command, changes, numbers)
        yield Changed(Record(numbers.seq(record.seq), record.time_ns, made, b""), record)
        for place, addition in enumerate(each for each in pending if each.after == record.seq):
            put_in = _put_in(addition, kept, numbers)
            yield Changed(Record(numbers.seq(record.seq) + 1 + place, record.time_ns, put_in, b""), None)
        pending = [each for each in pending if each.after != record.seq]
    beyond = [seq for seq in (*changes.fields, *changes.left_out, *(each.after for each in pending)) if seq > met]
    if beyond or pending:
        raise CannotRun(f"the journal ends at seq {met}: there is no seq {max(beyond or [pending[0].after])}")


def _remade(record: Record, command: c.AnyCommand, changes: Changes, numbers: Numbers) -> bytes:
    if record.seq in changes.left_out:
        return codec.encode_command(NOTHING)
    fields = list(changes.fields.get(record.seq, ()))
    if isinstance(command, c.Configure):
        fields += changes.parameters
    if not fields and not changes.additions:
        return record.command
    return _encoded(renumbered(with_fields(command, fields), numbers), f"seq {record.seq}")


def _put_in(addition: Addition, kept: dict[int, c.AnyCommand], numbers: Numbers) -> bytes:
    if addition.like not in kept:
        raise CannotRun(f"a record put in after seq {addition.after} cannot be like seq {addition.like}, a later one")
    command = with_fields(kept[addition.like], addition.fields)
    return _encoded(renumbered(command, numbers), f"what is put in after seq {addition.after}")


def with_fields(command: c.AnyCommand, fields: Sequence[tuple[str, str]]) -> Any:
    """A command with fields changed by path: ``auth.price``. Raises CannotRun for a path or value that does not fit."""
    value: Any = command
    for path, text in fields:
        value = _replaced(value, path.split("."), text, path)
    return value


def _replaced(value: Any, path: list[str], text: str, whole: str) -> Any:
    if not path:
        return _parsed(value, text, whole)
    name, *rest = path
    if isinstance(value, tuple) and name.isdigit() and int(name) < len(value):
        place = int(name)
        return (*value[:place], _replaced(value[place], rest, text, whole), *value[place + 1 :])
    if isinstance(value, msgspec.Struct) and name in value.__struct_fields__:
        return msgspec.structs.replace(value, **{name: _replaced(getattr(value, name), rest, text, whole)})
    raise CannotRun(f"a {type(value).__name__} has no {name} (in {whole})")


def _parsed(was: Any, text: str, whole: str) -> Any:
    """The text as a value of the same kind as what it replaces."""
    parse_by: dict[type, Callable[[str], Any]] = {
        bool: lambda told: {"true": True, "false": False}[told],
        int: int,
        str: str,
        bytes: lambda told: bytes.fromhex(told.removeprefix("0x")),
    }
    kind = parse_by.get(type(was))
    if kind is None:
        raise CannotRun(f"{whole} is a {type(was).__name__}: name a field of it")
    try:
        return kind(text)
    except (ValueError, KeyError) as error:
        raise CannotRun(f"{whole} takes a {type(was).__name__}, not {text!r}") from error


def _encoded(command: c.AnyCommand, what: str) -> bytes:
    """The command's bytes, once they have been read back."""
    try:
        data = codec.encode_command(command)
        codec.decode_command(data)
    except (codec.CodecError, OverflowError) as error:
        raise CannotRun(f"{what} would be no command: {error}") from error
    return data
