"""Block trades: how tests make them, and what the contracts do with one, in plain Python.

The rules are written from those of the contracts and not from the machine, as in ``core_contract``.
"""

from typing import Any, NamedTuple

from core_contract import DEAD, ONE, Contract, Fill, Owned, Refused, fees_of
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


class LegTraded(NamedTuple):
    """A leg as it traded, with what each side paid."""

    series: int
    is_buy: bool
    qty: int
    price: int
    taker_fee: int
    maker_fee: int


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


def execute(chain: Contract, signed: c.ExecuteBlock, round_: c.PostRound, now_s: int, oldest: int) -> list[LegTraded]:
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
    before = [chain.margin(party.account, round_) for party in parties]
    for party in parties:
        party.account.lanes[block.nonce] = DEAD
    for leg in traded:
        move(chain, parties, leg)
    for party, margin in zip(parties, before, strict=True):
        after = chain.margin(party.account, round_)
        if after < 0 and after < margin:
            raise Refused(f"account_margin: {party.number} has {after}, had {margin}")
    return traded


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
        if not 0 < leg.qty < DEAD:
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
    if account.lanes.get(block.nonce, 0):
        raise Refused("block_nonce")
    if account.cancelled.get(block.nonce, now_s + 1) <= now_s:
        raise Refused("order_cancelled")


def legs_of(chain: Contract, block: c.Block, round_: c.PostRound) -> list[LegTraded]:
    """What each leg costs at the spot of the round; a block earns no rebate."""
    traded = []
    for leg in block.legs:
        index = round_.spots[chain.options[leg.series].underlying].spot
        taker_fee, maker_fee = fees_of(chain.config.fees, Fill(0, 0, leg.qty, leg.price, index))
        fee = max(maker_fee, 0)
        traded.append(LegTraded(leg.series, leg.is_buy, leg.qty, leg.price, taker_fee, fee))
    return traded


def move(chain: Contract, parties: tuple[Party, Party], leg: LegTraded) -> None:
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
