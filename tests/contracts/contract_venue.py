"""A whole venue on the embedded chain: contracts, traders with keys, oracle signers, and batches as one call.

Shared by the contract tests and by benchmarks/gas.py. It decides nothing: every number comes from its caller or
from the encoders of the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from eth_hash.auto import keccak

from exchange import calldata, risk_words, signing
from exchange.calldata import Round, Sheet, SignedOrder, SpotWord, Trade
from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.shell.chain import ZERO_ADDRESS, Address, Receipt, Reverted
from exchange.shell.contract import LocalContract, artifact, deploy_local
from exchange.shell.devchain import DevChain
from exchange.signing import BatchHeader, Order

USDC = 10**6
LOT = 10**4  # one contract
WAD = 10**18
ETHER = 10**18
WINDOW = 60
OPERATOR_TIMEOUT = 3600
NOTICE = 86_400  # of a new oracle signer
MAX_ROUND_AGE = 120
EXIT_ROUND_AGE = 30
BLOCK_BAND = 5 * 10**16
# Haircut, buffer and the fund's share in wad; the keepers' reward; confidence of a round; seconds to a second one.
EXIT_TERMS = (10 * 10**16, 15 * 10**16, 20 * 10**16, 5 * USDC, 55 * 10**16, 1)
GENESIS = 1_700_000_000 // 1800 * 1800
BTC = 1
GAS = 16_777_216  # what one transaction may use from Osaka on (EIP-7825)
MAINNET = (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200)  # of 1e16


@cache
def key(name: str) -> bytes:
    """Private key of a player."""
    return keccak(b"contract test " + name.encode())


@cache
def address(name: str) -> bytes:
    return signing.address_of(key(name))


@dataclass(frozen=True)
class Player:
    """A trader with one account."""

    name: str
    account: int

    @property
    def key(self) -> bytes:
        return key(self.name)

    @property
    def address(self) -> bytes:
        return address(self.name)


@dataclass(frozen=True)
class Batch:
    """Everything settle_signed takes, still in plain form, so that a test can spoil one part of it."""

    orders: tuple[SignedOrder, ...]
    trades: tuple[Trade, ...]
    header: BatchHeader
    hashes: bytes
    sheets: bytes
    operator: str = "operator"
    body: bytes | None = None
    operator_signature: bytes | None = None


def book_state(venue: Venue) -> dict[Address, dict[int, int]]:
    """Every storage slot of every contract."""
    storage = venue.chain._machine.store.storage
    return {contract.address: dict(storage.get(contract.address, {})) for contract in venue.contracts}


def deploy_clearing(
    chain: DevChain, deployer: bytes, settings: tuple[Any, ...], treasury: Address = ZERO_ADDRESS
) -> tuple[LocalContract, LocalContract]:
    """Office, which runs Blocks, Cases and Liquidations, and the Clearing that runs it."""
    transfers = deploy_local(chain, deployer, artifact("Liquidations"), settings, EXIT_TERMS)
    cases = deploy_local(chain, deployer, artifact("Cases"), settings, EXIT_TERMS, transfers.address)
    blocks = deploy_local(chain, deployer, artifact("Blocks"), settings, BLOCK_BAND, cases.address)
    office = deploy_local(chain, deployer, artifact("Office"), settings, blocks.address, treasury)
    return office, deploy_local(chain, deployer, artifact("Clearing"), settings, office.address)


@dataclass
class Venue:
    """One deployment. `settings` and `fees` may be changed before `start`."""

    taker_rate: int = 4 * 10**14
    maker_rate: int = -(10**14)
    fee_cap: int = 125 * 10**15
    parameters: tuple[int, ...] = tuple(value * 10**16 for value in MAINNET)
    model: PortfolioModel = PORTFOLIO
    vault_cap: int = 10**15
    split: tuple[int, ...] = tuple(part * 10**16 for part in (50, 25, 15, 10))
    governor: Address = field(default_factory=lambda: address("governor"))
    chain: DevChain | None = None
    signers: tuple[str, ...] = ("signer a", "signer b", "signer c", "signer d", "signer e")
    rounds: dict[int, Round] = field(default_factory=dict)
    strikes: dict[int, tuple[int, bool]] = field(default_factory=dict)
    expiries: dict[int, int] = field(default_factory=dict)
    accounts: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Players of the first hour have ether from genesis; a later grant would take a block of its own.
        allocation = {address(name): 10**6 * ETHER for name in ("operator", "guardian", "governor", "keeper")}
        self.chain = self.chain or DevChain(genesis_time_s=GENESIS, allocation=allocation)
        operator = key("operator")
        self.token = deploy_local(self.chain, operator, artifact("TestUSDC"))
        at, nobody = self.token.address, (ZERO_ADDRESS,) * 4
        self.treasury = deploy_local(self.chain, operator, artifact("Treasury"), at, self.governor, self.split, nobody)
        custody = (at, self.governor, address("guardian"), self.treasury.address, self.vault_cap)
        self.vault = deploy_local(self.chain, operator, artifact("Vault"), *custody)
        ascending = sorted(address(name) for name in self.signers)
        self.oracle = deploy_local(self.chain, operator, artifact("Oracle"), ascending, self.governor, NOTICE)
        self.margin = deploy_local(self.chain, operator, artifact("Margin"), self.parameters)
        words = risk_words.model_words(self.model)
        self.risk_arrays = deploy_local(self.chain, operator, artifact("RiskArrays"), self.oracle.address, words)
        self.portfolio = deploy_local(self.chain, operator, artifact("Portfolio"), self.risk_arrays.address, words)
        self.settings = self._settings()
        self.office, self.clearing = deploy_clearing(self.chain, operator, self.settings, self.treasury.address)
        self.send("operator", self.vault, "set_clearing", self.clearing.address)
        self.send("operator", self.risk_arrays, "set_clearing", self.clearing.address)
        self.domain = signing.domain_separator(self.chain.chain_id, self.clearing.address)
        self.oracle_domain = signing.domain_separator(self.chain.chain_id, self.oracle.address)
        self.next_nonce = 0

    def _settings(self) -> tuple[Any, ...]:
        return (
            self.governor,
            address("operator"),
            self.vault.address,
            self.oracle.address,
            self.margin.address,
            self.portfolio.address,
            WINDOW,
            OPERATOR_TIMEOUT,
            MAX_ROUND_AGE,
            EXIT_ROUND_AGE,
            self.taker_rate,
            self.maker_rate,
            self.fee_cap,
        )

    @property
    def contracts(self) -> tuple[LocalContract, ...]:
        return self.token, self.treasury, self.vault, self.oracle, self.margin, self.office, self.clearing

    @property
    def now(self) -> int:
        """Time of the newest block; the next one is at least a second later."""
        return self.chain.head.time_s

    def send(self, who: str, contract: LocalContract, name: str, *args: object) -> Receipt:
        """A transaction of a player, who never lacks ether."""
        if self.chain.balance(address(who)) < ETHER:
            self.chain.fund(address(who), 1000 * ETHER)
        return contract.send(key(who), name, *args, gas=GAS)

    def refusal(self, who: str, contract: LocalContract, name: str, *args: object) -> str:
        """Reason for which a transaction reverts, having changed no slot of any contract."""
        before = book_state(self)
        try:
            self.send(who, contract, name, *args)
        except Reverted as error:
            assert book_state(self) == before
            return str(error.reason)
        return "accepted"

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Whatever happens inside is taken back, on the chain and here."""
        snapshot = self.chain.snapshot()
        kept = (dict(self.rounds), dict(self.strikes), dict(self.expiries), dict(self.accounts), self.next_nonce)
        try:
            yield
        finally:
            self.chain.revert(snapshot)
            self.rounds, self.strikes, self.expiries, self.accounts, self.next_nonce = kept

    # -- players ----------------------------------------------------------------------------------------------

    def open(self, name: str, cash: int = 0) -> Player:
        """A new account, with `cash` deposited."""
        self.send(name, self.clearing, "open_account")
        player = Player(name, self.clearing.call("account_count"))
        self.accounts[player.account] = name
        if cash:
            self.deposit(player, cash)
        return player

    def deposit(self, player: Player, amount: int) -> Receipt:
        self.send(player.name, self.token, "mint", player.address, amount)
        self.send(player.name, self.token, "approve", self.vault.address, amount)
        return self.send(player.name, self.vault, "deposit", player.account, amount)

    def cash(self, account: int) -> int:
        return self.clearing.call("cash_of", account)

    def positions(self, account: int) -> dict[int, int]:
        """Quantities by series, over all listed expiries."""
        found: dict[int, int] = {}
        for expiry_id in self.expiries:
            held, words = self.clearing.call("positions_of", account, expiry_id)
            found |= calldata.positions_from_words(expiry_id, held, words)
        return found

    def ledger(self) -> dict[int, tuple[int, dict[int, int]]]:
        """Cash and positions of every account, the treasury included."""
        return {account: (self.cash(account), self.positions(account)) for account in (0, *self.accounts)}

    # -- market -----------------------------------------------------------------------------------------------

    def list(self, expiry: int, series: Sequence[tuple[int, bool]], underlying: int = BTC) -> int:
        """List an expiry with its series (strike, is_call) and return its id."""
        expiry_id = len(self.expiries) + 1
        self.send("operator", self.clearing, "list_expiry", expiry_id, underlying, expiry)
        for group in range(-(-len(series) // 4)):
            word = calldata.strikes_word(series[4 * group : 4 * group + 4])
            self.send("operator", self.clearing, "list_group", expiry_id, group, word)
        self.expiries[expiry_id] = expiry
        for index, terms in enumerate(series):
            self.strikes[calldata.series_id(expiry_id, index)] = terms
        return expiry_id

    def series_of(self, expiry_id: int) -> list[tuple[int, bool]]:
        return [terms for series, terms in sorted(self.strikes.items()) if series >> 16 == expiry_id]

    def round(
        self,
        spot: int = 60_000 * USDC,
        *,
        time: int | None = None,
        stable: int = WAD,
        conf: int = WAD,
        acc: int = 0,
        marks: Mapping[int, int] | None = None,
        expiry_ids: Iterable[int] | None = None,
    ) -> Round:
        """A round over all expiries; a series without a mark in `marks` is worth its intrinsic plus 1 percent of spot."""
        sheets = []
        for expiry_id in self.expiries if expiry_ids is None else expiry_ids:
            default = [
                max(spot - strike if is_call else strike - spot, 0) + spot // 100
                for strike, is_call in self.series_of(expiry_id)
            ]
            given = marks or {}
            values = tuple(given.get(expiry_id << 16 | at, value) for at, value in enumerate(default))
            sheets.append(Sheet(expiry_id, BTC, spot, spot, conf, values))
        return Round(
            round_id=max(self.rounds, default=0) + 1,
            time=self.now if time is None else time,
            stable=stable,
            spots=(SpotWord(BTC, spot, conf, acc),),
            sheets=tuple(sheets),
        )

    def sign_round(self, round_: Round, signers: Sequence[str] | None = None) -> list[bytes]:
        digest = signing.round_digest(self.oracle_domain, calldata.round_header(round_))
        chosen = self.signers[:4] if signers is None else signers
        return calldata.in_signer_order(digest, [signing.sign(key(name), digest) for name in chosen])

    def post(self, round_: Round) -> Round:
        """Post a round signed by a quorum."""
        args = calldata.post_round_args(round_, self.sign_round(round_))
        self.send("operator", self.oracle, "post_round", *args)
        self.rounds[round_.round_id] = round_
        return round_

    def fix_at(self, expiry_id: int, price: int) -> None:
        """Post the two rounds that fix an expiry at `price`, and fix it."""
        expiry = self.expiries[expiry_id]
        for time, acc in ((expiry - 1800, 10**15), (expiry, 10**15 + 1800 * price)):
            if self.now < time:
                self.chain.set_time(time)
            self.post(self.round(price, time=time, acc=acc))
        self.send("keeper", self.clearing, "fix_expiry", expiry_id)

    # -- batches ----------------------------------------------------------------------------------------------

    def order(self, player: Player, series: int, quantity: int, price: int, **terms: Any) -> Order:
        """An order; positive quantity buys. The fee limit is generous and the nonce fresh unless given."""
        if "nonce" not in terms:
            self.next_nonce += 1
            terms["nonce"] = self.next_nonce
        defaults = {"max_fee": 1000 * USDC, "expiry": self.now + 3600}
        return Order(
            account=player.account,
            series=series,
            is_buy=quantity > 0,
            quantity=abs(quantity),
            limit_price=price,
            **(defaults | terms),
        )

    def sign(self, order: Order, by: str | None = None) -> SignedOrder:
        """Signed by the owner of the account, or by another player's key."""
        signer = by or self.accounts[order.account]
        return SignedOrder(order, signing.sign(key(signer), signing.order_digest(self.domain, order)))

    def batch(self, orders: Sequence[SignedOrder], trades: Sequence[Trade], round_: Round | None = None) -> Batch:
        """A batch the contract will take, if the orders are good."""
        last_id, _, _, journal_size = self.clearing.call("last_batch")
        named = round_ or (self.rounds[max(self.rounds)] if self.rounds else None)
        header = BatchHeader(
            batch_id=last_id + 1,
            round_id=named.round_id if named else 0,
            deadline=self.now + 600,
            journal_size=journal_size + len(trades),
            journal_root=keccak(b"journal of batch %d" % (last_id + 1)),
        )
        arranged, moved = calldata.arrange(orders, trades)
        live = [expiry_id for expiry_id in self.expiries if not self.is_fixed(expiry_id)]
        known = {sheet.expiry_id for sheet in named.sheets} if named else set()
        return Batch(
            orders=tuple(arranged),
            trades=tuple(moved),
            header=header,
            hashes=calldata.sheet_hashes(named) if named else b"",
            sheets=calldata.select_sheets(named, known & set(live)) if named else b"",
        )

    def is_fixed(self, expiry_id: int) -> bool:
        return self.clearing.call("expiry_state", expiry_id)[3]

    def settle_args(self, batch: Batch) -> calldata.SettleArgs:
        """Arguments of settle_signed, signed by the batch's operator unless it brings a signature."""
        body = batch.body
        if body is None:
            body = calldata.joined_body(batch.orders, batch.trades)
        digest = signing.batch_digest(self.domain, batch.header, calldata.content_hash(body))
        signature = batch.operator_signature or signing.sign(key(batch.operator), digest)
        return calldata.settle_signed_args(batch.header, signature, body, batch.hashes, batch.sheets)

    def settle(self, batch: Batch) -> Receipt:
        return self.send("operator", self.clearing, "settle_signed", *self.settle_args(batch))

    def settle_refusal(self, batch: Batch) -> str:
        """Reason for which a batch reverts, having changed no slot of any contract."""
        return self.refusal("operator", self.clearing, "settle_signed", *self.settle_args(batch))

    def cross(
        self, buyer: Player, seller: Player, series: int, quantity: int, price: int, index: int = 60_000 * USDC
    ) -> Batch:
        """A batch of one trade; the buyer made the market."""
        maker = self.sign(self.order(buyer, series, quantity, price))
        taker = self.sign(self.order(seller, series, -quantity, price))
        return self.batch([maker, taker], [Trade(0, 1, quantity, price, index)])

    def events(self, receipt: Receipt) -> list[tuple[str, dict[str, Any]]]:
        """Decoded events of Clearing in a receipt."""
        found = self.clearing.interface.events(receipt.logs)
        return [(event.name, event.args) for event in found]


def spoiled(batch: Batch, **changes: Any) -> Batch:
    """The batch with some header fields or parts replaced, signed anew when it is settled."""
    header_fields = {name: changes.pop(name) for name in list(changes) if hasattr(batch.header, name)}
    if header_fields:
        values = {name: getattr(batch.header, name) for name in batch.header.__struct_fields__}
        changes["header"] = BatchHeader(**(values | header_fields))
    return replace(batch, **changes)
