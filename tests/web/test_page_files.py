"""The files of the page: what others wrote is as they published it, what is ours keeps to its rules, the wheel has all."""

import json
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from exchange.shell.website import KINDS, ROOT, pages, policy

REPOSITORY = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "vendor"
OURS = sorted((ROOT / "js").rglob("*.js"))
LINES_MAX = 300
LICENCES = {"MIT", "Apache-2.0"}
# What would let text become markup or code, or a price become a float.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacent|dangerouslySet|document\.write|\beval\(|new Function|parseFloat|javascript:"
)
IMPORT = re.compile(r"""^(?:import|export)\b[^;"'=(]*?\bfrom\s*["']([^"']+)["']""", re.MULTILINE)


def origins() -> dict:
    return json.loads((VENDOR / "hashes.json").read_text())


def vendored() -> dict[str, str]:
    """Files in the folder of others, by name, with their hashes."""
    files = [path for path in VENDOR.rglob("*") if path.is_file() and path.name not in ("hashes.json", "ORIGIN.md")]
    return {path.relative_to(VENDOR).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def test_what_others_wrote_is_what_they_published() -> None:
    assert vendored() == {name: digest for package in origins().values() for name, digest in package["files"].items()}


@pytest.mark.parametrize("name", sorted(origins()))
def test_every_library_comes_with_its_licence(name: str) -> None:
    package = origins()[name]
    assert package["licence"] in LICENCES
    text = (VENDOR / package["folder"] / "LICENSE").read_text()
    assert ("MIT" in text or "Permission is hereby granted" in text) == (package["licence"] == "MIT")
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_a_script_of_ours_is_small_and_keeps_to_the_rules(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_MAX
    assert text.startswith("/**"), "says what it is"
    assert FORBIDDEN.findall(text) == []
    for wanted in IMPORT.findall(text):
        assert wanted.startswith("."), wanted
        assert (path.parent / wanted).resolve().is_file(), wanted


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here: scripts are not parsed")
def test_every_script_is_a_module_that_parses() -> None:
    for path in OURS:
        parsed = subprocess.run(["node", "--check", str(path)], capture_output=True, text=True, check=False)
        assert parsed.returncode == 0, parsed.stderr


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = (ROOT / "index.html").read_text()
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", text) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert "style=" not in text
    for sheet in (ROOT / "style").glob("*.css"):
        assert "url(" not in sheet.read_text()


def test_the_policy_lets_nothing_in_but_files_of_this_origin() -> None:
    rules = dict(rule.partition(" ")[::2] for rule in policy().split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy()
    assert "connect-src 'self' http://127.0.0.1:1;" in policy("http://127.0.0.1:1")


def test_everything_that_a_file_asks_for_is_served() -> None:
    served = pages()
    for path in (each for each in ROOT.rglob("*.*js") if each.suffix in KINDS):
        for wanted in IMPORT.findall(path.read_text()):
            if wanted.startswith("."):
                asked = (path.parent / wanted).resolve().relative_to(ROOT)
                assert f"/web/{asked.as_posix()}" in served
    assert {f"/{name}" for name in re.findall(r'"(web/[^"]+)"', served["/"].body.decode())} <= set(served)


def test_the_wheel_has_the_page() -> None:
    builder = WheelBuilder(str(REPOSITORY))
    packed = {Path(each.path) for each in builder.recurse_included_files()}
    wanted = {path for path in ROOT.rglob("*") if path.is_file()}
    assert wanted <= packed
