"""The dashboard: made by its code, from metrics that there are, and provisioned under the names that it uses."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.grafana.make_dashboard import TARGET, text
from tests.support.promql import ROOT, known, labels_of

_MADE = json.loads(text())
_PROVISIONING = ROOT / "deploy" / "grafana" / "provisioning"


def queries() -> Iterator[tuple[str, str, str]]:
    """Title of the panel, query, legend."""
    for panel in _MADE["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def sources(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if "datasource" in tree:
            yield tree["datasource"]["uid"]
        tree = list(tree.values())
    if isinstance(tree, list):
        for inner in tree:
            yield from sources(inner)


def test_the_file_is_what_the_code_makes() -> None:
    assert TARGET.read_text(encoding="utf-8") == text(), "run `python -m deploy.grafana.make_dashboard`"


@pytest.mark.parametrize(("title", "query", "legend"), list(queries()))
def test_a_panel_asks_only_for_what_there_is_and_names_its_lines_by_labels_that_they_have(
    title: str, query: str, legend: str
) -> None:
    assert title
    assert set(re.findall(r"{{(\w+)}}", legend)) == labels_of(query, known()) - {"le"} | (
        {"le"} if legend == "{{le}}" else set()
    )


def test_no_two_panels_lie_on_each_other_or_have_one_number() -> None:
    taken = [
        (x, y)
        for panel in _MADE["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23
    assert len({panel["id"] for panel in _MADE["panels"]}) == len(_MADE["panels"])


def test_every_panel_asks_the_source_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((_PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert set(sources(_MADE)) == {source["uid"]}


def test_the_heat_maps_are_of_buckets() -> None:
    maps = [panel for panel in _MADE["panels"] if panel["type"] == "heatmap"]
    assert {panel["title"] for panel in maps} >= {"Similarity"}
    for panel in maps:
        (target,) = panel["targets"]
        assert target["format"] == "heatmap"
        assert labels_of(target["expr"], known()) == {"le"}
