"""The operator's messages: signed by its key, without a login, and refused from anybody else before they are journaled."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exchange.core import commands as c
from exchange.core.breakers import Status
from exchange.core.units import NO_EXPIRY, WAD
from exchange.dialect.operations import params_of_operation
from exchange.shell.wallet import sign_operation
from exchange.signing import address_of, from_hex

from .conftest import CALL, OPERATOR_KEY, PUT

INDEX = {"index_name": "btc_usdc"}


def asked(
    trader: Any, operation: c.Operation, key: bytes = OPERATOR_KEY, nonce: int = 1, **subject: Any
) -> dict[str, Any]:
    """Parameters of a command under a signature."""
    domain = trader.venue.publisher.venue.domain
    said = params_of_operation(operation, subject)
    said = {name: float(value) if isinstance(value, Decimal) else value for name, value in said.items()}
    return said | {"authorization": sign_operation(key, domain, operation, nonce)}


def operations(venue: Any) -> list[tuple[c.Operation, dict[str, Any]]]:
    """One of each kind, as the venue journals them, with what each is about."""
    series, operator = venue.publisher.listed[CALL].series, venue.publisher.venue.operator
    expiry = {"expiration_timestamp": venue.state.series[series].expiry_s * 1_000}
    ends_s = venue.time_ns // 10**9 + 60
    return [
        (c.SetTrading(False, "drill"), {}),
        (c.SetTrading(True, "over", 60), {}),
        (c.SetPhase(c.SERIES, series, c.AUCTION, ends_s, 300, "call", operator), {"instrument_name": CALL}),
        (c.SetPhase(c.EXPIRY, series >> 16, c.HALTED, 0, 0, "stop", operator), INDEX | expiry),
        (c.SetPhase(c.UNDERLYING, 0, c.CONTINUOUS, 0, 0, "go", operator), INDEX),
        (c.SetAuctions(0, 60, 30, 2, WAD // 10, WAD // 100, WAD // 20, operator), INDEX),
        (c.SetBands(0, WAD // 10, WAD // 2, WAD // 50, operator), INDEX),
        (c.SetFeed(0, 60, WAD // 2, WAD // 100, 6, 3 * WAD // 2, operator), INDEX),
        (c.SetBreaker(c.UNDERLYING, 0, Status.HALTED, 0, "odd", operator), INDEX),
        (c.SetBreaker(c.UNDERLYING, 0, Status.NORMAL, 60, "over", operator), INDEX),
        (c.SetBreaker(0, 0, Status.CANCEL_ONLY, 0, "odd", operator), {}),
        (c.CommitIdentity(1, c.CLIENT, b"c" * 32, operator), {}),
        (c.SetReference(c.VENUE, 0, "mic", "XTST", 0, "", operator), {}),
        (c.SetReference(c.UNDERLYING, 0, "dti", "4H95J0R2X", 0, "", operator), INDEX),
        (c.SetReference(c.SERIES, series, "isin", "US0378331005", 0, "listed", operator), {"instrument_name": CALL}),
        (c.PullKill(c.KILL_ACCOUNT, 1, b"", from_hex(operator), "odd"), {}),
        (c.PullKill(c.KILL_OWNER, 0, venue.state.accounts[1].owner, from_hex(operator), "odd"), {}),
        (c.ReleaseKill(c.KILL_ACCOUNT, 1, b"", from_hex(operator), ""), {}),
        (c.PullKill(c.KILL_VENUE, 0, b"", from_hex(operator), "all"), {}),
    ]


def test_every_command_arrives_as_it_was_signed_and_is_journaled_with_its_warrant(trader, venue):
    stranger = trader(1, logged_in=False)
    for nonce, (operation, subject) in enumerate(operations(venue), 1):
        reply = stranger.ask("public/x_operate", **asked(stranger, operation, nonce=nonce, **subject))
        command = venue.outcomes[-1].command
        assert (reply["seq"], reply["receipt"]["seq"]) == (venue.state.seq, venue.state.seq)
        assert command.operation == operation
        assert (command.warrant.nonce, command.warrant.signer) == (nonce, address_of(OPERATOR_KEY))
    assert stranger.ask("public/status")["x_operator_nonce"] == nonce


def test_an_instrument_that_is_stopped_takes_no_orders_and_says_so(trader, venue):
    maker = trader(1)
    operation = c.SetPhase(
        c.SERIES, venue.publisher.listed[CALL].series, c.HALTED, 0, 0, "stop", venue.publisher.venue.operator
    )
    maker.ask("public/x_operate", **asked(maker, operation, instrument_name=CALL))
    assert maker.ask("public/ticker", instrument_name=CALL)["x_phase"] == "halted"
    assert maker.refused("private/buy", **maker.order(CALL, 0.1, 500, is_buy=True))[0] == 10012
    assert maker.buy(PUT, 0.1, 300)["order"]["order_state"] == "open"


def test_a_market_that_only_reduces_says_so_and_takes_only_that(trader, venue):
    maker, taker = trader(1), trader(2)
    maker.sell(CALL, 0.1, 500)
    taker.buy(CALL, 0.1, 500)
    operation = c.SetBreaker(c.UNDERLYING, 0, Status.REDUCE_ONLY, 0, "odd", venue.publisher.venue.operator)
    maker.ask("public/x_operate", **asked(maker, operation, **INDEX))
    ticker = maker.ask("public/ticker", instrument_name=CALL)
    assert (ticker["state"], ticker["x_status"]) == ("open", "reduce_only")
    code, data = maker.refused("private/buy", **maker.order(CALL, 0.1, 500, is_buy=True))
    assert (code, data["reason"]) == (10012, "market_must_take_risk")
    closing = maker.ask("private/buy", **maker.order(CALL, 0.1, 500, is_buy=True, reduce_only=True), reduce_only=True)
    assert closing["order"]["order_state"] == "open"
    maker.ask("public/x_operate", **asked(maker, msgspec.structs.replace(operation, status=4), nonce=2, **INDEX))
    ticker = maker.ask("public/ticker", instrument_name=CALL)
    assert (ticker["state"], ticker["x_status"]) == ("halted", "halted")


def test_whoever_else_signs_fills_no_journal(trader, venue):
    maker, before = trader(1), venue.state.seq
    stop = c.SetTrading(False, "drill")
    code, data = maker.refused("public/x_operate", **asked(maker, stop, maker.key))
    assert (code, data["reason"]) == (10000, "signer_must_be_operator")
    changed = asked(maker, stop) | {"cause": "another"}
    assert maker.refused("public/x_operate", **changed)[0] == 10000
    unsigned = {key: value for key, value in asked(maker, stop).items() if key != "authorization"}
    assert maker.refused("public/x_operate", **unsigned)[0] == 10000
    assert venue.state.seq == before


def test_a_warrant_is_good_once(trader, venue):
    maker = trader(1)
    drill = asked(maker, c.SetTrading(False, "drill"))
    maker.ask("public/x_operate", **drill)
    maker.ask("public/x_operate", **asked(maker, c.SetTrading(True, "over"), nonce=2))
    code, data = maker.refused("public/x_operate", **drill)
    assert (code, data["reason"], data["receipt"]["seq"]) == (10000, "nonce_must_be_fresh", venue.state.seq)
    assert venue.state.is_open


@pytest.mark.parametrize(
    ("operation", "param"),
    [
        ({"operation": "set_everything"}, "operation"),
        ({"operation": "set_phase", "phase": "closed", **INDEX}, "phase"),
        ({"operation": "set_phase", "phase": "halted"}, "index_name"),
        ({"operation": "set_phase", "phase": "halted", "expiration_timestamp": 5, **INDEX}, "expiration_timestamp"),
        ({"operation": "set_auctions", "band_mark": 2, **INDEX}, "band_mark"),
        ({"operation": "set_bands", "index_name": "doge_usdc"}, "index_name"),
        ({"operation": "pull_kill_switch", "scope": "world"}, "scope"),
        ({"operation": "pull_kill_switch", "scope": "account"}, "subaccount_id"),
    ],
)
def test_what_is_asked_is_read_strictly(trader, venue, operation, param):
    maker, before = trader(1), venue.state.seq
    sent = {"authorization": {"nonce": 1, "expiry": NO_EXPIRY, "signature": "0x" + "00" * 65}} | operation
    code, data = maker.refused("public/x_operate", **sent)
    assert (code, data["param"]) == (-32602, param)
    assert venue.state.seq == before
