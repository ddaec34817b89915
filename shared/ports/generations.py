"""The port of the generation store: generations, their clusters, and which face is in which cluster."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from shared.domain.events import Cause
from shared.domain.records import Cluster, Generation, Membership


class GenerationStore(Protocol):
    """Generations, clusters, memberships; which generation is active, and which are pinned.

    Every call blocks, and raises `Transient` if no answer comes in time. `save_*` are upserts on the ids of the
    records: the same call again changes nothing.
    """

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships. A face has one membership in a generation: the last one that was stored."""
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

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that no other call returns. One atomic write."""
        ...

    def save_generation(self, generation: Generation) -> None:
        """Store the record of a generation. This does not activate it, and does not change its `revision`."""
        ...

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        ...

    def clusters(self, generation: int, cluster_ids: Sequence[str] | None = None) -> Sequence[Cluster]:
        """Return the clusters of a generation, or those of these ids, in ascending order of cluster id."""
        ...

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; those that do not exist are ignored. Their parents are kept."""
        ...

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of those of these clusters that were removed, by cluster id.

        They are kept until the generation is removed.
        """
        ...

    def revise(self, generation: int) -> None:
        """Add one to the `revision` of a generation, if it exists. One atomic write."""
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
        """Make the memberships of these faces in a generation former ones; those that do not exist are ignored."""
        ...

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first.

        A removed membership is a former one until its generation is removed, also after the face has returned. Only
        this call and `former_clusters` read former memberships. Generation 0 has none.
        """
        ...

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids in the former memberships of a generation."""
        ...

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one if `expected` is the active one; return whether it was. One atomic write.

        Also returns False, and changes nothing, if a lease with a higher number than `fence` was acquired, or if
        `expected` is pinned. Raises ValueError if there is no generation with this number.
        """
        ...

    def remove_generation(self, number: int) -> None:
        """Remove a generation, if it exists, with its clusters, memberships and former memberships.

        Raises ValueError if it is active or pinned.
        """
        ...

    def pin(self, number: int) -> None:
        """Pin a generation: it cannot be removed, and while it is the active one, no other one can be activated."""
        ...

    def unpin(self, number: int) -> None:
        """Unpin a generation; ignored if it is not pinned."""
        ...

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        ...
