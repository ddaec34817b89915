"""Operations on collections of MongoDB, split into calls of a size that the server accepts."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

from more_itertools import chunked
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.database import Database

from shared.adapters.mongo.documents import Document
from shared.adapters.mongo.errors import errors

_PAGE = 5_000  # documents in one query of a whole collection, and in one bulk write: 4 MB of faces
_IDS = 1_000  # identifiers in one condition
_BY_ID = ("_id",)
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collections:
    """The collections of a database."""

    images: Collection[Document]
    faces: Collection[Document]
    memberships: Collection[Document]
    former_memberships: Collection[Document]
    clusters: Collection[Document]
    former_clusters: Collection[Document]
    generations: Collection[Document]
    control: Collection[Document]

    @classmethod
    def of(cls, database: Database[Document]) -> Self:
        """Return the collections of a database, each under the name of its field."""
        return cls(**{field.name: database[field.name] for field in fields(cls)})


class MongoStore:
    """Collections of a database, for one of the ports."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections


def save(collection: Collection[Document], saved: Iterable[Document]) -> None:
    """Write whole documents. Fields that a newer version of this software added to them are kept.

    Of several documents with one `_id`, the last one is written; an unordered bulk alone would not guarantee that.
    """
    for part in chunked(saved, _PAGE):
        last = {document.pop("_id"): document for document in part}
        with errors():
            collection.bulk_write(
                [UpdateOne({"_id": key}, {"$set": last[key]}, upsert=True) for key in last], ordered=False
            )


def pages(
    collection: Collection[Document],
    condition: Mapping[str, Any],
    order: Sequence[str] = _BY_ID,
    size: int | None = None,
    fields: Mapping[str, int] | None = None,
) -> Iterator[Sequence[Document]]:
    """Yield the documents that match a condition, up to `size` (5,000) at a time.

    `order`: fields whose values no two documents share. Each page is a query of its own, so that no cursor expires on
    the server while a page is processed; writing during the iteration is allowed. `condition` has no `$or`, and of the
    fields of `order`, only the last one.
    """
    limit = _PAGE if size is None else size
    rest = condition
    while page := _find(collection, rest, order, limit, fields):
        yield page
        rest = _after(condition, order, page[-1])


def make_index(collection: Collection[Document], fields: Sequence[str]) -> str | None:
    """Create an ascending index on these fields; return its name, or None if it existed."""
    with errors():
        known = [index["key"] for index in collection.index_information().values()]
        name = collection.create_index(list(fields))
    return None if [(field, 1) for field in fields] in known else f"{collection.name}.{name}"


def having(collection: Collection[Document], field: str, values: Iterable[str]) -> Iterator[Document]:
    """Yield the documents whose field is one of these values, each once, in no order."""
    for part in chunked(dict.fromkeys(values), _IDS):
        with errors():
            found = collection.find({field: {"$in": part}}).to_list()
        yield from found


def remove(collection: Collection[Document], field: str, values: Iterable[str]) -> None:
    """Remove the documents whose field is one of these values."""
    for part in chunked(values, _IDS):
        with errors():
            collection.delete_many({field: {"$in": part}})


def _find(
    collection: Collection[Document],
    condition: Mapping[str, Any],
    order: Sequence[str],
    limit: int,
    fields: Mapping[str, int] | None,
) -> list[Document]:
    with errors():
        found = collection.find(condition, fields).sort([(field, 1) for field in order])
        return found.limit(limit).batch_size(limit).to_list()


def _after(condition: Mapping[str, Any], order: Sequence[str], last: Document) -> Document:
    """Return the condition for the documents after `last`.

    Each branch repeats the whole of `condition`: if the `$or` is the whole query, MongoDB plans each branch by itself,
    and can use the index of `order`.
    """
    equal = dict(condition)
    either: list[Document] = []
    for field in order:
        either.append(equal | {field: equal.get(field, {}) | {"$gt": last[field]}})
        equal = equal | {field: last[field]}
    return {"$or": either} if len(either) > 1 else either[0]


def grouped(records: Iterable[_Record], name: Callable[[_Record], str]) -> Mapping[str, Sequence[_Record]]:
    """Return the records by their `name`, in the order in which they come."""
    found: defaultdict[str, list[_Record]] = defaultdict(list)
    for record in records:
        found[name(record)].append(record)
    return dict(found)
