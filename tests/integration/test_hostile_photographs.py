"""The streaming detector meets photographs that crash or hang its decoder."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from shared.events import FacesDetected, Outcome
from tests.pipeline import Pipeline
from tests.samples import ROOT, sample_photos
from tests.stack.fixtures import needed
from tests.stack.process import Process, start
from tests.stack.stack import new_stack

pytestmark = pytest.mark.slow

_TIMEOUT = "5"  # seconds for a photograph; a portrait takes a tenth of one on an idle core


@pytest.fixture
def pipeline(servers: Path) -> Iterator[Pipeline]:
    with needed():
        folder = servers / uuid4().hex[:8]
        pipeline = Pipeline(new_stack(folder / "stack").start(), folder)
        pipeline.create_topics()
        try:
            yield pipeline
        finally:
            for process in pipeline.processes.values():
                process.stop()
            pipeline.stack.stop()


def start_detector(pipeline: Pipeline) -> Process:
    folder = pipeline.folder / "detector"
    folder.mkdir(exist_ok=True)
    environment = {
        **os.environ,
        **pipeline.stack.environment(),
        "FACESTREAM_SERVICE_INSTANCE": "0",
        "FACESTREAM_DETECTOR_PHOTO_TIMEOUT": _TIMEOUT,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "hostile")]),
    }
    process = start([sys.executable, "-m", "services.detector"], environment, folder)
    pipeline.processes["detector"] = process
    return process


def detected(pipeline: Pipeline) -> dict[str, FacesDetected]:
    found = [FacesDetected.model_validate_json(record.value or b"") for record in pipeline.read("faces.detected")]
    assert len({event.photo.object_id for event in found}) == len(found), "each photograph once"
    return {event.photo.key: event for event in found}


def ended(processes: list[psutil.Process]) -> Callable[[], bool]:
    return lambda: not any(process.is_running() and process.status() != "zombie" for process in processes)


def family(process: Process) -> list[psutil.Process]:
    parent = process._find()
    assert parent
    return parent.children(recursive=True)


def test_photographs_that_crash_or_hang_a_decoder_are_unreadable_and_no_process_outlives_the_detector(
    pipeline: Pipeline,
) -> None:
    portrait, other = (file.read_bytes() for file in sample_photos("mindy_kaling")[:2])
    photos = {"1.jpg": portrait, "2.jpg": b"CRASHES!", "3.jpg": b"HANGS!!!", "4.jpg": other}
    for key, data in photos.items():
        pipeline.store.put("photos", key, data, "image/jpeg")
    detector = start_detector(pipeline)
    pipeline.wait(lambda: detected(pipeline).keys() == photos.keys(), "all four photographs")
    found = detected(pipeline)
    assert [found[key].outcome for key in photos] == [
        Outcome.DETECTED,
        Outcome.UNREADABLE,
        Outcome.UNREADABLE,
        Outcome.DETECTED,
    ]
    assert found["2.jpg"].reason == "decoding it killed its process (exit status -11)"
    assert found["3.jpg"].reason == f"it took longer than {_TIMEOUT} s"
    assert found["1.jpg"].faces
    assert found["4.jpg"].faces

    pipeline.store.put("photos", "5.jpg", b"HANGS!!!", "image/jpeg")
    time.sleep(1)  # by when it most likely hangs; if not, the rest holds all the same
    children = family(detector)
    assert children
    detector.kill()
    del pipeline.processes["detector"]
    pipeline.wait(ended(children), "the processes to end with their parent, which was killed")

    detector = start_detector(pipeline)
    pipeline.wait(lambda: "5.jpg" in detected(pipeline), "the photograph that was at hand")
    assert detected(pipeline)["5.jpg"].outcome is Outcome.UNREADABLE
    children = family(detector)
    detector.stop()
    del pipeline.processes["detector"]
    assert '"event": "stopped"' in detector.log()
    pipeline.wait(ended(children), "the processes to end with their parent, which was told to")
