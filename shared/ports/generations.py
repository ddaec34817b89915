"""The port of the generation store: generations, their clusters, and which face is in which cluster."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from shared.domain.events import Cause
from shared.domain.records import Cluster, Generation, Membership


class GenerationStore(Protocol):
    """Generations, clusters, memberships; which generation is active, and which are pinned.

    Every call blocks, and raises `Transient` where no answer comes. `save_*` are upserts on the identifiers of
    the records: the same call again changes nothing.
    """

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships; the last one of a face in a generation stands."""
        ...

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        ...

    def generations(self) -> Sequence[Generation]:
        """Return all generations in ascending order of their numbers."""
        ...

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first."""
        ...

    def last_generation_number(self) -> int:
        """Return the highest number that any generation ever had, 0 before the first."""
        ...

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that nobody else gets. One atomic write."""
        ...

    def save_generation(self, generation: Generation) -> None:
        """Store a generation document. It does not become the active one by that, and keeps its `revision`."""
        ...

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        ...

    def clusters(self, generation: int, cluster_ids: Sequence[str] | None = None) -> Sequence[Cluster]:
        """Return the clusters of a generation, or those of these ids, in ascending order of cluster id."""
        ...

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; those that are not there are passed over. Their parents are kept."""
        ...

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of each of these clusters that was removed, until its generation is, by cluster id."""
        ...

    def revise(self, generation: int) -> None:
        """Count up the `revision` of a generation, if there is one. One atomic write."""
        ...

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id."""
        ...

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        ...

    def members(self, generation: int, cluster_id: str, cause: Cause, limit: int) -> Sequence[str]:
        """Return the ids of up to `limit` faces that are in a cluster for this cause, in ascending order."""
        ...

    def count_members(self, generation: int, cluster_id: str, cause: Cause) -> int:
        """Return how many faces are in a cluster for this cause."""
        ...

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Remove the memberships of these faces in a generation, which become former ones.

        Those that are not there are passed over.
        """
        ...

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first.

        A removed membership is a former one until its generation is removed, and stays one when the face comes back.
        Only this call and the next one tell of it. There are none of generation 0.
        """
        ...

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids that the former memberships of a generation name."""
        ...

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one if `expected` still is it; say whether it was. One atomic write.

        Refused also where a lease with a higher number than `fence` was taken, and where `expected` is pinned.
        Raises ValueError where there is no such generation: readers would see nobody.
        """
        ...

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships, former ones too, if there is one.

        Raises ValueError if it is active or pinned.
        """
        ...

    def pin(self, number: int) -> None:
        """Keep a generation: it is not removed, and nothing takes its place while it is the active one."""
        ...

    def unpin(self, number: int) -> None:
        """Undo `pin`."""
        ...

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        ...
