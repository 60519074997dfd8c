"""A liquidation as ``explain`` tells it: the positions, the tick, the shortfall, who flagged, who took over, who paid.

The contracts decide on liquidations and the journal holds what they said; what the account's margin was by the venue's
own rounds is read off the re-executed state. Imports core and the trail.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import margin_views
from exchange.core.margin import Kind as MarginKind
from exchange.core.state import State
from exchange.core.state_types import entered
from replay import words
from replay.fill_words import margin
from replay.findings import CannotRun
from replay.frames import Progress
from replay.trail import Entry, Trail, entries, takers

ROUNDS_MAX = 500
"""Oracle rounds before a flag that are looked at, to find the one from which on margin was short."""
_FACTS = (c.ObserveFlag, c.ObserveTransfer, c.ObserveCaseClosed)


class Step(NamedTuple):
    """A link of the chain before it is dated."""

    role: str
    sentence: str
    because: list[int]
    facts: dict[str, Any]


class Case:
    """One liquidation: the account, the records that tell of it, and the last fill in each of its series."""

    def __init__(self, account: int, facts: list[Entry]) -> None:
        self.account = account
        self.facts = facts
        self.fills: dict[int, tuple[int, int, int]] = {}  # series -> seq, trade, the account's order
        self._short_since = 0
        self._was_short = False

    # -- on the way to the flag ----------------------------------------------------------------------------------------

    def note_round(self, entry: Entry, after: State) -> None:
        """Whether the account covered its maintenance margin behind a round."""
        found = margin(after, self.account)
        short = found is not None and found["equity"] < found["maintenance"]
        if short and not self._was_short:
            self._short_since = entry.seq
        self._was_short = short

    def steps(self, entry: Entry, before: State) -> Iterator[Step]:
        """What one record of the case adds; the state is that right before it."""
        match entry.command:
            case c.ObserveFlag():
                yield from self._held(before)
                yield self._tick(before)
                yield self._flagged(entry, entry.command, before)
            case c.ObserveTransfer():
                yield self._transfer(entry.command, before)
            case c.ObserveCaseClosed():
                yield self._closed(entry.command)
            case _:
                return

    def _held(self, before: State) -> Iterator[Step]:
        for series, qty in sorted(before.accounts[self.account].positions.items()):
            seq, trade, order = self.fills.get(series, (0, 0, 0))
            last = f"; its last fill there was trade {trade}, by order {order}" if trade else ""
            name = words.title(before, series)
            facts = {"series": name, "qty": qty, "trade": trade, "order": order}
            yield Step("position", f"account {self.account} held {words.contracts(qty)} of {name}{last}", [seq], facts)

    def _tick(self, before: State) -> Step:
        found = margin(before, self.account)
        if found is None or not self._short_since or not self._was_short:
            sentence = (
                f"by the venue's own rounds account {self.account} covered its maintenance margin; the contracts judge "
                "by the round that they were shown"
            )
            return Step("margin", sentence, [self._short_since], {"margin": found})
        spots = ", ".join(
            f"{before.underlyings[key].name} {words.usdc(spot.spot)}" for key, spot in sorted(before.spots.items())
        )
        marks = {} if before.view is None else before.view.marks
        held = before.accounts[self.account].positions
        marked = ", ".join(
            f"{words.title(before, key)} {words.usdc(marks[key])}" for key in sorted(held) if key in marks
        )
        sentence = (
            f"since the oracle round of seq {self._short_since} account {self.account} did not cover its maintenance "
            f"margin: at the last round (index {spots}; marks {marked}) it had {words.usdc(found['equity'])} of "
            f"{words.usdc(found['maintenance'])}"
        )
        facts = {"since": self._short_since, "margin": found, "marks": {str(key): marks.get(key) for key in held}}
        return Step("margin", sentence, [self._short_since], facts)

    def _flagged(self, entry: Entry, command: c.ObserveFlag, before: State) -> Step:
        off = sum(isinstance(event, e.Cancelled) for event in entry.events)
        sentence = (
            f"somebody flagged account {self.account} on the contracts, until {command.lapses_s}; its {off} open "
            "order(s) leave, and it takes no new ones"
        )
        if before.view is not None:
            cure = margin_views.smallest_cure(before, before.accounts[self.account], MarginKind.MAINTENANCE)
            ways = [f"depositing {words.usdc(cure.deposit)}"] if cure.deposit else []
            ways += [
                f"closing {words.contracts(qty)} of {words.title(before, key)}" for key, qty in cure.closing.items()
            ]
            sentence += f"; {' or '.join(ways)} would have kept it clear" if ways else ""
        return Step("flagged", sentence, [self._short_since], {"account": self.account, "lapses_s": command.lapses_s})

    # -- on the contracts ----------------------------------------------------------------------------------------------

    def _transfer(self, command: c.ObserveTransfer, before: State) -> Step:
        legs = ", ".join(
            f"{words.contracts(leg.qty)} of {words.title(before, leg.series)} marked at {words.usdc(leg.mark)}"
            for leg in command.legs
        )
        paid = "paid" if command.paid >= 0 else "was paid"
        sentence = f"provider {command.provider} took over {legs} and {paid} {words.usdc(abs(command.paid))} for it"
        facts = {
            "provider": command.provider,
            "paid": command.paid,
            "legs": [{"series": leg.series, "qty": leg.qty, "mark": leg.mark} for leg in command.legs],
        }
        return Step("transfer", sentence, [self.facts[0].seq], facts)

    def _closed(self, command: c.ObserveCaseClosed) -> Step:
        got = ", ".join(f"account {each.account} {words.usdc(each.amount)}" for each in command.changes) or "nobody"
        left = f"; {words.usdc(command.uncovered)} are covered by nobody" if command.uncovered else ""
        facts = {
            "uncovered": command.uncovered,
            "changes": {str(each.account): each.amount for each in command.changes},
        }
        return Step("closed", f"the liquidation is over; paid in the end: {got}{left}", [self.facts[0].seq], facts)


def gather(path: Path, seq: int, progress: Progress | None = None) -> tuple[Case, Trail]:
    """The liquidation that a record tells of, and the records to look at for it. Raises CannotRun, Diverged."""
    case = _case(path, seq, progress)
    flagged = case.facts[0].seq
    trail, rounds = Trail(), list[Entry]()
    own: dict[int, int] = {}  # records of the account's orders -> series
    for entry in entries(path):
        if entry.seq >= flagged:
            break
        if any(isinstance(event, e.RoundAdopted) for event in entry.events):
            rounds.append(entry)
        _note_orders(own, entry, case.account)
        for event, taker in takers(entry):
            for order in (event.maker_order, taker):
                if entered(order)[0] in own:
                    case.fills[event.leg or _series(own, entry, order)] = (entry.seq, event.trade_id, order)
    trail.entries = [*rounds[-ROUNDS_MAX:], *case.facts]
    trail.rounds = [entry.seq for entry in rounds]
    return case, trail


def _case(path: Path, seq: int, progress: Progress | None) -> Case:
    open_cases: dict[int, list[Entry]] = {}
    found: list[Entry] | None = None
    for entry in entries(path, progress):
        command = entry.command
        if not isinstance(command, _FACTS) or any(isinstance(event, e.Rejected) for event in entry.events):
            continue
        if isinstance(command, c.ObserveFlag):
            open_cases[command.account] = []
        facts = open_cases.setdefault(command.account, [])
        facts.append(entry)
        if entry.seq == seq:
            found = facts
        if isinstance(command, c.ObserveCaseClosed) and facts is found:
            break
    if not found:
        raise CannotRun(f"seq {seq} tells of no liquidation: name the record of a flag, a transfer or a closed case")
    command = found[0].command
    assert isinstance(command, _FACTS)
    return Case(command.account, found)


def _note_orders(own: dict[int, int], entry: Entry, account: int) -> None:
    command = entry.command
    if isinstance(command, c.Place | c.QuoteRfq | c.AcceptRfq) and command.auth.account == account:
        own[entry.seq] = command.auth.series
    elif isinstance(command, c.MassQuote) and command.mandate.account == account:
        own[entry.seq] = -1


def _series(own: dict[int, int], entry: Entry, order: int) -> int:
    """The series of an order; a quote's is told by the message that brought it, which this record may not be."""
    seq, _ = entered(order)
    return own[seq] if own[seq] >= 0 or not isinstance(entry.command, c.Place) else entry.command.auth.series
