"""The network in TensorFlow: the one module that imports it.

Every kind of model file ends as one frozen graph, imported with a fixed batch size and run in a session. A session,
and not a `tf.function`, because it has its own options (bfloat16, threads), where those of a function are global.
Besides `ModelError`, all functions raise what TensorFlow does, `BROKEN_GRAPH`.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.embedder.facenet_h5 import Layer, LayerGraph
from services.embedder.settings import Precision
from shared.errors import ModelError

_CHATTER = re.compile(rb"I\d{4} |WARNING: All log messages before absl")


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Suppress what TensorFlow 2.21's C++ prints while loading, which no setting silences. Errors are passed on."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as scratch:
        os.dup2(scratch.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            scratch.seek(0)
            os.write(2, b"".join(line for line in scratch if not _CHATTER.match(line)))


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what fails is raised as well
# TensorFlow chooses oneDNN by itself on the newest processors only. On the others its own kernels give a face other
# last bits in a batch of another size, and are no faster.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
with _without_chatter():
    import tensorflow as tf

v1 = tf.compat.v1
tf.get_logger().setLevel("ERROR")
# On a GPU float32 shall be float32, and two processes shall get the same bits: neither is so by default.
tf.config.experimental.enable_tensor_float_32_execution(enabled=False)
tf.config.experimental.enable_op_determinism()

_DEFAULT_SIZE = 160  # pixels; graphs that leave it open were all trained at this size
BROKEN_GRAPH = (tf.errors.OpError, ValueError, TypeError, KeyError, OSError, RuntimeError)
"""What TensorFlow raises where a file or a graph is not what it should be."""


@dataclass(frozen=True, slots=True, eq=False)
class FrozenGraph:
    """A graph definition without variables.

    `pictures` and `vectors` name its input and output tensors, `switches` the boolean inputs that are true in
    training. `input_size` is the width and height of the pictures.
    """

    definition: Any
    pictures: str
    vectors: str
    switches: Sequence[str]
    input_size: int


def from_layers(network: LayerGraph) -> FrozenGraph:
    """Build the graph of a network that was read layer by layer."""
    with tf.Graph().as_default() as graph:
        tensors: dict[str, Any] = {}
        for layer in network.layers:
            tensors[layer.name] = _built(layer, [tensors[name] for name in layer.inputs], network.input_size)
        first, last = tensors[network.layers[0].name], tensors[network.layers[-1].name]
    return FrozenGraph(graph.as_graph_def(), first.name, last.name, (), network.input_size)


def _built(layer: Layer, inputs: Sequence[Any], size: int) -> Any:
    match layer.kind:
        case "input":
            built = v1.placeholder(tf.float32, (None, size, size, 3))
        case "convolution":
            built = _biased(tf.nn.conv2d(inputs[0], layer.kernel, layer.strides, layer.padding), layer)
        case "dense":
            built = _biased(tf.matmul(inputs[0], layer.kernel), layer)
        case "normalisation":
            built = inputs[0] * layer.kernel + layer.bias
        case "relu":
            built = tf.nn.relu(inputs[0])
        case "max_pool":
            built = tf.nn.max_pool2d(inputs[0], layer.window, layer.strides, layer.padding)
        case "mean":
            built = tf.reduce_mean(inputs[0], (1, 2))
        case "concat":
            built = tf.concat(inputs, 3)
        case "scaled_sum":
            built = inputs[0] + (inputs[1] if layer.factor == 1 else inputs[1] * layer.factor)
    return built


def _biased(tensor: Any, layer: Layer) -> Any:
    return tensor if layer.bias is None else tf.nn.bias_add(tensor, layer.bias)


def from_frozen_file(path: Path) -> FrozenGraph:
    """Read a frozen graph with the tensors `input:0`, `embeddings:0` and, where it has one, `phase_train:0`."""
    definition = v1.GraphDef()
    try:
        definition.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError belongs to a package that is not ours to import
        msg = f"{path}: expected FaceNet as Keras HDF5 or as a frozen graph (.pb), found neither: {error}"
        raise ModelError(msg) from error
    return _named(definition, path)


def from_checkpoint(folder: Path) -> FrozenGraph:
    """Read a TensorFlow 1 checkpoint: one `*.meta` and the newest `*.index` with its data, tensors named as above."""
    meta = max(folder.glob("*.meta"), default=None)
    newest = max(folder.glob("*.index"), key=_training_step, default=None)
    if meta is None or newest is None:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing in it"
        msg = f"{folder}: expected a SavedModel (saved_model.pb) or a checkpoint (*.meta, *.ckpt-*), found {found}"
        raise ModelError(msg)
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        saver = v1.train.import_meta_graph(str(meta), clear_devices=True)
        named = _named(graph.as_graph_def(), folder)
        saver.restore(session, str(newest.with_suffix("")))
        return _frozen(session, named)


def from_saved_model(folder: Path) -> FrozenGraph:
    """Read a SavedModel: the signature `serving_default`, with one input of pictures and one output of vectors."""
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        signatures = v1.saved_model.load(session, [v1.saved_model.tag_constants.SERVING], str(folder)).signature_def
        if "serving_default" not in signatures:
            names = ", ".join(sorted(signatures)) or "none"
            msg = f"{folder}: expected a SavedModel with the signature serving_default, found {names}"
            raise ModelError(msg)
        signature = signatures["serving_default"]
        pictures = [given for given in signature.inputs.values() if given.dtype == tf.float32.as_datatype_enum]
        switches = [given.name for given in signature.inputs.values() if given.dtype == tf.bool.as_datatype_enum]
        vectors = [given for given in signature.outputs.values() if given.dtype == tf.float32.as_datatype_enum]
        if len(pictures) != 1 or len(vectors) != 1:
            names = ", ".join((*sorted(signature.inputs), *sorted(signature.outputs)))
            msg = f"{folder}: expected a signature with one input of pictures and one output of vectors, found {names}"
            raise ModelError(msg)
        size = _size(pictures[0].tensor_shape)
        definition = graph.as_graph_def()
        return _frozen(session, FrozenGraph(definition, pictures[0].name, vectors[0].name, switches, size))


def _training_step(path: Path) -> tuple[int, str]:
    found = re.search(r"-(\d+)\.index$", path.name)
    return (int(found[1]) if found else -1, path.name)


def _frozen(session: Any, graph: FrozenGraph) -> FrozenGraph:
    """Return the graph with the values that its variables have in this session."""
    output = graph.vectors.partition(":")[0]
    definition = v1.graph_util.convert_variables_to_constants(session, graph.definition, [output])
    kept = {node.name for node in definition.node}
    switches = [name for name in graph.switches if name.partition(":")[0] in kept]
    for node in definition.node:
        if node.op == "RefSwitch":  # of a variable, which is a constant now
            node.op = "Switch"
    return replace(graph, definition=definition, switches=switches)


def _named(definition: Any, path: Path) -> FrozenGraph:
    nodes = {node.name: node for node in definition.node}
    if missing := {"input", "embeddings"} - nodes.keys():
        names = " and ".join(sorted(missing))
        msg = f"{path}: expected FaceNet's tensors input and embeddings, found none of the name {names}"
        raise ModelError(msg)
    for node in definition.node:
        node.device = ""  # it may name a GPU that this machine does not have
    switches = ("phase_train:0",) if "phase_train" in nodes else ()
    return FrozenGraph(definition, "input:0", "embeddings:0", switches, _size(nodes["input"].attr["shape"].shape))


def _size(shape: Any) -> int:
    """Return the height of (batch, height, width, channels)."""
    return shape.dim[1].size if len(shape.dim) == 4 and shape.dim[1].size > 0 else _DEFAULT_SIZE  # noqa: PLR2004


def compiled(
    frozen: FrozenGraph, precision: Precision, threads: int
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the graph as a function from (n, s, s, 3) to (n, d), both float32, for any n.

    TensorFlow's rewriter fuses convolution, offset and activation, which it can do once weights are constants. With
    `bfloat16` it casts convolutions to that as well, and leaves sums in float32.
    """
    with tf.Graph().as_default() as graph:
        pictures = v1.placeholder(tf.float32, (None, frozen.input_size, frozen.input_size, 3))
        given = {frozen.pictures: pictures} | {name: tf.constant(value=False) for name in frozen.switches}
        (vectors,) = tf.import_graph_def(frozen.definition, given, [frozen.vectors])
    config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    config.gpu_options.allow_growth = True
    if precision == "bfloat16":
        rewriter = config.graph_options.rewrite_options
        rewriter.auto_mixed_precision_onednn_bfloat16 = rewriter.ON
    call: Callable[[Any], Any] = v1.Session(graph=graph, config=config).make_callable(vectors, [pictures])
    return call


def device() -> str:
    """Return the name of the GPU in use, or `CPU`."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
