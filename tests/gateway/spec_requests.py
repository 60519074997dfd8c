"""Requests drawn from the published specification, `docs/openrpc.json`, and damaged. Knows nothing of the code behind it.

A request is a method of the specification with parameters of its types; words that mean something to a venue (names of
instruments, directions, ids) are mixed with any other. Orders may carry a true signature, or nobody would get past the
door. One in three is damaged: as a value, as an object, or as text.
"""

import json
from pathlib import Path

from hypothesis import strategies as st

SPEC = json.loads((Path(__file__).parents[2] / "docs" / "openrpc.json").read_text())
METHODS = {method["name"]: method for method in SPEC["methods"]}
ERRORS = {error["code"]: error["message"] for error in SPEC["components"]["errors"].values()}
SIGNED = ("private/buy", "private/sell")
TEXT_MAX = 60_000  # the door takes 65,536 bytes, and says so in a test of its own

numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-3, 300),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.1, 0.01, 1.0, 1_000.0, 1e-9, 1e300, 2**63, 2**64]),
)
scraps = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=30))
anything = st.recursive(
    scraps,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)


def words_of(names, channels):
    """What may be said where, by the name of a parameter."""
    words = {
        "instrument_name": names,
        "currency": ["USDC", "BTC", "any", "ETH"],
        "kind": ["option", "any", "option_combo", "future"],
        "index_name": ["btc_usdc", "btc_usd"],
        "order_id": [str(number) for number in range(1, 60)],
        "label": ["a", "b", ""],
        "direction": ["buy", "sell"],
        "time_in_force": ["good_til_cancelled", "immediate_or_cancel", "fill_or_kill", "good_til_day"],
        "type": ["limit", "market", "stop_limit", "all"],
        "cancel_type": ["all", "by_instrument", "by_currency", "by_quote_set_id", "by_delta"],
        "sorting": ["asc", "desc", "default"],
        "resolution": ["1", "60", "1D"],
        "grant_type": ["client_signature", "client_credentials", "refresh_token"],
        "mmp_group": ["load", "other"],
        "scope": ["session", "trade:read_write", "account:read"],
    }
    return words | {"channels": [[name] for name in channels] + [channels]}


def values(name, schema, words):
    """Values of a parameter: its type's, and words of the trade."""
    kinds = {
        "string": st.text(max_size=20),
        "integer": st.integers(-(2**66), 2**66) | st.integers(-1, 60),
        "number": numbers,
        "boolean": st.booleans(),
        "array": st.lists(anything, max_size=4),
        "object": st.dictionaries(st.text(max_size=10), anything, max_size=4),
    }
    plain = anything if schema is True else kinds[schema["type"]]
    return st.one_of(st.sampled_from(words[name]), st.sampled_from(words[name]), plain) if name in words else plain


def calls(names, channels, methods=METHODS):
    """(method, params) as the specification has it."""
    words = words_of(names, channels)

    def params(method):
        given = {item["name"]: values(item["name"], item["schema"], words) for item in method["params"]}
        required = {
            name: given.pop(name) for name in list(given) if name in ("instrument_name", "channels", "currency")
        }
        return st.tuples(st.just(method["name"]), st.fixed_dictionaries(required, optional=given))

    return st.sampled_from(sorted(methods)).flatmap(lambda name: params(METHODS[name]))


@st.composite
def terms(draw, names):
    """Terms of an order that is going to be signed: what a client may say, most of it possible."""
    return {
        "instrument": draw(st.sampled_from(names)),
        "amount": draw(st.integers(1, 500)) / 100,
        "price": draw(st.integers(1, 400)) * 5,
        "is_buy": draw(st.booleans()),
        "time_in_force": draw(st.sampled_from(["good_til_cancelled", "immediate_or_cancel", "fill_or_kill"])),
        "post_only": draw(st.booleans()),
        "reduce_only": draw(st.booleans()),
    }


@st.composite
def damaged(draw, request):
    """The text of a request, and whether its id still says whose answer it gets."""
    body = {"jsonrpc": "2.0", "id": draw(st.integers(0, 2**31)), "method": request[0], "params": dict(request[1])}
    how = draw(st.sampled_from(["not"] * 6 + ["value", "missing", "extra", "text"]))
    params = body["params"]
    if how == "value" and params:
        params[draw(st.sampled_from(sorted(params)))] = draw(anything)
    elif how == "missing":
        del body[draw(st.sampled_from(sorted(body)))]
    elif how == "extra":
        body[draw(st.sampled_from(["jsonrpc", "id", "method", "params"]))] = draw(anything)
    text = json.dumps(body)
    if how == "text":
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.text(max_size=4)) + text[place + draw(st.integers(0, 3)) :]
    return text[:TEXT_MAX].encode("utf-8", "surrogatepass").decode("utf-8", "replace")
