"""Which new cluster is which old one: people keep their identifier through a regrouping."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.domain.events import Change


@dataclass(frozen=True, slots=True)
class Descent:
    """Where a new cluster comes from, as numbers of old clusters.

    `heir_of`: the one whose identifier it keeps, or None. `parents`: all that it shares members with, the one with
    most shared members first.
    """

    heir_of: int | None
    parents: tuple[int, ...]


def descents(old: NDArray[np.int32], new: NDArray[np.int32], new_count: int) -> list[Descent]:
    """Return for each new cluster, 0 to `new_count` - 1, where it comes from.

    `old` and `new`: shape (n,), int32, the number of the cluster of each face, negative for unknown.

    A new cluster is the heir of the old one with which it shares most members, if these are more than half of the
    smaller of the two. Where two could inherit from the same one, the larger does. What remains equal is decided
    for the lower number.
    """
    old_sizes = np.bincount(old[old >= 0])
    new_sizes = np.bincount(new[new >= 0], minlength=new_count)
    both = (old >= 0) & (new >= 0)
    pairs, shared = np.unique(np.stack([new[both], old[both]], axis=1), axis=0, return_counts=True)
    parents: list[list[tuple[int, int]]] = [[] for _ in range(new_count)]
    for (child, parent), count in zip(pairs.tolist(), shared.tolist(), strict=True):
        parents[child].append((count, parent))
    heirs: dict[int, int] = {}
    for child in sorted(range(new_count), key=lambda child: (-new_sizes[child], child)):
        parents[child].sort(key=lambda item: (-item[0], item[1]))
        if parents[child]:
            count, parent = parents[child][0]
            if 2 * count > min(old_sizes[parent], new_sizes[child]):
                heirs.setdefault(parent, child)
    heir_of = {child: parent for parent, child in heirs.items()}
    return [Descent(heir_of.get(child), tuple(p for _, p in parents[child])) for child in range(new_count)]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a cluster. `other`: the one that it was merged into, or split from. `size` is that of now."""

    cluster_id: str
    change: Change
    other: str | None
    size: int


def fates(before: Mapping[str, int], after: Mapping[str, int], shared: Mapping[tuple[str, str], int]) -> list[Fate]:
    """Return what became of each cluster of two generations, in ascending order of cluster id.

    `before` and `after`: the sizes of their clusters. `shared`: the number of faces in an old and a new cluster, by
    both. Identifiers say which cluster is which; forwards and, for a rollback, backwards.
    """
    nearest_new, nearest_old = _nearest(before, after, shared)
    found = [_fate_of_new(name, before, after, nearest_old.get(name)) for name in after]
    for name in before.keys() - after.keys():
        taker = nearest_new.get(name)
        found.append(Fate(name, Change.RETIRED if taker is None else Change.MERGED, taker, 0))
    return sorted(found, key=lambda fate: fate.cluster_id)


def _fate_of_new(name: str, before: Mapping[str, int], after: Mapping[str, int], origin: str | None) -> Fate:
    size = after[name]
    if name in before:
        return Fate(name, Change.GROWN if size > before[name] else Change.KEPT, None, size)
    return Fate(name, Change.CREATED if origin is None else Change.SPLIT, origin, size)


def _nearest(
    before: Mapping[str, int], after: Mapping[str, int], shared: Mapping[tuple[str, str], int]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return for old clusters the new one, and for new clusters the old one, that shares most faces and enough."""
    nearest_new: dict[str, str] = {}
    nearest_old: dict[str, str] = {}
    for (old, new), count in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if 2 * count > min(before[old], after[new]):
            nearest_new.setdefault(old, new)
            nearest_old.setdefault(new, old)
    return nearest_new, nearest_old
