"""The stream at its limit: photographs per second of all four services on one machine, against a standalone run.

The photographs are in the bucket and their notifications in the topic before the services start. Both take turns on
the same photographs and cores. The time to start is not counted.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

import psutil
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bench.tables import Table, without_data
from services.standalone.run import run_folder
from services.standalone.settings import RunSettings
from shared.domain.topics import FACES_EMBEDDED
from tools.pipeline import SERVICES, Pipeline
from tools.stack import new_run
from tools.stack.stack import new_stack

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / ".cache" / "samples"
DATA = ROOT.parent / "shared" / "data"
_PHOTOS = 500
_ROUNDS = 2
_WARM = 100  # photographs before the measurement, after which Java has compiled the code of the broker
_TITLE = "The stream at its limit, against a standalone run"

Spent = Mapping[str, float]  # processor seconds by process


@dataclass(frozen=True)
class Ran:
    """Wall seconds, processor seconds by process, and seconds by service and stage."""

    wall: float
    spent: Spent
    stages: Mapping[tuple[str, str], float]


def measure() -> list[Table]:
    """Run the stream and a standalone run over 500 photographs in turns."""
    if not any(SAMPLES.rglob("*.jpg")) and not DATA.is_dir():
        return [without_data(_TITLE, SAMPLES)]
    return compare(_PHOTOS, _ROUNDS)


def compare(count: int, rounds: int) -> list[Table]:
    """Run both over `count` photographs in turns, for `rounds` rounds."""
    alone, stream = [], []
    with tempfile.TemporaryDirectory() as scratch, new_run() as folder, _servers(folder) as pipeline:
        photos, few, one = (Path(scratch) / name for name in ("photos", "few", "one"))
        source = _chosen(count, photos)
        _chosen(_WARM, few)
        _chosen(1, one)
        _stream(pipeline, few, "warm")
        for number in range(rounds):
            start = _standalone(one, Path(scratch) / f"one {number}")
            run = _standalone(photos, Path(scratch) / f"result {number}")
            alone.append(Ran(run.wall - start.wall, {"standalone": run.spent["all"] - start.spent["all"]}, {}))
            stream.append(_stream(pipeline, photos, f"{number}"))
    return [_rates(count, source, alone, stream), _processors(count, alone, stream), _stages(stream)]


def _chosen(count: int, folder: Path) -> str:
    """Write photographs with different bytes into a folder, and return a description of their source."""
    scenes, portraits = (sorted((DATA / name).rglob("*.jpg")) for name in ("scenes", "lfw"))
    files = [*scenes, *random.Random(0).sample(portraits, len(portraits))]  # noqa: S311  no secret
    source = f"{min(count, len(scenes))} scenes and {count - min(count, len(scenes))} portraits"
    if not files:
        files, source = sorted(SAMPLES.rglob("*.jpg")), "the samples, repeated"
    chosen = [files[number % len(files)] for number in range(count)]
    random.Random(1).shuffle(chosen)  # noqa: S311
    folder.mkdir()
    for number, file in enumerate(chosen):
        # Bytes after the end of a JPEG do not change its picture.
        (folder / f"{number:04}.jpg").write_bytes(file.read_bytes() + number.to_bytes(4))
    return source


def _standalone(photos: Path, out: Path) -> Ran:
    """Measure until all photographs are stored: the stream makes no reclustering and no report."""
    usage = os.times()
    command = [sys.executable, "-m", "bench.saturated", str(photos), str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    after = os.times()
    spent = after.children_user + after.children_system - usage.children_user - usage.children_system
    wall, afterwards = map(float, done.stdout.split())
    return Ran(wall, {"all": spent - afterwards}, {})


def _stream(pipeline: Pipeline, photos: Path, name: str) -> Ran:
    files = sorted(photos.iterdir())
    for file in files:
        pipeline.store.put("photos", f"{name}/{file.name}", file.read_bytes(), "image/jpeg")
    pipeline.start(*(service for service in SERVICES if service != "detector"))
    pipeline.launch("detector", 0)
    samples: list[tuple[float, Spent]] = []
    done = 0
    while done < len(files):
        time.sleep(0.5)
        samples.append((time.time(), _spent(pipeline)))
        done = _counted(pipeline)
    stages = dict(_stage_seconds(pipeline))
    first = next(line for line in pipeline.log("detector-0") if line["event"] == "batch done")
    began = datetime.fromisoformat(str(first["timestamp"])).timestamp() - float(str(first["seconds"]))
    ended = max(record.timestamp.timestamp() for record in pipeline.read("images.processed"))
    before = next(spent for at, spent in samples if at >= began)
    after = next((spent for at, spent in samples if at >= ended), samples[-1][1])
    for process in list(pipeline.processes):
        pipeline.processes.pop(process).stop()
        (pipeline.folder / process / "log").unlink()
    return Ran(ended - began, {name: after[name] - before.get(name, 0.0) for name in after}, stages)


@contextmanager
def _servers(folder: Path) -> Iterator[Pipeline]:
    # One detector with a process for each core, which is best on a single machine.
    layout = {"FACESTREAM_DETECTOR_PROCESSES": str(os.cpu_count() or 1)}
    pipeline = Pipeline(new_stack(folder / "stack").start(), folder, layout)
    try:
        pipeline.create_topics()
        with pipeline.repository() as repository:
            repository.create_indexes()
        yield pipeline
    finally:
        for process in pipeline.processes.values():
            process.stop()
        pipeline.stack.stop()


def _spent(pipeline: Pipeline) -> Spent:
    """Return the processor seconds of every process so far; those of the detector's child processes separately."""
    servers = {name: server.folder for name, server in pipeline.stack.servers.items()}
    services = {name.removesuffix("-0"): pipeline.folder / name for name in pipeline.processes}
    spent = {}
    for name, folder in {**services, **servers}.items():
        process = psutil.Process(json.loads((folder / "process.json").read_text())["pid"])
        spent[name] = _seconds_of(process)
        if name == "detector":
            spent["detector's processes"] = sum(_seconds_of(child) for child in process.children())
    return spent


def _seconds_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _counted(pipeline: Pipeline) -> int:
    """Return the number of photographs that the assigner has processed."""
    name, topic = "facestream_records_consumed_total", FACES_EMBEDDED.name
    found = (sample for sample in _metrics(pipeline, "assigner") if sample.name == name)
    return sum(int(sample.value) for sample in found if sample.labels["topic"] == topic)


def _stage_seconds(pipeline: Pipeline) -> Iterator[tuple[tuple[str, str], float]]:
    for service in SERVICES:
        for sample in _metrics(pipeline, service):
            if sample.name == "facestream_stage_seconds_sum":
                yield (service, sample.labels["stage"]), sample.value


def _metrics(pipeline: Pipeline, service: str) -> Iterator[Sample]:
    _, text = pipeline.ask(f"{service}-0", "/metrics")
    for family in text_string_to_metric_families(text):
        yield from family.samples


def _rates(count: int, source: str, alone: Sequence[Ran], stream: Sequence[Ran]) -> Table:
    pairs = [(count / his.wall, count / mine.wall) for his, mine in zip(alone, stream, strict=True)]
    rows: list[list[str | float]] = [
        ["standalone", *(his for his, _ in pairs), median(his for his, _ in pairs)],
        ["stream", *(mine for _, mine in pairs), median(mine for _, mine in pairs)],
        [
            "stream, % of standalone",
            *(100 * mine / his for his, mine in pairs),
            median(100 * mine / his for his, mine in pairs),
        ],
    ]
    rounds = [f"round {number}" for number in range(1, len(alone) + 1)]
    notes = [
        f"{count} photographs: {source}; {os.cpu_count()} cores for all four services and their servers",
        "standalone: until the last photograph is stored, minus the same time for one photograph",
        "stream: from the first batch of the detector to the last event of images.processed, after the start",
    ]
    return Table(_TITLE + ", photographs a second", ("what", *rounds, "median"), rows, notes)


def _processors(count: int, alone: Sequence[Ran], stream: Sequence[Ran]) -> Table:
    """Return the table of processor seconds of the median rounds."""
    rows: list[tuple[str, float, float]] = []
    for runs in (alone, stream):
        run = sorted(runs, key=lambda run: run.wall)[len(runs) // 2]
        parts = sorted(run.spent.items(), key=lambda part: -part[1])
        whole = sum(run.spent.values())
        rows += [(name, seconds, 1000 * seconds / count) for name, seconds in parts]
        rows.append(("in total; % of the seconds of all cores", whole, 100 * whole / run.wall / (os.cpu_count() or 1)))
    return Table(_TITLE + ", processor time", ("process", "seconds", "ms a photograph"), rows)


def _stages(stream: Sequence[Ran]) -> Table:
    run = sorted(stream, key=lambda run: run.wall)[len(stream) // 2]
    rows = [(service, stage, seconds) for (service, stage), seconds in run.stages.items()]
    notes = ["the loop of each service; `read` waits for threads and processes that prefetch"]
    return Table(_TITLE + ", wall time of each stage", ("service", "stage", "seconds"), rows, notes)


class _Clock:
    """A `ShownProgress` that records when the last photograph was stored."""

    def __init__(self) -> None:
        self.stored = 0.0
        self.spent = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def advance(self, photos: int, faces: int) -> None:
        """Do nothing; further photographs may follow."""

    def stage(self, name: str) -> None:  # noqa: ARG002  of the protocol
        """Record the time: after the first stage all photographs are stored."""
        self.stored = self.stored or time.time()
        self.spent = self.spent or time.process_time()


def _alone(photos: Path, out: Path) -> None:
    """Run in this process; print seconds from its start until all are stored, and processor seconds after that."""
    clock = _Clock()
    run_folder(RunSettings(photos=photos, out=out), lambda _: clock)
    print(clock.stored - psutil.Process().create_time(), time.process_time() - clock.spent)


if __name__ == "__main__":
    _alone(*map(Path, sys.argv[1:]))
