"""Each practice as it looks in a journal, and beside it what only resembles it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from core_venue import HALF_HOUR, T0
from planting import CALL, ONE, OTHER, USDC, Story, encoded

from exchange.core import commands as c
from exchange.core.machine import apply
from exchange.core.state import State
from replay.__main__ import main
from replay.engine import Step
from replay.surveil.cases import POINTS, Bounds, Practice
from replay.surveil.ratio import Ratio
from replay.surveil.run import Report, look
from replay.surveil.sights import sights
from replay.surveil.stor import SECTIONS

OTR_TABLE = Path(__file__).parent / "schemas" / "otr.json"
STOR_TEMPLATE = Path(__file__).parent / "schemas" / "stor.json"
KEY = b"\x55" * 20
LINKED = [["0x" + (1).to_bytes(20, "big").hex(), "0x" + (2).to_bytes(20, "big").hex()]]


class Scene(Story):
    """A story with the words of a market, told to the detectors."""

    def trade(self, maker: int, taker: int, side: str, price: int, qty: int = ONE, **terms: int) -> None:
        """``taker`` takes what ``maker`` has just put up."""
        self.rest(maker, "sell" if side == "buy" else "buy", price, qty, **terms)
        self.venue.place(taker, terms.get("series", CALL), side == "buy", qty, price * USDC)

    def take(self, account: int, side: str, price: int, qty: int = ONE, **terms: object) -> None:
        self.venue.place(account, CALL, side == "buy", qty, price * USDC, **({"tif": c.IOC} | terms))

    def cancel(self, account: int, order: int) -> None:
        self.venue.must(c.Cancel(account, order))

    def wait(self, seconds: int) -> None:
        self.venue.wait(seconds)

    def seen(self, bounds: Bounds | None = None, linked: list[list[str]] | None = None) -> Report:
        return look(steps(self), bounds or Bounds(), linked or [])


def steps(scene: Scene) -> Iterator[tuple[Step, State]]:
    state = State()
    for record in scene.log:
        events = apply(state, record.seq, record.time_ns, record.command)
        assert events == record.events
        yield Step(record.seq, record.time_ns, record.command, events), state


def practices(report: Report) -> list[Practice]:
    return [case.practice for case in report.cases]


# -- positives, and near misses right below each ----------------------------------------------------------------------


def wash(scene: Scene) -> Report:
    scene.trade(1, 2, "buy", 900)
    return scene.seen(linked=LINKED)


def trade_of_strangers(scene: Scene) -> Report:
    scene.trade(1, 3, "buy", 900)
    return scene.seen(linked=LINKED)


def wash_by_a_shared_key(scene: Scene) -> Report:
    for account in (3, 4):
        scene.venue.observe(c.ObserveKey, account, KEY, c.SCOPE_TRADE, T0 + 10**6)
    scene.trade(3, 4, "buy", 900)
    return scene.seen()


def keys_of_their_own(scene: Scene) -> Report:
    for account in (3, 4):
        scene.venue.observe(c.ObserveKey, account, bytes([account]) * 20, c.SCOPE_TRADE, T0 + 10**6)
    scene.trade(3, 4, "buy", 900)
    return scene.seen()


def matched(scene: Scene) -> Report:
    for side in ("buy", "sell", "buy"):
        scene.trade(3, 4, side, 900)
        scene.wait(30)
    return scene.seen()


def met_by_chance(scene: Scene) -> Report:
    """As often, but minutes apart, in another size, and once with somebody else."""
    scene.rest(3, "sell", 900)
    scene.wait(30)
    scene.take(4, "buy", 900)
    scene.rest(3, "sell", 900, 2 * ONE)
    scene.take(4, "buy", 900)
    scene.take(2, "buy", 900)
    scene.trade(3, 4, "buy", 900)
    scene.trade(3, 4, "sell", 900)
    return scene.seen()


def _layers(scene: Scene, *, leave: bool) -> Report:
    for _ in range(2):
        layers = [scene.rest(3, "sell", price, 3 * ONE) for price in (950, 960)]
        scene.rest(3, "buy", 890)
        scene.wait(1)
        scene.take(2, "sell", 890)
        scene.wait(2)
        for order in layers if leave else ():
            scene.cancel(3, order)
        scene.wait(300)
    return scene.seen()


def layering(scene: Scene) -> Report:
    return _layers(scene, leave=True)


def making_both_sides(scene: Scene) -> Report:
    """The other side stays where it is, as a market maker's does."""
    return _layers(scene, leave=False)


def fleeting(scene: Scene) -> Report:
    for _ in range(20):
        scene.cancel(3, scene.rest(3, "buy", 800))
    return scene.seen()


def changing_ones_mind(scene: Scene) -> Report:
    for _ in range(20):
        order = scene.rest(3, "buy", 800)
        scene.wait(2)
        scene.cancel(3, order)
    return scene.seen()


STUFFED = Bounds(stuffing_messages=40, fleeting_least=1_000)


def stuffing(scene: Scene) -> Report:
    for _ in range(20):
        scene.cancel(3, scene.rest(3, "buy", 800))
    return scene.seen(STUFFED)


def as_many_in_a_minute(scene: Scene) -> Report:
    for _ in range(20):
        scene.cancel(3, scene.rest(3, "buy", 800))
        scene.wait(1)
    return scene.seen(STUFFED)


def ping(scene: Scene) -> Report:
    scene.rest(1, "sell", 900, 10 * ONE, terms=c.Terms(display=1_000))
    for _ in range(5):
        scene.take(3, "buy", 900, 100)
    scene.take(3, "buy", 900, 5 * ONE)
    return scene.seen()


def buying_in_equal_parts(scene: Scene) -> Report:
    scene.rest(1, "sell", 900, 10 * ONE, terms=c.Terms(display=1_000))
    for _ in range(6):
        scene.take(3, "buy", 900, ONE)
    return scene.seen(Bounds(concentration_least=10**9))


def _ladder(scene: Scene) -> None:
    for price in (900, 930, 960):
        scene.rest(1, "sell", price)
    for price in (900, 930, 960):
        scene.take(3, "buy", price)
        scene.wait(1)


def ignition(scene: Scene) -> Report:
    _ladder(scene)
    scene.trade(4, 3, "sell", 980, 3 * ONE)
    return scene.seen()


def buying_and_keeping(scene: Scene) -> Report:
    _ladder(scene)
    scene.trade(4, 3, "sell", 910, 3 * ONE)  # sold again, but lower
    return scene.seen()


def _stop_set_off(scene: Scene, pusher: int, who_meets: int) -> Report:
    scene.trade(2, 1, "buy", 900)
    waiting = c.Terms(trigger=c.LAST, trigger_above=True, trigger_price=950 * USDC)
    scene.venue.place(4, CALL, True, ONE, 1_000 * USDC, terms=waiting)
    scene.rest(2, "sell", 950)
    scene.take(pusher, "buy", 950)
    scene.rest(who_meets, "sell", 990)
    scene.venue.must(c.Fire(next(iter(scene.venue.state.due))))
    return scene.seen()


def hunting(scene: Scene) -> Report:
    return _stop_set_off(scene, 3, 3)


def somebody_else_sells(scene: Scene) -> Report:
    return _stop_set_off(scene, 3, 1)


def _last_hour(scene: Scene, account: int, before_s: int) -> Report:
    """``account`` makes all trades of an expiry, so long before its end."""
    scene.venue.wait(36 * HALF_HOUR - before_s)
    scene.venue.round(62_000)
    for other in (1, 2, 4):
        scene.trade(account, other, "buy", 900)
        scene.wait(10)
    return scene.seen()


def pressing_the_window(scene: Scene) -> Report:
    return _last_hour(scene, 3, 1_200)


def trading_earlier(scene: Scene) -> Report:
    return _last_hour(scene, 3, 3_000)


def _all_buy_from(scene: Scene, qty: int) -> Report:
    for other in (1, 2, 4):
        scene.trade(3, other, "buy", 900, qty)
        scene.wait(10)
    return scene.seen(Bounds(concentration_least=12 * ONE))


def concentration(scene: Scene) -> Report:
    return _all_buy_from(scene, 4 * ONE)


def a_small_market(scene: Scene) -> Report:
    return _all_buy_from(scene, 3 * ONE)


def _many_for_nothing(scene: Scene, count: int) -> Report:
    for _ in range(count):
        scene.cancel(3, scene.rest(3, "buy", 800))
        scene.wait(2)
    return scene.seen(Bounds(otr_max=40, otr_least=10, fleeting_least=1_000))


def many_orders_for_nothing(scene: Scene) -> Report:
    return _many_for_nothing(scene, 21)


def fewer_orders_for_nothing(scene: Scene) -> Report:
    return _many_for_nothing(scene, 20)


COUNTED = Bounds(otr_max=10, otr_least=40, fleeting_least=1_000)


def many_orders_for_a_trade(scene: Scene) -> Report:
    scene.trade(3, 1, "buy", 900)
    for _ in range(20):
        scene.cancel(3, scene.rest(3, "buy", 800))
        scene.wait(2)
    return scene.seen(COUNTED)


def as_many_taken_off_by_the_venue(scene: Scene) -> Report:
    """The kill switch is excepted: no message of the participant's, and none is counted."""
    scene.trade(3, 1, "buy", 900)
    assert scene.venue.state.config is not None
    operator = scene.venue.state.config.operator
    for _ in range(20):
        scene.rest(3, "buy", 800)
    scene.venue.must(c.PullKill(c.KILL_ACCOUNT, 3, b"", operator, "test"))
    return scene.seen(COUNTED)


Plot = Callable[[Scene], Report]
PLOTS: dict[Practice, tuple[tuple[Plot, Plot], ...]] = {
    Practice.WASH: ((wash, trade_of_strangers), (wash_by_a_shared_key, keys_of_their_own)),
    Practice.MATCHED_ORDERS: ((matched, met_by_chance),),
    Practice.LAYERING: ((layering, making_both_sides),),
    Practice.FLEETING: ((fleeting, changing_ones_mind),),
    Practice.STUFFING: ((stuffing, as_many_in_a_minute),),
    Practice.PING: ((ping, buying_in_equal_parts),),
    Practice.IGNITION: ((ignition, buying_and_keeping),),
    Practice.TRIGGER_HUNTING: ((hunting, somebody_else_sells),),
    Practice.EXPIRY_WINDOW: ((pressing_the_window, trading_earlier),),
    Practice.CONCENTRATION: ((concentration, a_small_market),),
    Practice.ORDER_TO_TRADE: (
        (many_orders_for_a_trade, as_many_taken_off_by_the_venue),
        (many_orders_for_nothing, fewer_orders_for_nothing),
    ),
}


@pytest.mark.parametrize(
    ("practice", "plot", "near"),
    [(practice, *pair) for practice, plots in PLOTS.items() for pair in plots],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_practice_is_a_case_and_what_resembles_it_is_not(practice: Practice, plot: Plot, near: Plot) -> None:
    report = plot(Scene())
    (case,) = (each for each in report.cases if each.practice is practice)
    assert case.score >= 1_000
    assert case.point == POINTS[practice]
    assert case.seqs == tuple(sorted(case.seqs))
    assert case.owners
    assert practice not in practices(near(Scene()))


def test_every_practice_has_its_plots() -> None:
    assert set(PLOTS) == set(Practice)


# -- who, and where to look -------------------------------------------------------------------------------------------


def test_a_case_names_who_is_looked_at_and_not_whom_they_met() -> None:
    (case,) = (each for each in ignition(Scene()).cases if each.practice is Practice.IGNITION)
    assert case.accounts == (3,)
    assert len(case.trades) == 4
    (case,) = wash(Scene()).cases
    assert (case.accounts, list(case.owners)) == ((1, 2), LINKED[0])


def test_the_evidence_is_what_happened() -> None:
    scene = Scene()
    (case,) = (each for each in layering(scene).cases if each.practice is Practice.LAYERING)
    kinds = [type(scene.log[seq - 1].command).__name__ for seq in case.seqs]
    assert kinds == ["Place", "Cancel", "Cancel"] * 2
    assert len(case.orders) == 6


# -- the ratio --------------------------------------------------------------------------------------------------------


def counted(scene: Scene, account: int = 3) -> tuple[int, int, int, int]:
    """Messages, their quantity, trades, theirs; of one wallet in one series."""
    ratio = Ratio(Bounds())
    for sight in sights(steps(scene)):
        ratio.see(sight)
    owner = "0x" + account.to_bytes(20, "big").hex()
    (row,) = (row for row in ratio.rows() if row.owner == owner and row.series == CALL)
    return row.orders, row.ordered, row.trades, row.traded


@pytest.mark.parametrize(
    ("play", "messages"),
    [
        (lambda scene: scene.rest(3, "buy", 800), 1),
        (lambda scene: scene.cancel(3, scene.rest(3, "buy", 800)), 2),
        (lambda scene: scene.take(3, "buy", 800), 2),
        (lambda scene: scene.take(3, "buy", 800, tif=c.GTC, post_only=True), 1),
        (lambda scene: scene.take(3, "buy", 800, tif=9), 1),
    ],
    ids=["add", "add and delete", "immediate, cancelled", "post-only", "refused"],
)
def test_messages_count_as_the_annex_says(play: Callable[[Scene], object], messages: int) -> None:
    scene = Scene()
    play(scene)
    assert counted(scene) == (messages, messages * ONE, 0, 0)


def test_the_annex_is_the_one_that_is_published() -> None:
    """Of each kind of order there is here, the count of the published table; a two-sided quote is two leaves."""
    table = {row["order_type"]: row["count"] for row in json.loads(OTR_TABLE.read_text())["counting"]}
    assert table["Limit (add / delete)"] == table["Stop"] == table["Iceberg/reserve"] == 1
    assert table["Limit - modify"] == 2
    assert table["FOK / IOC"] == table["Book-or-cancel / post-only (add, delete)"] == "1 (2 if deleted/cancelled)"
    assert table["Quote (add / delete)"] == "2 (1 bid + 1 ask)"
    assert table["Quote - modify"] == 4


def test_an_amendment_counts_twice_and_a_fill_is_a_transaction_of_both() -> None:
    scene = Scene()
    order = scene.rest(3, "buy", 800)
    old = scene.venue.state.auths[scene.venue.state.orders[order].auth_id].auth
    new = scene.venue.auth(3, CALL, True, 2 * ONE, 810 * USDC, replaces=old.nonce + 1)
    scene.venue.must(c.Amend(order, new))
    scene.take(4, "sell", 810)
    assert counted(scene) == (3, 5 * ONE, 1, ONE)
    assert counted(scene, 4) == (1, ONE, 1, ONE)


# -- drafts and the command line --------------------------------------------------------------------------------------


def test_a_draft_has_every_field_of_the_annex_and_says_why_one_is_empty() -> None:
    template = json.loads((STOR_TEMPLATE).read_text())
    assert {name: tuple(fields) for name, fields in template["sections"].items()} == SECTIONS
    (draft,) = wash(Scene()).drafts
    assert {name: tuple(fields) for name, fields in draft.items()} == SECTIONS
    known = draft["2 order/transaction/DLT behaviour"]
    assert known["quantity"] == {"1": "1"}
    assert known["price"] == {"1": "900"}
    assert draft["3 suspicion"]["nature of breach"] == "wash, point 3(a)"
    assert draft["4 suspected person"]["name/LEI"]["value"] == "NA"
    assert draft["4 suspected person"]["name/LEI"]["reason"]


@pytest.fixture
def washed(make_sample) -> object:
    scene = Scene()
    scene.trade(1, 2, "buy", 900)
    return make_sample([encoded(record) for record in scene.log])


def test_the_command_finds_writes_drafts_and_takes_settings(washed, tmp_path, capsys) -> None:
    settings, drafts = tmp_path / "settings.json", tmp_path / "drafts"
    settings.write_text(json.dumps({"linked": LINKED}))
    arguments = ["surveil", str(washed.path), "--settings", str(settings)]
    assert main([*arguments, "--stor", str(drafts), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [case["practice"] for case in told["cases"]] == ["wash"]
    assert [path.name for path in drafts.iterdir()] == ["001_wash.json"]
    assert json.loads((drafts / "001_wash.json").read_text())["3 suspicion"]
    assert main(arguments) == 1
    assert "between accounts that belong together" in capsys.readouterr().out
    assert main(["surveil", str(washed.path), "--json"]) == 0
    settings.write_text('{"bounds": {"wash": 1}}')
    assert main(arguments) == 2
    assert "holds no settings" in capsys.readouterr().err


def test_the_same_in_two_series_is_two_cases_each_with_its_own_records() -> None:
    scene = Scene()
    scene.trade(1, 2, "buy", 900)
    scene.trade(1, 2, "buy", 900, series=OTHER)
    cases = scene.seen(linked=LINKED).cases
    assert sorted(case.series for case in cases) == sorted([(CALL,), (OTHER,)])
    assert not set(cases[0].seqs) & set(cases[1].seqs)
