"""The short forms of instructions against py-evm's own, on random programs: same gas, stack, memory, storage, faults."""

import pytest
from eth.vm import opcode_values as op
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.shell.evm import Environment, Machine, _Computation
from exchange.shell.opcodes import fast_opcodes

pytestmark = pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")  # a random byte may be one

REPLACED = sorted(
    code for code, fn in fast_opcodes(PragueComputation.opcodes).items() if fn is not PragueComputation.opcodes[code]
)
OTHERS = [op.MUL, op.DIV, op.SDIV, op.MOD, op.SLT, op.BYTE, op.SAR, op.SHA3, op.CALLER, op.ADDRESS, op.CALLDATALOAD]
OTHERS += [op.MSTORE8, op.SLOAD, op.SSTORE, op.MSIZE, op.GAS, op.PC, op.RETURN, op.REVERT, op.STOP, 0x0C]
NUMBERS = st.one_of(st.integers(0, 70), st.integers(0, 2**256 - 1), st.sampled_from([2**255, 2**256 - 1, 2**64]))
HERE, CALLER = b"\xcc" * 20, b"\xaa" * 20


@st.composite
def instructions(draw):
    kind = draw(st.integers(0, 9))
    if kind < 5:
        number = draw(NUMBERS)
        size = max(1, (number.bit_length() + 7) // 8)
        return bytes([op.PUSH1 + size - 1]) + number.to_bytes(size, "big")
    if kind < 9:
        return bytes([draw(st.sampled_from(REPLACED))])  # a push here swallows what follows as its data
    return bytes([draw(st.sampled_from(OTHERS))])


PROGRAMS = st.lists(instructions(), max_size=60).map(b"".join)


def outcome(kind, code, gas, data):
    machine = Machine(1)
    machine.enter(Environment(1, 1, 1, 10**7, bytes(32)), iter(()))
    machine.store.set_code(HERE, code)
    machine.store.set_storage(HERE, 1, 7)
    machine.store.lock_changes()
    context = machine.state.get_transaction_context_class()(gas_price=0, origin=CALLER)
    message = Message(gas=gas, to=HERE, sender=CALLER, value=0, data=data, code=code)
    done = kind.apply_message(machine.state, message, context)
    stack = [v if isinstance(v, int) else int.from_bytes(v, "big") for v in done._stack.values]
    fault = type(done._error).__name__ if done.is_error else ""
    left = done._gas_meter.gas_remaining, done._gas_meter.gas_refunded
    if fault not in ("", "Revert"):
        stack, done._memory._bytes[:] = [], b""  # a frame that faults leaves nothing behind that anyone could read
    return fault, left, bytes(done.output), stack, bytes(done._memory._bytes), machine.store.storage


@settings(max_examples=600, deadline=None)
@given(code=PROGRAMS, gas=st.one_of(st.integers(0, 300), st.just(200_000)), data=st.binary(max_size=40))
@example(code=bytes([op.PUSH1, 4, op.JUMP, 0, op.JUMPDEST, op.PUSH0]), gas=100, data=b"")
@example(code=bytes([op.PUSH1, 4, op.JUMP, op.PUSH1, op.JUMPDEST]), gas=100, data=b"")  # data, not a target
@example(code=bytes([op.PUSH1, 1, op.PUSH1, 6, op.JUMPI, 0xFE, op.JUMPDEST]), gas=100, data=b"")
@example(code=bytes([op.CALLER, op.PUSH1, 6, op.JUMPI, 0xFE, 0, op.JUMPDEST]), gas=100, data=b"")
@example(code=bytes([op.PUSH32, 1, 2]), gas=100, data=b"")  # a literal cut short
@example(code=bytes([op.PUSH0] * 1025), gas=10_000, data=b"")
@example(code=bytes([op.PUSH0] * 1024 + [op.DUP1]), gas=10_000, data=b"")
@example(code=bytes([op.PUSH1, 1, op.PUSH32]) + b"\xff" * 32 + bytes([op.MSTORE]), gas=200_000, data=b"")
def test_the_short_forms_do_what_the_long_ones_do(code, gas, data):
    assert outcome(_Computation, code, gas, data) == outcome(PragueComputation, code, gas, data)


def test_each_replaced_instruction_alone_on_every_kind_of_value():
    words = [b"\x60\x00", b"\x60\x20", b"\x7f" + b"\xff" * 32, bytes([op.CALLER]), b"\x61\x01\x00"]
    for code in REPLACED:
        for first in words:
            for second in words:
                program = first * 16 + second + first + bytes([code]) + second
                assert outcome(_Computation, program, 10**6, b"") == outcome(PragueComputation, program, 10**6, b"")
