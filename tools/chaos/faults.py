"""The faults. Each happens while photographs stream in, and ends when every photograph has its outcome."""

import hashlib
import json
import signal
import time
from collections import Counter
from datetime import UTC, datetime

from confluent_kafka import Producer
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from shared.adapters.kafka.backlog import longest_wait
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.domain.events import Outcome
from shared.domain.topics import FACES_DETECTED, FACES_EMBEDDED, FACES_SCREENED, IMAGES_UPLOADED
from shared.metrics import Drop
from shared.ports.objects import ObjectInfo
from shared.stream import notification_records as notifications
from tools.chaos.drill import INSTANCES, LARGEST, Drill
from tools.chaos.reference import people_of
from tools.golden_events import event_bytes
from tools.samples import PEOPLE, sample_photos

# The embedder takes 10 s to start, most of it for TensorFlow, so it is killed less often.
_WEIGHTS = {"detector-0": 3, "detector-1": 3, "quality-0": 4, "embedder-0": 1, "assigner-0": 3, "assigner-1": 3}
_STORM = 5  # processes killed at most before the stream may recover
_OTHER_BUCKETS = ("payroll", "Not A Name", "faces")
_TOO_SMALL = 1024  # bytes; less than one crop


def killed(drill: Drill, times: int) -> None:
    """Kill random processes at random moments, several before the stream recovers; also processes that just start."""
    left = times
    while left:
        storm = min(left, drill.chance.randint(1, _STORM))
        with drill.fault("a process killed (SIGKILL)", storm):
            for _ in range(storm):
                drill.stream(2)
                drill.supervisor.sleep(drill.chance.uniform(0, 1.5))
                (name,) = drill.chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
                drill.supervisor.kill(name)
        left -= storm


def deadly_photograph(drill: Drill) -> None:
    """Upload a photograph that gets every process of a detector killed, as in a container without enough memory.

    The decoder in `tools/chaos/hostile` kills them. A detector that starts again reads the photograph again.
    """
    with drill.fault("a container killed at one photograph"):
        before = len(drill.supervisor.exits)
        key = drill.new_key("deadly")
        drill.stream(4)
        drill.feed.put(key, b"KILLALL!")
        drill.stream(4)
        drill.supervisor.wait(lambda: key in drill.witness.outcomes(), "the outcome of the deadly photograph")
        killed = drill.supervisor.exits[before:]
        assert {(it.name.partition("-")[0], it.status) for it in killed} == {("detector", -signal.SIGKILL)}
        # These exits are the fault itself, and not its cost.
        del drill.supervisor.exits[before:]
        drill.supervisor.kills["detector"] += len(killed)
    outcome = drill.witness.outcomes()[key]
    assert (outcome.outcome, outcome.passing) == (Outcome.UNREADABLE, False)
    assert "without an error while it worked on this record alone" in (outcome.reason or "")


def stopped(drill: Drill) -> dict[str, float]:
    """Stop every process with SIGTERM, one after the other, as a rolling restart does; return the seconds of each."""
    seconds = {}
    for service, count in INSTANCES.items():
        for number in range(count):
            name = f"{service}-{number}"
            with drill.fault("a process stopped (SIGTERM)"):
                drill.stream(2)
                drill.supervisor.wait(lambda name=name: drill.pipeline.is_ready(name), name)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                began = time.monotonic()
                drill.pipeline.processes[name].stop()
                seconds[name] = time.monotonic() - began
                assert drill.supervisor.last_log_line(name) == "stopped"
                drill.supervisor.start(name)
    return seconds


def broker_restarted(drill: Drill) -> None:
    """Stop the broker with SIGTERM and start it again."""
    with drill.fault("the broker restarted"):
        drill.stream(4)
        drill.supervisor.sleep(drill.chance.uniform(0, 1))
        drill.pipeline.stack.kafka.restart()


def away(drill: Drill, server: str, seconds: float) -> None:
    """Kill a server, and start it again after `seconds`."""
    with drill.fault(f"{seconds:g} s without {server}"):
        drill.stream(4)
        drill.supervisor.sleep(drill.chance.uniform(0, 1))
        victim = drill.pipeline.stack.servers[server]
        victim.kill()
        drill.stream(4)
        drill.supervisor.sleep(seconds)
        victim.start()


def hanging(drill: Drill, server: str, seconds: float) -> None:
    """Freeze a server for `seconds`, with its connections open."""
    with drill.fault(f"{server} hanging for {seconds:g} s"):
        drill.stream(4)
        drill.supervisor.sleep(drill.chance.uniform(0, 1))
        victim = drill.pipeline.stack.servers[server]
        victim.freeze()
        drill.stream(4)
        drill.supervisor.sleep(seconds)
        victim.thaw()


def fenced(drill: Drill) -> None:
    """Start a second assigner under the same name.

    It fences the older one, which ends. The supervisor starts that again, and it fences the second one.
    """
    with drill.fault("one name, two processes"):
        drill.stream(4)
        before = len(drill.supervisor.exits)
        other = drill.pipeline.launch("assigner", 0, "assigner-0-again")
        twin = drill.pipeline.processes.pop(other)  # the supervisor does not start it again
        drill.supervisor.wait(lambda: drill.pipeline.is_ready(other) or not twin.running(), other)
        # An assigner finds out that it is fenced when it commits.
        while twin.running():
            drill.stream(1)
            drill.supervisor.sleep(0.5)
        assert twin.exit_status() == 1
        ended = [it for it in drill.supervisor.exits[before:] if it.name == "assigner-0"]
        assert [it.status for it in ended] == [1], [*map(str, ended), twin.log()[-3000:]]


def frozen(drill: Drill, name: str, session_timeout: float) -> None:
    """Freeze a process for twice its session timeout: others take its partitions over, then it continues."""
    with drill.fault(f"{name.partition('-')[0]} frozen past its session"):
        drill.stream(4)
        drill.supervisor.sleep(drill.chance.uniform(0, 0.5))
        drill.pipeline.processes[name].freeze()
        drill.stream(4)
        drill.supervisor.sleep(2 * session_timeout)
        drill.pipeline.processes[name].thaw()


def poisoned(drill: Drill) -> None:
    """Write records that no service can decode into every topic that a service reads."""
    poison: dict[str, list[bytes | None]] = {
        IMAGES_UPLOADED.name: [b"\x00\xff", None, b'{"Records": [{"eventName": "s3:ObjectCreated:Put"}]}'],
        FACES_DETECTED.name: [b"[]", None],
        FACES_SCREENED.name: [b"{}", None],
        FACES_EMBEDDED.name: [b"null", None, _of_wrong_size(drill)],
    }
    with drill.fault("a poison message in every topic"):
        drill.stream(4)
        before = len(drill.witness.letters())
        producer = Producer(drill.pipeline.stack.kafka.client_settings)
        for topic, values in poison.items():
            for value in values:
                producer.produce(topic, value, b"poison")
        assert producer.flush(30) == 0
        count = sum(map(len, poison.values()))
        drill.supervisor.wait(lambda: len(drill.witness.letters()) >= before + count, "the dead letters")
        letters = [letter.headers["dead_letter_topic"].decode() for letter in drill.witness.letters()[before:]]
        assert sorted(letters) == sorted(topic for topic, values in poison.items() for _ in values)


def misleading_notifications(drill: Drill) -> None:
    """Write valid notifications of other buckets, and one of a photograph above the size limit with a wrong size."""
    now, series = datetime.now(UTC), f'facestream_dropped_total{{reason="{Drop.OTHER_BUCKET}"}}'
    written = [notifications.uploaded(name, ObjectInfo("a.jpg", 10, now, "0" * 32)).value for name in _OTHER_BUCKETS]
    removed = [(value or b"").replace(b"ObjectCreated:Put", b"ObjectRemoved:DeleteMarkerCreated") for value in written]
    large = bytes(LARGEST + 1)
    with drill.fault("notifications of other buckets, and with a wrong size"):
        drill.supervisor.wait_until_ready()
        drill.stream(4)
        before = drill.metric("detector", series)
        producer = Producer(drill.pipeline.stack.kafka.client_settings)
        for value in [*written, *removed]:
            producer.produce(IMAGES_UPLOADED.name, value, b"misled")
        key = drill.new_key("large")
        drill.feed.put(key, large)
        drill.supervisor.wait(lambda: drill.feed.idle, "the large photograph")
        etag = hashlib.md5(large, usedforsecurity=False).hexdigest()
        wrong = notifications.uploaded("photos", ObjectInfo(key, 10, now, etag))
        producer.produce(IMAGES_UPLOADED.name, wrong.value, wrong.key)
        assert producer.flush(30) == 0
        drill.supervisor.wait(lambda: len(drill.witness.detected(key)) == 2, "both events of the large photograph")
        wanted = before + len(written) + len(removed)
        drill.supervisor.wait(lambda: drill.metric("detector", series) == wanted, "dropped notifications")
        for event in drill.witness.detected(key):
            assert (event.outcome, event.passing, event.photo.size) == (Outcome.UNREADABLE, False, len(large))


def _of_wrong_size(drill: Drill) -> bytes:
    """Return a valid event, except that its vector has not the dimensions of its model."""
    with drill.pipeline.repository() as repository:
        active = repository.active_generation()
        assert active
    event = json.loads(event_bytes("FacesEmbedded.one-blurry"))
    for face in event["faces"]:
        if face["vector"]:
            face["model_id"] = active.model_id
    return json.dumps(event).encode()


def removed_before_it_was_read(drill: Drill) -> None:
    """Remove a photograph after its notification is written and before a detector reads it."""
    detectors = [process for name, process in drill.pipeline.processes.items() if name.startswith("detector")]
    with drill.fault("an object removed before it was read"):
        for process in detectors:
            process.freeze()
        key = drill.new_key("removed")
        drill.feed.put(key, sample_photos(PEOPLE[0])[0].read_bytes())
        drill.feed.remove(key)
        drill.supervisor.wait(lambda: drill.feed.idle, "the removal")
        for process in detectors:
            process.thaw()


def folder_hidden(drill: Drill) -> None:
    """Put an object named like a folder, which hides the folder from listings; reconcile, and remove it again."""
    with drill.fault("an object hides a folder from listings") as cost:
        drill.supervisor.wait_until_ready()
        drill.stream(4)
        drill.supervisor.wait(lambda: drill.feed.idle and not drill.outstanding(), "the outcomes of all photographs")
        with drill.pipeline.repository() as repository:
            before = people_of(repository)
            folder = Counter(key.partition("/")[0] for key in drill.feed.wanted).most_common(1)[0][0]
            drill.hiding.add(folder)
            drill.feed.put(folder, sample_photos(PEOPLE[0])[0].read_bytes())
            drill.supervisor.wait(lambda: drill.feed.idle and not drill.outstanding(), "the outcome of the object")
            assert {info.key for info in drill.store.list("photos", folder)} == {folder}
            cost.reconciled += drill.reconcile()
            # A reconciler that trusts the listing would announce removals; the assigner checks each of them.
            gone = [image for image in repository.images() if image.key.startswith(f"{folder}/")]
            now = datetime.now(UTC)
            kafka = KafkaSettings(bootstrap_servers=drill.pipeline.stack.kafka.bootstrap_servers)
            KafkaWriter(kafka, "reconcile").write([notifications.removed(image, now) for image in gone])
            drill.supervisor.wait(lambda: longest_wait(kafka) is None, "the end of the backlog")
            drill.feed.remove(folder)
            drill.supervisor.wait(lambda: drill.feed.idle and not drill.outstanding(), "the removal")
            cost.reconciled += drill.reconcile()
            after = people_of(repository)
        assert before.items() <= after.items()


def crop_missing(drill: Drill, service: str) -> None:
    """Remove the crop of a face before a service reads it."""
    topic = {"quality": FACES_DETECTED, "embedder": FACES_SCREENED}[service]
    process = drill.pipeline.processes[f"{service}-0"]
    with drill.fault(f"a crop missing for the {service}"):
        drill.supervisor.wait_until_ready()
        key = drill.new_key("crop")
        process.freeze()
        drill.feed.put(key, sample_photos(PEOPLE[0])[0].read_bytes())
        found: list[str] = []
        while not found:
            drill.supervisor.sleep(0.1)
            found = drill.witness.crops(topic, key)
        drill.store.remove("faces", found)
        process.thaw()
    assert drill.witness.outcomes()[key].rejected == len(found)


def store_full(drill: Drill) -> None:
    """Leave no room for crops by a quota on their bucket, which needs no rights on this machine, unlike a full disk."""
    minio = drill.pipeline.stack.minio
    admin = MinioAdmin(
        endpoint=minio.endpoint, credentials=StaticProvider(minio.access_key, minio.secret_key), secure=False
    )
    with drill.fault("the object store full"):
        admin.bucket_quota_set("faces", _TOO_SMALL)
        before = drill.retries("detector")
        drill.stream(4)
        drill.supervisor.wait(lambda: drill.retries("detector") > before, "another attempt of a detector")
        admin.bucket_quota_clear("faces")
