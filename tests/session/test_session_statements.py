"""The transaction log and the settlements of an account: what each entry says, and that balances add up. # M50"""

import itertools

import pytest

from exchange.core import commands as c
from exchange.core.state import TREASURY
from exchange.publisher import statements

from .conftest import CALL, EXPIRY_S, PUT, USDC

ALL = {"currency": "USDC", "start_timestamp": 0, "end_timestamp": 2**53}


@pytest.fixture
def lived(trader, venue):
    """Two accounts trade, one deposits and withdraws, the expiry settles at 64,000."""
    maker, taker = trader(1), trader(2)
    maker.sell(CALL, 0.5, 500)
    taker.buy(CALL, 0.2, 500)
    taker.buy(CALL, 0.3, 510)
    maker.buy(PUT, 1, 400)
    taker.sell(PUT, 1, 400)
    venue.observe(c.ObserveDeposit, 2, 5 * USDC)
    venue.observe(c.ObserveWithdrawalRequest, 2, 7 * USDC)
    venue.observe(c.ObserveWithdrawal, 2, 7 * USDC)
    venue.time_ns = (EXPIRY_S - 1_800) * 10**9
    venue.round(64_000 * USDC)
    venue.time_ns = EXPIRY_S * 10**9
    venue.round(64_000 * USDC)
    assert venue.state.expiries[1].fixing == 64_000 * USDC
    maker.login()
    taker.login()
    return maker, taker


def log(client, **more):
    return client.ask("private/get_transaction_log", **(ALL | more))


def test_every_change_of_cash_is_told(lived, venue):
    taker = lived[1]
    logs = log(taker)["logs"]
    kinds = ["delivery"] * 2 + ["withdrawal", "deposit"] + ["trade"] * 3 + ["deposit"]
    assert [entry["type"] for entry in logs] == kinds
    assert [entry["user_seq"] for entry in logs] == list(range(8, 0, -1))
    first = logs[-2]
    assert (first["side"], first["amount"], first["price"], first["position"]) == ("buy", 0.2, 500, 0.2)
    assert (first["cashflow"], first["user_role"]) == (-100, "taker")
    assert first["change"] == pytest.approx(-100 - first["commission"])
    calls, puts = sorted(logs[:2], key=lambda entry: entry["instrument_name"])
    assert (calls["instrument_name"], calls["change"], calls["amount"], calls["side"]) == (CALL, 500, 0.5, "sell")
    assert (puts["change"], puts["side"], puts["position"], puts["settlement_price"]) == (0, "buy", 0, 64_000)
    assert logs[0]["balance"] == venue.state.accounts[2].cash / USDC


def test_balances_add_up(lived, venue):
    """Each entry leaves what the next one finds, and the whole log explains the cash."""
    for client in lived:
        logs = log(client)["logs"]
        for later, earlier in itertools.pairwise(logs):
            assert later["balance"] - later["change"] == pytest.approx(earlier["balance"], abs=1e-9)
        assert sum(entry["change"] for entry in logs) == pytest.approx(logs[0]["balance"])
    assert venue.state.accounts[TREASURY].cash > 0


def test_pages_and_words(lived):
    taker = lived[1]
    page = log(taker, count=3)
    assert [entry["user_seq"] for entry in page["logs"]] == [8, 7, 6]
    rest = log(taker, count=10, continuation=page["continuation"])
    assert ([entry["user_seq"] for entry in rest["logs"]], rest["continuation"]) == ([5, 4, 3, 2, 1], None)
    assert [entry["user_seq"] for entry in log(taker, query="trade buy taker")["logs"]] == [3, 2]
    puts = log(taker, query="63000-p")["logs"]
    assert {(entry["type"], entry["instrument_name"]) for entry in puts} == {("trade", PUT), ("delivery", PUT)}
    assert log(taker, end_timestamp=1)["logs"] == []
    assert taker.refused("private/get_transaction_log", currency="ETH", start_timestamp=0, end_timestamp=1)[0] == 11029
    assert log(taker, currency="BTC")["logs"] == []
    assert taker.refused("private/get_transaction_log", currency="USDC")[1]["param"] == "start_timestamp"


def test_settlements_tell_the_profit_since_the_position_was_opened(lived):
    maker, taker = lived
    shown = taker.ask("private/get_settlement_history_by_currency", currency="BTC")
    assert shown["continuation"] == "none"
    by_name = {item["instrument_name"]: item for item in shown["settlements"]}
    # Bought 0.5 calls for 250, worth 500; sold one put for 400, worth nothing.
    assert (by_name[CALL]["position"], by_name[CALL]["profit_loss"], by_name[CALL]["mark_price"]) == (0.5, 250, 1_000)
    assert (by_name[PUT]["position"], by_name[PUT]["profit_loss"], by_name[PUT]["index_price"]) == (-1, 400, 64_000)
    of_maker = maker.ask("private/get_settlement_history_by_instrument", instrument_name=CALL)["settlements"]
    assert [(item["position"], item["profit_loss"]) for item in of_maker] == [(-0.5, -250)]
    assert (
        taker.ask("private/get_settlement_history_by_currency", currency="BTC", type="bankruptcy")["settlements"] == []
    )
    page = taker.ask("private/get_settlement_history_by_currency", currency="BTC", count=1)
    (other,) = taker.ask(
        "private/get_settlement_history_by_currency", currency="BTC", continuation=page["continuation"]
    )["settlements"]
    assert {other["instrument_name"], page["settlements"][0]["instrument_name"]} == {CALL, PUT}


def test_everybody_may_know_what_expired_at_what(lived):
    client = lived[0]
    (price,) = client.ask("public/get_delivery_prices", index_name="btc_usdc")["data"]
    assert price == {"date": "2026-08-17", "delivery_price": 64_000}
    shown = client.ask("public/get_last_settlements_by_instrument", instrument_name=CALL)["settlements"]
    assert [(item["position"], item["mark_price"], item["type"]) for item in shown] == [(0.5, 1_000, "delivery")]
    assert len(client.ask("public/get_last_settlements_by_currency", currency="USDC")["settlements"]) == 6


def test_the_log_is_bounded(monkeypatch, lived, venue):
    monkeypatch.setattr(statements, "ENTRIES_MAX", len(venue.publisher.history.statements._order))
    venue.observe(c.ObserveDeposit, 3, USDC)
    held = venue.publisher.history.statements
    assert sum(len(entries) for entries in held.of_account.values()) == statements.ENTRIES_MAX
    assert log(lived[0])["logs"][-1]["user_seq"] == 2  # the oldest of all is forgotten


def test_the_accounts_of_a_login(lived):
    taker = lived[1]
    (account,) = taker.ask("private/get_subaccounts", with_portfolio=True)
    assert (account["id"], account["type"], account["portfolio"]["usdc"]["currency"]) == (2, "main", "USDC")
    (details,) = taker.ask("private/get_subaccounts_details", currency="USDC", with_open_orders=True)
    assert details == {"uid": 2, "positions": [], "open_orders": []}
    assert taker.ask("private/get_user_locks") == [{"currency": "USDC", "locked": False}]
    taker.ask("private/x_kill_switch", cause="test")
    assert taker.ask("private/get_user_locks") == [{"currency": "USDC", "locked": True}]


def test_what_an_order_takes_of_margin(trader):
    maker = trader(1)
    before = maker.ask("private/get_account_summary", currency="USDC")["initial_margin"]
    placed = maker.sell(CALL, 0.5, 500)["order"]["order_id"]
    after = maker.ask("private/get_account_summary", currency="USDC")["initial_margin"]
    (told,) = maker.ask("private/get_order_margin_by_ids", ids=[placed])
    assert told["initial_margin"] == pytest.approx(after - before, abs=2e-6)
    assert told["initial_margin"] > 0
    assert trader(2).refused("private/get_order_margin_by_ids", ids=[placed])[0] == 10004


def test_tokens_of_a_session_and_of_one_account(trader, venue):
    client = trader(1, logged_in=False)
    grant = client.login()
    forked = client.ask("public/fork_token", refresh_token=grant["refresh_token"], session_name="desk")
    assert forked["scope"].startswith("session:desk")
    assert client.ask("private/get_positions", access_token=forked["access_token"]) == []
    venue.observe(c.ObserveAccount, 4, venue.state.accounts[1].owner)
    other = client.ask("public/exchange_token", refresh_token=grant["refresh_token"], subject_id=4)
    shown = client.ask("private/get_account_summary", currency="USDC", access_token=other["access_token"])
    assert shown["id"] == 4
    assert client.refused("private/get_positions", subaccount_id=1, access_token=other["access_token"])[0] == 13021
    again = client.ask("public/auth", grant_type="refresh_token", refresh_token=other["refresh_token"])
    assert client.refused("private/get_positions", subaccount_id=1, access_token=again["access_token"])[0] == 13021
    assert client.refused("public/exchange_token", refresh_token=grant["refresh_token"], subject_id=2)[0] == 13021
    assert client.refused("public/fork_token", refresh_token="none", session_name="x")[0] == 13004


def test_cancels_of_some(trader):
    client = trader(1)
    for place, name in enumerate((CALL, PUT, CALL), 1):
        client.buy(name, 0.1, place, label=f"l{place % 2}")
    client.ask("private/buy", **client.order(PUT, 0.1, 7, is_buy=True, expiry=2**32 - 1), label="last")
    reply = client.call("private/cancel_by_label", label="l1")
    assert (reply["result"], "x_receipt" in reply) == (2, True)
    assert client.ask("private/cancel_all_by_currency", currency="ETH") == 0
    assert client.ask("private/cancel_all_by_kind_or_type", currency=["BTC", "ETH"], type="stop") == 0
    (group,) = client.ask("private/cancel_all_by_currency", currency="USDC", detailed=True)
    assert (group["instrument_name"], group["type"], len(group["result"])) == (PUT, "limit", 2)
    assert client.refused("private/cancel_all", freeze_quotes=True)[0] == 10033
    assert client.refused("private/cancel_all_by_currency_pair", currency_pair="doge_usdc")[0] == -32602


def test_edit_by_label_needs_one_that_bears_it(trader):
    client = trader(1)
    client.buy(CALL, 0.1, 5, label="a")
    edited = client.ask("private/edit_by_label", label="a", **client.order(CALL, 0.2, 6, is_buy=True, replaces=1))
    assert (edited["order"]["price"], edited["order"]["amount"]) == (6, 0.2)
    client.buy(CALL, 0.1, 7, label="a")
    again = client.order(CALL, 0.2, 6, is_buy=True, replaces=2)
    assert client.refused("private/edit_by_label", label="a", **again)[0] == 13032
    assert client.refused("private/edit_by_label", label="b", **again)[0] == 10004
