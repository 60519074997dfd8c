"""Copies of a venue that trades, put back elsewhere: verified, continued, refused where something would be lost. # M54"""

import asyncio
import base64
import json
import random
import shutil
from pathlib import Path

import pytest
from e2e_serve import Serving, Trader, audit, run_module

from exchange.operations.copies import NOTE, CopyError, back_up, restore
from journal import tree_head

GENESIS = b"verbatim journal 1"


async def backed_up(journal: Path, folder: Path) -> dict:
    code, out, err = await run_module("exchange", "backup", "--journal", str(journal), "--to", str(folder))
    assert (code, err) == (0, "")
    return json.loads(out)


async def copied_under_load(journal: Path, folder: Path) -> tuple[dict, dict, dict]:
    """Copied twice while two trade, and once after a stop; the ready line, and what the last two copies say."""
    serving = await Serving.start(journal)
    dice = random.Random(7)
    keys = [each["key"] for each in serving.ready["keys"][:2]]
    traders = [await Trader.connect(serving.ready["url"], key, dice) for key in keys]
    trading = [asyncio.create_task(trader.trade()) for trader in traders]
    first = await backed_up(journal, folder)
    second = await backed_up(journal, folder)
    assert second["size"] > first["size"] >= serving.ready["seq"]
    assert 0 < second["new_frames"] < second["frame_no"]
    assert await serving.stop() == 0
    await asyncio.gather(*trading)
    return serving.ready, second, await backed_up(journal, folder)


@pytest.mark.counts(soak=1)
async def test_copies_of_a_venue_under_load_are_put_back_and_go_on(count: int, tmp_path: Path):
    assert count == 1
    """The folder of the venue is lost; the copy is the venue from then on, with the same contracts and every record."""
    journal, folder, elsewhere = (
        tmp_path / "a" / "venue.journal",
        tmp_path / "backups",
        tmp_path / "b" / "venue.journal",
    )
    journal.parent.mkdir()
    ready, second, last = await copied_under_load(journal, folder)
    shutil.rmtree(journal.parent)
    root, checkpoint = base64.b64encode(bytes.fromhex(second["root"])).decode(), tmp_path / "checkpoint"
    checkpoint.write_text(f"venue.example/journal\n{second['size']}\n{root}\n\n— signed elsewhere\n")
    arguments = ("restore", "--from", str(folder), "--journal", str(elsewhere), "--checkpoint", str(checkpoint))
    code, out, err = await run_module("exchange", *arguments)
    assert (code, err, json.loads(out)["size"]) == (0, "", last["size"])
    parts = ("", ".anchor", ".chain", ".deployment.json")
    assert sorted(path.name for path in elsewhere.parent.iterdir()) == [f"venue.journal{part}" for part in parts]
    verdict = await audit("verify", str(elsewhere), "--signatures")
    assert (verdict["ok"], verdict["records"]) == (True, last["size"])
    again = await Serving.start(elsewhere)
    assert again.ready["seq"] > last["size"]
    assert again.ready["clearing"] == ready["clearing"]
    assert await again.stop() == 0


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """A copy of the golden journal: whatever a deployment file says is only carried."""
    folder = tmp_path_factory.mktemp("kept")
    source = folder / "venue.journal"
    golden = Path(__file__).resolve().parents[1] / "golden" / "venue.journal"
    for suffix in ("", ".anchor"):
        shutil.copy(f"{golden}{suffix}", f"{source}{suffix}")
    Path(f"{source}.deployment.json").write_text("{}")
    back_up(source, folder / "copy")
    return folder / "copy"


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "copy"))


def test_a_journal_that_is_there_is_never_replaced(folder: Path, tmp_path: Path):
    target = tmp_path / "venue.journal"
    target.write_text("mine")
    with pytest.raises(CopyError, match="move it away"):
        restore(folder, target)
    assert target.read_text() == "mine"


def test_a_copy_that_ends_before_the_anchor_is_not_put_back(folder: Path, tmp_path: Path, kept: Path):
    """The anchor survived the journal and knows of more: records that were acknowledged would be gone."""
    target = tmp_path / "venue.journal"
    anchor = Path(f"{target}.anchor")
    note = json.loads((folder / NOTE).read_text())
    shutil.copy(kept / "venue.journal.anchor", anchor)
    (folder / NOTE).write_text(json.dumps(note | {"frame_no": note["frame_no"] - 1}))
    with pytest.raises(CopyError, match="records that were acknowledged are not in it"):
        restore(folder, target)
    assert not target.exists()


@pytest.mark.parametrize("name", ["note", "checkpoint", "longer"])
def test_a_copy_that_is_not_what_is_said_of_it_is_not_put_back(folder: Path, tmp_path: Path, name: str):
    target, checkpoint = tmp_path / "venue.journal", None
    note = json.loads((folder / NOTE).read_text())
    if name == "note":
        (folder / NOTE).write_text(json.dumps(note | {"root": "00" * 32}))
    else:
        checkpoint = tmp_path / "checkpoint"
        size = note["size"] + 1 if name == "longer" else note["size"] - 1
        checkpoint.write_text(f"venue\n{size}\n{base64.b64encode(bytes.fromhex(note['root'])).decode()}\n\n")
    with pytest.raises(CopyError, match=r"root|records"):
        restore(folder, target, checkpoint)
    assert not target.exists()


def test_a_deployment_that_survived_must_be_the_copy_s(folder: Path, tmp_path: Path):
    target = tmp_path / "venue.journal"
    Path(f"{target}.deployment.json").write_text("another")
    with pytest.raises(CopyError, match="another deployment"):
        restore(folder, target)
    Path(f"{target}.deployment.json").write_text("{}")
    restored = restore(folder, target)
    assert tree_head(target, GENESIS).root.hex() == restored.root


@pytest.mark.parametrize("text", ["", "venue\nx\n", "venue\n1\n!!\n"])
def test_what_is_no_checkpoint_is_told_so(folder: Path, tmp_path: Path, text: str):
    path = tmp_path / "checkpoint"
    path.write_text(text)
    with pytest.raises(CopyError, match="no checkpoint"):
        restore(folder, tmp_path / "venue.journal", path)


async def test_nothing_to_copy_is_an_exit_code_and_a_sentence(tmp_path: Path):
    journal = str(tmp_path / "venue.journal")
    code, out, err = await run_module("exchange", "backup", "--journal", journal, "--to", str(tmp_path / "copy"))
    assert (code, out) == (1, "")
    assert "is not there" in err
    assert list(tmp_path.iterdir()) == []
