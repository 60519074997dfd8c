"""The probe of the fixed-point library on a chain of its own, and options drawn for it."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from contract_venue import ETHER, GENESIS, address, key

from exchange.core.black76 import discount_factor
from exchange.core.units import U64_MAX, WAD, YEAR_SECONDS
from exchange.shell.contract import Artifact, LocalContract, deploy_local
from exchange.shell.devchain import DevChain

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE.parents[1] / "contracts"
AT_ONCE = 64


def compiled(name: str) -> Artifact:
    """A contract from beside the tests, with the sources of the product."""
    spec = importlib.util.spec_from_file_location("contracts_build", CONTRACTS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    body = module.compile_contract(HERE / f"{name}.vy", CONTRACTS)
    return Artifact(name, body["abi"], bytes.fromhex(body["bytecode"].removeprefix("0x")))


def math_probe() -> LocalContract:
    """The library on a chain of its own."""
    chain = DevChain(genesis_time_s=GENESIS, allocation={address("operator"): 10**6 * ETHER})
    return deploy_local(chain, key("operator"), compiled("MathProbe"))


def asked(probe: LocalContract, name: str, items: Sequence[Any], *more: object) -> list[Any]:
    """Results for many arguments, a few dozen to a call."""
    parts = (items[at : at + AT_ONCE] for at in range(0, len(items), AT_ONCE))
    return [result for part in parts for result in probe.call(name, list(part), *more)]


class Option(NamedTuple):
    """Arguments of the library's pricing, in the order of the probe's struct."""

    forward: int
    strike: int
    vol: int
    years: int
    discount: int
    rate: int
    is_call: bool


def options(count: int) -> Iterator[Option]:
    """Ordinary ones, then any: sizes drawn in their exponents up to the ends of what the library takes."""
    rng = random.Random("verbatim options on chain")
    for number in range(count):
        if number % 3:
            forward = rng.randint(10**6, 10 ** rng.randint(7, 12))
            strike = forward * rng.randint(333, 3_000) // 1_000
            vol, years = rng.randint(WAD // 20, 5 * WAD), rng.randint(3_600, 3 * YEAR_SECONDS) * WAD // YEAR_SECONDS
        else:
            forward, strike, vol, years = (rng.randint(0, 2 ** rng.randint(0, 64) - 1) for _ in range(4))
        rate = rng.randint(-WAD // 5, WAD // 2)
        yield Option(forward, strike, vol, years, discount_factor(rate, years), rate, number % 2 == 0)
    most = U64_MAX
    for is_call in (True, False):
        yield Option(most, 1, most, most, WAD, most, is_call)
        yield Option(1, most, most, most, WAD, -WAD, is_call)
        yield Option(most, most, 1, most, WAD, 0, is_call)
        yield Option(10**11, 10**11, WAD, 0, WAD, WAD, is_call)
        yield Option(10**11, 9 * 10**10, 0, WAD, WAD, WAD, is_call)
        yield Option(0, 10**11, WAD, WAD, WAD, WAD, is_call)
        yield Option(10**11, 0, WAD, WAD, WAD, WAD, is_call)
