"""What a file is, told from its first bytes, for the reason why it is unreadable."""

from shared.photos.file_kinds import Kind, kind_of

__all__ = ["Kind", "kind_of"]
