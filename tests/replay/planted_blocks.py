"""Planted outcomes of block trades, with the operator and without."""

from typing import Any

import msgspec
from core_blocks import block_of
from core_venue import wallet
from planting import CALL, ONE, OTHER, USDC, Story, instead, planted, without

from exchange.core import commands as c
from exchange.core import events as e
from replay.checker.rules import Rule

DIGEST = b"d" * 32


def blocked() -> Story:
    """The venue takes blocks of a contract and more."""
    story = Story(blocks=True)
    story.venue.must(c.SetBlocks(0, ONE, "desk"))
    return story


def agreed(story: Story, *, qty: int = ONE, **terms: Any) -> c.ExecuteBlock:
    """Two options between 1 and 2."""
    legs = [c.BlockLeg(series, True, qty, 900 * USDC) for series in sorted((CALL, OTHER))]
    return block_of(story.venue, terms.pop("maker", 1), terms.pop("taker", 2), *legs, **terms)


def answered(story: Story, command: c.ExecuteBlock) -> tuple[Any, ...]:
    """What a machine would say to it that did not look at what is wrong with it: as if it were what it should be."""
    state = story.venue.state
    assert state.config is not None
    assert state.round is not None
    honest = [story.fill(0, leg.price // USDC, leg.qty, after=at) for at, leg in enumerate(command.block.legs)]
    traded = [
        e.BlockTraded(fill.trade_id, at, fill.taker_fee, max(fill.maker_fee, 0), fill.index)
        for at, fill in enumerate(honest)
    ]
    first = state.next_trade
    return (*traded, e.BatchSealed(state.next_batch, first, first + len(traded) - 1, state.round.round_id))


@planted(Rule.ADMISSION_MUST_HOLD, blocked)
def a_small_block_trades(story: Story) -> None:
    command = agreed(story, qty=ONE - 100)
    story.plant(command, *answered(story, command))


@planted(Rule.ADMISSION_MUST_HOLD, blocked)
def a_block_that_somebody_else_signed_trades(story: Story) -> None:
    command = agreed(story, taker_signer=wallet(3))
    story.plant(command, *answered(story, command))


@planted(Rule.ADMISSION_MUST_HOLD, blocked)
def a_block_between_accounts_of_one_owner_trades(story: Story) -> None:
    command = agreed(story, taker=5, taker_signer=wallet(1))
    story.plant(command, *answered(story, command))


@planted(Rule.ADMISSION_MUST_HOLD, blocked)
def a_block_trades_twice(story: Story) -> None:
    command = agreed(story)
    story.venue.must(command)
    story.plant(command, *answered(story, command))


@planted(Rule.ADMISSION_MUST_HOLD, blocked)
def a_block_trades_in_an_auction(story: Story) -> None:
    story.venue.must(c.SetPhase(c.SERIES, CALL, c.AUCTION, story.venue.now_s + 600, 0, "test", "test"))
    command = agreed(story)
    story.plant(command, *answered(story, command))


@planted(Rule.ADMISSION_MUST_HOLD)
def a_venue_whose_contracts_know_none_trades_a_block(story: Story) -> None:
    story.venue.must(c.SetBlocks(0, ONE, "desk"))
    command = agreed(story)
    story.plant(command, *answered(story, command))


@planted(Rule.REFUSAL_MUST_HOLD, blocked)
def a_good_block_is_refused(story: Story) -> None:
    story.plant(agreed(story), e.Rejected(e.Reject.BLOCK_MUST_BE_LARGE, ONE, ONE))


@planted(Rule.EVENTS_MUST_FIT, blocked)
def a_leg_is_left_out(story: Story) -> None:
    story.change(agreed(story), without(e.BlockTraded, 1))


@planted(Rule.EVENTS_MUST_FIT, blocked)
def a_block_is_not_sealed(story: Story) -> None:
    story.change(agreed(story), without(e.BatchSealed))


@planted(Rule.FEE_MUST_FOLLOW_THE_SCHEDULE, blocked)
def a_block_earns_a_rebate(story: Story) -> None:
    story.change(agreed(story), instead(e.BlockTraded, maker_fee=-1))


@planted(Rule.TRADE_IDS_MUST_BE_DENSE, blocked)
def legs_have_one_number(story: Story) -> None:
    story.change(agreed(story), instead(e.BlockTraded, trade_id=1))


@planted(Rule.BATCH_MUST_BE_DUE, blocked)
def what_waits_is_not_sealed_before_a_block(story: Story) -> None:
    story.hold(3, "buy", ONE)
    story.change(agreed(story), lambda events: (*events[1:-1], msgspec.structs.replace(events[-1], batch_id=1)))


@planted(Rule.REDUCE_ONLY_MUST_NOT_LINGER, blocked)
def an_order_lingers_whose_position_a_block_closed(story: Story) -> None:
    story.hold(1, "buy", ONE)
    story.rest(1, "sell", 990, reduce_only=True)
    story.change(agreed(story), without(e.Cancelled))


# -- without the operator ---------------------------------------------------------------------------------------------


def queued(story: Story) -> c.ObserveOffbookQueued:
    return c.ObserveOffbookQueued(
        story.venue.state.mirror.action_id + 1, 1, 2, DIGEST, 10**6, story.venue.now_s + 3_600
    )


@planted(Rule.CANCEL_MUST_BE_COMPLETE, blocked)
def an_order_stays_while_its_account_awaits_a_block(story: Story) -> None:
    story.rest(2, "buy", 880)
    story.change(queued(story), without(e.Cancelled))


@planted(Rule.ADMISSION_MUST_HOLD, blocked)
def an_account_that_awaits_a_block_trades(story: Story) -> None:
    story.venue.must(queued(story))
    order = story.order("buy", 880, account=2)
    story.plant(order, e.Accepted(story.seq), e.Rested(story.seq, 880 * USDC))


@planted(Rule.EXPIRY_MUST_PAY_WHAT_IS_HELD, blocked)
def a_block_pays_for_an_expiry_that_is_not_over(story: Story) -> None:
    story.venue.must(queued(story))
    legs = (c.OffbookLeg(CALL, True, ONE, 900 * USDC, 0, 0, 62_000 * USDC),)
    action = story.venue.state.mirror.action_id + 1
    settled = c.ObserveOffbookSettled(action, 1, 2, DIGEST, wallet(1), wallet(2), legs)
    story.change(settled, lambda events: (*events, e.AccountSettled(1, 1, USDC)))
