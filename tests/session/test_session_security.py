"""Every private method against those who may not: over their limit, in another's name, with another's orders, and again.

Who is not logged in: `test_session_wire`; whose scope is too small: `test_session_scopes`. # M54
"""

import pytest

from exchange.session import Limits
from exchange.session.limits import Costs, Rate
from exchange.session.methods import ON_SOCKET, PRIVATE

from .conftest import CALL, PUT
from .test_session_quotes import GROUP, message, two_sided
from .test_session_scopes import NEEDS

# Methods that name no account: what they tell is public to whoever is logged in, or is of the login as a whole.
OF_NOBODY = {
    "private/create_combo",  # a listing
    "private/get_leg_prices",
    "private/get_block_rfq_makers",
    "private/get_block_rfq_user_info",
    "private/get_subaccounts",
    "private/get_subaccounts_details",
    "private/get_currencies",
}
# Methods whose account stands in what was signed, or belongs to the order or quote that is named.
OF_WHAT_IS_NAMED = {
    "private/buy",
    "private/sell",
    "private/close_position",
    "private/mass_quote",
    "private/edit",
    "private/cancel",
    "private/get_order_state",
    "private/get_user_trades_by_order",
    "private/get_order_margin_by_ids",
    "private/accept_block_rfq",
    "private/add_block_rfq_quote",
    "private/edit_block_rfq_quote",
    "private/cancel_block_rfq_quote",
    "private/verify_block_trade",
    "private/simulate_block_trade",
    "private/execute_block_trade",
}
PRIVATE_METHODS = sorted(PRIVATE)
TIGHT = Limits(credits_max=1_000, refill_per_s=1, costs=Costs(login=1_000), cancels=Rate(1, 1))


@pytest.mark.parametrize("method", [*PRIVATE_METHODS, *(name for name in ON_SOCKET if name.startswith("private/"))])
def test_over_the_limit_nothing_happens(trader, venue, method):
    client, before = trader(1, limits=TIGHT), venue.state.seq  # the login has cost everything
    code, data = client.refused(method, **NEEDS[method][1])
    assert (code, data["reason"], data["wait"] > 0) == (10028, "credits_exhausted", True)
    assert venue.state.seq == before


@pytest.mark.parametrize("method", [name for name in PRIVATE_METHODS if name not in OF_NOBODY | OF_WHAT_IS_NAMED])
def test_nobody_acts_for_another_s_account(trader, venue, method):
    mine, before = trader(1), venue.state.seq
    params = {"order_id": "1", "block_rfq_quote_id": 1} | NEEDS[method][1] | {"subaccount_id": 2}
    code, data = mine.refused(method, **params)
    assert (code, data["reason"], data["value"]) == (13021, "account_must_belong_to_login", 2)
    assert venue.state.seq == before


@pytest.mark.parametrize("method", sorted(OF_NOBODY))
def test_what_names_no_account_tells_of_none_but_one_s_own(trader, method):
    other, mine = trader(2), trader(1)
    other.buy(CALL, 0.1, 5, label="hidden")
    params = {"trades": [], "legs": [], "price": 1, "currency": "USDC", "with_open_orders": True, "subaccount_id": 2}
    reply = str(mine.call(method, **params))
    assert "hidden" not in reply
    assert "'uid': 2" not in reply


@pytest.fixture
def theirs(trader):
    """An open order of account 2, and whose it is not."""
    other = trader(2)
    return other.buy(CALL, 0.1, 5)["order"]["order_id"], trader(1)


@pytest.mark.parametrize(
    ("method", "params", "codes"),
    [
        ("private/edit", {"amount": 0.2, "price": 6}, (10029,)),
        ("private/cancel", {}, (10029,)),
        ("private/get_order_state", {}, (10004,)),
        ("private/get_user_trades_by_order", {}, (10004,)),
    ],
)
def test_another_s_order_is_out_of_reach(theirs, venue, method, params, codes):
    order_id, mine = theirs
    before = venue.state.seq
    assert mine.refused(method, order_id=order_id, **params)[0] in codes
    assert mine.refused("private/get_order_margin_by_ids", ids=[order_id])[0] == 10004
    assert mine.refused("private/cancel_block_rfq_quote", block_rfq_quote_id=int(order_id))[0] == 11044
    assert venue.state.seq == before


def signed(client, method):
    """Parameters of each method that carries a signature of an account."""
    if method == "private/mass_quote":
        return message(client, two_sided(CALL, 300, 900))
    if method == "private/edit":
        order_id = client.buy(PUT, 0.1, 5)["order"]["order_id"]
        replaced = client.nonces._next[client.account]
        return client.order(PUT, 0.2, 6, is_buy=True, replaces=replaced) | {"order_id": order_id}
    more = {"direction": "buy", "type": "limit"} if method == "private/close_position" else {}
    return client.order(CALL, 0.1, 5, is_buy=method != "private/sell", reduce_only=bool(more)) | more


SIGNED = ("private/buy", "private/sell", "private/edit", "private/close_position", "private/mass_quote")


@pytest.mark.parametrize("method", SIGNED)
def test_what_was_signed_is_good_once(trader, method):
    client, other = trader(1), trader(2)
    client.ask("private/set_mmp_config", index_name="btc_usdc", mmp_group=GROUP, interval=1, frozen_time=0)
    other.sell(CALL, 1, 400)
    client.buy(CALL, 0.5, 400)  # so that there is a position to reduce
    if method == "private/close_position":
        order = client.order(CALL, 0.1, 5_000, is_buy=False, reduce_only=True)
        params = order | {"direction": "sell", "type": "limit"}
    else:
        params = signed(client, method)
    assert "result" in client.call(method, **params)
    code, data = client.refused(method, **params)
    assert data["reason"] in ("nonce_must_be_fresh", "amend_must_name_replaced_nonce"), (code, data)


@pytest.mark.parametrize("method", SIGNED)
def test_nobody_signs_for_another_s_account(trader, venue, method):
    """Neither with one's own key for theirs, nor with theirs over one's own login."""
    mine, other = trader(1), trader(2)
    other.ask("private/set_mmp_config", index_name="btc_usdc", mmp_group=GROUP, interval=1, frozen_time=0)
    theirs = signed(other, method)
    open_before = len(venue.state.accounts[2].orders)
    code, data = mine.refused(method, **theirs)
    assert data["reason"] in ("account_must_belong_to_login", "order_must_be_own"), (code, data)
    claimed = theirs | {"authorization": theirs["authorization"] | {"account": 1}}
    code, data = mine.refused(method, **claimed)
    assert data["reason"] in ("signer_must_be_authorised", "order_must_be_own", "quote_group_must_exist"), (code, data)
    assert len(venue.state.accounts[2].orders) == open_before


def test_a_login_is_good_once_and_a_token_is_its_own(trader, venue):
    client = trader(1)
    fields = {"grant_type": "client_signature"}
    grant = client.login()
    assert grant["access_token"] != client.login()["access_token"]
    assert client.refused("private/get_positions", access_token=grant["refresh_token"])[1]["reason"] == "invalid_token"
    assert client.refused("public/auth", **fields)[0] == -32602
    venue.advance(3_601)
    assert client.refused("private/get_positions", access_token=grant["access_token"])[1]["reason"] == "invalid_token"
