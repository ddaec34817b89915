"""Images, faces and generations in one SQLite file. Every call that writes is one transaction."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.adapters.sqlite import schema
from shared.adapters.sqlite.database import SqliteFile
from shared.adapters.sqlite.file_index import SqliteFileIndex
from shared.domain.events import Cause, Outcome
from shared.domain.records import Cluster, FaceBlock, FaceRecord, Generation, ImageRecord, Lease, Membership

_PAGE = 5_000  # rows read at once where a whole table streams by
_MEMBERSHIP = "generation, face_id, cluster_id, similarity, cause"
_SELECTED = "(SELECT value FROM json_each(?))"  # a list as one parameter: its length has no limit


class SqliteRepository:
    """A `FaceRepository` in the file `path`, which is made where there is none; a context manager.

    One object serves one thread; several objects, in several processes too, may use one file. Raises `InvalidInput`
    where the file is not a database of this software and version, and `Transient` where the disk is full or another
    process holds the file too long.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Nothing that was saved depends on this."""
        self._file.close()

    def file_index(self) -> SqliteFileIndex:
        """Return the index of the files of a folder, which lies in the same file."""
        return SqliteFileIndex(self._file)

    def save_images(self, images: Sequence[ImageRecord]) -> None:
        """Store images."""
        self._file.save("images", map(schema.image_row, images))

    def save_faces(self, faces: Sequence[FaceRecord]) -> None:
        """Store faces."""
        self._file.save("faces", map(schema.face_row, faces))

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships."""
        self._file.save("memberships", map(schema.membership_row, memberships))

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
        sql = f"SELECT * FROM images WHERE object_id IN {_SELECTED} ORDER BY object_id, image_id"  # noqa: S608  a constant
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
        sql = f"SELECT * FROM faces WHERE image_id IN {_SELECTED} ORDER BY image_id, face_id"  # noqa: S608  a constant
        found: defaultdict[str, list[FaceRecord]] = defaultdict(list)
        for row in self._file.rows(sql, json.dumps(list(image_ids))):
            face = schema.face_of(row)
            found[face.image_id].append(face)
        return dict(found)

    def faces_named(self, face_ids: Sequence[str]) -> Mapping[str, FaceRecord]:
        """Return each of these faces that there is, by face id."""
        sql = f"SELECT * FROM faces WHERE face_id IN {_SELECTED}"  # noqa: S608  a constant
        found = (schema.face_of(row) for row in self._file.rows(sql, json.dumps(list(face_ids))))
        return {face.face_id: face for face in found}

    def remove_images(self, image_ids: Sequence[str]) -> Sequence[FaceRecord]:
        """Remove images, their faces and the memberships of those; return the faces in ascending order of face id."""
        ids = json.dumps(list(image_ids))
        with self._file.writing():
            faces = f"FROM faces WHERE image_id IN {_SELECTED}"
            removed = [schema.face_of(row) for row in self._file.rows(f"SELECT * {faces} ORDER BY face_id", ids)]
            self._retire(f"face_id IN (SELECT face_id {faces})", ids)
            self._file.execute(f"DELETE {faces}", ids)
            self._file.execute(f"DELETE FROM images WHERE image_id IN {_SELECTED}", ids)  # noqa: S608  constants
        return removed

    def accepted_faces(self, model_id: str, block: int = 50_000) -> Iterator[FaceBlock]:
        """Yield the accepted faces that this model embedded, in ascending order of face id, in blocks of `block`."""
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

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        rows = self._file.rows("SELECT * FROM generations WHERE number = ?", number)
        return schema.generation_of(rows[0]) if rows else None

    def generations(self) -> Sequence[Generation]:
        """Return all generations in ascending order of their numbers."""
        return [schema.generation_of(row) for row in self._file.rows("SELECT * FROM generations ORDER BY number")]

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first."""
        rows = self._file.rows("SELECT g.* FROM generations g JOIN control ON g.number = value WHERE name = 'active'")
        return schema.generation_of(rows[0]) if rows else None

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that nobody else gets."""
        with self._file.writing():
            self._file.execute("UPDATE control SET value = value + 1 WHERE name = 'last number'")
            return self._control("last number")

    def save_generation(self, generation: Generation) -> None:
        """Store a generation document."""
        with self._file.writing():
            before = self.generation(generation.number)
            kept = replace(generation, revision=before.revision if before else 0)
            self._file.replace("generations", [schema.generation_row(kept)])
            sql = "UPDATE control SET value = max(value, ?) WHERE name = 'last number'"
            self._file.execute(sql, generation.number)

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        self._file.save("clusters", map(schema.cluster_row, clusters))

    def clusters(self, generation: int, cluster_ids: Sequence[str] | None = None) -> Sequence[Cluster]:
        """Return the clusters of a generation, or those of these ids, in ascending order of cluster id."""
        if cluster_ids is None:
            found = self._file.rows("SELECT * FROM clusters WHERE generation = ? ORDER BY cluster_id", generation)
        else:
            sql = f"SELECT * FROM clusters WHERE generation = ? AND cluster_id IN {_SELECTED} ORDER BY cluster_id"  # noqa: S608  a constant
            found = self._file.rows(sql, generation, json.dumps(list(cluster_ids)))
        return [schema.cluster_of(row) for row in found]

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; their parents are kept."""
        old = f"FROM clusters WHERE generation = ? AND cluster_id IN {_SELECTED}"
        new = "REPLACE INTO former_clusters (generation, cluster_id, parents)"
        with self._file.writing():
            for sql in (f"{new} SELECT generation, cluster_id, parents {old}", f"DELETE {old}"):
                self._file.execute(sql, generation, json.dumps(list(cluster_ids)))

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of each of these clusters that was removed, by cluster id."""
        sql = f"SELECT cluster_id, parents FROM former_clusters WHERE generation = ? AND cluster_id IN {_SELECTED}"  # noqa: S608  a constant
        rows = self._file.rows(sql, generation, json.dumps(list(cluster_ids)))
        return {cluster_id: tuple(json.loads(parents)) for cluster_id, parents in rows}

    def revise(self, generation: int) -> None:
        """Count up the `revision` of a generation, if there is one."""
        with self._file.writing():
            self._file.execute("UPDATE generations SET revision = revision + 1 WHERE number = ?", generation)

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id. Writing meanwhile is allowed."""
        sql = "SELECT * FROM memberships WHERE generation = ? AND face_id > ? ORDER BY face_id LIMIT ?"
        last = ""
        while memberships := [schema.membership_of(row) for row in self._file.rows(sql, generation, last, _PAGE)]:
            yield from memberships
            last = memberships[-1].face_id

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        sql = f"SELECT * FROM memberships WHERE generation = ? AND face_id IN {_SELECTED}"  # noqa: S608  a constant
        found = (schema.membership_of(row) for row in self._file.rows(sql, generation, json.dumps(list(face_ids))))
        return {membership.face_id: membership for membership in found}

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Remove the memberships of these faces in a generation, which become former ones."""
        with self._file.writing():
            self._retire(f"generation = ? AND face_id IN {_SELECTED}", generation, json.dumps(list(face_ids)))

    def members(self, generation: int, cluster_id: str, cause: Cause, limit: int) -> Sequence[str]:
        """Return the ids of up to `limit` faces that are in a cluster for this cause, in ascending order."""
        sql = (
            "SELECT face_id FROM memberships WHERE generation = ? AND cluster_id = ? AND cause = ?"
            " ORDER BY face_id LIMIT ?"
        )
        return [face_id for (face_id,) in self._file.rows(sql, generation, cluster_id, cause.value, limit)]

    def count_members(self, generation: int, cluster_id: str, cause: Cause) -> int:
        """Return how many faces are in a cluster for this cause."""
        sql = "SELECT count(*) FROM memberships WHERE generation = ? AND cluster_id = ? AND cause = ?"
        ((count,),) = self._file.rows(sql, generation, cluster_id, cause.value)
        return int(count)

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first."""
        sql = f"SELECT {_MEMBERSHIP} FROM former_memberships WHERE face_id IN {_SELECTED} ORDER BY generation DESC"  # noqa: S608  constants
        found: defaultdict[str, list[Membership]] = defaultdict(list)
        for row in self._file.rows(sql, json.dumps(list(face_ids))):
            membership = schema.membership_of(row)
            found[membership.face_id].append(membership)
        return dict(found)

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids that the former memberships of a generation name."""
        sql = "SELECT DISTINCT cluster_id FROM former_memberships WHERE generation = ? AND cluster_id IS NOT NULL"
        return frozenset(cluster_id for (cluster_id,) in self._file.rows(sql, generation))

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one if `expected` still is it, and nobody with a higher fence was here."""
        with self._file.writing():
            if self.generation(number) is None:
                msg = f"generation {number}: expected one that was saved, found none"
                raise ValueError(msg)
            if self._control("fence") > fence or expected in self.pinned():
                return False
            sql = "UPDATE control SET value = ? WHERE name = 'active' AND value IS ?"
            return self._file.execute(sql, number, expected) == 1

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships; refuses active and pinned ones with ValueError."""
        with self._file.writing():
            active = self.active_generation()
            if (active and active.number == number) or number in self.pinned():
                msg = f"generation {number} is the active one or pinned; it cannot be removed"
                raise ValueError(msg)
            self._file.execute("DELETE FROM generations WHERE number = ?", number)
            self._file.execute("DELETE FROM clusters WHERE generation = ?", number)
            self._file.execute("DELETE FROM memberships WHERE generation = ?", number)
            self._file.execute("DELETE FROM former_memberships WHERE generation = ?", number)
            self._file.execute("DELETE FROM former_clusters WHERE generation = ?", number)

    def pin(self, number: int) -> None:
        """Keep a generation."""
        self._file.save("pinned", [(number,)])

    def unpin(self, number: int) -> None:
        """Undo `pin`."""
        with self._file.writing():
            self._file.execute("DELETE FROM pinned WHERE number = ?", number)

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        return frozenset(number for (number,) in self._file.rows("SELECT number FROM pinned"))

    def lease(self) -> Lease | None:
        """Return the lease as it is, or None before the first."""
        rows = self._file.rows("SELECT * FROM lease")
        return schema.lease_of(rows[0]) if rows else None

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Write a lease if number and renewals are still the expected ones; say whether they were."""
        with self._file.writing():
            found = self.lease()
            if (found and (found.number, found.renewals)) != (expected and (expected.number, expected.renewals)):
                return False
            self._file.replace("lease", [schema.lease_row(lease)])
            sql = "UPDATE control SET value = max(value, ?) WHERE name = 'fence'"
            self._file.execute(sql, lease.number)
            return True

    def _retire(self, condition: str, *parameters: object) -> None:
        """Make memberships former ones; of generation 0, which is none, nothing is kept."""
        old = f"FROM memberships WHERE {condition}"
        new = f"REPLACE INTO former_memberships ({_MEMBERSHIP})"
        self._file.execute(f"{new} SELECT {_MEMBERSHIP} {old} AND generation > 0", *parameters)
        self._file.execute(f"DELETE {old}", *parameters)

    def _control(self, name: str) -> int:
        ((value,),) = self._file.rows("SELECT value FROM control WHERE name = ?", name)
        return int(value)
