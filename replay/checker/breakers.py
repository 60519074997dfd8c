"""What markets let in, found anew: each step of each breaker, from what was ordered, from rounds and from silence.

A market has two ladders that never lift each other, the feed's and that of persons, and stands below the venue, which
has only the latter. Imports the words of the journal and the ledger.
"""

from collections.abc import Iterator, Sequence
from math import isqrt
from typing import Final

from exchange.core import commands as c
from exchange.core.events import Applied, Authority, BreakerCause, BreakerMoved, Event, Reject, Rejected
from exchange.core.units import WAD
from replay.checker.facts import Market
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule

VENUE: Final = -1
NORMAL, DEGRADED, REDUCE_ONLY, CANCEL_ONLY, HALTED, SAFEGUARD = range(6)
FEED, ORDER = 0, 1
LADDER: Final = (NORMAL, REDUCE_ONLY, CANCEL_ONLY, HALTED, SAFEGUARD)
TAKES_SOME: Final = (NORMAL, DEGRADED, REDUCE_ONLY, SAFEGUARD)
STAGE_S: Final = (60, 86_400)
LASTS_S: Final = 3_600  # a silent feed, until it is the safeguard's
YEAR_S: Final = 31_536_000


# -- asking -----------------------------------------------------------------------------------------------------------


def bars(ledger: Ledger, underlying: int, *, reduces: bool = False) -> bool:
    """Whether a market lets no such order in, the venue's own switch apart."""
    if not ledger.markets:
        return False
    market, venue = ledger.markets.get(underlying, Market()), ledger.markets.get(VENUE, Market())
    rungs = (market.feed, market.ordered, venue.ordered)
    return any(rung not in TAKES_SOME if reduces else rung != NORMAL for rung in rungs)


# -- commands ---------------------------------------------------------------------------------------------------------


def feed(ledger: Ledger, command: c.SetFeed, events: Sequence[Event]) -> None:
    """How far the rounds of an underlying are trusted."""
    within = (
        1 <= command.heartbeat_s <= STAGE_S[1]
        and 0 <= command.thin <= WAD
        and 0 <= command.jump_min <= WAD
        and 0 <= command.jump_deviations <= 100
        and 0 <= command.stress_vol <= 10 * WAD
    )
    broken = [] if command.underlying in ledger.underlyings else [Reject.UNDERLYING_MUST_EXIST]
    if _is_taken(ledger, events, broken if within else [*broken, Reject.FEED_TERMS_MUST_FIT], []):
        market = ledger.markets.setdefault(command.underlying, Market())
        market.rules, market.jumped = command, False


def order(ledger: Ledger, command: c.SetBreaker, events: Sequence[Event]) -> None:
    """A person moves a breaker: to worse at once, to better step by step."""
    broken = list(_broken(ledger, command))
    if broken:
        _is_taken(ledger, events, broken, [])
        return
    key = command.subject if command.scope else VENUE
    market = ledger.markets.setdefault(key, Market())
    before, path = market.ordered, [command.status]
    if command.status < before:
        path = [rung for rung in reversed(LADDER) if command.status <= rung < before]
    moved = [] if path[0] == before else [_step(key, ORDER, before, path[0], BreakerCause.ORDERED)]
    if _is_taken(ledger, events, [], moved):
        market.ordered = path[0]
        market.stages = [(rung, ledger.now_s + at * command.stage_s) for at, rung in enumerate(path) if at]
        _open_or_close(ledger)


def _broken(ledger: Ledger, command: c.SetBreaker) -> Iterator[Reject]:
    named = command.subject in ledger.underlyings if command.scope == c.UNDERLYING else command.subject == 0
    market = ledger.markets.get(command.subject if command.scope else VENUE, Market())
    if command.scope not in (0, c.UNDERLYING) or command.status not in LADDER[:-1]:
        yield Reject.BREAKER_STATUS_MUST_BE_ORDERED
        return
    if not named:
        yield Reject.UNDERLYING_MUST_EXIST
    if command.status == market.ordered and not market.stages:
        yield Reject.BREAKER_MUST_MOVE
    several = LADDER.index(market.ordered) - LADDER.index(command.status) > 1
    if not 0 <= command.stage_s <= STAGE_S[1] or (several and command.stage_s < STAGE_S[0]):
        yield Reject.BREAKER_STAGES_MUST_LAST


def switched(ledger: Ledger, *, is_open: bool) -> None:
    """The venue's switch: all of the way at once."""
    venue = ledger.markets.setdefault(VENUE, Market())
    venue.ordered, venue.stages = NORMAL if is_open else HALTED, []
    _open_or_close(ledger)


def _open_or_close(ledger: Ledger) -> None:
    ledger.is_open = ledger.markets.get(VENUE, Market()).ordered in TAKES_SOME


def _is_taken(ledger: Ledger, events: Sequence[Event], broken: list[Reject], moved: Sequence[Event]) -> bool:
    """Whether the command was taken, as it must be unless it breaks a rule; and moved what it had to."""
    first = events[0] if len(events) == 1 else None
    if type(first) is Rejected:
        if first.reason not in broken:
            sentence = f"a breaker is not moved for {first.reason}, and that does not hold"
            ledger.note(Rule.REFUSAL_MUST_HOLD, sentence, expected=broken, actual=first.reason)
        return False
    for rule in broken:
        ledger.note(Rule.ADMISSION_MUST_HOLD, f"a breaker is moved against {rule}", actual=rule)
    if list(events) != [Applied(), *moved]:
        sentence = "a command moves breakers in another way than it says"
        ledger.note(Rule.BREAKER_MUST_FOLLOW, sentence, expected=moved, actual=list(events[1:]))
    return not broken


# -- rounds and time --------------------------------------------------------------------------------------------------


def on_round(ledger: Ledger, command: c.PostRound) -> list[Event]:
    """What a round does to those that follow one; call while the round before is still in force."""
    told: list[Event] = []
    for spot in command.spots:
        market = ledger.markets.get(spot.underlying)
        if market is None or market.rules is None:
            continue
        market.jumped = _jumped(ledger, market.rules, spot, command.time_s)
        worth = _worth(ledger, market, market.rules, spot.conf, command.time_s)
        told += _worse(ledger, spot.underlying, market, worth) or _better(ledger, spot.underlying, market, worth)
    return told


def _jumped(ledger: Ledger, rules: c.SetFeed, spot: c.Spot, time_s: int) -> bool:
    """Further than so many deviations, or a least share, since the round before."""
    before = ledger.round
    if before is None or spot.underlying not in before.spots:
        return False
    root = isqrt((time_s - before.time_s) * WAD * WAD // YEAR_S) + 1
    bound = max(rules.jump_min, -(-rules.stress_vol * root // WAD) * rules.jump_deviations)
    last = before.spots[spot.underlying]
    return abs(spot.spot - last) * WAD > bound * last


def _worth(ledger: Ledger, market: Market, rules: c.SetFeed, conf: int, time_s: int) -> int:
    age_s = ledger.now_s - time_s
    if age_s > 3 * rules.heartbeat_s:
        return HALTED
    return DEGRADED if age_s > rules.heartbeat_s or conf < rules.thin or market.jumped else NORMAL


def _worse(ledger: Ledger, key: int, market: Market, worth: int) -> list[Event]:
    """A feed that is worth less than it stands for falls at once; silent for long enough, it is the safeguard's."""
    before, cause = market.feed, BreakerCause.FEED_WORSE
    if before == worth == HALTED and ledger.now_s - market.since_s >= LASTS_S:
        worth, cause = SAFEGUARD, BreakerCause.HALT_LASTED
    if worth <= before:
        return []
    market.feed, market.since_s, market.good = worth, ledger.now_s, 0
    return [_step(key, FEED, before, worth, cause)]


def _better(ledger: Ledger, key: int, market: Market, worth: int) -> list[Event]:
    """Out of silence with the first round that says so, out of doubt with the second in a row."""
    before = market.feed
    if worth == before or (worth == HALTED and before == SAFEGUARD):
        market.good = 0
        return []
    market.good += 1
    if before == DEGRADED and market.good < 2:
        return []
    after = NORMAL if before == DEGRADED else DEGRADED
    market.feed, market.since_s, market.good = after, ledger.now_s, 0
    return [_step(key, FEED, before, after, BreakerCause.FEED_BETTER)]


def on_tick(ledger: Ledger) -> list[Event]:
    """Feeds that fall silent, and stages of opening again whose time has come: one of each breaker."""
    told: list[Event] = []
    for key, market in sorted(ledger.markets.items()):
        if market.rules is not None and ledger.round is not None:
            worth = _worth(ledger, market, market.rules, ledger.round.confs[key], ledger.round.time_s)
            told += _worse(ledger, key, market, worth)
        if market.stages and market.stages[0][1] <= ledger.now_s:
            before, (market.ordered, _) = market.ordered, market.stages.pop(0)
            told.append(_step(key, ORDER, before, market.ordered, BreakerCause.STAGE))
    _open_or_close(ledger)
    return told


def _step(key: int, layer: int, before: int, after: int, cause: BreakerCause) -> BreakerMoved:
    scope, subject = (0, 0) if key == VENUE else (c.UNDERLYING, key)
    by = Authority.MACHINE if layer == FEED else Authority.OPERATOR
    return BreakerMoved(scope, subject, layer, before, after, cause, by)
