"""Identifiers: derived from what they name, never random, so that a replay gives the same ones.

object_id = H(bucket, key)                         one object of a bucket, whatever it holds
image_id  = H(object_id, version id or etag)       what it held at one time
face_id   = H(image_id, detector version, box)     one face on that
cluster_id = H(generation, medoid face id)         a person, named at the generation that first saw them
event_id  = H(type, subject, generation, cause)    one thing that was said of a subject
"""

import hashlib

from shared.domain.events import Box

_LENGTH = 32  # hexadecimal digits: 128 bits, where a collision among 10^12 names has a chance below 10^-14


def _digest(kind: str, *parts: str) -> str:
    # A length before every part: without it ("ab", "c") and ("a", "bc") would be the same name.
    text = "".join([f"{len(part)}:{part}" for part in (kind, *parts)])
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def object_id(bucket: str, key: str) -> str:
    """The name of an object; an overwritten object keeps it."""
    return _digest("object", bucket, key)


def image_id(of_object: str, version_id: str | None, etag: str) -> str:
    """The name of what an object held at one time: its version id where the bucket keeps versions, else its etag."""
    return _digest("image", of_object, version_id or etag)


def face_id(of_image: str, detector_version: str, box: Box) -> str:
    """The name of one face. Another detector version may place boxes elsewhere, so it gives other names."""
    return _digest("face", of_image, detector_version, f"{box.left},{box.top},{box.width},{box.height}")


def cluster_id(generation: int, medoid_face_id: str) -> str:
    """The name of a cluster that first appears in `generation`. Later generations hand it on."""
    return _digest("cluster", str(generation), medoid_face_id)


def event_id(kind: str, subject: str, generation: int, cause: str) -> str:
    """The name of an event. `cause` tells what else of this kind is said of the subject in the generation."""
    return _digest("event", kind, subject, str(generation), cause)


def crop_key(of_face: str) -> str:
    """Where the aligned crop of a face lies in the bucket of crops."""
    return f"crops/{of_face}.png"
