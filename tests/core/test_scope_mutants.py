"""Keys that sign for requests only, with the contract in plain words beside a machine that forgets what they may not sign."""

import pytest
from core_contract import Refused
from core_world import World

from exchange.core import admission, rfq
from exchange.core import commands as c

KEY = bytes([101]) * 20  # of account 1, as the world has it
ONE = 10_000


def delegated(scopes: int) -> World:
    world = World()
    world.delegate(1, 7_200, scopes)
    world.finalise(1)
    return world


def by_request(scopes: int) -> World:
    """Account 1 asks, account 4 answers, and the key accepts."""
    world = delegated(scopes)
    series = world.trading()[0]
    price = world.price_near(series, 100)
    world.must(c.AdmitMaker(4, is_maker=True))
    world.must(c.OpenRfq(1, series, c.UNTOLD, ONE, ONE, 0, world.now_s + 60))
    terms = c.Terms(rfq=world.state.seq)
    world.must(c.QuoteRfq(world.auth(4, series, False, ONE, price, terms=terms)))
    world.must(c.AcceptRfq(world.auth(1, series, True, ONE, price, signer=KEY, tif=c.FOK, terms=terms)))
    world.quiesce()
    return world


def in_a_book() -> World:
    world = delegated(c.SCOPE_RFQ)
    series = world.trading()[0]
    price = world.price_near(series, 100)
    world.must(c.Place(world.auth(4, series, False, ONE, price)))
    world.must(c.Place(world.auth(1, series, True, ONE, price, signer=KEY)))
    world.quiesce()
    return world


@pytest.mark.parametrize("scopes", [c.SCOPE_RFQ, c.SCOPE_TRADE])
def test_what_such_a_key_accepts_settles(scopes):
    assert sum(by_request(scopes).chain.accounts[1].positions.values()) == ONE


def test_a_machine_that_takes_acceptances_of_any_key_is_noticed_by_the_contract(monkeypatch):
    monkeypatch.setattr(rfq, "SCOPES", 0xFF)
    with pytest.raises(Refused, match="key_scope"):
        by_request(c.SCOPE_READ)


def test_a_machine_that_lets_such_a_key_into_a_book_is_noticed_by_the_contract(monkeypatch):
    whole = admission.refuse_who
    monkeypatch.setattr(admission, "refuse_who", lambda state, auth, now_s, _=0: whole(state, auth, now_s, 0xFF))
    with pytest.raises(Refused, match="key_scope"):
        in_a_book()


def test_a_machine_that_lets_what_is_for_a_request_into_a_book_is_noticed_by_the_contract(monkeypatch):
    monkeypatch.setattr(admission, "refuse_bound", lambda _: None)
    world = delegated(c.SCOPE_RFQ)
    series = world.trading()[0]
    price = world.price_near(series, 100)
    world.must(c.Place(world.auth(4, series, False, ONE, price)))
    world.must(c.Place(world.auth(1, series, True, ONE, price, terms=c.Terms(rfq=77))))
    with pytest.raises(Refused, match="rfq_mismatch"):
        world.quiesce()
