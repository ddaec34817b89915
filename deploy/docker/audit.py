"""Look up known vulnerabilities of the locked packages, and list the packages of each image.

    python deploy/docker/audit.py SERVICE FOLDER

`SERVICE`: an advisory service of pip-audit. `FOLDER`: gets a CycloneDX list NAME.cdx.json for each lock file.
`make audit` runs it in an environment of its own (`audit.lock`). Exit status: 0 if no vulnerability is known, 1 if some
are, 3 if the service did not answer for every package (pip-audit itself would end with 0 then).
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / "requirements.lock", *sorted((ROOT / "deploy" / "docker").glob("*.lock")))
_VULNERABLE, _NO_ANSWER = 1, 3


def lines(answer: Mapping[str, Any]) -> tuple[int, list[str]]:
    """Return the exit status for an answer of pip-audit, and lines to print."""
    found: Sequence[Mapping[str, Any]] = answer["dependencies"]
    vulnerabilities = [
        f"{package['name']} {package['version']}: {entry['id']}, fixed in {', '.join(entry['fix_versions']) or 'none'}"
        for package in found
        for entry in package.get("vulns", ())
    ]
    unknown = [f"{package['name']}: {package['skip_reason']}" for package in found if "skip_reason" in package]
    found_lines = list(vulnerabilities)
    if unknown or not found:
        more = f", the first: {unknown[0]}" if unknown else ""
        found_lines.append(f"expected an answer for {len(found)} packages, found none for {len(unknown)}{more}")
    status = _VULNERABLE if vulnerabilities else _NO_ANSWER if found_lines else 0
    return status, found_lines or [f"no vulnerability is known in {len(found)} packages"]


def _audited(lock: Path, service: str) -> tuple[int, list[str]]:
    command = ["pip-audit", "--format", "json", "--progress-spinner", "off", "--disable-pip"]
    done = _run([*command, "--vulnerability-service", service, "--requirement", str(lock)])
    try:
        return lines(json.loads(done.stdout))
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return _NO_ANSWER, [f"expected an answer of the advisory service {service}, pip-audit printed: {last}"]


def _listed(lock: Path, target: Path) -> None:
    command = ["cyclonedx-py", "requirements", "--output-reproducible", "--pyproject", str(ROOT / "pyproject.toml")]
    done = _run([*command, "--output-file", str(target), str(lock)])
    if done.returncode:
        sys.exit(f"{lock.name}: cyclonedx-py failed: {done.stderr.strip()}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(command[0])
    return subprocess.run([program, *command[1:]], check=False, capture_output=True, text=True)  # noqa: S603  fixed arguments


def main(service: str, folder: Path) -> int:
    """Write the lists, look up vulnerabilities, print them, and return the exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    statuses = []
    for lock in LOCKS:
        target = folder / f"{lock.stem}.cdx.json"
        _listed(lock, target)
        status, report = _audited(lock, service)
        statuses.append(status)
        for line in report:
            print(f"{lock.name}: {line}")  # noqa: T201  the output of the command
    if _NO_ANSWER in statuses:
        print(  # noqa: T201  as above
            f"NOT AUDITED: the advisory service {service} is not reachable or does not know every package;"
            " run this on a machine that reaches it, or use another one: make audit AUDIT_SERVICE=osv"
        )
    return _VULNERABLE if _VULNERABLE in statuses else max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
