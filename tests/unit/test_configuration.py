"""The page of all settings: complete, made from the code of today, and in sentences that can be read alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.make_configuration import TARGET, groups, reading, text, variables
from docs.settings_readers import readers
from services.detector.settings import DetectorSettings
from shared.settings import PLAIN_VARIABLES, SECTIONS
from shared.stream.worker import WorkerSettings
from tests.support.markdown_pages import Page
from tools.samples import ROOT

_SOURCES = [path for package in ("cli", "services", "shared") for path in sorted((ROOT / package).rglob("*.py"))]
_DESCRIPTIONS = dict(PLAIN_VARIABLES) | {
    name: settings.model_fields[field].description or "" for name, (settings, field) in variables().items()
}
_SENTENCE = re.compile(r"[A-Z].*\.", flags=re.DOTALL)


def _classes(source: Path) -> Iterator[str]:
    """Yield the names of the settings classes that a file defines."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Settings") for base in node.bases):
            yield node.name


def test_the_page_is_that_of_the_settings_of_today() -> None:
    assert TARGET.read_text(encoding="utf-8") == text(), "run `python -m docs.make_configuration`"


def test_every_settings_class_has_a_group() -> None:
    defined = {name for source in _SOURCES for name in _classes(source)} - {"Settings"}
    assert {settings.__qualname__ for settings in groups()} == defined


def test_every_section_has_settings() -> None:
    named = [*variables(), *PLAIN_VARIABLES]
    assert [
        section for section in SECTIONS if not any(name.startswith(f"FACESTREAM_{section}_") for name in named)
    ] == []


def test_every_link_leads_to_a_group() -> None:
    links = set(re.findall(r"\]\(#([^)]+)\)", text()))
    assert len(links) == len(groups())
    assert links <= Page.read(TARGET).anchors()


def test_every_setting_is_in_the_page_with_its_description() -> None:
    page = TARGET.read_text(encoding="utf-8")
    for name, description in _DESCRIPTIONS.items():
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(description)} \|$", page, flags=re.MULTILINE), name


@pytest.mark.parametrize(("name", "description"), _DESCRIPTIONS.items())
def test_a_description_is_a_sentence(name: str, description: str) -> None:
    assert _SENTENCE.fullmatch(description), name
    assert len(description.split()) >= 3, name


@pytest.mark.parametrize("settings", groups())
def test_a_group_has_a_title_of_its_own_and_sentences(settings: type[object]) -> None:
    assert _SENTENCE.fullmatch((settings.__doc__ or "").strip())
    assert [one.__doc__ for one in groups()].count(settings.__doc__) == 1


def test_every_variable_that_is_read_without_a_settings_class_is_known() -> None:
    read = {
        name for source in _SOURCES for name in re.findall(r'environ(?:\.get\(|\[)"(FACESTREAM_\w+)"', _text(source))
    }
    assert read >= set(PLAIN_VARIABLES)
    assert read <= _DESCRIPTIONS.keys()


@pytest.mark.parametrize(
    "page", [path.relative_to(ROOT) for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("d*/**/*.md")])], ids=str
)
def test_every_variable_that_a_page_names_exists(page: Path) -> None:
    named = {name.rstrip("_") for name in re.findall(r"FACESTREAM_[A-Z_]+", _text(ROOT / page))}
    sections = {f"FACESTREAM_{section}" for section in SECTIONS}
    assert named - _DESCRIPTIONS.keys() - sections == set()


def test_the_default_size_of_a_batch_is_that_of_the_services() -> None:
    page = TARGET.read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `FACESTREAM_WORKER_BATCH` .*", page, flags=re.MULTILINE)
    assert "quality 64; embedder 64; assigner 1000" in row
    assert "detector 8 for each process" in row
    expected = {"quality": (64, ""), "embedder": (64, ""), "assigner": (1000, ""), "detector": (8, " * pool.processes")}
    for service, (batch, factor) in expected.items():
        code = _text(ROOT / "services" / service / "__main__.py")
        assert re.search(rf"^_BATCH = {batch}\b", code.replace("1_000", "1000"), flags=re.MULTILINE)
        assert f"WorkerSettings.preferring(batch=_BATCH{factor})" in code


def test_a_default_of_this_machine_is_not_in_the_page() -> None:
    page = TARGET.read_text(encoding="utf-8")
    for name, words in (("STANDALONE_PROCESSES", "the number of cores"), ("SERVICE_INSTANCE", "the host name")):
        assert re.search(rf"^\| `FACESTREAM_{name}` \| [^|]* \| {words} \|", page, flags=re.MULTILINE)


_STREAM = {"BucketSettings", "KafkaSettings", "MinioSettings", "ServiceSettings", "TracingSettings", "WorkerSettings"}


@pytest.mark.parametrize(
    ("program", "classes"),
    [
        ("detector", _STREAM | {"DetectorSettings", "DetectorProcesses", "PhotoSettings"}),
        ("quality", _STREAM | {"QualitySettings"}),
        ("embedder", _STREAM | {"EmbedderSettings"}),
        ("assigner", _STREAM | {"AssignerSettings", "MongoSettings"}),
        (
            "reclusterer",
            {"AssignerSettings", "JobSettings", "KafkaSettings", "MongoSettings", "ReclustererSettings"}
            | {"ServiceSettings", "TracingSettings"},
        ),
        ("facestream watch", {"KafkaSettings"}),
        ("facestream clusters list", {"MongoSettings"}),
        ("facestream ingest", {"BucketSettings", "MinioSettings", "PhotoSettings"}),
        ("facestream validate", set()),
    ],
)
def test_a_program_reads_what_it_needs_and_nothing_else(program: str, classes: set[str]) -> None:
    assert reading()[program] - PLAIN_VARIABLES.keys() == classes


def test_every_group_and_every_variable_without_one_is_read_by_a_program() -> None:
    read = set().union(*reading().values())
    assert {settings.__qualname__ for settings in groups()} | PLAIN_VARIABLES.keys() == read


def test_a_parameter_of_the_type_of_settings_reads_none() -> None:
    places = {(one.__module__, one.__qualname__): one.__qualname__ for one in (DetectorSettings, WorkerSettings)}
    found = readers({"scale": ("services.detector.scale", "detection_size")}, places)
    assert found == {"scale": frozenset()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
