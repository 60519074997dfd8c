"""What may happen in a market now: a table of six statuses, who moves between them, and in which steps they open again.

A breaker belongs to the venue or to one underlying, and has two layers that never lift each other: the *feed*'s, which
the machine moves by what the oracle is worth, and the *order*'s, which persons move. What is allowed is what every
layer of both breakers allows. Each change is a ``Transition`` with its cause and authoriser, to be journaled. Pure: a
breaker and an input make the next breaker. Source: reference quant 4.4 and 5.2. Imports events, index, units.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from exchange.core.events import Authority, BreakerCause, Reject
from exchange.core.index import Condition
from exchange.core.units import Seconds


class Status(IntEnum):
    """In order of trouble."""

    NORMAL = 0
    DEGRADED = 1  # the feed is late, thin or just jumped
    REDUCE_ONLY = 2
    CANCEL_ONLY = 3
    HALTED = 4
    SAFEGUARD = 5  # nobody can say the price: only the announced band, after its delay


class Layer(IntEnum):
    """Who owns a status."""

    FEED = 0  # the machine, by what the oracle is worth
    ORDER = 1  # persons


class Allowed(NamedTuple):
    """What a status lets through. Cancels and withdrawals are always let through, so they have no entry."""

    opens: bool  # orders that may add risk
    reduces: bool  # orders that can only make a position smaller
    liquidates: bool  # at the price of the round


ALLOWED: Final[Mapping[Status, Allowed]] = {
    Status.NORMAL: Allowed(opens=True, reduces=True, liquidates=True),
    Status.DEGRADED: Allowed(opens=False, reduces=True, liquidates=False),
    Status.REDUCE_ONLY: Allowed(opens=False, reduces=True, liquidates=True),
    Status.CANCEL_ONLY: Allowed(opens=False, reduces=False, liquidates=True),
    Status.HALTED: Allowed(opens=False, reduces=False, liquidates=False),
    Status.SAFEGUARD: Allowed(opens=False, reduces=True, liquidates=False),
}

STATUSES: Final[Mapping[Layer, tuple[Status, ...]]] = {
    Layer.FEED: (Status.NORMAL, Status.DEGRADED, Status.HALTED, Status.SAFEGUARD),
    Layer.ORDER: (Status.NORMAL, Status.REDUCE_ONLY, Status.CANCEL_ONLY, Status.HALTED, Status.SAFEGUARD),
}
"""The steps of each layer: loosening goes through all of them, tightening to any."""

GOOD_ROUNDS: Final = 2  # at which a degraded feed is believed again
SAFEGUARD_AFTER_S: Final = 3_600  # of a halted feed
STAGE_MIN_S: Final = 60  # between two steps of opening again

_OF_CONDITION: Final = {
    Condition.NORMAL: Status.NORMAL,
    Condition.DEGRADED: Status.DEGRADED,
    Condition.HALTED: Status.HALTED,
}


class Transition(NamedTuple):
    """One step of one layer."""

    layer: Layer
    before: Status
    after: Status
    cause: BreakerCause
    by: Authority
    time_s: Seconds


class Held(NamedTuple):
    """A layer's status and since when."""

    status: Status = Status.NORMAL
    since_s: Seconds = 0


class Stage(NamedTuple):
    """A step of opening again that is still to come, and who authorised it."""

    status: Status
    at_s: Seconds
    by: Authority


class Breaker(NamedTuple):
    """Both layers, rounds in a row that were better than the feed's status, and the stages to come."""

    feed: Held = Held()
    order: Held = Held()
    good_rounds: int = 0
    stages: tuple[Stage, ...] = ()


AT_REST: Final = Breaker()


class Moved(NamedTuple):
    """The breaker after an input, and what was done: at most one transition."""

    breaker: Breaker
    transition: Transition | None = None


# -- asking -----------------------------------------------------------------------------------------------------------


def shown(*breakers: Breaker) -> Status:
    """The status to tell: the worst of all layers."""
    return max(held.status for breaker in breakers for held in (breaker.feed, breaker.order))


def allowed(*breakers: Breaker) -> Allowed:
    """What all layers of the breakers concerned (the venue's and the underlying's) let through."""
    each = [ALLOWED[held.status] for breaker in breakers for held in (breaker.feed, breaker.order)]
    return Allowed(*(all(column) for column in zip(*each, strict=True)))


def safeguards(*breakers: Breaker) -> bool:
    """Whether safeguard liquidations may begin once the delay is over: no halt of trading takes that away."""
    return any(held.status == Status.SAFEGUARD for breaker in breakers for held in (breaker.feed, breaker.order))


def next_step(layer: Layer, status: Status) -> Status:
    """The status one step looser."""
    steps = STATUSES[layer]
    return steps[max(steps.index(status) - 1, 0)]


# -- the feed's layer -------------------------------------------------------------------------------------------------


def on_condition(breaker: Breaker, condition: Condition, now_s: Seconds) -> Moved:
    """What the feed is worth at a round or a tick. Worse binds at once; better takes one step, with the first round
    that says so out of a halt, and with the second out of degradation. A halt that lasts becomes the safeguard.
    """
    held, told = breaker.feed, _OF_CONDITION[condition]
    if told > held.status:
        return _move_feed(breaker, told, BreakerCause.FEED_WORSE, now_s)
    if told == held.status or (told == Status.HALTED and held.status == Status.SAFEGUARD):
        lasted = held.status == Status.HALTED and now_s - held.since_s >= SAFEGUARD_AFTER_S
        if lasted:
            return _move_feed(breaker, Status.SAFEGUARD, BreakerCause.HALT_LASTED, now_s)
        return Moved(breaker._replace(good_rounds=0))
    good = breaker.good_rounds + 1
    if held.status == Status.DEGRADED and good < GOOD_ROUNDS:
        return Moved(breaker._replace(good_rounds=good))
    return _move_feed(
        breaker, min(next_step(Layer.FEED, held.status), Status.DEGRADED), BreakerCause.FEED_BETTER, now_s
    )


def _move_feed(breaker: Breaker, status: Status, cause: BreakerCause, now_s: Seconds) -> Moved:
    transition = Transition(Layer.FEED, breaker.feed.status, status, cause, Authority.MACHINE, now_s)
    return Moved(breaker._replace(feed=Held(status, now_s), good_rounds=0), transition)


# -- the order's layer ------------------------------------------------------------------------------------------------


def refuse(breaker: Breaker, status: Status, by: Authority, stage_s: Seconds) -> Reject | None:
    """Whether a person, or the machine for a refused batch, may order this status now."""
    now, may_open = breaker.order.status, by in (Authority.OPERATOR, Authority.GOVERNANCE)
    if status not in STATUSES[Layer.ORDER]:
        return Reject.BREAKER_STATUS_MUST_BE_ORDERED
    if Status.SAFEGUARD in (status, now) and by is not Authority.GOVERNANCE:
        return Reject.BREAKER_STATUS_MUST_BE_ORDERED
    if status == now and not breaker.stages:
        return Reject.BREAKER_MUST_MOVE
    if status < now and may_open and stage_s < STAGE_MIN_S and next_step(Layer.ORDER, now) != status:
        return Reject.BREAKER_STAGES_MUST_LAST
    return None if status >= now or may_open else Reject.SIGNER_MUST_BE_AUTHORISED


def order(
    breaker: Breaker, status: Status, cause: BreakerCause, by: Authority, now_s: Seconds, stage_s: Seconds = 0
) -> Moved:
    """Follow an order that was not refused. Tightening binds at once and drops the stages to come; loosening takes the
    first step at once and each further one ``stage_s`` later. The status in force, ordered again, drops them too.
    """
    assert refuse(breaker, status, by, stage_s) is None
    now = breaker.order.status
    if status >= now:
        return _move_order(breaker._replace(stages=()), status, cause, by, now_s)
    steps = [step for step in reversed(STATUSES[Layer.ORDER]) if status <= step < now]
    stages = tuple(Stage(step, now_s + place * stage_s, by) for place, step in enumerate(steps[1:], 1))
    return _move_order(breaker._replace(stages=stages), steps[0], cause, by, now_s)


def on_time(breaker: Breaker, now_s: Seconds) -> Moved:
    """The next stage, once its time has come; one for each call, so that none is skipped unseen."""
    if not breaker.stages or breaker.stages[0].at_s > now_s:
        return Moved(breaker)
    stage, *rest = breaker.stages
    return _move_order(breaker._replace(stages=tuple(rest)), stage.status, BreakerCause.STAGE, stage.by, now_s)


def _move_order(breaker: Breaker, status: Status, cause: BreakerCause, by: Authority, now_s: Seconds) -> Moved:
    if status == breaker.order.status:
        return Moved(breaker)
    transition = Transition(Layer.ORDER, breaker.order.status, status, cause, by, now_s)
    return Moved(breaker._replace(order=Held(status, now_s)), transition)
