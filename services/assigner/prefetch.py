"""What is done for records before their turn comes: their events are decoded, and their faces searched for.

A thread does it in the time in which the batch before waits: for the repository, and for Kafka's commit. Nothing is
read or written. What fails here is done again in its turn, and fails there.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from services.assigner.active_generation import Group
from services.assigner.step import accepted_faces
from shared.domain.events import FacesEmbedded
from shared.domain.person_index import Nearest
from shared.domain.vector_search import search_on_one_core
from shared.ports.streams import ConsumedRecord
from shared.stream.cloudevents import decoded

_NOBODY = Nearest(np.empty(0, np.int64), np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """The event of a record, and the people of a group that are nearest to its accepted faces."""

    event: FacesEmbedded
    group: Group
    nearest: Nearest


class Prefetcher:
    """Is called with the records that are held now, as the worker's `ahead`. `group` gives the people to look at."""

    def __init__(self, group: Callable[[], Group]) -> None:
        self._group = group
        self._thread = ThreadPoolExecutor(1, "prefetch", search_on_one_core)
        self._begun: dict[str, Future[dict[str, _Seen]]] = {}  # by the place of the record
        self._seen: dict[str, _Seen] = {}  # of the records that `events` was asked for last

    def prefetch(self, records: Sequence[ConsumedRecord]) -> None:
        """Begin with those of these records that are new, and forget all others; waits for nothing."""
        held = {record.record_id: record for record in records}
        self._begun = {place: seen for place, seen in self._begun.items() if place in held}
        if new := [record for place, record in held.items() if place not in self._begun]:
            begun = self._thread.submit(_seen, new, self._group())
            self._begun.update((record.record_id, begun) for record in new)

    def events(self, records: Sequence[ConsumedRecord]) -> list[FacesEmbedded]:
        """Return the events of records, begun or not, as soon as they are ready; raises `Poison`."""
        self._seen = {}
        for begun in {self._begun[record.record_id] for record in records if record.record_id in self._begun}:
            if begun.exception() is None:
                self._seen |= begun.result()
        found = [(record, self._seen.get(record.record_id)) for record in records]
        return [seen.event if seen else decoded(record, FacesEmbedded) for record, seen in found]

    def nearest(self, places: Sequence[str], group: Group) -> Nearest | None:
        """Return who of a group is nearest to the accepted faces of records, in their order; None if unknown.

        Of those records that `events` was asked for last.
        """
        ready = [self._seen.get(place) for place in places]
        known = [seen.nearest for seen in ready if seen and seen.group is group]
        if not known or len(known) < len(ready):
            return None
        person, similarity, runner_up = zip(*known, strict=True)
        return Nearest(np.concatenate(person), np.concatenate(similarity), np.concatenate(runner_up))


def _seen(records: Sequence[ConsumedRecord], group: Group) -> dict[str, _Seen]:
    events = [decoded(record, FacesEmbedded) for record in records]
    vectors = [[face.vector for face in accepted_faces(event)] for event in events]
    every = [vector for of_photo in vectors for vector in of_photo if vector is not None]
    found = group.people.two_nearest(np.stack(every)) if every and len(group.people) else _NOBODY
    seen, stop = {}, 0
    for record, event, of_photo in zip(records, events, vectors, strict=True):
        own = slice(stop, stop := stop + len(of_photo))
        nearest = Nearest(found.person[own], found.similarity[own], found.runner_up[own])
        seen[record.record_id] = _Seen(event, group, nearest)
    return seen
