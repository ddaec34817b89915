"""A new generation beside the active one: graph, clusters, medoids, names, all written and seen by nobody yet."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from more_itertools import chunked

from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.clustering.cluster_faces import Clustering, cluster_faces
from services.reclusterer.clustering.neighbour_graph import NeighbourSearch
from services.reclusterer.clustering.parallel import ParallelMap, map_in_threads
from services.reclusterer.clustering.random_orders import keys_of
from services.reclusterer.generations.backfill import forget_gone
from services.reclusterer.generations.former_names import names_before
from services.reclusterer.generations.lineage import Descent, descents
from services.reclusterer.generations.phases import Phases
from services.reclusterer.generations.snapshot import Snapshot, Standing, grouping_digest
from services.reclusterer.settings import ReclustererSettings
from shared.domain.events import Cause
from shared.domain.ids import cluster_id
from shared.domain.records import Cluster, Generation, GenerationState, Membership
from shared.ports.repository import FaceRepository

ALGORITHM = "chinese-whispers/3"
"""Recorded with each generation; another number where the same faces and settings would give other clusters."""

_BLOCK = 10_000  # memberships in one call of the repository


def parameters_of(settings: ReclustererSettings) -> dict[str, float | int | str]:
    """Return what, beside the faces, decides how they are grouped."""
    return {"algorithm": ALGORITHM, **settings.model_dump()}


def build(
    repository: FaceRepository,
    snapshot: Snapshot,
    before: Standing,
    settings: ReclustererSettings,
    phases: Phases,
    *,
    parallel_map: ParallelMap = map_in_threads,
) -> Generation:
    """Cluster the faces of a snapshot and write the result as a generation that is `building`; return it.

    Its number is its own: nobody else writes where it writes, however late.
    """
    with phases("cluster"):
        keys = keys_of(snapshot.face_ids)
        # With other settings the old labels would hold on to what the new ones are meant to change.
        same = before.generation is not None and dict(before.generation.parameters) == parameters_of(settings)
        previous = before.labels if same else None
        clustering = cluster_faces(
            snapshot.vectors,
            snapshot.photos,
            settings,
            keys=keys,
            previous=previous,
            search=NeighbourSearch(parallel_map=parallel_map),
        )
    with phases("match"):
        number = repository.next_generation_number()
        clusters = _clusters(repository, number, snapshot, clustering, before)
    generation = Generation(
        *(number, GenerationState.BUILDING, snapshot.model_id, snapshot.digest, parameters_of(settings)),
        counts=_counts(snapshot, clustering, before),
        created_at=datetime.now(UTC),
        grouping=grouping_digest(
            clustering.labels,
            [cluster.cluster_id for cluster in clusters],
            {cluster.cluster_id: cluster.medoid_face_id for cluster in clusters},
        ),
        previous=before.generation.number if before.generation else 0,
    )
    with phases("write"):
        repository.save_generation(generation)
        repository.save_clusters(clusters)
        for block in chunked(_memberships(number, snapshot, clustering, clusters), _BLOCK):
            repository.save_memberships(block)
        # Of faces that went meanwhile nothing stays: readers see it all from the swap on, and the catch-up comes later.
        forget_gone(repository, generation)
    generation = replace(generation, timings={**phases.seconds, **clustering.timings})
    repository.save_generation(generation)
    return generation


def _clusters(
    repository: FaceRepository, number: int, snapshot: Snapshot, clustering: Clustering, before: Standing
) -> list[Cluster]:
    """Return the clusters in the order of their numbers, each with its old identifier or a new one."""
    sizes = np.bincount(clustering.labels[clustering.labels != UNKNOWN], minlength=len(clustering.medoids))

    def named(place: int, descent: Descent) -> Cluster:
        middle = clustering.medoids[place]
        medoid_face = snapshot.face_ids[middle]
        kept = back.get(place) if descent.heir_of is None else before.cluster_ids[descent.heir_of]
        return Cluster(
            generation=number,
            cluster_id=kept or cluster_id(number, medoid_face),
            medoid_face_id=medoid_face,
            medoid=snapshot.vectors[middle],
            exemplars=clustering.means[place : place + 1],
            size=int(sizes[place]),
            parents=tuple(before.cluster_ids[parent] for parent in descent.parents),
        )

    lineage = descents(before.labels, clustering.labels, len(clustering.medoids))
    new: dict[int, list[str]] = {place: [] for place, descent in enumerate(lineage) if not descent.parents}
    for face_id, label in zip(snapshot.face_ids, clustering.labels.tolist(), strict=True):
        if label in new:
            new[label].append(face_id)
    back = names_before(repository, new, set(before.cluster_ids))
    return [named(place, descent) for place, descent in enumerate(lineage)]


def _memberships(
    number: int, snapshot: Snapshot, clustering: Clustering, clusters: list[Cluster]
) -> Iterator[Membership]:
    rows = zip(snapshot.face_ids, clustering.labels.tolist(), clustering.similarities.tolist(), strict=True)
    for face_id, label, similarity in rows:
        if label == UNKNOWN:
            yield Membership(number, face_id, None, None, Cause.RECLUSTERED)
        else:
            yield Membership(number, face_id, clusters[label].cluster_id, similarity, Cause.RECLUSTERED)


def _counts(snapshot: Snapshot, clustering: Clustering, before: Standing) -> dict[str, float | int]:
    sizes = np.bincount(clustering.labels[clustering.labels != UNKNOWN])
    return {
        "faces": len(snapshot.face_ids),
        "photos": len(np.unique(snapshot.photos)),
        "edges": clustering.edges,
        "edge_recall": clustering.edge_recall,
        "clusters": len(clustering.medoids),
        "assigned": int(sizes.sum()),
        "largest": int(sizes.max(initial=0)),
        "assigned_before": before.known,
    }
