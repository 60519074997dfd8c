"""Files of deploy/: what they name exists, what they say can be read by what they are for. # M54"""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from exchange.operations import metrics

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


def test_panels_do_not_lie_on_each_other():
    board = json.loads((DEPLOY / "grafana" / "venue.json").read_text())
    places = [panel["gridPos"] for panel in board["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
