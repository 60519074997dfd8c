"""The engine is gone and the price falls: keepers liquidate on the contracts, pool and fund pay, and everybody leaves."""

from __future__ import annotations

import pytest
from contract_liquidation import CENT, TERMS
from contract_venue import BTC, LOT, OPERATOR_TIMEOUT, USDC, WAD, Venue

from exchange import calldata
from exchange.calldata import Round
from exchange.core.commands import StandardModel
from exchange.core.liquidation import (
    Exit,
    Holder,
    Priced,
    Provider,
    StandardAppraisal,
    Underlay,
    fast_exit,
    is_cured,
    value_of,
)


def shown(round_: Round) -> tuple[int, bytes, bytes]:
    every = {sheet.expiry_id for sheet in round_.sheets}
    return round_.round_id, calldata.sheet_hashes(round_), calldata.select_sheets(round_, every)


def appraised(venue: Venue, round_: Round) -> StandardAppraisal:
    """A round as the rules see it."""
    priced: dict[int, Priced] = {}
    under: dict[int, Underlay] = {}
    for sheet in round_.sheets:
        under[sheet.expiry_id] = Underlay(sheet.spot, sheet.forward, sheet.conf)
        for index, (strike, is_call) in enumerate(venue.series_of(sheet.expiry_id)):
            priced[sheet.expiry_id << 16 | index] = Priced(sheet.expiry_id, strike, is_call, sheet.marks[index])
    return StandardAppraisal(StandardModel(*venue.parameters), priced, under, round_.stable)


def fresh(venue: Venue, spot: int) -> Round:
    venue.chain.set_time(venue.now + 2)
    return venue.post(venue.round(spot * USDC))


def keep(venue: Venue, account: int, pool: int, round_: Round) -> Exit:
    """What a keeper does: works the exit out from what the contracts say, and asks."""
    held = [Holder(key, venue.cash(key), venue.positions(key)) for key in (account, pool)]
    left = fast_exit(appraised(venue, round_), TERMS, held[0], (Provider(held[1], 10 * CENT, 1),))
    for ask in left.asks:
        venue.send("keeper", venue.clearing, "liquidate", account, ask.steps, ask.part, *shown(round_))
    return left


def every_claim(venue: Venue) -> int:
    return sum(venue.cash(account) for account in (0, *venue.accounts))


def stand_ready(venue: Venue, pool: int, fund: int) -> None:
    venue.send("governor", venue.clearing, "set_insurance", fund)
    venue.send("governor", venue.clearing, "set_provider", BTC, 10 * CENT << 32 | pool)


def flagged(venue: Venue, account: int, keeper: int, fall: int) -> Round:
    """The last batch has landed. Nobody is there any more; the oracle goes on, and the next round confirms the flag."""
    venue.chain.set_time(venue.now + OPERATOR_TIMEOUT + 1)
    first = fresh(venue, fall)
    venue.send("keeper", venue.clearing, "flag_account", account, keeper, *shown(first))
    return fresh(venue, fall)


def everybody_leaves(venue: Venue, expiry_id: int, price: int) -> None:
    """Options end by the mean of the oracle, and everybody takes what is theirs."""
    venue.chain.set_time(venue.expiries[expiry_id] - 1800)
    venue.fix_at(expiry_id, price * USDC)
    venue.send("keeper", venue.clearing, "settle_expiry", expiry_id, list(venue.accounts))
    assert all(venue.positions(account) == {} for account in venue.accounts)
    for account, name in venue.accounts.items():
        if venue.cash(account) > 0:
            venue.send(name, venue.clearing, "request_withdrawal", account, venue.cash(account))
            venue.send("keeper", venue.clearing, "finalise_withdrawal", account, 0, b"", b"")
            assert venue.cash(account) == 0
    # Nothing is left but the fees of the venue.
    assert not any(map(venue.cash, venue.accounts))
    assert venue.token.call("balanceOf", venue.vault.address) == venue.cash(0)


@pytest.mark.parametrize(("fall", "insured"), [(53_500, False), (40_000, True)])
def test_the_engine_never_comes_back_and_everybody_leaves(fall: int, insured: bool) -> None:
    venue = Venue()
    seller, buyer = venue.open("seller", 22_000 * USDC), venue.open("buyer", 100_000 * USDC)
    pool, fund = venue.open("pool", 200_000 * USDC), venue.open("fund", 50_000 * USDC if insured else 0)
    keeper = venue.open("keeper")
    stand_ready(venue, pool.account, fund.account)
    expiry_id = venue.list(venue.now // 1800 * 1800 + 1800 * 48, [(60_000 * USDC, False)])
    put = expiry_id << 16
    venue.post(venue.round())
    venue.settle(venue.cross(buyer, seller, put, 2 * LOT, 700 * USDC))
    paid_in = every_claim(venue)

    second = flagged(venue, seller.account, keeper.account, fall)
    market = appraised(venue, second)
    before = venue.cash(seller.account) + value_of(market, venue.positions(seller.account))
    left = keep(venue, seller.account, pool.account, second)
    assert is_cured(market, left.account, TERMS.buffer)
    venue.send("keeper", venue.clearing, "close_case", seller.account, keeper.account, *shown(second))
    taken = left.transfers[0].haircut
    assert every_claim(venue) == paid_in
    if before >= taken:
        assert venue.cash(fund.account) > 0
        assert venue.cash(keeper.account) == TERMS.keeper_reward
    else:
        assert before < 0
        assert venue.positions(seller.account) == {}
        assert venue.cash(seller.account) == 0
        # The fund pays what is missing and the haircut, and has its share of that back but for the reward.
        back = taken * TERMS.insurance_share // WAD - venue.cash(keeper.account)
        assert venue.cash(fund.account) == 50_000 * USDC + before - taken + back
    everybody_leaves(venue, expiry_id, fall)
