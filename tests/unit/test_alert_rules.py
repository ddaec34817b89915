"""Prometheus' configuration, recording rules and alerts, judged by promtool; each alert fires and does not fire."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from tests.support.promql import ROOT, RULES, SERVICES, known, labels_of, rules
from tools.requirements import need

FOLDER = ROOT / "deploy" / "prometheus"
CASES = sorted((FOLDER / "tests").glob("*.yml"))
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


@pytest.fixture(scope="module")
def promtool() -> str:
    program = shutil.which("promtool")
    need(program, "promtool", "apt-get install prometheus")
    return str(program)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_configuration_and_all_rules_are_valid(promtool: str, tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "rules", tmp_path / "rules")
    token = tmp_path / "token"  # promtool looks whether it is there
    token.touch()
    text = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "prometheus.yml").write_text(text.replace("/secrets/prometheus/minio-token", str(token)))
    said = run(promtool, "check", "config", "--lint-fatal", tmp_path / "prometheus.yml")
    assert all(f"rules/{file.name}" in said for file in RULES)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_alerts_do_what_their_cases_say(promtool: str, case: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", case)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires: defaultdict[str, set[bool]] = defaultdict(set)
    for file in CASES:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for expected in case["alert_rule_test"]:
                fires[expected["alertname"]].add(bool(expected["exp_alerts"]))
    assert set(fires) == set(ALERTS)
    assert [name for name, seen in fires.items() if seen != {True, False}] == []


@pytest.mark.parametrize("rule", list(rules()), ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_names_only_metrics_and_labels_that_there_are(rule: dict[str, str]) -> None:
    assert labels_of(rule["expr"], known()) is not None


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_is_wrong_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    words = rule["annotations"]["summary"] + rule["annotations"]["description"]
    named = set(re.findall(r"\$labels\.(\w+)", words))
    assert named <= labels_of(rule["expr"], known())


@pytest.mark.parametrize("name", ALERTS)
def test_the_runbook_has_a_section_for_the_alert_and_it_is_the_one_that_is_linked(name: str) -> None:
    file, _, anchor = ALERTS[name]["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert anchor == name.lower()
    assert name in headings


def test_the_runbook_has_no_section_for_an_alert_that_is_gone() -> None:
    headings = re.findall(r"^#+ (Facestream\w+)$", (ROOT / "docs/operations/runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)


def test_every_service_is_scraped_under_its_name() -> None:
    configured = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["job_name"] for job in configured} == {*SERVICES, "minio"}


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("facestream_nothing_total", "no service exports"),
        ('facestream_photos_total{outcom="detected"}', "has no label outcom"),
        ('facestream_photos_total{outcome="detectd"}', "is never 'detectd'"),
        ('up{job=~"detector|quantity"}', "is never 'quantity'"),
        ('rate(facestream_batch_seconds_bucket{le="61.0"}[5m])', "is never '61.0'"),
        ('facestream_stage_seconds_sum{stage="thinking"}', "is never 'thinking'"),
        ("sum by (topic) (facestream_retries_total)", "has no label topic"),
        ("facestream_photos_total / facestream_retries_total", "never matches"),
        ("up / on (topic) facestream_records_consumed_total", "not both sides have topic"),
        ("histogram_quantile(0.9, sum(rate(facestream_batch_seconds_bucket[5m])))", "has no label le"),
        ("sum without (job) (up)", "name the labels that are kept"),
    ],
)
def test_a_query_that_could_never_answer_is_found(query: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        labels_of(query, known())
