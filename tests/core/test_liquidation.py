"""Fast exit, its waterfall and deleveraging: published figures, the naive rules, and the nine invariants at scale."""

import itertools
import random
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Any

import naive_liquidation as naive
import pytest
from core_venue import USDC
from liquidation_market import CENT, ME, TERMS, Trouble, appraisal_at, portfolio_at, trouble, troubles

from exchange.core import liquidation_waterfall as waterfall
from exchange.core.liquidation import (
    PPM,
    Holder,
    LiquidationTerms,
    Provider,
    covers,
    equity_of,
    fast_exit,
    first_share,
    is_cured,
    needed_slice,
    share_of,
    sold,
)
from exchange.core.liquidation_book import Offer, Offers
from exchange.core.liquidation_checks import liquidate
from exchange.core.liquidation_waterfall import Rival, deleverage, rank_of, shared
from exchange.core.margin import Kind
from exchange.core.units import QTY_ONE, WAD
from tests import vectors

FINE = 10**12  # units of the one leg of a linear market: rounding of quantities is far below what is compared
NO_FEES = TERMS._replace(insurance_share=0, keeper_reward=0)


class Linear:
    """A market of one series that is worth nothing and needs so much equity for all of ``FINE``."""

    def __init__(self, needed: int) -> None:
        self.needed = needed

    def worth(self, _positions: dict[int, int]) -> int:
        return 0

    def risk(self, positions: dict[int, int], _kind: Kind) -> int:
        return ceil(Fraction(sum(map(abs, positions.values())) * self.needed, FINE))


def usdc(value: Any) -> int:
    return round(Decimal(str(value)) * USDC)


def wad(value: Any) -> int:
    return int(Decimal(str(value)) * WAD)


def rich(number: int, haircut: int = 10 * CENT, since: int = 1, cash: int = 10**15) -> Provider:
    return Provider(Holder(number, cash, {}), haircut, since)


# -- published figures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", vectors.family("fast_exit_E"), ids=lambda vector: vector["name"])
def test_a_partial_exit_is_as_worked_out(vector: dict[str, Any]) -> None:
    given, due = vector["inputs"], {key: Decimal(value) for key, value in vector["expected"].items()}
    equity, risk = usdc(given["equity"]), usdc(given["MM_requirement"])
    haircut, buffer = wad(given["haircut"]), wad(given["buffer"])
    exact = naive.exact_share(equity, risk, Fraction(haircut, WAD), Fraction(buffer, WAD), risk)
    assert abs(Decimal(exact.numerator) / Decimal(exact.denominator) - due["f"]) < Decimal("1e-15")
    assert first_share(equity, risk, haircut, buffer) == ceil(exact * PPM)
    market, account = Linear(risk), Holder(ME, equity, {1: -FINE})
    terms = LiquidationTerms(haircut, buffer, 0, 0)
    out = fast_exit(market, terms, account, (rich(2, haircut),))
    after, (transfer,) = out.account, out.transfers
    slack = risk // PPM  # the share is rounded up to 1e-6 of the whole
    assert abs(equity_of(market, after) - usdc(due["equity_after"])) <= slack
    assert abs(market.risk(after.positions, Kind.MAINTENANCE) - usdc(due["MM_after"])) <= slack
    assert abs(transfer.haircut - usdc(due["haircut_paid"])) <= slack
    assert Decimal(equity_of(market, after)) / market.risk(after.positions, Kind.MAINTENANCE) >= due[
        "ratio_after"
    ] - Decimal("1e-15")


@pytest.mark.parametrize(
    "vector", [vectors.named("fast_exit_full"), vectors.named("fast_exit_insolvent")], ids=lambda v: v["name"]
)
def test_a_whole_exit_is_as_worked_out(vector: dict[str, Any]) -> None:
    given, due = vector["inputs"], vector["expected"]
    market, account = Linear(usdc(given["MM_requirement"])), Holder(ME, usdc(given["equity"]), {1: -FINE})
    winner = Rival(Holder(3, 10**12, {1: FINE}), {1: 500 * USDC})
    out = liquidate(market, NO_FEES, account, (rich(2, wad(given["haircut"])),), (winner,), usdc(given["insurance"]))
    assert out.exit.transfers[0].needed.share == PPM * int(due["f"])
    assert out.losses.account_pays == usdc(due["account_pays"])
    assert out.losses.insurance_pays == usdc(due["insurance_pays"])
    assert out.losses.haircuts == {2: usdc(due["lp_haircut_received"])}
    assert out.losses.socialised == ({3: usdc(due["socialised"])} if int(due["socialised"]) else {})
    assert out.account == Holder(ME, 0, {})


# -- the naive rules say the same -------------------------------------------------------------------------------------


def agree(case: Trouble) -> None:
    """Runs the case, which checks its nine invariants, and the naive rules beside it."""
    out = case.run()
    cash, positions, took = naive.exit_to(case.appraisal, case)
    assert (out.exit.account.cash, out.exit.account.positions) == (cash, positions)
    given = {t.provider: t.haircut for t in out.exit.transfers}
    held = {p.holder.id: p.holder for p in out.exit.providers}
    assert {key: (held[key].cash, held[key].positions, haircut) for key, haircut in given.items()} == took
    fills = naive.book_exit(case.appraisal, case, cash, positions)
    assert [(fill.owner, fill.series, fill.qty, fill.cash) for fill in out.book.fills] == fills
    exact = sum(case.appraisal.worth({closing.series: closing.qty}) for closing in out.closed.closings)
    assert sum(closing.cash for closing in out.closed.closings) == exact // QTY_ONE
    flat = out.closed.account
    if not flat.positions:
        fixed = {r.holder.id: waterfall.profit_against(r, case.account.positions) for r in case.rivals}
        told = naive.waterfall(flat.cash, sum(given.values()), case.insurance, sum(fixed.values()))
        losses = out.losses
        ours = (
            losses.account_pays,
            losses.insurance_pays,
            sum(losses.given_up.values()),
            sum(losses.socialised.values()),
            losses.uncovered,
        )
        assert ours == told
    fund = sum(int(h * Fraction(case.terms.insurance_share, WAD)) for h in out.losses.haircuts.values())
    assert out.insurance == case.insurance - out.losses.insurance_pays + fund - min(fund, case.terms.keeper_reward)


@pytest.mark.counts(short=1_000, soak=40_000)
def test_random_liquidations_hold_the_nine_and_follow_the_naive_rules(count: int) -> None:
    kinds = {
        "partial": 0,
        "whole": 0,
        "shared": 0,
        "closed": 0,
        "several": 0,
        "given up": 0,
        "uncovered": 0,
        "booked": 0,
    }
    for _, case in troubles(count):
        agree(case)
        out = case.run()
        kinds["partial"] += bool(out.account.positions)
        kinds["whole"] += not out.account.positions
        kinds["shared"] += bool(out.losses.socialised)
        kinds["closed"] += bool(out.closed.closings)
        kinds["several"] += len(out.exit.transfers) > 1
        kinds["given up"] += bool(out.losses.given_up)
        kinds["uncovered"] += out.losses.uncovered > 0
        kinds["booked"] += bool(out.book.fills)
    assert all(seen >= count // 100 for seen in kinds.values()), kinds


@pytest.mark.counts(short=150, soak=5_000)
def test_the_nine_hold_under_portfolio_margin_too(count: int) -> None:
    """Another model, the same rules: risk from scenarios, offsets across strikes and expiries."""
    partial = 0
    for _, case in troubles(count, portfolio_at):
        agree(case)
        partial += bool(case.run().account.positions)
    assert partial > count // 10


def test_portfolio_risk_is_that_of_margin() -> None:
    """The appraisal of one short call, beside what the model says of it when laid out by hand."""
    market = portfolio_at(61_500)
    for series in list(market.priced[0].arrays.terms)[:6]:
        array = market.priced[0].arrays.array(series)
        assert market.worth({series: -QTY_ONE}) == -array.cells[0] * QTY_ONE
        assert market.worth({series: QTY_ONE}) == (array.cells[0] - 1) * QTY_ONE
        short, initial = (market.risk({series: -QTY_ONE}, kind) for kind in (Kind.MAINTENANCE, Kind.INITIAL))
        assert initial > short > 0
        assert 0 <= market.risk({series: QTY_ONE}, Kind.MAINTENANCE) <= array.cells[0]
        assert abs(market.risk({series: -7 * QTY_ONE}, Kind.MAINTENANCE) - 7 * short) <= 7
    assert market.worth({}) == market.risk({}, Kind.INITIAL) == 0


def test_an_account_that_covers_its_risk_is_left_alone() -> None:
    for _, case in troubles(100):
        missing = case.appraisal.risk(case.account.positions, Kind.MAINTENANCE) - equity_of(
            case.appraisal, case.account
        )
        whole = case._replace(account=case.account._replace(cash=case.account.cash + missing))
        assert covers(whole.appraisal, whole.account, Kind.MAINTENANCE)
        out = whole.run()
        assert (out.account, out.insurance, out.exit.transfers, out.closed.closings) == (
            whole.account,
            whole.insurance,
            (),
            (),
        )


def test_the_order_of_legs_and_providers_does_not_matter() -> None:
    for _, case in troubles(200):
        turned = case._replace(
            account=case.account._replace(positions=dict(reversed(case.account.positions.items()))),
            providers=case.providers[::-1],
            rivals=case.rivals[::-1],
        )
        first, second = case.run(), turned.run()
        assert (first.account, first.others, first.insurance, first.losses) == (
            second.account,
            second.others,
            second.insurance,
            second.losses,
        )


# -- who takes it -----------------------------------------------------------------------------------------------------


def naked(share: float = 0.6) -> tuple[Any, Holder]:
    """Short ten calls, with such a share of what they need."""
    market = appraisal_at(61_500)
    series = next(key for key, option in market.series.items() if option.is_call and option.strike == 60_000 * USDC)
    positions = {series: -10 * QTY_ONE}
    risk, worth = market.risk(positions, Kind.MAINTENANCE), market.worth(positions) // QTY_ONE
    return market, Holder(ME, int(risk * share) - worth, positions)


def test_the_cheapest_provider_comes_first_and_then_the_eldest() -> None:
    market, account = naked()
    first, second, third = rich(12, 3 * CENT, since=9), rich(11, 4 * CENT, since=2), rich(10, 4 * CENT, since=3)
    dear = rich(9, 11 * CENT)
    for crowd in itertools.permutations((first, second, third, dear)):
        (transfer,) = fast_exit(market, TERMS, account, crowd).transfers
        assert (transfer.provider, transfer.rate) == (12, 3 * CENT)
    assert [p.holder.id for p in (second, third)] == [11, 10]
    (transfer,) = fast_exit(market, TERMS, account, (third, second, dear)).transfers
    assert transfer.provider == 11
    assert fast_exit(market, TERMS, account, (dear,)).transfers == ()


def test_what_one_provider_cannot_bear_goes_to_the_next() -> None:
    market, account = naked()
    needed = needed_slice(market, account, 2 * CENT, TERMS.buffer)
    assert needed is not None
    poor = rich(10, 2 * CENT, cash=20_000 * USDC)
    out = fast_exit(market, TERMS, account, (poor, rich(11)))
    small, rest = out.transfers
    assert (small.provider, rest.provider) == (10, 11)
    (series,) = needed.positions
    assert 0 < abs(small.positions[series]) < abs(needed.positions[series])
    one_more = {series: small.positions[series] - abs(needed.positions[series]) // PPM - 1}
    holder = Holder(10, poor.holder.cash - market.worth(one_more) // QTY_ONE, one_more)
    assert not covers(market, holder, Kind.INITIAL), "the first took less than it could bear"
    assert is_cured(market, out.account, TERMS.buffer)


def test_a_lower_haircut_is_the_accounts_gain() -> None:
    market, account = naked()
    shares = [needed_slice(market, account, cents * CENT, TERMS.buffer) for cents in range(11)]
    assert [s.share for s in shares if s] == sorted({s.share for s in shares if s})
    keeps = [
        equity_of(market, fast_exit(market, TERMS, account, (rich(2, cents * CENT),)).account) for cents in range(11)
    ]
    assert keeps == sorted(keeps, reverse=True)


def test_a_slice_takes_the_same_share_of_every_leg() -> None:
    for _, case in troubles(300):
        account = case.account
        needed = needed_slice(case.appraisal, account, 10 * CENT, TERMS.buffer)
        assert needed is not None
        for key, qty in account.positions.items():
            part = needed.positions[key]
            assert part * qty > 0
            assert 0 <= abs(part) - Fraction(abs(qty) * needed.share, PPM) < 1


def cures(case: Trouble, account: Holder, units: int) -> bool:
    """Whether so much of the only leg would do."""
    ((series, qty),) = account.positions.items()
    after = sold(case.appraisal, account, {series: units if qty > 0 else -units}, TERMS.haircut)
    return is_cured(case.appraisal, after, TERMS.buffer)


def test_no_smaller_slice_would_have_done() -> None:
    """One leg of few units, where every slice there is can be tried. What is taken is the least that does; one unit less
    may do where it is within what rounding to a millionth, and values to a unit, can tell apart.
    """
    small = [case for _, case in troubles(3_000) if len(case.account.positions) == 1][:60]
    tried = 0
    for case in small:
        ((series, qty),) = case.account.positions.items()
        few = case.account._replace(positions={series: (abs(qty) % 37 + 1) * (1 if qty > 0 else -1)})
        risk = case.appraisal.risk(few.positions, Kind.MAINTENANCE)
        for sixteenth in range(2, 16):
            account = few._replace(cash=risk * sixteenth // 16 - case.appraisal.worth(few.positions) // QTY_ONE)
            needed = needed_slice(case.appraisal, account, TERMS.haircut, TERMS.buffer)
            assert needed is not None
            taken = abs(needed.positions[series])
            enough = [units for units in range(1, taken) if cures(case, account, units)]
            assert len(enough) <= 1
            if enough:
                exact = Fraction(needed.share * abs(few.positions[series]), PPM)
                assert exact - enough[0] < Fraction(abs(few.positions[series]) * 5, PPM)
            tried += taken
    assert tried > 5_000


# -- the book ---------------------------------------------------------------------------------------------------------


def offered(cents_away: int, qty: int, owner: int = 40) -> tuple[Any, Holder, Rival, dict[int, Offers]]:
    """A naked call, and one ask so far above its mark; the other side is held by whoever asks."""
    market, account = naked()
    (series,) = account.positions
    price = market.series[series].mark * (100 + cents_away) // 100
    rival = Rival(Holder(40, 10**12, {series: 10 * QTY_ONE}), {series: 0})
    return market, account, rival, {series: Offers((), (Offer(owner, price, qty),))}


def test_the_book_comes_after_providers_and_before_deleveraging() -> None:
    market, account, rival, book = offered(2, 20 * QTY_ONE)
    helped = liquidate(market, TERMS, account, (rich(2),), (rival,), 0, book)
    assert (bool(helped.exit.transfers), helped.book.fills, helped.closed.closings) == (True, (), ())
    alone = liquidate(market, TERMS, account, (), (rival,), 0, book)
    assert [fill.owner for fill in alone.book.fills] == [40]
    assert alone.closed.closings == ()
    short = liquidate(
        market,
        TERMS,
        account,
        (),
        (rival,),
        0,
        {key: Offers((), (o.asks[0]._replace(qty=100),)) for key, o in book.items()},
    )
    assert [abs(fill.qty) for fill in short.book.fills] == [100]
    assert short.closed.closings


def test_nobody_in_the_book_earns_more_than_a_provider() -> None:
    market, account, rival, book = offered(60, 20 * QTY_ONE)
    assert liquidate(market, TERMS, account, (), (rival,), 0, book).book.fills == ()
    market, account, rival, book = offered(2, 20 * QTY_ONE, owner=ME)
    assert liquidate(market, TERMS, account, (), (rival,), 0, book).book.fills == ()


def test_what_covers_the_others_is_not_sold_alone() -> None:
    """Bids for the long leg only: nothing goes, or a naked short would be left."""
    market, account = naked(0.1)
    (short,) = account.positions
    cover = next(key for key, option in market.series.items() if option.is_call and option.strike == 65_000 * USDC)
    spread = Holder(ME, -(10**8), {short: -10 * QTY_ONE, cover: 10 * QTY_ONE})
    bid = Offer(40, market.series[cover].mark, 20 * QTY_ONE)
    other = Rival(Holder(40, 10**12, {short: 10 * QTY_ONE, cover: -10 * QTY_ONE}), {})
    assert not covers(market, spread, Kind.MAINTENANCE)
    assert liquidate(market, TERMS, spread, (), (other,), 10**15, {cover: Offers((bid,), ())}).book.fills == ()


# -- deleveraging -----------------------------------------------------------------------------------------------------


def test_shares_are_exact_fair_and_never_more_than_their_weight() -> None:
    """All ways to share small totals: ours leaves nobody further from the exact proportion than any other does."""
    for weights in itertools.product(range(5), repeat=3):
        named = {key: weight for key, weight in enumerate(weights) if weight}
        whole = sum(weights)
        for total in range(whole + 1):
            ours = shared(total, named)
            assert sum(ours.values()) == total
            assert all(share <= named[key] for key, share in ours.items())
            exact = {key: Fraction(total * weight, whole) for key, weight in named.items()}
            distance = sum((ours.get(key, 0) - exact[key]) ** 2 for key in named)
            for other in itertools.product(*(range(weight + 1) for weight in named.values())):
                if sum(other) == total:
                    assert distance <= sum((part - exact[key]) ** 2 for key, part in zip(named, other, strict=True))


def test_no_smaller_deleveraging_covers_the_deficit() -> None:
    """Every way in which rivals could lose, none more than its unrealised profit: none that covers the deficit takes less."""
    market = Linear(0)
    for profits in itertools.product(range(4), repeat=3):
        rivals = tuple(Rival(Holder(10 + n, 1, {1: 1}), {1: profit}) for n, profit in enumerate(profits))
        for deficit, insurance in itertools.product(range(11), range(3)):
            account = Holder(ME, -deficit, {1: -3})
            out = liquidate(market, NO_FEES, account, (), rivals, insurance)
            losses = out.losses
            ways = [
                way
                for way in itertools.product(*(range(profit + 1) for profit in profits))
                if insurance + sum(way) >= deficit
            ]
            if ways:
                assert sum(losses.socialised.values()) == min(map(sum, ways))
                assert losses.uncovered == 0
            else:
                assert list(profits) == [losses.socialised.get(10 + n, 0) for n in range(3)]
                assert losses.uncovered == deficit - insurance - sum(profits)
            assert all(losses.socialised.get(10 + n, 0) <= profit for n, profit in enumerate(profits))


def test_no_fewer_contracts_are_closed_than_cure_the_account() -> None:
    """Without providers, smaller pro-rata slices are tried, down to nothing: by more than two units of a leg, all fail."""
    early = tried = 0
    for case in (case for seed, case in troubles(200) if seed % 3):
        alone = case._replace(providers=(), book={})
        out = alone.run()
        assert out.closed.needed is not None
        share = out.closed.needed.share
        for smaller in range(1, share - 5, max(1, share // 50)):
            part = share_of(case.account.positions, smaller)
            if all(abs(qty - part.get(key, 0)) <= 2 for key, qty in out.closed.needed.positions.items()):
                continue  # legs and values are rounded: such a slice is the same
            early += is_cured(case.appraisal, sold(case.appraisal, case.account, part, 0), TERMS.buffer)
            tried += 1
        closed = {}
        for closing in out.closed.closings:
            closed[closing.series] = closed.get(closing.series, 0) + closing.qty
        assert closed == out.closed.needed.positions
    assert (early, tried > 5_000) == (0, True)


def test_the_most_profitable_and_leveraged_are_closed_first() -> None:
    market = appraisal_at(61_500)
    series = next(iter(market.series))
    account = Holder(ME, -(10**12), {series: -4 * QTY_ONE})

    def rival(number: int, profit: int, cash: int) -> Rival:
        return Rival(Holder(number, cash, {series: 2 * QTY_ONE}), {series: profit})

    richer, leveraged, loser = rival(20, 900, 10**11), rival(21, 900, 0), rival(22, -900, 0)
    broke, twin = rival(23, 900, -(10**12)), rival(19, 900, 10**11)
    crowd = (richer, leveraged, loser, broke, twin)
    queue = sorted(crowd, key=lambda one: rank_of(market, one, account.positions))
    assert [one.holder.id for one in queue] == [21, 19, 20, 22, 23]
    closed = deleverage(market, TERMS, account, crowd)
    assert [(closing.rival, closing.qty) for closing in closed.closings] == [(21, -2 * QTY_ONE), (19, -2 * QTY_ONE)]


def test_whose_profit_is_on_the_same_side_bears_nothing() -> None:
    market, account = naked(-0.5)
    (series,) = account.positions
    same = Rival(Holder(30, 10**12, {series: -QTY_ONE}), {series: 10**9})
    opposite = Rival(Holder(31, 10**12, {series: 11 * QTY_ONE}), {series: 10**12, series + 1: 10**12})
    out = liquidate(market, TERMS, account, (), (same, opposite), 0)
    assert list(out.losses.socialised) == [31]


# -- fees -------------------------------------------------------------------------------------------------------------


def test_the_keeper_is_paid_out_of_the_funds_share_and_never_more() -> None:
    for _, case in troubles(300):
        for reward in (0, 1, 5 * USDC, 10**15):
            out = case._replace(terms=case.terms._replace(keeper_reward=reward)).run()
            to_fund = sum(out.fund_shares.values())
            assert out.keeper == min(reward, to_fund)
            assert out.insurance == case.insurance - out.losses.insurance_pays + to_fund - out.keeper


def test_cases_of_a_seed_repeat() -> None:
    assert trouble(7) == trouble(7)
    assert random.Random(7).random() == random.Random(7).random()
