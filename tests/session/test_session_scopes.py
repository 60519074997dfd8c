"""Every private method against every scope a login can have: what it takes, and that nothing less will do. # M03"""

import pytest

from exchange import signing
from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY
from exchange.session.methods import METHODS

from .conftest import CALL, Trader, key_of
from .test_session_quotes import GROUP, message, two_sided
from .test_session_rfqs import ask, quote, signed

T, C, Q, RFQ, R = c.SCOPE_TRADE, c.SCOPE_CANCEL, c.SCOPE_QUOTE, 8, c.SCOPE_READ
SCOPES = (T, C, Q, RFQ, R)
ANY = T | C | Q | RFQ | R  # whoever is logged in
COD = "cancel_on_disconnect"
AGREED = {
    "role": "maker",
    "trades": [{"instrument_name": CALL, "amount": 1, "price": 500, "direction": "buy"}],
    "authorization": dict.fromkeys(("nonce", "maker_max_fee", "taker_max_fee"), 0)
    | {"account": 1, "counterparty": 2, "expiry": NO_EXPIRY, "signature": "0x" + "11" * 65},
    "counterparty_signature": "0x" + "11" * 65,
}
# Method -> the scopes of which one is enough, and parameters that let it come so far.
NEEDS: dict[str, tuple[int, dict[str, object]]] = {
    "private/buy": (T, {}),
    "private/sell": (T, {}),
    "private/edit": (T, {"amount": 0.1}),
    "private/cancel": (T | C, {}),
    "private/cancel_all": (T | C, {}),
    "private/cancel_all_by_instrument": (T | C, {"instrument_name": CALL}),
    f"private/enable_{COD}": (T | C, {}),
    f"private/disable_{COD}": (T, {}),  # who may only cancel takes no protection away
    f"private/get_{COD}": (R, {}),
    "private/x_cancel_all_after": (T, {"timeout": 0}),
    "private/x_kill_switch": (C, {}),
    "private/x_release_kill_switch": (C, {}),  # and the machine wants the wallet
    "private/x_get_kill_switch": (R, {}),
    "private/create_combo": (Q | T, {"trades": []}),
    "private/get_leg_prices": (ANY, {"legs": []}),
    "private/mass_quote": (Q | T, {}),  # and the machine wants the quote scope of whoever signs
    "private/cancel_quotes": (Q | T | C, {"cancel_type": "all"}),
    "private/set_mmp_config": (Q, {"index_name": "btc_usdc", "mmp_group": GROUP, "interval": 1, "frozen_time": 0}),
    "private/get_mmp_config": (R, {}),
    "private/get_mmp_status": (R, {}),
    "private/reset_mmp": (Q, {"index_name": "btc_usdc", "mmp_group": GROUP}),
    "private/create_block_rfq": (T | RFQ, {"legs": [{"instrument_name": CALL, "amount": 1, "direction": "buy"}]}),
    "private/cancel_block_rfq": (T | RFQ | C, {"block_rfq_id": 1}),
    "private/accept_block_rfq": (T | RFQ, {"block_rfq_id": 1}),
    "private/add_block_rfq_quote": (T | RFQ, {"block_rfq_id": 1}),
    "private/edit_block_rfq_quote": (T | RFQ, {"block_rfq_quote_id": 1}),
    "private/cancel_block_rfq_quote": (T | RFQ | C, {"block_rfq_quote_id": 1}),
    "private/cancel_all_block_rfq_quotes": (T | RFQ | C, {}),
    "private/x_set_block_rfq_maker": (T | RFQ, {}),
    "private/get_block_rfqs": (R, {}),
    "private/get_block_rfq_quotes": (R, {}),
    "private/get_block_rfq_makers": (ANY, {}),
    "private/get_block_rfq_user_info": (ANY, {}),
    "private/verify_block_trade": (RFQ, AGREED),
    "private/simulate_block_trade": (RFQ, AGREED),
    "private/execute_block_trade": (RFQ, AGREED),
    "private/invalidate_block_trade_signature": (RFQ | C, {"nonce": 10**6}),
    "private/get_block_trade": (R, {"id": "BLOCK-1"}),
    "private/get_block_trades": (R, {}),
    "private/edit_by_label": (T, {"instrument_name": CALL, "amount": 0.1}),
    "private/close_position": (T, {"instrument_name": CALL, "type": "limit", "direction": "buy"}),
    "private/cancel_by_label": (T | C, {"label": "mine"}),
    "private/cancel_all_by_currency": (T | C, {"currency": "USDC"}),
    "private/cancel_all_by_currency_pair": (T | C, {"currency_pair": "btc_usdc"}),
    "private/cancel_all_by_kind_or_type": (T | C, {"currency": ["USDC"]}),
    "private/get_user_trades_by_currency": (R, {"currency": "USDC"}),
    "private/get_user_trades_by_currency_and_time": (R, {"currency": "USDC"}),
    "private/get_user_trades_by_instrument": (R, {"instrument_name": CALL}),
    "private/get_user_trades_by_instrument_and_time": (R, {"instrument_name": CALL}),
    "private/get_user_trades_by_order": (R, {}),
    "private/get_order_history_by_currency": (R, {"currency": "USDC"}),
    "private/get_order_history_by_instrument": (R, {"instrument_name": CALL}),
    "private/get_open_orders_by_label": (R, {"currency": "USDC", "label": "mine"}),
    "private/get_order_state_by_label": (R, {"currency": "USDC", "label": "mine"}),
    "private/get_order_margin_by_ids": (R, {}),
    "private/get_transaction_log": (R, {"currency": "USDC", "start_timestamp": 0, "end_timestamp": 2**53}),
    "private/get_settlement_history_by_currency": (R, {"currency": "USDC"}),
    "private/get_settlement_history_by_instrument": (R, {"instrument_name": CALL}),
    "private/x_get_drop_copy": (R, {}),
    "private/get_subaccounts": (ANY, {}),
    "private/get_subaccounts_details": (ANY, {"currency": "USDC"}),
    "private/get_user_locks": (R, {}),
    "private/get_currencies": (ANY, {}),
    "private/get_open_orders": (R, {}),
    "private/get_open_orders_by_currency": (R, {"currency": "USDC"}),
    "private/get_open_orders_by_instrument": (R, {"instrument_name": CALL}),
    "private/get_trigger_order_history": (R, {"currency": "USDC"}),
    "private/get_order_state": (R, {}),
    "private/get_positions": (R, {}),
    "private/get_position": (R, {"instrument_name": CALL}),
    "private/get_account_summary": (R, {"currency": "USDC"}),
    "private/get_account_summaries": (R, {}),
    "private/get_margins": (R, {"instrument_name": CALL, "amount": 1, "price": 500}),
    "private/simulate_portfolio": (R, {"currency": "USDC"}),
    "private/subscribe": (ANY, {"channels": []}),
    "private/unsubscribe": (ANY, {"channels": []}),
    "private/unsubscribe_all": (ANY, {}),
    "private/logout": (ANY, {}),
}


def test_every_private_method_has_a_row():
    assert sorted(NEEDS) == sorted(name for name in METHODS if name.startswith("private/"))


def requested(holder, owner, venue, method):
    """Parameters about a request or a quote of the account."""
    other = Trader(venue, 2, key_of(2))
    other.login()
    asks, answers = (other, owner) if "quote" in method else (owner, other)
    answers.ask("private/x_set_block_rfq_maker")
    rfq = ask(asks)
    if method == "private/add_block_rfq_quote":
        return signed(holder, rfq, 500)
    if method == "private/accept_block_rfq":
        return signed(holder, rfq, 500, direction="buy", time_in_force="fill_or_kill")
    if "quote" not in method:
        return {"block_rfq_id": rfq}
    number = quote(answers, rfq, 500)["block_rfq_quote_id"]
    return signed(holder, rfq, 505, replaces=owner.nonces.take(1)) | {"block_rfq_quote_id": number}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("method", NEEDS)
def test_a_session_key_may_what_its_scope_says_and_no_more(trader, venue, method, scope):
    """The key is registered with one scope only; the method is allowed if that is one of those it takes."""
    needed, params = NEEDS[method]
    owner, holder = trader(1), trader(1, logged_in=False)
    resting = owner.buy(CALL, 0.1, 400)["order"]["order_id"]
    key = key_of(20)
    venue.observe(c.ObserveKey, 1, signing.address_of(key), scope, NO_EXPIRY)
    holder.key, holder.nonces = key, owner.nonces
    holder.login()
    if method == "private/mass_quote":
        params = message(holder, two_sided(CALL, 300, 900))
    elif method == "private/close_position":
        params = {"direction": "buy", **holder.order(CALL, 0.1, 400, is_buy=True, reduce_only=True)}
    elif method in ("private/buy", "private/sell"):
        params = holder.order(CALL, 0.1, 400, is_buy=method == "private/buy")
    elif ("block_rfq" in method and "block_rfq_id" in params) or "block_rfq_quote_id" in params:
        params = requested(holder, owner, venue, method)
    elif method in ("private/edit", "private/cancel", "private/get_order_state", "private/get_user_trades_by_order"):
        params = {"order_id": resting, **params}
    elif method == "private/get_order_margin_by_ids":
        params = {"ids": [resting]}
    reply = holder.call(method, **params)
    forbidden = reply.get("error", {}).get("data", {}).get("reason") == "scope_must_allow"
    assert forbidden != bool(scope & needed), reply
