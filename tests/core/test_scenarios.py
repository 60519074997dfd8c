"""The specification of the machine in scenarios: see `scenarios/*.txt`, and `core_scenario` for their language."""

import os
import re
from pathlib import Path

import pytest
from core_scenario import check, play

FOLDER = Path(__file__).parent / "scenarios"
RECORD = os.environ.get("VERBATIM_RECORD") == "1"
TITLE = re.compile(r"^== (.+)$", re.MULTILINE)


def scenarios_of(path: Path) -> list[tuple[str, str]]:
    """Titles and texts of a file; a line ``== title`` begins each."""
    parts = TITLE.split(path.read_text())
    return [(title, text.strip("\n")) for title, text in zip(parts[1::2], parts[2::2], strict=True)]


def record(path: Path) -> None:
    """Write the answers the machine gives today."""
    preface = TITLE.split(path.read_text())[0]
    played = [f"== {title}\n\n{play(text)}\n" for title, text in scenarios_of(path)]
    path.write_text(preface + "\n".join(played))


if RECORD:
    for file in sorted(FOLDER.glob("*.txt")):
        record(file)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=f"{path.stem}: {title}")
        for path in sorted(FOLDER.glob("*.txt"))
        for title, text in scenarios_of(path)
    ],
)
def test_scenario(text: str) -> None:
    check(text)


def test_a_wrong_answer_fails() -> None:
    with pytest.raises(AssertionError):
        check("deposit alice 10_000    -> Rejected account_must_exist")
