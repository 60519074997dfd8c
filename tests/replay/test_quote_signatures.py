"""Messages of quotes in a journal: the audit builds the root again, and only what was signed fits the signature."""

import pytest
from msgspec.structs import replace

from exchange import codec, signing
from exchange.core import commands as c
from exchange.core.legs import Leg
from exchange.core.units import NO_EXPIRY, WAD
from journal.record import Record
from replay.findings import Kind
from replay.signatures import Signatures

KEY = b"\x22" * 32
LEAVES = tuple(c.QuoteLeaf(1 << 16 | place, place % 2 == 0, 100, 5_000_000, -7, 9) for place in range(5))
FEES = c.FeeSchedule(0, 0, WAD)
OPENING = c.Configure("test", 1, b"C" * 20, b"O" * 20, b"P" * 20, 1_800, 64, 900, FEES, c.StandardModel(*[WAD] * 12))


def message() -> c.MassQuote:
    mandate = c.QuoteMandate(1, 7, NO_EXPIRY, 0, 500, 0, 0, 3, signing.address_of(KEY), b"")
    domain = signing.domain_separator(OPENING.chain_id, OPENING.clearing)
    digest = signing.mandate_digest(domain, mandate, signing.mandate_root(LEAVES))
    return c.MassQuote(replace(mandate, signature=signing.sign(KEY, digest)), LEAVES, "front")


def findings(command: c.MassQuote | c.Operate | c.Place) -> list[Kind]:
    records = [Record(seq, seq, codec.encode_command(one), b"") for seq, one in enumerate((OPENING, command), 1)]
    return [finding.kind for finding in Signatures().check(records)]


def with_leaves(*leaves: c.QuoteLeaf) -> c.MassQuote:
    return replace(message(), leaves=leaves)


def with_mandate(**terms: object) -> c.MassQuote:
    return replace(message(), mandate=replace(message().mandate, **terms))


def test_a_message_that_was_signed_has_no_finding():
    assert findings(message()) == []


@pytest.mark.parametrize(
    "altered",
    [
        with_leaves(*LEAVES[:4]),
        with_leaves(*LEAVES, LEAVES[0]),
        with_leaves(LEAVES[1], LEAVES[0], *LEAVES[2:]),
        with_leaves(replace(LEAVES[0], price=5_000_001), *LEAVES[1:]),
        with_leaves(*LEAVES[:4], replace(LEAVES[4], delta=-8)),
        with_leaves(replace(LEAVES[0], series=-1), *LEAVES[1:]),
        with_leaves(),
        with_mandate(qty=501),
        with_mandate(count=0),
        with_mandate(nonce=8),
        with_mandate(account=2),
        with_mandate(signer=b"x" * 20),
        with_mandate(signature=bytes(65)),
    ],
)
def test_a_message_of_quotes_that_was_altered_is_found(altered):
    assert findings(altered) == [Kind.ORDER_NOT_SIGNED]


# -- orders for combos ----------------------------------------------------------------------------------------------------

SPREAD = (Leg(1 << 16, 1), Leg(1 << 16 | 1, -2))


def combo(**altered: object) -> c.Place:
    """A signed order for a combo that the venue numbers 3, bought below zero; altered after that."""
    terms = (1, 3, True, 500, -7_000_000, 10**6, c.GTC, False, False, 0, 7, NO_EXPIRY, signing.address_of(KEY), b"")
    auth = c.Authorisation(*terms, None, SPREAD)
    domain = signing.domain_separator(OPENING.chain_id, OPENING.clearing)
    digest = signing.order_digest(domain, signing.order_of(auth))
    return c.Place(replace(auth, **({"signature": signing.sign(KEY, digest)} | altered)))


@pytest.mark.parametrize("number", [3, 4])
def test_the_number_of_a_combo_is_the_venues_and_not_signed(number):
    assert findings(combo(series=number)) == []


@pytest.mark.parametrize(
    "altered",
    [
        {"legs": SPREAD[:1]},
        {"legs": (Leg(1 << 16, 1), Leg(1 << 16 | 1, -1))},
        {"legs": (Leg(1 << 16, 1), Leg(1 << 16 | 2, -2))},
        {"legs": ()},
        {"price": 7_000_000},
        {"price": -7_000_001},
        {"is_buy": False},
        {"qty": 501},
        {"max_fee": 10**6 + 1},
        {"signer": b"x" * 20},
    ],
)
def test_an_order_for_a_combo_that_was_altered_is_found(altered):
    assert findings(combo(**altered)) == [Kind.ORDER_NOT_SIGNED]


# -- orders that came with another ----------------------------------------------------------------------------------------


def with_exit(**altered: object) -> c.Place:
    """A signed order for a combo, and one that came along, altered after it was signed."""
    exit_ = combo(nonce=8, terms=c.Terms(link=c.BRACKET, parent=8))
    return replace(combo(), attached=(c.Attached(replace(resigned(exit_.auth), **altered)),))


def resigned(auth: c.Authorisation) -> c.Authorisation:
    domain = signing.domain_separator(OPENING.chain_id, OPENING.clearing)
    return replace(auth, signature=signing.sign(KEY, signing.order_digest(domain, signing.order_of(auth))))


def test_an_order_that_came_along_bears_its_own_signature():
    assert findings(with_exit()) == []


@pytest.mark.parametrize("altered", [{"qty": 1}, {"price": 1}, {"terms": None}, {"signature": bytes(65)}])
def test_an_order_that_came_along_and_was_altered_is_found(altered):
    assert findings(with_exit(**altered)) == [Kind.ORDER_NOT_SIGNED]


# -- commands of the operator ---------------------------------------------------------------------------------------------

STOP = c.SetPhase(c.SERIES, 1 << 16, c.HALTED, 0, 0, "drill", "operator")


def operated(operation: c.Operation, signed: c.Operation | None = None, **warrant: object) -> c.Operate:
    """A command under a warrant for it, or for another."""
    domain = signing.domain_separator(OPENING.chain_id, OPENING.clearing)
    signature = signing.sign(KEY, signing.operation_digest(domain, signed or operation, 4, NO_EXPIRY))
    return c.Operate(operation, replace(c.Warrant(4, NO_EXPIRY, signing.address_of(KEY), signature), **warrant))


def test_the_audit_recovers_who_commanded():
    assert findings(operated(STOP)) == []


@pytest.mark.parametrize(
    "altered",
    [
        operated(replace(STOP, cause="another"), STOP),
        operated(replace(STOP, subject=1 << 16 | 1), STOP),
        operated(replace(STOP, subject=-1), STOP),
        operated(c.SetBands(0, 1, 1, 1, "x"), c.SetBands(0, 1, 1, 2, "x")),
        operated(
            c.PullKill(c.KILL_OWNER, 0, b"w" * 20, b"o" * 20, ""),
            c.ReleaseKill(c.KILL_OWNER, 0, b"w" * 20, b"o" * 20, ""),
        ),
        operated(STOP, nonce=5),
        operated(STOP, expiry_s=5),
        operated(STOP, signer=b"x" * 20),
        operated(STOP, signature=bytes(65)),
    ],
)
def test_a_command_nobody_signed_is_found(altered):
    assert findings(altered) == [Kind.ORDER_NOT_SIGNED]
