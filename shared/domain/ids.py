"""Identifiers: derived from what they name, never random, so that a replay gives the same ones.

object_id = H(bucket, key)                         one object of a bucket, whatever it holds
image_id  = H(object_id, version id or etag)       one content of that object
face_id   = H(image_id, detector version, box)     one face on that
cluster_id = H(generation, medoid face id)         a person, named at the generation that first saw them
event_id  = H(type, subject, generation, cause)    one statement about a subject
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
    """The name of one content of an object, by its version id if the bucket keeps versions, else by its etag."""
    return _digest("image", of_object, version_id or etag)


def face_id(of_image: str, detector_version: str, box: Box) -> str:
    """The name of one face. Another detector version may find other boxes, so it results in other names."""
    return _digest("face", of_image, detector_version, f"{box.left},{box.top},{box.width},{box.height}")


def cluster_id(generation: int, medoid_face_id: str) -> str:
    """The name of a cluster that first appears in `generation`. Later generations keep it."""
    return _digest("cluster", str(generation), medoid_face_id)


def event_id(kind: str, subject: str, generation: int, cause: str) -> str:
    """The name of an event. `cause` distinguishes several events of one kind about a subject in a generation."""
    return _digest("event", kind, subject, str(generation), cause)


def crop_key(of_face: str) -> str:
    """The key of the aligned crop of a face in the bucket of crops."""
    return f"crops/{of_face}.png"
