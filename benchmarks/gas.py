"""Gas per trade of settle_signed, for batches of 1, 8, 64 and 128 trades with every order's signature checked.

Runs on the embedded chain, whose gas is exact. Conditions are printed beside the numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "tests/contracts")]

from contract_venue import LOT, USDC, Player, Venue  # type: ignore[import-not-found]  # noqa: E402

from exchange import signing  # noqa: E402
from exchange.calldata import Entry, SignedOrder, SignedQuote, Trade, order_key, series_id  # noqa: E402
from exchange.core.commands import QuoteLeaf, QuoteMandate  # noqa: E402
from exchange.core.legs import Leg, Legs, pack  # noqa: E402
from exchange.signing import ComboOrder  # noqa: E402

ACCOUNTS = 32
SERIES = 8
RUNS = 4
PRICE = 700 * USDC
Workload = tuple[list[Entry], list[Trade]]


def make_venue() -> tuple[Venue, list[Player], list[int]]:
    """One expiry with eight series, and 32 funded accounts of as many wallets."""
    venue = Venue(vault_cap=10**18)
    expiry = venue.now // 1800 * 1800 + 48 * 1800
    strikes = (50_000, 55_000, 65_000, 70_000)
    expiry_id = venue.list(expiry, [(strike * USDC, is_call) for strike in strikes for is_call in (True, False)])
    venue.post(venue.round())
    players = [venue.open(f"trader {number}", 10**7 * USDC) for number in range(ACCOUNTS)]
    return venue, players, [series_id(expiry_id, index) for index in range(SERIES)]


class Flow:
    """Draws orders and trades; nonces of an account are dense, as the venue's clients make them."""

    def __init__(self, venue: Venue, players: Sequence[Player], series: Sequence[int]) -> None:
        self.venue, self.players, self.series = venue, players, series
        # Fill lanes are eight to a word; accounts stand at different places of theirs.
        self.nonces = {player: place % 8 for place, player in enumerate(players)}
        self.turn = 0

    def order(self, player: Player, series: int, quantity: int) -> SignedOrder:
        nonce = self.nonces[player]
        self.nonces[player] = nonce + 1
        signed: SignedOrder = self.venue.sign(self.venue.order(player, series, quantity, PRICE, nonce=nonce))
        return signed

    def combo(self, player: Player, of: Legs, units: int) -> SignedOrder:
        """An order for a combo at no price."""
        order = self.order(player, of[0].series, units).order
        fields = {name: getattr(order, name) for name in order.__struct_fields__ if name != "series"}
        signed: SignedOrder = self.venue.sign(ComboOrder(legs=pack(of), **(fields | {"limit_price": 0})))
        return signed

    def shared_makers(self, trades: int, more: int = 0) -> Workload:
        """One resting order for every four trades, as many takers as trades; of the resting orders ``more`` is left."""
        makers = max(1, trades // 4)
        orders: list[Entry] = []
        fills: list[Trade] = []
        for maker in range(makers):
            self.turn += 1
            side = 1 if self.turn % 2 else -1
            series = self.series[self.turn * 5 % len(self.series)]
            player = self.players[maker % ACCOUNTS]
            orders.append(self.order(player, series, side * (4 * LOT + more)))
            at = len(orders) - 1
            for taker in range(min(4, trades)):
                other = self.players[(maker + 1 + 7 * taker + self.turn) % (ACCOUNTS - 1)]
                if other is player:
                    other = self.players[ACCOUNTS - 1]
                orders.append(self.order(other, series, -side * LOT))
                fills.append(Trade(at, len(orders) - 1, LOT, PRICE, 60_000 * USDC))
        return orders, fills

    def distinct(self, trades: int) -> Workload:
        """Two orders of their own for every trade: the worst case."""
        orders: list[Entry] = []
        fills: list[Trade] = []
        for _ in range(trades):
            self.turn += 1
            series = self.series[self.turn * 3 % len(self.series)]
            buyer = self.players[self.turn * 7 % ACCOUNTS]
            seller = self.players[(self.turn * 7 + 1 + self.turn // ACCOUNTS) % ACCOUNTS]
            if buyer is seller:
                seller = self.players[(self.players.index(buyer) + 1) % ACCOUNTS]
            orders += [self.order(buyer, series, LOT), self.order(seller, series, -LOT)]
            fills.append(Trade(len(orders) - 2, len(orders) - 1, LOT, PRICE, 60_000 * USDC))
        return orders, fills


def combos(flow: Flow, executions: int, *, implied: bool) -> Workload:
    """So many orders for a spread, each against one of its own for it, or against an order for each of its two legs."""
    orders: list[Entry] = []
    fills: list[Trade] = []
    for _ in range(executions):
        flow.turn += 1
        first = flow.series[flow.turn % 3 * 2]
        of = (Leg(first, 1), Leg(first + 2, -1))
        taker, maker = flow.players[flow.turn % ACCOUNTS], flow.players[(flow.turn + 11) % ACCOUNTS]
        orders.append(flow.combo(taker, of, LOT))
        mine, at = len(orders) - 1, len(orders)
        if not implied:
            orders.append(flow.combo(maker, of, -LOT))
        else:
            orders += [flow.order(maker, leg.series, -leg.ratio * LOT) for leg in of]
        fills += [Trade(at + place * implied, mine, LOT, PRICE, 60_000 * USDC, LOT) for place in range(len(of))]
    return orders, fills


def strangers(venue: Venue, series: int, trades: int) -> Workload:
    """Two accounts that never traded before for every trade: the dearest batch there is."""
    orders: list[Entry] = []
    fills: list[Trade] = []
    for number in range(trades):
        for side in (1, -1):
            player = venue.open(f"stranger {number} {side}", 10**5 * USDC)
            orders.append(venue.sign(venue.order(player, series, side * LOT, PRICE)))
        fills.append(Trade(len(orders) - 2, len(orders) - 1, LOT, PRICE, 60_000 * USDC))
    return orders, fills


def quoted(venue: Venue, flow: Flow, mandates: int, fills: int) -> Workload:
    """So many fills of quotes of 256 leaves, each quote filled once, spread over so many mandates of as many makers."""
    orders: list[Entry] = []
    trades: list[Trade] = []
    for number in range(mandates):
        maker = flow.players[number % ACCOUNTS]
        leaves = tuple(QuoteLeaf(flow.series[at % SERIES], True, LOT, PRICE, 5_000, 100) for at in range(256))
        nonce = flow.nonces[maker]
        flow.nonces[maker] = nonce + 1
        root, proofs = signing.mandate_root(leaves), signing.mandate_proofs(leaves)
        unsigned = QuoteMandate(maker.account, nonce, venue.now + 3600, 10**9, 10**12, 10**9, 10**9, 10**6, b"", b"")
        signature = signing.sign(maker.key, signing.mandate_digest(venue.domain, unsigned, root))
        mandate = msgspec.structs.replace(unsigned, signature=signature)
        for turn in range(fills // mandates):
            place = 37 * turn % 256
            taker = flow.players[(number + 1 + turn) % ACCOUNTS]
            taker = taker if taker is not maker else flow.players[(number + 7) % ACCOUNTS]
            orders.append(SignedQuote(mandate, root, place, leaves[place], tuple(proofs[place])))
            orders.append(flow.order(taker, leaves[place].series, -LOT))
            trades.append(Trade(len(orders) - 2, len(orders) - 1, LOT, PRICE, 60_000 * USDC))
    return orders, trades


def settle(venue: Venue, work: Workload) -> tuple[int, int]:
    """Gas of a batch, and how many accounts it touched."""
    venue.post(venue.round())
    receipt = venue.settle(venue.batch(*work))
    return receipt.gas_used, len({order_key(entry)[0] for entry in work[0]})


Draw = Callable[[int], Workload]


def table(venue: Venue, draw: Draw, sizes: Sequence[int], name: str) -> None:
    """A row for each size, the mean of some batches."""
    for size in sizes:
        runs = [(work := draw(size), *settle(venue, work)) for _ in range(RUNS)]
        gas = sum(run[1] for run in runs) // RUNS
        print(f"{size:>6} {len(runs[-1][0][0]):>6} {runs[-1][2]:>8} {gas:>12,} {gas // size:>10,}  {name}")


def rows(venue: Venue, flow: Flow) -> None:
    """All workloads among accounts that hold positions."""
    table(venue, flow.shared_makers, (1, 8, 64, 128), "4 takers to a maker")
    table(
        venue,
        lambda size: flow.shared_makers(size, more=1),
        (128,),
        "4 takers to a maker, of whose order a part is left",
    )
    table(venue, flow.distinct, (1, 8, 64, 128), "all orders distinct")
    for mandates, fills in ((1, 64), (8, 64), (32, 32)):
        name = f"quotes under {mandates} new mandates of 256, each filled once"
        table(venue, lambda size, of=mandates: quoted(venue, flow, of, size), (fills,), name)  # type: ignore[misc]
    spreads = "executions of spreads of two legs, against "
    table(venue, lambda size: combos(flow, size, implied=False), (1, 8, 64), spreads + "spreads")
    table(venue, lambda size: combos(flow, size, implied=True), (1, 8, 64), spreads + "an order of each leg")


def main() -> None:
    """Print the table."""
    venue, players, series = make_venue()
    flow = Flow(venue, players, series)
    heartbeat = venue.settle(venue.batch([], [])).gas_used
    first_gas, _ = settle(venue, flow.shared_makers(128))
    for _ in range(3):
        settle(venue, flow.shared_makers(128))
    print(f"{ACCOUNTS} accounts, {SERIES} series of one expiry, positions held before; every order signed and checked")
    print(f"Embedded chain, Prague rules, intrinsic gas and calldata included; each row is the mean of {RUNS} batches")
    print(f"heartbeat (no orders): {heartbeat:,} gas")
    print(f"first touch, 128 trades: {first_gas:,} gas, {first_gas // 128:,} per trade")
    print(f"{'trades':>6} {'orders':>6} {'accounts':>8} {'gas':>12} {'per trade':>10}  workload")
    rows(venue, flow)
    for trades in (64, 80):
        work = strangers(venue, series[2], trades)
        gas, accounts = settle(venue, work)
        print(
            f"{trades:>6} {len(work[0]):>6} {accounts:>8} {gas:>12,} {gas // trades:>10,}  accounts that never traded"
        )


if __name__ == "__main__":
    main()
