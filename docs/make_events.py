# ruff: noqa: INP001  a script beside the documents, no package
"""Write the tables of `docs/events.md` between their marks, from the topics, the headers and the events.

python -m docs.make_events
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from docs.make_asyncapi import headers_of
from docs.tables import table
from shared.domain.events import Cause, Change, Outcome, Publication
from shared.domain.topics import FACES_ASSIGNED, TOPICS, Topic

TARGET = Path(__file__).with_name("events.md")
_PARTITIONERS = {"consistent_random": "CRC32", "fnv1a_random": "FNV-1a"}
_WORDS: Mapping[str, type[StrEnum]] = {
    "`faces.assigned`: `cause`": Cause,
    "`clusters.changed`: `change`": Change,
    "`generations.published`: `cause`": Publication,
    "`images.processed`: `outcome`": Outcome,
}


def topics() -> str:
    """Return the topics as a table."""
    head = ("topic", "key", "written by", "kept", "partitions", "partition by")
    return table(
        head,
        (
            (
                f"`{topic.name}`",
                topic.key,
                topic.producer,
                _kept(topic),
                str(topic.partitions),
                _PARTITIONERS[topic.partitioner],
            )
            for topic in TOPICS
        ),
    )


def headers() -> str:
    """Return the headers of an event as a table."""
    described = headers_of(FACES_ASSIGNED)
    return table(
        ("header", "what it says"),
        (
            (f"`{name}`", f"`{about['const']}`" if "const" in about else about["description"])
            for name, about in described.items()
        ),
    ).replace(FACES_ASSIGNED.event_type, "facestream.<topic>.v1")


def words() -> str:
    """Return the words of the enumerations that downstream reads."""
    return table(("field", "words"), ((name, ", ".join(f"`{word}`" for word in kind)) for name, kind in _WORDS.items()))


_TABLES: Mapping[str, Callable[[], str]] = {"topics": topics, "headers": headers, "words": words}


def made(page: str) -> str:
    """Return the page with the tables of today; ValueError where a table has no place in it."""
    for name, made_table in _TABLES.items():
        places = list(re.finditer(rf"(<!-- {name}: made by .*? -->\n).*?(<!-- end -->)", page, re.DOTALL))
        if len(places) != 1:
            msg = f"expected one place for the table of {name}, found {len(places)}"
            raise ValueError(msg)
        page = page[: places[0].end(1)] + made_table() + page[places[0].start(2) :]
    return page


def _kept(topic: Topic) -> str:
    if topic.retention is None:
        return "the last record of each key, for ever"
    return f"{topic.retention / timedelta(days=1):g} d"


if __name__ == "__main__":
    TARGET.write_text(made(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
