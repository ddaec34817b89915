"""What decides whether the bytes of a file can be decoded: the software, and the limits."""

from importlib.metadata import version

from services.detector.settings import DetectorSettings

LIMITS = ("max_bytes", "max_megapixels", "memory")
"""Settings of the detector that decide which photographs are read, and nothing about the faces on them."""

_PACKAGES = ("facestream", "pillow", "pillow-heif", "pylibjxl", "rawpy", "opencv-python-headless")


def decoders(settings: DetectorSettings) -> str:
    """Name the decoders and limits: what they could not read is worth another try when this text is another one."""
    limits = [f"{name} {getattr(settings, name) or 0:g}" for name in LIMITS]
    return ", ".join([f"{package} {version(package)}" for package in _PACKAGES] + limits)
