"""Files of deploy/: what they name exists, what they say can be read by what they are for. # M54"""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from exchange.__main__ import _parser
from exchange.operations import metrics
from exchange.operations.loading import merged
from exchange.operations.settings import ServeSettings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
LIBRARY = ("process_", "python_gc_")
SELECTOR = re.compile(r"\b((?:verbatim|process|python_gc|up)\w*)\b")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    board = json.loads((DEPLOY / "grafana" / "venue.json").read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    return [rule["expr"] for rule in alerts()] + [each["expr"] for panel in panels() for each in panel["targets"]]


def selected(node: Any) -> list[tuple[str, list[str]]]:
    """Series that an expression reads, each with the labels it matches, as the parser of PromQL has them."""
    if isinstance(node, promql_parser.VectorSelector):
        return [(node.name, [matcher.name for matcher in node.matchers.matchers])]
    found = []
    for name in ("expr", "lhs", "rhs", "vector_selector", "args"):
        inner = getattr(node, name, None)
        for each in inner if isinstance(inner, list) else [inner] if inner is not None else []:
            found += selected(each)
    return found


def scraped() -> dict[str, tuple[str, ...]]:
    """Series by the names they are scraped under, with their labels."""
    names = {"up": ("job",)}
    for name, family in metrics.FAMILIES.items():
        if family.kind == "histogram":
            names |= {f"verbatim_{name}_{part}": family.labels for part in ("bucket", "count", "sum")}
        else:
            names[metrics.full_name(name)] = family.labels
    return names


@pytest.mark.parametrize("text", sorted(set(expressions())))
def test_an_expression_is_promql_and_reads_what_is_measured(text):
    known = scraped()
    series = selected(promql_parser.parse(text))
    assert {name for name, _ in series} == set(SELECTOR.findall(re.sub(r'"[^"]*"', "", text)))
    for name, labels in series:
        assert name in known or name.startswith(LIBRARY), name
        assert name.startswith(LIBRARY) or set(labels) <= set(known[name]), (name, labels)


def test_the_reader_of_expressions_sees_through_all_that_is_used():
    nested = 'sum by (x) (rate(a_total{why="w"}[5m])) > 2 or -histogram_quantile(0.9, (b_bucket)) / c'
    found = selected(promql_parser.parse(nested))
    assert found == [("a_total", ["why"]), ("b_bucket", []), ("c", [])]


def test_every_family_is_on_the_dashboard():
    """Its name is in a panel, or here with the reason."""
    elsewhere = {"schema"}  # a fingerprint, for comparing two venues
    shown = " ".join(each["expr"] for panel in panels() for each in panel["targets"])
    assert {name for name in metrics.FAMILIES if f"verbatim_{name}" not in shown} == elsewhere


def test_an_alert_has_its_section_in_the_runbook_and_each_section_of_an_alert_names_it():
    text = (ROOT / "docs" / "RUNBOOK.md").read_text()
    sections = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-"): body
        for title, body in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    }
    for rule in alerts():
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/RUNBOOK.md"
        assert f"`{rule['alert']}`" in sections[section], rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert re.fullmatch(r"\d+m", rule["for"])
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))


def commands() -> list[tuple[str, list[str]]]:
    """Command lines of ours in the units and the container, each with the file it is in."""
    found = []
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        lines = re.findall(r"^Exec\w+=/opt/verbatim/bin/verbatim (.+)$", unit.read_text(), re.MULTILINE)
        found += [(unit.name, line.split()) for line in lines]
    (arguments,) = re.findall(r"^CMD (\[.+\])$", (DEPLOY / "container" / "Containerfile").read_text(), re.MULTILINE)
    return [*found, ("Containerfile", json.loads(arguments))]


def test_units_and_container_start_what_there_is():
    lines = commands()
    assert [name for name, _ in lines] == [
        *("verbatim-backup.service", "verbatim.service", "verbatim.service", "Containerfile")
    ]
    for _, arguments in lines:
        assert _parser().parse_args(arguments).run is not None


def test_what_the_units_need_is_what_the_settings_say():
    told = merged(ServeSettings, DEPLOY / "venue.toml", {})
    unit = (DEPLOY / "systemd" / "verbatim.service").read_text()
    assert told.venue.journal.parent == Path("/var/lib") / re.search(r"^StateDirectory=(\w+)$", unit, re.MULTILINE)[1]
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1]) > told.stop.force_s
    assert int(re.search(r"^LimitNOFILE=(\d+)$", unit, re.MULTILINE)[1]) > 2 * told.gateway.connections_max
    scraped_at = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    container = (DEPLOY / "container" / "Containerfile").read_text()
    assert f"127.0.0.1:{told.metrics.port}" in scraped_at
    assert f"EXPOSE {told.gateway.port} {told.metrics.port}" in container


@pytest.mark.parametrize(
    "line", ["NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "UMask=0077"]
)
def test_units_are_hardened(line):
    for unit in (DEPLOY / "systemd").glob("*.service"):
        assert f"\n{line}\n" in unit.read_text(), unit.name


def test_panels_do_not_lie_on_each_other():
    board = json.loads((DEPLOY / "grafana" / "venue.json").read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
