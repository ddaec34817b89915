"""Photographs and crops: `facestream detect`, `cr2-to-jpg` and `preprocess`.

Every command imports its work inside the function: dlib, TensorFlow and numba take seconds to import, which --help does
not need.
"""

from pathlib import Path
from typing import Annotated

import typer

from cli.output.terminal import say

_Processes = Annotated[
    int | None, typer.Option(min=1, max=256, help="Number of processes. The default is one per core.")
]


def detect(
    image_dir: Annotated[
        Path, typer.Option("--image-dir", "-d", help="Folder of photographs. Its subfolders are searched too.")
    ],
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Folder for the crops.")],
    shape_predictor: Annotated[
        Path | None,
        typer.Option(
            "--shape-predictor",
            "-p",
            help="File of dlib's predictor of 68 landmarks. The default is the file of `models fetch`.",
        ),
    ] = None,
    face_width: Annotated[
        int, typer.Option("--face-width", "-w", min=32, max=1024, help="Width and height of a crop in pixels.")
    ] = 160,
    processes: _Processes = None,
) -> None:
    """Cut the faces out of all photographs of a folder, aligned by the eyes.

    A crop is named <photo>_<n>.png and lies in the same subfolder as its photograph. A photograph that cannot be read
    is reported in a line, and the command continues with the others. The exit status is 1 if no photograph could be
    read.
    """
    from cli.jobs.detect import crop_folder  # noqa: PLC0415  see above

    say(crop_folder(image_dir, output_dir, shape_predictor, face_width, processes))


def cr2_to_jpg(
    source: Annotated[Path, typer.Option("--source", "-s", help="Folder of camera raw files of any format.")],
    destination: Annotated[Path, typer.Option("--destination", "-d", help="Folder for the JPEG files.")],
    processes: _Processes = None,
) -> None:
    """Convert all camera raw files of a folder to upright JPEG files, which keep the files' times."""
    from cli.jobs.cr2_to_jpg import develop_folder  # noqa: PLC0415  see above

    say(develop_folder(source, destination, processes))


def preprocess(
    image_dir: Annotated[Path, typer.Option("--image-dir", "-i", help="Folder of face crops.")],
    output_dir: Annotated[Path, typer.Option("--output-dir", "-o", help="Folder for the sharp crops.")],
    threshold: Annotated[
        float, typer.Option("--threshold", "-t", min=0, help="Smallest variance of the Laplacian of a sharp crop.")
    ] = 25.0,
) -> None:
    """Copy the sharp crops of a folder unchanged."""
    from cli.jobs.preprocess import keep_sharp  # noqa: PLC0415  see above

    say(keep_sharp(image_dir, output_dir, threshold))
