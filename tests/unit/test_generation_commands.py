"""`facestream clusters` and `facestream generations` on the result of a folder."""

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cli.jobs.generations import remove
from cli.main import main
from cli.repositories import opened_exclusively
from services.standalone.result.lock import locked
from shared.adapters.sqlite.repository import SqliteRepository
from shared.adapters.sqlite.schema import VERSION
from shared.domain.records import Generation
from shared.errors import InvalidInput
from tests.support.command_line import facestream_in_process
from tests.support.reclustering import World, add_photos
from tests.support.synthetic_faces import embeddings
from tools.samples import ROOT

FACES = embeddings([6, 1, 5, 4])
NAMES = [f"{number:04}" for number in range(len(FACES))]
READING = ["clusters list", "clusters show 0", "clusters history 0"]
READING += ["generations list", "generations show 1", "generations diff 1 2"]
CHANGING = ["generations rollback 1", "generations pin 1", "generations unpin 1", "generations remove 1"]


def printed(line: str, result: Path) -> list[str]:
    done = facestream_in_process(*line.split(), "--result", result)
    assert (done.status, done.error) == (0, "")
    return [shown.rstrip() for shown in done.lines]


@dataclass(frozen=True)
class Refused:
    """Runs a command that is to end in one line on the error stream and nothing else."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str | Path) -> str:
        self.monkeypatch.setattr("sys.argv", ["facestream", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_of:
            main()
        out, error = self.capsys.readouterr()
        assert (exit_of.value.code, out, error[:7], error.count("\n")) == (2, "", "error: ", 1), error
        return error[7:-1]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    return Refused(monkeypatch, capsys)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result of two generations: one person of 6 faces and 3 unknown ones, then two people more."""
    result = tmp_path_factory.mktemp("made") / "result"
    result.mkdir()
    with SqliteRepository(result / "facestream.db") as repository:
        add_photos(repository, FACES[:9], NAMES[:9])
        World(repository).recluster(writer=None)
        add_photos(repository, FACES[9:], NAMES[9:], 1)
        World(repository).recluster(writer=None)
    for name in NAMES:
        (result / f"{name}.png").write_bytes(b"a crop")
    return result


@pytest.fixture
def result(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "result"))


@pytest.fixture(scope="module")
def people(made: Path) -> dict[int, str]:
    """The cluster ids of the second generation, by the number of faces."""
    with SqliteRepository(made / "facestream.db") as repository:
        return {cluster.size: cluster.cluster_id for cluster in repository.clusters(2)}


def states(result: Path) -> dict[str, str]:
    lines = [line.replace(", ", ",").split() for line in printed("generations list", result)[1:]]
    return {number: state for number, state, *_ in lines}


def test_the_people_are_listed_the_largest_first(result: Path, people: dict[int, str]) -> None:
    header, *lines = printed("clusters list", result)
    assert header.split() == ["cluster", "faces", "medoid"]
    assert [line.split()[:2] for line in lines] == [[people[size], str(size)] for size in (6, 5, 4)]
    assert [line.split()[2] in NAMES for line in lines] == [True] * 3


def test_a_person_is_shown_with_its_photographs_by_the_beginning_of_its_id(
    result: Path, people: dict[int, str]
) -> None:
    title, medoid, parents, *faces = printed(f"clusters show {people[6][:8]}", result)
    assert title == f"cluster {people[6]} of generation 2: 6 faces"
    assert parents == f"parents: {people[6]}"
    assert [line.split(maxsplit=2)[::2] for line in faces] == [
        [name, f"photos/image of {name}.jpg"] for name in NAMES[:6]
    ]
    similarities = {name: similarity for name, similarity, _ in (line.split(maxsplit=2) for line in faces)}
    assert similarities[medoid.removeprefix("medoid: ")] == "1.000"
    assert printed(f"clusters show {people[4]}", result)[2] == "parents: none"


def test_the_history_of_a_person_goes_through_the_generations(result: Path, people: dict[int, str]) -> None:
    old, new = people[6], people[4]
    kept = [f"generation 1: {old}  6 faces", f"generation 2: {old}  kept  6 faces"]
    assert printed(f"clusters history {old[:8]}", result) == kept
    assert printed(f"clusters history {new}", result) == [f"generation 2: {new}  created  4 faces"]


def test_generations_are_listed_described_and_compared(result: Path, people: dict[int, str]) -> None:
    header, *lines = printed("generations list", result)
    assert header.split() == ["generation", "state", "made", "faces", "people", "assigned", "reason"]
    assert [line.split()[:2] + line.split()[4:] for line in lines] == [
        ["1", "retired", "9", "1", "6"],
        ["2", "active", "16", "3", "15"],
    ]
    described = printed("generations show 2", result)
    assert described[0] == "generation 2: active"
    assert {"announced: yes", "model: model", "faces: 16", "clusters: 3", "min_cluster_size: 3"} <= set(described)
    assert printed("generations diff 1 2", result) == [
        "faces: 0 have another person, 0 are unknown now, 9 were unknown before",
        *sorted(f"{people[size]}  created  {size} faces" for size in (4, 5)),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clusters show zz", "zz: expected the beginning of one cluster id of generation 2, found 0 such"),
        ("clusters history zz", "zz: expected the beginning of a cluster id of generations [1, 2], found none"),
        ("generations show 9", "generation 9: expected one of 1, 2"),
        ("generations diff 1 9", "generation 9: expected one of 1, 2"),
        ("generations diff 9 1", "generation 9: expected one of 1, 2"),
        ("generations rollback 9", "generation 9: expected one of 1, 2"),
        ("generations rollback 2", "generation 2: expected one that is retired, it is active"),
        ("generations remove 9", "generation 9: expected one of 1, 2"),
        ("generations remove 2", "generation 2: expected one that is neither active nor pinned, it is active"),
        ("generations pin 9", "generation 9: expected one of 1, 2"),
        ("generations unpin 1", "generation 1: expected a pinned one (none)"),
    ],
)
def test_who_or_what_is_not_there_is_told_in_a_line(line: str, message: str, result: Path, refused: Refused) -> None:
    before = printed("generations list", result)
    assert refused(*line.split(), "--result", result) == message
    assert printed("generations list", result) == before


def remove_folder(result: Path) -> None:
    shutil.rmtree(result)


def remove_database(result: Path) -> None:
    (result / "facestream.db").unlink()


def make_of_another_version(result: Path) -> None:
    with closing(sqlite3.connect(result / "facestream.db")) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")


def make_of_another_program(result: Path) -> None:
    with closing(sqlite3.connect(result / "facestream.db")) as database:
        database.execute("PRAGMA application_id = 1")


def write_something_else(result: Path) -> None:
    (result / "facestream.db").write_bytes(b"no database at all" * 1000)


def write_nothing(result: Path) -> None:
    (result / "facestream.db").write_bytes(b"")


def link_to_another(result: Path) -> None:
    (result / "facestream.db").rename(result.with_name("another.db"))
    (result / "facestream.db").symlink_to(result.with_name("another.db"))


@pytest.mark.parametrize("line", READING + CHANGING)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_folder, "expected a folder that `facestream run` wrote, found no facestream.db in it"),
        (remove_database, "expected a folder that `facestream run` wrote, found no facestream.db in it"),
        (make_of_another_version, f"of version {VERSION}, found version {VERSION + 1}; choose another file"),
        (make_of_another_program, "facestream.db: expected a facestream database, found something else"),
        (write_something_else, "facestream.db: expected a facestream database, found something else"),
        (write_nothing, "facestream.db: expected a facestream database, found something else"),
        (link_to_another, "facestream.db: expected a facestream database, found something else"),
    ],
)
def test_a_folder_without_a_database_that_can_be_used_is_told_in_a_line_and_left_as_it_is(
    line: str, damage: Callable[[Path], None], message: str, result: Path, refused: Refused
) -> None:
    damage(result)
    before = sorted(result.parent.rglob("*"))
    told = refused(*line.split(), "--result", result)
    assert told.startswith(str(result))
    assert message in told
    assert sorted(result.parent.rglob("*")) == before


@pytest.mark.parametrize("line", [line for line in READING if line != "generations list"] + CHANGING)
def test_a_result_without_a_generation_is_told_in_a_line(line: str, tmp_path: Path, refused: Refused) -> None:
    SqliteRepository(tmp_path / "facestream.db").close()
    assert "expected" in refused(*line.split(), "--result", tmp_path)
    assert len(printed("generations list", tmp_path)) == 1, "a table of nothing"


@pytest.mark.parametrize("line", CHANGING)
def test_nothing_is_changed_in_a_folder_where_a_run_is_working(line: str, result: Path, refused: Refused) -> None:
    with locked(result):
        assert "another command is working in this folder" in refused(*line.split(), "--result", result)
        assert states(result) == {"1": "retired", "2": "active"}, "reading is allowed"


def files_of(result: Path) -> tuple[set[tuple[str, str | None]], set[str], set[str], set[str]]:
    """Who is whose by `assignments.jsonl`; the people of `medoids.csv`, `people` and the report."""
    events = [json.loads(line) for line in (result / "assignments.jsonl").read_text().splitlines()]
    with (result / "medoids.csv").open() as file:
        medoids = {row[0] for row in csv.reader(file)}
    folders = {folder.name for folder in (result / "people").iterdir()}
    return {(event["face_id"], event["cluster_id"]) for event in events}, medoids, folders, in_report(result)


def in_report(result: Path) -> set[str]:
    page = (result / "report.html").read_text()
    with SqliteRepository(result / "facestream.db") as repository:
        known = {cluster.cluster_id for number in (1, 2) for cluster in repository.clusters(number)}
    return {cluster_id for cluster_id in known if f"person-{cluster_id}" in page}


def files_expected(result: Path) -> tuple[set[tuple[str, str | None]], set[str], set[str], set[str]]:
    with SqliteRepository(result / "facestream.db") as repository:
        active = repository.active_generation()
        assert active
        members = {(member.face_id, member.cluster_id) for member in repository.memberships(active.number)}
        clusters = {cluster.cluster_id for cluster in repository.clusters(active.number)}
    assert {face_id for face_id, _ in members} == set(NAMES), "those that came later have a place too"
    return members, clusters, clusters, clusters


@pytest.mark.slow
def test_rollback_changes_who_there_is_and_makes_all_files_anew(result: Path, people: dict[int, str]) -> None:
    for number, other, sizes in ((1, 2, [6]), (2, 1, [6, 5, 4])):
        line = f"generation {number} is active instead of {other}; all files in {result} are written again"
        assert printed(f"generations rollback {number}", result) == [line]
        assert states(result) == {str(number): "active", str(other): "retired"}
        assert [line.split()[0] for line in printed("clusters list", result)[1:]] == [people[size] for size in sizes]
        assert files_of(result) == files_expected(result)
        unknown = {crop.stem for crop in (result / "unknown").iterdir()}
        assert unknown == {face_id for face_id, cluster_id in files_of(result)[0] if cluster_id is None}
        with (result / "embeddings.csv").open() as file:
            assert {row[1] for row in csv.reader(file)} == {"1", "unknown", *(people[size] for size in sizes)}


def test_a_pinned_generation_says_so_and_while_active_nothing_takes_its_place(result: Path, refused: Refused) -> None:
    def second() -> Generation | None:
        with SqliteRepository(result / "facestream.db") as repository:
            return repository.generation(2)

    assert printed("generations pin 1", result) == ["generation 1 is pinned: it is kept until it is unpinned"]
    assert states(result) == {"1": "retired,pinned", "2": "active"}
    active = "generation 2 is pinned and active: no other one is published until it is unpinned"
    assert printed("generations pin 2", result) == [active]
    assert printed("generations show 2", result)[0] == "generation 2: active, pinned"
    refusal = "generation 2 is active and pinned: no other generation is published until it is unpinned"
    before = printed("generations show 1", result)
    assert refused("generations", "rollback", "1", "--result", result) == refusal
    assert printed("generations show 1", result) == before
    assert printed("generations unpin 2", result) == ["generation 2 is no longer pinned"]
    assert states(result) == {"1": "retired,pinned", "2": "active"}


def test_a_removed_generation_is_gone_with_its_medoids(result: Path) -> None:
    printed("generations pin 1", result)
    with (
        pytest.raises(InvalidInput, match="neither active nor pinned, it is retired, pinned"),
        opened_exclusively(result) as repository,
    ):
        remove(repository, 1)
    printed("generations unpin 1", result)
    assert printed("generations remove 1", result) == ["generation 1 is removed; it cannot be activated again"]
    assert states(result) == {"2": "active"}
    with SqliteRepository(result / "facestream.db") as repository:
        assert not repository.clusters(1)
        assert not list(repository.memberships(1))
        assert repository.clusters(2)


def test_a_generation_whose_difference_is_not_told_yet_is_not_removed(result: Path) -> None:
    with SqliteRepository(result / "facestream.db") as repository:
        second = repository.generation(2)
        assert second
        repository.save_generation(replace(second, announced=False, previous=1))
        with pytest.raises(InvalidInput, match="what changed after it is not announced yet"):
            remove(repository, 1)
        repository.save_generation(second)
        remove(repository, 1)


def test_a_run_does_not_regroup_where_the_active_generation_is_pinned(
    result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.standalone import run as folder_run  # noqa: PLC0415  imports much that other tests do without
    from services.standalone.settings import RunSettings  # noqa: PLC0415

    printed("generations pin 2", result)
    monkeypatch.setattr(folder_run, "located", lambda model: tmp_path / model.name)
    (tmp_path / "photos").mkdir()
    settings = RunSettings(photos=tmp_path / "photos", out=result, recluster=True)
    with pytest.raises(InvalidInput, match=rf"`facestream generations unpin 2 --result {result}`"):
        folder_run.run_folder(settings, lambda _: pytest.fail("the run has begun"))


@pytest.mark.slow  # imports all that a run imports
def test_folders_need_none_of_the_libraries_of_the_stream() -> None:
    theirs = "confluent_kafka, minio, pymongo"
    jobs = "cli.jobs.clusters, cli.jobs.generations, cli.jobs.activation, services.standalone.run"
    script = f"import sys, {jobs}; print(sorted(set('{theirs}'.split(', ')) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n"
