"""Grids of options to price: one expiry each, a row of moved forwards, a column of strikes, and vols moved with them."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from exchange.core.units import WAD, years_of


class Grid(NamedTuple):
    """Arguments of ``Pricer.calls``."""

    forwards: list[int]
    strikes: list[int]
    vols: list[list[int]]
    years: int


MOVES = (34, 67, 82, 87, 91, 95, 96, 100, 104, 105, 109, 113, 118, 150, 200, 300, 400, 500, 600)


def chain(forward: int, days: float, strikes: int) -> Grid:
    """A chain as a venue lists it, in the scenarios of portfolio margin: strikes from 0.4 to 2.2 times the forward."""
    tick = max(forward // 200, 1)
    listed = [max(forward * (40 + 180 * place // strikes) // 100 // tick, 1) * tick for place in range(strikes)]
    smile = [WAD // 2 + WAD * abs(strike - forward) // (3 * forward) for strike in listed]
    shocks = [(move, factor) for move in MOVES for factor in (72, 100, 140)]
    vols = [[vol * factor // 100 for vol in smile] for _, factor in shocks]
    return Grid([forward * move // 100 for move, _ in shocks], listed, vols, years_of(int(days * 86_400)))


def anything(rng: random.Random) -> Grid:
    """A small grid anywhere in the domain and beyond it, with sizes drawn in their exponents."""
    top = 10 ** rng.randint(1, 15)
    forwards = [rng.randint(0 if rng.random() < 0.05 else 1, top) for _ in range(6)]
    near = [forward * rng.randint(900, 1_100) // 1_000 for forward in forwards]
    strikes = [*near, *forwards[:2], rng.randint(0, 10 ** rng.randint(1, 16))]
    scale = WAD * 20 // 10 ** rng.randint(0, 5)
    vols = [[rng.randint(0, scale) for _ in strikes] for _ in forwards]
    return Grid(forwards, strikes, vols, years_of(rng.randint(0, 10 ** rng.randint(1, 8))))


def grids(count: int) -> Iterator[Grid]:
    rng = random.Random("verbatim grids")
    for _ in range(count):
        yield anything(rng)
