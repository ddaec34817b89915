"""`facestream run` on real photographs: results, second runs, kills, bad input."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tools.samples import FACESTREAM, PEOPLE, link_photos, run_facestream, sample_photos

pytestmark = pytest.mark.slow


def events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "assignments.jsonl").read_text().splitlines()]


def files_of(out: Path) -> dict[str, bytes]:
    """All that a person reads of a result, by name; the database and the report's own tests are elsewhere."""
    names = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith((".", "facestream.db"))]
    return {str(path.relative_to(out)): path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for person in PEOPLE[:3]:
        link_photos(folder, *sample_photos(person)[:10])
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "result"
    done = run_facestream("run", photos, "--out", out, "--min-cluster-size", "4")
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def copy_of_undisturbed(photos: Path, undisturbed: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A folder of the same photographs and its result, both free to be changed."""
    for folder, name in ((photos, "photos"), (undisturbed, "result")):
        shutil.copytree(folder, tmp_path / name, copy_function=shutil.copy2)
    origin = tmp_path / "result" / "run.json"
    origin.write_text(origin.read_text().replace(str(photos.resolve()), str((tmp_path / "photos").resolve())))
    return tmp_path / "photos", tmp_path / "result"


def test_every_person_found_is_one_person(undisturbed: Path) -> None:
    people: dict[str, Counter[str]] = {}
    for event in events(undisturbed):
        if event["cluster_id"]:
            people.setdefault(event["cluster_id"], Counter())[event["key"].split("/")[0]] += 1
    assert len(people) == 3
    assert all(len(names) == 1 for names in people.values()), people


def test_a_result_holds_crops_people_events_and_vectors_that_agree(undisturbed: Path) -> None:
    of_event = {event["face_id"]: event["cluster_id"] for event in events(undisturbed)}
    in_folders = {path.stem: path.parent.name for path in undisturbed.glob("people/*/*.png")}
    unknown = {path.stem: None for path in undisturbed.glob("unknown/*.png")}
    assert {**in_folders, **unknown} == of_event
    assert all((undisturbed / event["crop_key"]).is_file() for event in events(undisturbed))
    vectors = (undisturbed / "embeddings.csv").read_text().splitlines()
    assert len(vectors) == 1 + len(of_event)
    medoids = (undisturbed / "medoids.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in medoids} == set(in_folders.values())
    assert "<html" in (undisturbed / "report.html").read_text()


def test_a_second_run_over_the_same_photographs_changes_nothing(copy_of_undisturbed: tuple[Path, Path]) -> None:
    photos, out = copy_of_undisturbed
    before = files_of(out)
    done = run_facestream("run", photos, "--out", out, "--min-cluster-size", "4")
    assert done.returncode == 0, done.stderr
    assert files_of(out) == before


def test_a_new_photograph_goes_to_the_person_found_before_and_a_removed_one_is_forgotten(
    copy_of_undisturbed: tuple[Path, Path],
) -> None:
    photos, out = copy_of_undisturbed
    before = {event["face_id"]: event["cluster_id"] for event in events(out)}
    person = PEOPLE[0]
    removed = f"{person}/{sample_photos(person)[0].name}"
    (photos / removed).unlink()
    link_photos(photos, *sample_photos(person)[10:14])
    done = run_facestream("run", photos, "--out", out, "--min-cluster-size", "4")
    assert done.returncode == 0, done.stderr
    after = events(out)
    arrived = [event for event in after if event["cause"] == "arrived"]
    assert {event["key"].split("/")[0] for event in arrived} == {person}
    of_person = Counter(event["cluster_id"] for event in after if event["key"].startswith(person))
    assert any(event["cluster_id"] == of_person.most_common(1)[0][0] for event in arrived)
    assert removed not in {event["key"] for event in after}
    assert {event["face_id"] for event in after if event["cause"] == "reclustered"} < before.keys()
    assert {path.stem for path in out.glob("crops/*.png")} >= {event["face_id"] for event in after}
    gone = before.keys() - {event["face_id"] for event in after}
    assert gone
    assert not any((out / "crops" / f"{face_id}.png").exists() for face_id in gone)


def test_regrouping_keeps_the_ids_of_the_people(copy_of_undisturbed: tuple[Path, Path]) -> None:
    photos, out = copy_of_undisturbed
    before = {event["cluster_id"] for event in events(out)}
    link_photos(photos, *sample_photos(PEOPLE[1])[10:13])
    done = run_facestream("run", photos, "--out", out, "--min-cluster-size", "4", "--recluster")
    assert done.returncode == 0, done.stderr
    after = events(out)
    assert {event["cluster_id"] for event in after} == before
    assert {event["cause"] for event in after} == {"reclustered"}
    assert {event["generation"] for event in after} == {2}


def test_a_run_killed_at_random_moments_ends_with_the_result_of_an_undisturbed_one(
    photos: Path, undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "result"
    arguments: list[str | Path] = ["run", photos, "--out", out, "--min-cluster-size", "4"]
    environment = {**os.environ, "FACESTREAM_STANDALONE_PHOTOS_PER_BATCH": "4"}
    moments = random.Random(5)  # noqa: S311  when to kill is no secret
    killed = 0
    for _ in range(5):
        process = subprocess.Popen(
            [FACESTREAM, *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            process.wait(moments.uniform(2, 12))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        _, errors = process.communicate()
        assert killed or process.returncode == 0, errors
        wait_until_no_process_of(process.pid)
    done = run_facestream(*arguments, FACESTREAM_STANDALONE_PHOTOS_PER_BATCH="4")
    assert done.returncode == 0, done.stderr
    assert killed
    assert (out / "assignments.jsonl").read_bytes() == (undisturbed / "assignments.jsonl").read_bytes()
    assert files_of(out).keys() == files_of(undisturbed).keys()


def wait_until_no_process_of(session: int) -> None:
    """The processes that detect end by themselves when the one that started them was killed."""
    deadline = time.monotonic() + 30
    while subprocess.run(["pgrep", "--session", str(session)], check=False, capture_output=True).returncode == 0:
        assert time.monotonic() < deadline, "processes outlived the run that was killed"
        time.sleep(0.05)
