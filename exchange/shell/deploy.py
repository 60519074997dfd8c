"""Putting the clearing layer on a chain, and remembering where it is.

Owns the terms a venue is opened under, the order of deployment, and the deployment file kept beside the journal.
Contracts are immutable: another venue is another deployment. Imports governed, chain, contract, sender, core.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from exchange import risk_words
from exchange.core.commands import Configure, FeeSchedule, StandardModel
from exchange.core.parameters import PortfolioModel
from exchange.core.risk_models.venue_set import PORTFOLIO
from exchange.core.units import USDC_ONE, WAD, Cash, Nanos, Seconds, Wad
from exchange.shell import governed
from exchange.shell.chain import ZERO_ADDRESS, Address, Chain, checksum, to_address
from exchange.shell.contract import Contract, artifact
from exchange.shell.sender import Sender

_CENT: Final = WAD // 100

STANDARD: Final = StandardModel(
    max_req=15 * _CENT,
    min_req=13 * _CENT,
    mm_call=9 * _CENT,
    mm_put=9 * _CENT,
    mm_put_mtm=9 * _CENT,
    unpaired_im=120 * _CENT,
    unpaired_mm=110 * _CENT,
    mm_offset=105 * _CENT,
    oc_threshold=55 * _CENT,
    oc_factor=WAD,
    depeg_threshold=99 * _CENT,
    depeg_factor=2 * WAD,
)
FEES: Final = FeeSchedule(taker_rate=4 * _CENT // 100, maker_rate=-_CENT // 100, cap=125 * _CENT // 10)


class Bond(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator stands to lose: amounts in 1e-6 USDC, the reporter's share in wad, the notice in seconds.

    The notice is what the public has left, after the contracts have anchored a record or the operator counts as gone,
    to prove what it knows before a bond may leave.
    """

    posted: Cash = 1_000_000 * USDC_ONE
    minimum: Cash = 500_000 * USDC_ONE
    reporter_share: Wad = 30 * _CENT
    notice_s: Seconds = 7 * 86_400


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the venue's income in wad, together one."""

    insurance: Wad = 50 * _CENT
    stakers: Wad = 25 * _CENT
    reserve: Wad = 15 * _CENT
    operator: Wad = 10 * _CENT


class Government(msgspec.Struct, frozen=True, kw_only=True):
    """How parameters are changed. The supply in 1e-18 tokens, shares in wad, times in seconds."""

    supply: str = str(10**9 * WAD)  # as text: it does not fit the integers of a file
    threshold: Wad = WAD // 100
    quorum: Wad = 20 * _CENT
    majority: Wad = 2 * WAD // 3
    voting_s: Seconds = 3 * 86_400
    delay_s: Seconds = 2 * 86_400
    grace_s: Seconds = 7 * 86_400
    cooldown_s: Seconds = 7 * 86_400


class ExitTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How an account is liquidated on the contracts: rates in wad, the keepers' reward in 1e-6 USDC.

    ``confidence``: what a round must have of every price that matters; ``confirmation_s``: how much later than the
    round of the flag the round of the liquidation is.
    """

    haircut: Wad = 10 * _CENT
    buffer: Wad = 15 * _CENT
    insurance_share: Wad = 20 * _CENT
    keeper_reward: Cash = 50 * USDC_ONE
    confidence: Wad = 55 * _CENT
    confirmation_s: Seconds = 1


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Rules fixed at deployment. Times in seconds but for the taker delay, the vault's cap in 1e-6 USDC.

    ``signer_notice_s``: from the naming of a new oracle signer to its first round.
    ``block_band``: how far from its mark a leg of a block may settle without the operator, in wad of the index.
    """

    settlement_window_s: Seconds = 60
    operator_timeout_s: Seconds = 3600
    max_round_age_s: Seconds = 3600
    exit_round_age_s: Seconds = 60
    signer_notice_s: Seconds = 86_400
    block_band: Wad = 5 * _CENT
    batch_trades_max: int = 64
    batch_age_max_s: Seconds = 10
    vault_cap: Cash = 10**18
    taker_delay_ns: Nanos = 0
    bond: Bond = Bond()
    split: Split = Split()
    government: Government = Government()
    exits: ExitTerms = ExitTerms()
    fees: FeeSchedule = FEES
    standard: StandardModel = STANDARD
    portfolio: PortfolioModel = PORTFOLIO


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the contracts are; addresses as checksummed text, ``first_block`` is where to start reading."""

    chain_id: int
    first_block: int
    usdc: str
    vault: str
    oracle: str
    margin: str
    arrays: str
    portfolio: str
    clearing: str
    operators: str
    treasury: str
    token: str
    staking: str
    governor: str
    guardian: str
    operator: str
    signers: list[str]
    terms: Terms

    def save(self, path: Path) -> None:
        """Write the file whole or not at all, durably."""
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(self), indent=2))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Deployment":
        """Read the file. Raises msgspec.ValidationError when it is not one."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def configure(self, venue: str) -> Configure:
        """The command that opens the machine under these terms."""
        terms = self.terms
        return Configure(
            venue=venue,
            chain_id=self.chain_id,
            clearing=to_address(self.clearing),
            oracle=to_address(self.oracle),
            operator=to_address(self.operator),
            settlement_window_s=terms.settlement_window_s,
            batch_trades_max=terms.batch_trades_max,
            batch_age_max_s=terms.batch_age_max_s,
            fees=terms.fees,
            standard=terms.standard,
            mandates=True,
            blocks=True,
            combos=True,
            rfqs=True,
            portfolio=terms.portfolio,
            taker_delay_ns=terms.taker_delay_ns,
        )


class Contracts:
    """Bindings of a deployment on a chain."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.deployment = deployment
        self.usdc = self._bind("TestUSDC", deployment.usdc)
        self.vault = self._bind("Vault", deployment.vault)
        self.oracle = self._bind("Oracle", deployment.oracle)
        self.margin = self._bind("Margin", deployment.margin)
        self.arrays = self._bind("RiskArrays", deployment.arrays)
        self.portfolio = self._bind("Portfolio", deployment.portfolio)
        self.clearing = self._bind("Clearing", deployment.clearing)
        self.operators = self._bind("Operators", deployment.operators)
        self.treasury = self._bind("Treasury", deployment.treasury)
        self.token = self._bind("Token", deployment.token)
        self.staking = self._bind("Staking", deployment.staking)
        self.governor = self._bind("Governor", deployment.governor)

    def _bind(self, name: str, address: str) -> Contract:
        return Contract(self.chain, to_address(address), artifact(name).interface)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Who is who in a deployment, as addresses in text. Without a ``usdc`` there is a test token and a bond in it."""

    operator: str
    guardian: str
    signers: list[str]
    usdc: str | None = None
    terms: Terms = Terms()


async def deploy(chain: Chain, deployer: Sender, plan: Plan) -> Deployment:
    """Deploy the contracts under a plan. The deployer pays, owns the whole supply at first, and has no other right."""
    first, terms = await chain.block("latest"), plan.terms
    operator, guardian = to_address(plan.operator), to_address(plan.guardian)
    usdc = await _create(deployer, "TestUSDC") if plan.usdc is None else to_address(plan.usdc)
    token, staking, governor = await _government(deployer, usdc, guardian, terms.government)
    receivers = (ZERO_ADDRESS, staking, ZERO_ADDRESS, operator)
    shares = msgspec.structs.astuple(terms.split)
    treasury = await _create(deployer, "Treasury", usdc, governor, shares, receivers)
    vault = await _create(deployer, "Vault", usdc, governor, guardian, treasury, terms.vault_cap)
    oracle = await _oracle(deployer, plan, governor)
    margin = await _create(deployer, "Margin", msgspec.structs.astuple(terms.standard))
    arrays, portfolio = await _portfolio(deployer, oracle, terms.portfolio)
    clearing = await _clearing(deployer, (governor, operator, vault, oracle, margin, portfolio), treasury, terms)
    await _call(deployer, "RiskArrays", arrays, "set_clearing", clearing)
    await _call(deployer, "Vault", vault, "set_clearing", clearing)
    operators = await _operators(deployer, usdc, clearing, treasury, terms)
    if plan.usdc is None:
        await _post_bond(deployer, usdc, operators, operator, terms.bond.posted)
    kinds = governed.kinds(governor, clearing=clearing, vault=vault, oracle=oracle, treasury=treasury)
    await _call(deployer, "Governor", governor, "set_kinds", kinds)
    return Deployment(
        chain_id=chain.chain_id,
        first_block=first.number,
        usdc=checksum(usdc),
        vault=checksum(vault),
        oracle=checksum(oracle),
        margin=checksum(margin),
        arrays=checksum(arrays),
        portfolio=checksum(portfolio),
        clearing=checksum(clearing),
        operators=checksum(operators),
        treasury=checksum(treasury),
        token=checksum(token),
        staking=checksum(staking),
        governor=checksum(governor),
        guardian=checksum(guardian),
        operator=checksum(operator),
        signers=[checksum(to_address(signer)) for signer in plan.signers],
        terms=terms,
    )


async def _government(
    operator: Sender, usdc: Address, guardian: Address, terms: Government
) -> tuple[Address, Address, Address]:
    """Token, staking and governor; what can be changed is said once its targets are there."""
    token = await _create(operator, "Token", int(terms.supply), operator.address)
    staking = await _create(operator, "Staking", token, usdc, terms.cooldown_s)
    rules = (terms.threshold, terms.quorum, terms.majority, terms.voting_s, terms.delay_s, terms.grace_s)
    return token, staking, await _create(operator, "Governor", staking, guardian, rules)


async def _portfolio(deployer: Sender, oracle: Address, model: PortfolioModel) -> tuple[Address, Address]:
    """The judge of risk arrays, and the PORTFOLIO requirement that reads them."""
    words = risk_words.model_words(model)
    arrays = await _create(deployer, "RiskArrays", oracle, words)
    return arrays, await _create(deployer, "Portfolio", arrays, words)


async def _oracle(deployer: Sender, plan: Plan, governor: Address) -> Address:
    """The oracle with its first signers."""
    signers = sorted(to_address(signer) for signer in plan.signers)
    return await _create(deployer, "Oracle", signers, governor, plan.terms.signer_notice_s)


async def _clearing(operator: Sender, roles: tuple[Address, ...], treasury: Address, terms: Terms) -> Address:
    """Clearing and the code that it runs; ``roles`` are the addresses at the head of its settings."""
    settings = (
        *roles,
        terms.settlement_window_s,
        terms.operator_timeout_s,
        terms.max_round_age_s,
        terms.exit_round_age_s,
        terms.fees.taker_rate,
        terms.fees.maker_rate,
        terms.fees.cap,
    )
    exits = msgspec.structs.astuple(terms.exits)
    transfers = await _create(operator, "Liquidations", settings, exits)
    cases = await _create(operator, "Cases", settings, exits, transfers)
    blocks = await _create(operator, "Blocks", settings, terms.block_band, cases)
    office = await _create(operator, "Office", settings, blocks, treasury)
    return await _create(operator, "Clearing", settings, office)


async def _operators(deployer: Sender, usdc: Address, clearing: Address, treasury: Address, terms: Terms) -> Address:
    """The registry of operators and their bonds."""
    bond = terms.bond
    window_s = terms.settlement_window_s + terms.operator_timeout_s
    held = (bond.minimum, bond.reporter_share, window_s, window_s + bond.notice_s)
    return await _create(deployer, "Operators", usdc, clearing, treasury, *held)


async def _post_bond(deployer: Sender, usdc: Address, operators: Address, operator: Address, amount: Cash) -> None:
    """Test tokens as the operator's bond."""
    await _call(deployer, "TestUSDC", usdc, "mint", deployer.address, amount)
    await _call(deployer, "TestUSDC", usdc, "approve", operators, amount)
    await _call(deployer, "Operators", operators, "post_bond", operator, amount)


async def _call(sender: Sender, name: str, to: Address, method: str, *args: object) -> None:
    data = artifact(name).interface.encode(method, *args)
    await sender.included(await sender.submit(to, data))


async def _create(sender: Sender, name: str, *args: object) -> Address:
    receipt = await sender.included(await sender.submit(None, artifact(name).creation_code(*args)))
    assert receipt.contract_address is not None
    return receipt.contract_address
