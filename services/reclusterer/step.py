"""Recluster all faces: snapshot -> cluster -> match -> write -> guard -> publish."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from services.reclusterer.clustering.dask_search import parallel_map_on
from services.reclusterer.generations.backfill import remove_orphaned_memberships
from services.reclusterer.generations.build import build_generation, parameters_of
from services.reclusterer.generations.guard import objection
from services.reclusterer.generations.phases import Phases
from services.reclusterer.generations.publish import Log, Publisher
from services.reclusterer.generations.snapshot import (
    PreviousClustering,
    Snapshot,
    previous_clustering,
    take_snapshot,
)
from services.reclusterer.settings import JobSettings, ReclustererSettings
from shared.domain.records import Generation, GenerationState
from shared.erasure.refit import refit_bereft
from shared.errors import InvalidInput
from shared.ports.generations import GenerationStore
from shared.ports.photos import PhotoCatalog
from shared.ports.repository import FaceRepository

NOTHING_CHANGED = "no face came or went"
"""The reason of a skipped reclustering that would give the same people."""


class ReclusterOutcome(StrEnum):
    """How a reclustering ended."""

    PUBLISHED = "published"
    SKIPPED = "skipped"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class ReclusterResult:
    """How a reclustering ended, and why. `generation`: the one that was made, else the active one if there is one."""

    outcome: ReclusterOutcome
    generation: Generation | None
    reason: str = ""


def recluster(
    repository: FaceRepository,
    publisher: Publisher,
    settings: ReclustererSettings,
    job: JobSettings,
    *,
    phases: Phases,
    model_id: str | None = None,
) -> ReclusterResult:
    """Cluster all faces again and publish the result, unless too little has changed or the guard objects.

    `publisher`: of the same repository. `model_id`: the model whose embeddings are clustered; by default the model of
    the settings, of the active generation, or the only one.

    A call that is killed leaves an unfinished generation, which no reader sees, or an active one that is not announced
    yet. The next call first removes the one or finishes the other. Raises `Transient`, `Fatal`, and `InvalidInput` if
    there are several models and none is chosen.
    """
    result = _recluster(repository, publisher, settings, job, phases=phases, model_id=model_id)
    if result.outcome is not ReclusterOutcome.PUBLISHED:
        publisher.announce_refitted()
    return result


def _recluster(
    repository: FaceRepository,
    publisher: Publisher,
    settings: ReclustererSettings,
    job: JobSettings,
    *,
    phases: Phases,
    model_id: str | None,
) -> ReclusterResult:
    active = publisher.resume()
    refit_bereft(repository)
    if active and active.number in repository.pinned():
        reason = f"generation {active.number} is active and pinned"
        return ReclusterResult(ReclusterOutcome.SKIPPED, active, reason)
    model = model_id or _model(repository, job.model, active, publisher.log)
    if model is None:
        return ReclusterResult(ReclusterOutcome.SKIPPED, active, "there are no faces")
    with phases("snapshot"):
        snapshot = take_snapshot(repository, model)
        previous = previous_clustering(repository, active, snapshot)
    reason = _reason_to_skip(repository, snapshot, previous, parameters_of(settings), job)
    if reason:
        return ReclusterResult(ReclusterOutcome.SKIPPED, active, reason)
    with parallel_map_on(job.dask_scheduler) as parallel_map:
        generation = build_generation(repository, snapshot, previous, settings, phases, parallel_map=parallel_map)
    reason = objection(generation, previous, job)
    if not reason:
        try:
            return ReclusterResult(ReclusterOutcome.PUBLISHED, publisher.publish(generation))
        except InvalidInput as error:  # the active generation was pinned in the meantime
            reason = str(error)
    held = _hold(repository, generation, reason)
    publisher.retire()
    return ReclusterResult(ReclusterOutcome.HELD, held, reason)


def _hold(repository: FaceRepository, generation: Generation, reason: str) -> Generation:
    held = replace(generation, state=GenerationState.HELD, reason=reason)
    repository.save_generation(held)
    remove_orphaned_memberships(repository, held)  # otherwise only a publication does so
    return held


def _model(photos: PhotoCatalog, configured: str | None, active: Generation | None, log: Log) -> str | None:
    """Return the model whose faces are clustered, None if there are no faces; raises `InvalidInput`."""
    models = photos.models()
    if configured or not models:
        return configured
    chosen = active.model_id if active and active.model_id in models else None
    if len(models) > 1 and chosen is None:
        msg = f"FACESTREAM_RECLUSTERER_MODEL: expected one of {', '.join(models)}, found none; faces of several models"
        msg += " cannot be clustered together"
        raise InvalidInput(msg)
    if len(models) > 1:
        log("faces of other models stay unknown", {"model": chosen, "models": models})
    return chosen or models[0]


def _reason_to_skip(
    generations: GenerationStore,
    snapshot: Snapshot,
    previous: PreviousClustering,
    parameters: Mapping[str, float | int | str],
    job: JobSettings,
) -> str:
    """Return why a new generation is not needed, or an empty text."""
    wanted = (snapshot.model_id, parameters)
    for generation in generations.generations():
        same = (generation.model_id, dict(generation.parameters)) == wanted and generation.snapshot == snapshot.digest
        if same and generation.state is GenerationState.HELD:
            return f"these faces make generation {generation.number}, which is held back: {generation.reason}"
    active, faces = previous.generation, len(snapshot.face_ids)
    if active is None:
        return "there are no faces" if faces < job.least_change_faces else ""
    if (active.model_id, dict(active.parameters)) != wanted:
        return ""
    if active.snapshot == snapshot.digest:
        return NOTHING_CHANGED if previous.is_as_made else ""
    if previous.changed_count < max(job.least_change_faces, job.least_change_share * faces):
        return f"only {previous.changed_count} of {faces} faces came or went"
    return ""
