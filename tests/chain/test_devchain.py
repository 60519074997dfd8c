"""The embedded chain on its own: undo, history, the pool, time, and what it refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.shell import chain as errors
from exchange.shell.contract import deploy_local
from exchange.shell.devchain import GENESIS_TIME_S, DevChain
from exchange.shell.transactions import Payload, address_of, sign_transaction, transaction_hash

KEYS = [bytes([n]) * 32 for n in (1, 2, 3)]
RICH = {address_of(key): 10**21 for key in KEYS}
GWEI = 10**9


def fresh(**options):
    return DevChain(allocation=RICH, **options)


def signed(dev, key, to, data=b"", *, nonce, gas=200_000, max_fee=10**11, tip=GWEI, value=0):
    return sign_transaction(key, dev.chain_id, nonce, Payload(to, data, value, gas, max_fee, tip))


def world(dev):
    """Everything the machine remembers, without empty leftovers."""
    store = dev._machine.store
    return dict(store.accounts), {a: dict(s) for a, s in store.storage.items() if s}


def test_time_is_a_second_a_block_unless_told():
    dev = fresh()
    dev.mine(3)
    assert dev.head.time_s == GENESIS_TIME_S + 3
    dev.set_time(GENESIS_TIME_S + 1000)
    dev.mine()
    assert dev.head.time_s == GENESIS_TIME_S + 1001
    with pytest.raises(errors.ChainError, match="before"):
        dev.set_next_block_time(GENESIS_TIME_S)


def test_a_clock_leads_and_travel_shifts_it():
    now = GENESIS_TIME_S + 50
    dev = fresh(clock=lambda: now)
    dev.mine()
    assert dev.head.time_s == now
    dev.set_time(now + 3600)
    now += 10
    dev.mine()
    assert dev.head.time_s == now + 3600


def test_waiting_transactions_are_mined_in_nonce_order():
    dev = fresh(automine=False)
    to = b"\x99" * 20
    raws = [signed(dev, KEYS[0], to, nonce=nonce, value=1) for nonce in (2, 0, 1)]
    for raw in raws:
        dev.send_raw(raw)
    assert dev.nonce(address_of(KEYS[0]), "pending") == 3
    dev.mine()
    assert dev.head.tx_hashes == tuple(transaction_hash(raws[i]) for i in (1, 2, 0))
    assert dev.balance(to) == 3
    assert dev.balance(to, 0) == 0


def test_a_gap_waits_for_its_nonce():
    dev = fresh()
    second = signed(dev, KEYS[0], b"\x99" * 20, nonce=1)
    dev.send_raw(second)
    assert dev.receipt(transaction_hash(second)) is None
    assert dev.head.number == 0
    dev.send_raw(signed(dev, KEYS[0], b"\x99" * 20, nonce=0))
    assert dev.receipt(transaction_hash(second)).ok


def test_a_block_holds_no_more_gas_than_its_limit():
    dev = fresh(automine=False, gas_limit=100_000)
    for nonce in range(3):
        dev.send_raw(signed(dev, KEYS[0], b"\x99" * 20, nonce=nonce, gas=40_000))
    dev.mine()
    assert len(dev.head.tx_hashes) == 2
    dev.mine()
    assert len(dev.head.tx_hashes) == 1


def test_the_base_fee_follows_demand():
    dev = fresh(automine=False, gas_limit=200_000)
    data = b"\xff" * 4_400  # 197 k gas at the calldata floor
    fees = [dev.fees().base_fee]
    for nonce in range(3):
        dev.send_raw(signed(dev, KEYS[0], b"\x99" * 20, data, nonce=nonce))
        dev.mine()
        fees.append(dev.fees().base_fee)
    assert fees == sorted(fees)
    assert fees[-1] > fees[0]
    poor = signed(dev, KEYS[1], b"\x99" * 20, nonce=0, max_fee=fees[-1] - 1, tip=0)
    dev.send_raw(poor)
    dev.mine()
    assert dev.receipt(transaction_hash(poor)) is None  # it waits, and the empty block lowers the fee
    assert dev.fees().base_fee < fees[-1]
    dev.mine()
    assert dev.receipt(transaction_hash(poor)).gas_price == fees[-1] - fees[-1] // 8


def test_a_high_s_signature_is_refused():
    from eth.constants import SECPK1_N
    from rlp.codec import decode

    from exchange.shell.transactions import encode_rlp

    dev = fresh()
    fields = decode(signed(dev, KEYS[0], b"\x99" * 20, nonce=0)[1:])
    flipped = SECPK1_N - int.from_bytes(fields[11], "big")
    fields[9] = b"" if fields[9] else b"\x01"
    bent = b"\x02" + encode_rlp([*fields[:11], flipped])
    with pytest.raises(errors.MalformedTransaction, match="EIP-2"):
        dev.send_raw(bent)


def test_the_pool_is_bounded(monkeypatch):
    monkeypatch.setattr("exchange.shell.pool.POOL_SIZE_MAX", 2)
    dev = fresh(automine=False)
    for nonce in range(2):
        dev.send_raw(signed(dev, KEYS[0], b"\x99" * 20, nonce=nonce))
    with pytest.raises(errors.PoolFull):
        dev.send_raw(signed(dev, KEYS[0], b"\x99" * 20, nonce=2))
    with pytest.raises(errors.PoolFull):
        fresh().send_raw(signed(dev, KEYS[0], b"\x99" * 20, nonce=5000))


def test_old_state_is_forgotten_with_a_typed_error(monkeypatch):
    monkeypatch.setattr("exchange.shell.devchain.UNDO_BLOCKS_MAX", 4)
    dev = fresh()
    dev.mine(10)
    assert dev.balance(address_of(KEYS[0]), 8) == 10**21
    with pytest.raises(errors.StatePruned):
        dev.balance(address_of(KEYS[0]), 2)
    with pytest.raises(errors.StatePruned):
        dev.reorg(9)
    assert dev.head.number == 10
    with pytest.raises(errors.ChainError, match="cannot replace"):
        dev.reorg(11)


def test_a_failed_transaction_leaves_only_its_fee(marker):
    dev = fresh()
    contract = deploy_local(dev, KEYS[0], marker)
    before = world(dev)
    with pytest.raises(errors.Reverted, match="thirteen"):
        contract.send(KEYS[1], "mark", 13, gas=100_000)
    accounts, storage = world(dev)
    assert storage == before[1]
    changed = {a for a in accounts if accounts[a] != before[0].get(a)}
    assert changed == {address_of(KEYS[1]), bytes(20)}  # the sender and whoever collects tips


def test_ether_is_conserved_but_for_what_is_burnt(marker):
    dev = fresh()
    contract = deploy_local(dev, KEYS[0], marker)
    for key in KEYS:
        contract.send(key, "mark", 1)
    burnt = sum(dev.block(n).base_fee * dev.block(n).gas_used for n in range(1, dev.head.number + 1))
    held = sum(account.balance for account in dev._machine.store.accounts.values())
    assert held + burnt == sum(RICH.values())


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("mark"), st.integers(0, 2), st.integers(1, 20)),
        st.tuples(st.just("unmark"), st.integers(0, 2), st.integers(1, 20)),
        st.tuples(st.just("fund"), st.integers(0, 2), st.integers(10**21, 10**22)),
        st.tuples(st.just("travel"), st.just(0), st.integers(1, 10**6)),
    ),
    max_size=8,
)


def play(dev, contract, moves):
    for kind, who, number in moves:
        if kind == "fund":
            dev.fund(address_of(KEYS[who]), number)
        elif kind == "travel":
            dev.set_time(dev.head.time_s + number)
        elif not (kind == "mark" and number == 13):
            contract.send(KEYS[who], kind, number)


@settings(max_examples=40, deadline=None)
@given(before=MOVES, after=MOVES)
def test_stepping_back_restores_the_world_exactly(marker, before, after):
    dev = fresh()
    contract = deploy_local(dev, KEYS[0], marker)
    play(dev, contract, before)
    there, head = world(dev), dev.head
    saved = dev.snapshot()
    play(dev, contract, after)
    played = world(dev)
    if dev.head.number > head.number:  # by reorganisation: nothing put in the place of what is gone
        copies = [dev.balance(address_of(key), head.number) for key in KEYS]
        assert world(dev) == played  # reading the past disturbs nothing
        assert copies == [there[0][address_of(key)].balance for key in KEYS]
        dev.reorg(dev.head.number - head.number, new_blocks=0)
    assert world(dev) == there
    assert dev.head == head
    play(dev, contract, after)
    dev.revert(saved)
    assert world(dev) == there
    assert dev.head == head


@settings(max_examples=20, deadline=None)
@given(moves=MOVES, depth=st.integers(1, 8))
def test_the_same_transactions_on_another_branch_use_the_same_gas(marker, moves, depth):
    dev = fresh()
    contract = deploy_local(dev, KEYS[0], marker)
    play(dev, contract, [move for move in moves if move[0] in ("mark", "unmark")])
    depth = min(depth, dev.head.number - 1)
    if depth == 0:
        return
    fork = dev.head.number - depth
    old = [dev._blocks[n] for n in range(fork + 1, dev.head.number + 1)]
    remine = [(tx.encode(), i) for i, sealed in enumerate(old) for tx in sealed.transactions]
    before = world(dev)
    dev.reorg(depth, remine)
    new = [dev._blocks[n] for n in range(fork + 1, dev.head.number + 1)]
    assert [s.block.gas_used for s in new] == [s.block.gas_used for s in old]
    assert not {s.block.hash for s in new} & {s.block.hash for s in old}
    assert world(dev) == before
