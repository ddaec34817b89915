"""Generations and clusters in MongoDB."""

from collections.abc import Mapping, Sequence

from shared.adapters.mongo import documents
from shared.adapters.mongo.collection import having, pages, remove, save
from shared.adapters.mongo.control import MongoControl
from shared.adapters.mongo.errors import errors
from shared.adapters.mongo.memberships import MongoMemberships
from shared.domain.records import Cluster, Generation
from shared.errors import Fatal


class MongoGenerationStore(MongoMemberships, MongoControl):
    """A `GenerationStore`: the collections `generations` and `clusters`; which one is active is in `control`."""

    def generation(self, number: int) -> Generation | None:
        """Return a generation, or None."""
        with errors():
            found = self._collections.generations.find_one({"_id": number})
        return documents.generation_of(found) if found else None

    def generations(self) -> Sequence[Generation]:
        """Return all generations in ascending order of their numbers."""
        found = pages(self._collections.generations, {"_id": {"$gt": 0}})  # without it, nx-27017 sorts 10 before 2
        return [documents.generation_of(document) for page in found for document in page]

    def active_generation(self) -> Generation | None:
        """Return the generation that readers see, or None before the first one."""
        number = self._active_number()
        while number is not None:
            found = self.generation(number)
            if found:
                return found
            # Between the two reads, another generation may have been activated, and this one removed.
            before, number = number, self._active_number()
            if number == before:
                msg = f"generation {number} is the active one and does not exist; activate another one"
                raise Fatal(msg)
        return None

    def save_generation(self, generation: Generation) -> None:
        """Store the record of a generation."""
        self._take_number(generation.number)
        save(self._collections.generations, [documents.generation_document(generation)])

    def save_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Store clusters of a generation."""
        save(self._collections.clusters, map(documents.cluster_document, clusters))

    def clusters(self, generation: int, cluster_ids: Sequence[str] | None = None) -> Sequence[Cluster]:
        """Return the clusters of a generation, or those of these ids, in ascending order of cluster id."""
        if cluster_ids is not None:
            keys = [documents.generation_key(generation, cluster_id) for cluster_id in cluster_ids]
            named = map(documents.cluster_of, having(self._collections.clusters, "_id", keys))
            return sorted(named, key=lambda cluster: cluster.cluster_id)
        found = pages(self._collections.clusters, documents.of_generation(generation))
        return [documents.cluster_of(document) for page in found for document in page]

    def remove_clusters(self, generation: int, cluster_ids: Sequence[str]) -> None:
        """Remove clusters of a generation; their parents are kept."""
        keys = [documents.generation_key(generation, name) for name in cluster_ids]
        save(
            self._collections.former_clusters,
            map(documents.former_cluster, having(self._collections.clusters, "_id", keys)),
        )
        remove(self._collections.clusters, "_id", keys)

    def former_parents(self, generation: int, cluster_ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the parents of those of these clusters that were removed, by cluster id."""
        keys = [documents.generation_key(generation, name) for name in cluster_ids]
        found = having(self._collections.former_clusters, "_id", keys)
        return {document["cluster_id"]: tuple(document["parents"]) for document in found}

    def revise(self, generation: int) -> None:
        """Add one to the `revision` of a generation, if it exists."""
        with errors():
            self._collections.generations.update_one({"_id": generation}, {"$inc": {"revision": 1}})

    def activate(self, number: int, expected: int | None, fence: int = 0) -> bool:
        """Make a generation the active one, unless another one than `expected` is active or a higher fence was set.

        After `Transient`, it may have been activated or not: read the active generation then.
        """
        if self.generation(number) is None:
            msg = f"generation {number}: expected one that was saved, found none"
            raise ValueError(msg)
        return self._activate(number, expected, fence)

    def remove_generation(self, number: int) -> None:
        """Remove a generation with its clusters and memberships; raises ValueError if it is active or pinned.

        Its number is marked in the document that `activate` writes, so that it cannot be activated any more. The
        generation's own document is removed after the rest: after a failure, the same call removes what is left. The
        rest is removed once more after it, because another process may have found the generation and written a cluster
        meanwhile.
        """
        if not self._mark_removed(number):
            msg = f"generation {number} is the active one or pinned; it cannot be removed"
            raise ValueError(msg)
        with errors():
            self._remove_all_of(number)
            self._collections.generations.delete_one({"_id": number})
            self._remove_all_of(number)

    def _remove_all_of(self, number: int) -> None:
        of = self._collections
        for collection in (of.memberships, of.former_memberships, of.clusters, of.former_clusters):
            collection.delete_many(documents.of_generation(number))
