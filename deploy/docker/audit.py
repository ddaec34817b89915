"""Ask for known holes of the packages that are locked, and list what is in each image.

    python deploy/docker/audit.py SERVICE FOLDER

`SERVICE` is one that pip-audit knows; `FOLDER` takes a list in the form CycloneDX for each lock, NAME.cdx.json. Run by
`make audit` in an environment of its own (`audit.lock`). Exit status: 0 no hole is known, 1 some are, 3 the service did
not answer for every package. That last is no good news: pip-audit by itself takes it for one.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / "requirements.lock", *sorted((ROOT / "deploy" / "docker").glob("*.lock")))
_HOLES, _NO_ANSWER = 1, 3


def lines(answer: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Return the exit status for an answer of pip-audit, and what is to be said of it."""
    found: Sequence[Mapping[str, Any]] = answer["dependencies"]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
        for package in found
        for hole in package.get("vulns", ())
    ]
    unknown = [f"{package['name']}: {package['skip_reason']}" for package in found if "skip_reason" in package]
    told = list(holes)
    if unknown or not found:
        more = f", the first: {unknown[0]}" if unknown else ""
        told.append(f"expected an answer for {len(found)} packages, found none for {len(unknown)}{more}")
    status = _HOLES if holes else _NO_ANSWER if told else 0
    return status, told or [f"no hole is known in {len(found)} packages"]


def _asked(lock: Path, service: str) -> tuple[int, list[str]]:
    command = ["pip-audit", "--format", "json", "--progress-spinner", "off", "--disable-pip"]
    done = _run([*command, "--vulnerability-service", service, "--requirement", str(lock)])
    try:
        return lines(json.loads(done.stdout))
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return _NO_ANSWER, [f"expected an answer of the advisory service {service}, pip-audit said: {last}"]


def _listed(lock: Path, target: Path) -> None:
    command = ["cyclonedx-py", "requirements", "--output-reproducible", "--pyproject", str(ROOT / "pyproject.toml")]
    done = _run([*command, "--output-file", str(target), str(lock)])
    if done.returncode:
        sys.exit(f"{lock.name}: cyclonedx-py said: {done.stderr.strip()}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(command[0])
    return subprocess.run([program, *command[1:]], check=False, capture_output=True, text=True)  # noqa: S603  fixed words


def main(service: str, folder: Path) -> int:
    """List, ask, print, and return the exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    statuses = []
    for lock in LOCKS:
        target = folder / f"{lock.stem}.cdx.json"
        _listed(lock, target)
        status, said = _asked(lock, service)
        statuses.append(status)
        for line in said:
            print(f"{lock.name}: {line}")  # noqa: T201  the command's answer
    if _NO_ANSWER in statuses:
        print(  # noqa: T201  as above
            f"NOT AUDITED: the advisory service {service} cannot be reached from here, or knows not every package;"
            " run this where it can, or name another: make audit AUDIT_SERVICE=osv"
        )
    return _HOLES if _HOLES in statuses else max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
