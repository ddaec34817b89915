"""`facestream preprocess`: the crops of a folder that are sharp enough."""

from pathlib import Path

from cli.files.crops import read_crop
from cli.files.input_files import files_in, text_of
from cli.files.whole_output import new_folder, write
from cli.output.file_progress import Watch
from services.quality.sharpness import variance_of_laplacian
from shared.errors import Unreadable


def keep_sharp(source: Path, out: Path, threshold: float) -> str:
    """Copy the crops whose variance of the Laplacian reaches the threshold, under their names, byte by byte.

    Returns what was done, in a line. Raises `InvalidInput` for folders that make no sense, and `Fatal` where no crop
    can be read.
    """
    watch = Watch()
    crops = files_in(source, watch)
    with new_folder(out, source) as folder:
        read = kept = 0
        for name in watch.over(crops, len(crops), "crops"):
            try:
                data, crop = read_crop(source / name)
                is_sharp = variance_of_laplacian(crop) >= threshold
                if is_sharp:
                    write(folder / name, data)
            except Unreadable as reason:
                watch.refused(text_of(source / name), str(reason))
                continue
            read += 1
            kept += is_sharp
        watch.check_some(read, source)
    return f"{watch.count(read, 'crops')}: {kept} sharp ones in {out}, {read - kept} blurry ones left out"
