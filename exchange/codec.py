"""Commands and events to bytes and back: the words of the journal.

One msgpack array per value, first element the tag. Decoding is strict: unknown tags, missing or surplus fields and
wrong types are refused with the reason. ``SCHEMA_FP`` fingerprints the field tables and stands in each frame: a journal
written in other words is recognised before it is read. Imports core.
"""

import hashlib
from typing import Any, get_args

import msgspec

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import parameters


class CodecError(ValueError):
    """The bytes are not a command or event of this schema."""


_encoder = msgspec.msgpack.Encoder()
_commands: msgspec.msgpack.Decoder[c.AnyCommand] = msgspec.msgpack.Decoder(c.AnyCommand)
_events: msgspec.msgpack.Decoder[tuple[e.AnyEvent, ...]] = msgspec.msgpack.Decoder(tuple[e.AnyEvent, ...])

encode_command = _encoder.encode
encode_events = _encoder.encode


def decode_command(data: bytes) -> c.AnyCommand:
    """Command from its bytes; CodecError tells what is wrong."""
    try:
        return _commands.decode(data)
    except msgspec.MsgspecError as error:
        raise CodecError(f"not a command of this schema: {error}") from error


def decode_events(data: bytes) -> tuple[e.AnyEvent, ...]:
    """Events from their bytes; CodecError tells what is wrong."""
    try:
        return _events.decode(data)
    except msgspec.MsgspecError as error:
        raise CodecError(f"not events of this schema: {error}") from error


def field_table() -> dict[str, dict[str, Any]]:
    """Tag and ordered field types of every struct in the journal; the content of tests/golden/schema.lock.json."""
    kinds = [
        *get_args(c.AnyCommand),
        *get_args(e.AnyEvent),
        c.FeeSchedule,
        c.StandardModel,
        parameters.PortfolioModel,
        parameters.Scenario,
        parameters.VolRule,
        parameters.SkewRule,
        parameters.StaticDiscount,
        c.Spot,
        c.Sheet,
        c.Terms,
        c.Authorisation,
        c.QuoteLeaf,
        c.QuoteMandate,
        c.Protection,
        c.Attached,
    ]
    return {kind.__name__: _describe(kind) for kind in kinds}


def _describe(kind: type[msgspec.Struct]) -> dict[str, Any]:
    fields = [[field.name, _type_name(field.type)] for field in msgspec.structs.fields(kind)]
    return {"tag": kind.__struct_config__.tag, "fields": fields}


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


def fingerprint() -> bytes:
    """SHA-256 of the field table in canonical form."""
    return hashlib.sha256(msgspec.json.encode(field_table(), order="deterministic")).digest()


SCHEMA_FP = fingerprint()
