"""KEDA's own scaler, built from its Go module; 146 MB."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tools.requirements import need
from tools.stack.install import CACHE

_MODULE, _VERSION = "github.com/kedacore/keda/v2", "v2.21.0"
_SUM = "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps="
_SUM_OF_GO_MOD = "h1:djq9CnH0OT9Wis6jwtc02oiUstN081M81Amk8JtkbVo="
_MAIN = Path(__file__).parent / "own" / "main.go"


class Look(NamedTuple):
    """What KEDA reports to the autoscaler: the lag, the lag for each process, and whether there is any work."""

    lag: float
    target: float
    active: bool


class KedaScalers:
    """A running program with one scaler of KEDA for each trigger; each remembers its last poll."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def look(self) -> Sequence[Look]:
        """Let each scaler poll Kafka, and return what they report."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [Look(**found) for found in json.loads(self._process.stdout.readline())]


@contextmanager
def scalers(bootstrap_servers: str, triggers: Sequence[Mapping[str, str]]) -> Iterator[KedaScalers]:
    """Run scalers of these triggers on this Kafka within the block."""
    metadata = [{**trigger, "bootstrapServers": bootstrap_servers} for trigger in triggers]
    for trigger in metadata:
        trigger.pop("bootstrapServersFromEnv", None)
    with subprocess.Popen([program()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(json.dumps(metadata) + "\n")
        yield KedaScalers(process)
        process.stdin.close()


def program() -> Path:
    """Return the path of the program, which is built once in about ten minutes on one core."""
    found = CACHE / "bin" / f"keda-kafka-scaler-{_VERSION}"
    if not found.exists():
        go = shutil.which("go")
        need(go, "Go 1.26 or newer", "https://go.dev/dl")
        CACHE.joinpath("bin").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            _build(str(go), Path(scratch)).rename(found)
    return found


def _build(go: str, folder: Path) -> Path:
    """Build in a Go module with the requirements and sums of KEDA's own module."""
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}

    def run(*command: str) -> str:
        return subprocess.run(
            [go, *command], cwd=folder, env=environment, check=True, text=True, stdout=subprocess.PIPE
        ).stdout

    (folder / "go.mod").write_text("module scaler\n\ngo 1.26.0\n")
    module = json.loads(run("mod", "download", "-json", f"{_MODULE}@{_VERSION}"))
    if (module["Sum"], module["GoModSum"]) != (_SUM, _SUM_OF_GO_MOD):
        msg = f"{_MODULE} {_VERSION}: expected the sum {_SUM}, found {module['Sum']}"
        raise ValueError(msg)
    keda = Path(module["Dir"])
    demanded = (keda / "go.mod").read_text().replace(f"module {_MODULE}\n", "module scaler\n", 1)
    (folder / "go.mod").write_text(f"{demanded}\nrequire {_MODULE} {_VERSION}\n")
    own = f"{_MODULE} {_VERSION} {_SUM}\n{_MODULE} {_VERSION}/go.mod {_SUM_OF_GO_MOD}\n"
    (folder / "go.sum").write_text((keda / "go.sum").read_text() + own)
    shutil.copy(_MAIN, folder)
    run("build", "-p", "1", "-o", "scaler", ".")
    return folder / "scaler"
