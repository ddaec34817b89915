"""Lineage: which new cluster continues which old one, so that clusters keep their identifiers over generations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ClusterLineage:
    """The old clusters that a new cluster comes from, as numbers.

    `continues`: the old cluster whose identifier it keeps, or None. `parents`: all old clusters that it shares members
    with, the one with most shared members first.
    """

    continues: int | None
    parents: tuple[int, ...]


def trace_lineage(old: NDArray[np.int32], new: NDArray[np.int32], new_count: int) -> list[ClusterLineage]:
    """Return the lineage of each new cluster, 0 to `new_count` - 1.

    `old` and `new`: shape (n,), int32, the number of the cluster of each face, negative for unknown.

    A new cluster continues the old one with which it shares most members, if these are more than half of the smaller
    of the two. Where two clusters could continue the same one, the larger does. Ties go to the lower number.
    """
    old_sizes = np.bincount(old[old >= 0])
    new_sizes = np.bincount(new[new >= 0], minlength=new_count)
    both = (old >= 0) & (new >= 0)
    pairs, shared = np.unique(np.stack([new[both], old[both]], axis=1), axis=0, return_counts=True)
    parents: list[list[tuple[int, int]]] = [[] for _ in range(new_count)]
    for (child, parent), count in zip(pairs.tolist(), shared.tolist(), strict=True):
        parents[child].append((count, parent))
    child_of: dict[int, int] = {}
    for child in sorted(range(new_count), key=lambda child: (-new_sizes[child], child)):
        parents[child].sort(key=lambda item: (-item[0], item[1]))
        if parents[child]:
            count, parent = parents[child][0]
            if 2 * count > min(old_sizes[parent], new_sizes[child]):
                child_of.setdefault(parent, child)
    continued = {child: parent for parent, child in child_of.items()}
    return [ClusterLineage(continued.get(child), tuple(p for _, p in parents[child])) for child in range(new_count)]
