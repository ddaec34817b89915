"""The difference between two generations: the memberships of each face, and the change of each cluster."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from shared.domain.events import Change
from shared.domain.records import Membership
from shared.ordered import outer_join
from shared.ports.generations import GenerationStore


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """The change of one cluster from one generation to another.

    `other`: the id of the cluster that it was merged into, or split from. `size`: its number of faces in the second
    generation.
    """

    cluster_id: str
    change: Change
    other: str | None
    size: int


def diff_generations(generations: GenerationStore, before: int, after: int) -> list[ClusterChange]:
    """Return the change of each cluster from generation `before` to generation `after`, in order of cluster id.

    The two may be the same generation, or in the reverse order, as in a rollback. Raises `Transient`.
    """
    # Consumers also know the clusters of `before` that were removed with their last face.
    known = {cluster.cluster_id for cluster in generations.clusters(before)} | generations.former_clusters(before)
    sizes_before: Counter[str] = Counter(dict.fromkeys(known, 0))
    sizes_after: Counter[str] = Counter({cluster.cluster_id: 0 for cluster in generations.clusters(after)})
    shared: Counter[tuple[str, str]] = Counter()
    for old, new in paired_memberships(generations, before, after):
        if old and old.cluster_id:
            sizes_before[old.cluster_id] += 1
        if new and new.cluster_id:
            sizes_after[new.cluster_id] += 1
        if old and new and old.cluster_id and new.cluster_id:
            shared[old.cluster_id, new.cluster_id] += 1
    return cluster_changes(sizes_before, sizes_after, shared)


def paired_memberships(
    generations: GenerationStore, before: int, after: int
) -> Iterator[tuple[Membership | None, Membership | None]]:
    """Yield the memberships of every face in two generations, in ascending order of face id; None where it has none.

    Raises `Transient`.
    """
    by_face = attrgetter("face_id")
    return outer_join(generations.memberships(before), generations.memberships(after), by_face, by_face)


def cluster_changes(
    before: Mapping[str, int], after: Mapping[str, int], shared: Mapping[tuple[str, str], int]
) -> list[ClusterChange]:
    """Return the change of each cluster of two generations, in ascending order of cluster id.

    `before` and `after`: the sizes of their clusters, by cluster id. `shared`: the number of faces that an old and a
    new cluster have in common, by both ids. A cluster with the same id in both generations is the same cluster.
    """
    nearest_new, nearest_old = _nearest(before, after, shared)
    found = [_change_of_new(cluster_id, before, after, nearest_old.get(cluster_id)) for cluster_id in after]
    for cluster_id in before.keys() - after.keys():
        heir = nearest_new.get(cluster_id)
        found.append(ClusterChange(cluster_id, Change.RETIRED if heir is None else Change.MERGED, heir, 0))
    return sorted(found, key=attrgetter("cluster_id"))


def _change_of_new(
    cluster_id: str, before: Mapping[str, int], after: Mapping[str, int], origin: str | None
) -> ClusterChange:
    size = after[cluster_id]
    if cluster_id in before:
        change = Change.GROWN if size > before[cluster_id] else Change.KEPT
        return ClusterChange(cluster_id, change, None, size)
    return ClusterChange(cluster_id, Change.CREATED if origin is None else Change.SPLIT, origin, size)


def _nearest(
    before: Mapping[str, int], after: Mapping[str, int], shared: Mapping[tuple[str, str], int]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return, for old clusters, the new one that shares most faces, and the old one for new clusters.

    A pair counts only if it shares more than half of the faces of the smaller cluster.
    """
    nearest_new: dict[str, str] = {}
    nearest_old: dict[str, str] = {}
    for (old, new), count in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if 2 * count > min(before[old], after[new]):
            nearest_new.setdefault(old, new)
            nearest_old.setdefault(new, old)
    return nearest_new, nearest_old
