"""Whatever players do in whatever order: no cash appears or vanishes, positions sum to zero, and a model agrees.

The model is written from the rules, not from the contracts: balances, positions, fees and claims as plain
dictionaries. After every step the sum of cash and claims equals the tokens in the vault.
"""

from __future__ import annotations

from fractions import Fraction

import msgspec
from contract_blocks import desk
from contract_combos import between, fees_of, implied, legs, moved, premium, signed_combo, value
from contract_drawing import PATIENCE, SOAK, drawn
from contract_venue import LOT, USDC, WINDOW, Player, Venue, address
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exchange import calldata
from exchange.calldata import SignedOrder, Trade
from exchange.core.commands import BlockLeg, FeeSchedule
from exchange.core.fees import maker_fee, taker_fee
from exchange.reverts import Revert

pytestmark = PATIENCE
INDEX = 60_000 * USDC
FEES = FeeSchedule(4 * 10**14, -(10**14), 125 * 10**15)
STRIKES = [(strike * USDC, is_call) for strike in (58_000, 60_000, 62_000) for is_call in (True, False)]
who = st.integers(0, 3)


class ClearingMachine(RuleBasedStateMachine):
    """Four players, two expiries, and everything that can be done on chain."""

    @initialize()
    def start(self) -> None:
        self.venue = Venue()
        self.players: list[Player] = []
        self.cash: dict[int, int] = {0: 0}
        self.outside: dict[int, int] = {}
        self.positions: dict[int, dict[int, int]] = {0: {}}
        self.requests: dict[int, tuple[int, int]] = {}
        self.exits: dict[int, int] = {}
        self.fixings: dict[int, int] = {}
        self.settled: dict[int, dict[int, None]] = {}
        self.orders: list[SignedOrder] = []
        self.gifts = self.income = 0
        for name in ("anna", "boris", "clara", "dmitri"):
            player = self.venue.open(name, 300_000 * USDC)
            self.players.append(player)
            self.cash[player.account] = 300_000 * USDC
            self.outside[player.account] = 0
            self.positions[player.account] = {}
        first = self.venue.now // 1800 * 1800 + 3600
        for expiry in (first, first + 3600):
            self.venue.list(expiry, STRIKES)
        self.venue.post(self.venue.round())

    # -- what players do ---------------------------------------------------------------------------------------

    @rule(at=who, amount=st.integers(1, 50_000 * USDC))
    def deposit(self, at: int, amount: int) -> None:
        player = self.players[at]
        self.venue.deposit(player, amount)
        self.cash[player.account] += amount

    @rule(
        fills=st.lists(
            st.tuples(
                who,
                st.integers(1, 3),
                st.integers(0, 1),
                st.integers(0, 5),
                st.integers(1, 4 * LOT),
                st.integers(1, 4_000),
            ),
            min_size=1,
            max_size=5,
        )
    )
    def trade(self, fills: list[tuple[int, int, int, int, int, int]]) -> None:
        """A batch of fills between players; refused as a whole when one of them cannot bear it."""
        venue = self.venue
        venue.post(venue.round())
        orders: list[SignedOrder] = []
        trades: list[Trade] = []
        for maker, step, expiry, index, quantity, dollars in fills:
            series = calldata.series_id(expiry + 1, index)
            side = 1 if dollars & 1 else -1
            buyer, seller = self.players[maker], self.players[(maker + step) % 4]
            price = dollars * USDC + 7
            orders.append(venue.sign(venue.order(buyer, series, side * quantity, price)))
            orders.append(venue.sign(venue.order(seller, series, -side * quantity, price)))
            trades.append(Trade(len(orders) - 2, len(orders) - 1, quantity, price, INDEX))
        batch = venue.batch(orders, trades)
        outcome = venue.settle_refusal(batch)
        if outcome == "accepted":
            for one in batch.trades:
                self._book(batch.orders[one.maker], batch.orders[one.taker], one)
            self.orders += orders
        else:
            assert outcome in {
                Revert.ACCOUNT_MARGIN,
                Revert.ACCOUNT_FROZEN,
                Revert.SERIES_EXPIRED,
                Revert.SHEET_MISSING,
            }

    def _book(self, maker: SignedOrder, taker: SignedOrder, one: Trade) -> None:
        premium = one.price * one.quantity // 10**4
        taker_pays = taker_fee(FEES, one.index, one.price, one.quantity)
        maker_pays = maker_fee(FEES, one.index, one.price, one.quantity, taker_pays)
        for signed, fee in ((maker, maker_pays), (taker, taker_pays)):
            side = 1 if signed.order.is_buy else -1
            account = signed.order.account
            self.cash[account] -= side * premium + fee
            self.cash[0] += fee
            held = self.positions[account]
            held[signed.order.series] = held.get(signed.order.series, 0) + side * one.quantity
            if not held[signed.order.series]:
                del held[signed.order.series]

    @rule(
        maker=who,
        step=st.integers(1, 3),
        indices=st.lists(st.integers(0, 5), min_size=2, max_size=4, unique=True),
        ratios=st.lists(st.integers(-3, 3).filter(bool), min_size=4, max_size=4),
        dollars=st.lists(st.integers(0, 4_000), min_size=4, max_size=4),
        units=st.integers(1, LOT),
        rests=st.booleans(),
        is_buy=st.booleans(),
    )
    def trade_combo(self, maker, step, indices, ratios, dollars, units, rests, is_buy) -> None:
        """An execution of a combo, against another order for it or against orders of its legs."""
        venue = self.venue
        venue.post(venue.round())
        of = legs(*zip((calldata.series_id(1, index) for index in sorted(indices)), (1, *ratios), strict=False))
        prices = [price * USDC + 7 for price in dollars[: len(of)]]
        side, taker, other = 1 if is_buy else -1, self.players[(maker + step) % 4], self.players[maker]
        combo = signed_combo(venue, taker, of, side * units, value(of, prices))
        if rests:
            against = signed_combo(venue, other, of, -side * units, value(of, prices))
            batch = venue.batch([against, combo], between(of, 0, 1, units, prices))
        else:
            batch = implied(venue, of, combo, [other] * len(of), units, prices)
        outcome = venue.settle_refusal(batch)
        if outcome == "accepted":
            rest, taken, resting = fees_of(of, units, prices)
            paid = premium(of, units, prices)
            self._book_combo(taker, moved(of, side * units), side * paid, taken)
            self._book_combo(other, moved(of, -side * units), -side * paid, resting if rests else sum(rest))
        else:
            assert outcome in {
                Revert.ACCOUNT_MARGIN,
                Revert.ACCOUNT_FROZEN,
                Revert.SERIES_EXPIRED,
                Revert.SHEET_MISSING,
            }

    def _book_combo(self, player: Player, change: dict[int, int], pays: int, fee: int) -> None:
        self.cash[player.account] -= pays + fee
        self.cash[0] += fee
        held = self.positions[player.account]
        for series, quantity in change.items():
            held[series] = held.get(series, 0) + quantity
            if not held[series]:
                del held[series]

    @rule(
        maker=who,
        step=st.integers(1, 3),
        trades=st.lists(
            st.tuples(st.integers(0, 11), st.booleans(), st.integers(1, 4 * LOT), st.integers(1, 4_000)),
            min_size=1,
            max_size=4,
            unique_by=lambda trade: trade[0],
        ),
        alone=st.booleans(),
    )
    def trade_block(self, maker: int, step: int, trades: list[tuple[int, bool, int, int]], alone: bool) -> None:
        """What two agreed on, in a batch of its own or without the operator; once, whatever becomes of it."""
        venue, parties = self.venue, (self.players[maker], self.players[(maker + step) % 4])
        venue.post(venue.round())
        agreed = desk(
            venue,
            *parties,
            *(
                BlockLeg(calldata.series_id(1 + at // 6, at % 6), is_buy, quantity, dollars * USDC + 7)
                for at, is_buy, quantity, dollars in sorted(trades)
            ),
        )
        outcome = agreed.queue_refusal() if alone else agreed.settle_refusal()
        if alone and outcome == "accepted":
            venue.chain.set_time(venue.now + WINDOW)
            venue.post(venue.round())
            outcome = agreed.trade_refusal()
        if outcome == "accepted":
            self._book_block(agreed.block.legs, *parties)
            assert agreed.settle_refusal() == Revert.BLOCK_NONCE
        else:
            assert outcome in {
                Revert.ACCOUNT_MARGIN, Revert.ACCOUNT_FROZEN, Revert.SERIES_EXPIRED, Revert.SHEET_MISSING,
                Revert.BLOCK_BAND,
            }  # fmt: skip

    def _book_block(self, of: tuple[BlockLeg, ...], maker: Player, taker: Player) -> None:
        for leg in of:
            side, paid = 1 if leg.is_buy else -1, leg.price * leg.qty // LOT
            taker_pays = taker_fee(FEES, INDEX, leg.price, leg.qty)
            maker_pays = max(maker_fee(FEES, INDEX, leg.price, leg.qty, taker_pays), 0)
            self._book_combo(taker, {leg.series: side * leg.qty}, side * paid, taker_pays)
            self._book_combo(maker, {leg.series: -side * leg.qty}, -side * paid, maker_pays)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """A filled order cannot be filled again."""
        venue = self.venue
        venue.post(venue.round())
        old = data.draw(st.sampled_from(self.orders))
        order = old.order
        other = self.players[0] if self.players[0].account != order.account else self.players[1]
        against = venue.sign(
            venue.order(other, order.series, order.quantity * (-1 if order.is_buy else 1), order.limit_price)
        )
        batch = venue.batch([old, against], [Trade(0, 1, order.quantity, order.limit_price, INDEX)])
        assert venue.settle_refusal(batch) in {
            Revert.ORDER_OVERFILLED, Revert.SERIES_EXPIRED, Revert.ACCOUNT_FROZEN, Revert.ORDER_EXPIRED,
            Revert.ORDER_CANCELLED,
        }  # fmt: skip

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self.orders)).order
        owner = self.venue.accounts[order.account]
        self.venue.send(
            owner, self.venue.clearing, "cancel_nonces", order.account, order.nonce >> 8, 1 << (order.nonce & 255)
        )

    @rule(at=who, amount=st.integers(1, 400_000 * USDC))
    def request(self, at: int, amount: int) -> None:
        player = self.players[at]
        outcome = self.venue.refusal(player.name, self.venue.clearing, "request_withdrawal", player.account, amount)
        assert outcome == (Revert.WITHDRAWAL_PENDING if player.account in self.requests else "accepted")
        if outcome == "accepted":
            self.requests[player.account] = (amount, self.venue.clearing.call("account_state", player.account)[5])

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def call_off(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(sorted(self.requests)))
        self.venue.send(self.venue.accounts[account], self.venue.clearing, "cancel_withdrawal", account)
        del self.requests[account]

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def finalise(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(sorted(self.requests)))
        amount, effective = self.requests[account]
        proof = self._proof()
        outcome = self.venue.refusal("keeper", self.venue.clearing, "finalise_withdrawal", account, *proof)
        if outcome == "accepted":
            self._paid(account, amount)
            del self.requests[account]
        elif outcome == Revert.WITHDRAWAL_EARLY:
            assert self.venue.now < effective
        else:
            assert outcome in {Revert.ACCOUNT_MARGIN, Revert.SHEET_MISSING}

    @rule(at=who)
    def leave(self, at: int) -> None:
        player = self.players[at]
        outcome = self.venue.refusal(player.name, self.venue.clearing, "request_exit", player.account)
        assert outcome == (Revert.EXIT_PENDING if player.account in self.exits else "accepted")
        self.exits.setdefault(player.account, self.venue.clearing.call("account_state", player.account)[2])

    @precondition(lambda self: self.exits)
    @rule(data=st.data(), stay=st.booleans())
    def finish_leaving(self, data: st.DataObject, stay: bool) -> None:
        account = data.draw(st.sampled_from(sorted(self.exits)))
        if stay:
            self.venue.send(self.venue.accounts[account], self.venue.clearing, "clear_exit", account)
            del self.exits[account]
            return
        proof = self._proof()
        outcome = self.venue.refusal("keeper", self.venue.clearing, "finalise_exit", account, *proof)
        if outcome == "accepted":
            paid = self.venue.token.call("balanceOf", address(self.venue.accounts[account])) - self.outside[account]
            assert paid >= 0
            self._paid(account, paid)
            self.requests.pop(account, None)
            if not self.positions[account]:
                assert self.cash[account] <= 0
                del self.exits[account]
        else:
            assert outcome in {Revert.EXIT_EARLY, Revert.NOTHING_FREE, Revert.SHEET_MISSING}

    def _proof(self) -> tuple[int, bytes, bytes]:
        self.venue.post(self.venue.round())
        batch = self.venue.batch([], [])
        return batch.header.round_id, batch.hashes, batch.sheets

    def _paid(self, account: int, amount: int) -> None:
        self.cash[account] -= amount
        self.outside[account] += amount

    # -- what anybody may do with the venue's income ------------------------------------------------------------

    @rule()
    def remit(self) -> None:
        """Settled fees leave for the treasury: all of them, and nothing when there are none."""
        outcome = self.venue.refusal("keeper", self.venue.clearing, "remit_fees")
        assert outcome == ("accepted" if self.cash[0] else Revert.NOTHING_OWED)
        self.income += self.cash[0]
        self.cash[0] = 0

    @rule(amount=st.integers(1, 10 * USDC))
    def send_straight_to_the_vault(self, amount: int) -> None:
        self.venue.send("third", self.venue.token, "mint", self.venue.vault.address, amount)
        self.gifts += amount

    @rule()
    def skim(self) -> None:
        outcome = self.venue.refusal("keeper", self.venue.vault, "skim")
        assert outcome == ("accepted" if self.gifts else Revert.NOTHING_OWED)
        self.income += self.gifts
        self.gifts = 0

    # -- what time does ----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((1, 30, WINDOW, 600)))
    def wait(self, seconds: int) -> None:
        self.venue.chain.set_time(self.venue.now + seconds)

    @rule(expiry_id=st.integers(1, 2), dollars=st.integers(50_000, 70_000), odd=st.integers(0, USDC - 1))
    def fix(self, expiry_id: int, dollars: int, odd: int) -> None:
        if expiry_id in self.fixings or self.venue.now > self.venue.expiries[expiry_id] - 1801:
            return
        self.venue.fix_at(expiry_id, dollars * USDC + odd)
        self.fixings[expiry_id] = dollars * USDC + odd
        self.settled[expiry_id] = {}

    @precondition(lambda self: self.fixings)
    @rule(data=st.data())
    def settle_expiry(self, data: st.DataObject) -> None:
        expiry_id = data.draw(st.sampled_from(sorted(self.fixings)))
        accounts = data.draw(st.lists(st.sampled_from([0, *(player.account for player in self.players)]), max_size=4))
        outcome = self.venue.refusal("keeper", self.venue.clearing, "settle_expiry", expiry_id, accounts)
        if outcome != "accepted":
            assert outcome == Revert.EXPIRY_EARLY
            return
        for account in accounts:
            value = self._claim(account, expiry_id)
            self.cash[account] += value.numerator // value.denominator
            held = self.positions[account]
            self.positions[account] = {s: q for s, q in held.items() if s >> 16 != expiry_id}
        # Whole units of what rounding left over are the treasury's at once; the model reads how many.
        self.cash[0] = self.venue.cash(0)

    def _claim(self, account: int, expiry_id: int) -> Fraction:
        """Exact payoff of an account in a fixed expiry."""
        fixing = self.fixings[expiry_id]
        total = 0
        for series, quantity in self.positions[account].items():
            if series >> 16 == expiry_id:
                strike, is_call = self.venue.strikes[series]
                total += quantity * max(fixing - strike if is_call else strike - fixing, 0)
        return Fraction(total, 10**4)

    # -- what must hold ----------------------------------------------------------------------------------------

    @invariant()
    def the_ledger_is_the_models(self) -> None:
        expected = {account: (self.cash[account], self.positions[account]) for account in self.cash}
        assert self.venue.ledger() == expected

    @invariant()
    def cash_and_claims_are_the_tokens_in_the_vault(self) -> None:
        tokens = Fraction(self.venue.vault.call("held"))
        claims = sum(self._claim(account, expiry_id) for account in self.cash for expiry_id in self.fixings)
        dust = sum(Fraction(self.venue.clearing.call("dust_of", expiry_id), 10**4) for expiry_id in self.fixings)
        assert sum(self.cash.values()) + claims + dust == tokens
        assert self.venue.token.call("balanceOf", self.venue.vault.address) == tokens + self.gifts
        assert self.venue.token.call("balanceOf", self.venue.treasury.address) == self.income

    @invariant()
    def positions_sum_to_zero(self) -> None:
        """For each series; while an expiry is being settled, holders that were paid have left the sum."""
        for series in self.venue.strikes:
            if series >> 16 not in self.fixings:
                assert sum(held.get(series, 0) for held in self.positions.values()) == 0

    @invariant()
    def the_venue_earns_nothing_it_should_not(self) -> None:
        assert self.cash[0] >= 0

    @invariant()
    def holders_are_counted(self) -> None:
        for expiry_id in self.venue.expiries:
            holders = sum(any(s >> 16 == expiry_id for s in held) for held in self.positions.values())
            assert self.venue.clearing.call("expiry_state", expiry_id)[2] == holders


ClearingMachine.TestCase.settings = drawn(20, stateful_step_count=60 if SOAK else 25)
TestConservation = ClearingMachine.TestCase


def test_everything_can_leave_in_the_end(market):
    """After trading, expiry and settlement every token goes home; the treasury keeps its fees."""
    venue = market.venue
    players = (market.maker, market.taker, market.third)
    for place, series in enumerate((*market.calls, *market.puts)):
        buyer, seller = players[place % 3], players[(place + 1) % 3]
        venue.settle(venue.cross(buyer, seller, series, 1 + place * 777, 1_001 * USDC + 1))
    venue.fix_at(market.expiry_id, 61_234 * USDC + 567_891)
    venue.chain.set_time(venue.now + WINDOW + 2)
    venue.send("keeper", venue.clearing, "settle_expiry", market.expiry_id, [p.account for p in players])
    for player in players:
        venue.send(player.name, venue.clearing, "request_exit", player.account)
    venue.chain.set_time(venue.now + WINDOW)
    for player in players:
        venue.send("keeper", venue.clearing, "finalise_exit", player.account, 0, b"", b"")
        assert venue.clearing.call("account_state", player.account)[1:] == (0, 0, 0, 0, 0)
    assert venue.token.call("balanceOf", venue.vault.address) == venue.cash(0) > 0
    assert msgspec.structs.asdict(SignedOrder(venue.order(market.maker, market.call, 1, 1), b""))["signature"] == b""
