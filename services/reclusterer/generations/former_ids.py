"""Former ids: the cluster ids of people whose photographs were removed before a generation, and have returned.

By `lineage`, a cluster keeps its id only if the active generation has the cluster. Where the photographs of a person
were missing in the active generation, the former memberships of the faces still know the id.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from shared.erasure.former_memberships import latest_published
from shared.ports.repository import FaceRepository


def former_cluster_ids(
    repository: FaceRepository, members: Mapping[int, Sequence[str]], used: AbstractSet[str]
) -> Mapping[int, str]:
    """Return the former ids of those new clusters that have one, by the numbers of the clusters.

    `members`: the ids of all faces of each cluster, by its number. A cluster gets an id if more than half of its
    members last had it, and if it is not in `used`. Where two clusters would get the same id, the larger gets it, of
    two of one size the one with the lower number. Raises `Transient`.
    """
    former = repository.former_memberships([face_id for of_cluster in members.values() for face_id in of_cluster])
    latest = latest_published(repository)
    found: dict[int, str] = {}
    for number in sorted(members, key=lambda number: (-len(members[number]), number)):
        last = Counter(latest(former[face_id]).cluster_id for face_id in members[number] if face_id in former)
        for cluster_id, count in last.most_common(1):
            is_free = cluster_id not in used | set(found.values())
            if cluster_id is not None and 2 * count > len(members[number]) and is_free:
                found[number] = cluster_id
    return found
