"""Every format that FaceNet is found in, by a tiny network in each, and what is said of files that are none."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest

from services.embedder.embedding import prewhitened
from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from shared.errors import ModelError
from shared.model_files import FACENET

pytestmark = pytest.mark.slow  # TensorFlow takes seconds to load

SETTINGS = EmbedderSettings(batch_size=2)
FORMATS = ("frozen_graph", "checkpoint", "saved_by_tensorflow_1", "saved_by_tensorflow_2", "keras_h5")


@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    from tests.support import tiny_networks  # noqa: PLC0415  imports TensorFlow, which a run without slow tests does without

    return tiny_networks


@pytest.mark.parametrize("width", [128, 512])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_model_of_any_format_and_width_gives_the_vectors_it_was_made_to(
    kind: str, width: int, tiny: ModuleType, tmp_path: Path
) -> None:
    crops = np.random.default_rng(5).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
    embedder = load_embedder(getattr(tiny, kind)(tmp_path, width), SETTINGS)
    kernel, offset = tiny.weights(width)
    raw = prewhitened(crops)[..., ::-1].mean(axis=(1, 2)) @ kernel + offset
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    assert (embedder.dimensions, embedder.input_size) == (width, 160)
    np.testing.assert_allclose(embedder.embed(crops), expected, atol=1e-6)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_model_id_names_the_content_and_not_the_place(kind: str, tiny: ModuleType, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    path: Path = getattr(tiny, kind)(here, 128)
    first = load_embedder(path, SETTINGS).model_id
    here.rename(there)
    path = there / path.relative_to(here)
    assert load_embedder(path, SETTINGS).model_id == first
    if path.is_dir():
        (path / "notes.txt").write_text("trained longer")
        assert load_embedder(path, SETTINGS).model_id != first


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ModelError, match=re.escape(str(path))) as caught:
        load_embedder(path, SETTINGS)
    assert "\n" not in str(caught.value)
    for word in ("expected", *words):
        assert word in str(caught.value)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "facenet.pb", "found none", "facestream models fetch")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "saved_model.pb", "*.meta", "found nothing in it")


def test_a_folder_of_other_files_is_refused_and_some_of_them_named(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    refused(tmp_path, "holiday.jpg")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x89HDF\r\n\x1a\n and no more"])
def test_a_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    refused(path, "found")


def test_a_facenet_file_with_a_changed_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FACENET.name
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    refused(path, "SHA-256", FACENET.sha256, "facestream models fetch")


def test_a_graph_without_the_tensors_of_facenet_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    path: Path = tiny.frozen_graph(tmp_path, 128)
    path.write_bytes(path.read_bytes().replace(b"embeddings", b"embroidery"))
    refused(path, "none of the name embeddings")


def test_a_graph_that_takes_no_pictures_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    with tiny.tf.Graph().as_default() as graph:
        words = tiny.v1.placeholder(tiny.tf.string, (None,), name="input")
        tiny.tf.strings.length(words, name="embeddings")
    path = tmp_path / "words.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    refused(path, "that TensorFlow can load and run")


def test_a_graph_that_gives_one_vector_for_all_pictures_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    with tiny.tf.Graph().as_default() as graph:
        pictures = tiny.v1.placeholder(tiny.tf.float32, (None, 160, 160, 3), name="input")
        tiny.tf.reduce_mean(pictures, (0, 1, 2), name="embeddings")
    path = tmp_path / "mean.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    refused(path, "a finite vector for each picture", "(3,)")


def test_a_network_whose_answers_are_not_finite_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    path: Path = tiny.keras_h5(tmp_path, 128)
    with h5py.File(path, "r+") as file:
        file["model_weights/Bottleneck_BatchNorm/Bottleneck_BatchNorm/beta:0"][7] = np.nan
    refused(path, "a finite vector for each picture")


def test_a_checkpoint_without_its_data_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    folder: Path = tiny.checkpoint(tmp_path, 128)
    for path in folder.glob("*.data-*"):
        path.unlink()
    refused(folder, "that TensorFlow can load and run")


def test_a_checkpoint_without_its_graph_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    folder: Path = tiny.checkpoint(tmp_path, 128)
    for path in folder.glob("*.meta"):
        path.unlink()
    refused(folder, "*.meta", ".index")


def test_a_saved_model_without_a_signature_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    tiny.tf.saved_model.save(tiny.tf.Module(), str(tmp_path / "saved"))
    refused(tmp_path / "saved", "serving_default")


def test_a_saved_model_with_two_outputs_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    module = tiny.tf.Module()
    both = tiny.tf.function(lambda pictures: {"one": pictures, "two": pictures})
    signature = both.get_concrete_function(tiny.tf.TensorSpec((None, 160, 160, 3), tiny.tf.float32))
    tiny.tf.saved_model.save(module, str(tmp_path / "saved"), signatures=signature)
    refused(tmp_path / "saved", "one output of vectors", "one, two")


def test_a_saved_model_that_is_damaged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"not a model")
    refused(tmp_path, "that TensorFlow can load and run")


def without_embedding(layers: list[dict[str, Any]]) -> None:
    del layers[2:]


def without_layers(layers: list[dict[str, Any]]) -> None:
    layers.clear()


def with_a_layer_of_another_kind(layers: list[dict[str, Any]]) -> None:
    layers[1]["class_name"] = "LSTM"


def with_an_input_that_is_not_there(layers: list[dict[str, Any]]) -> None:
    layers[1]["inbound_nodes"][0][0][0] = "input_2"


def with_another_activation(layers: list[dict[str, Any]]) -> None:
    layers[3]["config"]["activation"] = "tanh"


def without_a_size(layers: list[dict[str, Any]]) -> None:
    layers[0]["config"]["batch_input_shape"] = [None, None, None, 3]


@pytest.mark.parametrize(
    "change",
    [
        with_a_layer_of_another_kind,
        with_an_input_that_is_not_there,
        with_another_activation,
        without_a_size,
        without_embedding,
        without_layers,
    ],
)
def test_an_h5_file_of_another_network_is_refused(
    change: Callable[[list[dict[str, Any]]], None], tiny: ModuleType, tmp_path: Path
) -> None:
    refused(tiny.keras_h5(tmp_path, 128, change), "FaceNet")


def test_an_h5_file_without_a_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.h5"
    with h5py.File(path, "w") as file:
        file["table"] = [1, 2, 3]
    refused(path, "model_config")


def test_an_h5_file_that_lacks_weights_is_refused(tiny: ModuleType, tmp_path: Path) -> None:
    path: Path = tiny.keras_h5(tmp_path, 128)
    with h5py.File(path, "r+") as file:
        del file["model_weights/Bottleneck/Bottleneck/kernel:0"]
    refused(path, "FaceNet as Keras HDF5")
