"""The quality service's job: a verdict for every face."""

import cv2
import numpy as np

from services.quality.settings import QualitySettings
from services.quality.sharpness import variance_of_laplacian
from shared.domain.events import DetectedFace, FacesDetected, FacesScreened, ScreenedFace, Verdict, facts
from shared.errors import ObjectError
from shared.ports.objects import LARGEST_CROP, ObjectStore
from shared.settings import BucketSettings


def screen(
    photo: FacesDetected, objects: ObjectStore, settings: QualitySettings, buckets: BucketSettings
) -> FacesScreened:
    """Return the photograph with a verdict for each face.

    A face whose crop is gone or damaged is rejected: someone removed the photograph in between, and nothing could be
    embedded. Raises `Transient` where the object store does not answer.
    """
    return FacesScreened(
        photo=photo.photo,
        outcome=photo.outcome,
        reason=photo.reason,
        passing=photo.passing,
        faces=tuple(_screened(face, objects, settings, buckets) for face in photo.faces),
    )


def _screened(
    face: DetectedFace, objects: ObjectStore, settings: QualitySettings, buckets: BucketSettings
) -> ScreenedFace:
    try:
        data = objects.get(buckets.faces, face.crop_key, LARGEST_CROP).data
    except ObjectError:
        data = b""
    crop = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if crop is None:
        return ScreenedFace(**facts(face), sharpness=0.0, verdict=Verdict.CROP_MISSING)
    sharpness = variance_of_laplacian(crop.astype(np.uint8, copy=False))
    verdict = Verdict.ACCEPTED if sharpness >= settings.sharpness_threshold else Verdict.BLURRY
    return ScreenedFace(**facts(face), sharpness=sharpness, verdict=verdict)
