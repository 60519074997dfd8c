"""The watcher: finalised logs exactly once and in order, whatever the chain and the node do meanwhile."""

import asyncio
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.shell.anvil import Anvil, AnvilUnavailable
from exchange.shell.chain import ChainUnavailable
from exchange.shell.contract import deploy_local
from exchange.shell.devchain import DevChain
from exchange.shell.devnode import DevNode
from exchange.shell.rpc import RpcChain
from exchange.shell.transactions import address_of
from exchange.shell.watcher import FinalisedLogs, FinalityBroken, NewHead, Position, Reorged, Watcher

KEY = b"\x01" * 32
RICH = {address_of(KEY): 10**21}


def kinds(events, kind):
    return [event for event in events if isinstance(event, kind)]


async def steps(watcher, count=8):
    """Step until nothing comes any more."""
    found = []
    for _ in range(count):
        found += await watcher.step()
    return found


async def test_logs_arrive_once_they_are_final_and_only_once(node, marker):
    contract = await node.deploy(marker)
    start = (await node.chain.block()).number
    watcher = Watcher(node.chain, [contract.address], start)
    for what in (1, 2):
        await node.send(contract.address, contract.encode("mark", what))
    head = await node.chain.block()
    events = await steps(watcher)
    assert kinds(events, NewHead) == [NewHead(head)]
    assert [f.block.number for f in kinds(events, FinalisedLogs)] == [start]  # two blocks behind
    await node.controls.mine(2)
    events = await steps(watcher)
    marked = [contract.interface.event(log).args["what"] for f in kinds(events, FinalisedLogs) for log in f.logs]
    assert marked == [1, 2]
    assert kinds(await steps(watcher), FinalisedLogs) == []
    assert watcher.position == Position(head.number, head.hash)


async def test_a_reorganisation_is_reported_and_its_lost_logs_never_are(node, marker):
    contract = await node.deploy(marker)
    await node.controls.mine(2)
    watcher = Watcher(node.chain, [contract.address], 1)
    events = await steps(watcher)
    await node.send(contract.address, contract.encode("mark", 1))
    await node.send(contract.address, contract.encode("mark", 2))
    events = await steps(watcher)
    old = await node.chain.block()
    await node.controls.reorg(2, [])
    new = await node.chain.block()
    events = await steps(watcher)
    assert kinds(events, Reorged) == [Reorged(2, old, new)]
    assert watcher.reorgs == 1
    raw = await node.sign(contract.address, contract.encode("mark", 3))
    await node.chain.send_raw(raw)
    await node.controls.mine(3)
    events += await steps(watcher)
    marked = [contract.interface.event(log).args["what"] for f in kinds(events, FinalisedLogs) for log in f.logs]
    assert marked == [3]
    assert len(kinds(events, Reorged)) == 1


async def test_it_resumes_from_a_position(node, marker):
    contract = await node.deploy(marker)
    for what in range(1, 6):
        await node.send(contract.address, contract.encode("mark", what))
    await node.controls.mine(2)
    first = kinds(await steps(Watcher(node.chain, [contract.address], 0)), FinalisedLogs)
    for cut in range(len(first)):
        rest = kinds(await steps(Watcher(node.chain, [contract.address], first[cut].position)), FinalisedLogs)
        assert first[: cut + 1] + rest == first


async def test_broken_finality_is_not_survived(node, marker):
    contract = await node.deploy(marker)
    await node.controls.mine(6)
    watcher = Watcher(node.chain, [contract.address], 1)
    await steps(watcher)
    head = await node.chain.block()
    await node.controls.reorg(4)  # two deeper than final
    with pytest.raises(FinalityBroken) as broken:
        await steps(watcher)
    assert broken.value.number == head.number - 2
    # Nor when the position comes from an earlier run, and the node has gone on.
    await node.controls.mine(3)
    assert watcher.position is not None
    with pytest.raises(FinalityBroken):
        await steps(Watcher(node.chain, [contract.address], watcher.position))


async def test_catching_up_takes_ranges(monkeypatch):
    monkeypatch.setattr("exchange.shell.watcher._RANGE_MAX", 7)
    async with await DevNode.open() as dev:
        await dev.mine(30)
        found = kinds(await steps(Watcher(dev, [], 3)), FinalisedLogs)
        assert [f.block.number for f in found] == list(range(3, 31))


async def test_a_head_far_from_the_last_one_seen_is_followed(monkeypatch):
    monkeypatch.setattr("exchange.shell.watcher._BRANCH_MAX", 8)
    async with await DevNode.open(finality_depth=200) as dev:
        watcher = Watcher(dev, [], 0)
        await watcher.step()
        await dev.mine(50)
        assert kinds(await watcher.step(), Reorged) == []
        await dev.reorg(20)
        old = watcher.head
        (event,) = kinds(await watcher.step(), Reorged)
        assert event.old_head == old
        assert event.depth == 8  # at least: all it remembers
        await dev.reorg(5, new_blocks=2)
        (event,) = kinds(await watcher.step(), Reorged)
        assert (event.depth, event.new_head.number) == (5, 47)


# Random reorganisations, also between two questions of one step

MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.integers(1, 12)),
        st.tuples(st.just("mine"), st.integers(1, 4)),
        st.tuples(st.just("reorg"), st.integers(1, 6)),
        st.tuples(st.just("shrink"), st.integers(1, 6)),
        st.tuples(st.just("look"), st.just(0)),
    ),
    max_size=30,
)


class Meddled:
    """A chain that may change before each question is answered."""

    def __init__(self, dev, contract, moves, *, keeps_finality):
        self.dev, self.contract, self.moves, self.keeps_finality = dev, contract, list(moves), keeps_finality
        self.final_ever = 0
        self.quiet = False
        self.archive = {}  # every block that ever was, with its logs
        self.remember()

    def remember(self):
        for sealed in self.dev._blocks:
            self.archive.setdefault(sealed.block.hash, (sealed.block, sealed.logs))

    def move(self):
        kind, number = self.moves.pop(0)
        if kind == "mark":
            self.contract.send(KEY, "mark", number)
        elif kind == "mine":
            self.dev.mine(number)
        elif kind in ("reorg", "shrink"):
            depth = min(number, self.dev.head.number - (self.final_ever if self.keeps_finality else 1))
            if depth > 0:
                lost = self.dev._blocks[-depth:]
                remine = [(tx.encode(), i) for i, s in enumerate(lost) for tx in s.transactions if i % 2]
                self.dev.reorg(depth, remine, new_blocks=depth // 2 if kind == "shrink" else depth + number % 2)
        self.final_ever = max(self.final_ever, self.dev.number_of("finalized"))
        self.remember()

    def lineage(self, block):
        """The block and its ancestors, by hash."""
        found = [block.hash]
        while block.number:
            block = self.archive[block.parent_hash][0]
            found.append(block.hash)
        return found

    def meddle(self):
        while self.moves and not self.quiet:
            if self.moves[0][0] == "look":
                self.moves.pop(0)
                return
            self.move()

    async def block(self, block="latest"):
        self.meddle()
        return self.dev.block(block)

    async def blocks(self, first, last):
        found = []
        for number in range(first, last + 1):
            self.meddle()
            found.append(self.dev.block(number))
        return found

    async def logs(self, first, last, addresses):
        self.meddle()
        return self.dev.logs(first, last, addresses)


@settings(max_examples=150, deadline=None)
@given(moves=MOVES)
def test_exactly_once_under_any_reorganisation(marker, moves):
    dev = DevChain(allocation=RICH, finality_depth=4)
    contract = deploy_local(dev, KEY, marker)
    chain = Meddled(dev, contract, moves, keeps_finality=True)
    watcher = Watcher(chain, [contract.address], 0)

    async def watch():
        found = []
        while chain.moves:
            found += await watcher.step()
        chain.quiet = True
        dev.mine(5)
        return found + await steps(watcher)

    delivered = kinds(asyncio.run(watch()), FinalisedLogs)
    final = dev.number_of("finalized")
    assert [f.block for f in delivered] == [dev.block(n) for n in range(final + 1)]
    assert [log for f in delivered for log in f.logs] == dev.logs(0, final, [contract.address])


MEDDLING = st.lists(
    st.one_of(
        st.just(("look", 0)),
        st.just(("look", 0)),
        st.tuples(st.just("mark"), st.integers(1, 12)),
        st.tuples(st.sampled_from(["reorg", "shrink"]), st.integers(1, 8)),
    ),
    min_size=5,
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(moves=MEDDLING, finality_depth=st.integers(0, 1))
def test_what_is_said_of_a_block_is_true_of_it_even_when_finality_is_not_kept(marker, moves, finality_depth):
    dev = DevChain(allocation=RICH, finality_depth=finality_depth)
    contract = deploy_local(dev, KEY, marker)
    for what in range(20, 26):
        contract.send(KEY, "mark", what)
    chain = Meddled(dev, contract, moves, keeps_finality=False)
    watcher, events = Watcher(chain, [contract.address], 0), []

    async def watch():
        while chain.moves:
            events.extend(await watcher.step())
            branch = watcher._branch
            assert watcher.head is None or branch[watcher.head.number] == watcher.head
            assert all(a.hash == b.parent_hash for a, b in pairwise(branch.values()))

    with suppress(FinalityBroken):
        asyncio.run(watch())
    check_heads(chain, [event for event in events if not isinstance(event, FinalisedLogs)])
    delivered = kinds(events, FinalisedLogs)
    for event in delivered:
        assert event.logs == chain.archive[event.block.hash][1]
    assert all(a.block.hash == b.block.parent_hash for a, b in pairwise(delivered))


def check_heads(chain, events):
    """Each head either follows from the one before or is announced as a reorganisation of the right depth."""
    head, announced = None, None
    for event in events:
        if isinstance(event, Reorged):
            assert event.old_head == head
            announced = event
            continue
        gone = [] if head is None else [h for h in chain.lineage(head) if h not in chain.lineage(event.block)]
        assert (announced.depth if announced else 0) == len(gone)
        head, announced = event.block, None


# Nodes that go away


async def test_a_node_may_restart_and_lag(tmp_path, marker, key, node_type):
    """The same port, the same chain from its state file; the watcher waits, comes back, and repeats nothing."""
    state = tmp_path / "anvil.json"
    try:
        anvil = await Anvil.start(slots_in_an_epoch=1, state=state)
    except AnvilUnavailable as error:
        pytest.skip(f"anvil: {error.reason}")
    port = int(anvil.address.rpartition(":")[2])
    async with await RpcChain.open(anvil.ws_url, timeout_s=2) as chain:
        controls = await chain.dev_controls()
        await controls.fund(address_of(key), 10**20)
        node = node_type(chain, controls, key, "anvil")
        contract = await node.deploy(marker)
        watcher = Watcher(chain, [contract.address], 0, poll_s=0.02)
        for what in (1, 2):
            await node.send(contract.address, contract.encode("mark", what))
        seen = []

        async def follow():
            async for event in watcher.events():
                if isinstance(event, FinalisedLogs):
                    seen.extend(contract.interface.event(log).args["what"] for log in event.logs)
                if len(seen) == 4:
                    return

        following = asyncio.create_task(follow())
        await asyncio.sleep(0.1)
        await anvil.stop()
        with pytest.raises(ChainUnavailable):
            await chain.send_raw(b"\x02")  # never retried inside
        anvil = await Anvil.start(slots_in_an_epoch=1, state=state, port=port)
        async with anvil, asyncio.timeout(20):
            for what in (3, 4):
                await node.send(contract.address, contract.encode("mark", what))
            await controls.mine(2)
            await following
    assert seen == [1, 2, 3, 4]
