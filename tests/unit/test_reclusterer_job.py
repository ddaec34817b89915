"""The job: what it waits for, what it tells, and when it comes again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Timer
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.reclusterer.job import Job, Stopped
from services.reclusterer.settings import JobSettings
from services.reclusterer.step import ReclusterOutcome
from shared.adapters.memory.stream import MemoryWriter
from shared.durations import period_of
from shared.errors import Fatal, Transient
from shared.ports.streams import RecordWriter
from shared.stream.health import Health
from tests.support.reclustering import ASSIGNER, CLUSTERING, JOB, World, add_photos
from tests.support.synthetic_faces import embeddings

_FACES = embeddings([6, 4])


def world() -> World:
    made = World()
    add_photos(made.repository, _FACES, [f"{number:04}" for number in range(10)])
    return made


def job(
    made: World,
    settings: JobSettings = JOB,
    writer: Callable[[], RecordWriter] | None = None,
    stop: Event | None = None,
) -> Job:
    opened = writer or (lambda: MemoryWriter(made.broker, "reclusterer"))
    return Job(
        repository=made.repository,
        open_writer=opened,
        holder="test",
        clustering=CLUSTERING,
        assigner=ASSIGNER,
        settings=settings,
        health=Health(60),
        stop=stop or Event(),
    )


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"facestream_{name}", labels) or 0.0


def test_a_regrouping_is_told_in_metrics_and_log() -> None:
    made = world()
    before = metric("reclusterings_total", outcome="published")
    with capture_logs() as lines:
        assert job(made).once().outcome is ReclusterOutcome.PUBLISHED
    assert metric("reclusterings_total", outcome="published") == before + 1
    assert (metric("recluster_faces"), metric("people"), metric("recluster_held")) == (10, 2, 0)
    phases = [line["phase"] for line in lines if line["event"] == "phase"]
    assert phases == [
        *("lease", "snapshot", "cluster", "match", "write", "activate", "drain", "backfill", "announce", "retire")
    ]
    assert all(metric("recluster_phase_seconds", phase=phase) > 0 for phase in phases if phase != "drain")
    active = made.repository.active_generation()
    assert metric("active_generation_created_timestamp_seconds") == active.created_at.timestamp()
    assert (lines[-1]["event"], lines[-1]["generation"], lines[-1]["faces"]) == ("published", 1, 10)


def test_a_skipped_and_a_held_regrouping_are_told_with_their_reasons() -> None:
    made = world()
    job(made).once()
    with capture_logs() as lines:
        assert job(made).once().outcome is ReclusterOutcome.SKIPPED
    assert (lines[-1]["event"], lines[-1]["reason"]) == ("skipped", "no face came or went")
    stricter = CLUSTERING.model_copy(update={"min_cluster_size": 6})
    with capture_logs() as lines:
        replace(job(made), clustering=stricter).once()
    assert (lines[-1]["event"], lines[-1]["log_level"]) == ("held", "error")
    assert metric("recluster_held") == 1
    assert replace(job(made), clustering=stricter).once().outcome is ReclusterOutcome.SKIPPED
    assert metric("recluster_held") == 1, "it is still held back"


class Clock:
    """The clock of the retries. The pauses pass at once; `stop_after` of them the job is told to end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> None:
        self.pauses: list[float] = []
        self._stop_after = stop_after
        monkeypatch.setattr("tenacity.time", SimpleNamespace(monotonic=lambda: sum(self.pauses)))
        monkeypatch.setattr(Job, "_wait", lambda _, seconds: self.wait(seconds))

    def wait(self, seconds: float) -> None:
        if seconds > 0:
            self.pauses.append(seconds)
        if len(self.pauses) == self._stop_after:
            raise Stopped


def away() -> RecordWriter:
    msg = "Kafka is away"
    raise Transient(msg)


def test_a_server_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls, clock = world(), 0, Clock(monkeypatch)

    def writer() -> RecordWriter:
        nonlocal calls
        calls += 1
        if calls == 1:
            return away()
        return MemoryWriter(made.broker, "reclusterer")

    retries = metric("retries_total")
    with capture_logs() as lines:
        assert job(made, writer=writer).once().outcome is ReclusterOutcome.PUBLISHED
    assert metric("retries_total") == retries + 1
    (retry,) = [line for line in lines if line["event"] == "trying again"]
    assert (retry["reason"], retry["attempt"]) == ("Kafka is away", 1)
    assert retry["pause"] == pytest.approx(clock.pauses[0], abs=0.1)
    assert made.known_downstream() == made.members()


def test_a_server_that_stays_away_ends_the_attempt() -> None:
    with pytest.raises(Transient, match="Kafka is away"):
        job(world(), JOB.model_copy(update={"retry_timeout": 0}), away).once()


def test_the_pauses_double_up_to_a_minute_and_differ_between_two_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, other = Clock(monkeypatch, stop_after=8), Clock(monkeypatch, stop_after=8)
    for one in (clock, other):
        monkeypatch.setattr(Job, "_wait", lambda _, seconds, one=one: one.wait(seconds))
        with pytest.raises(Stopped):
            job(world(), JOB.model_copy(update={"retry_timeout": 3600}), away).once()
        for attempt, pause in enumerate(one.pauses, 1):
            assert min(60, 2**attempt) <= pause <= min(60, 2**attempt + 2)
    assert clock.pauses != other.pauses


def test_the_attempts_end_with_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with pytest.raises(Transient, match="Kafka is away"):
        job(world(), JOB.model_copy(update={"retry_timeout": 100}), away).once()
    assert 100 - 60 < sum(clock.pauses) < 100


def test_told_to_end_it_ends_while_it_waits_for_a_server() -> None:
    stop = Event()

    def writer() -> RecordWriter:
        Timer(0.05, stop.set).start()
        return away()

    with pytest.raises(Stopped):
        job(world(), JOB.model_copy(update={"retry_timeout": 3600}), writer, stop).once()


def test_a_job_that_lost_its_lease_before_it_opened_its_writer_tells_nobody_anything() -> None:
    made = world()

    def writer() -> RecordWriter:
        lease = made.repository.lease()
        made.repository.replace_lease(lease, replace(lease, number=lease.number + 1, holder="other"))
        return MemoryWriter(made.broker, "reclusterer")

    with pytest.raises(Fatal, match="the lease went to other"):
        job(made, writer=writer).once()
    assert made.repository.active_generation() is None
    assert made.assigned_events() == []


def test_told_to_end_it_ends_between_two_phases_and_lets_the_lease_go() -> None:
    made, stop = world(), Event()

    def writer() -> RecordWriter:
        stop.set()
        return MemoryWriter(made.broker, "reclusterer")

    with pytest.raises(Stopped):
        job(made, writer=writer, stop=stop).once()
    assert made.repository.lease().holder is None
    assert job(made).once().outcome is ReclusterOutcome.PUBLISHED


def test_a_job_on_a_schedule_does_nothing_while_the_generation_is_young() -> None:
    made, stop = world(), Event()
    job(made).once()
    add_photos(made.repository, _FACES[:1], ["9999"], 1)
    stop.set()
    waiting = job(made, stop=stop)
    with pytest.raises(Stopped):
        waiting.every(timedelta(days=7))
    assert made.repository.next_generation_number() == 2
    assert waiting.health.ready


def test_a_job_on_a_schedule_regroups_when_the_generation_is_old() -> None:
    made, stop = world(), Event()
    done = job(made).once()
    assert done.generation
    made.repository.save_generation(replace(done.generation, created_at=datetime.now(UTC) - timedelta(days=8)))
    add_photos(made.repository, _FACES[:1], ["9999"], 1)

    def writer() -> RecordWriter:
        class Stopping(MemoryWriter):
            def write_if(self, *arguments: object) -> bool:
                stop.set()
                return super().write_if(*arguments)  # type: ignore[arg-type]

        return Stopping(made.broker, "reclusterer")

    with pytest.raises(Stopped):
        job(made, writer=writer, stop=stop).every(timedelta(days=7))
    active = made.repository.active_generation()
    assert active
    assert active.number == 2


@pytest.mark.parametrize(("text", "seconds"), [("7d", 604_800), ("12h", 43_200), ("30m", 1_800), ("45s", 45)])
def test_a_period_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert period_of(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "-1d", "1.5h", "7 d", "7w"])
def test_another_text_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="such as 7d"):
        period_of(text)
