"""Liquidation on a venue of ``contract_venue``: any ledger at once, rounds of a drawn market, and a keeper's calls."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import msgspec
from contract_venue import OPERATOR_TIMEOUT, USDC, WAD, Venue, key
from core_venue import STANDARD

from exchange import calldata, lanes
from exchange.calldata import Round, Sheet, SpotWord
from exchange.core.liquidation import Ask, Holder, LiquidationTerms, StandardAppraisal
from exchange.shell.chain import Receipt
from exchange.shell.contract import Artifact, deploy_local

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE.parents[1] / "contracts"
CENT = WAD // 100
TERMS = LiquidationTerms(haircut=10 * CENT, buffer=15 * CENT, insurance_share=20 * CENT, keeper_reward=5 * USDC)
CONFIDENCE = 55 * CENT
CONFIRMATION = 1
FUND, FLAGGER, KEEPER = 20, 21, 22
ACCOUNTS = 24


@cache
def probe_artifact() -> Artifact:
    """Compiled from beside the tests, with the ABI of all that it runs."""
    spec = importlib.util.spec_from_file_location("contracts_build", CONTRACTS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    body = module.compile_contract(HERE / "LedgerProbe.vy", CONTRACTS)
    full = module.json.loads((module.ARTIFACTS / "Clearing.json").read_text())
    own = [entry for entry in body["abi"] if entry.get("name") == "lay_out" or entry["type"] == "constructor"]
    abi = own + [entry for entry in full["abi"] if entry["type"] != "constructor"]
    return Artifact("LedgerProbe", abi, bytes.fromhex(body["bytecode"].removeprefix("0x")))


class Told(NamedTuple):
    """An account as the contracts have it."""

    cash: int
    positions: dict[int, int]


class Clinic(Venue):
    """A venue whose ledger can be laid out at will; everything else is the real thing."""

    def __init__(self, underlyings: tuple[int, ...], shape: StandardAppraisal, *, funded: bool = True) -> None:
        super().__init__(parameters=msgspec.structs.astuple(STANDARD))
        self.clearing = deploy_local(self.chain, key("operator"), probe_artifact(), self.settings, self.office.address)
        self.shape = shape
        self.underlyings = underlyings
        for number, underlying in enumerate(underlyings, 1):
            terms = [
                (option.strike, option.is_call) for _, option in sorted(shape.series.items()) if option.expiry == number
            ]
            # Far away: a test may let the operator fall silent.
            assert self.list(self.now // 1800 * 1800 + 1800 * (60_000 + number), terms, underlying) == number
        for number in range(1, ACCOUNTS + 1):
            assert self.open(f"patient {number}").account == number
        if funded:
            self.send("governor", self.clearing, "set_insurance", FUND)

    # -- the market ---------------------------------------------------------------------------------------------

    def quoted(self, market: StandardAppraisal, time: int | None = None) -> Round:
        """A round that says of every series what an appraisal says, posted."""
        sheets = tuple(
            Sheet(
                number,
                self.underlyings[number - 1],
                *market.expiries[number],
                tuple(option.mark for _, option in sorted(market.series.items()) if option.expiry == number),
            )
            for number in sorted(market.expiries)
        )
        spots = tuple(
            SpotWord(
                underlying,
                next(s.spot for s in sheets if s.underlying == underlying),
                min(s.conf for s in sheets if s.underlying == underlying),
                0,
            )
            for underlying in sorted(set(self.underlyings))
        )
        self.tick(2)
        return self.post(
            Round(max(self.rounds, default=0) + 1, self.now if time is None else time, market.stable, spots, sheets)
        )

    def tick(self, seconds: int) -> None:
        self.chain.set_time(self.now + seconds)

    def fall_silent(self) -> None:
        """The operator is gone for longer than the timeout."""
        self.tick(OPERATOR_TIMEOUT + 10)

    def prices(self, round_: Round | None = None) -> tuple[int, bytes, bytes]:
        named = round_ or self.rounds[max(self.rounds)]
        every = {sheet.expiry_id for sheet in named.sheets}
        return named.round_id, calldata.sheet_hashes(named), calldata.select_sheets(named, every)

    # -- the ledger ---------------------------------------------------------------------------------------------

    def lay_out(self, holders: Iterable[Holder]) -> None:
        """Exactly these holdings; slots that nobody names are emptied."""
        held = {holder.id: holder for holder in holders}
        slots: dict[int, int] = {}
        for account in held:
            for expiry_id in self.expiries:
                groups, _ = self.clearing.call("positions_of", account, expiry_id)
                slots |= {account << 30 | expiry_id << 14 | g: 0 for g in range(64) if groups >> g & 1}
        for account, holder in held.items():
            slots |= words_of(account, holder.positions)
        args = ([*held], [h.cash for h in held.values()], [*slots], [*slots.values()])
        self.send("operator", self.clearing, "lay_out", *args)

    def told(self, account: int) -> Told:
        return Told(self.cash(account), self.positions(account))

    def provide(self, account: int, underlying: int, haircut: int, *, standing: bool = True) -> Receipt:
        if not standing:
            return self.send("governor", self.clearing, "drop_provider", underlying, account)
        return self.send("governor", self.clearing, "set_provider", underlying, haircut << 32 | account)

    # -- the keeper ---------------------------------------------------------------------------------------------

    def flag(self, account: int, round_: Round | None = None) -> Receipt:
        return self.send("keeper", self.clearing, "flag_account", account, FLAGGER, *self.prices(round_))

    def hand_over(self, account: int, ask: Ask, round_: Round | None = None) -> Receipt:
        return self.send("keeper", self.clearing, "liquidate", account, ask.steps, ask.part, *self.prices(round_))

    def close(self, account: int, round_: Round | None = None) -> Receipt:
        return self.send("keeper", self.clearing, "close_case", account, KEEPER, *self.prices(round_))

    def refused(self, name: str, *args: object, by: str = "keeper") -> str:
        return self.refusal(by, self.clearing, name, *args)


def words_of(account: int, positions: Mapping[int, int]) -> dict[int, int]:
    """Position slots of an account and their words."""
    groups: dict[int, list[int]] = {}
    for series, qty in positions.items():
        groups.setdefault(account << 30 | series >> 2, [0] * 4)[series & 3] = qty
    return {slot: lanes.pack_signed(four) for slot, four in groups.items()}
