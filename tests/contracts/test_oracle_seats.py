"""Seats among the oracle's signers change hands with notice, and no round is ever in doubt about who may sign it."""

from __future__ import annotations

import msgspec
import pytest
from contract_venue import BTC, NOTICE, Venue, address, key

from exchange import calldata, signing
from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local

FOREVER = 2**64 - 1
OLD = ("signer a", "signer b", "signer c", "signer d")
NEW = ("new", "signer b", "signer c", "signer d")


@pytest.fixture
def venue() -> Venue:
    return Venue(governor=address("governor"))


def posting(venue: Venue, round_, names: tuple[str, ...]) -> str:
    args = calldata.post_round_args(round_, venue.sign_round(round_, names))
    return venue.refusal("keeper", venue.oracle, "post_round", *args)


def compacted(names: tuple[str, ...], digest: bytes) -> list[tuple[int, int]]:
    signatures = [signing.sign(key(name), digest) for name in names]
    return [signing.compact(signature) for signature in calldata.in_signer_order(digest, signatures)]


def until(venue: Venue, time_s: int) -> None:
    """The newest block is of that second."""
    venue.chain.set_next_block_time(time_s)
    venue.chain.mine(1)


def replaced(venue: Venue, who: str = "signer a", former: str = "signer a", successor: str = "new") -> int:
    """From when on the successor signs."""
    venue.send(who, venue.oracle, "replace_signer", address(former), address(successor))
    return venue.now + NOTICE


def test_a_round_is_signed_by_those_who_sat_at_its_time_whenever_it_is_posted(venue):
    since = replaced(venue)
    until(venue, since + 10)
    for number, (time_s, names, said) in enumerate(
        (
            (since - 2, NEW, Revert.ROUND_SIGNATURE),
            (since - 1, OLD, "accepted"),
            (since, OLD, Revert.ROUND_SIGNATURE),
            (since, NEW, "accepted"),
        )
    ):
        round_ = msgspec.structs.replace(venue.round(), round_id=10 + number, time=time_s)
        assert posting(venue, round_, names) == said, (time_s, names)


def test_of_a_seat_only_one_signature_counts(venue):
    """Old and new together are one signer of a quorum of four, at any time."""
    since = replaced(venue)
    until(venue, since + 10)
    both = ("signer a", "new", "signer b", "signer c")
    for time_s in (since - 1, since):
        round_ = msgspec.structs.replace(venue.round(), time=time_s)
        assert posting(venue, round_, both) == Revert.ROUND_SIGNATURE


@pytest.mark.parametrize(("late", "said"), [(NOTICE, "accepted"), (NOTICE + 1, Revert.ROUND_SIGNATURE)])
def test_what_a_former_signed_can_be_posted_for_a_notice_and_no_longer(venue, late, said):
    since = replaced(venue)
    round_ = msgspec.structs.replace(venue.round(), time=since - 1)
    until(venue, since + late - 1)
    assert posting(venue, round_, OLD) == said


def test_the_signer_itself_or_the_governor_and_nobody_else(venue):
    args = (address("signer a"), address("new"))
    for who in ("stranger", "signer b", "operator", "guardian", "new"):
        assert venue.refusal(who, venue.oracle, "replace_signer", *args) == Revert.ONLY_GOVERNOR
    assert venue.refusal("governor", venue.oracle, "replace_signer", *args) == "accepted"


def test_a_quorum_replaces_one_whose_key_is_lost(venue):
    words = (address("signer a"), address("new"))
    digest = signing.replacement_digest(venue.oracle_domain, *words)
    fewer, quorum = ("signer b", "signer c", "signer d"), ("signer b", "signer c", "signer d", "signer e")

    def asked(*args) -> str:
        return venue.refusal("stranger", venue.oracle, "replace_by_quorum", *args)

    assert asked(*words, compacted(fewer, digest)) == Revert.ROUND_QUORUM
    assert asked(*words, compacted((*fewer, "stranger"), digest)) in {Revert.ROUND_SIGNATURE, Revert.SIGNER_ORDER}
    assert asked(address("signer a"), address("another"), compacted(quorum, digest)) in {
        Revert.ROUND_SIGNATURE,
        Revert.SIGNER_ORDER,
    }
    assert asked(*words, compacted(quorum, digest)) == "accepted"
    assert venue.oracle.call("term_of", address("new")) == (venue.now + NOTICE, FOREVER)
    assert asked(*words, compacted(quorum, digest)) == Revert.SIGNER_UNKNOWN


def test_who_is_named_but_does_not_sit_yet_has_no_voice(venue):
    replaced(venue)
    words = (address("signer b"), address("newer"))
    digest = signing.replacement_digest(venue.oracle_domain, *words)
    args = (*words, compacted(("new", "signer c", "signer d", "signer e"), digest))
    assert venue.refusal("stranger", venue.oracle, "replace_by_quorum", *args) == Revert.ROUND_SIGNATURE


def test_nobody_has_a_seat_twice(venue):
    since = replaced(venue)

    def asked(former: str, successor: bytes) -> str:
        return venue.refusal("governor", venue.oracle, "replace_signer", address(former), successor)

    assert asked("signer a", address("newer")) == Revert.SIGNER_UNKNOWN
    assert asked("stranger", address("newer")) == Revert.SIGNER_UNKNOWN
    assert asked("signer b", address("new")) == Revert.SIGNER_AGAIN
    assert asked("signer b", address("signer c")) == Revert.SIGNER_AGAIN
    assert asked("signer b", address("signer b")) == Revert.SIGNER_AGAIN
    assert asked("signer b", bytes(20)) == Revert.SIGNER_AGAIN
    until(venue, since + NOTICE)
    assert asked("new", address("signer a")) == Revert.SIGNER_AGAIN


def test_a_successor_may_be_followed_before_it_ever_sat(venue):
    first = replaced(venue)
    second = replaced(venue, "governor", "new", "newer")
    assert second > first
    assert venue.oracle.call("term_of", address("signer a")) == (0, first)
    assert venue.oracle.call("term_of", address("new")) == (first, second)
    assert venue.oracle.call("term_of", address("newer")) == (second, FOREVER)


def test_as_many_sit_as_ever_at_every_time(venue):
    """However seats pass on: at any second there are five, and of each at most one."""
    ends = [replaced(venue), replaced(venue, "governor", "new", "newer"), replaced(venue, "signer b", "signer b", "b2")]
    everybody = [address(name) for name in (*venue.signers, "new", "newer", "b2")]
    terms = [venue.oracle.call("term_of", who) for who in everybody]
    for time_s in (0, *(end + step for end in ends for step in (-1, 0, 1)), 2**40):
        assert sum(since <= time_s < end for since, end in terms) == 5
    assert sorted(venue.oracle.call("signers", place) for place in range(5)) == sorted(
        address(name) for name in ("newer", "b2", "signer c", "signer d", "signer e")
    )


@pytest.mark.parametrize("notice", [86_399, 30 * 86_400 + 1])
def test_the_notice_outlasts_every_settlement_window(venue, notice):
    seated = sorted(map(address, venue.signers))
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        deploy_local(venue.chain, key("operator"), artifact("Oracle"), seated, venue.governor, notice)


def test_what_an_expiry_may_be_fixed_from_is_said_once(venue):
    """Whoever posts a round of the same second later cannot change the integral that settlements read."""
    half = venue.now // 1800 * 1800 + 1800
    until(venue, half + 10)
    first = msgspec.structs.replace(venue.round(), round_id=5, time=half)
    later = msgspec.structs.replace(first, round_id=7, time=half + 1)
    assert posting(venue, first, OLD) == "accepted"
    assert posting(venue, later, OLD) == "accepted"
    known = venue.oracle.call("integral", BTC, half)
    again = msgspec.structs.replace(
        first, round_id=6, spots=tuple(msgspec.structs.replace(word, acc=word.acc + 1) for word in first.spots)
    )
    venue.oracle.send(key("operator"), "post_round", *calldata.post_round_args(again, venue.sign_round(again)))
    assert venue.oracle.call("integral", BTC, half) == known == (True, first.spots[0].acc)
