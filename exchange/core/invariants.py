"""What must hold at every record, by name. Cheap ones run inside ``apply``; all of them run in tests, at every digest
record and in the auditor's replay.

Each returns None or a sentence that says what is wrong. Imports state, implied, pools, protection and status.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from exchange.core import implied, pools, protection, status
from exchange.core.commands import KILL_ACCOUNT, KILL_OWNER, KILL_VENUE, LAST, MARK, is_for_rfq, terms_of
from exchange.core.state import TREASURY, State, side_of
from exchange.core.state_types import Lookout, Trade
from exchange.core.units import QTY_ONE, Cash, Price, Qty, div_down, expiry_of

_KIND_OF_KILL: Final = 2  # purges of kill switches are numbered behind those of connections and timers

Invariant: TypeAlias = Callable[[State], str | None]


class InvariantBroken(AssertionError):
    """The machine contradicts itself: stop, rebuild from the journal, find the cause."""


def cash_sums_to_vault(state: State) -> str | None:
    """CASH_SUMS_TO_VAULT: cash of all accounts, treasury included, equals the tokens in the vault."""
    total = sum(account.cash for account in state.accounts.values())
    return None if total == state.mirror.vault else f"cash {total} is not the vault's {state.mirror.vault}"


def positions_sum_to_zero(state: State) -> str | None:
    """POSITIONS_SUM_TO_ZERO: every long has a short."""
    totals: dict[int, Qty] = {}
    for account in state.accounts.values():
        for series, qty in account.positions.items():
            totals[series] = totals.get(series, 0) + qty
    for series, qty in totals.items():
        if qty:
            return f"positions of series {series} sum to {qty}"
    return None


def book_not_crossed(state: State) -> str | None:
    """BOOK_NOT_CROSSED: the best bid is below the best ask in every series that trades continuously."""
    for series, book in state.books.items():
        if book.crossed() and series not in state.auctions:
            return f"book of series {series} is crossed"
    return None


def open_interest_matches(state: State) -> str | None:
    """OPEN_INTEREST_MATCHES: the open interest of a series is the sum of its long positions."""
    longs = dict.fromkeys(state.series, 0)
    for account in state.accounts.values():
        for series, qty in account.positions.items():
            longs[series] += max(qty, 0)
    for series, qty in longs.items():
        if qty != state.series[series].open_interest:
            return f"open interest of series {series} is {state.series[series].open_interest}, longs are {qty}"
    return None


def book_holds_open_orders(state: State) -> str | None:
    """BOOK_HOLDS_OPEN_ORDERS: open orders rest, wait for a trigger or answer a request; each level's sums are right."""
    resting, waiting = 0, sum(order.watch != 0 or order.rfq != 0 for order in state.orders.values())
    for series, book in state.books.items():
        for side in (book.bids, book.asks):
            for key, level in side.levels.items():
                total = sum(order.qty - order.filled for order in level.orders.values())
                hidden = sum(order.hidden for order in level.orders.values())
                resting += len(level.orders)
                if (total, hidden) != (level.total, level.hidden) or not level.orders:
                    said = f"{level.total}, {level.hidden} of it hidden"
                    return f"level {key} of series {series} says {said}, its orders {total} and {hidden}"
    if resting + waiting != len(state.orders):
        return f"{resting} orders rest, {waiting} wait, {len(state.orders)} are open"
    return None


def icebergs_show_a_slice(state: State) -> str | None:
    """ICEBERGS_SHOW_A_SLICE: a resting order shows something, and never more than it signed to show at a time."""
    for order in state.orders.values():
        shown = order.qty - order.filled - order.hidden
        too_much = order.resting and order.display and shown > order.display
        if order.hidden < 0 or too_much or (order.resting and shown <= 0):
            return f"order {order.id} shows {shown} at {order.display} a time and hides {order.hidden}"
    return None


def waiting_orders_watch(state: State) -> str | None:
    """WAITING_ORDERS_WATCH: what waits is held back whole, or due, or watches a price not there yet."""
    standing: dict[int, None] = {}
    for key, lookout in state.lookouts.items():
        for place, bound in _watched(state, key, lookout):
            order = state.orders.get(place[2])
            if order is None or order.watch != key[0] or place[2] in standing or place[2] in state.due:
                return f"order {place[2]} watches {key} and should not"
            if bound is not None and place[0] <= bound:
                return f"order {place[2]} watches {key} for a price that is reached"
            standing[place[2]] = None
    for order in state.orders.values():
        watches = order.id in standing or order.id in state.due
        if watches != (order.watch != 0 and order.held < order.qty) or (order.held and not order.watch):
            return f"order {order.id} waits for {order.watch} with {order.held} held back and watches: {watches}"
    for order_id in state.due:
        if order_id not in state.orders:
            return f"order {order_id} is due and is not open"
    lined_up = sorted((rank, key) for line in state.due_lines.values() for key, rank in line.items())
    return None if [key for _, key in lined_up] == list(state.due) else "those who are due stand otherwise in line"


def _watched(state: State, key: tuple[int, int], lookout: Lookout) -> Iterator[tuple[tuple[int, int, int], int | None]]:
    """Places on a lookout, each with the bound up to which its price counts as reached."""
    watch, subject = key
    if watch == LAST:
        price = state.series[subject].last_price
    elif state.view is None:
        price = 0
    else:
        price = (state.view.marks if watch == MARK else state.view.spots).get(subject, 0)
    for side, sign in ((lookout.above, 1), (lookout.below, -1)):
        for place in side:
            yield place, sign * price if price else None


def linked_orders_are_grouped(state: State) -> str | None:
    """LINKED_ORDERS_ARE_GROUPED: orders that came together know each other, and at most one of those that may fill
    instead of each other is in the book.
    """
    for group, members in state.groups.items():
        if not members or any(state.orders[order_id].group != group for order_id in members):
            return f"group {group} has members {members}"
        if sum(state.orders[order_id].resting for order_id in members) > 1:
            return f"of group {group} several rest"
    grouped = sum(len(members) for members in state.groups.values())
    linked = sum(order.group != 0 for order in state.orders.values())
    return None if grouped == linked else f"{grouped} orders are grouped, {linked} are linked"


def trades_await_settlement(state: State) -> str | None:
    """TRADES_AWAIT_SETTLEMENT: each unfinal trade stands in exactly one batch or is unsealed, in dense order."""
    expected = next(iter(state.trades), state.next_trade)
    for batch in state.batches.values():
        if batch.first_trade != expected:
            return f"batch {batch.id} starts at trade {batch.first_trade}, expected {expected}"
        expected = batch.last_trade + 1
    if expected != state.first_unsealed:
        return f"first unsealed trade is {state.first_unsealed}, batches end before {expected}"
    if len(state.trades) != state.next_trade - next(iter(state.trades), state.next_trade):
        return "unsettled trades are not dense"
    return None


def mirror_plus_trades_is_ledger(state: State) -> str | None:
    """MIRROR_PLUS_TRADES_IS_LEDGER: what the contracts hold plus unsettled trades equals the live positions."""
    ahead: dict[tuple[int, int], Qty] = {}
    for account in state.accounts.values():
        for series, qty in account.positions.items():
            ahead[account.id, series] = qty
    for trade in state.trades.values():
        if state.expiries[trade.series >> 16].fixing >= 0:
            continue  # already cash here, still a position there
        for account_id, change in _moves(trade):
            key = (account_id, trade.series)
            ahead[key] = ahead.get(key, 0) - change
    for account_id, positions in state.mirror.positions.items():
        for series, qty in positions.items():
            if state.expiries[series >> 16].fixing < 0:
                ahead[account_id, series] = ahead.get((account_id, series), 0) - qty
    for key, qty in ahead.items():
        if qty:
            return f"account {key[0]} differs from the mirror by {qty} in series {key[1]}"
    return None


def mirror_plus_trades_is_cash(state: State) -> str | None:
    """MIRROR_PLUS_TRADES_IS_CASH: an account's cash is what the contracts hold, plus the premiums and fees of its
    unsettled trades, plus what expiries settled here and not yet there owe it; the treasury's has fees and dust. A
    chain that disagreed is written down as such; from then on what it holds is no measure of the machine.
    """
    if state.mirror.disputed:
        return None
    ahead: dict[int, Cash] = {account.id: account.cash for account in state.accounts.values()}
    for account_id, cash in state.mirror.cash.items():
        ahead[account_id] -= cash
    for trade in state.trades.values():
        paid = div_down(trade.price * trade.qty, QTY_ONE)
        buyer, seller = trade.taker_account, trade.maker_account
        if not trade.taker_is_buy:
            buyer, seller = seller, buyer
        ahead[buyer] += paid
        ahead[seller] -= paid
        ahead[trade.taker_account] += trade.taker_fee
        ahead[trade.maker_account] += trade.maker_fee
        ahead[TREASURY] -= trade.taker_fee + trade.maker_fee
    dust = {expiry_id: part for expiry_id, part in state.mirror.dust.items() if part}
    for (account_id, expiry_id), exact in _owed(state).items():
        owed = div_down(exact, QTY_ONE)
        ahead[account_id] -= owed
        dust[expiry_id] = dust.get(expiry_id, 0) + exact - owed * QTY_ONE
    for expiry_id, part in dust.items():
        if part % QTY_ONE:
            return f"dust of expiry {expiry_id} adds up to {part} of {QTY_ONE}"
        ahead[TREASURY] -= div_down(part, QTY_ONE)
    for account_id, cash in ahead.items():
        if cash:
            return f"cash of account {account_id} differs from the mirror by {cash}"
    return None


def _owed(state: State) -> dict[tuple[int, int], int]:
    """Payoffs of expiries settled here and not yet there, per account and expiry, in price x quantity.

    The contracts will pay on the positions they hold, and on those that trades on their way will leave there.
    """
    owed: dict[tuple[int, int], int] = {}
    for account_id, positions in state.mirror.positions.items():
        for series, qty in positions.items():
            if state.expiries[expiry_of(series)].fixing >= 0:
                key = (account_id, expiry_of(series))
                owed[key] = owed.get(key, 0) + qty * _intrinsic(state, series)
    for trade in state.trades.values():
        expiry_id = expiry_of(trade.series)
        if state.expiries[expiry_id].fixing >= 0:
            for account_id, qty in _moves(trade):
                key = (account_id, expiry_id)
                owed[key] = owed.get(key, 0) + qty * _intrinsic(state, trade.series)
    return owed


def _moves(trade: Trade) -> tuple[tuple[int, Qty], tuple[int, Qty]]:
    signed = trade.qty if trade.taker_is_buy else -trade.qty
    return (trade.taker_account, signed), (trade.maker_account, -signed)


def _intrinsic(state: State, series: int) -> Price:
    option = state.series[series]
    above = state.expiries[option.expiry_id].fixing - option.strike
    return max(above if option.is_call else -above, 0)


def free_collateral_is_withdrawable(state: State) -> str | None:
    """CAN_ALWAYS_WITHDRAW_FREE_COLLATERAL: nothing is held beyond what a withdrawal asked for, and never negative."""
    for account in state.accounts.values():
        if account.held < 0 or (account.id == TREASURY and account.held):
            return f"account {account.id} holds {account.held}"
    return None


def killed_trade_nothing(state: State) -> str | None:
    """KILLED_TRADE_NOTHING: what a kill switch reaches has no open orders but those a purge is taking out."""
    pulled: dict[tuple[int, int, bytes], None] = {}
    for scope, number, owner, _ in state.kills:
        if (scope + _KIND_OF_KILL, number, owner) not in state.purges:
            pulled[scope, number, owner] = None
    for order in state.orders.values() if pulled else ():
        owner = state.accounts[order.account].owner
        for key in ((KILL_ACCOUNT, order.account, b""), (KILL_OWNER, 0, owner), (KILL_VENUE, 0, b"")):
            if key in pulled:
                return f"order {order.id} of account {order.account} is open under kill switch {key[0]}"
    return None


def connections_mind_open_orders(state: State) -> str | None:
    """CONNECTIONS_MIND_OPEN_ORDERS: the orders listed under a connection are just the open ones that name it."""
    listed = {key: number for number, minded in state.by_session.items() for key in minded}
    named = {order.id: order.session for order in state.orders.values() if order.session}
    return None if listed == named else f"{len(listed)} orders are minded, {len(named)} name a connection"


def requests_hold_their_quotes(state: State) -> str | None:
    """REQUESTS_HOLD_THEIR_QUOTES: a quote for a request stands there, on its side and in its steps, and in no book."""
    named = {order.id: order.rfq for order in state.orders.values() if order.rfq}
    listed = {key: rfq_id for rfq_id, quotes in state.rfq_quotes.items() for key in quotes}
    if named != listed:
        return f"{len(named)} quotes name a request, {len(listed)} stand in one"
    for rfq_id, quotes in state.rfq_quotes.items():
        rfq = state.rfqs.get(rfq_id)
        for order in quotes.values():
            terms = terms_of(state.auths[order.auth_id].auth)
            if rfq is None or terms.rfq != rfq_id or not is_for_rfq(terms):
                return f"quote {order.id} stands in request {rfq_id}, for which it is not signed"
            if order.resting or order.series != rfq.request.series or (order.qty - order.filled) % rfq.request.step:
                return f"quote {order.id} does not fit request {rfq_id}"
            if state.accounts[order.account].owner == state.accounts[rfq.request.account].owner:
                return f"quote {order.id} answers a request of its own wallet"
    return None


def requests_have_something_left(state: State) -> str | None:
    """REQUESTS_HAVE_SOMETHING_LEFT: a request that is not forgotten has filled less than it asked for, in its steps."""
    for rfq in state.rfqs.values():
        if not 0 <= rfq.filled < rfq.request.qty or rfq.filled % rfq.request.step:
            return f"request {rfq.id} has filled {rfq.filled} of {rfq.request.qty}"
    return None


def mandates_are_named(state: State) -> str | None:
    """MANDATES_ARE_NAMED: a mandate is kept as long as authorisations name it, and counts them."""
    named = dict.fromkeys(state.mandates, 0)
    for entry in state.auths.values():
        if entry.mandate:
            named[entry.mandate] = named.get(entry.mandate, 0) + 1
    for key, count in named.items():
        if key not in state.mandates or not count or state.mandates[key].refs != count:
            return f"mandate {key} is named {count} times"
    return None


def blocks_settle_whole(state: State) -> str | None:
    """BLOCKS_SETTLE_WHOLE: a block is kept until it is final, and its trades, all of them, are a batch of their own."""
    named: dict[int, int] = dict.fromkeys(state.deals, 0)
    for batch in state.batches.values():
        deals = dict.fromkeys(
            state.auths[state.trades[trade_id].taker_auth].deal
            for trade_id in range(batch.first_trade, batch.last_trade + 1)
        )
        if len(deals) > 1:
            return f"batch {batch.id} holds trades of blocks {list(deals)}"
        for deal in deals:
            if deal:
                named[deal] = batch.last_trade + 1 - batch.first_trade
    for key, count in named.items():
        if key not in state.deals or len(state.deals[key].signed.block.legs) != count:
            return f"block {key} has {count} trades on their way in a batch"
    return None


def awaited_blocks_are_alone(state: State) -> str | None:
    """AWAITED_BLOCKS_ARE_ALONE: a party to a block that is queued on the contracts has nothing open, and is counted; so
    is who is flagged there.
    """
    awaited = dict.fromkeys(state.flags, 1)
    for queued in state.queued.values():
        for account_id in (queued.maker, queued.taker):
            awaited[account_id] = awaited.get(account_id, 0) + 1
    for account in state.accounts.values():
        if account.awaiting != awaited.get(account.id, 0):
            return f"account {account.id} awaits {account.awaiting} blocks, {awaited.get(account.id, 0)} are queued"
        if account.awaiting and account.orders:
            return f"account {account.id} awaits a block and has {len(account.orders)} orders open"
    return None


def quotes_are_protected(state: State) -> str | None:
    """QUOTES_ARE_PROTECTED: nothing stands in a group that is frozen or full, nor under a mandate that is used up."""
    frozen: dict[tuple[int, str], bool] = {}  # a window is added up once, however many quotes stand in its group
    for order in state.orders.values():
        if order.mandate:
            mandate, account = state.mandates[order.mandate], state.accounts[order.account]
            key = (account.id, mandate.group)
            if key not in frozen:
                frozen[key] = protection.is_frozen(account.groups[mandate.group], state.time_ns)
            if frozen[key]:
                return f"quote {order.id} stands in group {mandate.group} of account {account.id}, which is frozen"
            if protection.is_used_up(mandate):
                return f"quote {order.id} stands under mandate {mandate.id}, which is used up"
            if account.quotes[mandate.group].get(side_of(order.series, is_buy=order.is_buy)) is not order:
                return f"quote {order.id} is not where its group {mandate.group} has it"
    return _orders_are_protected(state)


def _orders_are_protected(state: State) -> str | None:
    sheltered = 0
    for account in state.accounts.values():
        for name, orders in account.protected.items():
            sheltered += len(orders)
            if not orders or protection.is_frozen(account.groups[name], state.time_ns):
                return f"orders stand in group {name} of account {account.id}, which is frozen"
            if any(order.protection != name or state.orders.get(key) is not order for key, order in orders.items()):
                return f"group {name} of account {account.id} protects orders that do not name it"
    named = sum(order.protection != "" for order in state.orders.values())
    return None if named == sheltered else f"{named} orders name a group, {sheltered} are protected"


ALL: Final[tuple[Invariant, ...]] = (
    cash_sums_to_vault,
    positions_sum_to_zero,
    book_not_crossed,
    open_interest_matches,
    book_holds_open_orders,
    icebergs_show_a_slice,
    waiting_orders_watch,
    linked_orders_are_grouped,
    trades_await_settlement,
    mirror_plus_trades_is_ledger,
    mirror_plus_trades_is_cash,
    free_collateral_is_withdrawable,
    killed_trade_nothing,
    connections_mind_open_orders,
    requests_hold_their_quotes,
    requests_have_something_left,
    mandates_are_named,
    blocks_settle_whole,
    awaited_blocks_are_alone,
    quotes_are_protected,
    implied.combos_are_indexed,
    implied.no_combo_reached,
    status.breakers_are_on_their_steps,
    pools.pools_quote_for_their_round,
)


def check_all(state: State) -> None:
    """Raise InvariantBroken naming the first invariant that does not hold."""
    for invariant in ALL:
        finding = invariant(state)
        if finding is not None:
            raise InvariantBroken(f"{invariant.__name__}: {finding}")
