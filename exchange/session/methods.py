"""Every method of the venue: who answers it, and what asking costs.

Imports the modules of handlers.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from exchange.session import (
    account,
    blocks,
    cancelling,
    combos,
    margins,
    operating,
    past,
    presence,
    public,
    quoting,
    rfqs,
    statements,
    trading,
)
from exchange.session.call import Call
from exchange.session.work import Work

Handler = Callable[[Call], Work]


class Cost(Enum):
    """What a method is charged as: see ``limits.Costs``. A listing is as long as what is listed."""

    MATCHING = "matching"
    QUOTES = "quotes"
    LISTING = "listing"
    CANCEL = "cancel"
    QUERY = "query"


class Method(NamedTuple):
    """Who answers, and the cost."""

    handler: Handler
    cost: Cost = Cost.QUERY


PUBLIC: Final[dict[str, Method]] = {
    "public/get_time": Method(public.get_time),
    "public/hello": Method(public.hello),
    "public/test": Method(public.test),
    "public/status": Method(public.status),
    "public/get_currencies": Method(public.get_currencies),
    "public/get_instruments": Method(public.get_instruments, Cost.LISTING),
    "public/get_instrument": Method(public.get_instrument),
    "public/get_order_book": Method(public.get_order_book),
    "public/ticker": Method(public.ticker),
    "public/get_index_price": Method(public.get_index_price),
    "public/get_block_rfq_trades": Method(rfqs.get_block_rfq_trades, Cost.LISTING),
    "public/get_combos": Method(combos.get_combos, Cost.LISTING),
    "public/get_combo_ids": Method(combos.get_combo_ids, Cost.LISTING),
    "public/get_combo_details": Method(combos.get_combo_details),
    "public/x_operate": Method(operating.operate, Cost.MATCHING),
    "public/x_submit_block_trade": Method(blocks.submit_block_trade, Cost.MATCHING),
    "public/get_order_book_by_instrument_id": Method(public.get_order_book_by_instrument_id),
    "public/get_last_trades_by_currency": Method(past.get_last_trades_by_currency, Cost.LISTING),
    "public/get_last_trades_by_currency_and_time": Method(past.get_last_trades_by_currency, Cost.LISTING),
    "public/get_last_trades_by_instrument": Method(past.get_last_trades_by_instrument, Cost.LISTING),
    "public/get_last_trades_by_instrument_and_time": Method(past.get_last_trades_by_instrument, Cost.LISTING),
    "public/get_trade_volumes": Method(past.get_trade_volumes, Cost.LISTING),
    "public/get_tradingview_chart_data": Method(past.get_tradingview_chart_data, Cost.LISTING),
    "public/get_index_chart_data": Method(past.get_index_chart_data, Cost.LISTING),
    "public/get_historical_volatility": Method(past.get_historical_volatility, Cost.LISTING),
    "public/get_book_summary_by_currency": Method(past.get_book_summary_by_currency, Cost.LISTING),
    "public/get_book_summary_by_instrument": Method(past.get_book_summary_by_instrument),
    "public/get_contract_size": Method(past.get_contract_size),
    "public/get_index_price_names": Method(past.get_index_price_names),
    "public/get_supported_index_names": Method(past.get_supported_index_names),
    "public/get_expirations": Method(past.get_expirations, Cost.LISTING),
    "public/get_delivery_prices": Method(past.get_delivery_prices),
    "public/get_last_settlements_by_currency": Method(past.get_last_settlements_by_currency, Cost.LISTING),
    "public/get_last_settlements_by_instrument": Method(past.get_last_settlements_by_instrument, Cost.LISTING),
}

PRIVATE: Final[dict[str, Method]] = {
    "private/buy": Method(trading.buy, Cost.MATCHING),
    "private/sell": Method(trading.sell, Cost.MATCHING),
    "private/edit": Method(trading.edit, Cost.MATCHING),
    "private/cancel": Method(trading.cancel, Cost.CANCEL),
    "private/cancel_all": Method(cancelling.cancel_all, Cost.CANCEL),
    "private/cancel_all_by_instrument": Method(cancelling.cancel_all_by_instrument, Cost.CANCEL),
    "private/edit_by_label": Method(trading.edit_by_label, Cost.MATCHING),
    "private/close_position": Method(trading.close_position, Cost.MATCHING),
    "private/cancel_by_label": Method(cancelling.cancel_by_label, Cost.CANCEL),
    "private/cancel_all_by_currency": Method(cancelling.cancel_all_by_currency, Cost.CANCEL),
    "private/cancel_all_by_currency_pair": Method(cancelling.cancel_all_by_currency_pair, Cost.CANCEL),
    "private/cancel_all_by_kind_or_type": Method(cancelling.cancel_all_by_kind_or_type, Cost.CANCEL),
    "private/enable_cancel_on_disconnect": Method(presence.enable_cancel_on_disconnect),
    "private/disable_cancel_on_disconnect": Method(presence.disable_cancel_on_disconnect),
    "private/get_cancel_on_disconnect": Method(presence.get_cancel_on_disconnect),
    "private/x_cancel_all_after": Method(presence.cancel_all_after, Cost.CANCEL),
    "private/x_kill_switch": Method(presence.kill_switch, Cost.CANCEL),
    "private/x_release_kill_switch": Method(presence.release_kill_switch, Cost.MATCHING),
    "private/x_get_kill_switch": Method(presence.get_kill_switch),
    "private/create_block_rfq": Method(rfqs.create_block_rfq, Cost.MATCHING),
    "private/cancel_block_rfq": Method(rfqs.cancel_block_rfq, Cost.CANCEL),
    "private/accept_block_rfq": Method(rfqs.accept_block_rfq, Cost.MATCHING),
    "private/add_block_rfq_quote": Method(rfqs.add_block_rfq_quote, Cost.MATCHING),
    "private/edit_block_rfq_quote": Method(rfqs.edit_block_rfq_quote, Cost.MATCHING),
    "private/cancel_block_rfq_quote": Method(rfqs.cancel_block_rfq_quote, Cost.CANCEL),
    "private/cancel_all_block_rfq_quotes": Method(rfqs.cancel_all_block_rfq_quotes, Cost.CANCEL),
    "private/get_block_rfqs": Method(rfqs.get_block_rfqs, Cost.LISTING),
    "private/get_block_rfq_quotes": Method(rfqs.get_block_rfq_quotes, Cost.LISTING),
    "private/get_block_rfq_makers": Method(rfqs.get_block_rfq_makers),
    "private/get_block_rfq_user_info": Method(rfqs.get_block_rfq_user_info),
    "private/x_set_block_rfq_maker": Method(rfqs.set_block_rfq_maker, Cost.MATCHING),
    "private/create_combo": Method(combos.create_combo, Cost.MATCHING),
    "private/get_leg_prices": Method(combos.get_leg_prices),
    "private/verify_block_trade": Method(blocks.verify_block_trade),
    "private/simulate_block_trade": Method(blocks.simulate_block_trade),
    "private/execute_block_trade": Method(blocks.execute_block_trade, Cost.MATCHING),
    "private/invalidate_block_trade_signature": Method(blocks.invalidate_block_trade_signature, Cost.CANCEL),
    "private/get_block_trade": Method(blocks.get_block_trade),
    "private/get_block_trades": Method(blocks.get_block_trades),
    "private/mass_quote": Method(quoting.mass_quote, Cost.QUOTES),
    "private/cancel_quotes": Method(quoting.cancel_quotes, Cost.CANCEL),
    "private/set_mmp_config": Method(quoting.set_mmp_config, Cost.MATCHING),
    "private/get_mmp_config": Method(quoting.get_mmp_config),
    "private/get_mmp_status": Method(quoting.get_mmp_status),
    "private/reset_mmp": Method(quoting.reset_mmp, Cost.MATCHING),
    "private/get_open_orders": Method(account.get_open_orders, Cost.LISTING),
    "private/get_open_orders_by_currency": Method(account.get_open_orders_by_currency, Cost.LISTING),
    "private/get_open_orders_by_instrument": Method(account.get_open_orders_by_instrument, Cost.LISTING),
    "private/get_trigger_order_history": Method(account.get_trigger_order_history, Cost.LISTING),
    "private/get_order_state": Method(account.get_order_state),
    "private/get_positions": Method(account.get_positions),
    "private/get_position": Method(account.get_position),
    "private/get_account_summary": Method(account.get_account_summary),
    "private/get_account_summaries": Method(account.get_account_summaries),
    "private/get_margins": Method(margins.get_margins),
    "private/simulate_portfolio": Method(margins.simulate_portfolio, Cost.LISTING),
    "private/get_user_trades_by_currency": Method(statements.get_user_trades_by_currency, Cost.LISTING),
    "private/get_user_trades_by_currency_and_time": Method(statements.get_user_trades_by_currency, Cost.LISTING),
    "private/get_user_trades_by_instrument": Method(statements.get_user_trades_by_instrument, Cost.LISTING),
    "private/get_user_trades_by_instrument_and_time": Method(statements.get_user_trades_by_instrument, Cost.LISTING),
    "private/get_user_trades_by_order": Method(statements.get_user_trades_by_order, Cost.LISTING),
    "private/get_order_history_by_currency": Method(statements.get_order_history_by_currency, Cost.LISTING),
    "private/get_order_history_by_instrument": Method(statements.get_order_history_by_instrument, Cost.LISTING),
    "private/get_open_orders_by_label": Method(statements.get_open_orders_by_label, Cost.LISTING),
    "private/get_order_state_by_label": Method(statements.get_order_state_by_label, Cost.LISTING),
    "private/get_order_margin_by_ids": Method(statements.get_order_margin_by_ids),
    "private/get_transaction_log": Method(statements.get_transaction_log, Cost.LISTING),
    "private/get_settlement_history_by_currency": Method(statements.get_settlement_history_by_currency, Cost.LISTING),
    "private/get_settlement_history_by_instrument": Method(
        statements.get_settlement_history_by_instrument, Cost.LISTING
    ),
    "private/x_get_drop_copy": Method(statements.get_drop_copy, Cost.LISTING),
    "private/get_subaccounts": Method(statements.get_subaccounts),
    "private/get_subaccounts_details": Method(statements.get_subaccounts_details, Cost.LISTING),
    "private/get_user_locks": Method(statements.get_user_locks),
    "private/get_currencies": Method(statements.get_currencies),
}

ON_SOCKET: Final = (
    "public/set_heartbeat",
    "public/disable_heartbeat",
    "public/subscribe",
    "public/unsubscribe",
    "public/unsubscribe_all",
    "private/subscribe",
    "private/unsubscribe",
    "private/unsubscribe_all",
    "private/logout",
)
"""Methods that only a connection has; it answers them itself."""

LOGINS: Final = ("public/auth", "public/exchange_token", "public/fork_token")
"""Methods that give out tokens; the session answers them itself."""

_SIGNED: Final = """
    private/buy private/sell private/edit private/edit_by_label private/close_position private/mass_quote
    private/accept_block_rfq private/add_block_rfq_quote private/edit_block_rfq_quote private/execute_block_trade
    private/verify_block_trade
"""
SIGNED: Final = tuple(_SIGNED.split())
"""Methods that carry a signature of the account's."""

METHODS: Final = (*LOGINS, *PUBLIC, *PRIVATE, *ON_SOCKET)
