# ruff: noqa: INP001  a script beside the documents, no package
"""A program that keeps who is on which photograph, from the topic `faces.assigned`: plain confluent-kafka and SQLite.

    python docs/downstream_example.py localhost:9092 people.db [login.json]

Where Kafka asks for a login, as that of the compose file does, name a file with the rest of the client's settings:

    {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "facestream-reader",
     "sasl.password": "..."}

The table is right after every commit, however often the program dies and whatever it reads twice:
- a row for each face, since a record says where that face belongs *now*, and replaces what was said before;
- a tombstone (no value) deletes the row: the photograph was removed or replaced;
- the place in the topic is kept in the same transaction as the rows, so both are of the same moment.

Tombstones stay in the topic for a day (`delete.retention.ms`). Whoever was away for longer begins anew.
"""

import json
import sqlite3
import sys
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

TABLES = """
CREATE TABLE IF NOT EXISTS faces (face_id TEXT PRIMARY KEY, photo TEXT NOT NULL, person TEXT);
CREATE TABLE IF NOT EXISTS places
  (part INTEGER PRIMARY KEY, next INTEGER NOT NULL, seen TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE VIEW IF NOT EXISTS people AS
  SELECT photo, person FROM faces WHERE person IS NOT NULL GROUP BY photo, person;
"""
TOO_LONG_AWAY = "SELECT count(*) FROM places WHERE seen < datetime('now', '-20 hours')"


def apply(messages: Iterable[Message], table: sqlite3.Connection) -> None:
    """Bring the table up to what these messages say, in one transaction."""
    with table:
        for message in messages:
            face_id = (message.key() or b"").decode()
            if message.value() is None:
                table.execute("DELETE FROM faces WHERE face_id = ?", [face_id])
            else:
                said = json.loads(message.value() or b"")
                row = face_id, f"{said['bucket']}/{said['key']}", said["cluster_id"]
                table.execute("INSERT OR REPLACE INTO faces VALUES (?, ?, ?)", row)
            place = message.partition(), (message.offset() or 0) + 1
            table.execute("INSERT OR REPLACE INTO places (part, next) VALUES (?, ?)", place)


def opened(path: str) -> sqlite3.Connection:
    """Open the table; an old one is emptied, since tombstones may have been missed."""
    table = sqlite3.connect(path)
    table.executescript(TABLES)
    with table:
        if table.execute(TOO_LONG_AWAY).fetchone()[0]:
            table.execute("DELETE FROM faces")
            table.execute("DELETE FROM places")
    return table


def follow(servers: str, path: str, login: str | None = None) -> None:
    """Keep the table until Ctrl-C; `login` is a file."""
    table, settings = opened(path), {"bootstrap.servers": servers, "enable.auto.commit": False}
    settings |= {"group.id": "downstream.people"} | (json.loads(Path(login).read_text()) if login else {})
    consumer = Consumer({**settings, "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
    places = dict(table.execute("SELECT part, next FROM places").fetchall())
    partitions = consumer.list_topics("faces.assigned", 10).topics["faces.assigned"].partitions
    consumer.assign([TopicPartition("faces.assigned", part, places.get(part, OFFSET_BEGINNING)) for part in partitions])
    try:
        while True:
            apply([message for message in consumer.consume(1000, 1.0) if not message.error()], table)
    finally:
        consumer.close()


if __name__ == "__main__":
    follow(*sys.argv[1:])
