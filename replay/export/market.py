"""What was listed, in which phase it was, and at which prices: instruments, phases and halts, the oracle.

Instruments are told as they stand at the end of the day, the rest record by record. Imports cat (for the OSI form),
rows, texts, core.
"""

from collections.abc import Iterator
from typing import Final

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.breakers import Layer, Status
from exchange.core.combos import is_combo
from exchange.core.state import State
from exchange.core.state_types import Series
from exchange.core.units import NANOS_PER_SECOND, Nanos, seconds_of, series_of
from replay.engine import Step
from replay.export import texts
from replay.export.cat import option_id
from replay.export.rows import PHASES as PHASE_NAMES
from replay.export.tables import Row, Table, columns

INSTRUMENTS: Final = Table(
    "01_instruments",
    "every series and combo that was listed at some time of the day, as it stood at its end",
    columns(
        "series:i", "name", "osi", "isin", "cfi", "kind", "underlying", "underlying_dti", "option_type", "strike",
        "currency", "multiplier", "expiry", "style", "delivery", "tick", "tick_above", "tick_step", "lot", "legs",
        "settlement_price", "settled_jseq:i", "open_interest", "volume",
    ),
)  # fmt: skip
PHASES: Final = Table(
    "07_phases_halts",
    "halts, breakers, phases, auctions and what they found",
    columns(
        "time", "kind", "scope", "subject:i", "series", "phase", "until", "cause", "authoriser", "price", "volume",
        "surplus", "is_open:b",
    ),
)  # fmt: skip
ORACLE: Final = Table(
    "08_oracle",
    "every price of every round, adopted or refused",
    columns(
        "time", "kind", "round:i", "source_time", "age_s:i", "adopted:b", "reason", "underlying", "expiry", "series:i",
        "value", "before", "confidence", "vol", "stable", "signatures:i",
    ),
)  # fmt: skip
SCOPES: Final = {c.UNDERLYING: "UNDERLYING", c.EXPIRY: "EXPIRY", c.SERIES: "SERIES"}
CALL: Final = "OCEICS"
"""ISO 10962: call, European, on an index, settled in cash, standardised."""
PUT: Final = "OPEICS"


class Listed:
    """Which record listed what, and which one ended it."""

    def __init__(self) -> None:
        self.listed: dict[int, int] = {}
        self.settled: dict[int, int] = {}

    def note(self, step: Step) -> None:
        """Follow one record."""
        command = step.command
        for event in step.events:
            if isinstance(event, e.ComboListed):
                self.listed[event.combo] = step.seq
            elif isinstance(event, e.ExpiryFixed):
                self.settled[event.expiry_id] = step.seq
            elif isinstance(event, e.Applied) and isinstance(command, c.ListSeries):
                self.listed[series_of(command.expiry_id, command.index)] = step.seq

    def rows(self, state: State, start_ns: Nanos, facts: dict[int, dict[str, str]]) -> Iterator[tuple[int, Row]]:
        """What was still alive when the day began, in the order of listing, with the record that listed it."""
        since_s = seconds_of(start_ns)
        for number, jseq in sorted(self.listed.items(), key=lambda item: (item[1], item[0])):
            if is_combo(number):
                if state.combos[number].expiry_s >= since_s:
                    yield jseq, _combo_row(state, number)
            elif state.series[number].expiry_s >= since_s:
                yield jseq, self._series_row(state, state.series[number], facts.get(number, {}))

    def _series_row(self, state: State, option: Series, facts: dict[str, str]) -> Row:
        underlying, expiry = state.underlyings[option.underlying], state.expiries[option.expiry_id]
        row: Row = {
            "series": option.id,
            "name": texts.series_name(state, option.id),
            "osi": option_id(state, option),
            "kind": "OPTION",
            "cfi": CALL if option.is_call else PUT,
            "underlying": underlying.name,
            "option_type": "CALL" if option.is_call else "PUTO",
            "strike": texts.price(option.strike),
            "currency": "USDC",
            "multiplier": "1",
            "expiry": texts.second(option.expiry_s),
            "style": "EURO",
            "delivery": "CASH",
            "tick": texts.price(underlying.tick),
            "tick_above": texts.price(underlying.tick_above),
            "tick_step": texts.price(underlying.tick_step),
            "lot": texts.quantity(underlying.lot),
            "open_interest": texts.quantity(option.open_interest),
            "volume": texts.quantity(option.volume),
        }
        if expiry.fixing >= 0:
            row |= {"settlement_price": texts.price(expiry.fixing), "settled_jseq": self.settled[expiry.id]}
        return row | facts


def _combo_row(state: State, number: int) -> Row:
    combo = state.combos[number]
    return {
        "series": number,
        "name": texts.series_name(state, number),
        "kind": "COMBO",
        "underlying": state.underlyings[combo.underlying].name,
        "currency": "USDC",
        "multiplier": "1",
        "expiry": texts.second(combo.expiry_s),
        "legs": " ".join(f"{leg.ratio:+d}x{leg.series}" for leg in combo.legs),
        "volume": texts.quantity(combo.volume),
    }


# -- phases -----------------------------------------------------------------------------------------------------------


def phase_rows(step: Step, state: State) -> Iterator[Row]:
    """Halts and phases that a record brought about, by command or by itself."""
    command = step.command.operation if isinstance(step.command, c.Operate) else step.command
    base: Row = {"time": texts.moment(step.time_ns), "is_open": state.is_open}
    for event in step.events:
        if isinstance(event, e.Applied):
            row = _commanded(command, state)
        elif isinstance(event, e.PhaseChanged):
            row = _changed(event, state)
        elif isinstance(event, e.Uncrossed):
            row = _uncrossed(event, state)
        elif isinstance(event, e.BreakerMoved):
            row = _moved(event)
        else:
            continue
        if row:
            yield base | row


def _commanded(command: c.AnyCommand, state: State) -> Row:
    match command:
        case c.SetTrading():
            said: Row = {"kind": "TRADING", "cause": command.cause, "phase": "OPEN" if command.is_open else "HALTED"}
            ends_s = seconds_of(state.time_ns) + command.auction_s
            return said | ({"until": texts.second(ends_s)} if command.auction_s else {})
        case c.SetPhase():
            row = _phase(state, command.scope, command.subject, command.phase, command.ends_s)
            return row | {"kind": "PHASE", "cause": command.cause, "authoriser": command.authoriser}
        case c.SetAuctions():
            cause = f"opening {command.opening_s} s, volatility {command.volatility_s} s"
            rules: Row = {"kind": "RULES", "scope": "UNDERLYING", "subject": command.underlying}
            return rules | {"cause": cause, "authoriser": command.authoriser}
        case _:
            return {}


def _phase(state: State, scope: int, subject: int, phase: int, ends_s: int) -> Row:
    row: Row = {"scope": SCOPES[scope], "subject": subject, "phase": PHASE_NAMES[phase]}
    if scope == c.SERIES:
        row["series"] = texts.series_name(state, subject)
    return row | ({"until": texts.second(ends_s)} if ends_s else {})


def _changed(event: e.PhaseChanged, state: State) -> Row:
    row = _phase(state, event.scope, event.subject, event.phase, event.ends_s)
    return row | {"kind": "PHASE", "cause": str(event.cause)}


def _moved(event: e.BreakerMoved) -> Row:
    """A step of a breaker; the phase is the status of the layer that moved."""
    row: Row = {"kind": "BREAKER", "phase": Status(event.after).name, "authoriser": str(event.by)}
    if event.scope:
        row |= {"scope": SCOPES[event.scope], "subject": event.subject}
    return row | {"cause": f"{Layer(event.layer).name.lower()} {event.cause}"}


def _uncrossed(event: e.Uncrossed, state: State) -> Row:
    return {
        "kind": "UNCROSSED",
        "scope": "SERIES",
        "subject": event.series,
        "series": texts.series_name(state, event.series),
        "price": texts.price(event.price),
        "volume": texts.quantity(event.volume),
        "surplus": texts.quantity(event.surplus),
    }


# -- the oracle -------------------------------------------------------------------------------------------------------


class Prices:
    """Rounds, each with what it changes: the spots before it."""

    def __init__(self) -> None:
        self._spots: dict[int, int] = {}

    def rows(self, step: Step, state: State, *, told: bool) -> Iterator[Row]:
        """All prices of a round, spots first; ``told`` is whether anybody wants the rows."""
        command = step.command
        if not isinstance(command, c.PostRound):
            return
        refused = next((event for event in step.events if isinstance(event, e.Rejected)), None)
        if told:
            base: Row = {
                "time": texts.moment(step.time_ns),
                "round": command.round_id,
                "source_time": texts.second(command.time_s),
                "age_s": (step.time_ns - command.time_s * NANOS_PER_SECOND) // NANOS_PER_SECOND,
                "adopted": refused is None,
                "stable": texts.wad(command.stable),
                "signatures": len(command.signatures),
            }
            if refused is not None:
                base["reason"] = str(refused.reason)
            for row in _prices(command, state):
                before = self._spots.get(int(row.pop("number"))) if row["kind"] == "SPOT" else None
                yield base | row | ({"before": texts.price(before)} if before is not None else {})
        if refused is None:
            self._spots.update((each.underlying, each.spot) for each in command.spots)


def _prices(command: c.PostRound, state: State) -> Iterator[Row]:
    for spot in command.spots:
        underlying = state.underlyings.get(spot.underlying)
        yield {
            "kind": "SPOT",
            "number": spot.underlying,
            "underlying": underlying.name if underlying is not None else str(spot.underlying),
            "value": texts.price(spot.spot),
            "confidence": texts.wad(spot.conf),
        }
    for sheet in command.sheets:
        yield from _sheet(sheet, state)


def _sheet(sheet: c.Sheet, state: State) -> Iterator[Row]:
    expiry = state.expiries.get(sheet.expiry_id)
    when: Row = {"expiry": texts.second(expiry.expiry_s)} if expiry is not None else {}
    yield when | {"kind": "FORWARD", "value": texts.price(sheet.forward), "confidence": texts.wad(sheet.conf)}
    for index, (vol, mark) in enumerate(zip(sheet.vols, sheet.marks, strict=False)):
        row: Row = {"kind": "MARK", "series": series_of(sheet.expiry_id, index)}
        yield row | when | {"value": texts.price(mark), "vol": texts.wad(vol)}
