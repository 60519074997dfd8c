"""Breakers in the machine: the commands and rounds that move them, and what a market lets in now.

The table is ``breakers``; ``State.curb`` keeps what follows from it for each underlying. Nothing leaves a book: an
order that stood before may meet one that only reduces, so that no fill adds to the open interest, while auctions and
resting combos wait. Imports state, breakers, index, events.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from exchange.core import breakers, index
from exchange.core.breakers import STAGE_MIN_S, STATUSES, Breaker, Held, Layer, Moved, Status
from exchange.core.commands import UNDERLYING, PostRound, SetBreaker, SetFeed, SetTrading, Spot
from exchange.core.events import Applied, Authority, BreakerCause, BreakerMoved, Event, Reject, Rejected
from exchange.core.state import VENUE, State
from exchange.core.state_types import Feed
from exchange.core.units import WAD, Seconds, seconds_of

STAGE_MAX_S: Final = 86_400
DEVIATIONS_MAX: Final = 100
VOL_MAX: Final = 10 * WAD


class _Step(NamedTuple):
    """What an input makes of one breaker."""

    key: int
    moved: Moved


# -- asking -----------------------------------------------------------------------------------------------------------


def refuse(state: State, underlying: int, *, reduces: bool) -> Rejected | None:
    """Whether the market of an underlying takes an order now; ``reduces``: one that can only shrink a position."""
    allowed = state.curbed.get(underlying)
    if allowed is None or allowed.opens or (reduces and allowed.reduces):
        return None
    return Rejected(Reject.MARKET_MUST_TAKE_RISK, shown(state, underlying), Status.NORMAL)


def shown(state: State, underlying: int) -> Status:
    """The status to tell of an underlying: the worst of its own and the venue's."""
    return breakers.shown(breaker_of(state, VENUE), breaker_of(state, underlying))


def breaker_of(state: State, key: int) -> Breaker:
    """The breaker of an underlying, or of the venue."""
    return state.breakers.get(key, breakers.AT_REST)


# -- commands ---------------------------------------------------------------------------------------------------------


def decide(state: State, command: SetBreaker | SetFeed) -> tuple[Event, ...]:
    """What an operator wants of a breaker, and of what moves it by itself."""
    if isinstance(command, SetFeed):
        return (_refuse_feed(state, command) or Applied(),)
    refused = _refuse_order(state, command)
    return (refused,) if refused is not None else (Applied(), *_told([_ordered(state, command)]))


def _refuse_feed(state: State, command: SetFeed) -> Rejected | None:
    """Bounds that make sense, for a listed underlying."""
    if command.underlying not in state.underlyings:
        return Rejected(Reject.UNDERLYING_MUST_EXIST, command.underlying)
    for figure, least, most in (
        (command.heartbeat_s, 1, STAGE_MAX_S),
        (command.thin, 0, WAD),
        (command.jump_min, 0, WAD),
        (command.jump_deviations, 0, DEVIATIONS_MAX),
        (command.stress_vol, 0, VOL_MAX),
    ):
        if not least <= figure <= most:
            return Rejected(Reject.FEED_TERMS_MUST_FIT, figure, most)
    return None


def _refuse_order(state: State, command: SetBreaker) -> Rejected | None:
    """A breaker that exists, a status that persons order, and stages that last, but not for ever."""
    if command.scope not in (0, UNDERLYING):
        return Rejected(Reject.BREAKER_STATUS_MUST_BE_ORDERED, command.scope, UNDERLYING)
    if command.scope == UNDERLYING and command.subject not in state.underlyings:
        return Rejected(Reject.UNDERLYING_MUST_EXIST, command.subject)
    if command.scope == 0 and command.subject:
        return Rejected(Reject.UNDERLYING_MUST_EXIST, command.subject)
    if not Status.NORMAL <= command.status <= Status.SAFEGUARD:
        return Rejected(Reject.BREAKER_STATUS_MUST_BE_ORDERED, command.status, Status.SAFEGUARD)
    if not 0 <= command.stage_s <= STAGE_MAX_S:
        return Rejected(Reject.BREAKER_STAGES_MUST_LAST, command.stage_s, STAGE_MAX_S)
    breaker = breaker_of(state, _key_of(command))
    why = breakers.refuse(breaker, Status(command.status), Authority.OPERATOR, command.stage_s)
    if why is Reject.BREAKER_STAGES_MUST_LAST:
        return Rejected(why, command.stage_s, STAGE_MIN_S)
    return Rejected(why, command.status, breaker.order.status) if why is not None else None


def _key_of(command: SetBreaker) -> int:
    return command.subject if command.scope == UNDERLYING else VENUE


def _ordered(state: State, command: SetBreaker) -> _Step:
    key, status, now_s = _key_of(command), Status(command.status), seconds_of(state.time_ns)
    cause, by = BreakerCause.ORDERED, Authority.OPERATOR
    return _Step(key, breakers.order(breaker_of(state, key), status, cause, by, now_s, command.stage_s))


def evolve(state: State, command: SetBreaker | SetFeed) -> None:
    """The breaker is where it was ordered, or from the next round on follows its feed."""
    if isinstance(command, SetFeed):
        state.feeds[command.underlying] = Feed(command)
    else:
        _settle(state, [_ordered(state, command)])


def switch(state: State, command: SetTrading) -> None:
    """The venue's switch: halted, or open at once, with no stages. What its underlyings are halted for stays so."""
    _throw(state, Status.NORMAL if command.is_open else Status.HALTED)


def halt(state: State) -> None:
    """The machine halts the venue, for a batch that the contracts refuse."""
    _throw(state, max(Status.HALTED, breaker_of(state, VENUE).order.status))


def _throw(state: State, status: Status) -> None:
    held = Held(status, seconds_of(state.time_ns))
    state.breakers[VENUE] = breaker_of(state, VENUE)._replace(order=held, stages=())
    state.curb()


# -- by itself --------------------------------------------------------------------------------------------------------


def on_round(state: State, command: PostRound) -> list[Event]:
    """What a round that is adopted does to the breakers that follow one."""
    return _told(_felt(state, command))


def evolve_round(state: State, command: PostRound) -> None:
    """Breakers follow the round; call while the round before is still in force."""
    steps = list(_felt(state, command))
    for spot in command.spots:
        feed = state.feeds.get(spot.underlying)
        if feed is not None:
            feed.jumped = _jumps(state, feed.rules, command, spot)
    _settle(state, steps)


def _felt(state: State, command: PostRound) -> Iterator[_Step]:
    now_s = seconds_of(state.time_ns)
    for spot in command.spots:
        feed = state.feeds.get(spot.underlying)
        if feed is None:
            continue
        jumped = _jumps(state, feed.rules, command, spot)
        standing = index.Standing(spot.spot, command.time_s, spot.conf, jumped=jumped)
        condition = index.condition(_bounds(feed.rules), standing, now_s)
        yield _Step(spot.underlying, breakers.on_condition(breaker_of(state, spot.underlying), condition, now_s))


def _jumps(state: State, rules: SetFeed, command: PostRound, spot: Spot) -> bool:
    """Whether the index moved further since the round before than is believed at once."""
    last, before = state.round, state.spots.get(spot.underlying)
    if last is None or before is None:
        return False
    return not index.believes(_bounds(rules), before.spot, spot.spot, command.time_s - last.time_s)


def _bounds(rules: SetFeed) -> index.Rules:
    return index.Rules(
        heartbeat_s=rules.heartbeat_s,
        thin=rules.thin,
        jump_min=rules.jump_min,
        jump_deviations=rules.jump_deviations,
        stress_vol=rules.stress_vol,
    )


def on_tick(state: State) -> list[Event]:
    """What time does: feeds fall silent, halts last, and the next stage of opening again comes."""
    return _told(_due(state))


def evolve_tick(state: State) -> None:
    """Breakers follow time."""
    if state.feeds or state.breakers:
        _settle(state, list(_due(state)))


def _due(state: State) -> Iterator[_Step]:
    now_s = seconds_of(state.time_ns)
    for key in sorted(dict.fromkeys((*state.breakers, *state.feeds))):
        breaker = breaker_of(state, key)
        late = _lateness(state, key, breaker, now_s)
        if late is not None:
            yield _Step(key, late)
            breaker = late.breaker
        staged = breakers.on_time(breaker, now_s)
        if staged.transition is not None:
            yield _Step(key, staged)


def _lateness(state: State, key: int, breaker: Breaker, now_s: Seconds) -> Moved | None:
    """What a feed's silence makes of its breaker. Time makes none better: that takes a round."""
    feed, last = state.feeds.get(key), state.round
    if feed is None or last is None:
        return None
    spot = state.spots[key]
    standing = index.Standing(spot.spot, last.time_s, spot.conf, jumped=feed.jumped)
    condition = index.condition(_bounds(feed.rules), standing, now_s)
    moved = breakers.on_condition(breaker, condition, now_s)
    worse = moved.transition is not None and moved.transition.after > moved.transition.before
    return moved if worse else None


# -- both -------------------------------------------------------------------------------------------------------------


def _told(steps: Iterable[_Step]) -> list[Event]:
    """Transitions as events."""
    told: list[Event] = []
    for key, moved in steps:
        if moved.transition is not None:
            scope, subject = (0, 0) if key == VENUE else (UNDERLYING, key)
            step = moved.transition
            told.append(BreakerMoved(scope, subject, step.layer, step.before, step.after, step.cause, step.by))
    return told


def _settle(state: State, steps: list[_Step]) -> None:
    for key, moved in steps:
        state.breakers[key] = moved.breaker
    if steps:
        state.curb()


def breakers_are_on_their_steps(state: State) -> str | None:
    """BREAKERS_ARE_ON_THEIR_STEPS: each layer has a status of its own, and stages to come only ever open further."""
    for key, breaker in state.breakers.items():
        for layer, held in ((Layer.FEED, breaker.feed), (Layer.ORDER, breaker.order)):
            if held.status not in STATUSES[layer]:
                return f"breaker {key} has {held.status.name} in its layer {layer.name}"
        path = [breaker.order.status, *(stage.status for stage in breaker.stages)]
        if any(after >= before for before, after in pairwise(path)):
            return f"breaker {key} opens through {path}"
    return None
