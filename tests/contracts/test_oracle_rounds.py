"""Rounds need a quorum of distinct signers and move forward; fixings come from what they leave behind."""

from __future__ import annotations

import msgspec
import pytest
from contract_venue import BTC, NOTICE, USDC, WAD, Venue, address, key

from exchange import calldata, signing
from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import artifact, deploy_local


@pytest.fixture
def venue() -> Venue:
    return Venue()


def posting(venue: Venue, round_, signatures=None) -> str:
    """Why a round is refused, or 'accepted'."""
    args = calldata.post_round_args(round_, venue.sign_round(round_) if signatures is None else signatures)
    return venue.refusal("stranger", venue.oracle, "post_round", *args)


def test_a_quorum_is_two_thirds_rounded_up():
    for count, quorum in ((5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (16, 11)):
        venue = Venue(signers=tuple(f"signer {number}" for number in range(count)))
        assert venue.oracle.call("QUORUM") == quorum
        round_ = venue.round()
        assert posting(venue, round_, venue.sign_round(round_, venue.signers[: quorum - 1])) == Revert.ROUND_QUORUM
        assert posting(venue, round_, venue.sign_round(round_, venue.signers[:quorum])) == "accepted"


def test_any_quorum_will_do_and_all_of_them_too(venue):
    for chosen in (venue.signers[1:], venue.signers[:4], venue.signers):
        with venue.aside():
            round_ = venue.round()
            assert posting(venue, round_, venue.sign_round(round_, chosen)) == "accepted"


def test_signers_are_distinct_and_known(venue):
    round_ = venue.round()
    signatures = venue.sign_round(round_)
    assert posting(venue, round_, [*signatures[:3], signatures[2]]) == Revert.SIGNER_ORDER
    assert posting(venue, round_, signatures[::-1]) == Revert.SIGNER_ORDER
    digest = signing.round_digest(venue.oracle_domain, calldata.round_header(round_))
    strangers = calldata.in_signer_order(digest, [signing.sign(key(f"stranger {n}"), digest) for n in range(5)])
    assert posting(venue, round_, strangers) == Revert.ROUND_SIGNATURE
    broken = b"\xff" * 32 + signatures[0][32:]
    assert posting(venue, round_, [broken, *signatures[1:]]) == Revert.ROUND_SIGNATURE


@pytest.mark.parametrize("field", ["round_id", "time", "stable", "spots", "sheets"])
def test_a_round_is_what_was_signed(venue, field):
    round_ = venue.round()
    changed = {
        "round_id": round_.round_id + 1,
        "time": round_.time - 1,
        "stable": round_.stable - 1,
        "spots": (msgspec.structs.replace(round_.spots[0], spot=1),),
        "sheets": (calldata.Sheet(1, 1, 1, 1, 1, ()),),
    }
    other = msgspec.structs.replace(round_, **{field: changed[field]})
    assert posting(venue, other, venue.sign_round(round_)) in {Revert.ROUND_SIGNATURE, Revert.SIGNER_ORDER}


def test_a_round_for_another_oracle_is_worth_nothing(venue):
    other = Venue(vault_cap=1)
    other.send("operator", other.token, "mint", address("operator"), 1)
    round_ = venue.round()
    elsewhere = deploy_local(
        venue.chain, key("operator"), artifact("Oracle"), sorted(map(address, venue.signers)), venue.governor, NOTICE
    )
    domain = signing.domain_separator(venue.chain.chain_id, elsewhere.address)
    digest = signing.round_digest(domain, calldata.round_header(round_))
    signatures = [signing.sign(key(name), digest) for name in venue.signers[:4]]
    assert posting(venue, round_, calldata.in_signer_order(digest, signatures)) in {
        Revert.ROUND_SIGNATURE,
        Revert.SIGNER_ORDER,
    }


def test_rounds_move_forward(venue):
    first = venue.post(venue.round())
    venue.chain.mine(5)
    assert posting(venue, first) == Revert.ROUND_ORDER
    assert posting(venue, msgspec.structs.replace(venue.round(), round_id=1)) == Revert.ROUND_ORDER
    assert posting(venue, venue.round(time=first.time)) == Revert.ROUND_TIME
    assert posting(venue, venue.round(time=venue.now + 100)) == Revert.ROUND_FUTURE
    assert posting(venue, msgspec.structs.replace(venue.round(), round_id=50)) == "accepted"
    assert venue.oracle.call("last_round")[0] == 50


def test_a_round_that_was_left_out_can_still_be_recorded(venue):
    half = venue.now // 1800 * 1800 + 1800
    venue.chain.set_time(half - 10)
    first = venue.post(venue.round())
    venue.chain.set_time(half + 20)
    skipped = msgspec.structs.replace(venue.round(time=half, acc=77), round_id=first.round_id + 1)
    newest = msgspec.structs.replace(venue.round(time=half + 10, acc=88), round_id=first.round_id + 2)
    assert posting(venue, newest) == "accepted"
    late = msgspec.structs.replace(skipped, time=newest.time)
    assert posting(venue, late) == Revert.ROUND_TIME  # a gap lies before what follows it
    assert posting(venue, skipped) == "accepted"
    assert venue.oracle.call("last_round") == (newest.round_id, newest.time)
    assert venue.oracle.call("round_of", skipped.round_id)[0] == half
    assert venue.oracle.call("integral", BTC, half) == (True, 77)
    assert posting(venue, skipped) == Revert.ROUND_ORDER


def test_a_gap_beyond_the_ring_stays(venue):
    venue.chain.mine(300)
    old = venue.round(time=venue.now - 200)
    for number in (257, 512):
        venue.chain.mine()
        assert posting(venue, msgspec.structs.replace(venue.round(), round_id=number)) == "accepted"
    assert posting(venue, msgspec.structs.replace(old, round_id=1)) == Revert.ROUND_ORDER
    assert posting(venue, msgspec.structs.replace(old, round_id=256)) == Revert.ROUND_ORDER
    assert posting(venue, msgspec.structs.replace(old, round_id=258)) == "accepted"


def test_the_ring_keeps_256_rounds(venue):
    for _ in range(257):
        venue.chain.mine()
        venue.post(venue.round())
    with pytest.raises(Reverted, match=Revert.ROUND_UNKNOWN):
        venue.oracle.call("round_of", 1)
    with pytest.raises(Reverted, match=Revert.ROUND_UNKNOWN):
        venue.oracle.call("round_of", 258)
    with pytest.raises(Reverted, match=Revert.ROUND_UNKNOWN):
        venue.oracle.call("round_of", 0)
    for number in (2, 257):
        round_ = venue.rounds[number]
        root = calldata.round_header(round_).sheets_root
        assert venue.oracle.call("round_of", number) == (round_.time, round_.stable, root)


def test_integrals_are_kept_on_the_half_hour(venue):
    half = venue.now // 1800 * 1800 + 1800
    venue.chain.set_time(half + 1)
    venue.post(venue.round(time=half, acc=77))
    venue.post(venue.round(time=half + 1, acc=78))
    assert venue.oracle.call("integral", BTC, half) == (True, 77)
    assert venue.oracle.call("integral", BTC, half + 1) == (False, 0)
    assert venue.oracle.call("integral", BTC + 1, half) == (False, 0)


@pytest.mark.parametrize(
    ("first", "second", "price"),
    [
        (0, 0, 0),
        (0, 1799, 0),
        (0, 1800, 1),
        (5, 1804, 0),
        (10**15, 10**15 + 1800 * 63_486 * USDC + 1799, 63_486 * USDC),
    ],
)
def test_a_fixing_is_the_average_rounded_down(venue, first, second, price):
    half = venue.now // 1800 * 1800 + 1800
    with pytest.raises(Reverted, match=Revert.FIXING_UNKNOWN):
        venue.oracle.call("settlement_price", BTC, half + 1800)
    for time, acc in ((half, first), (half + 1800, second)):
        venue.chain.set_time(time)
        venue.post(venue.round(time=time, acc=acc))
    assert venue.oracle.call("settlement_price", BTC, half + 1800) == price


def test_an_integral_that_falls_fixes_nothing(venue):
    half = venue.now // 1800 * 1800 + 1800
    for time, acc in ((half, 2), (half + 1800, 1)):
        venue.chain.set_time(time)
        venue.post(venue.round(time=time, acc=acc))
    with pytest.raises(Reverted, match=Revert.FIXING_UNKNOWN):
        venue.oracle.call("settlement_price", BTC, half + 1800)


@pytest.mark.parametrize(
    ("names", "reason"),
    [(["a", "b", "c", "d"], Revert.SIGNER_COUNT), (["a", "a", "b", "c", "d"], Revert.SIGNER_ORDER)],
)
def test_an_oracle_needs_five_distinct_signers(venue, names, reason):
    seated = sorted(address(name) for name in names)
    with pytest.raises(Reverted, match=reason):
        deploy_local(venue.chain, key("operator"), artifact("Oracle"), seated, venue.governor, NOTICE)


def test_a_stable_price_beyond_the_ring_word_is_refused(venue):
    round_ = venue.round()
    args = list(calldata.post_round_args(round_, venue.sign_round(round_)))
    args[2] = 2**128
    assert venue.refusal("stranger", venue.oracle, "post_round", *args) == Revert.ROUND_STABLE
    assert round_.stable == WAD
