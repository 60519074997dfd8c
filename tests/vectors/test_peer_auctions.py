"""Published figures of other venues' liquidations, reproduced."""

from fractions import Fraction
from typing import Any

import pytest

from tests import vectors
from tests.vectors.peer_auctions import Auction, Vault, auction_fee, withdrawals_blocked

CLOSE = Fraction(1, 10**12)


def auction_of(given: dict[str, Any]) -> Auction:
    rates = (Fraction(given[name]) for name in ("MtM", "MM", "buffer", "start", "cut"))
    return Auction(*rates, given["fast"], given["slow"], Fraction(given.get("reserved_cash", 0)))


def cut_off(value: Fraction, digits: int) -> Fraction:
    return Fraction(int(value * 10**digits), 10**digits)


@pytest.mark.parametrize("vector", [vectors.named("da_start"), vectors.named("da_half_fast")], ids=lambda v: v["name"])
def test_a_solvent_auction_quotes_as_published(vector: dict[str, Any]) -> None:
    given, due = vector["inputs"], vector["expected"]
    auction, seconds = auction_of(given), given["t"]
    assert auction.bid(seconds) == Fraction(due["bid"])
    assert cut_off(auction.most(seconds), 3) == Fraction(due["f_max_trunc3"])
    if "BM" in due:
        assert auction.buffer_margin() == Fraction(due["BM"])
    if "cash_from_bidder_trunc" in due:
        assert int(auction.bid(seconds) * auction.most(seconds)) == int(due["cash_from_bidder_trunc"])


@pytest.mark.parametrize("vector", vectors.family("da_sim_"), ids=lambda v: v["name"])
def test_bids_of_a_simulated_auction(vector: dict[str, Any]) -> None:
    given, due = vector["inputs"], {key: Fraction(value) for key, value in vector["expected"].items()}
    auction, seconds = auction_of(given), given["t"]
    share = min(Fraction(given["want"]), auction.most(seconds))
    after = auction.after(seconds, share)
    found = {
        "BM": auction.buffer_margin(),
        "f_max": auction.most(seconds),
        "bid": auction.bid(seconds) * share,
        "post_MtM": after.mtm,
        "post_MM": after.margin,
        "post_BM": after.buffer_margin(),
    }
    for name, value in due.items():
        assert abs(found[name] - value) <= CLOSE * max(abs(value), 100), name


def test_withdrawals_stop_while_the_module_could_not_pay() -> None:
    given, due = (vectors.named("da_withdraw_block")[part] for part in ("inputs", "expected"))
    insolvent, cash = [Fraction(value) for value in given["insolvent_MM"]], Fraction(given["sm_cash"])
    assert withdrawals_blocked(insolvent, cash) == due["blocked"]
    assert withdrawals_blocked(insolvent, Fraction(599)) == due["blocked_at_599"]


@pytest.mark.parametrize("vector", vectors.family("opyn_liq_price"), ids=lambda v: v["name"])
def test_a_vault_is_auctioned_within_the_hour(vector: dict[str, Any]) -> None:
    given, due = vector["inputs"], {key: Fraction(value) for key, value in vector["expected"].items()}
    spot, strike, deviation = (Fraction(given[name]) for name in ("S", "K", "dev"))
    end = Fraction(given["coll"]) / given["debt"]
    vault = (
        Vault(strike - spot, deviation * spot, end) if given["put"] else Vault((spot - strike) / spot, deviation, end)
    )
    assert (vault.start, vault.end, vault.price(given["t"])) == (due["start"], due["end"], due["price"])
    assert vault.price(3_600) == due["end"]


def test_the_fee_of_a_solvent_auction() -> None:
    vector = vectors.named("derive_liq_fee")
    mtm, share, rate = (
        Fraction(vector["inputs"][name]) for name in ("portfolio_mtm", "liquidated_fraction", "fee_rate")
    )
    assert auction_fee(mtm, share, rate) == Fraction(vector["expected"]["fee"])
