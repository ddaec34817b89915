"""One protocol for a database that implements the three ports of photographs, generations and the lease."""

from typing import Protocol

from shared.ports.generations import GenerationStore
from shared.ports.lease import LeaseStore
from shared.ports.photos import PhotoCatalog


class FaceRepository(PhotoCatalog, GenerationStore, LeaseStore, Protocol):
    """All three ports in one object. A function takes the narrowest protocol that it needs."""
