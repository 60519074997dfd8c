"""Vyper and Python agree bit for bit on every fixed-point function, in both stages, and on Black-76 and its Greeks."""

from __future__ import annotations

import random
import re
from math import factorial

import mpmath
import pytest
from contract_drawing import SOAK
from contract_maths import CONTRACTS, Option, asked, math_probe, options

from exchange.core import fixedmath as fx
from exchange.core.black76 import black76_mark, discount_factor, scaled_value, value_down, value_up
from exchange.core.greeks import black76_greeks
from exchange.core.units import U64_MAX, WAD
from exchange.shell.chain import Reverted

# The probe is compiled first, which takes a busy machine a while.
pytestmark = pytest.mark.timeout(7_200 if SOAK else 300)
POINTS = 20_000 if SOAK else 400
WIDE = 4_000 if SOAK else 60
SOURCE = (CONTRACTS / "lib" / "fixedmath.vy").read_text()

# name -> (definition, arguments around which something changes, lowest and highest argument)
FUNCTIONS = {
    "exp": (
        fx.exp_wad,
        (0, WAD, -WAD, -42 * WAD, 50 * WAD, 693147180559945309, -693147180559945309),
        -43 * WAD,
        50 * WAD,
    ),
    "ln": (fx.ln_wad, (1, WAD, 2 * WAD, WAD // 2, 2**59, 2**60, 2**192 - 1, U64_MAX * WAD), 1, 2**192 - 1),
    "norm_pdf": (fx.norm_pdf_wad, (0, 9 * WAD, 10 * WAD, -10 * WAD), -11 * WAD, 11 * WAD),
    "norm_cdf": (
        fx.norm_cdf_wad,
        (0, *(sign * number * WAD for sign in (1, -1) for number in (1, 2, 3, 4, 5, 9, 10))),
        -11 * WAD,
        11 * WAD,
    ),
}


@pytest.fixture(scope="module")
def probe():
    return math_probe()


def arguments(name: str, count: int) -> list[int]:
    """Where something changes, with neighbours; evenly drawn ones; and small ones, or near 1, of every size."""
    _, corners, low, high = FUNCTIONS[name]
    rng = random.Random(f"verbatim on chain {name}")
    drawn = [corner + step for corner in corners for step in (-2, -1, 0, 1, 2)]
    for number in range(count):
        size = 10 ** rng.randint(1, 19)
        drawn.append((rng.randint(low, high), rng.randint(-size, size), WAD + rng.randint(-size, size))[number % 3])
    return [x for x in drawn if low <= x <= high]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_python(probe, name):
    drawn = arguments(name, POINTS)
    assert asked(probe, name, drawn, False) == [FUNCTIONS[name][0](x) for x in drawn]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_wide_stage_gives_the_same(probe, name):
    """Asked at once, for arguments that the first stage settles as well; where the result is rational it is not asked."""
    rational = {"exp": 0, "ln": WAD, "norm_cdf": 0}
    limit = 10 * WAD if name.startswith("norm") else 2**255
    drawn = [x for x in arguments(name, WIDE) if x != rational.get(name) and -limit <= x <= limit]
    drawn = [x for x in drawn if name != "exp" or x >= -42 * WAD]
    assert asked(probe, name, drawn, True) == [FUNCTIONS[name][0](x) for x in drawn]


def test_square_roots_are_those_of_python(probe):
    rng = random.Random("verbatim roots on chain")
    drawn = [0, 1, 2, WAD, 4 * WAD, WAD // 365, *(rng.randint(0, 2 ** rng.randint(1, 195)) for _ in range(POINTS))]
    assert asked(probe, "sqrt", drawn) == [fx.sqrt_wad(x) for x in drawn]


@pytest.mark.parametrize("x", [1, -1, 2, -2])
def test_next_to_a_rational_value_the_wide_stage_is_needed_and_used(probe, x):
    """Told by its gas: e**(1e-18) is half of 1e-18 of a unit above a whole number, which 120 bits cannot tell."""
    assert probe.call("gas_of", "exp", x, False) > 5_000 > probe.call("gas_of", "exp", WAD + x, False)


@pytest.mark.parametrize(
    ("name", "x", "reason"),
    [("exp", 50 * WAD + 1, "exp_domain"), ("ln", 0, "ln_domain"), ("ln", 2**192, "ln_domain")],
)
def test_outside_its_domain_it_refuses(probe, name, x, reason):
    with pytest.raises(Reverted) as refused:
        probe.call(name, [x], False)
    assert refused.value.reason == reason


def test_far_out_it_has_reached_its_limit(probe):
    far = [-(2**255), 2**255 - 1]
    assert list(probe.call("norm_pdf", far, False)) == [0, 0]
    assert list(probe.call("norm_cdf", far, False)) == [0, WAD - 1]
    assert list(probe.call("exp", far[:1], False)) == [0]


def test_what_neither_stage_can_tell_is_refused(probe):
    assert probe.call("decide", 2**248 + 2**200, 2**248 + 2**200 + 1, 248) == WAD + 3_552  # 2**-48 is 3552.7e-18
    with pytest.raises(Reverted) as refused:
        probe.call("decide", 2**248 - 1, 2**248 + 1, 248)
    assert refused.value.reason == "fixedmath_undecided"


# -- Black-76 ---------------------------------------------------------------------------------------------------------


def test_marks_and_present_values_are_those_of_python(probe):
    drawn = list(options(3_000 if SOAK else 150))
    marks = asked(probe, "marks", drawn)
    for option, mark, (factor, low, high) in zip(drawn, marks, asked(probe, "values", drawn), strict=True):
        forward, strike, vol, years, discount, rate, is_call = option
        assert mark == black76_mark(forward, strike, vol, years, is_call=is_call), option
        scaled = scaled_value(forward, strike, vol, years, is_call=is_call)
        assert factor == discount_factor(rate, years), option
        assert (low, high) == (value_down(scaled, discount), value_up(scaled, discount)), option


def test_greeks_are_those_of_python(probe):
    drawn = list(options(1_500 if SOAK else 100))
    for option, found in zip(drawn, asked(probe, "greeks", drawn), strict=True):
        assert tuple(found) == black76_greeks(*option[:6], is_call=option.is_call), option


def test_a_mark_costs_no_more_gas_than_is_told(probe):
    """The figures of docs/MATHEMATICS.md, with a tenth of room."""
    usual = Option(10**11, 11 * 10**10, WAD // 2, WAD // 12, WAD, 0, True)
    assert probe.call("gas_of_option", usual, False) < 8_000
    assert probe.call("gas_of_option", usual, True) < 15_600


# -- the text ---------------------------------------------------------------------------------------------------------


def constants(function: str) -> list[int]:
    """Numbers that a function adds, subtracts, compares or multiplies with, and its first; all but the small ones."""
    body = SOURCE.split(f"def {function}(")[1].split("@internal")[0]
    found = re.findall(r"(?:a: uint256 = |unsafe_add\(|unsafe_sub\(|m >= |unsafe_mul\(m, )(\d{6,})\b", body)
    return [int(number) for number in found]


def floored(value: mpmath.mpf, bits: int) -> int:
    return int(mpmath.floor(value * mpmath.mpf(2) ** bits))


def test_the_constants_are_those_of_mathematics():
    named = dict(re.findall(r"^(\w+): constant\(u?int256\) = (?:96 \* )?(\d{11,})$", SOURCE, re.MULTILINE))
    with mpmath.workprec(600):
        ln2, scale = mpmath.log(2), 1 / mpmath.sqrt(2 * mpmath.pi)
        assert {name: int(text) for name, text in named.items()} == {
            "LN2_128": floored(ln2, 128),
            "LN2_136": floored(ln2, 136),
            "LN2_248": floored(ln2, 248),
            "INV_SQRT_2PI_127": floored(scale, 127),
            "INV_SQRT_2PI_248": floored(scale, 248),
            "LIFT_128": floored(ln2, 128),
        }
        assert constants("_exp_parts") == [floored(mpmath.mpf(1) / factorial(n), 127) for n in range(15, -1, -1)]
        ladder = [mpmath.mpf(2) ** (mpmath.mpf(1) / n) for n in (2, 4, 8, 16)]
        steps = [number for root in ladder for number in (floored(root, 127) + 16, floored(1 / root, 127))]
        assert constants("_ln") == steps + [floored(mpmath.mpf(1) / odd, 127) for odd in range(21, 0, -2)]
        terms = [floored(mpmath.mpf(8) ** n / (factorial(n) * (2 * n + 1)), 123) for n in range(62, -1, -1)]
        assert constants("_series") == terms


def test_series_and_fractions_are_long_enough_for_their_bounds():
    """What is left out where each begins to be used, against a quarter of the error that is allowed for."""
    with mpmath.workprec(600):
        for limit, first in ((1, 25), (2, 36), (3, 48), (4, 63)):
            y = mpmath.mpf(limit) ** 2 / 2
            left = y**first / (factorial(first) * (2 * first + 1))  # of an alternating series that falls from here on
            assert first > y
            assert left < mpmath.mpf(2) ** (20 - 123 - 2)

        def mills(x, depth):
            r = x
            for n in range(depth, 0, -1):
                r = x + n / r
            return 1 / r

        four = mpmath.mpf(4)
        assert abs(mills(four, 44) / mills(four, 45) - 1) < mpmath.mpf(2) ** -63
        assert SOURCE.count("<< 240, r)") == 44
