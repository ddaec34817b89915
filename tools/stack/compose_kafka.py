"""A Kafka with the listeners, logins and authorizer of docker-compose.yml, on ports of this machine."""

import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import yaml

from shared.adapters.kafka.settings import KafkaSettings
from tools.stack.kafka import KafkaServer
from tools.stack.ports import free_port

_ROOT = Path(__file__).parents[2]
_NOT_OF_THE_SERVER = {"KAFKA_HEAP_OPTS"}


def compose_settings() -> dict[str, str]:
    """Return the settings of Kafka in docker-compose.yml as `server.properties`, translated as by its image."""
    services = yaml.safe_load((_ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    environment: dict[str, str] = services["kafka"]["environment"]
    return {
        _property(name): str(value).strip() for name, value in environment.items() if name not in _NOT_OF_THE_SERVER
    }


def _property(variable: str) -> str:
    signs = {"___": "-", "__": "_", "_": "."}
    return re.sub("_{1,3}", lambda found: signs[found[0]], variable.removeprefix("KAFKA_").lower())


def make_secrets(folder: Path) -> ModuleType:
    """Return the module `deploy/docker/make_secrets.py`, changed to write into `folder` without changing owners."""
    spec = importlib.util.spec_from_file_location("make_secrets", _ROOT / "deploy" / "docker" / "make_secrets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module).update(SECRETS=folder, os=_NoOwners)
    return module


class _NoOwners:
    """Replaces `os` in that module: a test may not change the owner of a file."""

    @staticmethod
    def chown(path: Path, owner: int, group: int) -> None:
        """Do nothing."""


@dataclass
class ComposeKafka(KafkaServer):
    """Kafka as in docker-compose.yml.

    `port` belongs to the listener INTERNAL, `external_port` to EXTERNAL, `internal_port` to ITSELF (without login).
    """

    external_port: int = field(default_factory=free_port)

    @property
    def external(self) -> str:
        """The address of the listener EXTERNAL."""
        return f"127.0.0.1:{self.external_port}"

    @property
    def itself(self) -> str:
        """The address of the listener ITSELF, which needs no login."""
        return f"127.0.0.1:{self.internal_port}"

    @property
    def client_settings(self) -> dict[str, str]:
        """The settings of a client inside its container, which needs no login."""
        return {"bootstrap.servers": self.itself}

    def reached(self) -> KafkaSettings:
        """Return the settings of a service, without user and password."""
        return KafkaSettings(bootstrap_servers=self.bootstrap_servers, security="SASL_PLAINTEXT", replication_factor=1)

    def settings(self) -> dict[str, object]:
        """Return the settings of `KafkaServer`, replaced by those of compose, with ports of this machine."""
        changed = compose_settings()
        ports = {
            "19092": (self.port, "INTERNAL"),
            "9092": (self.external_port, "EXTERNAL"),
            "19093": (self.internal_port, "ITSELF"),
            "9093": (self.controller_port, "CONTROLLER"),
        }
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for port, name in ports.values())
        changed |= {
            "listeners": listeners,
            "advertised.listeners": listeners.rpartition(",")[0],
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "log.dirs": str(self.folder / "data"),
        }
        return super().settings() | changed
