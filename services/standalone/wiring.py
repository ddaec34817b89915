"""A run from settings to result: the one place that names the local adapters."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from services.detector.settings import DetectorSettings
from services.embedder.loading import load_embedder, model_id_of
from services.embedder.settings import EmbedderSettings
from services.quality.settings import QualitySettings
from services.reclusterer.settings import ReclustererSettings
from services.standalone.detection import Detection
from services.standalone.origin import check_origin, record_origin
from services.standalone.publishing import check_not_pinned
from services.standalone.result_folder import DATABASE, check_folders, held
from services.standalone.results import check_files, write_files
from services.standalone.runner import Progress, Run, RunSettings
from services.standalone.scan import census
from services.standalone.settings import StandaloneSettings
from services.standalone.summary import Summary, summarise
from shared.adapters.sqlite import SqliteRepository
from shared.errors import InvalidInput
from shared.matching import AssignerSettings
from shared.models import FACENET, LANDMARKS, located
from shared.processes import Processes
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says of a run; None leaves a setting to the environment or its default."""

    photos: Path
    out: Path
    recluster: bool = False
    min_cluster_size: int | None = None
    model: Path | None = None
    processes: int | None = None


class ShownProgress(AbstractContextManager["ShownProgress"], Progress, Protocol):
    """Progress that is shown while its context lasts."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a run ends with: the numbers of the result, and lines on what it left as a person had it."""

    summary: Summary
    left: Sequence[str]

    def lines(self) -> Iterator[str]:
        """Yield all of it as lines for a person."""
        yield from self.summary.lines()
        yield from self.left


def run_folder(options: Options, progress_of: Callable[[int], ShownProgress]) -> Done:
    """Bring the result in `options.out` up to date with the photographs in `options.photos`.

    `progress_of` gets the number of photographs to process. Raises `InvalidInput` where the folders or the
    settings make no sense, `ModelError` where a model is missing, `Transient` where the disk is full; whatever was
    finished by then is kept.
    """
    check_folders(options.photos, options.out)
    sizes: dict[str, Any] = {} if options.min_cluster_size is None else {"min_cluster_size": options.min_cluster_size}
    settings = RunSettings(
        BucketSettings(),
        StandaloneSettings.with_processes(options.processes),
        DetectorSettings(),
        QualitySettings(),
        AssignerSettings(),
        ReclustererSettings(**sizes),
    )
    detection = Detection(
        options.photos, options.out, located(LANDMARKS), settings.buckets, settings.detector, settings.quality
    )
    objects = detection.objects()
    embedding = EmbedderSettings()
    model = options.model or embedding.model or located(FACENET)
    with held(options.out, options.photos), SqliteRepository(options.out / DATABASE) as repository:
        if options.recluster:
            check_not_pinned(repository, options.out)
        found = census(objects, settings.buckets.photos)
        if not found.photos and next(iter(repository.images()), None):
            msg = f"{options.photos}: expected the photographs of earlier runs, found none; is a disk not mounted?"
            msg += f" If they are gone on purpose, remove {options.out}"
            raise InvalidInput(msg)
        model_id = model_id_of(model)
        origin = _origin(options.photos, model_id, settings)
        check_origin(options.out, origin)
        check_files(
            repository,
            objects,
            options.out,
            buckets=settings.buckets,
            assigner=settings.assigner,
            quality=settings.quality,
        )
        run = Run(objects, repository, detection, settings)
        run.forget_outdated()
        pending = run.pending()
        with progress_of(pending) as progress:
            if pending:
                pool = settings.standalone
                # They load their models in the time that loading the network takes.
                with Processes(pool.processes, pool.photo_timeout, detection.finder().load) as processes:
                    embedder = load_embedder(model, embedding)
                    record_origin(options.out, origin)
                    run.add_pending(embedder, processes, progress)
            generation = repository.active_generation()
            if options.recluster or generation is None:
                progress.stage("grouping all faces into people")
                generation = run.regroup(model_id)
            left = write_files(
                repository,
                objects,
                options.out,
                buckets=settings.buckets,
                assigner=settings.assigner,
                quality=settings.quality,
                stage=progress.stage,
            )
        return Done(summarise(repository, generation.number, found.others), left)


def _origin(photos: Path, model_id: str, settings: RunSettings) -> dict[str, str]:
    """What decides which faces there are and how they compare; a result has one of each for its whole life."""
    return {
        "photos": str(photos.resolve()),
        "model": model_id,
        "detector": settings.detector.model_dump_json(),
        "quality": settings.quality.model_dump_json(),
    }
