"""Block trades on the contracts: with the operator's batch and without an operator; what both signed and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from contract_blocks import Desk, desk
from contract_drawing import PATIENCE
from contract_venue import BLOCK_BAND, EXIT_TERMS, LOT, OPERATOR_TIMEOUT, USDC, WINDOW, address, key
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from exchange import calldata, signing
from exchange.calldata import Trade
from exchange.core import fees
from exchange.core.commands import BlockLeg, FeeSchedule
from exchange.reverts import Revert
from exchange.shell.chain import Reverted
from exchange.shell.contract import LocalContract, artifact, deploy_local

pytestmark = PATIENCE
PRICE = 700 * USDC
INDEX = 60_000 * USDC
FEES = FeeSchedule(4 * 10**14, -(10**14), 125 * 10**15)


@pytest.fixture
def m(shared_market):
    """The shared market, taken back afterwards."""
    with shared_market.venue.aside():
        yield shared_market


def legs_of(m) -> tuple[BlockLeg, BlockLeg]:
    return BlockLeg(m.calls[1], True, LOT, PRICE), BlockLeg(m.puts[1], False, 2 * LOT, PRICE)


def block(m, *legs: BlockLeg, **terms: Any) -> Desk:
    return desk(m.venue, m.maker, m.taker, *(legs or legs_of(m)), **terms)


def later(m, seconds: int) -> None:
    m.venue.chain.set_time(m.venue.now + seconds)


def refresh(m) -> None:
    m.venue.post(m.venue.round())


def binding(m, agreed: Desk) -> None:
    """Queued, the window past, and a fresh round there."""
    agreed.queue()
    later(m, WINDOW)
    refresh(m)


def costs(*legs: BlockLeg) -> tuple[int, int]:
    """Fees of maker and taker, as the machine takes them."""
    of_taker = [fees.taker_fee(FEES, INDEX, leg.price, leg.qty) for leg in legs]
    of_maker = [
        fees.block_maker_fee(FEES, INDEX, leg.price, leg.qty, fee) for leg, fee in zip(legs, of_taker, strict=True)
    ]
    return sum(of_maker), sum(of_taker)


# -- what happens -----------------------------------------------------------------------------------------------------


LEG_FIELDS = "uint32 series,bool isBuy,uint64 quantity,uint64 price"
BLOCK_FIELDS = (
    "uint32 maker,uint32 taker,BlockLeg[] legs,uint64 makerMaxFee,uint64 takerMaxFee,"
    "uint64 nonce,uint64 expiry,bool queueable"
)


def typed(fields: str) -> list[dict[str, str]]:
    return [dict(zip(("type", "name"), field.split(), strict=True)) for field in fields.split(",")]


def valued(fields: str, values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((field["name"] for field in typed(fields)), values, strict=True))


def test_the_digest_is_that_of_a_wallet(m):
    agreed = block(m)
    contract = {"chainId": m.venue.chain.chain_id, "verifyingContract": m.venue.clearing.address}
    message = valued(BLOCK_FIELDS, msgspec.structs.astuple(agreed.block))
    message["legs"] = [valued(LEG_FIELDS, msgspec.structs.astuple(leg)) for leg in agreed.block.legs]
    signable = encode_typed_data(
        {"name": "Verbatim", "version": "1", **contract},
        {"BlockTrade": typed(BLOCK_FIELDS), "BlockLeg": typed(LEG_FIELDS)},
        message,
    )
    assert keccak(b"\x19" + signable.version + signable.header + signable.body) == agreed.digest


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_batch_that_is_one_block_moves_all_legs_and_the_fees_of_the_schedule(m, count):
    kinds = (*m.calls, *m.puts)
    legs = tuple(BlockLeg(series, at % 2 == 0, LOT + at, PRICE) for at, series in enumerate(sorted(kinds)[:count]))
    agreed, before = block(m, *legs), m.venue.ledger()
    receipt = agreed.settle()
    [(name, args)] = m.venue.events(receipt)
    assert (name, args["batch_id"], args["trades"]) == ("BatchSettled", 1, count)
    after = m.venue.ledger()
    paid = sum((1 if leg.is_buy else -1) * (leg.price * leg.qty // LOT) for leg in legs)
    maker_fee, taker_fee = costs(*legs)
    assert after[m.taker.account][0] - before[m.taker.account][0] == -paid - taker_fee
    assert after[m.maker.account][0] - before[m.maker.account][0] == paid - maker_fee
    assert after[0][0] - before[0][0] == maker_fee + taker_fee
    assert after[m.taker.account][1] == {leg.series: leg.qty if leg.is_buy else -leg.qty for leg in legs}
    assert after[m.maker.account][1] == {leg.series: -leg.qty if leg.is_buy else leg.qty for leg in legs}
    assert m.venue.clearing.call("last_batch")[0] == 1


def test_without_the_operator_it_is_queued_announced_and_settled_after_the_window(m):
    agreed, before = block(m), m.venue.ledger()
    [(name, args)] = m.venue.events(agreed.queue())
    assert name == "BlockQueued"
    assert (args["maker"], args["taker"], args["digest"]) == (m.maker.account, m.taker.account, agreed.digest)
    assert args["effective"] == m.venue.now + WINDOW
    assert args["lapses"] == m.venue.now + 2 * WINDOW
    assert m.venue.ledger() == before
    assert agreed.trade_refusal() == Revert.BLOCK_EARLY
    later(m, WINDOW)
    refresh(m)
    [(name, args)] = m.venue.events(agreed.trade())
    assert name == "BlockSettled"
    words = [leg for leg in args["legs"] if leg]
    assert [(word >> 224, word >> 160 & 2**64 - 1, word >> 96 & 2**64 - 1, word & 1) for word in words] == [
        (leg.series, leg.qty, leg.price, leg.is_buy) for leg in agreed.block.legs
    ]
    assert {word >> 32 & 2**64 - 1 for word in words} == {INDEX}
    fees_told = [(fee & 2**128 - 1, fee >> 128) for fee in args["fees"][: len(words)]]
    assert tuple(map(sum, zip(*fees_told, strict=True))) == costs(*agreed.block.legs)
    assert (args["maker_signer"], args["taker_signer"]) == (m.maker.address, m.taker.address)
    assert m.venue.ledger()[m.taker.account][1] == {m.calls[1]: LOT, m.puts[1]: -2 * LOT}
    assert m.venue.clearing.call("last_batch")[0] == 0


# -- NO_UNAUTHORISED --------------------------------------------------------------------------------------------------


def both_ways(agreed: Desk, reason: str) -> None:
    """Refused in a batch of the operator's, and when it is queued."""
    assert agreed.settle_refusal() == reason
    assert agreed.queue_refusal() == reason


FIELDS: list[dict[str, Any]] = [
    {"maker_max_fee": 10**12},
    {"taker_max_fee": 10**12},
    {"nonce": 10**6},
    {"expiry_s": 2**32 - 1},
]


@pytest.mark.parametrize("changes", FIELDS)
def test_a_field_that_was_not_signed(m, changes):
    both_ways(block(m).forged(**changes), Revert.ORDER_SIGNATURE)


def test_a_block_that_was_not_signed_as_queueable_is_never_queued(m):
    shy = block(m, queueable=False)
    assert shy.queue_refusal() == Revert.BLOCK_QUEUEABLE
    assert shy.forged(queueable=True).queue_refusal() == Revert.ORDER_SIGNATURE
    shy.settle()


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("field", ["series", "is_buy", "qty", "price"])
def test_a_leg_that_was_not_signed(m, at, field):
    agreed = block(m)
    leg = agreed.block.legs[at]
    value = {"series": m.calls[1] + (0 if at else 2) + 4 * at, "is_buy": not leg.is_buy}.get(
        field, getattr(leg, field) + 1
    )
    legs = [*agreed.block.legs]
    legs[at] = msgspec.structs.replace(leg, **{field: value})
    forged = agreed.forged(legs=tuple(sorted(legs, key=lambda each: each.series)))
    both_ways(forged, Revert.ORDER_SIGNATURE)


def test_a_leg_more_or_less(m):
    agreed = block(m)
    both_ways(agreed.forged(legs=agreed.block.legs[:1]), Revert.ORDER_SIGNATURE)
    more = (*agreed.block.legs, BlockLeg(m.puts[3], True, 1, 1))
    both_ways(agreed.forged(legs=more), Revert.ORDER_SIGNATURE)


@pytest.mark.parametrize("by", [("maker", "maker"), ("taker", "taker"), ("third", "taker"), ("maker", "third")])
def test_both_must_have_signed_and_nobody_else_for_them(m, by):
    both_ways(block(m).signed_by(*by), Revert.ORDER_SIGNATURE)


def test_an_order_that_says_the_same_is_no_block_and_a_block_is_no_order(m):
    venue, leg = m.venue, BlockLeg(m.call, True, LOT, PRICE)
    agreed = block(m, leg)
    order = venue.order(m.taker, m.call, LOT, PRICE, nonce=agreed.block.nonce, expiry=agreed.block.expiry_s)
    signature = venue.sign(order).signature
    fields, signatures = calldata.block_args(agreed.signed)
    swapped = (*signatures[:2], *signing.compact(signature))
    assert venue.refusal("keeper", venue.clearing, "queue_block", fields, swapped) == Revert.ORDER_SIGNATURE
    under_block = calldata.SignedOrder(order, agreed.signed.taker_signature)
    other = venue.sign(venue.order(m.maker, m.call, -LOT, PRICE))
    batch = venue.batch([other, under_block], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert venue.settle_refusal(batch) == Revert.ORDER_SIGNATURE


def test_signatures_for_another_chain_or_contract(m):
    elsewhere = block(m)
    for chain_id, contract in (
        (m.venue.chain.chain_id + 1, m.venue.clearing.address),
        (m.venue.chain.chain_id, m.venue.office.address),
    ):
        domain = signing.domain_separator(chain_id, contract)
        signed = Desk(m.venue, elsewhere.block, elsewhere.by, domain)
        assert signed.queue_refusal() == Revert.ORDER_SIGNATURE
        assert signed.settle_refusal() == Revert.ORDER_SIGNATURE


def test_the_other_spelling_of_a_signature_under_a_block(m):
    fields, (r, vs, *rest) = calldata.block_args(block(m).signed)
    s, parity = vs & 2**255 - 1, vs >> 255
    flipped = (parity ^ 1) << 255 | (signing.GROUP_ORDER - s)
    assert (
        m.venue.refusal("keeper", m.venue.clearing, "queue_block", fields, (r, flipped, *rest))
        == Revert.ORDER_SIGNATURE
    )


# -- keys -------------------------------------------------------------------------------------------------------------


def register(m, scopes: int, *limits: int, life: int = 3_600) -> None:
    terms = (m.taker.account, address("session"), scopes, m.venue.now + life, *limits)
    m.venue.send("taker", m.venue.clearing, "register_key", *terms)


def test_a_session_key_signs_blocks_with_the_scope_for_them_only(m):
    register(m, 1 | 2 | 4 | 16)
    both_ways(block(m).signed_by("maker", "session"), Revert.KEY_SCOPE)
    m.venue.send("taker", m.venue.clearing, "revoke_key", m.taker.account, address("session"))
    later(m, WINDOW + 1)
    refresh(m)
    register(m, 8)
    block(m).signed_by("maker", "session").settle()


def test_a_key_that_has_expired_queues_nothing_though_its_fills_still_settle(m):
    register(m, 8, life=5)
    agreed = block(m).signed_by("maker", "session")
    later(m, 10)
    assert agreed.queue_refusal() == Revert.KEY_EXPIRED
    agreed.settle()


def test_a_key_revoked_while_its_block_is_queued_stops_it(m):
    register(m, 8)
    agreed = block(m).signed_by("maker", "session")
    m.venue.send("taker", m.venue.clearing, "revoke_key", m.taker.account, address("session"))
    binding(m, agreed)
    assert agreed.trade_refusal() == Revert.KEY_REVOKED


def test_limits_count_every_leg_and_no_unit_more(m):
    legs = legs_of(m)
    _, taker_fee = costs(legs[0])
    spend = PRICE + taker_fee
    notional = (m.venue.strikes[legs[0].series][0] + 2 * m.venue.strikes[legs[1].series][0]) // 1
    register(m, 8, 1 << 1, notional, spend)
    agreed = block(m).signed_by("maker", "session")
    agreed.settle()
    assert m.venue.clearing.call("key_room", m.taker.account, address("session")) == (True, 2, 0, 0)
    assert block(m).signed_by("maker", "session").settle_refusal() == Revert.KEY_NOTIONAL


def test_limits_refuse_what_is_beyond_them_in_either_way(m):
    register(m, 8, 1 << 1, 0, PRICE)
    agreed = block(m).signed_by("maker", "session")
    assert agreed.settle_refusal() == Revert.KEY_SPEND
    binding(m, agreed)
    assert agreed.trade_refusal() == Revert.KEY_SPEND


# -- once only --------------------------------------------------------------------------------------------------------


def test_it_trades_once_whichever_way_comes_first(m):
    agreed = block(m)
    agreed.queue()
    agreed.settle()
    later(m, WINDOW)
    refresh(m)
    assert agreed.trade_refusal() == Revert.BLOCK_NONCE
    assert agreed.settle_refusal() == Revert.BLOCK_NONCE
    other = block(m)
    binding(m, other)
    other.trade()
    assert other.trade_refusal() == Revert.BLOCK_NONCE
    assert other.settle_refusal() == Revert.BLOCK_NONCE


@pytest.mark.parametrize("who", ["maker", "taker"])
def test_a_nonce_that_an_order_of_either_has_used(m, who):
    venue, player = m.venue, getattr(m, who)
    order = venue.sign(venue.order(player, m.call, LOT, PRICE, nonce=500))
    other = venue.sign(venue.order(m.third, m.call, -LOT, PRICE))
    venue.settle(venue.batch([order, other], [Trade(0, 1, LOT, PRICE, INDEX)]))
    both_ways(block(m, nonce=500), Revert.BLOCK_NONCE)


def test_no_order_fills_under_the_nonce_of_a_block(m):
    venue, agreed = m.venue, block(m)
    agreed.settle()
    order = venue.sign(venue.order(m.taker, m.call, LOT, PRICE, nonce=agreed.block.nonce))
    other = venue.sign(venue.order(m.third, m.call, -LOT, PRICE))
    batch = venue.batch([order, other], [Trade(0, 1, LOT, PRICE, INDEX)])
    assert venue.settle_refusal(batch) == Revert.ORDER_REPLACED
    near = block(m, nonce=agreed.block.nonce ^ 1)  # another lane of the same word
    near.settle()


@pytest.mark.parametrize("who", ["maker", "taker"])
def test_either_may_cancel_the_nonce_until_it_settles(m, who):
    agreed, player = block(m), getattr(m, who)
    word, bit = agreed.block.nonce >> 8, 1 << (agreed.block.nonce & 255)
    m.venue.send(who, m.venue.clearing, "cancel_nonces", player.account, word, bit)
    agreed.queue()
    later(m, WINDOW + 1)
    refresh(m)
    assert agreed.trade_refusal() == Revert.ORDER_CANCELLED
    assert agreed.settle_refusal() == Revert.ORDER_CANCELLED


def test_it_is_queued_once_and_lapses_by_itself(m):
    """Nobody can keep two accounts out of the market by queueing what they signed again and again."""
    agreed = block(m)
    agreed.queue()
    assert agreed.queue_refusal() == Revert.BLOCK_QUEUED
    later(m, 2 * WINDOW)
    refresh(m)
    assert m.venue.clearing.call("block_queued", agreed.digest) + WINDOW < m.venue.now + 1
    later(m, 1)
    assert agreed.trade_refusal() == Revert.BLOCK_LAPSED
    assert agreed.queue_refusal() == Revert.BLOCK_QUEUED


def test_it_settles_up_to_the_last_second_before_it_lapses(m):
    agreed = block(m)
    agreed.queue()
    lapses = m.venue.clearing.call("block_queued", agreed.digest) + WINDOW
    later(m, WINDOW)
    refresh(m)
    m.venue.chain.set_time(lapses - 1)
    agreed.trade()
    assert m.venue.now == lapses


# -- form -------------------------------------------------------------------------------------------------------------


def test_legs_that_are_none_unsorted_twice_unlisted_or_empty(m):
    first, second = legs_of(m)
    both_ways(block(m).but(legs=()), Revert.BLOCK_LEGS)
    both_ways(block(m, second, first), Revert.BLOCK_LEGS)
    both_ways(block(m, first, first), Revert.BLOCK_LEGS)
    both_ways(block(m, BlockLeg(m.expiry_id << 16 | 99, True, LOT, PRICE)), Revert.SERIES_UNKNOWN)
    both_ways(block(m, BlockLeg(9 << 16, True, LOT, PRICE)), Revert.SERIES_EXPIRED)
    both_ways(block(m, BlockLeg(m.call, True, 0, PRICE)), Revert.TRADE_QUANTITY)
    both_ways(block(m, BlockLeg(m.call, True, 2**32 - 1, PRICE)), Revert.TRADE_QUANTITY)


def test_two_accounts_of_one_owner_and_accounts_that_are_not(m):
    second = m.venue.open("maker")
    both_ways(desk(m.venue, m.maker, second, *legs_of(m)), Revert.BLOCK_OWNERS)
    both_ways(block(m).but(taker=0), Revert.ACCOUNT_UNKNOWN)
    both_ways(block(m).but(maker=99), Revert.ACCOUNT_UNKNOWN)


def test_it_must_live_until_it_binds_and_a_fill_has_the_window(m):
    short = block(m, expiry_s=m.venue.now + WINDOW - 1)
    assert short.queue_refusal() == Revert.BLOCK_EXPIRED
    later(m, 2 * WINDOW - 5)
    refresh(m)
    short.settle()
    late = block(m, expiry_s=m.venue.now - WINDOW)
    assert late.settle_refusal() == Revert.BLOCK_EXPIRED


def test_fees_beyond_what_either_signed(m):
    legs = legs_of(m)
    maker_fee, taker_fee = costs(*legs)
    block(m, taker_max_fee=taker_fee, maker_max_fee=maker_fee).settle()
    assert block(m, taker_max_fee=taker_fee - 1).settle_refusal() == Revert.FEE_BEYOND_MAX


# -- prices -----------------------------------------------------------------------------------------------------------


def test_without_the_operator_prices_are_near_the_mark(m):
    mark, width = 600 * USDC, INDEX * 5 // 100  # of the 65,000 call; a twentieth of the index
    for price, reason in ((mark + width, "accepted"), (mark + width + 1, Revert.BLOCK_BAND)):
        with m.venue.aside():
            agreed = block(m, BlockLeg(m.call, True, 100, price))
            binding(m, agreed)
            assert agreed.trade_refusal() == reason
    low = block(m, BlockLeg(m.calls[0], True, 100, 2_600 * USDC - 1))  # worth 5,600
    binding(m, low)
    assert low.trade_refusal() == Revert.BLOCK_BAND


def test_the_operators_venue_judges_prices_itself(m):
    block(m, BlockLeg(m.call, True, 100, 10_000 * USDC)).settle()


def test_without_the_operator_only_recent_rounds_count(m):
    agreed, old = block(m), max(m.venue.rounds)
    binding(m, agreed)
    assert agreed.trade_refusal(old) == Revert.ROUND_NOT_NEWEST
    agreed.trade()


def test_sheets_of_all_legs_must_be_shown(m):
    agreed = block(m)
    binding(m, agreed)
    *args, _ = agreed.free_args()
    assert m.venue.refusal("keeper", m.venue.clearing, "settle_block", *args, b"") == Revert.SHEET_MISSING


# -- margin -----------------------------------------------------------------------------------------------------------


def test_margin_is_that_of_all_legs_together_and_both_must_hold_it(m):
    poor = m.venue.open("poor", 2_000 * USDC)
    long, short = BlockLeg(m.calls[1], True, LOT, PRICE), BlockLeg(m.calls[2], False, LOT, PRICE)
    for maker, taker in ((m.maker, poor), (poor, m.maker)):
        naked = desk(m.venue, maker, taker, msgspec.structs.replace(short, is_buy=maker is poor))
        assert naked.settle_refusal() == Revert.ACCOUNT_MARGIN
        with m.venue.aside():
            binding(m, naked)
            assert naked.trade_refusal() == Revert.ACCOUNT_MARGIN
    desk(m.venue, m.maker, poor, long, short).settle()


def test_an_account_below_margin_may_get_nearer_and_not_further(m):
    poor = m.venue.open("poor", 12_000 * USDC)
    desk(m.venue, m.maker, poor, BlockLeg(m.call, False, LOT, PRICE)).settle()
    m.venue.post(m.venue.round(75_000 * USDC))
    more = desk(m.venue, m.maker, poor, BlockLeg(m.call, False, 100, PRICE))
    assert more.settle_refusal() == Revert.ACCOUNT_MARGIN
    less = desk(m.venue, m.maker, poor, BlockLeg(m.call, True, LOT, 10_500 * USDC))
    less.settle()


def test_a_refusal_for_margin_leaves_both_as_they_were_whoever_lacks_it(m):
    poor = m.venue.open("poor", 1_000 * USDC)
    agreed = desk(m.venue, poor, m.taker, *legs_of(m))
    before = m.venue.ledger()
    assert agreed.settle_refusal() == Revert.ACCOUNT_MARGIN
    assert m.venue.ledger() == before


# -- accounts that leave, operators that are gone ----------------------------------------------------------------------


def test_an_account_that_leaves_trades_no_blocks(m):
    agreed = block(m)
    agreed.queue()
    m.venue.send("maker", m.venue.clearing, "request_exit", m.maker.account)
    assert block(m).queue_refusal() == Revert.ACCOUNT_FROZEN
    later(m, WINDOW)
    refresh(m)
    assert agreed.trade_refusal() == Revert.ACCOUNT_FROZEN
    assert agreed.settle_refusal() == Revert.ACCOUNT_FROZEN


def test_when_the_operator_is_gone_it_binds_at_once(m):
    later(m, OPERATOR_TIMEOUT + 1)
    refresh(m)
    agreed = block(m)
    agreed.queue()
    agreed.trade()


def test_a_block_that_was_never_queued(m):
    assert block(m).trade_refusal() == Revert.BLOCK_UNKNOWN


# -- the operator's batch ---------------------------------------------------------------------------------------------


def test_the_operator_signs_the_block_and_both_signatures(m):
    agreed = block(m)
    assert agreed.settle_refusal(operator="third") == Revert.OPERATOR_SIGNATURE
    assert agreed.settle_refusal(content=block(m).content()) == Revert.OPERATOR_SIGNATURE
    assert agreed.settle_refusal(content=agreed.digest) == Revert.OPERATOR_SIGNATURE
    register(m, 8)
    other = agreed.signed_by("maker", "session")  # as good, but not what the operator saw
    assert agreed.settle_refusal(content=other.content()) == Revert.OPERATOR_SIGNATURE


def test_batches_follow_each_other_whatever_they_hold(m):
    venue, agreed = m.venue, block(m)
    assert agreed.settle_refusal(batch_id=2) == Revert.BATCH_ID
    assert agreed.settle_refusal(deadline=venue.now - 1) == Revert.BATCH_DEADLINE
    venue.settle(venue.cross(m.maker, m.taker, m.call, LOT, PRICE))
    assert agreed.settle_refusal(journal_size=0) == Revert.JOURNAL_SIZE
    old = max(venue.rounds)
    refresh(m)
    venue.settle(venue.cross(m.maker, m.taker, m.call, LOT, PRICE))
    assert agreed.settle_refusal(round_id=old) == Revert.ROUND_ORDER
    agreed.settle()
    venue.settle(venue.cross(m.maker, m.taker, m.call, LOT, PRICE))
    assert venue.clearing.call("last_batch")[0] == 4


def test_no_body_of_a_batch_can_stand_for_a_block(m):
    """Else whoever sees it could land a heartbeat in the place of a block, which then never settles."""
    venue, agreed = m.venue, block(m)
    header, signed = agreed.header(), agreed.signed
    preimage = (
        b"\x01"
        + agreed.digest
        + b"".join(
            word.to_bytes(32, "big")
            for signature in (signed.maker_signature, signed.taker_signature)
            for word in signing.compact(signature)
        )
    )
    assert keccak(preimage) == agreed.content()
    signature = signing.sign(key("operator"), signing.batch_digest(venue.domain, header, agreed.content()))
    args = calldata.settle_signed_args(header, signature, preimage)
    assert venue.refusal("keeper", venue.clearing, "settle_signed", *args) == Revert.BATCH_FORMAT


def test_blocks_called_directly_moves_nothing_of_clearing(m):
    venue, agreed = m.venue, block(m)
    code = LocalContract(venue.chain, venue.clearing.call("BLOCKS"), artifact("Blocks").interface)
    assert venue.refusal("keeper", code, "queue_block", *calldata.block_args(agreed.signed)) == Revert.ACCOUNT_UNKNOWN
    assert venue.clearing.call("block_queued", agreed.digest) == 0


def test_office_runs_no_blocks_made_under_other_settings(m):
    venue = m.venue
    others = (address("third"), *venue.settings[1:])
    transfers = deploy_local(venue.chain, key("operator"), artifact("Liquidations"), others, EXIT_TERMS)
    cases = deploy_local(venue.chain, key("operator"), artifact("Cases"), others, EXIT_TERMS, transfers.address)
    blocks = deploy_local(venue.chain, key("operator"), artifact("Blocks"), others, BLOCK_BAND, cases.address)
    with pytest.raises(Reverted, match=Revert.OFFICE_SETTINGS):
        deploy_local(venue.chain, key("operator"), artifact("Office"), venue.settings, blocks.address, bytes(20))
    with pytest.raises(Reverted, match=Revert.PARAMETER_RANGE):
        deploy_local(venue.chain, key("operator"), artifact("Blocks"), others, 10**18 + 1, cases.address)


@given(data=st.data())
def test_any_block_that_is_taken_conserves_cash_and_positions(shared_market, data):
    m, draw = shared_market, data.draw
    with m.venue.aside():
        series = sorted((*m.calls, *m.puts))
        chosen = sorted(draw(st.sets(st.sampled_from(series), min_size=1, max_size=4)))
        legs = [
            BlockLeg(each, draw(st.booleans()), draw(st.integers(1, 5 * LOT)), draw(st.integers(1, 3_000 * USDC)))
            for each in chosen
        ]
        agreed = block(m, *legs)
        before, held = m.venue.ledger(), sum(cash for cash, _ in m.venue.ledger().values())
        reason = agreed.settle_refusal()
        after = m.venue.ledger()
        assert sum(cash for cash, _ in after.values()) == held
        for each in series:
            assert sum(positions.get(each, 0) for _, positions in after.values()) == 0
        if reason == "accepted":
            maker_fee, taker_fee = costs(*legs)
            assert after[0][0] - before[0][0] == maker_fee + taker_fee
        else:
            assert reason == Revert.ACCOUNT_MARGIN
            assert after == before
