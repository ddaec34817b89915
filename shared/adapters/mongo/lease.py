"""The lease in MongoDB."""

from pymongo.errors import DuplicateKeyError

from shared.adapters.mongo import documents
from shared.adapters.mongo.collection import MongoStore
from shared.adapters.mongo.control import ACTIVE
from shared.adapters.mongo.errors import errors
from shared.domain.records import Lease

_LEASE = {"_id": "lease"}


class MongoLeaseStore(MongoStore):
    """A `LeaseStore`: a document of the collection `control`."""

    def lease(self) -> Lease | None:
        """Return the current lease, or None if there never was one."""
        with errors():
            found = self._collections.control.find_one(_LEASE)
        return documents.lease_of(found) if found else None

    def replace_lease(self, expected: Lease | None, lease: Lease) -> bool:
        """Replace the lease if its number and renewals are those of `expected`; return whether they were.

        The fence is in the document that `activate` writes. A process that dies before it is set has not begun to work.
        """
        document = documents.lease_document(lease)
        with errors():
            if expected is None:
                try:
                    self._collections.control.insert_one(document)
                except DuplicateKeyError:
                    return False
            else:
                condition = _LEASE | {"number": expected.number, "renewals": expected.renewals}
                if not self._collections.control.update_one(condition, {"$set": document}).matched_count:
                    return False
            change = {"$max": {"fence": lease.number}, "$setOnInsert": {"generation": None, "last_number": 0}}
            self._collections.control.update_one(ACTIVE, change, upsert=True)
        return True
