# ruff: noqa: INP001, S608  a script beside the documents, no package; the names of tables are constants
"""A program that keeps who is on which photograph, from the topic `faces.assigned`: plain confluent-kafka and SQLite.

    python docs/downstream_example.py localhost:9092 people.db [login.json]

Where Kafka asks for a login, as that of the compose file does, name a file with the rest of the client's settings:

    {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "facestream-reader",
     "sasl.password": "..."}

The table is right after every commit, however often the program dies and whatever it reads twice:
- a row for each face, since a record says where that face belongs *now*, and replaces what was said before;
- a tombstone (no value) deletes the row: the photograph was removed or replaced;
- the place in the topic is kept in the same transaction as the rows, so both are of the same moment.

Tombstones stay in the topic for a day (`delete.retention.ms`). Whoever has not read to the end for so long, or finds
another topic than before (Kafka was lost and made anew), reads all of it once more, into a second table. The first one
stays as it was until then, and gets all of the second in one transaction.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

TOPIC = "faces.assigned"
TABLES = """
CREATE TABLE IF NOT EXISTS faces (face_id TEXT PRIMARY KEY, photo TEXT NOT NULL, person TEXT);
CREATE TABLE IF NOT EXISTS new_faces (face_id TEXT PRIMARY KEY, photo TEXT NOT NULL, person TEXT);
CREATE TABLE IF NOT EXISTS places (part INTEGER PRIMARY KEY, next INTEGER NOT NULL, seen TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS new_places (part INTEGER PRIMARY KEY, next INTEGER NOT NULL, seen TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS source (topic_id TEXT NOT NULL);
CREATE VIEW IF NOT EXISTS people AS
  SELECT photo, person FROM faces WHERE person IS NOT NULL GROUP BY photo, person;
"""
# `seen`: whatever was written to the partition until then was read.
TOO_LONG_AWAY = "SELECT count(*) FROM places WHERE seen < datetime('now', '-20 hours')"
LOOK_EVERY = 60.0  # seconds between two looks at the ends of the partitions


def apply(messages: Iterable[Message], table: sqlite3.Connection, into: str = "") -> None:
    """Bring the table up to what these messages say, in one transaction. `into` is "new_" for the second table."""
    with table:
        for message in messages:
            if message.error():  # the end of a partition
                place = message.partition(), message.offset(), time.time()
            else:
                face_id = (message.key() or b"").decode()
                if message.value() is None:
                    table.execute(f"DELETE FROM {into}faces WHERE face_id = ?", [face_id])
                else:
                    said = json.loads(message.value() or b"")
                    row = face_id, f"{said['bucket']}/{said['key']}", said["cluster_id"]
                    table.execute(f"INSERT OR REPLACE INTO {into}faces VALUES (?, ?, ?)", row)
                place = message.partition(), (message.offset() or 0) + 1, message.timestamp()[1] / 1000
            table.execute(f"INSERT OR REPLACE INTO {into}places VALUES (?, ?, datetime(?, 'unixepoch'))", place)


def has_reached(ends: Mapping[int, int], table: sqlite3.Connection, into: str = "") -> bool:
    """Note which partitions are read to these ends, which Kafka gives at this moment; say whether all are.

    A partition in which nothing happens gives no message: only so it is known that nothing was missed.
    """
    places = dict(table.execute(f"SELECT part, next FROM {into}places").fetchall())
    there = [part for part, end in ends.items() if places.get(part, -1) >= end]
    with table:
        table.executemany(f"UPDATE {into}places SET seen = datetime('now') WHERE part = ?", [(part,) for part in there])
    return len(there) == len(ends)


def opened(path: str) -> sqlite3.Connection:
    """Open the table as it was left."""
    table = sqlite3.connect(path)
    table.executescript(TABLES)
    return table


def is_current(table: sqlite3.Connection, topic_id: str, parts: Iterable[int]) -> bool:
    """Say whether reading can go on where it ended: in the same topic, and before any tombstone can be gone."""
    is_same = table.execute("SELECT topic_id FROM source").fetchall() == [(topic_id,)]
    known = {part for (part,) in table.execute("SELECT part FROM places")}
    return is_same and known == set(parts) and not table.execute(TOO_LONG_AWAY).fetchone()[0]


def begin_anew(table: sqlite3.Connection) -> None:
    """Empty the second table."""
    with table:
        table.execute("DELETE FROM new_faces")
        table.execute("DELETE FROM new_places")


def swap(table: sqlite3.Connection, topic_id: str) -> None:
    """Put the second table in the place of the first: who looks sees the one or the other, whole."""
    with table:
        for name in ("faces", "places"):
            table.execute(f"DELETE FROM {name}")
            table.execute(f"INSERT INTO {name} SELECT * FROM new_{name}")
        table.execute("DELETE FROM source")
        table.execute("INSERT INTO source VALUES (?)", [topic_id])
    begin_anew(table)


def topic_of(admin: AdminClient) -> tuple[str, list[int]]:
    """Return the id of the topic, which no other one ever has, and its partitions."""
    found = admin.describe_topics(TopicCollection([TOPIC]))[TOPIC].result(10)
    return str(found.topic_id), [partition.id for partition in found.partitions]


def follow(servers: str, path: str, login: str | None = None) -> None:
    """Keep the table until Ctrl-C, or until the topic is another one; `login` is a file."""
    client = {"bootstrap.servers": servers} | (json.loads(Path(login).read_text()) if login else {})
    admin, table = AdminClient(client), opened(path)
    topic_id, parts = topic_of(admin)
    into = "" if is_current(table, topic_id, parts) else "new_"
    begin_anew(table)
    reading = {
        "group.id": "downstream.people",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    }
    consumer = Consumer({**client, **reading})
    places = dict(table.execute(f"SELECT part, next FROM {into}places").fetchall())
    consumer.assign([TopicPartition(TOPIC, part, places.get(part, OFFSET_BEGINNING)) for part in parts])
    looked = 0.0
    try:
        while True:
            messages = consumer.consume(1000, 1.0)
            for error in filter(None, (message.error() for message in messages)):
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  the name that the library gives it
                    raise KafkaException(error)
            apply(messages, table, into)
            if messages or (not into and time.monotonic() - looked < LOOK_EVERY):
                continue
            looked = time.monotonic()
            with suppress(KafkaException):  # it is away, and nothing is known now
                if topic_of(admin) != (topic_id, parts):
                    return
                ends = {part: consumer.get_watermark_offsets(TopicPartition(TOPIC, part), 10)[1] for part in parts}
                if has_reached(ends, table, into) and into:
                    swap(table, topic_id)
                    into = ""
    finally:
        consumer.close()
        table.close()


if __name__ == "__main__":
    while True:
        follow(*sys.argv[1:])
