"""Generations, clusters, pins and the lease in a SQLite file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shared.adapters.sqlite import schema
from shared.adapters.sqlite.memberships import SqliteMemberships
from shared.domain.records import Cluster, Generation, Lease
from shared.sqlite_file import SELECTED


class SqliteGenerationStore(SqliteMemberships):
    """A `GenerationStore` and a `LeaseStore`: the tables `generations`, `clusters`, `pinned`, `lease` and `control`."""

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        rows = self._file.rows("SELECT * FROM generations WHERE number = ?", number)
        return schema.generation_of(rows[0]) if rows else None

    def generations(self) -> Sequence[Generation]:
        """Return all generations in ascending order of their numbers."""
        return [schema.generation_of(row) for row in self._file.rows("SELECT * FROM generations ORDER BY number")]

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first one."""
        rows = self._file.rows("SELECT g.* FROM generations g JOIN control ON g.number = value WHERE name = 'active'")
        return schema.generation_of(rows[0]) if rows else None

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that no other call returns."""
        with self._file.writing():
            self._file.execute("UPDATE control SET value = value + 1 WHERE name = 'last number'")
            return self._number("last number")

    def save_generation(self, generation: Generation) -> None:
        """Store the record of a generation."""
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
            sql = f"SELECT * FROM clusters WHERE generation = ? AND cluster_id IN {SELECTED} ORDER BY cluster_id"  # noqa: S608  a constant
            found = self._file.rows(sql, generation, json.dumps(list(cluster_ids)))
        return [schema.cluster_of(row) for row in found]

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; their parents are kept."""
        old = f"FROM clusters WHERE generation = ? AND cluster_id IN {SELECTED}"
        new = "REPLACE INTO former_clusters (generation, cluster_id, parents)"
        with self._file.writing():
            for sql in (f"{new} SELECT generation, cluster_id, parents {old}", f"DELETE {old}"):
                self._file.execute(sql, generation, json.dumps(list(cluster_ids)))

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of those of these clusters that were removed, by cluster id."""
        sql = f"SELECT cluster_id, parents FROM former_clusters WHERE generation = ? AND cluster_id IN {SELECTED}"  # noqa: S608  a constant
        rows = self._file.rows(sql, generation, json.dumps(list(cluster_ids)))
        return {cluster_id: tuple(json.loads(parents)) for cluster_id, parents in rows}

    def revise(self, generation: int) -> None:
        """Add one to the `revision` of a generation, if it exists."""
        with self._file.writing():
            self._file.execute("UPDATE generations SET revision = revision + 1 WHERE number = ?", generation)

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one, unless another one than `expected` is active or a higher fence was set."""
        with self._file.writing():
            if self.generation(number) is None:
                msg = f"generation {number}: expected one that was saved, found none"
                raise ValueError(msg)
            if self._number("fence") > fence or expected in self.pinned():
                return False
            sql = "UPDATE control SET value = ? WHERE name = 'active' AND value IS ?"
            return self._file.execute(sql, number, expected) == 1

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships; raises ValueError if it is active or pinned."""
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
        """Pin a generation."""
        self._file.save("pinned", [(number,)])

    def unpin(self, number: int) -> None:
        """Unpin a generation."""
        with self._file.writing():
            self._file.execute("DELETE FROM pinned WHERE number = ?", number)

    def pinned(self) -> frozenset[int]:
        """Return the numbers of the pinned generations."""
        return frozenset(number for (number,) in self._file.rows("SELECT number FROM pinned"))

    def lease(self) -> Lease | None:
        """Return the current lease, or None if there never was one."""
        rows = self._file.rows("SELECT * FROM lease")
        return schema.lease_of(rows[0]) if rows else None

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Replace the lease if its number and renewals are those of `expected`; return whether they were."""
        with self._file.writing():
            found = self.lease()
            if (found and (found.number, found.renewals)) != (expected and (expected.number, expected.renewals)):
                return False
            self._file.replace("lease", [schema.lease_row(lease)])
            sql = "UPDATE control SET value = max(value, ?) WHERE name = 'fence'"
            self._file.execute(sql, lease.number)
            return True

    def _number(self, name: str) -> int:
        ((value,),) = self._file.rows("SELECT value FROM control WHERE name = ?", name)
        return int(value)
