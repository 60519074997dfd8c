"""Block trades: what two accounts agreed away from the books and both signed, checked like a fill and traded at once.

A block is a message of its own, so nothing signed for a book can be taken for one, and all its legs trade or none. It
meets no order: the last price, triggers, auctions and the protection of quotes do not hear of it. It is sealed in the
record that trades it, as a batch of its own, so the contracts check it at the very round and positions it was checked
at here. Imports state, admission, backlog, bands, budget, keyroom, ledger, risk, settlement, events.
"""

from typing import Final, NamedTuple

from exchange.core import admission, backlog, bands, budget, fees, keyroom, ledger, risk, settlement
from exchange.core.commands import (
    CONTINUOUS,
    GTC,
    SCOPE_RFQ,
    Authorisation,
    BlockLeg,
    Blocks,
    ExecuteBlock,
    InvalidateBlock,
    SetBlocks,
)
from exchange.core.events import (
    Applied,
    BatchSealed,
    BlockTraded,
    Cancelled,
    CancelReason,
    Event,
    Reject,
    Rejected,
)
from exchange.core.state import State
from exchange.core.state_types import AuthEntry, Deal, Order, Trade, side_id
from exchange.core.units import (
    CASH_MAX,
    NO_EXPIRY,
    QTY_MAX,
    U63_MAX,
    U64_MAX,
    Cash,
    Price,
    Qty,
    Seconds,
    premium_of,
    seconds_of,
)

KINDS: Final = (SetBlocks, ExecuteBlock, InvalidateBlock)
LEGS_MAX: Final = 4


class Party(NamedTuple):
    """One side of a block: its account, who signed for it, and the most it pays in fees."""

    account: int
    signer: bytes
    signature: bytes
    max_fee: Cash
    is_taker: bool


def maker_of(command: ExecuteBlock) -> Party:
    """Who pays the maker's fee."""
    block = command.block
    return Party(block.maker, command.maker_signer, command.maker_signature, block.maker_max_fee, is_taker=False)


def taker_of(command: ExecuteBlock) -> Party:
    """Who pays the taker's fee, and whose side the legs name."""
    block = command.block
    return Party(block.taker, command.taker_signer, command.taker_signature, block.taker_max_fee, is_taker=True)


def side_of(command: ExecuteBlock, party: Party, leg: BlockLeg) -> Authorisation:
    """What a party signed of a leg, spelt out as an order, for the rules that both obey. No contract reads it."""
    return Authorisation(
        account=party.account,
        series=leg.series,
        is_buy=leg.is_buy is party.is_taker,
        qty=leg.qty,
        price=leg.price,
        max_fee=party.max_fee,
        tif=GTC,
        post_only=False,
        reduce_only=False,
        replaces=0,
        nonce=command.block.nonce,
        expiry_s=command.block.expiry_s,
        signer=party.signer,
        signature=party.signature,
    )


# -- deciding ---------------------------------------------------------------------------------------------------------


def decide(state: State, command: Blocks) -> tuple[Event, ...]:
    """Rules and withdrawals as commanded; a block trades whole, or is refused for the first rule it breaks."""
    match command:
        case SetBlocks():
            return (_refuse_rules(state, command) or Applied(),)
        case InvalidateBlock():
            return (_refuse_nonce(state, command.account, command.nonce) or Applied(),)
        case _:
            return _decide_block(state, command)


def _refuse_rules(state: State, command: SetBlocks) -> Rejected | None:
    if command.underlying not in state.underlyings:
        return Rejected(Reject.UNDERLYING_MUST_EXIST, command.underlying)
    if not 0 <= command.min_qty <= QTY_MAX:
        return Rejected(Reject.QTY_MUST_FIT, command.min_qty, QTY_MAX)
    return None


def _refuse_nonce(state: State, account_id: int, nonce: int) -> Rejected | None:
    account = state.accounts.get(account_id)
    if account is None or account.id == 0:
        return Rejected(Reject.ACCOUNT_MUST_EXIST, account_id)
    if not 0 <= nonce <= U64_MAX or account.nonce_used(nonce):
        return Rejected(Reject.NONCE_MUST_BE_FRESH, min(nonce, U64_MAX))
    return None


def _decide_block(state: State, command: ExecuteBlock) -> tuple[Event, ...]:
    """Trades that wait are sealed first, then the block by itself: both as they were checked."""
    refused = refuse(state, command)
    if refused is not None:
        return (refused,)
    plan = Plan(state, command)
    refused = plan.refuse()
    if refused is not None:
        return (refused,)
    assert state.round is not None
    sealed = settlement.seal(state)
    batch = BatchSealed(
        state.next_batch + len(sealed), state.next_trade, plan.trades[-1].trade_id, state.round.round_id
    )
    return (*sealed, *plan.trades, *plan.stale_reduce_only(), batch)


def check(state: State, command: ExecuteBlock) -> Rejected | None:
    """The first rule that a block would break now; None if it would trade."""
    return refuse(state, command) or Plan(state, command).refuse()


def refuse(state: State, command: ExecuteBlock) -> Rejected | None:
    """The first rule a block breaks by what it says and who says it."""
    config, now_s = state.config, seconds_of(state.time_ns)
    if not state.is_open or config is None:
        return Rejected(Reject.TRADING_MUST_BE_OPEN)
    if not config.blocks:
        return Rejected(Reject.BLOCKS_MUST_BE_SUPPORTED)
    parties = maker_of(command), taker_of(command)
    for party in parties:
        refused = admission.refuse_who(state, party, now_s, SCOPE_RFQ)
        if refused is not None:
            return refused
    return _refuse_form(state, command) or _refuse_legs(state, command, now_s) or _refuse_signed(state, command, now_s)


def _refuse_form(state: State, command: ExecuteBlock) -> Rejected | None:
    """Two owners, and one to four legs in ascending series, so that a block can be written in one way only."""
    block = command.block
    if state.accounts[block.maker].owner == state.accounts[block.taker].owner:
        return Rejected(Reject.BLOCK_MUST_HAVE_TWO_OWNERS, block.maker, block.taker)
    if not 1 <= len(block.legs) <= LEGS_MAX:
        return Rejected(Reject.BLOCK_LEGS_MUST_FIT, len(block.legs), LEGS_MAX)
    for before, leg in zip(block.legs, block.legs[1:], strict=False):
        if leg.series <= before.series:
            return Rejected(Reject.BLOCK_LEGS_MUST_FIT, leg.series, before.series)
    return None


def _refuse_legs(state: State, command: ExecuteBlock, now_s: Seconds) -> Rejected | None:
    """Each leg is one that could be ordered, in a series that trades continuously, and large."""
    for leg in command.block.legs:
        option, auction = state.series.get(leg.series), state.auctions.get(leg.series)
        if option is not None and option.expiry_s > now_s and auction is not None:
            return Rejected(Reject.SERIES_MUST_TAKE_ORDERS, auction.phase, CONTINUOUS)
        refused = admission.refuse_what(state, side_of(command, taker_of(command), leg), now_s)
        if refused is not None:
            return refused
    for leg in command.block.legs:
        underlying = state.series[leg.series].underlying
        rules = state.block_rules.get(underlying)
        if rules is None or not rules.min_qty:
            return Rejected(Reject.BLOCKS_MUST_BE_OFFERED, underlying)
        if leg.qty < rules.min_qty:
            return Rejected(Reject.BLOCK_MUST_BE_LARGE, leg.qty, rules.min_qty)
    return None


def _refuse_signed(state: State, command: ExecuteBlock, now_s: Seconds) -> Rejected | None:
    block, parties = command.block, (maker_of(command), taker_of(command))
    for party in parties:
        if not 0 <= party.max_fee <= U63_MAX:
            return Rejected(Reject.PRICE_MUST_FIT, party.max_fee, U63_MAX)
        for leg in block.legs:
            refused = keyroom.refuse(state, side_of(command, party, leg))
            if refused is not None:
                return refused
    if not now_s < block.expiry_s <= NO_EXPIRY:
        return Rejected(Reject.ORDER_MUST_NOT_BE_EXPIRED, block.expiry_s, now_s)
    for party in parties:
        refused = _refuse_nonce(state, party.account, block.nonce)
        if refused is not None:
            return refused
    return _refuse_oracle(state, command, now_s)


def _refuse_oracle(state: State, command: ExecuteBlock, now_s: Seconds) -> Rejected | None:
    view = state.view
    assert state.config is not None
    priced = view is not None and all(leg.series in view.marks for leg in command.block.legs)
    if view is None or not priced or now_s - view.time_s > state.config.settlement_window_s:
        return Rejected(Reject.ORACLE_MUST_BE_FRESH, now_s - view.time_s if view else 0)
    return None


class Plan:
    """An admissible block, leg by leg, at the prices in force: what both pay and move; nothing moves yet."""

    __slots__ = ("_command", "_state", "cash", "moves", "trades")

    def __init__(self, state: State, command: ExecuteBlock) -> None:
        assert state.config is not None
        self._state = state
        self._command = command
        block, schedule, spots = command.block, state.config.fees, risk.view_now(state).spots
        self.trades: list[BlockTraded] = []
        self.cash: dict[int, Cash] = {block.maker: 0, block.taker: 0}
        self.moves: dict[int, dict[int, Qty]] = {block.maker: {}, block.taker: {}}
        for place, leg in enumerate(block.legs):
            index = spots[state.series[leg.series].underlying]
            taker_fee = fees.taker_fee(schedule, index, leg.price, leg.qty)
            maker_fee = fees.block_maker_fee(schedule, index, leg.price, leg.qty, taker_fee)
            self.trades.append(BlockTraded(state.next_trade + place, place, taker_fee, maker_fee, index))
            paid, qty = premium_of(leg.price, leg.qty), leg.qty
            if not leg.is_buy:
                paid, qty = -paid, -qty
            self.cash[block.taker] -= paid + taker_fee
            self.cash[block.maker] += paid - maker_fee
            self.moves[block.taker][leg.series], self.moves[block.maker][leg.series] = qty, -qty

    def refuse(self) -> Rejected | None:
        """Fees, bands, and what the contracts and both accounts can bear."""
        late = self._refuse_fees() or self._refuse_keys() or self._refuse_bands()
        return late or backlog.refuse_block(self._state, len(self.trades)) or self._refuse_margin()

    def _refuse_fees(self) -> Rejected | None:
        taker_fee = sum(trade.taker_fee for trade in self.trades)
        maker_fee = sum(trade.maker_fee for trade in self.trades)
        for party, fee in ((maker_of(self._command), maker_fee), (taker_of(self._command), taker_fee)):
            if fee > party.max_fee:
                return Rejected(Reject.MAX_FEE_MUST_COVER_FEE, party.max_fee, min(fee, CASH_MAX))
        return None

    def _refuse_keys(self) -> Rejected | None:
        """What limited keys have left covers all legs together."""
        room = keyroom.KeyRoom(self._state)
        for trade, leg in zip(self.trades, self._command.block.legs, strict=True):
            for party, fee in (
                (maker_of(self._command), trade.maker_fee),
                (taker_of(self._command), trade.taker_fee),
            ):
                auth = side_of(self._command, party, leg)
                refused = room.refuse(auth, leg.price, leg.qty, fee)
                if refused is not None:
                    return refused
                room.note(auth, leg.price, leg.qty, fee)
        return None

    def _refuse_bands(self) -> Rejected | None:
        """One of the two buys and the other sells: the price is inside for both."""
        for leg in self._command.block.legs:
            edge = _edge(bands.band_of(self._state, leg.series), leg.price)
            if edge is not None:
                return Rejected(Reject.PRICE_MUST_BE_IN_BAND, leg.price, edge)
        return None

    def _refuse_margin(self) -> Rejected | None:
        """Both can settle the positions, and each holds margin for all legs at once, or has no less than before."""
        for account_id, moves in self.moves.items():
            account = self._state.accounts[account_id]
            if not budget.may_hold_all(self._state, account, tuple(moves)):
                return Rejected(Reject.POSITIONS_MUST_FIT, account_id, budget.POSITIONS_GAS_MAX)
            keep = risk.covers_of(self._state, account)  # a block fills no quote, so what covers quotes has to be left
            after = risk.Moves(self.cash[account_id], moves)
            shortfall = risk.moves_shortfall(self._state, account, risk.Moves(), after, keep, budget.SHOWN_MAX)
            if shortfall > 0:
                return Rejected(Reject.PARTY_MUST_HAVE_MARGIN, account_id, min(shortfall, CASH_MAX))
        return None

    def stale_reduce_only(self) -> list[Event]:
        """Cancel resting reduce-only orders whose position the block closes or turns."""
        return [
            Cancelled(order.id, CancelReason.REDUCE_ONLY, order.qty - order.filled)
            for account_id, moves in sorted(self.moves.items())
            for _, order in sorted(self._state.accounts[account_id].reducing.items())
            if order.series in moves and not self._reducible(order, moves[order.series])
        ]

    def _reducible(self, order: Order, moved: Qty) -> bool:
        position = self._state.accounts[order.account].positions.get(order.series, 0) + moved
        return position < 0 if order.is_buy else position > 0


def _edge(band: tuple[Price, Price] | None, price: Price) -> Price | None:
    """The edge of a band that a price is beyond."""
    if band is None or band[0] <= price <= band[1]:
        return None
    return band[0] if price < band[0] else band[1]


# -- evolving ---------------------------------------------------------------------------------------------------------


def evolve(state: State, command: SetBlocks | InvalidateBlock) -> None:
    """The rule is in force; or the nonce is gone."""
    if isinstance(command, SetBlocks):
        state.block_rules[command.underlying] = command
    else:
        state.accounts[command.account].spend_nonces(command.nonce >> 6, 1 << (command.nonce & 63))


def evolve_traded(state: State, command: ExecuteBlock, event: BlockTraded, seq: int) -> None:
    """Cash and positions of one leg move, and it waits for settlement; the first leg spends the nonce of both."""
    block = command.block
    if event.leg == 0:
        state.deals[seq] = Deal(seq, command, 2 * len(block.legs))
        for account_id in (block.maker, block.taker):
            state.accounts[account_id].spend_nonces(block.nonce >> 6, 1 << (block.nonce & 63))
    leg = block.legs[event.leg]
    sides: list[int] = []
    for party in (taker_of(command), maker_of(command)):
        auth_id = side_id(seq, event.leg, is_taker=party.is_taker)
        state.auths[auth_id] = AuthEntry(auth_id, side_of(command, party, leg), 0, 0, 0, deal=seq)
        sides.append(auth_id)
    trade = Trade(
        id=event.trade_id,
        series=leg.series,
        qty=leg.qty,
        price=leg.price,
        taker_is_buy=leg.is_buy,
        taker_account=block.taker,
        maker_account=block.maker,
        taker_auth=sides[0],
        maker_auth=sides[1],
        taker_fee=event.taker_fee,
        maker_fee=event.maker_fee,
        index=event.index,
    )
    settlement.open_trade(state, trade)
    keyroom.count_trade(state, trade)
    ledger.book_trade(state, trade)
    state.series[leg.series].volume += leg.qty
