"""The page of all metrics: made from the code of today, complete, and in sentences that can be read alone."""

import re
import subprocess
import sys

import pytest

from docs.make_metrics import TARGET, declared, meaning
from tools.samples import ROOT


def test_the_page_is_that_of_the_metrics_of_today() -> None:
    # In a process of its own: other tests count, and what they count has labels too.
    script = "from docs.make_metrics import text; print(text(), end='')"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert TARGET.read_text(encoding="utf-8") == done.stdout, "run `python -m docs.make_metrics`"


def test_no_module_declares_metrics_of_its_own() -> None:
    sources = [path for package in ("cli", "services", "shared") for path in (ROOT / package).rglob("*.py")]
    declaring = re.compile(r"from prometheus_client import .*\b(Counter|Gauge|Histogram|Info|Summary|Enum)\b")
    found = [path.relative_to(ROOT).as_posix() for path in sources if declaring.search(path.read_text("utf-8"))]
    assert found == ["shared/metrics.py"]


@pytest.mark.parametrize(("name", "documentation"), [(name, meaning(one)) for name, one in declared()])
def test_the_help_of_a_metric_is_a_sentence(name: str, documentation: str) -> None:
    assert re.fullmatch(r"[A-Z].*\.", documentation), name
    assert len(documentation.split()) >= 3
    assert f"| {documentation} |\n" in TARGET.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, _ in declared() if name.endswith("_seconds")])
def test_the_help_of_a_time_names_its_unit(name: str) -> None:
    documentation = meaning(dict(declared())[name])
    assert "in seconds" in documentation
