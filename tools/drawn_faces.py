"""Drawn faces, for pictures and tests that must not show a real person."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 160  # pixels of a crop
_DRAWN = 640  # pixels of the drawing; it is scaled down, which makes edges smooth
_SKIN = ("#f6d7bf", "#eebf9c", "#d9a077", "#b97f57", "#8f5b3c", "#6b422c")
_HAIR = ("#22180f", "#4a2f1b", "#7a4d27", "#a9702f", "#d9b063", "#8e8e92", "#b0452c", "#2c2b45")
_EYES = ("#3a2a1c", "#2f5d7c", "#48643c", "#241c18")
_CLOTH = ("#35507f", "#8c3b4a", "#3f7a5f", "#c48a2e", "#5b4a86", "#4d5a63", "#b65f3a", "#2f7f8c")
_WALL = ("#dfe7ee", "#e9e2d6", "#d5e3d8", "#ecdcd9", "#dcd9ea", "#cfd8dc", "#f1e8c9", "#bccfe0")
_CUTS = ("short", "long", "bob", "curls", "bald")
_FRAME = "#2a2a2e"


@dataclass(frozen=True)
class Look:
    """The looks of a drawn person, the same on all pictures. `width`: half the width of the face, in drawn pixels."""

    skin: str
    hair: str
    eyes: str
    cut: str
    width: float
    glasses: bool
    beard: bool


def invent(rng: np.random.Generator) -> Look:
    """Return the looks of a new person."""
    return Look(
        skin=str(rng.choice(_SKIN)),
        hair=str(rng.choice(_HAIR)),
        eyes=str(rng.choice(_EYES)),
        cut=str(rng.choice(_CUTS)),
        width=float(rng.uniform(164, 204)),
        glasses=bool(rng.random() < 0.25),
        beard=bool(rng.random() < 0.25),
    )


class _Pen:
    """Draws with coordinates relative to the centre of the picture."""

    def __init__(self, image: Image.Image) -> None:
        self._draw = ImageDraw.Draw(image)

    def oval(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        self._draw.ellipse(self._corners(x - width, y - height, x + width, y + height), fill=fill)

    def chord(self, edges: tuple[float, float, float, float], turn: tuple[float, float], fill: str) -> None:
        self._draw.chord(self._corners(*edges), *turn, fill=fill)

    def box(self, left: float, top: float, right: float, bottom: float, *, fill: str = "", outline: str = "") -> None:
        corners = self._corners(left, top, right, bottom)
        self._draw.rounded_rectangle(corners, 40, fill=fill or None, outline=outline or None, width=9)

    def stroke(self, *points: tuple[float, float], fill: str) -> None:
        moved = [(x + _DRAWN / 2, y + _DRAWN / 2) for x, y in points]
        self._draw.line(moved, fill=fill, width=11, joint="curve")

    @staticmethod
    def _corners(*edges: float) -> list[float]:
        return [edge + _DRAWN / 2 for edge in edges]


def draw(look: Look, rng: np.random.Generator, blur: float = 0.0) -> bytes:
    """Return one picture of a person: PNG, 160 x 160 pixels. Light, pose and smile are random.

    `blur`: radius of a Gaussian, in pixels.
    """
    wall = str(rng.choice(_WALL))
    image = Image.new("RGB", (_DRAWN, _DRAWN), wall)
    pen = _Pen(image)
    turn, smile = float(rng.uniform(-14, 14)), float(rng.uniform(0.1, 1.0))
    pen.oval(0, 360, 300, 170, str(rng.choice(_CLOTH)))
    _head(pen, look, turn)
    _features(pen, look, turn, smile)
    image = image.rotate(float(rng.uniform(-7, 7)), Image.Resampling.BICUBIC, fillcolor=wall)
    image = image.crop((40, 20, _DRAWN - 40, _DRAWN - 60)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    light = float(rng.uniform(0.78, 1.12))
    image = image.point([min(255, round(level * light)) for level in range(256)] * 3)
    image = image.filter(ImageFilter.GaussianBlur(blur))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _head(pen: _Pen, look: Look, turn: float) -> None:
    wide = look.width
    if look.cut in {"long", "bob"}:  # falls behind the neck
        pen.oval(0, 40, wide + 52, 285 if look.cut == "long" else 225, look.hair)
    elif look.cut == "curls":
        for angle in np.linspace(-0.15, np.pi + 0.15, 11):
            pen.oval(-(wide + 12) * np.cos(angle), -60 - 190 * np.sin(angle), 82, 82, look.hair)
    pen.box(-70, 120, 70, 280, fill=_shade(look.skin, 0.86))
    for side in (-1, 1):
        pen.oval(side * (wide - 2) + turn / 2, 20, 32, 50, _shade(look.skin, 0.92))
    pen.oval(0, 0, wide, 235, look.skin)
    if look.beard:
        pen.chord((14 - wide, -90, wide - 14, 238), (12, 168), look.hair)
    if look.cut != "bald":
        pen.chord((-wide - 6, -250, wide + 6, 120), (188 + turn / 2, 352 + turn / 2), look.hair)


def _features(pen: _Pen, look: Look, turn: float, smile: float) -> None:
    for side in (-1, 1):
        x, brow = side * 0.42 * look.width + turn, -62 - 10 * smile
        pen.oval(x, -12, 32, 21 + 4 * smile, "#fdfdfb")
        pen.oval(x + turn / 2, -12, 17, 18, look.eyes)
        pen.oval(x + turn / 2, -12, 8, 9, "#0d0b0a")
        pen.oval(x + turn / 2 + 6, -18, 5, 5, "#ffffff")
        pen.stroke((x - 40, brow + 8), (x, brow - 4), (x + 40, brow + 8), fill=_shade(look.hair, 0.9))
        if look.glasses:
            pen.box(x - 56, -58, x + 56, 36, outline=_FRAME)
            pen.stroke((turn - 26, -18), (turn + 26, -18), fill=_FRAME)
    nose = 1.4 * turn
    pen.stroke((nose, 4), (nose + 18, 62), (nose - 8, 68), fill=_shade(look.skin, 0.78))
    half = 54 + 24 * smile
    pen.chord((turn - half, 118 - 46 * smile, turn + half, 124 + 46 * smile), (8, 172), "#8f3d3f")


def _shade(colour: str, factor: float) -> str:
    return "#" + "".join(f"{round(int(colour[at : at + 2], 16) * factor):02x}" for at in (1, 3, 5))
