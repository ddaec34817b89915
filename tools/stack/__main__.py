"""Servers on this machine, for tests and for trying facestream: `python -m tools.stack install|up|down|status|env`."""

import argparse
import sys
from collections.abc import Callable

from tools.stack import stack
from tools.stack.install import (
    Missing,
    foreign_reader,
    java,
    kafka_jars,
    minio_program,
    mongo_java_server,
    mongo_program,
)

_PROGRAMS = {
    "Java": java,
    "Kafka": kafka_jars,
    "MinIO": minio_program,
    "MongoDB": mongo_program,
    "a second server of MongoDB's protocol": mongo_java_server,
    "the Go reader": foreign_reader,
}


def _install() -> int:
    """Install the programs of the servers, and the Go reader; name those that cannot be installed here."""
    for name, get in _PROGRAMS.items():
        try:
            get()
        except Missing as missing:
            sys.stderr.write(f"{name}: tests that use it will be skipped: {missing}\n")
    return 0


def _up() -> int:
    """Start the servers that do not run, and print their addresses."""
    try:
        running = stack.up()
    except Missing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    sys.stdout.write(running.exports())
    return 0


def _down() -> int:
    """Stop the servers and remove their data."""
    stack.down()
    return 0


def _status() -> int:
    """Print whether each server runs and answers; exit status 1 unless all do."""
    found = stack.recorded()
    if not found:
        sys.stdout.write("down\n")
        return 1
    healthy = {name: server.running() and server.healthy() for name, server in found.servers.items()}
    for name, server in found.servers.items():
        state = "healthy" if healthy[name] else "not healthy"
        sys.stdout.write(f"{name}\t127.0.0.1:{server.port}\t{state}\t{server.folder}/log\n")
    return 0 if all(healthy.values()) else 1


def _env() -> int:
    """Print the addresses of the running servers."""
    found = stack.recorded()
    if not found:
        sys.stderr.write("expected running servers, found none: start them with `python -m tools.stack up`\n")
        return 1
    sys.stdout.write(found.exports())
    return 0


_COMMANDS: dict[str, Callable[[], int]] = {
    "install": _install,
    "up": _up,
    "down": _down,
    "status": _status,
    "env": _env,
}


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in _COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    return _COMMANDS[parser.parse_args().command]()


if __name__ == "__main__":
    sys.exit(main())
