"""A model file becomes an embedder."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
import structlog

from services.embedder.embedding import Embedder
from services.embedder.facenet_h5 import folded, read_h5
from services.embedder.settings import EmbedderSettings, Precision
from shared.errors import ModelError
from shared.model_files import FACENET, sha256_of

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
_ID_LENGTH = 32  # hexadecimal digits, as in `shared.domain.ids`
_LOG = structlog.get_logger()


def load_embedder(path: Path, settings: EmbedderSettings) -> Embedder:
    """Load a FaceNet from a Keras HDF5 file, a frozen graph (.pb), a SavedModel or a TensorFlow 1 checkpoint folder.

    The width of the vectors and the size of the crops are those of the file. Takes seconds: the network is compiled
    by embedding an empty batch, which also shows that the file works. Raises `ModelError` where it does not.
    """
    model_id = model_id_of(path)
    # TensorFlow takes 5 s to load: only a process that embeds pays for it.
    from services.embedder import network  # noqa: PLC0415

    device = network.device()
    precision = _usable(settings.precision, device)
    try:
        if path.is_file():
            is_h5 = h5py.is_hdf5(path)
            frozen = network.from_layers(folded(read_h5(path))) if is_h5 else network.from_frozen_file(path)
        elif (path / "saved_model.pb").is_file():
            frozen = network.from_saved_model(path)
        else:
            frozen = network.from_checkpoint(path)
        size = frozen.input_size
        call = network.compiled(frozen, precision, settings.threads)
        vectors = call(np.zeros((settings.batch_size, size, size, 3), np.float32))
    except network.BROKEN_GRAPH as error:
        reason = str(error).strip().partition("\n")[0]
        msg = f"{path}: expected a FaceNet that TensorFlow can load and run, found one that it cannot: {reason}"
        raise ModelError(msg) from error
    if vectors.ndim != 2 or len(vectors) != settings.batch_size or not np.isfinite(vectors).all():  # noqa: PLR2004
        msg = (
            f"{path}: expected a finite vector for each picture, found shape {vectors.shape} for {settings.batch_size}"
        )
        raise ModelError(msg)
    return Embedder(call, model_id, vectors.shape[1], size, settings.batch_size, device, precision)


def model_id_of(path: Path) -> str:
    """Return a name for the content of a model, file or folder: 32 hexadecimal digits.

    Raises `ModelError` where there is none, or where it goes by the name of a known file and is another one.
    """
    if path.is_file():
        digest = sha256_of(path)
        if path.name == FACENET.name and digest != FACENET.sha256:
            msg = (
                f"{path}: expected SHA-256 {FACENET.sha256}, found {digest}; the file is damaged or another one: "
                f"fetch it again with `facestream models fetch`, or give another model another name"
            )
            raise ModelError(msg)
    elif path.is_dir():
        content = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            content.update(f"{file.relative_to(path).as_posix()}\0{sha256_of(file)}\n".encode())
        digest = content.hexdigest()
    else:
        msg = f"{path}: expected a model file or folder, found none; fetch one with `facestream models fetch`"
        raise ModelError(msg)
    return digest[:_ID_LENGTH]


def _usable(wanted: Precision, device: str) -> Precision:
    """Return the precision to compute in.

    A CPU without bfloat16 would emulate it, slower than float32. The precision is a matter of speed and not of
    meaning, so on an older machine the service continues in float32 and logs a warning.
    """
    if wanted == "bfloat16" and not (device == "CPU" and _cpu_flags() & _BFLOAT16_FLAGS):
        _LOG.warning("this device has no bfloat16 that can be used; computing in float32", device=device)
        return "float32"
    return wanted


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}
