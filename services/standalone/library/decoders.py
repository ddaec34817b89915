"""The name of the decoders: software and limits, which decide whether a file can be decoded."""

from importlib.metadata import version

from services.detector.settings import DetectorSettings

LIMITS = ("max_bytes", "max_megapixels", "memory")
"""Settings of the detector that decide which photographs are decoded, but not which faces are found on them."""

_PACKAGES = ("facestream", "pillow", "pillow-heif", "pylibjxl", "rawpy", "opencv-python-headless")


def decoders(settings: DetectorSettings) -> str:
    """Return the name of the decoders and limits. A file that they could not decode is tried again if it changes."""
    limits = [f"{name} {getattr(settings, name) or 0:g}" for name in LIMITS]
    return ", ".join([f"{package} {version(package)}" for package in _PACKAGES] + limits)
