"""The files of a result that people and other programs read, made anew from the repository after every run.

A reader finds the old one or the new one of each, whole. What a person has put there or changed is never replaced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.quality.settings import QualitySettings
from services.standalone import adoption
from services.standalone.contents import Contents
from services.standalone.manifest import Manifest
from services.standalone.person_folders import PersonFolders
from services.standalone.result_files import (
    ASSIGNMENTS,
    EMBEDDINGS,
    MEDOIDS,
    Drafts,
    check_none_foreign,
    foreign_files,
)
from services.standalone.result_folder import REPORT
from shared.atomic_output import explained
from shared.domain.matching import AssignerSettings
from shared.errors import InvalidInput
from shared.ports.file_index import FileIndex
from shared.ports.objects import ObjectStore
from shared.ports.repository import FaceRepository
from shared.settings import BucketSettings


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """The files of the result in `out`, and all that they are made from. `objects` has the crops."""

    repository: FaceRepository
    objects: ObjectStore
    index: FileIndex
    out: Path
    buckets: BucketSettings
    assigner: AssignerSettings
    quality: QualitySettings

    def check(self) -> Sequence[str]:
        """Refuse a result in which a person has put or changed files that `write` would replace.

        Asked by whoever holds the folder, before anything in it or in its database is changed. What was left by a
        command that was killed is removed. Takes as long as writing the files, once, in a result of a version that
        took no notes. Returns lines on what was put aside in such a result. Raises `InvalidInput` that names the
        files.
        """
        aside: Sequence[str] = ()
        with explained(self.out), Manifest(self.out) as manifest:
            if manifest.begun:
                manifest.sweep()
            else:
                active = self.repository.active_generation()
                contents = self._contents(active.number) if active else None
                aside = adoption.begin(manifest, contents, self.repository)
            check_none_foreign(self.out, foreign_files(manifest, [ASSIGNMENTS, EMBEDDINGS, MEDOIDS, REPORT]))
        return aside

    def write(self, stage: Callable[[str], object] = lambda _: None) -> Sequence[str]:
        """Make all files anew from the active generation, after `check`; `stage` is told what is done.

        Returns lines on what was left as it is in the folders of people. Raises `InvalidInput` where there is no
        generation, `out` cannot be written or one of the files is a person's, `Transient` where the disk is full; the
        files are then those of an earlier run, and the next one makes them.
        """
        generation = self.repository.active_generation()
        if generation is None:
            msg = f"{self.out}: expected a generation, found none yet: faces have not been grouped so far"
            raise InvalidInput(msg)
        contents = self._contents(generation.number)
        with explained(self.out), Manifest(self.out) as manifest, manifest.wanting():
            drafts = Drafts(manifest)
            try:
                stage("writing people, events and vectors")
                with drafts.text(ASSIGNMENTS) as events, drafts.text(EMBEDDINGS) as embeddings:
                    contents.write_faces(events, embeddings, manifest.want)
                with drafts.text(MEDOIDS) as medoids:
                    contents.write_medoids(medoids)
                stage("drawing the report")
                with drafts.text(REPORT) as report:
                    contents.write_report(report)
                lines = PersonFolders(manifest).bring_up_to_date()
                drafts.put_in_place()
            finally:
                manifest.sweep()
        return lines

    def _contents(self, generation: int) -> Contents:
        parts = self.repository, self.objects, self.index
        return Contents(*parts, generation, self.buckets, self.assigner, self.quality)
