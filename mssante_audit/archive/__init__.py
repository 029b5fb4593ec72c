"""The archive: every list ever collected, what changed between them, fetching the next."""

from mssante_audit.archive.store import Archive, open_archive

__all__ = ["Archive", "open_archive"]
