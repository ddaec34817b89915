"""`facestream run`, from settings to result. No other module of this package names an adapter."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from services.detector.photo_detector import PhotoDetector
from services.detector.photo_pool import PhotoPool
from services.embedder.loading import load_embedder, model_id_of
from services.standalone.detect_and_screen import DetectAndScreen
from services.standalone.intake import Added, Intake, Progress
from services.standalone.library.decoders import decoders
from services.standalone.library.library import Library
from services.standalone.library.missing import check_library, check_presence
from services.standalone.recluster import check_not_pinned, is_due, recluster_faces
from services.standalone.result.contents import ResultContents
from services.standalone.result.files import ResultFiles
from services.standalone.result.folder import DATABASE, check_folders
from services.standalone.result.lock import locked
from services.standalone.result.origin import check_origin, origin_of, record_origin
from services.standalone.settings import RunSettings
from services.standalone.summary import Changes, Summary, summarise
from services.standalone.update import Update
from shared.adapters.folder.store import FolderStore
from shared.adapters.sqlite.repository import SqliteRepository
from shared.domain.records import Generation
from shared.errors import Fatal
from shared.model_files import FACENET, LANDMARKS, located
from shared.ports.objects import ObjectInfo
from shared.ports.repository import FaceRepository


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run: its numbers, and lines on files that were kept because a person has made or changed them."""

    summary: Summary
    kept: Sequence[str]

    def lines(self) -> Iterator[str]:
        """Yield all of it as lines for a person."""
        yield from self.summary.lines()
        yield from self.kept


class ShownProgress(AbstractContextManager["ShownProgress"], Progress, Protocol):
    """Progress that is shown while its context lasts."""


def run_folder(settings: RunSettings, progress_of: Callable[[int], ShownProgress]) -> RunResult:
    """Bring the result in `settings.out` up to date with the photographs in `settings.photos`.

    `progress_of` gets the number of photographs that will be decoded. Raises `InvalidInput` if the folders or the
    settings make no sense, `ModelError` if a model is missing, `Transient` if the disk is full. Everything that was
    stored before an error stays.
    """
    check_folders(settings.photos, settings.out)
    settings = settings.with_memory_shared()
    detector = PhotoDetector(located(LANDMARKS), settings.detector)
    model = settings.embedder.model or located(FACENET)
    with locked(settings.out, settings.photos), SqliteRepository(settings.out / DATABASE) as repository:
        if settings.recluster:
            check_not_pinned(repository, settings.out)
        model_id = model_id_of(model)
        origin = origin_of(settings.photos, model_id, settings.detector, settings.quality)
        made_from = check_origin(settings.out, origin)

        store = FolderStore({settings.buckets.photos: settings.photos, settings.buckets.faces: settings.out})
        library = Library(store, repository, repository.file_index(), settings.buckets)
        files = _files(library, settings)
        kept = files.check()
        update = _update(library, detector, settings)
        comparison = update.compare()
        check_presence(comparison, settings.photos, settings.out, settings.standalone)
        found = update.identify(comparison)
        if made_from and not settings.standalone.forget_missing:
            check_library(comparison, found, made_from, settings.photos, settings.out)
        record_origin(settings.out, origin)

        with progress_of(len(found.pending)) as progress:
            renamed = update.begin(found)
            added = _add(update.intake, found.pending, detector, model, progress)
            changes = update.finish(comparison, found, added, renamed)
            generation, changes = _recluster(repository, settings, model_id, progress, changes)
            kept = [*kept, *files.write(progress.stage)]
        smallest = settings.reclusterer.min_cluster_size
        return RunResult(summarise(repository, generation, smallest, changes), kept)


def _files(library: Library, settings: RunSettings) -> ResultFiles:
    contents = ResultContents(
        repository=library.repository,
        crops=library.folder,
        index=library.index,
        buckets=settings.buckets,
        assigner=settings.assigner,
        quality=settings.quality,
    )
    return ResultFiles(contents, settings.out)


def _update(library: Library, detector: PhotoDetector, settings: RunSettings) -> Update:
    detect_and_screen = DetectAndScreen(
        objects=library.folder,
        detect=detector.detect,
        max_bytes=settings.detector.max_bytes,
        quality=settings.quality,
        buckets=settings.buckets,
    )
    decoded_by = decoders(settings.detector)
    intake = Intake(library, detect_and_screen, settings, decoded_by)
    return Update(library=library, intake=intake, settings=settings, decoders=decoded_by)


def _add(
    intake: Intake, pending: Sequence[ObjectInfo], detector: PhotoDetector, model: Path, progress: Progress
) -> Added:
    """Decode and store photographs; the models are loaded only if there are any."""
    if not pending:
        return Added()
    standalone, memory = intake.settings.standalone, detector.settings.memory
    # The processes load their models while this one loads the network.
    with PhotoPool(standalone.processes, standalone.photo_timeout, detector.load, memory) as pool:
        return intake.add(pending, load_embedder(model, intake.settings.embedder), pool, progress)


def _recluster(
    repository: FaceRepository, settings: RunSettings, model_id: str, progress: Progress, changes: Changes
) -> tuple[Generation, Changes]:
    """Group all faces again if a person asked for it or it is due; return the active generation, and the changes."""
    active = repository.active_generation()
    if active and not settings.recluster and not is_due(active, repository, settings.standalone.recluster_below):
        return active, changes
    progress.stage("grouping all faces into people")
    done = recluster_faces(repository, settings.assigner, settings.reclusterer, model_id)
    if done.generation is None:
        msg = f"expected a generation after grouping all faces, found none: {done.reason}"
        raise Fatal(msg)
    return done.generation, replace(changes, not_reclustered=done.reason if settings.recluster else "")
