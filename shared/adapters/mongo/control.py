"""Decisions that need one atomic write: which generation is active, which are pinned, and which number is next.

The collection `control` has two documents. `active` has everything on which an activation depends: the active number,
the last number, the fencing number, and which generations are pinned or being removed. So each decision sees the others
without a transaction. `lease` is the lease (`lease.py`).
"""

from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.adapters.mongo.collection import MongoStore
from shared.adapters.mongo.documents import Document
from shared.adapters.mongo.errors import errors

ACTIVE = {"_id": "active"}


class MongoControl(MongoStore):
    """The decisions about generations, in the collection `control`. Numbers here need not be those of generations."""

    def _active_number(self) -> int | None:
        """Return the number of the active generation, or None before the first."""
        number: int | None = self._active().get("generation")
        return number

    def next_generation_number(self) -> int:
        """Return a number that no generation ever had, and that no other call returns."""
        with errors():
            found: Any = self._collections.control.find_one_and_update(
                ACTIVE,
                {"$inc": {"last_number": 1}, "$setOnInsert": {"generation": None}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return int(found["last_number"])

    def _take_number(self, number: int) -> None:
        """Note that this number is used, and that its generation is not being removed."""
        change = {"$max": {"last_number": number}, "$unset": {_removed(number): ""}}
        with errors():
            self._collections.control.update_one(ACTIVE, change | {"$setOnInsert": {"generation": None}}, upsert=True)

    def _activate(self, number: int, expected: int | None, fence: int) -> bool:
        """Make this number the active one if `expected` is the active one; return whether it was.

        Also returns False if a higher fence was set, if `expected` is pinned, or if this number is being removed.
        """
        condition = ACTIVE | {
            "generation": expected,
            _removed(number): {"$exists": False},
            _pinned(expected): {"$exists": False},
            "fence": {"$lte": fence},
        }
        with errors():
            # No fence is stored before the first lease. In MongoDB `{"$not": {"$gt": fence}}` alone would match that.
            # Work-around for nx-27017, one of the two servers of the tests: it has no `$not`, its updates by `$nor`
            # do not match a missing field, and its updates by `$or` ignore the conditions beside the `$or`.
            self._collections.control.update_one(ACTIVE | {"fence": {"$exists": False}}, {"$set": {"fence": 0}})
            return self._collections.control.update_one(condition, {"$set": {"generation": number}}).matched_count == 1

    def _mark_removed(self, number: int) -> bool:
        """Exclude this number from activation; return False, and change nothing, if it is active or pinned."""
        change = {"$set": {_removed(number): True}, "$setOnInsert": {"generation": None, "last_number": 0}}
        # Work-around for nx-27017: its updates by `$ne` match neither null nor a missing field, unlike by `$nin`.
        others = {"generation": {"$nin": [number]}, _pinned(number): {"$exists": False}}
        with errors():
            try:
                self._collections.control.update_one(ACTIVE | others, change, upsert=True)
            except DuplicateKeyError:  # the document exists and does not fulfil the condition
                return False
        return True

    def pin(self, number: int) -> None:
        """Pin a generation. The mark is in the document that `_activate` and `_mark_removed` write."""
        change = {"$set": {_pinned(number): True}, "$setOnInsert": {"generation": None, "last_number": 0}}
        with errors():
            self._collections.control.update_one(ACTIVE, change, upsert=True)

    def unpin(self, number: int) -> None:
        """Unpin a generation."""
        with errors():
            self._collections.control.update_one(ACTIVE, {"$unset": {_pinned(number): ""}})

    def pinned(self) -> frozenset[int]:
        """Return the pinned numbers."""
        return frozenset(map(int, self._active().get("pinned", {})))

    def _active(self) -> Document:
        with errors():
            return self._collections.control.find_one(ACTIVE) or {}


def _pinned(number: int | None) -> str:
    return f"pinned.{number}"


def _removed(number: int) -> str:
    return f"removed.{number}"
