# pragma version 0.4.3
"""
@title Cases of liquidation
@license Apache-2.0
@notice The part of Clearing that begins and ends a liquidation: who stands ready, who is flagged, and who pays in the end.
@dev Call it through Clearing, which runs Office, which runs Blocks, which runs this code on the storage of Clearing, and
     this that of Liquidations. Called directly it acts on a storage of its own, which is empty and stays worthless.
@custom:kill The governor may take the providers off the list; then nobody is liquidated, and nobody is safe.
"""

from core import accounts
from core import actions
from core import distress
from core import liquidations
from core import portfolio
from core import rounds
from core import state
from lib import fail

initializes: state
initializes: distress[accounts := accounts, liquidations := liquidations, rounds := rounds]
uses: actions
uses: liquidations
uses: portfolio

exports: (state.TERMS, distress.EXIT_TERMS)

MASK_32: constant(uint256) = 2**32 - 1
MASK_64: constant(uint256) = 2**64 - 1
MASK_128: constant(uint256) = 2**128 - 1
MAX_ANSWER_BYTES: constant(uint256) = 32 * 8
MAX_HASH_BYTES: constant(uint256) = 32 * 64
MAX_SHEET_BYTES: constant(uint256) = 32 * 512
MAX_PROVIDERS: constant(uint256) = 4
MAX_TOOK: constant(uint256) = 16
# A flag of an account whose venue is silent: it binds at once, and waits so long for a second round.
SILENT_LIFE: constant(uint256) = 3_600

event LiquidationFlagged:
    action_id: uint64
    account: indexed(uint32)
    effective: uint64
    lapses: uint64

# Each change is an amount << 32 | account; they sum to zero. `uncovered` stays on the account as negative cash.
event LiquidationClosed:
    action_id: uint64
    account: indexed(uint32)
    uncovered: uint256
    changes: DynArray[int256, 2 * MAX_TOOK + 4]

event ProviderSet:
    account: indexed(uint32)
    underlying: indexed(uint32)
    haircut: uint256
    standing: bool

event InsuranceSet:
    account: uint32

interface Liquidations:
    def TERMS() -> bytes32: view
    def EXIT_TERMS() -> bytes32: view

LIQUIDATIONS: public(immutable(address))


@deploy
def __init__(settings: state.Settings, terms: distress.Terms, transfers: address):
    """
    @param settings Those of the Clearing that runs this code.
    @param terms See `distress`.
    @param transfers Code of transfers to providers, deployed under the same settings and terms.
    """
    state.__init__(settings)
    distress.__init__(terms, settings.window)
    if staticcall Liquidations(transfers).TERMS() != state.TERMS:
        fail.because("office_settings")
    if staticcall Liquidations(transfers).EXIT_TERMS() != distress.EXIT_TERMS:
        fail.because("office_settings")
    LIQUIDATIONS = transfers


@external
@raw_return
def __default__() -> Bytes[MAX_ANSWER_BYTES]:
    """
    @notice Every function of Liquidations.
    """
    return raw_call(LIQUIDATIONS, msg.data, max_outsize=MAX_ANSWER_BYTES, is_delegate_call=True)


@external
def set_insurance(account: uint32):
    """
    @notice Name the account that is the insurance fund. Works once; only the governor.
    """
    self._check_governor()
    if liquidations.insurance != 0:
        fail.because("insurance_set")
    distress.check_account(account)
    liquidations.insurance = convert(account, uint256)
    log InsuranceSet(account=account)


@external
def set_provider(underlying: uint256, entry: uint256):
    """
    @notice Put an account on the list of those that take over risk in one underlying. Only the governor, who answers for it
            that the account never trades: its owner is a pool that cannot sign.
    @param entry What it has committed to, in 1e-18 of the requirement that it takes over, << 32 | account.
    """
    self._check_governor()
    number: uint256 = entry & MASK_32
    haircut: uint256 = entry >> 32
    distress.check_account(convert(number, uint32))
    if liquidations.fields[number] != 0 or number == liquidations.insurance:
        fail.because("provider_known")
    if haircut > distress.T.haircut or underlying >= 256:
        fail.because("parameter_range")
    if len(liquidations.providers[underlying]) == MAX_PROVIDERS:
        fail.because("providers_full")
    self._rank(underlying, (haircut << 128) | (block.timestamp << 64) | number)
    liquidations.fields[number] = underlying + 1
    log ProviderSet(account=convert(number, uint32), underlying=convert(underlying, uint32), haircut=haircut, standing=True)


@external
def drop_provider(underlying: uint256, account: uint256):
    """
    @notice Take an account off the list of an underlying. Only the governor. What it has taken over stays with it.
    """
    self._check_governor()
    if underlying >= 256 or liquidations.fields[account] != underlying + 1:
        fail.because("provider_unknown")
    self._strike(underlying, account)
    liquidations.fields[account] = 0
    log ProviderSet(account=convert(account, uint32), underlying=convert(underlying, uint32), haircut=0, standing=False)


@internal
def _rank(field: uint256, entry: uint256):
    """
    @notice Cheapest first, then who committed first, then by number: the order of the words.
    """
    at: uint256 = len(liquidations.providers[field])
    liquidations.providers[field].append(entry)
    for _: uint256 in range(MAX_PROVIDERS):
        if at == 0 or liquidations.providers[field][at - 1] < entry:
            break
        liquidations.providers[field][at] = liquidations.providers[field][at - 1]
        at -= 1
    liquidations.providers[field][at] = entry


@internal
def _strike(field: uint256, number: uint256):
    kept: DynArray[uint256, MAX_PROVIDERS] = []
    for entry: uint256 in liquidations.providers[field]:
        if entry & MASK_32 != number:
            kept.append(entry)
    liquidations.providers[field] = kept


@internal
@view
def _check_governor():
    if msg.sender != state.GOVERNOR:
        fail.because("only_governor")


@external
def flag_account(
    account: uint32, keeper: uint32, round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]
):
    """
    @notice Announce that an account does not cover its risk at a recent round. It may be liquidated one settlement window
            later, at a later round, if it still does not. Anyone may call.
    @param keeper Account to which half of the reward goes, if there will be one.
    """
    number: uint256 = convert(account, uint256)
    distress.check_account(account)
    distress.check_account(keeper)
    if liquidations.insurance == 0:
        fail.because("insurance_unset")
    times: uint256 = liquidations.cases[number].times
    if times != 0:
        if (times >> 128) & MASK_64 >= block.timestamp:
            fail.because("flag_pending")
        # What was taken over before it lapsed is settled first, so that no haircut is forgotten.
        if times & 1 != 0:
            fail.because("case_open")
    round: uint256 = distress.round_of(round_id, hashes, sheets)
    book: liquidations.Book = empty(liquidations.Book)
    claims: int256 = 0
    book, claims = liquidations.load(number, round, sheets, distress.T.confidence)
    now: distress.Standing = distress.standing_of(book, book.held, portfolio.cash(number) + claims)
    if now.equity >= now.risk:
        fail.because("account_covers")
    effective: uint256 = actions.binding_time()
    lapses: uint256 = effective + (SILENT_LIFE if actions.timed_out() else actions.window())
    liquidations.cases[number].times = (
        (effective << 192) | (lapses << 128) | ((round >> 128) << 64) | (convert(keeper, uint256) << 32)
    )
    liquidations.cases[number].done = 0
    liquidations.cases[number].cursor = 0
    log LiquidationFlagged(
        action_id=actions.next(),
        account=account,
        effective=convert(effective, uint64),
        lapses=convert(lapses, uint64),
    )


@external
def close_case(
    account: uint32, keeper: uint32, round_id: uint256, hashes: Bytes[MAX_HASH_BYTES], sheets: Bytes[MAX_SHEET_BYTES]
):
    """
    @notice End a case that was begun and will not go on by itself: the account covers its risk by now, or is flat, or its flag
            has lapsed. Anyone may call.
    """
    number: uint256 = convert(account, uint256)
    distress.check_account(keeper)
    times: uint256 = liquidations.cases[number].times
    if times & 1 == 0:
        fail.because("flag_unknown")
    round: uint256 = distress.round_of(round_id, hashes, sheets)
    book: liquidations.Book = empty(liquidations.Book)
    claims: int256 = 0
    book, claims = liquidations.load(number, round, sheets, distress.T.confidence)
    now: distress.Standing = distress.standing_of(book, book.held, portfolio.cash(number) + claims)
    flat: bool = liquidations.is_flat(book.held)
    if not distress.is_cured(now, flat) and (times >> 128) & MASK_64 >= block.timestamp:
        fail.because("case_open")
    self._close(account, keeper, now.cash if flat else 0)


@internal
def _close(account: uint32, keeper: uint32, cash: int256):
    """
    @notice Who pays what is missing on a flat account: insurance, then haircuts are given up in proportion. Of the haircuts
            that are kept the fund takes its share, and the keepers their reward out of that.
    """
    number: uint256 = convert(account, uint256)
    missing: uint256 = convert(max(-cash, 0), uint256)
    fund: uint256 = liquidations.insurance
    haircuts: DynArray[uint256, MAX_TOOK] = []
    total: uint256 = 0
    for entry: uint256 in liquidations.cases[number].took:
        haircuts.append(entry & MASK_128)
        total += entry & MASK_128
    by_fund: uint256 = min(missing, convert(max(portfolio.cash(fund), 0), uint256))
    given_up: DynArray[uint256, MAX_TOOK] = liquidations.shared(min(missing - by_fund, total), haircuts)
    covered: uint256 = by_fund
    to_fund: uint256 = 0
    changes: DynArray[int256, 2 * MAX_TOOK + 4] = []
    for i: uint256 in range(len(haircuts), bound=MAX_TOOK):
        passed_on: uint256 = (haircuts[i] - given_up[i]) * distress.T.insurance_share // 10**18
        covered += given_up[i]
        to_fund += passed_on
        changes.append(
            self._pay(liquidations.cases[number].took[i] >> 128, -convert(given_up[i] + passed_on, int256))
        )
    reward: uint256 = min(distress.T.keeper_reward, to_fund)
    changes.append(self._pay(number, convert(covered, int256)))
    changes.append(self._pay(fund, convert(to_fund - reward, int256) - convert(by_fund, int256)))
    flagger: uint256 = (liquidations.cases[number].times >> 32) & MASK_32
    changes.append(self._pay(flagger, convert(reward // 2, int256)))
    changes.append(self._pay(convert(keeper, uint256), convert(reward - reward // 2, int256)))
    liquidations.cases[number] = empty(liquidations.Case)
    log LiquidationClosed(
        action_id=actions.next(), account=account, uncovered=missing - covered, changes=changes
    )


@internal
def _pay(account: uint256, amount: int256) -> int256:
    portfolio.add_cash(account, amount)
    return amount * 2**32 + convert(account, int256)


@external
@view
def liquidation_of(account: uint256) -> (uint256, uint256, uint256, bool):
    """
    @notice Of a flagged account: when it may be liquidated, when the flag lapses, time of the round it was flagged at, and
            whether its liquidation has begun; zeros for any other.
    """
    times: uint256 = liquidations.cases[account].times
    return times >> 192, (times >> 128) & MASK_64, (times >> 64) & MASK_64, times & 1 != 0


@external
@view
def providers_of(underlying: uint256) -> DynArray[uint256, MAX_PROVIDERS]:
    """
    @notice Providers of an underlying in the order in which they are asked: haircut u64 << 128 | since u64 << 64 |
            account u32.
    """
    return liquidations.providers[underlying]


@external
@view
def insurance_account() -> uint256:
    """
    @notice Account of the insurance fund; 0 until there is one.
    """
    return liquidations.insurance


@external
@view
def exit_terms() -> distress.Terms:
    """
    @notice Terms of a liquidation, see `Terms`.
    """
    return distress.T
