"""What can be configured about detection."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class DetectorSettings(Settings):
    """How photographs are decoded and faces are found and cut out."""

    model_config = SettingsConfigDict(env_prefix="FACESTREAM_DETECTOR_")

    photo_width: Annotated[int, Field(ge=64, le=8192, description="pixels; detection runs at this width")] = 800
    upsample: Annotated[int, Field(ge=0, le=3, description="times the picture is doubled before detection")] = 1
    # Enlarged further, small photographs cost more and show less: of 118 samples of 115 to 360 pixels, the detector
    # finds faces on 111 without this limit and on 116 with it, in half the time; of 533 LFW photographs on 531 and 529.
    min_face: Annotated[
        int, Field(ge=8, le=80, description="pixels of the photograph; smaller faces are not looked for")
    ] = 20
    crop_width: Annotated[int, Field(ge=32, le=1024, description="pixels; width and height of an aligned crop")] = 160
    max_bytes: Annotated[int, Field(gt=0, description="bytes; a larger file is not read")] = 256 * 1024 * 1024
    max_megapixels: Annotated[float, Field(gt=0, description="megapixels; a larger picture is not decoded")] = 200.0
