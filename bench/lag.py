"""A consumer that is a million records behind: its speed, and its memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context
from typing import NamedTuple

import psutil

from bench.servers import Ran, fill, kafka_with_topics, not_there, quiet, run_until
from bench.synthetic import long_tail
from bench.tables import Table
from shared.domain.events import DetectedFace, FacesDetected, facts
from shared.domain.topics import FACES_DETECTED, FACES_SCREENED
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.cloudevents import EventEncoder, decoded
from shared.stream.processor import BaseProcessor
from shared.stream.worker import WorkerSettings
from tools.stack import KafkaServer, Missing, new_run
from tools.synthetic_events import embedded_photos

_TITLE = "a consumer that is a million records behind"
_RECORDS = 1_000_000
_SAMPLES = 1_000  # different photographs; further records repeat them under other keys
_MIB = 2**20


class _Caught(NamedTuple):
    """The run of a consumer; resident memory of its process in MiB before it joins, and after each batch."""

    ran: Ran
    before: float
    memory: list[tuple[int, float]]


def measure() -> Table:
    """Write a million records; one consumer in a new process reads them and writes each to the next topic."""
    try:
        with new_run() as folder, kafka_with_topics(folder) as kafka:
            sizes: list[int] = []
            fill(kafka, _records(sizes))
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                caught = process.submit(_catch_up, kafka).result()
    except Missing as missing:
        return not_there(_TITLE, missing)
    quarters = [
        max(memory for records, memory in caught.memory if start < 4 * records / _RECORDS <= start + 1)
        for start in range(4)
    ]
    rows = [
        ("records", caught.ran.records),
        ("bytes of a record's value", round(sum(sizes) / len(sizes))),
        ("records a second", caught.ran.records / caught.ran.seconds),
        ("seconds", caught.ran.seconds),
        ("MiB of memory, before it joins", caught.before),
        *((f"MiB of memory, maximum in quarter {number}", most) for number, most in enumerate(quarters, 1)),
    ]
    notes = [
        "each record is decoded and written to the next topic, in transactions; memory: resident memory of the process",
        "the client prefetches at most 32 MiB (queued.max.messages.kbytes)",
    ]
    return Table(_TITLE, ("what", "value"), rows, notes)


def _records(sizes: list[int]) -> Iterator[ProducedRecord]:
    """Yield records as of the detector, with one face each; append the sizes of the different values to `sizes`."""
    samples = []
    for event in embedded_photos(_SAMPLES, long_tail(2)[0]):
        faces = tuple(DetectedFace(**facts(face)) for face in event.faces[:1])
        photo = event.photo
        found = FacesDetected(photo=photo, outcome=event.outcome, faces=faces)
        samples.append(EventEncoder("detector", photo.uploaded_at).photo_record(FACES_DETECTED, found))
    sizes += [len(sample.value or b"") for sample in samples]
    for number in count():
        if number == _RECORDS:
            return
        sample = samples[number % _SAMPLES]
        yield ProducedRecord(sample.topic, b"%032x" % number, sample.value, sample.headers)


def _catch_up(kafka: KafkaServer) -> _Caught:
    process = psutil.Process()

    def memory() -> float:
        return float(process.memory_info().rss / _MIB)

    before, seen = memory(), [(0, memory())]

    class Decoder(BaseProcessor):
        """Decodes each record and writes it to the next topic; notes the memory after each commit."""

        def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
            for record in records:
                decoded(record, FacesDetected)
            return [
                ProducedRecord(FACES_SCREENED.name, record.key or b"", record.value, record.headers)
                for record in records
            ]

        def committed(self, records: Sequence[ConsumedRecord]) -> None:
            seen.append((seen[-1][0] + len(records), memory()))

    with quiet():
        settings = WorkerSettings(batch=500)
        ran = run_until(_RECORDS, kafka, "lagging", FACES_DETECTED.name, Decoder(), settings=settings)
    return _Caught(ran, before, seen)
