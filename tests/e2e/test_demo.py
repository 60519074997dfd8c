"""The demonstration as a stranger runs it: one command, one JSON object, and thresholds that it must reach."""

import json
from pathlib import Path
from typing import Any

import pytest
from e2e_serve import audit, run_module

from exchange.shell.anvil import Anvil, AnvilUnavailable
from exchange.shell.recording import delivery_price

DEMO_S = 280.0


async def demo(journal: Path, *arguments: str) -> dict[str, Any]:
    """Run it on a new journal; the object it printed."""
    code, out, err = await run_module(
        "exchange", "demo", "--json", "--journal", str(journal), *arguments, timeout_s=DEMO_S
    )
    assert code == 0, err
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.mark.timeout(300)
async def test_the_demonstration_trades_settles_replays_and_reconciles(tmp_path: Path) -> None:
    journal = tmp_path / "demo.journal"
    told = await demo(journal)
    assert told["orders"] >= 1_000
    assert told["trades"] >= 200
    assert told["batches"] >= 5
    assert told["settled_trades"] == told["trades"]
    assert (told["replay_ok"], told["reconcile_ok"]) == (True, True)
    assert told["settlement_price"] == pytest.approx(63_486.06, rel=0.001)
    assert delivery_price() == 63_486_060_000
    assert 0 < told["gas_per_trade"] < 100_000
    assert told["pool_fills"] > 0
    assert told["journal"] == str(journal)
    assert journal.exists()


@pytest.mark.counts(soak=2)
async def test_one_seed_gives_one_digest(count: int, tmp_path: Path) -> None:
    """The whole run is a function of its seed: wallets, clock and chance are, and what is left is the machine."""
    for turn in range(count):
        digests = []
        for name, seed in (("first", turn), ("again", turn), ("other", turn + 1)):
            journal = tmp_path / f"{name} {turn}"
            await demo(journal, "--seed", str(seed))
            digests.append((await audit("verify", str(journal)))["final_digest"])
        first, again, other = digests
        assert first == again
        assert first != other


@pytest.mark.counts(soak=1)
async def test_the_demonstration_runs_on_a_node_whose_finality_is_far_behind(count: int, tmp_path: Path) -> None:
    """anvil as it comes: final is what lies 64 blocks back."""
    try:
        anvil = await Anvil.start()
    except AnvilUnavailable as error:
        pytest.skip(f"anvil: {error.reason}")
    async with anvil:
        for turn in range(count):
            told = await demo(tmp_path / str(turn), "--chain", anvil.url)
            assert told["settled_trades"] == told["trades"] >= 200
            assert (told["replay_ok"], told["reconcile_ok"]) == (True, True)


async def test_the_demonstration_leaves_a_journal_alone_that_is_already_there(tmp_path: Path) -> None:
    journal = tmp_path / "precious.journal"
    journal.write_bytes(b"not to be lost")
    code, out, err = await run_module("exchange", "demo", "--json", "--journal", str(journal))
    assert (code, out) == (2, "")
    assert f"{journal} exists" in err
    assert journal.read_bytes() == b"not to be lost"
    assert [path.name for path in tmp_path.iterdir()] == ["precious.journal"]
