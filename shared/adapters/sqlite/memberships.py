"""Memberships in a SQLite file: which face is in which cluster of a generation, or was before it was erased."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from shared.adapters.sqlite import schema
from shared.adapters.sqlite.database import FaceDatabase, SqliteStore
from shared.domain.events import Cause
from shared.domain.records import Membership
from shared.sqlite_file import SELECTED

_PAGE = 5_000  # rows that one query returns where a whole table is read
_MEMBERSHIP = "generation, face_id, cluster_id, similarity, cause"


class SqliteMemberships(SqliteStore):
    """The memberships of a `GenerationStore`: the tables `memberships` and `former_memberships`."""

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships."""
        self._file.save("memberships", map(schema.membership_row, memberships))

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id. Writing meanwhile is allowed."""
        sql = "SELECT * FROM memberships WHERE generation = ? AND face_id > ? ORDER BY face_id LIMIT ?"
        last = ""
        while memberships := [schema.membership_of(row) for row in self._file.rows(sql, generation, last, _PAGE)]:
            yield from memberships
            last = memberships[-1].face_id

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        sql = f"SELECT * FROM memberships WHERE generation = ? AND face_id IN {SELECTED}"  # noqa: S608  a constant
        found = (schema.membership_of(row) for row in self._file.rows(sql, generation, json.dumps(list(face_ids))))
        return {membership.face_id: membership for membership in found}

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

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Make the memberships of these faces in a generation former ones."""
        with self._file.writing():
            retire(self._file, f"generation = ? AND face_id IN {SELECTED}", generation, json.dumps(list(face_ids)))

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first."""
        sql = f"SELECT {_MEMBERSHIP} FROM former_memberships WHERE face_id IN {SELECTED} ORDER BY generation DESC"  # noqa: S608  constants
        found: defaultdict[str, list[Membership]] = defaultdict(list)
        for row in self._file.rows(sql, json.dumps(list(face_ids))):
            membership = schema.membership_of(row)
            found[membership.face_id].append(membership)
        return dict(found)

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids in the former memberships of a generation."""
        sql = "SELECT DISTINCT cluster_id FROM former_memberships WHERE generation = ? AND cluster_id IS NOT NULL"
        return frozenset(cluster_id for (cluster_id,) in self._file.rows(sql, generation))


def retire(file: FaceDatabase, condition: str, *parameters: object) -> None:
    """Make memberships former ones, within a transaction. Those of generation 0 are only removed: it is no generation.

    `condition`: an SQL condition on `memberships`, with `parameters`.
    """
    old = f"FROM memberships WHERE {condition}"
    new = f"REPLACE INTO former_memberships ({_MEMBERSHIP})"
    file.execute(f"{new} SELECT {_MEMBERSHIP} {old} AND generation > 0", *parameters)
    file.execute(f"DELETE {old}", *parameters)
