"""The processor of a service that writes one event for each photograph: detector, quality, embedder."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from shared.domain.events import PhotoEvent
from shared.domain.topics import Topic
from shared.errors import Deadly
from shared.metrics import count_photos, timed
from shared.ports.streams import ConsumedRecord, ProducedRecord
from shared.stream.cloudevents import EventEncoder
from shared.stream.processor import BaseProcessor

_Item = TypeVar("_Item")
_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoProcessor(BaseProcessor, Generic[_Item, _Loaded]):
    """Writes at most one event for each photograph, in the order in which the photographs were consumed.

    `parse` returns the items in a record; in most topics a record holds one event. One of the `threads` calls `load`
    with each item as soon as its record is consumed, so objects of the next batch are read while this one is computed.
    `finish` gets what `load` returned for all items of a batch and returns one event for each, or None for an item
    without an event; these are written to the topic `output`.

    `on_start` is called when the service starts. `on_give_up` returns the output records of a record that is given up;
    without it, such a record becomes a dead letter. They may raise what `start` and `give_up` of a `Processor` may
    raise.
    """

    service: str
    parse: Callable[[ConsumedRecord], Sequence[_Item]]
    load: Callable[[_Item], _Loaded]
    finish: Callable[[Sequence[_Loaded]], Sequence[PhotoEvent | None]]
    output: Topic
    threads: Executor
    on_start: Callable[[], object] | None = None
    on_give_up: Callable[[ConsumedRecord, Deadly], Sequence[ProducedRecord]] | None = None
    _begun: dict[str, list[Future[_Loaded]]] = field(default_factory=dict, init=False)  # by record id

    prefetches: ClassVar[bool] = True

    def start(self) -> None:
        """Call `on_start`."""
        if self.on_start:
            self.on_start()

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        """Begin to load the items of these records, and cancel the work on all others."""
        for record_id in self._begun.keys() - {record.record_id for record in records}:
            for future in self._begun.pop(record_id):
                future.cancel()
        for record in records:
            with suppress(Exception):  # `process` raises it again; here it must not affect the other records
                self._begin(record)

    def process(self, records: Sequence[ConsumedRecord]) -> Sequence[ProducedRecord]:
        """Return the events of these records, whether they were prefetched or not; raises what the callables raise."""
        with timed("decode"):
            begun = [(record, future) for record in records for future in self._begin(record)]
        with timed("read"):
            loaded = [future.result() for _, future in begun]
        with timed("work"):
            events = self.finish(loaded)
        count_photos([event for event in events if event is not None])
        with timed("encode"):
            produced = [
                EventEncoder(self.service, event.photo.uploaded_at, record.headers).photo_record(self.output, event)
                for (record, _), event in zip(begun, events, strict=True)
                if event is not None
            ]
        for record in records:
            del self._begun[record.record_id]
        return produced

    def give_up(self, record: ConsumedRecord, reason: Deadly) -> Sequence[ProducedRecord]:
        """Return what `on_give_up` returns; without it, raise `reason`."""
        if self.on_give_up is None:
            raise reason
        return self.on_give_up(record, reason)

    def _begin(self, record: ConsumedRecord) -> list[Future[_Loaded]]:
        if record.record_id not in self._begun:
            self._begun[record.record_id] = [self.threads.submit(self.load, item) for item in self.parse(record)]
        return self._begun[record.record_id]
