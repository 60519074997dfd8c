"""Contracts by ABI: artifacts from package data, calls and events as Python values, one binding for each
kind of chain.

Owns encoding only. Calls whose arguments are all single words are packed here; everything else goes through
eth_abi, imported on first use. Addresses are raw bytes in both directions. Results of one value are that
value, of several a tuple, structs are tuples.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from typing import Any, Protocol

from tiny_keccak import keccak256 as keccak

from exchange.shell.chain import ZERO_ADDRESS, Address, BlockId, Chain, Log, Receipt


class UnknownArtifact(Exception):
    """No such contract was compiled into this installation."""


@dataclass(frozen=True)
class Artifact:
    """A compiled contract: ABI and creation code."""

    name: str
    abi: Sequence[Mapping[str, Any]]
    bytecode: bytes
    made: Mapping[str, Any] = field(default_factory=dict)  # what else the build says of it

    @cached_property
    def interface(self) -> "Interface":
        """The codec of its ABI."""
        return Interface(self.abi)

    def creation_code(self, *args: object) -> bytes:
        """Creation code followed by the constructor's arguments."""
        return self.bytecode + self.interface.encode_constructor(*args)


@cache
def artifact(name: str) -> Artifact:
    """The contract of that name as the wheel carries it. Raises UnknownArtifact."""
    file = resources.files("exchange") / "artifacts" / f"{name}.json"
    if not file.is_file():
        raise UnknownArtifact(name)
    body = json.loads(file.read_text())
    return Artifact(name, body["abi"], bytes.fromhex(body["bytecode"].removeprefix("0x")), body)


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log: its name, its arguments by name, and the log itself."""

    name: str
    args: dict[str, Any]
    log: Log


class Interface:
    """Encodes calls and decodes results and events of one ABI. Raises KeyError for names the ABI does not have."""

    def __init__(self, abi: Sequence[Mapping[str, Any]]) -> None:
        """Functions with default arguments have one entry for each count, as Vyper lists them."""
        self._functions: dict[tuple[str, int], _Function] = {}
        self._selectors: dict[bytes, _Function] = {}
        self._events: dict[bytes, _EventType] = {}
        self._constructor: list[str] = []
        for entry in abi:
            inputs = [_type_of(each) for each in entry.get("inputs", ())]
            match entry["type"]:
                case "function":
                    outputs = [_type_of(each) for each in entry.get("outputs", ())]
                    names = [each["name"] for each in entry.get("inputs", ())]
                    function = _Function(entry["name"], names, inputs, outputs)
                    self._functions[function.name, len(inputs)] = self._selectors[function.selector] = function
                case "event":
                    self._events[_topic(entry["name"], inputs)] = _EventType.of(entry)
                case "constructor":
                    self._constructor = inputs
                case _:
                    pass

    def encode(self, name: str, *args: object) -> bytes:
        """Calldata of a call."""
        return self._functions[name, len(args)].encode(args)

    def selector(self, name: str, count: int) -> bytes:
        """The four bytes that call a function of ``count`` arguments."""
        return self._functions[name, count].selector

    def decode(self, name: str, output: bytes, count: int = 0) -> Any:
        """The value a function returned; `count` is its number of arguments."""
        return self._functions[name, count].decode(output)

    def decode_call(self, data: bytes) -> tuple[str, dict[str, Any]]:
        """Name and arguments by name of a call's data. Raises KeyError when it calls nothing of this ABI."""
        function = self._selectors[data[:4]]
        return function.name, dict(zip(function.names, function.arguments(data[4:]), strict=True))

    def encode_constructor(self, *args: object) -> bytes:
        """Constructor arguments."""
        return bytes(_codec().encode(self._constructor, args)) if self._constructor else b""

    def topic(self, name: str) -> bytes:
        """The first topic of an event."""
        return next(topic for topic, event in self._events.items() if event.name == name)

    def event(self, log: Log) -> Event | None:
        """Decode a log; None when it is not one of this ABI's."""
        event = self._events.get(log.topics[0]) if log.topics else None
        return None if event is None else Event(event.name, event.decode(log), log)

    def events(self, logs: Sequence[Log], name: str | None = None) -> list[Event]:
        """Decode those logs that are this ABI's, or only one event's."""
        decoded = (self.event(log) for log in logs)
        return [event for event in decoded if event is not None and name in (None, event.name)]


@dataclass(frozen=True, slots=True)
class _EventType:
    name: str
    indexed: tuple[tuple[str, str], ...]
    plain: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "_EventType":
        pairs = [(each["indexed"], each["name"], _type_of(each)) for each in entry["inputs"]]
        return cls(
            entry["name"],
            tuple((name, kind) for indexed, name, kind in pairs if indexed),
            tuple((name, kind) for indexed, name, kind in pairs if not indexed),
        )

    def decode(self, log: Log) -> dict[str, Any]:
        args = {
            name: _unpack_word(kind, topic) if kind in _WORDS else topic  # of a string only its hash is a topic
            for (name, kind), topic in zip(self.indexed, log.topics[1:], strict=True)
        }
        plain = _decode([kind for _, kind in self.plain], log.data)
        return args | dict(zip((name for name, _ in self.plain), plain, strict=True))


class _Function:
    __slots__ = ("_inputs", "_outputs", "_packs", "_unpacks", "name", "names", "selector")

    def __init__(self, name: str, names: list[str], inputs: list[str], outputs: list[str]) -> None:
        self.name, self.names = name, names
        self.selector = _topic(name, inputs)[:4]
        self._inputs, self._outputs = inputs, outputs
        self._packs = all(kind in _WORDS for kind in inputs)
        self._unpacks = all(kind in _WORDS for kind in outputs)

    def encode(self, args: Sequence[Any]) -> bytes:
        if self._packs:
            words = (_pack_word(kind, value) for kind, value in zip(self._inputs, args, strict=True))
            return self.selector + b"".join(words)
        return self.selector + bytes(_codec().encode(self._inputs, args))

    def arguments(self, data: bytes) -> list[Any]:
        return _decode(self._inputs, data)

    def decode(self, output: bytes) -> Any:
        values = _decode(self._outputs, output)
        return values[0] if len(values) == 1 else tuple(values) if values else None


def _type_of(entry: Mapping[str, Any]) -> str:
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(_type_of(member) for member in entry["components"])
    return f"({members}){kind.removeprefix('tuple')}"


def _topic(name: str, inputs: list[str]) -> bytes:
    return bytes(keccak(f"{name}({','.join(inputs)})".encode()))


# Types that occupy exactly one word and need no more than int.to_bytes.
_UNSIGNED = {f"uint{bits}": bits for bits in range(8, 257, 8)}
_SIGNED = {f"int{bits}": bits for bits in range(8, 257, 8)}
_WORDS = frozenset([*_UNSIGNED, *_SIGNED, "address", "bool", "bytes32"])


def _pack_word(kind: str, value: Any) -> bytes:
    """One ABI word. Raises OverflowError or ValueError for what the type cannot hold."""
    if kind in _UNSIGNED:
        if value >> _UNSIGNED[kind]:
            raise OverflowError(f"{value} is no {kind}")
        return int(value).to_bytes(32, "big")
    if kind in _SIGNED:
        if not -1 <= value >> (_SIGNED[kind] - 1) <= 0:
            raise OverflowError(f"{value} is no {kind}")
        return int(value).to_bytes(32, "big", signed=True)
    if kind == "bool":
        return bytes(31) + (b"\x01" if value else b"\x00")
    size = 20 if kind == "address" else 32
    if len(value) != size:
        raise ValueError(f"{kind} is {size} bytes, not {len(value)}")
    return bytes(32 - size) + bytes(value)


def _unpack_word(kind: str, word: bytes) -> Any:
    if kind in _UNSIGNED:
        return int.from_bytes(word, "big")
    if kind in _SIGNED:
        return int.from_bytes(word, "big", signed=True)
    if kind == "bool":
        return word[31] == 1
    return word[12:] if kind == "address" else word


def _decode(kinds: list[str], data: bytes) -> list[Any]:
    if all(kind in _WORDS for kind in kinds) and len(data) >= 32 * len(kinds):
        return [_unpack_word(kind, data[32 * i : 32 * i + 32]) for i, kind in enumerate(kinds)]
    return list(_codec().decode(kinds, data))


@cache
def _codec() -> Any:
    """eth_abi's codec with addresses as bytes."""
    from eth_abi.codec import ABICodec  # noqa: PLC0415 - most processes never need more than words
    from eth_abi.decoding import AddressDecoder  # noqa: PLC0415
    from eth_abi.encoding import AddressEncoder  # noqa: PLC0415
    from eth_abi.registry import BaseEquals, registry  # noqa: PLC0415

    class RawAddress(AddressDecoder):
        decoder_fn = staticmethod(bytes)  # type: ignore[assignment]

    raw_address: Any = RawAddress
    mine: Any = registry.copy()  # type: ignore[no-untyped-call]
    mine.unregister("address")
    is_address = BaseEquals("address")  # type: ignore[no-untyped-call]
    mine.register(is_address, AddressEncoder, raw_address, label="address")
    return ABICodec(mine)


@dataclass(frozen=True, slots=True)
class Contract:
    """A deployed contract on any chain. Writing goes through a Sender, which owns nonces: see `encode`."""

    chain: Chain
    address: Address
    interface: Interface

    def encode(self, name: str, *args: object) -> bytes:
        """Calldata of a call."""
        return self.interface.encode(name, *args)

    async def call(self, name: str, *args: object, block: BlockId = "latest", sender: Address = ZERO_ADDRESS) -> Any:
        """Read. Raises Reverted with the contract's reason."""
        data = self.interface.encode(name, *args)
        output = await self.chain.call(self.address, data, block, sender=sender)
        return self.interface.decode(name, output, len(args))

    async def events(self, first: int, last: int, name: str | None = None) -> list[Event]:
        """Decoded events of blocks first..last inclusive."""
        return self.interface.events(await self.chain.logs(first, last, [self.address]), name)


class LocalChain(Protocol):
    """The synchronous face of the embedded chain, as far as a binding needs it."""

    def call(self, to: Address, data: bytes, block: BlockId = "latest", *, sender: Address = ZERO_ADDRESS) -> bytes:
        """See DevChain."""
        ...

    def transact(
        self, key: bytes, to: Address | None, data: bytes = b"", *, value: int = 0, gas: int | None = None
    ) -> Receipt:
        """See DevChain."""
        ...


@dataclass(frozen=True, slots=True)
class LocalContract:
    """A contract on the embedded chain, synchronously: for contract tests and tools."""

    chain: LocalChain
    address: Address
    interface: Interface

    def call(self, name: str, *args: object, block: BlockId = "latest", sender: Address = ZERO_ADDRESS) -> Any:
        """Read. Raises Reverted with the contract's reason."""
        data = self.interface.encode(name, *args)
        return self.interface.decode(name, self.chain.call(self.address, data, block, sender=sender), len(args))

    def send(self, key: bytes, name: str, *args: object, value: int = 0, gas: int | None = None) -> Receipt:
        """Write, signed by `key`. Raises Reverted with the contract's reason."""
        data = self.interface.encode(name, *args)
        return self.chain.transact(key, self.address, data, value=value, gas=gas)


def deploy_local(chain: LocalChain, key: bytes, code: Artifact, *args: object) -> LocalContract:
    """Deploy on the embedded chain. Raises Reverted when the constructor refuses."""
    receipt = chain.transact(key, None, code.creation_code(*args))
    assert receipt.contract_address is not None  # a deployment that succeeded has an address
    return LocalContract(chain, receipt.contract_address, code.interface)
