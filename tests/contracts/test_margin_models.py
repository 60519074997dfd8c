"""Accounts under PORTFOLIO in Clearing: the better of both models, in batches, exits and liquidations, whoever asks."""

from __future__ import annotations

import random

import pytest
from contract_arrays import Arrays, Prices, Risk
from contract_drawing import PATIENCE
from contract_venue import BTC, EXIT_TERMS, GAS, USDC, WAD, WINDOW, Player, Venue, key

from exchange import calldata, risk_words
from exchange.calldata import Trade
from exchange.core import budget
from exchange.core.liquidation import (
    Holder,
    LiquidationTerms,
    Priced,
    Provider,
    StandardAppraisal,
    Underlay,
    covers,
    fast_exit,
)
from exchange.core.liquidation_portfolio import BetterAppraisal, PortfolioAppraisal
from exchange.core.liquidation_portfolio import Priced as PricedArrays
from exchange.core.margin import ExpiryBook, Kind, Leg, requirement
from exchange.core.risk_models.arrays import encode, prove
from exchange.core.risk_models.requirement import portfolio_rules
from exchange.shell.chain import Reverted
from exchange.shell.deploy import STANDARD

pytestmark = PATIENCE
SPOT = 60_000 * USDC
STRIKES = (50_000, 55_000, 58_000, 60_000, 62_000, 65_000, 70_000, 75_000)
EXPIRIES = (1, 2)
SERIES = tuple(expiry << 16 | at for expiry in EXPIRIES for at in range(2 * len(STRIKES)))
CALL, PUT = 1 << 16 | 10, 1 << 16 | 3  # 65,000 and 55,000
ONE = 10**4


class Desk:
    """A venue with two expiries, and everybody who is needed to sell a strangle under either model."""

    def __init__(self) -> None:
        self.venue = Venue(parameters=_standard())
        self.maker = self.venue.open("maker", 10**7 * USDC)
        self.seller = self.venue.open("seller", 12_000 * USDC)
        terms = [(strike * USDC, is_call) for strike in STRIKES for is_call in (True, False)]
        for days in (20, 50):
            self.venue.list(self.venue.now // 1800 * 1800 + days * 86_400, terms)
        self.risk = Risk(self.venue)
        self.arrays = self.round()

    def round(self, spot: int = SPOT, wrong: int | None = None) -> Arrays:
        """The next round, posted; with one cell of a series a unit too low."""
        vols = {series: WAD // 2 + at * WAD // 500 for at, series in enumerate(SERIES)}
        prices = Prices({BTC: spot}, dict.fromkeys(EXPIRIES, spot), vols, dict.fromkeys(EXPIRIES, WAD), {})
        self.venue.chain.set_time(self.venue.now + 1)
        self.arrays = self.risk.at(prices, dict.fromkeys(EXPIRIES, BTC))
        if wrong is not None:
            leaf = bytearray(self.arrays.leaves[wrong])
            leaf[32 * 7 + 31] -= 1
            self.arrays.leaves[wrong] = bytes(leaf)
        self.venue.post(self.arrays.round)
        return self.arrays

    def choose(self, player: Player, model: int) -> None:
        self.venue.send(player.name, self.venue.clearing, "choose_model", player.account, model)

    def bind(self) -> None:
        """A window later, at a round of then."""
        self.venue.chain.set_time(self.venue.now + WINDOW)
        self.round()

    def marks(self) -> dict[int, int]:
        return {
            sheet.expiry_id << 16 | at: mark
            for sheet in self.arrays.round.sheets
            for at, mark in enumerate(sheet.marks)
        }

    def priced(self) -> tuple[int, bytes, bytes]:
        round_ = self.arrays.round
        return round_.round_id, calldata.sheet_hashes(round_), calldata.select_sheets(round_, set(EXPIRIES))

    def does(self, name: str, *args: object, shown: tuple[int, ...] | None = None, computed: bool = False) -> str:
        """What becomes of a call of Clearing, with arrays shown or without any."""
        clearing = self.venue.clearing
        data, to = clearing.interface.encode(name, *args), clearing.address
        if shown is not None:
            data = risk_words.with_arrays(data, to, self.arrays.shown, shown, computed=computed)
            to = self.venue.portfolio.address
        try:
            self.gas = self.venue.chain.transact(key("keeper"), to, data, gas=GAS).gas_used
        except Reverted as error:
            return str(error.reason)
        return "done"

    def sell(self, lots: dict[int, int], shown: tuple[int, ...] | None = None, **how: bool) -> str:
        """The seller sells to the maker at the marks, in one batch."""
        orders, trades, marks = [], [], self.marks()
        for series, qty in lots.items():
            trades.append(Trade(len(orders), len(orders) + 1, qty, marks[series], SPOT))
            orders += [
                self.venue.sign(self.venue.order(self.maker, series, qty, marks[series])),
                self.venue.sign(self.venue.order(self.seller, series, -qty, marks[series])),
            ]
        batch = self.venue.batch(orders, trades, self.arrays.round)
        return self.does("settle_signed", *self.venue.settle_args(batch), shown=shown, **how)

    def margin(self, player: Player, kind: Kind, shown: tuple[int, ...] | None = None) -> int | str:
        """What Clearing says."""
        clearing = self.venue.clearing
        args = (player.account, kind is Kind.INITIAL, *self.priced())
        data, to = clearing.interface.encode("margin_of", *args), clearing.address
        if shown is not None:
            data, to = (
                risk_words.with_arrays(data, to, self.arrays.shown, shown),
                self.venue.portfolio.address,
            )
        try:
            return int.from_bytes(self.venue.chain.call(to, data), "big", signed=True)
        except Reverted as error:
            return str(error.reason)

    def standard(self, positions: dict[int, int], kind: Kind) -> int:
        """The requirement of STANDARD, by the core."""
        marks, books = self.marks(), []
        for sheet in self.arrays.round.sheets:
            held = {series: qty for series, qty in positions.items() if series >> 16 == sheet.expiry_id}
            legs = tuple(Leg(qty, *self.venue.strikes[series], marks[series]) for series, qty in sorted(held.items()))
            books.append(ExpiryBook(sheet.spot, sheet.forward, sheet.conf, legs))
        return requirement(STANDARD, tuple(books), WAD, kind)

    def better(self, player: Player, kind: Kind) -> int:
        """Margin by the core under PORTFOLIO."""
        positions = self.venue.positions(player.account)
        needed = min(self.standard(positions, kind), self.arrays.needed(positions, kind))
        return self.venue.cash(player.account) - needed

    def appraisal(self) -> BetterAppraisal:
        marks, round_ = self.marks(), self.arrays.round
        series = {one: Priced(one >> 16, *self.venue.strikes[one], mark) for one, mark in marks.items()}
        sheets = {sheet.expiry_id: Underlay(sheet.spot, sheet.forward, sheet.conf) for sheet in round_.sheets}
        rules, confs = portfolio_rules(self.arrays.model), {sheet.expiry_id: sheet.conf for sheet in round_.sheets}
        market = PricedArrays(rules, self.arrays.risk, round_.spots[0].spot, confs)
        return BetterAppraisal(
            StandardAppraisal(STANDARD, series, sheets, WAD),
            PortfolioAppraisal({BTC: market}, dict.fromkeys(EXPIRIES, BTC), WAD),
        )


def _standard() -> tuple[int, ...]:
    return tuple(getattr(STANDARD, name) for name in STANDARD.__struct_fields__)


@pytest.fixture(scope="module")
def deployed() -> Desk:
    return Desk()


@pytest.fixture
def desk(deployed: Desk):
    arrays = deployed.arrays
    with deployed.venue.aside():
        yield deployed
    deployed.arrays = arrays


STRANGLE = {PUT: ONE, CALL: ONE}


def test_a_strangle_that_standard_refuses_settles_under_portfolio_once_the_choice_binds(desk: Desk):
    held = {series: -qty for series, qty in STRANGLE.items()}
    assert desk.arrays.needed(held, Kind.INITIAL) < 12_000 * USDC < desk.standard(held, Kind.INITIAL)
    assert desk.sell(STRANGLE) == "account_margin"
    assert desk.sell(STRANGLE, (PUT, CALL)) == "account_margin"
    desk.choose(desk.seller, 1)
    assert desk.venue.clearing.call("margin_model", desk.seller.account) == (0, 1, desk.venue.now + WINDOW)
    assert desk.sell(STRANGLE, (PUT, CALL)) == "account_margin"
    desk.bind()
    assert desk.venue.clearing.call("margin_model", desk.seller.account)[0] == 1
    assert desk.sell(STRANGLE) == "arrays_missing"
    assert desk.sell(STRANGLE, (PUT,)) == "arrays_missing"
    assert desk.sell(STRANGLE, (PUT, CALL)) == "done"
    assert desk.venue.positions(desk.seller.account) == held


def test_a_choice_taken_back_counts_until_the_window_is_over(desk: Desk):
    desk.choose(desk.seller, 1)
    desk.bind()
    desk.choose(desk.seller, 0)
    assert desk.sell({PUT: ONE // 2, CALL: ONE}, (PUT, CALL)) == "done"
    desk.bind()
    assert desk.sell({PUT: ONE // 2}, (PUT, CALL)) == "account_margin"
    assert desk.venue.refusal("maker", desk.venue.clearing, "choose_model", desk.seller.account, 1) == "only_owner"
    assert (
        desk.venue.refusal("seller", desk.venue.clearing, "choose_model", desk.seller.account, 2) == "parameter_range"
    )


def test_what_was_never_chosen_asks_for_no_arrays(desk: Desk):
    assert isinstance(desk.margin(desk.maker, Kind.INITIAL), int)
    desk.choose(desk.maker, 1)
    assert isinstance(desk.margin(desk.maker, Kind.INITIAL), int)


def test_margins_are_the_better_of_both_to_the_unit(desk: Desk):
    desk.choose(desk.seller, 1)
    desk.venue.deposit(desk.seller, 10**6 * USDC)
    desk.bind()
    draw = random.Random(5)
    seen = {True: 0, False: 0}
    for _ in range(12):
        with desk.venue.aside():
            lots = {series: draw.randrange(1, 3 * ONE) for series in draw.sample(SERIES, draw.randrange(1, 5))}
            assert desk.sell(lots, tuple(lots)) == "done"
            held = desk.venue.positions(desk.seller.account)
            for kind in Kind:
                assert desk.margin(desk.seller, kind, tuple(held)) == desk.better(desk.seller, kind)
                assert desk.margin(desk.seller, kind) == "arrays_missing"
                seen[desk.arrays.needed(held, kind) < desk.standard(held, kind)] += 1
    assert all(seen.values()), seen


def test_collateral_leaves_to_the_last_unit_of_the_better_model(desk: Desk):
    desk.choose(desk.seller, 1)
    desk.bind()
    assert desk.sell(STRANGLE, (PUT, CALL)) == "done"
    clearing, account = desk.venue.clearing, desk.seller.account

    def asked(amount: int, shown: tuple[int, ...] | None) -> tuple[int, str]:
        """What was free when it came to paying, and what became of it; the same moments each time."""
        with desk.venue.aside():
            desk.venue.send("seller", clearing, "request_withdrawal", account, amount)
            desk.bind()
            free = desk.better(desk.seller, Kind.INITIAL)
            return free, desk.does("finalise_withdrawal", account, *desk.priced(), shown=shown)

    free, _ = asked(1, None)
    assert free > 1000 * USDC
    assert asked(free, (PUT, CALL)) == (free, "done")
    assert asked(free, None) == (free, "arrays_missing")
    assert asked(free + 1, (PUT, CALL)) == (free, "account_margin")
    desk.venue.send("seller", clearing, "request_exit", account)
    desk.bind()
    left = desk.better(desk.seller, Kind.INITIAL)
    assert desk.does("finalise_exit", account, *desk.priced()) == "arrays_missing"
    assert desk.does("finalise_exit", account, *desk.priced(), shown=(PUT, CALL)) == "done"
    assert desk.venue.token.call("balanceOf", desk.seller.address) == left
    assert desk.better(desk.seller, Kind.INITIAL) == 0


def test_under_a_void_root_batches_go_on_from_computed_arrays(desk: Desk):
    desk.choose(desk.seller, 1)
    desk.bind()
    bad = desk.round(wrong=CALL)
    leaf = bad.leaves[CALL]
    words = [int.from_bytes(leaf[at : at + 32], "big") for at in range(0, len(leaf), 32)]
    place = list(bad.leaves).index(CALL)
    challenge = (bad.source(1), words, place, prove(bad.hashed, [place]))
    desk.venue.send("keeper", desk.risk.arrays, "challenge", *challenge)
    assert desk.sell(STRANGLE, (PUT, CALL)) == "commitment_void"
    for series in STRANGLE:
        desk.venue.send("keeper", desk.risk.arrays, "compute", bad.source(1), series)
    bad.leaves[CALL] = encode(bad.round_id, CALL, bad.risk.array(CALL).cells)
    assert desk.sell(STRANGLE, (PUT, CALL), computed=True) == "done"


def flagged(desk: Desk, keeper: Player) -> int:
    """The seller is flagged as soon as neither model covers its risk, and at no price before that, which is returned."""
    me, flag = desk.seller.account, ("flag_account", desk.seller.account, keeper.account)
    refused = 0
    for spot in range(61_000, 70_000, 250):
        desk.round(spot * USDC)
        holder, appraisal = Holder(me, desk.venue.cash(me), desk.venue.positions(me)), desk.appraisal()
        if covers(appraisal.standard, holder, Kind.MAINTENANCE):
            continue
        assert desk.does(*flag, *desk.priced()) == "arrays_missing"
        if not covers(appraisal, holder, Kind.MAINTENANCE):
            assert refused
            assert desk.does(*flag, *desk.priced(), shown=(PUT, CALL)) == "done"
            return spot
        assert desk.does(*flag, *desk.priced(), shown=(PUT, CALL)) == "account_covers"
        refused += 1
    raise AssertionError("no price is bad enough")


def test_an_account_under_portfolio_is_liquidated_by_the_same_arithmetic(desk: Desk):
    provider = desk.venue.open("provider", 10**6 * USDC)
    fund = desk.venue.open("fund", 10**5 * USDC)
    desk.venue.send("governor", desk.venue.clearing, "set_insurance", fund.account)
    desk.venue.send("governor", desk.venue.clearing, "set_provider", BTC, (WAD // 20) << 32 | provider.account)
    desk.choose(desk.seller, 1)
    desk.bind()
    assert desk.sell({PUT: ONE, CALL: ONE}, (PUT, CALL)) == "done"
    account = desk.seller.account
    short_of = flagged(desk, fund)
    desk.venue.chain.set_time(desk.venue.now + WINDOW)
    desk.round(short_of * USDC)
    terms = LiquidationTerms(*EXIT_TERMS[:4])
    me = Holder(account, desk.venue.cash(account), desk.venue.positions(account))
    one = Provider(Holder(provider.account, desk.venue.cash(provider.account), {}), WAD // 20, 1, 1)
    left = fast_exit(desk.appraisal(), terms, me, (one,), lambda _series: 1)
    assert left.transfers
    (ask,) = left.asks
    args = (account, ask.steps, ask.part, *desk.priced())
    assert desk.does("liquidate", *args) == "arrays_missing"
    if ask.steps:
        assert desk.does("liquidate", account, ask.steps - 1, *args[2:], shown=(PUT, CALL)) == "share_small"
    assert desk.does("liquidate", *args, shown=(PUT, CALL)) == "done"
    assert (desk.venue.cash(account), desk.venue.positions(account)) == (left.account.cash, left.account.positions)
    taken = left.providers[0].holder
    assert (desk.venue.cash(provider.account), desk.venue.positions(provider.account)) == (taken.cash, taken.positions)


def bought_back(desk: Desk, series: int, shown: tuple[int, ...] | None) -> tuple[str, int]:
    """What becomes of a batch in which the seller buys some of a series back, and what it costs."""
    mark = desk.marks()[series]
    orders = [
        desk.venue.sign(desk.venue.order(desk.maker, series, -ONE // 100, mark)),
        desk.venue.sign(desk.venue.order(desk.seller, series, ONE // 100, mark)),
    ]
    batch = desk.venue.batch(orders, [Trade(0, 1, ONE // 100, mark, SPOT)], desk.arrays.round)
    with desk.venue.aside():
        return desk.does("settle_signed", *desk.venue.settle_args(batch), shown=shown), desk.gas


@pytest.mark.parametrize("legs", [SERIES[::4], SERIES[:16], SERIES], ids=["scattered", "neighbours", "full"])
def test_the_machine_knows_what_showing_arrays_costs(desk: Desk, legs: tuple[int, ...]):
    """The seller is short of margin under both models, so both are asked twice: nothing costs more."""
    desk.venue.deposit(desk.seller, 10**7 * USDC)
    assert desk.sell(dict.fromkeys(legs, ONE)) == "done"
    with desk.venue.aside():
        plain = bought_back(desk, legs[-1], None)
    keep = desk.standard(dict.fromkeys(legs, -ONE), Kind.INITIAL) // 2
    desk.venue.send(
        "seller",
        desk.venue.clearing,
        "request_withdrawal",
        desk.seller.account,
        desk.venue.cash(desk.seller.account) - keep * 3,
    )
    desk.bind()
    assert desk.does("finalise_withdrawal", desk.seller.account, *desk.priced()) == "done"
    desk.choose(desk.seller, 1)
    desk.bind()
    desk.round(3 * SPOT)
    assert isinstance(margin := desk.margin(desk.seller, Kind.INITIAL, legs), int)
    assert margin < 0
    shown = bought_back(desk, legs[-1], legs)
    assert plain[0] == shown[0] == "done"
    groups = len({series >> 2 for series in legs})
    planned = budget.SHOWING_GAS + budget.PORTFOLIO_GAS + 4 * groups * budget.ARRAY_GAS
    assert shown[1] - plain[1] <= planned
