"""Speed of the assigner with 10,000 people, exactly once on real servers, and of each of its parts alone."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from bench.servers import Ran, fill, kafka_with_topics, not_there, quiet, run_until
from bench.synthetic import long_tail
from bench.tables import Table
from services.assigner.processor import AssignerProcessor
from shared.adapters.memory.objects import MemoryObjectStore
from shared.adapters.memory.repository import MemoryRepository
from shared.adapters.mongo.repository import MongoRepository
from shared.adapters.mongo.settings import MongoSettings
from shared.domain.matching import AssignerSettings
from shared.domain.records import FaceRecord, ImageRecord, Membership
from shared.domain.topics import FACES_ASSIGNED, FACES_EMBEDDED, IMAGES_PROCESSED
from shared.domain.vector_search import NearestRows
from shared.ports.repository import FaceRepository
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.settings import BucketSettings
from shared.stream.cloudevents import EventEncoder
from shared.stream.processor import BaseProcessor
from shared.stream.worker import WorkerSettings
from tools.stack import KafkaServer, Missing, MongoServer, new_run
from tools.synthetic_events import activate_clusters, embedded_photos

_TITLE = "assigner: exactly once with 10,000 people"
_PEOPLE = 10_000
_PHOTOS = 16_000
_PHOTOS_MONGO = 4_000
_ROUNDS = 3
_BATCH = WorkerSettings(batch=1000)  # the service's own
_CANDIDATES = 3  # people that the assigner looks up for each face


def measure() -> Table:
    """Fill `faces.embedded`, and run the assigner and then its parts over it, for several rounds."""
    try:
        with new_run() as folder, kafka_with_topics(folder) as kafka, quiet():
            return _measured(kafka, folder)
    except Missing as missing:
        return not_there(_TITLE, missing)


class _Recorded(MemoryRepository):
    """Records every call that saves something."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[tuple[str, Sequence[ImageRecord] | Sequence[FaceRecord] | Sequence[Membership]]] = []

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        self.saved.append(("save_images", images))
        super().save_images(images)

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        self.saved.append(("save_faces", faces))
        super().save_faces(faces)

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        self.saved.append(("save_memberships", memberships))
        super().save_memberships(memberships)

    def save_again(self, repository: FaceRepository) -> None:
        """Repeat the recorded calls on another repository."""
        for call, records in self.saved:
            getattr(repository, call)(records)


class _Whole(NamedTuple):
    """One run of the assigner: accepted faces, seconds, and its output records by object id."""

    faces: int
    seconds: float
    produced: dict[bytes, list[ProducedRecord]]

    @property
    def rate(self) -> float:
        return self.faces / self.seconds


def _measured(kafka: KafkaServer, folder: Path) -> Table:
    medoids, _ = long_tail(_PEOPLE)
    trace = {"traceparent": b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    fill(
        kafka,
        (
            EventEncoder("embedder", event.photo.uploaded_at, trace).photo_record(FACES_EMBEDDED, event)
            for event in embedded_photos(_PHOTOS, medoids)
        ),
    )
    rates: dict[str, list[float]] = {}

    def note(name: str, faces: int, seconds: float) -> None:
        rates.setdefault(name, []).append(faces / seconds)

    for number in range(_ROUNDS):
        recorded = _Recorded()
        activate_clusters(recorded, medoids)
        whole = _assigner(kafka, f"memory{number}", recorded, _PHOTOS)
        note("memory", whole.faces, whole.seconds)
        note("search", whole.faces, _search(medoids, recorded))
        note("copy", whole.faces, _copy(kafka, f"copy{number}", whole, _PHOTOS).seconds)
        note("upserts", whole.faces, _upserts(MemoryRepository(), recorded))
    notes = [
        f"{_PHOTOS:,} photographs with {whole.faces:,} accepted faces, 1 to 4 on each",
        f"batches of {_BATCH.batch} photographs; medians of {_ROUNDS} rounds",
        "copy: the loop of a service that reads the same records and writes the same output, without the work",
        "share: rate of the assigner in percent of the rate of its slowest part alone",
    ]
    try:
        server = MongoServer(folder / "mongo").start()
    except Missing as missing:
        notes.append(f"MongoDB's protocol: not measured; {missing}")
    else:
        for number in range(_ROUNDS):
            _with_mongo(kafka, server, number, medoids, rates)
        notes.append(f"MongoDB's protocol: {_PHOTOS_MONGO:,} photographs, a server on SQLite, much slower than MongoDB")
        server.stop()
    return Table(_TITLE, ("what", "faces a second", "share, %"), _rows(rates), notes)


def _rows(rates: dict[str, list[float]]) -> list[tuple[str, float, str | float]]:
    found = {name: median(several) for name, several in rates.items()}
    rows: list[tuple[str, float, str | float]] = [
        (
            "the assigner, records kept in memory",
            found["memory"],
            _share("memory", ("search", "copy", "upserts"), rates),
        ),
        ("  search alone (FAISS)", found["search"], ""),
        ("  copy on Kafka alone", found["copy"], ""),
        ("  upserts in memory alone", found["upserts"], ""),
    ]
    if "mongo" in found:
        rows += [
            ("the assigner, MongoDB's protocol", found["mongo"], _share("mongo", ("upserts in Mongo",), rates)),
            ("  upserts in MongoDB's protocol alone", found["upserts in Mongo"], ""),
        ]
    return rows


def _share(whole: str, parts: Sequence[str], rates: dict[str, list[float]]) -> float:
    """Return the rate in percent of that of the slowest part in the same round; median over the rounds."""
    rounds = zip(rates[whole], *(rates[part] for part in parts), strict=True)
    share: float = median(100 * rate / min(of_parts) for rate, *of_parts in rounds)
    return share


def _with_mongo(
    kafka: KafkaServer, server: MongoServer, number: int, medoids: NDArray[np.float32], rates: dict[str, list[float]]
) -> None:
    recorded = _Recorded()
    activate_clusters(recorded, medoids)
    _assigner(kafka, f"recorded{number}", recorded, _PHOTOS_MONGO)
    with _mongo(server, f"whole{number}") as repository:
        activate_clusters(repository, medoids)
        whole = _assigner(kafka, f"mongo{number}", repository, _PHOTOS_MONGO)
    rates.setdefault("mongo", []).append(whole.rate)
    with _mongo(server, f"alone{number}") as repository:
        rates.setdefault("upserts in Mongo", []).append(whole.faces / _upserts(repository, recorded))


def _mongo(server: MongoServer, database: str) -> MongoRepository:
    repository = MongoRepository(MongoSettings(uri=SecretStr(server.uri), database=database))
    repository.create_indexes()
    return repository


def _assigner(kafka: KafkaServer, name: str, repository: FaceRepository, photos: int) -> _Whole:
    produced_by_object: dict[bytes, list[ProducedRecord]] = {}
    batches: list[Sequence[ProducedRecord]] = []

    class Assigner(AssignerProcessor):
        """Keeps what it writes."""

        def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
            produced = super().process(records)
            batches.append(produced)
            return produced

    assigner = Assigner(
        repository=repository,
        objects=MemoryObjectStore(),
        settings=AssignerSettings(),
        crops=BucketSettings().faces,
        is_committed=lambda _: True,
    )
    ran = run_until(photos, kafka, name, FACES_EMBEDDED.name, assigner, settings=_BATCH)
    faces = 0
    for batch in batches:
        of_photo: list[ProducedRecord] = []
        for record in batch:
            faces += record.topic == FACES_ASSIGNED.name
            of_photo.append(record)
            if record.topic == IMAGES_PROCESSED.name:  # a photograph's last
                produced_by_object[record.key] = of_photo
                of_photo = []
    return _Whole(faces, ran.seconds, produced_by_object)


def _copy(kafka: KafkaServer, name: str, whole: _Whole, photos: int) -> Ran:
    class Copier(BaseProcessor):
        def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
            return [output for record in records for output in whole.produced[record.key or b""]]

    return run_until(photos, kafka, name, FACES_EMBEDDED.name, Copier(), settings=_BATCH)


def _search(medoids: NDArray[np.float32], recorded: _Recorded) -> float:
    batches = [
        np.stack([record.vector for record in records if isinstance(record, FaceRecord) and record.vector is not None])
        for call, records in recorded.saved
        if call == "save_faces"
    ]
    index = NearestRows(medoids)
    started = time.perf_counter()
    for batch in batches:
        index.search(batch, _CANDIDATES)
    return time.perf_counter() - started


def _upserts(repository: FaceRepository, recorded: _Recorded) -> float:
    started = time.perf_counter()
    recorded.save_again(repository)
    return time.perf_counter() - started
