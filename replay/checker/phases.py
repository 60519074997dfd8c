"""Phases of a series: which it is in, who may move it to the next, and the band it trades continuously in.

A series that ``ledger.auctions`` does not hold trades continuously. Imports the words of the journal and the ledger.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from exchange.core import commands as c
from exchange.core.events import Applied, Event, PhaseCause, PhaseChanged, Reject, Rejected
from exchange.core.units import NO_EXPIRY, WAD
from replay.checker import breakers
from replay.checker.bounds import CALL_MAX_S
from replay.checker.facts import Auction, Series
from replay.checker.ledger import Ledger
from replay.checker.rules import Rule, Taken

VENUE: Final = 0
"""The scope that is everything."""


def live(ledger: Ledger, scope: int, subject: int) -> Iterator[Series]:
    """Series of a scope that have not come to their end."""
    for option in ledger.series.values():
        names = {c.UNDERLYING: option.underlying, c.EXPIRY: option.id >> 16, c.SERIES: option.id, VENUE: subject}
        if option.expiry.expiry_s > ledger.now_s and names.get(scope) == subject:
            yield option


def band(ledger: Ledger, option: Series) -> tuple[int, int] | None:
    """Prices at which a series trades continuously; None without a rule, or a mark."""
    rules, round_ = ledger.auction_rules.get(option.underlying), ledger.round
    if rules is None or round_ is None or not (rules.band_mark or rules.band_spot) or not is_priced(option):
        return None
    width = (option.mark * rules.band_mark + round_.spots[option.underlying] * rules.band_spot) // WAD
    return max(option.mark - width, 0), option.mark + width


def is_priced(option: Series) -> bool:
    """Whether the round in force has a mark for it."""
    return option.index < option.expiry.priced


def is_crossed(option: Series) -> bool:
    """Whether its best bid has reached its best offer."""
    bid, ask = option.bids.first(), option.asks.first()
    return bid is not None and ask is not None and bid.price >= ask.price


# -- commands ---------------------------------------------------------------------------------------------------------


def rules(ledger: Ledger, command: c.SetAuctions, events: Sequence[Event]) -> None:
    """An underlying has these rules for its auctions."""
    if _set(ledger, events):
        ledger.auction_rules[command.underlying] = command


def bands(ledger: Ledger, command: c.SetBands, events: Sequence[Event]) -> None:
    """Prices of an underlying are bounded by the surface from here on, or no longer."""
    if _set(ledger, events):
        ledger.banded.pop(command.underlying, None)
        if command.spot or command.vol or command.floor:
            ledger.banded[command.underlying] = None


def phase(ledger: Ledger, command: c.SetPhase, events: Sequence[Event]) -> None:
    """The series of a scope are in a phase; those that trade on may not be crossed."""
    if not _set(ledger, events):
        return
    for option in live(ledger, command.scope, command.subject):
        if command.phase == c.CONTINUOUS:
            resume(ledger, option)
            continue
        auction = enter(ledger, option, command.phase, command.ends_s if command.phase == c.AUCTION else 0)
        if command.phase == c.AUCTION:
            auction.every_s = command.every_s


def _set(ledger: Ledger, events: Sequence[Event]) -> bool:
    if len(events) == 1 and type(events[0]) is Rejected:
        ledger.take(Taken.LISTING)
        return False
    if len(events) == 1 and type(events[0]) is Applied:
        return True
    ledger.note(Rule.EVENTS_MUST_FIT, "a command that is only applied has other events")
    return False


def trading(ledger: Ledger, command: c.SetTrading, events: Sequence[Event]) -> None:
    """The venue is open or halted; it may open through auctions of everything that was not halted by itself."""
    if len(events) == 1 and type(events[0]) is Rejected:
        if 0 <= command.auction_s <= CALL_MAX_S or events[0].reason is not Reject.AUCTION_TERMS_MUST_FIT:
            ledger.note(Rule.REFUSAL_MUST_HOLD, "the venue is not opened or halted, and could be")
        return
    if not _set(ledger, events):
        return
    breakers.switched(ledger, is_open=command.is_open)
    if command.is_open and command.auction_s:
        for option in live(ledger, VENUE, 0):
            held = ledger.auctions.get(option.id)
            if held is None or held.phase == c.AUCTION:
                enter(ledger, option, c.AUCTION, ledger.now_s + command.auction_s)


def listed(ledger: Ledger, option: Series) -> None:
    """A new series stays closed until a round prices it, where its underlying opens by auction."""
    rules_ = ledger.auction_rules.get(option.underlying)
    if rules_ is not None and rules_.opening_s:
        ledger.auctions[option.id] = Auction(c.CLOSED)


def enter(ledger: Ledger, option: Series, into: int, ends_s: int) -> Auction:
    """The series is in this phase from here on."""
    auction = ledger.auctions.setdefault(option.id, Auction(into))
    auction.phase, auction.ends_s, auction.price, auction.extended, auction.volume = into, ends_s, 0, 0, 0
    auction.volatile = False
    return auction


def resume(ledger: Ledger, option: Series) -> None:
    """The series trades continuously; its book must have a spread."""
    ledger.auctions.pop(option.id, None)
    if is_crossed(option):
        sentence = f"series {option.id} trades on while its book is crossed"
        ledger.note(Rule.BOOK_MUST_HAVE_SPREAD, sentence)


# -- what the machine does by itself ----------------------------------------------------------------------------------


def changed(ledger: Ledger, event: PhaseChanged) -> Series | None:
    """The series a change of phase is about, when it names one; the change itself is written down."""
    option = ledger.series.get(event.subject) if event.scope == c.SERIES else None
    if option is None:
        ledger.note(Rule.PHASE_MUST_FOLLOW, "a phase changes of a series that is not there", actual=event)
        return None
    if event.phase == c.CONTINUOUS:
        resume(ledger, option)
    else:
        held = ledger.auctions.get(option.id)
        extended, volatile = 0, event.cause is PhaseCause.VOLATILITY
        if held is not None and event.cause is PhaseCause.EXTENDED:
            extended, volatile = held.extended + 1, held.volatile
        auction = enter(ledger, option, event.phase, event.ends_s)
        auction.extended, auction.volatile = extended, volatile
    return option


def expect(ledger: Ledger, event: PhaseChanged, due: PhaseChanged | None) -> None:
    """Holds a change of phase to the one that is due, and follows it."""
    if event != due:
        sentence = f"series {event.subject} goes from phase to phase otherwise than by the rules"
        ledger.note(Rule.PHASE_MUST_FOLLOW, sentence, expected=due, actual=event)
    changed(ledger, event)


def volatility(ledger: Ledger, option: Series) -> PhaseChanged | None:
    """The auction that begins instead of a fill outside the band; None where the rules have none."""
    rules_ = ledger.auction_rules.get(option.underlying)
    if rules_ is None or not rules_.volatility_s:
        return None
    return PhaseChanged(c.SERIES, option.id, c.AUCTION, ledger.now_s + rules_.volatility_s, PhaseCause.VOLATILITY)


def jumps(ledger: Ledger, spots: Iterable[c.Spot], before: dict[int, int]) -> list[PhaseChanged]:
    """Auctions of all series of an underlying whose spot has moved too far from one round to the next."""
    due: list[PhaseChanged] = []
    for spot in spots:
        rules_, last = ledger.auction_rules.get(spot.underlying), before.get(spot.underlying)
        if rules_ is None or last is None or not rules_.jump_spot or not rules_.volatility_s:
            continue
        if abs(spot.spot - last) * WAD > rules_.jump_spot * last:
            ends_s = ledger.now_s + rules_.volatility_s
            due.append(PhaseChanged(c.UNDERLYING, spot.underlying, c.AUCTION, ends_s, PhaseCause.JUMP))
    return due


def jumped(ledger: Ledger, event: PhaseChanged) -> None:
    """All live series of the underlying that trade continuously collect from here on."""
    for option in live(ledger, c.UNDERLYING, event.subject):
        if option.id not in ledger.auctions:
            enter(ledger, option, event.phase, event.ends_s)


def opening(ledger: Ledger, option: Series, auction: Auction) -> PhaseChanged | None:
    """What a tick does to a series outside its auction: an expired one is done, a closed one that is priced opens."""
    if option.expiry.fixed:
        return PhaseChanged(c.SERIES, option.id, c.CONTINUOUS, 0, PhaseCause.EXPIRED)
    if auction.phase == c.CLOSED and option.expiry.expiry_s > ledger.now_s and is_priced(option):
        ends_s = ledger.now_s + ledger.auction_rules[option.underlying].opening_s
        return PhaseChanged(c.SERIES, option.id, c.AUCTION, ends_s, PhaseCause.OPENING)
    return None


def ending(ledger: Ledger, option: Series, auction: Auction) -> PhaseChanged:
    """After an auction: the next one of a periodic series, another at once if the book is still crossed, or trading."""
    if is_crossed(option):
        return PhaseChanged(c.SERIES, option.id, c.AUCTION, ledger.now_s, PhaseCause.UNCROSSED)
    if not auction.every_s:
        return PhaseChanged(c.SERIES, option.id, c.CONTINUOUS, 0, PhaseCause.UNCROSSED)
    passed = (ledger.now_s - auction.ends_s) // auction.every_s + 1
    ends_s = min(auction.ends_s + passed * auction.every_s, NO_EXPIRY)
    return PhaseChanged(c.SERIES, option.id, c.AUCTION, ends_s, PhaseCause.PERIODIC)


def extension(ledger: Ledger, option: Series, auction: Auction, price: int) -> PhaseChanged | None:
    """As long again, where the price found lies outside the band and that has not happened too often."""
    rules_, prices = ledger.auction_rules.get(option.underlying), band(ledger, option)
    if rules_ is None or prices is None or prices[0] <= price <= prices[1] or auction.extended >= rules_.extensions_max:
        return None
    ends_s = ledger.now_s + max(rules_.volatility_s, 1)
    return PhaseChanged(c.SERIES, option.id, c.AUCTION, ends_s, PhaseCause.EXTENDED)
