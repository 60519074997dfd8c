# ruff: noqa: SLF001 - the calls saved are those that stand between an instruction and py-evm's private fields
"""The instructions that make up most of any contract's run, in a short form of py-evm's.

Owns speed and nothing else: each function charges the same gas and leaves the same stack, memory and faults
as the one it stands in for, which the tests check on random programs; every instruction not here stays
py-evm's. What is saved is calls: an instruction there is five deep and converts between bytes and integers
on the way. May import py-evm.
"""

from collections.abc import Callable
from typing import Any

from eth.exceptions import FullStack, InsufficientStack, InvalidInstruction, InvalidJumpDestination, OutOfGas
from eth.vm import opcode_values as op

Instruction = Callable[[Any], None]

_WORD = 1 << 256
_MASK = _WORD - 1
_STACK_MAX = 1024
_JUMPDEST = op.JUMPDEST


def fast_opcodes(standard: dict[int, Any]) -> dict[int, Any]:
    """The table with the frequent instructions replaced."""
    table = dict(standard)
    for size in range(33):
        table[op.PUSH0 + size] = _push(size)
    for depth in range(1, 17):
        table[op.DUP1 + depth - 1] = _dup(depth)
        table[op.SWAP1 + depth - 1] = _swap(depth)
    for code, function in _BINARY.items():
        table[code] = _binary(function)
    table |= {op.ISZERO: _is_zero, op.NOT: _not, op.POP: _pop, op.MLOAD: _mload, op.MSTORE: _mstore}
    return table | {op.JUMP: _jump, op.JUMPI: _jumpi, op.JUMPDEST: _jumpdest}


def _charge(computation: Any, gas: int) -> None:
    meter = computation._gas_meter
    if meter.gas_remaining < gas:
        raise OutOfGas(f"needed {gas}, remaining {meter.gas_remaining}")
    meter.gas_remaining -= gas


def _items(computation: Any, needed: int) -> list[Any]:
    values: list[Any] = computation._stack.values
    if len(values) < needed:
        raise InsufficientStack(f"needed {needed}, had {len(values)}")
    return values


def _int(value: Any) -> int:
    return value if type(value) is int else int.from_bytes(value, "big")


def _push(size: int) -> Instruction:
    """Two of five instructions are pushes, so this one charges in line and reads each literal of a code once."""
    gas = 3 if size else 2

    def push(computation: Any) -> None:
        meter = computation._gas_meter
        if meter.gas_remaining < gas:
            raise OutOfGas(f"needed {gas}, remaining {meter.gas_remaining}")
        meter.gas_remaining -= gas
        values = computation._stack.values
        if len(values) >= _STACK_MAX:
            raise FullStack("the stack holds 1024 items")
        code = computation.code
        start = code.program_counter
        code.program_counter = start + size
        word = code.literals.get(start)
        if word is None:
            word = code.literals[start] = _literal(code, start, size)
        values.append(word)

    return push


def _literal(code: Any, start: int, size: int) -> int:
    word = code._raw_code_bytes[start : start + size]
    return int.from_bytes(word, "big") << 8 * (size - len(word))  # code that ends early reads zeros


def _dup(depth: int) -> Instruction:
    def dup(computation: Any) -> None:
        _charge(computation, 3)
        values = _items(computation, depth)
        if len(values) >= _STACK_MAX:
            raise FullStack("the stack holds 1024 items")
        values.append(values[-depth])

    return dup


def _swap(depth: int) -> Instruction:
    def swap(computation: Any) -> None:
        _charge(computation, 3)
        values = _items(computation, depth + 1)
        values[-1], values[-1 - depth] = values[-1 - depth], values[-1]

    return swap


_BINARY: dict[int, Callable[[int, int], int]] = {
    op.ADD: lambda a, b: (a + b) & _MASK,
    op.SUB: lambda a, b: (a - b) & _MASK,
    op.LT: lambda a, b: 1 if a < b else 0,
    op.GT: lambda a, b: 1 if a > b else 0,
    op.EQ: lambda a, b: 1 if a == b else 0,
    op.AND: lambda a, b: a & b,
    op.OR: lambda a, b: a | b,
    op.XOR: lambda a, b: a ^ b,
    op.SHL: lambda shift, value: value << shift & _MASK if shift < 256 else 0,
    op.SHR: lambda shift, value: value >> shift if shift < 256 else 0,
}


def _binary(function: Callable[[int, int], int]) -> Instruction:
    def binary(computation: Any) -> None:
        _charge(computation, 3)
        values = _items(computation, 2)
        values.append(function(_int(values.pop()), _int(values.pop())))

    return binary


def _is_zero(computation: Any) -> None:
    _charge(computation, 3)
    values = _items(computation, 1)
    values.append(0 if _int(values.pop()) else 1)


def _not(computation: Any) -> None:
    _charge(computation, 3)
    values = _items(computation, 1)
    values.append(_MASK ^ _int(values.pop()))


def _pop(computation: Any) -> None:
    _charge(computation, 2)
    _items(computation, 1).pop()


def _mload(computation: Any) -> None:
    _charge(computation, 3)
    values = _items(computation, 1)
    start = _int(values.pop())
    computation.extend_memory(start, 32)
    values.append(int.from_bytes(computation._memory._bytes[start : start + 32], "big"))


def _mstore(computation: Any) -> None:
    _charge(computation, 3)
    values = _items(computation, 2)
    start, value = _int(values.pop()), _int(values.pop())
    computation.extend_memory(start, 32)
    computation._memory._bytes[start : start + 32] = value.to_bytes(32, "big")


def _jump_to(code: Any, target: int) -> None:
    code.program_counter = target
    if code.peek() != _JUMPDEST:
        raise InvalidJumpDestination("no JUMPDEST there")
    if not code.is_valid_opcode(target):
        raise InvalidInstruction("that JUMPDEST is data of a PUSH")


def _jump(computation: Any) -> None:
    _charge(computation, 8)
    _jump_to(computation.code, _int(_items(computation, 1).pop()))


def _jumpi(computation: Any) -> None:
    _charge(computation, 10)
    values = _items(computation, 2)
    target, condition = _int(values.pop()), values.pop()
    if _int(condition):
        _jump_to(computation.code, target)


def _jumpdest(computation: Any) -> None:
    _charge(computation, 1)
