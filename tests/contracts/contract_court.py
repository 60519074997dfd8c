"""An operator with a bond, its journal as leaf hashes, and a reporter: what every test of Operators starts from."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from contract_venue import ETHER, GAS, GENESIS, address, deploy_clearing, key

from exchange import signing
from exchange.evidence import Offence, Proof, Statement
from exchange.shell.chain import Receipt as Mined
from exchange.shell.chain import Reverted
from exchange.shell.contract import Artifact, LocalContract, artifact, deploy_local
from exchange.shell.devchain import DevChain
from exchange.signing import BatchHeader, Receipt
from journal import prove_inclusion, root_of

HERE = Path(__file__).resolve().parent
SALT = b"salt".ljust(32, b"\0")
MINIMUM = 1_000
BOND = 10_001  # an odd amount: shares do not divide it
SHARE = 3 * 10**17
PROOF_WINDOW = 3_660
TIMEOUT = 3_600
DELAY = 7 * 86_400
REVEAL_DELAY = 60
FEE, LIE, REFUSE, CALL_BACK = 1, 2, 3, 4


@cache
def hostile_token() -> Artifact:
    """The token that cheats, compiled from beside the tests."""
    spec = importlib.util.spec_from_file_location("contracts_build", HERE.parents[1] / "contracts" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    body = module.compile_contract(HERE / "HostileToken.vy", HERE)
    return Artifact("HostileToken", body["abi"], bytes.fromhex(body["bytecode"].removeprefix("0x")))


def leaf(text: str) -> bytes:
    return sha256(b"\0" + text.encode()).digest()


def journal(size: int, story: str = "true") -> list[bytes]:
    return [leaf(f"{story} {place}") for place in range(size)]


class Court:
    """The contract with its token. `clearing` only has to say who is in office, so the real one needs no market."""

    def __init__(self, token: Artifact | None = None, **terms: int) -> None:
        players = ("operator", "governor", "reporter", "copyist", "treasury", "other")
        self.chain = DevChain(genesis_time_s=GENESIS, allocation={address(name): 10**6 * ETHER for name in players})
        self.token = deploy_local(self.chain, key("operator"), token or artifact("TestUSDC"))
        self.clearing = self._clearing()
        self.domain = signing.domain_separator(self.chain.chain_id, self.clearing.address)
        values = {
            "minimum": MINIMUM,
            "share": SHARE,
            "window": PROOF_WINDOW,
            "delay": DELAY,
            **terms,
        }
        args = (self.token.address, self.clearing.address, address("treasury"), *values.values())
        self.operators = deploy_local(self.chain, key("operator"), artifact("Operators"), *args)

    def _clearing(self) -> LocalContract:
        parameters = tuple(value * 10**16 for value in (15, 13, 9, 9, 9, 120, 110, 105, 55, 100, 99, 200))
        operator = key("operator")
        margin = deploy_local(self.chain, operator, artifact("Margin"), parameters)
        nobody = bytes(20)
        roles = (address("governor"), address("operator"), nobody, nobody, margin.address, nobody)
        settings = (*roles, 60, TIMEOUT, 120, 30, 0, 0, 0)
        return deploy_clearing(self.chain, operator, settings)[1]

    def appoint(self, who: str) -> None:
        """Another operator takes office; the present one has been silent for long enough to do so at once."""
        self.wait(TIMEOUT + 1)
        self.clearing.send(key("governor"), "set_operator", address(who))
        self.clearing.send(key("governor"), "install_operator")

    # -- calls --------------------------------------------------------------------------------------------------------

    def send(self, who: str, name: str, *args: object) -> Mined:
        return self.operators.send(key(who), name, *args, gas=GAS)

    def refusal(self, who: str, name: str, *args: object) -> str:
        """Reason for which a call reverts, having changed no slot of any contract."""
        before = self.slots()
        try:
            self.send(who, name, *args)
        except Reverted as error:
            assert self.slots() == before
            return str(error.reason)
        return "accepted"

    def slots(self) -> list[dict[int, int]]:
        storage = self.chain._machine.store.storage
        contracts = (self.token, self.clearing, self.operators)
        return [dict(storage.get(contract.address, {})) for contract in contracts]

    def wait(self, seconds: int) -> None:
        self.chain.set_time(self.chain.head.time_s + seconds)

    def balance(self, who: str | bytes) -> int:
        owner = who if isinstance(who, bytes) else address(who)
        return int(self.token.call("balanceOf", owner))

    def fund(self, who: str, amount: int) -> None:
        self.token.send(key(who), "mint", address(who), amount)
        if ("approve", 2) in self.token.interface._functions:
            self.token.send(key(who), "approve", self.operators.address, 2**256 - 1)

    def bond(self, amount: int = BOND, operator: str = "operator") -> None:
        self.fund("operator", amount)
        self.send("operator", "post_bond", address(operator), amount)

    def bond_of(self, operator: str = "operator") -> tuple[int, int, int, bool, bool]:
        return tuple(self.operators.call("bonds", address(operator)))

    def owed(self, who: str) -> int:
        return int(self.operators.call("owed", address(who)))

    # -- statements ---------------------------------------------------------------------------------------------------

    def sign(self, said: Receipt | BatchHeader, by: str = "operator", content: bytes = bytes(32)) -> Statement:
        bare = Statement(said, b"", content if isinstance(said, BatchHeader) else b"")
        return Statement(said, signing.sign(key(by), bare.digest(self.domain)), bare.content)

    def receipt(self, leaves: Sequence[bytes], seq: int, by: str = "operator", **changes: object) -> Statement:
        """The receipt an operator with this journal gives for record `seq`, or one with other fields."""
        fields = {
            "seq": seq,
            "prior_root": root_of(leaves[: seq - 1]),
            "record_hash": leaves[seq - 1],
            "time_ns": 10**18 + seq,
        }
        return self.sign(Receipt(**(fields | changes)), by)

    def batch(self, leaves: Sequence[bytes], batch_id: int, size: int, by: str = "operator", **changes) -> Statement:
        """The header of a batch sealed by record `size` of this journal, or one with other fields."""
        content = changes.pop("content", bytes(32))
        fields = {
            "batch_id": batch_id,
            "round_id": 1,
            "deadline": GENESIS + 10**6 + size,
            "journal_size": size,
            "journal_root": root_of(leaves[:size]),
        }
        return self.sign(BatchHeader(**(fields | changes)), by, content)

    # -- proofs -------------------------------------------------------------------------------------------------------

    def commit(self, proof: Proof, who: str = "reporter", salt: bytes = SALT) -> None:
        self.send(who, "commit", proof.commitment(self.domain, address(who), salt))

    def prove(self, proof: Proof, who: str = "reporter", salt: bytes = SALT) -> Mined:
        """Commit, wait, reveal."""
        self.commit(proof, who, salt)
        self.wait(REVEAL_DELAY)
        name, args = proof.call(salt)
        return self.send(who, name, *args)

    def verdict(self, proof: Proof, who: str = "reporter", salt: bytes = SALT) -> str:
        """`accepted`, or the reason for which a proof that was committed to in time is refused. Taken back."""
        snapshot = self.chain.snapshot()
        try:
            self.commit(proof, who, salt)
            self.wait(REVEAL_DELAY)
            name, args = proof.call(salt)
            return self.refusal(who, name, *args)
        finally:
            self.chain.revert(snapshot)


def equivocation(first: Statement, second: Statement) -> Proof:
    return Proof(Offence.EQUIVOCATION, first, second)


def omission(receipt: Statement, head: Statement, leaves: Sequence[bytes], **changes: object) -> Proof:
    """That the journal `leaves`, which `head` names, holds another record in the receipt's place."""
    at = receipt.said.seq - 1
    fields = {"leaf": leaves[at], "path": tuple(prove_inclusion(leaves[: head.size], at))} | changes
    return Proof(Offence.OMISSION, receipt, head, **fields)
