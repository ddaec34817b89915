"""What a service tells: log lines, health, metrics."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import structlog
import urllib3
from prometheus_client import REGISTRY

from shared.adapters.memory.stream import MemoryBroker, MemoryStream
from shared.errors import Deadly, InvalidInput, Poison, Transient
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.crash_tries import Tries
from shared.stream.health import Health, serve
from shared.stream.log_configuration import configure_logging
from shared.stream.telemetry import Telemetry
from tools.stack.ports import free_port

_RECORD = ConsumedRecord("in", 2, 7, b"photo", b"private", {}, datetime.now(UTC))
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    written = StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("quality", "one", "DEBUG")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def stream() -> MemoryStream:
    broker = MemoryBroker()
    broker.append(ProducedRecord("in", b"k", b"1", {}))
    return MemoryStream(broker, "quality", "one", ["in"])


def test_a_dead_letter_is_logged_with_its_place_and_photo_and_without_its_value(
    lines: Lines, stream: MemoryStream
) -> None:
    Telemetry(stream, Health(9)).dead_lettered(_RECORD, Poison("bad\nand more"))
    (line,) = lines()
    assert line.pop("timestamp")
    assert line == {
        "event": "dead letter",
        "level": "error",
        "service": "quality",
        "instance": "one",
        "topic": "in",
        "partition": 2,
        "offset": 7,
        "photo": "photo",
        "error": "Poison",
        "reason": "bad",
    }


def test_what_was_begun_before_and_given_up_is_logged_with_its_place_and_counted(
    lines: Lines, stream: MemoryStream
) -> None:
    def value(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    before = value("facestream_unfinished_total", begun="alone"), value("facestream_given_up_total")
    telemetry = Telemetry(stream, Health(9))
    telemetry.unfinished(_RECORD, Tries(first=7, last=9, together=2, alone=1, by="secret"))
    telemetry.given_up(_RECORD, Deadly("the process was ended"))
    found, given_up = lines()
    place = {"topic": "in", "partition": 2, "offset": 7, "photo": "photo"}
    assert found.items() >= {**place, "level": "warning", "together": 2, "alone": 1, "last": 9}.items()
    assert given_up.items() >= {**place, "level": "error", "reason": "the process was ended"}.items()
    assert value("facestream_unfinished_total", begun="alone") == before[0] + 1
    assert value("facestream_given_up_total") == before[1] + 1
    assert value("facestream_given_up_timestamp_seconds") > 0


def test_a_defect_is_logged_with_its_frames_and_without_what_they_hold(lines: Lines, stream: MemoryStream) -> None:
    def broken(held: str) -> float:
        return len(held) / 0

    try:
        broken("private")
    except ZeroDivisionError as error:
        Telemetry(stream, Health(9)).dead_lettered(_RECORD, error)
    (line,) = lines()
    assert "broken" in json.dumps(line["exception"])
    assert "private" not in json.dumps(line)


def test_of_a_key_that_no_object_can_have_a_line_holds_the_beginning(lines: Lines, stream: MemoryStream) -> None:
    longest = b"b" * 63 + b"/" + b"k" * 1024
    telemetry = Telemetry(stream, Health(9))
    telemetry.dead_lettered(replace(_RECORD, key=longest + b"x" * 900_000), Poison("no event"))
    telemetry.dead_lettered(replace(_RECORD, key=longest), Poison("no event"))
    cut, whole = lines()
    assert cut["photo"].startswith(whole["photo"])
    assert len(cut["photo"]) < 2 * len(longest)
    assert whole["photo"] == longest.decode()


def test_a_batch_is_one_line_and_each_of_its_records_another_at_the_lowest_level(
    lines: Lines, stream: MemoryStream
) -> None:
    telemetry = Telemetry(stream, Health(9))
    telemetry.batch_done([_RECORD, _RECORD], [], 0.25)
    telemetry.retrying(Transient("the broker is away"), 3, 1.5)
    batch, record, _, retry = lines()
    assert (batch["first"], batch["records"], batch["seconds"]) == ("in/2@7", 2, 0.25)
    assert (record["level"], record["photo"]) == ("debug", "photo")
    assert (retry["reason"], retry["attempt"], retry["pause"]) == ("the broker is away", 3, 1.5)


@pytest.mark.usefixtures("lines")
def test_ready_is_who_has_reached_all_and_was_given_partitions(stream: MemoryStream) -> None:
    health = Health(9)
    telemetry = Telemetry(stream, health)
    telemetry.looped()
    assert not health.ready
    telemetry.started()
    telemetry.looped()
    assert health.ready


def test_the_port_tells_of_health_and_metrics(stream: MemoryStream, lines: Lines) -> None:
    health, port = Health(stall_timeout=60), free_port()
    server = serve(health, "127.0.0.1", port)

    def status(path: str) -> int:
        return urllib3.request("GET", f"http://127.0.0.1:{port}{path}", retries=False).status

    try:
        assert [status(path) for path in ("/livez", "/readyz", "/nothing")] == [200, 503, 404]
        health.stall_timeout, health.ready = 0, True
        assert [status(path) for path in ("/livez", "/readyz?x=1")] == [503, 200]
        stream.consume(1, 0.1)
        Telemetry(stream, health).looped()
        text = urllib3.request("GET", f"http://127.0.0.1:{port}/metrics").data.decode()
        assert 'facestream_consumer_lag_records{partition="0",topic="in"} 0.0' in text
        with pytest.raises(InvalidInput, match=f"FACESTREAM_SERVICE_HEALTH_PORT: expected a free port.*found {port}"):
            serve(health, "127.0.0.1", port)
    finally:
        server.close()
    assert lines() == []
