"""`facestream cr2-to-jpg`: every camera raw file of a folder becomes an upright JPEG."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2

from cli.jobs.output import new_folder, write
from cli.jobs.pictures import content, files_in, stems, text_of
from cli.jobs.watching import Watch
from services.detector.decoding.raw import develop
from services.detector.photo_pool import PhotoPool
from services.detector.settings import DetectorSettings
from services.standalone.settings import OF_COMMAND, StandaloneSettings
from shared.errors import Unreadable
from shared.photos.photo_names import is_raw_name

_QUALITY = 95
_FULL_SIZE = 8192  # pixels; a picture that is needed at this width is not developed at half its size


@dataclass(frozen=True, slots=True)
class _Task:
    photo: Path
    settings: DetectorSettings


def develop_folder(source: Path, out: Path, processes: int | None) -> str:
    """Write each raw file as `<photo>.jpg` with the time of the file, subfolders as in `source`.

    Returns what was done, in a line. Raises `InvalidInput` for folders that make no sense, and `Fatal` where no
    file can be developed.
    """
    watch = Watch()
    detector = DetectorSettings(photo_width=_FULL_SIZE)
    photos = files_in(source, watch, is_raw_name)
    settings, detector = StandaloneSettings.with_processes(processes).with_memory_shared(detector, OF_COMMAND)
    bounds = settings.photo_timeout, _ready, detector.memory
    with new_folder(out, source) as folder, PhotoPool(settings.processes, *bounds) as pool:
        tasks = (_Task(source / photo, detector) for photo in photos)
        done = watch.over(pool.each(_jpeg, tasks, Unreadable), len(photos), "raw files")
        read = 0
        for stem, (task, jpeg) in zip(stems(photos), done, strict=True):
            path = folder / stem.with_name(f"{stem.name}.jpg")
            try:
                if isinstance(jpeg, Unreadable):
                    raise jpeg
                data, accessed, modified = jpeg
                write(path, data)
            except Unreadable as reason:
                watch.refused(text_of(task.photo), str(reason))
                continue
            os.utime(path, ns=(accessed, modified))
            read += 1
        watch.check_some(read, source)
    return f"{watch.count(read, 'raw files')}: developed into {out}"


def _ready() -> None:
    """Do nothing. To call it, a process imports this module and the decoders before memory is measured."""


def _jpeg(task: _Task) -> tuple[bytes, int, int]:
    """Return the JPEG and the times of access and change of the raw file, in nanoseconds."""
    data = content(task.photo, task.settings.max_bytes)
    rgb = develop(data, task.settings).image
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    try:
        times = task.photo.stat()
    except OSError as error:  # it went away in the meantime
        raise Unreadable((error.strerror or str(error)).lower()) from error
    return jpeg.tobytes(), times.st_atime_ns, times.st_mtime_ns
