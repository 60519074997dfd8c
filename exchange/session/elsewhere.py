"""Methods of the dialect that this venue does not have: they answer not_implemented instead of method_not_found.

Names only, from the public schema of typed-deribit 0.4.1 (MIT). Imports nothing.
"""

from typing import Final

_PUBLIC: Final = """
    exchange_token fork_token get_announcements get_apr_history get_book_summary_by_currency
    get_book_summary_by_instrument get_contract_size
    get_delivery_prices get_expirations get_funding_chart_data get_funding_rate_history get_funding_rate_value
    get_historical_volatility get_index_chart_data get_index_price_names get_last_settlements_by_currency
    get_last_settlements_by_instrument get_last_trades_by_currency get_last_trades_by_currency_and_time
    get_last_trades_by_instrument get_last_trades_by_instrument_and_time get_mark_price_history
    get_order_book_by_instrument_id get_supported_index_names get_trade_volumes get_tradingview_chart_data
    get_volatility_index_data
"""
_PRIVATE: Final = """
    add_to_address_book approve_block_trade
    cancel_all_by_currency cancel_all_by_currency_pair cancel_all_by_kind_or_type
    cancel_block_rfq_trigger cancel_by_label cancel_transfer_by_id
    cancel_withdrawal change_api_key_name change_margin_model change_scope_in_api_key change_subaccount_name
    close_position create_api_key create_deposit_address create_subaccount
    delete_address_beneficiary delete_member disable_api_key edit_api_key
    edit_by_label enable_affiliate_program enable_api_key
    get_access_log get_address_beneficiary get_address_book get_affiliate_program_info
    get_block_trade_requests get_broker_clients get_broker_trade_requests get_broker_trades
    get_currencies get_current_deposit_address get_deposits get_email_language
    get_members get_new_announcements
    get_open_orders_by_label get_order_history_by_currency get_order_history_by_instrument get_order_margin_by_ids
    get_order_state_by_label get_reward_eligibility get_settlement_history_by_currency
    get_settlement_history_by_instrument get_subaccounts get_subaccounts_details get_transaction_log get_transfers
    get_user_locks get_user_trades_by_currency get_user_trades_by_currency_and_time
    get_user_trades_by_instrument get_user_trades_by_instrument_and_time get_user_trades_by_order get_withdrawals
    list_address_beneficiaries list_api_keys list_custody_accounts
    move_positions pme/simulate reject_block_trade remove_api_key remove_from_address_book remove_subaccount
    reset_api_key save_address_beneficiary set_announcement_as_read set_clearance_originator
    set_disabled_trading_products set_email_for_subaccount set_email_language set_member
    set_self_trading_config submit_transfer_between_subaccounts
    submit_transfer_to_subaccount submit_transfer_to_user toggle_notifications_from_subaccount
    toggle_subaccount_login update_in_address_book withdraw
"""

ELSEWHERE: Final = frozenset(
    [f"public/{name}" for name in _PUBLIC.split()] + [f"private/{name}" for name in _PRIVATE.split()]
)
