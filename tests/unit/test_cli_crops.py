"""The commands that read folders of crops, on drawn ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cli.files.crops import load_model, read_crop
from cli.files.csv_formats import read_embeddings
from cli.jobs.chinese_whispers import ClusteringOptions
from cli.jobs.cluster import cluster_folder
from cli.jobs.export_embeddings import export_folder
from cli.jobs.preprocess import copy_sharp_crops
from services.quality.sharpness import variance_of_laplacian
from shared.errors import Fatal, InvalidInput


def draw(path: Path, colour: int = 100, contrast: int = 0, seed: int = 0) -> Path:
    """Write a crop: one colour with noise of some contrast."""
    noise = np.random.default_rng(seed).integers(-contrast, contrast + 1, (160, 160, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), (colour + noise).astype(np.uint8))
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    draw(tmp_path / "crops" / "anna" / "sharp.png", contrast=40)
    draw(tmp_path / "crops" / "anna" / "flat.png")
    draw(tmp_path / "crops" / "SHARP.JPG", contrast=60)
    return tmp_path / "crops"


def test_sharp_crops_are_copied_byte_by_byte_into_the_same_subfolders(crops: Path, tmp_path: Path) -> None:
    line = copy_sharp_crops(crops, tmp_path / "sharp", 25)
    everything = files_of(crops)
    assert files_of(tmp_path / "sharp") == {name: everything[name] for name in ("SHARP.JPG", "anna/sharp.png")}
    assert line == f"3 crops: 2 sharp ones in {tmp_path / 'sharp'}, 1 blurry ones left out"


def test_a_crop_that_just_reaches_the_threshold_is_kept(tmp_path: Path) -> None:
    crop = draw(tmp_path / "crops" / "1.png", contrast=3)
    sharpness = variance_of_laplacian(read_crop(crop)[1])
    copy_sharp_crops(crop.parent, tmp_path / "reached", sharpness)
    copy_sharp_crops(crop.parent, tmp_path / "missed", sharpness + 1e-9)
    assert list(files_of(tmp_path / "reached")) == ["1.png"]
    assert files_of(tmp_path / "missed") == {}


def test_a_crop_that_cannot_be_read_is_told_in_a_line_and_the_others_are_done(
    crops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (crops / "a\nnote.jpg").write_text("no picture")
    line = copy_sharp_crops(crops, tmp_path / "sharp", 25)
    assert capsys.readouterr().err == f"{crops}/a\\nnote.jpg: not an image: text\n"
    assert line.startswith("3 crops (1 more could not be read): 2 sharp ones")


def test_where_not_one_crop_can_be_read_there_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "crops").mkdir()
    (tmp_path / "crops" / "1.jpg").write_text("no picture")
    with pytest.raises(Fatal, match="none of its 1 files could be used"):
        copy_sharp_crops(tmp_path / "crops", tmp_path / "sharp", 25)
    assert [path.name for path in tmp_path.iterdir()] == ["crops"]


def test_a_large_crop_is_judged_in_its_own_size(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), picture)
    assert np.array_equal(read_crop(tmp_path / "large.png")[1], picture)


def test_a_folder_of_no_or_several_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"expected one model .* in it, found none"):
        load_model(tmp_path)
    (tmp_path / "a.h5").touch()
    (tmp_path / "b.pb").touch()
    with pytest.raises(InvalidInput, match=r"found a\.h5, b\.pb"):
        load_model(tmp_path)


@pytest.mark.slow
def test_a_model_is_found_in_its_folder_in_every_form(tmp_path: Path) -> None:
    from tests.support import tiny_networks  # noqa: PLC0415  loads TensorFlow

    for kind in (tiny_networks.frozen_graph, tiny_networks.keras_h5, tiny_networks.saved_by_tensorflow_2):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        kind(folder, 8)
        assert load_model(folder).dimensions == 8
    (tmp_path / "checkpoint").mkdir()
    assert load_model(tiny_networks.checkpoint(tmp_path / "checkpoint", 512)).dimensions == 512


@pytest.mark.slow
def test_crops_are_exported_with_their_folder_as_label_in_the_width_of_the_model(crops: Path, tmp_path: Path) -> None:
    from tests.support import tiny_networks  # noqa: PLC0415  loads TensorFlow

    (crops / "broken.png").write_bytes(b"\x89PNG")
    disk = tmp_path / "disk"
    (crops / "anna").rename(disk)
    (crops / "linked").symlink_to(disk)
    out = tmp_path / "out.csv"
    line = export_folder(tiny_networks.keras_h5(tmp_path, 5), crops, out)
    found = read_embeddings(out)
    assert found.paths == tuple(f"{crops}/{name}" for name in ("SHARP.JPG", "linked/flat.png", "linked/sharp.png"))
    assert found.labels == ("crops", "linked", "linked")
    assert found.vectors.shape == (3, 5)
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1)
    assert line == f"3 crops (1 more could not be read): 5 values each in {out}"


@pytest.mark.slow
def test_clusters_are_folders_numbered_from_the_largest(tmp_path: Path) -> None:
    from tests.support import tiny_networks  # noqa: PLC0415  loads TensorFlow

    crops, out = tmp_path / "crops", tmp_path / "out"
    for seed in range(3):
        picture = np.full((160, 160, 3), (0, 0, 200), np.uint8)
        picture[seed] = 9
        (crops / f"x{seed}").mkdir(parents=True)
        cv2.imwrite(str(crops / f"x{seed}" / "1.png"), picture)
        picture = np.full((160, 160, 3), (200, 0, 0), np.uint8)
        picture[:, seed] = 9
        for name in ("2", f"3{seed}"):
            cv2.imwrite(str(crops / f"x{seed}" / f"{name}.png"), picture)
    model = tiny_networks.keras_h5(tmp_path, 64)
    options = ClusteringOptions(threshold=0.9, iterations=50, min_cluster_size=3)
    line = cluster_folder(crops, out, model=model, batch_size=4, options=options)
    assert line == f"9 crops: 2 clusters of 6, 3 crops in {out}, 0 crops in none"
    assert sorted(files_of(out)) == [
        *(f"1/{name}.png" for name in ("2", "30", "31", "32", "x1_2", "x2_2")),
        *(f"2/{name}.png" for name in ("1", "x1_1", "x2_1")),
    ]
