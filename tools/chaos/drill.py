"""A drill: the whole stream runs while faults happen, and the cost of each fault is measured."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random

from cli.reconciler.reconciler import Reconciler
from shared.adapters.kafka.settings import KafkaSettings
from shared.adapters.kafka.writer import KafkaWriter
from shared.adapters.minio.store import MinioStore
from shared.domain.events import Outcome
from shared.errors import Transient
from shared.photos.photo_rule import PhotoRule
from tools.chaos.feed import Feed, sample_folder
from tools.chaos.reference import MIN_CLUSTER_SIZE, Reference, people_of
from tools.chaos.supervisor import Exit, Supervisor
from tools.chaos.witness import Witness
from tools.pipeline import Pipeline
from tools.samples import ROOT
from tools.stack.minio import settings_of
from tools.stack.stack import new_stack

INSTANCES = {"detector": 2, "quality": 1, "embedder": 1, "assigner": 2}
SPECIAL = "special/"
LARGEST = 1_000_000  # bytes of a photograph that the detectors read; the samples have less
_FIRST = 30  # photographs before the first reclustering
_PACE = 0.1  # seconds between two uploads
_RECONCILE_AFTER = 8.0  # seconds without a new record, after which the drill reconciles
_GRACE = timedelta(seconds=5)
_LARGEST_LOSS = 0.2  # share of the known photographs that one reconciliation may announce as removed
_TIMEOUT = 240.0  # seconds after a fault; a photograph without an outcome by then is lost


@dataclass
class Cost:
    """The cost of one kind of fault.

    `times`: how often it happened. `lost`: photographs without an outcome. `repeated`: events published too often.
    `reconciled`: photographs that only the reconciliation announced. `recovered`: for each fault, seconds from its end
    until every photograph had its outcome. `exits`: processes that ended by themselves.
    """

    times: int = 0
    lost: int = 0
    repeated: int = 0
    reconciled: int = 0
    recovered: list[float] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)


class Drill:
    """The running stream and its witness. `new_drill` makes it."""

    def __init__(self, pipeline: Pipeline, witness: Witness, folder: Path, photographs: int, seed: int) -> None:
        self.pipeline = pipeline
        self.witness = witness
        self.supervisor = Supervisor(pipeline)
        self.store = MinioStore(settings_of(pipeline.stack.minio).model_copy(update={"timeout": 5.0}))
        self.feed = Feed(self.store, _PACE)
        self.chance = Random(seed)  # noqa: S311  faults, no secrets
        self.costs: defaultdict[str, Cost] = defaultdict(Cost)
        self._photos = folder / "photos"
        files = sample_folder(self._photos, photographs)
        self._first, self._left = files[:_FIRST], files[_FIRST:]
        self.reference = Reference(self._photos, files, _FIRST, folder / "reference")
        self.hiding: set[str] = set()
        self._repeated = 0
        self._special = 0

    def begin(self) -> None:
        """Start the services, process the first photographs, and recluster their faces."""
        for service, count in INSTANCES.items():
            for number in range(count):
                self.pipeline.launch(service, number)
        self.supervisor.wait_until_ready()
        self.feed.put_files(self._photos, self._first)
        self.wait_for_outcomes("the first photographs")
        with self.pipeline.repository() as repository:
            self.pipeline.recluster(MIN_CLUSTER_SIZE)
            assert set(people_of(repository).values()) - {None}

    def stream(self, count: int) -> None:
        """Upload the next `count` photographs in the background."""
        self.feed.put_files(self._photos, self._left[:count])
        del self._left[:count]

    def new_key(self, kind: str) -> str:
        """Return a new key for a photograph that only the stream gets, and the reference does not."""
        self._special += 1
        return f"{SPECIAL}{kind}-{self._special}"

    def is_special(self, key: str) -> bool:
        """Return whether only the stream has a photograph, and the reference does not."""
        return key.startswith(SPECIAL) or key in self.hiding

    def retries(self, service: str) -> int:
        """Count how often the processes of a service have logged that they try again."""
        names = (name for name in self.pipeline.processes if name.startswith(service))
        return sum(line["event"] == "trying again" for name in names for line in self.pipeline.log(name))

    def metric(self, service: str, series: str) -> float:
        """Return the sum of a metric over the processes of a service. `series`: its name with labels, as exported."""
        names = (name for name in self.pipeline.processes if name.startswith(service))
        lines = (line for name in names for line in self.pipeline.ask(name, "/metrics")[1].splitlines())
        return sum(float(line.removeprefix(f"{series} ")) for line in lines if line.startswith(f"{series} "))

    def stream_all(self) -> None:
        """Upload all remaining photographs in the background."""
        self.stream(len(self._left))

    @contextmanager
    def fault(self, kind: str, times: int = 1) -> Iterator[Cost]:
        """Measure the cost of a fault that happens within the block, and wait until the stream has recovered."""
        cost = self.costs[kind]
        before = len(self.supervisor.exits)
        yield cost
        ended = time.monotonic()
        cost.lost += len(self.wait_for_outcomes(kind, cost))
        cost.recovered.append(time.monotonic() - ended)
        cost.times += times
        cost.repeated += self.new_repetitions()
        cost.exits += self.supervisor.exits[before:]

    def outstanding(self) -> list[str]:
        """Return the keys of objects whose published outcome is missing or belongs to an older content."""
        published = self.witness.outcomes()
        return [
            key
            for key, etag in tuple(self.feed.wanted.items())
            if key not in published
            or (published[key].outcome is not Outcome.REMOVED if etag is None else published[key].photo.etag != etag)
        ]

    def wait_for_outcomes(self, what: str, cost: Cost | None = None) -> list[str]:
        """Wait until nothing is outstanding, or the timeout is over; return the keys that are still outstanding.

        While the broker is down, the object store sends no notifications. As in a deployment, a reconciliation
        announces what is missing: here once all processes are ready and no new record comes.
        """
        until, quiet_since, read, left = time.monotonic() + _TIMEOUT, time.monotonic(), -1, [""]
        while (not self.feed.idle or left) and time.monotonic() < until:
            self.supervisor.sleep(0.2)
            left = self.outstanding()
            if read != self.witness.read() or not self.feed.idle:
                quiet_since, read = time.monotonic(), self.witness.read()
            elif cost and time.monotonic() > quiet_since + _RECONCILE_AFTER and self.supervisor.all_ready():
                cost.reconciled += self.reconcile()
                quiet_since = time.monotonic()
        assert self.feed.idle, f"{what}: uploads to the object store have not ended within {_TIMEOUT:g} s"
        return left

    def reconcile(self) -> int:
        """Announce objects without an outcome, as the scheduled job does; return how many."""
        kafka = KafkaSettings(bootstrap_servers=self.pipeline.stack.kafka.bootstrap_servers)
        try:
            with self.pipeline.repository() as repository:
                summary = Reconciler(
                    objects=self.store,
                    repository=repository,
                    bucket="photos",
                    writer=KafkaWriter(kafka, "reconcile"),
                    rule=PhotoRule(),
                    grace=_GRACE,
                    largest_loss=_LARGEST_LOSS,
                ).run()
        except Transient:
            return 0  # the next reconciliation announces them
        return summary.without_outcome + summary.gone

    def new_repetitions(self) -> int:
        """Return how many events were published too often since the last call."""
        before, self._repeated = self._repeated, sum(it.times_too_many for it in self.witness.repeated())
        return self._repeated - before


@contextmanager
def new_drill(folder: Path, photographs: int, seed: int, session_timeout: float = 6.0) -> Iterator[Drill]:
    """Start servers and services, and stop them at the end of the block."""
    with ExitStack() as stack:
        servers = new_stack(folder / "stack")
        servers.kafka.session_timeout = session_timeout
        servers.start()
        stack.callback(servers.stop)
        modules = [ROOT, ROOT / "tools" / "chaos" / "hostile"]
        pipeline = Pipeline(servers, folder, {"FACESTREAM_DETECTOR_MAX_BYTES": f"{LARGEST}"}, modules=modules)
        pipeline.create_topics()
        with pipeline.repository() as repository:
            repository.create_indexes()
        stack.callback(_stop, pipeline)
        witness = stack.enter_context(Witness(servers.kafka))
        drill = Drill(pipeline, witness, folder, photographs, seed)
        drill.begin()
        yield drill


def _stop(pipeline: Pipeline) -> None:
    for process in pipeline.processes.values():
        process.stop()
