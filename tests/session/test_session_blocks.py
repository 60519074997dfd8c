"""Block trades as their parties, and as anybody, ask for them: what is signed is rebuilt, what is told is the party's own."""

from typing import Any

import msgspec
import pytest

from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY, QTY_ONE
from exchange.dialect.channels import parse_channel
from exchange.publisher.notes import Note
from exchange.shell.wallet import block_params, sign_block

from .conftest import CALL, PUT, USDC, key_of

NAMES = {1 << 16 | 2: CALL, 1 << 16 | 3: PUT}
SERIES = {name: series for series, name in NAMES.items()}


@pytest.fixture
def blocks_venue(venue):
    """The venue of these tests, whose contracts settle blocks of one contract and more."""
    venue.state.config = msgspec.structs.replace(venue.state.config, blocks=True)
    venue.must(c.SetBlocks(0, QTY_ONE, "desk"))
    return venue


def block_of(nonce: int = 10**6, **terms: Any) -> c.Block:
    legs = (
        c.BlockLeg(SERIES[CALL], True, QTY_ONE, 500 * USDC),
        c.BlockLeg(SERIES[PUT], False, 2 * QTY_ONE, 700 * USDC),
    )
    fields = {"maker_max_fee": 10**9, "taker_max_fee": 10**9, "nonce": nonce, "expiry_s": NO_EXPIRY}
    return c.Block(1, 2, **({"legs": legs} | fields | terms))


def signatures(venue, block: c.Block) -> tuple[str, str]:
    domain = venue.publisher.venue.domain
    return sign_block(key_of(1), domain, block), sign_block(key_of(2), domain, block)


def params(venue, block: c.Block, role: str = "maker", *, both: bool = True) -> dict[str, Any]:
    own, other = signatures(venue, block) if role == "maker" else signatures(venue, block)[::-1]
    return plain(block_params(block, role, NAMES, own, other if both else ""))


def plain(sent: dict[str, Any]) -> dict[str, Any]:
    """With floats, as a careless client sends them."""
    trades = [trade | {name: float(trade[name]) for name in ("amount", "price")} for trade in sent["trades"]]
    return sent | {"trades": trades}


@pytest.mark.parametrize("role", ["maker", "taker"])
def test_either_party_trades_it_and_hears_its_own_side(trader, blocks_venue, role):
    block = block_of()
    party = trader(1 if role == "maker" else 2)
    assert party.ask("private/verify_block_trade", **params(blocks_venue, block, role, both=False))[
        "signature"
    ].startswith("0x")
    found = party.ask("private/execute_block_trade", **params(blocks_venue, block, role))
    assert found["id"] == f"BLOCK-{blocks_venue.state.seq}"
    first, second = found["trades"]
    assert (first["instrument_name"], first["amount"], first["price"]) == (CALL, 1.0, 500.0)
    assert (second["instrument_name"], second["amount"], second["price"]) == (PUT, 2.0, 700.0)
    assert first["direction"] == ("sell" if role == "maker" else "buy")
    assert second["direction"] == ("buy" if role == "maker" else "sell")
    assert {item["block_trade_id"] for item in found["trades"]} == {found["id"]}
    assert {item["block_trade_leg_count"] for item in found["trades"]} == {2}
    assert first["liquidity"] == ("M" if role == "maker" else "T")
    assert (first["fee"] == 0) == (role == "maker")
    assert blocks_venue.state.accounts[2].positions == {SERIES[CALL]: QTY_ONE, SERIES[PUT]: -2 * QTY_ONE}


def test_anybody_who_holds_both_signatures_may_ask_without_a_login(trader, blocks_venue):
    stranger = trader(1, logged_in=False)
    found = stranger.ask("public/x_submit_block_trade", **params(blocks_venue, block_of()))
    assert "fee" not in found["trades"][0]
    assert blocks_venue.state.accounts[1].positions[SERIES[CALL]] == -QTY_ONE


def test_a_stranger_without_both_signatures_reaches_no_journal(trader, blocks_venue):
    stranger, seq = trader(1, logged_in=False), blocks_venue.state.seq
    block = block_of()
    first, _ = signatures(blocks_venue, block)
    for other in (first, "0x" + "11" * 65, sign_block(key_of(2), blocks_venue.publisher.venue.domain, block_of(7))):
        code, _ = stranger.refused(
            "public/x_submit_block_trade", **plain(block_params(block, "maker", NAMES, first, other))
        )
        assert code == 10_000
    assert blocks_venue.state.seq == seq


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"nonce": 5}, "signer_must_be_authorised"),
        ({"taker_max_fee": 5}, "signer_must_be_authorised"),
        ({"queueable": True}, "signer_must_be_authorised"),
    ],
)
def test_what_differs_from_what_was_signed_is_refused(trader, blocks_venue, change, reason):
    sent = params(blocks_venue, block_of())
    sent["authorization"] |= change
    _, data = trader(1).refused("private/execute_block_trade", **sent)
    assert data["reason"] == reason


def test_a_signature_for_another_account_is_none_for_this(trader, blocks_venue):
    code, data = trader(2).refused("private/execute_block_trade", **params(blocks_venue, block_of()))
    assert (code, data["reason"]) == (13_021, "account_must_belong_to_login")


def test_verifying_and_simulating_tell_the_refusal_and_change_nothing(trader, blocks_venue):
    party, seq = trader(1), blocks_venue.state.seq
    small = block_of(legs=(c.BlockLeg(SERIES[CALL], True, 100, 500 * USDC),))
    for method in ("private/verify_block_trade", "private/simulate_block_trade"):
        _, data = party.refused(method, **params(blocks_venue, small, both=False))
        assert data["reason"] == "block_must_be_large"
    assert party.ask("private/simulate_block_trade", **params(blocks_venue, block_of(), both=False)) is True
    assert blocks_venue.state.seq == seq


def test_a_signature_that_was_withdrawn_trades_nothing(trader, blocks_venue):
    assert trader(2).ask("private/invalidate_block_trade_signature", nonce=10**6) == "ok"
    _, data = trader(1).refused("private/execute_block_trade", **params(blocks_venue, block_of()))
    assert data["reason"] == "nonce_must_be_fresh"


def test_parties_look_their_block_trades_up_and_nobody_else_does(trader, blocks_venue):
    maker, taker, other = trader(1), trader(2), trader(3)
    ids = [
        maker.ask("private/execute_block_trade", **params(blocks_venue, block_of(nonce)))["id"] for nonce in (9, 8, 7)
    ]
    assert [item["id"] for item in taker.ask("private/get_block_trades", currency="BTC")] == ids[::-1]
    assert [item["id"] for item in taker.ask("private/get_block_trades", currency="BTC", count=1)] == ids[2:]
    assert [item["id"] for item in taker.ask("private/get_block_trades", currency="BTC", end_id=ids[1])] == ids[:1]
    assert taker.ask("private/get_block_trades", currency="ETH") == []
    assert other.ask("private/get_block_trades") == []
    assert taker.ask("private/get_block_trade", id=ids[0])["id"] == ids[0]
    for name in ("BLOCK-x", "7", "BLOCK-99999"):
        assert taker.refused("private/get_block_trade", id=name)[0] == -32602
    assert other.refused("private/get_block_trade", id=ids[0])[0] == -32602


def test_channels_tell_everybody_of_the_trades_and_the_parties_of_their_fills(trader, blocks_venue):
    desk = blocks_venue.publisher
    for name, account in ((f"trades.{CALL}.raw", 0), (f"user.trades.{CALL}.raw", 1), (f"user.changes.{CALL}.raw", 2)):
        channel = parse_channel(name)
        assert channel is not None
        desk.watch(blocks_venue.state, channel, account)
    trader(1).ask("private/execute_block_trade", **params(blocks_venue, block_of()))
    told = [note for note in blocks_venue.notes if isinstance(note, Note)]
    public = next(note.item for note in told if note.account == 0)
    assert public["block_trade_id"] == f"BLOCK-{blocks_venue.state.seq}"
    assert public["direction"] == "buy"
    own = next(note.item for note in told if note.account == 1)
    assert (own["direction"], own["liquidity"], own["x_counterparty"]) == ("sell", "M", own["x_counterparty"])
    changes = next(note.item for note in told if note.account == 2)
    assert [trade["direction"] for trade in changes["trades"]] == ["buy"]
    assert changes["positions"][0]["size"] == 1.0


def test_a_block_moves_no_last_price_of_a_ticker(trader, blocks_venue):
    party = trader(1)
    party.ask("private/execute_block_trade", **params(blocks_venue, block_of()))
    ticker = party.ask("public/ticker", instrument_name=CALL)
    assert ticker["last_price"] is None
    assert ticker["open_interest"] == 1.0
