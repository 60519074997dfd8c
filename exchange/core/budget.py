"""What a batch costs to settle, in gas, from above; and how many positions an account may hold so that it can.

A transaction takes 16,777,216 gas (EIP-7825). Orders are the smaller part: every account that a batch touches has its
margin checked over all it holds. Constants are measured by ``benchmarks/gas_positions.py`` and rounded up (ADR 0004).
Imports state, models, units.
"""

from collections.abc import Iterable
from typing import Final

from exchange.core import models
from exchange.core.state import State, legs_of
from exchange.core.state_types import Account, AuthEntry
from exchange.core.units import div_down, expiry_of

GAS_MAX: Final = 14_000_000  # of a batch; the rest is for what these constants do not know
POSITIONS_GAS_MAX: Final = 2_500_000  # of one account's margin: two such accounts, and all their orders, fit a batch
GROUP_GAS_MAX: Final = 15_200_000  # of fills that settle together, with accounts as full as any
SMALL: Final = 16  # positions that never cost more, however they were listed

ORDERS_MAX: Final = 254  # signed orders in one batch, replaced ancestors included; with terms they fit its words
FIXED_GAS: Final = 170_000  # heartbeat, round and operator's signature
ORDER_GAS: Final = 32_000  # signature, what became of it written for the first time, half a trade
FILLING_GAS: Final = (
    23_000  # how much of it has filled, written for the first time; not of what is shown without a fill
)
REPLACING_GAS: Final = 25_000  # what became of an order it replaces that is not shown, written for the first time
KEY_GAS: Final = 2_200  # a session key is read; what the owner's cancellations cost (8,400) GAS_MAX leaves room for
TRADE_GAS: Final = 4_000
REDUCING_GAS: Final = 4_000  # a trade of a reduce-only order looks at what its account holds in the series,
BESIDE_GAS: Final = 700  # and at every order the batch shows of it, up to twice
ACCOUNT_GAS: Final = 10_000
LEG_GAS: Final = 12_000  # of a combo, besides: a position word, its strikes and its expiry are read and it is written
QUOTE_GAS: Final = 36_000  # an order's, without a signature, with a proof
MANDATE_GAS: Final = 44_000  # its signature, what fills under it written for the first time
NEW_GROUP_GAS: Final = 26_000  # a position word and a bit of the map, written for the first time
NEW_EXPIRY_GAS: Final = 30_000  # a map of groups and a count of holders, written for the first time
GROUP_GAS: Final = 26_000  # the sums, the netting, and the netting of what was before
EXPIRY_GAS: Final = 24_000  # calls of Margin, twice
MOVE_GAS: Final = 700  # one step of sorting strikes that were not listed in ascending order, twice
PASSED_SHEET_GAS: Final = 1_000  # a sheet that an account has no positions in, three times
SHEET_WORD_GAS: Final = 1_000
SHEETS_GAS_MAX: Final = 512 * SHEET_WORD_GAS  # as many as listings may fill, of as many expiries
PASSED_GAS_MAX: Final = 64 * PASSED_SHEET_GAS

BODY_WORDS: Final = 1_280  # of one batch: orders, trades, and the annex
ORDER_WORDS: Final = 5  # of them for an order: four, and one for its terms
QUOTE_WORDS: Final = 12  # for a quote: four, and the hashes of its proof
MANDATE_WORDS: Final = 5
COMBO_WORDS: Final = 6  # for an order for a combo: half of its signature is in the annex
MANDATES_MAX: Final = 32  # mandates to quote in one batch

# Risk arrays that a batch shows for accounts under PORTFOLIO. Of an account that holds more words only STANDARD counts
# here: with these bounds the arrays of both parties to a fill fit one call, and of all accounts of a group of fills.
ARRAYS_MAX: Final = 128
SHOWN_MAX: Final = 16  # words of positions of one account; 6 where it is one of a group
SHOWN_IN_GROUP_MAX: Final = 6
SHOWING_GAS: Final = 170_000  # a round's hashes and commitment, and the root of a proof
ARRAY_GAS: Final = 22_000  # one array shown with its part of a proof, and read twice
PORTFOLIO_GAS: Final = 130_000  # of one account: what it holds laid out twice, and the worst of all scenarios

GROUP_TRADES_MAX: Final = 6  # fills that are the legs of one combo and settle together
GROUP_ACCOUNTS_MAX: Final = 5  # with that of the combo

Groups = dict[int, None]  # series >> 2, the words in which the contract keeps positions


class Draft:
    """The cost of a batch while trades are added to it."""

    __slots__ = (
        "_expiries",
        "_filling",
        "_moves",
        "_reducing",
        "_scanned",
        "_shown",
        "_state",
        "_touched",
        "accounts",
        "gas",
        "mandates",
        "orders",
        "words",
    )

    def __init__(self, state: State) -> None:
        self._state = state
        self._moves: dict[int, int] = {}
        self._touched: dict[tuple[int, int], None] = {}  # account and group, account and -expiry
        self._expiries: dict[int, None] = {}
        self._filling: dict[int, None] = {}
        self._shown: dict[int, int] = {}  # by account, orders
        self._scanned: Groups = {}  # of accounts under PORTFOLIO
        self._reducing: dict[int, int] = {}  # by account, trades of orders that only reduce
        self.accounts: dict[int, None] = {}
        self.orders: dict[int, None] = {}
        self.mandates: dict[int, None] = {}
        self.gas = FIXED_GAS
        self.words = 1  # of counts

    def add(self, links: Iterable[AuthEntry], filled: Iterable[AuthEntry]) -> None:
        """One more trade, with the two it fills and all orders that a batch must show for it."""
        self.gas += TRADE_GAS
        self.words += 1
        for link in links:
            if link.id in self.orders:
                continue
            self.orders[link.id] = None
            self._show(link)
            account = link.auth.account
            for leg in legs_of(self._state, link.auth.series):
                self._touch((account, leg.series >> 2), NEW_GROUP_GAS)
                self._touch((account, -expiry_of(leg.series)), NEW_EXPIRY_GAS)
            if account not in self.accounts:
                self._check_margin(account)
        for entry in filled:
            if not entry.mandate and entry.id not in self._filling:
                self._filling[entry.id] = None
                self.gas += FILLING_GAS
            if entry.auth.reduce_only:
                self._look_beside(entry.auth.account)

    def _look_beside(self, account: int) -> None:
        """A trade of an order that only reduces looks at all that the batch shows of its account."""
        self._reducing[account] = self._reducing.get(account, 0) + 1
        self.gas += REDUCING_GAS + self._shown[account] * BESIDE_GAS

    def _show(self, link: AuthEntry) -> None:
        """The words and the signature of an order, or of a quote under its mandate."""
        account = link.auth.account
        self._shown[account] = self._shown.get(account, 0) + 1
        self.gas += _order_gas(link) + self._reducing.get(account, 0) * BESIDE_GAS
        if link.auth.replaces and link.parent not in self.orders:  # else the lane is one that is written anyway
            self.gas += REPLACING_GAS
        if link.auth.signer != self._state.accounts[link.auth.account].owner:
            self.gas += KEY_GAS
        self.words += _order_words(link)
        if link.mandate and link.mandate not in self.mandates:
            self.mandates[link.mandate] = None
            self.gas += MANDATE_GAS
            self.words += MANDATE_WORDS

    def _touch(self, key: tuple[int, int], gas: int) -> None:
        if key not in self._touched:
            self._touched[key] = None
            self.gas += gas

    def _check_margin(self, account: int) -> None:
        groups = _groups_of(self._state, self._state.accounts[account])
        self.accounts[account] = None
        self.gas += ACCOUNT_GAS + positions_gas(self._state, groups, self._moves)
        for group in groups:
            self._expiries[group >> 14] = None
        if len(groups) <= SHOWN_MAX and models.may_be_portfolio(self._state, self._state.accounts[account]):
            self.gas += PORTFOLIO_GAS
            self._scanned |= groups

    def fits(self) -> bool:
        """Whether a transaction carries all trades so far."""
        if len(self.orders) > ORDERS_MAX or len(self.mandates) > MANDATES_MAX or self.words > BODY_WORDS:
            return False
        return 4 * len(self._scanned) <= ARRAYS_MAX and self.total() <= GAS_MAX

    def total(self) -> int:
        """Gas of all trades so far, sheets included."""
        listed = [len(self._state.expiries[key].series) for key in self._expiries]
        sheets = sum(2 + div_down(count + 3, 4) for count in listed) * SHEET_WORD_GAS
        arrays = SHOWING_GAS + 4 * len(self._scanned) * ARRAY_GAS if self._scanned else 0
        return self.gas + sheets + arrays + len(self.accounts) * len(listed) * PASSED_SHEET_GAS


def _order_gas(link: AuthEntry) -> int:
    return QUOTE_GAS if link.mandate else ORDER_GAS + len(link.auth.legs) * LEG_GAS


def _order_words(link: AuthEntry) -> int:
    if link.mandate:
        return QUOTE_WORDS
    return COMBO_WORDS if link.auth.legs else ORDER_WORDS


def group_fits(links: list[AuthEntry], accounts: int) -> bool:
    """Whether one transaction carries fills that must settle together, whatever their accounts hold by then.

    ``links`` are the orders that it would have to show, replaced ones included.
    """
    gas, words = FIXED_GAS + GROUP_TRADES_MAX * TRADE_GAS, 1 + GROUP_TRADES_MAX
    gas += (GROUP_TRADES_MAX + 1) * FILLING_GAS
    for link in links:
        gas += KEY_GAS + REPLACING_GAS + _order_gas(link) + (MANDATE_GAS if link.mandate else 0)
        gas += GROUP_TRADES_MAX * (REDUCING_GAS + len(links) * BESIDE_GAS) if link.auth.reduce_only else 0
        gas += max(1, len(link.auth.legs)) * (NEW_GROUP_GAS + NEW_EXPIRY_GAS)
        words += _order_words(link) + (MANDATE_WORDS if link.mandate else 0)
    gas += accounts * (ACCOUNT_GAS + POSITIONS_GAS_MAX + PASSED_GAS_MAX) + SHEETS_GAS_MAX
    return len(links) <= ORDERS_MAX and words <= BODY_WORDS and gas <= GROUP_GAS_MAX


def _groups_of(state: State, account: Account) -> Groups:
    """The words that an account has here, there or on their way."""
    groups: Groups = dict.fromkeys(account.waiting)
    for series in account.positions:
        groups[series >> 2] = None
    for series in state.mirror.positions.get(account.id, ()):
        groups[series >> 2] = None
    return groups


def positions_gas(state: State, groups: Groups, moves: dict[int, int]) -> int:
    """What checking the margin of an account costs that holds these words; ``moves`` remembers what listings cost."""
    counts: dict[int, int] = {}
    for group in groups:
        counts[group >> 14] = counts.get(group >> 14, 0) + 1
    gas = 0
    for expiry_id, count in counts.items():
        if expiry_id not in moves:
            moves[expiry_id] = _moves(state, expiry_id)
        legs = 4 * count
        sorting = min(moves[expiry_id], div_down(legs * (legs - 1), 2))
        gas += EXPIRY_GAS + count * GROUP_GAS + sorting * MOVE_GAS
    return gas


def _moves(state: State, expiry_id: int) -> int:
    """Steps that sorting all strikes of an expiry takes by insertion; equal strikes may need one."""
    strikes: list[int] = []
    steps = 0
    for series in state.expiries[expiry_id].series:
        strike, at = state.series[series].strike, len(strikes)
        while at and strikes[at - 1] >= strike:
            at -= 1
        steps += len(strikes) - at
        strikes.insert(at, strike)
    return steps


def may_hold(state: State, account: Account, series: int) -> bool:
    """Whether the account may have a position in this series too: any one trade of it must fit a transaction.

    What the contracts hold counts besides what is held here: positions in a fixed expiry stay there until it is paid.
    """
    return may_hold_all(state, account, (series,))


def may_hold_all(state: State, account: Account, legs: tuple[int, ...]) -> bool:
    """Whether the account may have positions in all of these series too."""
    there = state.mirror.positions.get(account.id, ())
    count = len(account.positions) + len(there) + len(account.waiting)
    if count + len(legs) <= SMALL or all(series in account.positions for series in legs):
        return True
    groups = _groups_of(state, account)
    more = dict.fromkeys(series >> 2 for series in legs)
    if all(group in groups for group in more):
        return True
    return positions_gas(state, groups | more, {}) <= POSITIONS_GAS_MAX


def may_show(state: State, account: Account, legs: Iterable[int], words_max: int = SHOWN_MAX) -> bool:
    """Whether a batch can show the arrays of all that the account may hold when it settles, these series included."""
    groups = _groups_of(state, account) | dict.fromkeys(series >> 2 for series in legs)
    if len(groups) > words_max:
        return False
    gas = SHOWING_GAS + PORTFOLIO_GAS + 4 * len(groups) * ARRAY_GAS
    return gas + positions_gas(state, groups, {}) <= POSITIONS_GAS_MAX
