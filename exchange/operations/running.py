"""What a process is doing, as its probes and measurements see it. Imports shell."""

from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from exchange.core.state import State
from exchange.core.units import NANOS_PER_SECOND, Nanos
from exchange.shell.devmarket import Feed
from exchange.shell.gateway import Gateway
from exchange.shell.meters import Histogram
from exchange.shell.venue import Venue

LAG_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
ROUND_AGE_S: Final = 60  # four rounds in five may fail before anybody is told
FINAL_AGE_S: Final = 900
LAG_MAX_S: Final = 900


class Stage(StrEnum):
    """Where a process is between its start and its end."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Parts(NamedTuple):
    """A venue that can be traded on."""

    venue: Venue
    gateway: Gateway
    feed: Feed
    journal: Path


class Check(NamedTuple):
    """Something that should hold, whether it does, and what is known of it."""

    name: str
    holds: bool
    detail: str


class Running:
    """The process: its stage, and its parts once they are there."""

    def __init__(self) -> None:
        self.stage = Stage.STARTING
        self.parts: Parts | None = None
        self.loop_lag_s = Histogram(LAG_S)

    def alive(self) -> list[Check]:
        """What must hold for the process to be left alone: a venue whose sequencer has ended answers nobody."""
        if self.parts is None:
            return []
        halted = self.parts.venue.sequencer.halted
        return [Check("sequencing", halted is None, "" if halted is None else repr(halted))]

    def ready(self) -> list[Check]:
        """What must hold for a new order to be taken."""
        checks = [Check("serving", self.stage is Stage.SERVING, self.stage.value), *self.alive()]
        if self.parts is None:
            return checks
        venue, gateway = self.parts.venue, self.parts.gateway
        sequencer = venue.sequencer
        waits = (
            f"{sequencer.waiting} messages wait, {sequencer.held} of them held back; "
            f"{sequencer.backlog.records} records are not durable"
        )
        return [
            *checks,
            Check("accepting", sequencer.accepting, waits),
            Check("listening", gateway.is_listening, f"{len(gateway.connections)} connections"),
        ]

    def well(self) -> list[Check]:
        """What should hold besides: without it cancels and questions are answered, and somebody should look."""
        if self.parts is None:
            return []
        venue = self.parts.venue
        now_ns = venue.clock.now_ns()
        return [
            _within("oracle_fresh", venue.sequencer.glance(lambda state: round_age_s(state, now_ns)), ROUND_AGE_S),
            _within("chain_in_sight", venue.sequencer.glance(lambda state: final_age_s(state, now_ns)), FINAL_AGE_S),
            _within("settling", venue.sequencer.glance(lambda state: settlement_lag_s(state, now_ns)), LAG_MAX_S),
            Check("settlement_accepted", not venue.meters.settlement_stopped, "the contracts take our batches"),
            Check("trading_open", venue.sequencer.glance(_is_open), "the venue's breaker lets orders in"),
        ]


def _within(name: str, age_s: float | None, most_s: float) -> Check:
    if age_s is None:
        return Check(name, False, "nothing was seen yet")
    return Check(name, age_s <= most_s, f"{age_s:.1f} s, at most {most_s} s")


def _is_open(state: State) -> bool:
    return state.is_open


def round_age_s(state: State, now_ns: Nanos) -> float | None:
    """Seconds since the moment of the last oracle round; None before the first."""
    return None if state.round is None else now_ns / NANOS_PER_SECOND - state.round.time_s


def final_age_s(state: State, now_ns: Nanos) -> float | None:
    """Seconds since the last final block the journal has seen was made; None before the first."""
    return None if state.block is None else now_ns / NANOS_PER_SECOND - state.block.time_s


def settlement_lag_s(state: State, now_ns: Nanos) -> float:
    """Seconds that the oldest fill waits: since its batch was sealed, or the open one got its first; 0: none."""
    sealed = next(iter(state.batches.values()), None)  # batches are numbered, and settle, in order
    if sealed is not None:
        return max(now_ns - sealed.sealed_ns, 0) / NANOS_PER_SECOND
    return max(now_ns - state.sealed_ns, 0) / NANOS_PER_SECOND if state.next_trade > state.first_unsealed else 0.0
