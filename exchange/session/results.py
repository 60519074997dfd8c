"""What each method answers with, and the same as JSON Schema for the reference. Imports shapes."""

from typing import Any, Final

from exchange.session.shapes import (
    BLOCK,
    BOOK,
    COMBO,
    GRANT,
    INSTRUMENT,
    KILL,
    LOG_LINE,
    OBJECTS,
    ORDER,
    POSITION,
    PROTECTION,
    RECEIPT,
    RFQ,
    RFQ_QUOTE,
    RFQ_TRADE,
    SETTLEMENT,
    SUMMARY,
    SUMMARY_ROW,
    TICKER,
    TRADE,
    TRIGGER_ENTRY,
    USER_TRADE,
    Shape,
)

ENTERED: Final[Shape] = {
    "order": ORDER,
    "trades": [USER_TRADE],
    "x_order_hash": "string",
    "?receipt": RECEIPT,
    "?x_repeated": "boolean",
    "?x_linked_orders": [ORDER],
}
CANCELLED: Final[Shape] = (
    "integer",
    [{"type": "string", "instrument_name": "string", "currency": "string", "result": [ORDER]}],
)

RESULTS: Final[dict[str, Shape]] = {
    "public/auth": GRANT,
    "public/exchange_token": GRANT,
    "public/fork_token": GRANT,
    "public/get_time": "integer",
    "public/hello": {"version": "string"},
    "public/test": {"version": "string"},
    "public/status": {
        "locked": "string",
        "x_venue": {"name": "string", "chain_id": "integer", "clearing": "string", "operator": "string"},
        "x_seq": "integer",
        "x_taker_delay_ns": "integer",
        "x_operator_nonce": "integer",
        "x_development": "boolean",
    },
    "public/get_currencies": [
        {
            "currency": "string",
            "currency_long": "string",
            "coin_type": "string",
            "in_cross_collateral_pool": "boolean",
            "min_confirmations": "integer",
            "withdrawal_fee": "number",
            "decimals": "integer",
        }
    ],
    "public/get_instruments": [INSTRUMENT],
    "public/get_instrument": INSTRUMENT,
    "public/get_order_book": BOOK,
    "public/ticker": TICKER,
    "public/get_index_price": {"index_price": "number", "estimated_delivery_price": "number"},
    "public/get_block_rfq_trades": {"block_rfqs": [RFQ_TRADE], "continuation": "null | string"},
    "public/get_combos": [COMBO],
    "public/get_combo_ids": ["string"],
    "public/get_combo_details": COMBO,
    "public/x_operate": {"operation": "string", "seq": "integer", "receipt": RECEIPT},
    "public/x_submit_block_trade": {
        "id": "string",
        "timestamp": "integer",
        "trades": [TRADE],
        "x_block_hash": "string",
        "receipt": RECEIPT,
    },
    "public/get_order_book_by_instrument_id": BOOK,
    "public/get_last_trades_by_currency": {"trades": [TRADE], "has_more": "boolean"},
    "public/get_last_trades_by_currency_and_time": {"trades": [TRADE], "has_more": "boolean"},
    "public/get_last_trades_by_instrument": {"trades": [TRADE], "has_more": "boolean"},
    "public/get_last_trades_by_instrument_and_time": {"trades": [TRADE], "has_more": "boolean"},
    "public/get_trade_volumes": [
        {
            "currency": "string",
            "currency_pair": "string",
            "calls_volume": "number",
            "puts_volume": "number",
            "futures_volume": "number",
            "spot_volume": "number",
        }
    ],
    "public/get_tradingview_chart_data": {
        "ticks": ["integer"],
        "open": ["number"],
        "high": ["number"],
        "low": ["number"],
        "close": ["number"],
        "volume": ["number"],
        "cost": ["number"],
        "status": "string",
    },
    "public/get_index_chart_data": [["number"]],
    "public/get_historical_volatility": [["number"]],
    "public/get_book_summary_by_currency": [SUMMARY_ROW],
    "public/get_book_summary_by_instrument": [SUMMARY_ROW],
    "public/get_contract_size": {"contract_size": "integer"},
    "public/get_index_price_names": [
        (
            {"name": "string", "future_combo_creation_enabled": "boolean", "option_combo_creation_enabled": "boolean"},
            "string",
        )
    ],
    "public/get_supported_index_names": ["string"],
    "public/get_expirations": (
        {"?future": ["string"], "?option": ["string"]},
        {"*": {"?future": ["string"], "?option": ["string"]}},
    ),
    "public/get_delivery_prices": {
        "records_total": "integer",
        "data": [{"date": "string", "delivery_price": "number"}],
    },
    "public/get_last_settlements_by_currency": {"settlements": [SETTLEMENT], "continuation": "string"},
    "public/get_last_settlements_by_instrument": {"settlements": [SETTLEMENT], "continuation": "string"},
    "private/buy": ENTERED,
    "private/sell": ENTERED,
    "private/edit": ENTERED,
    "private/cancel": ORDER,
    "private/cancel_all": CANCELLED,
    "private/cancel_all_by_instrument": CANCELLED,
    "private/edit_by_label": ENTERED,
    "private/close_position": ENTERED,
    "private/cancel_by_label": CANCELLED,
    "private/cancel_all_by_currency": CANCELLED,
    "private/cancel_all_by_currency_pair": CANCELLED,
    "private/cancel_all_by_kind_or_type": CANCELLED,
    "private/enable_cancel_on_disconnect": "string",
    "private/disable_cancel_on_disconnect": "string",
    "private/get_cancel_on_disconnect": {"scope": "string", "enabled": "boolean"},
    "private/x_cancel_all_after": {"timeout": "integer", "deadline": "integer", "receipt": RECEIPT},
    "private/x_kill_switch": [KILL],
    "private/x_release_kill_switch": [KILL],
    "private/x_get_kill_switch": [KILL],
    "private/create_block_rfq": RFQ,
    "private/cancel_block_rfq": RFQ,
    "private/accept_block_rfq": {
        "trade_trigger": {},
        "block_trades": [BLOCK],
        "x_order_hash": "string",
        "x_block_rfq": RFQ,
        "receipt": RECEIPT,
    },
    "private/add_block_rfq_quote": RFQ_QUOTE,
    "private/edit_block_rfq_quote": RFQ_QUOTE,
    "private/cancel_block_rfq_quote": RFQ_QUOTE,
    "private/cancel_all_block_rfq_quotes": "integer",
    "private/get_block_rfqs": {"block_rfqs": [RFQ], "?continuation": "null | string | integer"},
    "private/get_block_rfq_quotes": [RFQ_QUOTE],
    "private/get_block_rfq_makers": ["string"],
    "private/get_block_rfq_user_info": {"users": [{"user_id": "integer", "identity": "string", "is_maker": "boolean"}]},
    "private/x_set_block_rfq_maker": "string",
    "private/create_combo": COMBO,
    "private/get_leg_prices": {
        "amount": "number",
        "legs": [{"instrument_name": "string", "direction": "string", "ratio": "integer", "price": "number"}],
    },
    "private/verify_block_trade": {"signature": "string", "x_block_hash": "string"},
    "private/simulate_block_trade": "boolean",
    "private/execute_block_trade": {
        "id": "string",
        "timestamp": "integer",
        "trades": [USER_TRADE],
        "x_block_hash": "string",
        "receipt": RECEIPT,
    },
    "private/invalidate_block_trade_signature": "string",
    "private/get_block_trade": BLOCK,
    "private/get_block_trades": [BLOCK],
    "private/mass_quote": {
        "errors": [
            {
                "instrument_name": "string",
                "side": "string",
                "error": {
                    "code": "integer",
                    "message": "string",
                    "data": {
                        "reason": "string",
                        "value": "number",
                        "limit": "number",
                        "rule": "string",
                        "cure": "string",
                    },
                },
            }
        ],
        "errors_count": "integer",
        "pending_requests": ["string"],
        "x_standing": "integer",
        "receipt": RECEIPT,
        "?orders": [ORDER],
        "?trades": [USER_TRADE],
    },
    "private/cancel_quotes": "integer",
    "private/set_mmp_config": [PROTECTION],
    "private/get_mmp_config": [PROTECTION],
    "private/get_mmp_status": [
        {"index_name": "string", "mmp_group": "string", "is_frozen": "boolean", "frozen_until": "integer"}
    ],
    "private/reset_mmp": "string",
    "private/get_open_orders": [ORDER],
    "private/get_open_orders_by_currency": [ORDER],
    "private/get_open_orders_by_instrument": [ORDER],
    "private/get_trigger_order_history": {"entries": [TRIGGER_ENTRY]},
    "private/get_order_state": ORDER,
    "private/get_positions": [POSITION],
    "private/get_position": POSITION,
    "private/get_account_summary": SUMMARY,
    "private/get_account_summaries": {
        "id": "integer",
        "type": "string",
        "username": "string",
        "system_name": "string",
        "x_next_nonce": "integer",
        "x_exiting": "boolean",
        "summaries": [SUMMARY],
    },
    "private/get_margins": {
        "buy": "number",
        "sell": "number",
        "buy_taker_fee": "number",
        "buy_maker_fee": "number",
        "sell_taker_fee": "number",
        "sell_maker_fee": "number",
        "min_price": "number",
        "max_price": "number",
    },
    "private/simulate_portfolio": {
        "currency": "string",
        "balance": "number",
        "equity": "number",
        "margin_balance": "number",
        "available_funds": "number",
        "available_withdrawal_funds": "number",
        "initial_margin": "number",
        "maintenance_margin": "number",
        "projected_initial_margin": "number",
        "projected_maintenance_margin": "number",
        "options_value": "number",
        "options_delta": "number",
        "options_gamma": "number",
        "options_vega": "number",
        "options_theta": "number",
        "delta_total": "number",
        "portfolio_margining_enabled": "boolean",
        "cross_collateral_enabled": "boolean",
        "margin_model": "string",
        "x_scenarios": {
            "*": {
                "initial_margin": "number",
                "maintenance_margin": "number",
                "worst": "integer",
                "scenarios": [{"price_change": "number", "vol": "string", "weight": "number", "profit_loss": "number"}],
            }
        },
    },
    "private/get_user_trades_by_currency": {"trades": [USER_TRADE], "has_more": "boolean"},
    "private/get_user_trades_by_currency_and_time": {"trades": [USER_TRADE], "has_more": "boolean"},
    "private/get_user_trades_by_instrument": {"trades": [USER_TRADE], "has_more": "boolean"},
    "private/get_user_trades_by_instrument_and_time": {"trades": [USER_TRADE], "has_more": "boolean"},
    "private/get_user_trades_by_order": [USER_TRADE],
    "private/get_order_history_by_currency": [ORDER],
    "private/get_order_history_by_instrument": [ORDER],
    "private/get_open_orders_by_label": [ORDER],
    "private/get_order_state_by_label": [ORDER],
    "private/get_order_margin_by_ids": [
        {"order_id": "string", "initial_margin": "number", "initial_margin_currency": "string"}
    ],
    "private/get_transaction_log": {"logs": [LOG_LINE], "continuation": "integer | null", "x_since": "integer"},
    "private/get_settlement_history_by_currency": {"settlements": [SETTLEMENT], "continuation": "string"},
    "private/get_settlement_history_by_instrument": {"settlements": [SETTLEMENT], "continuation": "string"},
    "private/x_get_drop_copy": {
        "messages": [
            {
                "account": "integer",
                "seq": "integer",
                "prev_seq": "integer",
                "timestamp": "integer",
                "orders": [ORDER],
                "trades": [USER_TRADE],
                "transactions": [LOG_LINE],
                "protections": [
                    {
                        "mmp_group": "string",
                        "timestamp": "integer",
                        "x_account": "integer",
                        "x_figure": "string",
                        "x_value": "integer",
                        "x_limit": "integer",
                    }
                ],
            }
        ],
        "has_more": "boolean",
        "reach_seq": "integer",
        "last_seq": "integer",
    },
    "private/get_subaccounts": [
        {
            "id": "integer",
            "username": "string",
            "system_name": "string",
            "type": "string",
            "email": "string",
            "is_password": "boolean",
            "login_enabled": "boolean",
            "receive_notifications": "boolean",
            "security_keys_enabled": "boolean",
            "margin_model": "string",
            "?portfolio": {"*": SUMMARY},
        }
    ],
    "private/get_subaccounts_details": [{"uid": "integer", "positions": [POSITION], "?open_orders": [ORDER]}],
    "private/get_user_locks": [{"currency": "string", "locked": "boolean"}],
    "private/get_currencies": [{"currency": "string"}],
    "public/set_heartbeat": "string",
    "public/disable_heartbeat": "string",
    "public/subscribe": ["string"],
    "public/unsubscribe": ["string"],
    "public/unsubscribe_all": "string",
    "private/subscribe": ["string"],
    "private/unsubscribe": ["string"],
    "private/unsubscribe_all": "string",
    "private/logout": "null",
}

_BY_IDENTITY: Final = {id(shape): name for name, shape in OBJECTS.items()}


def schema_of(shape: Shape) -> dict[str, Any]:
    """JSON Schema of a shape, with references to ``components.schemas``."""
    name = shape if isinstance(shape, str) and shape in OBJECTS else _BY_IDENTITY.get(id(shape))
    return {"$ref": f"#/components/schemas/{name}"} if name is not None else inline_schema_of(shape)


def inline_schema_of(shape: Shape) -> dict[str, Any]:
    """The same, the outermost object spelt out."""
    match shape:
        case str():
            kinds = shape.split(" | ")
            return {"type": kinds[0] if len(kinds) == 1 else kinds}
        case [item]:
            return {"type": "array", "items": schema_of(item)}
        case dict() if "*" in shape:
            return {"type": "object", "additionalProperties": schema_of(shape["*"])}
        case dict():
            fields = {name.removeprefix("?"): schema_of(value) for name, value in shape.items()}
            required = [name for name in shape if not name.startswith("?")]
            return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
        case _:
            return {"anyOf": [schema_of(each) for each in shape]}
