"""The work of `facestream preprocess`: copy the sharp crops of a folder."""

from pathlib import Path

from cli.files.crops import read_crop
from cli.files.input_files import files_in, text_of
from cli.files.whole_output import new_folder, write
from cli.output.file_progress import FileProgress
from services.quality.sharpness import variance_of_laplacian
from shared.errors import Unreadable


def copy_sharp_crops(source: Path, out: Path, threshold: float) -> str:
    """Copy the crops whose variance of the Laplacian is at least the threshold; names and bytes stay the same.

    Returns a summary in one line. Raises `InvalidInput` if a folder cannot be read or written, and `Fatal` if no crop
    can be read.
    """
    progress = FileProgress()
    crops = files_in(source, progress)
    with new_folder(out, source) as folder:
        read = kept = 0
        for name in progress.over(crops, len(crops), "crops"):
            try:
                data, crop = read_crop(source / name)
                is_sharp = variance_of_laplacian(crop) >= threshold
                if is_sharp:
                    write(folder / name, data)
            except Unreadable as reason:
                progress.refused(text_of(source / name), str(reason))
                continue
            read += 1
            kept += is_sharp
        progress.check_some(read, source)
    return f"{progress.count(read, 'crops')}: {kept} sharp ones in {out}, {read - kept} blurry ones left out"
