"""Reconciliation finds each planted difference and gives it the right name."""

import copy

import msgspec
import pytest

from exchange.core import commands as c
from exchange.core.machine import apply
from replay.anchors import batch_roots
from replay.findings import Diverged
from replay.reconcile import Report, Verdict, reconcile


class Contracts:
    """Contracts that hold exactly what a mirror says, until someone changes them."""

    def __init__(self, state, roots=None):
        self.mirror = copy.deepcopy(state.mirror)
        self.roots = dict(roots or {})
        self.block = 7
        self.gift = 0

    async def head(self):
        return self.block

    async def action_id(self):
        return self.mirror.action_id

    async def batch_id(self):
        return self.mirror.batch_id

    async def vault_held(self):
        return self.mirror.vault

    async def vault_balance(self):
        return self.mirror.vault + self.gift

    async def account_cash(self, account):
        return self.mirror.cash.get(account, 0)

    async def positions(self, account):
        return {key: qty for key, qty in self.mirror.positions.get(account, {}).items() if qty}

    async def fixing(self, expiry_id):
        return self.mirror.fixings.get(expiry_id)

    async def anchor(self, batch_id):
        return self.roots.get(batch_id, bytes(32))


@pytest.fixture
def state(sample):
    """Before the end, with trades and batches still on their way."""
    moments = (sample.state_at(len(sample.records) * part // 20) for part in range(16, 0, -1))
    return next(found for found in moments if found.batches and found.first_unsealed < found.next_trade)


@pytest.fixture
def final(sample):
    """The end of the story: everything has settled."""
    return sample.state_at(len(sample.records))


def different(report: Report) -> list[tuple[str, int, Verdict]]:
    return [(item.what, item.key, item.verdict) for item in report.items if item.verdict is not Verdict.MATCHED]


async def test_equal_layers_match_in_every_item(final):
    report = await reconcile(final, Contracts(final))
    assert report.ok
    assert report.settled
    assert (report.seq, report.block) == (final.seq, 7)
    assert {item.what for item in report.items} >= {"action_id", "batch_id", "vault", "cash", "position", "fixing"}
    assert {item.key for item in report.items if item.what == "cash"} == set(range(8))
    assert {item.key for item in report.items if item.what == "fixing"} == {1, 2, 3}
    assert report.count(Verdict.MATCHED) == len(report.items)


async def test_what_is_under_way_is_late_and_in_order(state):
    report = await reconcile(state, Contracts(state))
    assert report.ok
    assert not report.settled
    batches = [("batch", batch_id, Verdict.LATE) for batch_id in state.batches]
    assert different(report) == [*batches, ("unsealed", 0, Verdict.LATE)]
    unsettled = sum(item.journal for item in report.items if item.what in {"batch", "unsealed"})
    assert unsettled == len(state.trades)


def _more_vault(mirror):
    mirror.vault += 1


def _less_cash(mirror):
    mirror.cash[3] -= 1


def _treasury(mirror):
    mirror.cash[0] = 0


def _other_position(mirror):
    held = mirror.positions[2]
    held[min(held)] += 1


def _no_position(mirror):
    held = mirror.positions[2]
    del held[min(held)]


def _strange_position(mirror):
    mirror.positions[2][3 << 16 | 99] = 5


def _no_fixing(mirror):
    mirror.fixings.clear()


def _other_fixing(mirror):
    mirror.fixings[1] += 1


def _strange_fixing(mirror):
    mirror.fixings[2] = 1


def _other_batch(mirror):
    mirror.batch_id -= 1


PLANTED = {
    "vault": (_more_vault, ("vault", 0, Verdict.MISMATCH)),
    "cash": (_less_cash, ("cash", 3, Verdict.MISMATCH)),
    "treasury": (_treasury, ("cash", 0, Verdict.MISMATCH)),
    "position": (_other_position, ("position", 2, Verdict.MISMATCH)),
    "position gone": (_no_position, ("position", 2, Verdict.MISSING)),
    "position unknown": (_strange_position, ("position", 2, Verdict.MISSING)),
    "fixing": (_other_fixing, ("fixing", 1, Verdict.MISMATCH)),
    "fixing gone": (_no_fixing, ("fixing", 1, Verdict.MISSING)),
    "fixing unknown": (_strange_fixing, ("fixing", 2, Verdict.MISSING)),
    "batch": (_other_batch, ("batch_id", 0, Verdict.MISMATCH)),
}


@pytest.mark.parametrize(("plant", "expected"), PLANTED.values(), ids=PLANTED)
async def test_a_planted_difference_is_found_and_nothing_else(final, plant, expected):
    contracts = Contracts(final)
    plant(contracts.mirror)
    report = await reconcile(final, contracts)
    assert different(report) == [expected]
    assert not report.ok
    assert next(item for item in report.items if item.verdict is not Verdict.MATCHED).sentence


@pytest.mark.parametrize(("plant", "expected"), PLANTED.values(), ids=PLANTED)
async def test_with_the_chain_ahead_a_difference_is_late(final, plant, expected):
    """The same differences may come of facts that are not final yet, and must be looked at again."""
    contracts = Contracts(final)
    plant(contracts.mirror)
    contracts.mirror.action_id += 2
    report = await reconcile(final, contracts)
    assert different(report) == [("action_id", 0, Verdict.LATE), (*expected[:2], Verdict.LATE)]
    assert report.ok
    assert not report.settled


@pytest.mark.parametrize(("plant", "expected"), PLANTED.values(), ids=PLANTED)
async def test_with_the_chain_behind_a_difference_was_reorganised_away(final, plant, expected):
    contracts = Contracts(final)
    plant(contracts.mirror)
    contracts.mirror.action_id -= 1
    report = await reconcile(final, contracts)
    assert different(report) == [("action_id", 0, Verdict.REORGED), (*expected[:2], Verdict.REORGED)]
    assert not report.ok


async def test_a_deposit_that_a_reorganisation_took_back_shows_in_vault_and_cash(final):
    contracts = Contracts(final)
    apply(final, final.seq + 1, final.time_ns, c.ObserveDeposit(final.mirror.action_id + 1, 5, 1_000_000))
    report = await reconcile(final, contracts)
    wrong = {(item.what, item.key) for item in report.items if item.verdict is Verdict.REORGED}
    assert wrong == {("action_id", 0), ("vault", 0), ("cash", 5)}


@pytest.mark.parametrize(("gift", "verdict"), [(5, Verdict.MATCHED), (-1, Verdict.MISMATCH)])
async def test_tokens_beyond_the_books_are_said_and_missing_ones_are_wrong(final, gift, verdict):
    """A gift belongs to the treasury and is no difference; a token that takes one unit back is."""
    contracts = Contracts(final)
    contracts.gift = gift
    report = await reconcile(final, contracts)
    (tokens,) = [item for item in report.items if item.what == "tokens"]
    assert (tokens.verdict, tokens.chain - tokens.journal) == (verdict, gift)
    assert str(abs(gift)) in tokens.sentence
    assert report.settled is (verdict is Verdict.MATCHED)


async def test_journal_roots_are_compared_with_what_batches_anchored(sample, final):
    roots = batch_roots(sample.path)
    assert roots.keys() == set(range(1, final.next_batch))
    contracts = Contracts(final, roots)
    report = await reconcile(final, contracts, roots)
    assert report.settled
    assert {item.key for item in report.items if item.what == "anchor"} == roots.keys()
    contracts.roots[2] = bytes(31) + b"\1"
    assert different(await reconcile(final, contracts, roots)) == [("anchor", 2, Verdict.MISMATCH)]


async def test_a_report_is_plain_data(final):
    report = await reconcile(final, Contracts(final))
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_roots_of_a_damaged_journal_are_refused(sample, tmp_path, edit):
    path = sample.copy(tmp_path)
    edit(path, ("DELETE FROM frame WHERE frame_no = 5", ()))
    with pytest.raises(Diverged):
        batch_roots(path)
