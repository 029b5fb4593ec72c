"""Dossiers: what concerns one operator, with the letter that goes to it."""

from mssante_audit.dossiers.write import write_dossiers

__all__ = ["write_dossiers"]
