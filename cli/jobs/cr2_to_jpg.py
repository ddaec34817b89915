"""The work of `facestream cr2-to-jpg`: convert the camera raw files of a folder to upright JPEG files."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2

from cli.files.input_files import content, files_in, text_of
from cli.files.output_names import stems
from cli.files.whole_output import new_folder, write
from cli.output.file_progress import FileProgress
from services.detector.decoding.raw import develop
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from services.standalone.settings import OF_COMMAND, StandaloneSettings
from shared.errors import Unreadable
from shared.photos.photo_names import is_raw_name

_QUALITY = 95
_FULL_SIZE = 8192  # pixels; at this width, a raw file is not decoded at half its size


@dataclass(frozen=True, slots=True)
class _Task:
    photo: Path
    settings: DetectorSettings


def develop_folder(source: Path, out: Path, processes: int | None) -> str:
    """Write each raw file as `<photo>.jpg` with the times of the file, in the same subfolders as in `source`.

    Returns a summary in one line. Raises `InvalidInput` if a folder cannot be read or written, and `Fatal` if no file
    can be converted.
    """
    progress = FileProgress()
    detector = DetectorSettings(photo_width=_FULL_SIZE)
    photos = files_in(source, progress, is_raw_name)
    settings, detector = StandaloneSettings.with_processes(processes).with_memory_shared(detector, OF_COMMAND)
    bounds = settings.photo_timeout, _ready, detector.memory
    with new_folder(out, source) as folder, PhotoPool(settings.processes, *bounds) as pool:
        tasks = (_Task(source / photo, detector) for photo in photos)
        done = progress.over(pool.each(_jpeg, tasks, Unreadable), len(photos), "raw files")
        read = 0
        for stem, (task, jpeg) in zip(stems(photos), done, strict=True):
            path = folder / stem.with_name(f"{stem.name}.jpg")
            try:
                if isinstance(jpeg, Unreadable):
                    raise jpeg
                data, accessed, modified = jpeg
                write(path, data)
            except Unreadable as reason:
                progress.refused(text_of(task.photo), str(reason))
                continue
            os.utime(path, ns=(accessed, modified))
            read += 1
        progress.check_some(read, source)
    return f"{progress.count(read, 'raw files')}: developed into {out}"


def _ready() -> None:
    """Do nothing. To call it, a process imports this module and the decoders before memory is measured."""


def _jpeg(task: _Task) -> tuple[bytes, int, int]:
    """Return the JPEG, and the access and modification times of the raw file in nanoseconds."""
    data = content(task.photo, task.settings.max_bytes)
    rgb = develop(data, task.settings).image
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    try:
        times = task.photo.stat()
    except OSError as error:  # it was removed in the meantime
        raise Unreadable((error.strerror or str(error)).lower()) from error
    return jpeg.tobytes(), times.st_atime_ns, times.st_mtime_ns
