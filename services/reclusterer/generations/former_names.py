"""The names of people who were away: of whom a generation was made without, since their photographs were removed.

A person whom the active generation has keeps the identifier by `lineage`. One whose photographs were away then, and
are back, is nobody's heir; but what is kept of erased faces says who they were.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from shared.erasure.former_memberships import latest_published
from shared.ports.repository import FaceRepository


def names_before(
    repository: FaceRepository, members: Mapping[int, Sequence[str]], taken: AbstractSet[str]
) -> Mapping[int, str]:
    """Return the cluster id that clusters had before their faces went, by their numbers.

    `members`: the ids of all their faces. More than half of them have to have had it; ids in `taken` belong to
    others. Where two clusters had the same one, the larger gets it, of equal ones the lower number.
    """
    former = repository.former_memberships([face_id for of_cluster in members.values() for face_id in of_cluster])
    latest = latest_published(repository)
    found: dict[int, str] = {}
    for number in sorted(members, key=lambda number: (-len(members[number]), number)):
        last = Counter(latest(former[face_id]).cluster_id for face_id in members[number] if face_id in former)
        for name, count in last.most_common(1):
            if name is not None and 2 * count > len(members[number]) and name not in taken | set(found.values()):
                found[number] = name
    return found
