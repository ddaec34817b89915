"""Work on records before their batch: their events are decoded, and the people nearest to their faces are searched.

A thread does it while the batch before waits for the repository and for Kafka's commit. Nothing is read or written.
What fails here is repeated in the record's own batch, and fails there.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from services.assigner.active_generation import ActivePeople
from services.assigner.step import accepted_faces
from shared.domain.events import FacesEmbedded
from shared.domain.person_index import Nearest
from shared.domain.vector_search import search_on_one_core
from shared.ports.streams import ConsumedRecord
from shared.stream.cloudevents import decoded

_NOBODY = Nearest(np.empty(0, np.int64), np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class _Prefetched:
    """The event of a record, and the people of `active` that are nearest to its accepted faces."""

    event: FacesEmbedded
    active: ActivePeople
    nearest: Nearest


class Prefetcher:
    """Prefetches records, and keeps the results until their batch. `active` returns the people to search among."""

    def __init__(self, active: Callable[[], ActivePeople]) -> None:
        self._active = active
        self._thread = ThreadPoolExecutor(1, "prefetch", search_on_one_core)
        self._begun: dict[str, Future[dict[str, _Prefetched]]] = {}  # by record id
        self._ready: dict[str, _Prefetched] = {}  # of the records in the last call of `events`, by record id

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        """Begin with those of these records that are new, and forget all others. Does not block."""
        wanted = {record.record_id: record for record in records}
        self._begun = {record_id: begun for record_id, begun in self._begun.items() if record_id in wanted}
        if new := [record for record_id, record in wanted.items() if record_id not in self._begun]:
            begun = self._thread.submit(_prefetched, new, self._active())
            self._begun.update((record.record_id, begun) for record in new)

    def events(self, records: Sequence[ConsumedRecord]) -> list[FacesEmbedded]:
        """Return the events of records, prefetched or not; waits for work that has begun. Raises `Poison`."""
        self._ready = {}
        for begun in {self._begun[record.record_id] for record in records if record.record_id in self._begun}:
            if begun.exception() is None:
                self._ready |= begun.result()
        found = [(record, self._ready.get(record.record_id)) for record in records]
        return [ready.event if ready else decoded(record, FacesEmbedded) for record, ready in found]

    def nearest(self, record_ids: Sequence[str], active: ActivePeople) -> Nearest | None:
        """Return the people of `active` that are nearest to the accepted faces of records, in their order.

        The records must be among those of the last call of `events`. None if the search was not done for all of them,
        or was done among other people.
        """
        ready = [self._ready.get(record_id) for record_id in record_ids]
        known = [item.nearest for item in ready if item and item.active is active]
        if not known or len(known) < len(ready):
            return None
        person, similarity, runner_up = zip(*known, strict=True)
        return Nearest(np.concatenate(person), np.concatenate(similarity), np.concatenate(runner_up))


def _prefetched(records: Sequence[ConsumedRecord], active: ActivePeople) -> dict[str, _Prefetched]:
    events = [decoded(record, FacesEmbedded) for record in records]
    vectors = [[face.vector for face in accepted_faces(event)] for event in events]
    every = [vector for of_photo in vectors for vector in of_photo if vector is not None]
    found = active.people.two_nearest(np.stack(every)) if every and len(active.people) else _NOBODY
    prefetched, stop = {}, 0
    for record, event, of_photo in zip(records, events, vectors, strict=True):
        own = slice(stop, stop := stop + len(of_photo))
        nearest = Nearest(found.person[own], found.similarity[own], found.runner_up[own])
        prefetched[record.record_id] = _Prefetched(event, active, nearest)
    return prefetched
