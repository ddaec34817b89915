"""Faces per second of the embedder, compared with FaceNet as a plain Keras model in a `tf.function`."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from bench.tables import Table, without_data
from services.detector.decoding.decode import decode
from services.detector.hog_detector import HogDetector
from services.detector.settings import DetectorSettings
from services.embedder.embedding import prewhitened
from services.embedder.loading import load_embedder
from services.embedder.settings import EmbedderSettings
from shared.model_files import FACENET, LANDMARKS, located

_TITLE = "embedding"
_BASELINE = "Keras model in a tf.function"
_SAMPLES = Path(".cache/samples")
_BATCH = 16
_ROUNDS = 15


def measure() -> Table:
    """Embed one batch with each model in turn, for some rounds, and compare the times of each round."""
    if not _SAMPLES.is_dir():
        return without_data(_TITLE, f"{_SAMPLES} (make setup)")
    crops = np.stack(list(islice(_sample_crops(), _BATCH)))
    whole = load_embedder(located(FACENET), EmbedderSettings(batch_size=_BATCH))
    half = load_embedder(located(FACENET), EmbedderSettings(batch_size=_BATCH, precision="bfloat16"))
    keras_model = keras_function(located(FACENET))
    used = "" if half.precision == "bfloat16" else f" (not on this device: {half.precision})"
    runs: dict[str, Callable[[], NDArray[np.float32]]] = {
        _BASELINE: lambda: keras_model(prewhitened(np.ascontiguousarray(crops[..., ::-1]))),
        "embedder, float32": lambda: whole.embed(crops),
        f"embedder, bfloat16{used}": lambda: half.embed(crops),
    }
    vectors = {what: run() for what, run in runs.items()}  # this also compiles
    wall: dict[str, list[float]] = {what: [] for what in runs}
    cpu: dict[str, list[float]] = {what: [] for what in runs}
    for _ in range(_ROUNDS):
        for what, run in runs.items():
            wall_before, cpu_before = time.perf_counter(), time.process_time()
            run()
            wall[what].append(time.perf_counter() - wall_before)
            cpu[what].append(time.process_time() - cpu_before)
    rows = [
        (what, _BATCH / median(wall[what]), _gain(wall, what), _gain(cpu, what), cosine_difference(found, reference))
        for reference in [vectors[_BASELINE]]
        for what, found in vectors.items()
    ]
    notes = (
        f"{whole.device}; {_ROUNDS} rounds, in each every model embeds a batch of {_BATCH} sample crops",
        "medians, with prewhitening; ratios are of the same round; those of CPU time are valid on a busy machine too",
    )
    columns = ("what", "faces/s", "times the baseline", "in CPU time", "largest cosine difference")
    return Table(_TITLE, columns, rows, notes)


def _gain(seconds: Mapping[str, Sequence[float]], what: str) -> float:
    return median(theirs / ours for theirs, ours in zip(seconds[_BASELINE], seconds[what], strict=True))


def cosine_difference(some: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Return the largest 1 - cosine of the angle between rows of the same number, shapes (n, d)."""
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (some.astype(float), others.astype(float)))
    return float((1 - (a * b).sum(axis=1)).max())


def keras_function(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return FaceNet as Keras layers with separate normalisations, from pictures to raw vectors.

    An independent reference: it shares only the model file with the embedder.
    """
    # Imported here, so that importing this module does not load TensorFlow. The embedder configures how it is loaded.
    import services.embedder.network  # noqa: F401, PLC0415

    # isort: split
    import tensorflow as tf  # noqa: PLC0415

    kinds = tf.keras.layers
    with h5py.File(path) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        tensors: dict[str, Any] = {}
        for layer in layers:
            config = layer["config"]
            name, kind = config["name"], layer["class_name"]
            inputs = [tensors[node[0]] for node in chain.from_iterable(layer["inbound_nodes"])]
            if kind == "InputLayer":
                tensors[name] = tf.keras.Input(config["batch_input_shape"][1:])
                continue
            if kind == "Lambda":
                tensors[name] = inputs[0] + inputs[1] * config["arguments"]["scale"]
                continue
            made = getattr(kinds, kind).from_config(config)
            tensors[name] = made(inputs if len(inputs) > 1 else inputs[0])
            group = file["model_weights"][name]
            made.set_weights([group[key][()] for key in group.attrs["weight_names"]])
    model = tf.keras.Model(tensors[layers[0]["config"]["name"]], tensors[layers[-1]["config"]["name"]])
    function = tf.function(lambda pictures: model(pictures, training=False))
    return lambda pictures: np.asarray(function(tf.constant(pictures)), dtype=np.float32)


def _sample_crops() -> Iterator[NDArray[np.uint8]]:
    settings = DetectorSettings()
    detector = HogDetector(located(LANDMARKS), settings)
    for photo in sorted(_SAMPLES.glob("*/*.jpg")):
        for face in detector.detect(decode(photo.read_bytes(), settings)):
            yield face.crop
