"""Verdicts: one row a domain, what is known of it put together."""

from mssante_audit.verdicts.domains import domains_of

__all__ = ["domains_of"]
