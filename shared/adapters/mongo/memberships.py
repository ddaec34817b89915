"""Memberships in MongoDB: which face is in which cluster of a generation, or was before it was erased."""

from collections.abc import Iterator, Mapping, Sequence

from shared.adapters.mongo import documents
from shared.adapters.mongo.collection import Collections, MongoStore, grouped, having, pages, remove, save
from shared.adapters.mongo.errors import errors
from shared.domain.events import Cause
from shared.domain.records import Membership

BY_CLUSTER = ("generation", "assigned.cluster_id", "cause", "face_id")
"""The fields of the index by which the members of a cluster are found and counted."""


class MongoMemberships(MongoStore):
    """The memberships of a `GenerationStore`: the collections `memberships` and `former_memberships`."""

    def save_memberships(self, memberships: Sequence[Membership]) -> None:
        """Store memberships."""
        save(self._collections.memberships, map(documents.membership_document, memberships))

    def memberships(self, generation: int) -> Iterator[Membership]:
        """Yield the memberships of a generation in ascending order of face id. Writing meanwhile is allowed."""
        for page in pages(self._collections.memberships, documents.of_generation(generation)):
            yield from map(documents.membership_of, page)

    def memberships_of(self, generation: int, face_ids: Sequence[str]) -> Mapping[str, Membership]:
        """Return the membership in a generation of each of these faces that has one, by face id."""
        keys = [documents.generation_key(generation, face_id) for face_id in face_ids]
        found = map(documents.membership_of, having(self._collections.memberships, "_id", keys))
        return {membership.face_id: membership for membership in found}

    def members(self, generation: int, cluster_id: str, cause: Cause, limit: int) -> Sequence[str]:
        """Return the ids of up to `limit` faces that are in a cluster for this cause, in ascending order."""
        wanted = documents.in_cluster(generation, cluster_id, cause)
        fields = {"_id": 0, "face_id": 1}  # the index has all of it: no document is read
        with errors():
            found = self._collections.memberships.find(wanted, fields).sort("face_id").limit(limit).to_list()
        return [document["face_id"] for document in found]

    def count_members(self, generation: int, cluster_id: str, cause: Cause) -> int:
        """Return how many faces are in a cluster for this cause."""
        with errors():
            return self._collections.memberships.count_documents(documents.in_cluster(generation, cluster_id, cause))

    def remove_memberships(self, generation: int, face_ids: Sequence[str]) -> None:
        """Make the memberships of these faces in a generation former ones."""
        retire(self._collections, "_id", [documents.generation_key(generation, face_id) for face_id in face_ids])

    def former_memberships(self, face_ids: Sequence[str]) -> Mapping[str, Sequence[Membership]]:
        """Return the former memberships of each of these faces that has any, the latest generation first."""
        found = map(documents.membership_of, having(self._collections.former_memberships, "face_id", face_ids))
        return grouped(sorted(found, key=lambda item: -item.generation), lambda item: item.face_id)

    def former_clusters(self, generation: int) -> frozenset[str]:
        """Return the cluster ids in the former memberships of a generation."""
        found = (document["assigned"]["cluster_id"] for page in self._former_of(generation) for document in page)
        return frozenset(cluster_id for cluster_id in found if cluster_id)

    def _former_of(self, generation: int) -> Iterator[Sequence[documents.Document]]:
        return pages(self._collections.former_memberships, documents.of_generation(generation), fields={"assigned": 1})


def retire(collections: Collections, field: str, values: Sequence[str]) -> None:
    """Make memberships former ones. Those of generation 0 are only removed: it is no generation."""
    found = having(collections.memberships, field, values)
    save(collections.former_memberships, (document for document in found if document["generation"]))
    remove(collections.memberships, field, values)
