"""What accounts do on chain without the engine: each act is numbered, announced, and binds when it says."""

from __future__ import annotations

import pytest
from contract_venue import LOT, OPERATOR_TIMEOUT, USDC, WINDOW, address, spoiled

from exchange import calldata
from exchange.calldata import Trade
from exchange.reverts import Revert
from exchange.shell.chain import Reverted

PRICE = 700 * USDC


def test_every_act_carries_the_next_action_id(market):
    """A reader of the logs can prove that it missed none."""
    venue, taker = market.venue, market.taker
    clearing, account = venue.clearing, taker.account
    venue.send("taker", clearing, "register_key", account, address("session"), 3, venue.now + 999)
    venue.send("taker", clearing, "revoke_key", account, address("session"))
    venue.send("session", clearing, "open_account")
    venue.send("taker", clearing, "cancel_nonces", account, 3, 5)
    venue.send("taker", clearing, "request_withdrawal", account, 10)
    venue.send("taker", clearing, "cancel_withdrawal", account)
    venue.send("taker", clearing, "request_withdrawal", account, 11)
    venue.settle(venue.cross(market.maker, market.third, market.call, LOT, PRICE))
    venue.chain.set_time(venue.now + WINDOW)
    venue.send("keeper", clearing, "finalise_withdrawal", account, 0, b"", b"")
    venue.send("taker", clearing, "request_exit", account)
    venue.send("taker", clearing, "clear_exit", account)
    venue.fix_at(market.expiry_id, 66_000 * USDC)
    venue.chain.set_time(venue.now + WINDOW + 2)
    venue.send("keeper", clearing, "settle_expiry", market.expiry_id, [1, 2, 3])
    found = clearing.interface.events(venue.chain.logs(0, venue.chain.head.number, [clearing.address]))
    ids = [event.args["action_id"] for event in found]
    assert ids == list(range(1, clearing.call("action_count") + 1))
    assert {event.name for event in found} == {
        "AccountOpened", "Deposited", "KeyRegistered", "KeyRevoked", "NoncesCancelled", "WithdrawalRequested",
        "WithdrawalCancelled", "Withdrawn", "ExitRequested", "ExitCleared", "ExpiryListed", "SeriesListed",
        "ExpiryFixed", "ExpirySettled", "BatchSettled",
    }  # fmt: skip


def test_a_wallet_may_hold_several_accounts(market):
    venue = market.venue
    first, second = venue.open("hydra", 5), venue.open("hydra", 7)
    assert second.account == first.account + 1
    for player, cash in ((first, 5), (second, 7)):
        owner, held, *rest = venue.clearing.call("account_state", player.account)
        assert (owner, held, rest) == (address("hydra"), cash, [0, 0, 0, 0])


# -- session keys --------------------------------------------------------------------------------------------------


def test_a_key_in_use_keeps_its_terms(market):
    venue, account = market.venue, market.taker.account
    register = ("register_key", account, address("session"))
    venue.send("taker", venue.clearing, *register, 1, venue.now + 50)
    assert venue.refusal("taker", venue.clearing, *register, 3, venue.now + 500) == Revert.KEY_IN_USE
    venue.send("taker", venue.clearing, "revoke_key", account, address("session"))
    assert venue.refusal("taker", venue.clearing, *register, 3, venue.now + 500) == Revert.KEY_IN_USE
    venue.chain.set_time(venue.now + WINDOW)
    venue.send("taker", venue.clearing, *register, 2, venue.now + 500)
    assert venue.clearing.call("key_state", account, address("session"))[0] == 2


def test_an_expired_key_may_be_registered_again(market):
    venue, account = market.venue, market.taker.account
    venue.send("taker", venue.clearing, "register_key", account, address("session"), 1, venue.now + 50)
    venue.chain.set_time(venue.now + 50 + WINDOW + 1)
    venue.send("taker", venue.clearing, "register_key", account, address("session"), 1, venue.now + 50)


def test_a_key_may_revoke_itself_and_nobody_else(market):
    venue, account = market.venue, market.taker.account
    for name in ("session", "other"):
        venue.send("taker", venue.clearing, "register_key", account, address(name), 1, venue.now + 500)
    revoke = ("revoke_key", account)
    assert venue.refusal("session", venue.clearing, *revoke, address("other")) == Revert.ONLY_OWNER
    receipt = venue.send("session", venue.clearing, *revoke, address("session"))
    ((name, args),) = venue.events(receipt)
    assert (name, args["effective"]) == ("KeyRevoked", venue.now + WINDOW)
    assert venue.refusal("taker", venue.clearing, *revoke, address("session")) == Revert.KEY_UNKNOWN
    assert venue.refusal("taker", venue.clearing, *revoke, address("nobody")) == Revert.KEY_UNKNOWN


@pytest.mark.parametrize(
    ("who", "name", "life", "reason"),
    [
        ("maker", "session", 100, Revert.ONLY_OWNER),
        ("taker", "taker", 100, Revert.KEY_ADDRESS),
        ("taker", None, 100, Revert.KEY_ADDRESS),
        ("taker", "session", 0, Revert.KEY_EXPIRED),
    ],
)
def test_a_key_that_cannot_be_registered(market, who, name, life, reason):
    venue = market.venue
    key_address = address(name) if name else bytes(20)
    args = ("register_key", market.taker.account, key_address, 1, venue.now + life)
    assert venue.refusal(who, venue.clearing, *args) == reason


# -- cancelled nonces ----------------------------------------------------------------------------------------------


def test_cancels_join_and_stay(market):
    venue, account = market.venue, market.taker.account

    def cancel(mask: int) -> int:
        ((_, args),) = venue.events(venue.send("taker", venue.clearing, "cancel_nonces", account, 9, mask))
        return args["effective"]

    first = cancel(0b001)
    assert first == venue.now + WINDOW
    second = cancel(0b010)
    assert second == first + WINDOW
    assert venue.clearing.call("cancelled", account, 9) == (0, 0b001, first, 0b010)
    venue.chain.set_time(first)
    third = cancel(0b100)
    assert third == second + WINDOW
    assert venue.clearing.call("cancelled", account, 9) == (0b001, 0b010, second, 0b100)
    venue.chain.set_time(third)
    fourth = cancel(0b1000)
    assert fourth == venue.now + WINDOW
    assert venue.clearing.call("cancelled", account, 9) == (0b111, 0b1000, fourth, 0)


def test_nobody_postpones_what_is_pending(market):
    """A key that may only cancel cancels something in the same word, again and again."""
    venue, account = market.venue, market.taker.account
    venue.send("taker", venue.clearing, "register_key", account, address("session"), 2, venue.now + 36_000)
    orders = [venue.sign(venue.order(market.taker, market.call, -LOT, 700 * USDC, nonce=nonce)) for nonce in (5, 6)]
    cancel = ("cancel_nonces", account, 0)

    def fill(order) -> str:
        buyer = venue.sign(venue.order(market.maker, market.call, LOT, 700 * USDC))
        venue.post(venue.round())
        return venue.settle_refusal(venue.batch([buyer, order], [Trade(0, 1, LOT, 700 * USDC, 0)]))

    venue.send("taker", venue.clearing, *cancel, 1 << 5)
    first = venue.now + WINDOW
    venue.send("session", venue.clearing, *cancel, 1 << 200)
    venue.send("taker", venue.clearing, *cancel, 1 << 6)
    venue.send("session", venue.clearing, *cancel, 1 << 200)
    venue.chain.set_time(first)
    assert fill(orders[0]) == Revert.ORDER_CANCELLED
    venue.send("session", venue.clearing, *cancel, 1 << 200)
    venue.chain.set_time(first + WINDOW)
    assert fill(orders[1]) == Revert.ORDER_CANCELLED


def test_who_may_cancel(market):
    venue, account = market.venue, market.taker.account
    cancel = ("cancel_nonces", account, 0, 1)
    assert venue.refusal("maker", venue.clearing, *cancel) == Revert.ONLY_OWNER
    venue.send("taker", venue.clearing, "register_key", account, address("trader"), 1, venue.now + 500)
    venue.send("taker", venue.clearing, "register_key", account, address("canceller"), 2, venue.now + 500)
    assert venue.refusal("trader", venue.clearing, *cancel) == Revert.KEY_SCOPE
    venue.send("canceller", venue.clearing, *cancel)
    venue.chain.set_time(venue.now + 500 + WINDOW)
    assert venue.refusal("canceller", venue.clearing, *cancel) == Revert.ONLY_OWNER


# -- withdrawals ---------------------------------------------------------------------------------------------------


def test_a_withdrawal_takes_two_steps_and_anyone_may_take_the_second(market):
    venue, account = market.venue, market.taker.account
    venue.send("taker", venue.clearing, "request_withdrawal", account, 5 * USDC)
    effective = venue.clearing.call("account_state", account)[5]
    assert effective == venue.now + WINDOW
    finalise = ("finalise_withdrawal", account, 0, b"", b"")
    venue.chain.set_time(effective - 2)
    assert venue.refusal("keeper", venue.clearing, *finalise) == Revert.WITHDRAWAL_EARLY
    venue.send("keeper", venue.clearing, *finalise)
    assert venue.token.call("balanceOf", address("taker")) == 5 * USDC
    assert venue.cash(account) == 199_995 * USDC
    assert venue.refusal("keeper", venue.clearing, *finalise) == Revert.WITHDRAWAL_UNKNOWN


def test_a_withdrawal_leaves_initial_margin_behind(market):
    venue, account = market.venue, market.taker.account
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))
    batch = venue.batch([], [])
    proof = (batch.header.round_id, batch.hashes, batch.sheets)
    free = venue.clearing.call("margin_of", account, True, *proof)
    for amount, expected in ((free + 1, Revert.ACCOUNT_MARGIN), (free, "accepted")):
        with venue.aside():
            venue.send("taker", venue.clearing, "request_withdrawal", account, amount)
            venue.chain.set_time(venue.now + WINDOW)
            finalise = ("finalise_withdrawal", account, *proof)
            assert venue.refusal("keeper", venue.clearing, *finalise) == expected
            empty = ("finalise_withdrawal", account, batch.header.round_id, batch.hashes, b"")
            if expected == Revert.ACCOUNT_MARGIN:
                assert venue.refusal("keeper", venue.clearing, *empty) == Revert.SHEET_MISSING


def test_requests_that_are_refused(market):
    venue, account = market.venue, market.taker.account
    request = ("request_withdrawal", account)
    assert venue.refusal("maker", venue.clearing, *request, 1) == Revert.ONLY_OWNER
    assert venue.refusal("taker", venue.clearing, *request, 0) == Revert.AMOUNT_RANGE
    assert venue.refusal("taker", venue.clearing, *request, 2**126) == Revert.AMOUNT_RANGE
    assert venue.refusal("taker", venue.clearing, "cancel_withdrawal", account) == Revert.WITHDRAWAL_UNKNOWN
    venue.send("taker", venue.clearing, *request, 1)
    assert venue.refusal("taker", venue.clearing, *request, 1) == Revert.WITHDRAWAL_PENDING
    assert venue.refusal("maker", venue.clearing, "cancel_withdrawal", account) == Revert.ONLY_OWNER


def test_more_than_there_is_stays(market):
    venue, account = market.venue, market.taker.account
    venue.send("taker", venue.clearing, "request_withdrawal", account, 200_000 * USDC + 1)
    venue.chain.set_time(venue.now + WINDOW)
    finalise = ("finalise_withdrawal", account, 0, b"", b"")
    assert venue.refusal("keeper", venue.clearing, *finalise) == Revert.ACCOUNT_MARGIN
    venue.send("taker", venue.clearing, "cancel_withdrawal", account)
    venue.send("taker", venue.clearing, "request_withdrawal", account, 200_000 * USDC)


def test_a_request_binds_at_once_when_the_operator_is_gone(market):
    venue, account = market.venue, market.taker.account
    venue.send("taker", venue.clearing, "request_withdrawal", account, 7)
    venue.chain.set_time(venue.now + OPERATOR_TIMEOUT + 100)
    venue.send("maker", venue.clearing, "request_withdrawal", market.maker.account, 7)
    for who in (account, market.maker.account):
        venue.send("keeper", venue.clearing, "finalise_withdrawal", who, 0, b"", b"")


# -- exits ---------------------------------------------------------------------------------------------------------


def test_a_flat_account_leaves_with_everything(market):
    venue, account = market.venue, market.taker.account
    venue.send("taker", venue.clearing, "request_withdrawal", account, 5 * USDC)
    venue.send("taker", venue.clearing, "request_exit", account)
    finalise = ("finalise_exit", account, 0, b"", b"")
    assert venue.refusal("keeper", venue.clearing, *finalise) == Revert.EXIT_EARLY
    venue.chain.set_time(venue.now + WINDOW)
    receipt = venue.send("keeper", venue.clearing, *finalise)
    assert [name for name, _ in venue.events(receipt)] == ["WithdrawalCancelled", "ExitCleared", "Withdrawn"]
    assert venue.token.call("balanceOf", address("taker")) == 200_000 * USDC
    assert venue.clearing.call("account_state", account)[1:] == (0, 0, 0, 0, 0)


def test_an_account_with_positions_leaves_in_parts(market):
    """Free collateral at once, the rest when the expiry is settled; all of it without the operator."""
    venue, account = market.venue, market.taker.account
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))
    venue.send("taker", venue.clearing, "request_exit", account)
    venue.chain.set_time(venue.now + WINDOW)
    round_ = venue.post(venue.round())
    proof = (round_.round_id, calldata.sheet_hashes(round_), calldata.select_sheets(round_, [market.expiry_id]))
    free = venue.clearing.call("margin_of", account, True, *proof)
    venue.send("keeper", venue.clearing, "finalise_exit", account, *proof)
    assert venue.token.call("balanceOf", address("taker")) == free
    assert venue.clearing.call("account_state", account)[2] != 0
    assert venue.refusal("keeper", venue.clearing, "finalise_exit", account, *proof) == Revert.NOTHING_FREE
    venue.fix_at(market.expiry_id, 66_000 * USDC)
    venue.chain.set_time(venue.now + WINDOW + 2)
    venue.send("keeper", venue.clearing, "settle_expiry", market.expiry_id, [account])
    left = venue.cash(account)
    assert left > 0
    venue.send("keeper", venue.clearing, "finalise_exit", account, 0, b"", b"")
    assert venue.token.call("balanceOf", address("taker")) == free + left
    assert venue.clearing.call("account_state", account)[1:] == (0, 0, 0, 0, 0)


def test_a_claim_counts_before_it_is_cash(market):
    """Between fixing and settlement a claim supports a withdrawal of cash that is there, and no more."""
    venue, maker = market.venue, market.maker
    venue.settle(venue.cross(maker, market.taker, market.call, LOT, PRICE))
    venue.fix_at(market.expiry_id, 66_000 * USDC)
    cash = venue.cash(maker.account)
    venue.send("maker", venue.clearing, "request_exit", maker.account)
    venue.send("taker", venue.clearing, "request_exit", market.taker.account)
    venue.chain.set_time(venue.now + WINDOW)
    for player in (maker, market.taker):
        venue.send("keeper", venue.clearing, "finalise_exit", player.account, 0, b"", b"")
    assert venue.token.call("balanceOf", address("maker")) == cash
    assert venue.cash(maker.account) == 0
    assert venue.cash(market.taker.account) == 1_000 * USDC  # what it owes is held back


def test_leaving_may_be_called_off(market):
    venue, account = market.venue, market.taker.account
    assert venue.refusal("taker", venue.clearing, "clear_exit", account) == Revert.EXIT_UNKNOWN
    assert venue.refusal("maker", venue.clearing, "request_exit", account) == Revert.ONLY_OWNER
    venue.send("taker", venue.clearing, "request_exit", account)
    assert venue.refusal("taker", venue.clearing, "request_exit", account) == Revert.EXIT_PENDING
    assert venue.refusal("maker", venue.clearing, "clear_exit", account) == Revert.ONLY_OWNER
    venue.send("taker", venue.clearing, "clear_exit", account)
    finalise = ("finalise_exit", account, 0, b"", b"")
    assert venue.refusal("keeper", venue.clearing, *finalise) == Revert.EXIT_UNKNOWN
    venue.chain.set_time(venue.now + WINDOW)
    venue.post(venue.round())
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))


# -- vault ---------------------------------------------------------------------------------------------------------


def test_a_pause_stops_deposits_and_no_exit(market):
    venue, account = market.venue, market.taker.account
    for who in ("maker", "governor", "operator"):
        assert venue.refusal(who, venue.vault, "pause") == Revert.ONLY_GUARDIAN
        assert venue.refusal(who, venue.vault, "resume") == Revert.ONLY_GUARDIAN
    venue.send("guardian", venue.vault, "pause")
    with pytest.raises(Reverted, match=Revert.VAULT_PAUSED):
        venue.deposit(market.taker, 1)
    venue.send("taker", venue.clearing, "request_exit", account)
    venue.chain.set_time(venue.now + WINDOW)
    venue.send("keeper", venue.clearing, "finalise_exit", account, 0, b"", b"")
    assert venue.token.call("balanceOf", address("taker")) == 200_000 * USDC + 1
    venue.send("guardian", venue.vault, "resume")
    venue.deposit(market.taker, 1)
    assert venue.refusal("guardian", venue.vault, "resume") == Revert.PAUSE_OVER


def test_a_pause_ends_by_itself_and_does_not_come_back_at_once(market):
    """A guardian that has lost its key, or its mind, keeps nobody from adding margin for more than three days of six."""
    venue, pause_s = market.venue, market.venue.vault.call("PAUSE")
    venue.send("guardian", venue.vault, "pause")
    until = venue.vault.call("paused_until")
    assert until == venue.now + pause_s
    assert venue.refusal("guardian", venue.vault, "pause") == Revert.PAUSE_EARLY
    venue.chain.set_time(until - 60)
    with pytest.raises(Reverted, match=Revert.VAULT_PAUSED):
        venue.deposit(market.taker, 1)
    venue.chain.set_time(until)
    venue.deposit(market.taker, 1)
    venue.chain.set_time(until + pause_s - 60)
    assert venue.refusal("guardian", venue.vault, "pause") == Revert.PAUSE_EARLY
    venue.chain.set_time(until + pause_s)
    venue.send("guardian", venue.vault, "pause")


def test_the_vault_has_a_cap_that_its_guardian_only_lowers(market):
    venue = market.venue
    held = venue.token.call("balanceOf", venue.vault.address)
    for who in ("maker", "operator"):
        assert venue.refusal(who, venue.vault, "set_cap", 0) == Revert.ONLY_GOVERNOR
    venue.send("guardian", venue.vault, "set_cap", held + 10)
    assert venue.refusal("guardian", venue.vault, "set_cap", held + 11) == Revert.ONLY_GOVERNOR
    with pytest.raises(Reverted, match=Revert.VAULT_CAP):
        venue.deposit(market.taker, 11)
    venue.deposit(market.taker, 10)
    venue.send("governor", venue.vault, "set_cap", held + 20)
    venue.deposit(market.taker, 10)


def test_the_governor_replaces_the_guardian_of_the_vault(market):
    venue = market.venue
    assert venue.refusal("guardian", venue.vault, "set_guardian", address("third")) == Revert.ONLY_GOVERNOR
    venue.send("governor", venue.vault, "set_guardian", address("third"))
    assert venue.refusal("guardian", venue.vault, "pause") == Revert.ONLY_GUARDIAN
    venue.send("third", venue.vault, "pause")


def test_deposits_that_are_refused(market):
    venue, vault = market.venue, market.venue.vault
    assert venue.refusal("taker", vault, "deposit", market.taker.account, 0) == Revert.AMOUNT_ZERO
    assert venue.refusal("taker", vault, "deposit", market.taker.account, 1) == Revert.TOKEN_ALLOWANCE
    venue.send("taker", venue.token, "approve", vault.address, 2**256 - 1)
    assert venue.refusal("taker", vault, "deposit", market.taker.account, 1) == Revert.TOKEN_BALANCE
    venue.send("taker", venue.token, "mint", address("taker"), 10)
    for stranger in (0, 99):
        assert venue.refusal("taker", vault, "deposit", stranger, 1) == Revert.ACCOUNT_UNKNOWN
    assert venue.refusal("taker", venue.token, "transfer", address("maker"), 11) == Revert.TOKEN_BALANCE
    venue.send("taker", venue.token, "transfer", address("maker"), 1)


def test_the_doors_between_the_contracts_are_locked(market):
    venue = market.venue
    for who in ("operator", "guardian", "governor", "taker"):
        assert venue.refusal(who, venue.vault, "release", address(who), 1) == Revert.ONLY_CLEARING
        assert venue.refusal(who, venue.clearing, "credit", market.taker.account, 1) == Revert.ONLY_VAULT
    assert venue.refusal("operator", venue.vault, "set_clearing", address("taker")) == Revert.CLEARING_SET
    for who in ("guardian", "governor", "taker"):
        assert venue.refusal(who, venue.vault, "set_clearing", address("taker")) == Revert.ONLY_DEPLOYER


def test_the_governor_may_replace_the_operator(market):
    venue = market.venue
    assert venue.refusal("operator", venue.clearing, "set_operator", address("third")) == Revert.ONLY_GOVERNOR
    venue.send("governor", venue.clearing, "set_operator", address("third"))
    assert venue.clearing.call("succession") == (True, address("third"), venue.now + WINDOW)
    assert venue.refusal("third", venue.clearing, "install_operator") == Revert.OPERATOR_EARLY
    venue.settle(venue.cross(market.maker, market.taker, market.call, LOT, PRICE))  # what was acknowledged settles
    venue.chain.set_time(venue.now + WINDOW)
    venue.post(venue.round())
    venue.send("maker", venue.clearing, "install_operator")
    assert venue.clearing.call("succession") == (False, bytes(20), 0)
    batch = venue.cross(market.maker, market.taker, market.call, LOT, PRICE)
    assert venue.settle_refusal(batch) == Revert.OPERATOR_SIGNATURE
    venue.settle(spoiled(batch, operator="third"))
    assert venue.refusal("maker", venue.clearing, "install_operator") == Revert.OPERATOR_UNKNOWN


def test_the_governor_may_take_a_naming_back(market):
    venue = market.venue
    for who in ("third", "operator"):
        venue.send("governor", venue.clearing, "set_operator", address(who))
    venue.chain.set_time(venue.now + WINDOW)
    venue.send("maker", venue.clearing, "install_operator")
    assert venue.clearing.call("operator") == address("operator")


def test_an_operator_that_is_gone_is_replaced_at_once(market):
    venue = market.venue
    venue.chain.set_time(venue.now + OPERATOR_TIMEOUT + 1)
    venue.send("governor", venue.clearing, "set_operator", address("third"))
    venue.send("maker", venue.clearing, "install_operator")
    assert venue.clearing.call("operator") == address("third")


# -- listings ------------------------------------------------------------------------------------------------------


def test_listings_that_are_refused(market):
    venue, clearing = market.venue, market.venue.clearing
    later = venue.expiries[market.expiry_id] + 1800
    word = calldata.strikes_word([(1, True)])

    def refusal(name: str, *args: object, who: str = "operator") -> str:
        return venue.refusal(who, clearing, name, *args)

    assert refusal("list_expiry", 2, 1, later, who="taker") == Revert.ONLY_OPERATOR
    assert refusal("list_expiry", 1, 1, later) == Revert.EXPIRY_ORDER
    assert refusal("list_expiry", 3, 1, later) == Revert.EXPIRY_ORDER
    assert refusal("list_expiry", 2, 1, later + 1) == Revert.EXPIRY_TIME
    assert refusal("list_expiry", 2, 1, later - 100 * 1800) == Revert.EXPIRY_TIME
    assert refusal("list_group", 1, 3, word, who="taker") == Revert.ONLY_OPERATOR
    assert refusal("list_group", 2, 0, word) == Revert.SERIES_EXPIRED
    assert refusal("list_group", 1, 64, word) == Revert.SERIES_RANGE
    assert refusal("list_group", 1, 2, 1 << 63) == Revert.SERIES_RANGE
    assert refusal("list_group", 1, 0, word) == Revert.SERIES_LISTED
    assert refusal("list_group", 1, 0, clearing.call("strikes_of", 1, 0)) == Revert.SERIES_LISTED


def test_empty_lanes_of_a_group_may_be_listed_later(market):
    venue, clearing = market.venue, market.venue.clearing
    one = calldata.strikes_word([(1, True)])
    both = calldata.strikes_word([(1, True), None, (1, False)])
    venue.send("operator", clearing, "list_group", 1, 2, one)
    venue.send("operator", clearing, "list_group", 1, 2, both)
    assert clearing.call("strikes_of", 1, 2) == both
    assert venue.refusal("operator", clearing, "list_group", 1, 2, one) == Revert.SERIES_LISTED
