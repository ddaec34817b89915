"""docker-compose.yml on a container engine, under a name of its own."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A command of the engine failed; the message has its last words."""


@dataclass(frozen=True, slots=True)
class Compose:
    """A project of compose. Its volumes are its own, so what somebody runs here already is not touched."""

    project: str
    files: tuple[str, ...]

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose` and return what it printed; raises `Failed`."""
        files = [word for file in self.files for word in ("--file", file)]
        return ran(["docker", "compose", "--project-name", self.project, *files, *arguments], check=check)

    def containers(self, service: str) -> list[str]:
        return self("ps", "--quiet", service).split()

    def state(self, container: str, form: str) -> str:
        return ran(["docker", "inspect", "--format", form, container]).strip()

    def in_cli(
        self,
        arguments: Sequence[str],
        folder: Path | None = None,
        entrypoint: str = "facestream",
        **environment: str,
    ) -> str:
        """Run a command in a container of its own, beside the services."""
        mount = ["--volume", f"{folder}:/photographs:ro"] if folder else []
        settings = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        return self("run", "--rm", "--no-deps", "--entrypoint", entrypoint, *settings, *mount, "cli", *arguments)

    def inside(self, container: str, program: str) -> str:
        """Run a Python program in a container that runs, as its user."""
        return ran(["docker", "exec", container, "python", "-c", program]).strip()

    def addresses(self, container: str) -> list[str]:
        """Return its addresses, one for each of its networks."""
        return self.state(container, "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}").split()

    def is_inside(self, container: str) -> bool:
        """Say whether the engine lets nothing out of any network of this container."""
        networks = self.state(container, "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}").split()
        inside = [ran(["docker", "network", "inspect", "--format", "{{.Internal}}", name]).strip() for name in networks]
        return bool(networks) and set(inside) == {"true"}

    def password(self, user: str) -> str:
        """Return the password that a user has in Kafka, as the documentation tells a person to ask for it."""
        file = f"/secrets/users/{user}/FACESTREAM_KAFKA_PASSWORD"
        return self("run", "--rm", "--no-deps", "secrets", "cat", file).strip()

    def kill_process(self, container: str) -> None:
        """Kill what a container runs as the machine does when memory is short; the engine would count it as stopped."""
        os.kill(int(self.state(container, "{{.State.Pid}}")), 9)


def ran(command: Sequence[str], *, check: bool = True) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if check and done.returncode:
        msg = f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
        raise Failed(msg)
    return done.stdout


def files() -> tuple[str, ...]:
    """Return the compose file, and what a stand-in needs where there is no image of MongoDB itself."""
    image = "mongo:8.0"
    try:
        ran(["docker", "run", "--rm", "--entrypoint", "which", image, "mongod"])
    except Failed:
        return "docker-compose.yml", "tools/compose/without-login.yml"
    return ("docker-compose.yml",)


def missing() -> str:
    """Say what there is not to run the compose file with; nothing where all is there."""
    try:
        ran(["docker", "compose", "version"])
        ran(["docker", "info"])
    except (OSError, Failed) as error:
        return f"expected a container engine that answers, with the compose plugin; found {error}"
    return ""
