"""Requests for quotes of several legs: one price for all of them, and all of them or none. # M12"""

from collections.abc import Iterator

import pytest
from core_rfqs import (
    MAKER,
    MARK,
    ONE,
    OTHER,
    TAKER,
    accept,
    accepted,
    ask,
    asking_venue,
    check,
    ends,
    gone,
    quote,
    request,
    requoted,
    signed,
)
from core_venue import USDC, Venue, series_named
from msgspec.structs import replace

from exchange.core import commands as c
from exchange.core import events as e
from exchange.core.events import CancelReason, Reject, RfqEnd
from exchange.core.images import decode, encode
from exchange.core.legs import Leg
from replay.checker import Checker
from replay.checker.rules import Rule

LOW, MID, HIGH = (series_named(f"{strike}C") for strike in (61_000, 62_000, 63_000))
SPREAD = (Leg(LOW, 1), Leg(MID, -1))
FLY = (Leg(LOW, 1), Leg(MID, -2), Leg(HIGH, 1))
NET = 500 * USDC


@pytest.fixture
def venue() -> Iterator[Venue]:
    venue = asking_venue(combos=True)
    yield venue
    check(venue)


def told(venue: Venue, legs: tuple[Leg, ...] = SPREAD, **terms: object) -> tuple[int, int]:
    """A request for a combo; its number, and that of the combo."""
    venue.must(request(venue, series=0, legs=legs, **terms))
    rfq = venue.state.seq
    return rfq, venue.state.rfqs[rfq].request.series


def units(events: tuple[object, ...]) -> list[tuple[int, int, int]]:
    """Quote, units and net price in whole USDC of each group of fills."""
    found = []
    fills = [event for event in events if type(event) is e.Traded]
    for last in fills:
        if last.units:
            group = [fill for fill in fills if fill.group == last.group]
            signs = {leg.series: leg.ratio // abs(leg.ratio) for leg in FLY}
            value = sum(signs[fill.leg] * fill.price * fill.qty for fill in group)
            found.append((last.maker_order, last.units, value // last.units // USDC))
    return found


def test_request_lists_the_combo_it_is_for(venue: Venue) -> None:
    events = venue.must(request(venue, series=0, legs=SPREAD))
    assert events == (e.ComboListed(1), e.Applied())
    assert told(venue)[1] == 1
    assert told(venue, FLY)[1] == 2
    ask(venue, series=2)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"legs": (Leg(LOW, 1),)}, Reject.COMBO_LEGS_MUST_BE_CANONICAL),
        ({"legs": (Leg(LOW, 2), Leg(MID, -2))}, Reject.COMBO_LEGS_MUST_BE_CANONICAL),
        ({"legs": (Leg(LOW, 1), Leg(9 << 16, 1))}, Reject.SERIES_MUST_EXIST),
        ({"legs": SPREAD, "series": MID}, Reject.SERIES_MUST_EXIST),
        ({"legs": SPREAD, "qty": 50}, Reject.QTY_MUST_BE_ON_LOT),
        ({"legs": FLY, "qty": 2**31 // 100 * 100 + 100}, Reject.QTY_MUST_FIT),
        ({"legs": (), "series": 9}, Reject.SERIES_MUST_EXIST),
    ],
)
def test_request_for_no_combo_is_refused(venue: Venue, terms: dict[str, object], reason: Reject) -> None:
    assert venue.rejected(request(venue, **({"series": 0} | terms))) is reason
    assert not venue.state.combos


def test_without_contracts_that_settle_combos_none_is_asked_for() -> None:
    venue = asking_venue()
    assert venue.rejected(request(venue, series=0, legs=SPREAD)) is Reject.COMBOS_MUST_BE_SUPPORTED


def test_best_quotes_fill_all_legs_at_one_price(venue: Venue) -> None:
    rfq, combo = told(venue)
    dear = quote(venue, MAKER, rfq, NET + 10 * USDC, series=combo)
    cheap = quote(venue, OTHER, rfq, NET, 4 * ONE, series=combo)
    assert venue.state.books[combo].asks.best() is None
    events = accept(venue, rfq, NET + 10 * USDC, series=combo)
    assert units(events) == [(cheap, 4 * ONE, 500), (dear, 6 * ONE, 510)]
    assert (ends(events), gone(events)) == ({rfq: RfqEnd.FILLED}, {dear: CancelReason.RFQ_ENDED})
    assert venue.state.accounts[TAKER].positions == {LOW: 10 * ONE, MID: -10 * ONE}
    assert venue.state.accounts[OTHER].positions == {LOW: -4 * ONE, MID: 4 * ONE}
    combo_now = venue.state.combos[combo]
    assert (combo_now.volume, combo_now.last_price) == (10 * ONE, 0)
    assert not venue.state.orders


def test_price_of_a_combo_may_be_below_zero(venue: Venue) -> None:
    rfq, combo = told(venue, (Leg(LOW, 1), Leg(MID, -2)))
    best = quote(venue, MAKER, rfq, -300 * USDC, series=combo, is_buy=True)
    quote(venue, OTHER, rfq, -400 * USDC, series=combo, is_buy=True)
    events = accept(venue, rfq, -300 * USDC, 2 * ONE, series=combo, is_buy=False)
    assert {event.maker_order for event in events if type(event) is e.Traded} == {best}
    assert venue.state.accounts[TAKER].positions == {LOW: -2 * ONE, MID: 4 * ONE}


def test_part_of_a_combo_fills_and_the_rest_stands(venue: Venue) -> None:
    rfq, combo = told(venue, step=ONE, minimum=2 * ONE)
    offer = quote(venue, MAKER, rfq, NET, series=combo)
    whole = quote(venue, OTHER, rfq, NET - 10 * USDC, 8 * ONE, series=combo, whole=True)
    events = accept(venue, rfq, NET, 3 * ONE, series=combo)
    assert units(events) == [(offer, 3 * ONE, 500)]
    assert venue.state.rfqs[rfq].filled == 3 * ONE
    assert venue.state.orders[offer].filled == 3 * ONE
    venue.must(requoted(venue, offer, NET + 10 * USDC, 9 * ONE, series=combo))
    copy = decode(encode(venue.state))
    assert sorted(copy.rfq_quotes[rfq]) == [offer, whole]
    assert [copy.accounts[key].open for key in (MAKER, OTHER)] == [
        venue.state.accounts[key].open for key in (MAKER, OTHER)
    ]


def test_order_for_one_leg_is_no_answer_to_a_combo(venue: Venue) -> None:
    rfq, combo = told(venue)
    leg = signed(venue, MAKER, rfq, False, ONE, MARK, series=LOW)
    assert venue.rejected(c.QuoteRfq(leg)) is Reject.RFQ_ORDER_MUST_KEEP_SERIES_AND_SIDE
    good = signed(venue, MAKER, rfq, False, ONE, NET, series=combo)
    other_legs = replace(good, legs=FLY)
    assert venue.rejected(c.QuoteRfq(other_legs)) is Reject.COMBO_LEGS_MUST_MATCH
    assert venue.rejected(c.Place(good)) is Reject.RFQ_ORDER_MUST_STAY_THERE
    venue.must(c.QuoteRfq(good))


def test_legs_move_together_or_not_at_all_when_a_maker_cannot_bear_them() -> None:
    poor = asking_venue(30_000, combos=True)
    rfq, combo = told(poor)
    weak = quote(poor, MAKER, rfq, NET - 10 * USDC, 2 * ONE, series=combo)
    firm = quote(poor, OTHER, rfq, NET, ONE, series=combo)
    poor.observe(c.ObserveWithdrawalRequest, MAKER, 29_999 * USDC)
    events = accept(poor, rfq, NET, ONE, series=combo)
    assert (units(events), gone(events)) == ([(firm, ONE, 500)], {weak: CancelReason.MARGIN})
    assert poor.state.accounts[MAKER].positions == {}
    poor.check()
    poor.check_history()


def test_while_a_leg_is_auctioned_nothing_of_the_combo_is_asked_or_filled(venue: Venue) -> None:
    rfq, combo = told(venue)
    quote(venue, MAKER, rfq, NET, series=combo)
    venue.must(c.SetPhase(c.SERIES, MID, c.AUCTION, venue.now_s + 30, 0, "test", "test"))
    assert venue.rejected(request(venue, series=0, legs=SPREAD)) is Reject.SERIES_MUST_TAKE_ORDERS
    assert venue.rejected(accepted(venue, rfq, NET, series=combo)) is Reject.SERIES_MUST_TAKE_ORDERS


def test_request_ends_before_the_first_of_its_legs(venue: Venue) -> None:
    far = series_named("62000C.2")
    calendar = (Leg(MID, 1), Leg(far, -1))
    near_s = venue.state.series[MID].expiry_s
    venue.wait(near_s - venue.now_s - 60)
    assert venue.rejected(request(venue, series=0, legs=calendar, expires_s=near_s + 1)) is Reject.RFQ_TERMS_MUST_FIT
    venue.must(request(venue, series=0, legs=calendar, expires_s=near_s))
    venue.wait(60)
    assert venue.rejected(request(venue, series=0, legs=calendar)) is Reject.SERIES_MUST_BE_TRADING
    assert list(ends(venue.must(c.Tick())).values()) == [RfqEnd.EXPIRED]


def noticed(venue: Venue, change) -> set[Rule]:
    """What the checker says of a history whose last record tells of other events."""
    checker = Checker()
    *before, last = venue.log
    for record in before:
        checker.take(record.seq, record.time_ns, record.command, record.events)
    assert checker.ledger.violations == []
    checker.take(last.seq, last.time_ns, last.command, tuple(change(list(last.events))))
    return {violation.rule for violation in checker.ledger.violations}


def answered(venue: Venue) -> None:
    """Two makers fill one acceptance of a spread, one after the other."""
    rfq, combo = told(venue)
    for maker, price in ((MAKER, NET), (OTHER, NET + 10 * USDC)):
        quote(venue, maker, rfq, price, 6 * ONE, series=combo, legs=SPREAD)
    accept(venue, rfq, NET + 10 * USDC, series=combo, legs=SPREAD)


def second_first(events: list) -> list:
    """The worse quote fills before the better one."""
    fills = [event for event in events if type(event) is e.Traded]
    makers = {fills[0].maker_order: fills[2].maker_order, fills[2].maker_order: fills[0].maker_order}
    return [replace(event, maker_order=makers[event.maker_order]) if event in fills else event for event in events]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda events: events, None),
        (second_first, Rule.BEST_PRICE_MUST_GO_FIRST),
        (lambda events: [*events[:1], replace(events[1], price=events[1].price + 5 * USDC), *events[2:]],
         Rule.PRICE_MUST_BE_THE_MAKERS),
        (lambda events: [*events[:2], *events[3:]], Rule.COMBO_MUST_FILL_WHOLE),
        (lambda events: [event for event in events if type(event) is not e.RfqEnded],
         Rule.REQUEST_MUST_END_WITH_A_REASON),
        (lambda events: [replace(event, units=event.units - 50) if getattr(event, "units", 0) else event
                         for event in events], Rule.REQUEST_MUST_FILL_IN_ITS_STEPS),
    ],
)  # fmt: skip
def test_checker_notices_an_acceptance_of_legs_that_was_altered(venue: Venue, change, rule: Rule | None) -> None:
    answered(venue)
    found = noticed(venue, change)
    assert found == set() if rule is None else rule in found
