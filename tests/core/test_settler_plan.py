"""What the settler asks in the sequencer's turn costs little, however many quotes have filled."""

from typing import Any

import pytest
from core_quotes import TAKER, ask, bid, hit, quoted, wide_venue
from core_venue import Venue

from exchange import signing
from exchange.core import commands as c
from exchange.shell import settler


@pytest.fixture
def quoted_venue() -> Venue:
    """Three of the four quotes of one message have filled, and their batch is sealed."""
    venue, (first, second, *_) = wide_venue(2)
    venue.fund(TAKER, 10**7)
    quoted(venue, bid(first, 10, 5), bid(second, 10, 5), ask(first, 10, 60_000), ask(second, 10, 60_000))
    for series in (first, second, first):
        hit(venue, series, False, 1, 5)
    hit(venue, second, True, 1, 60_000)
    venue.must(c.SealBatch())
    return venue


class Hashed(Exception):
    """Something was hashed where nothing may be."""


def refuse(*_: Any) -> Any:
    raise Hashed


def test_planning_hashes_nothing(monkeypatch: pytest.MonkeyPatch, quoted_venue: Venue) -> None:
    """A tree over 256 quotes takes milliseconds, and a look comes five times a second."""
    for name in ("mandate_root", "mandate_proofs", "order_of"):
        monkeypatch.setattr(settler, name, refuse)
    monkeypatch.setattr(signing, "keccak", refuse)
    (job,) = [job for job in settler.plan(quoted_venue.state, 600) if job.batch is not None]
    assert job.batch is not None
    with pytest.raises(Hashed):
        settler.entries(job.batch)
    (known,) = [found for found in settler.plan(quoted_venue.state, 600, {job.key}) if found.key == job.key]
    assert known.batch is None


def test_one_mandate_has_one_tree(monkeypatch: pytest.MonkeyPatch, quoted_venue: Venue) -> None:
    roots: list[int] = []
    honest = settler.mandate_root

    def counted(leaves: tuple[c.QuoteLeaf, ...]) -> bytes:
        roots.append(len(leaves))
        return honest(leaves)

    monkeypatch.setattr(settler, "mandate_root", counted)
    (job,) = [job for job in settler.plan(quoted_venue.state, 600) if job.batch is not None]
    assert job.batch is not None
    shown = settler.entries(job.batch)
    assert sum(isinstance(entry, settler.calldata.SignedQuote) for entry in shown) == 3
    assert roots == [4]
