"""The photo catalog in a SQLite file."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from shared.adapters.sqlite import schema
from shared.adapters.sqlite.database import SqliteStore
from shared.adapters.sqlite.memberships import retire
from shared.domain.events import Outcome
from shared.domain.records import FaceBlock, FaceRecord, ImageRecord
from shared.sqlite_file import SELECTED

_PAGE = 5_000  # rows that one query returns where a whole table is read


class SqlitePhotoCatalog(SqliteStore):
    """A `PhotoCatalog`: the tables `images` and `faces`."""

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        self._file.save("images", map(schema.image_row, images))

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces."""
        self._file.save("faces", map(schema.face_row, faces))

    def images(self, outcome: Outcome | None = None) -> Iterator[ImageRecord]:
        """Yield every image, or those of one outcome, in order of bucket and key. Writing meanwhile is allowed."""
        sql = (
            "SELECT * FROM images WHERE (bucket, key, image_id) > (?, ?, ?) AND outcome = ifnull(?, outcome)"
            " ORDER BY bucket, key, image_id LIMIT ?"
        )
        last, wanted = ("", "", ""), None if outcome is None else outcome.value
        while images := [schema.image_of(row) for row in self._file.rows(sql, *last, wanted, _PAGE)]:
            yield from images
            last = (images[-1].bucket, images[-1].key, images[-1].image_id)

    def images_of(self, object_ids: Sequence[str]) -> Mapping[str, Sequence[ImageRecord]]:
        """Return the images of each of these objects that has any, in ascending order of image id."""
        sql = f"SELECT * FROM images WHERE object_id IN {SELECTED} ORDER BY object_id, image_id"  # noqa: S608  a constant
        found: defaultdict[str, list[ImageRecord]] = defaultdict(list)
        for row in self._file.rows(sql, json.dumps(list(object_ids))):
            image = schema.image_of(row)
            found[image.object_id].append(image)
        return dict(found)

    def faces(self) -> Iterator[FaceRecord]:
        """Yield every face in ascending order of face id. Writing meanwhile is allowed."""
        sql, last = "SELECT * FROM faces WHERE face_id > ? ORDER BY face_id LIMIT ?", ""
        while faces := [schema.face_of(row) for row in self._file.rows(sql, last, _PAGE)]:
            yield from faces
            last = faces[-1].face_id

    def faces_of(self, image_ids: Sequence[str]) -> Mapping[str, Sequence[FaceRecord]]:
        """Return the faces of each of these images that has any, in ascending order of face id."""
        sql = f"SELECT * FROM faces WHERE image_id IN {SELECTED} ORDER BY image_id, face_id"  # noqa: S608  a constant
        found: defaultdict[str, list[FaceRecord]] = defaultdict(list)
        for row in self._file.rows(sql, json.dumps(list(image_ids))):
            face = schema.face_of(row)
            found[face.image_id].append(face)
        return dict(found)

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return those of these faces that exist, by face id."""
        sql = f"SELECT * FROM faces WHERE face_id IN {SELECTED}"  # noqa: S608  a constant
        found = (schema.face_of(row) for row in self._file.rows(sql, json.dumps(list(face_ids))))
        return {face.face_id: face for face in found}

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images with faces and memberships; return the removed faces in ascending order of face id."""
        ids = json.dumps(list(image_ids))
        with self._file.writing():
            faces = f"FROM faces WHERE image_id IN {SELECTED}"
            removed = [schema.face_of(row) for row in self._file.rows(f"SELECT * {faces} ORDER BY face_id", ids)]
            retire(self._file, f"face_id IN (SELECT face_id {faces})", ids)
            self._file.execute(f"DELETE {faces}", ids)
            self._file.execute(f"DELETE FROM images WHERE image_id IN {SELECTED}", ids)  # noqa: S608  constants
        return removed

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, `block` faces at a time, in ascending order of face id."""
        sql = (
            "SELECT face_id, image_id, vector FROM faces WHERE face_id > ? AND model_id = ? AND verdict = 'accepted'"
            " AND vector IS NOT NULL ORDER BY face_id LIMIT ?"
        )
        last = ""
        while rows := self._file.rows(sql, last, model_id, block):
            face_ids, image_ids, vectors = zip(*rows, strict=True)
            yield FaceBlock(face_ids, image_ids, schema.vector_of(b"".join(vectors)).reshape(len(rows), -1))
            last = face_ids[-1]

    def accepted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield face id and image id of every accepted face of any model, in ascending order of face id."""
        sql = "SELECT face_id, image_id FROM faces WHERE face_id > ? AND verdict = 'accepted' ORDER BY face_id LIMIT ?"
        last = ""
        while rows := self._file.rows(sql, last, _PAGE):
            yield from rows
            last = rows[-1][0]

    def models(self) -> Sequence[str]:
        """Return the models that embedded accepted faces, in ascending order."""
        sql = (
            "SELECT DISTINCT model_id FROM faces WHERE verdict = 'accepted' AND vector IS NOT NULL"
            " AND model_id IS NOT NULL ORDER BY model_id"
        )
        return [model_id for (model_id,) in self._file.rows(sql)]
