"""Orders followed by events alone look like the machine's after every record, whatever happens.

The exporter's follower compares what a record touched with the machine itself and stops where they differ; here it hears
random histories, and at the end nothing that is open may have escaped it.
"""

import asyncio
import importlib.util
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from core_profiles import effort
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from test_core_machine import HAPPENS, WEIGHTED, LawfulWorld

from exchange import codec
from exchange.core import events as e
from exchange.core import uncross
from journal import Record
from replay.engine import Step
from replay.export.checks.validate import validate
from replay.export.orders import Follower
from replay.export.package import export
from replay.export.texts import day_of

BUILDER = Path(__file__).parents[1] / "golden" / "build.py"
EXPORTED_MAX = 6  # histories whose days are written and validated: each takes a second


class FollowedWorld(LawfulWorld):
    """A world whose orders are followed by the events."""

    def __init__(self, batch_trades_max: int) -> None:
        self.follower = Follower()
        self.sides: dict[int, list[bool]] = {}
        super().__init__(batch_trades_max)

    def _note(self, command: Any, events: tuple[Any, ...]) -> None:
        super()._note(command, events)
        time_ns, raw, told = self.history[-1]
        step = Step(len(self.history), time_ns, codec.decode_command(raw), codec.decode_events(told))
        for event in self.follower.follow(step, self.state):
            if event.fill is not None:
                self.sides.setdefault(event.fill.trade_id, []).append(event.fill.is_buy)
        for event in step.events:
            if isinstance(event, e.Traded):
                assert sorted(self.sides.pop(event.trade_id)) == [False, True]

    def nothing_escaped(self) -> None:
        state = self.state
        assert self.follower.open.keys() == state.orders.keys()
        assert self.follower.requests.keys() == state.rfqs.keys()  # one that is over is told with the next tick
        for key, told in self.follower.open.items():
            order = state.orders[key]
            assert (told.left, told.account, told.series) == (order.qty - order.filled, order.account, order.series)
            assert (told.expiry_s, told.tif) == (order.expiry_s, order.tif)
        for request in self.follower.requests.values():
            assert request.filled == state.rfqs[request.id].filled


def exported(history: list[tuple[int, bytes, bytes]]) -> dict[str, dict[str, int]]:
    """What validation finds in each day of a history, exported from a journal of it."""
    spec = importlib.util.spec_from_file_location("golden_build", BUILDER)
    assert spec is not None
    assert spec.loader is not None
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    records = [Record(seq, time_ns, raw, told) for seq, (time_ns, raw, told) in enumerate(history, 1)]
    with tempfile.TemporaryDirectory() as place:
        journal = Path(place) / "venue.journal"
        asyncio.run(golden.write(journal, records))
        found = {}
        for day in sorted({day_of(record.time_ns) for record in records}):
            export(journal, date.fromisoformat(day), Path(place) / day, formats=("csv",))
            found[day] = validate(Path(place) / day, journal).by_code
        return found


class FollowedHistories(RuleBasedStateMachine):
    exported = 0

    @initialize(batch_trades_max=st.integers(1, 5))
    def opens(self, batch_trades_max: int) -> None:
        self.world = FollowedWorld(batch_trades_max)

    @rule(what=st.sampled_from(WEIGHTED), data=st.data())
    def happens(self, what: str, data: st.DataObject) -> None:
        HAPPENS[what][1](self.world, lambda bound: data.draw(st.integers(0, 840 * bound - 1)) % bound)

    @invariant()
    def agree(self) -> None:
        self.world.nothing_escaped()

    def teardown(self) -> None:
        if hasattr(self, "world") and len(self.world.history) > 40 and type(self).exported < EXPORTED_MAX:
            type(self).exported += 1
            found = exported(self.world.history)
            assert not any(found.values()), found


def test_no_order_escapes_the_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncross, "SWEEP_MAX", 3)  # so that an uncross takes several records
    short = settings(effort(60, steps=60), phases=[Phase.explicit, Phase.generate])
    run_state_machine_as_test(FollowedHistories, settings=short)
    assert FollowedHistories.exported == EXPORTED_MAX
