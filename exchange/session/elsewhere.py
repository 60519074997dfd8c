"""What other venues of the dialect have and this one does not, each with the reason.

Such methods answer not_implemented, with the reason, instead of method_not_found. Names only, from the public schema of
typed-deribit 0.4.1 (MIT). Imports nothing.
"""

from typing import Final

_NO_FUTURES: Final = "only options and combos of them trade here: nothing is funded"
_ON_CHAIN: Final = "deposits, withdrawals and transfers are calls of the contracts; no operator moves funds"
_KEYS: Final = "session keys are registered and revoked on the contracts; there are no API secrets"
_NO_USERS: Final = "wallets are all there is: no mail, members, brokers, referrals or news"
_SIGNED: Final = "both sides sign a block trade, own accounts too, so nothing is left to approve"
_PER_ORDER: Final = "each order signs what it does when it meets its own wallet (x_self_trade)"
_MARGIN: Final = "one margin model binds; private/simulate_portfolio tells what others would say"
_TRIGGERS: Final = "a request for quotes has no trigger"
_PATHS: Final = "the oracle keeps no path of marks or of a volatility index; journal and rounds do"
_LOGINS: Final = "logins are not journaled"

_REASONS: Final = {
    _NO_FUTURES: """
        public/get_apr_history public/get_funding_chart_data public/get_funding_rate_history
        public/get_funding_rate_value
    """,
    _PATHS: "public/get_mark_price_history public/get_volatility_index_data",
    _NO_USERS: """
        public/get_announcements private/delete_member private/enable_affiliate_program
        private/get_affiliate_program_info
        private/get_broker_clients private/get_broker_trade_requests private/get_broker_trades
        private/get_email_language private/get_members private/get_new_announcements private/get_reward_eligibility
        private/set_announcement_as_read private/set_email_for_subaccount private/set_email_language private/set_member
        private/toggle_notifications_from_subaccount private/change_subaccount_name
        private/set_disabled_trading_products
    """,
    _ON_CHAIN: """
        private/add_to_address_book private/cancel_transfer_by_id private/cancel_withdrawal
        private/create_deposit_address private/create_subaccount private/delete_address_beneficiary
        private/get_address_beneficiary
        private/get_address_book private/get_current_deposit_address private/get_deposits private/get_transfers
        private/get_withdrawals private/list_address_beneficiaries private/list_custody_accounts
        private/remove_from_address_book private/remove_subaccount private/save_address_beneficiary
        private/set_clearance_originator private/submit_transfer_between_subaccounts
        private/submit_transfer_to_subaccount private/submit_transfer_to_user private/toggle_subaccount_login
        private/update_in_address_book private/withdraw
    """,
    _KEYS: """
        private/change_api_key_name private/change_scope_in_api_key private/create_api_key private/disable_api_key
        private/edit_api_key private/enable_api_key private/list_api_keys private/remove_api_key private/reset_api_key
    """,
    _SIGNED: """
        private/approve_block_trade private/get_block_trade_requests private/move_positions private/reject_block_trade
    """,
    _PER_ORDER: "private/set_self_trading_config",
    _MARGIN: "private/change_margin_model private/pme/simulate",
    _TRIGGERS: "private/cancel_block_rfq_trigger",
    _LOGINS: "private/get_access_log",
}

ELSEWHERE: Final = {name: reason for reason, names in _REASONS.items() for name in names.split()}
"""Methods, each with why it is not here."""

CHANNELS_ELSEWHERE: Final = {
    "announcements": _NO_USERS,
    "block_trade_confirmations": _SIGNED,
    "block_trade_confirmations.{currency}": _SIGNED,
    "deribit_price_ranking.{index_name}": "sources of the index are the signers' own",
    "deribit_volatility_index.{index_name}": _PATHS,
    "perpetual.{instrument_name}.{interval}": _NO_FUTURES,
    "platform_state.public_methods_state": "public methods are always open",
    "user.access_log": _LOGINS,
    "user.lock": "private/get_user_locks tells",
}
"""Channels, the same."""
