"""Bugs planted in the mathematics, one at a time: each must break a law, and none is broken as it stands."""

from collections.abc import Callable
from typing import Any

import pytest
from maths_laws import LAWS

from exchange.core import black76, fixedmath, greeks
from exchange.core.black76 import Moments
from exchange.core.units import WAD, div_down, div_up, mul_div_down, mul_div_up


def breaks() -> list[str]:
    """The laws that do not hold."""
    broken = []
    for law in LAWS:
        try:
            law()
        except (AssertionError, ArithmeticError):
            broken.append(law.__name__)
    return broken


def test_all_laws_of_the_mathematics_hold() -> None:
    assert breaks() == []


TRUE = {
    name: getattr(module, name)
    for module, names in (
        (fixedmath, ("norm_cdf_bits", "exp_bits", "ln_bits")),
        (black76, ("moments", "scaled_value", "averaging_years", "total_vol")),
        (greeks, ("_deltas",)),
    )
    for name in names
}


def never_widens(approximate: Any, x: int) -> int:
    value, error = approximate(x, 128)
    return (value - error) * WAD >> 128


def nearest(approximate: Any, x: int) -> int:
    value, _ = approximate(x, 256)
    return (value * WAD >> 255) + 1 >> 1


def blurred(name: str) -> Callable[[int, int], tuple[int, int]]:
    """An approximation whose error is larger than it says, in the 30th digit."""

    def approximate(x: int, bits: int) -> tuple[int, int]:
        value, error = TRUE[name](x, bits)
        return value + (1 << bits - 60), error

    return approximate


def vol_rounded_up(vol: int, years: int) -> int:
    return TRUE["total_vol"](vol, years) + 1


def d2_above(forward: int, strike: int, v: int) -> Moments:
    at = TRUE["moments"](forward, strike, v)
    return at._replace(d2=at.d1 + v)


def drift_downwards(forward: int, strike: int, v: int) -> Moments:
    d1 = TRUE["moments"](forward, strike, v).d1 - v
    return Moments(v, d1, d1 - v)


def d1_truncated(forward: int, strike: int, v: int) -> Moments:
    """Towards zero, as a language with other integers divides."""
    at = TRUE["moments"](forward, strike, v)
    d1 = at.d1 + 1 if at.d1 < 0 else at.d1
    return Moments(v, d1, d1 - v)


def without_intrinsic(*terms: int, is_call: bool) -> int:
    found = TRUE["scaled_value"](*terms, is_call=is_call)
    return found - 10**18 if terms[0] == 10 * terms[1] else found


def half_a_window(seconds: int, forward: int, fixed: int) -> int:
    return TRUE["averaging_years"](seconds + 300, forward, fixed)


def settled_part_ignored(seconds: int, forward: int, fixed: int) -> int:
    return TRUE["averaging_years"](seconds, forward, 0 * fixed)


def deltas_swapped(discount: int, first: int, second: int, *, is_call: bool) -> tuple[int, int]:
    return TRUE["_deltas"](discount, second, first, is_call=is_call)


def deltas_of_the_other_side(discount: int, first: int, second: int, *, is_call: bool) -> tuple[int, int]:
    return TRUE["_deltas"](discount, first, second, is_call=not is_call)


MUTANTS: list[tuple[Any, str, Any]] = [
    (fixedmath, "_LN2", fixedmath._LN2 + (1 << 460)),
    (fixedmath, "_INV_SQRT_2PI", fixedmath._INV_SQRT_2PI - (1 << 450)),
    (fixedmath, "_STAGES", (64,)),
    (fixedmath, "_NORM_ARG_MAX", 7 * WAD),
    (fixedmath, "_floor", never_widens),
    (fixedmath, "_floor", nearest),
    (fixedmath, "norm_cdf_bits", blurred("norm_cdf_bits")),
    (fixedmath, "exp_bits", blurred("exp_bits")),
    (fixedmath, "ln_bits", blurred("ln_bits")),
    (black76, "total_vol", vol_rounded_up),
    (black76, "moments", d2_above),
    (black76, "moments", drift_downwards),
    (black76, "moments", d1_truncated),
    (black76, "scaled_value", without_intrinsic),
    (black76, "div_up", div_down),
    (black76, "mul_div_up", mul_div_down),
    (black76, "mul_div_down", mul_div_up),
    (black76, "averaging_years", half_a_window),
    (black76, "averaging_years", settled_part_ignored),
    (black76, "put_mark", lambda call, forward, strike: call + forward - strike),
    (greeks, "_deltas", deltas_swapped),
    (greeks, "_deltas", deltas_of_the_other_side),
    (greeks, "div_up", div_down),
    (greeks, "div_down", div_up),
    (greeks, "mul_div_down", mul_div_up),
    (greeks, "norm_pdf_wad", fixedmath.norm_cdf_wad),
    (greeks, "moments", d2_above),
]


@pytest.mark.parametrize(("module", "name", "mutant"), MUTANTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_bug_of_the_mathematics_is_caught(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, mutant: Any
) -> None:
    monkeypatch.setattr(module, name, mutant)
    assert breaks(), f"nobody notices a wrong {name}"
