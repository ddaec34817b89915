"""Photographs and crops: `facestream detect`, `cr2-to-jpg` and `preprocess`.

In every command the import is inside: what it pulls in (dlib, TensorFlow, numba) takes seconds that --help can do
without.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import say

_Processes = Annotated[int | None, typer.Option(min=1, max=256, help="Processes that work. Default: one per core.")]


def detect(
    image_dir: Annotated[Path, typer.Option("--image-dir", "-d", help="Folder of photographs.")],
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Folder to write the crops to.")],
    shape_predictor: Annotated[
        Path | None,
        typer.Option("--shape-predictor", "-p", help="dlib's 68 landmarks. Default: those of `models fetch`."),
    ] = None,
    face_width: Annotated[
        int, typer.Option("--face-width", "-w", min=32, max=1024, help="Width and height of a crop, in pixels.")
    ] = 160,
    processes: _Processes = None,
) -> None:
    """Cut the faces out of all photographs of a folder, aligned by the eyes.

    The crops are named <photo>_<n>.png and lie in the subfolders of their photographs. A photograph that cannot be
    read is told in a line, and the others are done; the exit status is 1 where not one could be read.
    """
    from cli.jobs.cropping import crop_folder  # noqa: PLC0415  see above

    say(crop_folder(image_dir, output_dir, shape_predictor, face_width, processes))


def cr2_to_jpg(
    source: Annotated[Path, typer.Option("--source", "-s", help="Folder of camera raw files of any kind.")],
    destination: Annotated[Path, typer.Option("--destination", "-d", help="Folder to write the JPEG files to.")],
    processes: _Processes = None,
) -> None:
    """Develop all camera raw files of a folder into upright JPEG files that keep the time of the file."""
    from cli.jobs.developing import develop_folder  # noqa: PLC0415  see above

    say(develop_folder(source, destination, processes))


def preprocess(
    image_dir: Annotated[Path, typer.Option("--image-dir", "-i", help="Folder of crops.")],
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Folder to copy the sharp ones to.")],
    threshold: Annotated[
        float, typer.Option("--threshold", "-t", min=0, help="Variance of the Laplacian that a sharp crop has.")
    ] = 25.0,
) -> None:
    """Copy the crops that are sharp enough, as they are."""
    from cli.jobs.screening import keep_sharp  # noqa: PLC0415  see above

    say(keep_sharp(image_dir, output_dir, threshold))
