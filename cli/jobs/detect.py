"""The work of `facestream detect`: cut aligned crops of all faces out of the photographs of a folder."""

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import cv2

from cli.files.input_files import content, files_in, text_of
from cli.files.output_names import stems
from cli.files.whole_output import new_folder, write
from cli.output.file_progress import FileProgress
from services.detector.decoding.decode import decode
from services.detector.hog_detector import HogDetector
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from services.standalone.settings import OF_COMMAND, StandaloneSettings
from shared.errors import Unreadable
from shared.model_files import LANDMARKS, located


@dataclass(frozen=True, slots=True)
class _Task:
    photo: Path
    landmarks: Path
    settings: DetectorSettings


def crop_folder(source: Path, out: Path, *, landmarks: Path | None, face_width: int, processes: int | None) -> str:
    """Write each face as `<photo>_<n>.png`, numbered from 1 from left to right, in the same subfolders as in `source`.

    Returns a summary in one line. Raises `InvalidInput` if a folder cannot be read or written, `ModelError`, and
    `Fatal` if no photograph can be read.
    """
    progress = FileProgress()
    detector = DetectorSettings(crop_width=face_width)
    if landmarks is None or landmarks.name == LANDMARKS.name:  # a model of the user's own has another name
        landmarks = located(LANDMARKS, landmarks and landmarks.parent)
    photos = files_in(source, progress)
    settings, detector = StandaloneSettings.with_processes(processes).with_memory_shared(detector, OF_COMMAND)
    load = partial(_detector, landmarks, detector)
    bounds = settings.photo_timeout, load, detector.memory
    with new_folder(out, source) as folder, PhotoPool(settings.processes, *bounds) as pool:
        tasks = (_Task(source / photo, landmarks, detector) for photo in photos)
        done = progress.over(pool.each(_crops, tasks, Unreadable), len(photos), "photographs")
        read = faces = 0
        for stem, (task, crops) in zip(stems(photos), done, strict=True):
            try:
                if isinstance(crops, Unreadable):
                    raise crops
                for number, crop in enumerate(crops, 1):
                    write(folder / stem.with_name(f"{stem.name}_{number}.png"), crop)
            except Unreadable as reason:
                progress.refused(text_of(task.photo), str(reason))
                continue
            read += 1
            faces += len(crops)
        progress.check_some(read, source)
    return f"{progress.count(read, 'photographs')}: {faces} faces in {out}"


def _crops(task: _Task) -> list[bytes]:
    data = content(task.photo, task.settings.max_bytes)
    faces = _detector(task.landmarks, task.settings).detect(decode(data, task.settings))
    return [cv2.imencode(".png", face.crop)[1].tobytes() for face in faces]


@lru_cache(maxsize=1)
def _detector(landmarks: Path, settings: DetectorSettings) -> HogDetector:
    return HogDetector(landmarks, settings)
