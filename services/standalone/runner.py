"""The way of a photograph on one machine: detect -> screen -> embed -> assign -> (regroup) -> results.

Everything that was finished is in `facestream.db` before the next batch begins, so a run that was killed goes on
where it was; identifiers are derived and steps are deterministic, so it ends with the same result.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from more_itertools import chunked, ilen

from services.assigner.before import Before, before
from services.assigner.step import accepted_faces, assign
from services.detector.settings import DetectorSettings
from services.embedder.embedding import Embedder
from services.embedder.step import crop, embed
from services.quality.settings import QualitySettings
from services.reclusterer.settings import ReclustererSettings
from services.reclusterer.step import Regrouped, recluster
from services.standalone.absence import Absence, judge
from services.standalone.detection import Detection, Screened
from services.standalone.identity import Findings, Reader, identify
from services.standalone.library import Library
from services.standalone.passing_over import passed_over
from services.standalone.publishing import publisher
from services.standalone.scan import Comparison, compare
from services.standalone.settings import StandaloneSettings
from services.standalone.summary import Changes
from shared.events import BucketEvent, FacesEmbedded, Outcome
from shared.file_index import IndexedFile
from shared.matching import AssignerSettings
from shared.people import People
from shared.photo_rule import PhotoRule, PhotoSettings
from shared.ports import ObjectInfo
from shared.processes import Processes
from shared.records import Generation
from shared.refitting import refit_bereft, refit_returned
from shared.returning import memberships_before
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of all steps of a run."""

    buckets: BucketSettings
    standalone: StandaloneSettings
    detector: DetectorSettings
    quality: QualitySettings
    assigner: AssignerSettings
    reclusterer: ReclustererSettings
    photos: PhotoSettings


class Progress(Protocol):
    """What a run tells whoever watches it."""

    def advance(self, photos: int, faces: int) -> None:
        """So many more photographs are done and stored, with so many accepted faces."""
        ...

    def stage(self, name: str) -> None:
        """A stage that has no countable parts begins."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One run over a folder: the photographs, what decodes them, and the settings.

    `decoders` names the decoders and limits of this run.
    """

    library: Library
    detection: Detection
    settings: RunSettings
    decoders: str

    def compare(self, *, rescan: bool) -> Comparison:
        """Compare the folder with what is known of it. `rescan`: as if somebody might have touched every file."""
        bucket, index = self.settings.buckets.photos, self.library.index
        known = (replace(file, stamp="") for file in index.files()) if rescan else index.files()
        folder = self.detection.objects()
        rule = PhotoRule.of(self.settings.photos, str(self.detection.photos.resolve()))
        return compare(folder.walk(bucket), known, partial(passed_over, folder, bucket, rule), self.decoders)

    def identify(self, comparison: Comparison) -> Findings:
        """Find out which photograph each file holds that is new, or may be another one than before."""
        bucket, limit = self.settings.buckets.photos, self.settings.detector.max_bytes
        return identify(comparison, self.library.index, Reader(self.library.objects, bucket, limit, self.decoders))

    def take_in(
        self, comparison: Comparison, found: Findings, add: Callable[[Sequence[ObjectInfo]], Mapping[str, str]]
    ) -> Changes:
        """Bring the repository up to date with what was found in the folder; return what was done.

        `add` decodes photographs and stores them, as `Run.add` does, and is called only where there are any.
        """
        self.library.settle(found)
        self.library.pass_over(comparison)
        refit_bereft(self.library.repository)  # of faces that an earlier version of this software has erased
        refused = {**found.refused, **(add(found.pending) if found.pending else {})}
        self.library.add_copies(found.copies)
        absence = self._absence(comparison, found, refused)
        return Changes(
            renamed=len(found.homes),
            forgotten=self.library.forget(absence.deleted),
            copies=self.library.index.copies(),
            away=[file.key for file in absence.away],
            refused=refused,
            passed_over=comparison.reasons,
        )

    def _absence(self, comparison: Comparison, found: Findings, refused: Collection[str]) -> Absence:
        """Say of the photographs that are missing whether they count as deleted.

        What lies below a name that cannot be read just now, as a link whose target is away, is not missing.
        """
        closed = tuple(f"{key.removesuffix('/')}/" for key in refused)
        missing = [file for file in found.missing if not file.key.startswith(closed)]
        return judge(missing, comparison, self.settings.standalone)

    def add(
        self, pending: Sequence[ObjectInfo], embedder: Embedder, processes: Processes, progress: Progress
    ) -> dict[str, str]:
        """Process photographs that are new or other ones than before.

        Returns why photographs could not be read just now, by key. What is recorded of known ones stays.
        """
        repository = self.library.repository
        generation = repository.active_generation()
        number = generation.number if generation else 0
        people = self._people(number)
        size = self.settings.standalone.photos_per_batch
        stamps = {info.key: info.stamp for info in pending}
        refused: dict[str, str] = {}
        # Enough may wait that no process idles while a batch is embedded, few enough to bound the memory.
        screened = self.detection.screened(map(self._event, pending), processes, waiting=2 * size)
        for batch in chunked(screened, size):
            kept = self._without_passing(batch, refused)
            photos = [item.photo for item in kept]
            cropped = [
                crop(photo, self.library.objects, embedder.input_size, self.settings.buckets) for photo in photos
            ]
            faces, changed = self._store(kept, embed(cropped, embedder), stamps, generation, people)
            people = self._people(number) if changed else people
            progress.advance(len(batch), faces)
        return refused

    def _people(self, generation: int) -> People:
        clusters = self.library.repository.clusters(generation) if generation else []
        return People(clusters, self.settings.assigner.rule)

    def _event(self, info: ObjectInfo) -> BucketEvent:
        bucket = self.settings.buckets.photos
        return BucketEvent(bucket=bucket, key=info.key, size=info.size, etag=info.etag, occurred_at=info.modified)

    def _without_passing(self, batch: Sequence[Screened], refused: dict[str, str]) -> list[Screened]:
        """Leave out photographs that cannot be read just now, and of which something is known that may still hold.

        Those that were removed since they were listed are left out as well: the next run misses them.
        """
        known = self.library.index.named([item.photo.photo.key for item in batch if item.passing])
        kept = []
        for item in batch:
            if item.gone:
                continue
            key, is_read = item.photo.photo.key, item.photo.outcome is not Outcome.UNREADABLE
            if item.passing and not is_read:
                refused[key] = item.photo.reason or ""
            file = known.get(key)
            if not item.passing or is_read or file is None or file.unread_by is not None:
                kept.append(item)
        return kept

    def _store(
        self,
        screened: Sequence[Screened],
        photos: Sequence[FacesEmbedded],
        stamps: Mapping[str, str],
        generation: Generation | None,
        people: People,
    ) -> tuple[int, bool]:
        """Store photographs with their faces and files, all or none.

        Faces that were away get back the people that they had. Returns the number of accepted faces, and whether
        clusters are others now.
        """
        repository, index = self.library.repository, self.library.index
        number = generation.number if generation else 0
        files = [
            self._file(item, stamps[item.photo.photo.key], photo.photo.etag)
            for item, photo in zip(screened, photos, strict=True)
        ]
        with index.transaction():
            known = self._before(photos, number, people)
            assigned = assign(photos, number, people, self.settings.assigner, kept=known.kept)
            replaced = {file.image_id for file in index.named([file.key for file in files]).values()}
            repository.save_faces([face for item in assigned for face in item.faces])
            memberships = [membership for item in assigned for membership in item.memberships]
            repository.save_memberships(memberships)
            changed = generation is not None and refit_returned(repository, generation, known.returned())
            repository.save_images([item.image for item in assigned])
            index.save(files)
            self.library.remove_unheld(replaced)
        return len(memberships), changed

    def _before(self, photos: Sequence[FacesEmbedded], generation: int, people: People) -> Before:
        """Look up what faces have, or had before their photographs went."""
        faces = [face.face_id for photo in photos for face in accepted_faces(photo)]
        if not generation or not faces:
            return Before({}, {}, {})
        repository = self.library.repository
        had = memberships_before(repository, generation, faces, people)
        has = repository.memberships_of(generation, faces)
        return before([(photo, True) for photo in photos], has, had, people)

    def _file(self, screened: Screened, stamp: str, etag: str) -> IndexedFile:
        photo = screened.photo.photo
        if screened.passing:
            unread_by: str | None = ""
        else:
            unread_by = self.decoders if screened.photo.outcome is Outcome.UNREADABLE else None
        return IndexedFile(photo.key, stamp, photo.size, etag, photo.image_id, unread_by)

    def regroup(self, model_id: str) -> Regrouped:
        """Cluster all faces of this model anew and make the result the active generation, or say why not."""
        with publisher(self.library.repository, self.settings.assigner) as publishing:
            return recluster(publishing, self.settings.reclusterer, model_id)

    def is_due(self, generation: Generation | None) -> bool:
        """Say whether a run regroups without being asked.

        It does before the first generation, and while the active one has no people or was made of a small share of
        the faces there are: a first run over few photographs decides nothing. Where a person went back to an earlier
        generation, that is a decision.
        """
        if generation is None:
            return True
        if generation.previous > generation.number:
            return False
        if not generation.counts.get("clusters"):
            return True
        faces = ilen(self.library.repository.accepted_ids())
        return generation.counts.get("faces", 0) < self.settings.standalone.regroup_below * faces
