"""Token, staking and governor on a chain of their own, with a treasury and a vault to govern, and days that pass at once."""

from __future__ import annotations

from collections.abc import Sequence

from contract_venue import ETHER, GAS, GENESIS, USDC, WAD, address, key

from exchange.shell import governed
from exchange.shell.chain import ZERO_ADDRESS, Reverted
from exchange.shell.chain import Receipt as Mined
from exchange.shell.contract import LocalContract, artifact, deploy_local
from exchange.shell.devchain import DevChain

DAY = 86_400
SUPPLY = 10**9 * WAD
VOTING, DELAY, GRACE, COOLDOWN = 3 * DAY, 2 * DAY, 7 * DAY, 7 * DAY
RULES = (WAD // 100, 20 * WAD // 100, 2 * WAD // 3, VOTING, DELAY, GRACE)
CAP = 10**6 * USDC
TEXT = b"why".ljust(32, b"\0")
STAKERS = ("ann", "bob", "cyd")

Steps = Sequence[tuple[int, int, int]]


def step(name: str, value: int | bytes, argument: int | bytes = 0) -> tuple[int, int, int]:
    """One step by the name of its parameter; addresses stand for themselves."""
    numbers = [int.from_bytes(each, "big") if isinstance(each, bytes) else each for each in (argument, value)]
    return (governed.number(name), numbers[0], numbers[1])


class Polity:
    """Everything that governs, and what is governed apart from Clearing."""

    def __init__(self, chain: DevChain | None = None) -> None:
        players = (*STAKERS, "operator", "guardian", "other")
        self.chain = chain or DevChain(
            genesis_time_s=GENESIS, allocation={address(name): 10**6 * ETHER for name in players}
        )
        self.usdc = self.deploy("TestUSDC")
        self.token = self.deploy("Token", SUPPLY, address("operator"))
        self.staking = self.deploy("Staking", self.token.address, self.usdc.address, COOLDOWN)
        self.governor = self.deploy("Governor", self.staking.address, address("guardian"), RULES)
        shares = [part * WAD // 100 for part in (50, 25, 15, 10)]
        receivers = [ZERO_ADDRESS, self.staking.address, ZERO_ADDRESS, address("operator")]
        at = (self.usdc.address, self.governor.address)
        self.treasury = self.deploy("Treasury", *at, shares, receivers)
        self.vault = self.deploy("Vault", *at, address("guardian"), self.treasury.address, CAP)

    def deploy(self, name: str, *args: object) -> LocalContract:
        return deploy_local(self.chain, key("operator"), artifact(name), *args)

    def rule(self, clearing: bytes, oracle: bytes) -> None:
        """Say what can be changed."""
        targets = {"clearing": clearing, "vault": self.vault.address, "oracle": oracle}
        targets |= {"treasury": self.treasury.address}
        self.send("operator", self.governor, "set_kinds", governed.kinds(self.governor.address, **targets))

    # -- calls --------------------------------------------------------------------------------------------------------

    def send(self, who: str, contract: LocalContract, name: str, *args: object) -> Mined:
        if self.chain.balance(address(who)) < ETHER:
            self.chain.fund(address(who), 1000 * ETHER)
        return contract.send(key(who), name, *args, gas=GAS)

    def ask(self, who: str, contract: LocalContract, name: str, *args: object) -> str:
        """`accepted`, or why not."""
        try:
            self.send(who, contract, name, *args)
        except Reverted as error:
            return str(error.reason)
        return "accepted"

    @property
    def now(self) -> int:
        return self.chain.head.time_s

    def wait(self, seconds: int) -> None:
        self.chain.set_time(self.now + seconds)
        self.chain.mine()

    def stake(self, who: str, amount: int) -> None:
        self.send("operator", self.token, "transfer", address(who), amount)
        self.send(who, self.token, "approve", self.staking.address, amount)
        self.send(who, self.staking, "stake", amount)

    def balance(self, token: LocalContract, owner: str | bytes) -> int:
        return int(token.call("balanceOf", owner if isinstance(owner, bytes) else address(owner)))

    # -- law ----------------------------------------------------------------------------------------------------------

    def propose(self, steps: Steps, who: str = "ann") -> int:
        self.send(who, self.governor, "propose", list(steps), TEXT)
        return int(self.governor.call("count"))

    def carry(self, steps: Steps, voters: Sequence[str] = STAKERS, who: str = "ann") -> int:
        """Propose, vote, and wait until it can be executed."""
        number = self.propose(steps, who)
        for voter in voters:
            self.send(voter, self.governor, "vote", number, True)
        self.wait(VOTING + DELAY)
        return number

    def execute(self, number: int, steps: Steps) -> str:
        return self.ask("other", self.governor, "execute", number, list(steps))

    def decide(self, steps: Steps, voters: Sequence[str] = STAKERS) -> str:
        """The whole way; how the execution ended."""
        return self.execute(self.carry(steps, voters), steps)
