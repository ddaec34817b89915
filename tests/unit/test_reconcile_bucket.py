"""What one run of `facestream reconcile` does beside the comparison, and how it ends."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from cli import main
from cli.jobs import reconcile
from shared.adapters.kafka.backlog import Waiting
from shared.adapters.kafka.idle_partitions import Idle
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.domain.events import Outcome
from shared.domain.ids import object_id
from shared.domain.records import ImageRecord
from shared.errors import InvalidInput, Transient
from shared.ports.streams import ProducedRecord

_NOW = datetime.now(UTC)
_ROLLED = "1 idle partitions: a record was written to each, so that Kafka removes erased data"


class World:
    """A bucket, a database and a Kafka with an idle partition, in the places of the real ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.objects, self.repository = MemoryObjectStore(), MemoryRepository()
        self.waiting: Waiting | None = None
        self.rolled = 0
        for name, value in (
            ("longest_wait", lambda _: self.waiting),
            ("KafkaWriter", lambda *_: self),
            ("idle_partitions", lambda _: [Idle("faces.assigned", 0, 0)]),
            ("roll", self._roll),
            ("MinioSettings", lambda: None),
            ("MongoSettings", lambda: None),
            ("MinioStore", lambda _: self.objects),
            ("MongoRepository", lambda _: nullcontext(self.repository)),
        ):
            monkeypatch.setattr(reconcile, name, value)

    def write(self, records: Sequence[ProducedRecord]) -> None:
        """Write nothing."""

    def _roll(self, *_: object) -> None:
        self.rolled += 1

    def lose(self, number: int) -> None:
        """Have photographs known that the bucket does not hold."""
        for count in range(number):
            key = f"{count:02}.jpg"
            its_object = object_id("photos", key)
            known = ImageRecord(f"i{count}", its_object, "photos", key, "e", 1, _NOW, Outcome.DETECTED)
            self.repository.save_images([known])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def run(lines: list[str], **options: Any) -> None:
    for line in reconcile.reconcile_bucket(reconcile.ReconcileOptions(grace=timedelta(0), **options)):
        lines.append(line)  # noqa: PERF402  what was said before an error counts


@pytest.mark.parametrize("away", ["MinioStore", "MongoRepository"])
def test_kafka_forgets_also_where_another_server_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    def no_answer(*_: object) -> None:
        msg = "no answer"
        raise Transient(msg)

    monkeypatch.setattr(reconcile, away, no_answer)
    lines: list[str] = []
    with pytest.raises(Transient, match="no answer"):
        run(lines)
    assert (world.rolled, lines) == (1, [_ROLLED])


def test_a_wrong_setting_is_told_before_any_server_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer(*_: object) -> None:
        msg = "no answer"
        raise Transient(msg)

    for server in ("KafkaWriter", "longest_wait", "idle_partitions", "MinioStore", "MongoRepository"):
        monkeypatch.setattr(reconcile, server, no_answer)
    monkeypatch.setenv("FACESTREAM_BUCKET_PHOTOS", "faces")
    with pytest.raises(InvalidInput, match=r"^FACESTREAM_BUCKET: expected two buckets, found faces for"):
        run([])
    assert world.rolled == 0


def test_removals_that_are_held_back_end_a_run_when_all_else_is_done(world: World) -> None:
    world.lose(30)
    lines: list[str] = []
    with pytest.raises(reconcile.RemovalsWithheld, match="30 of 30 known photographs"):
        run(lines)
    assert (world.rolled, lines[-1]) == (1, _ROLLED)


def test_a_dry_run_says_what_would_be_held_back_and_writes_to_nothing(world: World) -> None:
    world.lose(30)
    lines: list[str] = []
    run(lines, dry_run=True)
    assert lines[-1].startswith("30 of 30 known photographs")
    assert world.rolled == 0


def test_while_the_stream_has_more_to_read_a_run_succeeds_and_the_metric_tells_of_it(world: World) -> None:
    world.lose(30)
    world.waiting = Waiting("images.uploaded/0@7", datetime.now(UTC) - timedelta(minutes=10))
    lines: list[str] = []
    run(lines)
    assert any(line.startswith("30 of 30 known photographs are not in the bucket, and the stream") for line in lines)
    assert REGISTRY.get_sample_value("facestream_reconcile_held_photographs") == 30


def test_what_a_person_has_to_decide_on_has_an_exit_status_of_its_own(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    world.lose(30)
    monkeypatch.setattr(sys, "argv", ["facestream", "reconcile"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 3
