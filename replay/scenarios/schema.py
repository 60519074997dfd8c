"""The file of a scenario: what happened, by which sources, what the market did, and what must come out.

Owns the form of the file, its reading and its errors. Figures are decimals and compared exactly. Imports msgspec.
"""

from decimal import Decimal
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from replay.findings import CannotRun

World = TypeVar("World")


class Unit(StrEnum):
    """What a figure counts."""

    COUNT = "count"
    USDC = "usdc"
    PERCENT = "percent"
    SECONDS = "seconds"


DIGITS: Final = {Unit.COUNT: 0, Unit.USDC: 6, Unit.PERCENT: 2, Unit.SECONDS: 0}
"""Decimals of the integers that plays measure in."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a figure of the file comes from."""

    url: str
    carries: str


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must come out on either side; None where the question has no meaning there."""

    name: str
    unit: Unit
    says: str
    then: Decimal | None = None
    here: Decimal | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file. ``world`` is read by the play; ``assumed`` is what no source says and the play needs all the same."""

    id: str
    name: str
    date: str
    title: str
    happened: str
    rule_then: str
    rule_here: str
    finding: str
    left: str  # what this venue does not prevent
    scale: str
    assumed: tuple[str, ...]
    sources: tuple[Source, ...]
    world: dict[str, Any]
    figures: tuple[Figure, ...]

    def world_as(self, kind: type[World]) -> World:
        """The world in the form that a play reads. Raises CannotRun."""
        try:
            return msgspec.convert(self.world, kind, strict=True)
        except msgspec.ValidationError as error:
            raise CannotRun(f"{self.name}: world: {error}") from error


def units_of(value: Decimal, digits: int) -> int:
    """A decimal of the file as an integer of 10**-digits. Raises CannotRun when it has more digits than that."""
    scaled = value.scaleb(digits)
    whole = int(scaled)
    if whole != scaled:
        raise CannotRun(f"{value} has more than {digits} decimals")
    return whole


def usdc(value: Decimal) -> int:
    """An amount or price in 1e-6 USDC."""
    return units_of(value, 6)


def read(data: bytes, where: str) -> Scenario:
    """A scenario out of its file. Raises CannotRun that names the field."""
    try:
        found = msgspec.yaml.decode(data, type=Scenario)
    except (msgspec.MsgspecError, ValueError) as error:
        raise CannotRun(f"{where} is not a scenario: {error}") from error
    names = [figure.name for figure in found.figures]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CannotRun(f"{where} is not a scenario: figure {twice} is there twice")
    if not found.sources:
        raise CannotRun(f"{where} is not a scenario: it cites no source")
    return found


def _shipped() -> list[Traversable]:
    folder = files("replay.scenarios") / "files"
    found = [each for each in folder.iterdir() if each.name.endswith(".yaml")]
    return sorted(found, key=lambda each: (len(each.name.partition("-")[0]), each.name))


def shipped() -> list[Scenario]:
    """All scenarios that come with the package, in their order."""
    return [read(each.read_bytes(), each.name) for each in _shipped()]


def find(name: str) -> list[Scenario]:
    """The scenarios a name stands for: ``all``, an id such as S1, a name, or a file. Raises CannotRun."""
    if name.endswith((".yaml", ".yml")):
        try:
            return [read(Path(name).read_bytes(), name)]
        except OSError as error:
            raise CannotRun(f"{name} cannot be read: {error}") from error
    known = shipped()
    found = [each for each in known if name in ("all", each.name) or name.upper() == each.id]
    if not found:
        ids = ", ".join(f"{each.id} {each.name}" for each in known)
        raise CannotRun(f"there is no scenario {name}: there are {ids}")
    return found
