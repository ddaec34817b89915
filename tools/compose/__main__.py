"""Test docker-compose.yml on a container engine, from the build to the end: `python -m tools.compose`.

Prints the seconds of each step. The project has a name and volumes of its own, which are removed at the end. Ports
9000, 9001 and 9092 must be free.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from shared.access.rights import RIGHTS
from shared.domain.events import FaceAssigned, ImageProcessed
from shared.domain.topics import CLUSTERS_CHANGED, FACES_ASSIGNED, FACES_DETECTED, FACES_SCREENED, IMAGES_PROCESSED
from tools.compose.engine import ROOT, Compose, files, missing
from tools.samples import SAMPLES

_TIMEOUT = 300.0  # seconds that a step may wait
_EVENT_TOPICS = (FACES_DETECTED.name, FACES_SCREENED.name, FACES_ASSIGNED.name, IMAGES_PROCESSED.name)
_KAFKA = "localhost:9092"
_DECODERS = ("detector", "quality", "embedder")
_LOGINS = ("KAFKA_PASSWORD", "KAFKA_USERNAME", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")
_NOBODY = {"sasl.username": "nobody", "sasl.password": "nothing"}
_REACHED = """
import socket
def reached(address):
    try:
        socket.create_connection(address, 3).close()
    except ConnectionRefusedError:  # the host is reached; nobody listens
        return True
    except OSError:
        return False
    return True
print([reached(address) for address in {addresses}])
"""
_FILES = """
import pathlib
root = pathlib.Path("/secrets")
print(*sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()), sep="\\n")
"""
_SERVICES = ("detector", "quality", "embedder", "assigner", "reclusterer")


@dataclass(frozen=True, slots=True)
class Outside:
    """A client of the published port of Kafka, with the login of a user."""

    user: str
    password: str = field(repr=False)

    def consumer(self) -> Consumer:
        """Return a consumer that reads committed records."""
        login = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": f"facestream-{self.user}",
            "sasl.password": self.password,
            "group.id": "downstream.test" if self.user == "reader" else "facestream.reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
        return Consumer({"bootstrap.servers": _KAFKA, **login})

    def records(self, topic: str) -> list[Message]:
        """Return all committed records of a topic."""
        consumer = self.consumer()
        try:
            partitions = consumer.list_topics(topic, 20).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
            found: list[Message] = []
            ended = 0
            while ended < len(partitions):
                for message in consumer.consume(500, 1):
                    if message.error():
                        ended += 1
                    else:
                        found.append(message)
            return found
        finally:
            consumer.close()

    def committed(self, topic: str) -> dict[str, bytes | None]:
        """Return the last committed value of each key, None for a tombstone."""
        return {(message.key() or b"").decode(): message.value() for message in self.records(topic)}

    def events(self, topic: str) -> list[str]:
        """Return the `ce_id` of every committed event."""
        headers = [dict(message.headers() or ()) for message in self.records(topic)]
        return [str(header["ce_id"]) for header in headers]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait until `holds` returns True; AssertionError after five minutes."""
    deadline = time.monotonic() + _TIMEOUT
    while not holds():
        if time.monotonic() > deadline:
            msg = f"{what}: did not come within {_TIMEOUT:g} s"
            raise AssertionError(msg)
        time.sleep(0.5)


class Drill:
    """The system under test, and the photographs that are uploaded to it."""

    def __init__(self, compose: Compose, folder: Path, photographs: Iterator[Path]) -> None:
        self.compose = compose
        self.folder = folder
        self.photographs = photographs
        self.uploaded = 0
        self.kafka = Outside("cli", compose.password("cli"))

    def upload(self, count: int, name: str) -> str:
        """Upload `count` photographs and wait until each has its outcome."""
        folder = self.folder / name
        for photograph, _ in zip(self.photographs, range(count), strict=False):
            target = folder / photograph.parent.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(photograph, target)
        self.compose.in_cli(["ingest", "/photographs"], folder)
        self.uploaded += count
        return self.outcomes()

    def outcomes(self) -> str:
        """Wait for the outcome of every photograph, and check that each accepted face has one event."""
        wait_until(
            lambda: len(self.kafka.committed(IMAGES_PROCESSED.name)) >= self.uploaded,
            f"{self.uploaded} photographs with outcome",
        )
        processed = [
            ImageProcessed.model_validate_json(value)
            for value in self.kafka.committed(IMAGES_PROCESSED.name).values()
            if value is not None
        ]
        assert len(processed) == self.uploaded
        faces = self.kafka.committed(FACES_ASSIGNED.name)
        accepted = sum(event.assigned + event.unknown for event in processed)
        assert len(faces) == accepted, f"expected an event for each of {accepted} faces, found {len(faces)}"
        return f"{self.uploaded} photographs with one outcome each, {len(faces)} faces with one event each"

    def killed(self) -> str:
        """Kill the quality service, and wait until the engine has restarted it."""
        (container,) = self.compose.containers("quality")
        before = self.compose.state(container, "{{.State.Pid}}")
        self.compose.kill_process(container)
        wait_until(lambda: self.compose.state(container, "{{.State.Pid}}") not in {before, "0"}, "a restart")
        return f"restarted {self.compose.state(container, '{{.RestartCount}}')} time by its policy"

    def scaled(self) -> str:
        """Start a second detector."""
        self.compose("up", "--detach", "--no-recreate", "--wait", "--scale", "detector=2")
        assert len(self.compose.containers("detector")) == 2
        return "two detectors, both healthy"

    def rolled(self) -> str:
        """Restart every service, and scale to three detectors and back to one, while photographs stream in."""
        with ThreadPoolExecutor(1) as thread:
            uploading = thread.submit(self.upload, 30, "under load")
            for service in ("detector", "quality", "embedder", "assigner"):
                self.compose("restart", service)
            for count in (3, 1):
                self.compose("up", "--detach", "--no-recreate", "--scale", f"detector={count}")
            outcome = uploading.result()
        events = {name: self.kafka.events(name) for name in _EVENT_TOPICS}
        for name, of_topic in events.items():
            assert len(of_topic) == len(set(of_topic)), f"{name}: an event was published twice"
        return f"{outcome}; {sum(map(len, events.values()))} events in four topics, none twice"

    def reclustered(self) -> str:
        """Run the reclusterer once, and check that every person is in `clusters.changed`."""
        self.compose.in_cli(
            ["-m", "services.reclusterer", "--once"], None, "python", FACESTREAM_RECLUSTERER_MIN_CLUSTER_SIZE="5"
        )
        faces = [
            FaceAssigned.model_validate_json(value)
            for value in self.kafka.committed(FACES_ASSIGNED.name).values()
            if value
        ]
        people = {face.cluster_id for face in faces if face.cluster_id}
        changed = self.kafka.committed(CLUSTERS_CHANGED.name)
        assert people, "expected people"
        assert people <= set(changed)
        return f"{len(people)} people, {len(changed)} in clusters.changed"

    def restarted(self) -> str:
        """Remove all containers and create them again; check that no event was lost or published again."""
        before = {name: self.kafka.committed(name) for name in (IMAGES_PROCESSED.name, FACES_ASSIGNED.name)}
        self.compose("down")
        self.compose("up", "--detach", "--wait")
        after = {name: self.kafka.committed(name) for name in before}
        assert after == before
        return "containers removed and created again: no event lost or published again"


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Print the seconds of the block, its title, and the texts given to the yielded function."""
    started = time.monotonic()
    seen: list[str] = []
    yield seen.append
    sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {title:34} {'; '.join(seen)}\n")
    sys.stdout.flush()


def users_of(compose: Compose) -> str:
    """Check that the services run healthy, as an unprivileged user and on a read-only root."""
    for service in _SERVICES:
        for container in compose.containers(service):
            assert compose.state(container, "{{.Config.User}}") == "10001:10001"
            assert compose.state(container, "{{.HostConfig.ReadonlyRootfs}}") == "true"
            assert compose.state(container, "{{.State.Health.Status}}") == "healthy"
    return "five services healthy, as user 10001, on a read-only root"


def apart(compose: Compose) -> str:
    """Check from inside the decoding services which servers they reach and which secrets they can read."""
    mongo, minio = compose.containers("mongo") + compose.containers("minio")
    forbidden = [("mongo", 27017), *((address, 27017) for address in compose.addresses(mongo))]
    assert not compose.is_inside(minio), "expected MinIO on a network whose ports are published"
    for service in _DECODERS:
        (container,) = compose.containers(service)
        assert compose.is_inside(container), f"{service}: reaches networks outside"
        seen = compose.inside(container, _REACHED.format(addresses=[("kafka", 19092), ("minio", 9000), *forbidden]))
        assert seen == "[True, True" + ", False" * len(forbidden) + "]", f"{service}: {seen} of {forbidden}"
        files = compose.inside(container, _FILES).split()
        assert files == [f"facestream/FACESTREAM_{name}" for name in _LOGINS], f"{service}: {files}"
    (assigner,) = compose.containers("assigner")
    assert compose.inside(assigner, _REACHED.format(addresses=[("mongo", 27017)])) == "[True]"
    return "decoding services reach neither MongoDB nor the internet, and read only their own secrets"


def closed() -> str:
    """Check that Kafka's published port refuses clients without a login and with a wrong one."""
    for login in ({}, {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", **_NOBODY}):
        consumer = Consumer({"bootstrap.servers": _KAFKA, "group.id": "any", "log_level": 0, **login})
        try:
            consumer.list_topics(timeout=5)
        except KafkaException:
            continue
        finally:
            consumer.close()
        msg = "Kafka's published port answers a client that has not logged in"
        raise AssertionError(msg)
    return "Kafka refuses clients that have not logged in"


def readable(compose: Compose) -> str:
    """Check that the user `reader` sees the topics of events and no others."""
    consumer = Outside("reader", compose.password("reader")).consumer()
    try:
        topics = consumer.list_topics(timeout=20).topics
    finally:
        consumer.close()
    allowed = {right.name for right in RIGHTS["reader"].kafka if right.resource == "topic"}
    assert set(topics) == allowed, sorted(topics)
    return f"a reader sees only the topics of events: {', '.join(sorted(allowed))}"


def main() -> None:
    """Run all steps; at an error print the logs of the containers."""
    if lacking := missing():
        sys.exit(lacking)
    photographs = iter(sorted(SAMPLES.rglob("*.jpg"), key=lambda path: (path.name, path.parent.name)))
    compose = Compose(f"facestream-test-{uuid4().hex[:6]}", files())
    sys.stdout.write(f"{', '.join(compose.files)}\n")
    # Inside the checkout: an engine in a virtual machine sees that, but not every folder for temporary files.
    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as scratch:
        try:
            with step("build") as see:
                compose("build", "detector")
                see(f"image of {int(compose.state('facestream:cpu', '{{.Size}}')) / 1e9:.2f} GB")
            with step("up --detach --wait") as see:
                compose("up", "--detach", "--wait")
                see(users_of(compose))
            with step("access") as see:
                see(apart(compose))
                see(closed())
                see(readable(compose))
            drill = Drill(compose, Path(scratch), photographs)
            with step("40 photographs") as see:
                see(drill.upload(40, "first"))
            with step("kill -9 of the quality service") as see:
                see(drill.killed())
            with step("10 more photographs") as see:
                see(drill.upload(10, "second"))
            with step("up --scale detector=2") as see:
                see(drill.scaled())
            with step("20 more photographs") as see:
                see(drill.upload(20, "third"))
            with step("30 more, restarts, 1-3-1 detectors") as see:
                see(drill.rolled())
            with step("a reclustering") as see:
                see(drill.reclustered())
            with step("down, and up again") as see:
                see(drill.restarted())
            with step("5 more photographs") as see:
                see(drill.upload(5, "fourth"))
        except BaseException:
            sys.stderr.write(compose("logs", "--tail", "15", check=False))
            raise
        finally:
            with step("down --volumes"):
                compose("down", "--volumes", "--remove-orphans", "--timeout", "30", check=False)


if __name__ == "__main__":
    main()
