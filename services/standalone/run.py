"""A run from settings to result: the one place that names the local adapters."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from services.embedder.loading import load_embedder, model_id_of
from services.embedder.settings import EmbedderSettings
from services.quality.settings import QualitySettings
from services.reclusterer.settings import ReclustererSettings
from services.standalone.detect_and_screen import Detection
from services.standalone.intake import Added, Progress
from services.standalone.library.decoders import decoders
from services.standalone.library.library import Library
from services.standalone.library.missing import check_library, check_presence
from services.standalone.recluster import check_not_pinned
from services.standalone.result.files import ResultFiles
from services.standalone.result.folder import DATABASE, check_folders, locked
from services.standalone.result.origin import check_origin, origin_of, record_origin
from services.standalone.settings import OF_RUN, RunSettings, StandaloneSettings
from services.standalone.summary import Changes, Summary, summarise
from services.standalone.update import Run
from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain.matching import AssignerSettings
from shared.domain.records import Generation
from shared.errors import Fatal
from shared.model_files import FACENET, LANDMARKS, located
from shared.photos.photo_rule import PhotoSettings
from shared.ports.objects import ObjectInfo
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class Options:
    """What a person says of a run; None leaves a setting to the environment or its default."""

    photos: Path
    out: Path
    recluster: bool = False
    rescan: bool = False
    forget_missing: bool = False
    min_cluster_size: int | None = None
    model: Path | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What a run ends with: the numbers of the result, and lines on what it left as a person had it."""

    summary: Summary
    left: Sequence[str]

    def lines(self) -> Iterator[str]:
        """Yield all of it as lines for a person."""
        yield from self.summary.lines()
        yield from self.left


class ShownProgress(AbstractContextManager["ShownProgress"], Progress, Protocol):
    """Progress that is shown while its context lasts."""


def run_folder(options: Options, progress_of: Callable[[int], ShownProgress]) -> Done:
    """Bring the result in `options.out` up to date with the photographs in `options.photos`.

    `progress_of` gets the number of photographs to process. Raises `InvalidInput` where the folders or the
    settings make no sense, `ModelError` where a model is missing, `Transient` where the disk is full; whatever was
    finished by then is kept.
    """
    check_folders(options.photos, options.out)
    settings = _settings(options)
    detection = Detection(
        options.photos, options.out, located(LANDMARKS), settings.buckets, settings.detector, settings.quality
    )
    embedding = EmbedderSettings()
    model = options.model or embedding.model or located(FACENET)
    with locked(options.out, options.photos), SqliteRepository(options.out / DATABASE) as repository:
        if options.recluster:
            check_not_pinned(repository, options.out)
        model_id = model_id_of(model)
        origin = origin_of(options.photos, model_id, settings.detector, settings.quality)
        made_from = check_origin(options.out, origin)
        files = ResultFiles(
            *(repository, detection.objects(), repository.file_index(), options.out),
            *(settings.buckets, settings.assigner, settings.quality),
        )
        aside = files.check()
        library = Library(detection.objects(), repository, repository.file_index(), settings.buckets)
        run = Run(library, detection, settings, decoders(settings.detector))
        comparison = run.compare(rescan=options.rescan)
        check_presence(comparison, options.photos, options.out, settings.standalone)
        found = run.identify(comparison)
        if made_from and not settings.standalone.forget_missing:
            check_library(comparison, found, made_from, options.photos, options.out)
        record_origin(options.out, origin)
        with progress_of(len(found.pending)) as progress:

            def add(pending: Sequence[ObjectInfo]) -> Added:
                pool = settings.standalone
                # They load their models in the time that loading the network takes.
                bounds = pool.photo_timeout, detection.finder().load, settings.detector.memory
                with PhotoPool(pool.processes, *bounds) as processes:
                    return run.arrivals.add(pending, load_embedder(model, embedding), processes, progress)

            changes = run.take_in(comparison, found, add)
            generation, changes = _regrouped(run, model_id, progress, changes, asked=options.recluster)
            left = files.write(progress.stage)
        return Done(summarise(repository, generation, settings.reclusterer.min_cluster_size, changes), [*aside, *left])


def _settings(options: Options) -> RunSettings:
    sizes: dict[str, Any] = {} if options.min_cluster_size is None else {"min_cluster_size": options.min_cluster_size}
    standalone = StandaloneSettings.with_processes(options.processes, forget_missing=options.forget_missing)
    standalone, detector = standalone.sharing(DetectorSettings(), OF_RUN)
    return RunSettings(
        BucketSettings(),
        standalone,
        detector,
        QualitySettings(),
        AssignerSettings(),
        ReclustererSettings(**sizes),
        PhotoSettings(),
    )


def _regrouped(
    run: Run, model_id: str, progress: Progress, changes: Changes, *, asked: bool
) -> tuple[Generation, Changes]:
    """Regroup where a person asked for it or it is due; return the active generation, and what is to be said of it."""
    generation = run.library.repository.active_generation()
    if generation is not None and not asked and not run.is_due(generation):
        return generation, changes
    progress.stage("grouping all faces into people")
    done = run.regroup(model_id)
    if done.generation is None:
        msg = f"expected a generation after a regrouping, found none: {done.reason}"
        raise Fatal(msg)
    return done.generation, replace(changes, not_regrouped=done.reason if asked else "")
