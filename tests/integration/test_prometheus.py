"""What running services tell a real Prometheus: every panel of the dashboard has something to show, no rule fails."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.grafana.make_dashboard import text
from tests.support.fixtures import needed
from tests.support.prometheus import PrometheusServer
from tools.pipeline import SERVICES, Pipeline, new_pipeline
from tools.samples import FACESTREAM, PEOPLE, sample_photos
from tools.stack.compose_kafka import make_secrets
from tools.stack.ports import free_port
from tools.stack.process import start

pytestmark = pytest.mark.slow

_JOBS = ("reclusterer", "reconciler")
_EMPTY_AT_FIRST = {"Drift of the similarity"}  # compares with the week before


@pytest.fixture(scope="module")
def pipeline(servers: Path) -> Iterator[Pipeline]:
    with needed(), new_pipeline(servers / uuid4().hex[:8]) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def prometheus(pipeline: Pipeline) -> Iterator[PrometheusServer]:
    for job in _JOBS:
        pipeline.ports[f"{job}-0"] = free_port()
    targets = {service: [f"127.0.0.1:{pipeline.ports[f'{service}-0']}"] for service in (*SERVICES, *_JOBS)}
    targets["minio"] = [pipeline.stack.minio.endpoint]
    minio = pipeline.stack.minio
    token = make_secrets(pipeline.folder).token(minio.access_key, minio.secret_key)
    server = PrometheusServer(pipeline.folder / "prometheus", targets=targets, token=token).start()
    yield server
    server.stop()


def put(pipeline: Pipeline, *numbers: int) -> None:
    for person in PEOPLE[:2]:
        for number in numbers:
            pipeline.store.put("photos", f"{person}/{number}", sample_photos(person)[number].read_bytes(), "image/jpeg")


def start_job(pipeline: Pipeline, name: str, *command: str) -> None:
    folder = pipeline.folder / f"{name}-0"
    folder.mkdir()
    environment = {
        **os.environ,
        **pipeline.stack.environment(),
        "FACESTREAM_RECLUSTERER_MIN_CLUSTER_SIZE": "4",
        "FACESTREAM_RECLUSTERER_DRAIN_PERIOD": "0",
        "FACESTREAM_SERVICE_HEALTH_HOST": "127.0.0.1",
        "FACESTREAM_SERVICE_HEALTH_PORT": str(pipeline.ports[f"{name}-0"]),
    }
    pipeline.processes[f"{name}-0"] = start([*command, "--every", "1h"], environment, folder)


def panels() -> Iterator[tuple[str, str]]:
    """Title and query of everything that the dashboard shows."""
    for panel in json.loads(text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def test_every_panel_has_something_to_show_and_no_rule_fails_or_fires(
    pipeline: Pipeline, prometheus: PrometheusServer
) -> None:
    put(pipeline, *range(8))
    pipeline.wait(lambda: prometheus.value("sum(facestream_end_to_end_seconds_count)") == 16, "photographs")
    start_job(pipeline, "reclusterer", sys.executable, "-m", "services.reclusterer")
    start_job(pipeline, "reconciler", str(FACESTREAM), "reconcile")
    pipeline.wait(lambda: prometheus.value("max(facestream_people)") >= 1, "a generation")
    put(pipeline, 8, 9)
    pipeline.wait(lambda: prometheus.value("sum(facestream_similarity_count)") >= 1, "a face that is compared")

    for title, query in panels():
        if title in _EMPTY_AT_FIRST:
            assert prometheus.query(query) == []
        else:
            pipeline.wait(lambda query=query: prometheus.query(query), f"{title}: {query}")  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    assert len(prometheus.query(dict(panels())["Model of the embedders"])) == 1, "of the services that embed, no other"
    assert {rule["name"]: rule.get("lastError") for rule in prometheus.rules() if rule["health"] != "ok"} == {}
    assert prometheus.firing() == set()
    assert prometheus.value("count(up == 1)") == 7


def test_of_notifications_that_the_object_store_cannot_send_there_is_an_alert(
    pipeline: Pipeline, prometheus: PrometheusServer
) -> None:
    pipeline.stack.kafka.stop()
    pipeline.store.put("photos", "untold", b"no picture", "image/jpeg")
    pipeline.wait(lambda: "FacestreamBucketNotificationsFailing" in prometheus.firing(), "the alert")
    assert prometheus.value("sum(minio_notify_events_errors_total)") > 0
