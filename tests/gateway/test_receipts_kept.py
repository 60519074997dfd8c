"""What a client does with receipts: each is checked, the last ones are kept, two stories are noticed. # M08"""

import contextlib
import json

import pytest

from exchange.evidence import EvidenceError, Offence, decode_file, encode_file
from exchange.session.limits import UNLIMITED
from exchange.shell.client import Client, Refused
from exchange.shell.gateway import Settings
from exchange.shell.receipts import STORIES_KEPT, Equivocated, Receipts
from exchange.shell.wallet import Untrusted, Venue
from exchange.signing import recover

ELSEWHERE = Venue("other", 1, "0x" + "00" * 20, "0x" + "00" * 20)


async def test_every_kind_of_reply_leaves_its_receipt(venue):
    """Orders, edits, cancels, bare numbers and refusals of the machine; questions have none."""
    async with await venue.client(1) as client:
        placed = await client.sell(venue.call, 1, 900)
        await client.edit(placed.order_id, 2, 901)
        await client.cancel(placed.order_id)
        await client.cancel_all()
        with pytest.raises(Refused):
            await client.buy(venue.call, 10_000, 70_000)
        await client.call("private/get_open_orders")
        kept = client.receipts.collection()
        assert len(client.receipts) == len(kept.statements) == 5
        seqs = [each.number for each in kept.statements]
        assert seqs == sorted(seqs)
        genuine, foreign = kept.sorted_out()
        assert (len(genuine), foreign) == (5, [])


async def test_a_file_of_receipts_is_what_was_kept(venue, tmp_path):
    async with await venue.client(1) as client:
        await client.sell(venue.call, 1, 900)
        client.receipts.save(tmp_path / "receipts.json")
        kept = client.receipts.collection()
    assert decode_file((tmp_path / "receipts.json").read_bytes()) == kept
    assert (
        recover(kept.statements[0].digest(kept.domain()), kept.statements[0].signature).hex() in kept.operator.lower()
    )


async def test_two_venues_with_one_operator_are_two_stories(venue, open_venue):
    """A trader with a connection to each holds the proof with the second receipt for a place, whoever was told first."""
    receipts = Receipts()
    async with open_venue(Settings(limits=UNLIMITED)) as other, contextlib.AsyncExitStack() as stack:
        for number, running in enumerate((venue, other), 1):
            client = await stack.enter_async_context(await Client.connect(running.gateway.url, receipts=receipts))
            await client.login(bytes([0x40 + number]) * 32)
            if running is venue:
                await client.sell(venue.call, 1, 900)
                continue
            with pytest.raises(Equivocated) as caught:
                await client.sell(venue.call, 1, 900)
            assert caught.value.proof.offence is Offence.EQUIVOCATION
            assert await client.call("private/get_open_orders") != []  # it is open all the same
    kept = receipts.collection()
    assert [each.number for each in kept.statements] == [caught.value.proof.first.number] * 2
    assert decode_file(encode_file(kept)) == kept


async def test_a_forged_receipt_fails_the_call_it_came_with(venue):
    """The operator that the venue names is not who signed: the answer is not to be believed."""
    async with await venue.client(1) as client:
        client.venue = client.venue.__class__("test", 31337, client.venue.clearing, "0x" + "11" * 20)
        with pytest.raises(Untrusted):
            await client.sell(venue.call, 1, 900)
        with pytest.raises(Untrusted):
            await client.cancel_all()
        assert len(client.receipts) == 0


def reply_of(seq: int, story: str, signature: str = "0x" + "00" * 65) -> dict[str, object]:
    receipt = {"seq": seq, "prior_root": "0x" + "00" * 32, "record_hash": "0x" + story * 32, "time_ns": 1}
    return {"result": {"receipt": receipt | {"signature": signature}}}


@pytest.mark.parametrize(
    "reply",
    [
        reply_of(1, "aa"),
        reply_of(1, "aa", "0x00"),
        reply_of(1, "zz"),
        {"result": {"receipt": {}}},
        {"result": {"receipt": 7}},
        {"x_receipt": [1]},
        {"error": {"code": 1, "data": {"receipt": {"seq": "one"}}}},
    ],
)
def test_nonsense_in_a_receipts_place_is_not_trusted(reply):
    with pytest.raises(Untrusted):
        Receipts().take(ELSEWHERE, reply)


@pytest.mark.parametrize("reply", [{"result": 3}, {"result": "ok"}, {"result": []}, {"error": {"code": 1}}, {}])
def test_replies_without_a_receipt_leave_nothing(reply):
    receipts = Receipts()
    receipts.take(ELSEWHERE, reply)
    assert len(receipts) == 0
    with pytest.raises(LookupError):
        receipts.collection()


async def test_only_the_last_ones_are_kept(venue):
    receipts = Receipts(limit=3)
    async with await Client.connect(venue.gateway.url, receipts=receipts) as client:
        await client.login(bytes([0x41]) * 32)
        placed = [await client.sell(venue.call, 1, 900 + n) for n in range(5)]
    assert [each.number for each in receipts.collection().statements] == [
        each.receipt.receipt.seq for each in placed[2:]
    ]
    assert STORIES_KEPT >= 2


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.pop("operator"),
        lambda file: file.update(version=2),
        lambda file: file.update(clearing="0x12"),
        lambda file: file.update(extra=1),
        lambda file: file["receipts"][0].update(seq=0),
        lambda file: file["receipts"][0].update(prior_root="0x00"),
        lambda file: file["receipts"][0].update(signature="0x" + "ff" * 65),
        lambda file: file["receipts"][0].update(record_hash="no hex"),
    ],
)
async def test_a_file_that_is_none_is_refused(venue, change):
    async with await venue.client(1) as client:
        await client.sell(venue.call, 1, 900)
        file = json.loads(encode_file(client.receipts.collection()))
    change(file)
    with pytest.raises(EvidenceError):
        decode_file(json.dumps(file).encode())
