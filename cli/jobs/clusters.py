"""The work of `facestream clusters`: list the people, and show their faces and their history."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from more_itertools import chunked
from rich.table import Column, Table

from cli.output.tables import table_of
from cli.output.terminal import printable
from cli.repositories import active
from services.reclusterer.generations.diff import diff_generations
from services.reclusterer.generations.existence import existing_faces
from shared.domain.event_words import in_words
from shared.domain.records import GenerationState
from shared.errors import InvalidInput
from shared.ports.repository import FaceRepository

_BLOCK = 500  # faces that are looked up at once


def table(repository: FaceRepository) -> Table:
    """Return the people of the active generation as a table, the largest first."""
    number = active(repository).number
    sizes = Counter(membership.cluster_id for membership in repository.memberships(number))
    ordered = sorted(repository.clusters(number), key=lambda cluster: (-sizes[cluster.cluster_id], cluster.cluster_id))
    columns = (
        Column("cluster", no_wrap=True),
        Column("faces", no_wrap=True, justify="right"),
        Column("medoid", no_wrap=True),
    )
    rows = ((cluster.cluster_id, str(sizes[cluster.cluster_id]), cluster.medoid_face_id) for cluster in ordered)
    return table_of(columns, rows)


def described(repository: FaceRepository, beginning: str) -> Iterator[str]:
    """Yield lines about a person of the active generation: faces, similarities to the medoid, photographs.

    `beginning`: of the cluster id. Raises `InvalidInput` if not exactly one cluster id begins so.
    """
    number = active(repository).number
    found = [cluster for cluster in repository.clusters(number) if cluster.cluster_id.startswith(beginning)]
    if len(found) != 1:
        msg = f"{beginning}: expected the beginning of one cluster id of generation {number}, found {len(found)} such"
        raise InvalidInput(msg)
    (cluster,) = found
    members = {item.face_id: item for item in repository.memberships(number) if item.cluster_id == cluster.cluster_id}
    yield f"cluster {cluster.cluster_id} of generation {number}: {len(members)} faces"
    yield f"medoid: {cluster.medoid_face_id}"
    yield f"parents: {', '.join(cluster.parents) or 'none'}"
    for face_ids in chunked(members, _BLOCK):
        for face_id, (_, image) in sorted(existing_faces(repository, face_ids).items()):
            similarity = members[face_id].similarity
            text = "     -" if similarity is None else f"{similarity:6.3f}"
            yield f"{face_id}  {text}  {printable(f'{image.bucket}/{image.key}')}"


def history(repository: FaceRepository, beginning: str) -> Iterator[str]:
    """Yield a line for each change of a person in the generations that are kept, the oldest first.

    `beginning`: of the cluster id. Raises `InvalidInput` if no cluster id begins so.
    """
    published = {GenerationState.ACTIVE, GenerationState.RETIRED}
    numbers = [generation.number for generation in repository.generations() if generation.state in published]
    lines = [
        f"generation {number}: {cluster.cluster_id}  {cluster.size} faces"
        for number in numbers[:1]
        for cluster in repository.clusters(number)
        if cluster.cluster_id.startswith(beginning)
    ]
    for before, after in pairwise(numbers):
        for change in diff_generations(repository, before, after):
            if change.cluster_id.startswith(beginning) or (change.other and change.other.startswith(beginning)):
                words = f"{in_words(change.change)} {change.other or ''}".rstrip()
                lines.append(f"generation {after}: {change.cluster_id}  {words}  {change.size} faces")
    if not lines:
        msg = f"{beginning}: expected the beginning of a cluster id of generations {numbers}, found none"
        raise InvalidInput(msg)
    yield from lines
