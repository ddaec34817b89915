"""The files of a result that people and other programs read, made anew from the repository after every run.

Each is written whole under another name and renamed, so that a reader finds the old one or the new one.
"""

import contextlib
import csv
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from more_itertools import chunked

from services.quality.settings import QualitySettings
from services.standalone.report import write_report
from services.standalone.result_folder import REPORT
from shared.errors import InvalidInput
from shared.events import FaceAssigned, Verdict
from shared.matching import AssignerSettings
from shared.ports import FaceRepository, ObjectStore
from shared.records import FaceRecord, ImageRecord, Membership
from shared.settings import BucketSettings
from shared.whole_output import explained, put_in_place, whole_file
from shared.worker import nothing

_BLOCK = 500  # images whose faces are read at once
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Assignment:
    """An accepted face with its photograph and its place in the active generation."""

    image: ImageRecord
    face: FaceRecord
    membership: Membership

    @property
    def label(self) -> str:
        """The person's id, or `unknown`."""
        return self.membership.cluster_id or UNKNOWN

    def event(self) -> FaceAssigned:
        """Return it as the event that the assigner or the reclusterer emits for it."""
        return FaceAssigned(
            face_id=self.face.face_id,
            image_id=self.face.image_id,
            object_id=self.face.object_id,
            bucket=self.image.bucket,
            key=self.image.key,
            box=self.face.box,
            crop_key=self.face.crop_key,
            cluster_id=self.membership.cluster_id,
            similarity=self.membership.similarity,
            generation=self.membership.generation,
            cause=self.membership.cause,
        )


def assignments(repository: FaceRepository, generation: int) -> Iterator[Assignment]:
    """Yield every accepted face, in the order of the photographs' keys and of the faces' places from the left."""
    for images in chunked(repository.images(), _BLOCK):
        faces_of = repository.faces_of([image.image_id for image in images])
        accepted = {
            image_id: [face for face in faces if face.verdict is Verdict.ACCEPTED]
            for image_id, faces in faces_of.items()
        }
        ids = [face.face_id for faces in accepted.values() for face in faces]
        memberships = repository.memberships_of(generation, ids)
        for image in images:
            for face in sorted(accepted.get(image.image_id, []), key=lambda face: (face.box.left, face.box.top)):
                yield Assignment(image, face, memberships[face.face_id])


def write_files(
    repository: FaceRepository,
    objects: ObjectStore,
    out: Path,
    *,
    buckets: BucketSettings,
    assigner: AssignerSettings,
    quality: QualitySettings,
    stage: Callable[[str], object] = nothing,
) -> None:
    """Make all files of a result anew from its active generation; `stage` is told what is being done.

    `objects` has the crops. Raises `InvalidInput` where there is no generation or `out` cannot be written, `Transient`
    where the disk is full.
    """
    generation = repository.active_generation()
    if generation is None:
        msg = f"{out}: expected a generation, found none yet: faces have not been grouped so far"
        raise InvalidInput(msg)
    with explained(out):
        stage("writing people, events and vectors")
        write_results(repository, generation.number, out)
        stage("drawing the report")
        write_report(
            repository,
            objects,
            out / REPORT,
            faces_bucket=buckets.faces,
            similarity_threshold=assigner.threshold,
            sharpness_threshold=quality.sharpness_threshold,
            rule=assigner.rule,
        )


def write_results(repository: FaceRepository, generation: int, out: Path) -> None:
    """Write `assignments.jsonl`, `embeddings.csv`, `medoids.csv`, and the folders `people` and `unknown`."""
    with (
        _replaced_text(out / "assignments.jsonl") as events,
        _replaced_text(out / "embeddings.csv") as embeddings,
        _replaced_folder(out / "people") as people,
        _replaced_folder(out / UNKNOWN) as unknown,
    ):
        rows = csv.writer(embeddings, lineterminator="\n")
        header_written = False
        for item in assignments(repository, generation):
            events.write(item.event().model_dump_json() + "\n")
            vector = item.face.vector
            if vector is None:
                continue
            if not header_written:
                rows.writerow(range(len(vector) + 2))
                header_written = True
            rows.writerow([item.face.crop_key, item.label, *map(str, vector)])
            folder = people / item.label if item.membership.cluster_id else unknown
            folder.mkdir(exist_ok=True)
            _link(out / item.face.crop_key, folder)
    with _replaced_text(out / "medoids.csv") as medoids:
        rows = csv.writer(medoids, lineterminator="\n")
        for cluster in repository.clusters(generation):
            rows.writerow([cluster.cluster_id, *map(str, cluster.medoid)])


def _link(crop: Path, folder: Path) -> None:
    """Put a crop into a folder without a second copy of its bytes where the file system can do so."""
    target = folder / crop.name
    try:
        os.link(crop, target)
    except FileNotFoundError:
        return  # someone removed the crop; the face keeps its place in the other files
    except OSError:
        shutil.copyfile(crop, target)


@contextlib.contextmanager
def _replaced_text(path: Path) -> Iterator[TextIO]:
    with whole_file(path, "new") as scratch, scratch.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.contextmanager
def _replaced_folder(path: Path) -> Iterator[Path]:
    scratch = path.with_name(f".{path.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
        put_in_place(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
