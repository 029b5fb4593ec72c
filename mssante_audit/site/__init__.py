"""The site of a run: static pages that open from disk."""

from mssante_audit.site.build import build_site

__all__ = ["build_site"]
