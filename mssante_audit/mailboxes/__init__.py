"""Mailboxes: the public extraction of ANS, read as numbers and nothing else."""

from mssante_audit.mailboxes.extraction import Extraction, find_extractions

__all__ = ["Extraction", "find_extractions"]
