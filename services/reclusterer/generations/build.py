"""Build a new generation beside the active one: cluster, trace the lineage, write. No reader sees it yet."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from more_itertools import chunked

from services.reclusterer.clustering.arrays import UNKNOWN
from services.reclusterer.clustering.cluster_faces import Clustering, cluster_faces
from services.reclusterer.clustering.neighbour_graph import NeighbourSearch
from services.reclusterer.clustering.parallel import ParallelMap, map_in_threads
from services.reclusterer.clustering.random_orders import keys_of
from services.reclusterer.generations.backfill import remove_orphaned_memberships
from services.reclusterer.generations.former_ids import former_cluster_ids
from services.reclusterer.generations.lineage import ClusterLineage, trace_lineage
from services.reclusterer.generations.phases import Phases
from services.reclusterer.generations.snapshot import PreviousClustering, Snapshot, grouping_digest
from services.reclusterer.settings import ReclustererSettings
from shared.domain.events import Cause
from shared.domain.ids import cluster_id
from shared.domain.records import Cluster, Generation, GenerationState, Membership
from shared.ports.repository import FaceRepository

ALGORITHM = "chinese-whispers/3"
"""Stored with each generation. The number changes when the same faces and settings give other clusters."""

_BLOCK = 10_000  # memberships in one call of the repository


def parameters_of(settings: ReclustererSettings) -> dict[str, float | int | str]:
    """Return the parameters of a generation: all that decides, beside the faces, how they are clustered."""
    return {"algorithm": ALGORITHM, **settings.model_dump()}


def build_generation(
    repository: FaceRepository,
    snapshot: Snapshot,
    previous: PreviousClustering,
    settings: ReclustererSettings,
    phases: Phases,
    *,
    parallel_map: ParallelMap = map_in_threads,
) -> Generation:
    """Cluster the faces of a snapshot, write the result as a generation in state `building`, and return it.

    Its number is unique: no other process writes to it, however late. Raises `Transient`.
    """
    parameters = parameters_of(settings)
    with phases("cluster"):
        # With other settings, the old labels would preserve what the new settings are meant to change.
        is_same = previous.generation is not None and dict(previous.generation.parameters) == parameters
        clustering = cluster_faces(
            snapshot.vectors,
            snapshot.photos,
            settings,
            keys=keys_of(snapshot.face_ids),
            previous=previous.labels if is_same else None,
            search=NeighbourSearch(parallel_map=parallel_map),
        )
    with phases("match"):
        number = repository.next_generation_number()
        clusters = _clusters(repository, number, snapshot, clustering, previous)
    generation = Generation(
        number=number,
        state=GenerationState.BUILDING,
        model_id=snapshot.model_id,
        snapshot=snapshot.digest,
        parameters=parameters,
        counts=_counts(snapshot, clustering, previous),
        created_at=datetime.now(UTC),
        grouping=grouping_digest(
            clustering.labels,
            [cluster.cluster_id for cluster in clusters],
            {cluster.cluster_id: cluster.medoid_face_id for cluster in clusters},
        ),
        previous=previous.generation.number if previous.generation else 0,
    )
    with phases("write"):
        repository.save_generation(generation)
        repository.save_clusters(clusters)
        for block in chunked(_memberships(number, snapshot, clustering, clusters), _BLOCK):
            repository.save_memberships(block)
        # Faces that were erased in the meantime must have no membership at the activation: the backfill comes later.
        remove_orphaned_memberships(repository, generation)
    generation = replace(generation, timings={**phases.seconds, **clustering.timings})
    repository.save_generation(generation)
    return generation


def _clusters(
    repository: FaceRepository,
    number: int,
    snapshot: Snapshot,
    clustering: Clustering,
    previous: PreviousClustering,
) -> list[Cluster]:
    """Return the clusters in the order of their numbers, each with the id that it continues or a new one."""
    sizes = np.bincount(clustering.labels[clustering.labels != UNKNOWN], minlength=len(clustering.medoids))

    def cluster(index: int, lineage: ClusterLineage) -> Cluster:
        medoid = clustering.medoids[index]
        medoid_face = snapshot.face_ids[medoid]
        kept = former.get(index) if lineage.continues is None else previous.cluster_ids[lineage.continues]
        return Cluster(
            generation=number,
            cluster_id=kept or cluster_id(number, medoid_face),
            medoid_face_id=medoid_face,
            medoid=snapshot.vectors[medoid],
            exemplars=clustering.means[index : index + 1],
            size=int(sizes[index]),
            parents=tuple(previous.cluster_ids[parent] for parent in lineage.parents),
        )

    lineages = trace_lineage(previous.labels, clustering.labels, len(clustering.medoids))
    new: dict[int, list[str]] = {index: [] for index, lineage in enumerate(lineages) if not lineage.parents}
    for face_id, label in zip(snapshot.face_ids, clustering.labels.tolist(), strict=True):
        if label in new:
            new[label].append(face_id)
    former = former_cluster_ids(repository, new, set(previous.cluster_ids))
    return [cluster(index, lineage) for index, lineage in enumerate(lineages)]


def _memberships(
    number: int, snapshot: Snapshot, clustering: Clustering, clusters: Sequence[Cluster]
) -> Iterator[Membership]:
    rows = zip(snapshot.face_ids, clustering.labels.tolist(), clustering.similarities.tolist(), strict=True)
    for face_id, label, similarity in rows:
        if label == UNKNOWN:
            yield Membership(number, face_id, None, None, Cause.RECLUSTERED)
        else:
            yield Membership(number, face_id, clusters[label].cluster_id, similarity, Cause.RECLUSTERED)


def _counts(snapshot: Snapshot, clustering: Clustering, previous: PreviousClustering) -> dict[str, float | int]:
    sizes = np.bincount(clustering.labels[clustering.labels != UNKNOWN])
    return {
        "faces": len(snapshot.face_ids),
        "photos": len(np.unique(snapshot.photos)),
        "edges": clustering.edges,
        "edge_recall": clustering.edge_recall,
        "clusters": len(clustering.medoids),
        "assigned": int(sizes.sum()),
        "largest": int(sizes.max(initial=0)),
        "assigned_before": previous.assigned_count,
    }
