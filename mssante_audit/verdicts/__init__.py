"""Verdicts: one row a domain, what is known of it put together."""

from mssante_audit.verdicts.domains import domains, domains_of
from mssante_audit.verdicts.methods import method_records

__all__ = ["domains", "domains_of", "method_records"]
