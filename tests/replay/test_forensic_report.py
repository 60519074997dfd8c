"""``report``: one page from the journal alone, the same each time, that nothing in a journal can turn into markup."""

import base64
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from exchange import codec
from exchange.core import commands as c
from journal.merkle import verify_inclusion
from journal.record import leaf_hash
from replay.__main__ import main
from replay.leaves import head_of

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def written(tmp_path, capsys, journal, *arguments):
    """The exit code, what was printed and the page."""
    out = tmp_path / "page.html"
    code = main(["report", str(journal), "-o", str(out), "--json", *arguments])
    return code, json.loads(capsys.readouterr().out), out.read_text() if out.exists() else ""


class Tags(HTMLParser):
    """Every element of a page with its attributes, its texts, and whether all that was opened is closed."""

    VOID = ("meta", "br", "link", "img", "input", "hr", "!doctype")

    def __init__(self, html):
        super().__init__()
        self.found, self.texts, self.open = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(sample, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "page.html"
    assert main(["report", str(sample.path), "-o", str(out)]) == 0
    return out.read_text()


def test_the_same_journal_gives_the_same_bytes_wherever_it_lies(sample, page, tmp_path, capsys):
    code, told, again = written(tmp_path, capsys, sample.copy(tmp_path))
    assert (code, told["ok"], again == page) == (0, True, True)


def test_it_asks_nothing_of_any_network_and_runs_nothing(page):
    tags = Tags(page)
    assert tags.open == []
    assert not [tag for tag, _ in tags.found if tag in ("script", "link", "img", "iframe", "object", "form")]
    for _, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert attributes.get("href", "#").startswith("#")
    policy = next(each["content"] for tag, each in tags.found if each.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "url(" not in page


def test_links_within_the_page_lead_somewhere(page):
    tags = Tags(page)
    places = {attributes["id"] for _, attributes in tags.found if "id" in attributes}
    links = {attributes["href"][1:] for tag, attributes in tags.found if tag == "a"}
    assert links <= places


def test_every_proof_leads_to_the_root_of_the_journal(sample, page):
    head = head_of(sample.path)
    assert head.root.hex() in page
    cited = re.findall(
        r'<details id="r(\d+)">.*?<p class="hex">(.*?)</p>\s*<ol class="hex">(.*?)</ol>', page, re.DOTALL
    )
    assert len(cited) > 5
    for seq, record, nodes in cited:
        proof = [bytes.fromhex(node) for node in re.findall(r"<li>([0-9a-f]{64})</li>", nodes)]
        leaf = leaf_hash(base64.b64decode(record))
        assert verify_inclusion(leaf, int(seq) - 1, head.size, proof, head.root)
        assert not verify_inclusion(leaf, int(seq), head.size, proof, head.root)


def test_nothing_in_a_journal_becomes_markup(golden, make_sample, tmp_path, capsys):
    story = golden.Story(seed=1, steps=0, signed=False, digest_every=1000)
    contracts = (31337, b"C" * 20, b"O" * 20, b"p" * 20)
    story.venue.must(c.Configure(EVIL, *contracts, 1800, 24, 600, golden.FEES, golden.STANDARD))
    story.venue.must(c.ListUnderlying(0, EVIL, 100, 10**6, 5 * 10**6, 10**9))
    story.venue.must(c.SetTrading(is_open=False, cause=EVIL))
    code, _, html = written(tmp_path, capsys, make_sample(story.venue.records).path)
    assert code == 0
    assert "alert(1)" in html
    tags = Tags(html)
    assert not [tag for tag, _ in tags.found if tag in ("script", "img")]
    assert any(EVIL in text for text in tags.texts)


def test_accounts_add_up_and_a_span_begins_where_the_one_before_ended(sample, tmp_path, capsys):
    middle, end = 300, sample.records[-1].seq
    before, after = sample.state_at(middle - 1), sample.state_at(end)
    _, _, html = written(tmp_path, capsys, sample.path, "--from", str(middle))
    rows = re.findall(r'<tr><td class="n">(\d+|treasury)</td>((?:<td class="n">[^<]*</td>){7})', html)
    assert len(rows) == len(after.accounts)
    for name, cells in rows:
        account = 0 if name == "treasury" else int(name)
        figures = [float(cell.replace(",", "")) for cell in re.findall(r">([^<]*)</td>", cells)]
        cash_before, paid_in, paid_out, result, cash, _, _ = figures
        assert cash_before * 10**6 == pytest.approx(before.accounts[account].cash, abs=1)
        assert cash * 10**6 == pytest.approx(after.accounts[account].cash, abs=1)
        assert cash_before + paid_in - paid_out + result == pytest.approx(cash, abs=1e-5)


def test_what_comes_after_the_span_is_not_told(sample, tmp_path, capsys):
    _, _, html = written(tmp_path, capsys, sample.path, "--to", "200")
    state = sample.state_at(200)
    assert "Records 1 to 200," in html
    richest = max(state.accounts.values(), key=lambda account: account.cash)
    assert f"{richest.cash // 10**6:,}" in html


def test_what_is_asked_about_is_drawn_and_explained(sample, tmp_path, capsys):
    record = next(each for each in sample.records if isinstance(codec.decode_command(each.command), c.Place))
    arguments = ("--account", "2", "--order", str(record.seq))
    _, _, html = written(tmp_path, capsys, sample.path, *arguments)
    assert "Margin of account 2" in html
    assert "Margin of account 1" not in html
    assert f"<h3>Order {record.seq}</h3>" in html


def test_a_damaged_journal_is_told_up_to_the_damage(sample, make_sample, tmp_path, capsys):
    place = 400
    told = codec.decode_events(sample.records[place].events)
    lie = msgspec.structs.replace(sample.records[place], events=codec.encode_events((*told, told[0])))
    records = [*sample.records[:place], lie, *sample.records[place + 1 :]]
    code, printed, html = written(tmp_path, capsys, make_sample(records).path)
    assert (code, printed["ok"]) == (1, False)
    assert f"seq {place + 1:,}: " in html
    assert "The journal can be told only up to record 400" in html


@pytest.mark.parametrize("arguments", [("--account", "99"), ("--from", "999999"), ("--order", "999999")])
def test_what_is_not_there_cannot_be_reported(sample, tmp_path, capsys, arguments):
    code, told, html = written(tmp_path, capsys, sample.path, *arguments)
    assert (code, html) == (2, "")
    assert told["error"]
