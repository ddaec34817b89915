"""Regroup all faces: snapshot -> cluster -> match -> write -> guard -> publish."""

from dataclasses import dataclass, replace
from enum import StrEnum

from services.reclusterer.clustering.dask_search import parallel_map_on
from services.reclusterer.generations.backfill import forget_gone
from services.reclusterer.generations.build import build, parameters_of
from services.reclusterer.generations.guard import objection
from services.reclusterer.generations.publish import Publisher
from services.reclusterer.generations.snapshot import Snapshot, Standing, standing, take_snapshot
from services.reclusterer.settings import ReclustererSettings
from shared.domain.records import Generation, GenerationState
from shared.erasure.refit import refit_bereft
from shared.errors import InvalidInput


class Outcome(StrEnum):
    """What a regrouping ended with."""

    PUBLISHED = "published"
    SKIPPED = "skipped"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Regrouped:
    """How a regrouping ended, and why. `generation`: the one that was made, else the active one if there is any."""

    outcome: Outcome
    generation: Generation | None
    reason: str = ""


def recluster(publisher: Publisher, settings: ReclustererSettings, model_id: str | None = None) -> Regrouped:
    """Cluster all faces anew and publish the result, unless that makes no sense or the result is worse.

    A call that was killed leaves at most an unfinished generation behind, which no reader sees, or an active one that
    is not announced yet; the next call removes the one and finishes the other first. `model_id`: whose embeddings are
    grouped; None: the model of the settings, of the active generation, or the only one.
    """
    done = _recluster(publisher, settings, model_id)
    if done.outcome is not Outcome.PUBLISHED:
        publisher.tell_refitted()
    return done


def _recluster(publisher: Publisher, settings: ReclustererSettings, model_id: str | None) -> Regrouped:
    repository, phases = publisher.repository, publisher.phases
    active = publisher.resume()
    refit_bereft(repository)
    if active and active.number in repository.pinned():
        return Regrouped(Outcome.SKIPPED, active, f"generation {active.number} is active and pinned")
    model = model_id or _model(publisher, active)
    if model is None:
        return Regrouped(Outcome.SKIPPED, active, "there are no faces")
    with phases("snapshot"):
        snapshot = take_snapshot(repository, model)
        before = standing(repository, active, snapshot)
    reason = _reason_to_skip(publisher, snapshot, before, settings)
    if reason:
        return Regrouped(Outcome.SKIPPED, active, reason)
    with parallel_map_on(publisher.settings.dask_scheduler) as parallel_map:
        generation = build(repository, snapshot, before, settings, phases, parallel_map=parallel_map)
    reason = objection(generation, before, publisher.settings)
    if reason:
        return Regrouped(Outcome.HELD, _held(publisher, generation, reason), reason)
    try:
        return Regrouped(Outcome.PUBLISHED, publisher.publish(generation))
    except InvalidInput as error:  # somebody pinned the active generation meanwhile
        return Regrouped(Outcome.HELD, _held(publisher, generation, str(error)), str(error))


def _held(publisher: Publisher, generation: Generation, reason: str) -> Generation:
    held = replace(generation, state=GenerationState.HELD, reason=reason)
    publisher.repository.save_generation(held)
    forget_gone(publisher.repository, held)  # nobody else does, unless it is published
    publisher.retire()
    return held


def _model(publisher: Publisher, active: Generation | None) -> str | None:
    configured, models = publisher.settings.model, publisher.repository.models()
    if configured or not models:
        return configured
    chosen = active.model_id if active and active.model_id in models else models[0]
    if len(models) > 1 and (active is None or active.model_id not in models):
        msg = f"FACESTREAM_RECLUSTERER_MODEL: expected one of {', '.join(models)}, found none; faces of several models"
        msg += " cannot be grouped together"
        raise InvalidInput(msg)
    if len(models) > 1:
        publisher.say("faces of other models stay unknown", {"model": chosen, "models": models})
    return chosen


def _reason_to_skip(publisher: Publisher, snapshot: Snapshot, before: Standing, settings: ReclustererSettings) -> str:
    wanted = (snapshot.model_id, parameters_of(settings))
    for generation in publisher.repository.generations():
        same = (generation.model_id, dict(generation.parameters)) == wanted and generation.snapshot == snapshot.digest
        if same and generation.state is GenerationState.HELD:
            return f"these faces make generation {generation.number}, which is held back: {generation.reason}"
    active, limits, faces = before.generation, publisher.settings, len(snapshot.face_ids)
    if active is None:
        return "there are no faces" if faces < limits.least_change_faces else ""
    if (active.model_id, dict(active.parameters)) != wanted:
        return ""
    if active.snapshot == snapshot.digest:
        return "no face came or went" if before.is_as_made else ""
    if before.changed < max(limits.least_change_faces, limits.least_change_share * faces):
        return f"only {before.changed} of {faces} faces came or went"
    return ""
