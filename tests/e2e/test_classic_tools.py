"""The classic commands one after another on real photographs, as a person would use them."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cli.files.csv_formats import read_embeddings
from shared.model_files import FACENET, LANDMARKS, located
from tests.support.command_line import Command, facestream_in_process
from tests.support.photo_folder import make_photo_folder
from tools.samples import FACESTREAM, PEOPLE, ROOT, link_photos, run_facestream, sample_photos

pytestmark = pytest.mark.slow

DATA = ROOT.parent / "shared" / "data"  # lies beside the checkout where somebody has put it; no part of the project


def facestream(*arguments: str | Path, **environment: str) -> Command:
    """Run a command in this process, which spares the seconds of its imports, and check that it succeeds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        done = facestream_in_process(*arguments)
    assert done.status == 0, done.error
    return done


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path))
    assert picture is not None, path
    return picture.astype(np.uint8)


def need_data(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"needs {name} of the test photographs in {DATA}")
    return DATA / name


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 photographs of three people, each in a folder, one of them in capitals, and two files that are no use."""
    folder = tmp_path_factory.mktemp("photos")
    for person in PEOPLE[1:4]:
        link_photos(folder, *sample_photos(person)[:12])
    first = min((folder / PEOPLE[1]).iterdir())
    first.rename(first.with_suffix(".JPG"))
    (folder / "broken.jpg").write_bytes(sample_photos(PEOPLE[0])[0].read_bytes()[:2000])
    (folder / "notes.txt").write_text("no photograph")
    return folder


@pytest.fixture(scope="module")
def crops(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("detected") / "crops"
    done = facestream("detect", "--image_dir", photos, "-o", out)
    assert done.lines == [f"36 photographs (1 more could not be read): {len(contents(out))} faces in {out}"]
    assert done.error == f"1 file was passed over: 1 document\n{photos}/broken.jpg: truncated JPEG\n"
    return out


@pytest.fixture(scope="module")
def clusters(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clustered")
    facestream("preprocess", "-i", crops, "-o", folder / "sharp")
    # The folder of the models holds that of FaceNet and another one, which is no model of this kind.
    model = located(FACENET).parent
    facestream("cluster", "--model-dir", model, "--input", folder / "sharp", "--output", folder / "people",
               "--batch-size", "16", "--min-cluster-size", "4")  # fmt: skip
    return folder / "people"


@pytest.fixture(scope="module")
def embeddings(clusters: Path) -> Path:
    out = clusters.parent / "embeddings.csv"
    facestream("export-embeddings", located(FACENET), clusters, out)
    return out


def test_one_photograph_is_one_whatever_programs_keep_beside_it_and_however_it_is_called(tmp_path: Path) -> None:
    photograph = sample_photos(PEOPLE[1])[0].read_bytes()
    keys = make_photo_folder(tmp_path / "photos", photograph)
    done = facestream("detect", "-d", tmp_path / "photos", "-o", tmp_path / "crops", FACESTREAM_PHOTOS_IGNORE="Memes")
    assert done.lines[0].startswith(f"{len(keys)} photographs: {len(keys)} faces in ")
    assert {path.name.rsplit("_", 1)[0] for path in (tmp_path / "crops").rglob("*.png")} == {
        *("photo.jpg", "photo.jpg_large", "photo.jpg(1)"),
        *("2020.01.02 12.30", "stereo"),
    }
    assert done.error.startswith("17 files were passed over: 10 files kept by other programs, ")


def test_a_face_is_found_on_nearly_every_portrait_and_lies_in_the_folder_of_its_photograph(
    photos: Path, crops: Path
) -> None:
    with_face = {name.rsplit("_", 1)[0] for name in contents(crops)}
    all_photos = {str(path.relative_to(photos).with_suffix("")) for path in photos.rglob("*.[jJ]*")}
    assert with_face <= all_photos
    assert len(with_face) >= 32
    for crop in crops.rglob("*.png"):
        assert pixels(crop).shape == (160, 160, 3)


def test_a_width_and_a_predictor_can_be_given_and_one_process_finds_what_many_do(
    photos: Path, crops: Path, tmp_path: Path
) -> None:
    one = photos / PEOPLE[2]
    facestream("detect", "-p", located(LANDMARKS), "-d", one, "-w", "96", "-o", tmp_path / "96", "--processes", "1")
    assert {pixels(crop).shape for crop in (tmp_path / "96").iterdir()} == {(96, 96, 3)}
    facestream("detect", "-d", one, "-o", tmp_path / "160", "--processes", "1")
    assert contents(tmp_path / "160") == contents(crops / PEOPLE[2])


def test_detection_that_was_killed_leaves_no_crops_and_the_next_one_has_all(
    photos: Path, crops: Path, tmp_path: Path
) -> None:
    out = tmp_path / "crops"
    process = subprocess.Popen([FACESTREAM, "detect", "-d", photos, "-o", out], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not any(tmp_path.rglob("*.png")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "no crop was written"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
    facestream("detect", "-d", photos, "-o", out)
    assert contents(out) == contents(crops)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".crops.facestream", "crops"]


def test_every_cluster_is_one_person_and_the_largest_comes_first(photos: Path, clusters: Path) -> None:
    people = {photo.stem: photo.parent.name for photo in photos.rglob("*.[jJ]*")}
    folders = sorted(clusters.iterdir(), key=lambda folder: int(folder.name))
    assert [folder.name for folder in folders] == [str(number) for number in range(1, len(folders) + 1)]
    sizes = []
    for folder in folders:
        found = Counter(people[crop.stem.rsplit("_", 1)[0]] for crop in folder.iterdir())
        assert len(found) == 1
        sizes.append(found.total())
    assert len(sizes) >= 2
    assert sizes == sorted(sizes, reverse=True)


def test_the_export_has_a_row_for_every_crop(clusters: Path, embeddings: Path) -> None:
    header = embeddings.read_text().splitlines()[0]
    assert header == ",".join(map(str, range(130)))
    found = read_embeddings(embeddings)
    crops = {str(crop): crop.parent.name for crop in clusters.rglob("*.png")}
    assert dict(zip(found.paths, found.labels, strict=True)) == crops
    assert found.vectors.shape == (len(crops), 128)


def test_the_medoids_recognise_their_own_clusters_and_no_other(embeddings: Path, tmp_path: Path) -> None:
    medoids, labels = tmp_path / "medoids.csv", tmp_path / "labels.csv"
    facestream("get-medoids", embeddings, medoids)
    facestream("validate", medoids, embeddings, labels, "--threshold", "0.6")
    found = read_embeddings(embeddings)
    rows = [line.rsplit(",", 1) for line in labels.read_text().splitlines()]
    assert [path for path, _ in rows] == list(found.paths)
    verdicts = Counter(label == own for (_, label), own in zip(rows, found.labels, strict=True) if label != "unknown")
    assert verdicts[False] == 0
    assert verdicts[True] > 0.7 * len(rows)


def test_the_same_command_writes_the_same_bytes(clusters: Path, embeddings: Path, tmp_path: Path) -> None:
    # In another process, unlike the first time.
    done = run_facestream("export-embeddings", located(FACENET), clusters, tmp_path / "again.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.csv").read_bytes() == embeddings.read_bytes()


def test_a_map_of_the_people_is_drawn(embeddings: Path, tmp_path: Path) -> None:
    facestream("tsne", embeddings, tmp_path / "map.png")
    assert pixels(tmp_path / "map.png").std() > 0


def test_raw_files_become_upright_jpeg_files_of_the_same_time(tmp_path: Path) -> None:
    raw = need_data("raw")
    done = facestream("cr2-to-jpg", "--source", raw, "--destination", tmp_path / "jpg")
    good = {path for path in raw.iterdir() if path.is_file()}
    broken = set((raw / "broken").iterdir())
    assert done.lines == [
        f"{len(good)} raw files ({len(broken)} more could not be read): developed into {tmp_path}/jpg"
    ]
    assert {line.split(":")[0] for line in done.error.splitlines()} == set(map(str, broken))
    assert len(done.error.splitlines()) == len(broken)
    assert {path.name for path in (tmp_path / "jpg").iterdir()} == {f"{path.stem}.jpg" for path in good}
    for path in good:
        jpeg = tmp_path / "jpg" / f"{path.stem}.jpg"
        assert jpeg.stat().st_mtime_ns == path.stat().st_mtime_ns
        assert pixels(jpeg).std() > 10


def test_the_first_fifteen_published_embeddings_are_two_people() -> None:
    seed = need_data("seed/test_embeddings.csv")
    done = facestream("chinese-whispers", seed, "--rows", "15")
    clusters = [json.loads(line) for line in done.lines]
    assert clusters == [
        [f"image_file_path_{number}" for number in range(6, 16)],
        [f"image_file_path_{number}" for number in range(1, 6)],
    ]
    assert done.error == ""
