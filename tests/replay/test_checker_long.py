"""Long markets through the checker: nothing is found, and it remembers what is open, not what was."""

import asyncio
import json
from itertools import islice

import pytest

from benchmarks import long_market
from replay.__main__ import main
from replay.checker import Checker
from replay.frames import rare_collections

SLICE = 1_000


@pytest.mark.counts(short=20_000, soak=10_000_000)
def test_a_long_market_has_no_findings_and_leaves_nothing_behind(count):
    """Streamed from the machine, so that ten million records need no disk."""
    checker, source = Checker(), long_market.records(count)
    with rare_collections():
        while records := list(islice(source, SLICE)):
            checker.run(records)
            assert checker.ledger.violations == []
    report, ledger = checker.finish(), checker.ledger
    assert report.ok
    assert report.records == count
    assert report.trades > count // 10
    assert len(ledger.orders) < long_market.DEPTH + 1_000
    assert len(ledger.deadlines) <= 2 * len(ledger.orders) + 64
    assert sum(len(ladder.heap) for each in ledger.series.values() for ladder in (each.bids, each.asks)) < 20_000
    assert len(ledger.unsealed) <= 64
    assert sum(len(account.nonces) for account in ledger.accounts.values()) <= count // 256 + 20


@pytest.mark.counts(short=4_000, soak=1_000_000)
def test_a_long_journal_passes_on_the_command_line(count, tmp_path, capsys):
    path = tmp_path / "long.journal"
    asyncio.run(long_market.write(path, count))
    assert main(["check", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["records"]) == (True, count)
    assert set(told["taken"]) <= {"batch_cut", "fill_or_kill", "round"}
