"""The register: commitments to identities, reference data with their corrections, readings of the clock.

Its naive twin is a list of everything that was taken, and searches.
"""

from typing import Any

import pytest
from core_operator import warranted
from core_venue import BTC, USDC, Venue, series_named, standard_venue
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import register
from exchange.core.events import Reject
from exchange.core.images import decode, encode

CALL = series_named("62000C")
READING = c.RecordClock("A1B2C3D4", 2, -1_500, 900, 15_000, 22_000, "Normal")


@pytest.fixture
def registrar() -> Venue:
    made = standard_venue()
    made.fund(1, 100_000)
    return made


def reference(value: str, corrects: int = 0, **changes: Any) -> c.SetReference:
    about = {"scope": c.SERIES, "subject": CALL, "field": "isin"} | changes
    return c.SetReference(**about, value=value, corrects=corrects, cause="told so", authoriser="test")


class NaiveRegister:
    """Everything that was taken, in order, and nothing else."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, Any]] = []

    def entries(self, about: tuple[int, int, str]) -> list[tuple[int, str]]:
        return [
            (seq, told.value)
            for seq, told in self.taken
            if isinstance(told, c.SetReference) and (told.scope, told.subject, told.field) == about
        ]

    def commitment(self, account: int, role: int) -> bytes:
        found = [
            told.commitment
            for _, told in self.taken
            if isinstance(told, c.CommitIdentity) and (told.account, told.role) == (account, role)
        ]
        return found[-1] if found else b""

    def reading(self) -> Any:
        return next((told for _, told in reversed(self.taken) if isinstance(told, c.RecordClock)), None)

    def accepts(self, command: Any) -> bool:
        if isinstance(command, c.CommitIdentity):
            return command.account == 1 and command.role in {1, 2, 3, 4} and len(command.commitment) == 32
        if isinstance(command, c.SetReference):
            known = {
                (0, 0, "mic"),
                (0, 0, "lei"),
                (1, BTC, "dti"),
                (1, BTC, "index"),
                (3, CALL, "isin"),
                (3, CALL, "full_name"),
            }
            about = (command.scope, command.subject, command.field)
            last = ([0] + [seq for seq, _ in self.entries(about)])[-1]
            return about in known and 0 < len(command.value) <= 350 and command.corrects == last
        blank = (command.stratum, command.offset_ns, command.rms_ns, command.delay_ns, command.dispersion_ns)
        return 0 <= command.stratum <= 16 and min(blank[2:]) >= 0 and (command.source != "" or not any(blank))


commands = st.one_of(
    st.builds(c.CommitIdentity, st.integers(0, 2), st.integers(0, 5), st.sampled_from((b"a" * 32, b"b" * 32, b"c")), st.just("t")),
    st.builds(
        c.SetReference,
        st.integers(0, 3),
        st.sampled_from((0, 1, CALL)),
        st.sampled_from(("mic", "isin", "dti", "shoe_size")),
        st.sampled_from(("", "one", "two", "x" * 351)),
        st.integers(0, 40),
        st.just("cause"),
        st.just("t"),
    ),
    st.builds(c.RecordClock, st.sampled_from(("", "A1")), st.integers(-1, 17), st.integers(-2, 2), *[st.integers(-1, 2)] * 3, st.just("Normal")),
)  # fmt: skip


def agrees(told: list[Any], operated: bool = False) -> bool:
    """Whether the machine takes what the twin takes, and ends where the twin does."""
    venue, naive = standard_venue(), NaiveRegister()
    venue.fund(1, 1)
    for command in told:
        if isinstance(command, c.SetReference) and command.corrects > 20:  # as whoever knows the last entry would
            last = ([0] + [seq for seq, _ in naive.entries((command.scope, command.subject, command.field))])[-1]
            command = c.SetReference(command.scope, command.subject, command.field, command.value, last, "", "t")  # noqa: PLW2901
        signed = operated and not isinstance(command, c.RecordClock)
        events = venue.do(warranted(venue, command) if signed else command)
        if naive.accepts(command) != (events == (e.Applied(),)):
            return False
        if naive.accepts(command):
            naive.taken.append((venue.state.seq, command))
    for state in (venue.state, decode(encode(venue.state))):
        for about, entries in state.references.items():
            if [(entry.seq, entry.value) for entry in entries] != naive.entries(about):
                return False
        if any(held.commitment != naive.commitment(*key) for key, held in state.identities.items()):
            return False
        told_by = {(t.account, t.role) for _, t in naive.taken if isinstance(t, c.CommitIdentity)}
        if told_by != set(state.identities) or (state.reading.told if state.reading else None) != naive.reading():
            return False
    venue.check_history()
    return True


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(commands, max_size=25), st.booleans())
def test_the_register_is_what_was_told_and_nothing_is_lost(told, operated):
    assert agrees(told, operated)


def test_an_entry_is_corrected_by_another_that_names_it_and_both_stay(registrar):
    registrar.must(reference("US0378331006"))
    wrong = registrar.state.seq
    assert registrar.rejected(reference("US0378331005")) is Reject.REFERENCE_MUST_CORRECT_THE_LAST
    assert registrar.rejected(reference("US0378331005", wrong - 1)) is Reject.REFERENCE_MUST_CORRECT_THE_LAST
    registrar.must(warranted(registrar, reference("US0378331005", wrong)))
    entries = decode(encode(registrar.state)).references[c.SERIES, CALL, "isin"]
    assert [(entry.value, entry.corrects) for entry in entries] == [("US0378331006", 0), ("US0378331005", wrong)]
    registrar.check_history()


def test_a_commitment_takes_the_place_of_the_one_before(registrar):
    for commitment in (b"a" * 32, b"b" * 32):
        registrar.must(c.CommitIdentity(1, c.CLIENT, commitment, "test"))
    assert registrar.state.identities[1, c.CLIENT].commitment == b"b" * 32
    assert registrar.rejected(c.CommitIdentity(0, c.CLIENT, b"a" * 32, "test")) is Reject.ACCOUNT_MUST_EXIST
    assert registrar.rejected(c.CommitIdentity(1, 0, b"a" * 32, "test")) is Reject.IDENTITY_MUST_FIT
    assert registrar.rejected(c.CommitIdentity(1, 5, b"a" * 32, "test")) is Reject.IDENTITY_MUST_FIT


def test_a_reading_has_a_source_or_measures_nothing(registrar):
    registrar.must(READING)
    assert registrar.state.reading.told == READING
    registrar.must(c.RecordClock("", 0, 0, 0, 0, 0, "chronyc is not there"))
    assert registrar.rejected(c.RecordClock("", 0, 1, 0, 0, 0, "")) is Reject.READING_MUST_FIT
    assert registrar.rejected(c.RecordClock("x" * 65, 0, 0, 0, 0, 0, "")) is Reject.READING_MUST_FIT


def test_entries_of_one_datum_are_bounded(registrar, monkeypatch):
    monkeypatch.setattr(register, "ENTRIES_MAX", 3)
    for _ in range(3):
        registrar.must(
            reference(
                "one",
                registrar.state.references.get((c.SERIES, CALL, "isin"), [None])[-1].seq
                if registrar.state.references
                else 0,
            )
        )
    assert registrar.rejected(reference("four", registrar.state.seq)) is Reject.REFERENCE_MUST_FIT


def test_nothing_of_it_concerns_orders(registrar):
    """A venue with a register and one without trade alike."""
    other = standard_venue()
    other.fund(1, 100_000)
    registrar.must(READING)
    registrar.must(reference("US0378331005"))
    placed = [venue.do(c.Place(venue.auth(1, CALL, True, 100, 900 * USDC))) for venue in (registrar, other)]
    assert [type(event) for event in placed[0]] == [type(event) for event in placed[1]]


TAKES_EVERYTHING: list[Any] = [
    c.CommitIdentity(1, 5, b"a" * 32, "t"),
    c.SetReference(3, CALL, "shoe_size", "one", 0, "", "t"),
    c.RecordClock("", 0, 1, 0, 0, 0, ""),
]


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ("_refuse_identity", TAKES_EVERYTHING[:1]),
        ("_refuse_entry", TAKES_EVERYTHING[1:2]),
        ("_refuse_reading", TAKES_EVERYTHING[2:]),
        ("_refuse_subject", [c.SetReference(0, 7, "mic", "XTST", 0, "", "t")]),
    ],
)
def test_a_register_that_takes_everything_is_noticed(monkeypatch, attribute, told):
    assert agrees(told)
    monkeypatch.setattr(register, attribute, lambda *_: None)
    assert not agrees(told)


def test_a_register_that_forgets_what_was_wrong_is_noticed(monkeypatch):
    first = c.SetReference(0, 0, "mic", "one", 0, "", "t")
    told = [first, c.SetReference(0, 0, "mic", "two", 40, "", "t")]
    assert agrees(told)
    evolve = register.evolve

    def forgetful(state: Any, command: Any, seq: int, time_ns: int) -> None:
        evolve(state, command, seq, time_ns)
        for entries in state.references.values():
            del entries[:-1]

    monkeypatch.setattr(register, "evolve", forgetful)
    assert not agrees(told)
