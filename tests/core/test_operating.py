"""Commands that the operator's key signed: whose they are, once, and until when; what they do is what they always did."""

import pytest
from core_operator import warranted
from core_venue import USDC, Venue, series_named, standard_venue, wallet

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core import operating
from exchange.core.breakers import Status
from exchange.core.events import Reject
from exchange.core.images import decode, encode

CALL = series_named("62000C")
STOP = c.SetPhase(c.SERIES, CALL, c.HALTED, 0, 0, "test", "operator")
GO = c.SetPhase(c.SERIES, CALL, c.CONTINUOUS, 0, 0, "test", "operator")


@pytest.fixture
def venue() -> Venue:
    made = standard_venue()
    made.fund(1, 100_000)
    return made


def test_each_command_does_what_it_does_without_a_warrant(venue):
    bare = decode(encode(venue.state))
    config = venue.state.config
    assert config is not None
    commands = (
        STOP,
        c.SetAuctions(0, 60, 60, 1, 10**17, 0, 0, "operator"),
        c.SetBands(0, 10**17, 10**17, 0, "operator"),
        c.SetFeed(0, 60, 10**17, 10**16, 6, 10**18, "operator"),
        c.SetBreaker(c.UNDERLYING, 0, Status.REDUCE_ONLY, 0, "test", "operator"),
        c.SetTrading(False, "test"),
        c.SetTrading(True, "test", 60),
        c.PullKill(c.KILL_ACCOUNT, 1, b"", config.operator, "test"),
        c.ReleaseKill(c.KILL_ACCOUNT, 1, b"", config.operator, "test"),
    )
    other = standard_venue()
    other.state = bare
    for command in commands:
        assert venue.must(warranted(venue, command)) == other.must(command)
        venue.check()
    assert venue.state.operator_nonce == len(commands)
    bare.operator_nonce = len(commands)
    assert encode(bare) == encode(venue.state)
    venue.check_history()


@pytest.mark.parametrize(
    ("warrant", "reason"),
    [
        ({"signer": wallet(1)}, Reject.SIGNER_MUST_BE_AUTHORISED),
        ({"expiry_s": 1}, Reject.ORDER_MUST_NOT_BE_EXPIRED),
        ({"expiry_s": 2**32}, Reject.ORDER_MUST_NOT_BE_EXPIRED),
        ({"nonce": 1}, Reject.NONCE_MUST_BE_FRESH),
        ({"nonce": 2**63}, Reject.NONCE_MUST_BE_FRESH),
    ],
)
def test_nobody_else_commands_nor_twice_nor_too_late(venue, warrant, reason):
    venue.must(warranted(venue, STOP))
    assert venue.rejected(warranted(venue, GO, **warrant)) is reason
    assert CALL in venue.state.auctions
    venue.must(warranted(venue, GO))
    venue.check()


def test_of_two_faults_of_a_warrant_the_one_declared_first_is_named(venue):
    venue.must(warranted(venue, STOP))
    assert venue.rejected(warranted(venue, GO, signer=b"x" * 20, expiry_s=1)) is Reject.SIGNER_MUST_BE_AUTHORISED
    assert venue.rejected(warranted(venue, GO, expiry_s=1, nonce=1)) is Reject.ORDER_MUST_NOT_BE_EXPIRED


def test_the_operators_key_lends_itself_to_nobody(venue):
    """A kill switch in somebody else's name is not the operator's to pull."""
    pull = c.PullKill(c.KILL_ACCOUNT, 1, b"", wallet(1), "test")
    assert venue.rejected(warranted(venue, pull)) is Reject.SIGNER_MUST_BE_AUTHORISED
    assert not venue.state.kills


def test_what_is_refused_uses_no_number_and_numbers_may_leave_gaps(venue):
    unknown = c.SetPhase(c.SERIES, 99 << 16, c.HALTED, 0, 0, "test", "operator")
    assert venue.rejected(warranted(venue, unknown, nonce=7)) is Reject.SERIES_MUST_EXIST
    assert venue.state.operator_nonce == 0
    venue.must(warranted(venue, STOP, nonce=7))
    assert venue.rejected(warranted(venue, GO, nonce=6)) is Reject.NONCE_MUST_BE_FRESH
    assert decode(encode(venue.state)).operator_nonce == 7
    assert venue.rejected(c.Place(venue.auth(1, CALL, True, 100, 900 * USDC))) is Reject.SERIES_MUST_TAKE_ORDERS


def holds_to_warrants(venue: Venue) -> bool:
    """Whether a number is good once, and only under the operator's name."""
    venue.must(warranted(venue, STOP, nonce=3))
    again = venue.do(warranted(venue, GO, nonce=3))
    other = venue.do(warranted(venue, GO, nonce=4, signer=b"x" * 20))
    return [type(events[0]) for events in (again, other)] == [e.Rejected, e.Rejected]


@pytest.mark.parametrize("attribute", ["refuse", "evolve"])
def test_a_machine_without_the_rules_of_warrants_is_noticed(venue, monkeypatch, attribute):
    assert holds_to_warrants(standard_venue())
    monkeypatch.setattr(operating, attribute, lambda *_: None)
    assert not holds_to_warrants(venue)
