"""Verdicts: one row a domain, what is known of it put together."""

from mssante_audit.verdicts.domains import domains_of, hosts, method_records

__all__ = ["domains_of", "hosts", "method_records"]
