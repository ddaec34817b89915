# ruff: noqa: INP001  a script beside the documents, no package
"""Make the pictures of the README: a report about people who are drawn, so that they show nobody's face.

    python -m docs.make_pictures

It needs a Chromium browser. Run it again when the report looks different.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from services.standalone.report import write_report
from tools import browser
from tools.drawn_people import album

_IMAGES = Path(__file__).parent / "images"
_SIZE = (1180, 1640)  # pixels; down to the faces of the first people


def main() -> None:
    """Write `docs/images/report.png`."""
    program = browser.find()
    if program is None:
        sys.exit("expected a Chromium browser on the path, found none: `make browser` installs it")
    drawn = album([48, 37, 33, 29, 26, 24, 23, 22, 21, 20], unknown=46, blurry=21, unreadable=3, empty=9, seed=11)
    with tempfile.TemporaryDirectory() as folder, browser.browser(program) as chromium:
        report = Path(folder) / "report.html"
        write_report(
            drawn.repository,
            drawn.objects,
            report,
            faces_bucket="faces",
            similarity_threshold=0.75,
            sharpness_threshold=25,
        )
        chromium.open(report, *_SIZE)
        chromium.wait_for("document.getElementById('map-canvas').dataset.drawn")
        chromium.wait_for("[...document.querySelectorAll('img[src]')].every((image) => image.complete)")
        chromium.wait_for("document.querySelectorAll('.face img[src]').length > 24")
        shot = Path(folder) / "report.png"
        chromium.page.screenshot(path=shot)
        with Image.open(shot) as picture:
            # A palette: a third of the bytes; without k-means small coloured rings turn grey.
            small = picture.convert("RGB").quantize(256, kmeans=3, dither=Image.Dither.NONE)
            small.save(_IMAGES / "report.png", optimize=True)


if __name__ == "__main__":
    main()
