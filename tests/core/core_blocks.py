"""Block trades: how tests make them, and what the contracts do with one, in plain Python.

The rules are written from those of the contracts and not from the machine, as in ``core_contract``.
"""

import copy
import hashlib
from typing import Any, NamedTuple

import msgspec
from core_contract import ONE, U32_MAX, Contract, Fill, Owned, Refused, as_it_is, fees_of
from core_venue import USDC, Venue, wallet

from exchange.core import commands as c
from exchange.core.units import NO_EXPIRY

RFQ = 8  # the scope that lets a session key sign blocks


# -- making them ------------------------------------------------------------------------------------------------------


def block_of(venue: Venue, maker: int, taker: int, *legs: c.BlockLeg, **terms: Any) -> c.ExecuteBlock:
    """A block signed by both owners, with a nonce that neither has used; ``maker_signer``, ``taker_signer`` beside."""
    nonce = max(venue.nonces.get(account, -1) for account in (maker, taker)) + 1
    venue.nonces[maker] = venue.nonces[taker] = nonce
    signers = {name: terms.pop(name, wallet(who)) for name, who in (("maker_signer", maker), ("taker_signer", taker))}
    fields = {"maker_max_fee": 10**6 * USDC, "taker_max_fee": 10**6 * USDC, "nonce": nonce, "expiry_s": NO_EXPIRY}
    block = c.Block(maker, taker, legs, **(fields | terms))
    return c.ExecuteBlock(block, signers["maker_signer"], b"m" * 65, signers["taker_signer"], b"t" * 65)


# -- what the contracts do --------------------------------------------------------------------------------------------


class Party(NamedTuple):
    """One side: its number and what the chain knows of it, who signed, what it pays at most."""

    number: int
    account: Owned
    signer: bytes
    max_fee: int


def parties_of(chain: Contract, signed: c.ExecuteBlock) -> tuple[Party, Party]:
    block = signed.block
    return (
        Party(block.maker, chain.accounts[block.maker], signed.maker_signer, block.maker_max_fee),
        Party(block.taker, chain.accounts[block.taker], signed.taker_signer, block.taker_max_fee),
    )


def settle_block(chain: Contract, batch_id: int, round_id: int, signed: c.ExecuteBlock, now_s: int) -> None:
    """A batch that is one block, under the operator's signature: whole, or Refused."""
    chain._may_follow(batch_id, round_id, 1)
    execute(chain, signed, chain.rounds[round_id], now_s, now_s - chain.window)
    chain.batch_id, chain.round_id = batch_id, round_id


def execute(
    chain: Contract, signed: c.ExecuteBlock, round_: c.PostRound, now_s: int, oldest: int
) -> list[c.OffbookLeg]:
    """Both signatures, both nonces, both fees, both margins; then all legs. What was traded, with the fees."""
    block, parties = signed.block, parties_of(chain, signed)
    check_form(chain, signed, now_s)
    for party in parties:
        check_party(chain, party, block, now_s, oldest)
    traded = legs_of(chain, block, round_)
    due = sum(leg.maker_fee for leg in traded), sum(leg.taker_fee for leg in traded)
    for party, fee in zip(parties, due, strict=True):
        if fee > party.max_fee:
            raise Refused("fee_beyond_max")
    before = [as_it_is(party.account) for party in parties]
    kept = [chain.accounts[0].cash, *(copy.deepcopy(vars(party.account)) for party in parties)]
    try:
        _write(chain, signed, traded)
        for party, was in zip(parties, before, strict=True):
            chain.must_hold(party.number, was, round_, now_s)
    except Refused:  # a revert leaves everything as it was
        chain.accounts[0].cash = kept[0]
        for party, was in zip(parties, kept[1:], strict=True):
            vars(party.account).update(was)
        raise
    return traded


def _write(chain: Contract, signed: c.ExecuteBlock, traded: list[c.OffbookLeg]) -> None:
    parties = parties_of(chain, signed)
    for party in parties:
        party.account.over[signed.block.nonce] = "order_replaced"
    for leg in traded:
        move(chain, parties, leg)


def check_form(chain: Contract, signed: c.ExecuteBlock, now_s: int) -> None:
    block = signed.block
    maker, taker = parties_of(chain, signed)
    if maker.account.owner == taker.account.owner:
        raise Refused("block_owners")
    series = [leg.series for leg in block.legs]
    if not 1 <= len(series) <= 4 or series != sorted(set(series)):
        raise Refused("block_legs")
    for leg in block.legs:
        if leg.series not in chain.options:
            raise Refused("series_unknown")
        if chain.options[leg.series].expiry_s + chain.window < now_s:
            raise Refused("series_expired")
        if not 0 < leg.qty < U32_MAX:
            raise Refused("trade_quantity")


def check_party(chain: Contract, party: Party, block: c.Block, now_s: int, oldest: int) -> None:
    account = party.account
    if account.frozen_from and account.frozen_from <= now_s:
        raise Refused("account_frozen")
    if party.signer != account.owner:
        if party.signer not in account.keys:
            raise Refused("order_signature")
        scopes, expiry_s, revoked_from = account.keys[party.signer]
        if not scopes & RFQ:
            raise Refused("key_scope")
        if expiry_s + chain.window < now_s:
            raise Refused("key_expired")
        if revoked_from and revoked_from <= now_s:
            raise Refused("key_revoked")
    if block.expiry_s < oldest:
        raise Refused("block_expired")
    if block.nonce in account.over or account.lanes.get(block.nonce, 0):
        raise Refused("block_nonce")
    if account.cancelled.get(block.nonce, now_s + 1) <= now_s:
        raise Refused("order_cancelled")


def legs_of(chain: Contract, block: c.Block, round_: c.PostRound) -> list[c.OffbookLeg]:
    """What each leg costs at the spot of the round; a block earns no rebate."""
    traded = []
    for leg in block.legs:
        index = round_.spots[chain.options[leg.series].underlying].spot
        taker_fee, maker_fee = fees_of(chain.config.fees, Fill(0, 0, leg.qty, leg.price, index))
        fee = max(maker_fee, 0)
        traded.append(c.OffbookLeg(leg.series, leg.is_buy, leg.qty, leg.price, taker_fee, fee, index))
    return traded


def move(chain: Contract, parties: tuple[Party, Party], leg: c.OffbookLeg) -> None:
    premium = leg.price * leg.qty // ONE
    for party, fee, buys in zip(parties, (leg.maker_fee, leg.taker_fee), (not leg.is_buy, leg.is_buy), strict=True):
        account = party.account
        room = account.rooms.get(party.signer)
        if room is not None:
            option = chain.options[leg.series]
            room.use(option.underlying, option.strike * leg.qty, max(premium + fee, 0) if buys else 0)
        account.cash -= (premium if buys else -premium) + fee
        chain.accounts[0].cash += fee
        held = account.positions.get(leg.series, 0) + (leg.qty if buys else -leg.qty)
        account.positions[leg.series] = held
        if not held:
            del account.positions[leg.series]


# -- without the operator ---------------------------------------------------------------------------------------------

BAND = 5 * 10**16


class Queued(NamedTuple):
    """A block that waits on the contracts, and from when it may settle."""

    signed: c.ExecuteBlock
    effective: int

    def lapses(self, window: int) -> int:
        return min(self.signed.block.expiry_s, self.effective + window)


def digest_of(signed: c.ExecuteBlock) -> bytes:
    """Stands for the digest that wallets sign."""
    return hashlib.sha256(msgspec.msgpack.encode(signed.block)).digest()


def queue_block(chain: Contract, signed: c.ExecuteBlock, now_s: int) -> Queued:
    """Announced, once, if both allowed it and neither is about to leave."""
    block, effective = signed.block, now_s + chain.window
    if not block.queueable:
        raise Refused("block_queueable")
    if digest_of(signed) in chain.queue:
        raise Refused("block_queued")
    check_form(chain, signed, now_s)
    for party in parties_of(chain, signed):
        check_party(chain, party, block, now_s, 0)
        if party.account.frozen_from:
            raise Refused("account_frozen")
        if party.signer != party.account.owner and party.account.keys[party.signer][1] < now_s:
            raise Refused("key_expired")
    if block.expiry_s < effective:
        raise Refused("block_expired")
    check_live(chain, block, effective)
    queued = chain.queue[digest_of(signed)] = Queued(signed, effective)
    return queued


def settle_queued(chain: Contract, queued: Queued, round_: c.PostRound, now_s: int) -> list[c.OffbookLeg]:
    """Anyone may, from the binding time until it lapses, near the marks of a fresh round."""
    block = queued.signed.block
    if queued.effective > now_s:
        raise Refused("block_early")
    if queued.lapses(chain.window) < now_s:
        raise Refused("block_lapsed")
    check_live(chain, block, now_s)
    for leg in block.legs:
        sheet = next((sheet for sheet in round_.sheets if sheet.expiry_id == leg.series >> 16), None)
        if sheet is None or leg.series & 0xFFFF >= len(sheet.marks):
            raise Refused("sheet_missing")
        index = round_.spots[chain.options[leg.series].underlying].spot
        if abs(leg.price - sheet.marks[leg.series & 0xFFFF]) * 10**18 > BAND * index:
            raise Refused("block_band")
    return execute(chain, queued.signed, round_, now_s, now_s)


def check_live(chain: Contract, block: c.Block, time_s: int) -> None:
    if any(chain.options[leg.series].expiry_s <= time_s for leg in block.legs):
        raise Refused("series_expired")
