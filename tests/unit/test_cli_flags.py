"""Every spelling of every flag reaches the function that does the work; that is replaced by one that notes it."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.jobs.chinese_whispers import ClusteringOptions
from cli.main import app

ROOT = Path(__file__).parents[2]
IN, OUT, FILE = Path("in"), Path("out"), Path("file")


def clustering(threshold: float, iterations: int, min_cluster_size: int) -> ClusteringOptions:
    return ClusteringOptions(threshold=threshold, iterations=iterations, min_cluster_size=min_cluster_size)


# Name of the job; its arguments; spellings of the command line that all mean this.
JOBS: dict[str, tuple[dict[str, object], list[str]]] = {
    "cli.jobs.detect.crop_folder": (
        {"source": IN, "out": OUT, "landmarks": FILE, "face_width": 200, "processes": 3},
        [
            "detect --shape-predictor file --image-dir in --face-width 200 --output-dir out --processes 3",
            "detect --shape_predictor file --image_dir in --face_width 200 --output_dir out --processes 3",
            "detect --shape_predictor=file --image-dir=in --face_width=200 --output_dir=out --processes=3",
            "detect -p file -d in -w 200 -o out --processes 3",
        ],
    ),
    "cli.jobs.cr2_to_jpg.develop_folder": (
        {"source": IN, "out": OUT, "processes": None},
        ["cr2-to-jpg --source in --destination out", "cr2_to_jpg -s in -d out"],
    ),
    "cli.jobs.preprocess.copy_sharp_crops": (
        {"source": IN, "out": OUT, "threshold": 30.5},
        [
            "preprocess --image-dir in --threshold 30.5 --output-dir out",
            "preprocess --image_dir in --threshold 30.5 --output_dir out",
            "preprocess -i in -t 30.5 -o out",
        ],
    ),
    "cli.jobs.cluster.cluster_folder": (
        {"source": IN, "out": OUT, "model": FILE, "batch_size": 64, "options": clustering(0.8, 50, 5)},
        [
            "cluster --model-dir file --input in --output out --batch-size 64 --threshold 0.8 --min-cluster-size 5",
            "cluster --model_dir file --input in --output out --batch_size 64 --threshold 0.8 --min_cluster_size 5",
        ],
    ),
    "cli.jobs.export_embeddings.export_folder": (
        {"model": FILE, "source": IN, "out": OUT},
        ["export-embeddings file in out", "export_embeddings file in out"],
    ),
    "cli.jobs.get_medoids.write_medoids_of": (
        {"embeddings": FILE, "out": OUT},
        ["get-medoids file out", "get_medoids file out"],
    ),
    "cli.jobs.validate.label_embeddings": (
        {"medoid_file": FILE, "embeddings": IN, "out": OUT, "threshold": 0.6},
        ["validate file in out --threshold 0.6"],
    ),
    "cli.jobs.tsne.draw_map": ({"embeddings": FILE, "out": OUT}, ["tsne file out"]),
}
DEFAULTS: dict[str, tuple[dict[str, object], str]] = {
    "cli.jobs.detect.crop_folder": (
        {"source": IN, "out": OUT, "landmarks": None, "face_width": 160, "processes": None},
        "detect -d in -o out",
    ),
    "cli.jobs.preprocess.copy_sharp_crops": ({"source": IN, "out": OUT, "threshold": 25.0}, "preprocess -i in -o out"),
    "cli.jobs.cluster.cluster_folder": (
        {"source": IN, "out": OUT, "model": FILE, "batch_size": 32, "options": clustering(0.7, 50, 20)},
        "cluster --model-dir file --input in --output out",
    ),
    "cli.jobs.validate.label_embeddings": (
        {"medoid_file": FILE, "embeddings": IN, "out": OUT, "threshold": 0.75},
        "validate file in out",
    ),
}
CASES = [(job, expected, line) for job, (expected, lines) in JOBS.items() for line in lines]
CASES += [(job, expected, line) for job, (expected, line) in DEFAULTS.items()]


class Notes:
    """Stands in for a job, and notes the arguments of each call by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, job: str, result: object) -> None:
        module, _, name = job.rpartition(".")
        self._signature = inspect.signature(getattr(import_module(module), name))
        self._result = result
        self.calls: list[dict[str, Any]] = []
        monkeypatch.setattr(job, self)

    def __call__(self, *arguments: Any, **options: Any) -> object:
        self.calls.append(self._signature.bind(*arguments, **options).arguments)
        return self._result


@pytest.mark.parametrize(("job", "expected", "line"), CASES, ids=[line for _, _, line in CASES])
def test_every_spelling_means_the_same(
    job: str, expected: dict[str, object], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes(monkeypatch, job, "done")
    result = CliRunner().invoke(app, line.split())
    assert (result.exit_code, result.stdout) == (0, "done\n"), result.output
    assert notes.calls == [expected]


@pytest.mark.parametrize("line", ["", "--rows 7", "--rows=7 --min_cluster_size 4 --threshold 0.9 --iterations 3"])
def test_chinese_whispers_takes_the_number_of_rows_and_the_settings(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes(monkeypatch, "cli.jobs.chinese_whispers.cluster_file", [["b", "ä"], ["c\n"]])
    result = CliRunner().invoke(app, ["chinese-whispers", "file", *line.split()])
    assert result.stdout == '["b", "ä"]\n["c\\n"]\n'
    rows = 7 if "--rows" in line else None
    options = clustering(0.9, 3, 4) if "iterations" in line else clustering(0.7, 50, 2)
    assert notes.calls == [{"csv": FILE, "rows": rows, "options": options}]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("models fetch", {"offline": None, "samples": None}),
        ("models fetch --samples out --offline in", {"offline": IN, "samples": OUT}),
    ],
)
def test_models_fetch_takes_folders(line: str, expected: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr("cli.commands.models.fetch_models", lambda **options: calls.append(options))
    result = CliRunner().invoke(app, line.split())
    assert result.exit_code == 0
    assert [{name: call[name] for name in ("offline", "samples")} for call in calls] == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "detect -d in",
        "detect -d in -o out -w 5",
        "preprocess -i in -o out -t -1",
        "cluster --model-dir file --input in",
        "cluster --model-dir file --input in --output out --batch-size 0",
        "chinese-whispers file --rows 0",
        "chinese-whispers file --threshold 1",
        "validate medoids embeddings",
        "tsne file",
    ],
)
def test_what_is_missing_or_out_of_range_is_a_usage_error(line: str) -> None:
    assert CliRunner().invoke(app, line.split()).exit_code == 2


def test_help_needs_none_of_the_heavy_libraries() -> None:
    heavy = "numpy, scipy, cv2, dlib, tensorflow, numba, faiss, pydantic"
    script = f"import sys, cli.main; print(sorted(set('{heavy}'.split(', ')) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n"
