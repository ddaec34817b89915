"""The containers of docker-compose.yml, as a project with a name of its own."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A command of the engine failed; the message ends with its output."""


@dataclass(frozen=True, slots=True)
class Compose:
    """A project of compose. Its volumes are its own, so that a project that runs already is not touched."""

    project: str
    files: tuple[str, ...]

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` and return what it printed; raises `Failed`."""
        files = [word for file in self.files for word in ("--file", file)]
        return ran(["docker", "compose", "--project-name", self.project, *files, *arguments], check=check)

    def containers(self, service: str) -> list[str]:
        """Return the ids of the containers of a service."""
        return self("ps", "--quiet", service).split()

    def state(self, container: str, form: str) -> str:
        """Return what `docker inspect` prints for a Go template."""
        return ran(["docker", "inspect", "--format", form, container]).strip()

    def in_cli(
        self,
        arguments: Sequence[str],
        folder: Path | None = None,
        entrypoint: str = "facestream",
        **environment: str,
    ) -> str:
        """Run a command in a new container of the service `cli`, and return its output."""
        mount = ["--volume", f"{folder}:/photographs:ro"] if folder else []
        settings = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        return self("run", "--rm", "--no-deps", "--entrypoint", entrypoint, *settings, *mount, "cli", *arguments)

    def inside(self, container: str, program: str) -> str:
        """Run a Python program in a running container, as the user of the container, and return its output."""
        return ran(["docker", "exec", container, "python", "-c", program]).strip()

    def addresses(self, container: str) -> list[str]:
        """Return the addresses of a container, one for each of its networks."""
        return self.state(container, "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}").split()

    def is_inside(self, container: str) -> bool:
        """Return whether all networks of a container are internal, that is without a way out."""
        networks = self.state(container, "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}").split()
        inside = [ran(["docker", "network", "inspect", "--format", "{{.Internal}}", name]).strip() for name in networks]
        return bool(networks) and set(inside) == {"true"}

    def password(self, user: str) -> str:
        """Return the password of a user of Kafka, read as the documentation describes."""
        file = f"/secrets/users/{user}/FACESTREAM_KAFKA_PASSWORD"
        return self("run", "--rm", "--no-deps", "secrets", "cat", file).strip()

    def kill_process(self, container: str) -> None:
        """Kill the process of a container, as the kernel does when memory ends.

        `docker kill` would count as a stop, after which the engine does not restart the container.
        """
        os.kill(int(self.state(container, "{{.State.Pid}}")), 9)


def ran(command: Sequence[str], *, check: bool = True) -> str:
    """Run a command and return its standard output; raises `Failed` for another status than 0, if `check`."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        msg = f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
        raise Failed(msg)
    return done.stdout


def files() -> tuple[str, ...]:
    """Return the compose file, and a second one where the image `mongo` is a substitute without users."""
    image = "mongo:8.0"
    try:
        ran(["docker", "run", "--rm", "--entrypoint", "which", image, "mongod"])
    except Failed:
        return "docker-compose.yml", "tools/compose/without-login.yml"
    return ("docker-compose.yml",)


def missing() -> str:
    """Return what is missing to run the compose file, or an empty text."""
    try:
        ran(["docker", "compose", "version"])
        ran(["docker", "info"])
    except (OSError, Failed) as error:
        return f"expected a container engine that answers, with the compose plugin; found {error}"
    return ""
