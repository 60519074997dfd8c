"""Commands per second through ``apply`` alone: one process, one thread, no journal, no socket, no signature check.

Twenty accounts quote both sides of forty series, so that every book has depth; then they place, cancel, amend and take.
The traffic is drawn once from a seed by running a machine, so every command names what exists. Times are processor time
of the thread, so that neighbours on the machine count little. The yardstick of the same run is msgspec decoding and
encoding the same commands: what any engine behind a journal pays in any case.
`python -m benchmarks.machine [repeats] [commands]`
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable

from benchmarks import conditions, workload
from exchange import codec
from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.images import decode, digest, encode
from exchange.core.machine import apply
from exchange.core.state import State
from exchange.core.units import NO_EXPIRY, USDC_ONE

REPEATS = 7
COMMANDS = 60_000
SEED = 1
LEVELS = 12  # prices on each side that quotes are spread over
MAX_FEE = 100 * USDC_ONE
# Shares of the traffic in percent; places outnumber cancels because takers eat the rest.
MIX = {"place": 44, "cancel": 36, "amend": 8, "take": 12}


class Traffic:
    """Draws commands that the machine accepts, and applies each so that the next can follow from it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.chance = random.Random(SEED)
        self.nonces: Counter[int] = Counter()
        self.open: list[int] = []

    def quotes(self) -> None:
        """One bid and one ask of every account in every series."""
        for account in range(1, workload.ACCOUNTS + 1):
            for series in self.state.series:
                for is_buy in (True, False):
                    self._apply(self._place(account, series, is_buy=is_buy))

    def draw(self, count: int) -> list[c.AnyCommand]:
        """Traffic in the shares of ``MIX``."""
        kinds = self.chance.choices(list(MIX), list(MIX.values()), k=count)
        return [self._apply(getattr(self, f"_draw_{kind}")()) for kind in kinds]

    def _apply(self, command: c.AnyCommand) -> c.AnyCommand:
        events = apply(self.state, self.state.seq + 1, workload.START_NS, command)
        assert type(events[-1]) is not e.Rejected, (command, events)
        if type(events[-1]) is e.Rested and type(command) is c.Place:
            self.open.append(events[-1].order_id)
        return command

    def _draw_place(self) -> c.Place:
        account, series = self.chance.randint(1, workload.ACCOUNTS), self.chance.choice(list(self.state.series))
        return self._place(account, series, is_buy=self.chance.random() < 0.5)

    def _place(self, account: int, series: int, *, is_buy: bool) -> c.Place:
        away = self.chance.randint(1, LEVELS) * USDC_ONE
        price = self._centre(series) + (-away if is_buy else away)
        return c.Place(self._auth(account, series, is_buy, price, c.GTC, self.chance.randint(1, 50)))

    def _draw_cancel(self) -> c.Cancel:
        order_id = self._some_order(forget=True)
        return c.Cancel(self.state.orders[order_id].account, order_id)

    def _draw_amend(self) -> c.Amend:
        """Half of them shrink in place, half move to another price."""
        order = self.state.orders[self._some_order(forget=False)]
        replaces = self.state.auths[order.auth_id].auth.nonce + 1
        lots, price = order.qty // workload.LOT, order.price
        if self.chance.random() < 0.5:
            lots = max(lots - 1, order.filled // workload.LOT + 1)
        else:
            away = self.chance.randint(1, LEVELS) * USDC_ONE
            price = self._centre(order.series) + (-away if order.is_buy else away)
        return c.Amend(
            order.id, self._auth(order.account, order.series, order.is_buy, price, c.GTC, lots, replaces=replaces)
        )

    def _draw_take(self) -> c.Place:
        """Against the best price of a side, by somebody else than whoever stands first there."""
        while True:
            series, is_buy = self.chance.choice(list(self.state.series)), self.chance.random() < 0.5
            first = next(self.state.books[series].side(is_buy=not is_buy).orders(), None)
            if first is not None:
                account = first.account % workload.ACCOUNTS + 1
                return c.Place(self._auth(account, series, is_buy, first.price, c.IOC, self.chance.randint(1, 50)))

    def _centre(self, series: int) -> int:
        return (100 + 10 * (series & 0xFFFF)) * USDC_ONE

    def _some_order(self, *, forget: bool) -> int:
        while True:
            at = self.chance.randrange(len(self.open))
            order_id = self.open[at]
            if forget or order_id not in self.state.orders:
                self.open[at] = self.open[-1]
                self.open.pop()
            if order_id in self.state.orders:
                return order_id

    def _auth(
        self, account: int, series: int, is_buy: bool, price: int, tif: int, lots: int, *, replaces: int = 0
    ) -> c.Authorisation:
        nonce = self.nonces[account]
        self.nonces[account] = nonce + 1
        terms = (account, series, is_buy, lots * workload.LOT, price, MAX_FEE, tif, False, False, replaces, nonce)
        return c.Authorisation(*terms, NO_EXPIRY, account.to_bytes(20, "big"), bytes(65))


def rate(run: Callable[[], object], count: int, repeats: int) -> tuple[float, float]:
    """Best and median of ``count`` per second of processor time; what a repeat left behind is collected first."""
    taken = []
    for _ in range(repeats):
        gc.collect()
        begun = time.thread_time()
        run()
        taken.append(time.thread_time() - begun)
    return count / min(taken), count / statistics.median(taken)


class Machine:
    """The same traffic again and again, each time from the same state."""

    def __init__(self, image: bytes, traffic: list[c.AnyCommand]) -> None:
        self.image, self.traffic = image, traffic
        self.events: Counter[str] = Counter()

    def rates(self, repeats: int) -> tuple[float, float]:
        """Best and median; restoring the state is not counted."""
        found = [rate(self._run(decode(self.image)), len(self.traffic), 1)[0] for _ in range(repeats)]
        return max(found), statistics.median(found)

    def _run(self, state: State) -> Callable[[], None]:
        def run() -> None:
            seq, time_ns = state.seq, workload.START_NS
            for command in self.traffic:
                seq += 1
                apply(state, seq, time_ns, command)

        return run

    def look(self) -> State:
        """Once more without a watch: what happens, and where it ends."""
        state = decode(self.image)
        for command in self.traffic:
            events = apply(state, state.seq + 1, workload.START_NS, command)
            self.events.update(type(event).__name__ for event in events)
        return state


def transcode(traffic: list[c.AnyCommand]) -> Callable[[], None]:
    """The yardstick: the same commands through the codec, both ways."""
    raw = [codec.encode_command(command) for command in traffic]

    def run() -> None:
        for data in raw:
            codec.encode_command(codec.decode_command(data))

    return run


def main() -> None:
    """Measure and print, conditions first."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    count = int(sys.argv[2]) if len(sys.argv) > 2 else COMMANDS
    state = workload.machine_at(workload.draw(0))
    traffic = Traffic(state)
    traffic.quotes()
    image = encode(state)
    machine = Machine(image, traffic.draw(count))
    end = machine.look()
    assert digest(end) == digest(state)
    print("commands per second of processor time through exchange.core.machine.apply")
    conditions.show(
        f"{workload.ACCOUNTS} accounts, {len(state.series)} series; "
        f"{len(decode(image).orders):,} orders rest before and "
        f"{len(end.orders):,} after, {len(end.trades):,} trades",
        f"{count:,} commands of seed {SEED}: " + ", ".join(f"{share} % {kind}" for kind, share in MIX.items()),
        "events: " + ", ".join(f"{number:,} {name}" for name, number in machine.events.most_common()),
        f"{repeats} repeats, each from the same restored state, restoring not counted; collector on",
        f"digest at the end {digest(end).hex()[:16]}",
    )
    best, median = machine.rates(repeats)
    peer_best, peer_median = rate(transcode(machine.traffic), count, repeats)
    print(f"{'apply':<28} {best:>10,.0f} best {median:>10,.0f} median")
    print(f"{'msgspec decode and encode':<28} {peer_best:>10,.0f} best {peer_median:>10,.0f} median")
    print(f"{'apply / msgspec':<28} {best / peer_best:>10.3f} best {median / peer_median:>10.3f} median")
    show_thin(count, repeats)


def show_thin(count: int, repeats: int) -> None:
    """The same machine over thin books, with the mix that the durable benchmark journals."""
    day = workload.draw(count)
    light = Machine(encode(workload.machine_at(day)), day.trading)
    gc.collect()
    gc.freeze()
    best, median = light.rates(repeats)
    print(f"{'apply, thin books':<28} {best:>10,.0f} best {median:>10,.0f} median (the mix of benchmarks/workload.py)")


if __name__ == "__main__":
    main()
