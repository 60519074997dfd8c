"""Methods that need no login: time, status, listings and prices. Imports call, work, dialect."""

from typing import Any, Final

import msgspec

from exchange.core.state import State
from exchange.core.units import U63_MAX
from exchange.dialect.errors import Code, DialectError
from exchange.dialect.listed import Listed, instrument_object, instrument_texts
from exchange.dialect.market import index_of_underlying, order_book_object
from exchange.dialect.names import base_currency
from exchange.dialect.numbers import millis, usdc
from exchange.session.call import Call
from exchange.session.work import Read, Work
from exchange.signing import DEV_CHAINS

VERSION: Final = "0.1.0"
DEPTH_DEFAULT: Final = 20
DEPTH_MAX: Final = 10_000


def get_time(call: Call) -> Work:
    """Milliseconds."""
    return call.envelope.result(millis(call.now_ns), call.now_ns)


def hello(call: Call) -> Work:
    """Who we are, to whoever introduces itself."""
    call.params.text("client_name", chars_max=256)
    call.params.text("client_version", chars_max=256)
    return call.envelope.result({"version": VERSION}, call.now_ns)


def test(call: Call) -> Work:
    """Version; or an error, when asked for one."""
    if call.params.text("expected_result", "") == "exception":
        raise DialectError(Code.BAD_REQUEST, reason="exception_as_asked")
    return call.envelope.result({"version": VERSION}, call.now_ns)


def status(call: Call) -> Work:
    """``locked`` is a string in this dialect. ``x_venue`` is what orders are signed for."""

    def query(state: State) -> dict[str, Any]:
        venue = call.desk.venue
        if venue is None:
            raise DialectError(Code.MAINTENANCE, reason="venue_must_be_configured")
        shown = {"name": venue.name, "chain_id": venue.chain_id}
        shown |= {"clearing": venue.clearing, "operator": venue.operator}
        delay_ns = state.config.taker_delay_ns if state.config is not None else 0
        locked = "false" if state.is_open else "true"
        return {"locked": locked, "x_venue": shown, "x_seq": state.seq, "x_taker_delay_ns": delay_ns} | {
            "x_operator_nonce": state.operator_nonce,
            "x_development": venue.chain_id in DEV_CHAINS,
        }

    return Read(call.envelope, query)


def get_currencies(call: Call) -> Work:
    """The settlement currency, and the underlyings that clients look instruments up by."""

    def query(state: State) -> list[dict[str, Any]]:
        bases = [base_currency(item.name) for item in state.underlyings.values()]
        return [_currency(name) for name in dict.fromkeys(["USDC", *bases])]

    return Read(call.envelope, query)


def _currency(name: str) -> dict[str, Any]:
    return {
        "currency": name,
        "currency_long": name,
        "coin_type": name,
        "in_cross_collateral_pool": False,
        "min_confirmations": 1,
        "withdrawal_fee": 0.0,
        "decimals": 6,
    }


def get_instruments(call: Call) -> Work:
    """Live instruments, or the expired ones."""
    expired = call.params.flag("expired")
    instruments = call.desk.listed.values()
    wanted = [listed for listed in instruments if call.currency_matches(listed) and call.kind_matches(listed)]

    def query(state: State) -> list[msgspec.Raw]:
        ended = {expiry.id: expiry.fixing >= 0 for expiry in state.expiries.values()}
        return instrument_texts(state, [listed for listed in wanted if ended[listed.expiry_id] == expired])

    return Read(call.envelope, query)


def get_instrument(call: Call) -> Work:
    """One instrument."""
    listed = call.instrument()
    return Read(call.envelope, lambda state: instrument_object(state, listed))


def get_order_book(call: Call) -> Work:
    """Levels and ticker of one book; ``change_id`` is the one of the streams."""
    return _book(call, call.instrument())


def get_order_book_by_instrument_id(call: Call) -> Work:
    """The same, the instrument named by its number."""
    listed = call.desk.by_series.get(call.params.whole("instrument_id", high=U63_MAX))
    if listed is None:
        raise DialectError(Code.INVALID_INSTRUMENT, reason="series_must_exist", param="instrument_id")
    return _book(call, listed)


def _book(call: Call, listed: Listed) -> Work:
    desk, depth = call.desk, call.params.whole("depth", DEPTH_DEFAULT, low=1, high=DEPTH_MAX)

    def query(state: State) -> dict[str, Any]:
        return order_book_object(state, listed, desk.ticker_of(state, listed), desk.change_id(listed.series), depth)

    return Read(call.envelope, query)


def ticker(call: Call) -> Work:
    """Best prices, mark, vol and Greeks of one instrument."""
    listed, desk = call.instrument(), call.desk
    return Read(call.envelope, lambda state: desk.ticker_of(state, listed))


def get_index_price(call: Call) -> Work:
    """Spot of the last oracle round."""
    underlying = call.desk.indices.get(call.params.text("index_name"))
    if underlying is None:
        raise DialectError(Code.INVALID_ARGUMENTS, reason="index_must_exist", param="index_name")

    def query(state: State) -> dict[str, float]:
        price = usdc(index_of_underlying(state, underlying))
        return {"index_price": price, "estimated_delivery_price": price}

    return Read(call.envelope, query)
