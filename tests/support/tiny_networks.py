"""Tiny networks in every format of FaceNet: a vector is the mean colour times a matrix, plus an offset.

In training mode their output differs, which reveals a loader that leaves `phase_train` on.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import services.embedder.network  # noqa: F401  it configures how TensorFlow is loaded, so it comes first

# isort: split
import tensorflow as tf

v1 = tf.compat.v1
SIZE = 160


def weights(width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(width)
    return rng.normal(size=(3, width)).astype(np.float32), rng.normal(size=width).astype(np.float32)


def frozen_graph(folder: Path, width: int) -> Path:
    kernel, offset = weights(width)
    with tf.Graph().as_default() as graph:
        _with_training_switch(tf.constant(kernel), tf.constant(offset))
    path = folder / "facenet.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def checkpoint(folder: Path, width: int) -> Path:
    """Write two steps of a training, of which the later counts, with reference variables as TensorFlow 1 had them."""
    kernel, offset = weights(width)
    anywhere = v1.ConfigProto(allow_soft_placement=True)
    with tf.Graph().as_default() as graph, v1.Session(graph=graph, config=anywhere) as session:
        with graph.device("/GPU:3"):  # where it was trained
            kernel_variable = v1.Variable(kernel, use_resource=False, name="kernel")
        offset_variable = v1.Variable(offset, use_resource=False, name="offset")
        _with_training_switch(kernel_variable, offset_variable)
        saver = v1.train.Saver()
        session.run(v1.global_variables_initializer())
        saver.save(session, str(folder / "model.ckpt"), 1000, write_state=False)
        session.run(v1.assign(offset_variable, offset + 1))
        saver.save(session, str(folder / "model.ckpt"), 999, write_state=False, write_meta_graph=False)
    return folder


def saved_by_tensorflow_1(folder: Path, width: int) -> Path:
    kernel, offset = weights(width)
    path = folder / "saved"
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        kernel_variable = v1.Variable(kernel, use_resource=True)
        pictures, phase_train, vectors = _with_training_switch(kernel_variable, tf.constant(offset))
        session.run(v1.global_variables_initializer())
        inputs = {"images": pictures, "phase_train": phase_train}
        v1.saved_model.simple_save(session, str(path), inputs, {"embeddings": vectors})
    return path


def saved_by_tensorflow_2(folder: Path, width: int) -> Path:
    kernel, offset = weights(width)
    module = tf.Module()
    module.kernel = tf.Variable(kernel)
    module.offset = tf.Variable(offset)
    answer = tf.function(lambda pictures: tf.reduce_mean(pictures, (1, 2)) @ module.kernel + module.offset)
    signature = answer.get_concrete_function(tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32))
    path = folder / "saved"
    tf.saved_model.save(module, str(path), signatures=signature)
    return path


def keras_h5(folder: Path, width: int, change: Callable[[list[dict[str, Any]]], None] = lambda _layers: None) -> Path:
    """Write what an old Keras would have written; `change` may alter the configuration of the layers."""
    kernel, offset = weights(width)
    variance, epsilon = np.linspace(0.5, 2, width, dtype=np.float32), 0.001
    layers: list[dict[str, Any]] = [
        _layer("input_1", "InputLayer", None, batch_input_shape=[None, SIZE, SIZE, 3]),
        _layer("AvgPool", "GlobalAveragePooling2D", "input_1"),
        _layer("Dropout", "Dropout", "AvgPool", rate=0.2),
        _layer("Bottleneck", "Dense", "Dropout", units=width, activation="linear", use_bias=False),
        _layer("Bottleneck_BatchNorm", "BatchNormalization", "Bottleneck", axis=-1, epsilon=epsilon, scale=False),
    ]
    change(layers)
    path = folder / "tiny.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": {"layers": layers}})
        groups = file.create_group("model_weights")
        for layer in layers:
            groups.create_group(layer["config"]["name"]).attrs["weight_names"] = []
        arrays = {"moving_mean:0": 0 * offset, "moving_variance:0": variance, "beta:0": offset}
        if "Bottleneck" in groups:  # and was not taken away
            _fill(groups["Bottleneck"], {"kernel:0": kernel * np.sqrt(variance + epsilon)})
            _fill(groups["Bottleneck_BatchNorm"], arrays)
    return path


def _with_training_switch(kernel: Any, offset: Any) -> tuple[Any, Any, Any]:
    pictures = v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), name="input")
    phase_train = v1.placeholder(tf.bool, (), name="phase_train")
    # The switch that TensorFlow 1 made of `cond`: of a reference where the offset is a variable of the old kind.
    is_reference = isinstance(offset, v1.Variable) and offset.op.type == "VariableV2"
    switch = tf.raw_ops.RefSwitch if is_reference else tf.raw_ops.Switch
    usual, training = switch(data=offset._variable if is_reference else offset, pred=phase_train)
    chosen, _ = tf.raw_ops.Merge(inputs=[tf.identity(usual), training + 100.0])
    vectors = tf.add(tf.matmul(tf.reduce_mean(pictures, (1, 2)), kernel), chosen, name="embeddings")
    return pictures, phase_train, vectors


def _layer(name: str, kind: str, reads: str | None, **config: Any) -> dict[str, Any]:
    inbound = [[[reads, 0, 0, {}]]] if reads else []
    return {"name": name, "class_name": kind, "config": {"name": name, **config}, "inbound_nodes": inbound}


def _fill(group: h5py.Group, arrays: dict[str, NDArray[np.float32]]) -> None:
    name = group.name.rpartition("/")[2]
    group.attrs["weight_names"] = [f"{name}/{key}".encode() for key in arrays]
    for key, array in arrays.items():
        group[f"{name}/{key}"] = array
