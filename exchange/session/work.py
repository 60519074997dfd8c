"""What a message asks of the shell: answer now, sequence a command, ask the state, or change subscriptions.

Each kind knows how to write its reply once its result is there; none of them waits. Imports dialect, publisher.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import msgspec

from exchange.core.commands import AnyCommand
from exchange.core.state import State
from exchange.core.units import Nanos
from exchange.dialect.channels import Channel
from exchange.dialect.errors import DialectError
from exchange.publisher.notes import Outcome
from exchange.session.requests import RequestId
from exchange.signing import Receipt

_encode: Final = msgspec.json.Encoder().encode
_NANOS_PER_US: Final = 1_000


class Reply(NamedTuple):
    """Text to send, whether it is a refusal, and then its code."""

    text: str
    failed: bool = False
    code: int = 0


class Envelope(NamedTuple):
    """What every reply repeats of its request."""

    id: RequestId
    us_in: int
    testnet: bool

    def result(self, value: Any, now_ns: Nanos, **beside: Any) -> Reply:
        """A successful reply; ``beside`` is what the result itself has no room for."""
        return Reply(self._text("result", value, now_ns, beside))

    def error(self, error: DialectError, now_ns: Nanos) -> Reply:
        """A refusal."""
        return Reply(self._text("error", error.object(), now_ns), failed=True, code=error.code.value[0])

    def _text(self, key: str, value: Any, now_ns: Nanos, beside: Mapping[str, Any] = MappingProxyType({})) -> str:
        us_out = max(now_ns // _NANOS_PER_US, self.us_in)
        message = {
            "jsonrpc": "2.0",
            "id": self.id,
            key: value,
            "usIn": self.us_in,
            "usOut": us_out,
            "usDiff": us_out - self.us_in,
            "testnet": self.testnet,
            **beside,
        }
        return _encode(message).decode()


class Receipted(Protocol):
    """A receipt with the operator's signature, as the sequencer returns it."""

    @property
    def receipt(self) -> Receipt:
        """What is signed."""
        ...

    @property
    def signature(self) -> bytes:
        """The operator's signature."""
        ...


def receipt_object(signed: Receipted) -> dict[str, Any]:
    """The JSON form of a receipt; hashes and signature as 0x-text."""
    plain = signed.receipt
    return {
        "seq": plain.seq,
        "prior_root": "0x" + plain.prior_root.hex(),
        "record_hash": "0x" + plain.record_hash.hex(),
        "time_ns": plain.time_ns,
        "signature": "0x" + signed.signature.hex(),
    }


Rendered: TypeAlias = Any
"""A result ready to encode, or the DialectError that stands in its place."""


class Submit(NamedTuple):
    """Sequence ``command``; ``render`` runs right after it applied, ``finish`` writes the reply once it is durable."""

    envelope: Envelope
    command: AnyCommand
    render: Callable[[State, Outcome], Rendered]
    wants_receipt: bool = True
    minded: bool = False  # the command goes in the name of the connection, where there is one
    unless: Callable[[State], Rendered | None] | None = None  # an answer there may be already
    receipted: Callable[[dict[str, Any]], None] | None = None  # hears the receipt of what was sequenced

    def finish(self, rendered: Rendered, signed: Receipted | None, now_ns: Nanos) -> Reply:
        """The reply, with the receipt: a refusal has one too, for it is in the journal."""
        if signed is not None and self.receipted is not None:
            self.receipted(receipt_object(signed))
        if isinstance(rendered, DialectError):
            if signed is not None:
                rendered = DialectError(rendered.code, **rendered.data, receipt=receipt_object(signed))
            return self.envelope.error(rendered, now_ns)
        if signed is None:
            return self.envelope.result(rendered, now_ns)
        if not isinstance(rendered, dict):
            return self.envelope.result(rendered, now_ns, x_receipt=receipt_object(signed))
        return self.envelope.result(rendered | {"receipt": receipt_object(signed)}, now_ns)

    def fail(self, error: DialectError, now_ns: Nanos) -> Reply:
        """The reply when it was not sequenced."""
        return self.envelope.error(error, now_ns)


class Read(NamedTuple):
    """Ask the state; a DialectError raised by the query is the answer."""

    envelope: Envelope
    query: Callable[[State], Any]

    def finish(self, value: Any, now_ns: Nanos) -> Reply:
        """The reply."""
        return self.envelope.result(value, now_ns)

    def fail(self, error: DialectError, now_ns: Nanos) -> Reply:
        """The reply when the query refused or could not be asked."""
        return self.envelope.error(error, now_ns)


class Several(NamedTuple):
    """Ask the state what to sequence, then sequence it, one command right after the other; parts may be refused.

    ``render`` runs for each as for Submit, and ``told`` makes the result of what all of them gave.
    """

    envelope: Envelope
    plan: Callable[[State], tuple[AnyCommand, ...]]
    render: Callable[[State, Outcome], Rendered]
    told: Callable[[list[Rendered]], Any]

    def finish(self, parts: list[Rendered], signed: Receipted | None, now_ns: Nanos) -> Reply:
        """The reply; the receipt is that of the last record."""
        beside = {} if signed is None else {"x_receipt": receipt_object(signed)}
        return self.envelope.result(self.told(parts), now_ns, **beside)

    def fail(self, error: DialectError, now_ns: Nanos) -> Reply:
        """The reply when the state could not be asked, or a part was not sequenced."""
        return self.envelope.error(error, now_ns)


class Topic(NamedTuple):
    """A channel as one session hears it: private ones are of some accounts."""

    channel: Channel
    accounts: tuple[int, ...]


class Subscribe(NamedTuple):
    """Attach topics, answer with the names, then send what each starts with."""

    envelope: Envelope
    topics: tuple[Topic, ...]

    def finish(self, now_ns: Nanos) -> Reply:
        """The reply: the channels accepted."""
        return self.envelope.result([topic.channel.name for topic in self.topics], now_ns)

    def fail(self, error: DialectError, now_ns: Nanos) -> Reply:
        """The reply when the venue could not take it."""
        return self.envelope.error(error, now_ns)


class Unsubscribe(NamedTuple):
    """Detach topics, then send the reply. ``ends`` asks to close the connection (logout)."""

    reply: Reply
    topics: tuple[Topic, ...]
    ends: bool = False


Work: TypeAlias = Reply | Submit | Several | Read | Subscribe | Unsubscribe
