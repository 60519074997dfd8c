"""Every pair of colours that text and ground make is far enough apart (WCAG 2.2, level AA), dark and light."""

import re

import pytest

from exchange.shell.website import ROOT

SHEET = (ROOT / "style" / "base.css").read_text()
TEXT = 4.5
CONTROL = 3.0  # focus rings and what else is no text
GROUNDS = ("ground", "panel", "chosen", "itm")
PAIRS = [(ink, ground) for ink in ("text", "faint", "accent", "buy", "sell", "warn") for ground in GROUNDS]
PAIRS += [("on-accent", "accent"), ("on-side", "buy"), ("on-side", "sell")]


def palettes() -> list[dict[str, str]]:
    """The colours of each block that sets them: light, dark by the system, dark by choice."""
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", SHEET)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]


def luminance(colour: str) -> float:
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_is_that_of_the_recommendation() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_both_ways_to_be_dark_are_the_same() -> None:
    light, by_system, by_choice = palettes()
    assert by_system == by_choice != light
    assert set(light) == set(by_choice)


@pytest.mark.parametrize("palette", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(palette: int) -> None:
    colours = palettes()[palette]
    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in PAIRS}
    assert {pair: ratio for pair, ratio in found.items() if ratio < TEXT} == {}
    assert all(contrast(colours["focus"], colours[ground]) >= CONTROL for ground in GROUNDS)
