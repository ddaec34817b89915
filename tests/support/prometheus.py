"""A real Prometheus with the shipped configuration and the addresses of a test."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.support.promql import ROOT
from tools.requirements import need
from tools.stack.server import Server

_SHIPPED = ROOT / "deploy" / "prometheus"


@dataclass
class PrometheusServer(Server):
    """Prometheus, which scrapes and evaluates rules every second.

    `targets`: the addresses of each job. `token`: for jobs whose configuration has an authorization.
    """

    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    token: str = field(default="", repr=False)

    def command(self) -> list[str]:
        program = shutil.which("prometheus")
        need(program, "prometheus", "apt-get install prometheus")
        configuration = self.folder / "prometheus.yml"
        configuration.write_text(yaml.safe_dump(self.configuration()))
        return [
            *(str(program), f"--config.file={configuration}", f"--storage.tsdb.path={self.folder / 'data'}"),
            *(f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"),
        ]

    def configuration(self) -> dict[str, Any]:
        """Return the shipped configuration with other addresses and intervals."""
        shipped: dict[str, Any] = yaml.safe_load((_SHIPPED / "prometheus.yml").read_text())
        jobs = []
        for job in shipped["scrape_configs"]:
            asked = {key: value for key, value in job.items() if not key.endswith("_configs")}
            if "authorization" in asked:
                asked["authorization"] = {"credentials_file": str(self._token_file())}
            jobs.append({**asked, "static_configs": [{"targets": list(self.targets[job["job_name"]])}]})
        return {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(_SHIPPED / pattern) for pattern in shipped["rule_files"]],
            "scrape_configs": jobs,
        }

    def _token_file(self) -> Path:
        file = self.folder / "token"
        file.write_text(self.token)
        return file

    def healthy(self) -> bool:
        try:
            return urllib3.request("GET", f"{self.url}/-/ready", retries=False, timeout=2).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def query(self, query: str) -> list[dict[str, Any]]:
        """Return the present result of a query; AssertionError if Prometheus reports an error."""
        answer = self._get("query", {"query": query})
        found: list[dict[str, Any]] = answer["result"]
        return found

    def value(self, query: str) -> float:
        """Return the first number of the result of a query, or 0 without a result."""
        found = self.query(query)
        return float(found[0]["value"][1]) if found else 0.0

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its state."""
        return [rule for group in self._get("rules", {})["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Return the names of the alerts that are firing."""
        return {series["metric"]["alertname"] for series in self.query('ALERTS{alertstate="firing"}')}

    def _get(self, path: str, fields: Mapping[str, str]) -> Any:
        answer = urllib3.request("GET", f"{self.url}/api/v1/{path}", fields=dict(fields), timeout=30)
        answered = json.loads(answer.data)
        assert answered["status"] == "success", f"{fields}: {answered}"
        return answered["data"]
