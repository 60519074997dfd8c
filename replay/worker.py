"""A process that re-executes records under whatever version of the exchange its interpreter finds.

Run as a file: it shares ``replay/tree.py``, loaded from beside it, with the process that asks, and of the version under
examination it needs ``exchange.codec``, ``exchange.core.machine`` and the image of the state. Requests and answers are
msgpack with their length before them, on standard input and output.
"""

import importlib
import importlib.util
import struct
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

LENGTH: Final = struct.Struct(">I")
HASH_BYTES: Final = 8
FAULTS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, RuntimeError)


def beside(name: str) -> Any:
    """A module that lies beside this file, whatever packages of that name the interpreter would find."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def image_module() -> Any:
    """Where this version keeps the canonical image of a state: a module of its own, or with the state."""
    apart = importlib.util.find_spec("exchange.core.images") is not None
    return importlib.import_module("exchange.core.images" if apart else "exchange.core.state")


class Worker:
    """Answers one request after another. ``mark`` is the state before the records taken last, which it keeps."""

    def __init__(self) -> None:
        self.named = beside("tree").named
        self.codec = importlib.import_module("exchange.codec")
        self.apply = importlib.import_module("exchange.core.machine").apply
        self.images = image_module()
        self.state = importlib.import_module("exchange.core.state").State()
        self.fields: list[str] = []
        self.plain = self.in_turn = False
        self.records: list[tuple[int, int, bytes, bytes]] = []
        self.caused: list[bytes] = []
        self.mark = self.ended = self.images.encode(self.state)

    def hello(self) -> dict[str, Any]:
        """Which version this is."""
        package = importlib.import_module("exchange")
        return {
            "package": str(Path(package.__file__ or "").parent),
            "python": sys.version.split()[0],
            "schema": self.codec.SCHEMA_FP,
            "fields": list(self.images.StateImage.__struct_fields__),
        }

    def agree(self, fields: list[str], plain: bool, in_turn: bool = False) -> dict[str, Any]:
        """Digests cover these fields of the state; with ``plain`` events are compared without fields at defaults.

        ``in_turn``: whichever batch the chain is said to have settled, it is the oldest of those that wait here.
        """
        self.fields, self.plain, self.in_turn = fields, plain, in_turn
        return {}

    def take(self, records: list[tuple[int, int, bytes, bytes]]) -> dict[str, Any]:
        """Execute records that follow; what each caused as a hash, and the digest of the state after the last."""
        self.mark, self.records, self.caused = self.ended, records, []
        told = self._run(len(records), [len(records)])
        self.ended = b"" if told["stopped"] else self.images.encode(self.state)
        return told

    def outcomes(self) -> dict[str, Any]:
        """The events of the records taken last, as this version writes them."""
        return {"events": self.caused}

    def again(self, first: int, until: int, every: int) -> dict[str, Any]:
        """Execute the first ``until`` of the same records once more: digests from ``first`` on, one in ``every``."""
        self.state = self.images.decode(self.mark)
        return self._run(until, [*range(first + every, until, every), until])

    def show(self, place: int) -> dict[str, Any]:
        """What one of the records did: the state before it and after it, its command and its events, all by name."""
        self.state = self.images.decode(self.mark)
        self._run(place, [])
        before = self._named_state()
        seq, time_ns, command, _ = self.records[place]
        told = {"before": before, "after": None, "events": None, "stopped": ""}
        try:
            decoded = self._decoded(command)
            events = self.apply(self.state, seq, time_ns, decoded)
        except FAULTS as error:
            return told | {"command": None, "stopped": _said(error)}
        told |= {"command": self.named(decoded), "events": [self.named(event) for event in events]}
        return told | {"after": self._named_state()}

    def end(self) -> dict[str, Any]:
        """The state after the first execution of the records, by name."""
        self.state = self.images.decode(self.ended)
        return {"after": self._named_state()}

    def _run(self, until: int, digests_at: list[int]) -> dict[str, Any]:
        hashes, digests, stopped = bytearray(), [], ""
        wanted = dict.fromkeys(digests_at)
        for place, (seq, time_ns, command, _) in enumerate(self.records[:until], 1):
            try:
                events = self.apply(self.state, seq, time_ns, self._decoded(command))
            except FAULTS as error:
                stopped = _said(error)
                break
            encoded = bytes(self.codec.encode_events(events))
            self.caused.append(encoded)
            hashes += sha256(_plainly(events) if self.plain else encoded).digest()[:HASH_BYTES]
            if place in wanted:
                digests.append(self._digest())
        return {"hashes": bytes(hashes), "digests": digests, "stopped": stopped}

    def _decoded(self, data: bytes) -> Any:
        command = self.codec.decode_command(data)
        if self.in_turn and type(command).__name__ == "ObserveBatch" and self.state.batches:
            return msgspec.structs.replace(command, batch_id=next(iter(self.state.batches)))
        return command

    def _digest(self) -> bytes:
        image = self.images.image(self.state)
        return sha256(msgspec.msgpack.encode([getattr(image, field) for field in self.fields])).digest()

    def _named_state(self) -> Any:
        return self.named(self.images.image(self.state))


def _plainly(events: Any) -> bytes:
    return msgspec.json.encode([_plain(event) for event in events])


def _plain(event: Any) -> list[Any]:
    """An event as its kind and the fields that are not at their default, whatever fields its version knows."""
    fields = ((field.name, getattr(event, field.name), field.default) for field in msgspec.structs.fields(event))
    return [type(event).__name__, [[name, str(value)] for name, value, default in fields if value != default]]


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def main() -> None:
    """Answer until nobody asks."""
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever the version under examination prints is no answer
    worker = Worker()
    while len(head := asked.read(LENGTH.size)) == LENGTH.size:
        request = msgspec.msgpack.decode(asked.read(*LENGTH.unpack(head)))
        answer = msgspec.msgpack.encode(getattr(worker, request.pop("do"))(**request))
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    main()
