"""Photographs of nobody: a repository full of people who are drawn, for pictures and tests of the report."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from shared import ids
from shared.adapters.memory import MemoryObjectStore, MemoryRepository
from shared.events import Box, Cause, Outcome, Verdict
from shared.records import Cluster, FaceRecord, Generation, GenerationState, ImageRecord, Membership

SIDE = 160
_DRAWN = 4 * SIDE  # drawn large and made small: smooth edges
_SKIN = ("#f6d7bf", "#eebf9c", "#d9a077", "#b97f57", "#8f5b3c", "#6b422c")
_HAIR = ("#22180f", "#4a2f1b", "#7a4d27", "#a9702f", "#d9b063", "#8e8e92", "#b0452c", "#2c2b45")
_CLOTH = ("#35507f", "#8c3b4a", "#3f7a5f", "#c48a2e", "#5b4a86", "#4d5a63", "#b65f3a", "#2f7f8c")
_WALL = ("#dfe7ee", "#e9e2d6", "#d5e3d8", "#ecdcd9", "#dcd9ea", "#cfd8dc", "#f1e8c9", "#bccfe0")
WHEN = datetime(2024, 5, 1, tzinfo=UTC)
DIMENSIONS = 128


@dataclass(frozen=True)
class Look:
    """What makes a drawn person the same on every picture."""

    skin: str
    hair: str
    cut: int
    wide: float
    eyes: str
    glasses: bool
    beard: bool


def look(rng: np.random.Generator) -> Look:
    return Look(
        skin=str(rng.choice(_SKIN)),
        hair=str(rng.choice(_HAIR)),
        cut=int(rng.integers(5)),
        wide=float(rng.uniform(0.86, 1.08)),
        eyes=str(rng.choice(["#3a2a1c", "#2f5d7c", "#48643c", "#241c18"])),
        glasses=bool(rng.random() < 0.25),
        beard=bool(rng.random() < 0.25),
    )


def draw(of: Look, rng: np.random.Generator, *, blurred: float = 0.0) -> bytes:
    """Draw one picture of a person, 160 x 160 pixels, as PNG; light, pose and mood differ from picture to picture."""
    image = Image.new("RGB", (_DRAWN, _DRAWN), str(rng.choice(_WALL)))
    pen = ImageDraw.Draw(image)
    middle = _DRAWN / 2

    def oval(x: float, y: float, width: float, height: float, fill: str) -> None:
        pen.ellipse((middle + x - width, middle + y - height, middle + x + width, middle + y + height), fill=fill)

    turn = float(rng.uniform(-14, 14))
    wide = 190 * of.wide
    oval(0, 360, 300, 170, str(rng.choice(_CLOTH)))
    if of.cut in {1, 2}:  # long hair falls behind the neck
        oval(0, 40, wide + 52, 285 if of.cut == 1 else 225, of.hair)
    elif of.cut == 3:  # curls
        for angle in np.linspace(-0.15, np.pi + 0.15, 11):
            oval(-(wide + 12) * np.cos(angle), -60 - 190 * np.sin(angle), 82, 82, of.hair)
    pen.rounded_rectangle((middle - 70, middle + 120, middle + 70, middle + 280), 60, fill=_shade(of.skin, 0.86))
    for side in (-1, 1):
        oval(side * (wide - 2) + turn / 2, 20, 32, 50, _shade(of.skin, 0.92))
    oval(0, 0, wide, 235, of.skin)
    if of.beard:
        pen.chord((middle - wide + 14, middle - 90, middle + wide - 14, middle + 238), 12, 168, fill=of.hair)
    if of.cut != 4:  # noqa: PLR2004  4 is bald
        pen.chord(
            (middle - wide - 6, middle - 250, middle + wide + 6, middle + 120),
            188 + turn / 2,
            352 + turn / 2,
            fill=of.hair,
        )
    smile = float(rng.uniform(0.1, 1.0))
    for side in (-1, 1):
        x = side * 80 * of.wide + turn
        oval(x, -12, 32, 21 + 4 * smile, "#fdfdfb")
        oval(x + turn / 2, -12, 17, 18, of.eyes)
        oval(x + turn / 2, -12, 8, 9, "#0d0b0a")
        oval(x + turn / 2 + 6, -18, 5, 5, "#ffffff")
        brow = -62 - 10 * smile
        pen.line(
            (middle + x - 40, middle + brow + 8, middle + x, middle + brow - 4, middle + x + 40, middle + brow + 8),
            fill=of.hair if of.cut != 4 else "#4a3a30",
            width=13,
            joint="curve",
        )  # noqa: E501, PLR2004  one stroke
        if of.glasses:
            box = (middle + x - 56, middle - 58, middle + x + 56, middle + 36)
            pen.rounded_rectangle(box, 40, outline="#2a2a2e", width=9)
    if of.glasses:
        pen.line((middle + turn - 26, middle - 18, middle + turn + 26, middle - 18), fill="#2a2a2e", width=9)
    pen.line(
        (middle + 1.4 * turn, middle + 4, middle + 1.4 * turn + 18, middle + 62, middle + 1.4 * turn - 8, middle + 68),
        fill=_shade(of.skin, 0.78),
        width=10,
        joint="curve",
    )  # noqa: E501  one stroke
    half = 54 + 24 * smile
    pen.chord(
        (middle + turn - half, middle + 118 - 46 * smile, middle + turn + half, middle + 124 + 46 * smile),
        8,
        172,
        fill="#8f3d3f",
    )
    image = image.rotate(float(rng.uniform(-7, 7)), Image.Resampling.BICUBIC, fillcolor=image.getpixel((2, 2)))
    image = image.crop((40, 20, _DRAWN - 40, _DRAWN - 60)).resize((SIDE, SIDE), Image.Resampling.LANCZOS).point(_light(float(rng.uniform(0.78, 1.12))))
    if blurred:
        image = image.filter(ImageFilter.GaussianBlur(blurred))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _shade(colour: str, factor: float) -> str:
    return "#" + "".join(f"{round(int(colour[at : at + 2], 16) * factor):02x}" for at in (1, 3, 5))


def _light(factor: float) -> list[int]:
    return [min(255, round(level * factor)) for level in range(256)] * 3


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass(frozen=True)
class Album:
    """A repository and its crops, in the bucket `faces`."""

    repository: MemoryRepository
    objects: MemoryObjectStore


def album(
    sizes: list[int],
    *,
    unknown: int = 0,
    blurry: int = 0,
    unreadable: int = 0,
    empty: int = 0,
    seed: int = 0,
    pictures: int | None = None,
    name: str = "album/{day:%Y-%m-%d}/IMG_{number:04d}.jpg",
) -> Album:
    """Make an album of people on `sizes` photographs each.

    Every fourth photograph has two people. `pictures` limits how many different crops are drawn per person: drawing
    takes 15 ms.
    """
    rng = np.random.default_rng(seed)
    filled = Album(MemoryRepository(), MemoryObjectStore())
    images: dict[int, ImageRecord] = {}
    faces: list[FaceRecord] = []
    memberships: list[Membership] = []
    clusters: list[Cluster] = []

    def photo(outcome: Outcome = Outcome.DETECTED, reason: str | None = None) -> ImageRecord:
        number = len(images)
        key = name.format(number=number, day=WHEN.replace(month=1 + number // 28 % 12, day=1 + number % 28))
        object_id = ids.object_id("photos", key)
        image_id = ids.image_id(object_id, None, "etag")
        size = int(rng.integers(200_000, 9_000_000))
        images[number] = ImageRecord(image_id, object_id, "photos", key, "etag", size, WHEN, outcome, reason)
        return images[number]

    def face(
        image: ImageRecord, left: int, crop: bytes, vector: NDArray[np.float32] | None, sharpness: float
    ) -> FaceRecord:
        box = Box(left=left, top=80, width=200, height=200)
        face_id = ids.face_id(image.image_id, "drawn", box)
        filled.objects.put("faces", ids.crop_key(face_id), crop, "image/png")
        verdict = Verdict.BLURRY if vector is None else Verdict.ACCEPTED
        score = float(rng.uniform(0.2, 2.4))
        key = ids.crop_key(face_id)
        faces.append(
            FaceRecord(face_id, image.image_id, image.object_id, box, score, key, sharpness, verdict, vector, "drawn")
        )
        return faces[-1]

    def sharp() -> float:
        return float(25 + np.exp(rng.normal(5.2, 0.9)))

    hosts: list[ImageRecord] = []
    for size in sizes:
        of, centre = look(rng), rng.normal(size=DIMENSIONS)
        crops = [draw(of, rng) for _ in range(min(size, pictures or size))]
        spread = float(rng.uniform(0.35, 0.6))
        vectors = [_unit(centre + spread * rng.normal(size=DIMENSIONS)) for _ in range(size)]
        hosts = [*hosts[3::4], *(photo() for _ in range(size))][:size]  # some photographs of the person before
        own = [
            face(image, 100 + 10 * len(clusters), crops[at % len(crops)], vector, sharp())
            for at, (image, vector) in enumerate(zip(hosts, vectors, strict=True))
        ]
        sums = np.linalg.norm(np.stack(vectors)[:, None] - np.stack(vectors[:200])[None], axis=2).sum(axis=1)
        medoid = own[int(sums.argmin())]
        assert medoid.vector is not None
        cluster_id = ids.cluster_id(1, medoid.face_id)
        clusters.append(
            Cluster(1, cluster_id, medoid.face_id, medoid.vector, np.empty((0, DIMENSIONS), np.float32), size)
        )
        for one in own:
            assert one.vector is not None
            likeness = float(one.vector @ medoid.vector)
            memberships.append(Membership(1, one.face_id, cluster_id, likeness, Cause.RECLUSTERED))
    strangers = [draw(look(rng), rng) for _ in range(min(unknown, pictures or unknown))]
    for at in range(unknown):
        one = face(photo(), 40, strangers[at % len(strangers)], _unit(rng.normal(size=DIMENSIONS)), sharp())
        likeness = float(np.clip(rng.normal(0.42, 0.14), -0.2, 0.74))
        memberships.append(Membership(1, one.face_id, None, likeness, Cause.RECLUSTERED))
    strengths = [float(rng.uniform(3, 8)) for _ in range(min(blurry, pictures or blurry))]
    smudges = [(60 / strength, draw(look(rng), rng, blurred=strength)) for strength in strengths]
    for at in range(blurry):
        sharpness, crop = smudges[at % len(smudges)]
        face(photo(), 60, crop, None, sharpness)
    for at in range(unreadable):
        reasons = ("not an image that can be decoded", "the image data ends early")
        photo(Outcome.UNREADABLE, reasons[at % 2])
    for _ in range(empty):
        photo()

    filled.repository.save_images(list(images.values()))
    filled.repository.save_faces(faces)
    if sizes:
        parameters = {"edge_threshold": 0.7, "iterations": 50, "min_cluster_size": 20, "seed": 0}
        filled.repository.save_generation(Generation(1, GenerationState.BUILDING, "drawn", "snapshot", parameters))
        filled.repository.save_clusters(clusters)
        filled.repository.save_memberships(memberships)
        filled.repository.activate(1, None)
    return filled
