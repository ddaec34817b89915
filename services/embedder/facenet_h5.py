"""FaceNet as an old Keras wrote it: layers and weights read from the HDF5 file, without Keras.

Keras 3 refuses the file (its Lambda layers are Python 2 byte code), and its structure is simple: Inception-ResNet-v1
is a graph of convolutions, sums and concatenations. Szegedy et al., "Inception-v4, Inception-ResNet and the Impact
of Residual Connections on Learning", 2017; Schroff et al., "FaceNet", 2015.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from shared.errors import ModelError

Kind = Literal["input", "convolution", "normalisation", "relu", "max_pool", "mean", "concat", "scaled_sum", "dense"]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One step of the network; `inputs` names the layers it reads.

    `kernel`: (height, width, in, out) of a convolution, (in, out) of a dense layer. `bias`: (out,). A
    normalisation is `x * kernel + bias`, per channel. `factor` is that of the second input of a scaled sum.
    All arrays are float32.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    kernel: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    strides: tuple[int, int] = (1, 1)
    window: tuple[int, int] = (1, 1)
    padding: Literal["SAME", "VALID"] = "VALID"
    factor: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LayerGraph:
    """A network: layers in an order in which each follows its inputs; the last is the output, of `dimensions`."""

    layers: tuple[Layer, ...]
    input_size: int
    dimensions: int


def read_h5(path: Path) -> LayerGraph:
    """Read the layers of a FaceNet file; raises `ModelError` where it is not one."""
    try:
        with h5py.File(path) as file:
            config = json.loads(file.attrs["model_config"])["config"]
            weights = file["model_weights"]
            layers = _parsed(config["layers"], weights)
            size = int(config["layers"][0]["config"]["batch_input_shape"][1])
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        msg = f"{path}: expected FaceNet as Keras HDF5 (model_config and model_weights), found something else: {error}"
        raise ModelError(msg) from error
    last = layers[-1]
    if last.kind not in ("dense", "normalisation") or last.bias is None:
        msg = f"{path}: expected FaceNet, which ends in an embedding, found {last.kind} {last.name!r} at the end"
        raise ModelError(msg)
    return LayerGraph(tuple(layers), size, len(last.bias))


def folded(graph: LayerGraph) -> LayerGraph:
    """Return the same function with fewer steps.

    A normalisation that follows a convolution or a dense layer is a factor and an offset on its output channels,
    and so is the factor of a residual sum: both go into the weights. Computed in float64, so that the only
    difference is one rounding of each weight.
    """
    layers = {layer.name: layer for layer in graph.layers}
    readers: dict[str, int] = {}
    for layer in graph.layers:
        for name in layer.inputs:
            readers[name] = readers.get(name, 0) + 1
    stands_for: dict[str, str] = {}
    for layer in graph.layers:
        inputs = tuple(stands_for.get(name, name) for name in layer.inputs)
        layers[layer.name] = replace(layer, inputs=inputs)
        source = inputs[-1] if inputs else ""
        if layer.kind == "normalisation" and layer.kernel is not None and layer.bias is not None:
            if layers[source].kind in ("convolution", "dense") and readers[layer.inputs[-1]] == 1:
                layers[source] = _scaled(layers[source], layer.kernel, layer.bias)
                stands_for[layer.name] = source
                del layers[layer.name]
        elif layer.kind == "scaled_sum" and layers[source].kind == "convolution" and readers[layer.inputs[-1]] == 1:
            layers[source] = _scaled(layers[source], np.float64(layer.factor), np.float64(0))
            layers[layer.name] = replace(layers[layer.name], factor=1.0)
    return replace(graph, layers=tuple(layers.values()))


def _scaled(layer: Layer, factor: NDArray[Any] | np.float64, offset: NDArray[Any] | np.float64) -> Layer:
    assert layer.kernel is not None  # noqa: S101  a convolution and a dense layer have one
    kernel = layer.kernel.astype(np.float64) * factor
    bias = (0.0 if layer.bias is None else layer.bias.astype(np.float64)) * factor + offset
    bias = np.broadcast_to(bias, kernel.shape[-1:])
    return replace(layer, kernel=kernel.astype(np.float32), bias=bias.astype(np.float32))


def _parsed(configs: Sequence[Mapping[str, Any]], weights: h5py.Group) -> list[Layer]:
    layers: list[Layer] = []
    stands_for: dict[str, str] = {}
    for entry in configs:
        name = str(entry["config"]["name"])
        nodes = entry["inbound_nodes"]
        inputs = tuple(stands_for.get(node[0], node[0]) for node in (nodes[0] if nodes else []))
        if entry["class_name"] == "Dropout":  # does nothing outside training
            stands_for[name] = inputs[0]
            continue
        group = weights[name]
        keys = [key if isinstance(key, str) else key.decode() for key in group.attrs["weight_names"]]
        arrays = {key.rpartition("/")[2].partition(":")[0]: np.asarray(group[key], dtype=np.float32) for key in keys}
        layers.append(_layer(name, entry["class_name"], inputs, entry["config"], arrays))
    return layers


def _layer(
    name: str, kind: str, inputs: tuple[str, ...], config: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float32]]
) -> Layer:
    match kind:
        case "InputLayer":
            layer = Layer(name, "input", inputs)
        case "Conv2D" if config["activation"] == "linear":
            layer = Layer(
                name,
                "convolution",
                inputs,
                kernel=arrays["kernel"],
                bias=arrays.get("bias"),
                strides=tuple(config["strides"]),
                padding=config["padding"].upper(),
            )
        case "BatchNormalization":
            variance = arrays["moving_variance"].astype(np.float64) + config["epsilon"]
            factor = arrays.get("gamma", np.float32(1)) / np.sqrt(variance)
            offset = arrays["beta"] - arrays["moving_mean"] * factor
            layer = Layer(name, "normalisation", inputs, factor.astype(np.float32), offset.astype(np.float32))
        case "Activation" if config["activation"] == "relu":
            layer = Layer(name, "relu", inputs)
        case "MaxPooling2D":
            window, strides = tuple(config["pool_size"]), tuple(config["strides"])
            layer = Layer(name, "max_pool", inputs, strides=strides, window=window, padding=config["padding"].upper())
        case "GlobalAveragePooling2D":
            layer = Layer(name, "mean", inputs)
        case "Concatenate" if config["axis"] in (3, -1):
            layer = Layer(name, "concat", inputs)
        case "Lambda" if "scale" in config["arguments"]:
            layer = Layer(name, "scaled_sum", inputs, factor=float(config["arguments"]["scale"]))
        case "Dense" if config["activation"] == "linear":
            layer = Layer(name, "dense", inputs, kernel=arrays["kernel"], bias=arrays.get("bias"))
        case _:
            msg = f"layer {name!r} of kind {kind} is none of Inception-ResNet-v1"
            raise ValueError(msg)
    return layer
