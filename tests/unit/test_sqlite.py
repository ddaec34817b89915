"""What only a SQLite file can do to a repository; the rest is in its contract suite."""

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.adapters.sqlite import database as sqlite_file
from shared.adapters.sqlite.repository import SqliteRepository
from shared.adapters.sqlite.schema import VERSION
from shared.domain.events import Cause
from shared.domain.records import GenerationState
from shared.errors import InvalidInput, Transient
from shared.ports.file_index import IndexedFile
from tests.support.examples import DIMENSION, cluster, face, generation, image, membership


def test_a_file_that_is_no_database_is_wrong_input_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"not a database, and long enough for one" * 100)
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match="file is not a database"):
        SqliteRepository(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ("CREATE TABLE songs (title TEXT)", "another program's database"),
        ("PRAGMA user_version = 1; CREATE TABLE songs (title TEXT)", "another program's database"),
        (f"PRAGMA application_id = {0x66616365}; PRAGMA user_version = 999", "version 999"),
    ],
)
def test_a_database_of_another_kind_is_wrong_input_and_stays_as_it_is(
    tmp_path: Path, statements: str, found: str
) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statements)
    before = path.read_bytes()
    with pytest.raises(InvalidInput, match=f"expected a facestream database of version {VERSION}, found {found}"):
        SqliteRepository(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "missing/x.db"])
def test_a_place_where_no_file_can_be_is_wrong_input(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="expected a file that can be read and written"):
        SqliteRepository(tmp_path / name)


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").touch()
    with SqliteRepository(tmp_path / "x.db") as repository:
        repository.save_images([image("1")])
    with SqliteRepository(tmp_path / "x.db") as repository:
        assert list(repository.images()) == [image("1")]


_FIRST_VERSION = """
CREATE TABLE images (
    image_id TEXT PRIMARY KEY, object_id TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL, etag TEXT NOT NULL,
    size INTEGER NOT NULL, uploaded_at TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT, version_id TEXT,
    sequencer TEXT, width INTEGER, height INTEGER, source TEXT NOT NULL
);
INSERT INTO images VALUES ('a', 'o', 'photos', 'a.jpg', '0f', 7, '2026-11-24T00:00:00+00:00', 'detected', NULL, NULL,
    NULL, 1, 1, '');
INSERT INTO images VALUES ('b', 'p', 'photos', 'b.jpg', '', 8, '2026-11-24T00:00:00+00:00', 'unreadable', 'text', NULL,
    NULL, NULL, NULL, '');
CREATE TABLE generations (
    number INTEGER PRIMARY KEY, state TEXT NOT NULL, model_id TEXT NOT NULL, snapshot TEXT NOT NULL,
    parameters TEXT NOT NULL, counts TEXT NOT NULL, timings TEXT NOT NULL, announced INTEGER NOT NULL
);
INSERT INTO generations VALUES (1, 'active', 'one', 'snapshot', '{"edge": 0.7, "seed": 1}', '{}', '{}', 0);
CREATE TABLE memberships (
    generation INTEGER, face_id TEXT, cluster_id TEXT, similarity REAL, cause TEXT NOT NULL,
    PRIMARY KEY (generation, face_id)
) WITHOUT ROWID;
CREATE TABLE control (name TEXT PRIMARY KEY, value INTEGER);
INSERT INTO control VALUES ('active', 1), ('last number', 1);
PRAGMA application_id = 1717658469;
PRAGMA user_version = 1;
"""


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_FIRST_VERSION)
    for _ in range(2):
        with SqliteRepository(path) as repository:
            assert repository.active_generation() == replace(generation(1), state=GenerationState.ACTIVE)
            assert repository.lease() is None
            assert list(repository.file_index().files()) == [
                IndexedFile("a.jpg", "", 7, "0f", "a"),
                IndexedFile("b.jpg", "", 8, "", "b", unread_by=""),
            ]
    with SqliteRepository(path) as repository:
        assert repository.next_generation_number() == 2
        repository.save_generation(generation(2))
        assert repository.activate(2, 1)
        assert repository.active_generation() == generation(2)


_OF_THE_SECOND_VERSION = """
DROP INDEX memberships_by_cluster;
DROP TABLE former_memberships;
DROP TABLE former_clusters;
DROP TABLE files;
ALTER TABLE images DROP COLUMN passing;
ALTER TABLE generations DROP COLUMN grouping;
ALTER TABLE generations DROP COLUMN revision;
PRAGMA user_version = 2;
"""


def test_a_file_of_the_second_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with SqliteRepository(path) as repository:
        repository.save_generation(generation(1))
        repository.save_faces([face("a", "1")])
        repository.save_memberships([membership(1, "a")])
        new = _tables(repository)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_OF_THE_SECOND_VERSION)
    with SqliteRepository(path) as repository:
        assert _tables(repository) == new
        assert repository.generation(1) == generation(1)
        assert list(repository.memberships(1)) == [membership(1, "a")]
        repository.remove_images(["1"])
        assert list(repository.former_memberships(["a"])["a"]) == [membership(1, "a")]


def _tables(repository: SqliteRepository) -> list[tuple[object, ...]]:
    """Return the columns of all tables, and the names of all indexes."""
    sql = "SELECT name, type, group_concat((SELECT group_concat(name) FROM pragma_table_info(sqlite_master.name)))"
    return [tuple(row) for row in repository._file.rows(f"{sql} FROM sqlite_master GROUP BY name ORDER BY name")]


def test_a_full_disk_is_told_and_what_was_saved_before_is_kept(tmp_path: Path) -> None:
    with SqliteRepository(tmp_path / "x.db") as repository:
        repository.save_faces([face("a", "1")])
        repository._file._connection.execute("PRAGMA max_page_count = 30")
        many = [face(f"{number:04x}", "2") for number in range(2000)]
        with pytest.raises(Transient, match="no space left on the disk"):
            repository.save_faces(many)
        assert [item.face_id for item in repository.faces()] == ["a"]
        repository._file._connection.execute("PRAGMA max_page_count = 100000")
        repository.save_faces(many)
        assert len(list(repository.faces())) == 2001


def test_a_file_that_another_process_holds_is_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "_LOCK_TIMEOUT", 0.05)
    with SqliteRepository(tmp_path / "x.db") as repository, closing(sqlite3.connect(tmp_path / "x.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient, match="another process"):
            repository.save_images([image("1")])
        assert list(repository.images()) == [], "reading goes on"
        other.rollback()
        repository.save_images([image("1")])
        assert list(repository.images()) == [image("1")]


def test_a_save_that_fails_saves_nothing_of_it(tmp_path: Path) -> None:
    with SqliteRepository(tmp_path / "x.db") as repository:
        too_big = replace(face("b", "1"), score=10**400)
        with pytest.raises(OverflowError):
            repository.save_faces([face("a", "1"), too_big])
        assert list(repository.faces()) == []
        repository.save_faces([face("a", "1")])
        assert [item.face_id for item in repository.faces()] == ["a"]


_SAVE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from shared.adapters.sqlite.repository import SqliteRepository
from tests.support.examples import image
SqliteRepository(Path(sys.argv[1])).save_images([image("1")])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_saved_is_there(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _SAVE_AND_DIE, tmp_path / "x.db"], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    with SqliteRepository(tmp_path / "x.db") as repository:
        assert list(repository.images()) == [image("1")]


def test_many_can_open_a_new_file_at_once(tmp_path: Path) -> None:
    start = threading.Barrier(6)
    opened = []

    def work(number: int) -> None:
        start.wait()
        with SqliteRepository(tmp_path / "x.db") as repository:
            repository.save_images([image(str(number))])
            opened.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with SqliteRepository(tmp_path / "x.db") as repository:
        assert {item.image_id for item in repository.images()} == set(map(str, opened)) == set("012345")


def test_no_call_reads_a_whole_table_of_images_faces_or_memberships(tmp_path: Path) -> None:
    with SqliteRepository(tmp_path / "x.db") as repository:
        repository.save_generation(generation(1))
        repository.save_generation(generation(2))
        repository.save_clusters([cluster(1, "c")])
        repository.save_images([image("1")])
        repository.save_faces([face("a", "1")])
        repository.save_memberships([membership(1, "a")])
        statements: list[str] = []
        repository._file._connection.set_trace_callback(statements.append)
        list(repository.images())
        list(repository.faces())
        list(repository.memberships(1))
        list(repository.accepted_faces("one"))
        repository.images_of(["o"])
        repository.faces_of(["1"])
        repository.memberships_of(1, ["a"])
        repository.members(1, "c", Cause.ARRIVED, 9)
        repository.count_members(1, "c", Cause.ARRIVED)
        repository.former_parents(1, ["c"])
        repository.remove_clusters(1, ["none"])
        repository.former_memberships(["a"])
        repository.former_clusters(1)
        repository.clusters(1, ["c"])
        repository.remove_memberships(1, ["b"])
        repository.remove_images(["1"])
        repository.activate(1, None)
        repository.active_generation()
        repository.remove_generation(2)
        repository._file._connection.set_trace_callback(None)
        queries = [text for text in statements if text.startswith(("SELECT", "DELETE", "UPDATE"))]
        steps = [
            row[3] for text in queries for row in repository._file._connection.execute(f"EXPLAIN QUERY PLAN {text}")
        ]
    assert len(queries) > 15
    tables = ("images", "faces", "memberships", "former_memberships", "clusters")
    whole = [step for step in steps if step.startswith(tuple(f"SCAN {table}" for table in tables))]
    assert whole == []


def test_what_is_deleted_is_no_longer_in_the_file_however_sqlite_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connect_as_built_upstream(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.execute("PRAGMA secure_delete = OFF")  # SQLite's own default; some distributions build with ON
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_as_built_upstream)
    path = tmp_path / "x.db"
    vector = np.random.default_rng(0).normal(size=DIMENSION).astype(np.float32)
    with SqliteRepository(path) as repository:
        repository.save_images([image("1"), image("2")])
        repository.save_faces([replace(face("e0e1e2e3", "1"), vector=vector), face("abcdef01", "2")])
    assert vector.tobytes() in path.read_bytes()
    with SqliteRepository(path) as repository:
        repository.remove_images(["1"])
        with closing(connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert vector.tobytes() not in written
    assert b"e0e1e2e3" not in written
    assert b"abcdef01" in written
